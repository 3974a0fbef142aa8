"""Machine code that numba makes of the source: compiled once, kept on disk, and loaded from then on.

Where it is kept is numba's choice: the directory that ``NUMBA_CACHE_DIR`` names, else ``__pycache__`` beside
the source, that of an installed wheel too, else the user's cache. Files there are named after the source, the
versions of Python and numba and the processor, so that unlike machines may share a directory; a last file
tells that all are there. Who compiles holds a lock: numba takes none, and of two processes that compile one
function at the same time one may leave its machine code under the other's name.
"""

import fcntl
import importlib.util
import inspect
import logging
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType
from typing import Any

from fairslice.alloc.kernel.backends import SOURCES, Backend, bound
from fairslice.alloc.kernel.records import COUNTS
from fairslice.errors import os_reason

log = logging.getLogger("fairslice.alloc")
_lock = threading.Lock()


@dataclass(frozen=True)
class _Code:
    """Functions that numba compiles when they are first called, and where it keeps that."""

    backend: Backend
    digest: str
    directory: Path | None

    def is_kept(self) -> bool:
        """Whether all of it is there, or was: numba makes again what somebody has deleted."""
        found = self.files()
        return any(path.suffix == ".kept" for path in found) and any(path.suffix == ".nbc" for path in found)

    def files(self) -> list[Path]:
        """What is kept of it."""
        return [] if self.directory is None else list(self.directory.glob(f"*_{self.digest}[-.]*"))


def has_numba() -> bool:
    """Whether the extra ``fairslice[fast]`` is installed and may compile."""
    disabled = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
    return not disabled and importlib.util.find_spec("numba") is not None


def is_kept() -> bool:
    """Whether it has been compiled before, here and for this processor.

    Raises
    ------
    ImportError
        numba can't be imported.
    """
    return _code().is_kept()


def compiled() -> Backend:
    """Machine code on numpy arrays: loaded, or compiled and kept, which is said.

    Raises
    ------
    ImportError
        numba can't be imported.
    """
    with _lock:
        return _compiled()


@cache
def _compiled() -> Backend:
    code = _code()
    if code.directory is not None:
        try:
            return _kept_in(code.directory, code)
        except OSError as error:
            log.warning(
                "what is compiled can't be kept in %s: %s; NUMBA_CACHE_DIR names another directory",
                code.directory,
                os_reason(error),
            )
    else:
        log.warning(
            "what is compiled can't be kept: neither the directory of the source nor the user's cache can be"
            " written; NUMBA_CACHE_DIR names another directory"
        )
    log.warning("compiling the allocation engine for this process: 10 to 30 seconds")
    code = _bind(keep=False)
    call_all(code.backend)
    return code.backend


def _kept_in(directory: Path, code: _Code) -> Backend:
    if code.is_kept():
        try:
            call_all(code.backend)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 (numba and LLVM raise anything on a damaged file)
            log.warning("what was compiled can't be read, and is compiled again: %s: %r", directory, error)
            for path in code.files():
                path.unlink(missing_ok=True)
            _code.cache_clear()
            code = _code()
        else:
            return code.backend
    with _held(directory / f"fairslice-{code.digest}.lock"):
        if not code.is_kept():
            log.warning("compiling the allocation engine, once: 10 to 30 seconds")
        call_all(code.backend)
        (directory / f"fairslice_{code.digest}.kept").touch()
    return code.backend


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Be the only process that writes there; the lock ends with the process, however that ends."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for another process that compiles the allocation engine: 10 to 30 seconds")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@cache
def _code() -> _Code:
    return _bind(keep=True)


def _bind(*, keep: bool) -> _Code:
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy as np

    # numba looks at one file of the source, and a change of any must count. Its index of a function serves
    # all processors, and machines that share it would write over each other.
    config: Any = numba.config
    parts = (
        *map(inspect.getsource, SOURCES),
        *(
            platform.python_implementation(),
            platform.python_version(),
            numba.__version__,
            llvmlite.__version__,
        ),
        *(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()),
        *map(str, (config.CPU_NAME, config.CPU_FEATURES, config.OPT)),
    )
    digest = blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()

    def compile_(copy: FunctionType) -> Any:
        copy.__qualname__ = f"{copy.__name__}_{digest}"
        # Nothing is allocated in there, so no references need counting.
        options: Any = {"error_model": "numpy", "_nrt": False}
        if keep:
            try:
                return numba.njit(cache=True, **options)(copy)
            except RuntimeError:
                pass  # There is nowhere that it could be kept.
        return numba.njit(**options)(copy)

    run = bound(compile_, {})
    place = run.water_fill.stats.cache_path
    return _Code(
        Backend(run, lambda n: np.zeros(n), lambda n: np.zeros(n, dtype=np.int32), is_compiled=True),
        digest,
        None if place is None else Path(place),
    )


def call_all(backend: Backend) -> None:
    """Call all that is called from outside of the source once, with nothing, so that it is there.

    The types are those that :mod:`fairslice.alloc.engine`, :mod:`~fairslice.alloc.incremental.kept` and
    :mod:`~fairslice.alloc.multipath.subflows` call it with; a test holds them to it.
    """
    run, reals, whole = backend.run, backend.reals, backend.whole
    r, w, u, ptr = reals(0), whole(0), backend.unsigned(whole(0)), whole(1)
    no = False
    run.lay_rows(ptr, w, r, no, w, w, 0, -1, ptr, w, r)
    run.lay_groups(ptr, w, w, backend.order(w), 0, -1, r, w, w, w, ptr, w, r)
    run.rise_by_slice(w, r, r, 1)
    run.single_classes(r, r, r, no, no, r, 1, r, w, ptr, r)
    run.merge_flows(w, r, r, no, no, r, 1, r, w, ptr, r)
    run.water_fill(
        (ptr, u, r, no),
        (r, 1, r, w, w, no),
        ptr,
        r,
        r,
        w,
        u,
        r,
        (w, ptr, w, r),
        (w, w, w, whole(COUNTS)),
        (w, r, w, r, w, r, r, u),
        (no, no, no),
    )
    run.read_rates(r, r, r, w, no, no, no, r, 1, w, r, r, w)
    run.read_instants(r, r, 1, w, r, r)
    run.name_limits(0, w, w)
    run.take_shares(ptr, w, r, r, r, r)
    run.weigh(r, r, r)
    run.add_up(ptr, r, r)
    tempo = (1.0, 1.0, 1.0, 1.0, 0)
    rows, flows = (ptr, w, r, no), (ptr, r, r, w, r)
    run.price_places(rows, flows, (r, r, w, r, no), tempo, r, r, (w, r, r, r, r, r))
    run.move_shares(ptr, (ptr, w, r), r, tempo, r, r, r, r)
    users, noted = (ptr, w, r), (ptr, w, r)
    run.note_order(
        (ptr, w, r, no), users, (r, w, r, r, w), (w, ptr, w, r, r), w, (r, r, r, w), (w, w, w, r), noted
    )
    returned = (ptr, w, r, w, r, r, r)
    run.replay_until_agreed(users, no, (r, r, w, r, w), w, noted, r, (r, r, w, r), returned, r, 0)
