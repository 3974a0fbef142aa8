"""Makes the libraries of a command with --json print, in every way there is. PYTHONPATH names this directory.

Whenever such a command imports something that is no part of Python or of the command line itself, there is
text from Python, from a system call, from C's own buffer and, once, from a child; at the process's end again.
"""

import atexit
import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

_LIBC = ctypes.CDLL(None)
_COMMAND_LINE = ("fairslice.cli", "fairslice.errors")


def _print(where: str) -> None:
    print(f"noise: Python, {where}")
    os.write(1, f"noise: a system call, {where}\n".encode())
    _LIBC.printf(b"noise: C, %s\n", where.encode())


class _Noise(MetaPathFinder):
    children = 1

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        runs = hasattr(sys.modules.get("fairslice.cli"), "main")
        known = fullname.partition(".")[0] in sys.stdlib_module_names or fullname.startswith(_COMMAND_LINE)
        if known or not runs:
            return
        _print(f"import of {fullname}")
        if self.children:
            self.children -= 1
            subprocess.run(["echo", "noise: a child"], check=True)


if "--json" in sys.argv:
    sys.meta_path.insert(0, _Noise())
    atexit.register(_print, "at the end")
