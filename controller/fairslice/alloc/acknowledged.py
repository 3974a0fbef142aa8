"""A problem whose flows are acknowledged: what that takes of which links, and what it may take."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.arguments import expect, found, wrong_amounts
from fairslice.alloc.problem import AllocationProblem
from fairslice.alloc.read_only import read_only
from fairslice.errors import Fault, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OF_A_LINK = 0.5
"""The part of a link that acknowledgements may take."""


@dataclass(frozen=True)
class AcknowledgedProblem:
    """A problem whose flows are acknowledged.

    Parameters
    ----------
    data
        Whole links, and the flows with what their data uses.
    returns
        For every flow, in its order: what its acknowledgements take of links for each unit of its rate,
        above 0. Empty for one that is not acknowledged.

    Notes
    -----
    ``returns`` is copied; it is checked, as the data is, when the problem is solved.
    """

    data: AllocationProblem
    returns: Sequence[Mapping[str, float]]

    def __post_init__(self) -> None:
        if isinstance(self.returns, Sequence) and not isinstance(self.returns, str | bytes):
            object.__setattr__(self, "returns", tuple(map(read_only, self.returns)))

    def check(self) -> None:
        """Refuse a problem that has no meaning.

        Raises
        ------
        InputError
            With every fault of the data, or of ``returns``: not as many as there are flows, an unknown link,
            or a share that is not a finite number above 0.
        """
        if "_is_sound" in self.__dict__:
            return
        expect("data", self.data, AllocationProblem, "an AllocationProblem")
        self.data.check()
        faults = [Fault(f"{where}: {what}") for where, what in self._faults()]
        if faults:
            raise InputError(faults)

    def trusted(self) -> "AcknowledgedProblem":
        """The same, which the caller knows to be sound: nothing of it is checked any more."""
        self.data.trusted()
        self.__dict__["_is_sound"] = True
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong with ``returns``."""
        flows = len(self.data.flows)
        if not isinstance(self.returns, tuple):
            yield "returns", f"found {found(self.returns)}, expected a list or tuple of {flows} mappings"
            return
        if len(self.returns) != flows:
            yield "returns", f"found {len(self.returns)}, expected {flows}, one for each flow"
        for number, returned in enumerate(self.returns):
            if not isinstance(returned, Mapping):
                expected = "expected a mapping of links to what acknowledgements take of each"
                yield f"returns[{number}]", f"found {found(returned)}, {expected}"
                continue
            wrong = list(wrong_amounts(f"returns[{number}]", returned, "share"))
            yield from wrong
            for link, share in () if wrong else returned.items():
                if link not in self.data.capacities or not 0 < share < math.inf:
                    expected = "expected a finite number above 0 and a known link"
                    yield f"returns[{number}]", f'{share} of link "{link}"; {expected}'

    @cached_property
    def shares(self) -> Mapping[str, Mapping[int, float]]:
        """By link: the flows, by number, that acknowledgements of cross it, and what they take of it."""
        shares: dict[str, dict[int, float]] = defaultdict(dict)
        for number, returned in enumerate(self.returns):
            for link, share in returned.items():
                shares[link][number] = share
        return dict(shares)

    @cached_property
    def rows(self) -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]":
        """The same as compressed sparse rows: where each link's begin, and the last ends; flows; shares."""
        flows = [number for of in self.shares.values() for number in of]
        shares = [share for of in self.shares.values() for share in of.values()]
        return (
            np.array([0, *accumulate(map(len, self.shares.values()))], dtype=np.int32),
            np.array(flows, dtype=np.int32),
            np.array(shares, dtype=np.float64),
        )

    @cached_property
    def promised(self) -> Mapping[str, Fraction]:
        """By link: what data has to get by the flows' floors, where there are any."""
        promised: dict[str, Fraction] = defaultdict(Fraction)
        columns = self.data.__dict__.get("columns")
        if columns is not None and columns.floor is None:
            return promised
        for flow in self.data.flows:
            if flow.kept_floor:
                for link, use in flow.uses.items():
                    promised[link] += Fraction(use) * Fraction(flow.kept_floor)
        return promised

    @cached_property
    def room(self) -> Mapping[str, float]:
        """By link: what acknowledgements may take of it, for those that have any."""
        return {
            link: min(
                MOST_OF_A_LINK * self.data.capacities[link],
                _rounded_down(max(Fraction(self.data.capacities[link]) - self.promised[link], Fraction(0)))
                if link in self.promised
                else math.inf,
            )
            for link in self.shares
        }

    def taken(self, rate: Sequence[float]) -> dict[str, float]:
        """By link: what acknowledgements take of it at the given rates of flows, by number."""
        return {
            link: math.fsum(share * rate[number] for number, share in shares.items())
            for link, shares in self.shares.items()
        }

    @cached_property
    def may_fill(self) -> Mapping[str, str]:
        """The links whose room acknowledgements may fill, with the name that it has as a link."""
        first, flow, share = self.rows
        if not len(flow):
            return {}
        # Where all flows at their most would not fill it, there is nothing more to know.
        most = np.maximum.reduceat(share, first[:-1]) * np.add.reduceat(
            np.array(self._most)[flow], first[:-1]
        )
        room = np.array(list(self.room.values()))
        may = np.flatnonzero(most * (1 + 1e-9) > room).tolist()
        links = list(self.shares)
        return {
            link: f"{link} (acknowledgements)"
            for link in (links[place] for place in may)
            if self._may_take_more(link, self.room[link])
        }

    def _may_take_more(self, link: str, room: float) -> bool:
        """Whether acknowledgements may ever take more of a link than so much.

        Flows over the same first link, or last, have no more than that carries, whatever they take of it.
        """
        shares, most = self.shares[link], self._most

        def bound(end: int) -> float:
            rates: dict[str, float] = defaultdict(float)
            share: dict[str, float] = defaultdict(float)
            for number, own in shares.items():
                name, use = self._ends[number][end]
                group = name if use >= 1 else f"{name} {number}"
                rates[group] += most[number]
                share[group] = max(share[group], own)
            return math.fsum(
                share[group] * min(rate, self.data.capacities.get(group, math.inf))
                for group, rate in rates.items()
            )

        return bound(0) > room and bound(-1) > room

    @cached_property
    def _ends(self) -> Sequence[tuple[tuple[str, float], tuple[str, float]]]:
        """The first and the last link of each flow, and what it uses of them."""
        nothing = ("", 0.0)
        uses = (tuple(flow.uses.items()) or (nothing,) for flow in self.data.flows)
        return [(of[0], of[-1]) for of in uses]

    @cached_property
    def _most(self) -> list[float]:
        """What each flow has at most: where it is alone, and no more than its cap."""
        columns = self.data.__dict__.get("columns")
        if columns is not None and all(flow.uses for flow in self.data.flows):
            columns = columns.arrays()
            alone = columns.capacity[columns.indices]
            if columns.coefficient is not None:
                alone = alone / columns.coefficient
            return np.minimum(np.minimum.reduceat(alone, columns.indptr[:-1]), columns.cap).tolist()  # type: ignore[no-any-return]
        capacities = self.data.capacities
        return [
            min(flow.cap, *(capacities[name] / use for name, use in flow.uses.items()), math.inf)
            for flow in self.data.flows
        ]

    @cached_property
    def with_room(self) -> AllocationProblem:
        """The problem with the room of links as links of their own."""
        if not self.may_fill:
            return self.data
        room = {name: self.room[link] for link, name in self.may_fill.items()}
        using = sorted({number for link in self.may_fill for number in self.shares[link]})
        more = {flow: self.uses_of_room(self.returns[flow]) for flow in using}
        flows = list(self.data.flows)
        for flow, uses in more.items():
            flows[flow] = replace(flows[flow], uses={**flows[flow].uses, **uses})
        problem = replace(
            self.data, capacities={**self.data.capacities, **room}, flows=tuple(flows), rooms=len(room)
        )
        columns = self.data.__dict__.get("columns")
        if columns is None:
            return problem
        # Nothing but links that are room has come.
        number_of = {name: place for place, name in enumerate(room, len(self.data.capacities))}
        return problem.trusted(
            columns.with_places(
                list(room.values()),
                {
                    number: {number_of[name]: use for name, use in uses.items()}
                    for number, uses in more.items()
                },
            )
        )

    def uses_of_room(self, returned: Mapping[str, float]) -> dict[str, float]:
        """What a flow uses of the links that are room, of its acknowledgements' shares."""
        return {self.may_fill[link]: share for link, share in returned.items() if link in self.may_fill}

    def left_by(self, taken: Mapping[str, float]) -> AllocationProblem:
        """What is to be divided once so much of links is set aside; the room of links are links, too."""
        left = {link: self.left(link, amount) for link, amount in taken.items()}
        return replace(self.with_room, capacities={**self.with_room.capacities, **left})

    def left(self, link: str, taken: float) -> float:
        """What of a link is left to data where acknowledgements take so much."""
        return max(self.data.capacities[link] - taken, 0.0, self.kept_for_data(link))

    def kept_for_data(self, link: str) -> float:
        """What of a link is never set aside: rounding takes nothing from what is promised."""
        promised = self.promised.get(link)
        fits = promised is not None and promised <= self.data.capacities[link]
        return _rounded_up(promised) if promised is not None and fits else 0.0

    def stated(self, why: Bottleneck) -> Bottleneck:
        """A bottleneck of what is left, in the words of whole links."""
        link = self._whose_room.get(why.name) if why.kind is BottleneckKind.LINK else None
        return why if link is None else Bottleneck(BottleneckKind.ACKNOWLEDGEMENTS, link)

    @cached_property
    def _whose_room(self) -> Mapping[str, str]:
        return {name: link for link, name in self.may_fill.items()}


def _rounded_down(amount: Fraction) -> float:
    nearest = float(amount)
    return nearest if Fraction(nearest) <= amount else math.nextafter(nearest, -math.inf)


def _rounded_up(amount: Fraction) -> float:
    nearest = float(amount)
    return nearest if Fraction(nearest) >= amount else math.nextafter(nearest, math.inf)
