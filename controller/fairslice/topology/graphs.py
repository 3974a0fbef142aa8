"""Graphs of nodes and cables, as collections of real networks have them, made networks with hosts."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx

from fairslice.errors import Fault, InputError, Location
from fairslice.topology.check import (
    BANDWIDTH_OFFER,
    Draft,
    DraftHost,
    DraftLink,
    DraftSwitch,
    Faults,
)
from fairslice.topology.network import Network
from fairslice.units import format_rate

_SHOWN = 8
HOST_CABLE = 2.0
"""A host's own cable carries this many times what all cables of its switch carry together."""

Warn = Callable[[Fault], None]
"""Who is told what is taken, but may not be what was meant."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node by the id that its file gives it; ``label`` is for people, and may be empty."""

    id: str
    label: str
    location: Location


@dataclass(frozen=True, slots=True)
class GraphCable:
    """A cable between two nodes, or one direction of it.

    Where it has no capacity, ``why_none`` tells why, unless a fault is found in it; ``label`` is what the
    file says of it to people. ``wrong`` is a fault, ``doubt`` what is taken, but may not be what was meant.
    """

    source: str
    target: str
    capacity_bps: float | None
    location: Location
    why_none: str = ""
    label: str = ""
    wrong: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """What a file draws.

    Where it is ``directed``, two cables between the same nodes in opposite directions are the two directions
    of one; a cable without an opposite carries as much both ways, as every cable does where it is not.
    """

    name: str
    nodes: Sequence[GraphNode]
    cables: Sequence[GraphCable]
    directed: bool = False
    speed_words: str = "speed"
    """Where the file would tell a cable's capacity."""
    doubts: tuple[Fault, ...] = ()
    """What is taken of the whole file, but may not be what was meant."""


def to_network(
    graph: Graph,
    faults: Faults,
    *,
    hosts_per_switch: int = 1,
    merge_parallel: bool = True,
    largest_part: bool = False,
    bandwidth_bps: float | None = None,
) -> Network:
    """The network of a graph: a switch for each node, and hosts at each; its notes tell what is doubtful.

    Switches are s1, s2, … in the order of the file, with datapath ids 1, 2, …; hosts are h1, h2, …, switch by
    switch, with the addresses that Mininet gives by default. A switch's ports lead to its hosts first, then
    along its cables in the order of the file. A host's own cable carries twice what all cables of its switch
    carry together: what comes or goes over them can't fill it, not even where a switch has one cable only.

    Args:
        graph: What the file says.
        faults: What was found wrong with it before.
        hosts_per_switch: How many hosts each switch has, 1 or more.
        merge_parallel: Take parallel cables as one of their capacities together; else they are refused.
        largest_part: Take the largest part of a graph in several; else it is refused.
        bandwidth_bps: The capacity of cables without one, in bit/s, which are refused otherwise.

    Raises:
        InputError: with everything that is wrong.
    """
    doubts = list(graph.doubts)
    warn = doubts.append
    labels = _labels(graph.nodes)
    if not graph.nodes:
        faults.add("no nodes; expected one or more")
        raise InputError(faults.found)
    graph = _one_part(graph, labels, faults, warn, largest_part=largest_part)
    names = {node.id: f"s{number}" for number, node in enumerate(graph.nodes, start=1)}
    shown = {id_: name if name == labels[id_] else f"{name} ({labels[id_]})" for id_, name in names.items()}
    graph = _without_loops(graph, shown, warn)
    _check_capacities(graph, shown, faults, warn, bandwidth_bps)
    trunks = _trunks(graph, shown, faults, warn, merge_parallel=merge_parallel, bandwidth_bps=bandwidth_bps)
    # A single node has no cables that would tell.
    out_bps = dict.fromkeys(names, 0.0 if trunks else bandwidth_bps or 0.0)
    in_bps = dict(out_bps)
    for trunk in trunks:
        for source, target, capacity_bps in trunk.directions:
            out_bps[source] += capacity_bps or 0.0
            in_bps[target] += capacity_bps or 0.0
    # With the same capacity, a host's cable and the only cable of its switch would be full at once.
    times = HOST_CABLE if trunks else 1.0
    hosts: list[DraftHost] = []
    links: list[DraftLink] = []
    for node in graph.nodes:
        switch, place = names[node.id], node.location
        for port_no in range(1, hosts_per_switch + 1):
            host = _host(len(hosts) + 1, place)
            hosts.append(host)
            links.append(DraftLink(host.name, switch, times * out_bps[node.id], 0, place))
            links.append(DraftLink(switch, host.name, times * in_bps[node.id], port_no, place))
    ports = dict.fromkeys(names, hosts_per_switch)
    for trunk in trunks:
        for source, target, capacity_bps in trunk.directions:
            ports[source] += 1
            links.append(DraftLink(names[source], names[target], capacity_bps, ports[source], trunk.location))
    switches = [
        DraftSwitch(names[node.id], number, node.location, labels[node.id])
        for number, node in enumerate(graph.nodes, start=1)
    ]
    network = Draft(graph.name, switches, hosts, links).checked(faults)
    notes = (f"{doubt.location}: warning: {doubt.message}" for doubt in doubts)
    return replace(network, notes=(*network.notes, *notes))


@dataclass(frozen=True, slots=True)
class _Trunk:
    """All cables between two nodes, as one: ends and capacity in bit/s (None: reported) of each direction."""

    directions: tuple[tuple[str, str, float | None], tuple[str, str, float | None]]
    location: Location


def _host(number: int, location: Location) -> DraftHost:
    # The addresses of Mininet's N-th host.
    octets = number.to_bytes(3, "big")
    ip = ".".join(str(octet) for octet in (10, *octets))
    return DraftHost(f"h{number}", "00:00:00:" + octets.hex(":"), ip, location)


def _labels(nodes: Iterable[GraphNode]) -> Mapping[str, str]:
    """What people call each node: its label, with its id where others have the same, or its id."""
    tidy = {
        node.id: " ".join("".join(c if c.isprintable() else " " for c in node.label).split())
        for node in nodes
    }
    times = Counter(tidy.values())
    return {
        id_: (label if times[label] == 1 else f"{label} ({id_})") if label else id_
        for id_, label in tidy.items()
    }


def _check_capacities(
    graph: Graph, shown: Mapping[str, str], faults: Faults, warn: Warn, bandwidth_bps: float | None
) -> None:
    ends = {id(cable): f"{shown[cable.source]} - {shown[cable.target]}" for cable in graph.cables}
    for cable in graph.cables:
        if cable.wrong:
            faults.add(f"cable {ends[id(cable)]}: {cable.wrong}", cable.location)
        if cable.doubt:
            warn(Fault(f"cable {ends[id(cable)]}: {cable.doubt}", cable.location))
    missing = [cable for cable in graph.cables if cable.capacity_bps is None and cable.why_none]
    if bandwidth_bps is not None:
        if 0 < len(missing) < len(graph.cables):
            where = _some([ends[id(cable)] for cable in missing])
            message = f"{len(missing)} of {len(graph.cables)} cables have no capacity of their own and get"
            warn(Fault(f"{message} {format_rate(bandwidth_bps)}: {where}", missing[0].location))
        return
    expected = f"expected {graph.speed_words}, {BANDWIDTH_OFFER}"
    if len(missing) == len(graph.cables) > 1 and len({cable.why_none for cable in missing}) == 1:
        message = f"all {len(missing)} cables: {missing[0].why_none}; {expected}"
        faults.add(message, missing[0].location)
    else:
        for cable in missing:
            label = f" (its label is {cable.label!r})" if cable.label else ""
            faults.add(f"cable {ends[id(cable)]}: {cable.why_none}{label}; {expected}", cable.location)
    if len(graph.nodes) == 1:
        message = "the only node has no cables to others, which tell what its hosts' own carry"
        faults.add(f"{message}; expected --bandwidth RATE", graph.nodes[0].location)


def _one_part(
    graph: Graph, labels: Mapping[str, str], faults: Faults, warn: Warn, *, largest_part: bool
) -> Graph:
    joined: nx.Graph[str] = nx.Graph()
    joined.add_nodes_from(node.id for node in graph.nodes)
    joined.add_edges_from((cable.source, cable.target) for cable in graph.cables)
    parts = sorted(nx.connected_components(joined), key=len, reverse=True)
    if len(parts) < 2:
        return graph
    rest = [node for node in graph.nodes if node.id not in parts[0]]
    where = _some([labels[node.id] for node in rest])
    message = f"the network is in {len(parts)} parts: no cables lead from the largest to {where}"
    if not largest_part:
        faults.add(f"{message}; expected one part, or --largest-part to leave them out", rest[0].location)
        return graph
    warn(Fault(f"{message}, which are left out", rest[0].location))
    return replace(
        graph,
        nodes=[node for node in graph.nodes if node.id in parts[0]],
        cables=[cable for cable in graph.cables if cable.source in parts[0]],
    )


def _without_loops(graph: Graph, shown: Mapping[str, str], warn: Warn) -> Graph:
    loops = [cable for cable in graph.cables if cable.source == cable.target]
    if not loops:
        return graph
    where = _some(list(dict.fromkeys(shown[cable.source] for cable in loops)))
    message = f"cables from a node to itself carry nothing and are left out: {where}"
    warn(Fault(message, loops[0].location))
    return replace(graph, cables=[cable for cable in graph.cables if cable.source != cable.target])


def _trunks(
    graph: Graph,
    shown: Mapping[str, str],
    faults: Faults,
    warn: Warn,
    *,
    merge_parallel: bool,
    bandwidth_bps: float | None,
) -> list[_Trunk]:
    """The cables, one between any two nodes."""

    def total(cables: Iterable[GraphCable]) -> float | None:
        known = [bandwidth_bps if cable.capacity_bps is None else cable.capacity_bps for cable in cables]
        capacities = [capacity_bps for capacity_bps in known if capacity_bps is not None]
        return math.fsum(capacities) if len(capacities) == len(known) else None

    between: dict[frozenset[str], list[GraphCable]] = {}
    for cable in graph.cables:
        between.setdefault(frozenset((cable.source, cable.target)), []).append(cable)
    trunks = []
    parallel: list[tuple[str, Location]] = []
    for cables in between.values():
        here, there = cables[0].source, cables[0].target
        out = [cable for cable in cables if cable.source == here]
        back = [cable for cable in cables if cable.source != here]
        if not graph.directed or not back:
            out = back = cables
        trunks.append(_Trunk(((here, there, total(out)), (there, here, total(back))), cables[0].location))
        if (count := max(len(out), len(back))) > 1:
            parallel.append((f"{count} between {shown[here]} and {shown[there]}", cables[1].location))
    if parallel and merge_parallel:
        where = _some([ends for ends, _ in parallel])
        message = f"parallel cables are taken as one of their capacities together: {where}"
        warn(Fault(message, parallel[0][1]))
    elif not merge_parallel:
        for ends, location in parallel:
            faults.add(f"parallel cables, {ends}; expected one, or --parallel-cables merge", location)
    return trunks


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
