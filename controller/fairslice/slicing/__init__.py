"""From a policy and a network to rates, and to what each switch should hold."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.slicing.allocation import NetworkAllocation, allocate_slices

__all__ = ["NetworkAllocation", "allocate_slices"]

_MODULE_OF = {"NetworkAllocation": "allocation", "allocate_slices": "allocation"}


def __getattr__(name: str) -> object:
    # Imported when asked for: whoever needs a label of a slice is spared the engine.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
