"""Which iperf3 streams measure an allocation: protocol, ports and sending rate for every flow. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fairslice.api.allocation import FlowView
from fairslice.errors import Fault, InputError
from fairslice.lab.traffic.attempts import Attempt
from fairslice.lab.traffic.iperf3_commands import UDP_PAYLOAD_BYTES, Stream
from fairslice.measure.results import NotMeasured
from fairslice.naming import Named, ends, find_flows
from fairslice.policy.model import PROTOCOLS
from fairslice.topology.network import Network
from fairslice.units import is_nothing, tcp_goodput_bps, udp_goodput_bps

FIRST_PORT = 5201
"""iperf3's own default."""
MAX_FACTOR = 1000.0
UDP_GREED = 1.1
"""A UDP flow without a demand has no way to be greedy; it sends this much of its allocation."""
ATTEMPT_BPS = 100e3
"""What is tried of a flow that may send nothing, if it has no demand: some hundred frames a second."""
_MEASURABLE = (PROTOCOLS["tcp"], PROTOCOLS["udp"])

_SENDER = re.compile(r"(?P<flow>.+)=(?P<proto>tcp|udp)(?:,x(?P<factor>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Sender:
    """How a flow, or every flow of a slice, is to be sent: TCP, or UDP at a multiple of its allocation."""

    flow: str
    proto: int
    factor: float | None = None

    def meant(self, flows: Sequence[FlowView]) -> tuple[str, ...]:
        """The ids of the flows that this is about; see :func:`fairslice.naming.find_flows`.

        Raises:
            InputError: it is about none, or may be about several.
        """
        named = [Named(flow.number, flow.id, flow.slice) for flow in flows]
        return tuple(one.id for one in find_flows(self.flow, named, "--send"))


@dataclass(frozen=True, slots=True)
class FlowTraffic:
    """The stream of one flow.

    ``payload_bps`` is None for greedy TCP; ``offered_bps`` is the same in Ethernet frames. Of
    ``greedy_udp`` nobody said what to send: it is sent above its allocation.
    """

    flow: FlowView
    proto: int
    server_port: int
    client_port: int | None
    payload_bps: float | None
    offered_bps: float | None
    greedy_udp: bool = False

    @property
    def asks_nothing(self) -> bool:
        """Whether the flow's own demand is nothing: there is nothing to send."""
        return self.flow.demand_bps is not None and is_nothing(self.flow.demand_bps)

    @property
    def greedy(self) -> bool:
        """Whether it is sent above its allocation though nobody said so."""
        return self.greedy_udp and not self.blocked

    @property
    def sends_less(self) -> bool:
        """Whether its sender was told to send less than its allocation, by more than rounding."""
        return self.offered_bps is not None and self.offered_bps < (1 - 1e-9) * self.flow.allocated_bps

    @property
    def blocked(self) -> bool:
        """Whether the flow may send nothing, so that no test of iperf3's can come about."""
        return is_nothing(self.flow.allocated_bps)

    def attempt(self, network: Network) -> Attempt | None:
        """What a blocked flow tries all the same; None if it asks for nothing.

        One whose match has no protocol tries UDP: a datagram needs no answer for the next to follow.
        """
        if self.asks_nothing:
            return None
        tcp = PROTOCOLS["tcp"]
        return Attempt(
            source=self.flow.source,
            destination_host=self.flow.destination,
            destination_ip=network.hosts[self.flow.destination].ip,
            protocol="tcp" if self.flow.proto == tcp else "udp",
            port=self.server_port,
            client_port=self.client_port,
            rate_bps=self.offered_bps or ATTEMPT_BPS,
        )

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


def _proto_name(number: int) -> str:
    return next((name for name, known in PROTOCOLS.items() if known == number), f"IP protocol {number}")


def parse_sender(text: str) -> Sender:
    """Read ``h2->h5=udp,x10``, ``2=udp`` or ``bronze=tcp``.

    Raises:
        InputError: it is written otherwise.
    """
    found = _SENDER.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is not a sender; expected a flow (its number, FROM->TO, a part of its id) or a slice, "
            "then =udp, =tcp or =udp,x10 (ten times the allocation)"
        )
    if found["proto"] == "tcp" and found["factor"]:
        raise InputError(f"{text!r}: TCP finds its own rate; a factor goes with udp")
    factor = float(found["factor"]) if found["factor"] else None
    if factor is not None and not 0 < factor <= MAX_FACTOR:
        raise InputError(f"{text!r}: expected a factor above 0, up to {MAX_FACTOR:g}")
    return Sender(found["flow"], PROTOCOLS[found["proto"]], factor)


def plan_traffic(flows: Sequence[FlowView], senders: Sequence[Sender] = ()) -> tuple[FlowTraffic, ...]:
    """A stream for every flow that iperf3 can measure, so that all can run at once.

    :func:`not_measured` has the others.

    Raises:
        InputError: a sender that means no flow or one of another protocol, two flows to one port of a host,
            or no flow that can be measured; all of them.
    """
    faults: list[Fault] = []
    sender_of: dict[str, Sender] = {}
    for sender in senders:
        try:
            sender_of |= dict.fromkeys(sender.meant(flows), sender)
        except InputError as error:
            faults += error.faults
    measurable = [flow for flow in flows if _can_measure(flow)]
    ports = _server_ports(measurable, faults)
    streams = []
    for flow in flows:
        said = sender_of.get(flow.id)
        proto = flow.proto or (PROTOCOLS["tcp"] if said is None else said.proto)
        if said is not None and said.proto != proto:
            asked, sent = (_proto_name(number) for number in (proto, said.proto))
            faults.append(
                Fault(
                    f"{flow.id}: its match asks for {asked}, and the sender {said.flow!r} sends {sent};"
                    f" expected {said.flow}={asked}, or no sender"
                    if proto in _MEASURABLE
                    else f"{flow.id}: its match asks for {asked}, which no sender sends; expected no"
                    " sender for it"
                )
            )
        elif _can_measure(flow):
            factor = None if said is None else said.factor
            streams.append(_stream(flow, proto, ports[flow.id], factor))
    if flows and not measurable:
        faults += [Fault(f"{one.slice}: {flow_text(one)}: {one.reason}") for one in not_measured(flows)]
        faults.append(Fault("no flow of the policy can be measured; expected one at least"))
    if faults:
        raise InputError(faults)
    return tuple(streams)


def flow_text(flow: NotMeasured) -> str:
    """``h1->h4 icmp``."""
    return ends(flow.source, flow.destination, flow.match)


def not_measured(flows: Sequence[FlowView]) -> tuple[NotMeasured, ...]:
    """The flows that iperf3 can't measure, with the reason."""
    return tuple(
        NotMeasured(
            number=flow.number,
            id=flow.id,
            slice=flow.slice,
            source=flow.source,
            destination=flow.destination,
            match=flow.match,
            allocated_bps=flow.allocated_bps,
            reason=f"iperf3 measures TCP and UDP, not {_protocol_name(flow.proto)}",
        )
        for flow in flows
        if not _can_measure(flow)
    )


def _can_measure(flow: FlowView) -> bool:
    return flow.proto is None or flow.proto in _MEASURABLE


def _protocol_name(proto: int | None) -> str:
    names = {number: name.upper() for name, number in PROTOCOLS.items()}
    return names.get(proto or 0, f"IP protocol {proto}")


def _stream(flow: FlowView, proto: int, port: int, factor: float | None) -> FlowTraffic:
    if proto == PROTOCOLS["tcp"]:
        offered = flow.demand_bps
        payload = None if offered is None else tcp_goodput_bps(offered)
    else:
        offered = flow.allocated_bps * (UDP_GREED if factor is None else factor)
        if factor is None and flow.demand_bps is not None:
            offered = flow.demand_bps
        payload = udp_goodput_bps(offered, UDP_PAYLOAD_BYTES)
    greedy_udp = proto == PROTOCOLS["udp"] and factor is None and flow.demand_bps is None
    return FlowTraffic(flow, proto, port, flow.src_port, payload, offered, greedy_udp)


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
