"""What a comparison tells in sentences besides its numbers. Pure."""

from collections.abc import Sequence

from fairslice.measure.measurement import Measured
from fairslice.measure.results import Busy, SliceResult
from fairslice.units import LEAST_RATE_BPS, format_rate, is_nothing

OVERLOAD = 1.5
"""A UDP flow that offers this many times its allocation does not listen: the report tells what came of it."""


def below_notes(flows: Sequence[Measured]) -> list[str]:
    """What is told of senders that were told to send less than the allocation."""
    below = [flow for flow in flows if flow.sends_less]
    if not below:
        return []
    who = ", ".join(
        f"{flow.name} ({format_rate(flow.expected_bps)} of {format_rate(flow.allocated_bps)})"
        for flow in below
    )
    was, each = ("was", "it is") if len(below) == 1 else ("were", "they are")
    return [
        f"Told to send less than allocated {was} {who}: {each} judged against what was to be sent. All "
        "other flows are judged against their allocations, which assume that every flow wants what the "
        "policy says."
    ]


def overloads(flow: Measured) -> bool:
    """Whether a flow sends UDP far above its allocation."""
    return (
        flow.protocol == "udp"
        and flow.offered_bps is not None
        and flow.offered_bps >= max(OVERLOAD * flow.allocated_bps, LEAST_RATE_BPS)
    )


def overload_note(flow: Measured, flows: Sequence[Measured]) -> str:
    """What came of a flow that sent far above its allocation, and what others kept."""
    offered = flow.offered_bps or 0.0
    times = "without an allocation"
    if not is_nothing(flow.allocated_bps):
        times = f"{offered / flow.allocated_bps:.3g} times its allocation"
    metered = flow.enforcement != "shape" if flow.metered is None else flow.metered
    stopped = f"slice {flow.slice} is shaped, not policed, so no meter stopped it at the edge"
    if is_nothing(flow.allocated_bps):
        stopped = "its entry at the first switch drops it"
    elif metered:
        stopped = "its meter at the first switch dropped the excess"
    # What a host's own cable kept short tells nothing of what the network did.
    # Neither does what was told to send less.
    able = [f for f in flows if not f.if_low and not f.sends_less]
    siblings = [f for f in able if f.slice == flow.slice and f is not flow]
    others = [f for f in able if f.slice != flow.slice]
    kept = [_kept(siblings, f"the other flows of slice {flow.slice}"), _kept(others, "flows of other slices")]
    return (
        f"{flow.name} sent UDP at {format_rate(offered)}, {times}: {stopped}, "
        f"and {format_rate(flow.wire_bps)} reached the receiver"
        + "".join(f"; {text}" for text in kept if text)
        + "."
    )


def _kept(flows: Sequence[Measured], who: str) -> str:
    shares = [f.wire_bps / f.allocated_bps for f in flows if not is_nothing(f.allocated_bps)]
    return f"{who} kept at least {100 * min(shares):.3g} % of their allocations" if shares else ""


def sum_note(result: SliceResult) -> str:
    """That a slice is judged on its sum."""
    index = "not defined" if result.jain_index is None else f"{result.jain_index:.3f}"
    return (
        f"Slice {result.slice} is shaped: its {result.flows} flows share a queue on each link, and how they "
        f"share it is left to TCP. It is judged on their sum; Jain's index among them is {index}."
    )


def busy_note(busy: Busy, passed: bool) -> str:
    """That the machine was busy, and what that means."""
    then = (
        "the rates held all the same" if passed else "what missed its allocation may be the machine's doing"
    )
    return (
        f"The machine was busy: {busy.machine:.0%} of its processors, {busy.switch_thread:.0%} of one by the "
        f"switch's busiest thread; {then}."
    )
