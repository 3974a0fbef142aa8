"""What lets user-mode Linux start on processors with more registers than it knows, such as those with AMX.

``ptrace.c`` has the reason. It is compiled by ``script/bootstrap``, or by hand with
``python -m fairslice.lab.vm.registers``, and preloaded into user-mode Linux alone. Where it has not been
compiled, the virtual machine starts on processors that don't need it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fairslice.errors import FairsliceError, MachineError

SOURCE = Path(__file__).with_name("ptrace.c")
LIBRARY = Path(__file__).with_name("libptrace.so")
COMPILER = "tcc"
"""0.3 MB, and needs neither headers nor a linker beside it."""


def compile_library(source: Path = SOURCE, library: Path = LIBRARY) -> None:
    """Compile a C file without headers to a library that can be preloaded; it is there whole, or not at all.

    Raises:
        MachineError: no compiler here, it refuses the source, or the library's directory can't be written.
    """
    if shutil.which(COMPILER) is None:
        raise MachineError(f"{COMPILER} not found; install the package {COMPILER}")
    try:
        with tempfile.TemporaryDirectory(prefix=".libptrace-", dir=library.parent) as directory:
            made = Path(directory) / library.name
            done = subprocess.run(
                [COMPILER, "-shared", "-nostdlib", "-nostdinc", "-Wall", "-Werror", "-o", made, source],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise MachineError(f"{COMPILER} can't compile {source}: {done.stderr.strip()}")
            made.replace(library)
    except OSError as error:
        raise MachineError(
            f"{library} can't be written: {error.strerror}; expected a directory that can"
        ) from error


def preloaded(directory: Path) -> dict[str, str]:
    """What to set in the environment of user-mode Linux, and of nothing else; empty without the library.

    Args:
        directory: gets a link to the library, whose own path may hold what LD_PRELOAD takes for separators.
    """
    if not LIBRARY.is_file():
        return {}
    link = directory / LIBRARY.name
    link.symlink_to(LIBRARY)
    theirs = os.environ.get("LD_PRELOAD")
    return {"LD_PRELOAD": str(link) if theirs is None else f"{link}:{theirs}"}


if __name__ == "__main__":
    try:
        compile_library()
    except FairsliceError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_status)
