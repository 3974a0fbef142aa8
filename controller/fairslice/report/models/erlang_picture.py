"""Blocking against the number of servers, with the point that was asked for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairslice.models.queues.erlang import erlang_b
from fairslice.models.queues.problem import ErlangProblem
from fairslice.report.drawing import BAD, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(problem: ErlangProblem, answer: Mapping[str, Any]) -> str:
    """The picture of an answer as an ``<svg>`` element."""
    return as_svg("erlang", lambda: _figure(problem, answer))


def _figure(problem: ErlangProblem, answer: Mapping[str, Any]) -> "Figure":
    from matplotlib.figure import Figure

    counts = range(max(10, 2 * problem.servers) + 1)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(counts, [erlang_b(float(problem.offered), n) for n in counts], color=SLICE_COLOURS[0])
    axes.plot([problem.servers], [answer["blocking"]], "o", color=BAD)
    axes.set_xlabel("servers")
    axes.set_ylabel("probability that a call is lost")
    return figure
