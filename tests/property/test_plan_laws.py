"""The laws of plans on their way: what holds after every step, on one switch and between switches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.policy.model import Enforcement, Policy, Unmatched
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import FlowEntry, Meter, SwitchState
from fairslice.slicing.state.diff import plan
from fairslice.slicing.state.labels import BEST_EFFORT, queue_of
from fairslice.slicing.state.steps import ORDER
from fairslice.testing.networks import build_network, networks
from fairslice.testing.pipeline import Hop, Packet, packet_between, walk
from fairslice.testing.policies import policies
from fairslice.testing.switch import FakeSwitch
from fairslice.topology.network import Host, Network

LAW = settings(deadline=None, max_examples=100)
TCP, ACKNOWLEDGEMENT_BYTES = 6, 66
STRANGER = (41_000, 41_001)
"""Ports of a packet that no generated policy knows."""


@dataclass(frozen=True)
class Change:
    """Two policies on their networks, and in which order switches take the next step of their plans."""

    before: NetworkAllocation
    after: NetworkAllocation
    turns: tuple[int, ...]


@st.composite
def successors(draw: st.DrawFn, policy: Policy, hosts: Sequence[str]) -> Policy:
    """Another policy, or one with much in common with it: slices in another order, changed or gone."""
    if draw(st.booleans()):
        return draw(policies(hosts))
    kept = (
        draw(st.lists(st.sampled_from(policy.slices), unique_by=lambda one: one.name))
        if policy.slices
        else []
    )
    if draw(st.booleans()):
        # Numbers stay as they are.
        kept = list(policy.slices)
    changed = [
        replace(
            one,
            number=number,
            weight=draw(st.sampled_from([one.weight, 1.0, 4.0])),
            limit_bps=draw(st.sampled_from([one.limit_bps, None, 2e6])),
            enforcement=draw(st.sampled_from([one.enforcement, *Enforcement])),
            flows=one.flows[draw(st.integers(0, 1)) :],
        )
        for number, one in enumerate(kept, 1)
    ]
    return replace(policy, slices=tuple(changed))


@st.composite
def turns(draw: st.DrawFn, network: Network) -> tuple[int, ...]:
    """Every switch as often as a plan may have steps, in any order."""
    dpids = [switch.dpid for switch in network.switches.values()]
    return tuple(draw(st.permutations(sorted(dpids * len(ORDER)))))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A change of policy on one network."""
    network = draw(networks(max_switches=5, max_hosts=5))
    policy = replace(draw(policies(list(network.hosts))), unmatched=draw(st.sampled_from(Unmatched)))
    after = draw(successors(policy, list(network.hosts)))
    return Change(allocate_slices(policy, network), allocate_slices(after, network), draw(turns(network)))


@st.composite
def failures(draw: st.DrawFn) -> Change:
    """A change of policy, and of the network: a cable between switches fails, or returns."""
    change = draw(changes())
    network = change.before.network
    cables = sorted(k for k in network.links if k[0] in network.switches and k[1] in network.switches)
    gone = draw(st.sampled_from(cables)) if cables else ()
    links = {key: link for key, link in network.links.items() if set(key) != set(gone)}
    smaller = replace(network, links=links)
    one, other = (change.before, change.after) if draw(st.booleans()) else (change.after, change.before)
    return Change(
        one if one is change.before else allocate_slices(one.policy, smaller, omit_unreachable=True),
        allocate_slices(other.policy, smaller, omit_unreachable=True) if one is change.before else other,
        change.turns,
    )


def moments(
    before: Mapping[int, SwitchState], after: Mapping[int, SwitchState], turns: Sequence[int]
) -> Iterator[Mapping[int, SwitchState]]:
    """What the switches hold after each step of each plan, the beginning and the end included."""
    switches = {dpid: FakeSwitch(state) for dpid, state in before.items()}
    states = {dpid: switch.state for dpid, switch in switches.items()}
    waiting = {dpid: list(plan(before[dpid], after[dpid]).steps) for dpid in before}
    yield states
    for dpid in turns:
        if waiting[dpid]:
            switches[dpid].take(waiting[dpid].pop(0))
            states = {**states, dpid: switches[dpid].state}
            yield states
    assert not any(waiting.values())
    assert states == after


# One switch ---------------------------------------------------------------------------------------------


@LAW
@given(changes() | failures())
def test_a_switch_holds_the_entries_of_one_policy_and_all_that_they_name(change: Change) -> None:
    """So each packet that comes to it is treated as before the change or as after it."""
    before, after = compile_switches(change.before), compile_switches(change.after)
    for states in moments(before, after, change.turns):
        for dpid, state in states.items():
            assert state.flows in (before[dpid].flows, after[dpid].flows)
            for meter_id, meter in state.meters.items():
                assert meter in (before[dpid].meters.get(meter_id), after[dpid].meters.get(meter_id))
            queues = {port: {queue.queue_id for queue in qos.queues} for port, qos in state.qos.items()}
            for entry in state.flows.values():
                assert entry.meter_id is None or entry.meter_id in state.meters
                if entry.queue_id is not None:
                    assert all(entry.queue_id in queues[port] for port in entry.outputs)


@LAW
@given(changes() | failures())
def test_a_plan_takes_its_steps_in_the_order_of_the_table(change: Change) -> None:
    before, after = compile_switches(change.before), compile_switches(change.after)
    for dpid in before:
        kinds = [ORDER.index(type(step)) for step in plan(before[dpid], after[dpid]).steps]
        assert kinds == sorted(set(kinds))


# Between switches ---------------------------------------------------------------------------------------


def packet_of(source: Host, destination: Host, proto: int, ports: tuple[int, int], length: int) -> Packet:
    names = {6: "tcp", 17: "udp"}[proto]
    fields = {"ip_proto": proto, f"{names}_src": ports[0], f"{names}_dst": ports[1]}
    return packet_between(source, destination, length, **fields)


def packets(change: Change) -> Iterator[tuple[str, str, Packet]]:
    """One of each flow of both policies, of its acknowledgements, and one of nobody's, with its hosts."""
    hosts = change.before.network.hosts
    for allocation in (change.before, change.after):
        for allocated in allocation.flows:
            flow = allocated.flow
            source, destination, match = hosts[flow.source], hosts[flow.destination], flow.match
            ports = (match.src_port or 40_000, match.dst_port or 50_000)
            yield (
                flow.source,
                flow.destination,
                packet_of(source, destination, match.proto or TCP, ports, 1514),
            )
            if (match.proto or TCP) == TCP:
                acknowledgement = packet_of(destination, source, TCP, ports[::-1], ACKNOWLEDGEMENT_BYTES)
                yield flow.destination, flow.source, acknowledgement
    one, other, *_ = hosts.values()
    yield one.name, other.name, packet_of(one, other, TCP, STRANGER, 1514)


def ways(hops: Sequence[Hop]) -> list[tuple[object, ...]]:
    """Where a packet goes, how it is marked and in which queues; meters, whose numbers change, aside."""
    return [(hop.node, hop.following, hop.queue_id, hop.dscp) for hop in hops]


def queues_of(mark: int | None, *policies: Policy) -> set[int]:
    """The queues that policies give to a mark, and the one for marks that a switch does not know."""
    return {queue_of(BEST_EFFORT)} | {
        queue_of(one.number, one.enforcement)
        for policy in policies
        for one in policy.slices
        if one.number == mark
    }


@LAW
@given(changes())
def test_a_packet_that_both_policies_deliver_is_never_lost_nor_unmetered(change: Change) -> None:
    """Whatever of their plans the switches have done, in whatever order.

    Where both policies lead a packet the same way, it goes that way in those queues. Where they do not, its
    slice has another number or another kind of enforcement, and it may be among the rest for a moment.
    """
    network, policies = change.before.network, (change.before.policy, change.after.policy)
    before, after = compile_switches(change.before), compile_switches(change.after)
    todo = []
    for source, destination, packet in packets(change):
        ends = [walk(network, states, source, packet) for states in (before, after)]
        if all(hops and hops[-1].following == destination for hops in ends):
            todo.append((source, destination, packet, ends))
    for states in moments(before, after, change.turns):
        for source, destination, packet, ends in todo:
            hops = walk(network, states, source, packet)
            assert hops[-1].following == destination
            assert len(hops) == len(ends[0]) == len(ends[1])
            # Its first switch marks and meters it as one of the policies says, and no other does.
            assert hops[0] in (ends[0][0], ends[1][0])
            assert not any(hop.meters for hop in hops[1:])
            if ends[0][0].meters and ends[1][0].meters:
                assert hops[0].meters
            if ways(ends[0]) == ways(ends[1]):
                assert ways(hops) == ways(ends[0])
            for hop in hops:
                assert hop.dscp == hops[0].dscp
                assert hop.queue_id in queues_of(hop.dscp, *policies)


def test_the_laws_notice_a_wrong_order() -> None:
    """The oracle itself: steps the other way round break what the tests above hold."""
    network = build_network([("h1", "s1"), ("h2", "s1")])
    nothing = compile_switches(NetworkAllocation(Policy("", ()), network, ()))[1]
    entry = FlowEntry(0, 100, (("in_port", 1),), 1, meter_id=5, queue_id=1, outputs=(2,))
    something = SwitchState({**nothing.flows, entry.key: entry}, {5: Meter(5, 1, 1)}, nothing.qos)
    for way in ((nothing, something), (something, nothing)):
        switch = FakeSwitch(way[0])
        steps = plan(*way).steps[::-1]
        if way[0] is nothing:
            with pytest.raises(ValueError, match="UNKNOWN_METER"):
                switch.take(steps[0])
            assert switch.state == nothing
        else:
            switch.take(steps[0])
            # The meter has taken its entry along, before its time.
            assert switch.flows == nothing.flows
