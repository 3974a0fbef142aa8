"""How long frames may take: by hand on small networks, and what is refused."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from fairslice.errors import InfeasibleError
from fairslice.policy import parse_policy
from fairslice.slicing.acceptance import accept
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.delays import admit, flow_delays
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.queues import port_queues
from fairslice.testing.networks import build_network
from fairslice.topology.network import Network

FRAME_BITS = 8 * 1514


def line(capacity_bps: float = 10e6, switches: int = 2) -> Network:
    """Hosts a and c at the first of a line of switches, b and d at the last."""
    names = [f"s{number}" for number in range(1, switches + 1)]
    cables = [*pairwise(names)]
    ends = [("a", names[0]), ("c", names[0]), ("b", names[-1]), ("d", names[-1])]
    return build_network([*cables, *ends], capacity_bps=capacity_bps)


def allocated(flows: str, network: Network, keys: str = "") -> NetworkAllocation:
    text = (
        f"version: 1\nslices:\n  voice: {{{keys}flows: [{flows}]}}\n  bulk: {{flows: [{{from: c, to: d}}]}}\n"
    )
    return allocate_slices(parse_policy(text, "p.yaml"), network)


UDP = "match: {proto: udp}"
VOICE = f"{{from: a, to: b, demand: 2 Mbit/s, burst: 3 kB, {UDP}}}"


def others_s(allocation: NetworkAllocation, switch: str, neighbour: str, own: int = 1) -> float:
    """A frame on the wire, and what other queues of the port may send at once."""
    link = allocation.network.links[switch, neighbour]
    queues = port_queues(allocation)[switch][link.port_no].queues
    caught_up = sum(8 * queue.burst_bytes for queue in queues if queue.queue_id != own)
    return (FRAME_BITS + caught_up) / link.capacity_bps


def test_a_flow_alone_meets_its_burst_once() -> None:
    allocation = allocated(VOICE, line(switches=3))
    (found,) = flow_delays(allocation)
    others = [others_s(allocation, *hop) for hop in (("s1", "s2"), ("s2", "s3"), ("s3", "b"))]
    assert found.bound_s == pytest.approx((24_000 + 2 * FRAME_BITS) / 2e6 + sum(others))
    assert [hop.link for hop in found.hops] == ["s1->s2", "s2->s3", "s3->b"]
    assert sum(hop.delay_s for hop in found.hops) == pytest.approx(found.bound_s)
    assert not any(hop.full for hop in found.hops)


def test_flows_that_share_a_queue_meet_each_other_s_bursts() -> None:
    both = f"{VOICE}, {{from: c, to: b, demand: 1 Mbit/s, burst: 2 kB, {UDP}}}"
    allocation = allocated(both, line())
    first, second = flow_delays(allocation)
    trunk_s = (24_000 + 16_000) / 3e6 + others_s(allocation, "s1", "s2")
    assert first.hops[0].delay_s == second.hops[0].delay_s == pytest.approx(trunk_s)
    # On the way the first one's burst has grown by 2 Mbit/s, the second one's by 1 Mbit/s, of that time.
    last_s = (40_000 + 3e6 * trunk_s) / 3e6 + others_s(allocation, "s2", "b")
    assert first.hops[1].delay_s == pytest.approx(last_s)
    assert first.bound_s == pytest.approx(trunk_s + last_s)


def test_beside_a_flow_that_promises_nothing_the_queue_may_be_full() -> None:
    allocation = allocated(f"{VOICE}, {{from: a, to: d, demand: 1 Mbit/s, {UDP}}}", line())
    (found,) = flow_delays(allocation)
    full = {queue.queue_id: queue for queue in port_queues(allocation)["s1"][1].queues}[1]
    depth_s = 8 * full.buffer_bytes / full.min_rate_bps
    assert [hop.full for hop in found.hops] == [True, False]
    assert found.hops[0].delay_s == pytest.approx(depth_s + others_s(allocation, "s1", "s2"))


def test_acknowledgements_that_wait_in_the_queue_promise_nothing() -> None:
    allocation = allocated(f"{VOICE}, {{from: b, to: a, demand: 1 Mbit/s, match: {{proto: tcp}}}}", line())
    (found,) = flow_delays(allocation)
    assert all(hop.full for hop in found.hops)


def test_a_promised_burst_has_room_in_the_queue_and_is_all_that_the_meter_lets_through() -> None:
    plain, promised = (
        compile_switches(allocated(flow, line()))[1] for flow in (VOICE.replace(", burst: 3 kB", ""), VOICE)
    )
    depths = [{q.queue_id: q.buffer_bytes for q in state.qos[1].queues} for state in (plain, promised)]
    assert depths[1][1] - depths[0][1] == 3000
    bursts = {state.meters[50_001].burst_kbits for state in (plain, promised)}
    assert bursts == {math.ceil(2000 * 0.25), 24}


@pytest.mark.parametrize("other", ["", f", {{from: a, to: d, demand: 1 Mbit/s, burst: 90 kB, {UDP}}}"])
@pytest.mark.parametrize("burst", ["2 kB", "200 kB", "10 MB"])
def test_a_wait_is_never_longer_than_a_full_queue(burst: str, other: str) -> None:
    allocation = allocated(VOICE.replace("3 kB", burst) + other, line(switches=4))
    found = flow_delays(allocation)[0]
    full = []
    for hop in found.hops:
        source, target = hop.link.split("->")
        link = allocation.network.links[source, target]
        (queue,) = (q for q in port_queues(allocation)[source][link.port_no].queues if q.queue_id == 1)
        full.append(8 * queue.buffer_bytes / queue.min_rate_bps + others_s(allocation, source, target))
    assert found.bound_s is not None
    assert found.bound_s <= sum(full) * (1 + 1e-12)


def test_links_delay_frames_too() -> None:
    near = line()
    far = replace(near, links={key: replace(link, delay_s=0.003) for key, link in near.links.items()})
    bounds = [flow_delays(allocated(VOICE, network))[0].bound_s or math.nan for network in (near, far)]
    # From the first switch on: the sender's own line does not count.
    assert bounds[1] - bounds[0] == pytest.approx(2 * 0.003)


@pytest.mark.parametrize(
    ("keys", "network", "why"),
    [
        ("", line(1e6), "it gets 500 kbit/s of its demand of 2 Mbit/s"),
        ("enforcement: police, ", line(), "slice voice is policed only, and has no queue of its own"),
    ],
)
def test_there_is_no_bound(keys: str, network: Network, why: str) -> None:
    (found,) = flow_delays(allocated(VOICE, network, keys))
    assert (found.bound_s, found.why) == (None, why)


def test_a_policy_without_promises_costs_nothing() -> None:
    assert flow_delays(allocated("{from: a, to: b}", line())) == ()


@pytest.mark.parametrize("factor", [0.99, 1.0])
def test_a_delay_is_admitted_exactly_if_it_is_kept(factor: float) -> None:
    network = line()
    (free,) = flow_delays(allocated(VOICE, network))
    assert free.bound_s is not None
    asked = VOICE.replace("burst", f"delay: {factor * free.bound_s:.15f} s, burst")
    allocation = allocated(asked, network)
    (found,) = flow_delays(allocation)
    assert found.bound_s == free.bound_s
    if factor == 1:
        assert found.kept
        admit(allocation)
        return
    with pytest.raises(InfeasibleError) as caught:
        accept(allocation.policy, network)
    error = caught.value
    assert str(error) == "1 of 1 delays that flows ask for can't be kept"
    assert error.link == found.costliest.link
    (told,) = error.lines[1:]
    assert told.startswith("p.yaml:3:19: voice:a->b udp asks for ")
    assert f"at {found.costliest.link}, where its queue has 2 Mbit/s" in told
