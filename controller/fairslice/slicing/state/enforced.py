"""What of a rate switches can hold: meters count whole kbit/s, queues begin at 12 kbit/s. Pure."""

import math

from fairslice.alloc.allocation import BottleneckKind
from fairslice.errors import Fault
from fairslice.naming import numbers
from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import Meter
from fairslice.slicing.state.queues import MIN_QUEUE_BPS
from fairslice.topology.network import LinkKey, link_name
from fairslice.topology.paths import path_links
from fairslice.units import FULL_FRAME_BYTES, LEAST_RATE_BPS, format_rate, is_nothing

AUTO_BURST_S = 0.25
"""Depth of a bucket as a time: below TCP's minimum retransmission timeout a policed flow starves
(docs/architecture.md has the measurement)."""
MIN_BURST_BITS = 10 * FULL_FRAME_BYTES * 8
_ROUNDING = 1e-9
"""Relative; rates are sums and quotients of doubles."""
_WORTH_A_NOTE = 0.01


def whole_kbps(rate_bps: float, *, at_most: bool = False) -> int:
    """A rate as a meter counts it (OpenFlow 1.3.5 §7.3.4.4): the nearest whole kbit/s.

    Args:
        rate_bps: in bit/s.
        at_most: the next whole kbit/s below, since a limit must not be exceeded.

    Returns:
        0 for less than 1 kbit/s: a meter can't hold it, so an entry drops (a rate of 0 would be no limit).
    """
    if is_nothing(rate_bps):
        return 0
    steps = rate_bps / LEAST_RATE_BPS
    nearest = math.floor(steps + 0.5)
    return min(nearest, math.floor(steps * (1 + _ROUNDING))) if at_most else nearest


def flow_kbps(allocated: AllocatedFlow) -> int:
    """What the meter of a flow lets through, in kbit/s, others' acknowledgements aside; 0: nothing passes."""
    return whole_kbps(allocated.rate_bps, at_most=allocated.bottleneck.kind is BottleneckKind.LIMIT)


def burst_bits(rate_bps: float, burst_s: float | None) -> float:
    """Depth of the bucket of a meter at ``rate_bps``; ``burst_s`` is the policy's, None for ``auto``."""
    return max(rate_bps * (AUTO_BURST_S if burst_s is None else burst_s), MIN_BURST_BITS)


def bucket(meter_id: int, rate_kbps: int, burst_s: float | None) -> Meter:
    """A token bucket in OpenFlow's whole kbit/s, at least one: a rate of 0 would mean no limit at all."""
    rate_kbps = max(1, rate_kbps)
    return Meter(meter_id, rate_kbps, math.ceil(burst_bits(rate_kbps * LEAST_RATE_BPS, burst_s) / 1000))


def is_metered(allocated: AllocatedFlow, allocation: NetworkAllocation) -> bool:
    """Whether the flow has a meter: its slice polices, or its limit is less than a queue can hold.

    Open vSwitch gives no HTB class less than 12 kbit/s (lib/netdev-linux.c, htb_parse_class_details__): a
    queue alone would let a limit of 5 kbit/s be exceeded 2.4 times.
    """
    of = allocation.policy.slice_named(allocated.flow.slice)
    if of.enforcement.polices:
        return True
    return of.limit_bps is not None and _least_held(allocated, allocation)[0] < MIN_QUEUE_BPS


def shortcomings(allocation: NetworkAllocation) -> tuple[Fault, ...]:
    """Where switches can't hold what was allocated, with the place in the policy and with what can.

    What several flows have in common is told once, at the first of them. None is an error: rates follow from
    the whole network, and a slice may be meant to be next to nothing.
    """
    found: list[Fault] = []
    told: set[str] = set()
    nothing: list[AllocatedFlow] = []
    rounded: list[AllocatedFlow] = []
    for allocated in allocation.flows:
        flow, rate_bps = allocated.flow, allocated.rate_bps
        of = allocation.policy.slice_named(flow.slice)
        if is_nothing(rate_bps):
            if rate_bps > 0:
                nothing.append(allocated)
        elif is_metered(allocated, allocation):
            if _rounding(allocated) > _WORTH_A_NOTE:
                rounded.append(allocated)
        elif flow.slice not in told:
            least_bps, link = _least_held(allocated, allocation)
            if least_bps < MIN_QUEUE_BPS * (1 - _ROUNDING):
                told.add(flow.slice)
                found.append(
                    Fault(
                        f"slice {flow.slice}: shape can't hold {format_rate(least_bps)} on "
                        f"{link_name(link)}: "
                        f"Open vSwitch gives no queue less than {format_rate(MIN_QUEUE_BPS)}; "
                        "police or both can",
                        of.location,
                    )
                )
    if nothing:
        text = f"{_who(nothing)} less than 1 kbit/s, the least that can be enforced: nothing passes"
        found.append(Fault(text, nothing[0].flow.location))
    if rounded:
        worst = max(rounded, key=_rounding)
        kept = f"{format_rate(worst.rate_bps)} is held at {format_rate(flow_kbps(worst) * LEAST_RATE_BPS)}"
        text = f"{worst.flow.id}: {kept}, since meters count whole kbit/s"
        if len(rounded) > 1:
            off = f"held at whole kbit/s by their meters, flow {worst.flow.number} the furthest off: {kept}"
            text = f"{numbers(one.flow.number for one in rounded)}: {off}"
        found.append(Fault(text, rounded[0].flow.location))
    return tuple(sorted(found, key=lambda fault: (fault.location is None, fault.location)))


def _rounding(allocated: AllocatedFlow) -> float:
    """By what part of a flow's rate its meter is off."""
    return abs(flow_kbps(allocated) * LEAST_RATE_BPS - allocated.rate_bps) / allocated.rate_bps


def _who(flows: list[AllocatedFlow]) -> str:
    """Who gets how much, up to the word in front of "less than"."""
    if len(flows) == 1:
        return f"{flows[0].flow.id}: {format_rate(flows[0].rate_bps)} is"
    return f"{numbers(one.flow.number for one in flows)}: each gets"


def _least_held(allocated: AllocatedFlow, allocation: NetworkAllocation) -> tuple[float, LinkKey]:
    """The least that the flow's slice holds on a link of its path that has a queue, and that link."""
    links = path_links(allocated.route.path)[1:]
    return min((allocation.held_bps[allocated.flow.slice, key], key) for key in links)
