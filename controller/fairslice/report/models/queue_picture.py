"""Delay and number in the system against the load, with the point that was asked for."""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fairslice.models.queues.problem import QueueProblem
from fairslice.report.drawing import BAD, INK, MUTED, SLICE_COLOURS, as_svg, logarithmic_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 80
_FEW_POINTS = 16
"""Of a queue with more places than :data:`_MANY`: of those each point takes a while."""
_MANY = 50_000
_NEAR = 0.95
"""From this load on the curves are drawn over logarithmic axes, as the point would be far above all else."""


def draw(
    problem: QueueProblem,
    answer: Mapping[str, Any],
    simulated: Sequence[tuple[float, float, float]] = (),
) -> str:
    """The picture of an answer as an ``<svg>`` element.

    Args:
        problem: the queue.
        answer: its answer.
        simulated: loads with the mean delay (in seconds) and the mean number that a simulation found.
    """
    return as_svg("queue", lambda: _figure(problem, answer, simulated))


def load_of(problem: QueueProblem) -> Fraction:
    """λ / (m·μ): what comes, by the most that the servers can do; 1 and more is possible."""
    return problem.arrival_rate * problem.mean_s / problem.servers


def _figure(
    problem: QueueProblem, answer: Mapping[str, Any], simulated: Sequence[tuple[float, float, float]]
) -> "Figure":
    from matplotlib.figure import Figure

    asked = float(load_of(problem))
    top = 1.0 if problem.capacity is None and asked < 1 else max(1.25, 1.5 * asked)
    points = _FEW_POINTS if max(problem.servers, problem.capacity or 0) > _MANY else _POINTS
    loads = _loads(top, asked, points, limited=problem.capacity is not None)
    answers = [_at(problem, load) for load in loads]
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    delay, number = figure.subplots(1, 2)
    curves: tuple[tuple[Axes, str, Callable[[Mapping[str, Any]], float | None], str, str], ...] = (
        (delay, "mean delay", lambda one: one["mean_delay_s"], SLICE_COLOURS[0], "-"),
        (delay, "mean wait", lambda one: one["mean_wait_s"], SLICE_COLOURS[1], "-"),
        (
            delay,
            "95 % of delays are shorter",
            lambda one: one["delay_percentiles_s"]["95"],
            SLICE_COLOURS[0],
            "--",
        ),
        (number, "mean in the system", lambda one: one["mean_number"], SLICE_COLOURS[0], "-"),
        (number, "mean waiting", lambda one: one["mean_waiting"], SLICE_COLOURS[1], "-"),
    )
    for axes, label, value, colour, style in curves:
        drawn = [
            (load, found)
            for load, one in zip(loads, answers, strict=True)
            if (found := value(one)) is not None
        ]
        if drawn:
            axes.plot(*zip(*drawn, strict=True), style, color=colour, label=label)
        point = value(answer)
        if point is not None:
            axes.plot([asked], [point], "o", color=BAD, zorder=5)
    for load, seconds, customers in simulated:
        for axes, found in ((delay, seconds), (number, customers)):
            axes.plot([load], [found], "x", color=INK, zorder=6, markersize=8)
    if simulated:
        delay.plot([], [], "x", color=INK, label="simulated")
    for axes, label in ((delay, "seconds"), (number, "customers")):
        _frame(axes, label, top, asked, answer, logarithmic=problem.capacity is None and _NEAR < asked < 1)
    return figure


def _frame(
    axes: "Axes", label: str, top: float, asked: float, answer: Mapping[str, Any], *, logarithmic: bool
) -> None:
    axes.set_xlim(0, top)
    axes.set_xlabel("load: what comes, by the most that can be served", fontsize=8)
    axes.set_ylabel(label)
    if logarithmic:
        logarithmic_axis(axes)
    else:
        axes.set_ylim(bottom=0)
    if top > 1:
        axes.axvline(1, color=MUTED, linestyle=":")
    if answer["mean_delay_s"] is None:
        axes.axvline(asked, color=BAD)
        right = asked < 0.7 * top
        text = "no formula here" if answer["stable"] else "never settles"
        axes.annotate(
            text,
            (asked, 0.03),
            xytext=(4 if right else -4, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            color=BAD,
            ha="left" if right else "right",
            fontsize=9,
        )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=False, fontsize=9)


def _loads(top: float, asked: float, points: int, *, limited: bool) -> list[float]:
    """Where the curves are worked out: evenly, and without a capacity closer and closer to a load of 1."""
    if limited:
        return [top * step / points for step in range(1, points + 1)]
    end = min((1 - asked) / 4, 0.1) if asked < 1 else 0.05
    return [1 - math.exp(step / points * math.log(end)) for step in range(1, points + 1)]


def _at(problem: QueueProblem, load: float) -> Mapping[str, Any]:
    """What is drawn of the same queue with another load, by the keys of an answer."""
    arrivals = Fraction(load).limit_denominator(10**7) * problem.servers / problem.mean_s
    found = problem.model_copy(update={"arrival_rate": arrivals}).steady_state()
    means = ("mean_delay_s", "mean_wait_s", "mean_number", "mean_waiting")
    return {
        **{name: None if (one := getattr(found, name)) is None else float(one) for name in means},
        "delay_percentiles_s": {
            "95": None if found.delay is None else found.delay.percentile(Fraction(95, 100))
        },
    }
