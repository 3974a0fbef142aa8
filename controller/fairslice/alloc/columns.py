"""A problem column by column: what solver and checker compute on, with flows and links as numbers.

Flow ``f`` uses the links ``indices[indptr[f]:indptr[f + 1]]``, compressed sparse rows; a link that stands
there twice is used twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

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
    rooms
        How many of the last links grant no rate: they stop flows like any link, and slow none down.
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
    rooms: int = 0

    @cached_property
    def is_extreme(self) -> bool:
        """Whether products of the amounts may leave the range of floats."""
        columns = (self.capacity, self.coefficient, self.weight, self.cap, self.floor, self.slice_weight)
        return any(
            any(map(is_extreme, column)) if isinstance(column, list) else any_extreme(column)
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

    def same_rows(self, other: "Columns") -> bool:
        """Whether the flows of both are written alike; arrays."""
        import numpy as np

        names = ("indptr", "indices", "coefficient", "weight", "cap", "floor", "slice")
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return all(
            a is b if a is None or b is None else bool(np.array_equal(np.asarray(a), np.asarray(b)))
            for a, b in pairs
        )

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

    def with_places(self, capacity: Sequence[float], uses: Mapping[int, Mapping[int, float]]) -> "Columns":
        """The same with more links at their end, which grant no rate, and what flows use of them; arrays."""
        import numpy as np

        arrays = self.arrays()
        flows = [flow for flow, of in uses.items() for _ in of]
        at = arrays.indptr[np.array(flows, dtype=np.int64) + 1]
        places = [place for of in uses.values() for place in of]
        parts = [part for of in uses.values() for part in of.values()]
        before = np.ones(len(arrays.indices)) if arrays.coefficient is None else arrays.coefficient
        longer = np.bincount(flows, minlength=len(arrays.weight))
        return replace(
            arrays,
            capacity=np.concatenate([arrays.capacity, capacity]),
            indptr=(arrays.indptr + np.concatenate([[0], np.cumsum(longer)])).astype(np.int32),
            indices=np.insert(arrays.indices, at, places).astype(np.int32),
            coefficient=np.insert(before, at, parts),
            rooms=self.rooms + len(capacity),
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
        """The same as numpy arrays, float64 and int32, contiguous and writable: the kind that is compiled."""
        import numpy as np

        return self._each(lambda column, kind: np.require(column, kind, ["C", "A", "W"]))

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
            rooms=self.rooms,
        )


_LOW, _HIGH = 1e-60, 1e60


def is_extreme(amount: float) -> bool:
    """Whether an amount is so small or so large that products of some such may leave the range of floats."""
    return 0 < amount < _LOW or _HIGH < amount < math.inf


def any_extreme(column: Any) -> bool:
    """Whether :func:`is_extreme` holds of any amount of an array."""
    import numpy as np

    return bool(np.any((column > 0) & (column < _LOW) | (column > _HIGH) & (column < np.inf)))


def order_of(numbers: Any, below: int) -> Any:
    """The indices of an array of numbers from 0 up in the rising order of these, equals as they stand."""
    import numpy as np

    # Of 16 bits they are sorted by their digits, in a fraction of the time.
    return np.argsort(numbers.astype(np.uint16) if below <= 2**16 else numbers, kind="stable")
