"""A filling told in tables and in JSON, in the words of whoever asked: of a policy, or of a problem file."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fairslice.alloc.allocation import Bottleneck
    from fairslice.alloc.explain.filling import Filling, Why
    from fairslice.alloc.explain.sensitivity import Place, Raise

NUMBER = "#"
"""Heads the column of flows' numbers."""
HOLDERS = 20
"""Up to this many flows of a bottleneck, or links that set something aside, are shown one by one."""


@dataclass(frozen=True, slots=True)
class Words:
    """How to speak of a problem: in the words and units of a policy, or of a problem file.

    ``names`` are the flows' own, without their slices, by id, and ``numbers`` their places, from 1;
    ``unit`` is what capacity is added in;
    ``key`` ends the JSON keys of rates; ``stated`` is a bottleneck in JSON.
    """

    title: str
    names: dict[str, str]
    numbers: dict[str, int]
    amount: Callable[[float], str]
    unit: str
    key: str
    stated: "Callable[[Place], Any]"


def what_stops(reason: "Bottleneck") -> str:
    """What stops a flow, such as "link A is full"."""
    from fairslice.alloc.allocation import BottleneckKind

    if reason.kind is BottleneckKind.CAP:
        return "demand is met"
    if reason.kind is BottleneckKind.ACKNOWLEDGEMENTS:
        return f"link {reason.name} has no more for acknowledgements"
    return f"{reason} is full" if reason.kind is BottleneckKind.LINK else f"limit of {reason.name} is reached"


def document(filling: "Filling", words: Words, wanted: str | None) -> dict[str, Any]:
    """What ``--json`` prints: the steps and, if a flow is asked for, what is to be said of it."""
    slices = {flow.id: flow.slice for flow in filling.problem.flows}
    found: dict[str, Any] = {
        "clock": f"level{words.key} per weight" if filling.per_weight else "no unit",
        "steps": [
            {
                "instant": step.instant,
                "stops": [
                    {
                        "bottleneck": words.stated(stop.reason),
                        "flows": [
                            {
                                "id": one.flow,
                                "number": words.numbers[one.flow],
                                "slice": slices[one.flow],
                                f"rate{words.key}": one.rate,
                                "at_floor": one.at_floor,
                            }
                            for one in stop.flows
                        ],
                    }
                    for stop in step.stops
                ],
            }
            for step in filling.steps
        ],
        "set_aside": [
            {
                "link": one.link,
                f"capacity{words.key}": one.capacity,
                f"acknowledgements{words.key}": one.set_aside,
            }
            for one in set_asides(filling)
        ],
    }
    if wanted is None:
        return found
    from fairslice.alloc.explain.filling import why
    from fairslice.alloc.explain.sensitivity import raises

    reason = why(filling, wanted)
    found["flow"] = {
        "id": wanted,
        "number": words.numbers[wanted],
        "slice": reason.flow.slice,
        f"rate{words.key}": reason.rate,
        "step": reason.step,
        "bottleneck": words.stated(reason.reason),
        "at_floor": reason.at_floor,
        f"capacity{words.key}": reason.capacity,
        f"set_aside{words.key}": reason.set_aside,
        "holders": [
            {
                "id": h.flow,
                "number": words.numbers[h.flow],
                f"rate{words.key}": h.rate,
                f"load{words.key}": h.load,
            }
            for h in reason.holders
        ],
        "raises": [
            {
                "place": words.stated(one.place),
                "full": one.full,
                "slope": one.slope,
                # JSON knows no infinity: null where the slope holds for any amount.
                f"reach{words.key}": one.reach if one.reach < math.inf else None,
            }
            for one in raises(filling.asked, wanted)
        ],
    }
    return found


def show(filling: "Filling", words: Words, wanted: str | None) -> None:
    """Print the filling and, if a flow is asked for, why it has its rate and what would raise it."""
    from rich.console import Console

    from fairslice.cli.output import wide_enough

    console = wide_enough(Console(markup=False, highlight=False))
    console.print(_steps(filling, words))
    if any(one.at_floor for step in filling.steps for stop in step.stops for one in stop.flows):
        console.print("* its guarantee, which is more than its weight had given it by then")
    if aside := set_asides(filling):
        console.print(_set_asides(aside, words))
    if not filling.per_weight:
        console.print("The clock has no unit where flows share a weight: it counts % of the end.")
    if wanted is not None:
        console.print()
        _show_flow(console, filling, words, wanted)


def _table(title: str, columns: Sequence[str], right: Sequence[str]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _steps(filling: "Filling", words: Words) -> "Table":
    slices = {flow.id: flow.slice or "" for flow in filling.problem.flows}
    clock = "per weight" if filling.per_weight else "clock"
    slice_column = ["slice"] if any(slices.values()) else []
    columns = ["step", clock, "what stops them", NUMBER, *slice_column, "flow", "rate"]
    table = _table(f"Filling of {words.title}", columns, ("step", clock, NUMBER, "rate"))
    for number, step in enumerate(filling.steps, start=1):
        share = step.instant / filling.end if filling.end else 1.0
        before = [str(number), words.amount(step.instant) if filling.per_weight else f"{100 * share:.4g} %"]
        for stop in step.stops:
            what = what_stops(stop.reason)
            for one in stop.flows:
                who = [str(words.numbers[one.flow]), *([slices[one.flow]] if slice_column else [])]
                mark = " *" if one.at_floor else ""
                table.add_row(*before, what, *who, words.names[one.flow], words.amount(one.rate) + mark)
                before, what = ["", ""], ""
    return table


@dataclass(frozen=True, slots=True)
class SetAside:
    """What a link that carries data sets aside for acknowledgements, of its capacity."""

    link: str
    capacity: float
    set_aside: float


def set_asides(filling: "Filling") -> list[SetAside]:
    """What links set aside that carry data too, those with the largest part first.

    Where a link carries nothing but acknowledgements there is nobody to set anything aside from.
    """
    if filling.acknowledged is None:
        return []
    whole = filling.acknowledged.problem.data
    shared = {link for flow in whole.flows for link in flow.uses}
    found = [
        SetAside(link, float(whole.capacities[link]), amount)
        for link, amount in filling.set_aside.items()
        if amount and link in shared
    ]
    return sorted(found, key=lambda one: one.set_aside / one.capacity, reverse=True)


def _set_asides(found: Sequence[SetAside], words: Words) -> "Table":
    columns = ["link", "carries", "set aside", "share", "left to data"]
    table = _table("Set aside for acknowledgements, of links that carry data as well", columns, columns[1:])
    shown = found if len(found) <= HOLDERS else found[: HOLDERS - 1]
    for one in shown:
        amounts = (one.capacity, one.set_aside, one.capacity - one.set_aside)
        carries, aside, left = map(words.amount, amounts)
        table.add_row(one.link, carries, aside, f"{100 * one.set_aside / one.capacity:.2g} %", left)
    if len(shown) < len(found):
        table.add_row(f"{len(found) - len(shown)} others, each with a smaller share", "", "", "", "")
    return table


def _show_flow(console: "Console", filling: "Filling", words: Words, wanted: str) -> None:
    from fairslice.alloc.explain.filling import why
    from fairslice.alloc.explain.sensitivity import raises

    reason = why(filling, wanted)
    for line in _because(reason, words):
        console.print(line, soft_wrap=True)
    if reason.holders:
        console.print(_holders(filling, reason, words))
    found = raises(filling.asked, wanted)
    shown = [one for one in found if one.full or one.slope or not _is_link(one.place)]
    columns = ["more at", "now", f"the flow, for each {words.unit} more", "up to"]
    table = _table("What would raise it", columns, columns[2:])
    for one in shown:
        table.add_row(*_effect(one, words))
    if shown:
        console.print(table)
    others = "other link" if any(_is_link(one.place) for one in shown) else "link"
    console.print(f"More capacity at any {others} changes nothing for this flow.", soft_wrap=True)
    stopping = next((one for one in found if one.place == reason.reason), None)
    if stopping is not None and not stopping.slope:
        said = "Several things stop it at the same time: more at one of them alone is not enough."
        if reason.at_floor:
            said = "It rises only once its weight gives it more than its guarantee."
        console.print(said, soft_wrap=True)
    if any(one.slope < 0 for one in found):
        said = "Where it would lose, more capacity lets others rise, and it meets them at another link."
        console.print(said, soft_wrap=True)


def _because(reason: "Why", words: Words) -> Iterator[str]:
    from fairslice.alloc.allocation import BottleneckKind

    name = f"{reason.flow.slice or ''} {words.names[reason.flow.id]}".lstrip()
    has, capacity = f"{name} has {words.amount(reason.rate)}", words.amount(reason.capacity)
    if reason.reason.kind is BottleneckKind.CAP:
        yield f"{has}: that is its demand (step {reason.step})."
    elif reason.reason.kind is BottleneckKind.LIMIT:
        yield f"{has}: its slice has reached its limit of {capacity} (step {reason.step})."
    elif reason.reason.kind is BottleneckKind.ACKNOWLEDGEMENTS:
        link = reason.reason.name
        yield f"{has}: link {link} has no more than {capacity} for acknowledgements (step {reason.step})."
    else:
        aside = f", {words.amount(reason.set_aside)} of it for acknowledgements" if reason.set_aside else ""
        yield f"{has}: {reason.reason}, which carries {capacity}{aside}, is full (step {reason.step})."
    if reason.at_floor:
        yield "It holds its guarantee, which is more than its weight had given it by then."


def _holders(filling: "Filling", reason: "Why", words: Words) -> "Table":
    from fairslice.alloc.allocation import BottleneckKind

    slices = {flow.id: flow.slice or "" for flow in filling.problem.flows}
    named = any(slices[holder.flow] for holder in reason.holders)
    columns = [NUMBER, *(["slice"] if named else []), "flow", "rate", "takes", "share"]
    place = str(reason.reason)
    if reason.reason.kind is BottleneckKind.ACKNOWLEDGEMENTS:
        place = f"the room for acknowledgements of link {reason.reason.name}"
    elif reason.reason.kind is BottleneckKind.LIMIT:
        place = f"the limit of {reason.reason.name}"
    table = _table(f"Who holds what of {place}", columns, (NUMBER, *columns[-3:]))
    ordered = sorted(reason.holders, key=lambda holder: -holder.load)
    shown = ordered if len(ordered) <= HOLDERS else ordered[: HOLDERS - 1]

    def row(number: str, slice_: str, name: str, rate: str, load: float) -> None:
        share = f"{100 * load / reason.capacity:.1f} %" if reason.capacity else ""
        table.add_row(number, *([slice_] if named else []), name, rate, words.amount(load), share)

    for holder in shown:
        number = str(words.numbers[holder.flow])
        row(number, slices[holder.flow], words.names[holder.flow], words.amount(holder.rate), holder.load)
    rest = ordered[len(shown) :]
    if rest:
        row("", "", f"{len(rest)} others", "", math.fsum(holder.load for holder in rest))
    if reason.set_aside:
        row("", "", "acknowledgements", "", reason.set_aside)
    return table


def _is_link(place: "Place") -> bool:
    from fairslice.alloc.allocation import Bottleneck, BottleneckKind

    return isinstance(place, Bottleneck) and place.kind is BottleneckKind.LINK


def _effect(one: "Raise", words: Words) -> tuple[str, str, str, str]:
    from fairslice.alloc.allocation import BottleneckKind
    from fairslice.alloc.explain.sensitivity import Guarantee

    if isinstance(one.place, Guarantee):
        place = f"guarantee of {one.place.name}" if one.place.name else "its guarantee"
        now = "has no more" if one.full else "has more"
    elif one.place.kind is BottleneckKind.CAP:
        place, now = "its demand", "met" if one.full else "not met"
    elif one.place.kind is BottleneckKind.LIMIT:
        place, now = f"limit of {one.place.name}", "reached" if one.full else "not reached"
    else:
        place, now = str(one.place), "full" if one.full else "has room"
    if not one.slope:
        return place, now, "nothing", ""
    gain = f"{one.slope:+.4g} {words.unit}" if words.key else f"{one.slope:+.4g}"
    return place, now, gain, f"+{words.amount(one.reach)}" if one.reach < math.inf else "any amount"
