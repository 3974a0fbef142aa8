"""The library that completes register states: a kernel refuses a short one, and takes it with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairslice.errors import MachineError
from fairslice.lab.vm import registers
from fairslice.lab.vm.registers import LIBRARY, SOURCE, compile_library, preloaded

# A process that stops itself and is traced: its whole state is read, and a part of it written back.
PROBE = """
import ctypes, json, os, signal, sys
GETREGS, GETREGSET, SETREGSET, NT_PRSTATUS, NT_X86_XSTATE = 12, 0x4204, 0x4205, 1, 0x202
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p
class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def ask(request, kind, buffer, length):
    part = Part(ctypes.addressof(buffer), length)
    if libc.ptrace(request, child, kind, ctypes.addressof(part)) == -1:
        return -ctypes.get_errno()
    return part.length
child = os.fork()
if child == 0:
    libc.ptrace(0, 0, None, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
try:
    assert os.WIFSTOPPED(os.waitpid(child, 0)[1]), "it can't be traced"
    state, again, general = (ctypes.create_string_buffer(1 << 20) for _ in range(3))
    size = ask(GETREGSET, NT_X86_XSTATE, state, 1 << 20)
    short = size - 64
    found = {"size": size, "short": ask(SETREGSET, NT_X86_XSTATE, state, short)}
    found["whole"] = ask(SETREGSET, NT_X86_XSTATE, state, size)
    found["longer than the library's"] = ask(SETREGSET, NT_X86_XSTATE, state, (64 << 10) + 8)
    ask(GETREGSET, NT_X86_XSTATE, again, 1 << 20)
    found["same"] = state[:short] == again[:short]
    held = ask(GETREGSET, NT_PRSTATUS, general, 1 << 20)
    found["other sets"] = ask(SETREGSET, NT_PRSTATUS, general, held) > 0
    found["other requests"] = libc.ptrace(GETREGS, child, None, ctypes.addressof(general))
finally:
    os.kill(child, signal.SIGKILL)
print(json.dumps(found))
"""
EFAULT = 14


def probe(environment: dict[str, str]) -> dict[str, int]:
    import json

    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    print(found)
    return found


def test_a_short_state_is_refused_and_taken_with_the_library(tmp_path: Path) -> None:
    plain, completed = probe({}), probe(preloaded(tmp_path))
    assert plain["short"] == -EFAULT, "what an AMX machine's kernel says of UML's states"
    assert completed["short"] >= 0
    for found in (plain, completed):
        assert found["whole"] == found["longer than the library's"] == found["size"]
        assert found["same"]
        assert found["other sets"]
        assert found["other requests"] == 0


def test_what_is_installed_is_what_the_source_makes(tmp_path: Path) -> None:
    compile_library(library=tmp_path / "again.so")
    assert LIBRARY.read_bytes() == (tmp_path / "again.so").read_bytes(), "run script/bootstrap"
    assert [path.name for path in tmp_path.iterdir()] == ["again.so"]


def test_the_library_comes_before_what_the_caller_preloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = tmp_path / "a b:c"
    spaced.mkdir()
    monkeypatch.setattr(registers, "LIBRARY", spaced / "libptrace.so")
    assert preloaded(tmp_path) == {}
    (spaced / "libptrace.so").touch()
    monkeypatch.setenv("LD_PRELOAD", "/their/own.so")
    link = tmp_path / "libptrace.so"
    assert preloaded(tmp_path) == {"LD_PRELOAD": f"{link}:/their/own.so"}
    assert link.resolve() == spaced / "libptrace.so"


def test_what_cannot_be_compiled_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.c"
    bad.write_text("int ptrace( {\n")
    library = tmp_path / "out.so"
    with pytest.raises(MachineError, match=r"tcc can't compile .*bad\.c: .*bad\.c:1: error"):
        compile_library(bad, library)
    with pytest.raises(MachineError, match=r"none/out\.so can't be written: No such file or directory"):
        compile_library(SOURCE, tmp_path / "none" / "out.so")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="tcc not found; install the package tcc"):
        compile_library(SOURCE, library)
    assert not library.exists()


def test_the_source_is_in_the_package() -> None:
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert SOURCE.name in setup
