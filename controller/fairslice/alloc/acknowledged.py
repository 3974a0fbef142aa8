"""A problem whose flows are acknowledged: what that takes of which links, and what it may take."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.arguments import expect, found, wrong_amounts
from fairslice.alloc.columns import Columns, order_of
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

    @property
    def links(self) -> Sequence[str]:
        """The links that acknowledgements of a flow cross, in the order of the data's."""
        return self._by_link[0]

    @property
    def rows(self) -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]":
        """What acknowledgements take of each of :attr:`links`, for a unit of its flow's rate.

        As compressed sparse rows: where each link's begin, and the last ends; flows; shares.
        """
        return self._by_link[2]

    @property
    def link_numbers(self) -> "NDArray[Any]":
        """The places of :attr:`links` among the data's."""
        return self._by_link[1]

    @cached_property
    def _by_link(
        self,
    ) -> "tuple[Sequence[str], NDArray[Any], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]":
        names = list(self.data.capacities)
        number_of = {name: number for number, name in enumerate(names)}
        crossed = np.array([number_of[link] for of in self.returns for link in of], dtype=np.int64)
        share = np.array([share for of in self.returns for share in of.values()], dtype=np.float64)
        flow = np.repeat(np.arange(len(self.returns), dtype=np.int32), [*map(len, self.returns)])
        order = order_of(crossed, len(names))
        often = np.bincount(crossed, minlength=len(names))
        numbers = np.flatnonzero(often)
        first = np.concatenate([[0], np.cumsum(often[numbers])]).astype(np.int32)
        links = tuple(names[number] for number in numbers.tolist())
        return links, numbers, (first, flow[order], share[order])

    def _row(self, place: int) -> tuple[list[int], list[float]]:
        """The flows that acknowledgements of cross a link, and what they take of it."""
        first, flow, share = self.rows
        row = slice(first[place], first[place + 1])
        return flow[row].tolist(), share[row].tolist()

    @cached_property
    def promised(self) -> Mapping[str, Fraction]:
        """By link: what data has to get by the flows' floors, where there are any."""
        promised: dict[str, Fraction] = defaultdict(Fraction)
        if self.data.columns.floor is None:
            return promised
        for flow in self.data.flows:
            if flow.kept_floor:
                for link, use in flow.uses.items():
                    promised[link] += Fraction(use) * Fraction(flow.kept_floor)
        return promised

    @cached_property
    def room(self) -> Mapping[str, float]:
        """By link: what acknowledgements may take of it, for those that have any."""
        return dict(zip(self.links, self.rooms.tolist(), strict=True))

    @cached_property
    def rooms(self) -> "NDArray[Any]":
        """The same in the order of :attr:`links`."""
        capacities = self.data.capacities
        rooms = MOST_OF_A_LINK * np.array([capacities[link] for link in self.links], dtype=np.float64)
        for place, link in enumerate(self.links if self.promised else ()):
            if link in self.promised:
                left = max(Fraction(capacities[link]) - self.promised[link], Fraction(0))
                rooms[place] = min(rooms[place], _rounded_down(left))
        return rooms

    def taken(self, rate: Sequence[float]) -> dict[str, float]:
        """By link: what acknowledgements take of it at the given rates of flows, by number."""
        rows = map(self._row, range(len(self.links)))
        return {
            link: math.fsum(share * rate[number] for number, share in zip(*row, strict=True))
            for link, row in zip(self.links, rows, strict=True)
        }

    @cached_property
    def may_fill(self) -> Mapping[str, str]:
        """The links whose room acknowledgements may fill, with the name that it has as a link."""
        first, flow, share = self.rows
        if not len(flow):
            return {}
        # Where all flows at their most would not fill it, there is nothing more to know.
        most = np.maximum.reduceat(share, first[:-1]) * np.add.reduceat(self._most[flow], first[:-1])
        may = np.flatnonzero(most * (1 + 1e-9) > self.rooms).tolist()
        return {
            self.links[place]: f"{self.links[place]} (acknowledgements)"
            for place in may
            if self._may_take_more(place, float(self.rooms[place]))
        }

    def _may_take_more(self, place: int, room: float) -> bool:
        """Whether acknowledgements may ever take more of a link than so much.

        Flows over the same first link, or last, have no more than that carries, whatever they take of it.
        """
        first, flow, shares = self.rows
        row = slice(first[place], first[place + 1])
        return all(self._bound(flow[row], shares[row], *end) > room for end in self._ends)

    def _bound(
        self, flows: "NDArray[Any]", shares: "NDArray[Any]", link: "NDArray[Any]", use: "NDArray[Any]"
    ) -> float:
        """What acknowledgements of flows take at most, each with so much of one link for its data."""
        capacity = self._data_columns.capacity
        # Who has less than a part of a link for each part of its rate stands alone.
        alone = use[flows] < 1
        group = np.where(alone, len(capacity) + np.arange(len(flows)), link[flows])
        carried = np.concatenate([capacity, np.full(len(flows), np.inf)])
        rate = np.minimum(np.bincount(group, self._most[flows], minlength=len(carried)), carried)
        some = np.flatnonzero(rate)
        share = shares[:1]
        if (shares != share).any():
            most = np.zeros(len(carried))
            np.maximum.at(most, group, shares)
            share = most[some]
        return math.fsum((share * rate[some]).tolist())

    @cached_property
    def _ends(self) -> "tuple[tuple[NDArray[Any], NDArray[Any]], ...]":
        """The first link of each flow and the last, and what it uses of them; 0 of any where it has none."""
        columns = self._data_columns
        some = np.flatnonzero(np.diff(columns.indptr))

        def end(at: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any]]":
            link, use = np.zeros(len(columns.weight), dtype=np.int64), np.zeros(len(columns.weight))
            link[some] = columns.indices[at]
            use[some] = 1.0 if columns.coefficient is None else columns.coefficient[at]
            return link, use

        return end(columns.indptr[:-1][some]), end(columns.indptr[1:][some] - 1)

    @cached_property
    def _data_columns(self) -> Columns:
        return self.data.columns.arrays()

    @cached_property
    def _most(self) -> "NDArray[Any]":
        """What each flow has at most: where it is alone, and no more than its cap."""
        columns = self._data_columns
        alone = columns.capacity[columns.indices]
        if columns.coefficient is not None:
            alone = alone / columns.coefficient
        most: NDArray[Any] = columns.cap.copy()
        some = np.flatnonzero(np.diff(columns.indptr))
        if len(some):
            least = np.minimum.reduceat(alone, columns.indptr[:-1][some])
            most[some] = np.minimum(least, most[some])
        return most

    @cached_property
    def with_room(self) -> AllocationProblem:
        """The problem with the room of links as links of their own."""
        if not self.may_fill:
            return self.data
        room = {name: self.room[link] for link, name in self.may_fill.items()}
        places = [place for place, link in enumerate(self.links) if link in self.may_fill]
        using = sorted({number for place in places for number in self._row(place)[0]})
        more = {flow: self.uses_of_room(self.returns[flow]) for flow in using}
        flows = list(self.data.flows)
        for flow, uses in more.items():
            flows[flow] = replace(flows[flow], uses={**flows[flow].uses, **uses})
        problem = replace(
            self.data, capacities={**self.data.capacities, **room}, flows=tuple(flows), rooms=len(room)
        )
        # Nothing but links that are room has come.
        number_of = {name: place for place, name in enumerate(room, len(self.data.capacities))}
        return problem.trusted(
            self._data_columns.with_places(
                list(room.values()),
                {
                    number: {number_of[name]: use for name, use in uses.items()}
                    for number, uses in more.items()
                },
            )
        )

    @cached_property
    def columns(self) -> Columns:
        """Those of the problem with room, as arrays."""
        return self.with_room.columns.arrays() if self.may_fill else self._data_columns

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
