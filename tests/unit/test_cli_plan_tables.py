"""How long frames wait as a rule: the busiest queue of each flow with a demand, as in M/D/1."""

import pytest

from fairslice.cli.plan_tables import waits
from fairslice.policy import parse_policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.queue_loads import queue_loads
from fairslice.testing.networks import build_network

FRAME_BITS = 8 * 1514
UDP = "match: {proto: udp}"


def allocated(*slices: str) -> NetworkAllocation:
    """Slices a, b, … with one flow each, from hosts h1, h2, … to a host behind a link of 10 Mbit/s."""
    network = build_network([("s1", "h9"), *((f"h{n}", "s1") for n in range(1, 5))], capacity_bps=10e6)
    lines = [f"  {name}: {{flows: [{{{flow}}}]}}\n" for name, flow in zip("abcd", slices, strict=False)]
    return allocate_slices(parse_policy(f"version: 1\nslices:\n{''.join(lines)}", "p.yaml"), network)


def test_a_queue_is_served_at_what_others_leave() -> None:
    allocation = allocated(
        f"from: h1, to: h9, demand: 4 Mbit/s, {UDP}", f"from: h2, to: h9, demand: 2 Mbit/s, {UDP}"
    )
    first, second = queue_loads(allocation)
    assert (first.link, first.service_bps, second.service_bps) == ("s1->h9", 8e6, 6e6)
    assert [first.load, second.load] == pytest.approx([1 / 2, 1 / 3])
    # M/D/1 (Pollaczek and Khinchine): load / (2 (1 - load)) services.
    for one, mean in zip(waits(allocation), (0.5, 0.25), strict=True):
        assert one.mean_s == pytest.approx(mean * FRAME_BITS / one.queue.service_bps)
        assert one.p95_s is not None
        assert one.p95_s > (one.mean_s or 0.0)


def test_where_flows_fill_the_link_the_wait_is_the_queue_s_depth() -> None:
    allocation = allocated(f"from: h1, to: h9, demand: 4 Mbit/s, {UDP}", f"from: h2, to: h9, {UDP}")
    (one,) = waits(allocation)
    assert one.queue.load == pytest.approx(1)
    assert (one.mean_s, one.p95_s) == (None, None)


def test_flows_without_a_demand_or_a_rate_are_left_out() -> None:
    allocation = allocated(f"from: h1, to: h9, {UDP}", f"from: h2, to: h9, demand: 0 Mbit/s, {UDP}")
    assert list(waits(allocation)) == []
