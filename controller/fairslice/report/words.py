"""What the table, the pictures and the page say of a result, in the same words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairslice.measure.results import FlowResult, NotMeasured, RunResult, SliceResult
from fairslice.naming import ends, numbers
from fairslice.units import is_nothing

SMALL = 0.095
"""Of a unit: less than this would show as 0.09 or less, and 5 kbit/s among Mbit/s as nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit for all rates of a page, so that columns compare at a glance."""

    unit: str
    size_bps: float

    def number(self, rate_bps: float | None) -> str:
        """A rate without its unit, to three or four digits; a dash for None.

        >>> Scale("Mbit/s", 1e6).number(14_962_000)
        '14.96'
        """
        if rate_bps is None:
            return "-"
        value = rate_bps / self.size_bps
        if 0 < value < SMALL:
            return f"{value:.2g}"
        digits = 0 if value >= 1000 else 1 if value >= 100 else 2
        return f"{value:.{digits}f}"

    def short(self, rate_bps: float) -> str:
        """A rate without its unit and without zeros that say nothing, for the crowded places of a picture."""
        return f"{rate_bps / self.size_bps:.3g}" if rate_bps < 1000 * self.size_bps else self.number(rate_bps)


def scale_for(rates_bps: Iterable[float]) -> Scale:
    """The unit that suits the largest rate; Mbit/s if nothing has a rate."""
    largest = max(rates_bps, default=0.0)
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        # 10 Gbit/s reads as 10, but 1 Gbit/s links carry flows that are told apart in Mbit/s.
        if largest >= size * (10 if unit == "Gbit/s" else 1):
            return Scale(unit, size)
    return Scale("Mbit/s", 1e6) if largest == 0 else Scale("bit/s", 1.0)


def flow_name(flow: FlowResult | NotMeasured) -> str:
    """``h1->h4``, with the match if the policy has one."""
    return ends(flow.source, flow.destination, flow.match)


def percent(error: float) -> str:
    """An error with its sign.

    >>> percent(-0.0123)
    '-1.2 %'
    """
    shown = round(100 * error, 1)
    # Neither "+0.0" nor "-0.0".
    return f"{shown:+.1f} %" if shown else "0.0 %"


def error_of(flow: FlowResult | SliceResult) -> str:
    """A flow's or a slice's error; of nothing that is expected it is no part."""
    expected_bps = flow.allocated_bps if flow.expected_bps is None else flow.expected_bps
    if is_nothing(expected_bps):
        return "should be 0" if flow.error > 0 else "0.0 %"
    return percent(flow.error)


def answer(judged: FlowResult | SliceResult) -> str:
    """Whether it is as it should be."""
    return "yes" if judged.passed else "can't tell" if judged.passed is None else "NO"


def largest(result: RunResult) -> str:
    """The largest error of a run, without a sign."""
    return "not known" if result.max_error is None else f"{100 * result.max_error:.1f} %"


def is_off(flow: FlowResult, tolerance: float) -> bool:
    """Whether a flow's own error is part of why it, or its slice, did not pass."""
    return flow.passed is False and abs(flow.error) > tolerance


def why(bottleneck: str) -> str:
    """Why a flow's allocation is no higher: its bottleneck for people who have not met the word.

    >>> why("link s1->s2")
    's1->s2 is full'
    """
    kind, _, name = bottleneck.partition(" ")
    if kind == "link" and name:
        return f"{name} is full"
    if kind == "limit" and name:
        return f"limit of {name} is reached"
    if kind == "acknowledgements" and name:
        return f"{name} has no more for acknowledgements"
    return "demand is met" if bottleneck == "cap" else bottleneck or "-"


def dropped(flow: FlowResult) -> float:
    """The part of a UDP flow's datagrams that was dropped on purpose, 0 to 1; 0 where that is not known."""
    if not flow.sent_bps:
        return 0.0
    return ((flow.metered_bps or 0.0) + (flow.queue_dropped_bps or 0.0)) / flow.sent_bps


def lost_or_resent(flow: FlowResult) -> str:
    """Retransmitted segments of TCP; of UDP the datagrams that were dropped on purpose, and those lost."""
    if flow.loss is not None:
        on_purpose = round(100 * dropped(flow), 1)
        lost = max(0.0, 100 * (flow.loss - dropped(flow)))
        return f"{on_purpose:.1f} % dropped, {lost:.1f} % lost" if on_purpose else f"{lost:.1f} % lost"
    return "-" if flow.retransmits is None else f"{flow.retransmits} resent"


DROPPED = "dropped: on purpose, by the flow's meter or a full queue of its slice; lost: elsewhere"
"""What the two words mean, where both are shown."""


def jain_text(index: float | None) -> str:
    """Jain's index to four digits."""
    return "not defined" if index is None else f"{index:.4f}"


def verdict_sentence(result: RunResult) -> str:
    """The verdict for someone who reads nothing else."""
    if not result.flows:
        return "Nothing to judge: the policy has no flows."
    tolerance = f"{100 * result.tolerance:g} %"
    if result.doubts:
        return f"Can't tell: {'; '.join(result.doubts)}."
    by_sum = any(flow.judged == "slice" for flow in result.flows)
    if result.verdict == "fair":
        worst = largest(result)
        flow = "every measured flow" if result.not_measured else "every flow"
        who = f"{flow}, or shaped slice," if by_sum else flow
        return f"Fair: {who} got its allocation to within {worst} (tolerance {tolerance})."
    if result.verdict == "can't tell":
        return _cant_tell(result, tolerance)
    missed = [flow for flow in result.flows if flow.passed is False]
    many = f"{len(missed)} of {len(result.flows)} flows"
    off = f"{many} missed their allocation by more than {tolerance}; the worst is {_worst(missed, result)}"
    if result.verdict == "out of tolerance":
        return f"Out of tolerance: {off}."
    return (
        f"Can't tell: the machine was too busy to be trusted (CPU-bound). {off}. "
        "Try lower capacities, fewer flows or an idle machine."
    )


def left_out(result: RunResult) -> tuple[str, ...]:
    """Which flows were not measured, and why: those of one reason together."""
    by_reason: dict[str, list[NotMeasured]] = {}
    for flow in result.not_measured:
        by_reason.setdefault(flow.reason, []).append(flow)
    return tuple(
        f"{_all(flows)} {'was' if len(flows) == 1 else 'were'} not measured: {reason}."
        for reason, flows in by_reason.items()
    )


def _all(flows: Sequence[FlowResult | NotMeasured]) -> str:
    """One flow by its name, several by their numbers."""
    if len(flows) == 1:
        return f"{flows[0].slice} {flow_name(flows[0])}"
    return numbers(flow.number for flow in flows).capitalize()


_TOLD = 5
"""So many doubts are told one by one."""


def doubts(result: RunResult) -> tuple[str, ...]:
    """Why flows, or sums of shaped slices, can't be judged; alike ones are counted, not repeated."""
    told: dict[tuple[str, str], list[FlowResult]] = {}
    for flow in result.flows:
        if flow.doubt:
            told.setdefault((flow.doubt, flow.slice if flow.judged == "slice" else ""), []).append(flow)
    notes = [
        f"{f'slice {slice_}' if slice_ else _all(flows)} can't be judged: {doubt}."
        for (doubt, slice_), flows in told.items()
    ]
    more = len(notes) - _TOLD
    return (
        *notes[:_TOLD],
        *([f"{more} more can't be judged; results.json has the reasons."] if more > 0 else []),
    )


def _cant_tell(result: RunResult, tolerance: str) -> str:
    unclear = [flow for flow in result.flows if flow.doubt]
    first = unclear[0]
    name = f"slice {first.slice}" if first.judged == "slice" else f"{first.slice} {flow_name(first)}"
    rest = f"; {len(unclear) - 1} more for reasons of their own" if len(unclear) > 1 else ""
    told = len(result.flows) - len(unclear)
    others = f" The other {told} flows are within {tolerance}." if told > 1 else ""
    others = f" The other flow is within {tolerance}." if told == 1 else others
    return f"Can't tell: {name}: {first.doubt}{rest}.{others}"


def _worst(missed: list[FlowResult], result: RunResult) -> str:
    def judged(flow: FlowResult) -> FlowResult | SliceResult:
        return result.slice_named(flow.slice) if flow.judged == "slice" else flow

    worst = max(missed, key=lambda flow: abs(judged(flow).error))
    name = f"slice {worst.slice}" if worst.judged == "slice" else f"{worst.slice} {flow_name(worst)}"
    return f"{name} ({error_of(judged(worst))})"
