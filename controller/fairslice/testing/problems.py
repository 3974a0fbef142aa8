"""Random allocation problems: small, and full of what goes wrong.

Ties, zeros, many decades, floors that fill a link to the brim, links crossed twice, flows without a
link, slices without flows. One generator serves seeded loops and hypothesis, which can shrink what it
draws.
"""

import math
from collections.abc import Callable, Sequence
from random import Random

from hypothesis import strategies as st

from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare

Number = Callable[[Random], float]
"""Draws a positive number."""


def _small(random: Random) -> float:
    return float(random.randint(1, 4))


def _tenths(random: Random) -> float:
    return random.randint(1, 30) / 10


def _decades(random: Random) -> float:
    return 10.0 ** random.randint(-9, 12)


def _any(random: Random) -> float:
    return random.randint(1, 1_000_000_007) * 2.0 ** random.randint(-40, 20)


MODEST: tuple[Number, ...] = (_small, _tenths)
"""Within two decades, with many ties."""
WILD: tuple[Number, ...] = (_small, _small, _tenths, _decades, _any)
"""Over twenty decades too."""


def random_problem(
    random: Random, *, max_links: int = 4, max_flows: int = 7, numbers: Sequence[Number] = WILD
) -> AllocationProblem:
    """Draw a sound problem; its floors may not fit.

    Up to ``max_links`` links, ``max_flows`` flows and three slices; one in six has ``per_flow`` set.
    """
    amount, weight = random.choice(numbers), random.choice(numbers)
    links = [f"L{i}" for i in range(random.randint(1, max_links))]
    capacities = {link: 0.0 if random.random() < 0.04 else amount(random) for link in links}
    names = [f"S{i}" for i in range(random.randint(0, 3))]
    number = random.randint(0, max_flows)
    part = random.choice([0.0, 0.25 / (number + 1), 1 / (number + 1), 0.25])
    flows = [_flow(random, f"f{i}", capacities, names, amount, weight, part) for i in range(number)]
    slices = {name: SliceShare(weight(random), _limit(random, name, flows, amount)) for name in names}
    return AllocationProblem(capacities, tuple(flows), slices, per_flow=random.random() < 1 / 6)


def _flow(
    random: Random,
    id_: str,
    capacities: dict[str, float],
    names: list[str],
    amount: Number,
    weight: Number,
    part: float,
) -> ProblemFlow:
    """A flow whose floor, if it has one, is about ``part`` of what its links carry."""
    few = 0 if random.random() < 0.05 else 1
    path = random.sample(sorted(capacities), random.randint(few, len(capacities)))
    uses = {link: _coefficient(random, weight) for link in path}
    cap = random.choice(
        [math.inf, math.inf, amount(random), amount(random), 0.0 if random.random() < 0.2 else 1.0]
    )
    if not uses and cap == math.inf:
        cap = amount(random)
    most = min((capacities[link] / c for link, c in uses.items()), default=amount(random))
    floor = random.choice([0.0, part * most, part * most / 2, part * most * random.random()])
    if part and random.random() < 0.1:
        floor = random.choice([most / 2, most, cap if cap < math.inf else 0.0])
    slice_ = random.choice([None, *names, *names])
    return ProblemFlow(id_, uses, weight(random), cap, floor, slice_)


def _coefficient(random: Random, number: Number) -> float:
    return random.choice([1.0, 1.0, 1.0, 1.0, 2.0, 0.5, 0.03, 1.03, number(random)])


def _limit(random: Random, name: str, flows: list[ProblemFlow], amount: Number) -> float:
    mine = [flow for flow in flows if flow.slice == name]
    floors = sum(flow.kept_floor for flow in mine)
    caps = sum(flow.cap for flow in mine)
    drawn = amount(random)
    return random.choice([math.inf, math.inf, math.inf, drawn, floors + drawn, floors, caps])


def problems(numbers: Sequence[Number] = WILD) -> st.SearchStrategy[AllocationProblem]:
    """Hypothesis strategy of :func:`random_problem`."""
    return st.randoms(use_true_random=False).map(lambda random: random_problem(random, numbers=numbers))
