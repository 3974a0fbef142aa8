"""Flows over several paths: how they are divided, and that the rates keep their meaning."""

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.alloc.allocation import BottleneckKind
from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.free import allocate_free
from fairslice.alloc.multipath.problem import MultipathProblem, split_evenly
from fairslice.alloc.multipath.splits import PARTS, WORTH_IT, free_splits, rounded
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError, Location
from fairslice.policy import parse_policy
from fairslice.policy.model import Flow, Policy, Sharing, Split
from fairslice.slicing.allocation import NetworkAllocation, Route, allocate_slices, problem_of
from fairslice.slicing.view import view
from fairslice.testing.exact import exact_rates
from fairslice.testing.networks import build_network, networks
from fairslice.testing.policies import policies
from fairslice.topology.k_paths import k_paths
from fairslice.topology.load import load_network
from fairslice.topology.network import Network
from fairslice.topology.paths import path_links
from fairslice.topology.trees import Trees

HERE = Location("generated", 1, 1)
RING = load_network(str(Path(__file__).parents[2] / "topologies" / "ring.py"))
"""Six switches; trunks of 20 Mbit/s, hosts' cables of 100 Mbit/s."""


def policy_of(keys: str, flows: str = "{from: h1, to: h4, match: {proto: udp}}") -> Policy:
    """One slice; UDP has no acknowledgements, so its rates are round."""
    return parse_policy(f"version: 1\nslices:\n  a:\n    {keys}\n    flows: [{flows}]\n", "f")


def uneven() -> Network:
    """From h1 to h2 over s2 with 30 Mbit/s, or over s3 with 10 Mbit/s."""
    network = build_network(
        [("s1", "s2"), ("s2", "s4"), ("s1", "s3"), ("s3", "s4"), ("h1", "s1"), ("h2", "s4")],
        capacity_bps=100e6,
    )
    trunk_bps = {"s2": 30e6, "s3": 10e6}
    links = {
        key: replace(link, capacity_bps=next((trunk_bps[n] for n in key if n in trunk_bps), 100e6))
        for key, link in network.links.items()
    }
    return Network(network.switches, network.hosts, links)


def assert_sound(allocation: NetworkAllocation) -> None:
    """No link is overloaded by what goes along the paths, and the independent checker agrees."""
    assert allocation.certificate.ok, allocation.certificate.violations
    load = dict.fromkeys(allocation.network.links, 0.0)
    for allocated in allocation.flows:
        route = allocated.route
        assert sum(map(Fraction, route.parts)) > 0
        assert math.fsum(allocated.path_rates_bps) == pytest.approx(allocated.rate_bps, rel=1e-12)
        for nodes, rate_bps in zip(route.paths, allocated.path_rates_bps, strict=True):
            for key in path_links(nodes):
                load[key] += rate_bps
        for key in path_links(route.return_path):
            load[key] += route.return_share * allocated.rate_bps
    for key, link in allocation.network.links.items():
        assert load[key] == pytest.approx(allocation.load_bps[key], rel=1e-9, abs=1e-3)
        assert load[key] <= link.capacity_bps * (1 + 1e-9)


# What a route uses ----------------------------------------------------------------------------------------


@given(st.integers(1, 16))
def test_an_even_split_is_all_of_the_flow_where_its_paths_meet(count: int) -> None:
    """Not 0.9999999999999999 of it: six times a sixth is less than one to a float."""
    ways = tuple(("h1", "s1", f"s{i}", "s99", "h2") for i in range(2, count + 2))
    route = Route(Flow(1, "a", "h1", "h2", HERE), ways, (1,) * count, ("h2", "s99", "s1", "h1"), 0.0)
    assert route.uses["h1", "s1"] == route.uses["s99", "h2"] == 1.0
    assert {route.uses["s1", f"s{i}"] for i in range(2, count + 2)} == {1 / count}
    assert route.path == ways[0]


def test_a_path_without_a_part_uses_nothing_and_acknowledgements_take_one_way() -> None:
    route = Route(
        Flow(1, "a", "h1", "h2", HERE),
        (("h1", "s1", "h2"), ("h1", "s2", "h2"), ("h1", "s3", "h2")),
        (3, 1, 0),
        ("h2", "s3", "h1"),
        0.04,
    )
    assert route.uses == {("h1", "s1"): 0.75, ("s1", "h2"): 0.75, ("h1", "s2"): 0.25, ("s2", "h2"): 0.25}
    assert route.returns == {("h2", "s3"): 0.04, ("s3", "h1"): 0.04}
    assert route.shares == (0.75, 0.25, 0.0)
    assert route.along(2).uses == {("h1", "s3"): 1.0, ("s3", "h2"): 1.0}
    assert route.along(2).returns == route.returns


def test_routes_have_the_shortest_paths_and_return_by_the_trees() -> None:
    (allocated,) = allocate_slices(policy_of("paths: 4", "{from: h1, to: h3}"), RING).flows
    assert allocated.route.paths == k_paths(Trees(RING), "h1", "h3", 1, 4)
    assert [len(nodes) for nodes in allocated.route.paths] == [5, 7]
    assert allocated.route.return_path == Trees(RING).path("h3", "h1", 1)
    assert allocated.route.return_share == 0.05


def test_one_path_is_that_of_the_tree_and_all_of_the_flow() -> None:
    for split in Split:
        (allocated,) = allocate_slices(policy_of(f"paths: 1\n    split: {split}"), RING).flows
        assert allocated.route.paths == (Trees(RING).path("h1", "h4", 1),)
        assert allocated.route.parts == (1,)
        assert allocated.path_rates_bps == (20e6,) == (allocated.rate_bps,)


# Even splits ----------------------------------------------------------------------------------------------


def test_even_is_half_on_each_of_two_ways() -> None:
    allocation = allocate_slices(policy_of("paths: 4\n    split: even"), RING)
    (allocated,) = allocation.flows
    assert allocated.rate_bps == 40e6
    assert allocated.path_rates_bps == (20e6, 20e6)
    assert_sound(allocation)


def test_even_rises_no_further_than_the_fullest_path_lets_it() -> None:
    flow = "{from: h1, to: h2, match: {proto: udp}}"
    (even,) = allocate_slices(policy_of("paths: 2\n    split: even", flow), uneven()).flows
    assert even.rate_bps == 20e6
    assert even.bottleneck.kind is BottleneckKind.LINK
    assert "s3" in even.bottleneck.name


def test_a_guarantee_over_even_paths_is_kept_and_refused_where_a_part_does_not_fit() -> None:
    flows = "{from: h1, to: h2, match: {proto: udp}}"
    kept = policy_of("paths: 2\n    split: even\n    guarantee: 20 Mbit/s", flows)
    assert allocate_slices(kept, uneven()).flows[0].rate_bps == 20e6
    with pytest.raises(InfeasibleError, match=r"need 11 Mbit/s, but .*s3.* has 10 Mbit/s"):
        allocate_slices(policy_of("paths: 2\n    split: even\n    guarantee: 22 Mbit/s", flows), uneven())


# Free splits ----------------------------------------------------------------------------------------------


def test_free_fills_both_ways_whatever_their_sizes() -> None:
    flow = "{from: h1, to: h2, match: {proto: udp}}"
    allocation = allocate_slices(policy_of("paths: 2", flow), uneven())
    (allocated,) = allocation.flows
    assert allocated.rate_bps == pytest.approx(40e6, rel=2 / PARTS)
    by_switch = {n[2]: r for n, r in zip(allocated.route.paths, allocated.path_rates_bps, strict=True)}
    assert by_switch["s2"] == pytest.approx(30e6, rel=4 / PARTS)
    assert by_switch["s3"] == pytest.approx(10e6, rel=4 / PARTS)
    assert_sound(allocation)


def test_free_leaves_a_way_to_those_who_have_no_other() -> None:
    """h1->h3 can take the long way around; h2->h3, with one path, then has its link for itself."""
    text = """\
version: 1
slices:
  roaming: {paths: 2, flows: [{from: h1, to: h3, match: {proto: udp}}]}
  bound: {flows: [{from: h2, to: h3, match: {proto: udp}}]}
"""
    # In a triangle the second way of the first flow does not touch the link of the second flow.
    network = build_network(
        [("s1", "s2"), ("s2", "s3"), ("s3", "s1"), *((f"h{i}", f"s{i}") for i in (1, 2, 3))]
    )
    wide = {
        key: replace(link, capacity_bps=100e6 if key[0][0] == "h" or key[1][0] == "h" else 10e6)
        for key, link in network.links.items()
    }
    allocation = allocate_slices(parse_policy(text, "f"), Network(network.switches, network.hosts, wide))
    roaming, bound = allocation.flows
    # Both at 10 Mbit/s is max-min fair: any of it on s2->s3 would lower the one that has no other way.
    assert bound.rate_bps == pytest.approx(10e6, rel=1e-6)
    assert roaming.rate_bps == pytest.approx(10e6, rel=1e-6)
    assert_sound(allocation)


def test_a_guarantee_that_does_not_fit_is_refused_by_name_beside_free_splits() -> None:
    text = """\
version: 1
slices:
  roaming: {paths: 2, flows: [{from: h1, to: h4}]}
  bound: {paths: 2, split: even, guarantee: 50 Mbit/s, flows: [{from: h1, to: h5}, {from: h2, to: h4}]}
"""
    with pytest.raises(
        InfeasibleError, match=r"bound:h1->h5, bound:h2->h4 need 25 Mbit/s, but s1->s6 has 20"
    ):
        allocate_slices(parse_policy(text, "f"), RING)


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=16))
def test_parts_are_all_of_a_flow_and_each_is_the_nearest_or_next_to_it(rates: list[float]) -> None:
    parts = rounded(rates)
    assert sum(parts) == PARTS
    assert min(parts) >= 0
    total = math.fsum(rates)
    for rate, part in zip(rates, parts, strict=True):
        if total >= 1e-6:
            assert abs(part - rate / total * PARTS) < 1 + 1e-6
            assert part > 0 or rate < total / PARTS * (1 + 1e-6)


@st.composite
def multipath_problems(draw: st.DrawFn) -> MultipathProblem:
    """Flat ones: flows of up to 4 paths over up to 6 links."""
    links = {f"L{i}": draw(st.sampled_from([1.0, 2.0, 5.0, 10.0])) for i in range(draw(st.integers(2, 6)))}
    path = st.sets(st.sampled_from(sorted(links)), min_size=1, max_size=3)
    flows = [
        MultipathFlow(
            f"f{i}",
            tuple(dict.fromkeys(sorted(one), 1.0) for one in draw(st.lists(path, min_size=1, max_size=4))),
            weight=draw(st.sampled_from([1.0, 1.0, 2.0])),
            cap=draw(st.sampled_from([math.inf, math.inf, 1.5])),
        )
        for i in range(draw(st.integers(1, 8)))
    ]
    return MultipathProblem(links, flows)


@given(multipath_problems())
@settings(max_examples=150, deadline=None)
def test_fixing_the_splits_never_lowers_the_lowest_level(problem: MultipathProblem) -> None:
    """Without giving up paths that carry next to nothing, they would stop their flows early."""
    splits = free_splits(problem)
    ratios = {flow: [part / PARTS for part in parts] for flow, parts in splits.items()}
    fixed = allocate(split_evenly(problem, ratios))

    free = allocate_free(problem).rates
    eager = [flow for flow in problem.flows if free[flow.id] < flow.cap * (1 - 1e-9)]
    lowest = min((free[flow.id] / flow.weight for flow in eager), default=math.inf)
    for flow in problem.flows:
        assert fixed.rates[flow.id] >= min(flow.cap, flow.weight * lowest) * (1 - 1e-4)


def test_a_little_on_a_crowded_link_does_not_stop_a_flow_there() -> None:
    """A free split leaves a little everywhere; fixed, the flow with 90 of its own would stop at 1 with it."""
    crowd = [MultipathFlow(f"c{i}", ({"crowded": 1.0},)) for i in range(10)]
    roaming = MultipathFlow("r", ({"wide": 1.0}, {"crowded": 1.0}))
    problem = MultipathProblem({"wide": 90.0, "crowded": 10.0}, [roaming, *crowd])
    assert all(allocate_free(problem).path_rates["r"])
    assert free_splits(problem) == {"r": (PARTS, 0)}


@st.composite
def multipath_policies(draw: st.DrawFn, network: Network) -> Policy:
    """Slices with one path, with even and with free splits side by side."""
    policy = draw(policies(list(network.hosts)))
    slices = [
        replace(one, paths=draw(st.integers(1, 4)), split=draw(st.sampled_from(Split)))
        for one in policy.slices
    ]
    return replace(policy, slices=tuple(slices))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_mixture_of_splits_is_certified_and_overloads_nothing(data: st.DataObject) -> None:
    network = data.draw(networks())
    policy = data.draw(multipath_policies(network))
    allocation = allocate_slices(policy, network)
    assert_sound(allocation)
    for allocated in allocation.flows:
        own = policy.slice_named(allocated.flow.slice)
        route = allocated.route
        assert len(route.paths) <= own.paths
        if len(route.paths) > 1 and own.split is Split.FREE:
            assert sum(route.parts) == PARTS
        else:
            assert set(route.parts) == {1}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_rates_are_exact_for_the_splits_that_were_found(data: st.DataObject) -> None:
    network = data.draw(networks(max_switches=4, max_hosts=4))
    allocation = allocate_slices(data.draw(multipath_policies(network)), network)
    routes = [allocated.route for allocated in allocation.flows]
    problem = problem_of(allocation.policy, network, routes)
    rates = [allocated.rate_bps for allocated in allocation.flows]
    exact = exact_rates(problem.left_by(problem.taken(rates)))
    assert exact is not None
    for allocated in allocation.flows:
        assert allocated.rate_bps == pytest.approx(float(exact[allocated.flow.id]), rel=1e-9, abs=1e-9)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_more_ways_never_lower_the_smallest_share(data: st.DataObject) -> None:
    """Max-min over the totals of flows is at least that of any one way to send them, such as the trees'."""
    network = data.draw(networks())
    single = replace(data.draw(policies(list(network.hosts), max_slices=3)), sharing=Sharing.PER_FLOW)
    free = replace(single, slices=tuple(replace(one, paths=4, split=Split.FREE) for one in single.slices))
    before, after = allocate_slices(single, network), allocate_slices(free, network)
    assert smallest_share(after) >= smallest_share(before) * (1 - 2 * WORTH_IT)


def smallest_share(allocation: NetworkAllocation) -> float:
    """Of the flows that are not at their caps, the smallest rate for its weight."""
    weight = {one.name: one.weight for one in allocation.policy.slices}
    return min(
        (
            allocated.rate_bps / (weight[allocated.flow.slice] * allocated.flow.weight)
            for allocated in allocation.flows
            if allocated.bottleneck.kind is not BottleneckKind.CAP
        ),
        default=math.inf,
    )


# Around it ------------------------------------------------------------------------------------------------


def test_where_a_link_is_down_what_is_left_is_used() -> None:
    policy = policy_of("paths: 4")
    allocation = allocate_slices(policy, RING.without([("s1", "s2")]))
    (allocated,) = allocation.flows
    assert allocated.route.paths == (("h1", "s1", "s6", "s5", "s4", "h4"),)
    assert allocated.rate_bps == 20e6
    assert_sound(allocation)


def test_a_flow_that_wants_nothing_has_a_whole_path_for_it() -> None:
    flow = "{from: h1, to: h4, demand: 0 bit/s}"
    (allocated,) = allocate_slices(policy_of("paths: 2", flow), RING).flows
    assert allocated.rate_bps == 0
    assert sum(allocated.route.parts) == PARTS


def test_the_view_tells_of_every_path() -> None:
    allocation = allocate_slices(policy_of("paths: 2\n    split: even"), RING)
    (flow,) = view(allocation).flows
    assert [shown.nodes for shown in flow.paths] == list(allocation.flows[0].route.paths)
    assert [(shown.share, shown.rate_bps) for shown in flow.paths] == [(0.5, 20e6)] * 2
    assert flow.path == flow.paths[0].nodes
