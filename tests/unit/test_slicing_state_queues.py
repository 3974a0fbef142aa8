"""The queues of ports, by example; the laws are in test_slicing_state_laws."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import Location
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Slice
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.state.desired import PortQos, Queue
from fairslice.slicing.state.queues import (
    BEST_EFFORT_SHARE,
    MIN_BUFFER_BYTES,
    MIN_QUEUE_BPS,
    MIN_QUEUE_BURST_BYTES,
    QUEUE_BURST_S,
    port_queues,
)
from fairslice.testing.networks import build_network
from fairslice.topology.network import Network
from fairslice.units import FULL_FRAME_BYTES

HERE = Location("policy.yaml", 1, 1)
M = 1e6


def dumbbell(bottleneck_bps: float = 30 * M) -> Network:
    """h1, h2, h3 on s1 and h4, h5, h6 on s2, their cables with 100 Mbit/s."""
    network = build_network(
        [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=100 * M
    )
    trunk = {
        key: replace(link, capacity_bps=bottleneck_bps)
        for key, link in network.links.items()
        if set(key) == {"s1", "s2"}
    }
    return replace(network, links={**network.links, **trunk})


def flow(source: str, destination: str, demand: float | None = None, match: Match = Match()) -> FlowSpec:  # noqa: B008
    """``demand`` in Mbit/s."""
    return FlowSpec(source, destination, HERE, demand_bps=None if demand is None else demand * M, match=match)


def slice_(
    number: int,
    *flows: FlowSpec,
    weight: float = 1.0,
    limit: float | None = None,
    enforcement: Enforcement = Enforcement.BOTH,
) -> Slice:
    limit_bps = None if limit is None else limit * M
    return Slice(
        f"slice{number}",
        number,
        HERE,
        flows,
        weight=weight,
        limit_bps=limit_bps,
        enforcement=enforcement,
    )


def qos_of(
    *slices: Slice, network: Network | None = None, **policy: float
) -> Mapping[tuple[str, str], PortQos]:
    """The QoS of every port that has one, by its link."""
    network = network or dumbbell()
    ports = port_queues(allocate_slices(Policy("policy.yaml", slices, **policy), network))  # type: ignore[arg-type]
    links = {(link.source, link.port_no): link.key for link in network.links.values()}
    return {links[switch, number]: qos for switch, of in ports.items() for number, qos in of.items()}


def queues(qos: PortQos) -> dict[int, Queue]:
    assert [queue.queue_id for queue in qos.queues] == sorted(queue.queue_id for queue in qos.queues)
    return {queue.queue_id: queue for queue in qos.queues}


def minima(qos: PortQos) -> dict[int, int]:
    return {number: queue.min_rate_bps for number, queue in queues(qos).items()}


THREE = (
    slice_(1, flow("h1", "h4"), weight=3),
    slice_(2, flow("h2", "h5"), weight=2),
    slice_(3, flow("h3", "h6")),
)


def test_a_queue_is_sure_of_what_its_slice_holds_and_may_borrow_all() -> None:
    trunk = qos_of(*THREE)["s1", "s2"]
    assert trunk.max_rate_bps == 30_000_000
    assert minima(trunk) == pytest.approx({0: MIN_QUEUE_BPS, 1: 15 * M, 2: 10 * M, 3: 5 * M}, abs=1)
    assert {queue.max_rate_bps for queue in trunk.queues} == {30_000_000}


def test_acknowledgements_are_held_where_they_return() -> None:
    back = qos_of(*THREE, return_share=0.04)["s2", "s1"]
    expected = {1: 0.04 * 15 * M, 2: 0.04 * 10 * M, 3: 0.04 * 5 * M, 0: BEST_EFFORT_SHARE * 30 * M}
    assert minima(back) == pytest.approx(expected, abs=1)
    assert set(minima(qos_of(*THREE, return_share=0.0)["s2", "s1"])) == {0}


def test_only_links_that_a_slice_uses_have_its_queue() -> None:
    qos = qos_of(*THREE)
    assert set(minima(qos["s2", "h4"])) == {0, 1}
    assert set(minima(qos["s1", "h3"])) == {0, 3}


def test_every_port_that_sends_has_qos_and_hosts_have_none() -> None:
    network = dumbbell()
    assert set(qos_of(network=network)) == {key for key in network.links if key[0] in network.switches}
    qos = qos_of(network=network)["s1", "s2"]
    assert minima(qos) == {0: BEST_EFFORT_SHARE * 30 * M}


def test_a_link_that_carries_nothing_has_no_qos() -> None:
    qos = qos_of(network=dumbbell(0.0))
    assert ("s1", "s2") not in qos
    assert ("s1", "h1") in qos


@pytest.mark.parametrize(("demand", "left"), [(29.9, 0.1), (29.0, 0.3), (1.0, 0.3)])
def test_best_effort_keeps_a_little_where_there_is_some(demand: float, left: float) -> None:
    """One per cent of 30 Mbit/s, or what is free."""
    trunk = qos_of(slice_(1, flow("h1", "h4", demand)))["s1", "s2"]
    assert minima(trunk)[0] == pytest.approx(left * M, abs=1)


def test_slices_that_only_police_share_a_queue_that_covers_them_all() -> None:
    police = Enforcement.POLICE
    qos = qos_of(
        slice_(1, flow("h1", "h4", 4), enforcement=police),
        slice_(2, flow("h2", "h5", 7), enforcement=police),
        slice_(3, flow("h3", "h6", 5), enforcement=Enforcement.SHAPE),
    )
    assert minima(qos["s1", "s2"]) == pytest.approx({0: 11 * M + 0.3 * M, 3: 5 * M}, abs=1)
    assert minima(qos["s2", "h4"]) == pytest.approx({0: 4 * M + 1 * M}, abs=1)


def test_a_slice_of_many_flows_holds_their_sum() -> None:
    qos = qos_of(slice_(1, flow("h1", "h4", 4), flow("h2", "h5", 7), flow("h3", "h4", 5)), return_share=0.0)
    assert minima(qos["s1", "s2"])[1] == pytest.approx(16 * M, abs=1)
    assert minima(qos["s2", "h4"])[1] == pytest.approx(9 * M, abs=1)


def test_a_slice_without_a_rate_still_has_a_queue() -> None:
    """Open vSwitch would raise a smaller min-rate itself, and never read back what was written."""
    assert minima(qos_of(slice_(1, flow("h1", "h4", 0)))["s1", "s2"])[1] == MIN_QUEUE_BPS


def test_a_queue_keeps_the_limit_that_stops_its_flows() -> None:
    trunk = queues(qos_of(slice_(1, flow("h1", "h4"), flow("h2", "h5", 2), limit=12))["s1", "s2"])
    assert (trunk[1].min_rate_bps, trunk[1].max_rate_bps) == pytest.approx((12 * M, 12 * M), abs=1)
    assert trunk[0].max_rate_bps == 30 * M


def test_a_limit_on_many_links_is_kept_on_each_at_what_is_held_there() -> None:
    qos = qos_of(slice_(1, flow("h1", "h4"), flow("h2", "h5"), limit=12), return_share=0.0)
    assert queues(qos["s2", "h4"])[1].max_rate_bps == pytest.approx(6 * M, abs=1)
    assert queues(qos["s1", "s2"])[1].max_rate_bps == pytest.approx(12 * M, abs=1)


def test_a_limit_is_kept_beside_a_flow_that_a_link_stops() -> None:
    """h1 to h4 stops at 4 Mbit/s of h4's cable, and h2 to h5 takes what the limit leaves."""
    network = dumbbell()
    slow = replace(network.links["s2", "h4"], capacity_bps=4 * M)
    network = replace(network, links={**network.links, slow.key: slow})
    limited = slice_(1, flow("h1", "h4"), flow("h2", "h5"), limit=12)
    qos = qos_of(limited, network=network, return_share=0.0)
    assert queues(qos["s1", "s2"])[1].max_rate_bps == pytest.approx(12 * M, abs=1)
    assert queues(qos["s2", "h5"])[1].max_rate_bps == pytest.approx(8 * M, abs=1)
    assert queues(qos["s2", "h4"])[1].max_rate_bps == 4 * M


@pytest.mark.parametrize("demand", [3, None])
def test_a_queue_that_no_limit_stops_may_borrow(demand: float | None) -> None:
    trunk = queues(qos_of(slice_(1, flow("h1", "h4", demand), limit=40))["s1", "s2"])
    assert trunk[1].max_rate_bps == 30 * M


def test_where_only_a_link_stops_a_limited_slice_it_may_borrow() -> None:
    """h1 to h4 stops at the dumbbell's middle, h5 to h6 at the limit."""
    qos = qos_of(slice_(1, flow("h1", "h4"), flow("h5", "h6"), limit=50), slice_(2, flow("h2", "h4")))
    assert queues(qos["s1", "s2"])[1].max_rate_bps == 30 * M
    assert queues(qos["s2", "h6"])[1].max_rate_bps < 100 * M


def test_the_common_queue_has_no_limit() -> None:
    limited = slice_(1, flow("h1", "h4"), limit=5, enforcement=Enforcement.POLICE)
    assert queues(qos_of(limited)["s1", "s2"])[0].max_rate_bps == 30 * M


def depths(qos: PortQos) -> dict[int, int]:
    return {number: queue.buffer_bytes for number, queue in queues(qos).items()}


@pytest.mark.parametrize("buffer_s", [0.05, 0.1])
def test_a_queue_is_as_deep_as_the_time_that_it_waits_at_its_own_rate(buffer_s: float) -> None:
    trunk = depths(qos_of(*THREE, buffer_s=buffer_s)["s1", "s2"])
    del trunk[0]
    assert trunk == pytest.approx(
        {n: rate * M * buffer_s / 8 for n, rate in ((1, 15), (2, 10), (3, 5))}, abs=1
    )


def test_best_effort_is_as_deep_as_if_slices_left_it_everything() -> None:
    assert depths(qos_of(*THREE)["s1", "s2"])[0] == 30 * M * 0.05 / 8
    assert depths(qos_of(network=dumbbell())["s1", "s2"])[0] == 30 * M * 0.05 / 8


@pytest.mark.parametrize("demand", [4, None])
def test_a_queue_that_policed_slices_share_is_as_deep_as_what_shaped_ones_leave(demand: float | None) -> None:
    police = slice_(1, flow("h1", "h4", demand), enforcement=Enforcement.POLICE)
    shape = slice_(2, flow("h2", "h5", 12), enforcement=Enforcement.SHAPE)
    qos = qos_of(police, shape, return_share=0.0)
    assert depths(qos["s1", "s2"])[0] == pytest.approx((30 - 12) * M * 0.05 / 8, abs=1)
    assert depths(qos["s2", "h4"])[0] == pytest.approx(100 * M * 0.05 / 8, abs=1)
    assert depths(qos["s2", "h6"])[0] == pytest.approx(100 * M * 0.05 / 8, abs=1)


def test_a_slow_queue_holds_a_few_frames() -> None:
    """One of 100 kbit/s would hold 625 bytes, in which no full frame fits."""
    assert MIN_BUFFER_BYTES >= 2 * FULL_FRAME_BYTES
    slow = slice_(1, flow("h1", "h4", 0.1))
    assert depths(qos_of(slow)["s1", "s2"])[1] == MIN_BUFFER_BYTES
    assert depths(qos_of(network=dumbbell(100_000.0))["s1", "s2"]) == {0: MIN_BUFFER_BYTES}


def test_a_link_slower_than_a_class_can_be_has_the_least_class() -> None:
    qos = qos_of(slice_(1, flow("h1", "h4")), network=dumbbell(5000.0))["s1", "s2"]
    assert qos.max_rate_bps == MIN_QUEUE_BPS
    assert all(queue.min_rate_bps == queue.max_rate_bps == MIN_QUEUE_BPS for queue in qos.queues)


@given(st.floats(1e3, 1e9))
def test_a_queue_may_catch_up_with_a_late_timer(capacity_bps: float) -> None:
    """For ten milliseconds at its rate, and two frames at least."""
    for queue in qos_of(slice_(1, flow("h1", "h4")), network=dumbbell(capacity_bps))["s1", "s2"].queues:
        assert queue.burst_bytes >= 2 * FULL_FRAME_BYTES
        at_the_rate = queue.min_rate_bps * QUEUE_BURST_S / 8
        assert queue.burst_bytes in (int(at_the_rate), MIN_QUEUE_BURST_BYTES)
