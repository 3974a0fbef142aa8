r"""An independent checker: are these the rates? It reads a problem and rates alone.

It shares no code with the solver, lets nothing rise, and computes in exact fractions. It confirms that no
link is overloaded, no slice over its limit, every floor and every cap kept, and that every flow has a
reason to have no more: its cap, or a full place (a saturated link, or its slice's limit) where nobody went
on after it. The last is what makes a rate *fair*; it is checked as an inequality between two bounds.

Call the instant at which water-filling stops a flow its time. A full place stops all of its flows, so a
flow that was stopped there has at least the time of every other flow there.

*At least:* a flow of no slice, or with flat weights, rises at its weight :math:`w`; one that holds
:math:`r` above its floor has time :math:`r/w`. A slice pushes no more than its weight :math:`W_s` into
any link, so to bring a set of its flows to levels :math:`x_g` it needed at least
:math:`\sum c_{g,l} x_g / W_s` for every link :math:`l`.

*At most:* with flat weights :math:`r_f/w_f` (a level is no more than the rate). In a slice, :math:`f`
never rose slower than at first; and where one link grants the rise of all of the slice's flows that use
it, the slice pushed its whole weight there until :math:`f` stopped, so its time is at most
:math:`\sum c_{g,l} x_g / W_s` at that link.

*Levels* are the rates where those are above floors. Where a floor hides a level, siblings tell: if
:math:`g` uses all links of :math:`f`, it never rose faster for its weight, and stopped no later unless
:math:`f` reached its cap. So :math:`x_g/w_g \le x_f/w_f` if :math:`f` is below its cap: a law for the
rates too.

With flat weights (``per_flow``, or no slices) the conditions are those of the bottleneck theorem [1]_,
extended to floors and limits, and sufficient: certified rates are *the* weighted max-min fair ones. With
slices they are necessary, and on a single link, where they say hierarchical GPS, sufficient too.

References
----------
.. [1] D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., Prentice Hall 1992, §6.5.2: a rate vector
   is max-min fair if and only if each session has a bottleneck link.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from fairslice.alloc.problem import AllocationProblem, Bottleneck, BottleneckKind, ProblemFlow

TOLERANCE = 1e-11
"""Relative. Tight enough to see a change by 0.1 % of a flow with a ten-millionth of its link."""

_NOWHERE = ""
"""Stands for the links of a flow that uses none; no solver calls it full."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A condition that the rates do not meet, with the flow, link or slice concerned."""

    message: str
    flow: str | None = None
    link: str | None = None
    slice: str | None = None

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the checker found; without violations the rates are certified."""

    violations: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the rates are certified."""
        return not self.violations


def certify(
    problem: AllocationProblem,
    rates: Mapping[str, float],
    bottlenecks: Mapping[str, Bottleneck] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Certificate:
    """Check rates, and the reasons stated for them if there are any, against a problem.

    Parameters
    ----------
    problem
        As given to the solver.
    rates
        By flow id, in the unit of the problem.
    bottlenecks
        By flow id; None checks the rates alone.
    tolerance
        Relative: of loads to capacities, rates to caps and floors, times to times.

    Returns
    -------
    Certificate
        All violations, each naming its flow, link or slice.

    Raises
    ------
    InputError
        The problem has faults.

    Notes
    -----
    Without slices the time is linear in the uses of links. In a slice it is quadratic in the flows that share
    a link, where floors hide levels, and in the different sets of links that its flows use.
    """
    problem.check()
    wrong = tuple(_not_rates(problem, rates))
    if not wrong:
        checker = _Checker(problem, rates, Fraction(tolerance))
        wrong = (*checker.feasibility(), *checker.reasons(bottlenecks), *checker.siblings())
    return Certificate(wrong)


def _not_rates(problem: AllocationProblem, rates: Mapping[str, float]) -> Iterator[Violation]:
    ids = [flow.id for flow in problem.flows]
    for flow in ids:
        if flow not in rates:
            yield Violation(f'flow "{flow}" has no rate', flow)
        elif not 0 <= rates[flow] < math.inf:
            yield Violation(f'flow "{flow}": the rate {rates[flow]} is not a finite number from 0 up', flow)
    for flow in rates.keys() - set(ids):
        yield Violation(f'flow "{flow}" has a rate but is not in the problem', flow)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A link, or a slice's limit: what its flows may have together, and what they have."""

    bottleneck: Bottleneck
    room: float
    load: Fraction
    flows: tuple[str, ...]

    @property
    def at_link(self) -> bool:
        return self.bottleneck.kind is BottleneckKind.LINK


class _Checker:
    def __init__(self, problem: AllocationProblem, rates: Mapping[str, float], tolerance: Fraction) -> None:
        self.flows = problem.flows
        self.rate = {flow.id: Fraction(rates[flow.id]) for flow in problem.flows}
        self.over, self.under = 1 + tolerance, 1 - tolerance
        self.times = _Times(problem, self.rate, self.over)
        links: dict[str, list[ProblemFlow]] = {link: [] for link in problem.capacities}
        slices: dict[str, list[ProblemFlow]] = {name: [] for name in problem.slices}
        for flow in problem.flows:
            for link in flow.uses:
                links[link].append(flow)
            if flow.slice is not None:
                slices[flow.slice].append(flow)
        self.links = {
            link: _Place(
                Bottleneck(BottleneckKind.LINK, link),
                problem.capacities[link],
                sum((Fraction(f.uses[link]) * self.rate[f.id] for f in flows), Fraction(0)),
                tuple(f.id for f in flows),
            )
            for link, flows in links.items()
        }
        self.limits = {
            name: _Place(
                Bottleneck(BottleneckKind.LIMIT, name),
                problem.slices[name].limit,
                sum((self.rate[f.id] for f in flows), Fraction(0)),
                tuple(f.id for f in flows),
            )
            for name, flows in slices.items()
            if problem.slices[name].limit < math.inf
        }
        places = [*self.links.values(), *self.limits.values()]
        full = [place for place in places if place.load >= Fraction(place.room) * self.under]
        self.last = {place: self.times.at_least(place.flows) for place in full}

    def feasibility(self) -> Iterator[Violation]:
        """Whether anything is over what it may be, or under what was promised."""
        for name, place in self.links.items():
            if place.load > Fraction(place.room) * self.over:
                yield Violation(f'link "{name}" carries {float(place.load)!r} of {place.room!r}', link=name)
        for name, place in self.limits.items():
            if place.load > Fraction(place.room) * self.over:
                yield Violation(
                    f'slice "{name}" has {float(place.load)!r}, over its limit {place.room!r}', slice=name
                )
        for flow in self.flows:
            rate = self.rate[flow.id]
            if flow.cap < math.inf and rate > Fraction(flow.cap) * self.over:
                yield Violation(f'flow "{flow.id}" has {float(rate)!r}, over its cap {flow.cap!r}', flow.id)
            if rate < Fraction(flow.kept_floor) * self.under:
                floor = flow.kept_floor
                yield Violation(f'flow "{flow.id}" has {float(rate)!r}, under its floor {floor!r}', flow.id)

    def reasons(self, stated: Mapping[str, Bottleneck] | None) -> Iterator[Violation]:
        """Whether every flow has a reason to have no more, and the stated one is one."""
        for flow in self.flows:
            places = [self.links[link] for link in flow.uses]
            if flow.slice in self.limits:
                places.append(self.limits[flow.slice])
            full = [place for place in places if place in self.last]
            true = [Bottleneck(BottleneckKind.CAP)] if self._at_cap(flow) else []
            true += [place.bottleneck for place in full if self._stopped(flow, place)]
            if not true:
                rate = float(self.rate[flow.id])
                others = ", ".join(str(place.bottleneck) for place in full)
                why = f"others went on after it at {others}" if others else "nothing that it uses is full"
                link = next((place.bottleneck.name for place in full if place.at_link), None)
                yield Violation(f'flow "{flow.id}" has {rate!r}, is below its cap, and {why}', flow.id, link)
            elif stated is not None and stated.get(flow.id) not in true:
                found = ", ".join(map(str, true))
                yield Violation(
                    f'flow "{flow.id}" was not stopped by {stated.get(flow.id)} but by {found}', flow.id
                )

    def siblings(self) -> Iterator[Violation]:
        """Whether a flow below its cap has as much for its weight as siblings that use all its links."""
        for flow in self.flows:
            ahead = None if self._at_cap(flow) else self.times.sibling_ahead(flow.id)
            if ahead is not None:
                yield Violation(
                    f'flow "{flow.id}" of slice "{flow.slice}" has less for its weight than'
                    f' its sibling "{ahead}", which uses all of its links',
                    flow.id,
                    slice=flow.slice,
                )

    def _at_cap(self, flow: ProblemFlow) -> bool:
        return flow.cap < math.inf and self.rate[flow.id] >= Fraction(flow.cap) * self.under

    def _stopped(self, flow: ProblemFlow, place: _Place) -> bool:
        return self.last[place] <= self.times.at_most(flow.id) * self.over


_SliceAtLink = tuple[str, str]


class _Times:
    """Bounds on when flows stopped, from their rates. Flows go by id."""

    def __init__(self, problem: AllocationProblem, rate: Mapping[str, Fraction], over: Fraction) -> None:
        self.rate, self.over = rate, over
        self.share = {name: Fraction(share.weight) for name, share in problem.slices.items()}
        self.weight = {flow.id: Fraction(flow.weight) for flow in problem.flows}
        self.per_weight = {flow.id: rate[flow.id] / self.weight[flow.id] for flow in problem.flows}
        # Flows whose level is not seen, being under their floor or just at it.
        self.hidden = {f.id for f in problem.flows if rate[f.id] <= Fraction(f.kept_floor) * over}
        # Flows that rise at the same weight all the time, and that weight.
        self.flat: dict[str, Fraction] = {}
        # The others: what they use, a slice's flows on a link, who leads among siblings of the same links.
        self.uses: dict[str, Mapping[_SliceAtLink, Fraction]] = {}
        self.members: dict[_SliceAtLink, dict[str, Fraction]] = defaultdict(dict)
        self.leader: dict[str, dict[frozenset[_SliceAtLink], str]] = defaultdict(dict)
        self.siblings: dict[str, Mapping[frozenset[_SliceAtLink], str]] = {}
        for flow in problem.flows:
            if flow.slice is None:
                self.flat[flow.id] = self.weight[flow.id]
            elif problem.per_flow:
                self.flat[flow.id] = self.weight[flow.id] * self.share[flow.slice]
            else:
                self._place(flow, flow.slice)
        self.weights = {
            key: sum((use * self.weight[f] for f, use in here.items()), Fraction(0))
            for key, here in self.members.items()
        }
        self.granting = {key for key in self.members if self._grants(key)}

    def _place(self, flow: ProblemFlow, name: str) -> None:
        links = flow.uses or {_NOWHERE: 1}
        self.uses[flow.id] = {(name, link): Fraction(use) for link, use in links.items()}
        for key, use in self.uses[flow.id].items():
            self.members[key][flow.id] = use
        leaders = self.siblings[flow.id] = self.leader[name]
        if flow.id not in self.hidden:
            keys = frozenset(self.uses[flow.id])
            leaders[keys] = max(leaders.get(keys, flow.id), flow.id, key=self.per_weight.__getitem__)

    def at_least(self, flows: Iterable[str]) -> Fraction:
        """No earlier than this did the last of the flows stop."""
        times = [Fraction(0)]
        pushed: dict[_SliceAtLink, Fraction] = defaultdict(Fraction)
        for flow in flows:
            if flow not in self.flat:
                level = self._level_at_least(flow)
                for key, use in self.uses[flow].items():
                    pushed[key] += use * level
            elif flow not in self.hidden:
                times.append(self.rate[flow] / self.flat[flow])
        times += [load / self.share[name] for (name, _), load in pushed.items()]
        return max(times)

    def at_most(self, flow: str) -> Fraction:
        """No later than this did a flow stop that is not at its cap."""
        if flow in self.flat:
            return self.rate[flow] / self.flat[flow]
        keys = list(self.uses[flow])
        pushed = [self.per_weight[flow] * max(self.weights[key] for key in keys)]
        pushed += [self._pushed_at_most(flow, key) for key in keys if key in self.granting]
        return min(pushed) / self.share[keys[0][0]]

    def sibling_ahead(self, flow: str) -> str | None:
        """A sibling, above its floor, that uses all links of the flow and has more for its weight."""
        return next(
            (
                other
                for other in self._ahead(flow)
                if self.per_weight[other] > self.per_weight[flow] * self.over
            ),
            None,
        )

    def _ahead(self, flow: str) -> Iterator[str]:
        """The leaders among siblings that are above their floors and use all links of the flow."""
        if flow not in self.flat:
            yield from (
                leader for keys, leader in self.siblings[flow].items() if keys >= self.uses[flow].keys()
            )

    def _level_at_least(self, flow: str) -> Fraction:
        if flow not in self.hidden:
            return self.rate[flow]
        most = max((self.per_weight[other] for other in self._ahead(flow)), default=Fraction(0))
        return min(self.rate[flow], self.weight[flow] * most)

    def _level_at_most(self, flow: str, stopped: str) -> Fraction:
        """The level of one flow when its sibling stopped below its cap."""
        if flow in self.hidden and self.uses[flow].keys() >= self.uses[stopped].keys():
            return min(self.rate[flow], self.weight[flow] * self.per_weight[stopped])
        return self.rate[flow]

    def _pushed_at_most(self, stopped: str, key: _SliceAtLink) -> Fraction:
        """To what the slice's flows at a link had risen together when one of them stopped below its cap."""
        return sum(
            (use * self._level_at_most(flow, stopped) for flow, use in self.members[key].items()), Fraction(0)
        )

    def _grants(self, key: _SliceAtLink) -> bool:
        """Whether this link grants the rise of all the slice's flows here, whoever of them has stopped.

        It does if on every other link of theirs the slice has no flows but them, and none uses more of it.
        """
        here = self.members[key]
        others = {other for flow in here for other in self.uses[flow]}
        return all(
            flow in here and use <= here[flow]
            for other in others
            for flow, use in self.members[other].items()
        )
