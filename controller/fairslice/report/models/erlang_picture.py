"""Blocking and waiting against the number of servers, with the point that was asked for."""

import math
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from fairslice.models.queues.erlang import c_of_b, each_float_b, erlang_b, erlang_c
from fairslice.models.queues.numbers import MOST
from fairslice.models.queues.problem import ErlangProblem
from fairslice.report.drawing import BAD, MUTED, SLICE_COLOURS, as_svg, logarithmic_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOWEST = 1e-6
"""Of the probabilities that are drawn, if no lower one was asked for."""
_POINTS = 200


def draw(problem: ErlangProblem, answer: Mapping[str, Any]) -> str:
    """The picture of an answer as an ``<svg>`` element."""
    return as_svg("erlang", lambda: _figure(problem, answer))


def _figure(problem: ErlangProblem, answer: Mapping[str, Any]) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    offered = float(problem.offered)
    servers = answer["servers"] if problem.servers is None else problem.servers
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    # As far as a normal distribution with the same mean and deviation hardly reaches.
    most = min(MOST, max(10, math.ceil(1.25 * servers), math.ceil(offered + 5 * math.sqrt(offered))))
    each = max(1, most // _POINTS)
    counts, blocking = range(0, most + 1, each), list(islice(each_float_b(offered, most), 0, None, each))
    axes.plot(
        counts,
        blocking,
        color=SLICE_COLOURS[0],
        label="is lost, if nobody can wait (B)",
    )
    waiting = [
        (n, float(c_of_b(one, problem.offered, n)))
        for n, one in zip(counts, blocking, strict=True)
        if n > problem.offered
    ]
    axes.plot(
        [n for n, _ in waiting],
        [one for _, one in waiting],
        color=SLICE_COLOURS[1],
        label="waits, if all can wait (C)",
    )
    points = _points(problem, answer, servers)
    for point in points:
        axes.plot([servers], [point], "o", color=BAD, zorder=5)
    for asked in (problem.blocking, problem.wait_probability):
        if asked is not None:
            axes.axhline(float(asked), color=MUTED, linestyle=":")
    logarithmic_axis(axes)
    axes.set_ylim(max(1e-300, min(_LOWEST, *(point / 10 for point in points if point), 1)), 1.5)
    axes.set_xlim(0, most)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"servers, for {offered:g} erlang")
    axes.set_ylabel("probability that a call …")
    axes.legend(loc="lower left", frameon=False)
    return figure


def _points(problem: ErlangProblem, answer: Mapping[str, Any], servers: int) -> list[float]:
    """What there is at the number of servers that was asked for, or found."""
    offered = float(problem.offered)
    if problem.blocking is not None:
        return [erlang_b(offered, servers)]
    if problem.wait_probability is not None:
        return [erlang_c(offered, servers)]
    return [one for one in (answer["blocking"], answer["wait_probability"]) if one is not None]
