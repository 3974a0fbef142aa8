"""What every switch should hold for an allocation: the edge classifies, meters and marks, the core forwards.

Only a flow's first and last switch know of it; between them a packet carries its slice's DSCP (the end-to-end
argument: Saltzer, Reed and Clark, 1984; marks in place of per-flow state: RFC 2475).
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import FlowEntry, FlowKey, Meter, SwitchState
from fairslice.slicing.state.edge import admit_measurement, base_entries, classify, flow_meter, meter_of
from fairslice.slicing.state.enforced import flow_kbps
from fairslice.slicing.state.forwarding import (
    Branch,
    Probe,
    best_effort_trees,
    broadcasts,
    deliver,
    slice_trees,
)
from fairslice.slicing.state.queues import port_queues
from fairslice.slicing.state.returns import (
    Carried,
    carried_by,
    classify_return,
    is_acknowledged,
    return_meter,
    tell_apart,
    told_apart,
)
from fairslice.topology.network import Network
from fairslice.topology.trees import Trees

_Placed = tuple[str, FlowEntry]
"""A switch and an entry of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What every switch should hold, and the parts it was made of, for :func:`compile_from` to go on from."""

    switches: Mapping[int, SwitchState]
    """By dpid."""
    allocation: NetworkAllocation
    base: "_Base"
    branches: Mapping[Branch, FlowEntry]
    flows: Mapping[int, "_FlowPart"]
    """By the flow's number."""


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """The entries that depend on the network alone, and on what becomes of unmatched traffic."""

    first: tuple[_Placed, ...]
    broadcasts: tuple[_Placed, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _FlowPart:
    """A flow's entries, with all that they depend on where hosts and ports stay what they are."""

    reasons: tuple[Any, ...]
    entries: tuple[_Placed, ...]


def compile_switches(
    allocation: NetworkAllocation, probes: Collection[Probe] = ()
) -> Mapping[int, SwitchState]:
    """What every switch should hold, by dpid.

    Complexity: O(H·(V + E) + F·(F + L)) for H hosts, F flows and paths of L links.
    """
    return compile_from(allocation, probes).switches


def compile_from(
    allocation: NetworkAllocation, probes: Collection[Probe] = (), before: Compiled | None = None
) -> Compiled:
    """The same with what it was made of.

    Entries do not depend on rates, but for those of flows that may send nothing. So from one policy to the
    next, or when a cable fails, most of them stay.

    Args:
        allocation: What the switches are to enforce.
        probes: Packets to be counted apart.
        before: Of another allocation. Entries that stay are the same objects as there, and where all of a
            switch's stay, so is their mapping. What is desired is the same without it.
    """
    network = allocation.network
    if before is not None and not _same_places(before.allocation.network, network):
        before = None
    base = _base(allocation, before)
    branched, branches = slice_trees(allocation, {} if before is None else before.branches)
    entries: dict[str, list[FlowEntry]] = {switch: [] for switch in network.switches}
    for placed in (base.first, branched, base.broadcasts):
        for switch, entry in placed:
            entries[switch].append(entry)
    meters: dict[str, list[Meter]] = {switch: [] for switch in network.switches}
    counted: dict[int, list[Probe]] = defaultdict(list)
    for probe in probes:
        counted[probe.flow_number].append(probe)
    carried = carried_by(allocation)
    told = {one.of.flow.number for others in carried.values() for one in others}
    parts: dict[int, _FlowPart] = {}
    for allocated in allocation.flows:
        number = allocated.flow.number
        others, own = carried.get(number, ()), tuple(counted.get(number, ()))
        reasons = _reasons(allocated, allocation, others, own)
        part = None if before is None else before.flows.get(number)
        if part is None or part.reasons != reasons:
            part = _FlowPart(reasons, tuple(_entries_of(allocated, allocation, others, own)))
        parts[number] = part
        for switch, entry in part.entries:
            entries[switch].append(entry)
        meters[allocated.route.path[1]] += flow_meter(allocated, allocation)
        if is_acknowledged(allocated):
            meters[allocated.route.path[-2]] += return_meter(allocated, allocation, told)
    qos = port_queues(allocation)
    switches = {
        switch.dpid: SwitchState(
            flows=_by_key(entries[switch.name], None if before is None else before.switches[switch.dpid]),
            meters={meter.meter_id: meter for meter in meters[switch.name]},
            qos=qos[switch.name],
        )
        for switch in network.switches.values()
    }
    return Compiled(switches, allocation, base, branches, parts)


def _same_places(before: Network, now: Network) -> bool:
    """Whether switches, hosts and the ports of links that there are in both are the same."""
    if before is now:
        return True
    links = before.links
    return (
        before.switches == now.switches
        and before.hosts == now.hosts
        and all(links[key].port_no == link.port_no for key, link in now.links.items() if key in links)
    )


def _base(allocation: NetworkAllocation, before: Compiled | None) -> _Base:
    network, unmatched = allocation.network, allocation.policy.unmatched
    if before is not None:
        was = before.allocation
        if was.policy.unmatched is unmatched and was.network == network:
            return before.base
    trees = Trees(network) if allocation.trees is None else allocation.trees
    first = [
        (switch, entry) for switch in network.switches for entry in base_entries(switch, network, unmatched)
    ]
    first += best_effort_trees(network, trees)
    return _Base(tuple(first), tuple(broadcasts(network)))


def _reasons(
    allocated: AllocatedFlow,
    allocation: NetworkAllocation,
    others: Sequence[Carried],
    probes: tuple[Probe, ...],
) -> tuple[Any, ...]:
    """All that :func:`_entries_of` reads, but for hosts and ports of the network."""
    policy = allocation.policy
    of = policy.slice_named(allocated.flow.slice)
    met = []
    for one in others:
        other = policy.slice_named(one.of.flow.slice)
        met.append((one.of.route, one.match, other.number, other.enforcement))
    return (
        allocated.route,
        of.number,
        of.enforcement,
        flow_kbps(allocated) > 0,
        meter_of(allocated, allocation),
        is_acknowledged(allocated),
        tuple(met),
        probes,
        policy.unmatched,
    )


def _entries_of(
    allocated: AllocatedFlow,
    allocation: NetworkAllocation,
    others: Sequence[Carried],
    probes: tuple[Probe, ...],
) -> Iterator[_Placed]:
    """The entries at a flow's first and last switch; ``others`` are acknowledgements that meet its match."""
    first, last = allocated.route.path[1], allocated.route.path[-2]
    entry = classify(allocated, allocation)
    yield first, tell_apart(entry) if others else entry
    if others:
        for entry in told_apart(allocated, others, allocation):
            yield first, entry
    # A flow that is told from acknowledgements after table 0, and leaves at once, is metered as it leaves.
    late = meter_of(allocated, allocation) if others and first == last else None
    for entry in deliver(allocated, allocation, probes, late):
        yield last, entry
    yield from admit_measurement(allocated, allocation, probes)
    if is_acknowledged(allocated):
        yield last, classify_return(allocated, allocation)


def _by_key(entries: Sequence[FlowEntry], before: SwitchState | None) -> Mapping[FlowKey, FlowEntry]:
    """Entries by what tells them apart; what the switch had ``before`` if they are all the same ones."""
    if before is not None:
        flows = before.flows
        if len(flows) == len(entries) and all(map(is_, flows.values(), entries)):
            return flows
    by_key = {entry.key: entry for entry in entries}
    if len(by_key) != len(entries):
        raise AssertionError("two flow entries of one switch have the same table, priority and match")
    return by_key
