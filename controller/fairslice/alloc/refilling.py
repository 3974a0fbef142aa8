"""Solving one problem again and again with other capacities: it is laid out once."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fairslice.alloc.account import work_s
from fairslice.alloc.columns import Columns, any_extreme
from fairslice.alloc.engine import (
    TRUSTED,
    Board,
    Solution,
    account,
    backend_for,
    charge,
    in_kind,
    lay_flows,
    solve_as,
)
from fairslice.alloc.kernel.backends import Backend, exact, interpreted
from fairslice.alloc.kernel.records import GIVEN_UP
from fairslice.alloc.known_order import KnownOrder

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Refilling:
    """The columns of a sound problem, to be solved with several capacities.

    Each answer is that of :func:`fairslice.alloc.engine.solve`, whatever was solved before.

    ``returned`` is what :class:`~fairslice.alloc.known_order.KnownOrder` takes of what acknowledgements take.
    """

    def __init__(self, columns: Columns, returned: "tuple[NDArray[Any], ...]" = ()) -> None:
        self._returned = returned
        self._orders: dict[bool, KnownOrder] = {}
        self._columns = columns.arrays()
        self._work = work_s(columns)
        self._amounts = replace(self._columns, capacity=self._columns.capacity[:0])
        """All but the capacities, which differ."""
        self._laid: dict[bool, tuple[Columns, Board]] = {}
        """By whether they are for machine code."""

    def solve(self, capacity: "NDArray[Any]", *, instants: bool = False) -> Solution:
        """Fill links of these capacities, in the backend that suits it."""
        while True:
            backend = self._backend(capacity)
            most = account.most_steps(self._work) if backend is interpreted() else -1
            solution = self._solved(backend, capacity, instants, most)
            charge(backend, self._work, solution)
            # As in the engine: it takes more than it seemed to at first.
            if solution.overbooked != GIVEN_UP:
                break
        if not solution.error <= TRUSTED:
            solution = self._solved(exact(), capacity, instants, -1)
        return solution

    def agreed(self, solution: Solution, amounts: "NDArray[Any]") -> "NDArray[Any] | None":
        """What is to be set aside where flows stop in the order of a solution, with its instants.

        None if that can't be told, as where there are floors, or where it was solved in fractions.
        """
        is_compiled = not isinstance(solution.rate, list)
        laid = self._laid.get(is_compiled)
        if laid is None or laid[1].floored or not 0 <= solution.error <= TRUSTED:
            return None
        if is_compiled not in self._orders:
            self._orders[is_compiled] = KnownOrder(*laid, self._returned)
        return self._orders[is_compiled].agreed(solution, amounts)

    def _backend(self, capacity: "NDArray[Any]") -> Backend:
        return exact() if any_extreme(capacity) else backend_for(self._amounts, self._work)

    def _solved(
        self, backend: Backend, capacity: "NDArray[Any]", instants: bool, most_steps: int
    ) -> Solution:
        if backend.is_exact:
            given = replace(self._columns, capacity=capacity.tolist())
            return solve_as(backend, given, instants=instants, most_steps=most_steps)
        if backend.is_compiled not in self._laid:
            columns = in_kind(backend, self._columns)
            self._laid[backend.is_compiled] = (columns, lay_flows(backend, columns))
        columns, board = self._laid[backend.is_compiled]
        copied = backend.copied
        places = copied(board.capacity)
        places[: len(capacity)] = backend.column(capacity)
        # What filling changes is filled anew from what was laid out.
        fresh = replace(
            board,
            capacity=places,
            rise=copied(board.rise),
            soon=copied(board.soon),
            mark=copied(board.mark),
            groups=(*board.groups[:3], copied(board.groups[3])),
        )
        instant = backend.reals(len(columns.weight)) if instants else None
        return fresh.solve(columns, instant=instant, most_steps=most_steps)
