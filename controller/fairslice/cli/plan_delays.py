"""The part of a plan that tells how long frames may take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from fairslice.api.allocation import AllocationView
    from fairslice.slicing.delays import FlowDelay


def delay_table(shown: "AllocationView", delays: "Sequence[FlowDelay]") -> "Table":
    """The bounds of flows that promise a burst, from the first switch on, with the costliest hop."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from fairslice.cli.explanation import NUMBER
    from fairslice.naming import ends
    from fairslice.units import format_duration

    flows = {flow.id: flow for flow in shown.flows}
    table = Table(
        title="Delays at most, from the first switch on",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in (NUMBER, "slice", "flow", "asked for", "at most", "most of it at"):
        right = column in (NUMBER, "asked for", "at most")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for delay in delays:
        flow = flows[delay.flow]
        asked = "" if delay.asked_s is None else format_duration(delay.asked_s)
        if delay.bound_s is None:
            most, where = "no bound", delay.why
        else:
            hop = delay.costliest
            most = format_duration(delay.bound_s)
            where = f"{hop.link}: {format_duration(hop.delay_s)}"
        named = ends(flow.source, flow.destination, flow.match)
        table.add_row(str(flow.number), flow.slice, named, asked, most, where)
    return table
