"""Laws of streams that are measured together: all of them run from one reading of counters to the other."""

import math
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import MachineError
from fairslice.lab.traffic.iperf3_commands import Stream
from fairslice.lab.traffic.iperf3_streams import Phase, run_streams

WARMUP_S = 3.0
FIRST_PORT = 5201


class Machine:
    """Hosts on a machine where each thing that is done takes its time."""

    def __init__(
        self, starts_s: Sequence[float], connects_s: Sequence[float], readings_s: Sequence[float]
    ) -> None:
        self.time_s = 100.0
        self.starts_s, self.connects_s, self.readings_s = starts_s, connects_s, readings_s
        self.sends: dict[int, tuple[float, float]] = {}
        self.began: list[float] = []
        self.read: list[float] = []
        self.readings = 0

    def now(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        self.time_s += duration_s

    def popen(self, host: str, argv: Sequence[str]) -> "Process":
        port = int(argv[argv.index("-p") + 1])
        takes_s = self.starts_s[(port + len(argv)) % len(self.starts_s)]
        self.time_s += takes_s
        if "-s" in argv:
            return Process(self, port, argv)
        begins = self.time_s + self.connects_s[port % len(self.connects_s)]
        self.sends[port] = begins, begins + int(argv[argv.index("-t") + 1])
        return Process(self, port, argv)

    def is_listening(self, host: str, port: int, protocol: str = "tcp") -> bool:
        return True

    def connections(self, host: str, port: int, protocol: str = "tcp") -> int:
        begins, ends = self.sends.get(port, (math.inf, math.inf))
        return 2 if begins <= self.time_s < ends else 0

    def unread_bytes(self, host: str, port: int) -> int:
        return 0

    def on_phase(self, phase: Phase) -> None:
        if phase == "connecting":
            self.began, self.read = [], []
        if phase in ("measuring", "finishing"):
            self.began.append(self.time_s)
            self.time_s += self.readings_s[self.readings % len(self.readings_s)]
            self.readings += 1
            self.read.append(self.time_s)


class Process:
    """An iperf3 that ends when its stream does."""

    returncode: int | None = None

    def __init__(self, machine: Machine, port: int, argv: Sequence[str]) -> None:
        self.machine, self.port, self.argv = machine, port, argv
        self.killed = False

    def poll(self) -> int | None:
        if self.killed:
            return -9
        return 0 if self.machine.time_s >= self.machine.sends.get(self.port, (0, math.inf))[1] else None

    def kill(self) -> None:
        self.killed = True

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        if not self.killed:
            self.machine.time_s = max(self.machine.time_s, self.machine.sends[self.port][1])
        return "{}", ""


def measured(
    machine: Machine, flows: int, duration_s: float, reading_s: float
) -> Mapping[int, tuple[float, float]] | None:
    """When each stream was sent; None: that they can't be measured was told before the measurement's end."""
    streams = [
        Stream(f"f{number}", "h1", "h2", "10.0.0.2", "tcp", FIRST_PORT + number) for number in range(flows)
    ]
    try:
        results = run_streams(
            machine,
            streams,
            warmup_s=WARMUP_S,
            duration_s=duration_s,
            reading_s=reading_s,
            on_phase=machine.on_phase,
            now=machine.now,
            sleep=machine.sleep,
        )
    except MachineError:
        assert len(machine.read) < 2
        return None
    told = {FIRST_PORT + number: results[f"f{number}"].error for number in range(flows)}
    return {port: machine.sends[port] for port, error in told.items() if error is None}


SECONDS = st.floats(0.0, 3.0)


@given(
    flows=st.integers(1, 30),
    starts_s=st.lists(SECONDS, min_size=1, max_size=40),
    connects_s=st.lists(SECONDS, min_size=1, max_size=10),
    readings_s=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=6),
    duration_s=st.floats(0.5, 60.0),
    reading_s=st.floats(0.0, 5.0),
)
def test_a_stream_that_is_measured_runs_from_one_reading_to_the_other(
    flows: int,
    starts_s: list[float],
    connects_s: list[float],
    readings_s: list[float],
    duration_s: float,
    reading_s: float,
) -> None:
    machine = Machine(starts_s, connects_s, readings_s)
    sent = measured(machine, flows, duration_s, reading_s)
    for begins, ends in (sent or {}).values():
        assert begins + WARMUP_S <= machine.began[0] + 1e-6
        assert ends >= machine.read[1] - 1e-6


@given(
    flows=st.integers(1, 30),
    client_s=st.floats(0.0, 3.0),
    factor=st.floats(0.1, 3.0),
    reading_s=st.floats(0.0, 5.0),
)
def test_all_are_measured_at_once_where_clients_start_no_slower_than_expected(
    flows: int, client_s: float, factor: float, reading_s: float
) -> None:
    """Servers that take a certain time to start say how long clients may take."""

    class Steady(Machine):
        starts = 0

        def popen(self, host: str, argv: Sequence[str]) -> "Process":
            self.starts += 1
            self.time_s += client_s / factor if "-s" in argv else client_s
            return super().popen(host, argv)

    machine = Steady([0.0], [0.05], [0.99 * reading_s])
    sent = measured(machine, flows, 10.0, reading_s)
    assert sent is not None
    assert len(sent) == flows
    assert machine.starts == 2 * flows
    assert machine.began[0] + 10 == machine.began[1] or reading_s > 10


@given(flows=st.integers(1, 12), reading_s=st.floats(1.0, 30.0))
def test_counters_that_take_longer_to_read_than_expected_are_read_once_more(
    flows: int, reading_s: float
) -> None:
    machine = Machine([0.01], [0.05], [reading_s])
    sent = measured(machine, flows, 10.0, 0.0)
    assert sent is not None
    assert len(sent) == flows
    assert all(ends >= machine.read[1] - 1e-6 for _, ends in sent.values())
