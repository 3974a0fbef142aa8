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

Between two instants every level is a straight line, so the walk goes from instant to instant: the next
at which a level passes its floor or reaches a cap, or at which a link or a limit is full. Everything
that happens at one instant happens together.

The arithmetic is decimal with 50 digits. Capacities may span many decades, small remainders of large
links are divided further, and instants that coincide on paper must coincide here: with 50 digits the
sums and differences of floats are exact for every practical purpose, "the same instant" can be taken to
30 digits, and only the answer is rounded to a float.

References
----------
.. [1] D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., Prentice Hall 1992, §6.5.2.
.. [2] A. Parekh and R. Gallager, "A generalized processor sharing approach to flow control in integrated
   services networks: the single-node case", IEEE/ACM Trans. Networking 1(3), 1993.
.. [3] J. Bennett and H. Zhang, "Hierarchical packet fair queueing algorithms", ACM SIGCOMM 1996.
.. [4] Y. T. Hou, S. Panwar and H. Tzeng, "On generalized max-min rate allocation and distributed
   convergence algorithm for packet networks", IEEE Trans. Parallel and Distributed Systems 15(5), 2004.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

from fairslice.alloc.problem import Allocation, AllocationProblem, Bottleneck, BottleneckKind
from fairslice.errors import InfeasibleError

ADMISSION_TOLERANCE = 1e-12
"""Floors may exceed a capacity by this share of it: a guarantee split over its flows is rounded in each."""

_ARITHMETIC = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX)
_SAME = Decimal("1e-30")
"""Instants, and loads and capacities, that differ by less than this share of them are the same."""
_NEVER = Decimal("Infinity")
_NOWHERE = ""
"""Stands for the links of a flow that uses none: its slice shares that one by weight too, and it is
never full."""


def allocate(problem: AllocationProblem) -> Allocation:
    """Divide the links among the flows.

    Parameters
    ----------
    problem
        Links, flows and slices; checked first.

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

    Notes ----- With :math:`n` flows that use :math:`u` links altogether there are at most :math:`2n`
    instants, each found in :math:`O(u)`; so the time is :math:`O(n u)` and the space :math:`O(u)`.

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
    problem.check()
    with localcontext(_ARITHMETIC):
        filling = _Filling(problem)
        _admit(filling.links.values(), filling.floor)
        _admit(filling.limits.values(), filling.floor)
        while filling.rising:
            filling.advance()
        return Allocation(
            rates={flow.id: float(filling.holds(flow.id)) for flow in problem.flows},
            bottlenecks={flow.id: filling.bottleneck[flow.id] for flow in problem.flows},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Stop:
    """What stops all of its flows when it is full: a link, or the limit of a slice."""

    bottleneck: Bottleneck
    capacity: Decimal
    uses: Mapping[str, Decimal]
    """By flow: how much a unit of the flow's rate takes here."""


def _admit(stops: Iterable[_Stop], floor: Mapping[str, Decimal]) -> None:
    """Let no one rise unless all floors fit."""
    for stop in stops:
        floors = sum((use * floor[flow] for flow, use in stop.uses.items()), Decimal(0))
        if floors > stop.capacity * (1 + Decimal(ADMISSION_TOLERANCE)):
            flows = tuple(flow for flow in stop.uses if floor[flow] > 0)
            raise _refusal(stop, flows, float(floors), float(floors - stop.capacity))


def _refusal(stop: _Stop, flows: tuple[str, ...], floors: float, shortfall: float) -> InfeasibleError:
    capacity = float(stop.capacity)
    if stop.bottleneck.kind is BottleneckKind.LINK:
        place, has = stop.bottleneck.name, f"link {stop.bottleneck.name} carries"
    else:
        place = f"limit of slice {stop.bottleneck.name}"
        has = f"the {place} is"
    few = ", ".join(flows[:8]) + (f" and {len(flows) - 8} more" if len(flows) > 8 else "")
    return InfeasibleError(
        f"the floors do not fit: those of {few} need {floors:.10g}"
        f" but {has} {capacity:.10g}, {shortfall:.10g} too little",
        link=place,
        flows=flows,
        floors=floors,
        capacity=capacity,
    )


class _Filling:
    """The state at one instant: the clock, the level of every flow, and which flows have not frozen."""

    def __init__(self, problem: AllocationProblem) -> None:
        self.problem = problem
        self.flows = {flow.id: flow for flow in problem.flows}
        self.weight = {flow.id: Decimal(flow.weight) for flow in problem.flows}
        self.floor = {flow.id: Decimal(flow.kept_floor) for flow in problem.flows}
        self.cap = {flow.id: Decimal(flow.cap) for flow in problem.flows}
        self.uses = {
            flow.id: {link: Decimal(use) for link, use in (flow.uses or {_NOWHERE: 1}).items()}
            for flow in problem.flows
        }
        self.share = {name: Decimal(share.weight) for name, share in problem.slices.items()}
        self.links = {
            link: _Stop(
                Bottleneck(BottleneckKind.LINK, link),
                Decimal(capacity),
                {flow.id: self.uses[flow.id][link] for flow in problem.flows if link in flow.uses},
            )
            for link, capacity in problem.capacities.items()
        }
        self.limits = {
            name: _Stop(
                Bottleneck(BottleneckKind.LIMIT, name),
                Decimal(share.limit),
                {flow.id: Decimal(1) for flow in problem.flows if flow.slice == name},
            )
            for name, share in problem.slices.items()
        }
        self.clock = Decimal(0)
        self.level = {flow.id: Decimal(0) for flow in problem.flows}
        self.rising = dict.fromkeys(self.flows)
        self.bottleneck: dict[str, Bottleneck] = {}

    def holds(self, flow: str) -> Decimal:
        """What the flow has now."""
        return max(self.level[flow], self.floor[flow])

    def advance(self) -> None:
        """Go to the next instant at which something happens, and let all of it happen."""
        rise = self._rises()
        passes_floor = {
            flow: self.clock + (self.floor[flow] - self.level[flow]) / rise[flow]
            for flow in self.rising
            if self.level[flow] < self.floor[flow]
        }
        reaches_cap = {
            flow: self.clock + (self.cap[flow] - self.level[flow]) / rise[flow] for flow in self.rising
        }
        fills = {
            stop: self._when_full(stop, rise)
            for stop in (*self.links.values(), *self.limits.values())
            if not self.rising.keys().isdisjoint(stop.uses)
        }
        instant = min((*passes_floor.values(), *reaches_cap.values(), *fills.values()))
        same_instant = instant * (1 + _SAME)

        for flow in self.rising:
            self.level[flow] += rise[flow] * (instant - self.clock)
        self.clock = instant
        # Where a level is known it is set, so that no rounding is left of how it was reached.
        for flow, when in passes_floor.items():
            if when <= same_instant:
                self.level[flow] = self.floor[flow]
        for flow, when in reaches_cap.items():
            if when <= same_instant:
                self.level[flow] = self.cap[flow]

        full = {stop for stop, when in fills.items() if when <= same_instant}
        stopped = {flow for stop in full for flow in stop.uses}
        for flow in list(self.rising):
            if flow in stopped or self.level[flow] == self.cap[flow]:
                self.bottleneck[flow] = self._reason(flow, full)
                del self.rising[flow]

    def _rises(self) -> dict[str, Decimal]:
        """How fast each flow rises that has not frozen."""
        if self.problem.per_flow:
            return {flow: self._slice_weight(flow) * self.weight[flow] for flow in self.rising}
        siblings: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
        for flow in self.rising:
            for link, use in self.uses[flow].items():
                siblings[self.flows[flow].slice, link] += use * self.weight[flow]
        rises = {}
        for flow in self.rising:
            name = self.flows[flow].slice
            slowest = Decimal(1) if name is None else max(siblings[name, link] for link in self.uses[flow])
            rises[flow] = self.weight[flow] * self._slice_weight(flow) / slowest
        return rises

    def _slice_weight(self, flow: str) -> Decimal:
        name = self.flows[flow].slice
        return Decimal(1) if name is None else self.share[name]

    def _when_full(self, stop: _Stop, rise: Mapping[str, Decimal]) -> Decimal:
        """When the stop fills up if nothing else happens before; flows below their floor add no load."""
        if stop.capacity == _NEVER:
            return _NEVER
        room = stop.capacity - sum(use * self.holds(flow) for flow, use in stop.uses.items())
        if room <= stop.capacity * _SAME:
            return self.clock
        growth = sum(
            use * rise[flow]
            for flow, use in stop.uses.items()
            if flow in rise and self.level[flow] >= self.floor[flow]
        )
        return self.clock + room / growth if growth else _NEVER

    def _reason(self, flow: str, full: set[_Stop]) -> Bottleneck:
        # To a float's precision, so that a demand that a link just fits is met, not "stopped by the link".
        if self.holds(flow) >= self.cap[flow] * (1 - Decimal(ADMISSION_TOLERANCE)):
            return Bottleneck(BottleneckKind.CAP)
        name = self.flows[flow].slice
        ways = [] if name is None else [self.limits[name]]
        ways += [self.links[link] for link in self.flows[flow].uses]
        return next(stop.bottleneck for stop in ways if stop in full)
