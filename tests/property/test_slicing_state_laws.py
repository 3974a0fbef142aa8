"""Laws of plans and of compiled states: a packet goes where the allocation says, and nowhere else."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.policy.model import Policy, Unmatched
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import FlowEntry, Meter, PortQos, Queue, SwitchState
from fairslice.slicing.state.diff import plan
from fairslice.slicing.state.enforced import flow_kbps, is_metered
from fairslice.slicing.state.labels import BEST_EFFORT, FLOW_METERS, RETURN_METERS, Cookie, queue_of
from fairslice.slicing.state.queues import MIN_QUEUE_BPS
from fairslice.slicing.state.returns import carried_by
from fairslice.testing.networks import build_network, networks
from fairslice.testing.pipeline import Packet, packet_between, walk
from fairslice.testing.policies import policies
from fairslice.testing.switch import FakeSwitch
from fairslice.topology.network import Network
from fairslice.units import FULL_FRAME_BYTES, is_nothing

TCP = 6
QUEUE_IDS = st.sets(st.integers(0, 3), min_size=1)


@st.composite
def states(draw: st.DrawFn) -> SwitchState:
    meters = {i: Meter(i, draw(st.integers(1, 3)), 10) for i in draw(st.sets(st.integers(1, 5)))}
    entries = [
        FlowEntry(
            table_id=draw(st.integers(0, 1)),
            priority=draw(st.integers(0, 2)),
            match=(("in_port", draw(st.integers(1, 3))),),
            cookie=draw(st.integers(0, 2)),
            meter_id=draw(st.sampled_from([None, *meters])),
        )
        for _ in range(draw(st.integers(0, 6)))
    ]
    qos = {
        port: PortQos(
            port,
            draw(st.integers(1, 2)),
            tuple(
                Queue(i, draw(st.integers(1, 2)), 5, draw(st.integers(1, 2)))
                for i in sorted(draw(st.sets(st.integers(0, 3), min_size=1)))
            ),
        )
        for port in draw(st.sets(st.integers(1, 3)))
    }
    return SwitchState({e.key: e for e in entries}, meters, qos)


@given(states(), states())
def test_a_plan_leads_where_it_should(installed: SwitchState, desired: SwitchState) -> None:
    switch = FakeSwitch(installed)
    switch.apply(plan(installed, desired))
    assert switch.state == desired


@given(states())
def test_a_plan_to_where_one_is_is_empty(state: SwitchState) -> None:
    nothing = plan(state, state)
    assert not nothing
    switch = FakeSwitch(state)
    switch.apply(nothing)
    assert switch.modifications == 0


@given(states(), states())
def test_a_plan_counts_what_it_does(installed: SwitchState, desired: SwitchState) -> None:
    assert bool(plan(installed, desired)) == (installed != desired)


@st.composite
def allocations(draw: st.DrawFn) -> NetworkAllocation:
    network = draw(networks())
    return allocate_slices(draw(policies(list(network.hosts))), network)


def transport(proto: int | None, src: int | None, dst: int | None) -> dict[str, int]:
    number = proto or 6
    names = {6: "tcp", 17: "udp"}.get(number)
    ports = {} if names is None else {f"{names}_src": src or 40000, f"{names}_dst": dst or 50000}
    return {"ip_proto": number, **ports}


@given(allocations(), st.integers(0, 63))
def test_a_flow_takes_its_path_in_its_queue_through_its_meter(
    allocation: NetworkAllocation, dscp: int
) -> None:
    network, compiled = allocation.network, compile_switches(allocation)
    for allocated in allocation.flows:
        flow = allocated.flow
        of = allocation.policy.slice_named(flow.slice)
        match = flow.match
        packet = packet_between(
            network.hosts[flow.source],
            network.hosts[flow.destination],
            **{**transport(match.proto, match.src_port, match.dst_port), "ip_dscp": dscp},
        )
        hops = walk(network, compiled, flow.source, packet)
        if not flow_kbps(allocated):
            assert not hops
            continue
        assert (flow.source, *(hop.node for hop in hops), hops[-1].following) == allocated.route.path
        assert {hop.queue_id for hop in hops} == {queue_of(of.number, of.enforcement)}
        assert {hop.dscp for hop in hops} == {of.number}
        own = (FLOW_METERS + flow.number,) if is_metered(allocated, allocation) else ()
        assert hops[0].meters == own
        assert not any(hop.meters for hop in hops[1:])


@given(allocations())
def test_acknowledgements_travel_in_the_slice(allocation: NetworkAllocation) -> None:
    network, compiled = allocation.network, compile_switches(allocation)
    told = carried_by(allocation)
    for allocated in allocation.flows:
        if not allocated.route.return_share or is_nothing(allocated.rate_bps):
            continue
        flow, match = allocated.flow, allocated.flow.match.reversed()
        packet = replace(
            packet_between(
                network.hosts[flow.destination],
                network.hosts[flow.source],
                **transport(TCP, match.src_port, match.dst_port),
            ),
            length_bytes=66,
        )
        hops = walk(network, compiled, flow.destination, packet)
        of = allocation.policy.slice_named(flow.slice)
        if any(
            (other.flow.source, other.flow.destination) == (flow.destination, flow.source)
            and other.flow.slice != flow.slice
            and other.flow.number not in told
            for other in allocation.flows
        ):
            # Nothing is metered: they share with the flow that goes their way.
            continue
        # Whoever else goes that way, on the path and in the queue where they were counted.
        assert (flow.destination, *(hop.node for hop in hops), flow.source) == allocated.route.return_path
        assert {hop.dscp for hop in hops} == {of.number}
        assert {hop.queue_id for hop in hops} == {queue_of(of.number, of.enforcement)}
        metered = (RETURN_METERS + flow.number,)
        assert hops[0].meters in ((metered,) if of.enforcement.polices else ((), metered))


@given(networks(), st.integers(1, 63))
def test_a_host_does_not_promote_itself(network: Network, dscp: int) -> None:
    compiled = compile_switches(NetworkAllocation(Policy("", ()), network, ()))
    source, destination, *_ = network.hosts.values()
    packet = packet_between(source, destination, **transport(6, 1, 2), ip_dscp=dscp)
    hops = walk(network, compiled, source.name, packet)
    assert hops[-1].following == destination.name
    assert {(hop.dscp, hop.queue_id) for hop in hops} == {(BEST_EFFORT, queue_of(BEST_EFFORT))}


@given(networks())
def test_a_broadcast_reaches_every_other_host_once(network: Network) -> None:
    compiled = compile_switches(NetworkAllocation(Policy("", ()), network, ()))
    for host in network.hosts.values():
        packet = Packet({"eth_type": 0x88B5, "eth_src": host.mac, "eth_dst": "ff:ff:ff:ff:ff:ff"})
        reached = Counter(
            hop.following
            for hop in walk(network, compiled, host.name, packet)
            if hop.following in network.hosts
        )
        assert reached == Counter(set(network.hosts) - {host.name})


@given(allocations())
def test_the_core_knows_no_flow(allocation: NetworkAllocation) -> None:
    network, compiled = allocation.network, compile_switches(allocation)
    edge = {f.route.path[1] for f in allocation.flows} | {f.route.path[-2] for f in allocation.flows}
    for switch in network.switches.values():
        for entry in compiled[switch.dpid].flows.values():
            cookie = Cookie.read(entry.cookie)
            assert cookie is not None
            if switch.name not in edge:
                assert not cookie.flow_number
                assert {name for name, _ in entry.match} <= {"in_port", "eth_type", "eth_dst", "ip_dscp"}


@given(allocations())
def test_queues_fit_their_port(allocation: NetworkAllocation) -> None:
    compiled = compile_switches(allocation)
    for link in allocation.network.links.values():
        if link.source in allocation.network.hosts:
            continue
        qos = compiled[allocation.network.switches[link.source].dpid].qos[link.port_no]
        assert qos.max_rate_bps == link.capacity_bps
        minimum = sum(queue.min_rate_bps for queue in qos.queues)
        assert minimum <= link.capacity_bps * (1 + 1e-9) + MIN_QUEUE_BPS * len(qos.queues)
        assert all(queue.min_rate_bps <= queue.max_rate_bps <= qos.max_rate_bps for queue in qos.queues)
        assert queue_of(BEST_EFFORT) in {queue.queue_id for queue in qos.queues}


@given(allocations())
def test_a_slice_waits_no_longer_than_its_buffer_on_a_full_link(allocation: NetworkAllocation) -> None:
    """At its min-rate, which it always has; but fewer than four full frames would starve TCP.

    Best effort, which has next to no min-rate, waits no longer than that if slices leave it all.
    """
    buffer_s = allocation.policy.buffer_s
    for state in compile_switches(allocation).values():
        for qos in state.qos.values():
            for queue in qos.queues:
                least, most = (8 * queue.buffer_bytes / bps for bps in (qos.max_rate_bps, queue.min_rate_bps))
                whole = 4 * FULL_FRAME_BYTES
                assert queue.buffer_bytes >= whole
                assert most > buffer_s - 8 / queue.min_rate_bps
                assert least <= buffer_s or queue.buffer_bytes == whole
                if queue.queue_id != queue_of(BEST_EFFORT):
                    assert most <= buffer_s or queue.buffer_bytes == whole


@given(allocations())
def test_meters_are_at_the_rate(allocation: NetworkAllocation) -> None:
    """At what the flow holds, for data alone, to the whole kbit/s of a meter."""
    compiled = compile_switches(allocation)
    for allocated in allocation.flows:
        flow = allocated.flow
        if not flow_kbps(allocated) or not is_metered(allocated, allocation):
            continue
        state = compiled[allocation.network.switches[allocated.route.path[1]].dpid]
        assert abs(state.meters[FLOW_METERS + flow.number].rate_kbps * 1000 - allocated.rate_bps) <= 1000


@given(networks())
def test_unmatched_traffic_can_be_dropped(network: Network) -> None:
    policy = Policy("", (), unmatched=Unmatched.DROP)
    compiled = compile_switches(allocate_slices(policy, network))
    source, destination, *_ = network.hosts.values()
    assert not walk(network, compiled, source.name, packet_between(source, destination, **transport(6, 1, 2)))


def test_a_wrong_pipeline_is_noticed() -> None:
    """The oracle itself: a loop is reported, not followed for ever."""
    network = build_network([("s1", "s2"), ("s2", "s3"), ("s3", "s1"), ("h1", "s1"), ("h2", "s2")])
    around = {
        switch.dpid: SwitchState(
            {
                e.key: e
                for e in [FlowEntry(0, 1, (), 0, outputs=(network.links[switch.name, following].port_no,))]
            }
        )
        for switch, following in zip(network.switches.values(), ("s2", "s3", "s1"), strict=True)
    }
    with pytest.raises(RecursionError):
        walk(network, around, "h1", Packet({}))
