"""The solver and its checker against exact rational numbers, on thousands of random problems."""

import math
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest
from hypothesis import assume, given, settings

from fairslice.alloc.allocation import Allocation
from fairslice.alloc.certificate.certify import TOLERANCE, certify
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.testing.exact import exact_rates
from fairslice.testing.problems import (
    FAMILIES,
    from_columns,
    problems,
    random_problem,
    with_links_twice,
)

RELATIVE_ERROR = 1e-9
SHAPES = [(4, 7, 5000), (1, 6, 1000), (8, 20, 200)]
"""Most links, most flows, and how many such problems."""
FURTHER = {
    "modest": 2500,
    "tied": 3000,
    "tied, few": 3000,
    "tied, many": 200,
    "remainders": 1000,
    "spikes": 1000,
    "links twice": 1000,
    "tied, links twice": 1000,
}
"""How many problems of the families that the shapes seldom meet."""


def drawn(links: int, flows: int, number: int) -> list[AllocationProblem]:
    return [random_problem(Random(seed), max_links=links, max_flows=flows) for seed in range(number)]


def solved(problem: AllocationProblem) -> Allocation | None:
    try:
        return allocate(problem)
    except InfeasibleError:
        return None


def check(problem: AllocationProblem) -> bool:
    """Compare with the exact rates and certify; False if the floors do not fit, as both must say."""
    exact, allocation = exact_rates(problem), solved(problem)
    if exact is None or allocation is None:
        assert exact is None
        assert allocation is None
        return False
    assert list(allocation.rates) == [flow.id for flow in problem.flows]
    for flow, rate in exact.items():
        assert abs(Fraction(allocation.rates[flow]) - rate) <= RELATIVE_ERROR * rate, flow
    assert certify(problem, allocation.rates, allocation.bottlenecks).violations == ()
    return True


@pytest.mark.parametrize(("links", "flows", "number"), SHAPES)
def test_rates_are_exact_and_certified(links: int, flows: int, number: int) -> None:
    feasible = sum(check(problem) for problem in drawn(links, flows, number))
    # Both kinds are there in plenty.
    assert number * 0.5 < feasible < number * 0.98


@pytest.mark.parametrize(("family", "number"), FURTHER.items())
def test_rates_of_a_family_are_exact_and_certified(family: str, number: int) -> None:
    feasible = sum(check(FAMILIES[family](Random(seed))) for seed in range(number))
    assert feasible > number * 0.8


def test_a_link_in_two_parts_is_the_same_link() -> None:
    """To the last digit, wherever the parts stand in the path."""
    compared = 0
    for seed in range(1000):
        problem = random_problem(Random(seed))
        split = from_columns(with_links_twice(Random(seed), problem.columns))
        whole, parts = solved(problem), solved(split)
        assert (whole is None) == (parts is None)
        if whole is None or parts is None:
            continue
        assert parts.rate == pytest.approx(whole.rate, rel=4e-16, abs=0)
        compared += len(whole.rate)
    assert compared > 2000


@settings(deadline=None, max_examples=200)
@given(problems())
def test_rates_are_exact_and_certified_where_hypothesis_looks(problem: AllocationProblem) -> None:
    assume(check(problem))


@pytest.mark.parametrize(("links", "flows", "number"), [(4, 7, 1000), (1, 6, 500), (8, 20, 120)])
def test_a_rate_changed_by_a_thousandth_is_rejected(links: int, flows: int, number: int) -> None:
    rejected = unseen = 0
    for problem in drawn(links, flows, number):
        allocation = solved(problem)
        if allocation is None:
            continue
        for flow in problem.flows:
            rate = allocation.rates[flow.id]
            for factor in (0.999, 1.001) if rate else ():
                if certify(problem, {**allocation.rates, flow.id: rate * factor}).ok:
                    # Only where the change drowns in the rounding of larger rates at what stopped the flow.
                    assert smallest_part(problem, allocation, flow) * 1e-3 < 3 * TOLERANCE
                    unseen += 1
                else:
                    rejected += 1
    assert rejected > 50 * unseen
    assert rejected > 1000


def smallest_part(problem: AllocationProblem, allocation: Allocation, flow: ProblemFlow) -> float:
    """The least part that a flow has of a full link of its, or of its slice's limit if that is reached."""
    places = [
        (capacity, {f.id: f.uses[link] for f in problem.flows if link in f.uses})
        for link, capacity in problem.capacities.items()
    ]
    places += [
        (share.limit, {f.id: 1.0 for f in problem.flows if f.slice == name})
        for name, share in problem.slices.items()
    ]
    parts = []
    for room, uses in places:
        load = sum(use * allocation.rates[id_] for id_, use in uses.items())
        if flow.id in uses and load >= room * (1 - 1e-9):
            parts.append(uses[flow.id] * allocation.rates[flow.id] / room)
    return min(parts, default=math.inf)


def test_on_one_link_there_is_no_other_certified_allocation() -> None:
    """To move a thousandth from one flow to another keeps the link full, and must be seen all the same."""
    moved = 0
    for problem in drawn(1, 6, 1500):
        allocation = solved(problem)
        if allocation is None:
            continue
        ((link, capacity),) = problem.capacities.items()
        load = {flow.id: flow.uses.get(link, 0.0) * allocation.rates[flow.id] for flow in problem.flows}
        seen = [
            flow
            for flow in problem.flows
            if load[flow.id] > 1e-4 * capacity and smallest_part(problem, allocation, flow) > 1e-4
        ]
        for giver, taker in permutations(seen, 2):
            amount = 1e-3 * min(load[giver.id], load[taker.id])
            changed = {
                **allocation.rates,
                giver.id: allocation.rates[giver.id] - amount / giver.uses[link],
                taker.id: allocation.rates[taker.id] + amount / taker.uses[link],
            }
            assert not certify(problem, changed).ok, (problem, giver.id, taker.id)
            moved += 1
    assert moved > 1000
