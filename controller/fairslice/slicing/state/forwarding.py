"""Table 1, everywhere: by destination and DSCP to a queue and a port; the last switch counts flows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fairslice.policy.model import PROTOCOLS, Enforcement
from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import FlowEntry, MatchField
from fairslice.slicing.state.labels import BEST_EFFORT, Cookie, Role, dscp_of, queue_of
from fairslice.slicing.state.pipeline import ETH_IPV4, TABLE_FORWARD, flow_match, match_of
from fairslice.topology.network import Network
from fairslice.topology.paths import path_links, spanning_tree
from fairslice.topology.trees import Trees

BROADCAST = ("01:00:00:00:00:00", "01:00:00:00:00:00")
"""The group bit of an Ethernet address (IEEE 802-2014 §8.2.2): broadcast and multicast."""


Branch = tuple[int, Enforcement, str, int]
"""What an entry of a slice's in-tree depends on: the slice's number and enforcement, destination and port."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A wish to count one measurement's packets of a flow apart: those to a TCP or UDP port."""

    flow_number: int
    proto: int
    dst_port: int


def best_effort_trees(network: Network, trees: Trees) -> Iterator[tuple[str, FlowEntry]]:
    """For every host one in-tree that takes whatever has no mark, or an unknown one."""
    cookie, queue_id = int(Cookie(Role.FORWARD)), queue_of(BEST_EFFORT)
    for host in network.hosts.values():
        match = match_of(eth_dst=host.mac)
        for switch, following in trees.in_tree(host.name, BEST_EFFORT).items():
            if switch in network.switches:
                outputs = (network.links[switch, following].port_no,)
                yield (
                    switch,
                    FlowEntry(TABLE_FORWARD, 10, match, cookie, queue_id=queue_id, outputs=outputs),
                )


def slice_trees(
    allocation: NetworkAllocation, known: Mapping[Branch, FlowEntry]
) -> tuple[list[tuple[str, FlowEntry]], Mapping[Branch, FlowEntry]]:
    """For every slice and destination the branches of its in-tree that flows use, there and back.

    Entries that are ``known``, of a network with the same hosts, are not made again; also gives those of now.
    """
    network = allocation.network
    branches: dict[tuple[str, str, str], int] = {}
    for allocated in allocation.flows:
        route, name = allocated.route, allocated.flow.slice
        for way in (route.path, route.return_path) if route.return_share else (route.path,):
            destination = way[-1]
            for key in path_links(way[1:]):
                branches[name, destination, key[0]] = network.links[key].port_no
    marks: dict[tuple[int, str], tuple[MatchField, ...]] = {}
    placed: list[tuple[str, FlowEntry]] = []
    made: dict[Branch, FlowEntry] = {}
    for (name, destination, switch), port in branches.items():
        of = allocation.policy.slice_named(name)
        branch = (of.number, of.enforcement, destination, port)
        entry = made.get(branch) or known.get(branch)
        if entry is None:
            mark = marks.get((of.number, destination))
            if mark is None:
                mac, dscp = network.hosts[destination].mac, dscp_of(of.number)
                mark = match_of(eth_type=ETH_IPV4, eth_dst=mac, ip_dscp=dscp)
                marks[of.number, destination] = mark
            cookie, queue_id = int(Cookie(Role.FORWARD, of.number)), queue_of(of.number, of.enforcement)
            entry = FlowEntry(TABLE_FORWARD, 20, mark, cookie, queue_id=queue_id, outputs=(port,))
        made[branch] = entry
        placed.append((switch, entry))
    return placed, made


def deliver(
    allocated: AllocatedFlow,
    allocation: NetworkAllocation,
    probes: Iterable[Probe],
    meter_id: int | None = None,
) -> Iterator[FlowEntry]:
    """Count a flow at its last switch as it leaves the network; a probe's packets apart.

    ``meter_id`` is the meter that they pass there, if they do.
    """
    flow, network = allocated.flow, allocation.network
    of = allocation.policy.slice_named(flow.slice)
    source, destination = network.hosts[flow.source], network.hosts[flow.destination]
    whole = flow_match(source, destination, flow.match, ip_dscp=dscp_of(of.number))
    counted = [(30, Role.DELIVER, whole)]
    for probe in probes:
        if probe.flow_number == flow.number:
            transport = "tcp_dst" if probe.proto == PROTOCOLS["tcp"] else "udp_dst"
            fields = dict(whole) | {"ip_proto": probe.proto, transport: probe.dst_port}
            counted.append((40, Role.PROBE, match_of(**fields)))
    for priority, role, match in counted:
        yield FlowEntry(
            TABLE_FORWARD,
            priority,
            match,
            int(Cookie(role, of.number, flow.number)),
            meter_id=meter_id,
            queue_id=queue_of(of.number, of.enforcement),
            outputs=(destination.port_no,),
        )


def broadcasts(network: Network) -> Iterator[tuple[str, FlowEntry]]:
    """Send group addresses to hosts along one spanning tree, so that loops are safe.

    A switch never sends a packet back to the port where it came in (OpenFlow 1.3.5 §5.12).
    """
    for switch, ports in broadcast_ports(network).items():
        yield (
            switch,
            FlowEntry(
                TABLE_FORWARD,
                10,
                match_of(eth_dst=BROADCAST),
                int(Cookie(Role.BASE)),
                queue_id=queue_of(BEST_EFFORT),
                outputs=ports,
            ),
        )


def broadcast_ports(network: Network) -> dict[str, tuple[int, ...]]:
    """The ports of every switch that lead along the spanning tree or to a host, in rising order."""
    tree = spanning_tree(network)
    ports: dict[str, list[int]] = {switch: [] for switch in network.switches}
    for link in network.links.values():
        if link.source in ports and (link.target in network.hosts or link.key in tree):
            ports[link.source].append(link.port_no)
    return {switch: tuple(sorted(found)) for switch, found in ports.items()}
