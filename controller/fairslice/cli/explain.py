"""``fairslice explain``: how the rates of a policy come about, and what would raise one."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairslice.cli.options import bandwidth, json_output, load_topology, network_options
from fairslice.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fairslice.alloc.allocation import Bottleneck
    from fairslice.alloc.explain import Filling, Stop, Why
    from fairslice.alloc.sensitivity import Raise
    from fairslice.measure.filling_picture import FillingPicture
    from fairslice.policy.model import Flow
    from fairslice.topology.options import NetworkOptions

HOLDERS = 20
"""Up to this many flows of a bottleneck are shown one by one."""


@dataclass(frozen=True, slots=True)
class Words:
    """How to speak of a problem: in the words and units of a policy, or of a problem file.

    ``names`` are the flows' own, without their slices, by id; ``unit`` is what capacity is added in;
    ``key`` ends the JSON keys of rates; ``stated`` is a bottleneck in JSON.
    """

    title: str
    names: dict[str, str]
    amount: Callable[[float], str]
    unit: str
    key: str
    stated: "Callable[[Bottleneck], Any]"


@click.command(short_help="Show how the rates of a policy come about, and what would raise one.")
@click.argument("policy", type=click.Path(path_type=Path))
@click.argument("flow", required=False)
@click.option("--topology", required=True, metavar="FILE[:NAME[,ARGS]]", help="Topology or network file.")
@bandwidth
@network_options
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the filling: a .svg or .png file.",
)
@json_output
def command(
    policy: Path,
    flow: str | None,
    topology: str,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show the filling of a topology by POLICY, step by step: all flows rise together until a link is full or
    a demand or a limit is reached, and the flows that this stops keep what they have.

    With FLOW (its id, as "gold:h1->h4"; "h1->h4"; or its number) show also why this flow has its rate: who
    holds what of its bottleneck, and what more capacity would do to it, link by link. That can be a loss,
    where it lets others rise whom the flow meets elsewhere."""
    from fairslice.alloc.explain import explain
    from fairslice.alloc.slices import allocate_slices
    from fairslice.policy import load_policy
    from fairslice.units import format_rate

    check_picture(picture)
    network = load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    allocation = allocate_slices(load_policy(policy), network)
    flows = [allocated.flow for allocated in allocation.flows]
    wanted = None if flow is None else _find(flow, flows)
    names = {one.id: f"{one.source} → {one.destination} {one.match}".rstrip() for one in flows}
    words = Words(str(policy), names, format_rate, "Mbit/s", "_bps", str)
    filling = explain(allocation.problem)
    if picture is not None:
        write_picture(picture, _picture_in_rates(filling, words))
    if as_json:
        import json

        click.echo(json.dumps({"policy": str(policy), **document(filling, words, wanted)}, indent=2))
        return
    show(filling, words, wanted)
    on_paths = {name for one in allocation.flows for name in one.route.path}
    if legend := network.legend(on_paths):
        click.echo(f"Here {legend}.")
    if allocation.policy.multipath:
        click.echo("Flows over several paths are shown with the split that they have now.")
    if picture is not None:
        click.echo(f"Picture: {picture}")


def _find(wanted: str, flows: "Sequence[Flow]") -> str:
    """The id of the flow that is meant.

    Raises:
        InputError: none or several are meant; names those that exist, or that are meant.
    """
    text = re.sub(r"\s*(->|→)\s*", "->", wanted.strip())
    found = [flow.id for flow in flows if text == flow.id or text == str(flow.number)]
    found = found or [flow.id for flow in flows if text == f"{flow.source}->{flow.destination}"]
    if not found:
        raise unknown_flow(wanted, [flow.id for flow in flows])
    if len(found) > 1:
        raise InputError(f'FLOW: "{wanted}" may be each of {", ".join(found)}; expected the id of one')
    return found[0]


def unknown_flow(wanted: str, ids: Sequence[str]) -> InputError:
    """The refusal of a flow that is not there, with those that are."""
    expected = f"expected one of {', '.join(ids)}" if ids else "there are none"
    return InputError(f'FLOW: there is no flow "{wanted}"; {expected}')


def check_picture(file: Path | None) -> None:
    """Refuse a picture that can't be drawn, before the work.

    Raises:
        InputError: the file's name ends neither in .svg nor in .png, or its directory is not there.
    """
    if file is None:
        return
    if file.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{file}: expected a picture's name that ends in .svg or .png")
    if not file.absolute().parent.is_dir():
        raise InputError(f"{file}: {file.absolute().parent} is no directory; expected one that is there")


def write_picture(file: Path, picture: "FillingPicture") -> None:
    """Draw into a file.

    Raises:
        InputError: it can't be written.
    """
    from fairslice.measure.filling_picture import filling_png, filling_svg

    svg = file.suffix.lower() == ".svg"
    data = f"{filling_svg(picture)}\n".encode() if svg else filling_png(picture)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise InputError(f"{file}: can't be written: {error.strerror}") from None


def _picture_in_rates(filling: "Filling", words: Words) -> "FillingPicture":
    from fairslice.measure.words import scale_for

    scale = scale_for(filling.allocation.rates.values())
    return picture_of(filling, words, scale.size_bps, scale.unit)


def picture_of(filling: "Filling", words: Words, size: float = 1.0, unit: str = "") -> "FillingPicture":
    """The filling as it is drawn, with rates in ``unit``, which is ``size`` of the problem's."""
    from fairslice.alloc.allocation import BottleneckKind
    from fairslice.measure.filling_picture import FillingLine, FillingPicture, FillingStep

    clock = size if filling.per_weight else filling.end / 100 or 1.0
    slices = {flow.id: flow.slice or "" for flow in filling.problem.flows}
    reason = filling.allocation.bottlenecks
    lines = tuple(
        FillingLine(
            name=f"{slices[id_]} {words.names[id_]}".lstrip(),
            slice=slices[id_],
            points=tuple((instant / clock, rate / size) for instant, rate in points),
            stop=filling.steps[filling.step_of[id_] - 1].instant / clock,
            met=reason[id_].kind is BottleneckKind.CAP,
        )
        for id_, points in filling.lines.items()
    )
    steps = tuple(
        FillingStep(
            step.instant / clock, "; ".join(_stop_in_words(stop, words, slices) for stop in step.stops)
        )
        for step in filling.steps
    )
    label = "clock of the filling, % of its end"
    if filling.per_weight:
        label = f"level for each unit of weight{unit and f', {unit}'}"
    return FillingPicture(lines, steps, label, f"{unit} of Ethernet frames" if unit else "rate")


def _stop_in_words(stop: "Stop", words: Words, slices: dict[str, str]) -> str:
    from fairslice.alloc.allocation import BottleneckKind

    if stop.reason.kind is not BottleneckKind.CAP:
        return _what(stop.reason)
    if len(stop.flows) > 3:
        return f"the demands of {len(stop.flows)} flows are met"
    who = ", ".join(f"{slices[one.flow]} {words.names[one.flow]}".lstrip() for one in stop.flows)
    return f"demand of {who} is met" if len(stop.flows) == 1 else f"demands of {who} are met"


def _what(reason: "Bottleneck") -> str:
    from fairslice.alloc.allocation import BottleneckKind

    if reason.kind is BottleneckKind.CAP:
        return "demand is met"
    return f"{reason} is full" if reason.kind is BottleneckKind.LINK else f"{reason} is reached"


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
    }
    if wanted is None:
        return found
    from fairslice.alloc.explain import why
    from fairslice.alloc.sensitivity import raises

    reason = why(filling, wanted)
    found["flow"] = {
        "id": wanted,
        "slice": reason.flow.slice,
        f"rate{words.key}": reason.rate,
        "step": reason.step,
        "bottleneck": words.stated(reason.reason),
        "at_floor": reason.at_floor,
        f"capacity{words.key}": reason.capacity,
        "holders": [
            {"id": h.flow, f"rate{words.key}": h.rate, f"load{words.key}": h.load} for h in reason.holders
        ],
        "raises": [
            {
                "place": words.stated(one.place),
                "full": one.full,
                "slope": one.slope,
                # JSON knows no infinity: null where the slope holds for any amount.
                f"reach{words.key}": one.reach if one.reach < math.inf else None,
            }
            for one in raises(filling.problem, wanted)
        ],
    }
    return found


def show(filling: "Filling", words: Words, wanted: str | None) -> None:
    """Print the filling and, if a flow is asked for, why it has its rate and what would raise it."""
    from rich.console import Console

    console = Console(markup=False, highlight=False)
    console.print(_steps(filling, words))
    if any(one.at_floor for step in filling.steps for stop in step.stops for one in stop.flows):
        console.print("* its guarantee, which is more than its weight had given it by then")
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
    columns = ["step", clock, "what stops them", *(["slice"] if any(slices.values()) else []), "flow", "rate"]
    table = _table(f"Filling of {words.title}", columns, ("step", clock, "rate"))
    for number, step in enumerate(filling.steps, start=1):
        share = step.instant / filling.end if filling.end else 1.0
        before = [str(number), words.amount(step.instant) if filling.per_weight else f"{100 * share:.4g} %"]
        for stop in step.stops:
            what = _what(stop.reason)
            for one in stop.flows:
                slice_ = [slices[one.flow]] if any(slices.values()) else []
                floor = " *" if one.at_floor else ""
                table.add_row(*before, what, *slice_, words.names[one.flow], words.amount(one.rate) + floor)
                before, what = ["", ""], ""
    return table


def _show_flow(console: "Console", filling: "Filling", words: Words, wanted: str) -> None:
    from fairslice.alloc.allocation import BottleneckKind
    from fairslice.alloc.explain import why
    from fairslice.alloc.sensitivity import raises

    reason = why(filling, wanted)
    for line in _because(reason, words):
        console.print(line, soft_wrap=True)
    if reason.holders:
        console.print(_holders(filling, reason, words))
    found = raises(filling.problem, wanted)
    shown = [one for one in found if one.full or one.slope or one.place.kind is not BottleneckKind.LINK]
    columns = ["more at", "now", f"the flow, for each {words.unit} more", "up to"]
    table = _table("What would raise it", columns, columns[2:])
    for one in shown:
        table.add_row(*_effect(one, words))
    if shown:
        console.print(table)
    others = "other link" if any(one.place.kind is BottleneckKind.LINK for one in shown) else "link"
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
    else:
        yield f"{has}: {reason.reason}, which carries {capacity}, is full (step {reason.step})."
    if reason.at_floor:
        yield "It holds its guarantee, which is more than its weight had given it by then."


def _holders(filling: "Filling", reason: "Why", words: Words) -> "Table":
    slices = {flow.id: flow.slice or "" for flow in filling.problem.flows}
    named = any(slices[holder.flow] for holder in reason.holders)
    columns = [*(["slice"] if named else []), "flow", "rate", "takes", "share"]
    table = _table(f"Who holds what of {reason.reason}", columns, columns[-3:])
    ordered = sorted(reason.holders, key=lambda holder: -holder.load)
    shown = ordered if len(ordered) <= HOLDERS else ordered[: HOLDERS - 1]

    def row(slice_: str, name: str, rate: str, load: float) -> None:
        share = f"{100 * load / reason.capacity:.1f} %" if reason.capacity else ""
        table.add_row(*([slice_] if named else []), name, rate, words.amount(load), share)

    for holder in shown:
        row(slices[holder.flow], words.names[holder.flow], words.amount(holder.rate), holder.load)
    rest = ordered[len(shown) :]
    if rest:
        row("", f"{len(rest)} others", "", math.fsum(holder.load for holder in rest))
    return table


def _effect(one: "Raise", words: Words) -> tuple[str, str, str, str]:
    from fairslice.alloc.allocation import BottleneckKind

    if one.place.kind is BottleneckKind.CAP:
        place, now = "its demand", "met" if one.full else "not met"
    elif one.place.kind is BottleneckKind.LIMIT:
        place, now = str(one.place), "reached" if one.full else "not reached"
    else:
        place, now = str(one.place), "full" if one.full else "has room"
    if not one.slope:
        return place, now, "nothing", ""
    gain = f"{one.slope:+.4g} {words.unit}" if words.key else f"{one.slope:+.4g}"
    return place, now, gain, f"+{words.amount(one.reach)}" if one.reach < math.inf else "any amount"
