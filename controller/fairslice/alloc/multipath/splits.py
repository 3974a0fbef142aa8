r"""Free splits as fixed ones, which ordinary allocation is exact for.

:func:`~fairslice.alloc.allocate_free` finds totals that are max-min fair, near enough, and leaves a
little of a flow on every path. With fixed splits that little counts: where it fills a link at a low level the
whole flow stops there. So two kinds of moves follow, each round of them by one exact allocation:

* *Give up.* A flow that a link stops below what its paths past that link were found to carry leaves the link.
  The totals that were found, less what was given up, still fit, so what rates result is no less fair: their
  vector, sorted by level, is lexicographically at least that of these totals.
* *Shift.* What a flow has on a link that stops it, or others, moves to paths of its own that still have
  room. All totals still fit, and that link has room again: the next allocation is lexicographically at
  least as fair as the last.

Should the flow that has least have more where each takes its first path, that is where shifts begin instead:
other paths never cost it anything.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

from fairslice.alloc.allocation import Allocation, BottleneckKind
from fairslice.alloc.kernel.path_shares import LEAST_SHARE
from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.free import allocate_free
from fairslice.alloc.multipath.problem import MultipathProblem, mixed_uses
from fairslice.alloc.problem import AllocationProblem
from fairslice.alloc.waterfilling import allocate

PARTS = 1_000_000
"""A free split is rounded to so many parts of a flow's rate, so that its paths together are exactly all."""

ROUNDS = 30
"""At most so many of each kind of move; on the topologies that come with the project a few do."""
WORTH_IT = 1e-5
"""Of a flow's rate: less is neither given up for nor shifted."""

LITTLE = 2 * LEAST_SHARE
"""Of a flow's rate: a path with less has only what every path is left with, and is left out. Leaving out
more would cost what the others then lack room for."""

_Rates = dict[str, list[float]]
"""What flows of several paths have on each of them, by id; only the ratios count."""

_Move = Callable[[MultipathProblem, Allocation, _Rates], bool]


def free_splits(problem: MultipathProblem) -> dict[str, tuple[int, ...]]:
    """Choose fixed splits for max-min fair totals.

    Parameters
    ----------
    problem
        Its flows with several paths are to be split, those with one are what they are.

    Returns
    -------
    dict
        By the id of each flow with several paths: how many of ``PARTS`` parts go along each.

    Raises
    ------
    InputError
        The problem has faults, or a flow of several paths has a floor.
    InfeasibleError
        The floors of the flows of one path do not fit.
    """
    several = [flow for flow in problem.flows if len(flow.paths) > 1]
    on_first = {flow.id: [1.0, *(0.0 for _ in flow.paths[1:])] for flow in several}
    # Floors that do not fit are refused here, by the names of their flows and links.
    least = _lowest(allocate(_fixed(problem, on_first)))
    found = allocate_free(problem)
    rates = {flow.id: _without_little(found.path_rates[flow.id]) for flow in several}
    if least > _lowest(_moved(problem, rates, (_give_up, _shift))) * (1 + WORTH_IT):
        rates = on_first
        _moved(problem, rates, (_shift,))
    return {flow: rounded(on_paths) for flow, on_paths in rates.items()}


def _without_little(rates: Sequence[float]) -> list[float]:
    least = LITTLE * math.fsum(rates)
    return [0.0 if rate < least else rate for rate in rates]


def _moved(problem: MultipathProblem, rates: _Rates, moves: Sequence[_Move]) -> Allocation:
    """Make such moves while there are any; the allocation that they end with."""
    allocation = allocate(_fixed(problem, rates))
    for move in moves:
        for _ in range(ROUNDS):
            if not move(problem, allocation, rates):
                break
            allocation = allocate(_fixed(problem, rates))
    return allocation


def _lowest(allocation: Allocation) -> float:
    """The smallest rate for its weights of a flow that is below its cap; infinite if there is none."""
    weight = {name: share.weight for name, share in allocation.problem.slices.items()}
    return min(
        (
            allocation.rates[flow.id] / (flow.weight * (1.0 if flow.slice is None else weight[flow.slice]))
            for flow in allocation.problem.flows
            # Whole parts may keep a flow a little below its cap.
            if allocation.rates[flow.id] < flow.cap * (1 - WORTH_IT)
        ),
        default=math.inf,
    )


def rounded(rates: Sequence[float]) -> tuple[int, ...]:
    """Rates as whole parts of ``PARTS``, by largest remainder; all on the first path if there are none.

    >>> rounded([20.0, 10.0])
    (666667, 333333)
    """
    total = math.fsum(rates)
    if not total > 0:
        return (PARTS, *(0 for _ in rates[1:]))
    exact = [rate / total * PARTS for rate in rates]
    parts = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: parts[index] - exact[index])
    for index in by_remainder[: PARTS - sum(parts)]:
        parts[index] += 1
    return tuple(parts)


def _fixed(problem: MultipathProblem, rates: Mapping[str, Sequence[float]]) -> AllocationProblem:
    return AllocationProblem(
        problem.capacities,
        [flow.using(_uses(flow, rates.get(flow.id, (1.0,)))) for flow in problem.flows],
        problem.slices,
        problem.per_flow,
    )


def _uses(flow: MultipathFlow, rates: Sequence[float]) -> Mapping[str, float]:
    return flow.paths[0] if len(flow.paths) == 1 else mixed_uses(flow, rounded(rates), PARTS)


def _give_up(problem: MultipathProblem, allocation: Allocation, rates: _Rates) -> bool:
    """Leave links that stop a flow too early; whether there was one."""
    moved = False
    for flow in problem.flows:
        why = allocation.bottlenecks[flow.id]
        if flow.id not in rates or why.kind is not BottleneckKind.LINK:
            continue
        past = [
            0.0 if why.name in path else rate for path, rate in zip(flow.paths, rates[flow.id], strict=True)
        ]
        if math.fsum(past) > allocation.rates[flow.id] * (1 + WORTH_IT):
            rates[flow.id] = past
            moved = True
    return moved


def _shift(problem: MultipathProblem, allocation: Allocation, rates: _Rates) -> bool:
    """Move what flows have on links that stop some flow to where there is room; whether anything could be."""
    tight = {why.name for why in allocation.bottlenecks.values() if why.kind is BottleneckKind.LINK}
    room = dict(problem.capacities)
    for fixed in allocation.problem.flows:
        for link, use in fixed.uses.items():
            room[link] -= use * allocation.rates[fixed.id]
    moved = False
    for flow in problem.flows:
        rate = allocation.rates[flow.id]
        if flow.id not in rates or not rate:
            continue
        parts = rounded(rates[flow.id])
        own = rates[flow.id] = [rate * part / PARTS for part in parts]
        for there, here in permutations(range(len(own)), 2):
            left, taken = flow.paths[there], flow.paths[here]
            if own[there] and any(left[link] > taken.get(link, 0.0) for link in tight & left.keys()):
                more = {link: taken.get(link, 0.0) - left.get(link, 0.0) for link in {**taken, **left}}
                fits = min((room[link] / use for link, use in more.items() if use > 0), default=math.inf)
                # Half of it leaves as much room on both sides; all of it would come back the next time.
                amount = min(own[there], fits / 2)
                if amount > rate * WORTH_IT:
                    own[there] -= amount
                    own[here] += amount
                    for link, use in more.items():
                        room[link] -= use * amount
                    moved = True
    return moved
