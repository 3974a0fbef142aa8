"""The main job, inside the emulation's namespaces: bring up, install, measure all flows at once, compare."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from fairslice.api.allocation import AllocationView, FlowView
from fairslice.api.counters import Counters
from fairslice.api.status import ProbeView, StatusView
from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import HostCounters
from fairslice.lab.traffic.attempts import attempts
from fairslice.lab.traffic.iperf3_streams import Phase, StreamResult, run_streams
from fairslice.lab.traffic.plan import FlowTraffic, not_measured, plan_traffic
from fairslice.lab.trial.cables import HostReadings, cable_notes, excuse, host_results, lost_on_cables
from fairslice.lab.trial.job import Job
from fairslice.lab.trial.measured import blocked_notes, greedy_notes, measured_flows, measured_links, trouble
from fairslice.lab.trial.origin import machine, versions
from fairslice.lab.trial.resolution import lengthening, longer_s, warm_up_s, window_s
from fairslice.lab.trial.testbed import Testbed, open_testbed
from fairslice.linux.processors import ProcessorSample, clock_ticks_per_s, load_between, sample_processors
from fairslice.measure.compare import compare
from fairslice.measure.rates import different_switches, link_rates, told_rates
from fairslice.measure.results import Busy, RunResult, Settings
from fairslice.naming import numbers
from fairslice.policy.model import PROTOCOLS
from fairslice.units import format_duration

_STARTING_S = 120.0
"""More than connecting and finishing take at the worst."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the comparison, the rates that were in force, and what iperf3 said."""

    result: RunResult
    allocation: AllocationView
    streams: Mapping[str, StreamResult]


class Progress(Protocol):
    """A progress callback: called when a phase of the run begins."""

    def __call__(self, phase: str, lasts_s: float | None = None) -> None:
        """``phase`` begins; it takes ``lasts_s`` seconds, if that is known."""


@dataclass
class _Readings:
    """What is read at both ends of the measurement."""

    counters: list[Counters] = field(default_factory=list)
    processors: list[ProcessorSample] = field(default_factory=list)
    hosts: list[Mapping[str, HostCounters]] = field(default_factory=list)

    def clear(self) -> None:
        """Nothing was read."""
        for read in (self.counters, self.processors, self.hosts):
            read.clear()


def run_job(job: Job, progress: Progress) -> Outcome:
    """Do it, inside namespaces made ready by :func:`fairslice.lab.emulation.isolation.prepare_inside`.

    Raises:
        FairsliceError: something did not come up, or the policy can't be measured; logs tell more.
    """
    timings = _Timings(time.monotonic)
    progress("building the network")

    def built() -> None:
        timings.lap("build")
        progress("discovering the network and installing the policy")

    with open_testbed(
        job.network,
        job.policy,
        datapath=job.datapath,
        congestion_control=job.congestion_control,
        built=built,
    ) as bed:
        status = bed.wait_in_force()
        allocation = bed.client.allocation()
        traffic = plan_traffic(allocation.flows, job.senders)
        bed.client.set_probes(tuple(_probe(plan) for plan in traffic if not plan.blocked))
        bed.wait_in_force()
        timings.lap("install")
        most_s = max(job.duration_s, job.max_duration_s)
        flows = [plan.flow for plan in traffic]
        asked_s: float | None = window_s(flows, job.policy, job.tolerance, job.duration_s, most_s)
        own_cables = {link.source: link.capacity_bps for link in allocation.links if link.dpid is None}
        job = replace(
            job,
            warmup_s=warm_up_s(traffic, own_cables, job.policy, job.warmup_s, most_s),
        )
        # A port that a match names is kept for a minute after its connection has ended (TIME-WAIT, RFC 9293).
        only_once = any(plan.proto == PROTOCOLS["tcp"] and plan.client_port is not None for plan in traffic)
        while asked_s is not None:
            streams, readings = _measure(job, bed, traffic, asked_s, progress)
            timings.lap("measure")
            result = _judge(job, (allocation, traffic, streams), readings, status, asked_s)
            asked_s = None if only_once else longer_s(result, asked_s, most_s)
            if asked_s is not None:
                progress(f"some rate can't be told yet: once more, for {format_duration(asked_s)}")
    result = replace(
        result,
        timings_s=timings.laps_s,
        command=job.command,
        versions=versions(status.framework),
        machine=machine(),
    )
    return Outcome(result, allocation, streams)


def _judge(
    job: Job,
    measured: tuple[AllocationView, Sequence[FlowTraffic], Mapping[str, StreamResult]],
    readings: "_Readings",
    status: StatusView,
    asked_s: float,
) -> RunResult:
    allocation, traffic, streams = measured
    load = load_between(readings.processors[0], readings.processors[1], clock_ticks_per_s())
    before, after = readings.counters
    rates, _ = told_rates(allocation, before, after)
    hosts = host_results(
        allocation,
        HostReadings(readings.hosts[0], readings.hosts[1], load.duration_s),
        rates,
        link_rates(allocation, before, after),
    )
    flows = measured_flows(
        allocation,
        traffic,
        streams,
        before,
        after,
        policy=job.policy,
        asked_s=asked_s,
        congestion_control=job.congestion_control,
        userspace=job.datapath == "user",
        cables_lost_bps=lost_on_cables(hosts, load.duration_s),
    )
    return compare(
        excuse(flows, [plan.flow.id for plan in traffic], hosts, rates),
        measured_links(allocation, before, after),
        policy=job.policy.file,
        topology=job.topology,
        datapath=job.datapath,
        framework=status.framework,
        generation=allocation.generation,
        created=job.created,
        window_s=load.duration_s,
        tolerance=job.tolerance,
        busy=Busy(machine=load.busy_fraction, switch_thread=load.busiest_thread),
        notes=(
            *_window_notes(job, [plan.flow for plan in traffic], asked_s),
            *cable_notes(allocation, hosts, rates, job.tolerance),
            *greedy_notes(traffic),
            *blocked_notes(traffic, rates),
            *job.notes,
            *status.problems,
            *trouble(streams),
        ),
        not_measured=not_measured(allocation.flows),
        hosts=hosts,
        doubts=different_switches(before, after),
        asked_s=asked_s,
        settings=_settings(job),
    )


def _settings(job: Job) -> Settings:
    text = job.policy.text
    return Settings(
        warmup_s=job.warmup_s,
        duration_s=job.duration_s,
        max_duration_s=job.max_duration_s,
        congestion_control=job.congestion_control,
        policy_text=text,
        policy_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _window_notes(job: Job, flows: Sequence[FlowView], asked_s: float) -> tuple[str, ...]:
    if asked_s <= job.duration_s:
        return ()
    measured, asked = format_duration(asked_s), format_duration(job.duration_s)
    # None where the window was long enough by itself, and what came of it was not.
    longer = lengthening(flows, job.policy, job.tolerance, job.duration_s, asked_s)
    whose = f"the rate of {numbers(longer)}" if longer else "some rate"
    return (
        f"Measured for {measured}, not {asked}: {100 * job.tolerance:g} % of {whose} can't be told in less"
        " (docs/verdicts.md says why; --max-duration limits it).",
    )


def _probe(plan: FlowTraffic) -> ProbeView:
    proto: Literal[6, 17] = 17 if plan.protocol == "udp" else 6
    return ProbeView(flow_number=plan.flow.number, proto=proto, dst_port=plan.server_port)


def _measure(
    job: Job,
    bed: Testbed,
    traffic: tuple[FlowTraffic, ...],
    duration_s: float,
    progress: Progress,
) -> tuple[Mapping[str, StreamResult], _Readings]:
    readings = _Readings()
    sending = [plan for plan in traffic if not plan.blocked]
    tried = [plan.attempt(job.network) for plan in traffic if plan.blocked]
    sources = sorted({plan.flow.source for plan in traffic})

    def on_phase(phase: Phase) -> None:
        lasts_s = {"warming-up": job.warmup_s, "measuring": duration_s}.get(phase)
        progress(f"{phase.replace('-', ' ')}: {len(traffic)} flows at once", lasts_s)
        if phase == "connecting":
            readings.clear()
        if phase in ("measuring", "finishing"):
            readings.counters.append(bed.counters())
            readings.processors.append(sample_processors(bed.open_vswitch.switch_pid, time.monotonic))
            readings.hosts.append({host: bed.emulated.host_counters(host) for host in sources})

    lasts_s = job.warmup_s + duration_s + _STARTING_S
    with attempts(bed.emulated, [one for one in tried if one is not None], lasts_s):
        if not sending:
            _wait_only(on_phase, job.warmup_s, duration_s)
            return {}, readings
        streams = run_streams(
            bed.emulated,
            [plan.stream(job.network) for plan in sending],
            warmup_s=job.warmup_s,
            duration_s=duration_s,
            reading_s=bed.reading_s(),
            on_phase=on_phase,
        )
    if len(readings.counters) != 2:
        raise MachineError("no flow could be measured: " + "; ".join(trouble(streams)))
    return streams, readings


def _wait_only(on_phase: Callable[[Phase], None], warmup_s: float, duration_s: float) -> None:
    """The phases of a measurement without a stream."""
    on_phase("warming-up")
    time.sleep(warmup_s)
    on_phase("measuring")
    time.sleep(duration_s)
    on_phase("finishing")


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
