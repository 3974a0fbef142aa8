"""The tables of a plan, and how long frames wait as a rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from fairslice.api.allocation import AllocationView
    from fairslice.slicing.allocation import NetworkAllocation
    from fairslice.slicing.delays import FlowDelay
    from fairslice.slicing.queue_loads import QueueLoad


_FULL = 1 - 1e-9
"""A load from here on is that of a full link: the rest is rounding."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a flow's frames wait in the busiest queue on their way, in seconds.

    As in M/G/1 (:func:`fairslice.models.queues.m_d_1`): full frames come at random, one by one, and the
    queue is served at its ``service_bps``. Both times are None where its flows fill the link: the wait is its
    depth then.
    """

    queue: "QueueLoad"
    mean_s: float | None
    p95_s: float | None


def waits(allocation: "NetworkAllocation") -> Iterator[Waiting]:
    """Of every flow with a demand, in the order of the policy."""
    from fairslice.slicing.queue_loads import queue_loads

    for queue in queue_loads(allocation):
        yield Waiting(queue, *_wait(queue.load, queue.service_bps))


@cache
def _wait(load: float, service_bps: float) -> tuple[float | None, float | None]:
    from fractions import Fraction

    from fairslice.models.queues import m_d_1
    from fairslice.units import FULL_FRAME_BYTES

    if load >= _FULL:
        return None, None
    frames_s = service_bps / (8 * FULL_FRAME_BYTES)
    found = m_d_1(load * frames_s, frames_s)
    assert found.wait is not None
    assert found.mean_wait_s is not None
    return float(found.mean_wait_s), found.wait.percentile(Fraction(95, 100))


def plan_table(title: str, *columns: str) -> "Table":
    """An empty table of a plan; columns of numbers are on the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column in (
            "#",
            "rate",
            "asked for",
            "at most",
            "load",
            "mean",
            "95 % within",
            "width",
            "weight",
            "burst",
            "meter_id",
            "port_no",
            "queue_id",
            "priority",
            "table_id",
        )
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def waiting_table(shown: "AllocationView", waits: "Sequence[Waiting]") -> "Table":
    """Mean and 95th percentile of the wait in the busiest queue, of flows for which they exist."""
    from fairslice.cli.explanation import NUMBER
    from fairslice.naming import ends
    from fairslice.units import format_duration

    flows = {flow.id: flow for flow in shown.flows}
    columns = (NUMBER, "slice", "flow", "busiest queue at", "load", "mean", "95 % within")
    table = plan_table("Waiting as in M/G/1, where full frames come at random", *columns)
    for one in waits:
        flow = flows[one.queue.flow]
        times = [format_duration(time_s or 0.0) for time_s in (one.mean_s, one.p95_s)]
        named = ends(flow.source, flow.destination, flow.match)
        table.add_row(str(flow.number), flow.slice, named, one.queue.link, f"{one.queue.load:.0%}", *times)
    return table


def delay_table(shown: "AllocationView", delays: "Sequence[FlowDelay]") -> "Table":
    """The bounds of flows that promise a burst, from the first switch on, with the costliest hop."""
    from fairslice.cli.explanation import NUMBER
    from fairslice.naming import ends
    from fairslice.units import format_duration

    flows = {flow.id: flow for flow in shown.flows}
    columns = (NUMBER, "slice", "flow", "asked for", "at most", "most of it at")
    table = plan_table("Delays at most, from the first switch on", *columns)
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
