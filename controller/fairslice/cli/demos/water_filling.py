"""Water-filling: rates rise together until something stops a flow; the others go on."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from fairslice.alloc import AllocationProblem, ProblemFlow, certify
from fairslice.alloc.explain.filling import Filling, explain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fairslice.cli.demos.stage import Stage

CAPACITIES = {"A": 10, "B": 6, "C": 12}
PATHS = {"long": ("A", "B", "C"), "a": ("A",), "b": ("B",), "c": ("C",)}
DEMANDS = {"c": 4}
_CELLS = 24
_FRAMES = 40
_ROUNDING = 1e-9
_SOURCE = "section 6.5.2"


def tell(stage: "Stage") -> None:
    """Four flows on three links, of which one crosses all and one wants little."""
    problem = AllocationProblem(
        capacities=CAPACITIES,
        flows=[
            ProblemFlow(flow, dict.fromkeys(path, 1.0), cap=float(DEMANDS.get(flow, "inf")))
            for flow, path in PATHS.items()
        ],
    )
    filling = explain(problem)
    stage.say(
        "Three links: A carries 10, B carries 6, C carries 12. The flow long crosses all three; a, b and c"
        " cross the link of their name. c wants no more than 4, the others all that they can get."
    )
    stage.say(
        "All rates rise together from 0, as water does that is poured into a vessel (Bertsekas and Gallager,"
        " Data Networks, 1992, section 6.5.2)."
    )
    before = 0.0
    for number, step in enumerate(filling.steps, start=1):
        stage.play(_frames(filling, before, step.instant), 5)
        stage.say(f"Step {number}, at {step.instant:g}: {_what_happens(filling, number)}")
        before = step.instant
    loads = _loads(filling, filling.end)
    unused = [link for link, load in loads.items() if load < CAPACITIES[link] * (1 - _ROUNDING)]
    if unused:
        stage.say(
            f"Link {', '.join(unused)} never gets full: it is nobody's bottleneck, and more of it would"
            " help nobody."
        )
    _judge(stage, filling)
    stage.numbers(
        "Rates",
        ("flow", "came out", "by hand", "worked out as", "from"),
        [
            (flow, f"{filling.allocation.rates[flow]:g}", f"{float(hand.rate):g}", hand.words, _SOURCE)
            for flow, hand in by_hand().items()
        ],
    )
    stage.picture(lambda: _drawn(filling))


def _what_happens(filling: Filling, number: int) -> str:
    from fairslice.cli.explanation import what_stops

    stops = filling.steps[number - 1].stops
    told = "; ".join(
        f"{what_stops(stop.reason)}, so {' and '.join(one.flow for one in stop.flows)} can rise no further"
        for stop in stops
    )
    rising = [flow for flow in PATHS if filling.step_of[flow] > number]
    return (
        f"{told}. {' and '.join(rising)} rise{'s' if len(rising) == 1 else ''} on." if rising else f"{told}."
    )


def _held(filling: Filling, flow: str, instant: float) -> float:
    """What a flow holds at an instant of the filling: lines are straight between their points."""
    points = filling.lines[flow]
    for (begin, low), (end, high) in pairwise(points):
        if begin <= instant <= end:
            return low + (high - low) * (instant - begin) / (end - begin) if end > begin else high
    return points[-1][1]


def _loads(filling: Filling, instant: float) -> dict[str, float]:
    return {
        link: sum(_held(filling, flow, instant) for flow, path in PATHS.items() if link in path)
        for link in CAPACITIES
    }


def _frames(filling: Filling, begin: float, end: float) -> Iterator["RenderableType"]:
    for i in range(1, _FRAMES + 1):
        yield _frame(filling, begin + (end - begin) * i / _FRAMES)


def _frame(filling: Filling, instant: float) -> "RenderableType":
    from rich.table import Table

    top = max(filling.allocation.rates.values())
    table = Table.grid(padding=(0, 2))
    for flow in PATHS:
        held = _held(filling, flow, instant)
        table.add_row("flow", flow, "█" * round(_CELLS * held / top), f"{held:.2f}")
    for link, load in _loads(filling, instant).items():
        capacity = CAPACITIES[link]
        cells = round(_CELLS * load / capacity)
        full = load >= capacity * (1 - _ROUNDING)
        table.add_row(
            "link",
            link,
            "▓" * cells + "░" * (_CELLS - cells),
            f"{load:.2f} of {capacity}{', full' if full else ''}",
        )
    return table


def _judge(stage: "Stage", filling: Filling) -> None:
    """The certificate, and what the checker says of rates that are not fair."""
    problem, rates = filling.problem, filling.allocation.rates
    found = certify(problem, rates, filling.allocation.bottlenecks)
    told = "confirms them" if found.ok else f"does not: {found.violations[0]}"
    stage.say(f"A checker that shares no code with the solver looks at these rates, and {told}.")
    shifted = {**rates, "long": rates["long"] - 1, "b": rates["b"] + 1}
    faults = certify(problem, shifted).violations
    stage.say(
        "Take 1 from long and give it to b: B is still full, and no link carries too much. The checker:\n"
        + "\n".join(f"  {fault}" for fault in faults)
    )


@dataclass(frozen=True)
class ByHand:
    """A rate, and how somebody with paper works it out."""

    rate: Fraction
    words: str


def by_hand() -> dict[str, ByHand]:
    """The rates in fractions, as one does it on paper: again and again the smallest equal part of a link."""
    rising, found = list(PATHS), dict[str, ByHand]()
    while rising:
        offers: list[tuple[Fraction, str, list[str]]] = [
            (Fraction(DEMANDS[flow]), "its demand", [flow]) for flow in rising if flow in DEMANDS
        ]
        for link, capacity in CAPACITIES.items():
            here = [flow for flow in rising if link in PATHS[flow]]
            gone = [found[flow].rate for flow in found if link in PATHS[flow]]
            if here:
                left = capacity - sum(gone, Fraction(0))
                taken = "".join(f" - {rate}" for rate in gone)
                part = f"({capacity}{taken})" if gone else f"{capacity}"
                offers.append((left / len(here), f"{link}: {part} / {len(here)}", here))
        rate, words, stopped = min(offers, key=lambda offer: offer[0])
        for flow in stopped:
            found[flow] = ByHand(rate, words)
            rising.remove(flow)
    return {flow: found[flow] for flow in PATHS}


def _drawn(filling: Filling) -> str:
    from fairslice.alloc.files import stated
    from fairslice.cli.explanation import Words
    from fairslice.cli.explanation_picture import picture_of
    from fairslice.report.filling_picture import filling_svg

    words = Words(
        "the demo",
        {flow: flow for flow in PATHS},
        {flow: number for number, flow in enumerate(PATHS, start=1)},
        lambda amount: f"{amount:.6g}",
        "unit",
        "",
        stated,
    )
    return filling_svg(picture_of(filling, words))
