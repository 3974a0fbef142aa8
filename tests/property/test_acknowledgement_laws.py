"""Laws of rates with acknowledgements: feasible, consistent, and max-min fair on what these leave."""

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import AcknowledgedAllocation, allocate_acknowledged
from fairslice.alloc.certificate.acknowledgements import certify_acknowledged
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.testing.acknowledged import random_acknowledged
from fairslice.testing.exact import exact_rates
from fairslice.testing.problems import MODEST, WILD

CHUNKS = 40
EACH = 100
"""4,000 random networks in all, of which more than 3,000 have rates."""
PART_OF_A_LINK = Fraction(1, 10**9)


def solved(seed: int) -> AcknowledgedAllocation | None:
    """None where the floors do not fit."""
    problem = random_acknowledged(Random(seed), numbers=MODEST if seed % 2 else WILD)
    try:
        return allocate_acknowledged(problem)
    except InfeasibleError:
        assert not floors_fit(problem)
        return None


def floors_fit(problem: AcknowledgedProblem) -> bool:
    """By definition: data and acknowledgements at the floors, to the rounding of a float."""
    data, rounding = problem.data, 1 + Fraction(1, 10**12)
    floor = {flow.id: Fraction(flow.kept_floor) for flow in data.flows}
    for link, capacity in data.capacities.items():
        promised = sum(Fraction(flow.uses.get(link, 0.0)) * floor[flow.id] for flow in data.flows)
        returned = sum(
            Fraction(share.get(link, 0.0)) * floor[flow.id]
            for flow, share in zip(data.flows, problem.returns, strict=True)
        )
        if promised > Fraction(capacity) * rounding or returned > Fraction(capacity) / 2 * rounding:
            return False
        if returned and promised + returned > Fraction(capacity) * rounding:
            return False
    limits = {name: share.limit for name, share in data.slices.items() if share.limit < float("inf")}
    return all(
        sum(floor[flow.id] for flow in data.flows if flow.slice == name) <= Fraction(limit) * rounding
        for name, limit in limits.items()
    )


def loads(found: AcknowledgedAllocation, link: str) -> tuple[Fraction, Fraction]:
    """What data and what acknowledgements take of a link, exactly, at the rates found."""
    problem, rates = found.problem, found.allocation.rates
    flows = problem.data.flows
    data = sum(Fraction(flow.uses.get(link, 0.0)) * Fraction(rates[flow.id]) for flow in flows)
    returned = sum(
        Fraction(share.get(link, 0.0)) * Fraction(rates[flow.id])
        for flow, share in zip(flows, problem.returns, strict=True)
    )
    return Fraction(data), Fraction(returned)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_rates_are_feasible_consistent_and_certified(chunk: int) -> None:
    answered = 0
    for seed in range(chunk * EACH, (chunk + 1) * EACH):
        found = solved(seed)
        if found is None:
            continue
        answered += 1
        certificate = certify_acknowledged(found.problem, found.allocation.rates, found.bottlenecks)
        assert certificate.ok, (seed, [str(violation) for violation in certificate.violations])
        for link, capacity in found.problem.data.capacities.items():
            data, returned = loads(found, link)
            slack = Fraction(capacity) * PART_OF_A_LINK
            assert data + returned <= Fraction(capacity) + slack, (seed, link)
            assert returned <= Fraction(capacity) / 2 + slack, (seed, link)
            assert abs(Fraction(found.set_aside.get(link, 0.0)) - returned) <= slack, (seed, link)
    assert answered > EACH * 3 / 4


@pytest.mark.parametrize("chunk", range(10))
def test_rates_are_those_of_what_is_left_exactly(chunk: int) -> None:
    """In fractions, by code that is shared with nobody."""
    for seed in range(chunk * 40, (chunk + 1) * 40):
        found = solved(seed)
        if found is None:
            continue
        exact = exact_rates(found.problem.left_by(found.set_aside))
        assert exact is not None, seed
        largest = max(found.problem.data.capacities.values())
        for id_, rate in found.allocation.rates.items():
            assert rate == pytest.approx(float(exact[id_]), rel=1e-9, abs=1e-9 * largest), (seed, id_)


def solved_flat(seed: int) -> AcknowledgedAllocation | None:
    """Amounts of few decades and no slices; None where the floors do not fit."""
    problem = random_acknowledged(Random(seed), numbers=MODEST)
    flows = tuple(replace(flow, slice=None) for flow in problem.data.flows)
    alone = AcknowledgedProblem(replace(problem.data, flows=flows, slices={}), problem.returns)
    try:
        return allocate_acknowledged(alone)
    except InfeasibleError:
        return None


@pytest.mark.parametrize("chunk", range(10))
def test_without_a_hierarchy_every_flow_has_a_bottleneck(chunk: int) -> None:
    """The definition, word for word: a full link where no flow above its floor has more for its weight."""
    for seed in range(chunk * 40, (chunk + 1) * 40):
        found = solved_flat(seed)
        if found is not None:
            assert_bottlenecks(seed, found)


def assert_bottlenecks(seed: int, found: AcknowledgedAllocation) -> None:
    problem, rates, near = found.problem, found.allocation.rates, 1e-9
    flows = list(zip(problem.data.flows, problem.returns, strict=True))
    full: dict[tuple[str, bool], bool] = {}
    for link, capacity in problem.data.capacities.items():
        data, returned = map(float, loads(found, link))
        promised = sum(flow.uses.get(link, 0.0) * flow.kept_floor for flow, _ in flows)
        full[link, False] = data + returned >= capacity * (1 - near)
        full[link, True] = returned >= min(capacity / 2, capacity - promised) * (1 - near)
    for flow, share in flows:
        if rates[flow.id] >= flow.cap * (1 - near):
            continue
        places = [(link, False) for link in flow.uses] + [(link, True) for link in share]
        level = rates[flow.id] / flow.weight * (1 + near)
        assert any(
            full[link, back]
            and all(
                rates[other.id] / other.weight <= level
                for other, others in flows
                if link in (others if back else other.uses)
                and rates[other.id] > other.kept_floor * (1 + near)
            )
            for link, back in places
        ), (seed, flow.id)


@pytest.mark.parametrize("seed", range(100))
def test_without_acknowledgements_nothing_is_different(seed: int) -> None:
    data = random_acknowledged(Random(seed)).data
    problem = AcknowledgedProblem(data, tuple({} for _ in data.flows))
    try:
        ordinary = allocate(data)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            allocate_acknowledged(problem)
        return
    found = allocate_acknowledged(problem)
    assert found.allocation.rates == ordinary.rates
    assert found.bottlenecks == ordinary.bottlenecks
    assert (found.set_aside, found.steps) == ({}, 1)


@pytest.mark.parametrize("seed", range(200))
def test_other_rates_are_not_certified(seed: int) -> None:
    """A thousandth more of any flow, or less of one that is above its floor."""
    found = solved_flat(seed)
    if found is None:
        return
    rates = found.allocation.rates
    for flow in found.problem.data.flows:
        rate = rates[flow.id]
        if rate == 0:
            continue
        more = certify_acknowledged(found.problem, {**rates, flow.id: rate * 1.001})
        assert not more.ok, (seed, flow.id)
        if rate > flow.kept_floor * 1.01:
            less = certify_acknowledged(found.problem, {**rates, flow.id: rate * 0.999})
            assert not less.ok, (seed, flow.id)
