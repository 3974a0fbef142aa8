"""Policy files: YAML to frozen slices and flows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.policy.load import load_policy, parse_policy
    from fairslice.policy.model import Policy

__all__ = ["Policy", "load_policy", "parse_policy"]

_MODULE_OF = {"load_policy": "load", "parse_policy": "load", "Policy": "model"}


def __getattr__(name: str) -> object:
    # Imported when asked for: whoever needs but the words of policy.model is spared pydantic.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
