"""The allocation in exact rational numbers: its definition word for word, slow, and no code shared.

Tests hold every other implementation against it; :mod:`fairslice.alloc.waterfilling` has the definition.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise

from fairslice.alloc.problem import AllocationProblem, ProblemFlow

ADMITTED = 1 + Fraction(1, 10**12)
"""Floors may exceed a capacity by a float's rounding, no more."""


def exact_rates(problem: AllocationProblem) -> dict[str, Fraction] | None:
    """The rate of every flow as a fraction; None if the floors do not fit.

    The problem must be sound (:meth:`AllocationProblem.check`).
    """
    u = {f.id: None if f.cap == float("inf") else Fraction(f.cap) for f in problem.flows}
    m = {f.id: Fraction(min(f.floor, f.cap)) for f in problem.flows}
    boxes = list(_boxes(problem))
    for capacity, uses in boxes:
        if sum(c * m[f] for f, c in uses.items()) > capacity * ADMITTED:
            return None

    level = {f.id: Fraction(0) for f in problem.flows}
    rising = {f.id: f for f in problem.flows}
    while rising:
        rise = {f.id: _rise(f, rising.values(), problem) for f in rising.values()}
        # How long until a flow reaches u_f, and until a link or a limit saturates.
        until_cap = {f: (cap - level[f]) / rise[f] for f in rising if (cap := u[f]) is not None}
        until_full = [_until_full(capacity, uses, level, rise, m) for capacity, uses in boxes]
        step = min([*until_cap.values(), *(t for t in until_full if t is not None)])
        for f in rising:
            level[f] += rise[f] * step
        stopped = {f for f, t in until_cap.items() if t == step}
        for (_, uses), t in zip(boxes, until_full, strict=True):
            if t == step:
                stopped |= uses.keys()
        rising = {f: flow for f, flow in rising.items() if f not in stopped}
    return {f: max(level[f], m[f]) for f in level}


def _boxes(problem: AllocationProblem) -> Iterable[tuple[Fraction, Mapping[str, Fraction]]]:
    """What saturates: every link, and every limit as a link of all the slice's flows."""
    for link, capacity in problem.capacities.items():
        yield Fraction(capacity), {f.id: Fraction(f.uses[link]) for f in problem.flows if link in f.uses}
    for name, share in problem.slices.items():
        if share.limit != float("inf"):
            yield Fraction(share.limit), {f.id: Fraction(1) for f in problem.flows if f.slice == name}


def _rise(flow: ProblemFlow, rising: Iterable[ProblemFlow], problem: AllocationProblem) -> Fraction:
    """w_f · min over its links of W_s / Σ c_{g,l}·w_g; flows that no link grants one share as if on one."""
    w = Fraction(flow.weight)
    if flow.slice is None:
        return w
    W = Fraction(problem.slices[flow.slice].weight)  # noqa: N806 - as in the formula
    if problem.per_flow:
        return W * w
    siblings = [g for g in rising if g.slice == flow.slice]
    # The last links may grant no rate.
    granting = set(list(problem.capacities)[: len(problem.capacities) - problem.rooms])
    if not flow.uses.keys() & granting:
        return w * W / sum(Fraction(g.weight) for g in siblings if not g.uses.keys() & granting)
    return w * min(
        W / sum(Fraction(g.uses[link]) * Fraction(g.weight) for g in siblings if link in g.uses)
        for link in flow.uses
        if link in granting
    )


def _until_full(
    capacity: Fraction,
    uses: Mapping[str, Fraction],
    level: Mapping[str, Fraction],
    rise: Mapping[str, Fraction],
    floor: Mapping[str, Fraction],
) -> Fraction | None:
    """The smallest t with Σ c·max(level + rise·t, floor) = capacity; None if nobody rises there."""
    mine = [f for f in uses if f in rise]
    if not mine:
        return None

    def load(t: Fraction) -> Fraction:
        held = (c * max(level[f] + rise.get(f, 0) * t, floor[f]) for f, c in uses.items())
        return sum(held, Fraction(0))

    # The load bends where a level passes its floor and is straight between.
    bends = sorted({Fraction(0), *((floor[f] - level[f]) / rise[f] for f in mine if floor[f] > level[f])})
    if load(bends[0]) >= capacity:
        return Fraction(0)
    for start, end in pairwise(bends):
        if load(end) >= capacity:
            return start + (capacity - load(start)) * (end - start) / (load(end) - load(start))
    return bends[-1] + (capacity - load(bends[-1])) / sum(uses[f] * rise[f] for f in mine)
