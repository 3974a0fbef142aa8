"""A filling as a picture, in the words of whoever asked."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.alloc.explain.filling import Filling, Stop
    from fairslice.cli.explanation import Words
    from fairslice.report.filling_picture import FillingPicture

PICTURED = 4
"""Up to this many links are named in a picture with what they set aside."""


def check_picture(file: Path | None) -> None:
    """Refuse a picture that can't be drawn; see :func:`fairslice.cli.picture_file.check_picture`."""
    from fairslice.cli import picture_file

    if file is not None:
        picture_file.check_picture(file, "--picture", (".svg", ".png"))


def write_picture(file: Path, picture: "FillingPicture") -> None:
    """Draw into a file.

    Raises:
        InputError: it can't be written there; no part of it stays.
        MachineError: the machine can't write now, such as to a full disk; no part of it stays.
    """
    from fairslice.cli import picture_file
    from fairslice.report.filling_picture import filling_png, filling_svg

    picture_file.quiet_matplotlib()
    svg = file.suffix.lower() == ".svg"
    picture_file.write_picture(file, f"{filling_svg(picture)}\n".encode() if svg else filling_png(picture))


def picture_in_rates(filling: "Filling", words: "Words") -> "FillingPicture":
    """The filling as it is drawn, with rates in a unit that suits them."""
    from fairslice.report.words import scale_for

    scale = scale_for(filling.allocation.rates.values())
    return picture_of(filling, words, scale.size_bps, scale.unit)


def picture_of(filling: "Filling", words: "Words", size: float = 1.0, unit: str = "") -> "FillingPicture":
    """The filling as it is drawn, with rates in ``unit``, which is ``size`` of the problem's."""
    from fairslice.alloc.allocation import BottleneckKind
    from fairslice.report.filling_picture import FillingLine, FillingPicture, FillingStep

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
    rate_label = f"{unit} of Ethernet frames" if unit else "rate"
    return FillingPicture(lines, steps, label, rate_label, _picture_notes(filling, words))


def _picture_notes(filling: "Filling", words: "Words") -> tuple[str, ...]:
    """What is set aside on links that stop a flow, the largest part first."""
    from fairslice.cli.explanation import set_asides

    stopping = {stop.reason.name for step in filling.steps for stop in step.stops}
    aside = [one for one in set_asides(filling) if one.link in stopping]
    more = (f"and on {len(aside) - PICTURED} more links",) if len(aside) > PICTURED else ()
    return (
        *(
            f"{one.link} sets {words.amount(one.set_aside)} of {words.amount(one.capacity)} aside for"
            " acknowledgements"
            for one in aside[:PICTURED]
        ),
        *more,
    )


def _stop_in_words(stop: "Stop", words: "Words", slices: dict[str, str]) -> str:
    from fairslice.alloc.allocation import BottleneckKind
    from fairslice.cli.explanation import what_stops

    if stop.reason.kind is not BottleneckKind.CAP:
        return what_stops(stop.reason)
    if len(stop.flows) > 3:
        return f"the demands of {len(stop.flows)} flows are met"
    who = ", ".join(f"{slices[one.flow]} {words.names[one.flow]}".lstrip() for one in stop.flows)
    return f"demand of {who} is met" if len(stop.flows) == 1 else f"demands of {who} are met"
