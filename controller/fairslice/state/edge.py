"""Table 0, the edge: classify what hosts send, meter it, and mark it with its slice's DSCP."""

import math
from collections.abc import Iterator
from dataclasses import replace

from fairslice.alloc.slices import AllocatedFlow, NetworkAllocation
from fairslice.policy.model import PROTOCOLS, Unmatched
from fairslice.state.desired import FlowEntry, Meter
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
from fairslice.units import FULL_FRAME_BYTES

AUTO_BURST_S = 0.25
"""Depth of a bucket as a time: below TCP's minimum retransmission timeout a policed flow starves
(docs/architecture.md has the measurement)."""
MIN_BURST_BITS = 10 * FULL_FRAME_BYTES * 8
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
    """The entry of a flow at its first switch."""
    flow, hosts = allocated.flow, allocation.network.hosts
    of = allocation.policy.slice_named(flow.slice)
    source = hosts[flow.source]
    return FlowEntry(
        TABLE_EDGE,
        100,
        flow_match(source, hosts[flow.destination], flow.match, in_port=source.port_no),
        int(Cookie(Role.CLASSIFY, of.number, flow.number)),
        meter_id=FLOW_METERS + flow.number if of.enforcement.polices else None,
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


def flow_meter(allocated: AllocatedFlow, allocation: NetworkAllocation) -> Iterator[Meter]:
    """The flow's meter, if it is policed: its rate, and the acknowledgements that pass through it."""
    flow = allocated.flow
    of = allocation.policy.slice_named(flow.slice)
    if of.enforcement.polices:
        carried_bps = sum(
            other.rate_bps * other.route.return_share
            for other in allocation.flows
            if (other.flow.source, other.flow.destination) == (flow.destination, flow.source)
            and flow.match.covers(replace(other.flow.match.reversed(), proto=PROTOCOLS["tcp"]))
        )
        yield _bucket(FLOW_METERS + flow.number, allocated.rate_bps + carried_bps, of.burst_s)


def return_meter(allocated: AllocatedFlow, allocation: NetworkAllocation) -> Iterator[Meter]:
    """The meter of the flow's acknowledgements, so that an answering host can't flood the slice."""
    of = allocation.policy.slice_named(allocated.flow.slice)
    if of.enforcement.polices:
        rate_bps = max(allocated.rate_bps * allocated.route.return_share, MIN_RETURN_METER_BPS)
        yield _bucket(RETURN_METERS + allocated.flow.number, rate_bps, of.burst_s)


def _bucket(meter_id: int, rate_bps: float, burst_s: float | None) -> Meter:
    """A token bucket in OpenFlow's whole kbit/s; a rate of 0 would mean no limit at all."""
    burst_bits = max(rate_bps * (AUTO_BURST_S if burst_s is None else burst_s), MIN_BURST_BITS)
    return Meter(meter_id, max(1, round(rate_bps / 1000)), math.ceil(burst_bits / 1000))
