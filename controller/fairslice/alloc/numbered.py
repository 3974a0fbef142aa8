"""Columns as flows and mappings: names are numbers, and each flow is made when it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from operator import eq
from typing import overload

from fairslice.alloc.arguments import some
from fairslice.alloc.columns import Columns
from fairslice.alloc.problem_flow import ProblemFlow


class Flows(Sequence[ProblemFlow]):
    """The flows of columns in readable form, made one at a time; ids and names are numbers."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns.weight)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Flows) and self._columns is other._columns:
            return True
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        if isinstance(other, Flows) and self._columns.same_rows(other._columns):
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


class ByNumber(Mapping[str, float]):
    """A column as a mapping, by the number of the entry as a string."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{some(self, 'number')}>"

    def __iter__(self) -> Iterator[str]:
        return map(str, range(len(self)))

    def __getitem__(self, name: str) -> float:
        known = isinstance(name, str) and len(name) <= len(str(len(self))) and name.isdecimal()
        if not known or name != str(int(name)) or int(name) >= len(self):
            raise KeyError(name)
        return float(self._values[int(name)])
