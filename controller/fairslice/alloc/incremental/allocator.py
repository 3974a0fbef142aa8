"""A problem that changes: solved once, and again with all that can be kept."""

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np

from fairslice.alloc.allocation import CAP, Allocation
from fairslice.alloc.arguments import amount_fault, expect, found, is_list, is_number, is_plain
from fairslice.alloc.columns import Columns, is_extreme
from fairslice.alloc.engine import TRUSTED, solve_as
from fairslice.alloc.incremental.kept import Kept
from fairslice.alloc.kernel.backends import exact
from fairslice.alloc.numbered import Flows
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.waterfilling import allocation_of
from fairslice.errors import Fault, InputError

Which = int | str
"""A flow or a link, by its number or by its id or name."""
Amounts = Mapping[int, float] | Mapping[str, float] | Mapping[Which, float]
"""Numbers by flow or by link. A mapping's type tells its keys exactly, so each kind of keys is named."""
_Change = tuple[str, int, float]
"""A column, an entry, and what it is to be."""
_CLEARLY = 1e-9
"""Amounts are compared with this margin, relatively, before a change is taken for none."""


class Allocator:
    """Keeps a problem and its allocation, and answers changes.

    Flows over the same path in the same slice rise alike. What makes them *classes* is kept, and in each
    class the order in which its flows reach their caps. A change is first tested for being none: a demand
    that was and stays above the rate of a flow that a link stops, a guarantee that was and stays below the
    rate, a capacity that was and stays above the load. Else all links are filled again. To patch the rates
    instead would not pay: most changes move a large part of all flows a little.

    Numbers of flows stay: a removed flow is one without demand, an added one gets the next number. A removed
    flow returns when it is given a demand again (and its floor, if it had one). Its id may also be given to
    a new flow, which may take another path; the removed one is then called ``ID (removed, flow NUMBER)``.

    Threads may share an allocator: changes, and what is read of it, wait for each other.

    Parameters
    ----------
    problem
        To begin with.

    Raises
    ------
    InputError, InfeasibleError
        As :func:`fairslice.alloc.waterfilling.allocate` does.

    Examples
    --------
    >>> from fairslice.alloc.problem import AllocationProblem, ProblemFlow
    >>> flows = [ProblemFlow("f", {"A": 1}), ProblemFlow("g", {"A": 1})]
    >>> allocator = Allocator(AllocationProblem({"A": 10}, flows))
    >>> dict(allocator.allocation.rates)
    {'f': 5.0, 'g': 5.0}
    >>> dict(allocator.change(demand={"f": 2}, capacity={"A": 8}).rates)
    {'f': 2.0, 'g': 6.0}
    """

    def __init__(self, problem: AllocationProblem) -> None:
        expect("problem", problem, AllocationProblem, "an AllocationProblem")
        self._lock = threading.RLock()
        self._removed: set[int] = set()
        self._named = problem
        self._columns = _own(problem.columns)
        self._kept = Kept(self._columns)
        self._loads: Any = None
        self._allocation = self._solved()

    def __repr__(self) -> str:
        flows, links = len(self._columns.weight), len(self._columns.capacity)
        return f"<Allocator: {flows:,} flows in {self.classes:,} classes over {links:,} links>"

    def __getstate__(self) -> dict[str, Any]:
        # What is kept is laid out again: there may be machine code on one machine and not on another.
        names = ("_named", "_columns", "_allocation", "_full", "_removed")
        with self._lock:
            state = {name: self.__dict__[name] for name in names}
            return state | {"_columns": _own(self._columns), "_removed": set(self._removed)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()
        self._columns = _own(self._columns)
        self._kept = Kept(self._columns)
        self._loads = None

    @property
    def allocation(self) -> Allocation:
        """The rates of now. Its ``problem`` names flows and links; it may be older than :attr:`problem`."""
        return self._allocation

    @property
    def problem(self) -> AllocationProblem:
        """The problem as it is now, made anew each time."""
        with self._lock:
            return self._named.with_columns(self._columns)

    @property
    def classes(self) -> int:
        """How many classes the flows form."""
        return self._kept.classes

    def solve_again(self) -> Allocation:
        """Fill all links again with what is kept, whether anything has changed or not."""
        with self._lock:
            self._allocation = self._solved()
            return self._allocation

    def change(
        self,
        *,
        demand: Amounts | None = None,
        weight: Amounts | None = None,
        floor: Amounts | None = None,
        capacity: Amounts | None = None,
        down: Iterable[Which] = (),
        remove: Iterable[Which] = (),
        add: Sequence[ProblemFlow] = (),
    ) -> Allocation:
        """Make changes that come together, and solve once at most.

        Parameters
        ----------
        demand, weight, floor
            By flow; a demand may be infinite.
        capacity
            By link.
        down
            Links that carry nothing until they get a capacity again.
        remove
            Flows that want nothing any more, until they get a demand again.
        add
            New flows over known links in known slices, whose ids are new or of removed flows; where flows
            have no names their ids don't count.

        Returns
        -------
        Allocation
            The same object if none of it makes a difference.

        Raises
        ------
        InputError
            An unknown flow, link or slice, or an amount that makes no sense. Nothing is changed then.
        InfeasibleError
            The floors do not fit any more. Nothing is changed then.
        """
        faults = _wrong_types(demand, weight, floor, capacity, down, remove, add)
        if faults:
            raise InputError(Fault(fault) for fault in faults)
        with self._lock:
            return self._changed((demand, weight, floor, capacity), down, remove, add)

    def _changed(
        self,
        amounts_of: Sequence[Amounts | None],
        down: Iterable[Which],
        remove: Iterable[Which],
        add: Sequence[ProblemFlow],
    ) -> Allocation:
        """Make changes whose types are right."""
        faults: list[str] = []
        changes: list[_Change] = []
        for column, amounts in zip(("cap", "weight", "floor", "capacity"), amounts_of, strict=True):
            for which, amount in () if amounts is None else amounts.items():
                self._note(column, which, amount, changes, faults)
        # A flow that gets a demand is back.
        removed = (
            self._removed - {i for column, i, _ in changes if column == "cap"} if self._removed else set()
        )
        for link in down:
            self._note("capacity", link, 0.0, changes, faults)
        noted = len(changes)
        for flow in remove:
            self._note("cap", flow, 0.0, changes, faults)
            self._note("floor", flow, 0.0, changes, faults)
        if faults:
            raise InputError(Fault(fault) for fault in faults)
        if len(changes) > noted:
            removed |= {number for _, number, _ in changes[noted:]}
        allocation = self._changed_with(changes, add, removed) if add else self._changed_only(changes)
        self._removed = removed
        return allocation

    def _changed_only(self, changes: list[_Change]) -> Allocation:
        """Make changes none of which is a new flow."""
        matters = any(self._matters(*change) for change in changes)
        undo = self._apply(changes)
        if matters:
            try:
                self._allocation = self._solved()
            except BaseException:
                self._apply(undo)
                raise
        return self._allocation

    def _note(
        self, column: str, which: Which, amount: float, changes: list[_Change], faults: list[str]
    ) -> None:
        kind, known = ("link", self._links) if column == "capacity" else ("flow", self._flows)
        if isinstance(which, bool) or not isinstance(which, str | Integral):
            faults.append(f"{kind}: found {found(which)}, expected the number or the name of one")
            return
        number = known.get(which, -1) if isinstance(which, str) else int(which)
        if not 0 <= number < self._count(kind):
            faults.append(f"{kind} {which!r} is unknown, expected one of the problem's {self._count(kind)}")
        expected, holds = _EXPECTED[column]
        word = "demand" if column == "cap" else column
        wrong = [] if is_plain(amount) else list(amount_fault(word, amount))
        if wrong:
            is_wrong = (
                f"the {word} is {found(amount)}, expected {expected}" if not is_number(amount) else wrong[0]
            )
            faults.append(f"{kind} {which!r}: {is_wrong}")
            return
        if not holds(amount):
            faults.append(f"{kind} {which!r}: the {word} is {amount}, expected {expected}")
        elif column == "cap" and amount == math.inf and not self._has_links(number):
            faults.append(f"flow {which!r}: nothing keeps it from rising for ever, expected a demand")
        changes.append((column, number, float(amount)))

    def _has_links(self, flow: int) -> bool:
        indptr = self._columns.indptr
        return not 0 <= flow < len(indptr) - 1 or bool(indptr[flow] < indptr[flow + 1])

    def _count(self, kind: str) -> int:
        return len(self._columns.capacity if kind == "link" else self._columns.weight)

    @cached_property
    def _links(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._named.capacities)}

    @cached_property
    def _flows(self) -> dict[str, int]:
        return {flow.id: number for number, flow in enumerate(self._named.flows)}

    def _matters(self, column: str, i: int, amount: float) -> bool:
        """Whether a change may make a difference to any rate."""
        values = getattr(self._columns, column)
        before = 0.0 if values is None else values[i]
        if amount == before:
            return False
        if column == "weight":
            return True
        if column == "capacity":
            if self._full[i]:
                return True
            return amount < before and not amount > self._load[i] * (1 + _CLEARLY)
        rate = self._allocation.raw_rate[i]
        if column == "cap":
            stopped = self._allocation.raw_bottleneck[i] != CAP
            return not (stopped and min(amount, before) > rate * (1 + _CLEARLY))
        return not (max(amount, before) < rate * (1 - _CLEARLY))

    @property
    def _load(self) -> Any:
        """What flows put on each link, at the present rates."""
        if self._loads is None:
            c = self._columns
            rate = np.repeat(self._allocation.rate, np.diff(c.indptr))
            used = rate if c.coefficient is None else rate * c.coefficient
            self._loads = np.bincount(c.indices, used, minlength=len(c.capacity))
        return self._loads

    def _apply(self, changes: Sequence[_Change]) -> list[_Change]:
        """Write amounts down; what takes them back, in the order to do so."""
        undo: list[_Change] = []
        for column, i, amount in changes:
            values: Any = getattr(self._columns, column)
            if values is None:
                if amount == 0:
                    continue
                self._columns = replace(self._columns, floor=np.zeros(len(self._columns.weight)))
                self._kept = Kept(self._columns)
                values = self._columns.floor
            undo.append((column, i, float(values[i])))
            values[i] = amount
            if column == "capacity":
                self._kept.set_capacity(i, amount)
            else:
                self._kept.touch(i)
        if any(is_extreme(amount) for _, _, amount in (*changes, *undo)):
            # Other arithmetic may be needed from now on, or no longer.
            self._columns = replace(self._columns)
            self._kept = Kept(self._columns)
        return undo[::-1]

    def _solved(self) -> Allocation:
        solution = self._kept.solve(self._columns)
        if not solution.error <= TRUSTED:
            solution = solve_as(exact(), self._columns)
        problem = self._named if solution.overbooked < 0 else self.problem
        allocation = allocation_of(problem, solution)
        self._loads, self._full = None, solution.full
        return allocation

    def _changed_with(
        self, changes: list[_Change], add: Sequence[ProblemFlow], removed: set[int]
    ) -> Allocation:
        """Make changes some of which are new flows, which may have ids of removed ones."""
        named, columns = self._named, self._columns
        undo = self._apply(changes)
        try:
            given = {flow.id for flow in add}
            freed = {n for n in removed if self._named.flows[n].id in given}
            self._named = _renamed(self.problem, freed).with_flows(add)
            self._columns = _own(self._named.columns)
            self._kept.append(self._columns, len(add))
            self._allocation = self._solved()
        except BaseException:
            self._named, self._columns = named, columns
            self._apply(undo)
            self._kept = Kept(self._columns)
            raise
        self.__dict__.pop("_flows", None)
        return self._allocation


def _renamed(problem: AllocationProblem, removed: set[int]) -> AllocationProblem:
    """The problem with the ids of removed flows free to be given again; where flows are numbers, as it is."""
    if not removed or isinstance(problem.flows, Flows):
        return problem
    flows = list(problem.flows)
    for n in removed:
        flows[n] = replace(flows[n], id=f"{flows[n].id} (removed, flow {n})")
    return replace(problem, flows=flows)


def _own(columns: Columns) -> Columns:
    """Arrays with the amounts copied, since they change."""
    c = columns.arrays()
    return replace(
        c,
        capacity=c.capacity.copy(),
        weight=c.weight.copy(),
        cap=c.cap.copy(),
        floor=None if c.floor is None else c.floor.copy(),
    )


def _wrong_types(
    demand: object, weight: object, floor: object, capacity: object, down: object, remove: object, add: object
) -> list[str]:
    """What :meth:`Allocator.change` was given of another type than it takes."""
    by_name = {"demand": demand, "weight": weight, "floor": floor, "capacity": capacity}
    faults = [
        f"{name}: found {found(value)}, expected a mapping to numbers"
        for name, value in by_name.items()
        if value is not None and not isinstance(value, Mapping)
    ]
    listed = {"down": (down, "links"), "remove": (remove, "flows"), "add": (add, "ProblemFlow")}
    faults += [
        f"{name}: found {found(value)}, expected a list of {what}"
        for name, (value, what) in listed.items()
        if not is_list(value)
    ]
    if isinstance(add, Sequence) and is_list(add):
        faults += [
            f"add[{i}]: found {found(flow)}, expected a ProblemFlow"
            for i, flow in enumerate(add)
            if not isinstance(flow, ProblemFlow)
        ]
    elif is_list(add):
        faults.append(f"add: found {found(add)}, expected a list of ProblemFlow")
    return faults


_AMOUNT = ("a finite number from 0 up", lambda x: 0 <= x < math.inf)
_EXPECTED: dict[str, tuple[str, Any]] = {
    "cap": ("a number from 0 up, or inf", lambda x: x >= 0),
    "weight": ("a finite number above 0", lambda x: 0 < x < math.inf),
    "floor": _AMOUNT,
    "capacity": _AMOUNT,
}
