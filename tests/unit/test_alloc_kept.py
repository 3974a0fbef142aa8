"""Where machine code is kept and what is said of it, with a stand-in for numba that compiles nothing."""

import errno
import fcntl
import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fairslice.alloc.kernel import compiled as module
from fairslice.alloc.kernel.compiled import compiled, has_numba, is_kept

ONCE = "compiling the allocation engine, once: 10 to 30 seconds"


class Numba:
    """Keeps a file for each function that is called, and reads it when it is there."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.made = 0
        self.failing: OSError | None = None
        self.processor = "one"

    def njit(self, *, cache: bool = False, **_: Any) -> Callable[[Any], Any]:
        if cache and self.directory is None:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: Dispatcher(self, function, self.directory if cache else None)


class Dispatcher:
    def __init__(self, numba: Numba, function: Any, directory: Path | None) -> None:
        self.numba, self.function, self.ready = numba, function, False
        name = f"source.{function.__qualname__}-1.py.1.nbc"
        self.file = None if directory is None else directory / name
        self.stats = SimpleNamespace(cache_path=None if directory is None else str(directory))

    def __call__(self, *arguments: Any) -> Any:
        if not self.ready:
            self.make()
            self.ready = True
        return self.function(*arguments)

    def make(self) -> None:
        if self.file is not None and self.file.exists():
            if self.file.read_text() != "machine code":
                raise EOFError("Ran out of input")
            return
        self.numba.made += 1
        if self.file is not None:
            if self.numba.failing is not None:
                raise self.numba.failing
            self.file.write_text("machine code")


@pytest.fixture
def numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Numba:
    stand_in = Numba(tmp_path)
    binding = SimpleNamespace(
        get_process_triple=lambda: "machine-os",
        get_host_cpu_name=lambda: stand_in.processor,
        get_host_cpu_features=lambda: SimpleNamespace(flatten=lambda: "+some"),
    )
    config = SimpleNamespace(CPU_NAME=None, CPU_FEATURES=None, OPT=3)
    contents: dict[str, dict[str, Any]] = {
        "numba": {"__version__": "1.0", "config": config, "njit": stand_in.njit},
        "llvmlite": {"__version__": "1.0", "binding": binding},
        "llvmlite.binding": vars(binding),
    }
    for name, content in contents.items():
        fake = ModuleType(name)
        fake.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, fake)
    # Caches that are there for the tests only: what others have loaded stays as it is.
    monkeypatch.setattr(module, "_code", cache(module._code.__wrapped__))
    monkeypatch.setattr(module, "_compiled", cache(module._compiled.__wrapped__))
    return stand_in


def next_process() -> None:
    """Forget what this one has bound and loaded."""
    module._code.cache_clear()
    module._compiled.cache_clear()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.message for record in caplog.records]
    caplog.clear()
    return lines


def test_it_is_compiled_once_and_kept(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    assert not is_kept()
    assert compiled() is compiled()
    assert said(caplog) == [ONCE]
    made = numba.made
    assert made > 0
    next_process()
    assert is_kept()
    assert compiled().is_compiled
    assert (said(caplog), numba.made) == ([], made)


def test_another_processor_has_files_of_its_own(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    compiled()
    next_process()
    numba.processor = "other"
    assert not is_kept()
    compiled()
    assert said(caplog) == [ONCE, ONCE]
    for numba.processor in ("one", "other"):
        next_process()
        assert is_kept()


@pytest.mark.parametrize("lost", ["*.kept", "*.nbc"])
def test_half_of_it_is_not_enough(numba: Numba, lost: str) -> None:
    compiled()
    next_process()
    assert numba.directory is not None
    for path in numba.directory.glob(lost):
        path.unlink()
    assert not is_kept()
    compiled()
    assert is_kept()


def test_what_is_damaged_is_made_again(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    compiled()
    said(caplog)
    next_process()
    assert numba.directory is not None
    next(numba.directory.glob("*.nbc")).write_text("mach")
    compiled()
    damaged, once = said(caplog)
    assert damaged.startswith(f"what was compiled can't be read, and is compiled again: {numba.directory}")
    assert once == ONCE
    next_process()
    compiled()
    assert said(caplog) == []


def test_a_full_disk_is_said_and_nothing_fails(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    numba.failing = OSError(errno.ENOSPC, "No space left on device")
    assert compiled() is compiled()
    assert said(caplog) == [
        ONCE,
        f"what is compiled can't be kept in {numba.directory}: No space left on device;"
        " NUMBA_CACHE_DIR names another directory",
        "compiling the allocation engine for this process: 10 to 30 seconds",
    ]
    assert not is_kept()


def test_where_nothing_can_be_kept_it_is_said(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    numba.directory = None
    assert compiled() is compiled()
    nowhere, compiling = said(caplog)
    assert nowhere.startswith("what is compiled can't be kept: neither")
    assert compiling == "compiling the allocation engine for this process: 10 to 30 seconds"
    assert not is_kept()


def test_who_comes_second_waits_and_compiles_nothing(numba: Numba, caplog: pytest.LogCaptureFixture) -> None:
    """The lock is one of the file, so that another opening of it stands for another process."""
    compiled()
    assert numba.directory is not None
    (lock,) = numba.directory.glob("*.lock")
    (mark,) = numba.directory.glob("*.kept")
    mark.unlink()
    made = numba.made
    next_process()
    said(caplog)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=compiled)
        waiting.start()
        while not caplog.records:
            time.sleep(0.01)
        assert waiting.is_alive()
        mark.touch()
    waiting.join()
    assert said(caplog) == [
        "waiting for another process that compiles the allocation engine: 10 to 30 seconds"
    ]
    assert numba.made == made


@pytest.mark.parametrize(("value", "may"), [("0", True), ("", True), ("1", False)])
def test_numba_that_may_not_compile_is_none(monkeypatch: pytest.MonkeyPatch, value: str, may: bool) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "numba" or None)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", value)
    assert has_numba() is may
