"""What is to be divided, and the answer: plain frozen values without a graph and without a unit of their own.

Rates, capacities, floors, caps and limits are all in the caller's unit; for a policy that is bit/s of
Ethernet frames.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from fairslice.alloc.arguments import IN_PYTHON, Words, expect, some
from fairslice.alloc.columns import Columns
from fairslice.alloc.numbered import ByNumber, Flows
from fairslice.alloc.problem_faults import faults_of
from fairslice.alloc.problem_flow import ProblemFlow, SliceShare
from fairslice.alloc.read_only import read_only
from fairslice.errors import Fault, InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["AllocationProblem", "ProblemFlow", "SliceShare"]


@dataclass(frozen=True, repr=False)
class AllocationProblem:
    """Links with capacities, flows over them, and the slices of the flows.

    They are copied: what becomes of the mappings and lists afterwards is not seen, and the copies can't be
    written. :func:`dataclasses.replace` makes a problem with other capacities or flows, and
    :class:`~fairslice.alloc.Allocator` keeps up with one that changes.

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

    def __post_init__(self) -> None:
        if not isinstance(self.capacities, ByNumber):
            object.__setattr__(self, "capacities", read_only(self.capacities))
        object.__setattr__(self, "slices", read_only(self.slices))
        if isinstance(self.flows, Sequence) and not isinstance(self.flows, Flows | str | bytes):
            object.__setattr__(self, "flows", tuple(self.flows))

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
        """The problem of n flows over L links in S slices, all of them numbers.

        Arrays are copied, so that the problem stays what it was when they change; that costs little beside
        the checks of them.

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
        if isinstance(self.flows, Flows):
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
        if not isinstance(self.flows, Flows):
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

    def faults(self, words: Words = IN_PYTHON) -> Iterator[tuple[str, str]]:
        """Everything wrong with the problem: where (``flows[0]``), and what, in the words of its writer."""
        return faults_of(self.capacities, self.flows, self.slices, self.per_flow, self.rooms, words)


def _numbered(columns: Columns) -> AllocationProblem:
    """The problem of sound columns; its flows, links and slices are numbers."""
    shares = zip(columns.slice_weight, columns.slice_limit, strict=True)
    problem = AllocationProblem(
        ByNumber(columns.capacity),
        Flows(columns),
        {str(s): SliceShare(float(weight), float(limit)) for s, (weight, limit) in enumerate(shares)},
        columns.per_flow,
        columns.rooms,
    )
    # Where a cached property keeps its value: these columns are sound, and stay as they came.
    problem.__dict__["columns"] = columns
    return problem
