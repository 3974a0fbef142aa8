"""Whatever is changed, and however often: the allocator's rates are those of the problem as it then is."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest

from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.incremental.allocator import Allocator
from fairslice.alloc.incremental.classes import merge_rows
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.testing.problems import MODEST, WILD, random_problem


def drawn(seed: int) -> Allocator | None:
    numbers = MODEST if seed % 4 else WILD
    problem = random_problem(Random(seed), max_links=4, max_flows=8, numbers=numbers)
    if seed % 2:
        problem = as_numbers(problem)
    try:
        return Allocator(problem) if problem.flows else None
    except InfeasibleError:
        return None


def as_numbers(problem: AllocationProblem) -> AllocationProblem:
    """The same problem made from arrays."""
    c = problem.columns
    return AllocationProblem.from_arrays(
        *(c.capacity, c.indptr, c.indices, c.weight, c.cap, c.floor, c.coefficient, c.slice),
        *(c.slice_weight if c.slice is not None else None, c.slice_limit if c.slice is not None else None),
        per_flow=c.per_flow,
    )


def some_changes(random: Random, problem: AllocationProblem, step: int) -> dict[str, Any]:
    links, flows = list(problem.capacities), len(problem.flows)
    changes: dict[str, Any] = {}
    for _ in range(random.choice([1, 1, 2, 3])):
        flow, amount = random.randrange(flows), random.choice([0.5, 1, 2, 3, 7, random.random() * 5])
        what = random.choice(["demand", "weight", "floor", "capacity", "down", "remove", "add"])
        if what == "demand":
            greedy = bool(problem.flows[flow].uses) and random.random() < 0.3
            changes.setdefault("demand", {})[flow] = math.inf if greedy else amount
        elif what == "weight":
            changes.setdefault("weight", {})[flow] = amount
        elif what == "floor":
            changes.setdefault("floor", {})[flow] = random.choice([0.0, amount * 0.1])
        elif what == "capacity":
            changes.setdefault("capacity", {})[random.choice(links)] = amount * 3
        elif what == "down":
            changes["down"] = [random.choice(links)]
        elif what == "remove":
            changes["remove"] = [flow]
        else:
            uses = {link: random.choice([1.0, 1.0, 0.5]) for link in random.sample(links, min(2, len(links)))}
            cap, floor = random.choice([math.inf, amount]), random.choice([0.0, 0.0, 0.01])
            slice_ = random.choice([None, *problem.slices])
            changes["add"] = [ProblemFlow(f"new {step}", uses, amount, cap, floor, slice_)]
    return changes


@pytest.mark.parametrize("seeds", [range(start, start + 200) for start in range(0, 800, 200)], ids=str)
def test_any_changes_in_any_order(seeds: range) -> None:
    nothing = something = refused = 0
    for seed in seeds:
        allocator, random = drawn(seed), Random(seed)
        for step in range(6 if allocator else 0):
            assert allocator is not None
            before, then = allocator.allocation, allocator.problem
            try:
                after = allocator.change(**some_changes(random, then, step))
            except InfeasibleError:
                # Nothing is half-applied.
                assert allocator.allocation is before
                assert list(allocator.problem.flows) == list(then.flows)
                assert dict(allocator.problem.capacities) == dict(then.capacities)
                refused += 1
                continue
            assert after is allocator.allocation
            expected = allocate(allocator.problem)
            assert np.allclose(after.rate, expected.rate, rtol=1e-13, atol=0), (seed, step)
            if after is before:
                nothing += 1
            else:
                something += 1
                assert certify(allocator.problem, after.rate, after.bottleneck).violations == ()
    assert min(nothing, something, refused) > 30


@pytest.mark.parametrize("seed", range(300))
def test_a_class_is_of_one_slice_and_one_path(seed: int) -> None:
    columns = random_problem(Random(seed), max_links=2, max_flows=30, numbers=MODEST).columns
    of_class, first = merge_rows(columns)
    c = columns.arrays()

    def row(flow: int) -> tuple[Any, ...]:
        part = slice(c.indptr[flow], c.indptr[flow + 1])
        use = () if c.coefficient is None else tuple(c.coefficient[part])
        return (*c.indices[part], *use, None if c.slice is None else int(c.slice[flow]))

    number = {row(int(flow)): k for k, flow in enumerate(first)}
    assert len(number) == len(first)
    assert [number[row(flow)] for flow in range(len(c.weight))] == of_class.tolist()
