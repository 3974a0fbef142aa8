"""The topology, with the allocated load on its links."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairslice.measure.results import LinkResult
from fairslice.report.drawing import FULL, GRID, INK, LOADED, MUTED, PANEL, SURFACE, as_svg, bare
from fairslice.report.layout import Position, layout
from fairslice.report.words import Scale, scale_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FULL_FROM = 0.995
"""A link with this part of its capacity allocated is saturated, for the eye."""
_IDLE = 0.005
_CROWD = 24
"""More nodes than this get a smaller font, and labels only where the load matters."""
_LABELLED_FROM = 0.05
_LABELLED_FROM_IN_A_CROWD = 0.5
_PARTS = (0.42, 0.3, 0.54, 0.2, 0.66)
"""Where on its way a label may stand: rather in the first half, away from that of the other direction."""
_WIDTH_IN = 9.2
_MARGIN_IN = 0.55
_MAX_HEIGHT_IN = 4.8
_LARGEST = 1.9
"""Inches for each inch of the layout."""
_POINT_IN = 1 / 72


def topology_svg(
    switches: Sequence[str],
    hosts: Sequence[str],
    links: Sequence[LinkResult],
    positions: Mapping[str, Position] | None = None,
) -> str:
    """Switches as boxes, hosts as pills, an arrow for each direction that has load.

    An arrow keeps to the right of its cable; its width and colour tell the part of the capacity that is
    allocated, its label "allocated/capacity", with what of that is set aside for acknowledgements in brackets
    where data shares the link with them. Where labels are many, those of the most loaded links are kept.

    Args:
        switches: names.
        hosts: names.
        links: both directions of each cable, with ends among the names.
        positions: of all nodes, in any unit; None: computed.

    Raises:
        ValueError: a link's end, or a node without a position.
    """
    names = [*switches, *hosts]
    ends = {end for link in links for end in (link.source, link.target)}
    unknown = sorted(ends - set(names))
    if unknown:
        raise ValueError(f"links end at {', '.join(unknown)}, which are neither switches nor hosts")
    if positions is None:
        positions = layout(switches, hosts, [(link.source, link.target) for link in links])
    missing = [name for name in names if name not in positions]
    if missing:
        raise ValueError(f"no position for {', '.join(missing)}")
    placed, size = _fit({name: positions[name] for name in names})
    return as_svg("topology", lambda: _draw(frozenset(switches), placed, size, links))


def _fit(positions: Mapping[str, Position]) -> tuple[dict[str, Position], tuple[float, float]]:
    """Positions in inches on a sheet, and the sheet's size."""
    if not positions:
        return {}, (_WIDTH_IN, 1.0)
    xs, ys = zip(*positions.values(), strict=True)
    wide, high = max(xs) - min(xs), max(ys) - min(ys)
    room = (_WIDTH_IN - 2 * _MARGIN_IN, _MAX_HEIGHT_IN - 2 * _MARGIN_IN)
    across = min(_LARGEST, room[0] / wide) if wide else _LARGEST
    up = min(across, room[1] / high) if high else across
    # A page is wider than high: what is too high for it is flattened to a half before it gets smaller.
    across = min(across, 2 * up)
    height = high * up + 2 * _MARGIN_IN
    left = (_WIDTH_IN - wide * across) / 2
    placed = {
        name: (left + (x - min(xs)) * across, _MARGIN_IN + (y - min(ys)) * up)
        for name, (x, y) in positions.items()
    }
    return placed, (_WIDTH_IN, height)


def _draw(
    switches: frozenset[str],
    placed: Mapping[str, Position],
    size: tuple[float, float],
    links: Sequence[LinkResult],
) -> "Figure":
    from matplotlib.figure import Figure

    legend_in = 0.5
    figure = Figure(figsize=(size[0], size[1] + legend_in))
    axes = figure.add_axes((0, legend_in / (size[1] + legend_in), 1, size[1] / (size[1] + legend_in)))
    bare(axes)
    # One unit of data is one inch, so that offsets in points are what they say.
    axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
    font = 9.0 if len(placed) <= _CROWD else 7.5
    scale = scale_for(link.capacity_bps for link in links if link.allocated_bps > 0)
    arrows = [arrow for link in links if (arrow := _arrow(link, placed, font)) is not None]
    pairs = {frozenset((link.source, link.target)) for link in links}
    for pair in sorted(map(sorted, pairs - {frozenset((a.link.source, a.link.target)) for a in arrows})):
        ends = [placed[name] for name in pair]
        axes.plot(*zip(*ends, strict=True), color=GRID, linewidth=1.2, zorder=1, solid_capstyle="butt")
    for arrow in arrows:
        _draw_arrow(axes, arrow)
    taken: list[Position] = []
    for arrow in sorted(arrows, key=lambda arrow: arrow.use, reverse=True):
        if arrow.use >= (_LABELLED_FROM if len(placed) <= _CROWD else _LABELLED_FROM_IN_A_CROWD):
            _draw_label(axes, arrow, scale, font - 0.8, taken)
    for name, (x, y) in placed.items():
        _draw_node(axes, name, x, y, name in switches, font)
    aside = " (acknowledgements)" if any(map(_tells_acknowledgements, links)) else ""
    labels = f"allocated/capacity{aside}, {scale.unit} of frames"
    _draw_legend(figure, legend_in / (size[1] + legend_in), labels)
    return figure


@dataclass(frozen=True, slots=True)
class _Arrow:
    """A loaded link: from ``begin`` to ``end``, in inches; ``use`` is the part of the capacity allocated."""

    link: LinkResult
    use: float
    begin: Position
    end: Position

    @property
    def width(self) -> float:
        """Of the line, in points."""
        return 1.3 + 2.7 * min(self.use, 1.0)


def _arrow(link: LinkResult, placed: Mapping[str, Position], font: float) -> _Arrow | None:
    """None for an idle link, and where the boxes at its ends leave no room."""
    use = link.allocated_bps / link.capacity_bps if link.capacity_bps > 0 else 0.0
    (x0, y0), (x1, y1) = placed[link.source], placed[link.target]
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0 or use < _IDLE:
        return None
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    first, last = _border(link.source, ux, uy, font), length - _border(link.target, ux, uy, font)
    if first >= last:
        return None
    bare_arrow = _Arrow(link, use, (x0, y0), (x1, y1))
    aside = (0.5 + bare_arrow.width / 2) * _POINT_IN
    # (uy, -ux) is to the right of the way of travel.
    return replace(
        bare_arrow,
        begin=(x0 + ux * first + uy * aside, y0 + uy * first - ux * aside),
        end=(x0 + ux * last + uy * aside, y0 + uy * last - ux * aside),
    )


def _border(name: str, ux: float, uy: float, font: float) -> float:
    """How far a node's box reaches in a direction."""
    half_width, half_height = _half_size(name, font)
    across = half_width / abs(ux) if ux else math.inf
    up = half_height / abs(uy) if uy else math.inf
    return min(across, up) + 1.5 * _POINT_IN


def _half_size(name: str, font: float) -> tuple[float, float]:
    """Half the width and height of a node's box, in inches."""
    return (0.31 * len(name) * font + 6.5) * _POINT_IN, (0.6 * font + 5.5) * _POINT_IN


def _draw_arrow(axes: "Axes", arrow: _Arrow) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            arrow.begin,
            arrow.end,
            arrowstyle="-|>,head_width=0.3,head_length=0.55",
            mutation_scale=6 + 1.6 * arrow.width,
            linewidth=arrow.width,
            color=FULL if arrow.use >= FULL_FROM else LOADED[min(int(arrow.use * 3), 2)],
            shrinkA=0,
            shrinkB=0,
            joinstyle="miter",
            capstyle="butt",
            zorder=2,
        )
    )


def _draw_label(axes: "Axes", arrow: _Arrow, scale: Scale, size: float, taken: list[Position]) -> None:
    """Write what is allocated beside an arrow, where no label has taken the place; else nowhere."""
    (x0, y0), (x1, y1) = arrow.begin, arrow.end
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    text = _label(arrow.link, scale)
    off = (arrow.width / 2 + 0.62 * size) * _POINT_IN
    reach = 0.25 * size * len(text) * _POINT_IN
    for part in _PARTS:
        x, y = x0 + (x1 - x0) * part + uy * off, y0 + (y1 - y0) * part - ux * off
        spots = [(x + ux * reach * k, y + uy * reach * k) for k in (-1.0, -0.5, 0.0, 0.5, 1.0)]
        if all(math.dist(spot, other) > 1.1 * size * _POINT_IN for spot in spots for other in taken):
            break
    else:
        return
    taken += spots
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    axes.text(
        x,
        y,
        text,
        rotation=angle - 180 if angle > 90.5 else angle + 180 if angle < -89.5 else angle,
        rotation_mode="anchor",
        ha="center",
        va="center_baseline",
        fontsize=size,
        color=INK,
        zorder=4,
        fontweight="bold" if arrow.use >= FULL_FROM else "normal",
        bbox={"boxstyle": "square,pad=0.05", "facecolor": SURFACE, "edgecolor": "none", "alpha": 0.75},
    )


def _label(link: LinkResult, scale: Scale) -> str:
    text = f"{scale.short(link.allocated_bps)}/{scale.short(link.capacity_bps)}"
    return f"{text} ({scale.short(link.acknowledgements_bps)})" if _tells_acknowledgements(link) else text


def _tells_acknowledgements(link: LinkResult) -> bool:
    """Whether a link that carries data sets aside so much for acknowledgements that one can see it."""
    least = _IDLE * link.capacity_bps
    return link.acknowledgements_bps >= least and link.allocated_bps - link.acknowledgements_bps >= least


def _draw_node(axes: "Axes", name: str, x: float, y: float, is_switch: bool, font: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    half_width, half_height = _half_size(name, font)
    rounding = 0.25 * half_height if is_switch else half_height * 0.98
    axes.add_patch(
        FancyBboxPatch(
            (x - half_width, y - half_height),
            2 * half_width,
            2 * half_height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor=INK if is_switch else PANEL,
            edgecolor=INK if is_switch else MUTED,
            linewidth=1.0,
            zorder=5,
        )
    )
    axes.text(
        x,
        y,
        name,
        ha="center",
        va="center_baseline",
        fontsize=font,
        fontweight="bold" if is_switch else "normal",
        color=SURFACE if is_switch else INK,
        zorder=6,
    )


def _draw_legend(figure: "Figure", height: float, labels: str) -> None:
    axes = figure.add_axes((0, 0, 1, height))
    bare(axes)
    axes.set(xlim=(0, _WIDTH_IN), ylim=(0, 1))
    entries = [
        ("idle", GRID),
        ("to 1/3", LOADED[0]),
        ("to 2/3", LOADED[1]),
        ("above", LOADED[2]),
        ("full: a bottleneck", FULL),
    ]
    x = _MARGIN_IN
    for text, colour in entries:
        axes.plot([x, x + 0.3], [0.5, 0.5], color=colour, linewidth=4, solid_capstyle="butt")
        axes.text(x + 0.38, 0.5, text, va="center_baseline", fontsize=8.5, color=MUTED)
        x += 0.62 + 0.078 * len(text)
    axes.text(
        _WIDTH_IN - _MARGIN_IN,
        0.5,
        labels,
        ha="right",
        va="center_baseline",
        fontsize=8.5,
        color=MUTED,
    )
