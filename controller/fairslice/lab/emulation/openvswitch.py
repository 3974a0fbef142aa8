"""An ovsdb-server and an ovs-vswitchd of the emulation's own, all of whose files lie in the private /run."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fairslice.errors import MachineError
from fairslice.linux.command import run_command

Datapath = Literal["user", "kernel"]
"""Open vSwitch's own in a process (netdev), or that of the kernel's module openvswitch (system)."""

RUN_DIRECTORY = Path("/run/openvswitch")
"""Where ovs-vsctl, ovs-ofctl and ovs-appctl look by default."""
DATABASE_SOCKET = f"unix:{RUN_DIRECTORY / 'db.sock'}"
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")

_TOOLS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")
# The userspace datapath allocates 32 buffers of 2 KiB for each port at each turn of its loop; glibc's cache
# takes such sizes only when told to, and the loop then turns a fifth faster (20 bridges, 80 ports).
_SWITCH_TUNABLES = "glibc.malloc.tcache_max=65536:glibc.malloc.tcache_count=65535"
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 5


def kernel_module_loaded() -> bool:
    """Whether the kernel has Open vSwitch's datapath now."""
    return Path("/sys/module/openvswitch").exists()


class OpenVSwitch:
    """Open vSwitch for the namespaces of :mod:`fairslice.lab.emulation.isolation`; a context manager.

    Both daemons detach only when they serve, so ``start`` returns with a switch that is ready.
    """

    database = RUN_DIRECTORY / "conf.db"
    database_log = RUN_DIRECTORY / "ovsdb-server.log"
    switch_log = RUN_DIRECTORY / "ovs-vswitchd.log"

    @property
    def log_paths(self) -> tuple[Path, ...]:
        """The daemons' logs; copy them out before the namespaces end."""
        return (self.database_log, self.switch_log)

    @property
    def switch_pid(self) -> int:
        """The process id of ovs-vswitchd, inside the PID namespace.

        Raises:
            MachineError: it does not run; the end of its log is quoted.
        """
        return _require_pid("ovs-vswitchd", self.switch_log)

    def require_running(self) -> None:
        """Find out whether both daemons still run.

        Raises:
            MachineError: one does not; the end of its log is quoted.
        """
        _require_pid("ovsdb-server", self.database_log)
        _require_pid("ovs-vswitchd", self.switch_log)

    def start(self) -> None:
        """Start both daemons on an empty database.

        Raises:
            MachineError: a tool is missing, a daemon did not start, or another Open vSwitch is in the place.
        """
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing or not SCHEMA.exists():
            raise MachineError(
                f"Open vSwitch is not installed ({', '.join(missing) or SCHEMA} not found); "
                "install the package openvswitch-switch"
            )
        try:
            RUN_DIRECTORY.mkdir()
        except FileExistsError as error:
            raise MachineError(
                f"{RUN_DIRECTORY} exists; expected the empty /run of fresh namespaces"
            ) from error
        # The user's own settings must not lead any tool, Mininet's included, to another Open vSwitch.
        os.environ.update(dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(RUN_DIRECTORY)))
        self._run(["ovsdb-tool", "create", str(self.database), str(SCHEMA)])
        self._run(
            [
                "ovsdb-server",
                str(self.database),
                f"--remote=p{DATABASE_SOCKET}",
                *_daemon_options("ovsdb-server", self.database_log),
            ]
        )
        self._run(["ovs-vsctl", "--no-wait", "init"])
        self._run(
            ["ovs-vswitchd", DATABASE_SOCKET, *_daemon_options("ovs-vswitchd", self.switch_log)],
            {**os.environ, "GLIBC_TUNABLES": _SWITCH_TUNABLES},
        )

    def stop(self) -> None:
        """End both daemons and remove their files; what does not obey is killed."""
        for daemon, argument in (("ovs-vswitchd", ["--cleanup"]), ("ovsdb-server", [])):
            pid = _running_pid(RUN_DIRECTORY / f"{daemon}.pid")
            if pid is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["ovs-appctl", f"--timeout={_STOP_TIMEOUT_S}", "-t", daemon, "exit", *argument],
                    capture_output=True,
                    timeout=_STOP_TIMEOUT_S + 1,
                    check=False,
                )
            _end(pid)
        shutil.rmtree(RUN_DIRECTORY, ignore_errors=True)

    def vsctl(self, arguments: Sequence[str]) -> str:
        """Run ovs-vsctl, in one transaction, and wait until ovs-vswitchd has taken it in; return its output.

        Raises:
            MachineError: refused, or no answer in time.
        """
        return self._run(["ovs-vsctl", f"--timeout={_START_TIMEOUT_S}", *arguments])

    def _run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        return run_command(argv, timeout_s=_START_TIMEOUT_S + 1, env=env, hint=self._hint)

    def _hint(self) -> str:
        return "\n".join(f"{path} ends with:\n{_tail(path)}" for path in self.log_paths if path.exists())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _daemon_options(name: str, log: Path) -> list[str]:
    return [
        "--detach",
        "--no-chdir",
        f"--pidfile={RUN_DIRECTORY / name}.pid",
        f"--log-file={log}",
        "--verbose=console:off",
        "--verbose=syslog:off",
    ]


def both_run() -> bool:
    """Whether both daemons run; without one, ovs-vsctl waits for it until its time is over."""
    return all(_running_pid(RUN_DIRECTORY / f"{name}.pid") for name in ("ovsdb-server", "ovs-vswitchd"))


def _require_pid(daemon: str, log: Path) -> int:
    pid = _running_pid(RUN_DIRECTORY / f"{daemon}.pid")
    if pid is None:
        said = [line for line in _tail(log, lines=50).splitlines() if "|ERR|" in line or "|EMER|" in line]
        why = f"its log says {said[-1]!r}" if said else "the kernel's messages (dmesg) may say what ended it"
        raise MachineError(f"{daemon} does not run any more; {why}")
    return pid


def _running_pid(pidfile: Path) -> int | None:
    try:
        pid = int(pidfile.read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def _end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if not poller.poll(_STOP_TIMEOUT_S * 1000):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            poller.poll(_STOP_TIMEOUT_S * 1000)
    finally:
        os.close(descriptor)


def _tail(path: Path, lines: int = 5) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"({error})"
