"""Laws that hold whatever the problem."""

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.testing.exact import exact_rates
from fairslice.testing.problems import MODEST, problems

LAW = settings(deadline=None, max_examples=120)


def rates(problem: AllocationProblem) -> dict[str, float]:
    """The rates; a problem whose floors don't fit is no example."""
    try:
        return dict(allocate(problem).rates)
    except InfeasibleError:
        assume(False)
        raise


def same(found: Mapping[str, float], expected: Mapping[str, float], relative: float = 1e-9) -> None:
    assert dict(found) == pytest.approx(dict(expected), rel=relative, abs=0)


@LAW
@given(problems(), st.randoms(use_true_random=False))
def test_order_does_not_matter(problem: AllocationProblem, random: Random) -> None:
    def shuffled(mapping: Mapping[str, float]) -> dict[str, float]:
        return {key: mapping[key] for key in random.sample(sorted(mapping), len(mapping))}

    flows = [replace(flow, uses=shuffled(flow.uses)) for flow in problem.flows]
    random.shuffle(flows)
    names = random.sample(sorted(problem.slices), len(problem.slices))
    other = replace(
        problem,
        capacities=shuffled(problem.capacities),
        flows=tuple(flows),
        slices={name: problem.slices[name] for name in names},
    )
    same(rates(other), rates(problem), 1e-15)


@LAW
@given(problems())
def test_names_do_not_matter(problem: AllocationProblem) -> None:
    other = replace(
        problem,
        capacities={f"{link}'": capacity for link, capacity in problem.capacities.items()},
        flows=tuple(
            replace(
                flow,
                id=f"{flow.id}'",
                uses={f"{link}'": use for link, use in flow.uses.items()},
                slice=flow.slice and f"{flow.slice}'",
            )
            for flow in problem.flows
        ),
        slices={f"{name}'": share for name, share in problem.slices.items()},
    )
    same(rates(other), {f"{flow}'": rate for flow, rate in rates(problem).items()}, 1e-15)


def scaled(problem: AllocationProblem, factor: float) -> AllocationProblem:
    return replace(
        problem,
        capacities={link: capacity * factor for link, capacity in problem.capacities.items()},
        flows=tuple(replace(f, cap=f.cap * factor, floor=f.floor * factor) for f in problem.flows),
        slices={name: replace(share, limit=share.limit * factor) for name, share in problem.slices.items()},
    )


@LAW
@given(problems(), st.sampled_from([2.0**-40, 0.125, 2.0**40]))
def test_scaling_all_amounts_scales_the_rates(problem: AllocationProblem, factor: float) -> None:
    """By powers of two, which change no digit."""
    expected = {flow: rate * factor for flow, rate in rates(problem).items()}
    same(rates(scaled(problem, factor)), expected, 1e-15)


@LAW
@given(problems(MODEST), st.sampled_from([1e-6, 1 / 3, 1e3]))
def test_units_do_not_matter(problem: AllocationProblem, factor: float) -> None:
    """By factors that round every amount: what a flow loses by it may be a small remainder of others."""
    expected = {flow: rate * factor for flow, rate in rates(problem).items()}
    assert rates(scaled(problem, factor)) == pytest.approx(expected, rel=1e-9, abs=1e-12 * factor)


@LAW
@given(problems(), st.sampled_from([2.0**-20, 0.5, 8.0]))
def test_only_ratios_of_weights_count(problem: AllocationProblem, factor: float) -> None:
    all_weights = replace(
        problem,
        flows=tuple(replace(f, weight=f.weight * factor) if f.slice is None else f for f in problem.flows),
        slices={name: replace(s, weight=s.weight * factor) for name, s in problem.slices.items()},
    )
    same(rates(all_weights), rates(problem), 1e-15)
    if problem.slices and not problem.per_flow:
        name = min(problem.slices)
        within = tuple(replace(f, weight=f.weight * factor) if f.slice == name else f for f in problem.flows)
        same(rates(replace(problem, flows=within)), rates(problem), 1e-15)


@LAW
@given(problems(), st.integers(0, 100), st.floats(0, 2))
def test_a_bigger_floor_never_hurts_its_owner(problem: AllocationProblem, index: int, more: float) -> None:
    assume(problem.flows)
    before = rates(problem)
    owner = problem.flows[index % len(problem.flows)]
    floor = max(owner.floor, min(owner.cap, before[owner.id] * more))
    flows = tuple(replace(f, floor=floor) if f is owner else f for f in problem.flows)
    assert rates(replace(problem, flows=flows))[owner.id] >= before[owner.id] * (1 - 1e-12)


def per_weight(problem: AllocationProblem, rates: Mapping[str, Any]) -> list[Any]:
    """The rates per weight of a flat problem, from the smallest."""
    shares = {name: Fraction(share.weight) for name, share in problem.slices.items()}
    return sorted(
        rates[flow.id] / (Fraction(flow.weight) * (shares[flow.slice] if flow.slice is not None else 1))
        for flow in problem.flows
    )


@settings(LAW, max_examples=400)
@given(problems(), st.integers(0, 100), st.sampled_from([1.001, 1.5, 10.0, 1e6]), st.booleans())
def test_more_capacity_never_lowers_the_smallest_rate_per_weight(
    problem: AllocationProblem, index: int, factor: float, dead: bool
) -> None:
    """In flat problems, with caps, floors and limits too, and over all flows, be they at their caps or not:
    the rates per weight, sorted from the smallest, never fall in the order of words in a dictionary.

    With flat weights the allocation is the one whose sorted rates per weight come last in that order among
    all rates that links, caps, floors and limits allow (that is what max-min fair means). With more capacity
    everything that was allowed still is, so what comes last can't come earlier than before.
    """
    assume(problem.flows)
    link = sorted(problem.capacities)[index % len(problem.capacities)]
    flat = replace(problem, per_flow=True)
    if dead:
        flat = replace(flat, capacities={**flat.capacities, link: 0.0})
    more = flat.capacities[link] * factor or factor
    wider = replace(flat, capacities={**flat.capacities, link: more})
    before, after = exact_rates(flat), exact_rates(wider)
    assume(before is not None)
    assert before is not None
    assert after is not None
    assert per_weight(wider, after) >= per_weight(flat, before)
    least = [per_weight(p, {f: Fraction(rate) for f, rate in rates(p).items()})[0] for p in (flat, wider)]
    assert least[1] >= least[0] * (1 - Fraction(1, 10**12))


@LAW
@given(problems(MODEST))
def test_solving_again_with_the_rates_as_caps_changes_nothing(problem: AllocationProblem) -> None:
    before = rates(problem)
    capped = replace(problem, flows=tuple(replace(flow, cap=before[flow.id]) for flow in problem.flows))
    assert rates(capped) == pytest.approx(before, rel=1e-9, abs=1e-12)


@LAW
@given(problems(), st.integers(0, 100))
def test_a_flow_in_two_halves_is_the_same_flow(problem: AllocationProblem, index: int) -> None:
    assume(problem.flows)
    before = rates(problem)
    whole = problem.flows[index % len(problem.flows)]
    half = replace(whole, weight=whole.weight / 2, cap=whole.cap / 2, floor=whole.floor / 2)
    others = [flow for flow in problem.flows if flow is not whole]
    halves = (replace(half, id="left"), replace(half, id="right"))
    after = rates(replace(problem, flows=(*others, *halves)))
    left, right = after.pop("left"), after.pop("right")
    assert left == right
    same({**after, whole.id: left + right}, before, 1e-15)


@LAW
@given(problems())
def test_what_nobody_uses_does_not_matter(problem: AllocationProblem) -> None:
    other = replace(
        problem,
        capacities={**problem.capacities, "spare": 0.0},
        slices={**problem.slices, "empty": SliceShare(1e9, limit=0)},
    )
    same(rates(other), rates(problem), 0)


weights = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0, 10.0])
amounts = st.one_of(st.integers(0, 20).map(float), st.floats(0.01, 30))
caps = st.one_of(st.just(math.inf), amounts)


@st.composite
def on_one_link(draw: st.DrawFn) -> AllocationProblem:
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    flows = tuple(
        ProblemFlow(f"f{i}", {"L": 1}, draw(weights), draw(caps), slice=draw(st.sampled_from(names)))
        for i in range(draw(st.integers(1, 6)))
    )
    slices = {name: SliceShare(draw(weights), draw(caps)) for name in names}
    return AllocationProblem({"L": draw(amounts)}, flows, slices)


def poured(amount: float, shares: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Divide an amount by weight, none over its most, by rounds: (weight, most) by name."""
    found, open_ = dict.fromkeys(shares, 0.0), dict(shares)
    while open_:
        level = max(amount, 0.0) / sum(weight for weight, _ in open_.values())
        content = [name for name, (weight, most) in open_.items() if most <= weight * level]
        if not content:
            return found | {name: weight * level for name, (weight, _) in open_.items()}
        for name in content:
            found[name] = open_.pop(name)[1]
            amount -= found[name]
    return found


@LAW
@given(on_one_link())
def test_on_one_link_it_is_hierarchical_gps(problem: AllocationProblem) -> None:
    """First among slices, each wanting what its flows want under its limit; then within each slice."""
    members = {name: [f for f in problem.flows if f.slice == name] for name in problem.slices}
    wanted = {
        name: (share.weight, min(share.limit, sum(f.cap for f in members[name])))
        for name, share in problem.slices.items()
    }
    expected: dict[str, float] = {}
    for name, amount in poured(problem.capacities["L"], wanted).items():
        expected |= poured(amount, {f.id: (f.weight, f.cap) for f in members[name]})
    assert rates(problem) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@st.composite
def on_one_link_with_floors(draw: st.DrawFn) -> AllocationProblem:
    problem = draw(on_one_link())
    part = problem.capacities["L"] / len(problem.flows)
    flows = tuple(
        replace(
            flow,
            floor=part * draw(st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0])),
            slice=draw(st.sampled_from([None, flow.slice, flow.slice])),
        )
        for flow in problem.flows
    )
    return replace(problem, flows=flows, per_flow=draw(st.booleans()))


@settings(LAW, max_examples=400)
@given(on_one_link_with_floors(), st.integers(0, 100), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_on_one_link_a_smaller_cap_never_hurts_another_flow(
    problem: AllocationProblem, index: int, part: float
) -> None:
    """In slices with limits, and with floors. Where flows use the same link only.

    Until the flow reaches the smaller cap all is as before, but that it may hold less of its floor; from
    then on its siblings together rise by what it would have, or less where floors hold them up. So at every
    instant its slice and the link carry no more than before: nothing is full sooner, and nobody stops sooner
    or rises slower.
    """
    before = rates(problem)
    flow = problem.flows[index % len(problem.flows)]
    assume(before[flow.id] > 0)
    smaller = replace(flow, cap=before[flow.id] * part)
    flows = tuple(smaller if other is flow else other for other in problem.flows)
    after = rates(replace(problem, flows=flows))
    assert after[flow.id] == pytest.approx(smaller.cap, rel=1e-15, abs=0)
    for other in before.keys() - {flow.id}:
        assert after[other] >= before[other] * (1 - 1e-12)


@st.composite
def one_flow_a_slice(draw: st.DrawFn) -> AllocationProblem:
    links = ["A", "B", "C", "D"][: draw(st.integers(1, 4))]
    paths = st.lists(st.sampled_from(links), min_size=1, unique=True)
    flows = tuple(
        ProblemFlow(f"f{i}", dict.fromkeys(draw(paths), 1.0), draw(weights), draw(caps), slice=f"s{i}")
        for i in range(draw(st.integers(1, 6)))
    )
    slices = {f"s{i}": SliceShare(draw(weights)) for i in range(len(flows))}
    return AllocationProblem({link: draw(amounts) for link in links}, flows, slices)


def bottleneck_by_bottleneck(problem: AllocationProblem) -> dict[str, float]:
    """Weighted max-min by the textbook: settle the flows of the link or cap of the least share, repeat."""
    weight = {flow.id: problem.slices[flow.slice or ""].weight for flow in problem.flows}
    found: dict[str, float] = {}
    while open_ := [flow for flow in problem.flows if flow.id not in found]:
        shares = [(flow.cap / weight[flow.id], [flow]) for flow in open_]
        for link, capacity in problem.capacities.items():
            left = capacity - sum(found[f.id] for f in problem.flows if link in f.uses and f.id in found)
            users = [flow for flow in open_ if link in flow.uses]
            if users:
                shares.append((max(left, 0.0) / sum(weight[f.id] for f in users), users))
        share, users = min(shares, key=lambda entry: entry[0])
        found |= {flow.id: share * weight[flow.id] for flow in users}
    return found


@LAW
@given(one_flow_a_slice())
def test_with_one_flow_a_slice_it_is_weighted_max_min(problem: AllocationProblem) -> None:
    """The slice's weight counts and the flow's own does not, having no siblings."""
    expected = bottleneck_by_bottleneck(problem)
    assert rates(problem) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    alone = tuple(replace(f, weight=1.0) for f in problem.flows)
    flat = replace(problem, flows=alone, per_flow=True)
    assert rates(flat) == pytest.approx(expected, rel=1e-9, abs=1e-12)
