"""The contract of a controller: what its REST interface answers, and the client that asks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.api.client import ControllerClient

__all__ = ["ControllerClient"]

_MODULE_OF = {"ControllerClient": "client"}


def __getattr__(name: str) -> object:
    # Imported when asked for: the client needs httpx, which only the extra "controller" brings.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
