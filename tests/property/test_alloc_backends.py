"""The engine's backends against each other and against exact fractions; its bound against its true error."""

from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.columns import Columns
from fairslice.alloc.engine import TRUSTED, Solution, solve_as
from fairslice.alloc.kernel.backends import Backend, exact, interpreted
from fairslice.alloc.kernel.compiled import compiled, has_numba
from fairslice.alloc.kernel.records import MET, TIE
from fairslice.alloc.problem import AllocationProblem
from fairslice.testing.exact import exact_rates
from fairslice.testing.problems import FAMILIES, from_columns, large_problem, with_links_twice

NUMBER = 600
"""Of problems of each family."""
ROUNDING = Fraction(1, 2**53)
"""Of a rate to the nearest float."""
LARGE: dict[str, dict[str, Any]] = {
    "flat": {},
    "one slice each": {"slices": 1000},
    "mixed": {"mixed": True},
    "floors": {"floored": True},
    "coefficients": {"scaled": True, "mixed": True},
    "slices": {"slices": 5},
    "slices, all": {"slices": 20, "mixed": True, "floored": True, "scaled": True},
    "per flow": {"slices": 5, "mixed": True, "per_flow": True},
    "per flow, all": {"slices": 20, "mixed": True, "floored": True, "scaled": True, "per_flow": True},
    "few links": {"links": 3, "mixed": True},
    "many links": {"links": 2000, "mixed": True, "flows": 500},
}
"""Arguments of :func:`large_problem`."""


def run(backend: Backend, columns: Columns) -> Solution:
    return solve_as(backend, columns, instants=True)


def drawn(family: str, number: int = NUMBER) -> Sequence[AllocationProblem]:
    return [FAMILIES[family](Random(10_000 + seed)) for seed in range(number)]


def bits(solution: Solution) -> dict[str, Any]:
    """Everything in it, to the last digit and the sign of a zero."""

    def column(values: Any) -> list[str] | None:
        return None if values is None else [float(value).hex() for value in values]

    return {
        "rate": column(solution.rate),
        "bottleneck": [int(number) for number in solution.bottleneck],
        "instant": column(solution.instant),
        "overbooked": solution.overbooked,
        "error": float(solution.error).hex(),
        "full": [int(place) for place in solution.full],
        "steps": solution.steps,
        "stop": [int(place) for place in solution.stop],
    }


def test_nothing_of_a_solution_is_left_out() -> None:
    solution = run(interpreted(), AllocationProblem({}, ()).columns)
    assert bits(solution).keys() == asdict(solution).keys()


class TestCompiled:
    """The same bits as the interpreted source."""

    @pytest.fixture(autouse=True)
    def needs_numba(self) -> None:
        pytest.importorskip("numba")

    @pytest.mark.parametrize("family", FAMILIES)
    def test_small_problems(self, family: str) -> None:
        answered = 0
        for problem in drawn(family):
            solution = run(interpreted(), problem.columns)
            assert bits(run(compiled(), problem.columns)) == bits(solution)
            answered += solution.overbooked < 0
        assert answered > NUMBER / 2

    @pytest.mark.parametrize("kind", LARGE)
    def test_large_problems(self, kind: str) -> None:
        for seed in range(3):
            problem = large_problem(Random(seed), **LARGE[kind])
            columns = problem.columns
            solution = run(interpreted(), columns)
            assert solution.overbooked < 0
            assert bits(run(compiled(), columns)) == bits(solution)
            # Given as arrays, both read the same.
            arrays = from_columns(columns).columns
            assert not isinstance(arrays.capacity, list)
            assert bits(run(compiled(), arrays)) == bits(run(interpreted(), arrays)) == bits(solution)
            parts = with_links_twice(Random(seed), columns)
            assert bits(run(compiled(), parts)) == bits(run(interpreted(), parts))


def test_without_the_extra_it_is_said_so() -> None:
    if has_numba():
        assert compiled().is_compiled
    else:
        with pytest.raises(ImportError):
            compiled()


@pytest.mark.parametrize("kind", LARGE)
def test_large_problems_are_certified(kind: str) -> None:
    problem = large_problem(Random(0), **LARGE[kind])
    solution = run(interpreted(), problem.columns)
    assert solution.error <= TRUSTED
    assert certify(problem, solution.rate, solution.bottleneck).violations == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_exact_backend_rounds_exact_rates(family: str) -> None:
    for problem in drawn(family):
        expected, solution = exact_rates(problem), run(exact(), problem.columns)
        if expected is None:
            assert solution.overbooked >= 0
            continue
        assert solution.overbooked == -1
        assert solution.error == 0
        assert list(solution.rate) == [float(rate) for rate in expected.values()]


def true_error(solution: Solution, expected: Sequence[Fraction]) -> Fraction:
    """The largest relative error of the rates."""
    errors = [Fraction(0)]
    for found, rate in zip(solution.rate, expected, strict=True):
        assert (found == 0) == (rate == 0)
        if rate:
            errors.append(abs(Fraction(float(found)) - rate) / rate)
    return max(errors)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_error_is_bounded_by_what_is_said(family: str) -> None:
    largest, trusted, answered = 0.0, 0, 0
    for problem in drawn(family):
        expected, solution = exact_rates(problem), run(interpreted(), problem.columns)
        assert (expected is None) == (solution.overbooked >= 0)
        if expected is None:
            continue
        answered += 1
        if not solution.error <= TRUSTED:
            continue
        trusted += 1
        bound = (1 + Fraction(solution.error)) * (1 + ROUNDING) - 1
        error = true_error(solution, list(expected.values()))
        assert error <= bound, problem
        largest = max(largest, float(error / bound))
    assert trusted > 0.9 * answered
    print(f"{family}: of {answered} problems {trusted} are trusted; error/bound at most {largest:.6f}")


@pytest.mark.parametrize("family", FAMILIES)
def test_bottlenecks_are_those_of_the_exact_backend(family: str) -> None:
    """But where a flow just has, or just has not, the share of its cap at which its demand counts as met."""
    compared = 0
    for problem in drawn(family):
        solution = run(interpreted(), problem.columns)
        if solution.overbooked >= 0 or solution.error > TIE / 4:
            continue
        sharp = run(exact(), problem.columns)
        for flow, rate, found, expected in zip(
            problem.flows, solution.rate, solution.bottleneck, sharp.bottleneck, strict=True
        ):
            if not flow.cap * MET * (1 - 1e-15) < rate < flow.cap * MET * (1 + 1e-15):
                assert found == expected, (problem, flow.id)
                compared += 1
        assert list(solution.instant) == pytest.approx(list(sharp.instant), rel=1e-14, abs=0)
    assert compared > NUMBER
