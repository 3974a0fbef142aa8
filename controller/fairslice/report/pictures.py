"""Allocated against measured as bars, and throughput over time; SVG text, the same for the same input."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from fairslice.measure.iperf import ServerReport
from fairslice.measure.results import FlowResult, RunResult
from fairslice.report.drawing import BAD, INK, MUTED, PANEL, as_svg, slice_colours, spread
from fairslice.report.words import Scale, error_of, flow_name, is_off, scale_for
from fairslice.units import TCP_PAYLOAD_BYTES, tcp_wire_bps, udp_wire_bps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE_CHART = 6
"""Up to this many flows share one chart; more get a panel for each slice."""
SHORTEST_S = 0.1
"""An interval shorter than this, the rest at the end of a test, tells more of its cut than of the flow."""
LABELLED = 6
"""Up to this many flows of a panel are labelled at their line."""
_WIDTH_IN = 9.2
_Dash = tuple[int, tuple[float, ...]]
_DASHES: tuple[_Dash, ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 2)),
)


@dataclass(frozen=True, slots=True)
class Series:
    """One flow over time: seconds from the window's start (below 0: warm-up), and bit/s of Ethernet frames.

    ``flow`` is the flow's place in ``RunResult.flows``.
    """

    flow: int
    times_s: tuple[float, ...]
    rates_bps: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times_s) != len(self.rates_bps):
            raise ValueError(f"flow {self.flow}: {len(self.times_s)} times, {len(self.rates_bps)} rates")


def wire_series(flow: int, report: ServerReport, begin_s: float) -> Series:
    """A receiver's intervals as a series; its payload is counted as full frames, to compare with allocations.

    Args:
        flow: the flow's place in ``RunResult.flows``.
        report: of its iperf3 server.
        begin_s: the window's start on the report's clock.
    """
    times, rates = [], []
    for interval in report.intervals:
        if interval.end_s - interval.start_s < SHORTEST_S:
            continue
        payload_bps = interval.bytes * 8 / (interval.end_s - interval.start_s)
        times.append((interval.start_s + interval.end_s) / 2 - begin_s)
        if report.protocol == "udp":
            rates.append(udp_wire_bps(payload_bps, report.block_bytes or TCP_PAYLOAD_BYTES))
        else:
            rates.append(tcp_wire_bps(payload_bps))
    return Series(flow, tuple(times), tuple(rates))


def bars_svg(result: RunResult) -> str:
    """A bar for each flow, measured on the wire, with a mark at its allocation and a band of tolerance."""
    return as_svg("bars", lambda: _draw_bars(result))


def throughput_svg(result: RunResult, series: Sequence[Series]) -> str:
    """Throughput of each flow over time, with its allocation as a thin line.

    Raises:
        ValueError: a series of no flow.
    """
    for line in series:
        if not 0 <= line.flow < len(result.flows):
            raise ValueError(f"a series of flow {line.flow}; there are {len(result.flows)} flows")
    return as_svg("throughput", lambda: _draw_throughput(result, series))


def _draw_bars(result: RunResult) -> "Figure":
    from matplotlib.figure import Figure

    flows = result.flows
    scale = scale_for(rate for flow in flows for rate in (flow.allocated_bps, flow.wire_bps))
    colours = slice_colours(flow.slice for flow in flows)
    rows = _rows(flows)
    row_in = 0.34 if len(flows) <= 16 else 0.25
    top_in, bottom_in = 0.42, 0.55
    height = top_in + bottom_in + row_in * (rows[-1] + 1 if rows else 1)
    figure = Figure(figsize=(_WIDTH_IN, height))
    left_in = 0.25 + 0.068 * max((len(_row_name(flow)) for flow in flows), default=0)
    left = min(left_in, 0.42 * _WIDTH_IN) / _WIDTH_IN
    axes = figure.add_axes((left, bottom_in / height, 0.86 - left, 1 - (top_in + bottom_in) / height))
    font = 9 if len(flows) <= 16 else 8
    largest = max((max(f.allocated_bps, f.wire_bps) for f in flows), default=0.0) / scale.size_bps or 1.0
    for flow, row in zip(flows, rows, strict=True):
        allocated, wire = flow.allocated_bps / scale.size_bps, flow.wire_bps / scale.size_bps
        axes.barh(row, wire, height=0.56, color=colours[flow.slice], zorder=2)
        band, off = result.tolerance * allocated, is_off(flow, result.tolerance)
        axes.barh(row, 2 * band, left=allocated - band, height=0.9, color=MUTED, alpha=0.28, zorder=1)
        axes.plot([allocated] * 2, [row - 0.45, row + 0.45], color=INK, linewidth=1.8, zorder=3)
        axes.text(
            1.012,
            row,
            f"{scale.number(flow.wire_bps)}  ({error_of(flow)})",
            transform=axes.get_yaxis_transform(),
            va="center_baseline",
            fontsize=font,
            color=BAD if off else INK,
            fontweight="bold" if off else "normal",
        )
    axes.set(ylim=((rows[-1] if rows else 0) + 0.7, -0.7), xlim=(0, 1.06 * largest))
    axes.set_yticks(rows, [_row_name(flow) for flow in flows], fontsize=font, color=INK)
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{scale.unit} of Ethernet frames")
    _bars_legend(figure, height, result.tolerance)
    return figure


def _rows(flows: Sequence[FlowResult]) -> list[float]:
    """A row for each flow, with a gap between slices, unless each has only one."""
    gap = 1.45 if len({flow.slice for flow in flows}) < len(flows) else 1.0
    rows, row, before = [], -1.0, None
    for flow in flows:
        row += 1.0 if before in (None, flow.slice) else gap
        before = flow.slice
        rows.append(row)
    return rows


def _row_name(flow: FlowResult) -> str:
    return f"{flow.slice}  {flow_name(flow)}"


def _bars_legend(figure: "Figure", height: float, tolerance: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure.legend(
        handles=[
            Patch(color=MUTED, label="measured on the wire (colour: slice)"),
            Line2D(
                [],
                [],
                color=INK,
                linewidth=1.8,
                marker="|",
                linestyle="none",
                markersize=11,
                label="allocated",
            ),
            Patch(color=MUTED, alpha=0.28, label=f"within {100 * tolerance:g} %"),
        ],
        loc="upper right",
        bbox_to_anchor=(0.99, 1 - 0.04 / height),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        labelcolor=MUTED,
        borderaxespad=0,
    )


def _draw_throughput(result: RunResult, series: Sequence[Series]) -> "Figure":
    from matplotlib.figure import Figure

    flows = result.flows
    colours = slice_colours(flow.slice for flow in flows)
    highest = max(
        [rate for line in series for rate in line.rates_bps] + [f.allocated_bps for f in flows], default=0
    )
    scale = scale_for([highest])
    if len(flows) <= SINGLE_CHART:
        panels = [("", list(range(len(flows))))]
    else:
        numbered = sorted(range(len(flows)), key=lambda i: list(colours).index(flows[i].slice))
        panels = [(name, list(group)) for name, group in groupby(numbered, key=lambda i: flows[i].slice)]
    columns = 1 if len(panels) <= 3 else 2 if len(panels) <= 8 else 4
    lines = math.ceil(len(panels) / columns)
    panel_in = 3.3 if len(panels) == 1 else 1.6 if columns == 4 else 2.2
    figure = Figure(figsize=(_WIDTH_IN, panel_in * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
    by_flow = {line.flow: line for line in series}
    for place, axes in enumerate(grid.flat):
        if place < len(panels):
            name, members = panels[place]
            _draw_panel(axes, name, members, by_flow, flows, scale, colours, columns)
            axes.tick_params(labelbottom=place + columns >= len(panels))
        else:
            axes.set_visible(False)
    figure.supxlabel("seconds from the start of the measurement", fontsize=9, color=MUTED)
    figure.supylabel(f"{scale.unit} of frames", fontsize=9, color=MUTED)
    return figure


def _draw_panel(
    axes: "Axes",
    name: str,
    members: Sequence[int],
    by_flow: Mapping[int, Series],
    flows: Sequence[FlowResult],
    scale: Scale,
    colours: Mapping[str, str],
    columns: int,
) -> None:
    drawn = [i for i in members if i in by_flow and by_flow[i].times_s]
    rates = [rate for i in drawn for rate in by_flow[i].rates_bps] + [flows[i].allocated_bps for i in members]
    top = 1.12 * max(rates, default=0.0) / scale.size_bps or 1.0
    axes.set_ylim(0, top)
    times = [time for i in drawn for time in by_flow[i].times_s]
    begin, end = min(times, default=0.0), max(times, default=1.0)
    if begin < 0:
        axes.axvspan(begin, 0, color=PANEL, zorder=0, linewidth=0)
        if columns < 4:
            # From its left end, since it may be shorter than its name: so neither end of the word is cut.
            axes.text(begin, top, " warm-up", ha="left", va="top", fontsize=7.5, color=MUTED)
    few = len(members) <= LABELLED
    dashes = _dashes(members, flows)
    for i in members:
        flow, colour = flows[i], colours[flows[i].slice]
        # Among many lines of one colour, only another colour is seen.
        axes.axhline(
            flow.allocated_bps / scale.size_bps,
            color=colour if few else INK,
            linewidth=0.8,
            alpha=0.6 if few else 1.0,
            zorder=1 if few else 3,
        )
        if i in drawn:
            line = by_flow[i]
            axes.plot(
                line.times_s,
                [rate / scale.size_bps for rate in line.rates_bps],
                color=colour,
                linewidth=1.8 if few else 1.1,
                linestyle=dashes[i] if few else "-",
                alpha=1.0 if few else 0.6,
                zorder=2,
            )
    axes.set_xlim(min(begin, 0), end)
    axes.tick_params(length=0, labelsize=8)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="x")
    if name:
        many = "" if few or columns == 4 else f" ({len(members)} flows)"
        axes.set_title(name + many, loc="left", fontsize=9.5, color=INK, fontweight="bold")
    if columns < 4 and few:
        _label_lines(axes, drawn, by_flow, flows, scale, colours, dashes, with_slice=not name)


def _label_lines(
    axes: "Axes",
    labelled: Sequence[int],
    by_flow: Mapping[int, Series],
    flows: Sequence[FlowResult],
    scale: Scale,
    colours: Mapping[str, str],
    dashes: Mapping[int, _Dash],
    *,
    with_slice: bool,
) -> None:
    """Names at the right ends of the lines, in their order, moved apart where they would overlap."""
    top = axes.get_ylim()[1]
    last = [_tail(by_flow[i]) / scale.size_bps for i in labelled]
    places = spread(last, (0.075 if with_slice else 0.115) * top, 0.03 * top, 0.97 * top)
    for i, place in zip(labelled, places, strict=True):
        text = f"{flows[i].slice} {flow_name(flows[i])}" if with_slice else flow_name(flows[i])
        # A piece of the line, since one that was moved no longer stands at its own.
        axes.plot(
            [1.01, 1.05],
            [place, place],
            transform=axes.get_yaxis_transform(),
            clip_on=False,
            color=colours[flows[i].slice],
            linewidth=1.8,
            linestyle=dashes[i],
        )
        axes.text(
            1.06,
            place,
            text,
            transform=axes.get_yaxis_transform(),
            va="center_baseline",
            fontsize=8,
            color=INK,
        )


def _dashes(members: Sequence[int], flows: Sequence[FlowResult]) -> dict[int, _Dash]:
    """A pattern for each flow, to tell those of a slice apart; each slice begins with a full line."""
    seen: Counter[str] = Counter()
    dashes = {}
    for i in members:
        dashes[i] = _DASHES[seen[flows[i].slice] % len(_DASHES)]
        seen[flows[i].slice] += 1
    return dashes


def _tail(line: Series) -> float:
    """Where a line ends, for the eye: the mean of its last three points."""
    tail = line.rates_bps[-3:]
    return sum(tail) / len(tail)
