"""As if extras were not installed: ``python -m fairslice.testing.without_extras EXTRA,... MODULE ARG...``."""

import runpy
import sys

from fairslice.cli.extras import EXTRAS


def block(extras: str) -> None:
    """What stands as None can't be imported, nor be found."""
    for extra in extras.split(","):
        for package in EXTRAS[extra]:
            sys.modules[package] = None  # type: ignore[assignment]


if __name__ == "__main__":
    _, blocked, module, *arguments = sys.argv
    block(blocked)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
