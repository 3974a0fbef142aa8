"""What of a rate switches can hold: nothing as nothing, whole kbit/s, and queues from 12 kbit/s on."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.control.openflow import encode
from fairslice.errors import Location
from fairslice.policy import parse_policy
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Slice, Unmatched
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import FlowEntry, Meter
from fairslice.slicing.state.enforced import MIN_BURST_BITS, flow_kbps, shortcomings, whole_kbps
from fairslice.slicing.state.forwarding import Probe
from fairslice.slicing.state.labels import FLOW_METERS, RETURN_METERS, Cookie, Role
from fairslice.slicing.state.queues import MIN_QUEUE_BPS
from fairslice.testing.networks import build_network
from fairslice.testing.pipeline import Packet, walk
from fairslice.topology.network import Network
from fairslice.units import is_nothing

HERE = Location("policy.yaml", 1, 1)
TCP, UDP = 6, 17
EVERY = list(Enforcement)


def pair(middle_bps: float = 10e6) -> Network:
    """h1, h2, h3 on s1 and h4, h5, h6 on s2; 100 Mbit/s for hosts."""
    network = build_network(
        [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=100e6
    )
    trunk = {k: replace(x, capacity_bps=middle_bps) for k, x in network.links.items() if {*k} == {"s1", "s2"}}
    return replace(network, links={**network.links, **trunk})


NETWORK = pair()


def allocation_of(text: str, network: Network = NETWORK) -> NetworkAllocation:
    return allocate_slices(parse_policy(f"version: 1\n{text}", "policy.yaml"), network)


def one_slice(
    *flows: FlowSpec, enforcement: Enforcement = Enforcement.BOTH, limit_bps: float | None = None
) -> NetworkAllocation:
    of = Slice("only", 1, HERE, flows, enforcement=enforcement, limit_bps=limit_bps)
    return allocate_slices(Policy("policy.yaml", (of,)), NETWORK)


def meters_of(allocation: NetworkAllocation) -> Mapping[int, Meter]:
    """The meters of flows, by number; those of acknowledgements left out."""
    states = compile_switches(allocation).values()
    return {i - FLOW_METERS: m for s in states for i, m in s.meters.items() if i < RETURN_METERS}


def classifiers(allocation: NetworkAllocation) -> Mapping[int, FlowEntry]:
    found = {}
    for state in compile_switches(allocation).values():
        for entry in state.flows.values():
            cookie = Cookie.read(entry.cookie)
            assert cookie is not None
            if cookie.role is Role.CLASSIFY:
                found[cookie.flow_number] = entry
    return found


def packet(source: str, destination: str, proto: int = TCP, src: int = 40000, dst: int = 50000) -> Packet:
    name = {TCP: "tcp", UDP: "udp"}[proto]
    hosts = NETWORK.hosts
    return Packet(
        {
            **{"eth_type": 0x0800, "ip_proto": proto, f"{name}_src": src, f"{name}_dst": dst, "ip_dscp": 0},
            **{"eth_src": hosts[source].mac, "eth_dst": hosts[destination].mac},
            **{"ipv4_src": hosts[source].ip, "ipv4_dst": hosts[destination].ip},
        }
    )


# Nothing --------------------------------------------------------------------------------------------------

NOTHING = {
    "a limit": "slices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4}]}}",
    "a limit of many flows": "slices: "
    "{a: {limit: 0 kbit/s, flows: [{from: h1, to: h4}, {from: h2, to: h5}]}}",
    "a demand": "slices: {a: {flows: [{from: h1, to: h4, demand: 0 Mbit/s}]}}",
    "a limit and a demand": "slices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4, demand: 5 Mbit/s}]}}",
    "a limit of udp": "slices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4, match: {proto: udp}}]}}",
    "a limit of a port": "slices: "
    "{a: {limit: 0 bit/s, flows: [{from: h1, to: h4, match: {proto: tcp, dst_port: 80}}]}}",
    "a limit of icmp": "slices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4, match: {proto: icmp}}]}}",
    "a tiny demand": "slices: {a: {flows: [{from: h1, to: h4, demand: 400 bit/s}]}}",
    "a tiny limit": "slices: {a: {limit: 0.4 kbit/s, flows: [{from: h1, to: h4}]}}",
    "a limit just below": "slices: {a: {limit: 999 bit/s, flows: [{from: h1, to: h4}]}}",
    "a tiny weight": "slices: "
    "{a: {weight: 1e-9, flows: [{from: h1, to: h4}]}, b: {weight: 1e12, flows: [{from: h2, to: h5}]}}",
    "a tiny limit split": "slices: {a: {limit: 1.5 kbit/s, flows: [{from: h1, to: h4}, {from: h2, to: h5}]}}",
    "two directions": "slices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4}, {from: h4, to: h1}]}}",
}


@pytest.mark.parametrize("enforcement", EVERY)
@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_nothing_is_enforced_by_an_entry_that_drops(text: str, enforcement: Enforcement) -> None:
    allocation = allocation_of(f"defaults: {{enforcement: {enforcement}}}\n{text}")
    entries, meters = classifiers(allocation), meters_of(allocation)
    blocked = [a for a in allocation.flows if a.flow.slice == "a"]
    assert blocked
    for allocated in blocked:
        assert is_nothing(allocated.rate_bps)
        entry = entries[allocated.flow.number]
        assert (entry.meter_id, entry.outputs, entry.goto_table, entry.set_dscp) == (None, (), None, None)
        assert allocated.flow.number not in meters
        assert encode.flow_add(entry).instructions == []
    assert not [
        m for state in compile_switches(allocation).values() for m in state.meters.values() if m.rate_kbps < 1
    ]


def test_nothing_of_a_flow_gets_through_and_others_are_untouched() -> None:
    allocation = allocation_of(
        "slices:\n  blocked: {limit: 0 bit/s, flows: [{from: h1, to: h4}]}\n"
        "  silent: {flows: [{from: h2, to: h5, demand: 0 Mbit/s}]}\n  rest: {flows: [{from: h3, to: h6}]}\n"
    )
    states = compile_switches(allocation)
    assert walk(NETWORK, states, "h1", packet("h1", "h4")) == []
    assert walk(NETWORK, states, "h2", packet("h2", "h5", UDP)) == []
    assert walk(NETWORK, states, "h3", packet("h3", "h6"))[-1].following == "h6"
    assert walk(NETWORK, states, "h1", packet("h1", "h5"))[-1].following == "h5"
    # What sends nothing is not acknowledged: the way back is as free as any.
    (hop, *_) = walk(NETWORK, states, "h4", packet("h4", "h1"))
    assert hop.meters == ()


@pytest.mark.parametrize("enforcement", EVERY)
def test_acknowledgements_of_another_flow_still_pass_where_a_flow_asks_for_nothing(
    enforcement: Enforcement,
) -> None:
    allocation = allocation_of(
        f"defaults: {{enforcement: {enforcement}}}\nslices:\n  there: {{flows: [{{from: h1, to: h4}}]}}\n"
        "  back: {flows: [{from: h4, to: h1, demand: 0 bit/s}]}\n"
    )
    states = compile_switches(allocation)
    hops = walk(NETWORK, states, "h4", replace(packet("h4", "h1"), length_bytes=66))
    assert hops[-1].following == "h1"
    assert {hop.dscp for hop in hops} == {1}
    assert hops[0].meters == (RETURN_METERS + 1,)
    assert walk(NETWORK, states, "h4", packet("h4", "h1")) == []
    assert walk(NETWORK, states, "h4", replace(packet("h4", "h1", UDP), length_bytes=66)) == []


def test_udp_the_other_way_needs_no_acknowledgements() -> None:
    allocation = allocation_of(
        "slices:\n  there: {flows: [{from: h1, to: h4, match: {proto: udp}}]}\n"
        "  back: {flows: [{from: h4, to: h1, demand: 0 bit/s}]}\n"
    )
    assert walk(NETWORK, compile_switches(allocation), "h4", packet("h4", "h1")) == []


# Whole kbit/s ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate_bps", "nearest", "below"),
    [
        (0.0, 0, 0),
        (400.0, 0, 0),
        (999.0, 0, 0),
        (1000.0, 1, 1),
        (1000 * (1 - 1e-12), 1, 1),
        (1499.0, 1, 1),
        (1500.0, 2, 1),
        (2500.0, 3, 2),
        (4987.5, 5, 4),
        (5000 * (1 - 1e-12), 5, 5),
        (9999.999999999, 10, 10),
        (333_333.333, 333, 333),
        (15e6, 15_000, 15_000),
    ],
)
def test_a_meter_counts_whole_kbit_and_a_limit_is_never_exceeded(
    rate_bps: float, nearest: int, below: int
) -> None:
    assert whole_kbps(rate_bps) == nearest
    assert whole_kbps(rate_bps, at_most=True) == below


@given(st.floats(0, 1e12))
def test_the_laws_of_whole_kbit(rate_bps: float) -> None:
    nearest, below = whole_kbps(rate_bps), whole_kbps(rate_bps, at_most=True)
    assert below <= nearest <= below + 1
    assert below * 1000 <= rate_bps * (1 + 2e-9)
    assert (nearest == 0) == (below == 0) == is_nothing(rate_bps)
    if nearest:
        assert abs(nearest * 1000 - rate_bps) <= 500 * (1 + 1e-6) + 1e-9 * rate_bps


@pytest.mark.parametrize("limit_bps", [1500.0, 2500.0, 4999.0, 5000.0, 7777.0, 11_999.0])
@pytest.mark.parametrize("enforcement", EVERY)
def test_a_small_limit_holds_with_every_enforcement(enforcement: Enforcement, limit_bps: float) -> None:
    """Open vSwitch's least queue has 12 kbit/s: below that a meter holds a shaped limit, too."""
    assert limit_bps < MIN_QUEUE_BPS
    allocation = one_slice(
        FlowSpec("h2", "h5", HERE, match=Match(UDP, dst_port=666)),
        enforcement=enforcement,
        limit_bps=limit_bps,
    )
    (meter,) = meters_of(allocation).values()
    assert meter.rate_kbps == int(limit_bps // 1000)
    assert MIN_BURST_BITS <= meter.burst_kbits * 1000 < MIN_BURST_BITS + 1000
    hops = walk(NETWORK, compile_switches(allocation), "h2", packet("h2", "h5", UDP, dst=666))
    assert [len(hop.meters) for hop in hops] == [1, 0]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_small_limit_holds_over_several_flows_and_ways(count: int) -> None:
    """Each has a queue of its own on its way, of 12 kbit/s at least: together they would exceed the limit."""
    flows = [FlowSpec(f"h{i}", f"h{i + 1}", HERE, match=Match(UDP)) for i in range(1, count + 1)]
    allocation = one_slice(*flows, enforcement=Enforcement.SHAPE, limit_bps=20_000)
    meters = meters_of(allocation)
    metered = sum(meters[a.flow.number].rate_kbps for a in allocation.flows if a.flow.number in meters)
    assert len(meters) == count
    assert metered <= 20


@pytest.mark.parametrize("limit_bps", [12_000.0, 100_000.0, 5e6])
def test_a_limit_that_a_queue_can_hold_is_the_queues(limit_bps: float) -> None:
    allocation = one_slice(FlowSpec("h2", "h5", HERE), enforcement=Enforcement.SHAPE, limit_bps=limit_bps)
    assert not meters_of(allocation)
    trunk = compile_switches(allocation)[1].qos[NETWORK.links["s1", "s2"].port_no]
    assert max(q.max_rate_bps for q in trunk.queues if q.queue_id == 1) == limit_bps


def test_a_shaped_slice_without_a_limit_has_no_meter_however_small() -> None:
    """Its queue lends what others leave: that is what shape is asked for."""
    allocation = allocation_of(
        "defaults: {enforcement: shape}\nslices:\n  a: {weight: 2000, flows: [{from: h1, to: h4}]}\n"
        "  b: {weight: 1, flows: [{from: h2, to: h5}]}\n"
    )
    assert not meters_of(allocation)


# What is told ---------------------------------------------------------------------------------------------


def told(text: str, network: Network = NETWORK) -> list[str]:
    return [str(fault) for fault in shortcomings(allocation_of(text, network))]


@pytest.mark.parametrize(
    "text",
    [
        "slices:\n  a: {flows: [{from: h1, to: h4}]}",
        "slices:\n  a: {limit: 5 kbit/s, flows: [{from: h1, to: h4}]}",
        "defaults: {enforcement: shape}\nslices:\n  a: {limit: 5 kbit/s, flows: [{from: h1, to: h4}]}",
        "defaults: {enforcement: shape}\nslices:\n  a: {flows: [{from: h1, to: h4, demand: 12 kbit/s}]}",
        "slices:\n  a: {limit: 0 bit/s, flows: [{from: h1, to: h4}]}",
        "slices:\n  a: {flows: [{from: h1, to: h4, demand: 0 bit/s}]}",
        "slices: {}",
    ],
)
def test_what_is_held_needs_no_word(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    "rate", ["1 kbit/s", "5 kbit/s", "7.5 kbit/s", "10 kbit/s", "11.9 kbit/s", "11999 bit/s"]
)
def test_a_queue_that_can_not_be_so_small_is_told_with_what_can(rate: str) -> None:
    (said,) = told(
        f"defaults: {{enforcement: shape}}\nslices:\n  a: {{flows: [{{from: h1, to: h4, demand: {rate}}}]}}"
    )
    assert said.startswith("policy.yaml:4:3: slice a: shape can't hold ")
    assert "12 kbit/s" in said
    assert said.endswith("police or both can")


@pytest.mark.parametrize(
    ("rate", "kept"),
    [
        ("1.5 kbit/s", "2 kbit/s"),
        ("2.4 kbit/s", "2 kbit/s"),
        ("1049 bit/s", "1 kbit/s"),
        ("10.6 kbit/s", "11 kbit/s"),
    ],
)
@pytest.mark.parametrize("enforcement", ["police", "both"])
def test_a_rate_between_two_kbit_is_told_with_the_one_that_holds(
    rate: str, kept: str, enforcement: str
) -> None:
    (said,) = told(
        f"defaults: {{enforcement: {enforcement}}}\nslices:\n  a: "
        f"{{flows: [{{from: h1, to: h4, demand: {rate}}}]}}"
    )
    assert said.startswith("policy.yaml:4:15: a:h1->h4: ")
    assert f"is held at {kept}, since meters count whole kbit/s" in said


def test_a_limit_between_two_kbit_is_held_at_the_one_below() -> None:
    (said,) = told("slices:\n  a: {limit: 1.9 kbit/s, flows: [{from: h1, to: h4}]}")
    assert "1.9 kbit/s is held at 1 kbit/s" in said


NOTHING_PASSES = "less than 1 kbit/s, the least that can be enforced: nothing passes"


def test_less_than_a_kbit_is_told_to_be_nothing() -> None:
    (said,) = told("slices:\n  a: {limit: 0.5 kbit/s, flows: [{from: h1, to: h4}]}")
    assert said == f"policy.yaml:3:34: a:h1->h4: 500 bit/s is {NOTHING_PASSES}"


def test_what_several_flows_have_in_common_is_told_once_with_their_numbers() -> None:
    (said,) = told("slices:\n  a: {limit: 1.5 kbit/s, flows: [{from: h1, to: h4}, {from: h2, to: h5}]}")
    assert said == f"policy.yaml:3:34: flows 1 and 2: each gets {NOTHING_PASSES}"
    rates = ("5 Mbit/s", "1.5 kbit/s", "2.4 kbit/s")
    flows = ", ".join(f"{{from: h{n}, to: h{n + 3}, demand: {rate}}}" for n, rate in enumerate(rates, 1))
    more = "{flows: [{from: h1, to: h6, demand: 1.6 kbit/s}]}"
    (said,) = told(f"slices:\n  a: {{flows: [{flows}]}}\n  b: {more}")
    assert said.endswith(
        ": flows 2 to 4: held at whole kbit/s by their meters, flow 2 the furthest off: "
        "1.5 kbit/s is held at 2 kbit/s"
    )


# Measuring where unmatched traffic is dropped ---------------------------------------------------------------


def test_a_probe_of_udp_brings_what_its_test_needs_and_takes_it_away_again() -> None:
    flow = FlowSpec("h1", "h4", HERE, match=Match(UDP, dst_port=5004))
    policy = Policy("p", (Slice("only", 1, HERE, (flow,)),), unmatched=Unmatched.DROP)
    allocation = allocate_slices(policy, NETWORK)
    probes = [Probe(1, UDP, 5004)]
    for packets, probed in ((probes, True), ([], False)):
        states = compile_switches(allocation, packets)
        for way in (
            ("h1", packet("h1", "h4", TCP, dst=5004)),
            ("h4", packet("h4", "h1", TCP, src=5004)),
            ("h4", packet("h4", "h1", UDP, src=5004)),
        ):
            hops = walk(NETWORK, states, *way)
            assert bool(hops) is probed
            assert {hop.dscp for hop in hops} <= {0}
        assert not walk(NETWORK, states, "h1", packet("h1", "h4", TCP, dst=80))
        assert not walk(NETWORK, states, "h2", packet("h2", "h4", TCP, dst=5004))


@pytest.mark.parametrize("unmatched", list(Unmatched))
def test_a_probe_of_tcp_needs_nothing_more(unmatched: Unmatched) -> None:
    policy = Policy("p", (Slice("only", 1, HERE, (FlowSpec("h1", "h4", HERE),)),), unmatched=unmatched)
    allocation = allocate_slices(policy, NETWORK)
    edge = [
        {key: e for key, e in compile_switches(allocation, probes)[1].flows.items() if e.table_id == 0}
        for probes in ([], [Probe(1, TCP, 5201)])
    ]
    assert edge[0] == edge[1]


def test_a_flows_meter_is_at_its_rate() -> None:
    allocation = allocation_of(
        "slices:\n  elephant: {weight: 1000, flows: [{from: h1, to: h4}]}\n"
        "  mouse: {weight: 1, flows: [{from: h2, to: h5}]}\n  half: "
        "{weight: 0.5, flows: [{from: h3, to: h6}]}\n"
    )
    meters = meters_of(allocation)
    for allocated in allocation.flows:
        assert meters[allocated.flow.number].rate_kbps == flow_kbps(allocated)
    assert [meters[n].rate_kbps for n in (2, 3)] == [10, 5]
