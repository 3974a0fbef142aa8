"""The directory of one run's results: its own, empty at first, and gone if nothing came."""

import contextlib
import errno
import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from fairslice.errors import InputError, os_failure, os_reason, writing

DEFAULT_PARENT = Path("out")
LAST = "last"
"""The name in :data:`DEFAULT_PARENT` of a link to the last run's directory."""
_LONGEST_STEM_BYTES = 200
"""Of a policy's name; names of 255 bytes are the most that file systems take."""


def default_name(policy: Path, now: datetime) -> str:
    """``NAME-TIME``: the policy's name and the local time, which sorts.

    >>> default_name(Path("policies/ring.yaml"), datetime(2026, 11, 26, 8, 5, 9))
    'ring-20261126-080509'
    """
    stem = re.sub(r"[^\w.+-]+", "_", policy.stem).lstrip(".")
    stem = stem.encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore")
    return f"{stem or 'policy'}-{now:%Y%m%d-%H%M%S}"


@contextmanager
def results_directory(
    out: Path | None, policy: Path, now: datetime, tell: Callable[[str], None], *, keep: bool = False
) -> Iterator[Path]:
    """The directory that a run writes to; no other run can have it while this lasts.

    Without ``out`` it is ``out/NAME-TIME``, a new one, and if the run wrote something ``out/last`` leads
    there afterwards. It is made to see that it can be, and is gone again when this begins, so that nothing is
    left of a run that is killed. A file that was not finished goes at the end.

    Args:
        out: what was asked for.
        policy: its file names the directory that is not asked for.
        now: local time.
        tell: hears of what can't be had on this file system, in a sentence.
        keep: it is there while this lasts, and goes at the end if it is still empty.

    Raises:
        InputError: another path would do: it has an earlier run's files, or another run writes there, or it
            can't be made or written.
        MachineError: the machine can't make it now, such as on a full disk.
    """
    path, lock = _lock_new(DEFAULT_PARENT / default_name(policy, now)) if out is None else (out, _lock(out))
    made: list[Path] = []
    with lock:
        try:
            _make(path, made)
            _check(path)
            if not keep:
                _remove(made)
            yield path
            with writing(path):
                for left in path.rglob(".*.tmp"):
                    left.unlink(missing_ok=True)
            if out is None and path.is_dir() and any(path.iterdir()):
                _link(path, tell)
        finally:
            _remove(made)


def _lock(path: Path) -> socket.socket:
    """What other runs find taken, until it is closed: with its process at the latest, and no file stays.

    It is a socket's name in the abstract namespace (unix(7)), which the machine's users share.

    Raises:
        InputError: another run has it.
    """
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    try:
        lock.bind(f"\0fairslice-results-{name}")
    except OSError as error:
        lock.close()
        if error.errno != errno.EADDRINUSE:
            raise os_failure(error, f"{path}: can't be locked") from error
        raise InputError(f"{path}: another run writes there; expected a directory of its own") from None
    return lock


def _lock_new(wanted: Path) -> tuple[Path, socket.socket]:
    """A path that is not there, and its lock; a number tells it from others of the same second."""
    number, path = 1, wanted
    while True:
        # What a name can't be is told where it is made.
        with contextlib.suppress(InputError):
            lock = _lock(path)
            if not os.path.lexists(path):
                return path, lock
            lock.close()
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")


_TRIES = 10


def _make(path: Path, made: list[Path]) -> None:
    """Make a directory and what is missing above it, which ``made`` is told."""
    absolute = path.absolute()
    for attempt in range(_TRIES):
        try:
            for directory in reversed([one for one in (absolute, *absolute.parents) if not one.exists()]):
                try:
                    directory.mkdir()
                except FileExistsError:
                    # Of another run that begins at the same time.
                    if not directory.is_dir():
                        raise
                else:
                    made.append(directory)
        except FileNotFoundError as error:
            # Another run that begins at the same time took away what it had made above.
            if attempt + 1 == _TRIES:
                raise os_failure(error, f"{path}: expected a directory that can be made") from error
        except OSError as error:
            raise os_failure(error, f"{path}: expected a directory that is there or can be made") from error
        else:
            return


def _remove(made: list[Path]) -> None:
    while made:
        with contextlib.suppress(OSError):  # Something has been written.
            made.pop().rmdir()


def _check(path: Path) -> None:
    if not path.is_dir():
        raise InputError(f"{path} is a file; expected a directory, or a new path")
    try:
        earlier = sorted(one.name for one in path.iterdir())
    except OSError as error:
        raise os_failure(error, f"{path}: expected a directory that can be read") from error
    if earlier:
        more = f" and {len(earlier) - 1} more" if len(earlier) > 1 else ""
        raise InputError(
            f"{path} is not empty ({earlier[0]}{more}), and results are not mixed with others; "
            "expected an empty directory, or a new path"
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{path} can't be written; expected a directory that can")


def _link(path: Path, tell: Callable[[str], None]) -> None:
    """Let ``out/last`` lead to a directory beside it; a reader finds the old link or the new one."""
    link = path.parent / LAST
    try:
        if link.exists() and not link.is_symlink():
            raise FileExistsError(errno.EEXIST, "it is there, and no link")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{LAST}.") as directory:
            new = Path(directory, LAST)
            new.symlink_to(path.name, target_is_directory=True)
            new.replace(link)
    except OSError as error:
        tell(f"{link} is not linked to {path} ({os_reason(error)}).")
