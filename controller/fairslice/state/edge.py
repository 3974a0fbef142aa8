"""Table 0, the edge: classify what hosts send, meter it, and mark it with its slice's DSCP."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairslice.alloc.slices import AllocatedFlow, NetworkAllocation
from fairslice.policy.model import PROTOCOLS, Match, Unmatched
from fairslice.state.desired import FlowEntry, Meter
from fairslice.state.enforced import burst_bits, flow_kbps, is_metered
from fairslice.state.forwarding import Probe
from fairslice.state.labels import BEST_EFFORT, FLOW_METERS, RETURN_METERS, Cookie, Role, dscp_of
from fairslice.state.pipeline import (
    CONTROLLER_PORT,
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    TABLE_EDGE,
    TABLE_FORWARD,
    flow_match,
    match_of,
)
from fairslice.topology.network import Network
from fairslice.units import LEAST_RATE_BPS, is_nothing

MIN_RETURN_METER_BPS = 64_000.0


def base_entries(switch: str, network: Network, unmatched: Unmatched) -> Iterator[FlowEntry]:
    """Everything that is no flow's: trunks pass, the controller answers ARP, the rest goes unmarked."""
    cookie = int(Cookie(Role.BASE))
    for neighbour in network.graph.successors(switch):
        if neighbour in network.switches:
            port = network.links[switch, neighbour].port_no
            yield FlowEntry(TABLE_EDGE, 300, match_of(in_port=port), cookie, goto_table=TABLE_FORWARD)
    yield FlowEntry(TABLE_EDGE, 200, match_of(eth_type=ETH_ARP), cookie, outputs=(CONTROLLER_PORT,))
    if unmatched is Unmatched.DROP:
        return
    for eth_type in (ETH_IPV4, ETH_IPV6):
        # Whatever a host writes into the DSCP, it is overwritten: no host promotes itself.
        yield FlowEntry(
            TABLE_EDGE,
            10,
            match_of(eth_type=eth_type),
            cookie,
            set_dscp=dscp_of(BEST_EFFORT),
            goto_table=TABLE_FORWARD,
        )
    yield FlowEntry(TABLE_EDGE, 0, (), cookie, goto_table=TABLE_FORWARD)


def classify(allocated: AllocatedFlow, allocation: NetworkAllocation) -> FlowEntry:
    """The entry of a flow at its first switch; one that may send nothing is dropped there."""
    flow, hosts = allocated.flow, allocation.network.hosts
    of = allocation.policy.slice_named(flow.slice)
    source = hosts[flow.source]
    match = flow_match(source, hosts[flow.destination], flow.match, in_port=source.port_no)
    cookie = int(Cookie(Role.CLASSIFY, of.number, flow.number))
    if passes_nothing(allocated, allocation):
        return FlowEntry(TABLE_EDGE, 100, match, cookie)
    # What carries acknowledgements only is metered whatever the slice's enforcement.
    metered = is_metered(allocated, allocation) or not flow_kbps(allocated)
    return FlowEntry(
        TABLE_EDGE,
        100,
        match,
        cookie,
        meter_id=FLOW_METERS + flow.number if metered else None,
        set_dscp=dscp_of(of.number),
        goto_table=TABLE_FORWARD,
    )


def classify_return(allocated: AllocatedFlow, allocation: NetworkAllocation) -> FlowEntry:
    """The entry of a flow's acknowledgements at their first switch, the flow's last."""
    flow, hosts = allocated.flow, allocation.network.hosts
    of = allocation.policy.slice_named(flow.slice)
    answerer = hosts[flow.destination]
    return FlowEntry(
        TABLE_EDGE,
        # Below the flows: where a flow of its own goes the other way, it carries these packets.
        90,
        flow_match(answerer, hosts[flow.source], flow.match.reversed(), in_port=answerer.port_no),
        int(Cookie(Role.RETURN, of.number, flow.number)),
        meter_id=RETURN_METERS + flow.number if of.enforcement.polices else None,
        set_dscp=dscp_of(of.number),
        goto_table=TABLE_FORWARD,
    )


def admit_measurement(
    allocated: AllocatedFlow, allocation: NetworkAllocation, probes: Iterable[Probe]
) -> Iterator[tuple[str, FlowEntry]]:
    """What lets a UDP flow be measured where unmatched traffic is dropped, with the switch that needs it.

    iperf3 agrees on a test over TCP to the port that it measures, and its server answers the first datagram.
    Neither is the flow's; both pass unmarked, as best effort, while there is a probe.
    """
    flow, hosts = allocated.flow, allocation.network.hosts
    if allocation.policy.unmatched is not Unmatched.DROP:
        return
    source, destination = hosts[flow.source], hosts[flow.destination]
    tcp, udp = PROTOCOLS["tcp"], PROTOCOLS["udp"]
    for probe in probes:
        if (probe.flow_number, probe.proto) != (flow.number, udp):
            continue
        for sender, receiver, match in (
            (source, destination, Match(tcp, dst_port=probe.dst_port)),
            (destination, source, Match(tcp, src_port=probe.dst_port)),
            (destination, source, Match(udp, src_port=probe.dst_port)),
        ):
            entry = FlowEntry(
                TABLE_EDGE,
                50,
                flow_match(sender, receiver, match, in_port=sender.port_no),
                int(Cookie(Role.BASE)),
                set_dscp=dscp_of(BEST_EFFORT),
                goto_table=TABLE_FORWARD,
            )
            yield sender.switch, entry


def passes_nothing(allocated: AllocatedFlow, allocation: NetworkAllocation) -> bool:
    """Whether a flow is enforced by an entry that drops.

    Its rate is nothing (a limit, a demand or an allocation of 0, or less than a meter can hold), and no
    flow the other way needs it for its acknowledgements.
    """
    return not flow_kbps(allocated) and not _carried_bps(allocated, allocation)


def flow_meter(allocated: AllocatedFlow, allocation: NetworkAllocation) -> Iterator[Meter]:
    """The flow's meter, if it has one: its rate, and the acknowledgements that pass through it."""
    flow = allocated.flow
    of = allocation.policy.slice_named(flow.slice)
    own_kbps, carried_bps = flow_kbps(allocated), _carried_bps(allocated, allocation)
    if (own_kbps and is_metered(allocated, allocation)) or (carried_bps and not own_kbps):
        yield _bucket(FLOW_METERS + flow.number, own_kbps, carried_bps, of.burst_s)


def _carried_bps(allocated: AllocatedFlow, allocation: NetworkAllocation) -> float:
    """What acknowledgements of flows the other way put through a flow's entry, in bit/s."""
    flow = allocated.flow
    return sum(
        other.rate_bps * other.route.return_share
        for other in allocation.flows
        if (other.flow.source, other.flow.destination) == (flow.destination, flow.source)
        and not is_nothing(other.rate_bps)
        and flow.match.covers(replace(other.flow.match.reversed(), proto=PROTOCOLS["tcp"]))
    )


def return_meter(allocated: AllocatedFlow, allocation: NetworkAllocation) -> Iterator[Meter]:
    """The meter of the flow's acknowledgements, so that an answering host can't flood the slice."""
    of = allocation.policy.slice_named(allocated.flow.slice)
    if of.enforcement.polices:
        rate_bps = max(allocated.rate_bps * allocated.route.return_share, MIN_RETURN_METER_BPS)
        yield _bucket(RETURN_METERS + allocated.flow.number, 0, rate_bps, of.burst_s)


def _bucket(meter_id: int, own_kbps: int, carried_bps: float, burst_s: float | None) -> Meter:
    """A token bucket in OpenFlow's whole kbit/s; a rate of 0 would mean no limit at all."""
    rate_bps = own_kbps * LEAST_RATE_BPS + carried_bps
    kbps = own_kbps + round(carried_bps / LEAST_RATE_BPS)
    return Meter(meter_id, max(1, kbps), math.ceil(burst_bits(rate_bps, burst_s) / 1000))
