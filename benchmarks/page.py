"""The results as Markdown, between markers in a page of prose, and as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairslice.errors import Fault, InputError
from fairslice.report.drawing import FULL, MUTED, SLICE_COLOURS, SURFACE, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

START, END = "<!-- benchmarks/alloc.py -->", "<!-- /benchmarks/alloc.py -->"
PICTURE = "alloc-performance.svg"


@dataclass(frozen=True)
class Line:
    """One solver's times over numbers of flows, in one panel."""

    solver: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Panel:
    """One workload at all its sizes."""

    title: str
    lines: tuple[Line, ...]


def duration(seconds: float) -> str:
    """Three digits: 812 µs, 12.3 ms, 4.56 s."""
    # 999.6 µs is 1.00 ms.
    if seconds >= 0.9995:
        return f"{digits(seconds)} s"
    if seconds >= 0.9995e-3:
        return f"{digits(seconds * 1e3)} ms"
    return f"{digits(seconds * 1e6)} µs"


def digits(value: float) -> str:
    """Three of them, but never fewer than those before the point."""
    places = max(2 - sum(value >= limit for limit in (9.995, 99.95)), 0)
    return f"{value:.{places}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int) -> str:
    """A Markdown table; the columns from ``numbers_from`` on are aligned to the right."""
    rule = ["---" if i < numbers_from else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def check(path: Path, markers: tuple[str, str] = (START, END)) -> None:
    """Refuse a page that the results can't be written into, before they are measured.

    Raises
    ------
    InputError
        The page has not both markers, in order and once each.
    """
    if path.exists():
        start, end = markers
        text = path.read_text(encoding="utf-8")
        once = text.count(start) == text.count(end) == 1
        if not once or text.index(start) > text.index(end):
            found = f"{text.count(start)} × {start} and {text.count(end)} × {end}"
            raise InputError([Fault(f"{path}: found {found}, expected one of each, in this order")])


def write(path: Path, results: str, markers: tuple[str, str] = (START, END)) -> None:
    """Put the results between the markers of the page, and leave the rest; a page that is not there is made.

    Raises
    ------
    InputError
        As :func:`check`.
    """
    check(path, markers)
    start, end = markers
    before, after = "", "\n"
    if path.exists():
        text = path.read_text(encoding="utf-8")
        before, after = text[: text.index(start)], text[text.index(end) + len(end) :]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{start}\n\n{results.strip()}\n\n{end}{after}", encoding="utf-8")


def draw(path: Path, panels: Sequence[Panel], columns: int) -> None:
    """Time against number of flows, both logarithmic: a panel for each workload, a line for each solver."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_svg("alloc-performance", lambda: _figure(panels, columns)) + "\n", encoding="utf-8")


def _figure(panels: Sequence[Panel], columns: int) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.6, 2.5 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # The page may be dark.
    ground = Rectangle((0, 0), 1, 1, transform=figure.transFigure, facecolor=SURFACE, zorder=-1)
    ground.set_in_layout(False)
    figure.add_artist(ground)
    solvers = list(dict.fromkeys(line.solver for panel in panels for line in panel.lines))
    for axes, panel in zip(grid.flat, panels, strict=False):
        _panel(axes, panel, solvers)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("time of a call")
    for axes in grid[-1]:
        axes.set_xlabel("flows")
    handles = {line.get_label(): line for axes in grid.flat for line in axes.get_lines()}
    figure.legend(
        [handles[name] for name in solvers], solvers, loc="outside lower center", ncols=3, frameon=False
    )
    return figure


def _panel(axes: "Axes", panel: Panel, solvers: Sequence[str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_title(panel.title, fontsize=10)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, text in ((axes.xaxis, _count), (axes.yaxis, _power)):
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(text))
    for line in panel.lines:
        place = solvers.index(line.solver)
        # Ours comes first, the unit second; the competitors share the palette.
        colour = FULL if place == 0 else MUTED if place == 1 else SLICE_COLOURS[place - 2]
        axes.plot(
            *zip(*line.points, strict=True),
            label=line.solver,
            color=colour,
            linestyle="--" if place == 1 else "-",
            linewidth=2.2 if place == 0 else 1.3,
            marker="o",
            markersize=3.5,
        )


def _count(flows: float, _: object) -> str:
    """100, 1k, 10k, 1M."""
    size, letter = (1e6, "M") if flows >= 0.99e6 else (1e3, "k") if flows >= 0.99e3 else (1, "")
    return f"{flows / size:g}{letter}"


def _power(seconds: float, _: object) -> str:
    """10 µs, 100 ms: whole powers of ten."""
    size, unit = (1, "s") if seconds >= 0.99 else (1e-3, "ms") if seconds >= 0.99e-3 else (1e-6, "µs")
    return f"{seconds / size:.4g} {unit}"
