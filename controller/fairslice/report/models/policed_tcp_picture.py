"""TCP behind a policer: goodput against the depth of the bucket, by the formula and as measured."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairslice.models.buckets.goodput import FRAME_PAYLOAD, LINUX_TIMEOUT_S, policed_share
from fairslice.report.drawing import INK, MUTED, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHORTEST_S, _LONGEST_S, _POINTS = 0.01, 1.5, 400
_MARKS = "osD^v"


def draw(bursts_s: Sequence[float], measured: Mapping[str, Sequence[float]]) -> str:
    """The picture as an ``<svg>`` element.

    Args:
        bursts_s: the bursts at which was measured, as times at the rate.
        measured: goodput over rate at each of them, by the sender's congestion control.
    """
    return as_svg("policed-tcp", lambda: _figure(bursts_s, measured))


def _figure(bursts_s: Sequence[float], measured: Mapping[str, Sequence[float]]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    step = (_LONGEST_S / _SHORTEST_S) ** (1 / _POINTS)
    bursts = [_SHORTEST_S * step**i for i in range(_POINTS + 1)]
    shares = [policed_share(burst, payload=FRAME_PAYLOAD) for burst in bursts]
    axes.plot(bursts, shares, color=INK, linewidth=1.4, label="formula")
    axes.axvline(LINUX_TIMEOUT_S, color=MUTED, linewidth=0.9, linestyle="--")
    axes.annotate(
        "timeout", (LINUX_TIMEOUT_S, 0.02), (4, 0), textcoords="offset points", color=MUTED, fontsize=9
    )
    for i, (sender, points) in enumerate(measured.items()):
        axes.plot(
            bursts_s,
            points,
            _MARKS[i % len(_MARKS)],
            color=SLICE_COLOURS[i % len(SLICE_COLOURS)],
            markersize=6,
            label=f"{sender}, measured",
        )
    axes.set_xscale("log")
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    axes.set_xticks(ticks, [f"{1000 * tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(_SHORTEST_S, _LONGEST_S)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("burst, as a time at the rate, ms")
    axes.set_ylabel("goodput over rate")
    axes.legend(loc="upper left", frameon=False)
    return figure
