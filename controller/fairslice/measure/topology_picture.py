"""The topology, with the allocated load on its links."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairslice.measure.drawing import FULL, GRID, INK, LOADED, MUTED, PANEL, SURFACE, as_svg, bare
from fairslice.measure.layout import Position, layout
from fairslice.measure.results import LinkResult
from fairslice.measure.words import Scale, scale_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FULL_FROM = 0.995
"""A link with this part of its capacity allocated is saturated, for the eye."""
MAX_LABELS = 44
_LABELLED_FROM = 0.05
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
    allocated, its label "allocated/capacity". Of many labels, those of the most loaded links are kept.

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
    font = 9.0 if len(placed) <= 24 else 7.5
    scale = scale_for(link.capacity_bps for link in links if link.allocated_bps > 0)
    labelled = _labelled(links)
    for link in links:
        _draw_link(axes, link, placed, scale if link in labelled else None, font)
    for name, (x, y) in placed.items():
        _draw_node(axes, name, x, y, name in switches, font)
    _draw_legend(figure, legend_in / (size[1] + legend_in), scale)
    return figure


def _use(link: LinkResult) -> float:
    return link.allocated_bps / link.capacity_bps if link.capacity_bps > 0 else 0.0


def _labelled(links: Sequence[LinkResult]) -> list[LinkResult]:
    loaded = [link for link in links if _use(link) >= _LABELLED_FROM]
    return sorted(loaded, key=_use, reverse=True)[:MAX_LABELS]


def _colour(use: float) -> str:
    return FULL if use >= FULL_FROM else LOADED[min(int(use * 3), 2)]


def _half_size(name: str, font: float) -> tuple[float, float]:
    """Half the width and height of a node's box, in inches."""
    return (0.31 * len(name) * font + 6.5) * _POINT_IN, (0.6 * font + 5.5) * _POINT_IN


def _draw_link(
    axes: "Axes", link: LinkResult, placed: Mapping[str, Position], scale: Scale | None, font: float
) -> None:
    from matplotlib.patches import FancyArrowPatch

    (x0, y0), (x1, y1) = placed[link.source], placed[link.target]
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0:
        return
    if _use(link) < 0.005:
        axes.plot([x0, x1], [y0, y1], color=GRID, linewidth=1.2, zorder=1, solid_capstyle="butt")
        return
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    # The right-hand side of the way of travel.
    nx, ny = uy, -ux
    use = min(_use(link), 1.0)
    width = 1.4 + 3.2 * use
    aside = (0.5 + width / 2) * _POINT_IN
    begin, end = _border(link.source, ux, uy, font), _border(link.target, ux, uy, font)
    points = [
        (x0 + ux * begin + nx * aside, y0 + uy * begin + ny * aside),
        (x1 - ux * end + nx * aside, y1 - uy * end + ny * aside),
    ]
    axes.add_patch(
        FancyArrowPatch(
            points[0],
            points[1],
            arrowstyle="-|>,head_width=0.28,head_length=0.5",
            mutation_scale=5 + 2.2 * width,
            linewidth=width,
            color=_colour(_use(link)),
            shrinkA=0,
            shrinkB=0,
            joinstyle="miter",
            capstyle="butt",
            zorder=2,
        )
    )
    if scale is not None:
        _draw_label(axes, link, points, (nx, ny), width, scale, font)


def _border(name: str, ux: float, uy: float, font: float) -> float:
    """How far a node's box reaches in a direction."""
    half_width, half_height = _half_size(name, font)
    return (
        min(half_width / abs(ux) if ux else math.inf, half_height / abs(uy) if uy else math.inf)
        + 1.5 * _POINT_IN
    )


def _draw_label(
    axes: "Axes",
    link: LinkResult,
    points: list[tuple[float, float]],
    normal: tuple[float, float],
    width: float,
    scale: Scale,
    font: float,
) -> None:
    (x0, y0), (x1, y1) = points
    size = font - 0.8
    off = (width / 2 + 0.62 * size) * _POINT_IN
    # Nearer to its start than to its end, away from the labels of crossing links and of the other direction.
    part = 0.42
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    upright = angle - 180 if angle > 90.5 else angle + 180 if angle < -89.5 else angle
    axes.text(
        x0 + (x1 - x0) * part + normal[0] * off,
        y0 + (y1 - y0) * part + normal[1] * off,
        f"{scale.short(link.allocated_bps)}/{scale.short(link.capacity_bps)}",
        rotation=upright,
        rotation_mode="anchor",
        ha="center",
        va="center_baseline",
        fontsize=size,
        color=INK,
        zorder=4,
        fontweight="bold" if _use(link) >= FULL_FROM else "normal",
        bbox={"boxstyle": "square,pad=0.05", "facecolor": SURFACE, "edgecolor": "none", "alpha": 0.75},
    )


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


def _draw_legend(figure: "Figure", height: float, scale: Scale) -> None:
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
        f"allocated/capacity, {scale.unit} of frames",
        ha="right",
        va="center_baseline",
        fontsize=8.5,
        color=MUTED,
    )
