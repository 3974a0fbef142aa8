"""The filling step by step, and what would raise a flow, against the definitions in exact fractions."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.explain.filling import Filling, explain, why
from fairslice.alloc.explain.sensitivity import Guarantee, Place, Raise, raises
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.errors import InfeasibleError
from fairslice.testing.exact import _rise, exact_rates
from fairslice.testing.problems import MODEST, WILD, random_problem

A, B = Bottleneck(BottleneckKind.LINK, "A"), Bottleneck(BottleneckKind.LINK, "B")
CAP = Bottleneck(BottleneckKind.CAP)
TINY = Fraction(1, 10**40)
"""Less than any distance between the instants of the random problems that are no ties."""
SMALL = Fraction(1, 10**9)


def flow(
    id_: str,
    *links: str,
    weight: float = 1.0,
    cap: float = math.inf,
    floor: float = 0.0,
    slice: str | None = None,
) -> ProblemFlow:
    return ProblemFlow(id_, dict.fromkeys(links, 1.0), weight, cap, floor, slice)


TWO_LINKS = AllocationProblem({"A": 2.0, "B": 10.0}, (flow("x", "A", "B"), flow("y", "B"), flow("z", "A")))
"""More of A lets x rise, which y meets on B: max-min fairness is not monotone."""


def fillings(number: int) -> Iterator[Filling]:
    for seed in range(number):
        try:
            yield explain(random_problem(Random(seed), numbers=WILD if seed % 2 else MODEST))
        except InfeasibleError:
            continue


# The steps


def test_every_flow_stops_in_one_step_with_its_rate_and_reason() -> None:
    for filling in fillings(400):
        stopped = [(one, stop) for step in filling.steps for stop in step.stops for one in stop.flows]
        assert sorted(one.flow for one, _ in stopped) == sorted(f.id for f in filling.problem.flows)
        for one, stop in stopped:
            assert one.rate == filling.allocation.rates[one.flow]
            assert stop.reason == filling.allocation.bottlenecks[one.flow]


def test_steps_are_in_order_and_none_is_empty() -> None:
    for filling in fillings(400):
        assert all(a.instant < b.instant for a, b in pairwise(filling.steps))
        for step in filling.steps:
            assert step.stops
            assert all(stop.flows for stop in step.stops)
            assert len({stop.reason for stop in step.stops}) == len(step.stops)


def test_where_the_clock_is_a_level_it_is_one() -> None:
    """An instant is what every flow that stops there has for its weight, unless its floor gives it more."""
    seen = 0
    for filling in fillings(600):
        if filling.per_weight:
            slices = filling.problem.slices
            for flow_ in filling.problem.flows:
                weight = 1.0 if flow_.slice is None else slices[flow_.slice].weight
                if flow_.slice is None or filling.problem.per_flow:
                    weight *= flow_.weight
                level = weight * filling.steps[filling.step_of[flow_.id] - 1].instant
                rate = filling.allocation.rates[flow_.id]
                assert rate == pytest.approx(max(level, flow_.kept_floor), rel=1e-8)
                seen += 1
    assert seen > 300


def test_steps_by_hand() -> None:
    filling = explain(TWO_LINKS)
    assert [
        (s.instant, [(stop.reason, [f.flow for f in stop.flows]) for stop in s.stops]) for s in filling.steps
    ] == [
        (1.0, [(A, ["x", "z"])]),
        (9.0, [(B, ["y"])]),
    ]
    assert filling.per_weight
    assert filling.end == 9.0


def test_a_problem_without_flows_has_no_steps() -> None:
    filling = explain(AllocationProblem({"A": 1.0}, ()))
    assert filling.steps == ()
    assert filling.end == 0
    assert filling.lines == {}


def test_a_guarantee_that_holds_a_flow_is_told() -> None:
    """B's weight would give it 5; A and C share what its 12 leave."""
    filling = explain(
        AllocationProblem(
            {"A": 30.0}, (flow("a", "A", weight=5), flow("b", "A", floor=12), flow("c", "A", cap=3))
        )
    )
    floors = {one.flow: one.at_floor for step in filling.steps for stop in step.stops for one in stop.flows}
    assert floors == {"a": False, "b": True, "c": False}
    assert why(filling, "b").at_floor


# The lines


def test_lines_lead_from_the_floor_to_the_rate_without_falling() -> None:
    for filling in fillings(400):
        for flow_ in filling.problem.flows:
            line = filling.lines[flow_.id]
            stop = filling.steps[filling.step_of[flow_.id] - 1].instant
            rate = filling.allocation.rates[flow_.id]
            assert line[0][0] == 0
            assert line[-1] == (filling.end, rate)
            assert all(a[0] < b[0] for a, b in pairwise(line))
            assert all(a[1] <= b[1] * (1 + 1e-9) for a, b in pairwise(line))
            assert all(held == rate for instant, held in line if instant >= stop)
            if stop > 0:
                assert line[0][1] == flow_.kept_floor


def test_lines_rise_as_the_definition_says() -> None:
    """Between two steps, each flow above its floor rises by w_f times the least that its links grant."""
    checked = 0
    for filling in fillings(300):
        problem, begin = filling.problem, 0.0
        for number, step in enumerate(filling.steps, start=1):
            rising = [f for f in problem.flows if filling.step_of[f.id] >= number]
            for flow_ in rising:
                before, after = (held_at(filling, flow_.id, instant) for instant in (begin, step.instant))
                above = not flow_.kept_floor or before > flow_.kept_floor * (1 + 1e-9)
                if step.instant > begin and above:
                    rise = float(_rise(flow_, rising, problem))
                    assert after == pytest.approx(before + rise * (step.instant - begin), rel=1e-8)
                    checked += 1
            begin = step.instant
    assert checked > 500


def test_links_that_stop_flows_are_full_then_and_none_is_ever_overloaded() -> None:
    for filling in fillings(300):
        problem = filling.problem
        for step in filling.steps:
            for link, capacity in problem.capacities.items():
                load = sum(
                    f.uses[link] * held_at(filling, f.id, step.instant)
                    for f in problem.flows
                    if link in f.uses
                )
                assert load <= capacity * (1 + 1e-8)
                if any(stop.reason == Bottleneck(BottleneckKind.LINK, link) for stop in step.stops):
                    assert load >= capacity * (1 - 1e-8)


def held_at(filling: Filling, flow_id: str, instant: float) -> float:
    line = filling.lines[flow_id]
    if len(line) == 1:
        return line[0][1]
    (t0, r0), (t1, r1) = next(
        ((a, b) for a, b in pairwise(line) if a[0] <= instant <= b[0]), (line[-2], line[-1])
    )
    return r0 + (r1 - r0) * (instant - t0) / (t1 - t0)


def points(*expected: tuple[float, float]) -> list[Any]:
    return [pytest.approx(point) for point in expected]


def test_a_line_by_hand() -> None:
    """Gold's two flows share its weight till one has its demand; then the other inherits."""
    filling = explain(
        AllocationProblem(
            {"A": 20.0},
            (flow("a", "A", cap=2, slice="gold"), flow("b", "A", slice="gold"), flow("c", "A", floor=4)),
            {"gold": SliceShare(2.0)},
        )
    )
    assert not filling.per_weight
    # Rises 1, 1, 1 until 2; then b rises at 2: 2 + 2 (t - 2) + t = 18 at t = 20/3.
    assert list(filling.lines["a"]) == points((0, 0), (2, 2), (20 / 3, 2))
    assert list(filling.lines["b"]) == points((0, 0), (2, 2), (20 / 3, 34 / 3))
    assert list(filling.lines["c"]) == points((0, 4), (4, 4), (20 / 3, 20 / 3))


# Why


def test_why_by_hand() -> None:
    filling = explain(TWO_LINKS)
    reason = why(filling, "y")
    assert (reason.rate, reason.reason, reason.step, reason.capacity) == (9.0, B, 2, 10.0)
    assert [(holder.flow, holder.rate, holder.load) for holder in reason.holders] == [
        ("x", 1.0, 1.0),
        ("y", 9.0, 9.0),
    ]
    with pytest.raises(KeyError):
        why(filling, "w")


def test_the_holders_of_a_bottleneck_hold_all_of_it() -> None:
    for filling in fillings(400):
        for flow_ in filling.problem.flows:
            reason = why(filling, flow_.id)
            if reason.reason.kind is BottleneckKind.CAP:
                assert reason.holders == ()
                assert reason.rate == pytest.approx(reason.capacity, rel=1e-9)
            else:
                assert flow_.id in [holder.flow for holder in reason.holders]
                assert sum(holder.load for holder in reason.holders) == pytest.approx(
                    reason.capacity, rel=1e-9
                )


# What would raise a flow


def test_raises_by_hand() -> None:
    assert raises(TWO_LINKS, "y") == (Raise(B, True, 1.0, math.inf), Raise(A, True, -0.5, 8.0))
    # Until x meets y: with more of A, x gets half of it, at most half of B.
    assert raises(TWO_LINKS, "x") == (Raise(A, True, 0.5, 8.0), Raise(B, True, 0.0, 0.0))
    assert raises(TWO_LINKS, "z") == (Raise(A, True, 0.5, 8.0),)
    with pytest.raises(KeyError):
        raises(TWO_LINKS, "w")


def test_caps_and_limits_raise_too() -> None:
    problem = AllocationProblem(
        {"A": 20.0},
        (flow("a", "A", cap=4, slice="gold"), flow("b", "A", slice="gold"), flow("c", "A")),
        {"gold": SliceShare(1.0, 6.0)},
    )
    limit = Bottleneck(BottleneckKind.LIMIT, "gold")
    # Half of gold each, 3 of 4; c has the rest of the link.
    assert raises(problem, "a") == (
        Raise(CAP, False, 0.0, 0.0),
        Raise(limit, True, 0.5, 2.0),
        Raise(A, True, 0.0, 0.0),
    )
    smaller = replace(problem, flows=(replace(problem.flows[0], cap=1.0), *problem.flows[1:]))
    assert raises(smaller, "a")[0] == Raise(CAP, True, 1.0, 2.0)


def test_two_links_that_stop_a_flow_at_once_raise_it_only_together() -> None:
    problem = AllocationProblem({"A": 5.0, "B": 5.0}, (flow("f", "A", "B"),))
    assert raises(problem, "f") == (Raise(A, True, 0.0, 0.0), Raise(B, True, 0.0, 0.0))


def test_a_link_without_capacity_and_a_demand_that_guarantees_leave_no_room_for() -> None:
    nothing = AllocationProblem({"A": 0.0, "B": 3.0}, (flow("f", "A", "B"),))
    assert raises(nothing, "f") == (Raise(A, True, 1.0, 3.0), Raise(B, False, 0.0, 0.0))
    # More demand would call in more of the floor than the link has.
    brim = AllocationProblem({"A": 5.0}, (flow("f", "A", cap=2, floor=4), flow("g", "A", floor=3)))
    assert raises(brim, "f")[0] == Raise(CAP, True, 0.0, 0.0)


def test_a_guarantee_raises_whom_it_holds_and_lowers_whom_it_keeps_back() -> None:
    """The 10 of b leave 20 to a, which rises at half of what gold does, and to c: 20/3 and 40/3."""
    flows = (flow("a", "A", floor=2, slice="gold"), flow("b", "A", floor=10, slice="gold"), flow("c", "A"))
    problem = AllocationProblem({"A": 30.0}, flows, {"gold": SliceShare(1.0)})
    gold = Guarantee("gold")
    found = {one.id: {raised.place: raised for raised in raises(problem, one.id)} for one in flows}
    # Five sixths of what is added are b's, until a has its own part alone: 2 + x/6 = (20 - 5x/6) / 3.
    assert found["b"][gold] == Raise(gold, True, round(5 / 6, 9), 18.0)
    assert found["a"][gold] == Raise(gold, False, round(-5 / 18, 9), 10.5)
    assert gold not in found["c"]
    # Of no slice it is the flow's own.
    (own, _) = raises(AllocationProblem({"A": 30.0}, (flow("d", "A", floor=20), flow("e", "A"))), "d")
    assert own == Raise(Guarantee(), True, 1.0, 10.0)


def more(problem: AllocationProblem, place: Place, flow_id: str, added: Fraction) -> AllocationProblem:
    """The problem with exactly so much more, in fractions, which only the exact solver takes."""

    def raised(amount: float) -> float:
        return Fraction(amount) + added  # type: ignore[return-value]

    name = place.name
    if isinstance(place, Guarantee):
        held = [one for one in problem.flows if (one.slice == name if name else one.id == flow_id)]
        whole = sum(Fraction(one.floor) for one in held)
        parts = {one.id: added * Fraction(one.floor) / whole for one in held}
        flows = [replace(f, floor=Fraction(f.floor) + parts.get(f.id, 0)) for f in problem.flows]  # type: ignore[arg-type]
        return replace(problem, flows=tuple(flows))
    if place.kind is BottleneckKind.LINK:
        return replace(problem, capacities={**problem.capacities, name: raised(problem.capacities[name])})
    if place.kind is BottleneckKind.LIMIT:
        share = problem.slices[name]
        return replace(problem, slices={**problem.slices, name: replace(share, limit=raised(share.limit))})
    return replace(
        problem, flows=tuple(replace(f, cap=raised(f.cap)) if f.id == flow_id else f for f in problem.flows)
    )


def gained(problem: AllocationProblem, place: Place, flow_id: str, added: Fraction) -> Fraction | None:
    before, after = exact_rates(problem), exact_rates(more(problem, place, flow_id, added))
    return None if before is None or after is None else after[flow_id] - before[flow_id]


def test_slopes_and_reaches_are_those_of_exact_fractions() -> None:
    """On each link of random problems, caps and limits; no link that has an effect is left out."""
    negative = finite = ties = tried = guarantees = 0
    for seed in range(250):
        problem = random_problem(Random(seed), numbers=MODEST)
        if not problem.flows or exact_rates(problem) is None:
            continue
        flow_id = problem.flows[seed % len(problem.flows)].id
        found = {one.place: one for one in raises(problem, flow_id)}
        places = {*found, *(Bottleneck(BottleneckKind.LINK, link) for link in problem.capacities)}
        for place in places:
            gain, more_gain = (gained(problem, place, flow_id, added) for added in (TINY, SMALL))
            # A tie but for a float's rounding: what holds for less than that can't be seen.
            if gain is None or more_gain is None or gain / TINY != more_gain / SMALL:
                ties += 1
                continue
            slope = gain / TINY
            tried += 1
            one = found.get(place, Raise(place, True, 0.0, 0.0))
            assert one.slope == pytest.approx(float(slope), rel=1e-7), (seed, place)
            negative += slope < 0
            guarantees += slope != 0 and isinstance(place, Guarantee)
            if not slope:
                continue
            reach = Fraction(one.reach) if one.reach < math.inf else Fraction(10**30)
            within = gained(problem, place, flow_id, reach * Fraction(9999, 10000))
            assert within == slope * reach * Fraction(9999, 10000), (seed, place)
            if one.reach < math.inf:
                beyond = reach * Fraction(10001, 10000)
                assert gained(problem, place, flow_id, beyond) != slope * beyond, (seed, place)
                finite += 1
    assert ties <= 0.02 * tried
    assert negative >= 5
    assert guarantees >= 10
    assert finite >= 100
