"""What would raise a flow: what becomes of its rate with more capacity at one place, or a larger guarantee.

It is found by solving again with a little more. Every rate is continuous and piecewise linear in every
capacity, so a step that is small enough gives the one-sided derivative, and a larger one tells how far it
holds. It may be negative: on a network, max-min fairness is not monotone. More capacity in one place lets
flows rise that a flow meets in another.

Only places that are full when the flow stops, or before, can matter: until then the filling is the same with
more capacity elsewhere. Where flows are acknowledged that is not so: flows that stop later have
acknowledgements too, which take something of other links. Then every place that is full may matter.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import allocate_acknowledged
from fairslice.alloc.allocation import Allocation, Bottleneck, BottleneckKind
from fairslice.alloc.arguments import UnknownFlowError, expect
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError

SAME = 1e-9
"""Instants, and loads and capacities, that differ by less than this share of them are the same."""
_EXACT = 1e-12
"""Rates that differ by less than this share of them differ by rounding."""
_DIGITS = 9
"""Digits of a slope and its reach, which are found numerically."""
_FINEST = 1e-11
"""The end of a slope is found to this share of it."""
_CHORD = 1e-4
"""While the ends of the search are further apart than this share, they are narrowed by straight lines."""
_SHRINKS = 8
"""How often the first step may be too long, 16 times each."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a slice's flows are sure of together, or, of a flow of no slice, it alone.

    More of it is more for each of these flows that has a floor, in proportion to the floors. ``name`` is the
    slice's, and empty for a flow of none.
    """

    name: str = ""

    def __str__(self) -> str:
        return f"guarantee {self.name}".rstrip()


Place = Bottleneck | Guarantee
"""Where there may be more."""


@dataclass(frozen=True, slots=True)
class Raise:
    """What more capacity at one place does to a flow.

    Attributes
    ----------
    place
        A link; the limit or the guarantee of the flow's slice; or its cap, for a larger demand.
    full
        Whether nothing is left there; of a guarantee, whether the flow has no more than its part.
    slope
        What the flow gains for each unit added, to nine digits; negative where it loses.
    reach
        The added amount up to which the slope holds; infinite if it always does. 0 without a slope, or
        where the guarantees would not fit with any more.
    """

    place: Place
    full: bool
    slope: float
    reach: float


def raises(problem: AllocationProblem | AcknowledgedProblem, flow_id: str) -> tuple[Raise, ...]:
    """What a little more capacity would do to a flow, place by place.

    Parameters
    ----------
    problem
        As given to the solver. With acknowledgements, what is added is added to whole links.
    flow_id
        The flow that is looked at.

    Returns
    -------
    tuple of Raise
        The flow's own cap, and the limit and the guarantee of its slice, where there are such; the links that
        it uses, in its order; and then each other link that has an effect. No link that is left out has one.

    Raises
    ------
    UnknownFlowError
        There is no such flow; an InputError that is a KeyError, too.
    InputError, InfeasibleError
        As :func:`~fairslice.alloc.waterfilling.allocate` does.

    Notes
    -----
    Solves the problem some three times for each place that is full when the flow stops, and 10 to 60 times
    for each that has an effect, to find how far it reaches. A slope that holds for less than some 1e-10 of
    the capacity is not seen; what is told is then the mean over that.

    Examples
    --------
    More of A lets ``x`` rise, which ``y`` meets on B, until both have half of B:

    >>> from fairslice.alloc.problem import ProblemFlow
    >>> two_links = AllocationProblem(
    ...     {"A": 2.0, "B": 10.0},
    ...     (ProblemFlow("x", {"A": 1, "B": 1}), ProblemFlow("y", {"B": 1}), ProblemFlow("z", {"A": 1})),
    ... )
    >>> for one in raises(two_links, "y"):
    ...     print(one.place, one.slope, one.reach)
    link B 1.0 inf
    link A -0.5 8.0
    """
    expect("problem", problem, (AllocationProblem, AcknowledgedProblem), "an AllocationProblem")
    solved = _Solved.of(problem)
    data, allocation, full, matter = solved.data, solved.allocation, solved.full, solved.matter
    number = {flow.id: f for f, flow in enumerate(data.flows)}.get(flow_id)
    if number is None:
        raise UnknownFlowError(flow_id, (flow.id for flow in data.flows))
    flow, rate = data.flows[number], allocation.rates[flow_id]
    again = _Again(problem, number, rate)
    stops = instants_of(allocation)[number] * (1 + SAME)

    def tried(place: Bottleneck) -> Raise:
        slope, reach = again.slope_at(place) if matter.get(place, math.inf) <= stops else (0.0, 0.0)
        return Raise(place, place in full, slope, reach)

    own = [Bottleneck(BottleneckKind.LINK, link) for link in flow.uses]
    if flow.slice is not None and data.slices[flow.slice].limit < math.inf:
        own.insert(0, Bottleneck(BottleneckKind.LIMIT, flow.slice))
    found = []
    if flow.cap < math.inf:
        cap, met = Bottleneck(BottleneckKind.CAP), rate >= flow.cap * (1 - SAME)
        found.append(Raise(cap, met, *(again.slope_at(cap) if met else (0.0, 0.0))))
    found += [tried(place) for place in own if place.kind is BottleneckKind.LIMIT]
    if flow.floor > 0:
        group = [other for other in data.flows if _shares_guarantee(other, flow)]
        binds = any(_at_floor(other, allocation.rates[other.id]) for other in group)
        guarantee = Guarantee(flow.slice or "")
        effect = again.slope_at(guarantee) if binds else (0.0, 0.0)
        found.append(Raise(guarantee, _at_floor(flow, rate), *effect))
    found += [tried(place) for place in own if place.kind is BottleneckKind.LINK]
    others = [p for p in matter if p.kind is BottleneckKind.LINK and p not in own]
    return (*found, *(one for one in map(tried, others) if one.slope))


def _shares_guarantee(other: ProblemFlow, flow: ProblemFlow) -> bool:
    return other.id == flow.id if flow.slice is None else other.slice == flow.slice


def _at_floor(flow: ProblemFlow, rate: float) -> bool:
    return flow.floor > 0 and rate <= flow.kept_floor * (1 + SAME)


@dataclass(frozen=True, slots=True)
class _Solved:
    """A problem's data and allocation, the places that are full, and when each place begins to matter."""

    data: AllocationProblem
    allocation: Allocation
    full: frozenset[Bottleneck]
    matter: dict[Bottleneck, float]

    @classmethod
    def of(cls, problem: AllocationProblem | AcknowledgedProblem) -> "_Solved":
        if isinstance(problem, AllocationProblem):
            allocation = allocate(problem, instants=True)
            filled = _full(allocation)
            return cls(problem, allocation, frozenset(filled), filled)
        allocation = allocate_acknowledged(problem, instants=True).allocation
        places = [problem.stated(place) for place in _full(allocation)]
        # More of a link is also more room for acknowledgements there.
        matter = {
            Bottleneck(BottleneckKind.LINK, place.name)
            if place.kind is BottleneckKind.ACKNOWLEDGEMENTS
            else place: -math.inf
            for place in places
        }
        return cls(problem.data, allocation, frozenset(places), matter)


def instants_of(allocation: Allocation) -> list[float]:
    """When every flow stopped, of an allocation that was asked for it."""
    assert allocation.instants is not None, "allocate(problem, instants=True) tells them"
    return list(map(float, allocation.instants))


def _full(allocation: Allocation) -> dict[Bottleneck, float]:
    """The links and limits with nothing left, and when the last of their flows stopped: when they filled."""
    problem = allocation.problem
    load: dict[Bottleneck, float] = defaultdict(float)
    last: dict[Bottleneck, float] = defaultdict(float)
    held = zip(problem.flows, allocation.rates.values(), instants_of(allocation), strict=True)
    for flow, rate, instant in held:
        uses = [(Bottleneck(BottleneckKind.LINK, link), use) for link, use in flow.uses.items()]
        if flow.slice is not None:
            uses.append((Bottleneck(BottleneckKind.LIMIT, flow.slice), 1.0))
        for place, use in uses:
            load[place] += use * rate
            last[place] = max(last[place], instant)

    def capacity(place: Bottleneck) -> float:
        at_link = place.kind is BottleneckKind.LINK
        return problem.capacities[place.name] if at_link else problem.slices[place.name].limit

    return {place: last[place] for place in load if load[place] >= capacity(place) * (1 - SAME)}


class _Again:
    """Solves a problem again with more at one place, to see what becomes of one flow."""

    def __init__(self, problem: AllocationProblem | AcknowledgedProblem, flow: int, rate: float) -> None:
        self.returns: Sequence[Mapping[str, float]] = ()
        if isinstance(problem, AcknowledgedProblem):
            # As the changed problem names links: by number.
            names = {name: str(index) for index, name in enumerate(problem.data.capacities)}
            self.returns = [
                {names[link]: share for link, share in returned.items()} for returned in problem.returns
            ]
            problem = problem.data
        self.problem, self.flow, self.now = problem, flow, rate
        self.floor = problem.flows[flow].floor
        self.guaranteed = [
            one.floor if _shares_guarantee(one, problem.flows[flow]) else 0.0 for one in problem.flows
        ]
        self.known: dict[tuple[Place, float], float] = {}
        self.columns = columns = problem.columns.arrays()
        self.number = {name: index for index, name in enumerate(problem.capacities)}
        self.slice_number = {name: index for index, name in enumerate(problem.slices)}
        amounts = [*columns.capacity, *columns.cap, *columns.slice_limit]
        amounts = [float(a) for a in amounts if 0 < a < math.inf]
        self.smallest = min(amounts, default=1.0)
        uses = [1.0] if columns.coefficient is None else columns.coefficient
        # More than this has no one to take it, or only such as take everything.
        self.most = max(amounts, default=1.0) * len(columns.weight)
        for factors in ([1.0, *uses], columns.weight, columns.slice_weight):
            if len(factors):
                self.most = min(self.most * max(factors) / min(factors), 1e150)

    def slope_at(self, place: Place) -> tuple[float, float]:
        """What the flow gains for each unit more at the place, and up to how much more."""
        step = max(self._room(place), self.now) or self.smallest
        slope = 0.0
        for _ in range(_SHRINKS):
            step /= 16
            gained = self._gain(place, step)
            slope = gained / step
            if all(self._is_on(slope, place, step * part) for part in (1 / 2, 1 / 64)):
                break
        if math.isnan(slope) or abs(slope * step) <= _EXACT * self.now:
            return 0.0, 0.0
        reach = self._reach(slope, place, step)
        return _rounded(slope), _rounded(reach)

    def _reach(self, slope: float, place: Place, step: float) -> float:
        low = step
        while self._is_on(slope, place, 2 * low):
            low *= 2
            if low > self.most:
                return math.inf
            # Of a larger step the slope is known better.
            slope = self._gain(place, low) / low
        return self._bend(slope, place, low, 2 * low)

    def _bend(self, slope: float, place: Place, low: float, high: float) -> float:
        """Where the slope ends: it holds up to the low end, and not at the high one."""
        while high - low > _FINEST * high:
            if high - low > _CHORD * high:
                # If only one piece follows up to the high end, here the two meet.
                back = (high - low) / 1024
                top = self._gain(place, high)
                following = (top - self._gain(place, high - back)) / back
                meeting = (top - following * high) / (slope - following) if following != slope else low
                before, after = meeting * (1 - SAME), meeting * (1 + SAME)
                if low < before and after < high:
                    if not self._is_on(slope, place, before):
                        high = before
                    elif self._is_on(slope, place, after):
                        low = after
                    else:
                        return meeting
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_on(slope, place, middle) else (low, middle)
        return low

    def _is_on(self, slope: float, place: Place, added: float) -> bool:
        """Whether the flow's rate is where the slope would have it."""
        gained = self._gain(place, added)
        return abs(gained - slope * added) <= _EXACT * max(self.now, self.now + gained)

    def _room(self, place: Place) -> float:
        if isinstance(place, Guarantee):
            return math.fsum(self.guaranteed)
        if place.kind is BottleneckKind.CAP:
            return float(self.columns.cap[self.flow])
        if place.kind is BottleneckKind.LIMIT:
            return self.problem.slices[place.name].limit
        return float(self.problem.capacities[place.name])

    def _gain(self, place: Place, added: float) -> float:
        """What the flow has more with so much added; not a number if then the guarantees would not fit."""
        if (place, added) not in self.known:
            self.known[place, added] = self._solved(place, added)
        return self.known[place, added]

    def _solved(self, place: Place, added: float) -> float:
        import numpy as np

        c, room = self.columns, self._room(place)
        capacity, cap, limit = (np.array(a) for a in (c.capacity, c.cap, c.slice_limit))
        floor = np.zeros(len(cap)) if c.floor is None else np.array(c.floor)
        if isinstance(place, Guarantee):
            floor += added * (np.array(self.guaranteed) / room)
        elif place.kind is BottleneckKind.CAP:
            cap[self.flow] = room + added
            floor[self.flow] = min(self.floor, room + added)
        elif place.kind is BottleneckKind.LIMIT:
            limit[self.slice_number[place.name]] = room + added
        else:
            capacity[self.number[place.name]] = room + added
        shares = (None, None) if c.slice is None else (c.slice_weight, limit)
        changed = AllocationProblem.from_arrays(
            *(capacity, c.indptr, c.indices, c.weight, cap, floor, c.coefficient, c.slice, *shares),
            per_flow=c.per_flow,
        )
        try:
            if any(self.returns):
                rates = allocate_acknowledged(AcknowledgedProblem(changed, self.returns)).allocation.raw_rate
            else:
                rates = allocate(changed).raw_rate
            gained = float(rates[self.flow]) - self.now
        except InfeasibleError:
            return math.nan
        # As if exactly as much had been added as was meant.
        return gained * added / (room + added - room) if room + added > room else 0.0


def _rounded(amount: float) -> float:
    return float(f"{amount:.{_DIGITS}g}")
