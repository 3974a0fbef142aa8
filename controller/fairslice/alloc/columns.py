"""A problem column by column: what solver and checker compute on, with flows and links as numbers.

Flow ``f`` uses the links ``indices[indptr[f]:indptr[f + 1]]``, compressed sparse rows; a link that stands
there twice is used twice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairslice.errors import Fault, InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


Column = Any
"""A list or a numpy array of numbers."""


@dataclass(frozen=True)
class Columns:
    """The columns of a problem of n flows over L links in S slices: numpy arrays, or plain lists.

    Attributes
    ----------
    capacity
        (L,) finite, from 0 up.
    indptr, indices
        (n + 1,) and (nnz,): the links of every flow.
    coefficient
        (nnz,) what a unit of the flow's rate uses of the link, above 0; None if that is 1 throughout.
    weight, cap, floor
        (n,); caps may be infinite. ``floor`` is None if nobody has one; no more of it is kept than the cap.
    slice
        (n,) number of the flow's slice, -1 without; None if there are no slices.
    slice_weight, slice_limit
        (S,); limits may be infinite.
    per_flow
        Whether the hierarchy is off.
    """

    capacity: Column
    indptr: Column
    indices: Column
    coefficient: Column | None
    weight: Column
    cap: Column
    floor: Column | None
    slice: Column | None
    slice_weight: Column
    slice_limit: Column
    per_flow: bool

    @cached_property
    def is_extreme(self) -> bool:
        """Whether products of the amounts may leave the range of floats."""
        low, high = 1e-60, 1e60
        columns = (self.capacity, self.coefficient, self.weight, self.cap, self.floor, self.slice_weight)
        return any(
            any(0 < x < low or high < x < math.inf for x in column)
            if isinstance(column, list)
            else _any_extreme(column, low, high)
            for column in (*columns, self.slice_limit)
            if column is not None and len(column)
        )

    @property
    def kept_floor(self) -> Any:
        """What the flows are really guaranteed: their floors, but no more than their caps."""
        if self.floor is None:
            return None
        if isinstance(self.floor, list):
            return list(map(min, self.floor, self.cap))
        import numpy as np

        return np.minimum(self.floor, self.cap)

    def joined(self, more: "Columns") -> "Columns":
        """These flows and then those of other columns over the same links and slices; arrays."""
        import numpy as np

        def both(name: str, default: float) -> Any:
            mine, theirs = getattr(self, name), getattr(more, name)
            if mine is None and theirs is None:
                return None
            sizes = [len(c.indices if name == "coefficient" else c.weight) for c in (self, more)]
            parts = [
                np.full(size, default) if part is None else part
                for part, size in zip((mine, theirs), sizes, strict=True)
            ]
            return np.concatenate(parts)

        return replace(
            self,
            indptr=np.concatenate([self.indptr, more.indptr[1:] + self.indptr[-1]]),
            indices=both("indices", 0),
            coefficient=both("coefficient", 1.0),
            weight=both("weight", 1.0),
            cap=both("cap", math.inf),
            floor=both("floor", 0.0),
            slice=both("slice", -1),
        )

    def lists(self) -> "Columns":
        """The same as plain lists, which Python reads faster than it does arrays."""
        return self._each(lambda column, _: column if isinstance(column, list) else column.tolist())

    def fractions(self) -> "Columns":
        """The same as lists whose finite numbers are fractions."""

        def convert(column: Any, kind: str) -> list[Any]:
            values = column if isinstance(column, list) else column.tolist()
            return values if kind == "int32" else [Fraction(x) if x < math.inf else x for x in values]

        return self._each(convert)

    def arrays(self) -> "Columns":
        """The same as numpy arrays, float64 and int32."""
        import numpy as np

        return self._each(np.ascontiguousarray)

    def _each(self, convert: Callable[[Any, str], Any]) -> "Columns":
        def converted(name: str, kind: str) -> Any:
            column = getattr(self, name)
            return None if column is None else convert(column, kind)

        whole, real = "int32", "float64"
        return Columns(
            capacity=converted("capacity", real),
            indptr=converted("indptr", whole),
            indices=converted("indices", whole),
            coefficient=converted("coefficient", real),
            weight=converted("weight", real),
            cap=converted("cap", real),
            floor=converted("floor", real),
            slice=converted("slice", whole),
            slice_weight=converted("slice_weight", real),
            slice_limit=converted("slice_limit", real),
            per_flow=self.per_flow,
        )


def _any_extreme(column: Any, low: float, high: float) -> bool:
    import numpy as np

    return bool(np.any((column > 0) & (column < low) | (column > high) & (column < np.inf)))


def columns_from(
    capacity: "ArrayLike",
    indptr: "ArrayLike",
    indices: "ArrayLike",
    weight: "ArrayLike",
    demand: "ArrayLike",
    floor: "ArrayLike | None",
    coefficient: "ArrayLike | None",
    slice_: "ArrayLike | None",
    slice_weight: "ArrayLike | None",
    slice_limit: "ArrayLike | None",
    per_flow: bool,
) -> Columns:
    """The columns, as arrays, from what :meth:`AllocationProblem.from_arrays` is given.

    Raises
    ------
    InputError
        With every fault that is found: shapes, types, numbers out of range, flows that nothing stops.
    """
    import numpy as np

    faults: list[Fault] = []

    def column(name: str, values: "ArrayLike", kind: Any) -> Any:
        try:
            array = np.asarray(values)
            if array.ndim != 1:
                faults.append(Fault(f"{name}: found {array.ndim} dimensions, expected one"))
            elif array.size and not np.issubdtype(array.dtype, np.integer if kind is int else np.number):
                faults.append(Fault(f"{name}: found {array.dtype}, expected {kind.__name__}"))
            else:
                dtype = np.int32 if kind is int else np.float64
                return np.ascontiguousarray(array, dtype=dtype)
        except (TypeError, ValueError) as error:
            faults.append(Fault(f"{name}: is no array of numbers: {error}"))
        return None

    def length(name: str, array: Any, expected: int, of: str) -> None:
        if array is not None and len(array) != expected:
            found = f"{len(array)} entries"
            faults.append(Fault(f"{name}: found {found}, expected {expected}, one for each {of}"))

    def every(name: str, array: Any, holds: Any, expected: str) -> None:
        wrong = np.flatnonzero(~holds)
        if len(wrong):
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            at = int(wrong[0])
            faults.append(Fault(f"{name}[{at}]: found {array[at]}{more}, expected {expected}"))

    def stop_if_wrong() -> None:
        if faults:
            raise InputError(faults)

    capacity_, weight_, cap = (
        column(name, values, float)
        for name, values in (("capacity", capacity), ("weight", weight), ("demand", demand))
    )
    indptr_, indices_ = column("indptr", indptr, int), column("indices", indices, int)
    floor_ = None if floor is None else column("floor", floor, float)
    use = None if coefficient is None else column("coefficient", coefficient, float)
    slices = None if slice_ is None else column("slice", slice_, int)
    if slice_ is None and (slice_weight is not None or slice_limit is not None):
        faults.append(Fault("slice: is missing, expected the number of every flow's slice, or -1"))
    stop_if_wrong()
    number = int(slices.max(initial=-1)) + 1 if slices is not None else 0
    for given in (slice_weight, slice_limit):
        number = max(number, np.size(given)) if given is not None else number
    shares = column("slice_weight", np.ones(number) if slice_weight is None else slice_weight, float)
    limits = column("slice_limit", np.full(number, np.inf) if slice_limit is None else slice_limit, float)
    stop_if_wrong()

    n = len(weight_)
    length("demand", cap, n, "flow")
    length("floor", floor_, n, "flow")
    length("slice", slices, n, "flow")
    length("coefficient", use, len(indices_), "use of a link")
    length("slice_weight", shares, number, "slice")
    length("slice_limit", limits, number, "slice")
    ends = len(indptr_) == n + 1 and indptr_[0] == 0 and indptr_[-1] == len(indices_)
    if not ends or np.any(np.diff(indptr_) < 0):
        found = f"{len(indptr_)} entries from {indptr_[:1]} to {indptr_[-1:]}"
        expected = f"{n + 1} that rise from 0 to {len(indices_)}"
        faults.append(Fault(f"indptr: found {found}, expected {expected}"))
    stop_if_wrong()
    positive, amount = "a finite number above 0", "a finite number from 0 up"
    every("capacity", capacity_, (capacity_ >= 0) & (capacity_ < np.inf), amount)
    known = (indices_ >= 0) & (indices_ < len(capacity_))
    every("indices", indices_, known, f"a link from 0 to {len(capacity_) - 1}")
    every("weight", weight_, (weight_ > 0) & (weight_ < np.inf), positive)
    every("demand", cap, cap >= 0, "a number from 0 up, or inf")
    every("slice_weight", shares, (shares > 0) & (shares < np.inf), positive)
    every("slice_limit", limits, limits >= 0, "a number from 0 up, or inf")
    if floor_ is not None:
        every("floor", floor_, (floor_ >= 0) & (floor_ < np.inf), amount)
    if use is not None:
        every("coefficient", use, (use > 0) & (use < np.inf), positive)
    if slices is not None:
        every("slice", slices, (slices >= -1) & (slices < number), f"from -1 to {number - 1}")
    stop_if_wrong()
    highest = capacity_[indices_] if use is None else capacity_[indices_] / use
    stopped = np.isfinite(cap)
    owner = np.repeat(np.arange(n), np.diff(indptr_))
    stopped[owner[np.isfinite(highest)]] = True
    every("demand", cap, stopped, "a finite one, or a link, to keep the flow from rising for ever")
    stop_if_wrong()
    columns = Columns(
        capacity_, indptr_, indices_, use, weight_, cap, floor_, slices, shares, limits, per_flow
    )
    # Found out here, where all amounts are looked at anyway.
    _ = columns.is_extreme
    return columns
