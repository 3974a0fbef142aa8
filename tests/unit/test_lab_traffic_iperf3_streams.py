"""iperf3's command lines, and the handling of its processes, on a fake host and a fake clock."""

import json
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from fairslice.lab.traffic.iperf3_commands import Stream, client_argv, server_argv
from fairslice.lab.traffic.iperf3_streams import SPREAD_S, Phase, StreamResult, run_streams

GREEDY = Stream("f1", "h1", "h3", "10.0.0.3", "tcp", 5001)
SECOND = Stream("f2", "h2", "h3", "10.0.0.3", "tcp", 5002)
DATAGRAMS = Stream("f2", "h2", "h3", "10.0.0.3", "udp", 5002, rate_bps=2e6)
BUSY = json.dumps({"error": "error - the server is busy running a test. try again later"})
FINE = json.dumps({"end": {}})


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_a_greedy_tcp_client() -> None:
    argv = client_argv(GREEDY, 10.2)
    assert argv[:3] == ["iperf3", "-c", "10.0.0.3"]
    assert option(argv, "-p") == "5001"
    assert option(argv, "-t") == "11"
    assert {"-J", "-4"} <= set(argv)
    assert not {"-u", "-b", "-S", "-C", "-l", "--cport"} & set(argv)


def test_a_udp_client_sends_whole_datagrams_at_its_rate() -> None:
    argv = client_argv(Stream("f", "h1", "h2", "10.0.0.2", "udp", 5004, 40000, 12_345_678.9, 3, "bbr"), 5)
    assert option(argv, "-l") == "1448"
    assert option(argv, "-b") == "12345679/10"
    assert option(argv, "--pacing-timer") == "10000"
    assert option(argv, "--cport") == "40000"
    assert option(argv, "-S") == "12"
    assert "-u" in argv
    assert "-C" not in argv


def test_a_slow_udp_client_sends_one_by_one() -> None:
    argv = client_argv(Stream("f", "h1", "h2", "10.0.0.2", "udp", 5004, rate_bps=2e6), 5)
    assert option(argv, "-b") == "2000000"
    assert "--pacing-timer" not in argv


def test_a_fast_udp_client_keeps_to_the_longest_burst_that_iperf3_takes() -> None:
    argv = client_argv(Stream("f", "h1", "h2", "10.0.0.2", "udp", 5004, rate_bps=5e9), 5)
    rate, datagrams = option(argv, "-b").split("/")
    assert rate == "5000000000"
    assert 1 < int(datagrams) <= 1000


@pytest.mark.parametrize(
    ("rate_bps", "block_bytes"), [(1e5, 1448), (20e6, 25_000), (1e9, 131_072), (0.0, 1448)]
)
def test_a_paced_tcp_client_sends_blocks_of_ten_milliseconds(rate_bps: float, block_bytes: int) -> None:
    stream = Stream("f", "h1", "h2", "10.0.0.2", "tcp", 5001, rate_bps=rate_bps, congestion_control="reno")
    argv = client_argv(stream, 5)
    assert option(argv, "-l") == str(block_bytes)
    assert option(argv, "-C") == "reno"
    # 0 would lift the limit.
    assert int(option(argv, "-b")) == max(1, rate_bps)


def test_a_server_takes_one_test() -> None:
    argv = server_argv(GREEDY)
    assert {"-s", "-1", "-J", "-4"} <= set(argv)
    assert option(argv, "-p") == "5001"


def test_a_udp_stream_needs_a_rate() -> None:
    with pytest.raises(ValueError, match="flow f: a UDP stream needs a rate"):
        Stream("f", "h1", "h2", "10.0.0.2", "udp", 5001)


@dataclass
class Clock:
    time_s: float = 100.0

    def now(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.time_s += duration_s


@dataclass
class FakeProcess:
    """An iperf3 that ends at ``ends_at`` (None: never), printing ``text``."""

    clock: Clock
    ends_at: float | None
    text: str
    returncode: int | None = None
    killed: bool = False
    started_at: float = 0.0

    def __post_init__(self) -> None:
        self.started_at = self.clock.now()

    def poll(self) -> int | None:
        if self.returncode is None and self.ends_at is not None and self.clock.now() >= self.ends_at:
            self.returncode = 0
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            self.killed = True
            self.returncode = -9

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        if self.poll() is None:
            deadline = math.inf if timeout is None else self.clock.now() + timeout
            if self.ends_at is None or self.ends_at > deadline:
                assert timeout is not None, "this would hang"
                self.clock.time_s = deadline
                raise subprocess.TimeoutExpired("iperf3", timeout)
            self.clock.time_s = max(self.clock.time_s, self.ends_at)
        return ("" if self.killed else self.text, "")


@dataclass
class Behaviour:
    """What one round of one stream does; of a UDP stream ``unanswered`` is lost on its way back."""

    begins_after_s: float | None = 0.05
    client_text: str = FINE
    client_ends_after_s: float | None = 20.0
    server_text: str = FINE
    server_ends_after_s: float | None = 20.1
    connects_after_s: float | None = None
    """Its control connection; None: as it begins."""
    unanswered: bool = False


@dataclass
class FakeHosts:
    clock: Clock
    behaviours: dict[int, list[Behaviour]]
    """By server port: a behaviour a round."""
    processes: list[FakeProcess] = field(default_factory=list)
    _round: dict[int, int] = field(default_factory=dict)
    _servers: dict[int, FakeProcess] = field(default_factory=dict)
    _begins: dict[int, float] = field(default_factory=dict)
    _connects: dict[int, float] = field(default_factory=dict)

    def popen(self, host: str, argv: Sequence[str]) -> FakeProcess:
        port = int(option(list(argv), "-p"))
        now = self.clock.now()
        if "-s" in argv:
            self._round[port] = self._round.get(port, -1) + 1
        script = self.behaviours[port][self._round[port]]
        ends = script.server_ends_after_s if "-s" in argv else script.client_ends_after_s
        process = FakeProcess(
            self.clock,
            None if ends is None else now + ends,
            script.server_text if "-s" in argv else script.client_text,
        )
        if "-s" in argv:
            assert host == "h3"
            previous = self._servers.get(port)
            assert previous is None or previous.poll() is not None, "the port is still taken"
            self._servers[port] = process
        else:
            server = self._servers[port]
            assert server.poll() is not None or self.is_listening("h3", port), "a client before its server"
            begins, connects = script.begins_after_s, script.connects_after_s
            self._begins[port] = math.inf if begins is None else now + begins
            self._connects[port] = self._begins[port] if connects is None else now + connects
        self.processes.append(process)
        return process

    def is_listening(self, host: str, port: int, protocol: str = "tcp") -> bool:
        server = self._servers[port]
        return server.poll() is None and self.clock.now() >= server.started_at + 0.03

    def connections(self, host: str, port: int, protocol: str = "tcp") -> int:
        begun = self.clock.now() >= self._begins.get(port, math.inf)
        connected = self.clock.now() >= self._connects.get(port, math.inf)
        return int(begun) if protocol == "udp" else begun + connected

    def unread_bytes(self, host: str, port: int) -> int:
        return 2 if self.behaviours[port][self._round[port]].unanswered else 0


def run(
    behaviours: dict[int, list[Behaviour]], streams: Sequence[Stream] = (GREEDY,)
) -> tuple[dict[str, StreamResult], list[tuple[Phase, float]], FakeHosts]:
    clock = Clock()
    hosts = FakeHosts(clock, behaviours)
    phases: list[tuple[Phase, float]] = []
    results = run_streams(
        hosts,
        streams,
        warmup_s=3.0,
        duration_s=10.0,
        on_phase=lambda phase: phases.append((phase, clock.now())),
        now=clock.now,
        sleep=clock.sleep,
    )
    assert all(process.poll() is not None for process in hosts.processes), "an iperf3 was left"
    return dict(results), phases, hosts


def test_the_measurement_starts_when_the_last_stream_is_warm() -> None:
    results, phases, _ = run(
        {5001: [Behaviour(begins_after_s=0.0)], 5002: [Behaviour(begins_after_s=1.0)]}, [GREEDY, SECOND]
    )
    assert [phase for phase, _ in phases] == ["connecting", "warming-up", "measuring", "finishing", "done"]
    at = dict(phases)
    # The servers listen after 0.03 s; each wait may look once too early.
    assert 1.03 <= at["warming-up"] - at["connecting"] <= 1.03 + 2 * 0.02 + 1e-9
    assert at["measuring"] - at["warming-up"] == pytest.approx(3.0)
    assert at["finishing"] - at["measuring"] == pytest.approx(10.0)
    assert results["f1"].error is None
    assert results["f2"].error is None
    assert results["f1"].begin_s == pytest.approx(4.0, abs=0.05)
    assert results["f2"].begin_s == pytest.approx(3.0, abs=0.05)
    assert results["f1"].end_s - results["f1"].begin_s == pytest.approx(10.0)
    assert results["f1"].server_json == FINE


NO_ANSWER = Behaviour(client_ends_after_s=None, server_ends_after_s=None, unanswered=True)
NO_HELLO = replace(NO_ANSWER, begins_after_s=None, connects_after_s=0.05, unanswered=False)


@pytest.mark.parametrize("lost", [NO_HELLO, NO_ANSWER])
def test_a_udp_stream_whose_first_datagram_is_lost_is_started_again_by_itself(lost: Behaviour) -> None:
    results, phases, hosts = run({5001: [Behaviour()], 5002: [lost, Behaviour()]}, [GREEDY, DATAGRAMS])
    assert [results[flow].error for flow in ("f1", "f2")] == [None, None]
    assert len(hosts.processes) == 6
    at = dict(phases)
    assert at["measuring"] - at["warming-up"] == pytest.approx(3.0)
    assert results["f2"].begin_s >= 3.0
    assert results["f2"].end_s - results["f2"].begin_s == pytest.approx(10.0)


@pytest.mark.parametrize("lost", [[NO_HELLO] * 2, [NO_ANSWER, NO_HELLO, NO_ANSWER], [NO_ANSWER] * 10])
def test_datagrams_lost_again_and_again_leave_a_measurement_that_is_whole(lost: list[Behaviour]) -> None:
    """Where the other streams would not last long enough, all are started again, to last longer."""
    rounds = [Behaviour(client_ends_after_s=40.0, server_ends_after_s=40.1)] * 9
    results, phases, _ = run({5001: rounds, 5002: [*lost, *rounds]}, [GREEDY, DATAGRAMS])
    at = dict(phases)
    assert [results[flow].error for flow in ("f1", "f2")] == [None, None]
    assert results["f2"].begin_s >= 3.0
    assert at["finishing"] - at["measuring"] == pytest.approx(10.0)


def test_a_udp_stream_that_never_opens_is_reported_and_the_others_are_measured() -> None:
    rounds = [Behaviour(client_ends_after_s=40.0, server_ends_after_s=40.1)] * 9
    results, _, _ = run({5001: rounds, 5002: [NO_HELLO] * 30}, [GREEDY, DATAGRAMS])
    assert results["f1"].error is None
    assert results["f2"].error is not None
    assert "did not get through within 3 s and was killed" in results["f2"].error


def test_an_answer_that_proves_lost_during_the_warm_up_starts_all_again() -> None:
    class Late(FakeHosts):
        """What the server says of its beginning comes late, once."""

        def unread_bytes(self, host: str, port: int) -> int:
            return 2 if self._round[port] == 0 and self.clock.now() > 102 else 0

    clock = Clock()
    phases: list[Phase] = []
    late = replace(NO_ANSWER, unanswered=False)
    hosts = Late(clock, {5002: [late, Behaviour()]})
    results = run_streams(
        hosts,
        [DATAGRAMS],
        warmup_s=3.0,
        duration_s=10.0,
        on_phase=phases.append,
        now=clock.now,
        sleep=clock.sleep,
    )
    assert results["f2"].error is None
    assert phases.count("connecting") == 2
    assert phases[-5:] == ["connecting", "warming-up", "measuring", "finishing", "done"]


def test_time_spent_reading_counters_is_part_of_the_measurement() -> None:
    clock = Clock()
    at: dict[str, float] = {}

    def slow(phase: Phase) -> None:
        at[phase] = clock.now()
        clock.sleep(0.5)

    run_streams(
        FakeHosts(clock, {5001: [Behaviour()]}),
        [GREEDY],
        warmup_s=3.0,
        duration_s=10.0,
        on_phase=slow,
        now=clock.now,
        sleep=clock.sleep,
    )
    assert at["finishing"] - at["measuring"] == pytest.approx(10.0)


def test_a_busy_server_is_tried_once_more() -> None:
    busy = Behaviour(None, client_text=BUSY, client_ends_after_s=0.1, server_ends_after_s=None)
    results, _, hosts = run({5001: [busy, Behaviour()]})
    assert results["f1"].error is None
    assert len(hosts.processes) == 4


def test_a_server_that_stays_busy_is_reported_and_the_others_are_measured() -> None:
    busy = Behaviour(None, client_text=BUSY, client_ends_after_s=0.1, server_ends_after_s=None)
    results, phases, _ = run({5001: [busy, busy], 5002: [Behaviour(), Behaviour()]}, [GREEDY, SECOND])
    assert results["f1"].error == (
        "flow f1: iperf3 client (h1 to h3, port 5001): the server is busy running a test. try again later"
    )
    assert math.isnan(results["f1"].begin_s)
    assert results["f2"].error is None
    assert "measuring" in dict(phases)


def test_a_client_that_never_gets_through_is_killed_and_reported() -> None:
    silent = Behaviour(begins_after_s=None, client_ends_after_s=None, server_ends_after_s=None)
    results, phases, _ = run({5001: [silent, silent]})
    assert results["f1"].error is not None
    assert "did not get through within 3 s and was killed" in results["f1"].error
    assert [phase for phase, _ in phases] == ["connecting", "warming-up", "finishing", "done"]
    assert phases[-1][1] - phases[0][1] < 2 * SPREAD_S + 5


@pytest.mark.parametrize("role", ["client", "server"])
def test_an_iperf3_that_hangs_is_killed_and_named(role: str) -> None:
    hung = Behaviour(client_ends_after_s=None) if role == "client" else Behaviour(server_ends_after_s=None)
    results, phases, _ = run({5001: [hung], 5002: [Behaviour()]}, [GREEDY, SECOND])
    assert results["f1"].error == (
        f"flow f1: iperf3 {role} (h1 to h3, port 5001) did not end in time and was killed"
    )
    assert results["f2"].error is None
    assert results["f2"].server_json == FINE
    assert phases[-1][1] - phases[0][1] < 120


def test_a_server_that_dies_at_once_is_reported() -> None:
    refused = json.dumps({"error": "error - unable to connect to server: Connection refused"})
    clock = Clock()

    dead = Behaviour(None, refused, 0.1, json.dumps({"error": "error - unable to start listener"}), 0.0)
    results = run_streams(
        FakeHosts(clock, {5001: [dead, dead]}),
        [GREEDY],
        warmup_s=1.0,
        duration_s=1.0,
        on_phase=lambda phase: None,
        now=clock.now,
        sleep=clock.sleep,
    )
    assert results["f1"].error is not None
    assert "Connection refused" in results["f1"].error


def test_processes_end_when_the_caller_fails() -> None:
    clock = Clock()
    hosts = FakeHosts(clock, {5001: [Behaviour(client_ends_after_s=None, server_ends_after_s=None)]})

    def fail(phase: Phase) -> None:
        if phase == "measuring":
            raise RuntimeError("no counters")

    with pytest.raises(RuntimeError, match="no counters"):
        run_streams(
            hosts, [GREEDY], warmup_s=1.0, duration_s=1.0, on_phase=fail, now=clock.now, sleep=clock.sleep
        )
    assert [process.killed for process in hosts.processes] == [True, True]


@pytest.mark.parametrize(
    "other",
    [
        Stream("f1", "h1", "h3", "10.0.0.3", "tcp", 5009),
        Stream("f9", "h1", "h3", "10.0.0.3", "tcp", 5001),
    ],
)
def test_flow_ids_and_ports_must_be_unique(other: Stream) -> None:
    with pytest.raises(ValueError, match="not unique"):
        run({5001: [Behaviour()]}, [GREEDY, other])


def test_no_streams_are_no_trouble() -> None:
    results, phases, _ = run({}, [])
    assert results == {}
    assert phases[-1][0] == "done"
