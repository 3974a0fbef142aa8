r"""Hierarchical water-filling: how the links' capacity is divided among flows and slices.

All flows rise together from zero. A flow :math:`f` of slice :math:`s` that has not frozen rises at

.. math:: w_f \cdot \min_{l \in f} \frac{W_s}{\sum_g c_{g,l}\, w_g}
    \qquad (g \text{: flows of } s \text{ that use } l \text{ and have not frozen})

so a slice pushes into any link at no more than its weight :math:`W_s`, split over its flows there by
their weights, and a flow rises at the slowest rate that its links grant. A flow of no slice rises at its
own weight. What a flow *holds* is the larger of its level and its floor. It freezes when its level
reaches its cap, or when a link that it uses, or the limit of its slice, is full. The others rise on, and
its siblings inherit its rise on the links where it was, so rises never fall.

On one link this is hierarchical GPS [2]_, [3]_; with one flow a slice, or with ``per_flow``, it is
weighted max-min fairness by progressive filling [1]_, with floors and caps as in [4]_.

Between two instants every level is a straight line, so :mod:`fairslice.alloc.kernel.filling` walks from
instant to instant: the next at which a level passes its floor or reaches a cap, or at which a link or a
limit is full.
Everything that happens at one instant happens together.

Capacities may span many decades, small remainders of large links are divided further, and instants that
coincide on paper must coincide here. So the arithmetic carries 32 digits and a bound of its own error;
where that is not good enough, the same source runs again in fractions.

References
----------
.. [1] D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., Prentice Hall 1992, §6.5.2.
.. [2] A. Parekh and R. Gallager, "A generalized processor sharing approach to flow control in integrated
   services networks: the single-node case", IEEE/ACM Trans. Networking 1(3), 1993.
.. [3] J. Bennett and H. Zhang, "Hierarchical packet fair queueing algorithms", ACM SIGCOMM 1996.
.. [4] Y. T. Hou, S. Panwar and H. Tzeng, "On generalized max-min rate allocation and distributed
   convergence algorithm for packet networks", IEEE Trans. Parallel and Distributed Systems 15(5), 2004.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from fairslice.alloc.allocation import Allocation
from fairslice.alloc.arguments import expect
from fairslice.alloc.engine import Solution, solve
from fairslice.alloc.problem import AllocationProblem
from fairslice.errors import InfeasibleError


def allocate(problem: AllocationProblem, *, instants: bool = False) -> Allocation:
    """Divide the links among the flows.

    Parameters
    ----------
    problem
        Links, flows and slices; checked first.
    instants
        Whether to tell when every flow stopped.

    Returns
    -------
    Allocation
        Rates in the unit of the problem, correctly rounded, and the bottleneck of every flow. A flow
        that several things stop at the same instant names its cap first, then the limit of its slice,
        then the first such link of its path.

    Raises
    ------
    InputError
        The problem has faults.
    InfeasibleError
        The floors do not fit on a link, or under the limit of a slice.

    Notes
    -----
    With n flows that use u links altogether, every flow stops once: O(u) changes of loads. Each saturated
    link comes up a few times on a heap of the L links, O(log L) each. In slices every stop makes the siblings
    on the same links rise faster, so there it is O(u) for each, times the flows of a slice on a link.
    Space is O(u). The loop is compiled if the extra ``fairslice[fast]`` is there and pays by what the process
    has done so far: see :mod:`fairslice.alloc.account`.

    Examples
    --------
    A long flow meets a short one on each of two links; the second link has room to spare.

    >>> from fairslice.alloc.problem import AllocationProblem, ProblemFlow
    >>> problem = AllocationProblem(
    ...     capacities={"A": 10, "B": 30},
    ...     flows=(
    ...         ProblemFlow("long", {"A": 1, "B": 1}),
    ...         ProblemFlow("short", {"A": 1}),
    ...         ProblemFlow("other", {"B": 1}),
    ...     ),
    ... )
    >>> allocation = allocate(problem)
    >>> dict(allocation.rates)
    {'long': 5.0, 'short': 5.0, 'other': 25.0}
    >>> str(allocation.bottlenecks["long"])
    'link A'
    """
    expect("problem", problem, AllocationProblem, "an AllocationProblem")
    solution = solve(problem.columns, instants=instants)
    return allocation_of(problem, solution)


def allocation_of(problem: AllocationProblem, solution: Solution) -> Allocation:
    """The solution of a problem's columns in its own words.

    Raises
    ------
    InfeasibleError
        The floors do not fit.
    """
    if solution.overbooked >= 0:
        raise refusal(problem, solution.overbooked)
    return Allocation(problem, solution.rate, solution.bottleneck, solution.instant)


def refusal(problem: AllocationProblem, place: int) -> InfeasibleError:
    """Why there are no rates: the floors of a place, which is a link or else a limit, don't fit there."""
    links = list(problem.capacities)
    if place < len(links):
        name = links[place]
        has, capacity = f"link {name} carries", problem.capacities[name]
        uses = {flow.id: flow.uses[name] for flow in problem.flows if name in flow.uses}
    else:
        limited = [s for s, share in problem.slices.items() if share.limit < math.inf]
        slice_ = limited[place - len(links)]
        name = f"limit of slice {slice_}"
        has, capacity = f"the {name} is", problem.slices[slice_].limit
        uses = {flow.id: 1.0 for flow in problem.flows if flow.slice == slice_}
    floor = {flow.id: flow.kept_floor for flow in problem.flows if flow.kept_floor > 0}
    flows = tuple(flow for flow in uses if flow in floor)
    exactly = sum(Fraction(uses[flow]) * Fraction(floor[flow]) for flow in flows)
    floors, shortfall = float(exactly), float(exactly - Fraction(capacity))
    return InfeasibleError(
        f"the guarantees do not fit: those of {few_of(flows)} need {floors:.10g}"
        f" but {has} {capacity:.10g}, {shortfall:.10g} too little",
        link=name,
        flows=flows,
        floors=floors,
        capacity=capacity,
    )


def few_of(flows: Sequence[str]) -> str:
    """Flows by name, the first eight of many."""
    return ", ".join(flows[:8]) + (f" and {len(flows) - 8} more" if len(flows) > 8 else "")
