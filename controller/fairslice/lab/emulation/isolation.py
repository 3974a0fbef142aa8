"""Network, mount and PID namespaces of the emulation's own: when it ends, the kernel takes all of it."""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from fairslice.errors import Fault, InputError, MachineError
from fairslice.linux.signals import stop_signals

PRIVATE_DIRECTORY = Path("/run")
"""Covered by a tmpfs inside: sockets, logs and temporary files live there and vanish with the namespaces."""
TEMPORARY_DIRECTORY = PRIVATE_DIRECTORY / "tmp"

_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# A shell as PID 1: it turns death by a signal into 128+n, and the command keeps the usual signal rules, which
# PID 1 does not have. unshare itself cannot report a child's SIGKILL.
_INIT = ("sh", "-c", '"$@"; exit $?', "sh")
_LIFELINE = "FAIRSLICE_LIFELINE"
_OUTSIDE = "FAIRSLICE_OUTSIDE"
_GONE_TIMEOUT_S = 60.0


def check_isolation() -> None:
    """Find out whether this process may make namespaces.

    Raises:
        MachineError: it may not; says why and what to do.
    """
    missing = [tool for tool in ("unshare", "setpriv", "mount", "ip") if shutil.which(tool) is None]
    if missing:
        raise MachineError(
            f"{', '.join(missing)} not found; install the packages util-linux, mount and iproute2"
        )
    if os.geteuid() != 0:
        raise MachineError(
            f"the emulation needs root for its namespaces, but runs as user {os.geteuid()}; run it with sudo"
        )
    probe = subprocess.run(
        [*_UNSHARE, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        raise MachineError(
            f"no namespaces can be made here ({probe.stderr.strip()}); the emulation needs CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN: in a container, start it with --privileged"
        )


def check_visible(paths: Iterable[str | Path]) -> None:
    """Refuse files and directories that the emulation could not see, because its own /run covers them.

    Raises:
        InputError: names every such path.
    """
    faults = [
        Fault(
            f"{path} is under {PRIVATE_DIRECTORY}, which is private to the emulation and vanishes with it; "
            "expected a path elsewhere"
        )
        for path in paths
        if Path(path).resolve().is_relative_to(PRIVATE_DIRECTORY.resolve())
    ]
    if faults:
        raise InputError(faults)


def run_isolated(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    output: int | None = None,
    given: bytes = b"",
) -> int:
    """Run a command in network, mount and PID namespaces of its own, and wait for its end.

    Its output is this process's. It runs in a session of its own, so a
    terminal's Ctrl-C reaches only the caller. SIGINT, SIGTERM or SIGHUP to the caller kills all that runs in
    the namespaces at once; so does SIGKILL, by the parent-death signals of prctl(2). Call it from the main
    thread. The command must call :func:`prepare_inside` first.

    Args:
        argv: the command; found by PATH.
        env: its environment (default: the caller's).
        output: descriptor of its standard output (default: the caller's).
        given: its standard input; /dev/null without any.

    Returns:
        The command's exit status, 128+n if a signal n ended it, or 128+n for a stop signal to the caller.

    Raises:
        MachineError: this process may not make namespaces.
    """
    check_isolation()
    sys.stdout.flush()
    read_end, write_end = os.pipe()
    lifeline = os.fdopen(write_end, "wb")
    environment = {
        **(os.environ if env is None else env),
        _LIFELINE: str(read_end),
        _OUTSIDE: _namespaces(),
    }
    received: list[int] = []
    inside: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def kill() -> None:
        if process is not None:
            # The lifeline goes first: a process that unshare forked, but that does not yet have its
            # parent-death signal, finds the line cut in prepare_inside and ends by itself.
            lifeline.close()
            inside.extend(_children(process.pid))
            process.kill()

    def stop(signum: int, _frame: FrameType | None) -> None:
        # Raising here could lose a process that Popen has just started.
        received.append(signum)
        if len(received) == 1:
            kill()

    with lifeline, _readable(given) as its_input, stop_signals(stop):
        try:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *_UNSHARE, *_INIT, *argv],
                stdin=its_input,
                stdout=output,
                env=environment,
                pass_fds=(read_end,),
                start_new_session=True,
            )
        finally:
            os.close(read_end)
        if received:
            kill()
        status = process.wait()
        _wait_until_gone(inside)
    if received:
        return 128 + received[0]
    return status if status >= 0 else 128 - status


def prepare_inside() -> None:
    """Make the fresh namespaces fit for Open vSwitch and Mininet; the inner process's first call.

    Afterwards /run is an empty tmpfs, TMPDIR lies in it, /sys shows this network namespace, no sysctl outside
    /proc/sys/net can be written, and the loopback is up. The rest of the file system stays as it was.

    Raises:
        MachineError: not inside the namespaces of :func:`run_isolated`, or a mount failed.
    """
    outside, lifeline = os.environ.pop(_OUTSIDE, None), os.environ.pop(_LIFELINE, None)
    if outside is None or lifeline is None or set(outside.split()) & set(_namespaces().split()):
        raise MachineError(
            "not inside namespaces of run_isolated; refusing to mount over this machine's /run"
        )
    _check_lifeline(int(lifeline))
    for command in (
        "mount -n --make-rprivate /",
        f"mount -n -t tmpfs -o mode=755 fairslice {PRIVATE_DIRECTORY}",
        "mount -n -t sysfs fairslice /sys",
        # sysctls of /proc/sys/net belong to this namespace; the others are the machine's.
        "mount -n --bind /proc/sys /proc/sys",
        "mount -n --bind /proc/sys/net /proc/sys/net",
        "mount -n -o remount,bind,ro /proc/sys",
        "ip link set lo up",
    ):
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MachineError(f"preparing the namespaces: {command!r} failed: {done.stderr.strip()}")
    TEMPORARY_DIRECTORY.mkdir(mode=0o1777)
    os.environ["TMPDIR"] = str(TEMPORARY_DIRECTORY)
    tempfile.tempdir = None


@contextlib.contextmanager
def _readable(given: bytes) -> Iterator[int]:
    """What ``Popen`` takes as an input that yields it, however long: nobody has to write, as into a pipe."""
    if not given:
        yield subprocess.DEVNULL
        return
    with os.fdopen(os.memfd_create("fairslice-input"), "w+b") as file:
        file.write(given)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file.fileno()


def _namespaces() -> str:
    return " ".join(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "mnt"))


def _check_lifeline(descriptor: int) -> None:
    # The supervisor never writes: anything to see is its end.
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    if poller.poll(0):
        raise MachineError("the supervisor has gone")
    os.close(descriptor)


def _children(pid: int) -> list[int]:
    """The processes that ``pid`` has forked, as pidfds; none where the kernel does not tell."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [os.pidfd_open(int(child)) for child in found]
    except OSError:
        return []


def _wait_until_gone(pidfds: Sequence[int]) -> None:
    # PID 1 of a PID namespace ends only after every other process in it has (pid_namespaces(7)).
    deadline = time.monotonic() + _GONE_TIMEOUT_S
    for descriptor in pidfds:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(descriptor)
