"""From what was read to what is reported: measurements of flows and links for the comparison. Pure."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, cast

from fairslice.api.allocation import AllocationView, FlowView
from fairslice.api.counters import Counters
from fairslice.lab.traffic.iperf3_commands import UDP_PAYLOAD_BYTES
from fairslice.lab.traffic.iperf3_streams import StreamResult
from fairslice.lab.traffic.plan import UDP_GREED, FlowTraffic
from fairslice.lab.trial.losses import Losses, losses
from fairslice.lab.trial.resolution import has_meter, uncertain_bits
from fairslice.measure.iperf import (
    ServerReport,
    goodput_bps,
    loss,
    parse_client,
    parse_server,
    retransmits,
    sent_bps,
)
from fairslice.measure.measurement import Measured
from fairslice.measure.rates import FlowRates, link_rates, told_rates
from fairslice.measure.resolution import FRAME_BITS, SHORT
from fairslice.measure.results import LinkResult
from fairslice.naming import numbers
from fairslice.policy.model import Policy
from fairslice.units import format_duration, format_rate, udp_wire_bps

ENDED = 0.1
"""Traffic that ended before this last part of the window was not measured through it."""


def measured_flows(
    allocation: AllocationView,
    traffic: Sequence[FlowTraffic],
    streams: Mapping[str, StreamResult],
    before: Counters,
    after: Counters,
    *,
    policy: Policy | None = None,
    asked_s: float | None = None,
    congestion_control: str | None = None,
    userspace: bool = False,
    cables_lost_bps: Mapping[str, float] | None = None,
) -> tuple[Measured, ...]:
    """Every flow with its rate on the wire (switch counters) and its goodput (iperf3's server side).

    A flow that could not be followed through the whole window, ``asked_s`` long or what traffic lasted, says
    so in its ``doubt``. With the ``policy`` each tells by how much its counters may be off
    (:mod:`fairslice.measure.resolution`). ``userspace`` says which datapath counted,
    ``cables_lost_bps`` is what hosts' own cables lost, by host
    (:func:`fairslice.lab.trial.cables.lost_on_cables`).
    """
    rates, doubts = told_rates(allocation, before, after, userspace=userspace)
    measured = {plan.flow.id for plan in traffic}
    idle = {flow.id: "not being measured" for flow in allocation.flows if flow.id not in measured}
    idle |= {plan.flow.id: "told to send less" for plan in traffic if plan.sends_less}
    leaving = [flow for flow in allocation.flows if flow.id in idle]
    found = []
    for plan in traffic:
        flow, stream = plan.flow, streams.get(plan.flow.id)
        own = rates.get(flow.id)
        doubt = doubts.get(flow.id, "")
        received, resent, lost = None, None, None
        parted: Losses | None = None
        if stream is None:
            received = 0.0 if own is not None and own.wire_bps == 0 else None
        elif stream.error is None:
            server, client = parse_server(stream.server_json), parse_client(stream.client_json)
            window = (stream.begin_s, stream.end_s)
            received = goodput_bps(server, *window)
            if plan.protocol == "tcp":
                resent = retransmits(client, *window)
            else:
                lost = loss(server, *window)
                if lost is not None and own is not None:
                    sent = udp_wire_bps(sent_bps(client, *window), UDP_PAYLOAD_BYTES)
                    parted = losses(sent, lost, own, (cables_lost_bps or {}).get(flow.source))
            doubt = doubt or _short(server, stream, own, asked_s)
        elif not _lost_in_the_network(flow, after):
            doubt = doubt or f"iperf3 did not measure it: {stream.error}"
        found.append(
            Measured(
                number=flow.number,
                id=flow.id,
                slice=flow.slice,
                source=flow.source,
                destination=flow.destination,
                match=flow.match,
                protocol=plan.protocol,
                enforcement=cast(Literal["police", "shape", "both"], flow.enforcement),
                offered_bps=plan.offered_bps,
                allocated_bps=flow.allocated_bps,
                wire_bps=0.0 if own is None else own.wire_bps,
                goodput_bps=received,
                bottleneck=flow.bottleneck,
                retransmits=resent,
                loss=lost,
                sent_bps=None if parted is None else parted.sent_bps,
                metered_bps=None if parted is None else parted.metered_bps,
                queue_dropped_bps=None if parted is None else parted.queue_dropped_bps,
                cable_lost_bps=None if parted is None else parted.cable_lost_bps,
                lost_bps=None if parted is None else parted.lost_bps,
                uncertain_bits=0.0 if policy is None else _uncertain_bits(plan, policy),
                doubt=doubt,
                if_high=_lent(flow, leaving, idle),
                congestion_control=congestion_control if plan.protocol == "tcp" else None,
                streams=0 if stream is None else 1,
                metered=None if policy is None else has_meter(flow, policy),
                window_s=None if own is None else own.window_s,
            )
        )
    return tuple(found)


def _short(server: ServerReport, stream: StreamResult, own: FlowRates | None, asked_s: float | None) -> str:
    """Why a window was not whole; "" if it was.

    Traffic goes on while switches are read, one after the other: its window is longer than any switch's.
    """
    lasted_s = stream.end_s - stream.begin_s
    wanted_s = lasted_s if asked_s is None else min(asked_s, lasted_s)
    if own is not None and own.window_s < SHORT * wanted_s:
        counted, whole = format_duration(own.window_s), format_duration(wanted_s)
        return f"its switch counted for {counted} of the {whole} of the window"
    ended_s = server.intervals[-1].end_s if server.intervals else 0.0
    if ended_s < stream.end_s - ENDED * lasted_s:
        return f"its traffic ended {format_duration(stream.end_s - ended_s)} before the window"
    return ""


def _lost_in_the_network(flow: FlowView, after: Counters) -> bool:
    """Whether a flow whose test failed did send, and nothing came through: that is the network's doing."""
    reading = after.flows.get(flow.number)
    return reading is not None and reading.offered_packets > 0 and reading.delivered_packets == 0


def _uncertain_bits(plan: FlowTraffic, policy: Policy) -> float:
    """As :func:`fairslice.lab.trial.resolution.uncertain_bits`; but a sender that stays below waits nowhere.

    Of its frames one is under way at either end of the window, and another may be early or late.
    """
    most_bits = uncertain_bits(plan.flow, policy)
    return min(most_bits, 2 * FRAME_BITS) if plan.sends_less else most_bits


def _lent(flow: FlowView, leaving: Sequence[FlowView], idle: Mapping[str, str]) -> str:
    """Why more than its allocation is not a fault of a shaped flow: a queue lends what others leave.

    Args:
        flow: the one that got more.
        leaving: flows that may leave some of their allocation.
        idle: why, by their ids.
    """
    if flow.enforcement != "shape":
        return ""
    mine = set(pairwise(flow.path))
    sharing = [
        f"{other.id} left idle, {idle[other.id]}"
        for other in leaving
        if other.id != flow.id and mine & set(pairwise(other.path))
    ]
    return f"its queue may send what {', and what '.join(sharing)}" if sharing else ""


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


def blocked_notes(traffic: Sequence[FlowTraffic], rates: Mapping[str, FlowRates]) -> tuple[str, ...]:
    """What flows that may send nothing tried, as their first switch counted it."""
    tried = [
        plan.flow
        for plan in traffic
        if plan.blocked and plan.flow.id in rates and rates[plan.flow.id].offered_bps > 0
    ]
    if not tried:
        return ()
    came = format_rate(math.fsum(rates[flow.id].offered_bps for flow in tried))
    if len(tried) == 1:
        return (
            f"{tried[0].id} may send nothing: {came} of it came to its first switch, to be dropped there.",
        )
    who = numbers(flow.number for flow in tried).capitalize()
    return (
        f"{who} may send nothing: {came} of them together came to their first switches, to be dropped there.",
    )


def greedy_notes(traffic: Sequence[FlowTraffic]) -> tuple[str, ...]:
    """That UDP without a demand was sent above its allocation: one sentence for all of it."""
    names = [plan.flow.id for plan in traffic if plan.greedy]
    if not names:
        return ()
    who = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    was = "was" if len(names) == 1 else "were"
    return (
        f"UDP does not look for more by itself, so {who} {was} sent at {UDP_GREED:g} times the allocation: "
        "what is above it is dropped on purpose.",
    )


def trouble(streams: Mapping[str, StreamResult]) -> tuple[str, ...]:
    """What iperf3 complained of; each complaint once, with all flows that it was about."""
    about: dict[str, list[str]] = {}
    for flow, stream in streams.items():
        if stream.error:
            about.setdefault(stream.error, []).append(flow)
    return tuple(f"{', '.join(flows)}: iperf3: {error}" for error, flows in about.items())
