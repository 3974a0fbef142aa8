"""What every switch should hold for an allocation: the edge classifies, meters and marks, the core forwards.

Only a flow's first and last switch know of it; between them a packet carries its slice's DSCP (the end-to-end
argument: Saltzer, Reed and Clark, 1984; marks in place of per-flow state: RFC 2475).
"""

from collections.abc import Collection, Mapping, Sequence

from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.desired import FlowEntry, FlowKey, Meter, SwitchState
from fairslice.slicing.state.edge import admit_measurement, base_entries, classify, flow_meter, meter_of
from fairslice.slicing.state.forwarding import Probe, best_effort_trees, broadcasts, deliver, slice_trees
from fairslice.slicing.state.queues import port_queues
from fairslice.slicing.state.returns import (
    carried_by,
    classify_return,
    is_acknowledged,
    return_meter,
    tell_apart,
    told_apart,
)
from fairslice.topology.trees import Trees


def compile_switches(
    allocation: NetworkAllocation, probes: Collection[Probe] = ()
) -> Mapping[int, SwitchState]:
    """What every switch should hold, by dpid.

    Complexity: O(H·(V + E) + F·(F + L)) for H hosts, F flows and paths of L links.
    """
    network, policy = allocation.network, allocation.policy
    entries: dict[str, list[FlowEntry]] = {
        switch: list(base_entries(switch, network, policy.unmatched)) for switch in network.switches
    }
    meters: dict[str, list[Meter]] = {switch: [] for switch in network.switches}
    known = Trees(network) if allocation.trees is None else allocation.trees
    for trees in (best_effort_trees(network, known), slice_trees(allocation), broadcasts(network)):
        for switch, entry in trees:
            entries[switch].append(entry)
    carried = carried_by(allocation)
    told = {one.of.flow.number for others in carried.values() for one in others}
    for allocated in allocation.flows:
        first, last = allocated.route.path[1], allocated.route.path[-2]
        entry, others = classify(allocated, allocation), carried.get(allocated.flow.number)
        entries[first].append(tell_apart(entry) if others else entry)
        if others:
            entries[first] += told_apart(allocated, others, allocation)
        meters[first] += flow_meter(allocated, allocation)
        # A flow that is told from acknowledgements after table 0, and leaves at once, is metered as it
        # leaves.
        late = meter_of(allocated, allocation) if others and first == last else None
        entries[last] += deliver(allocated, allocation, probes, late)
        for switch, entry in admit_measurement(allocated, allocation, probes):
            entries[switch].append(entry)
        if is_acknowledged(allocated):
            entries[last].append(classify_return(allocated, allocation))
            meters[last] += return_meter(allocated, allocation, told)
    qos = port_queues(allocation)
    return {
        switch.dpid: SwitchState(
            flows=_by_key(entries[switch.name]),
            meters={meter.meter_id: meter for meter in meters[switch.name]},
            qos=qos[switch.name],
        )
        for switch in network.switches.values()
    }


def _by_key(entries: Sequence[FlowEntry]) -> dict[FlowKey, FlowEntry]:
    by_key = {entry.key: entry for entry in entries}
    if len(by_key) != len(entries):
        raise AssertionError("two flow entries of one switch have the same table, priority and match")
    return by_key
