"""How long to measure: what buckets, queues and frames leave open, and the window that tells. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fairslice.api.allocation import FlowView
from fairslice.lab.traffic.plan import FlowTraffic
from fairslice.measure.resolution import FRAME_BITS, SHORT, needed_s
from fairslice.measure.results import FlowResult, RunResult, SliceResult
from fairslice.policy.model import Enforcement, Policy
from fairslice.slicing.state.enforced import burst_bits
from fairslice.slicing.state.queues import MIN_QUEUE_BPS, buffer_bytes
from fairslice.units import is_nothing

MARGIN = 1.02
"""A window is asked for that much longer, since it may come out shorter by what a late timer costs."""
MARGIN_S = 0.1
AGAIN = 2.0
"""How much longer the next window is, where one has left a flow open."""


def uncertain_bits(flow: FlowView, policy: Policy) -> float:
    """U of :mod:`fairslice.measure.resolution`: frame, bucket and queue of a flow, in bits."""
    if is_nothing(flow.allocated_bps):
        return 0.0
    waiting = 8.0 * buffer_bytes(flow.allocated_bps, policy.buffer_s)
    bucket = 0.0
    if has_meter(flow, policy):
        bucket = burst_bits(flow.allocated_bps, policy.slice_named(flow.slice).burst_s)
    return FRAME_BITS + bucket + waiting


def warm_up_s(
    traffic: Sequence[FlowTraffic],
    capacity_bps: Mapping[str, float],
    policy: Policy,
    asked_s: float,
    most_s: float,
) -> float:
    """How long to wait before measuring, so that senders that don't listen have emptied their buckets.

    A bucket is full at first, and what is in it comes on top of the rate. A sender empties it with what
    reaches the meter beyond the rate, and no more reaches it than the host's own cable carries: UDP at twice
    9.5 Mbit/s over a cable of 10 takes five seconds for the bucket of a quarter of one.

    Args:
        traffic: what is sent.
        capacity_bps: of every host's own cable, by host.
        policy: with its bursts.
        asked_s: the least.
        most_s: the most; where emptying a bucket takes longer, nothing is waited for.
    """
    longest_s = asked_s
    for plan in traffic:
        flow = plan.flow
        if plan.offered_bps is None or plan.blocked or not has_meter(flow, policy):
            continue
        beyond_bps = min(plan.offered_bps, capacity_bps[flow.source]) - flow.allocated_bps
        bucket = burst_bits(flow.allocated_bps, policy.slice_named(flow.slice).burst_s)
        # Of a thousandth beyond the rate nobody can tell whether it empties anything.
        if beyond_bps > flow.allocated_bps / 1000:
            emptied_s = MARGIN * bucket / beyond_bps + MARGIN_S
            longest_s = max(longest_s, emptied_s) if emptied_s <= most_s else longest_s
    return longest_s


def has_meter(flow: FlowView, policy: Policy) -> bool:
    """Whether a meter holds the flow, as far as its own rate tells (``state.enforced.is_metered``)."""
    limited = policy.slice_named(flow.slice).limit_bps is not None
    return Enforcement(flow.enforcement).polices or (limited and flow.allocated_bps < MIN_QUEUE_BPS)


def window_s(
    flows: Sequence[FlowView], policy: Policy, tolerance: float, asked_s: float, most_s: float
) -> float:
    """The window, in seconds, that tells the tolerance of all flows that ``most_s`` can tell it of.

    At least ``asked_s``. A flow that needs more than ``most_s`` lengthens nothing; its verdict says so.
    """
    needed = (enough_s for _, enough_s in _windows(flows, policy, tolerance) if enough_s <= most_s)
    return max([asked_s, *needed])


def lengthening(
    flows: Sequence[FlowView], policy: Policy, tolerance: float, asked_s: float, most_s: float
) -> tuple[int, ...]:
    """The numbers of the flows whose tolerance ``asked_s`` does not tell and ``most_s`` does."""
    found = _windows(flows, policy, tolerance)
    return tuple(flow.number for group, enough_s in found if asked_s < enough_s <= most_s for flow in group)


def _windows(
    flows: Sequence[FlowView], policy: Policy, tolerance: float
) -> Iterator[tuple[list[FlowView], float]]:
    """Flows that are judged together, and the window, in seconds, that tells their tolerance."""
    groups: dict[tuple[str, str], list[FlowView]] = defaultdict(list)
    for flow in flows:
        # Flows of a shaped slice are judged on their sum.
        shaped = Enforcement(flow.enforcement) is Enforcement.SHAPE
        groups[flow.slice, "" if shaped else flow.id].append(flow)
    for group in groups.values():
        uncertain = sum(uncertain_bits(flow, policy) for flow in group)
        rate_bps = sum(flow.allocated_bps for flow in group)
        if uncertain:
            yield group, MARGIN * needed_s(uncertain, rate_bps, tolerance) + MARGIN_S


def longer_s(result: RunResult, measured_s: float, most_s: float) -> float | None:
    """A longer window that may tell what this result leaves open; None: there is none, or nothing is open.

    Open is a flow, or the sum of a shaped slice, that is out of tolerance by no more than its resolution; or
    whose resolution misses the tolerance by what the window came out shorter than was asked for.
    """
    if result.verdict != "can't tell" or result.doubts or measured_s >= most_s:
        return None
    judged: list[FlowResult | SliceResult] = [flow for flow in result.flows if flow.judged == "flow"]
    judged += [result.slice_named(name) for name in {f.slice for f in result.flows if f.judged == "slice"}]
    is_open = any(
        one.doubt
        and (
            result.tolerance < one.resolution <= result.tolerance / SHORT
            or one.resolution <= result.tolerance < abs(one.error) <= result.tolerance + one.resolution
        )
        for one in judged
    )
    return min(AGAIN * measured_s, most_s) if is_open else None
