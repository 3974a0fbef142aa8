"""A source in four pictures: rate, marginal distribution, tail of its times, variance against window."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fairslice.models.sources import ConstantRate, Exponential, OnOff, PoissonPackets, Source, Web
from fairslice.models.sources import draw as draw_trace
from fairslice.models.sources.problem import MOST_ROWS, SourceProblem
from fairslice.models.sources.trace import Trace, window_rates
from fairslice.report.drawing import BAD, MUTED, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from fairslice.models.sources.periods import Period

SEED = 1
"""Of what is drawn where the problem has no seed."""
WINDOWS = 4096
"""The shortest window of the pictures is so much of the trace."""
SHOWN = 512
"""Windows of the first picture."""
FEWEST = 16
"""Windows of the longest length of which a variance is shown."""
TIMES = 20_000
"""Drawn for their tail."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Drawn:
    problem: SourceProblem
    source: Source
    trace: Trace
    window_s: float
    rates: Doubles
    note: str


def draw(problem: SourceProblem, answer: Mapping[str, Any]) -> str:  # noqa: ARG001
    """The pictures of a source as an ``<svg>`` element; of a trace of seed 1 where the problem has none."""
    return as_svg("source", lambda: _figure(_draw(problem)))


def _draw(problem: SourceProblem) -> _Drawn:
    source, trace, note = problem.source(), problem.trace(), ""
    if trace is None:
        if not isinstance(source, Web | PoissonPackets):
            source = replace(source, packet_size=None)
        duration_s = 1024 * _usual_time(source)
        rows = problem.sources * source.rows(duration_s)
        duration_s *= min(1.0, MOST_ROWS / 2 / rows)
        trace = draw_trace(source, duration_s, np.random.default_rng(SEED), problem.sources)
        note = f" (a trace of {duration_s:.4g} s, seed {SEED})"
    window_s = trace.duration_s / WINDOWS
    return _Drawn(problem, source, trace, window_s, window_rates(trace, window_s), note)


def _usual_time(source: Source) -> float:
    """How long, in s, it takes until a source has shown all it does, about."""
    if isinstance(source, ConstantRate):
        return 1.0
    if isinstance(source, PoissonPackets):
        return 16 / source.packet_rate
    if isinstance(source, Web):
        return source.pages.mean / source.moments().mean_rate
    return source.on.mean_s + source.off.mean_s


def _figure(drawn: _Drawn) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6.4), layout="constrained")
    (rate, marginal), (tail, variance) = figure.subplots(2, 2)
    _draw_rate(rate, drawn)
    _draw_marginal(marginal, drawn)
    _draw_tail(tail, drawn.source)
    _draw_variance(variance, drawn)
    number = "" if drawn.problem.sources == 1 else f", {drawn.problem.sources} together"
    figure.suptitle(f"{drawn.problem.kind}{number}{drawn.note}", fontsize=11)
    return figure


def _draw_rate(axes: "Axes", drawn: _Drawn) -> None:
    shown = drawn.rates[:SHOWN]
    axes.stairs(shown, drawn.window_s * np.arange(len(shown) + 1), color=SLICE_COLOURS[0], linewidth=0.8)
    axes.axhline(drawn.problem.moments().mean_rate, color=BAD, linewidth=1, label="mean")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time, s")
    axes.set_ylabel("rate, size a second")
    axes.set_title(f"Rate, over windows of {drawn.window_s:.3g} s", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _draw_marginal(axes: "Axes", drawn: _Drawn) -> None:
    top = float(drawn.rates.max()) or 1.0
    axes.hist(
        drawn.rates,
        bins=np.linspace(0, top * (1 + 1e-9), 41).tolist(),
        weights=np.full(len(drawn.rates), 1 / len(drawn.rates)).tolist(),
        color=SLICE_COLOURS[0],
    )
    axes.axvline(drawn.problem.moments().mean_rate, color=BAD, linewidth=1, label="mean")
    axes.locator_params(axis="x", nbins=5)
    axes.set_yscale("log")
    axes.set_ylim(0.5 / len(drawn.rates), 2)
    _plain_ticks(axes.yaxis)
    axes.set_xlabel("rate, size a second")
    axes.set_ylabel("part of the windows")
    axes.set_title("Marginal distribution", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def _plain_ticks(*scales: "Axis") -> None:
    """Powers of ten as plain numbers, and nothing between them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for scale in scales:
        scale.set_major_locator(LogLocator(numticks=5))
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale.set_minor_formatter(NullFormatter())


def _draw_tail(axes: "Axes", source: Source) -> None:
    """P(X > x) on two logarithmic scales, where a power law is a line."""
    rng = np.random.default_rng(SEED)
    axes.set_title("Complementary distribution", fontsize=10)
    axes.set_ylabel("part that is more")
    period: Period | None = None
    if isinstance(source, ConstantRate):
        axes.text(0.5, 0.5, "nothing varies", ha="center", transform=axes.transAxes, color=MUTED)
        return
    if isinstance(source, Web):
        counts = source.pages.count.sample(TIMES, rng)
        owners = np.repeat(np.arange(TIMES), counts)
        sizes = source.pages.embedded.sample(int(counts.sum()), rng)
        times = source.pages.main.sample(TIMES, rng) + np.bincount(owners, sizes, minlength=TIMES)
        axes.set_xlabel("bytes of a page")
    else:
        period = source.on if isinstance(source, OnOff) else Exponential(1 / source.packet_rate)
        times = period.sample(TIMES, rng)
        axes.set_xlabel("time of sending, s" if isinstance(source, OnOff) else "time between packets, s")
    # Of the longest each, of others fewer: as many as there is room for.
    ranks = np.unique(np.geomspace(1, TIMES, 150).astype(int))
    axes.loglog(
        np.sort(times)[TIMES - ranks], ranks / TIMES, "o", markersize=3, color=SLICE_COLOURS[0], label="drawn"
    )
    if period is not None:
        at = np.geomspace(times.min(), times.max(), 200)
        axes.loglog(at, [max(period.tail(x), 1e-9) for x in at], color=BAD, linewidth=1, label="formula")
    axes.set_ylim(0.5 / TIMES, 2)
    _plain_ticks(axes.xaxis, axes.yaxis)
    axes.legend(fontsize=8, frameon=False)


def _draw_variance(axes: "Axes", drawn: _Drawn) -> None:
    """Of the mean rate over ever longer windows: a slope of -1 where windows forget, 2·H - 2 in general."""
    axes.set_title("Variance-time plot", fontsize=10)
    axes.set_xlabel("window, s")
    axes.set_ylabel("variance of the rate")
    lengths = 2 ** np.arange(int(math.log2(len(drawn.rates) / FEWEST)) + 1)
    variances = [
        float(np.var(drawn.rates[: len(drawn.rates) // m * m].reshape(-1, m).mean(axis=1), ddof=1))
        for m in lengths
    ]
    windows = drawn.window_s * lengths
    if not max(variances) > 1e-18 * float(drawn.rates.max()) ** 2:
        axes.text(0.5, 0.5, "nothing varies", ha="center", transform=axes.transAxes, color=MUTED)
        return
    axes.loglog(windows, variances, "o", color=SLICE_COLOURS[0], markersize=4, label="trace")
    hurst = drawn.problem.moments().hurst
    formula = [drawn.source.moments(float(window)).rate_variance for window in windows]
    if not isinstance(drawn.source, ConstantRate) and None not in formula:
        exact = [drawn.problem.sources * value for value in formula if value is not None]
        axes.loglog(windows, exact, color=BAD, linewidth=1, label="formula")
    elif hurst is not None:
        middle = len(windows) // 2
        line = variances[middle] * (windows / windows[middle]) ** (2 * hurst - 2)
        axes.loglog(windows, line, color=BAD, linewidth=1, label=f"slope 2·{hurst:g} - 2")
    _plain_ticks(axes.xaxis, axes.yaxis)
    axes.legend(fontsize=8, frameon=False)
