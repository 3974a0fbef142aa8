"""Why the rates are what they are: the filling step by step, and what stops a flow.

A step is an instant of the filling at which flows stop. On the filling's clock (:mod:`.waterfilling`) a flow
rises from 0 at the rate of its weight, so where no flow shares its slice's weight with another
(:attr:`Filling.per_weight`) the instant is the rate for each unit of weight that flows have by then. In a
hierarchy the clock has no such meaning, and only the order of the instants and their ratios tell something.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import AcknowledgedAllocation, allocate_acknowledged
from fairslice.alloc.allocation import Allocation, Bottleneck, BottleneckKind
from fairslice.alloc.arguments import UnknownFlowError, expect
from fairslice.alloc.explain.sensitivity import SAME, instants_of
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocate

_ROUNDING = 1 + 1e-12


@dataclass(frozen=True, slots=True)
class Stopped:
    """A flow that stops, with the rate that it keeps.

    ``at_floor`` tells a flow that holds its guarantee, its level being lower.
    """

    flow: str
    rate: float
    at_floor: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """What stops flows at an instant, and which, in the order of the problem.

    For a cap these are all the flows that reach theirs.
    """

    reason: Bottleneck
    flows: tuple[Stopped, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """An instant of the filling at which flows stop."""

    instant: float
    stops: tuple[Stop, ...]


@dataclass(frozen=True)
class Filling:
    """How a problem is filled: every flow stops in exactly one of the steps, which are in order of time.

    Where flows are acknowledged, ``acknowledged`` is the whole answer. What acknowledgements take is set
    aside before anything is filled, and ``allocation`` is of what is left to data.
    """

    allocation: Allocation
    steps: tuple[Step, ...]
    acknowledged: AcknowledgedAllocation | None = None

    @property
    def problem(self) -> AllocationProblem:
        """What is filled."""
        return self.allocation.problem

    @property
    def asked(self) -> AllocationProblem | AcknowledgedProblem:
        """What was asked for: the whole problem where flows are acknowledged, else what is filled."""
        return self.problem if self.acknowledged is None else self.acknowledged.problem

    @property
    def set_aside(self) -> Mapping[str, float]:
        """What links set aside for acknowledgements, for those that carry some."""
        return {} if self.acknowledged is None else self.acknowledged.set_aside

    @property
    def end(self) -> float:
        """The last instant; 0 if there is none."""
        return self.steps[-1].instant if self.steps else 0.0

    @cached_property
    def per_weight(self) -> bool:
        """Whether a flow's level at an instant is its weight times that instant, all along.

        The weight is the flow's own; that of its slice if no other flow of the slice uses its links; or with
        ``per_flow`` their product.
        """
        problem = self.problem
        sliced = [flow for flow in problem.flows if flow.slice is not None]
        granting = {flow.id: _granting(problem, flow) for flow in sliced}
        shared = Counter((flow.slice, link) for flow in sliced for link in granting[flow.id])
        whole = all(max(uses.values()) == 1 for uses in granting.values())
        return problem.per_flow or (whole and all(count == 1 for count in shared.values()))

    @cached_property
    def lines(self) -> Mapping[str, tuple[tuple[float, float], ...]]:
        """What every flow holds, from instant 0 to the end: (instant, rate) wherever its slope changes.

        Notes
        -----
        Rises change only in slices of which a flow stops. The time is linear in the links that the flows
        of these use, for each step.
        """
        return _lines(self)

    @cached_property
    def step_of(self) -> Mapping[str, int]:
        """Number of the step, from 1, in which a flow stops."""
        return {
            stopped.flow: number
            for number, step in enumerate(self.steps, start=1)
            for stop in step.stops
            for stopped in stop.flows
        }


@dataclass(frozen=True, slots=True)
class Holder:
    """A flow with its rate, and what it takes of a link or a limit."""

    flow: str
    rate: float
    load: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a flow has its rate.

    Attributes
    ----------
    flow, rate, reason
        The flow, its rate, and what stopped it.
    step
        Number of the step in which it stopped, from 1.
    at_floor
        Whether it holds its guarantee, its level being lower.
    capacity
        Of the link, the limit, or the link's room for acknowledgements; for a cap the cap.
    set_aside
        What of a link's capacity is set aside for acknowledgements.
    holders
        Who holds what of the link or the limit, itself included, in the order of the problem; nobody for a
        cap.
    """

    flow: ProblemFlow
    rate: float
    reason: Bottleneck
    step: int
    at_floor: bool
    capacity: float
    set_aside: float
    holders: tuple[Holder, ...]


def explain(problem: AllocationProblem | AcknowledgedProblem) -> Filling:
    """Solve a problem, and tell step by step how; one with acknowledgements, once these are set aside.

    Raises
    ------
    InputError, InfeasibleError
        As :func:`~fairslice.alloc.waterfilling.allocate` does.
    InconsistentError
        As :func:`~fairslice.alloc.acknowledgements.allocate_acknowledged` does.

    Examples
    --------
    >>> two_links = AllocationProblem(
    ...     {"A": 2.0, "B": 10.0},
    ...     (ProblemFlow("x", {"A": 1, "B": 1}), ProblemFlow("y", {"B": 1}), ProblemFlow("z", {"A": 1})),
    ... )
    >>> for step in explain(two_links).steps:
    ...     print(step.instant, [(str(stop.reason), [f.flow for f in stop.flows]) for stop in step.stops])
    1.0 [('link A', ['x', 'z'])]
    9.0 [('link B', ['y'])]
    """
    expect("problem", problem, (AllocationProblem, AcknowledgedProblem), "an AllocationProblem")
    acknowledged = None
    if isinstance(problem, AcknowledgedProblem):
        acknowledged = allocate_acknowledged(problem, instants=True)
        allocation, bottlenecks = acknowledged.allocation, acknowledged.bottlenecks
    else:
        allocation = allocate(problem, instants=True)
        bottlenecks = allocation.bottlenecks
    flows, instants = allocation.problem.flows, instants_of(allocation)
    reasons, rates = list(bottlenecks.values()), list(allocation.rates.values())

    def stopped(f: int) -> Stopped:
        floor, capped = flows[f].kept_floor, reasons[f].kind is BottleneckKind.CAP
        return Stopped(flows[f].id, rates[f], 0 < rates[f] <= floor * _ROUNDING and not capped)

    steps = []
    begin = -math.inf
    together: dict[int, float] = {}
    for f in sorted(range(len(flows)), key=instants.__getitem__):
        if instants[f] > begin * (1 + SAME):
            begin = instants[f]
        together[f] = begin
    for instant, members in groupby(together, key=together.__getitem__):
        by_reason: dict[Bottleneck, list[Stopped]] = defaultdict(list)
        for f in sorted(members):
            by_reason[reasons[f]].append(stopped(f))
        steps.append(Step(instant, tuple(Stop(reason, tuple(who)) for reason, who in by_reason.items())))
    return Filling(allocation, tuple(steps), acknowledged)


def why(filling: Filling, flow_id: str) -> Why:
    """Why a flow has its rate: its bottleneck, and who holds what there.

    Raises
    ------
    UnknownFlowError
        There is no such flow; an InputError that is a KeyError, too.
    InputError
        ``filling`` is not a :class:`Filling`.
    """
    expect("filling", filling, Filling, "a Filling, as explain(problem) makes it")
    if flow_id not in filling.step_of:
        raise UnknownFlowError(flow_id, (flow.id for flow in filling.problem.flows))
    problem, rates = filling.problem, filling.allocation.rates
    step = filling.step_of[flow_id]
    stop, stopped = next(
        (stop, one) for stop in filling.steps[step - 1].stops for one in stop.flows if one.flow == flow_id
    )
    flow = next(flow for flow in problem.flows if flow.id == flow_id)
    name = stop.reason.name
    holders: tuple[Holder, ...] = ()
    set_aside = 0.0
    if stop.reason.kind is BottleneckKind.LINK:
        set_aside = filling.set_aside.get(name, 0.0)
        whole = problem if filling.acknowledged is None else filling.acknowledged.problem.data
        capacity = float(whole.capacities[name])
        loads = ((g.id, g.uses[name]) for g in problem.flows if name in g.uses)
        holders = tuple(Holder(g, rates[g], use * rates[g]) for g, use in loads)
    elif stop.reason.kind is BottleneckKind.ACKNOWLEDGEMENTS:
        assert filling.acknowledged is not None, "only a problem with acknowledgements has such a reason"
        acknowledged = filling.acknowledged.problem
        capacity = acknowledged.room[name]
        holders = tuple(
            Holder(g.id, rates[g.id], returned[name] * rates[g.id])
            for g, returned in zip(problem.flows, acknowledged.returns, strict=True)
            if name in returned
        )
    elif stop.reason.kind is BottleneckKind.LIMIT:
        capacity = problem.slices[name].limit
        holders = tuple(Holder(g.id, rates[g.id], rates[g.id]) for g in problem.flows if g.slice == name)
    else:
        capacity = flow.cap
    return Why(flow, stopped.rate, stop.reason, step, stopped.at_floor, capacity, set_aside, holders)


class _Line:
    """What one flow holds, while the line is drawn."""

    def __init__(self, flow: ProblemFlow) -> None:
        self.floor = flow.kept_floor
        self.clock = self.level = self.rise = 0.0
        self.points = [(0.0, self.floor)]

    def to(self, instant: float) -> None:
        """Rise on up to an instant."""
        level = self.level + self.rise * (instant - self.clock)
        if self.level < self.floor < level:
            self.points.append((self.clock + (self.floor - self.level) / self.rise, self.floor))
        self._at(instant, max(level, self.floor))
        self.clock, self.level = instant, level

    def stay(self, instant: float, rate: float, end: float) -> None:
        """Stop with a rate, and keep it to the end."""
        self.to(instant)
        self._at(instant, rate)
        self._at(end, rate)

    def _at(self, instant: float, rate: float) -> None:
        if self.points[-1][0] == instant:
            self.points.pop()
        self.points.append((instant, rate))


def _lines(filling: Filling) -> dict[str, tuple[tuple[float, float], ...]]:
    problem, rates = filling.problem, filling.allocation.rates
    lines = {flow.id: _Line(flow) for flow in problem.flows}
    flows = {flow.id: flow for flow in problem.flows}
    rising: dict[str | None, dict[str, ProblemFlow]] = defaultdict(dict)
    for flow in problem.flows:
        rising[flow.slice][flow.id] = flow
    for name, members in rising.items():
        for id_, rise in _rises(problem, name, list(members.values())).items():
            lines[id_].rise = rise
    for step in filling.steps:
        stopped = [one.flow for stop in step.stops for one in stop.flows]
        for id_ in stopped:
            lines[id_].stay(step.instant, rates[id_], filling.end)
            del rising[flows[id_].slice][id_]
        for name in dict.fromkeys(flows[id_].slice for id_ in stopped):
            for id_, rise in _rises(problem, name, list(rising[name].values())).items():
                if rise != lines[id_].rise:
                    lines[id_].to(step.instant)
                    lines[id_].rise = rise
    return {id_: tuple(line.points) for id_, line in lines.items()}


def _rises(problem: AllocationProblem, name: str | None, rising: Sequence[ProblemFlow]) -> dict[str, float]:
    """How fast the flows of a slice rise: w_f · min over its links of W_s / Σ c_{g,l}·w_g."""
    share = 1.0 if name is None else float(problem.slices[name].weight)
    if name is None or problem.per_flow:
        return {flow.id: share * flow.weight for flow in rising}
    uses = {flow.id: _granting(problem, flow) for flow in rising}
    pushed: dict[str, float] = defaultdict(float)
    for flow in rising:
        for link, use in uses[flow.id].items():
            pushed[link] += use * flow.weight
    return {flow.id: flow.weight * share / max(pushed[link] for link in uses[flow.id]) for flow in rising}


def _granting(problem: AllocationProblem, flow: ProblemFlow) -> Mapping[str, float]:
    """What a flow uses of the links that grant it a rate; flows without share as if they were on one."""
    if not problem.rooms:
        return flow.uses or {"": 1.0}
    rooms = list(problem.capacities)[len(problem.capacities) - problem.rooms :]
    return {link: use for link, use in flow.uses.items() if link not in rooms} or {"": 1.0}
