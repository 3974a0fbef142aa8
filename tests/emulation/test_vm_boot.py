"""Virtual machines that can't boot, each for a reason that is provoked: one sentence, a log, and status 6."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from fairslice.lab.vm.registers import LIBRARY, compile_library

pytestmark = pytest.mark.emulation

FAIRSLICE = (sys.executable, "-m", "fairslice")
TRUE = (*FAIRSLICE, "vm", "--", "true")
# All that is written to the temporary directory is told before its mount goes.
TELL = '"$@"; status=$?; cd "$TMPDIR"; ls; cat -- *.log; exit $status'
WITHOUT_LIBRARY = """
import sys
from pathlib import Path
import fairslice.lab.vm.machine, fairslice.lab.vm.registers
for module in (fairslice.lab.vm.machine, fairslice.lab.vm.registers):
    module.LIBRARY = Path("/nonexistent")
from fairslice.cli import main
sys.argv[0] = "fairslice"
main()
"""
# seccomp(2): ptrace answers EPERM, as a container's profile has it.
NO_PTRACE = """
import ctypes, os, struct, sys
NEW_PRIVILEGES, SECCOMP, FILTER, PTRACE, EPERM = 38, 22, 2, 101, 1
LOAD, EQUAL, RETURN, ERRNO, ALLOW = 0x20, 0x15, 0x06, 0x50000, 0x7FFF0000
steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, PTRACE), (RETURN, 0, 0, ERRNO | EPERM), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(NEW_PRIVILEGES, 1, 0, 0, 0) == 0
assert libc.prctl(SECCOMP, FILTER, ctypes.byref(Program(len(steps), ctypes.addressof(code)))) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


def ran(
    argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command with nothing to read, and more in its environment."""
    return subprocess.run(
        argv,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def dies(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Run what boots a machine that can't: the sentence that it says, and the log of it."""

    def run(argv: Sequence[str] = TRUE, before: str = ":", **environment: str) -> tuple[str, str]:
        done = ran(
            ["unshare", "--mount", "sh", "-c", f"{before} && {{ {TELL}; }}", "sh", *argv],
            {"TMPDIR": str(tmp_path), **environment},
        )
        print(done.stderr, done.stdout, sep="")
        assert done.returncode == 6
        (sentence,) = done.stderr.splitlines()
        name, _, log = done.stdout.partition("\n")
        assert name.endswith(".log"), "the log, and nothing else, is left"
        assert sentence.endswith(f"; its messages are in {tmp_path}/{name}")
        return sentence, log

    return run


@pytest.fixture
def amx(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What makes ptrace(2) as it is on a processor with AMX, to be preloaded."""
    library = tmp_path_factory.mktemp("amx") / "libamx.so"
    compile_library(Path(__file__).with_name("ptrace_of_amx.c"), library)
    return str(library)


def test_registers_that_the_kernel_refuses(dies: Callable[..., tuple[str, str]], amx: str) -> None:
    """Without the library it dies as on a processor with AMX, and says what to run."""
    argv = (sys.executable, "-c", WITHOUT_LIBRARY, "vm", "--", "true")
    sentence, log = dies(argv, LD_PRELOAD=amx)
    assert "ptrace set fp regs failed, errno = 14" in log
    assert "(it may have AMX), and the library that completes them has not been compiled" in sentence
    assert "; run script/bootstrap, or install the package tcc and run" in sentence


def test_the_library_completes_registers_and_reaches_nothing_else(amx: str) -> None:
    """The same processor, with the library: it boots, and no program inside is given the library."""
    script = "tr '\\0' '\\n' </proc/1/environ; env; cat /proc/1/maps /proc/self/maps; echo end"
    done = ran([*FAIRSLICE, "vm", "--", "sh", "-c", script], {"LD_PRELOAD": amx})
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAIRSLICE_VM=1" in done.stdout.splitlines()
    assert done.stdout.endswith("end\n")
    assert LIBRARY.name not in done.stdout


def test_without_the_library_it_boots_where_the_processor_needs_none() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    done = ran([sys.executable, "-c", WITHOUT_LIBRARY, "vm", "--", "echo", "up"])
    if "amx_tile" in flags:
        assert (done.returncode, "fairslice.lab.vm.registers" in done.stderr) == (6, True)
    else:
        assert (done.returncode, done.stdout) == (0, "up\n"), done.stderr


SMALL = "mount -t tmpfs -o size=20m none $TMPDIR"
NO_PROGRAMS = "mount -t tmpfs -o noexec none $TMPDIR"
NO_KMOD = "mount --bind /dev/null $(realpath $(command -v kmod))"
OTHER_MODULES = (
    "mount -t tmpfs none /usr/lib/uml/modules && mkdir /usr/lib/uml/modules/1.0 && "
    ": >/usr/lib/uml/modules/1.0/modules.dep"
)
HALT = "import ctypes; ctypes.CDLL(None).reboot(0xCDEF0123)"


@pytest.mark.parametrize(
    ("argv", "before", "found", "fix", "in_log"),
    [
        pytest.param(
            (sys.executable, "-c", NO_PTRACE, *TRUE),
            ":",
            "may not trace another",
            "SYS_PTRACE",
            "Operation not permitted",
            id="ptrace",
        ),
        pytest.param(TRUE, NO_PROGRAMS, "is mounted noexec", "set TMPDIR", "noexec", id="noexec"),
        pytest.param(TRUE, SMALL, "no room for 1024 MiB", "set TMPDIR", "ran out of space", id="room"),
        pytest.param(
            ("prlimit", "--as=900000000", *TRUE), ":", "may not have 1024 MiB", "ulimit -v", "-12", id="limit"
        ),
        pytest.param(
            ("prlimit", "--nofile=30", *TRUE), ":", "open enough files", "ulimit -n", "Too many", id="files"
        ),
        pytest.param(
            ("prlimit", "--fsize=100000000", *TRUE), ":", "may not write files", "ulimit -f", "", id="size"
        ),
        pytest.param(TRUE, NO_KMOD, ": modprobe", "install coreutils", "modprobe", id="program"),
        pytest.param(TRUE, OTHER_MODULES, "can't be loaded", "user-mode-linux", "overlay", id="modules"),
        pytest.param(
            (*TRUE[:-1], "/usr/bin/python3", "-c", HALT), ":", "halted", "let", "System halted", id="halted"
        ),
        pytest.param(
            (*TRUE[:-1], "sh", "-c", "echo c >/proc/sysrq-trigger"),
            ":",
            "ran: its kernel gave up (sysrq triggered crash)",
            "report it",
            "Kernel panic",
            id="panic",
        ),
    ],
)
def test_provoked_deaths(
    dies: Callable[..., tuple[str, str]],
    argv: Sequence[str],
    before: str,
    found: str,
    fix: str,
    in_log: str,
) -> None:
    sentence, log = dies(argv, before)
    said, _, advice = sentence.partition("; ")
    assert said.startswith("the virtual machine ")
    assert found in said
    assert fix in advice
    assert in_log in log


def test_a_kernel_that_is_killed(tmp_path: Path) -> None:
    """As by the host's kernel when it is out of memory."""
    with subprocess.Popen(
        [*FAIRSLICE, "vm", "--", "sh", "-c", "echo up; exec sleep 1000"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        (exchange,) = tmp_path.iterdir()
        os.kill(int((exchange / "machine" / "pid").read_text()), signal.SIGKILL)
        _, complaint = process.communicate()
    assert process.returncode == 6
    assert "died while its command ran: it was killed (this machine may be out of memory" in complaint
    assert [path.suffix for path in tmp_path.iterdir()] == [".log"]


def test_a_machine_that_hangs_is_ended(dies: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    kernel = tmp_path / "bin" / "linux.uml"
    kernel.parent.mkdir()
    kernel.write_text("#!/bin/sh\necho up to here\nexec sleep 1000\n")
    kernel.chmod(0o755)
    impatient = (
        "import fairslice.lab.vm.machine as m; m.BOOT_LIMIT_S = 0.5\nfrom fairslice.cli import main\nmain()"
    )
    work = tmp_path / "work"
    work.mkdir()
    done = ran(
        [sys.executable, "-c", impatient, "vm", "--", "true"],
        {"PATH": f"{kernel.parent}:{os.environ['PATH']}", "TMPDIR": str(work)},
    )
    assert done.returncode == 6
    assert "did not come up within 0.5 s; end what else runs here" in done.stderr
    (log,) = work.iterdir()
    assert log.read_text() == "up to here\n"


def test_limits_that_keep_it_from_being_started(tmp_path: Path) -> None:
    done = ran(["prlimit", "--nofile=10", *TRUE], {"TMPDIR": str(tmp_path)})
    assert done.returncode == 6
    assert "may not start it ([Errno 24] Too many open files); raise its limits" in done.stderr
    assert not list(tmp_path.iterdir())


def test_doctor_boots_one_and_says_why_it_does_not(tmp_path: Path) -> None:
    import json

    def user_mode_linux(before: str) -> dict[str, str]:
        done = ran(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                f'{before} && exec "$@"',
                "sh",
                *FAIRSLICE,
                "doctor",
                "--json",
            ],
            {"TMPDIR": str(tmp_path)},
        )
        findings = json.loads(done.stdout)["findings"]
        (found,) = (finding for finding in findings if finding["subject"] == "user-mode Linux")
        print(found)
        return dict(found)

    assert user_mode_linux(":")["found"] == "`fairslice vm` boots"
    found = user_mode_linux(NO_PROGRAMS)
    assert found["status"] == "warn"
    assert found["found"].endswith(f"{tmp_path}, where its memory is kept, is mounted noexec")
    assert found["fix"].startswith("set TMPDIR to a directory that is not")
