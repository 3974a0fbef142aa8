"""How a run goes on from one measurement to the next, without a network."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.api.status import StatusView
from fairslice.lab.emulation.hosts import HostCounters
from fairslice.lab.traffic.iperf3_streams import StreamResult
from fairslice.lab.trial import run as run_module
from fairslice.lab.trial.job import Job
from fairslice.lab.trial.run import run_job
from fairslice.linux.processors import ProcessorSample
from fairslice.policy import parse_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

NETWORK = build_network([("s1", "s2"), ("h1", "s1"), ("h3", "s2")], capacity_bps=10e6)
STATUS = StatusView(
    generation=1, in_force=True, discovered=True, missing=(), surprises=(), problems=(), modifications=0
)
SAID = json.dumps(
    {
        "start": {"test_start": {"protocol": "TCP", "blksize": 131072}},
        "intervals": [{"sum": {"start": 0, "end": 1, "bytes": 1_000_000}}],
        "end": {},
    }
)


class Client:
    """A controller in whose network a policy is in force."""

    def __init__(self, allocation: AllocationView) -> None:
        self._allocation = allocation
        self.probes: tuple[Any, ...] = ()

    def allocation(self) -> AllocationView:
        return self._allocation

    def set_probes(self, probes: tuple[Any, ...]) -> None:
        self.probes = probes


class Bed:
    def __init__(self, allocation: AllocationView) -> None:
        self.client = Client(allocation)

    def wait_in_force(self) -> StatusView:
        return STATUS


def reading(allocation: AllocationView, time_s: float, error: float) -> Counters:
    """A flow that has had its allocation and ``error`` of it more since the time 0."""
    (flow,) = allocation.flows
    passed = int(flow.allocated_bps * (1 + error) * time_s / 8)
    queue = QueueReading(
        time_s=time_s,
        dpid=2,
        port_no=NETWORK.hosts["h3"].port_no,
        queue_id=1,
        entered_bytes=passed,
        sent_bytes=passed,
        sent_packets=0,
    )
    port = PortReading(time_s=time_s, dpid=2, port_no=queue.port_no, received_bytes=0, sent_bytes=passed)
    return Counters(flows={1: FlowReading(delivered_bytes=passed)}, queues=[queue], ports=[port])


def measured(
    monkeypatch: pytest.MonkeyPatch,
    errors: Mapping[float, float],
    *,
    match: str = "{}",
    duration_s: float = 10.0,
    max_duration_s: float = 60.0,
) -> tuple[list[float], Any, list[str]]:
    """The windows of a run whose flow is off by ``errors`` (by window), its result, and what it said."""
    policy = parse_policy(
        f"version: 1\nslices: {{a: {{flows: [{{from: h1, to: h3, match: {match}}}]}}}}\n", "p.yaml"
    )
    allocation = view(allocate_slices(policy, NETWORK))
    windows: list[float] = []
    said: list[str] = []

    @contextmanager
    def testbed(*_: Any, **__: Any) -> Iterator[Bed]:
        yield Bed(allocation)

    def measure(_job: Any, _bed: Any, traffic: Any, window_s: float, _progress: Any) -> Any:
        windows.append(window_s)
        error = errors[min(errors, key=lambda window: abs(window - window_s))]
        stream = StreamResult(traffic[0].flow.id, SAID, SAID, 0.25, 0.9, None)
        readings = run_module._Readings(
            [reading(allocation, 1e-3, error), reading(allocation, window_s, error)],
            [ProcessorSample(t, int(100 * t), int(1000 * t), {}) for t in (0.0, window_s)],
            [{"h1": HostCounters(0, 0)}] * 2,
        )
        return {stream.flow_id: stream}, readings

    def progress(phase: str, lasts_s: float | None = None) -> None:
        del lasts_s
        said.append(phase)

    monkeypatch.setattr(run_module, "open_testbed", testbed)
    monkeypatch.setattr(run_module, "_measure", measure)
    job = Job(
        network=NETWORK,
        topology="t.py",
        policy=policy,
        warmup_s=0.0,
        tolerance=0.05,
        created="now",
        duration_s=duration_s,
        max_duration_s=max_duration_s,
    )
    outcome = run_job(job, progress)
    return windows, outcome.result, said


def test_what_is_told_at_once_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, result, _ = measured(monkeypatch, {10.0: 0.01})
    assert (windows, result.verdict, result.asked_s) == ([10.0], "fair", 10.0)
    assert {"install", "measure"} <= set(result.timings_s)


@pytest.mark.parametrize(
    ("later", "windows", "verdict"),
    [
        ({20.0: 0.04}, [10.0, 20.0], "fair"),
        ({20.0: 0.09}, [10.0, 20.0], "out of tolerance"),
        ({20.0: 0.055, 40.0: 0.049}, [10.0, 20.0, 40.0], "fair"),
        ({20.0: 0.055, 40.0: 0.051, 60.0: 0.0501}, [10.0, 20.0, 40.0, 60.0], "can't tell"),
    ],
)
def test_what_a_bucket_may_have_done_is_measured_for_longer(
    monkeypatch: pytest.MonkeyPatch, later: dict[float, float], windows: list[float], verdict: str
) -> None:
    """10 Mbit/s for 10 s: a bucket of 0.25 s and a queue of 50 ms are 3 %."""
    found, result, said = measured(monkeypatch, {10.0: 0.06, **later})
    assert found == windows
    assert result.verdict == verdict
    assert result.window_s == pytest.approx(windows[-1])
    assert any(line.startswith("some rate can't be told yet: once more, for 20 s") for line in said)
    assert (
        f"Measured for {windows[-1]:g} s, not 10 s: 5 % of some rate can't be told in less"
        " (docs/verdicts.md says why; --max-duration limits it)."
    ) in result.notes


def test_the_flow_that_needs_longer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, result, _ = measured(monkeypatch, {6.3: 0.01}, duration_s=5.0)
    assert windows == [pytest.approx(6.3, abs=0.1)]
    (note,) = (note for note in result.notes if note.startswith("Measured for"))
    assert ", not 5 s: 5 % of the rate of flow 1 can't be told in less (docs/verdicts.md" in note


def test_the_limit_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, result, _ = measured(monkeypatch, {10.0: 0.06}, max_duration_s=10.0)
    assert (windows, result.verdict) == ([10.0], "can't tell")


def test_a_short_window_is_long_enough_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, result, _ = measured(monkeypatch, {6.0: 0.0}, duration_s=1.0)
    assert windows == [pytest.approx(6.2, abs=0.1)]
    assert result.verdict == "fair"


def test_a_port_of_a_match_can_not_be_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP keeps it for a minute after its connection has ended."""
    windows, result, _ = measured(monkeypatch, {10.0: 0.06}, match="{proto: tcp, src_port: 22}")
    assert (windows, result.verdict) == ([10.0], "can't tell")
