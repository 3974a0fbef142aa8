"""A flow's acknowledgements at the edge: marked and metered by themselves, never from another flow's data.

They are told by their addresses and ports where no flow goes the other way. Where one does whose match they
meet, nothing in their headers tells them from its data: a match on the port of a server that answers would
take the answer itself. But their length does. A TCP segment without data is at most 94 bytes long with its
Ethernet header (20 bytes of IPv4 without options, at most 60 of TCP: RFC 9293 §3.1), and bulk data fills
frames. So there the edge asks for the length in table 0, and table 1 takes frames of TCP that are no longer
for acknowledgements. A data segment that short passes as one, within the meter of the acknowledgements.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fairslice.policy.model import PROTOCOLS, Match
from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import FlowEntry, Meter
from fairslice.slicing.state.edge import meter_of
from fairslice.slicing.state.enforced import bucket, flow_kbps
from fairslice.slicing.state.labels import RETURN_METERS, Cookie, Role, dscp_of, queue_of
from fairslice.slicing.state.pipeline import TABLE_EDGE, TABLE_FORWARD, flow_match
from fairslice.units import LEAST_RATE_BPS, is_nothing

LONGEST_ACKNOWLEDGEMENT_BYTES = 94
MIN_RETURN_METER_BPS = 64_000.0
_TCP = PROTOCOLS["tcp"]


@dataclass(frozen=True, slots=True)
class Carried:
    """Acknowledgements of a flow that meet the match of a flow the other way, and what both match."""

    of: AllocatedFlow
    match: Match


def is_acknowledged(allocated: AllocatedFlow) -> bool:
    """Whether a flow has acknowledgements: what sends nothing has none."""
    return bool(allocated.route.return_share) and not is_nothing(allocated.rate_bps)


def carried_by(allocation: NetworkAllocation) -> Mapping[int, Sequence[Carried]]:
    """Whose acknowledgements meet the match of each flow, by its number; flows that meet none are left out.

    So are those that need not be told from what they meet: without a meter on either side, both share what is
    theirs together, since queues lend what one of them leaves.

    Takes time linear in the flows and the pairs of flows between the same two hosts.
    """
    between: dict[tuple[str, str], list[AllocatedFlow]] = defaultdict(list)
    for allocated in allocation.flows:
        if is_acknowledged(allocated):
            between[allocated.flow.destination, allocated.flow.source].append(allocated)
    carried: dict[int, Sequence[Carried]] = {}
    for allocated in allocation.flows:
        flow = allocated.flow
        found = [
            Carried(other, common)
            for other in between[flow.source, flow.destination]
            if (common := flow.match.meet(replace(other.flow.match.reversed(), proto=_TCP))) is not None
        ]
        metered = not flow_kbps(allocated) or meter_of(allocated, allocation) is not None
        if found and (metered or any(_polices(one.of, allocation) for one in found)):
            carried[flow.number] = found
    return carried


def _polices(allocated: AllocatedFlow, allocation: NetworkAllocation) -> bool:
    return allocation.policy.slice_named(allocated.flow.slice).enforcement.polices


def classify_return(allocated: AllocatedFlow, allocation: NetworkAllocation) -> FlowEntry:
    """The entry of a flow's acknowledgements at their first switch, the flow's last."""
    flow, hosts = allocated.flow, allocation.network.hosts
    of = allocation.policy.slice_named(flow.slice)
    answerer = hosts[flow.destination]
    return FlowEntry(
        TABLE_EDGE,
        # Below the flows, whose entries ask for the length where these packets meet them.
        90,
        flow_match(answerer, hosts[flow.source], flow.match.reversed(), in_port=answerer.port_no),
        int(Cookie(Role.RETURN, of.number, flow.number)),
        meter_id=RETURN_METERS + flow.number if of.enforcement.polices else None,
        set_dscp=dscp_of(of.number),
        goto_table=TABLE_FORWARD,
    )


def tell_apart(entry: FlowEntry) -> FlowEntry:
    """The flow's entry of table 0 as one that asks for the length, and leaves meter and drop to table 1."""
    return replace(entry, meter_id=None, longer_than=LONGEST_ACKNOWLEDGEMENT_BYTES, goto_table=TABLE_FORWARD)


def told_apart(
    allocated: AllocatedFlow, carried: Sequence[Carried], allocation: NetworkAllocation
) -> Iterator[FlowEntry]:
    """The entries of table 1 at the flow's first switch: acknowledgements of others, and the flow's data.

    Where the first switch is the last, data that may pass is left to the entries that count it there.
    """
    flow, network = allocated.flow, allocation.network
    source, destination = network.hosts[flow.source], network.hosts[flow.destination]
    for one in carried:
        other = allocation.policy.slice_named(one.of.flow.slice)
        _, first, following, *_ = one.of.route.return_path
        yield FlowEntry(
            TABLE_FORWARD,
            46,
            flow_match(source, destination, one.match, in_port=source.port_no, reg0=0),
            int(Cookie(Role.RETURN, other.number, one.of.flow.number)),
            meter_id=RETURN_METERS + one.of.flow.number,
            set_dscp=dscp_of(other.number),
            queue_id=queue_of(other.number, other.enforcement),
            outputs=(network.links[first, following].port_no,),
        )
    of = allocation.policy.slice_named(flow.slice)
    _, first, following, *_ = allocated.route.path
    passes = flow_kbps(allocated) > 0
    if passes and following == flow.destination:
        return
    yield FlowEntry(
        TABLE_FORWARD,
        45,
        flow_match(source, destination, flow.match, in_port=source.port_no),
        int(Cookie(Role.DATA, of.number, flow.number)),
        meter_id=meter_of(allocated, allocation),
        queue_id=queue_of(of.number, of.enforcement) if passes else None,
        outputs=(network.links[first, following].port_no,) if passes else (),
    )


def return_meter(
    allocated: AllocatedFlow, allocation: NetworkAllocation, told: Collection[int]
) -> Iterator[Meter]:
    """The meter of the flow's acknowledgements, so that an answering host can't flood the slice.

    It has one if its slice polices, and where they are told from a flow that goes their way: ``told`` are the
    numbers of such flows.
    """
    flow = allocated.flow
    if _polices(allocated, allocation) or flow.number in told:
        rate_bps = max(allocated.rate_bps * allocated.route.return_share, MIN_RETURN_METER_BPS)
        burst_s = allocation.policy.slice_named(flow.slice).burst_s
        yield bucket(RETURN_METERS + flow.number, round(rate_bps / LEAST_RATE_BPS), burst_s)
