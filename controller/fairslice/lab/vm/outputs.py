"""Directories of this machine that a command in the virtual machine may write."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairslice.errors import Fault, InputError

COVERED = (Path("/run"), Path("/dev"), Path("/proc"), Path("/sys"))
"""The machine has its own; the host's can't be seen."""


def check_outputs(outputs: Sequence[Path]) -> None:
    """Refuse directories that can't be written from inside.

    Raises:
        InputError: names each that is none, or that lies where the machine has a file system of its own.
    """
    faults = []
    for path in outputs:
        resolved = path.resolve()
        if any(resolved.is_relative_to(covered) for covered in COVERED):
            faults.append(
                Fault(f"{path} is hidden by the virtual machine's own; expected a directory elsewhere")
            )
        elif not resolved.is_dir():
            faults.append(Fault(f"{path} is not a directory; expected one that exists"))
        elif not os.access(resolved, os.W_OK | os.X_OK):
            faults.append(Fault(f"{path} can't be written; expected a directory that can"))
    if faults:
        raise InputError(faults)


@contextmanager
def make_outputs(outputs: Sequence[Path]) -> Iterator[None]:
    """Make directories that are missing; those that are still empty at the end go again."""
    made: list[Path] = []
    try:
        for path in outputs:
            absolute = path.absolute()
            try:
                missing = [p for p in (absolute, *absolute.parents) if not p.exists()]
            except OSError as error:
                raise InputError(f"{path} can't be made: {error.strerror}; expected a directory") from error
            for directory in reversed(missing):
                try:
                    directory.mkdir()
                except OSError as error:
                    raise InputError(
                        f"{path} can't be made: {error.strerror}; expected a directory"
                    ) from error
                made.append(directory)
        yield
    finally:
        for directory in reversed(made):
            with contextlib.suppress(OSError):  # Something has been written.
                directory.rmdir()
