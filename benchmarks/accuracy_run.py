"""One run that shows how exactly a policy is enforced, inside the emulation's namespaces."""

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from accuracy import (
    Cell,
    Row,
    delay_streams,
    network_of,
    policy_text,
    senders,
    slice_name,
)

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters
from fairslice.errors import MachineError
from fairslice.lab.traffic.delay import DelayProbes, Delays, DelayStream, lateness, percentile, window
from fairslice.lab.traffic.iperf3_streams import Phase, StreamResult, run_streams
from fairslice.lab.traffic.plan import FlowTraffic, plan_traffic
from fairslice.lab.trial.measured import measured_flows, trouble
from fairslice.lab.trial.testbed import Testbed, open_testbed
from fairslice.linux.processors import ProcessorSample, clock_ticks_per_s, load_between, sample_processors
from fairslice.measure.compare import jain_index
from fairslice.measure.measurement import Measured
from fairslice.measure.rates import FlowRates, flow_rates
from fairslice.measure.resolution import relative_error
from fairslice.measure.results import Busy
from fairslice.policy import parse_policy
from fairslice.topology.network import Network

IDLE_S = 1.0
_STREAMS_TAKE_S = 120.0
"""More than connecting and finishing take at the worst."""


def run_cell(
    cell: Cell,
    repeat: int,
    *,
    warmup_s: float,
    duration_s: float,
    now: Callable[[], float] = time.monotonic,
) -> tuple[Row, ...]:
    """Measure it, inside namespaces made ready by :func:`fairslice.lab.emulation.isolation.prepare_inside`.

    Returns:
        A row for every slice, in the order of ``rates_bps``.

    Raises:
        FairsliceError: something did not come up, or a stream failed.
    """
    network = network_of(cell)
    policy = parse_policy(policy_text(cell), "policy.yaml")
    congestion_control = None if cell.transport == "udp" else cell.transport
    with open_testbed(network, policy, datapath=cell.datapath, congestion_control=congestion_control) as bed:
        bed.wait_in_force()
        allocation = bed.client.allocation()
        # Without counting probes all that a flow sends counts as its own, packets for its delay included.
        # Nothing goes the other way that would be taken for it.
        traffic = plan_traffic(allocation.flows, senders(cell))
        probed = delay_streams(cell, allocation.flows, network)
        with DelayProbes(bed.emulated, probed, IDLE_S, now=now) as probes:
            idle = {name: window(sent, -math.inf, math.inf) for name, sent in probes.collect().items()}
        reading = _measure(cell, bed, network, traffic, probed, (warmup_s, duration_s, now))
    return _rows(cell, repeat, allocation, traffic, reading, idle)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read while the streams ran: at the begin and the end of the window, and what they say."""

    streams: Mapping[str, StreamResult]
    before: Counters
    after: Counters
    delays: Mapping[str, Delays]
    busy: Busy
    late_s: float
    window_s: float


def _measure(
    cell: Cell,
    bed: Testbed,
    network: Network,
    traffic: Sequence[FlowTraffic],
    probed: Sequence[DelayStream],
    times: tuple[float, float, Callable[[], float]],
) -> Reading:
    warmup_s, duration_s, now = times
    counters: list[Counters] = []
    processors: list[ProcessorSample] = []

    def on_phase(phase: Phase) -> None:
        if phase in ("measuring", "finishing"):
            counters.append(bed.client.counters())
            processors.append(sample_processors(bed.open_vswitch.switch_pid, now))

    # They start first: what takes its time here must not shorten the streams' warm-up.
    with DelayProbes(bed.emulated, probed, warmup_s + duration_s + _STREAMS_TAKE_S, now=now) as probes:
        streams = run_streams(
            bed.emulated,
            [plan.stream(network) for plan in traffic],
            warmup_s=warmup_s,
            duration_s=duration_s,
            reading_s=bed.reading_s(),
            on_phase=on_phase,
            now=now,
        )
        if complaints := trouble(streams):
            raise MachineError(f"{cell}: " + "; ".join(complaints))
        packets = probes.collect(now=True)
    begin, end = (sample.time_s for sample in processors)
    load = load_between(processors[0], processors[1], clock_ticks_per_s())
    busy = Busy(machine=load.busy_fraction, switch_thread=load.busiest_thread)
    found = {name: window(sent, begin, end) for name, sent in packets.items()}
    late_s = max(percentile(lateness(packets[one.name], one.interval_s), 95) for one in probed)
    return Reading(streams, counters[0], counters[1], found, busy, late_s, load.duration_s)


def _rows(
    cell: Cell,
    repeat: int,
    allocation: AllocationView,
    traffic: Sequence[FlowTraffic],
    reading: Reading,
    idle: Mapping[str, Delays],
) -> tuple[Row, ...]:
    flows = measured_flows(allocation, traffic, reading.streams, reading.before, reading.after)
    rates = flow_rates(allocation, reading.before, reading.after)
    rows = []
    for rate_bps in cell.rates_bps:
        name = slice_name(rate_bps)
        own = [flow for flow in flows if flow.slice == name]
        sent = [rates[flow.id] for flow in allocation.flows if flow.slice == name]
        delays, base_s = reading.delays[name], idle[name].percentile(50)
        rows.append(
            Row(
                datapath=cell.datapath,
                enforcement=cell.enforcement,
                transport=cell.transport,
                flows=cell.flows,
                rate_bps=rate_bps,
                repeat=repeat,
                allocated_bps=math.fsum(flow.allocated_bps for flow in own),
                wire_bps=math.fsum(flow.wire_bps for flow in own),
                flow_errors=tuple(relative_error(flow.wire_bps, flow.allocated_bps) for flow in own),
                goodput_bps=math.fsum(flow.goodput_bps or 0.0 for flow in own),
                loss=_loss(own, sent),
                retransmits=sum(flow.retransmits or 0 for flow in own),
                jain_index=jain_index((flow.wire_bps, flow.allocated_bps) for flow in own),
                idle_s=base_s,
                delay_p50_s=_above(delays, 50, base_s),
                delay_p95_s=_above(delays, 95, base_s),
                delay_p99_s=_above(delays, 99, base_s),
                delay_probes=len(delays.delays_s) + delays.lost,
                delay_lost=delays.lost,
                window_s=reading.window_s,
                machine=reading.busy.machine,
                switch_thread=reading.busy.switch_thread,
                late_s=reading.late_s,
                system=platform.release().partition("-")[0],
            )
        )
    return tuple(rows)


def _loss(flows: Sequence[Measured], rates: Sequence[FlowRates]) -> float:
    if all(flow.loss is not None for flow in flows):
        # The flows of a slice send equally much.
        return math.fsum(flow.loss or 0.0 for flow in flows) / len(flows)
    offered = math.fsum(rate.offered_bps for rate in rates)
    # A queue that empties within the window delivers more than was sent in it.
    return max(0.0, 1 - math.fsum(rate.wire_bps for rate in rates) / offered) if offered else 0.0


def _above(delays: Delays, percent: float, idle_s: float | None) -> float | None:
    found = delays.percentile(percent)
    return None if found is None or idle_s is None else found - idle_s
