"""Hosts' own cables: whether what a host sent itself, not the network, kept its flows short. Pure.

A host's queue is in front of its first switch. What one of its flows floods it with, its other flows lose
there: no switch sees it, and none can help. Counters of both ends tell: what the host's interface sent and
dropped, and what the switch's port received, of which the entries of the edge say whose it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fairslice.api.allocation import AllocationView, FlowView
from fairslice.lab.emulation.hosts import HostCounters
from fairslice.lab.traffic.iperf3_commands import UDP_PAYLOAD_BYTES
from fairslice.measure.measurement import Measured
from fairslice.measure.rates import FlowRates
from fairslice.measure.results import HostResult
from fairslice.units import format_rate, udp_wire_bps

FULL = 0.97
"""A cable that carries this part of its capacity is full: a token bucket in software is late at times."""
FLOOD = 1.02
"""A flow brings too much if it brings this many times its allocation: UDP that is greedy does, by a tenth."""
DELIVERED = 0.95
"""A network that delivers this part of what a flow brought to it is not what kept the flow short."""


@dataclass(frozen=True, slots=True)
class HostReadings:
    """Counters of sending hosts' interfaces at both ends of a window of ``window_s`` seconds, by host."""

    before: Mapping[str, HostCounters]
    after: Mapping[str, HostCounters]
    window_s: float


def host_results(
    allocation: AllocationView,
    readings: HostReadings,
    rates: Mapping[str, FlowRates],
    links: Mapping[tuple[str, str], float],
) -> tuple[HostResult, ...]:
    """Every host that was read, in the order of the allocation's links.

    Args:
        allocation: with the rates that were in force.
        readings: of the hosts.
        rates: of the flows, by id; flows without are left out.
        links: what each link carried, in bit/s (:func:`fairslice.measure.rates.link_rates`).
    """
    results = []
    for link in allocation.links:
        host = link.source
        if host not in readings.before or host not in readings.after:
            continue
        then, now = readings.before[host], readings.after[host]
        received_bps = links.get((host, link.target), 0.0)
        results.append(
            HostResult(
                host=host,
                switch=link.target,
                capacity_bps=link.capacity_bps,
                sent_bps=max(0, now.sent_bytes - then.sent_bytes) * 8 / readings.window_s,
                received_bps=received_bps,
                dropped_datagrams=max(0, now.dropped_datagrams - then.dropped_datagrams),
                full=received_bps >= FULL * link.capacity_bps
                and bool(_floods(host, allocation.flows, rates)),
            )
        )
    return tuple(results)


def lost_on_cables(hosts: Sequence[HostResult], window_s: float) -> Mapping[str, float]:
    """What hosts' own cables lost on the way to their switches, in bit/s, by host.

    That is what the interface sent and the port did not receive, and the datagrams that found the host's own
    queue full: all counted at once, where entries of a switch are up to a second late.
    """
    return {
        one.host: max(0.0, one.sent_bps - one.received_bps)
        + udp_wire_bps(8 * UDP_PAYLOAD_BYTES * one.dropped_datagrams / window_s, UDP_PAYLOAD_BYTES)
        for one in hosts
    }


def _floods(
    host: str, flows: Sequence[FlowView], rates: Mapping[str, FlowRates]
) -> list[tuple[FlowView, float]]:
    """A host's flows that brought more than their allocation to the first switch, and how much, in bit/s."""
    own = [(flow, rates[flow.id].offered_bps) for flow in flows if flow.source == host and flow.id in rates]
    return [(flow, offered_bps) for flow, offered_bps in own if offered_bps > FLOOD * flow.allocated_bps]


def excuse(
    flows: Sequence[Measured],
    ids: Sequence[str],
    hosts: Sequence[HostResult],
    rates: Mapping[str, FlowRates],
) -> tuple[Measured, ...]:
    """The same flows; one that its own host kept short says so, if the network delivered what it got of it.

    Args:
        flows: as measured.
        ids: theirs, in the same order.
        hosts: as of :func:`host_results`.
        rates: of the flows, by id.
    """
    full = {one.host: one for one in hosts if one.full}
    return tuple(
        _excused(flow, full[flow.source], rates[name]) if flow.source in full and name in rates else flow
        for flow, name in zip(flows, ids, strict=True)
    )


def _excused(flow: Measured, host: HostResult, own: FlowRates) -> Measured:
    if own.offered_bps >= flow.expected_bps or own.wire_bps < DELIVERED * own.offered_bps:
        return flow
    came, delivered = format_rate(own.offered_bps), format_rate(own.wire_bps)
    return replace(
        flow,
        if_low=(
            f"the cable {host.host}->{host.switch} was full of what {host.host} itself sent, so that only "
            f"{came} of this flow came to the network, which delivered {delivered}"
        ),
    )


def cable_notes(
    allocation: AllocationView,
    hosts: Sequence[HostResult],
    rates: Mapping[str, FlowRates],
    tolerance: float,
) -> tuple[str, ...]:
    """A sentence for every host that filled its own cable and has a flow short by more than the tolerance.

    It tells by which counters, and which flows filled it.
    """
    short = {
        flow.source
        for flow in allocation.flows
        if flow.id in rates and rates[flow.id].wire_bps < (1 - tolerance) * flow.allocated_bps
    }
    return tuple(
        _note(one, _floods(one.host, allocation.flows, rates))
        for one in hosts
        if one.full and one.host in short
    )


def _note(host: HostResult, floods: Sequence[tuple[FlowView, float]]) -> str:
    whose = ", ".join(
        f"{flow.id} brought {format_rate(offered)} where {format_rate(flow.allocated_bps)} is allocated"
        for flow, offered in floods
    )
    sent, received = format_rate(host.sent_bps), format_rate(host.received_bps)
    dropped = ""
    if host.dropped_datagrams:
        dropped = f" and dropped {host.dropped_datagrams} datagrams before any switch"
    return (
        f"{host.host}'s own cable {host.host}->{host.switch} was full of what {host.host} sent itself: "
        f"its interface sent {sent} of {format_rate(host.capacity_bps)}{dropped}, "
        f"{host.switch}'s port received {received}, and {whose}. "
        f"What {host.host}'s other flows lost there, the network never had."
    )
