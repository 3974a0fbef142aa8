"""The main job, inside the emulation's namespaces: bring up, install, measure all flows at once, compare."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fairslice.alloc.view import AllocationView
from fairslice.app.api import ProbeView
from fairslice.app.counters import Counters
from fairslice.emulation.load import ProcessorSample, clock_ticks_per_s, load_between, sample_processors
from fairslice.emulation.openvswitch import Datapath
from fairslice.emulation.traffic import Phase, StreamResult, run_streams
from fairslice.errors import MachineError
from fairslice.experiment.judge import measured_flows, measured_links, trouble
from fairslice.experiment.testbed import Testbed, open_testbed
from fairslice.experiment.traffic import FlowTraffic, Sender, plan_traffic
from fairslice.measure.compare import compare
from fairslice.measure.results import Busy, RunResult
from fairslice.topology.network import Network


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to run: a policy file on a network, for how long, with which senders."""

    network: Network
    topology: str
    policy: Path
    duration_s: float
    warmup_s: float
    tolerance: float
    created: str
    """When, in ISO 8601."""
    senders: tuple[Sender, ...] = ()
    congestion_control: str | None = None
    datapath: Datapath = "user"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the comparison, the rates that were in force, and what iperf3 said."""

    result: RunResult
    allocation: AllocationView
    streams: Mapping[str, StreamResult]


class Progress(Protocol):
    """Who is told how far the run is."""

    def __call__(self, phase: str, lasts_s: float | None = None) -> None:
        """``phase`` begins; it takes ``lasts_s`` seconds, if that is known."""


@dataclass
class _Readings:
    """What is read at both ends of the measurement."""

    counters: list[Counters] = field(default_factory=list)
    processors: list[ProcessorSample] = field(default_factory=list)


def run_experiment(experiment: Experiment, progress: Progress) -> Outcome:
    """Do it, inside namespaces made ready by :func:`fairslice.emulation.isolation.prepare_inside`.

    Raises:
        FairsliceError: something did not come up, or the policy can't be measured; logs tell more.
    """
    timings = _Timings(time.monotonic)
    progress("building the network")

    def built() -> None:
        timings.lap("build")
        progress("discovering the network and installing the policy")

    with open_testbed(
        experiment.network,
        experiment.policy,
        datapath=experiment.datapath,
        congestion_control=experiment.congestion_control,
        built=built,
    ) as bed:
        status = bed.wait_in_force()
        allocation = bed.client.allocation()
        traffic = plan_traffic(allocation.flows, experiment.senders)
        bed.client.set_probes(tuple(_probe(plan) for plan in traffic))
        bed.wait_in_force()
        timings.lap("install")
        streams, readings = _measure(experiment, bed, traffic, progress)
        timings.lap("measure")
    load = load_between(readings.processors[0], readings.processors[1], clock_ticks_per_s())
    before, after = readings.counters
    result = compare(
        measured_flows(allocation, traffic, streams, before, after),
        measured_links(allocation, before, after),
        policy=str(experiment.policy),
        topology=experiment.topology,
        datapath=experiment.datapath,
        framework=status.framework,
        generation=allocation.generation,
        created=experiment.created,
        window_s=load.duration_s,
        tolerance=experiment.tolerance,
        busy=Busy(machine=load.busy_fraction, switch_thread=load.busiest_thread),
        notes=(*status.problems, *trouble(streams)),
        timings_s=timings.laps_s,
    )
    return Outcome(result, allocation, streams)


def _probe(plan: FlowTraffic) -> ProbeView:
    return ProbeView(flow_number=plan.flow.number, proto=plan.proto, dst_port=plan.server_port)


def _measure(
    experiment: Experiment, bed: Testbed, traffic: tuple[FlowTraffic, ...], progress: Progress
) -> tuple[Mapping[str, StreamResult], _Readings]:
    readings = _Readings()

    def on_phase(phase: Phase) -> None:
        lasts_s = {"warming-up": experiment.warmup_s, "measuring": experiment.duration_s}.get(phase)
        progress(f"{phase.replace('-', ' ')}: {len(traffic)} flows at once", lasts_s)
        if phase in ("measuring", "finishing"):
            readings.counters.append(bed.client.counters())
            readings.processors.append(sample_processors(bed.open_vswitch.switch_pid, time.monotonic))

    streams = run_streams(
        bed.emulated,
        [plan.stream(experiment.network) for plan in traffic],
        warmup_s=experiment.warmup_s,
        duration_s=experiment.duration_s,
        reading_s=bed.reading_s(),
        on_phase=on_phase,
    )
    if len(readings.counters) != 2:
        raise MachineError("no flow could be measured: " + "; ".join(trouble(streams)))
    return streams, readings


class _Timings:
    """How long each part took, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self.laps_s: dict[str, float] = {}

    def lap(self, what: str) -> None:
        """What began with the last lap ends now."""
        now = self._clock()
        self.laps_s[what] = round(now - self._began, 3)
        self._began = now
