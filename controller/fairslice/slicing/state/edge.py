"""Table 0, the edge: classify what hosts send, meter it, and mark it with its slice's DSCP."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from fairslice.policy.model import PROTOCOLS, Match, Unmatched
from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import FlowEntry, Meter
from fairslice.slicing.state.enforced import bucket, flow_kbps, is_metered
from fairslice.slicing.state.forwarding import Probe
from fairslice.slicing.state.labels import BEST_EFFORT, FLOW_METERS, Cookie, Role, dscp_of
from fairslice.slicing.state.pipeline import (
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


def base_entries(switch: str, network: Network, unmatched: Unmatched) -> Iterator[FlowEntry]:
    """Everything that is not a flow's: trunks pass, the controller answers ARP, the rest goes unmarked."""
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
    if not flow_kbps(allocated):
        return FlowEntry(TABLE_EDGE, 100, match, cookie)
    return FlowEntry(
        TABLE_EDGE,
        100,
        match,
        cookie,
        meter_id=meter_of(allocated, allocation),
        set_dscp=dscp_of(of.number),
        goto_table=TABLE_FORWARD,
    )


def meter_of(allocated: AllocatedFlow, allocation: NetworkAllocation) -> int | None:
    """The number of the flow's meter, if it has one."""
    metered = flow_kbps(allocated) and is_metered(allocated, allocation)
    return FLOW_METERS + allocated.flow.number if metered else None


def flow_meter(allocated: AllocatedFlow, allocation: NetworkAllocation) -> Iterator[Meter]:
    """The flow's meter, if it has one: its rate, which is for data alone, and the burst that it promises."""
    meter_id = meter_of(allocated, allocation)
    if meter_id is not None:
        burst_s = allocation.policy.slice_named(allocated.flow.slice).burst_s
        meter = bucket(meter_id, flow_kbps(allocated), burst_s)
        promised_bytes = allocated.flow.burst_bytes
        if promised_bytes is not None:
            meter = replace(meter, burst_kbits=math.ceil(8 * promised_bytes / 1000))
        yield meter


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
