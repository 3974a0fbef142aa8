"""Whether rates come by name or in an array, and problems readable or in columns, the verdict is one."""

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairslice.alloc.allocation import Allocation
from fairslice.alloc.certificate import link_sets as certificate_sets
from fairslice.alloc.certificate.certify import Certificate, certify
from fairslice.alloc.certificate.link_sets import Sets
from fairslice.alloc.problem import AllocationProblem
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.testing.problems import problems, random_problem

SETTINGS = settings(deadline=None, max_examples=200)
FACTORS = [0.0, 0.5, 0.999, 1.0, 1 + 1e-13, 1 + 1e-9, 1.001, 2.0]
randoms = st.randoms(use_true_random=False)


def solved(problem: AllocationProblem) -> Allocation:
    try:
        return allocate(problem)
    except InfeasibleError:
        assume(False)
        raise


def some_moved(allocation: Allocation, random: Random) -> tuple[Any, Any]:
    """The rates and codes, most of them right."""
    rate, code = allocation.rate.copy(), allocation.bottleneck.copy()
    for f in range(len(rate)):
        if random.random() < 0.2:
            rate[f] *= random.choice(FACTORS)
        if random.random() < 0.1:
            code[f] = random.choice(code)
    return rate, code


def by_name(problem: AllocationProblem, rate: Any, code: Any) -> Certificate:
    stated = Allocation(problem, rate, code)
    return certify(problem, stated.rates, stated.bottlenecks)


def concerned(problem: AllocationProblem, certificate: Certificate) -> list[tuple[int, int, int]]:
    """What the violations are about, by number."""
    flows = {flow.id: f for f, flow in enumerate(problem.flows)}
    links = {name: number for number, name in enumerate(problem.capacities)}
    slices = {name: number for number, name in enumerate(problem.slices)}
    return [
        (flows.get(v.flow or "", -1), links.get(v.link or "", -1), slices.get(v.slice or "", -1))
        for v in certificate.violations
    ]


def in_columns(problem: AllocationProblem, times: int = 1) -> AllocationProblem:
    """The same problem from its columns, every use of a link being ``times`` as many of so much less."""
    c = problem.columns.arrays()
    indptr, indices = np.asarray(c.indptr), np.asarray(c.indices)
    coefficient = np.ones(len(indices)) if c.coefficient is None else np.asarray(c.coefficient)
    return AllocationProblem.from_arrays(
        capacity=c.capacity,
        indptr=indptr * times,
        indices=np.repeat(indices, times),
        weight=c.weight,
        demand=c.cap,
        floor=c.floor,
        coefficient=np.repeat(coefficient / times, times) if times > 1 else c.coefficient,
        slice=c.slice,
        slice_weight=None if c.slice is None else c.slice_weight,
        slice_limit=None if c.slice is None else c.slice_limit,
        per_flow=c.per_flow,
    )


@SETTINGS
@given(problems(), randoms)
def test_arrays_are_certified_as_mappings_are(problem: AllocationProblem, random: Random) -> None:
    rate, code = some_moved(solved(problem), random)
    assert certify(problem, rate, code) == by_name(problem, rate, code)


@SETTINGS
@given(problems(), randoms)
def test_columns_are_certified_as_readable_problems_are(problem: AllocationProblem, random: Random) -> None:
    rate, code = some_moved(solved(problem), random)
    columns = in_columns(problem)
    expected = concerned(problem, by_name(problem, rate, code))
    assert concerned(columns, certify(columns, rate, code)) == expected
    assert concerned(columns, by_name(columns, rate, code)) == expected


@SETTINGS
@given(problems(), randoms)
def test_two_half_uses_are_one_use(problem: AllocationProblem, random: Random) -> None:
    rate, code = some_moved(solved(problem), random)
    halves = in_columns(problem, times=2)
    assert concerned(halves, certify(halves, rate, code)) == concerned(problem, certify(problem, rate, code))


@SETTINGS
@given(problems())
def test_right_rates_are_certified_whatever_their_form(problem: AllocationProblem) -> None:
    allocation = solved(problem)
    for form in (problem, in_columns(problem), in_columns(problem, times=2)):
        assert certify(form, allocation.rate, allocation.bottleneck).violations == ()


@pytest.mark.parametrize("keys", [3, 8, 1000])
@pytest.mark.parametrize("at_once", [1, 7, certificate_sets.AT_ONCE])
def test_supersets_are_all_the_sets_that_hold_a_set(
    keys: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand keys share 64 bits, so that sets are told apart by their keys alone."""
    monkeypatch.setattr(certificate_sets, "AT_ONCE", at_once)
    seen = 0
    for seed in range(20):
        random = Random(seed)
        rows = [sorted(random.sample(range(keys), random.randint(1, min(keys, 4)))) for _ in range(10)]
        # Sets that hold others: two rows together, and most of the keys there are.
        rows += [sorted({*random.choice(rows), *random.choice(rows)}) for _ in range(10)]
        rows += [sorted(random.sample(range(keys), keys * 2 // 3)) for _ in range(2)]
        random.shuffle(rows)
        sets = Sets.among(np.cumsum([0, *map(len, rows)]), np.concatenate(rows), keys)
        held = [set(sets.key[sets.ptr[i] : sets.ptr[i + 1]]) for i in range(len(sets))]
        assert [held[number] for number in sets.of] == [set(row) for row in rows]
        assert len({frozenset(one) for one in held}) == len(sets)

        value = np.array([random.choice([-1, 0, 1, 2]) for _ in held])
        threshold = np.array([random.choice([0, 1, np.inf]) for _ in held])
        q, c = sets.supersets(value, threshold)
        expected = {
            (i, j)
            for i, small in enumerate(held)
            for j, large in enumerate(held)
            if small <= large and value[j] > threshold[i]
        }
        assert len(q) == len(expected)
        assert set(zip(q.tolist(), c.tolist(), strict=True)) == expected
        seen += len(expected)
    assert seen > 50


@pytest.mark.parametrize("at_once", [1, 5])
def test_the_verdict_does_not_depend_on_how_much_is_looked_at_in_one_go(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    certified = 0
    for seed in range(150):
        random = Random(seed)
        problem = random_problem(random, max_links=8, max_flows=20)
        try:
            rate, code = some_moved(allocate(problem), random)
        except InfeasibleError:
            continue
        whole = certify(problem, rate, code)
        with monkeypatch.context() as patch:
            patch.setattr(certificate_sets, "AT_ONCE", at_once)
            assert certify(problem, rate, code) == whole
        certified += whole.ok
    assert 0 < certified < 150
