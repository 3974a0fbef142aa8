"""What is to be divided, and the answer: plain frozen values without a graph and without a unit of their own.

Rates, capacities, floors, caps and limits are all in the caller's unit; for a policy that is bit/s of
Ethernet frames.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from operator import eq
from typing import TYPE_CHECKING, overload

from fairslice.alloc.arguments import expect, found, is_list, quoted, some, wrong_amounts, wrong_types_of
from fairslice.alloc.columns import ByNumber, Columns
from fairslice.errors import Fault, InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class ProblemFlow:
    """A flow as the allocation sees it.

    Parameters
    ----------
    id
        Unique in its problem.
    uses
        What the flow uses of each link per unit of its rate (c_{f,l}), above 0, in the order of
        its path: 1 along the path, 2 for a link crossed twice, a small share on the way of the
        acknowledgements.
    weight
        Its share among the flows of its slice; without a slice, its share among all.
    cap
        The smaller of its demand and its own limit; infinite for a greedy flow.
    floor
        Its guarantee, kept "while it wants it": more than ``cap`` is never kept, see :attr:`kept_floor`.
    slice
        Name of its slice; None for a flow that stands alone.
    """

    id: str
    uses: Mapping[str, float]
    weight: float = 1.0
    cap: float = math.inf
    floor: float = 0.0
    slice: str | None = None

    @property
    def kept_floor(self) -> float:
        """What the flow is really guaranteed: its floor, but no more than its cap."""
        return min(self.floor, self.cap)


@dataclass(frozen=True, slots=True)
class SliceShare:
    """A slice as the allocation sees it: its weight, and its limit over all its flows together."""

    weight: float = 1.0
    limit: float = math.inf


@dataclass(frozen=True, repr=False)
class AllocationProblem:
    """Links with capacities, flows over them, and the slices of the flows.

    With ``per_flow`` the hierarchy is off (``sharing: per-flow``): a flow rises at its slice's weight
    times its own, and the result is flat weighted max-min. Limits of slices hold either way.

    The last ``rooms`` of the links grant no rate: like a limit they stop their flows when they are full, and
    slow nobody down before (:mod:`fairslice.alloc.acknowledgements` has use for them).
    """

    capacities: Mapping[str, float]
    flows: Sequence[ProblemFlow]
    slices: Mapping[str, SliceShare] = field(default_factory=dict)
    per_flow: bool = False
    rooms: int = 0

    def __repr__(self) -> str:
        """How many there are of each, and the first few names."""
        links, slices = some(self.capacities, "link"), some(self.slices, "slice")
        few = some([flow.id for flow in self.flows[:4]], "flow", len(self.flows))
        return f"<AllocationProblem: {links}, {few}, {slices}>"

    @classmethod
    def from_arrays(
        cls,
        capacity: "ArrayLike",
        indptr: "ArrayLike",
        indices: "ArrayLike",
        weight: "ArrayLike",
        demand: "ArrayLike",
        floor: "ArrayLike | None" = None,
        coefficient: "ArrayLike | None" = None,
        slice: "ArrayLike | None" = None,
        slice_weight: "ArrayLike | None" = None,
        slice_limit: "ArrayLike | None" = None,
        *,
        per_flow: bool = False,
    ) -> "AllocationProblem":
        """The problem of n flows over L links in S slices, all of them numbers; copied only where it must be.

        Parameters
        ----------
        capacity
            (L,) of the links.
        indptr, indices
            (n + 1,), (nnz,): flow f uses the links ``indices[indptr[f]:indptr[f + 1]]`` (compressed sparse
            rows); a link that stands there twice is used twice.
        weight, demand, floor
            (n,); demands may be infinite, and without ``floor`` nobody has one.
        coefficient
            (nnz,) what a unit of the flow's rate uses of the link; without it 1.
        slice
            (n,) number of the flow's slice, -1 for a flow that stands alone; without it there are none.
        slice_weight, slice_limit
            (S,); without them every weight is 1 and no slice has a limit.
        per_flow
            Whether the hierarchy is off.

        Raises
        ------
        InputError
            With every fault, by column and index.

        Examples
        --------
        >>> import numpy as np
        >>> two_links = AllocationProblem.from_arrays(
        ...     capacity=[10, 30], indptr=[0, 2, 3, 4], indices=[0, 1, 0, 1],
        ...     weight=np.ones(3), demand=np.full(3, np.inf),
        ... )
        >>> two_links.flows[0].uses
        {'0': 1.0, '1': 1.0}
        """
        from fairslice.alloc.arrays import columns_from

        expect("per_flow", per_flow, bool, "True or False")
        columns = columns_from(
            *(capacity, indptr, indices, weight, demand, floor, coefficient),
            *(slice, slice_weight, slice_limit, per_flow),
        )
        return _numbered(columns)

    @cached_property
    def columns(self) -> Columns:
        """The problem column by column, once it is found to be sound.

        Raises
        ------
        InputError
            As :meth:`check` does.
        """
        self.check()
        return self._columns()

    def trusted(self, columns: Columns | None = None) -> "AllocationProblem":
        """The same, which the caller knows to be sound: nothing of it is checked any more.

        ``columns`` are its columns, if the caller has them.
        """
        if "columns" not in self.__dict__:
            # Where a cached property keeps its value.
            self.__dict__["columns"] = columns or self._columns()
        return self

    def _columns(self) -> Columns:
        number = {name: index for index, name in enumerate(self.capacities)}
        slice_number = {name: index for index, name in enumerate(self.slices)}
        flows = self.flows
        uses = [use for flow in flows for use in flow.uses.values()]
        floor = [flow.floor for flow in flows]
        slices = [-1 if flow.slice is None else slice_number[flow.slice] for flow in flows]
        return Columns(
            capacity=list(map(float, self.capacities.values())),
            indptr=[0, *accumulate(len(flow.uses) for flow in flows)],
            indices=[number[link] for flow in flows for link in flow.uses],
            coefficient=list(map(float, uses)) if not {1}.issuperset(uses) else None,
            weight=[float(flow.weight) for flow in flows],
            cap=[float(flow.cap) for flow in flows],
            floor=list(map(float, floor)) if any(floor) else None,
            slice=slices if self.slices else None,
            slice_weight=[float(share.weight) for share in self.slices.values()],
            slice_limit=[float(share.limit) for share in self.slices.values()],
            per_flow=self.per_flow,
            rooms=self.rooms,
        )

    def with_columns(self, columns: Columns) -> "AllocationProblem":
        """The same flows over the same links with the amounts of other columns, which must be sound."""
        amounts = (columns.capacity, columns.weight, columns.cap, columns.floor)
        held = [None if column is None else column.copy() for column in amounts]
        columns = replace(columns, capacity=held[0], weight=held[1], cap=held[2], floor=held[3])
        if isinstance(self.flows, _Flows):
            return _numbered(columns)
        floors = [0.0] * len(self.flows) if columns.floor is None else columns.floor
        each = zip(self.flows, columns.weight, columns.cap, floors, strict=True)
        return AllocationProblem(
            dict(zip(self.capacities, map(float, columns.capacity), strict=True)),
            tuple(replace(f, weight=float(w), cap=float(u), floor=float(m)) for f, w, u, m in each),
            self.slices,
            self.per_flow,
            self.rooms,
        )

    def with_flows(self, flows: Sequence[ProblemFlow]) -> "AllocationProblem":
        """The problem with more flows at its end; where flows are numbers, they get the next ones.

        Raises
        ------
        InputError
            As :meth:`check` does.
        """
        if not isinstance(self.flows, _Flows):
            return replace(self, flows=(*self.flows, *flows))
        # Checked by themselves: to check a million flows again for the sake of one would take a second.
        n = len(self.flows)
        numbered = [replace(flow, id=str(n + i)) for i, flow in enumerate(flows)]
        more = replace(self, flows=numbered).columns.arrays()
        return _numbered(self.columns.arrays().joined(more))

    def check(self) -> None:
        """Refuse a problem that has no meaning.

        Raises
        ------
        InputError
            With every fault: a capacity, weight, coefficient, cap, floor or limit that is negative, zero
            where it can't be, not a number, or infinite where that has no meaning; an id given twice; an
            unknown link or slice; a flow that nothing keeps from rising for ever.
        """
        if "columns" in self.__dict__:
            return
        faults = [Fault(f"{where}: {what}") for where, what in self.faults()]
        if faults:
            raise InputError(faults)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Everything wrong with the problem: where, as in a problem file (``flows[0]``), and what."""
        wrong = list(self._wrong_types())
        yield from wrong
        if not wrong:
            yield from self._wrong_values()

    def _wrong_types(self) -> Iterator[tuple[str, str]]:
        """What is of another type than was asked for; nothing else can be told then."""
        if not isinstance(self.rooms, int):
            yield "rooms", f"found {found(self.rooms)}, expected a whole number"
        if not isinstance(self.per_flow, bool):
            yield "per_flow", f"found {found(self.per_flow)}, expected True or False"
        if isinstance(self.capacities, Mapping):
            yield from wrong_amounts("links", self.capacities, "capacity")
        else:
            yield "capacities", f"found {found(self.capacities)}, expected a mapping of names to numbers"
        if isinstance(self.slices, Mapping):
            for name, share in self.slices.items():
                if not isinstance(share, SliceShare):
                    yield f"slices[{quoted(name)}]", f"found {found(share)}, expected a SliceShare"
                    continue
                yield from wrong_amounts("slices", {name: share.weight}, "weight")
                yield from wrong_amounts("slices", {str(name): share.limit}, "limit")
        else:
            yield "slices", f"found {found(self.slices)}, expected a mapping of names to SliceShare"
        if not is_list(self.flows) or not isinstance(self.flows, Sequence):
            yield "flows", f"found {found(self.flows)}, expected a list or tuple of ProblemFlow"
            return
        for index, flow in enumerate(self.flows):
            if isinstance(flow, ProblemFlow):
                yield from ((f"flows[{index}] ({quoted(flow.id)})", what) for what in wrong_types_of(flow))
            else:
                yield f"flows[{index}]", f"found {found(flow)}, expected a ProblemFlow"

    def _wrong_values(self) -> Iterator[tuple[str, str]]:
        if not 0 <= self.rooms <= len(self.capacities):
            yield "rooms", f"found {self.rooms}, expected a number of the {len(self.capacities)} links"
        for name, capacity in self.capacities.items():
            if not name:
                yield 'links[""]', "the name is empty, expected at least one character"
            if not 0 <= capacity < math.inf:
                yield f'links["{name}"]', f"the capacity is {capacity}, expected a finite number from 0 up"
        for name, share in self.slices.items():
            if not 0 < share.weight < math.inf:
                yield f'slices["{name}"]', f"the weight is {share.weight}, expected a finite number above 0"
            if not share.limit >= 0:
                yield f'slices["{name}"]', f"the limit is {share.limit}, expected a number from 0 up, or none"
        times = Counter(flow.id for flow in self.flows)
        first = {flow.id: index for index, flow in reversed(list(enumerate(self.flows)))}
        for index, flow in enumerate(self.flows):
            where = f'flows[{index}] ("{flow.id}")'
            if times[flow.id] > 1 and first[flow.id] != index:
                yield where, f"has the id of flows[{first[flow.id]}], expected one of its own"
            yield from ((where, what) for what in self._faults_of(flow))

    def _faults_of(self, flow: ProblemFlow) -> Iterator[str]:
        if not 0 < flow.weight < math.inf:
            yield f"the weight is {flow.weight}, expected a finite number above 0"
        if not flow.cap >= 0:
            yield f"the demand is {flow.cap}, expected a number from 0 up, or none"
        if not 0 <= flow.floor < math.inf:
            yield f"the guarantee is {flow.floor}, expected a finite number from 0 up"
        if flow.slice is not None and flow.slice not in self.slices:
            yield f'the slice "{flow.slice}" is unknown, expected {_one_of(self.slices)}'
        sound = True
        for link, coefficient in flow.uses.items():
            if link not in self.capacities:
                sound = False
                yield f'the link "{link}" is unknown, expected {_one_of(self.capacities)}'
            if not 0 < coefficient < math.inf:
                sound = False
                yield f'it uses {coefficient} of link "{link}", expected a finite number above 0'
        # The last guards against a quotient beyond the largest float as well.
        highest = (self.capacities[link] / c for link, c in flow.uses.items()) if sound else iter([0.0])
        if min(flow.cap, *highest, math.inf) == math.inf:
            yield "nothing keeps it from rising for ever, expected a demand or a link with a finite capacity"


def _one_of(names: Mapping[str, object]) -> str:
    known = ", ".join(f'"{name}"' for name in list(names)[:8])
    more = ", …" if len(names) > 8 else ""
    return f"one of {known}{more}" if known else "none, for there are none"


def _numbered(columns: Columns) -> AllocationProblem:
    """The problem of sound columns; its flows, links and slices are numbers."""
    shares = zip(columns.slice_weight, columns.slice_limit, strict=True)
    problem = AllocationProblem(
        ByNumber(columns.capacity),
        _Flows(columns),
        {str(s): SliceShare(float(weight), float(limit)) for s, (weight, limit) in enumerate(shares)},
        columns.per_flow,
        columns.rooms,
    )
    # Where a cached property keeps its value: these columns are sound, and stay as they came.
    problem.__dict__["columns"] = columns
    return problem


class _Flows(Sequence[ProblemFlow]):
    """The flows of columns in readable form, made one at a time; ids and names are numbers."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns.weight)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Flows) and self._columns is other._columns:
            return True
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        if isinstance(other, _Flows) and self._columns.same_rows(other._columns):
            return True
        # The same may be written in several ways: a coefficient of 1, a link that is named twice.
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{some([str(i) for i in range(min(4, len(self)))], 'flow', len(self))}>"

    @overload
    def __getitem__(self, index: int) -> ProblemFlow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ProblemFlow]: ...
    def __getitem__(self, index: int | slice) -> ProblemFlow | Sequence[ProblemFlow]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        c = self._columns
        f = range(len(self))[index]
        uses: dict[str, float] = {}
        for i in range(c.indptr[f], c.indptr[f + 1]):
            link = str(c.indices[i])
            uses[link] = uses.get(link, 0.0) + (1.0 if c.coefficient is None else float(c.coefficient[i]))
        return ProblemFlow(
            id=str(f),
            uses=uses,
            weight=float(c.weight[f]),
            cap=float(c.cap[f]),
            floor=0.0 if c.floor is None else float(c.floor[f]),
            slice=None if c.slice is None or c.slice[f] < 0 else str(c.slice[f]),
        )
