"""What the table, the pictures and the page say of a result, in the same words. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fairslice.measure.results import FlowResult, RunResult


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


def flow_name(flow: FlowResult) -> str:
    """``h1 -> h4``, with the match if the policy has one."""
    return f"{flow.source} -> {flow.destination} {flow.match}".rstrip()


def percent(error: float) -> str:
    """An error with its sign; an infinite one is that of a flow that should not send at all.

    >>> percent(-0.0123)
    '-1.2 %'
    """
    if math.isinf(error):
        return "should be 0"
    shown = round(100 * error, 1)
    # Neither "+0.0" nor "-0.0".
    return f"{shown:+.1f} %" if shown else "0.0 %"


def largest(result: RunResult) -> str:
    """The largest error of a run, without a sign."""
    return "infinite" if math.isinf(result.max_error) else f"{100 * result.max_error:.1f} %"


def is_off(flow: FlowResult, tolerance: float) -> bool:
    """Whether a flow's own error is part of why it, or its slice, did not pass."""
    return not flow.passed and abs(flow.error) > tolerance


def why(bottleneck: str) -> str:
    """Why a flow's allocation is no higher: its bottleneck for people who have not met the word.

    >>> why("link s1->s2")
    's1->s2 is full'
    """
    kind, _, name = bottleneck.partition(" ")
    if kind == "link" and name:
        return f"{name} is full"
    if kind == "limit" and name:
        return f"limit of {name}"
    if kind == "acknowledgements" and name:
        return f"acknowledgements have all they may of {name}"
    return "asks no more" if bottleneck == "cap" else bottleneck or "-"


def lost_or_resent(flow: FlowResult) -> str:
    """Retransmitted segments of TCP, or lost datagrams of UDP."""
    if flow.loss is not None:
        return f"{100 * flow.loss:.1f} % lost"
    return "-" if flow.retransmits is None else f"{flow.retransmits} resent"


def jain_text(index: float | None) -> str:
    """Jain's index to four digits."""
    return "not defined" if index is None else f"{index:.4f}"


def verdict_sentence(result: RunResult) -> str:
    """The verdict for someone who reads nothing else."""
    if not result.flows:
        return "Nothing to judge: the policy has no flows."
    tolerance = f"{100 * result.tolerance:g} %"
    by_sum = any(flow.judged == "slice" for flow in result.flows)
    if result.verdict == "fair":
        worst = largest(result)
        who = "every flow, or shaped slice," if by_sum else "every flow"
        return f"Fair: {who} got its allocation to within {worst} (tolerance {tolerance})."
    missed = [flow for flow in result.flows if not flow.passed]
    many = f"{len(missed)} of {len(result.flows)} flows"
    off = f"{many} missed their allocation by more than {tolerance}; the worst is {_worst(missed, result)}"
    if result.verdict == "out of tolerance":
        return f"Out of tolerance: {off}."
    return (
        f"Can't tell: the machine was too busy to be trusted (CPU-bound). {off}. "
        "Try lower capacities, fewer flows or an idle machine."
    )


def _worst(missed: list[FlowResult], result: RunResult) -> str:
    def judged_error(flow: FlowResult) -> float:
        return result.slice_named(flow.slice).error if flow.judged == "slice" else flow.error

    worst = max(missed, key=lambda flow: abs(judged_error(flow)))
    name = f"slice {worst.slice}" if worst.judged == "slice" else f"{worst.slice} {flow_name(worst)}"
    return f"{name} ({percent(judged_error(worst))})"
