"""From two readings of switch counters to what was on the wire. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.errors import MachineError

BATCH_FRAMES = 32
"""The most frames that Open vSwitch's datapath in userspace sends at once (NETDEV_MAX_BURST)."""


@dataclass(frozen=True, slots=True)
class FlowRates:
    """Rates of one flow over the window between two readings, in bit/s of Ethernet frames.

    ``offered_bps`` came in at the first switch, ``metered_bps`` was dropped there, ``queue_dropped_bps``
    in queues of its slice that were full; ``wire_bps`` came out. The window is ``window_s`` seconds of the
    last switch's clock. Meters and queues count what they drop themselves: nothing else, such as what a cable
    lost, is in ``metered_bps`` and ``queue_dropped_bps``.
    """

    wire_bps: float
    offered_bps: float
    metered_bps: float
    window_s: float
    queue_dropped_bps: float = 0.0


def flow_rates(allocation: AllocationView, before: Counters, after: Counters) -> Mapping[str, FlowRates]:
    """Rates by flow id, of all flows.

    Raises:
        MachineError: a counter is missing, or went back.
    """
    rates, doubts = told_rates(allocation, before, after)
    for doubt in doubts.values():
        raise MachineError(doubt)
    return rates


def told_rates(
    allocation: AllocationView, before: Counters, after: Counters, *, userspace: bool = False
) -> tuple[Mapping[str, FlowRates], Mapping[str, str]]:
    """Rates by flow id, and for flows whose counters can't be compared the reason.

    The last queue of a flow counts exactly what it sent. Where it serves several flows, or acknowledgements
    of others, the entries that feed it tell their parts: a flow's part of what entered is its part of what
    left. A flow with a probe counts only the probe's packets.

    Args:
        allocation: with the rates that were in force.
        before: the reading at the beginning of the window.
        after: the one at its end.
        userspace: whether the switches' datapath is Open vSwitch's in userspace.
    """
    queues_before, queues_after = _queues(before), _queues(after)
    ports = {(link.source, link.target): (link.dpid, link.port_no) for link in allocation.links}
    rates: dict[str, FlowRates] = {}
    doubts: dict[str, str] = {}
    for flow in allocation.flows:
        dpid, port_no = ports[flow.path[-2], flow.path[-1]]
        key = (dpid or 0, port_no, flow.queue_id)
        try:
            if key not in queues_before or key not in queues_after:
                raise MachineError(
                    f"{flow.id}: switch {key[0]:016x} counts no queue {key[2]} at port {key[1]}"
                )
            first, last = before.flows.get(flow.number), after.flows.get(flow.number)
            if first is None or last is None:
                raise MachineError(f"{flow.id}: no switch counts it")
            own = _rates_of(flow.id, (queues_before[key], queues_after[key]), (first, last))
            keys = [(*ports[link], flow.queue_id) for link in pairwise(flow.path[1:])]
            pairs = [
                (queues_before[one], queues_after[one])
                for one in keys
                if one in queues_before and one in queues_after
            ]
            frames = last.offered_packets - first.offered_packets
            if frames > 0:
                frame_bits = (last.offered_bytes - first.offered_bytes) * 8 / frames
                dropped_bps = _dropped_in(
                    pairs, own.offered_bps - own.metered_bps, frame_bits, userspace=userspace
                )
                own = replace(own, queue_dropped_bps=dropped_bps)
            rates[flow.id] = own
        except MachineError as error:
            doubts[flow.id] = str(error)
    return rates, doubts


def _rates_of(
    name: str, queues: tuple[QueueReading, QueueReading], flows: tuple[FlowReading, FlowReading]
) -> FlowRates:
    then, now = queues
    first, last = flows
    window_s = now.time_s - then.time_s
    if window_s <= 0:
        raise MachineError(f"{name}: its queue was made anew between the readings")
    sent = _rise(name, "queue", then.sent_bytes, now.sent_bytes)
    entered = _rise(name, "entries", then.entered_bytes, now.entered_bytes)
    own = _rise(name, "delivered", _own(first), _own(last))
    return FlowRates(
        wire_bps=sent * own / entered * 8 / window_s if entered else 0.0,
        offered_bps=_rise(name, "offered", first.offered_bytes, last.offered_bytes) * 8 / window_s,
        metered_bps=_rise(name, "metered", first.metered_bytes, last.metered_bytes) * 8 / window_s,
        window_s=window_s,
    )


def _dropped_in(
    queues: Iterable[tuple[QueueReading, QueueReading]],
    coming_bps: float,
    frame_bits: float,
    *,
    userspace: bool,
) -> float:
    """What queues one behind the other dropped of a flow that comes at a rate, in bit/s.

    It is what they count as dropped: frames, of several flows each its part. What entered and did not leave
    is not a measure of it, since entries are counted late: at 4 Mbit/s over 10 s half a second is 5 %.

    The userspace datapath sends in batches. Where a queue refuses a frame, it drops the rest of the batch and
    counts nothing of it. So there it is what entered and did not leave, if the queue counted any drop, and
    at most a whole batch for each.

    Args:
        queues: readings of each, at both ends of the window.
        coming_bps: the flow's rate into the first of them.
        frame_bits: the mean length of its frames.
        userspace: whether the datapath is the one in userspace.
    """
    dropped_bps = 0.0
    for then, now in queues:
        window_s = now.time_s - then.time_s
        entered = now.entered_packets - then.entered_packets
        entered_bits = 8 * (now.entered_bytes - then.entered_bytes)
        dropped = now.dropped_packets - then.dropped_packets
        if window_s <= 0 or entered <= 0 or entered_bits <= 0 or dropped <= 0:
            continue
        left_bps = max(0.0, coming_bps - dropped_bps)
        part = min(1.0, left_bps * window_s / frame_bits / entered)
        own_bps = dropped * part * frame_bits / window_s
        if userspace:
            stayed_bps = max(0.0, entered_bits - 8 * (now.sent_bytes - then.sent_bytes)) / window_s
            stayed_bps *= min(1.0, left_bps * window_s / entered_bits)
            own_bps = min(max(own_bps, stayed_bps), BATCH_FRAMES * own_bps)
        dropped_bps += min(left_bps, own_bps)
    return dropped_bps


def different_switches(before: Counters, after: Counters) -> tuple[str, ...]:
    """Why two readings can't be compared as a whole: switches that only one of them has."""
    then, now = ({queue.dpid for queue in reading.queues} for reading in (before, after))
    if then == now:
        return ()
    names = ", ".join(f"{dpid:016x}" for dpid in sorted(then ^ now))
    return (f"not all switches were read at both ends of the window: {names} at one of them only",)


def link_rates(
    allocation: AllocationView, before: Counters, after: Counters
) -> Mapping[tuple[str, str], float]:
    """What every link carried, in bit/s: what its switch port sent, or received from a host."""
    then, now = _ports(before.ports), _ports(after.ports)
    dpids = {link.source: link.dpid for link in allocation.links if link.dpid is not None}
    opposite = {(link.target, link.source): link.port_no for link in allocation.links}
    rates = {}
    for link in allocation.links:
        sends = link.dpid is not None
        key = (
            (link.dpid or 0, link.port_no)
            if sends
            else (dpids[link.target], opposite[link.source, link.target])
        )
        if key in then and key in now and now[key].time_s > then[key].time_s:
            first, last = then[key], now[key]
            ends = (
                (first.sent_bytes, last.sent_bytes) if sends else (first.received_bytes, last.received_bytes)
            )
            passed = _rise(f"link {link.source}->{link.target}", "port", *ends)
            rates[link.source, link.target] = passed * 8 / (last.time_s - first.time_s)
    return rates


def _own(reading: FlowReading) -> int:
    return reading.delivered_bytes if reading.probe_bytes is None else reading.probe_bytes


def _rise(whose: str, what: str, before: int, after: int) -> int:
    if after < before:
        raise MachineError(f"{whose}: its {what} counter went back from {before} to {after} bytes")
    return after - before


def _queues(reading: Counters) -> dict[tuple[int, int, int], QueueReading]:
    return {(q.dpid, q.port_no, q.queue_id): q for q in reading.queues}


def _ports(readings: Iterable[PortReading]) -> dict[tuple[int, int], PortReading]:
    return {(p.dpid, p.port_no): p for p in readings}
