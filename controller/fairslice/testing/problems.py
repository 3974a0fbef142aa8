"""Random allocation problems: small, and full of what goes wrong.

Ties, zeros, many decades, floors that fill a link to the brim, links crossed twice, flows without a
link, slices without flows. One generator serves seeded loops and hypothesis, which can shrink what it
draws; the others are for what it seldom draws.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from hypothesis import strategies as st

from fairslice.alloc.columns import Columns
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


def tied_problem(random: Random, *, max_links: int = 4, max_flows: int = 7) -> AllocationProblem:
    """Draw from a few small numbers, so that links fill and caps are reached at the same instants.

    Half have no slices, and half no floors; the floors may not fit.
    """
    links = [f"L{i}" for i in range(random.randint(1, max_links))]
    capacities = {link: float(random.choice([1, 2, 2, 3, 4, 10])) for link in links}
    names = [f"S{i}" for i in range(random.choice([0, 0, 1, 2]))]
    whole, floored = random.random() < 0.5, random.random() < 0.5
    flows = tuple(
        ProblemFlow(
            f"f{i}",
            {
                link: 1.0 if whole else random.choice([1.0, 0.25, 0.5, 2.0])
                for link in random.sample(links, random.randint(1, len(links)))
            },
            random.choice([1.0, 1.0, 2.0, 3.0, 0.1, 2.4]),
            random.choice([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf, math.inf]),
            random.choice([0.0, 0.0, 0.125, 0.25, 0.5]) if floored else 0.0,
            random.choice([None, *names, *names]),
        )
        for i in range(random.randint(1, max_flows))
    )
    slices = {
        name: SliceShare(random.choice([1.0, 2.0, 3.0]), random.choice([1.0, 2.0, 4.0, math.inf, math.inf]))
        for name in names
    }
    return AllocationProblem(capacities, flows, slices, per_flow=random.random() < 0.5)


def remainder_problem(random: Random) -> AllocationProblem:
    """Draw flows that stop early and leave a millionth of their link or less to a light one, which has
    another link of about that capacity. Each early one is stopped by a link of its own or by its demand.
    """
    number = random.randint(2, 4)
    caps = [random.uniform(0.1, 0.33) for _ in range(number)]
    uses = [random.uniform(0.5, 1) for _ in range(number)]
    load = sum(Fraction(cap) * Fraction(use) for cap, use in zip(caps, uses, strict=True))
    capacity = float(load) + 10 ** random.uniform(-13, -6)
    other = float(Fraction(capacity) - load) * (1 + 10 ** random.uniform(-12, -4))
    capacities, flows = {"A": capacity, "B": max(other, 0.0)}, []
    for i, (cap, use) in enumerate(zip(caps, uses, strict=True)):
        if random.random() < 0.7:
            capacities[f"K{i}"] = cap
            flows.append(ProblemFlow(f"early{i}", {"A": use, f"K{i}": 1.0}))
        else:
            flows.append(ProblemFlow(f"early{i}", {"A": use}, cap=cap))
    flows.append(ProblemFlow("late", {"A": 1.0, "B": 1.0}, random.choice([1.0, 1e-4, 1e-8])))
    return AllocationProblem(capacities, tuple(flows))


def spike_problem(random: Random) -> AllocationProblem:
    """Draw a link whose load for an instant grows more than a billion times as fast as before and after: when
    a heavy flow has passed its floor, and until its other link is full."""
    heavy = 10.0 ** random.randint(9, 30)
    floors = [random.randint(1, 12) / 10 for _ in range(3)]
    slice_ = random.choice([None, "S"])
    flows = [
        ProblemFlow("heavy", {"L": _coefficient(random, _tenths), "M": 1.0}, heavy, floor=floors[0] / 4),
        ProblemFlow("light", {"L": 1.0, "M": 1.0}, _tenths(random) / 100, slice=slice_),
        *(ProblemFlow(f"f{i}", {"L": 1.0}, _tenths(random), floor=floors[i], slice=slice_) for i in (1, 2)),
    ]
    random.shuffle(flows)
    slices = {"S": SliceShare(random.choice([1.0, heavy]))} if slice_ else {}
    capacities = {"L": random.randint(3, 6) * 1.0, "M": _tenths(random)}
    return AllocationProblem(capacities, tuple(flows), slices, per_flow=random.random() < 0.5)


def from_columns(columns: Columns) -> AllocationProblem:
    """The problem from its columns; its links, flows and slices are numbers."""
    return AllocationProblem.from_arrays(
        *(columns.capacity, columns.indptr, columns.indices, columns.weight, columns.cap, columns.floor),
        columns.coefficient,
        columns.slice,
        columns.slice_weight if columns.slice is not None else None,
        columns.slice_limit if columns.slice is not None else None,
        per_flow=columns.per_flow,
    )


def with_links_twice(random: Random, columns: Columns) -> Columns:
    """The same problem, but some flows use some links in two parts; which sum up without rounding."""
    indptr, indices, parts = [0], list[int](), list[float]()
    for f in range(len(columns.weight)):
        row: list[tuple[int, float]] = []
        for i in range(columns.indptr[f], columns.indptr[f + 1]):
            link, use = columns.indices[i], 1.0 if columns.coefficient is None else columns.coefficient[i]
            part = use * random.choice([0.5, 0.5, 0.25])
            halved = random.random() < 0.5 and Fraction(part) + Fraction(use - part) == Fraction(use)
            row += [(link, part), (link, use - part)] if halved else [(link, use)]
        random.shuffle(row)
        indptr.append(len(indices) + len(row))
        indices += [link for link, _ in row]
        parts += [part for _, part in row]
    return replace(columns, indptr=indptr, indices=indices, coefficient=parts)


def large_problem(
    random: Random,
    *,
    flows: int = 1000,
    links: int = 60,
    mixed: bool = False,
    slices: int = 0,
    floored: bool = False,
    scaled: bool = False,
    per_flow: bool = False,
) -> AllocationProblem:
    """Draw flows over up to six links each, with what is asked for: ``mixed`` weights and demands, floors
    (which fit), ``scaled`` coefficients, slices (some with limits)."""

    def use() -> float:
        return random.choice([1.0, 1.0, 1.03, 0.03, random.uniform(0.1, 1)]) if scaled else 1.0

    capacities = {f"L{i}": random.choice([1e9, 10e9, 40e9, 100e9]) for i in range(links)}
    paths = [random.sample(sorted(capacities), random.randint(1, min(6, links))) for _ in range(flows)]
    share = min(capacities.values()) / flows
    names = [f"S{i}" for i in range(slices)]
    drawn = [
        ProblemFlow(
            f"f{i}",
            {link: use() for link in path},
            random.choice([1.0, 2.0, 4.0, 8.0]) if mixed else 1.0,
            random.lognormvariate(0, 2) * 10 * share if mixed and random.random() < 0.5 else math.inf,
            random.uniform(0, 0.95) * share if floored and random.random() < 0.5 else 0.0,
            random.choice([None, *names, *names]) if names else None,
        )
        for i, path in enumerate(paths)
    ]
    total = sum(capacities.values())
    shares = {
        name: SliceShare(
            random.choice([1.0, 2.0, 3.0]), random.choice([math.inf, math.inf, total / slices / 2])
        )
        for name in names
    }
    return AllocationProblem(capacities, tuple(drawn), shares, per_flow=per_flow)


FAMILIES: Mapping[str, Callable[[Random], AllocationProblem]] = {
    "wild": random_problem,
    "modest": lambda random: random_problem(random, numbers=MODEST),
    "one link": lambda random: random_problem(random, max_links=1, max_flows=6),
    "more flows": lambda random: random_problem(random, max_links=8, max_flows=20),
    "tied": tied_problem,
    "tied, few": lambda random: tied_problem(random, max_links=2, max_flows=3),
    "tied, many": lambda random: tied_problem(random, max_links=8, max_flows=20),
    "remainders": remainder_problem,
    "spikes": spike_problem,
    "links twice": lambda random: from_columns(with_links_twice(random, random_problem(random).columns)),
    "tied, links twice": lambda random: from_columns(with_links_twice(random, tied_problem(random).columns)),
}
"""All kinds of small problems by name."""
