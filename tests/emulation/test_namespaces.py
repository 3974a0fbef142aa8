"""What runs in namespaces of its own leaves nothing behind, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.emulation

GONE_WITHIN_S = 60.0
SHARED_DIRECTORIES = (
    *("/run/openvswitch", "/run/tmp", "/run/mount"),
    *("/etc/openvswitch", "/var/lib/openvswitch", "/var/log/openvswitch"),
)


@pytest.fixture(autouse=True)
def heed_signals() -> Iterator[None]:
    """Give the supervisors their usual signals, though a background shell's children ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def names_in(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def machine() -> dict[str, Any]:
    """What a run could leave on the machine, except processes: those are found by their token."""
    interfaces = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "interfaces": sorted(line.split()[1] for line in interfaces.splitlines()),
        "mounts": [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()],
        "files": {name: names_in(name) for name in SHARED_DIRECTORIES if Path(name).exists()},
        "sysctls": {
            name: Path("/proc/sys", name).read_text()
            for name in ("fs/file-max", "net/core/wmem_max", "net/ipv4/tcp_rmem", "kernel/pty/max")
        },
    }


def wait_until_gone(running: Any, before: dict[str, Any]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while (running.processes() or machine() != before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running.processes() == []
    assert machine() == before
    assert list(running.work.iterdir()) == []


def network_with_traffic() -> None:
    """A switch with two hosts and a greedy stream for a minute, temporary files included."""
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch
    from fairslice.lab.traffic.iperf3_commands import Stream
    from fairslice.lab.traffic.iperf3_streams import run_streams
    from fairslice.topology.network import Host, Link, Network, Switch

    hosts = {f"h{n}": Host(f"h{n}", f"00:00:00:00:00:0{n}", f"10.0.0.{n}", "s1", n) for n in (1, 2)}
    links = [Link(host.name, "s1", 5e6, 0) for host in hosts.values()]
    links += [Link("s1", host.name, 5e6, host.port_no) for host in hosts.values()]
    network = Network({"s1": Switch("s1", 1)}, hosts, {link.key: link for link in links})
    with (
        tempfile.NamedTemporaryFile(),
        OpenVSwitch(),
        EmulatedNetwork(network, controller_port=None) as emulated,
    ):
        run_streams(
            emulated,
            [Stream("f1", "h1", "h2", "10.0.0.2", "tcp", 5001)],
            warmup_s=0,
            duration_s=60,
            on_phase=lambda phase: print(phase, flush=True),
        )


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 128 + signal.SIGINT),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGHUP, 128 + signal.SIGHUP),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_signal_in_the_middle_leaves_nothing(
    start_inside: Callable[..., Any], number: signal.Signals, status: int
) -> None:
    before = machine()
    running = start_inside(network_with_traffic)
    for line in running.process.stdout:
        if line == "measuring\n":
            break
    assert any("ovs-vswitchd" in process for process in running.processes())
    assert any("iperf3 -c" in process for process in running.processes())
    # As a terminal's Ctrl-C would, to the whole process group.
    os.killpg(running.process.pid, number)
    _, complaints = running.process.communicate(timeout=GONE_WITHIN_S)
    assert running.process.returncode == status
    assert complaints == ""
    wait_until_gone(running, before)


def test_a_stopped_run_is_gone_when_the_supervisor_returns(start_inside: Callable[..., Any]) -> None:
    running = start_inside(network_with_traffic)
    assert running.process.stdout.readline() == "connecting\n"
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(GONE_WITHIN_S)
    assert running.processes() == []


def sleep_for_ever() -> None:
    subprocess.run(["sleep", "infinity"], check=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_at_any_moment_of_the_start_leaves_nothing(
    start_inside: Callable[..., Any], number: signal.Signals
) -> None:
    before = machine()
    for delay_ms in range(0, 300, 20):
        running = start_inside(sleep_for_ever)
        time.sleep(delay_ms / 1000)
        running.process.send_signal(number)
        running.process.wait(GONE_WITHIN_S)
        wait_until_gone(running, before)


def exit_with(status: int) -> None:
    sys.exit(status)


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("status", [0, 1, 4, 70])
def test_the_exit_status_comes_through(start_inside: Callable[..., Any], status: int) -> None:
    assert start_inside(exit_with, status).process.wait(30) == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL])
def test_death_by_a_signal_is_128_and_the_signal(
    start_inside: Callable[..., Any], number: signal.Signals
) -> None:
    assert start_inside(die_of, number).process.wait(30) == 128 + number


def leave_a_daemon() -> None:
    subprocess.Popen(["sleep", "infinity"], start_new_session=True)


def test_what_the_command_leaves_running_is_taken_too(start_inside: Callable[..., Any]) -> None:
    before = machine()
    running = start_inside(leave_a_daemon)
    assert running.process.wait(30) == 0
    wait_until_gone(running, before)


def look_around() -> dict[str, Any]:
    refused = []
    for name in ("fs/file-max", "kernel/pty/max", "vm/swappiness"):
        path = Path("/proc/sys", name)
        try:
            path.write_text(path.read_text())
        except OSError:
            refused.append(name)
    ipv6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    if ipv6.exists():
        ipv6.write_text("1")
    loopback = subprocess.run(["ip", "-o", "link", "show", "lo"], capture_output=True, text=True, check=True)
    return {
        "interfaces": names_in("/sys/class/net"),
        "processes": len([name for name in names_in("/proc") if name.isdigit()]),
        "run": names_in("/run"),
        "temporary": tempfile.gettempdir(),
        "refused": refused,
        "lo is up": "UP" in loopback.stdout,
        "lifeline": [
            name for name in os.environ if name.startswith("FAIRSLICE_") and name != "FAIRSLICE_TEST"
        ],
        "stdin": str(Path("/proc/self/fd/0").readlink()),
    }


def test_the_inside_is_apart_from_the_machine(inside: Callable[..., Any]) -> None:
    ipv6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    before = ipv6.read_text() if ipv6.exists() else None
    found = inside(look_around)
    found["lifeline"] = [name for name in found["lifeline"] if name not in os.environ]
    assert found == {
        "interfaces": ["lo"],
        "processes": 2,
        "run": ["tmp"],
        "temporary": "/run/tmp",
        "refused": ["fs/file-max", "kernel/pty/max", "vm/swappiness"],
        "lo is up": True,
        "lifeline": [],
        "stdin": "/dev/null",
    }
    assert before == (ipv6.read_text() if ipv6.exists() else None)


def test_an_inner_process_without_its_supervisor_ends_before_it_mounts() -> None:
    # As if the supervisor had died before the parent-death signals were in place.
    read_end, write_end = os.pipe()
    os.close(write_end)
    outside = " ".join(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "mnt"))
    inner = "from fairslice.lab.emulation.isolation import prepare_inside; prepare_inside()"
    done = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, "-c", inner],
        env={**os.environ, "FAIRSLICE_LIFELINE": str(read_end), "FAIRSLICE_OUTSIDE": outside},
        pass_fds=(read_end,),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    os.close(read_end)
    assert done.returncode == 1
    assert "MachineError: the supervisor has gone" in done.stderr


def test_a_supervisor_under_nohup_ignores_hangups(start_inside: Callable[..., Any]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits what is ignored
    try:
        running = start_inside(sleep_for_ever)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    deadline = time.monotonic() + GONE_WITHIN_S
    while not any("sleep infinity" in process for process in running.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.5)
