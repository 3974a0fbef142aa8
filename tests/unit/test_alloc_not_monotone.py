"""Max-min fairness is not monotone: the smallest networks in which less demand, or more capacity, hurts."""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations, combinations_with_replacement, product

from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocate
from fairslice.testing.exact import exact_rates

Paths = tuple[frozenset[int], ...]
Case = tuple[Paths, tuple[int, ...], tuple[float, ...]]
"""Paths and demands of flows, with the capacities of links between them."""
AMOUNTS, DEMANDS = (0, 1, 2), (0, 1, math.inf)


def solved(*flows: ProblemFlow, **capacities: float) -> dict[str, float]:
    problem = AllocationProblem(capacities, flows)
    allocation = allocate(problem)
    assert certify(problem, allocation.rates, allocation.bottlenecks).violations == ()
    return dict(allocation.rates)


def over(id_: str, *links: str, cap: float = math.inf) -> ProblemFlow:
    return ProblemFlow(id_, dict.fromkeys(links, 1), cap=cap)


def test_less_demand_may_lower_another_rate() -> None:
    """Of A = 1 and B = 2: f uses A, g uses A and B, h uses B.

    Before: all rise to 1/2, where A is full (1/2 + 1/2) and stops f and g. On B, h rises on to 2 - 1/2 = 3/2.
    Then f wants nothing. Now g is not stopped at 1/2, and g and h rise to 1, where B is full (1 + 1), and so
    is A (0 + 1). So h loses 1/2: what f leaves on A goes to g, which takes it from h on B.
    """
    g, h = over("g", "A", "B"), over("h", "B")
    assert solved(over("f", "A"), g, h, A=1, B=2) == {"f": 0.5, "g": 0.5, "h": 1.5}
    assert solved(over("f", "A", cap=0), g, h, A=1, B=2) == {"f": 0, "g": 1, "h": 1}


def test_more_capacity_may_lower_a_rate() -> None:
    """Of A and B = 3: g uses A and B, h uses B.

    With A = 1: at 1, A stops g, and h rises on to 3 - 1 = 2. With A = 2: at 3/2, B is full (3/2 + 3/2) and
    stops both. So h loses 1/2, because g is no longer held back before it comes to B.
    """
    g, h = over("g", "A", "B"), over("h", "B")
    assert solved(g, h, A=1, B=3) == {"g": 1, "h": 2}
    assert solved(g, h, A=2, B=3) == {"g": 1.5, "h": 1.5}


def test_a_dead_link_that_is_mended_may_do_so_too() -> None:
    """With A = 0, g has nothing and h all of B = 1; with A = 1 each has 1/2."""
    g, h = over("g", "A", "B"), over("h", "B")
    assert solved(g, h, A=0, B=1) == {"g": 0, "h": 1}
    assert solved(g, h, A=1, B=1) == {"g": 0.5, "h": 0.5}


@cache
def exactly(case: Case) -> tuple[Fraction, ...]:
    paths, capacities, demands = case
    flows = tuple(
        ProblemFlow(str(f), {str(link): 1 for link in sorted(path)}, cap=demand)
        for f, (path, demand) in enumerate(zip(paths, demands, strict=True))
    )
    rates = exact_rates(AllocationProblem({str(i): c for i, c in enumerate(capacities)}, flows))
    assert rates is not None
    return tuple(rates.values())


def all_cases(flows: int, links: int) -> Iterator[Case]:
    """Every network of so many flows and links with these amounts, flows of equal paths in one order only."""
    subsets = [frozenset(some) for size in range(1, links + 1) for some in combinations(range(links), size)]
    for paths in combinations_with_replacement(subsets, flows):
        for capacities in product(AMOUNTS, repeat=links):
            for demands in product(DEMANDS, repeat=flows):
                yield paths, capacities, demands


def hurt_by_less_demand(case: Case) -> bool:
    """Whether a smaller demand of some flow lowers the rate of another."""
    paths, capacities, demands = case
    before = exactly(case)
    for f, demand in enumerate(demands):
        for less in (less for less in DEMANDS if less < demand):
            after = exactly((paths, capacities, (*demands[:f], less, *demands[f + 1 :])))
            if any(after[g] < before[g] for g in range(len(paths)) if g != f):
                return True
    return False


def hurt_by_more_capacity(case: Case) -> bool:
    """Whether a larger capacity of some link lowers the rate of a flow."""
    paths, capacities, demands = case
    before = exactly(case)
    for link, capacity in enumerate(capacities):
        for more in (more for more in AMOUNTS if more > capacity):
            after = exactly((paths, (*capacities[:link], more, *capacities[link + 1 :]), demands))
            if any(after[f] < before[f] for f in range(len(paths))):
                return True
    return False


def test_nothing_smaller_is_hurt_by_less_demand() -> None:
    """Not two flows, for whoever wants less leaves more to the only other one; and not one link."""
    for flows, links in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1)):
        assert not any(map(hurt_by_less_demand, all_cases(flows, links)))
    found = [case for case in all_cases(3, 2) if hurt_by_less_demand(case)]
    least = min(sum(case[1]) for case in found)
    assert least == 3
    shapes = {(sorted(map(sorted, paths)) == [[0], [0, 1], [1]]) for paths, _, _ in found}
    assert shapes == {True}


def test_nothing_smaller_is_hurt_by_more_capacity() -> None:
    """Not one flow, and not one link."""
    for flows, links in ((1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (4, 1)):
        assert not any(map(hurt_by_more_capacity, all_cases(flows, links)))
    found = [case for case in all_cases(2, 2) if hurt_by_more_capacity(case)]
    assert min(sum(case[1]) for case in found) == 1
    assert {tuple(sorted(map(len, paths))) for paths, _, _ in found} == {(1, 2)}
    # Of links that are alive, none with amounts as small as these.
    assert not any(all(capacities) for _, capacities, _ in found)
