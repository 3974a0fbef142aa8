"""A run's result as a table for the terminal."""

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from fairslice.measure.results import FlowResult, NotMeasured, RunResult, Verdict
from fairslice.report.words import (
    DROPPED,
    Scale,
    answer,
    doubts,
    error_of,
    flow_name,
    is_off,
    jain_text,
    largest,
    left_out,
    lost_or_resent,
    scale_for,
    verdict_sentence,
    why,
)

_STYLE: dict[Verdict, str] = {
    "fair": "bold green",
    "out of tolerance": "bold red",
    "cpu-bound": "bold yellow",
    "can't tell": "bold yellow",
}


LEFT_OUT = ("goodput", "resent or lost")
"""Columns of the table that a narrower one has no room for."""
_ENDLESS = 10_000


def results_table(result: RunResult, *, narrow: bool = False, blanks: int = 3) -> Table:
    """One row a flow, slices in the order of the policy; rates share one unit, named in the header.

    A ``narrow`` one, for a terminal of 80 columns, leaves out goodput, and what was resent or lost. Between
    columns are 2 or 3 ``blanks``.
    """
    shown: tuple[FlowResult | NotMeasured, ...] = (*result.flows, *result.not_measured)
    scale = scale_for(rate for flow in result.flows for rate in (flow.allocated_bps, flow.wire_bps))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, blanks - 2))
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("slice", no_wrap=True)
    table.add_column("flow")
    for name in ("allocated", "on the wire", "error", "goodput")[: 3 if narrow else 4]:
        unit = "" if name == "error" else f"\n{scale.unit}"
        table.add_column(name + unit, justify="right", no_wrap=True)
    table.add_column("why not more")
    if not narrow:
        table.add_column("resent or lost", justify="right")
    table.add_column("ok?")
    before = ""
    for flow in shown:
        if isinstance(flow, FlowResult):
            row = _row(flow, before, scale, result.tolerance)
        else:
            row = _row_of_none(flow, before, scale)
        table.add_row(Text(str(flow.number)), *(row[:5] + row[6:7] + row[8:] if narrow else row))
        before = flow.slice
    for column in table.columns:
        column.overflow = "fold"
        if column.no_wrap:
            # What does not wrap is not cut either.
            lines = [line for cell in (column.header, *column.cells) for line in str(cell).splitlines()]
            column.min_width = max(map(cell_len, lines))
    return table


def _row_of_none(flow: NotMeasured, before: str, scale: Scale) -> tuple[Text, ...]:
    """A flow that was not measured."""
    return (
        Text(flow.slice if flow.slice != before else "", "bold"),
        Text(flow_name(flow)),
        Text(scale.number(flow.allocated_bps)),
        *(Text("-") for _ in range(5)),
        Text("not measured", "dim"),
    )


def _row(flow: FlowResult, before: str, scale: Scale, tolerance: float) -> tuple[Text, ...]:
    mark = Text(answer(flow), "green" if flow.passed else "yellow" if flow.passed is None else "bold red")
    if flow.judged == "slice":
        mark.append(" (sum)", "dim")
    return (
        Text(flow.slice if flow.slice != before else "", "bold"),
        Text(flow_name(flow)),
        Text(scale.number(flow.allocated_bps)),
        Text(scale.number(flow.wire_bps)),
        Text(error_of(flow), "red" if is_off(flow, tolerance) else ""),
        Text(scale.number(flow.goodput_bps)),
        Text(why(flow.bottleneck)),
        Text(lost_or_resent(flow)),
        mark,
    )


def _fitting(result: RunResult, console: Console) -> tuple[Table, int]:
    """The widest table that fits, and how many columns the whole one needs at least."""
    for blanks in (3, 2):
        whole = results_table(result, blanks=blanks)
        room = console.measure(whole, options=_anything(console)).maximum
        if room <= console.width:
            return whole, room
    return results_table(result, narrow=True, blanks=2), room


def _print_whole(table: Table, console: Console) -> None:
    """Let a console that is narrower than the narrowest table break lines, rather than have them cut."""
    width = console.width
    console.width = max(width, console.measure(table, options=_anything(console)).minimum)
    console.print(table)
    console.width = width


def _anything(console: Console) -> ConsoleOptions:
    return console.options.update(max_width=_ENDLESS)


def print_result(result: RunResult, console: Console) -> None:
    """Print the table, what happened, the figures that sum it up, and the verdict."""
    if result.flows:
        table, room = _fitting(result, console)
        narrow = room > console.width
        _print_whole(table, console)
        goodput = "" if narrow else "; goodput: what arrived of the senders' data"
        console.print(f"allocated, on the wire: bits of Ethernet frames{goodput}.", style="dim")
        if not narrow and any("dropped" in lost_or_resent(flow) for flow in result.flows):
            console.print(f"{DROPPED}.", style="dim")
        if narrow:
            console.print(
                f"Left out for want of room: {', '.join(LEFT_OUT)}; {room} columns show them.", style="dim"
            )
    for note in (*left_out(result), *doubts(result), *result.notes):
        console.print(Text(f"Note: {note}"))
    console.print(
        Text(f"Jain's index {jain_text(result.jain_index)} (1 is fair), largest error {largest(result)}")
    )
    console.print(Text(verdict_sentence(result), _STYLE[result.verdict]))
