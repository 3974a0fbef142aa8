"""The filling of a network as a picture: what every flow holds, up to the instant at which it stops."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairslice.report.drawing import GRID, INK, STYLE, SURFACE, as_svg, slice_colours, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELLED = 14
"""Up to this many flows are named at the ends of their lines; of more, only the slices are named."""
SLICES = 16
"""Up to this many slices are named."""
LONG_KEY = 5
"""Of more steps than this, the explanations below the chart stand in two columns."""
_GAP = 0.028
"""Numbers of steps keep apart by this share of the chart's width."""
_WIDTH_IN, _CHART_IN, _TOP_IN, _AXIS_IN, _ROW_IN = 9.2, 3.9, 0.45, 0.55, 0.2
_LEFT_IN, _MOST_RIGHT_IN = 0.75, 2.9
_CHARACTER_IN = 0.066
_DOTS_PER_INCH = 160
_Dash = tuple[float, tuple[float, ...]]
_DASHES: tuple[_Dash, ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
)


@dataclass(frozen=True, slots=True)
class FillingLine:
    """One flow: what it holds at instants of the clock, straight between, flat from ``stop`` on.

    ``met`` tells a flow that stops because its demand is met, and not at a full link or limit.
    """

    name: str
    slice: str
    points: tuple[tuple[float, float], ...]
    stop: float
    met: bool


@dataclass(frozen=True, slots=True)
class FillingStep:
    """An instant at which flows stop, and in words what stops them."""

    instant: float
    what: str


@dataclass(frozen=True, slots=True)
class FillingPicture:
    """What is drawn; instants and rates are in the units that the labels of the axes name."""

    lines: tuple[FillingLine, ...]
    steps: tuple[FillingStep, ...]
    clock_label: str
    rate_label: str
    notes: tuple[str, ...] = ()
    """Lines below the explanations of the steps."""


def filling_svg(picture: FillingPicture) -> str:
    """The picture as an ``<svg>`` element, the same for the same input."""
    return as_svg("filling", lambda: _draw(picture))


def filling_png(picture: FillingPicture) -> bytes:
    """The picture as the bytes of a PNG file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with mpl.rc_context(STYLE):
        figure = _draw(picture)
        FigureCanvasAgg(figure)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return data.getvalue()


def _draw(picture: FillingPicture) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    numbered = _numbered([step.instant for step in picture.steps])
    key, ends = [*_key(picture.steps, numbered), *picture.notes], _ends(picture.lines)
    columns = 1 if len(key) <= LONG_KEY else 2
    rows = math.ceil(len(key) / columns)
    height = _TOP_IN + _CHART_IN + _AXIS_IN + _ROW_IN * (rows + 0.5)
    figure = Figure(figsize=(_WIDTH_IN, height))
    # The file stands alone, so it brings the ground that its ink is made for.
    figure.add_artist(Rectangle((0, 0), 1, 1, transform=figure.transFigure, color=SURFACE, zorder=-10))
    bottom = height - _TOP_IN - _CHART_IN
    right = 0.75 + _CHARACTER_IN * max((len(end.text) for end in ends), default=0)
    width = _WIDTH_IN - _LEFT_IN - right
    axes = figure.add_axes((_LEFT_IN / _WIDTH_IN, bottom / height, width / _WIDTH_IN, _CHART_IN / height))
    _draw_axes(axes, picture)
    _draw_steps(axes, picture.steps, numbered)
    _draw_lines(axes, picture.lines)
    _draw_ends(axes, ends)
    column_in = (_WIDTH_IN - _LEFT_IN) / columns
    for i, text in enumerate(key):
        x = (_LEFT_IN + column_in * (i // rows)) / _WIDTH_IN
        y = (bottom - _AXIS_IN - _ROW_IN * (i % rows + 0.5)) / height
        figure.text(x, y, _short(text, column_in), fontsize=8, color=INK, va="center")
    return figure


def _numbered(instants: Sequence[float]) -> list[int]:
    """The steps that are marked: all of them or, where there is no room, the last of each crowd."""
    gap = _GAP * max(instants, default=0.0)
    if len(instants) * _GAP <= 1:
        return list(range(len(instants)))
    marked: list[int] = []
    for i in reversed(range(len(instants))):
        if not marked or instants[marked[-1]] - instants[i] >= gap:
            marked.append(i)
    return marked[::-1]


def _key(steps: Sequence[FillingStep], numbered: Sequence[int]) -> list[str]:
    """What stops flows at each marked step."""
    key = [f"{i + 1}  {steps[i].what}" for i in numbered]
    return key if len(key) == len(steps) else [*key, f"and {len(steps) - len(key)} steps between these"]


def _short(text: str, width_in: float) -> str:
    longest = int(width_in / _CHARACTER_IN)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _draw_axes(axes: "Axes", picture: FillingPicture) -> None:
    end = max((step.instant for step in picture.steps), default=0.0) or 1.0
    top = max((rate for line in picture.lines for _, rate in line.points), default=0.0) or 1.0
    axes.set(xlim=(0, 1.04 * end), ylim=(0, 1.06 * top))
    axes.set_xlabel(picture.clock_label, fontsize=9)
    axes.set_ylabel(picture.rate_label, fontsize=9)
    axes.tick_params(length=0, labelsize=8)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="x")


def _draw_steps(axes: "Axes", steps: Sequence[FillingStep], numbered: Sequence[int]) -> None:
    """A thin upright where flows stop, with the number of the step above."""
    _, right = axes.get_xlim()
    instants = [steps[i].instant for i in numbered]
    for i, instant, place in zip(numbered, instants, spread(instants, _GAP * right, 0, right), strict=True):
        axes.axvline(instant, color=GRID, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0.5)
        axes.annotate(
            str(i + 1),
            (instant, 1),
            (place, 1.045),
            xycoords=axes.get_xaxis_transform(),
            textcoords=axes.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
            arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 0},
        )


def _draw_lines(axes: "Axes", lines: Sequence[FillingLine]) -> None:
    colours = slice_colours(line.slice for line in lines)
    few = len(lines) <= LABELLED
    for i, line in enumerate(lines):
        times, rates = zip(*line.points, strict=True)
        wider = _hidden_by(i, lines) if few else 0
        (drawn,) = axes.plot(
            times,
            rates,
            color=colours[line.slice],
            linewidth=1.9 + 1.7 * wider if few else 1.0,
            linestyle=_dash(i, lines) if few else "-",
            alpha=1.0 if few else 0.6,
            zorder=2,
        )
        drawn.set_gid(f"filling-flow-{i + 1}")
        axes.plot(
            [line.stop],
            [rates[-1]],
            marker="o",
            markersize=5.5 + 1.7 * wider if few else 3,
            markerfacecolor=SURFACE if line.met else colours[line.slice],
            markeredgecolor=colours[line.slice],
            markeredgewidth=1.4 if few else 0.8,
            clip_on=False,
            zorder=3,
        )


def _hidden_by(number: int, lines: Sequence[FillingLine]) -> int:
    """How many slices draw a line over the end of this one later; it is made wider, to be seen beneath."""
    mine = lines[number]
    rate = mine.points[-1][1]
    later = lines[number + 1 :]
    over = {line.slice for line in later if abs(line.points[-1][1] - rate) <= 0.02 * rate} - {mine.slice}
    return min(len(over), 3)


def _dash(number: int, lines: Sequence[FillingLine]) -> _Dash:
    """A pattern, to tell the flows of a slice apart; each slice begins with a full line."""
    before = sum(line.slice == lines[number].slice for line in lines[:number])
    return _DASHES[before % len(_DASHES)]


@dataclass(frozen=True, slots=True)
class _End:
    """What is written right of the chart, at the height of a rate, beside a piece of line."""

    rate: float
    text: str
    colour: str
    dash: _Dash


def _ends(lines: Sequence[FillingLine]) -> list[_End]:
    """The names of the flows; of many flows those of their slices, at the rate that they have on average."""
    longest = _MOST_RIGHT_IN - 0.75
    colours = slice_colours(line.slice for line in lines)
    if len(lines) <= LABELLED:
        return [
            _End(line.points[-1][1], _short(line.name, longest), colours[line.slice], _dash(i, lines))
            for i, line in enumerate(lines)
        ]
    ends = []
    for name, colour in list(colours.items())[:SLICES]:
        rates = [line.points[-1][1] for line in lines if line.slice == name]
        count = "1 flow" if len(rates) == 1 else f"{len(rates)} flows"
        ends.append(
            _End(sum(rates) / len(rates), _short(f"{name} ({count})".lstrip(), longest), colour, _DASHES[0])
        )
    if len(colours) > SLICES:
        ends.append(_End(0.0, f"and {len(colours) - SLICES} more slices", SURFACE, _DASHES[0]))
    return ends


def _draw_ends(axes: "Axes", ends: Sequence[_End]) -> None:
    """Names in the order of their rates, moved apart where they would overlap."""
    top = axes.get_ylim()[1]
    across = axes.get_yaxis_transform()
    beside, long = 0.1 / _inches(axes), 0.35 / _inches(axes)
    places = spread([end.rate for end in ends], 0.052 * top, 0.0, top)
    for end, place in zip(ends, places, strict=True):
        axes.plot(
            [1 + beside, 1 + long],
            [place] * 2,
            transform=across,
            clip_on=False,
            color=end.colour,
            linewidth=1.9,
            linestyle=end.dash,
        )
        axes.text(
            1 + long + beside / 2,
            place,
            end.text,
            transform=across,
            va="center_baseline",
            fontsize=8,
            color=INK,
        )


def _inches(axes: "Axes") -> float:
    return axes.get_position().width * _WIDTH_IN
