"""From what was read to what is reported: measurements of flows and links for the comparison. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from fairslice.alloc.view import AllocationView
from fairslice.app.counters import Counters
from fairslice.emulation.traffic import StreamResult
from fairslice.experiment.rates import flow_rates, link_rates
from fairslice.experiment.traffic import FlowTraffic
from fairslice.measure.compare import Measured
from fairslice.measure.iperf import goodput_bps, loss, parse_client, parse_server, retransmits
from fairslice.measure.results import LinkResult


def measured_flows(
    allocation: AllocationView,
    traffic: Sequence[FlowTraffic],
    streams: Mapping[str, StreamResult],
    before: Counters,
    after: Counters,
) -> tuple[Measured, ...]:
    """Every flow with its rate on the wire (switch counters) and its goodput (iperf3's server side)."""
    rates = flow_rates(allocation, before, after)
    found = []
    for plan in traffic:
        flow, stream = plan.flow, streams[plan.flow.id]
        received, resent, lost = None, None, None
        if stream.error is None:
            server, client = parse_server(stream.server_json), parse_client(stream.client_json)
            window = (stream.begin_s, stream.end_s)
            received = goodput_bps(server, *window)
            if plan.protocol == "tcp":
                resent = retransmits(client, *window)
            else:
                lost = loss(server, *window)
        found.append(
            Measured(
                slice=flow.slice,
                source=flow.source,
                destination=flow.destination,
                match=flow.match,
                protocol=plan.protocol,
                enforcement=cast(Literal["police", "shape", "both"], flow.enforcement),
                offered_bps=plan.offered_bps,
                allocated_bps=flow.allocated_bps,
                wire_bps=rates[flow.id].wire_bps,
                goodput_bps=received,
                bottleneck=flow.bottleneck,
                retransmits=resent,
                loss=lost,
            )
        )
    return tuple(found)


def measured_links(allocation: AllocationView, before: Counters, after: Counters) -> tuple[LinkResult, ...]:
    """Every link with what its port counted; acknowledgements, ARP and LLDP included."""
    rates = link_rates(allocation, before, after)
    return tuple(
        LinkResult(
            source=link.source,
            target=link.target,
            capacity_bps=link.capacity_bps,
            allocated_bps=link.allocated_bps,
            acknowledgements_bps=link.acknowledgements_bps,
            wire_bps=rates.get((link.source, link.target)),
        )
        for link in allocation.links
    )


def trouble(streams: Mapping[str, StreamResult]) -> tuple[str, ...]:
    """What iperf3 complained of, flow by flow."""
    return tuple(f"{flow}: iperf3: {stream.error}" for flow, stream in streams.items() if stream.error)
