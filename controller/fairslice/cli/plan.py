"""``fairslice plan``: what a policy would do to a network, without root and without a switch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairslice.cli.options import (
    examples,
    json_output,
    load_topology,
    network_options,
    policy_file,
    topology_option,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.table import Table

    from fairslice.api.allocation import AllocationView, PathView
    from fairslice.slicing.allocation import NetworkAllocation
    from fairslice.slicing.state.desired import FlowEntry, SwitchState
    from fairslice.topology.options import NetworkOptions
    from fairslice.topology.ways import ShortestWays

WAYS_SHOWN = 4
"""Of a flow's equally short ways up to this many are shown; the others are counted."""


@click.command(
    short_help="Show the rates of a policy, and all that would be installed.",
    epilog=examples(
        (
            "What a policy would do to three pairs of hosts",
            "fairslice plan policies/limited.yaml --topology topologies/dumbbell.py",
        ),
        (
            "Its rates alone, on a bottleneck of 10 Mbit/s",
            "fairslice plan policies/limited.yaml --rates-only \\\n"
            "--topology topologies/dumbbell.py:dumbbell,3,bottleneck=10",
        ),
        (
            "The same for a program, rates in bit/s",
            "fairslice plan policies/ring.yaml --topology topologies/ring.py --json",
        ),
    ),
)
@policy_file()
@topology_option(required=True)
@json_output()
@network_options
@click.option(
    "--rates-only",
    is_flag=True,
    help="Show the flows and their rates, without meters, queues and flow entries.",
)
def command(
    policy: Path,
    topology: str,
    bandwidth_bps: float | None,
    options: "NetworkOptions",
    rates_only: bool,
    as_json: bool,
) -> None:
    """Show the max-min fair rates of POLICY, a policy file, on a topology, why each is what it is, and every
    meter, queue and flow entry that would be installed.

    Nothing is built and nothing is sent: it needs neither root nor a switch. Rates are of Ethernet frames, in
    Mbit/s; with --json in bit/s.

    Where several ways of a flow are equally short, they are shown with what their narrowest link between
    switches carries: the widest is taken; over equally wide ones slices and destinations are spread.

    A flow with several paths shows what of its rate goes along each. No entries are shown for a policy with
    such flows, since several paths are not enforced yet."""
    from fairslice.cli.plan_tables import waits
    from fairslice.policy import load_policy
    from fairslice.slicing.acceptance import accept
    from fairslice.slicing.delays import flow_delays
    from fairslice.slicing.state.compile import compile_switches
    from fairslice.slicing.state.enforced import shortcomings
    from fairslice.slicing.view import view

    network = load_topology(topology, bandwidth_bps=bandwidth_bps, options=options)
    allocation = accept(load_policy(policy), network)
    shown = view(allocation)
    notes = shortcomings(allocation)
    multipath = allocation.policy.multipath
    states = {} if rates_only or multipath else compile_switches(allocation)
    names = {switch.dpid: switch.name for switch in network.switches.values()}
    if as_json:
        from fairslice.cli.output import indented, print_document

        document = shown.model_dump(by_alias=True)
        document["notes"] = [str(note) for note in notes]
        document["delays"] = [
            _fields(delay) | {"hops": list(map(_fields, delay.hops))} for delay in flow_delays(allocation)
        ]
        document["waiting"] = [
            _fields(one.queue) | {"mean_s": one.mean_s, "p95_s": one.p95_s} for one in waits(allocation)
        ]
        document["ways"] = [_fields(c) | {"ways": list(map(_fields, c.ways))} for c in _choices(allocation)]
        document["switches"] = {names[dpid]: _plain(state) for dpid, state in states.items()}
        print_document(indented(document))
        return

    from rich.console import Console

    from fairslice.cli.output import wide_enough
    from fairslice.cli.plan_tables import delay_table, waiting_table
    from fairslice.naming import numbers

    console = wide_enough(Console(markup=False))
    console.print(_rates(shown))
    choices = list(_choices(allocation))
    if choices:
        console.print(_ways(shown, choices))
    if delays := flow_delays(allocation):
        console.print(delay_table(shown, delays))
    waiting = list(waits(allocation))
    if known := [one for one in waiting if one.mean_s is not None]:
        console.print(waiting_table(shown, known))
    if full := [one.queue.number for one in waiting if one.mean_s is None]:
        said = (
            f"{numbers(full)}: a link on the way is full, so frames wait there as long as the queue is deep."
        )
        console.print(said.capitalize(), soft_wrap=True, highlight=False)
    said = "NOT certified: the checker contradicts these rates."
    if shown.certified:
        said = "Certified: no link is overloaded, and every flow is at its demand, a limit, or a full link."
    console.print(said, soft_wrap=True)
    if legend := network.legend(name for flow in shown.flows for path in flow.paths for name in path.nodes):
        console.print(f"Here {legend}.", soft_wrap=True, highlight=False)
    for note in notes:
        console.print(f"Note: {note}", soft_wrap=True, highlight=False)
    if multipath and not rates_only:
        said = "No meters, queues and flow entries are shown: several paths are not enforced yet."
        console.print(said, soft_wrap=True)
    for dpid, state in states.items():
        title = f"{names[dpid]} (dpid {dpid:016x})"
        for table in _tables(title, state):
            console.print(table)
        for line in _entry_lines(title, state):
            console.print(line, soft_wrap=True, highlight=False, markup=False)


def _plain(state: "SwitchState") -> dict[str, list[dict[str, Any]]]:
    entries = [_fields(entry) for entry in _ordered(state.flows)]
    for entry in entries:
        entry["match"] = dict(entry["match"])
    return {
        "meters": [_fields(meter) for meter in state.meters.values()],
        "ports": [_fields(qos) | {"queues": list(map(_fields, qos.queues))} for qos in state.qos.values()],
        "flows": entries,
    }


def _fields(value: "DataclassInstance") -> dict[str, Any]:
    """What stands in a dataclass, by name; what its fields hold is not gone into."""
    names = value.__dataclass_fields__
    return dict(zip(names, attrgetter(*names)(value), strict=True))


def _ordered(flows: "Mapping[Any, FlowEntry]") -> "list[FlowEntry]":
    return sorted(flows.values(), key=lambda e: (e.table_id, -e.priority, str(e.match)))


def _rates(shown: "AllocationView") -> "Table":
    from fairslice.cli.explanation import NUMBER
    from fairslice.cli.plan_tables import plan_table
    from fairslice.naming import ends
    from fairslice.report.words import why
    from fairslice.units import format_rate

    table = plan_table(f"Rates of {shown.policy}", NUMBER, "slice", "flow", "rate", "why not more", "path")
    for flow in shown.flows:
        used = [path for path in flow.paths if path.share > 0]
        table.add_row(
            str(flow.number),
            flow.slice,
            ends(flow.source, flow.destination, flow.match),
            format_rate(flow.allocated_bps),
            why(flow.bottleneck),
            " ".join(flow.path) if len(flow.paths) == 1 else _over(used, len(flow.paths)),
        )
        for path in used if len(flow.paths) > 1 else ():
            table.add_row(
                "", "", "", format_rate(path.rate_bps), f"{path.share:.2%} of it", " ".join(path.nodes)
            )
    return table


@dataclass(frozen=True, slots=True)
class _OneWay:
    """An equally short way of a flow; ``width_bps`` is what its narrowest link between switches carries."""

    nodes: tuple[str, ...]
    width_bps: float
    taken: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    """Among how many equally short ways a flow's was chosen, and some: those taken, then the widest."""

    flow: str
    count: int
    ways: tuple[_OneWay, ...]


def _choices(allocation: "NetworkAllocation") -> "Iterator[_Choice]":
    from fairslice.topology.paths import width_bps
    from fairslice.topology.ways import WaysTo

    network = allocation.network
    ways_to: dict[str, WaysTo] = {}
    known: dict[tuple[str, str], ShortestWays] = {}
    for allocated in allocation.flows:
        pair = source, destination = (allocated.flow.source, allocated.flow.destination)
        if pair not in known:
            if destination not in ways_to:
                ways_to[destination] = WaysTo(network, destination)
            known[pair] = ways_to[destination].shortest(source, WAYS_SHOWN)
        ways = known[pair]
        if ways.count == 1:
            continue
        route = allocated.route
        taken = [nodes for nodes in route.paths if len(nodes) == len(route.path)]
        others = [way.nodes for way in ways.ways if way.nodes not in taken]
        width = {way.nodes: way.width_bps for way in ways.ways}
        shown = [*taken, *others[: max(WAYS_SHOWN - len(taken), 0)]]
        yield _Choice(
            allocated.flow.id,
            ways.count,
            tuple(
                _OneWay(nodes, width[nodes] if nodes in width else width_bps(network, nodes), nodes in taken)
                for nodes in shown
            ),
        )


def _ways(shown: "AllocationView", choices: "list[_Choice]") -> "Table":
    from fairslice.cli.explanation import NUMBER
    from fairslice.cli.plan_tables import plan_table
    from fairslice.naming import ends
    from fairslice.units import format_rate

    flows = {flow.id: flow for flow in shown.flows}
    table = plan_table("Equally short ways, the widest first", NUMBER, "slice", "flow", "width", "", "way")
    for choice in choices:
        flow = flows[choice.flow]
        names = (str(flow.number), flow.slice, ends(flow.source, flow.destination, flow.match))
        for way in choice.ways:
            taken = "taken" if way.taken else ""
            table.add_row(*names, format_rate(way.width_bps), taken, " ".join(way.nodes))
            names = ("", "", "")
        more = choice.count - len(choice.ways)
        if more:
            table.add_row("", "", "", "", "", f"and {more} more")
    return table


def _over(used: "list[PathView]", all_paths: int) -> str:
    some = "" if len(used) == all_paths else f" of {all_paths}"
    return f"over {len(used)}{some} paths:"


def _tables(title: str, state: "SwitchState") -> "list[Table]":
    from fairslice.cli.plan_tables import plan_table
    from fairslice.slicing.state.labels import meter_of_what
    from fairslice.units import format_rate

    meters = plan_table(f"{title}: meters", "meter_id", "of", "rate", "burst")
    for meter in state.meters.values():
        rate, burst = format_rate(meter.rate_kbps * 1000), f"{meter.burst_kbits} kbit"
        meters.add_row(str(meter.meter_id), meter_of_what(meter.meter_id), rate, burst)
    queues = plan_table(
        f"{title}: queues", "port_no", "capacity", "queue_id", "min-rate", "max-rate", "buffer"
    )
    for qos in state.qos.values():
        for queue in qos.queues:
            queues.add_row(
                str(qos.port_no),
                format_rate(qos.max_rate_bps),
                str(queue.queue_id),
                format_rate(queue.min_rate_bps),
                format_rate(queue.max_rate_bps),
                f"{queue.buffer_bytes} B",
            )
    return [table for table in (meters, queues) if table.row_count]


def _entry_lines(title: str, state: "SwitchState") -> "Iterator[str]":
    """Flow entries, one a line and whole, as people read them in ovs-ofctl."""
    yield f"{title}: flow entries"
    for entry in _ordered(state.flows):
        match = ",".join(f"{field}={_text(value)}" for field, value in entry.match) or "any"
        yield (
            f"  table={entry.table_id} priority={entry.priority} cookie={entry.cookie:#x} "
            f"{match} -> {_instructions(entry)}"
        )
    yield ""


def _text(value: object) -> str:
    return "/".join(value) if isinstance(value, tuple) else str(value)


def _instructions(entry: "FlowEntry") -> str:
    from fairslice.slicing.state.pipeline import CONTROLLER_PORT

    words = [] if entry.meter_id is None else [f"meter:{entry.meter_id}"]
    words += [] if entry.longer_than is None else [f"check_pkt_larger({entry.longer_than})->reg0"]
    words += [] if entry.set_dscp is None else [f"set_dscp:{entry.set_dscp}"]
    words += [] if entry.queue_id is None else [f"set_queue:{entry.queue_id}"]
    words += ["output:" + ("controller" if p == CONTROLLER_PORT else str(p)) for p in entry.outputs]
    words += [] if entry.goto_table is None else [f"goto_table:{entry.goto_table}"]
    return " ".join(words) or "drop"
