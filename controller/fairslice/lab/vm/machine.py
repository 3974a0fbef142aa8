"""A virtual machine for one command: user-mode Linux with the host's file system as its root."""

import base64
import contextlib
import errno
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import IO

from fairslice.errors import InputError, MachineError, os_failure
from fairslice.lab.vm.death import Death, explain
from fairslice.lab.vm.outputs import check_outputs
from fairslice.lab.vm.registers import LIBRARY, preloaded
from fairslice.linux.command import administrators_path
from fairslice.linux.signals import stop_signals

KERNEL = "linux.uml"
MODULES_DIRECTORY = Path("/usr/lib/uml/modules")
MODULES = ("openvswitch", "sch_htb", "sch_netem", "veth", "tun")
"""Loaded before the command runs; others come when something asks for them.

The userspace datapath needs tun, but only looks whether /dev/net/tun is there.
"""
DEFAULT_MEMORY_BYTES = 1 << 30
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 256 << 20, 256 << 30
VM_VARIABLE = "FAIRSLICE_VM"
"""Set in the environment of what runs inside."""

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG])(?:i?B)?", re.IGNORECASE)
_FACTORS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_POLL_S = 0.02
BOOT_LIMIT_S = 120.0
"""A machine that has not come up by then never will: it takes 2 s, and 20 s where much else runs."""
_CHUNK_BYTES = 1 << 16
_LINE_BYTES = 3 * 19
"""Input bytes in a line of base 64; a terminal's line may have 4095 characters, and its queue holds 4096."""
# X-mount.mkdir (mount(8)) makes the directory.
_FSTAB = """
proc /proc proc defaults
sysfs /sys sysfs defaults
dev /dev devtmpfs defaults
devpts /dev/pts devpts ptmxmode=666,X-mount.mkdir
shm /dev/shm tmpfs X-mount.mkdir
cgroup2 /sys/fs/cgroup cgroup2 defaults
run /run tmpfs mode=755
"""
# Outlives a supervisor that is killed, and ends the machine with SIGKILL to its process group: a TERM leaves
# helpers of UML's behind, and some that hang. What it prints is the command's status, or how UML itself ended
# without one; $0 is the exchange directory, which has "listening" once the machine is up.
_KEEPER = """
finish() {
    kill -s KILL -- "-$!" "$!" 2>/dev/null
    wait
    rm -rf -- "$0"
}
trap '[ -z "$!" ] || finish; exit' TERM
setsid "$@" >&2 &
wait "$!"
ended=$?
up=
[ ! -e "$0/listening" ] || up=up
if [ -s "$0/status" ]; then
    read -r status <"$0/status"
    echo "status $status"
else
    echo "died $ended $up"
fi
finish
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the virtual machine is given.

    ``outputs`` are directories of the host that the command may write; everything else that it writes stays
    in the machine's memory and vanishes with it.
    """

    argv: tuple[str, ...]
    outputs: tuple[Path, ...] = ()
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    given: bytes | None = None
    """The command's standard input; None: this process's."""


def missing_for_vm() -> tuple[str, ...]:
    """What keeps a virtual machine from starting here; empty if nothing is known to."""
    missing = []
    if shutil.which(KERNEL) is None:
        missing.append(f"{KERNEL} not found; install the package user-mode-linux")
    elif not any(MODULES_DIRECTORY.glob("*/modules.dep")):
        missing.append(f"no kernel modules in {MODULES_DIRECTORY}; install the package user-mode-linux again")
    if tools := [tool for tool in ("setpriv", "setsid") if shutil.which(tool) is None]:
        missing.append(f"{' and '.join(tools)} not found; install the package util-linux")
    return tuple(missing)


def read_memory(text: str) -> int:
    """Bytes of ``512M`` or ``1.5 GiB``; K, M and G are powers of 1024 here.

    Raises:
        InputError: it is written otherwise, too little to boot with, or too much.
    """
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is not an amount of memory; expected a number and a unit, as 512M or 2G")
    memory_bytes = float(found[1]) * _FACTORS[found[2].upper()]
    if not MIN_MEMORY_BYTES <= memory_bytes <= MAX_MEMORY_BYTES:
        wrong = f"{text!r} is too {'little' if memory_bytes < MIN_MEMORY_BYTES else 'much'} memory"
        raise InputError(f"{wrong}; expected {MIN_MEMORY_BYTES >> 20}M to {MAX_MEMORY_BYTES >> 30}G")
    return int(memory_bytes)


def run_in_vm(machine: Machine, *, output: int | None = None) -> int:
    """Boot a virtual machine, run a command in it as root, and end it with the command.

    The command sees the host's files and this process's environment and working directory; what it writes
    goes to memory, but for ``machine.outputs``. It has this process's terminal if standard input and both
    outputs are one; otherwise its input and outputs are streamed one by one. SIGINT, SIGTERM or SIGHUP end
    the machine at once, and so does SIGKILL. Call it from the main thread.

    Args:
        machine: what it is given.
        output: descriptor of the command's standard output (default: this process's).

    Returns:
        The command's exit status, or 128+n for a stop signal to the caller.

    Raises:
        InputError: see :func:`~fairslice.lab.vm.outputs.check_outputs`.
        MachineError: no user-mode Linux here, or it did not boot, or died; one sentence says why, what to do,
            and which file has its messages.
    """
    if missing := missing_for_vm():
        raise MachineError("; ".join(missing))
    check_outputs(machine.outputs)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        # A space would end it on the kernel's command line, a colon in LD_PRELOAD.
        elsewhere = "/tmp" if re.search(r"[\s:]", tempfile.gettempdir()) else None
        exchange = Path(tempfile.mkdtemp(prefix="fairslice-vm-", dir=elsewhere))
    except OSError as error:
        raise MachineError(
            f"the virtual machine did not boot: no temporary directory can be made ({error.strerror}); "
            "set TMPDIR to a directory that can be written and has room"
        ) from error
    try:
        return _Supervisor(machine, exchange, 1 if output is None else output).run()
    except (OSError, RuntimeError) as error:
        # RuntimeError: no thread can be started.
        raise MachineError(
            f"the virtual machine did not boot: this process may not start it ({error}); "
            "raise its limits of files and processes (ulimit -n, ulimit -u)"
        ) from error
    finally:
        shutil.rmtree(exchange, ignore_errors=True)


class _Supervisor:
    """The host's side of one machine."""

    def __init__(self, machine: Machine, exchange: Path, output: int) -> None:
        self.machine = machine
        self.output = output
        self.exchange = exchange
        self.interactive = machine.given is None and all(
            os.isatty(descriptor) for descriptor in (0, output, 2)
        )
        self.received: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.ended = threading.Event()
        self.hangs = False
        self.listening = exchange / "listening"

    def run(self) -> int:
        self._write_exchange()
        # In memory: the machine may have filled the file system that files are in.
        with stop_signals(self._stop), os.fdopen(os.memfd_create("fairslice-vm"), "w+b") as log:
            into, out, err, status = _pipes(4)
            theirs = (into[0], out[1], err[1], status[1])
            try:
                # It holds our ends, too: one that hangs up when we are killed would keep UML busy for ever.
                self.process = self._start(log, *theirs, (into[1], out[0], err[0]))
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            if self.received:
                self.process.terminate()
            copies = [_Copy(out[0], self.output), _Copy(err[0], 2)]
            threading.Thread(target=self._feed, args=(into[1],), daemon=True).start()
            with _raw_terminal(self.interactive):
                self.process.wait()
                self.ended.set()
                for copy in copies:
                    copy.join()
            if self.received:
                return 128 + self.received[0]
            with os.fdopen(status[0], "rb") as ended:
                word, _, rest = ended.read().decode().partition(" ")
            if word == "status":
                failed = copies[0].failed
                # Where only the reader has gone, the command's own status tells.
                if int(rest) == 0 and failed is not None and failed.errno != errno.EPIPE:
                    raise os_failure(failed, "standard output: can't be written")
                return int(rest)
            log.seek(0)
            said = log.read().decode(errors="replace").replace("\r\n", "\n")  # A console's lines end so.
            raise MachineError(self._why_it_died(rest.strip(), said))

    def _why_it_died(self, told: str, said: str) -> str:
        status, _, came_up = told.partition(" ")
        death = Death(
            said,
            status=int(status) if status else None,
            came_up=bool(came_up),
            hung_for_s=BOOT_LIMIT_S if self.hangs else None,
            has_library=LIBRARY.is_file(),
            memory_bytes=self.machine.memory_bytes,
            python=sys.executable,
        )
        return f"{explain(death)}; its messages are in {_keep(said)}"

    def _write_exchange(self) -> None:
        init = self.exchange / "init.sh"
        init.write_bytes(files("fairslice.lab.vm").joinpath("init.sh").read_bytes())
        init.chmod(0o755)
        columns, rows = shutil.get_terminal_size()
        settings = {
            "VM_INPUT": "ttyS0" if self.interactive else "ttyS2",
            "VM_TERMINALS": " ".join(
                line for line, fd in (("ttyS0", self.output), ("ttyS1", 2)) if os.isatty(fd)
            ),
            "VM_ROWS": str(rows),
            "VM_COLUMNS": str(columns),
        }
        lines = [f"{key}={shlex.quote(value)}" for key, value in settings.items()]
        lines += [f"output {shlex.quote(str(path.resolve()))}" for path in self.machine.outputs]
        (self.exchange / "settings.sh").write_bytes(os.fsencode("\n".join(lines) + "\n"))
        (self.exchange / "fstab").write_text(_FSTAB)
        # Inside it is root, whose tools an ordinary user's PATH may lack.
        path = administrators_path(os.environ.get("PATH", os.defpath))
        environment = {**os.environ, "PATH": path, VM_VARIABLE: "1"}
        # env(1) takes names that a shell's export would refuse.
        assigned = [f"{key}={value}" for key, value in environment.items()]
        command = shlex.join(["env", "-i", *assigned, *self.machine.argv])
        text = f"cd {shlex.quote(str(Path.cwd()))} || exit 1\nexec {command}\n"
        (self.exchange / "command.sh").write_bytes(os.fsencode(text))  # It may be no UTF-8.

    def _start(
        self, log: IO[bytes], into: int, out: int, err: int, status: int, ours: tuple[int, ...]
    ) -> "subprocess.Popen[bytes]":
        first, third = (f"fd:{into}", "null") if self.interactive else ("null", f"fd:{into}")
        kernel = [
            *("env", *(f"{key}={value}" for key, value in preloaded(self.exchange).items())),
            *(KERNEL, "rootfstype=hostfs", "rootflags=/", "ro", f"mem={self.machine.memory_bytes >> 20}M"),
            *(f"init={self.exchange / 'init.sh'}", f"{VM_VARIABLE}={self.exchange}"),
            f"FAIRSLICE_MODULES={','.join(MODULES)}",
            *("con=null", "con0=null,fd:2", "ssl=null"),
            *(f"ssl0={first},fd:{out}", f"ssl1=null,fd:{err}", f"ssl2={third},null"),
            *(f"uml_dir={self.exchange}", "umid=machine", "noreboot", "quiet"),
        ]
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "sh", "-c", _KEEPER, str(self.exchange), *kernel],
            stdin=subprocess.DEVNULL,
            stdout=status,
            stderr=log,
            pass_fds=(into, out, err, *ours),
            # A terminal's Ctrl-C reaches only this process.
            start_new_session=True,
        )

    def _feed(self, into: int) -> None:
        """Standard input, to the machine's line: as it is to a terminal, else in base 64 with an end."""
        size = _CHUNK_BYTES if self.interactive else _LINE_BYTES
        with os.fdopen(into, "wb", buffering=0) as line:
            until_s = time.monotonic() + BOOT_LIMIT_S
            while not self.listening.exists():
                if self.ended.wait(_POLL_S):
                    return
                if time.monotonic() > until_s and self.process is not None:
                    self.hangs = True
                    self.process.terminate()
                    return
            with contextlib.suppress(OSError):  # The machine has gone.
                text = self.machine.given
                source = io.FileIO(0, closefd=False) if text is None else io.BytesIO(text)
                while chunk := source.read(size):
                    line.write(chunk if self.interactive else base64.b64encode(chunk) + b"\n")
                line.write(b"\x04")
                self.ended.wait()

    def _stop(self, signum: int, _frame: FrameType | None) -> None:
        self.received.append(signum)
        if len(self.received) == 1 and self.process is not None:
            self.process.terminate()


def _pipes(count: int) -> list[tuple[int, int]]:
    """All of them or none."""
    made: list[tuple[int, int]] = []
    try:
        while len(made) < count:
            made.append(os.pipe())
    except OSError:
        for pair in made:
            for descriptor in pair:
                os.close(descriptor)
        raise
    return made


def _keep(said: str) -> str:
    """Where a dead machine's messages are."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="fairslice-vm-", suffix=".log")
        with os.fdopen(descriptor, "w") as stream:
            stream.write(said)
    except OSError as error:
        return f"no file, since none can be written ({error.strerror})"
    return path


class _Copy(threading.Thread):
    """Writes to one descriptor what comes from another, from the beginning on; ``failed`` is why it can't.

    Where it can't it reads on all the same: the machine must not wait for it.
    """

    def __init__(self, source: int, target: int) -> None:
        super().__init__(daemon=True)
        self._source, self._target = source, target
        self.failed: OSError | None = None
        self.start()

    def run(self) -> None:
        """Until the source ends."""
        with os.fdopen(self._source, "rb", buffering=0) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                try:
                    while chunk:
                        chunk = chunk[os.write(self._target, chunk) :]
                except OSError as error:
                    self.failed = error


@contextmanager
def _raw_terminal(wanted: bool) -> Iterator[None]:
    """The machine's terminal edits lines and echoes; the host's passes keys on as they are."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # What has been typed already is not lost.
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
