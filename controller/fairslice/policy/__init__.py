"""Policy files: YAML to frozen slices and flows."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.policy.load import load_policy, parse_policy

__all__ = ["load_policy", "parse_policy"]


def __getattr__(name: str) -> object:
    # Imported when asked for: whoever needs but the words of policy.model is spared pydantic.
    if name in __all__:
        from fairslice.policy import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
