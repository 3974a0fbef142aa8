"""Users of a linear rule: the phase plot of two, with both lines, and of more their shares."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairslice.models.congestion.problem import AimdProblem
from fairslice.report.drawing import BAD, MUTED, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 8
"""Up to this many users have a colour and a name of their own."""


def draw(problem: AimdProblem, answer: Mapping[str, Any]) -> str:
    """The picture of an answer as an ``<svg>`` element."""
    return as_svg("aimd", lambda: _figure(problem, answer))


def _figure(problem: AimdProblem, answer: Mapping[str, Any]) -> "Figure":
    from matplotlib.figure import Figure

    if len(problem.start) == 2:
        figure = Figure(figsize=(7, 7), layout="constrained")
        _draw_phase(figure.subplots(), problem, answer)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        return figure
    figure = Figure(figsize=(7, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_shares(above, problem, answer["states"])
    below.plot(answer["efficiency"], color=SLICE_COLOURS[0], label="efficiency: sum over goal")
    fair = [float("nan") if one is None else one for one in answer["jain"]]
    below.plot(fair, color=SLICE_COLOURS[2], label="Jain's index")
    below.axhline(1, color=MUTED, linewidth=0.8, linestyle="--")
    below.set_ylim(bottom=0)
    below.set_ylabel("efficiency, fairness")
    below.set_xlabel("step")
    below.legend(loc="lower right", frameon=False)
    return figure


def _draw_shares(axes: "Axes", problem: AimdProblem, states: Sequence[Sequence[float]]) -> None:
    users = list(zip(*states, strict=True))
    few = len(users) <= _NAMED
    for i, shares in enumerate(users):
        axes.plot(
            shares,
            color=SLICE_COLOURS[i % len(SLICE_COLOURS)],
            linewidth=1.6 if few else 0.8,
            label=f"user {i + 1}" if few else None,
        )
    axes.axhline(
        float(problem.goal) / len(users), color=MUTED, linewidth=1, linestyle="--", label="goal over users"
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("what each sends")
    axes.legend(loc="upper right", frameon=False)


def _draw_phase(axes: "Axes", problem: AimdProblem, answer: Mapping[str, Any]) -> None:
    goal, states = float(problem.goal), answer["states"]
    top = 1.08 * max(goal, *(max(state) for state in states))
    axes.plot([0, goal], [goal, 0], color=BAD, linewidth=1.2, label="efficiency line: the sum is the goal")
    axes.plot(
        [0, top],
        [0, top],
        color=MUTED,
        linewidth=1.2,
        linestyle="--",
        label="fairness line: both send the same",
    )
    axes.plot(
        *zip(*states, strict=True),
        color=SLICE_COLOURS[4],
        linewidth=1.1,
        marker="o",
        markersize=3,
        label="steps",
    )
    axes.plot(*states[0], "s", color=SLICE_COLOURS[0], markersize=7, label="start")
    if answer["cycle"] is not None:
        around = answer["cycle"]["states"]
        axes.plot(
            *zip(*around, around[0], strict=True),
            color=SLICE_COLOURS[1],
            linewidth=2.2,
            marker="o",
            markersize=5,
            label="the cycle in which it ends",
        )
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    axes.set_xlabel("what user 1 sends")
    axes.set_ylabel("what user 2 sends")
