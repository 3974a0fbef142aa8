"""What the pictures share: colours, fonts, and how a matplotlib figure (imported late) becomes SVG."""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#5f6b76"
GRID = "#d5dbe1"
SURFACE = "#fefefe"
PANEL = "#eef1f4"
BAD = "#a63c01"
"""These six stand for the page's own: the report replaces them, so that pictures follow a dark page."""

SLICE_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#7b5ea7", "#8a5a44", "#7f8790")
"""Okabe and Ito's palette for all kinds of colour vision, but for its black, yellow and vermilion: the last
is too near to FULL."""
FULL = "#cc3311"
LOADED = ("#8fc1e3", "#4a98c9", "#1c6ba8")
"""Load of a link in thirds of its capacity; a full one is FULL."""

STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}
"""Of all pictures, for :func:`matplotlib.rc_context`."""


def slice_colours(slices: Iterable[str]) -> dict[str, str]:
    """A colour for each slice, in the order in which they first come; colours return after the eighth."""
    names = dict.fromkeys(slices)
    return {name: SLICE_COLOURS[i % len(SLICE_COLOURS)] for i, name in enumerate(names)}


def as_svg(name: str, draw: Callable[[], "Figure"]) -> str:
    """Draw in the house style and return an ``<svg>`` element without prolog or date: same input, same text.

    ``name`` keeps its ids apart from those of other pictures of the same page.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with mpl.rc_context(STYLE):
        mpl.rcParams["svg.hashsalt"] = f"fairslice {name}"
        figure = draw()
        FigureCanvasSVG(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    # Counted ids (figure_1, text_2) are the same in each picture, and nothing refers to them.
    return re.sub(r' id="[a-z0-9A-Z.]+_\d+"', "", svg)


def bare(axes: "Axes") -> None:
    """No frame, no ticks, no grid."""
    axes.set_axis_off()
    axes.grid(visible=False)


def logarithmic_axis(axes: "Axes") -> None:
    """A vertical axis of powers of ten, written as plain numbers: mathematical text is not parsed here."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart: the places nearest to the wanted ones (in squares) that are ``gap`` apart.

    All are within ``low`` to ``high``; if they can't be, the gap shrinks. The order is kept. Isotonic
    regression by pooling neighbours that conflict (Ayer et al. 1955).
    """
    count = len(wanted)
    if count > 1:
        gap = min(gap, (high - low) / (count - 1))
    order = sorted(range(count), key=wanted.__getitem__)
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        mean, size = wanted[i] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean, size = (mean * size + other * others) / (size + others), size + others
        pools.append((mean, size))
    starts = [min(max(mean, low), high - (count - 1) * gap) for mean, size in pools for _ in range(size)]
    places = [0.0] * count
    for rank, (i, start) in enumerate(zip(order, starts, strict=True)):
        places[i] = start + rank * gap
    return places
