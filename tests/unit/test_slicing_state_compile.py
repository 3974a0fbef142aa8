"""What switches hold for the example policies; the laws of packets are in test_slicing_state_laws."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import Location
from fairslice.policy import load_policy
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Slice, Unmatched
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import FlowEntry, Meter, SwitchState
from fairslice.slicing.state.forwarding import Probe
from fairslice.slicing.state.labels import FLOW_METERS, RETURN_METERS, Cookie, Role
from fairslice.slicing.state.returns import LONGEST_ACKNOWLEDGEMENT_BYTES, MIN_RETURN_METER_BPS
from fairslice.testing.networks import build_network, networks
from fairslice.testing.pipeline import Packet, walk
from fairslice.testing.policies import policies
from fairslice.topology.network import Network

HERE = Location("policy.yaml", 1, 1)
POLICIES = Path(__file__).parents[2] / "policies"
M = 1e6
S1, S2 = 1, 2
AUTO_BURST_S = 0.25


def dumbbell() -> Network:
    """As topologies/dumbbell.py makes it: 30 Mbit/s in the middle, 100 Mbit/s for hosts."""
    network = build_network(
        [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=100 * M
    )
    trunk = {
        k: replace(link, capacity_bps=30 * M) for k, link in network.links.items() if {*k} == {"s1", "s2"}
    }
    return replace(network, links={**network.links, **trunk})


NETWORK = dumbbell()


def example(name: str) -> NetworkAllocation:
    return allocate_slices(load_policy(POLICIES / f"{name}.yaml"), NETWORK)


def policy_of(*flows: FlowSpec, **of: object) -> Policy:
    return Policy("policy.yaml", (Slice("only", 1, HERE, flows, **of),))  # type: ignore[arg-type]


def entries(state: SwitchState, role: Role, flow_number: int | None = None) -> list[FlowEntry]:
    found = []
    for entry in state.flows.values():
        cookie = Cookie.read(entry.cookie)
        assert cookie is not None
        if cookie.role is role and flow_number in (None, cookie.flow_number):
            found.append(entry)
    return found


def kbit(meter: Meter) -> tuple[int, int]:
    return meter.rate_kbps, meter.burst_kbits


def port(source: str, target: str) -> int:
    return NETWORK.links[source, target].port_no


# gold, silver, bronze -----------------------------------------------------------------------------------


def test_flows_are_metered_where_they_come_in() -> None:
    compiled = compile_switches(example("gold-silver-bronze"))
    meters = {i: m for i, m in compiled[S1].meters.items() if i < RETURN_METERS}
    assert set(meters) == {FLOW_METERS + n for n in (1, 2, 3)}
    for number, rate_bps in ((1, 15 * M), (2, 10 * M), (3, 5 * M)):
        meter = meters[FLOW_METERS + number]
        assert kbit(meter) == (rate_bps / 1000, rate_bps / 1000 * AUTO_BURST_S)
    assert not [i for i in compiled[S2].meters if i < RETURN_METERS]


def test_acknowledgements_are_metered_where_they_come_in() -> None:
    allocation = example("gold-silver-bronze")
    share = allocation.policy.return_share
    compiled = compile_switches(allocation)
    assert not [i for i in compiled[S1].meters if i > RETURN_METERS]
    for number, rate_bps in ((1, 15 * M), (2, 10 * M), (3, 5 * M)):
        meter = compiled[S2].meters[RETURN_METERS + number]
        assert meter.rate_kbps == round(max(share * rate_bps, MIN_RETURN_METER_BPS) / 1000)
        (entry,) = entries(compiled[S2], Role.RETURN, number)
        assert (entry.meter_id, entry.set_dscp, entry.goto_table) == (meter.meter_id, number, 1)
        assert dict(entry.match) == {
            "eth_type": 0x0800,
            "in_port": port("s2", f"h{number + 3}"),
            "ipv4_src": f"10.0.0.{number + 3}",
            "ipv4_dst": f"10.0.0.{number}",
        }


def test_the_edge_marks_a_flow_with_the_number_of_its_slice() -> None:
    compiled = compile_switches(example("gold-silver-bronze"))
    for number in (1, 2, 3):
        (entry,) = entries(compiled[S1], Role.CLASSIFY, number)
        assert entry == FlowEntry(
            table_id=0,
            priority=entry.priority,
            match=(
                ("eth_type", 0x0800),
                ("in_port", port("s1", f"h{number}")),
                ("ipv4_dst", f"10.0.0.{number + 3}"),
                ("ipv4_src", f"10.0.0.{number}"),
            ),
            cookie=int(Cookie(Role.CLASSIFY, number, number)),
            meter_id=FLOW_METERS + number,
            set_dscp=number,
            goto_table=1,
        )
        assert not entries(compiled[S2], Role.CLASSIFY, number)


def test_marks_choose_queues_and_ports() -> None:
    compiled = compile_switches(example("gold-silver-bronze"))
    for number in (1, 2, 3):
        (there,) = entries_of_mark(compiled[S1], number, f"h{number + 3}")
        assert (there.queue_id, there.outputs, there.goto_table) == (number, (port("s1", "s2"),), None)
        (back,) = entries_of_mark(compiled[S2], number, f"h{number}")
        assert (back.queue_id, back.outputs) == (number, (port("s2", "s1"),))
        (last,) = entries(compiled[S2], Role.DELIVER, number)
        assert (last.queue_id, last.outputs) == (number, (port("s2", f"h{number + 3}"),))


def entries_of_mark(state: SwitchState, dscp: int, destination: str) -> list[FlowEntry]:
    wanted = {"ip_dscp": dscp, "eth_dst": NETWORK.hosts[destination].mac}.items()
    return [e for e in entries(state, Role.FORWARD) if wanted <= dict(e.match).items()]


def test_a_packet_of_nobody_is_unmarked_and_takes_the_common_queue() -> None:
    for state in compile_switches(example("gold-silver-bronze")).values():
        unmarked = [e for e in entries(state, Role.BASE) if e.set_dscp is not None]
        assert {dict(e.match)["eth_type"] for e in unmarked} == {0x0800, 0x86DD}
        assert {(e.set_dscp, e.goto_table) for e in unmarked} == {(0, 1)}
        # No in_port: but a trunk's packets are let through before, so that marks survive.
        (trunk,) = [e for e in entries(state, Role.BASE) if "in_port" in dict(e.match)]
        assert trunk.set_dscp is None
        assert trunk.priority > max(e.priority for e in unmarked)


# mixed enforcement --------------------------------------------------------------------------------------


def test_each_way_of_enforcement_has_its_meters_and_queues() -> None:
    compiled = compile_switches(example("mixed-enforcement"))
    assert set(compiled[S1].meters) == {FLOW_METERS + 1, FLOW_METERS + 3}
    assert set(compiled[S2].meters) == {RETURN_METERS + 1, RETURN_METERS + 3}
    # Policed with a burst of its own of 300 ms.
    assert kbit(compiled[S1].meters[FLOW_METERS + 1]) == (10_000, 3000)
    assert kbit(compiled[S1].meters[FLOW_METERS + 3]) == (10_000, 10_000 * AUTO_BURST_S)
    for number, queue_id in ((1, 0), (2, 2), (3, 3)):
        (classify,) = entries(compiled[S1], Role.CLASSIFY, number)
        assert classify.set_dscp == number
        assert (classify.meter_id is None) == (number == 2)
        (forward,) = entries_of_mark(compiled[S1], number, f"h{number + 3}")
        (deliver,) = entries(compiled[S2], Role.DELIVER, number)
        assert forward.queue_id == deliver.queue_id == queue_id


def test_the_common_queue_covers_what_is_only_policed() -> None:
    trunk = compile_switches(example("mixed-enforcement"))[S1].qos[port("s1", "s2")]
    minima = {queue.queue_id: queue.min_rate_bps for queue in trunk.queues}
    assert minima == pytest.approx({0: 10 * M, 2: 10 * M, 3: 10 * M}, abs=1)


# members ------------------------------------------------------------------------------------------------


def test_a_flows_meter_carries_its_data_and_nothing_else() -> None:
    allocation = example("members")
    compiled = compile_switches(allocation)
    for allocated in allocation.flows:
        source, destination = allocated.flow.source, allocated.flow.destination
        state = compiled[NETWORK.switches[NETWORK.hosts[source].switch].dpid]
        meter = state.meters[FLOW_METERS + allocated.flow.number]
        assert meter.rate_kbps == pytest.approx(allocated.rate_bps / 1000, abs=0.5)
        there = walk(NETWORK, compiled, source, tcp(source, destination))
        assert there[0].meters == (meter.meter_id,)
        back = walk(NETWORK, compiled, destination, tcp(destination, source, ACKNOWLEDGEMENT_BYTES))
        assert back[0].meters == (RETURN_METERS + allocated.flow.number,)


ACKNOWLEDGEMENT_BYTES = 66


def tcp(source: str, destination: str, length_bytes: int = 1514, **ports: int) -> Packet:
    """A segment between ports that no match names, unless it is said."""
    sender, receiver = NETWORK.hosts[source], NETWORK.hosts[destination]
    return Packet(
        {
            "eth_type": 0x0800,
            "eth_src": sender.mac,
            "eth_dst": receiver.mac,
            "ipv4_src": sender.ip,
            "ipv4_dst": receiver.ip,
            "ip_dscp": 0,
            "ip_proto": TCP,
            "tcp_src": 40000,
            "tcp_dst": 50000,
            **ports,
        },
        length_bytes,
    )


def test_acknowledgements_are_told_where_a_flow_of_its_own_goes_their_way() -> None:
    """Its entry comes first, and asks for the length."""
    for state in compile_switches(example("members")).values():
        for entry in entries(state, Role.CLASSIFY):
            assert (entry.longer_than, entry.meter_id) == (LONGEST_ACKNOWLEDGEMENT_BYTES, None)
        least = min(e.priority for e in entries(state, Role.CLASSIFY))
        at_edge = [e for e in entries(state, Role.RETURN) if e.table_id == 0]
        assert all(10 < e.priority < least for e in at_edge)


TCP, UDP = 6, 17


@pytest.mark.parametrize(
    ("there", "back", "ports"),
    [
        (Match(), Match(), {}),
        (Match(TCP, dst_port=80), Match(), {"tcp_src": 80}),
        (Match(TCP, dst_port=80), Match(TCP, src_port=80), {"tcp_src": 80}),
        (Match(), Match(TCP), {}),
        (Match(), Match(TCP, src_port=80), {"tcp_src": 80}),
        (Match(TCP), Match(TCP, dst_port=80), {"tcp_dst": 80}),
        (Match(TCP, dst_port=80), Match(TCP, src_port=81), None),
        (Match(TCP, dst_port=80), Match(TCP, dst_port=90), {"tcp_src": 80, "tcp_dst": 90}),
        (Match(TCP), Match(UDP), None),
        (Match(UDP), Match(), None),
    ],
)
@pytest.mark.parametrize("other_slice", [False, True])
def test_a_flow_tells_acknowledgements_that_meet_its_match(
    there: Match, back: Match, ports: dict[str, int] | None, other_slice: bool
) -> None:
    """Data of ``back`` keeps to its meter and slice, acknowledgements of ``there`` to theirs."""
    first = FlowSpec("h1", "h4", HERE, match=there, demand_bps=20 * M)
    second = FlowSpec("h4", "h1", HERE, match=back, demand_bps=1 * M)
    if other_slice:
        policy = policy_of(first, enforcement=Enforcement.POLICE)
        (own,) = policy.slices
        policy = replace(policy, slices=(own, replace(own, name="b", number=2, flows=(second,))))
    else:
        policy = policy_of(first, second, enforcement=Enforcement.POLICE)
    compiled = compile_switches(allocate_slices(policy, NETWORK))
    (classify,) = entries(compiled[S2], Role.CLASSIFY, 2)
    assert (classify.longer_than is not None) == (ports is not None)
    assert compiled[S2].meters[FLOW_METERS + 2].rate_kbps == 1000
    if ports is None:
        return
    data = walk(NETWORK, compiled, "h4", tcp("h4", "h1", 95, **ports))
    assert (data[0].meters, {hop.dscp for hop in data}) == ((FLOW_METERS + 2,), {1 + other_slice})
    returned = walk(NETWORK, compiled, "h4", tcp("h4", "h1", 94, **ports))
    assert (returned[0].meters, {hop.dscp for hop in returned}) == ((RETURN_METERS + 1,), {1})
    assert returned[-1].following == data[-1].following == "h1"


def test_where_one_queue_holds_all_and_nothing_is_metered_nothing_is_told_apart() -> None:
    policy = policy_of(FlowSpec("h1", "h4", HERE), FlowSpec("h4", "h1", HERE), enforcement=Enforcement.SHAPE)
    for state in compile_switches(allocate_slices(policy, NETWORK)).values():
        assert all(entry.longer_than is None for entry in state.flows.values())


# the rest -----------------------------------------------------------------------------------------------


def test_udp_is_not_acknowledged() -> None:
    policy = policy_of(FlowSpec("h1", "h4", HERE, match=Match(UDP, dst_port=5004)))
    compiled = compile_switches(allocate_slices(policy, NETWORK))
    assert not entries(compiled[S2], Role.RETURN)
    assert not compiled[S2].meters
    assert not entries_of_mark(compiled[S2], 1, "h1")
    assert compiled[S1].meters


def test_the_acknowledgements_of_a_port_come_from_it() -> None:
    policy = policy_of(FlowSpec("h1", "h4", HERE, match=Match(TCP, dst_port=80)))
    compiled = compile_switches(allocate_slices(policy, NETWORK))
    (there,) = entries(compiled[S1], Role.CLASSIFY)
    (back,) = entries(compiled[S2], Role.RETURN)
    assert {"ip_proto": TCP, "tcp_dst": 80}.items() <= dict(there.match).items()
    assert {"ip_proto": TCP, "tcp_src": 80}.items() <= dict(back.match).items()
    assert "tcp_dst" not in dict(back.match)


@pytest.mark.parametrize("rate_bps", [1000.0, 5000.0, 10_000.0])
def test_a_slow_meter_limits_and_lets_ten_full_frames_through(rate_bps: float) -> None:
    """A bucket smaller than a frame would let nothing pass."""
    policy = policy_of(FlowSpec("h1", "h4", HERE, demand_bps=rate_bps))
    meter = compile_switches(allocate_slices(policy, NETWORK))[S1].meters[FLOW_METERS + 1]
    assert meter.rate_kbps == rate_bps / 1000
    assert 10 * 1514 * 8 <= meter.burst_kbits * 1000 < 11 * 1514 * 8


def test_a_burst_is_a_time_at_the_rate() -> None:
    policy = policy_of(FlowSpec("h1", "h4", HERE, demand_bps=20 * M), burst_s=0.5)
    meter = compile_switches(allocate_slices(policy, NETWORK))[S1].meters[FLOW_METERS + 1]
    assert meter.burst_kbits == pytest.approx(0.5 * meter.rate_kbps, abs=1)


def test_a_probe_counts_its_packets_apart_on_the_same_way() -> None:
    allocation = example("gold-silver-bronze")
    probes = [Probe(1, TCP, 5201), Probe(2, UDP, 5202)]
    compiled = compile_switches(allocation, probes)
    plain = compile_switches(allocation)
    assert compiled[S1] == plain[S1]
    assert len(compiled[S2].flows) == len(plain[S2].flows) + len(probes)
    for probe, field in zip(probes, ("tcp_dst", "udp_dst"), strict=True):
        (counted,) = entries(compiled[S2], Role.PROBE, probe.flow_number)
        (whole,) = entries(compiled[S2], Role.DELIVER, probe.flow_number)
        assert counted.priority > whole.priority
        assert (counted.queue_id, counted.outputs) == (whole.queue_id, whole.outputs)
        narrowed = {"ip_proto": probe.proto, field: probe.dst_port}
        assert dict(counted.match) == dict(whole.match) | narrowed


def test_one_switch_may_be_a_flows_first_and_last() -> None:
    compiled = compile_switches(allocate_slices(policy_of(FlowSpec("h1", "h2", HERE)), NETWORK))
    for role in (Role.CLASSIFY, Role.RETURN, Role.DELIVER):
        assert entries(compiled[S1], role, 1)
        assert not entries(compiled[S2], role)
    assert set(compiled[S1].meters) == {FLOW_METERS + 1, RETURN_METERS + 1}


def test_what_nobody_may_send_is_dropped_but_arp() -> None:
    policy = replace(policy_of(FlowSpec("h1", "h4", HERE)), unmatched=Unmatched.DROP)
    for state in compile_switches(allocate_slices(policy, NETWORK)).values():
        base = [e for e in entries(state, Role.BASE) if e.table_id == 0]
        assert {tuple(name for name, _ in e.match) for e in base} == {("in_port",), ("eth_type",)}
        (arp,) = [e for e in base if dict(e.match).get("eth_type") == 0x0806]
        assert arp.outputs == (0xFFFFFFFD,)


def test_without_a_policy_there_are_no_meters_and_one_queue() -> None:
    for state in compile_switches(NetworkAllocation(Policy("", ()), NETWORK, ())).values():
        assert not state.meters
        assert {queue.queue_id for qos in state.qos.values() for queue in qos.queues} == {0}
        assert not entries(state, Role.CLASSIFY)


def test_two_entries_with_one_identity_are_never_installed() -> None:
    """Overlapping flows are refused before; if one came through, a switch would keep only the last."""
    allocation = example("gold-silver-bronze")
    twice = replace(allocation, flows=(allocation.flows[0], *allocation.flows))
    with pytest.raises(AssertionError, match="same table, priority and match"):
        compile_switches(twice)


@given(st.data())
def test_every_meter_has_one_entry_and_every_entry_its_meter_on_its_switch(data: st.DataObject) -> None:
    network = data.draw(networks())
    policy = data.draw(policies(list(network.hosts)))
    for state in compile_switches(allocate_slices(policy, network)).values():
        named = Counter(e.meter_id for e in state.flows.values() if e.meter_id is not None)
        assert set(named) == set(state.meters)
        # Acknowledgements may come by themselves, or where a flow goes their way.
        assert all(count == 1 for meter_id, count in named.items() if meter_id < RETURN_METERS)
