"""A second meaning of switch states: where they take a packet. An oracle for what compiles them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fairslice.slicing.state.desired import FlowEntry, SwitchState
from fairslice.slicing.state.pipeline import CONTROLLER_PORT, ETH_IPV4
from fairslice.topology.network import Host, Network
from fairslice.units import FULL_FRAME_BYTES


@dataclass(frozen=True)
class Packet:
    """A packet by its match fields, in OXM names; ``fields`` lack in_port and registers."""

    fields: Mapping[str, int | str]
    length_bytes: int = FULL_FRAME_BYTES


def packet_between(
    source: Host, destination: Host, length_bytes: int = FULL_FRAME_BYTES, **fields: int
) -> Packet:
    """An IPv4 packet from one host to another, unmarked unless ``fields`` says otherwise."""
    addresses: dict[str, int | str] = {
        "eth_type": ETH_IPV4,
        "eth_src": source.mac,
        "eth_dst": destination.mac,
        "ipv4_src": source.ip,
        "ipv4_dst": destination.ip,
        "ip_dscp": 0,
    }
    return Packet({**addresses, **fields}, length_bytes)


@dataclass(frozen=True)
class Hop:
    """A packet leaves ``node`` toward ``following`` through a queue, having passed meters there."""

    node: str
    following: str
    queue_id: int | None
    meters: tuple[int, ...]
    dscp: int | None


def walk(
    network: Network, states: Mapping[int, SwitchState], source: str, packet: Packet, limit: int = 1000
) -> list[Hop]:
    """All hops of a packet that ``source`` sends, breadth first.

    Raises:
        RecursionError: it loops (more than ``limit`` hops).
    """
    host = network.hosts[source]
    ports = {(link.source, link.port_no): link.target for link in network.links.values()}
    inbound = {(link.source, link.target): link.port_no for link in network.links.values()}
    hops: list[Hop] = []
    waiting = [(host.switch, host.port_no, packet)]
    while waiting:
        switch, in_port, arriving = waiting.pop(0)
        for port, hop_packet, queue_id, meters in _process(
            states[network.switches[switch].dpid], in_port, arriving
        ):
            following = "controller" if port == CONTROLLER_PORT else ports[switch, port]
            dscp = hop_packet.fields.get("ip_dscp")
            hops.append(Hop(switch, following, queue_id, meters, None if dscp is None else int(dscp)))
            if len(hops) > limit:
                raise RecursionError(f"the packet loops: {hops[-10:]}")
            if following in network.switches:
                waiting.append((following, inbound[following, switch], hop_packet))
    return hops


def _process(
    state: SwitchState, in_port: int, packet: Packet
) -> list[tuple[int, Packet, int | None, tuple[int, ...]]]:
    """What one switch does: (port, packet, queue, meters) for each copy that leaves."""
    table: int | None = 0
    meters: tuple[int, ...] = ()
    registers = {"reg0": 0}
    leaving = []
    while table is not None:
        entry = _lookup(state, table, {**packet.fields, **registers, "in_port": in_port})
        if entry is None:
            break
        if entry.meter_id is not None:
            if entry.meter_id not in state.meters:
                raise KeyError(f"entry names meter {entry.meter_id}, which is not there")
            meters += (entry.meter_id,)
        if entry.longer_than is not None:
            registers = {"reg0": int(packet.length_bytes > entry.longer_than)}
        if entry.set_dscp is not None:
            packet = replace(packet, fields={**packet.fields, "ip_dscp": entry.set_dscp})
        leaving += [(port, packet, entry.queue_id, meters) for port in entry.outputs if port != in_port]
        table = entry.goto_table
    return leaving


def _lookup(state: SwitchState, table: int, fields: Mapping[str, int | str]) -> FlowEntry | None:
    found = [e for e in state.flows.values() if e.table_id == table and _matches(e, fields)]
    highest = max((entry.priority for entry in found), default=0)
    best = [entry for entry in found if entry.priority == highest]
    if len(best) > 1:
        raise ValueError(f"the packet matches several entries of one priority: {best}")
    return best[0] if best else None


def _matches(entry: FlowEntry, fields: Mapping[str, int | str]) -> bool:
    for name, value in entry.match:
        if isinstance(value, tuple):
            address, mask = (int(text.replace(":", ""), 16) for text in value)
            if int(str(fields[name]).replace(":", ""), 16) & mask != address:
                return False
        elif fields.get(name) != value:
            return False
    return True
