"""The order in which flows stopped, to fill again with it: see :mod:`fairslice.alloc.kernel.replay`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fairslice.alloc.columns import Columns, order_of
from fairslice.alloc.engine import Board, Solution
from fairslice.alloc.kernel.records import GROUP, RHO, SHARE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PASSES = 60
"""A pass leaves less than half of the difference; from a whole link to rounding that takes 53."""
_INHERITED = 40
"""Room for so many changes of rises for each flow."""


class KnownOrder:
    """Fills a board in the order of an earlier solution; flows are classes of their own, and have no floors.

    Parameters
    ----------
    columns, board
        As they were laid out.
    returned
        By rows: where each row of uses begins, and the last ends; flows; what each takes for a unit of its
        rate; then by row the place that it takes it of, or -1, what that carries, what of it is never set
        aside, and how much may be.
    """

    def __init__(self, columns: Columns, board: Board, returned: "tuple[NDArray[Any], ...]") -> None:
        self._board = board
        backend = board.backend
        n, places = len(columns.weight), len(board.capacity)
        indptr, indices = (np.asarray(of, dtype=np.int32) for of in (board.indptr, board.indices))
        by_place = order_of(indices, places)
        owner = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
        begin = np.concatenate([[0], np.cumsum(np.bincount(indices, minlength=places))])
        use = np.asarray(board.use)[by_place] if board.scaled else np.zeros(0)
        self._users = (
            backend.column(begin.astype(np.int32)),
            backend.column(owner[by_place]),
            backend.column(use),
        )
        self._columns = columns
        self._returned = tuple(map(backend.column, returned))
        group, first, _, share = board.groups
        group = np.asarray(group, dtype=np.int32)
        weights = np.asarray(share, dtype=float)[SHARE::GROUP].copy()
        of_slices = np.flatnonzero(group >= 0)
        by_group = of_slices[order_of(group[of_slices], len(weights))]
        member_use = np.asarray(board.use)[by_group] if board.scaled else np.zeros(0)
        members, member_use, weights = map(backend.column, (owner[by_group], member_use, weights))
        self._groups = (board.groups[0], first, members, member_use, weights)
        self._usual = backend.column(
            np.asarray(board.rise)[RHO :: board.wide].copy() if board.rated else np.ones(n)
        )
        self._left = backend.copied(board.capacity)
        reals, whole, groups = backend.reals, backend.whole, len(weights)
        self._work = (reals(n), reals(n), whole(n), reals(n))
        self._sums = (reals(groups), reals(groups), reals(groups), whole(groups))
        self._lists = (whole(groups), whole(n), whole(n), reals(n))
        most = _INHERITED * n if board.grouped else 0
        self._rise, self._stopped, self._heirs = reals(n), whole(n), (whole(most), reals(most))

    def agreed(self, solution: Solution, amounts: "NDArray[Any]") -> "NDArray[Any] | None":
        """What is to be set aside, by rows, where flows stop in the order of a solution.

        It is looked for from ``amounts`` on; None if that order has no such amounts.
        """
        backend, columns = self._board.backend, self._columns
        n, places = len(columns.weight), len(self._board.capacity)
        stop, instant = np.asarray(solution.stop, dtype=np.int32), np.asarray(solution.instant)
        held = np.flatnonzero(stop >= 0)
        where, some = np.unique(stop[held], return_index=True)
        when = instant[held[some]]
        capped = np.flatnonzero(stop < 0)
        if self._board.grouped:
            # Who reaches a cap leaves more to the others of the slice.
            where = np.concatenate([capped + places, where])
            when = np.concatenate([instant[capped], when])
        order = backend.column(where[np.argsort(when, kind="stable")].astype(np.int32))
        noted = self._noted(order, solution.stop)
        if noted is None:
            return None
        rise, *inherited = noted
        at_cap = np.zeros(n, dtype=np.int32)
        if not self._board.grouped:
            at_cap[capped] = 1
        aside = backend.column(amounts.copy())
        agreed = backend.run.replay_until_agreed(
            self._users,
            self._board.scaled,
            (columns.weight, columns.cap, solution.stop, rise, backend.column(at_cap)),
            order,
            tuple(inherited),
            self._left,
            self._work,
            self._returned,
            aside,
            MOST_PASSES,
        )
        found = np.asarray(aside, dtype=np.float64)
        return found if agreed and bool(np.isfinite(found).all()) else None

    def _noted(self, order: Any, stop: Any) -> tuple[Any, ...] | None:
        """What flows rise at first, and what they inherit at each event of an order."""
        board, columns = self._board, self._columns
        first = board.backend.whole(len(order) + 1)
        if not board.grouped:
            return self._usual, first, *self._heirs
        noted = (first, *self._heirs)
        all_noted = board.backend.run.note_order(
            (board.indptr, board.indices, board.use, board.scaled),
            self._users,
            (columns.weight, stop, self._rise, self._usual, self._stopped),
            self._groups,
            order,
            self._sums,
            self._lists,
            noted,
        )
        return (self._rise, *noted) if all_noted else None
