"""The two tables of every switch, and the matches of flows: what edge and core agree on."""

from fairslice.policy.model import PROTOCOLS, Match
from fairslice.slicing.state.desired import MatchField
from fairslice.topology.network import Host

TABLE_EDGE = 0
TABLE_FORWARD = 1

CONTROLLER_PORT = 0xFFFF_FFFD
"""OFPP_CONTROLLER (OpenFlow 1.3.5 §7.2.1)."""

ETH_IPV4 = 0x0800
ETH_ARP = 0x0806
ETH_IPV6 = 0x86DD


def match_of(**fields: int | str | tuple[str, str] | None) -> tuple[MatchField, ...]:
    """The canonical form of a match: sorted by field name, absent fields left out."""
    return tuple(sorted((name, value) for name, value in fields.items() if value is not None))


def flow_match(source: Host, destination: Host, match: Match, **more: int) -> tuple[MatchField, ...]:
    """The packets of a flow; ``more`` adds fields, such as ``reg0``, which :class:`FlowEntry` writes."""
    transport = {PROTOCOLS["tcp"]: "tcp", PROTOCOLS["udp"]: "udp"}.get(match.proto or 0)
    ports = (
        {} if transport is None else {f"{transport}_src": match.src_port, f"{transport}_dst": match.dst_port}
    )
    return match_of(
        eth_type=ETH_IPV4,
        ipv4_src=source.ip,
        ipv4_dst=destination.ip,
        ip_proto=match.proto,
        **ports,
        **more,
    )
