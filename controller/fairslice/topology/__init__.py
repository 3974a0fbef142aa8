"""The network: its links and capacities, reading it, and paths through it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.topology.load import load_network
    from fairslice.topology.network import Network
    from fairslice.topology.paths import NoPathError

__all__ = ["Network", "NoPathError", "load_network"]

_MODULE_OF = {"load_network": "load", "Network": "network", "NoPathError": "paths"}


def __getattr__(name: str) -> object:
    # Imported when asked for: a Mininet topology is read without pydantic.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
