"""The same traffic over ever longer windows, of several kinds side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fairslice.report.drawing import BAD, SLICE_COLOURS, as_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 60
"""Windows of each length."""


def draw(kinds: Mapping[str, NDArray[np.float64]], mean: float, scales: Sequence[int]) -> str:
    """An ``<svg>`` element: a column for each kind, a row for each length of the windows.

    Args:
        kinds: mean rates of each second, by the name of the kind; as many of each.
        mean: what all have in the long run.
        scales: lengths of windows in s, each at most the length of the series over :data:`SHOWN`.
    """
    return as_svg("burstiness", lambda: _figure(kinds, mean, scales))


def averaged(rates: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Means over windows of so many seconds, as many as are shown."""
    return np.asarray(rates[: SHOWN * scale].reshape(SHOWN, scale).mean(axis=1))


def _figure(kinds: Mapping[str, NDArray[np.float64]], mean: float, scales: Sequence[int]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.5 * len(scales) + 0.6), layout="constrained")
    all_axes = figure.subplots(len(scales), len(kinds), squeeze=False, sharey=True)
    for column, (name, rates) in enumerate(kinds.items()):
        all_axes[0][column].set_title(name, fontsize=10)
        for row, scale in enumerate(scales):
            axes = all_axes[row][column]
            edges = scale * np.arange(SHOWN + 1)
            axes.stairs(averaged(rates, scale) / mean, edges, fill=True, color=SLICE_COLOURS[column])
            axes.axhline(1, color=BAD, linewidth=0.8)
            axes.set_xlabel(f"time, s, in windows of {scale} s", fontsize=8)
            axes.tick_params(labelsize=8)
            if column == 0:
                axes.set_ylabel("rate / mean", fontsize=8)
    return figure
