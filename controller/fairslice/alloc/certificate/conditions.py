"""The conditions that :mod:`.certify` states, checked one after the other on columns."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairslice.alloc.allocation import CAP, Bottleneck, BottleneckKind
from fairslice.alloc.certificate.times import SliceTimes
from fairslice.alloc.problem import AllocationProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

LISTED = 100
"""So many violations of a kind are listed, and then how many more there are."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A condition that the rates do not meet, with the flow, link or slice concerned."""

    message: str
    flow: str | None = None
    link: str | None = None
    slice: str | None = None

    def __str__(self) -> str:
        return self.message


def listed(found: Any, what: str, violation: Callable[[Any], Violation]) -> Iterator[Violation]:
    """The first of what was found, and how many more there are."""
    yield from (violation(one) for one in found[:LISTED])
    if len(found) > LISTED:
        yield Violation(f"{len(found) - LISTED} more {what}")


class Checker:
    """What the conditions speak of. Places are the links, by number, and after them the limits of slices."""

    def __init__(self, problem: AllocationProblem, rate: "Array", tolerance: float) -> None:
        import numpy as np

        columns = problem.columns.arrays()
        links, flows = len(columns.capacity), len(columns.weight)
        self.problem, self.columns, self.rate = problem, columns, rate
        self.over, self.under = np.longdouble(1) + tolerance, np.longdouble(1) - tolerance
        self.weight = np.asarray(columns.weight, np.longdouble)
        self.cap = np.asarray(columns.cap)
        self.floor = np.zeros(flows) if columns.floor is None else np.asarray(columns.kept_floor)
        self.slice = np.full(flows, -1) if columns.slice is None else np.asarray(columns.slice)
        limit = np.asarray(columns.slice_limit)
        self.room = np.concatenate((np.asarray(columns.capacity), limit))

        # Every use of a place: by which flow, and how much of a unit of its rate it takes there.
        limited = np.flatnonzero(self.slice >= 0)
        limited = limited[limit[self.slice[limited]] < np.inf]
        self.owner = np.concatenate((np.repeat(np.arange(flows), np.diff(columns.indptr)), limited))
        self.place = np.concatenate((np.asarray(columns.indices), links + self.slice[limited]))
        takes = rate[self.owner]
        if columns.coefficient is not None:
            takes[: len(columns.coefficient)] *= columns.coefficient
        self.load = np.zeros(len(self.room), np.longdouble)
        np.add.at(self.load, self.place, takes)

        self.at_cap = rate >= self.cap * self.under
        self.hidden = rate <= self.floor * self.over
        self.full = self.load >= self.room * self.under
        at_full = np.flatnonzero(self.full[self.place])
        self.owner, self.place = self.owner[at_full], self.place[at_full]

    @cached_property
    def stopped(self) -> "Array":
        """Of every use of a full place, whether that can have stopped the flow: nobody went on after it."""
        import numpy as np

        share = np.asarray(self.columns.slice_weight, np.longdouble)
        rises_at = np.where(self.slice >= 0, np.append(share, 1)[self.slice], 1) * self.weight
        at_most = self.rate / rises_at
        # As to how long its flows rose, at least, a flow that its floor may hold up says nothing.
        at_least = np.where(self.hidden, 0, at_most)
        last = np.zeros(len(self.room), np.longdouble)
        flat = ~self.in_slices[self.owner]
        np.maximum.at(last, self.place[flat], at_least[self.owner[flat]])
        if self.times is not None:
            local = np.cumsum(self.in_slices) - 1
            self.times.at_least(self.place[~flat], local[self.owner[~flat]], last)
            at_most[self.times.flow] = self.times.at_most
        stopped: Array = last[self.place] <= at_most[self.owner] * self.over
        return stopped

    @cached_property
    def in_slices(self) -> "Array":
        """(n,) whether a flow shares by the hierarchy, so that its weight is not that of its rise."""
        import numpy as np

        return np.zeros_like(self.slice, np.bool_) if self.columns.per_flow else self.slice >= 0

    @cached_property
    def times(self) -> SliceTimes | None:
        """What is known of the times of such flows, if there are any."""
        import numpy as np

        flows = np.flatnonzero(self.in_slices)
        return SliceTimes.of(self.columns, flows, self.rate, self.hidden) if len(flows) else None

    def feasibility(self) -> Iterator[Violation]:
        """Whether anything is over what it may be, or under what was promised."""
        import numpy as np

        links, flows = len(self.columns.capacity), self.problem.flows
        over = np.flatnonzero(self.load > self.room * self.over)

        def overloaded(place: int) -> Violation:
            name = self._names[place].name
            room = self.problem.capacities[name]
            return Violation(f'link "{name}" carries {float(self.load[place])!r} of {room!r}', link=name)

        def unlimited(place: int) -> Violation:
            name = self._names[place].name
            has, limit = float(self.load[place]), self.problem.slices[name].limit
            return Violation(f'slice "{name}" has {has!r}, over its limit {limit!r}', slice=name)

        def uncapped(f: int) -> Violation:
            return self._of_flow(f, f"has {float(self.rate[f])!r}, over its demand {flows[f].cap!r}")

        def unfloored(f: int) -> Violation:
            return self._of_flow(
                f, f"has {float(self.rate[f])!r}, under its guarantee {flows[f].kept_floor!r}"
            )

        yield from listed(over[over < links], "links carry more than they can", overloaded)
        yield from listed(over[over >= links], "slices are over their limits", unlimited)
        high, low = self.rate > self.cap * self.over, self.rate < self.floor * self.under
        yield from listed(np.flatnonzero(high), "flows are over their demands", uncapped)
        yield from listed(np.flatnonzero(low), "flows are under their guarantees", unfloored)

    def reasons(
        self, given: "Mapping[str, Bottleneck] | None", stated: "Array | None"
    ) -> Iterator[Violation]:
        """Whether every flow has a reason to have no more, and the stated one is one."""
        import numpy as np

        owner, place = self.owner[self.stopped], self.place[self.stopped]
        reasoned = self.at_cap.copy()
        reasoned[owner] = True

        def unreasoned(f: int) -> Violation:
            full = self._of_uses(self.owner == f)
            others = ", ".join(map(str, full))
            why = f"others went on after it at {others}" if full else "nothing that it uses is full"
            link = next((b.name for b in full if b.kind is BottleneckKind.LINK), None)
            return self._of_flow(f, f"has {float(self.rate[f])!r}, is below its demand, and {why}", link)

        yield from listed(np.flatnonzero(~reasoned), "flows have no reason to have no more", unreasoned)
        if stated is None:
            return
        links = len(self.columns.capacity)
        # No place is number -1.
        named = np.where(stated < CAP, links - 2 - stated, np.where(stated < links, stated, -1))
        confirmed = self.at_cap & (stated == CAP)
        confirmed[owner[place == named[owner]]] = True

        def misstated(f: int) -> Violation:
            found = [Bottleneck(BottleneckKind.CAP)] if self.at_cap[f] else []
            found += self._of_uses((self.owner == f) & self.stopped)
            id_ = self.problem.flows[f].id
            told = self._told(int(stated[f])) if given is None else given.get(id_)
            return self._of_flow(f, f"was not stopped by {told} but by {', '.join(map(str, found))}")

        yield from listed(
            np.flatnonzero(reasoned & ~confirmed),
            "flows were stopped by something else than stated",
            misstated,
        )

    def siblings(self) -> Iterator[Violation]:
        """Whether a flow below its cap has as much for its weight as siblings that use all its links."""
        import numpy as np

        times = self.times
        if times is None:
            return

        def behind(flow: int) -> Violation:
            f, leader = int(times.flow[flow]), self.problem.flows[int(times.flow[times.leader(flow)])].id
            name = self._names[len(self.columns.capacity) + self.slice[f]].name
            return Violation(
                f'flow "{self.problem.flows[f].id}" of slice "{name}" has less for its weight than'
                f' its sibling "{leader}", which uses all of its links',
                self.problem.flows[f].id,
                slice=name,
            )

        wrong = np.flatnonzero(times.behind(self.over) & ~self.at_cap[times.flow])
        yield from listed(wrong, "flows have less for their weight than such a sibling", behind)

    def _of_flow(self, f: int, what: str, link: str | None = None) -> Violation:
        id_ = self.problem.flows[f].id
        return Violation(f'flow "{id_}" {what}', id_, link)

    @cached_property
    def _names(self) -> list[Bottleneck]:
        """The places as bottlenecks."""
        links = [Bottleneck(BottleneckKind.LINK, name) for name in self.problem.capacities]
        return links + [Bottleneck(BottleneckKind.LIMIT, name) for name in self.problem.slices]

    def _of_uses(self, uses: "Array") -> list[Bottleneck]:
        """The full places of some uses of one flow, in the order of its path."""
        return [self._names[place] for place in dict.fromkeys(self.place[uses].tolist())]

    def _told(self, code: int) -> str:
        """What a code says."""
        links, slices = len(self.problem.capacities), len(self.problem.slices)
        if code == CAP:
            return str(Bottleneck(BottleneckKind.CAP))
        if not -2 - slices < code < links:
            return f"code {code}"
        return str(self._names[code if code >= 0 else links - 2 - code])
