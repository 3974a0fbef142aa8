"""Which iperf3 streams measure an allocation: protocol, ports and sending rate for every flow. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fairslice.alloc.view import FlowView
from fairslice.emulation.traffic import UDP_PAYLOAD_BYTES, Stream
from fairslice.errors import Fault, InputError
from fairslice.policy.model import PROTOCOLS
from fairslice.topology.network import Network
from fairslice.units import tcp_goodput_bps, udp_goodput_bps

FIRST_PORT = 5201
"""iperf3's own default."""
MAX_FACTOR = 1000.0
UDP_GREED = 1.1
"""A UDP flow without a demand has no way to be greedy; it sends this much of its allocation."""

_SENDER = re.compile(r"(?P<flow>.+)=(?P<proto>tcp|udp)(?:,x(?P<factor>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Sender:
    """How a flow, or every flow of a slice, is to be sent: TCP, or UDP at a multiple of its allocation."""

    flow: str
    proto: int
    factor: float | None = None

    def means(self, flow: FlowView) -> bool:
        """Whether this is about ``flow``: its id, its slice, or ``slice:source->destination``."""
        return self.flow in (flow.id, flow.slice, f"{flow.slice}:{flow.source}->{flow.destination}")


@dataclass(frozen=True, slots=True)
class FlowTraffic:
    """The stream of one flow.

    ``payload_bps`` is None for greedy TCP; ``offered_bps`` is the same in Ethernet frames.
    """

    flow: FlowView
    proto: int
    server_port: int
    client_port: int | None
    payload_bps: float | None
    offered_bps: float | None

    @property
    def protocol(self) -> Literal["tcp", "udp"]:
        """In iperf3's words."""
        return "udp" if self.proto == PROTOCOLS["udp"] else "tcp"

    def stream(self, network: Network) -> Stream:
        """What iperf3 sends for it on a network."""
        return Stream(
            flow_id=self.flow.id,
            source=self.flow.source,
            destination_host=self.flow.destination,
            destination_ip=network.hosts[self.flow.destination].ip,
            protocol=self.protocol,
            server_port=self.server_port,
            client_port=self.client_port,
            rate_bps=self.payload_bps,
        )


def parse_sender(text: str) -> Sender:
    """Read ``silver:h2->h5=udp,x10`` or ``bronze=tcp``.

    Raises:
        InputError: it is written otherwise.
    """
    found = _SENDER.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is no sender; expected SLICE or SLICE:FROM->TO, then =udp, =tcp or =udp,x10 "
            "(ten times the allocation)"
        )
    if found["proto"] == "tcp" and found["factor"]:
        raise InputError(f"{text!r}: TCP finds its own rate; a factor goes with udp")
    factor = float(found["factor"]) if found["factor"] else None
    if factor is not None and not 0 < factor <= MAX_FACTOR:
        raise InputError(f"{text!r}: expected a factor above 0, up to {MAX_FACTOR:g}")
    return Sender(found["flow"], PROTOCOLS[found["proto"]], factor)


def plan_traffic(flows: Sequence[FlowView], senders: Sequence[Sender] = ()) -> tuple[FlowTraffic, ...]:
    """A stream for every flow, so that all can run at once.

    Raises:
        InputError: a sender that means no flow, or flows that iperf3 can't measure, all of them.
    """
    faults = [
        Fault(f"sender {sender.flow!r} means no flow; there are {', '.join(flow.id for flow in flows)}")
        for sender in senders
        if not any(sender.means(flow) for flow in flows)
    ]
    ports = _server_ports(flows, faults)
    streams = []
    for flow in flows:
        sender = next((s for s in reversed(senders) if s.means(flow)), None)
        proto = flow.proto or (PROTOCOLS["tcp"] if sender is None else sender.proto)
        if proto not in (PROTOCOLS["tcp"], PROTOCOLS["udp"]):
            faults.append(Fault(f"{flow.id}: iperf3 measures TCP and UDP, not IP protocol {proto}"))
        elif sender is not None and sender.proto != proto:
            faults.append(Fault(f"{flow.id}: its match asks for another protocol than the sender"))
        else:
            factor = None if sender is None else sender.factor
            streams.append(_stream(flow, proto, ports[flow.id], factor))
    if faults:
        raise InputError(faults)
    return tuple(streams)


def _stream(flow: FlowView, proto: int, port: int, factor: float | None) -> FlowTraffic:
    if proto == PROTOCOLS["tcp"]:
        offered = flow.demand_bps
        payload = None if offered is None else tcp_goodput_bps(offered)
    else:
        offered = flow.allocated_bps * (UDP_GREED if factor is None else factor)
        if factor is None and flow.demand_bps is not None:
            offered = flow.demand_bps
        payload = udp_goodput_bps(offered, UDP_PAYLOAD_BYTES)
    return FlowTraffic(flow, proto, port, flow.src_port, payload, offered)


def _server_ports(flows: Sequence[FlowView], faults: list[Fault]) -> Mapping[str, int]:
    """A port for every flow's server; one that a match names is kept free of others on its host."""
    taken: dict[tuple[str, int], str] = {}
    ports: dict[str, int] = {}
    for flow in flows:
        if flow.dst_port is not None:
            other = taken.setdefault((flow.destination, flow.dst_port), flow.id)
            if other != flow.id:
                faults.append(
                    Fault(
                        f"{flow.id}: port {flow.dst_port} of {flow.destination} already serves {other}, "
                        "and one iperf3 server measures one flow"
                    )
                )
            ports[flow.id] = flow.dst_port
    for flow in flows:
        if flow.dst_port is None:
            port = next(p for p in _from(FIRST_PORT) if (flow.destination, p) not in taken)
            taken[flow.destination, port] = flow.id
            ports[flow.id] = port
    return ports


def _from(first: int) -> Iterable[int]:
    return range(first, 1 << 16)
