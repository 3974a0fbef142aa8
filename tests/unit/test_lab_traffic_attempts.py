"""What flows that may send nothing try, on a fake host."""

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from fairslice.lab.traffic.attempts import Attempt, attempt_argv, attempts

UDP = Attempt("h1", "h4", "10.0.0.4", "udp", 5004, None, 100e3)
TCP = replace(UDP, protocol="tcp", port=80)


def test_datagrams_go_at_their_rate() -> None:
    _, _, _, _, role, address, port, interval_s, lasts_s, payload = attempt_argv(UDP, 30.0)
    assert (role, address, port, float(lasts_s)) == ("send", "10.0.0.4", "5004", 30.0)
    frame_bits = 8 * (14 + 20 + 8 + int(payload))
    assert frame_bits / float(interval_s) == pytest.approx(100e3)


def test_datagrams_come_from_the_port_of_the_match() -> None:
    assert attempt_argv(replace(UDP, client_port=40_000), 30.0)[-1] == "40000"


def test_a_connection_is_asked_for_until_the_end() -> None:
    argv = attempt_argv(replace(TCP, client_port=22), 12.5)
    assert argv[:3] == ["iperf3", "-c", "10.0.0.4"]
    assert argv[argv.index("--connect-timeout") + 1] == "12500"
    assert argv[argv.index("--cport") + 1] == "22"
    assert "--cport" not in attempt_argv(TCP, 12.5)


@dataclass
class FakeProcess:
    status: int | None
    log: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.status

    def kill(self) -> None:
        self.log.append("killed")
        self.status = -9

    def wait(self) -> int:
        self.log.append("waited")
        assert self.status is not None
        return self.status


@dataclass
class FakeHosts:
    started: list[tuple[str, FakeProcess]] = field(default_factory=list)
    fail_at: int | None = None

    def popen(self, host: str, argv: Sequence[str], *, stdout: int, stderr: int) -> FakeProcess:
        assert argv
        assert (stdout, stderr) == (subprocess.DEVNULL, subprocess.DEVNULL)
        if len(self.started) == self.fail_at:
            raise RuntimeError("no such program")
        # The second has ended by itself.
        process = FakeProcess(0 if self.started else None)
        self.started.append((host, process))
        return process


def test_all_try_at_once_and_none_is_left() -> None:
    hosts = FakeHosts()
    with attempts(hosts, [UDP, replace(TCP, source="h2")], 10.0):
        assert [host for host, _ in hosts.started] == ["h1", "h2"]
        assert not any(process.log for _, process in hosts.started)
    assert [process.log for _, process in hosts.started] == [["killed", "waited"], ["waited"]]


def test_none_is_left_after_a_failure() -> None:
    hosts = FakeHosts(fail_at=1)
    with pytest.raises(RuntimeError), attempts(hosts, [UDP, TCP], 10.0):
        pass
    assert hosts.started[0][1].log == ["killed", "waited"]


def test_datagrams_really_come_from_the_port_of_the_match() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("", 0))
            own_port = free.getsockname()[1]
        attempt = replace(
            UDP, destination_ip="127.0.0.1", port=receiver.getsockname()[1], client_port=own_port
        )
        sender = subprocess.Popen(attempt_argv(attempt, 5.0), stdout=subprocess.DEVNULL)
        try:
            _, (_, port) = receiver.recvfrom(2048)
        finally:
            sender.kill()
            sender.wait()
    assert port == own_port
