"""One-way delays: the arithmetic, and the two processes over the loopback and on a fake host."""

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import Protocol, parse_sockets
from fairslice.lab.traffic.delay import (
    GRACE_S,
    DelayProbes,
    Delays,
    DelayStream,
    Probe,
    join,
    lateness,
    percentile,
    receiver_argv,
    sender_argv,
    window,
)
from fairslice.lab.traffic.programs.delay import arrival_ns, send_time_s

LOOPBACK = DelayStream("gold", "h1", "h2", "127.0.0.1", 0, interval_s=0.01)


class Loopback:
    """Hosts that are all this machine."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def popen(self, host: str, argv: Sequence[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def is_listening(self, host: str, port: int, protocol: Protocol = "tcp") -> bool:
        sockets = parse_sockets(Path(f"/proc/net/{protocol}").read_text(), protocol)
        return any(found.local_port == port and found.is_listening for found in sockets)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_port(port: int, name: str = "gold") -> DelayStream:
    return DelayStream(name, "h1", "h2", "127.0.0.1", port, interval_s=0.01)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40),
    st.floats(0, 100),
)
def test_percentiles_are_numpys(values: list[float], percent: float) -> None:
    values.sort()
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-9)


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 100.5)])
def test_there_is_no_such_percentile(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="th percentile of"):
        percentile(values, percent)


def test_packets_are_joined_by_their_numbers() -> None:
    sent = "0 1000000000\n1 1020000000\n2 1040000000\n3 1060000000\n"
    # 2 overtook 1, came twice, and 3 is lost.
    received = "0 1000500000\n2 1041000000\n1 1050000000\n2 1049000000\n"
    probes = join(sent, received)
    assert [probe.sent_s for probe in probes] == [1.0, 1.02, 1.04, 1.06]
    assert [probe.delay_s for probe in probes] == [0.0005, 0.03, 0.001, None]


@pytest.mark.parametrize("text", ["Traceback (most recent call last):\n", "1\n", "1 2 3\n", "a b\n"])
def test_other_output_is_refused(text: str) -> None:
    with pytest.raises(MachineError, match="expected lines of a number and a time"):
        join(text, "")


def test_a_window_holds_what_was_sent_in_it() -> None:
    probes = [Probe(1.0, 0.5), Probe(2.0, 0.3), Probe(3.0, None), Probe(3.5, 0.1), Probe(4.0, 0.2)]
    assert window(probes, 2.0, 4.0) == Delays((0.1, 0.3), 1)
    assert window(probes, 2.0, 4.0).loss == pytest.approx(1 / 3)
    nothing = window(probes, 9.0, 10.0)
    assert nothing == Delays((), 0)
    assert nothing.loss is None
    assert nothing.percentile(50) is None


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=30), st.floats(0, 1e6))
def test_lateness_is_against_the_most_punctual(late_s: list[float], start_s: float) -> None:
    probes = [Probe(start_s + send_time_s(n, 0.02) + late, None) for n, late in enumerate(late_s)]
    expected = sorted(late - min(late_s) for late in late_s)
    assert lateness(probes, 0.02) == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 10**6), st.floats(1e-3, 1))
def test_every_packet_leaves_in_the_first_half_of_its_interval(number: int, interval_s: float) -> None:
    begin = number * interval_s
    slack = 1e-9 * max(1.0, begin)
    assert begin - slack <= send_time_s(number, interval_s) <= begin + interval_s / 2 + slack


@given(st.integers(0, 10**18), st.integers(0, 10**9), st.integers(0, 10**15))
def test_arrival_moves_from_one_clock_to_the_other(kernel_ns: int, took_ns: int, now_ns: int) -> None:
    assert arrival_ns(kernel_ns, kernel_ns + took_ns, now_ns) == now_ns - took_ns


@given(st.integers(0, 10**18), st.integers(0, 10**15))
def test_without_a_plausible_kernel_time_it_is_the_time_of_reading(wall_ns: int, now_ns: int) -> None:
    assert arrival_ns(None, wall_ns, now_ns) == now_ns
    # The wall clock was set back, or far ahead, between the arrival and the reading.
    assert arrival_ns(wall_ns + 1, wall_ns, now_ns) == now_ns
    assert arrival_ns(wall_ns - 2 * 10**9, wall_ns, now_ns) == now_ns


def test_packets_over_the_loopback() -> None:
    hosts, port = Loopback(), free_port()
    with DelayProbes(hosts, [on_port(port)], 0.5, grace_s=2.0) as probes:
        began = time.monotonic()
        found = probes.collect()["gold"]
        lasted = time.monotonic() - began
    assert len(found) == 50
    delays = [probe.delay_s for probe in found]
    print(f"{len(found)} probes, delays {min(d for d in delays if d is not None):.6f} s and more")
    # No probe is lost on the loopback, and none arrives before it was sent.
    assert all(delay is not None and 0 <= delay < 0.5 for delay in delays)
    # A late packet is sent at once, and its successors at their own times.
    assert all(later.sent_s > sooner.sent_s for sooner, later in pairwise(found))
    assert found[-1].sent_s - found[0].sent_s >= 0.5 / 2
    # Receivers end after the grace, not at their limit.
    assert lasted < 0.5 + 2.0 + 60
    assert all(process.returncode == 0 for process in hosts.started)


def test_where_nothing_arrives_all_is_lost_and_it_ends() -> None:
    hosts, port = Loopback(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        elsewhere = DelayStream("gold", "h1", "h2", "127.0.0.2", other.getsockname()[1], interval_s=0.05)
        sender = hosts.popen("h1", sender_argv(elsewhere, 0.2))
        receiver = hosts.popen("h2", receiver_argv(on_port(port), 0.3, 0.1))
        sent, received = (process.communicate(timeout=240)[0] for process in (sender, receiver))
    assert [probe.delay_s for probe in join(sent, received)] == [None] * 4


def test_a_port_that_is_taken_is_told() -> None:
    hosts = Loopback()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        # A connected socket is not one that waits.
        taken.connect(("127.0.0.1", 9))
        stream = on_port(taken.getsockname()[1])
        with pytest.raises(
            MachineError, match=r"delay probe gold: nothing receives at port \d+ of h2.*in use"
        ):
            DelayProbes(hosts, [stream], 0.5).__enter__()
    assert all(process.poll() is not None for process in hosts.started)


def test_collecting_now_keeps_what_was_measured() -> None:
    hosts = Loopback()
    with DelayProbes(hosts, [on_port(free_port())], 600.0) as probes:
        time.sleep(3)
        began = time.monotonic()
        found = probes.collect(now=True)["gold"]
        assert time.monotonic() - began < 240
    arrived = [probe for probe in found if probe.delay_s is not None]
    print(f"{len(found)} sent in at least 3 s, one in 0.01 s, {len(arrived)} arrived")
    assert 10 <= len(arrived) <= len(found)
    assert len(found) - len(arrived) <= 1
    assert all(process.returncode == 0 for process in hosts.started)


def test_leaving_early_ends_the_processes() -> None:
    hosts = Loopback()
    with DelayProbes(hosts, [on_port(free_port())], 600.0):
        assert all(process.poll() is None for process in hosts.started)
    assert len(hosts.started) == 2
    assert all(process.poll() is not None for process in hosts.started)


def test_names_and_ports_are_unique() -> None:
    hosts = Loopback()
    for twice in ([on_port(1), on_port(2)], [on_port(1), on_port(1, "silver")]):
        with pytest.raises(ValueError, match="must be unique"):
            DelayProbes(hosts, twice, 1.0)


def test_a_failing_process_is_told() -> None:
    class Failing(Loopback):
        def popen(self, host: str, argv: Sequence[str]) -> "subprocess.Popen[str]":
            if "send" in argv:
                argv = [sys.executable, "-c", "raise SystemExit('out of packets')"]
            return super().popen(host, argv)

    with (
        DelayProbes(Failing(), [on_port(free_port())], 0.1) as probes,
        pytest.raises(MachineError, match="a delay probe failed: out of packets"),
    ):
        probes.collect()


def test_commands_say_how_long() -> None:
    assert sender_argv(LOOPBACK, 5.0)[-5:] == ["127.0.0.1", "0", "0.01", "5.0", "18"]
    assert receiver_argv(LOOPBACK, 20.0, 5.0 + GRACE_S)[-3:] == ["0", "20.0", "6.0"]
