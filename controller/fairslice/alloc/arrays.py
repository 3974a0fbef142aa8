"""Columns from numpy arrays that anyone may give: checked whole, with every fault by column and index."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairslice.alloc.columns import Columns
from fairslice.errors import Fault, InputError

_POSITIVE, _AMOUNT = "a finite number above 0", "a finite number from 0 up"
_MOST = 2**31 - 1
"""Flows, links and uses are numbered in 32 bits."""


class _Reader:
    """Collects faults while columns are read."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def note(self, message: str) -> None:
        self.faults.append(Fault(message))

    def stop_if_wrong(self) -> None:
        if self.faults:
            raise InputError(self.faults)

    def reals(self, name: str, values: ArrayLike) -> Any:
        array = self._column(name, values, (np.integer, np.floating), "float")
        return None if array is None else _own(array, np.float64, values)

    def whole(self, name: str, values: ArrayLike) -> Any:
        array = self._column(name, values, (np.integer,), "int")
        if array is None or not self.every(name, array, (array >= -_MOST) & (array <= _MOST), "32 bits"):
            return None
        return _own(array, np.int32, values)

    def _column(self, name: str, values: ArrayLike, kinds: tuple[Any, ...], expected: str) -> Any:
        if values is None:
            self.note(f"{name}: found None, expected an array of numbers")
            return None
        try:
            array = np.asarray(values)
        except (TypeError, ValueError) as error:
            self.note(f"{name}: is not an array of numbers: {error}")
            return None
        if array.ndim != 1:
            self.note(f"{name}: found {array.ndim} dimensions, expected one")
        elif array.size and not any(np.issubdtype(array.dtype, kind) for kind in kinds):
            self.note(f"{name}: found {array.dtype}, expected {expected}")
        else:
            return array if array.size else np.zeros(0)
        return None

    def length(self, name: str, array: Any, expected: int, of: str) -> None:
        if array is not None and len(array) != expected:
            self.note(f"{name}: found {len(array)} entries, expected {expected}, one for each {of}")

    def every(self, name: str, array: Any, holds: Any, expected: str) -> bool:
        """Note the first entry for which something does not hold."""
        wrong = np.flatnonzero(~holds)
        if len(wrong):
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            self.note(f"{name}[{wrong[0]}]: found {array[wrong[0]]}{more}, expected {expected}")
        return not len(wrong)


def _own(array: Any, kind: type, values: ArrayLike) -> Any:
    """The same in memory of our own, which nobody else writes; machine code wants it writable."""
    made = np.require(array, kind, ["C", "W"])
    shared = not isinstance(values, list | tuple | range) and np.may_share_memory(made, array)
    return made.copy() if shared else made


def columns_from(
    capacity: ArrayLike,
    indptr: ArrayLike,
    indices: ArrayLike,
    weight: ArrayLike,
    demand: ArrayLike,
    floor: ArrayLike | None,
    coefficient: ArrayLike | None,
    slice_: ArrayLike | None,
    slice_weight: ArrayLike | None,
    slice_limit: ArrayLike | None,
    per_flow: bool,
) -> Columns:
    """The columns, as arrays, from what :meth:`AllocationProblem.from_arrays` is given.

    Raises
    ------
    InputError
        With every fault that is found: shapes, types, numbers out of range, flows that nothing stops.
    """
    read = _Reader()
    capacities, weights = read.reals("capacity", capacity), read.reals("weight", weight)
    cap = read.reals("demand", demand)
    ptr, links = read.whole("indptr", indptr), read.whole("indices", indices)
    floors = None if floor is None else read.reals("floor", floor)
    use = None if coefficient is None else read.reals("coefficient", coefficient)
    slices = None if slice_ is None else read.whole("slice", slice_)
    if slice_ is None and (slice_weight is not None or slice_limit is not None):
        read.note("slice: is missing, expected the number of every flow's slice, or -1")
    read.stop_if_wrong()
    number = _slices(read, slices, slice_weight, slice_limit)
    shares = read.reals("slice_weight", np.ones(number) if slice_weight is None else slice_weight)
    limits = read.reals("slice_limit", np.full(number, np.inf) if slice_limit is None else slice_limit)
    read.stop_if_wrong()

    n = len(weights)
    read.length("demand", cap, n, "flow")
    read.length("floor", floors, n, "flow")
    read.length("slice", slices, n, "flow")
    read.length("coefficient", use, len(links), "use of a link")
    read.length("slice_weight", shares, number, "slice")
    read.length("slice_limit", limits, number, "slice")
    _rows(read, ptr, n, len(links))
    read.stop_if_wrong()
    read.every("capacity", capacities, (capacities >= 0) & (capacities < np.inf), _AMOUNT)
    known = (links >= 0) & (links < len(capacities))
    read.every("indices", links, known, f"a link from 0 to {len(capacities) - 1}")
    read.every("weight", weights, (weights > 0) & (weights < np.inf), _POSITIVE)
    read.every("demand", cap, cap >= 0, "a number from 0 up, or inf")
    read.every("slice_weight", shares, (shares > 0) & (shares < np.inf), _POSITIVE)
    read.every("slice_limit", limits, limits >= 0, "a number from 0 up, or inf")
    if floors is not None:
        read.every("floor", floors, (floors >= 0) & (floors < np.inf), _AMOUNT)
    if use is not None:
        read.every("coefficient", use, (use > 0) & (use < np.inf), _POSITIVE)
    if slices is not None:
        read.every("slice", slices, (slices >= -1) & (slices < number), f"from -1 to {number - 1}")
    read.stop_if_wrong()
    with np.errstate(over="ignore"):
        highest = capacities[links] if use is None else capacities[links] / use
    stopped = np.isfinite(cap)
    owner = np.repeat(np.arange(n), np.diff(ptr))
    stopped[owner[np.isfinite(highest)]] = True
    read.every("demand", cap, stopped, "a finite one, or a link, to keep the flow from rising for ever")
    read.stop_if_wrong()
    columns = Columns(capacities, ptr, links, use, weights, cap, floors, slices, shares, limits, per_flow)
    # Found out here, where all amounts are looked at anyway.
    _ = columns.is_extreme
    return columns


def _rows(read: _Reader, ptr: Any, n: int, uses: int) -> None:
    """Note what keeps ``indptr`` from dividing the uses among n flows."""
    if not (len(ptr) == n + 1 and ptr[0] == 0 and ptr[-1] == uses):
        found = f"{len(ptr)} entries from {ptr[:1]} to {ptr[-1:]}"
        read.note(f"indptr: found {found}, expected {n + 1} that rise from 0 to {uses}")
    falls = np.flatnonzero(np.diff(ptr) < 0)
    if len(falls):
        at = int(falls[0]) + 1
        more = f" (and it falls {len(falls) - 1} more times)" if len(falls) > 1 else ""
        read.note(
            f"indptr[{at}]: found {ptr[at]} after {ptr[at - 1]}{more}, expected no less than the entry before"
        )


def _slices(read: _Reader, slices: Any, slice_weight: ArrayLike | None, slice_limit: ArrayLike | None) -> int:
    """How many slices there are: as many as are described, or else as the flows name."""
    if slices is None:
        return 0
    described = [np.size(given) for given in (slice_weight, slice_limit) if given is not None]
    if described:
        return max(described)
    read.every("slice", slices, slices < len(slices), f"below {len(slices)}, or a slice_weight for each")
    read.stop_if_wrong()
    return int(slices.max(initial=-1)) + 1
