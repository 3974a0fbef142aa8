"""As if extras were not installed: ``python -m fairslice.testing.without_extras EXTRA,... MODULE ARG...``."""

import runpy
import sys

from fairslice.cli.extras import EXTRAS


def block(extras: str) -> None:
    """What stands as None can't be imported, nor be found; what other extras bring as well stays."""
    blocked = set(extras.split(","))
    stays = {package for extra in EXTRAS.keys() - blocked for package in EXTRAS[extra]}
    for package in {package for extra in blocked for package in EXTRAS[extra]} - stays:
        sys.modules[package] = None  # type: ignore[assignment]


if __name__ == "__main__":
    _, blocked, module, *arguments = sys.argv
    block(blocked)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
