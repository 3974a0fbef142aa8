"""Which extra of setup.cfg brings what, and what is said where one is not installed."""

import importlib.util
from collections.abc import Mapping

from fairslice.errors import MachineError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "controller": ("dns", "eventlet", "h11", "httpx", "ovs", "ryu", "starlette", "uvicorn"),
    "fast": ("numba",),
    "models": ("scipy",),
    "os-ken": ("OpenSSL", "h11", "httpx", "os_ken", "ovs", "starlette", "uvicorn"),
    "report": ("jinja2", "matplotlib"),
}
"""The packages of each extra, as they are imported."""
INSTEAD = {"controller": "os-ken"}
"""Where the other extra is installed, this one is not missed."""


def require(extra: str, what: str) -> None:
    """Refuse what needs an extra that is not installed, before the work. Nothing is imported.

    Args:
        extra: a key of :data:`EXTRAS`.
        what: who needs it, such as ``fairslice run``.

    Raises:
        MachineError: a package of the extra is missing; says how the extra is installed.
    """
    if all(any(map(_missing, EXTRAS[one])) for one in (extra, INSTEAD.get(extra, extra))):
        raise _refusal(extra, what)


def installed(extra: str) -> bool:
    """Whether all packages of an extra are there. Nothing is imported."""
    return not any(map(_missing, EXTRAS[extra]))


def refusal_of(error: ImportError, what: str) -> MachineError | None:
    """The same for an import that failed; None if that was not for want of an extra."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages and _missing(package):
            return _refusal(extra, what)
    return None


def _refusal(extra: str, what: str) -> MachineError:
    return MachineError(
        f"{what} needs the extra \"{extra}\": pip install 'fairslice[{extra}]', or '.[{extra}]' in a clone"
        ' (README, "Install")'
    )


def _missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None
