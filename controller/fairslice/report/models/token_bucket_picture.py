"""A trace through a token bucket: what came and what left, added up, and what the bucket held."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairslice.models.buckets.problem import TokenBucketProblem
from fairslice.report.drawing import BAD, MUTED, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
_ARRIVED, _LEFT, _TOKENS = SLICE_COLOURS[7], SLICE_COLOURS[0], SLICE_COLOURS[2]
_MARKED = 200
"""Up to this many packets are marked one by one."""


def draw(problem: TokenBucketProblem, answer: Mapping[str, Any]) -> str:
    """The picture of an answer as an ``<svg>`` element."""
    return as_svg("token-bucket", lambda: _figure(problem, answer))


def departures(problem: TokenBucketProblem, answer: Mapping[str, Any]) -> list[float | None]:
    """When each packet leaves; None for one that never does, dropped or too long."""
    if problem.mode == "shape":
        return [row["departs"] for row in answer["packets"]]
    return [
        float(packet.arrival) if row["conforms"] else None
        for packet, row in zip(problem.packets, answer["packets"], strict=True)
    ]


def _figure(problem: TokenBucketProblem, answer: Mapping[str, Any]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    arrivals = [float(packet.arrival) for packet in problem.packets]
    lengths = [float(packet.length) for packet in problem.packets]
    left = departures(problem, answer)
    passed = [(at, length) for at, length in zip(left, lengths, strict=True) if at is not None]
    begin = arrivals[0] if arrivals else 0.0
    end = max([*arrivals, *(at for at, _ in passed)], default=0.0)
    # Somewhat more than the trace, so that its last step and what the bucket then holds are seen.
    end += 0.08 * (end - begin) or 1.0
    _draw_sums(above, list(zip(arrivals, lengths, strict=True)), passed, end)
    _draw_bound(above, problem, begin, end)
    lost = [(a, n) for a, n in zip(arrivals, _sums(lengths), strict=True)]
    lost = [one for one, at in zip(lost, left, strict=True) if at is None]
    if lost and len(arrivals) <= _MARKED:
        label = "dropped" if problem.mode == "police" else "never sent"
        above.plot(*zip(*lost, strict=True), "x", color=BAD, label=label)
    above.set_ylabel("sum of lengths")
    above.legend(loc="upper left", frameon=False)
    points = token_line(problem, passed, begin, end)
    below.plot(*zip(*points, strict=True), color=_TOKENS)
    below.axhline(float(problem.burst), color=MUTED, linewidth=0.8, linestyle="--")
    below.annotate("burst", (end, float(problem.burst)), ha="right", va="bottom", color=MUTED, fontsize=9)
    below.set_ylim(0, 1.15 * float(problem.burst) or 1.0)
    below.set_ylabel("tokens in the bucket")
    below.set_xlabel("time, in the problem's unit")
    return figure


def _sums(lengths: Sequence[float]) -> list[float]:
    total, found = 0.0, []
    for length in lengths:
        total += length
        found.append(total)
    return found


def _draw_sums(axes: "Axes", came: Sequence[Point], passed: Sequence[Point], end: float) -> None:
    begin = came[0][0] if came else 0.0
    for points, colour, label, width in (
        (came, _ARRIVED, "arrived", 3.0),
        (sorted(passed), _LEFT, "left", 1.6),
    ):
        times = [begin, *(time for time, _ in points), end]
        sums = _sums([length for _, length in points])
        axes.step(
            times,
            [0.0, *sums, sums[-1] if sums else 0.0],
            where="post",
            color=colour,
            linewidth=width,
            label=label,
        )


def _draw_bound(axes: "Axes", problem: TokenBucketProblem, begin: float, end: float) -> None:
    """What no more than can have left since the first arrival: burst + rate × time."""
    burst, rate = float(problem.burst), float(problem.rate)
    axes.plot(
        [begin, end],
        [burst, burst + rate * (end - begin)],
        color=MUTED,
        linewidth=1,
        linestyle="--",
        label="burst + rate × time",
    )


def token_line(problem: TokenBucketProblem, passed: Sequence[Point], begin: float, end: float) -> list[Point]:
    """What the bucket holds, as corners of a line: up at the rate to the burst, down where packets leave.

    Args:
        problem: rate and burst.
        passed: when packets leave, and their lengths, in order.
        begin: an instant at which the bucket is full.
        end: where the line ends.
    """
    rate, burst = float(problem.rate), float(problem.burst)
    points = [(begin, burst)]
    for time, length in [*passed, (end, 0.0)]:
        since, tokens = points[-1]
        if since + (burst - tokens) / rate < time:
            points.append((since + (burst - tokens) / rate, burst))
        # Where a packet finds just its length, rounding may leave a little less than nothing.
        held = min(burst, tokens + rate * (time - since))
        points += [(time, held), (time, max(0.0, held - length))]
    return points
