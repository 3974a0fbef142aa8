"""GPS and packets as Gantt charts, one above the other, and virtual time below."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fairslice.models.schedulers.gps import Fluid, even_pieces, virtual_time
from fairslice.models.schedulers.problem import ScheduleProblem
from fairslice.models.schedulers.traffic import Served
from fairslice.report.drawing import INK, MUTED, SURFACE, as_svg, slice_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = {
    "wfq": "WFQ: whole packets, the smallest virtual finish first",
    "wf2q": "WF2Q: whole packets, the smallest virtual finish of those that GPS has begun",
    "drr": "deficit round robin: whole packets, flows in turn",
    "fifo": "FIFO: whole packets as they come",
}
_LETTER = 0.014
"""Of the width of a chart; a packet is named if its bar has room for that."""
_TALL = 0.84
"""Of a row, what stands for the whole link."""
_PALE = 0.65
"""So that names can be read on all colours."""
Points = list[tuple[Fraction, Fraction]]


def draw(problem: ScheduleProblem, answer: Mapping[str, Any]) -> str:  # noqa: ARG001
    """The picture of an answer as an ``<svg>`` element; a packet's area is its length in both charts."""
    return as_svg("schedule", lambda: _figure(problem))


def _figure(problem: ScheduleProblem) -> "Figure":
    from matplotlib.figure import Figure

    traffic = problem.traffic()
    fluid, served = problem.served(traffic)
    points = virtual_time(traffic, fluid)
    tall = 0.9 + 0.32 * max(1, len(problem.flows))
    heights = [tall] * (1 if problem.discipline == "gps" else 2) + [1.8]
    figure = Figure(figsize=(7, sum(heights) + 0.4), layout="constrained")
    charts = list(figure.subplots(len(heights), sharex=True, height_ratios=heights))
    _rows(
        charts[0],
        problem,
        fluid,
        "fluid GPS: all flows with a backlog at once; a bar's height is the flow's share",
    )
    _fluid_bars(charts[0], problem, fluid, points)
    if problem.discipline != "gps":
        _rows(charts[1], problem, served, _NAMES[problem.discipline])
        _packet_bars(charts[1], problem, served)
    _virtual(charts[-1], points)
    return figure


def _rows(axes: "Axes", problem: ScheduleProblem, served: Served[Fraction], title: str) -> None:
    """A row for each flow, with its packets' arrivals and names."""
    rows = {flow: row for row, flow in enumerate(problem.flows)}
    begun = min((packet.arrival for packet in problem.packets), default=Fraction(0))
    span = float(max(served.finish, default=Fraction(0)) - begun)
    for place, packet in enumerate(problem.packets):
        row, name = rows[packet.flow], str(packet.id)
        axes.plot([float(packet.arrival)] * 2, [row - _TALL / 2, row + _TALL / 2], color=MUTED, linewidth=1)
        start, finish = float(served.start[place]), float(served.finish[place])
        if finish - start >= _LETTER * len(name) * span:
            axes.text((start + finish) / 2, row, name, ha="center", va="center", color=INK, fontsize=8)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.grid(visible=False, axis="y")
    axes.set_ylabel("flow")
    axes.set_title(title, fontsize=9, loc="left", color=MUTED)


def _packet_bars(axes: "Axes", problem: ScheduleProblem, served: Served[Fraction]) -> None:
    rows = {flow: row for row, flow in enumerate(problem.flows)}
    colours = slice_colours(problem.flows)
    for place, packet in enumerate(problem.packets):
        start, finish = float(served.start[place]), float(served.finish[place])
        colour = colours[packet.flow]
        axes.barh(
            rows[packet.flow], finish - start, _TALL, start, color=colour, alpha=_PALE, edgecolor=SURFACE
        )


def _fluid_bars(axes: "Axes", problem: ScheduleProblem, fluid: Fluid[Fraction], points: Points) -> None:
    rows = {flow: row for row, flow in enumerate(problem.flows)}
    colours = slice_colours(problem.flows)
    weights = problem.traffic().weights
    for place, packet in enumerate(problem.packets):
        row = rows[packet.flow]
        times: list[float] = []
        halves: list[float] = []
        for before, after, speed in even_pieces(points, fluid.start[place], fluid.finish[place]):
            half = _TALL / 2 * float(weights[row] * speed / problem.rate)
            times += [float(before), float(after)]
            halves += [half, half]
        low, high = [row - half for half in halves], [row + half for half in halves]
        axes.fill_between(
            times, low, high, color=colours[packet.flow], alpha=_PALE, edgecolor=SURFACE, linewidth=0.4
        )


def _virtual(axes: "Axes", points: Points) -> None:
    axes.plot([float(time) for time, _ in points], [float(value) for _, value in points], color=INK)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("virtual time V")
    axes.set_xlabel("time, in the problem's unit (a thin upright line: a packet comes)")
