"""Pareto against exponential: two crowds with the same mean, seen from further and further away."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fairslice.models.sources import (
    Exponential,
    OnOff,
    draw,
    pareto_on_off,
    superposed,
    wavelet,
    window_rates,
)
from fairslice.report.models import burstiness_picture
from fairslice.report.models.burstiness_picture import SHOWN, averaged

if TYPE_CHECKING:
    from fairslice.cli.demos.stage import Stage

SOURCES = 20
ON_S, OFF_S = 1.0, 2.0
SHAPE = 1.2
SECONDS = 65_536
SCALES = (1, 10, 100, 1000)
"""Windows in s."""
BEYOND_S = 16
"""From this scale on a crowd is self-similar: well beyond the periods of its sources."""
ROWS = 3
"""Lines of text that a bar is high."""
HIGHEST = 2.0
"""Of a bar, in means."""


def tell(stage: "Stage") -> None:
    """Leland, Taqqu, Willinger and Wilson 1994: aggregation does not make it smooth."""
    kinds = {
        "exponential": OnOff(1.0, Exponential(ON_S), Exponential(OFF_S)),
        "Pareto": pareto_on_off(1.0, ON_S, OFF_S, SHAPE),
    }
    rng = np.random.default_rng(stage.seed)
    rates = {name: window_rates(draw(source, SECONDS, rng, SOURCES), 1.0) for name, source in kinds.items()}
    mean = superposed(kinds["exponential"].moments(), SOURCES).mean_rate
    stage.say(
        f"Two crowds of {SOURCES} senders. Each of them sends for {ON_S:g} s and is silent for {OFF_S:g} s, "
        "on the mean. In the one crowd these times are exponential: long ones are very rare. In the other "
        f"they are Pareto with alpha = {SHAPE:g}: most are short, and a few are very long. Mean and peak are "
        "the same."
    )
    stage.say("Here is what each crowd sends together, as bars up to twice the mean.")
    for scale in SCALES:
        stage.say(f"A bar is {scale} s, the picture {SHOWN * scale} s:")
        bars = {name: averaged(series, scale) / mean for name, series in rates.items()}
        stage.play(_frames(bars), 4)
    stage.say(
        "Seen from far away the exponential crowd is smooth: its ups and downs forget each other within "
        "seconds. The Pareto crowd is not smooth: some times last for minutes, and a few for hours. So a "
        "larger buffer, or a longer average, helps less than one would think."
    )
    _numbers(stage, kinds, rates, mean)
    stage.picture(lambda: burstiness_picture.draw(rates, mean, SCALES))


def _frames(bars: Mapping[str, NDArray[np.float64]]) -> Iterator[str]:
    """Bars that come from the left."""
    step = 2
    for shown in range(step, SHOWN + step, step):
        blocks = []
        for name, heights in bars.items():
            lines = bar_lines(heights[:shown])
            labels = [name, *[""] * (ROWS - 1)]
            blocks += [f"{label:<12} {line}" for label, line in zip(labels, lines, strict=True)]
        yield "\n".join(blocks)


def bar_lines(heights: NDArray[np.float64]) -> list[str]:
    """Bars made of eighths of a line, the top line first; what is higher than the highest ends there."""
    eighths = np.clip(np.rint(heights / HIGHEST * 8 * ROWS), 0, 8 * ROWS).astype(int)
    return [
        "".join(" ▁▂▃▄▅▆▇█"[min(max(count - 8 * row, 0), 8)] for count in eighths)
        for row in reversed(range(ROWS))
    ]


def _numbers(
    stage: "Stage", kinds: Mapping[str, OnOff], rates: Mapping[str, NDArray[np.float64]], mean: float
) -> None:
    header, deviations, parameters = ("came out", "formula", "from"), [], []
    for name, series in rates.items():
        for scale in SCALES:
            spread = series[: SECONDS // scale * scale].reshape(-1, scale).mean(axis=1).std(ddof=1) / mean
            variance = superposed(kinds[name].moments(scale), SOURCES).rate_variance
            formula = "-" if variance is None else f"{variance**0.5 / mean:.4f}"
            origin = "no closed form" if variance is None else "Anick et al. 1982"
            deviations.append((f"{name}, over {scale} s", f"{spread:.4f}", formula, origin))
        estimate, hurst = wavelet(series, BEYOND_S, stage.seed), kinds[name].moments().hurst
        inside = f"{estimate.low:.2f} to {estimate.high:.2f}"
        parameters.append((name, f"{estimate.hurst:.2f} ({inside})", f"{hurst:.2f}", "Willinger et al. 1997"))
    stage.numbers("Standard deviation of the rate, in means", ("", *header), deviations)
    stage.numbers("Hurst parameter H (99 % interval)", ("", *header), parameters)
    stage.say(
        "The deviation falls as window^(H - 1): over ten times the window to 0.32 of it where H is 0.5, and "
        "to 0.79 where H is 0.9."
    )
