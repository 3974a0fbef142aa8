"""What stays of a problem when its amounts change: its classes, the order of their events, and the board."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fairslice.alloc.account import work_s
from fairslice.alloc.columns import Columns
from fairslice.alloc.engine import Solution, backend_for, charge, lay_board, solve
from fairslice.alloc.incremental.classes import events_in_order, merge_rows
from fairslice.alloc.kernel.records import (
    AT,
    CLIMBERS,
    HAPPENING,
    HELD,
    LATER,
    LEFT,
    MARK,
    WEIGHT,
    WHOLE,
)


class Kept:
    """The classes of columns, laid out; those whose flows change are brought up to date when it is solved."""

    def __init__(self, columns: Columns) -> None:
        self._of_class, first = merge_rows(columns)
        self._rows = _rows_of(columns, first)
        self._stale: set[int] = set()
        self._lay(columns)

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self._rows.indptr) - 1

    def touch(self, flow: int) -> None:
        """Tell that the weight, cap or floor of a flow has changed."""
        self._stale.add(int(self._of_class[flow]))

    def set_capacity(self, link: int, capacity: float) -> None:
        """Change the capacity of a link."""
        self._rows.capacity[link] = capacity
        self._board.capacity[link] = capacity

    def append(self, columns: Columns, flows: int) -> None:
        """Take in the last ``flows`` flows of new columns, each as a class of its own."""
        n = len(columns.weight)
        self._of_class = np.append(
            self._of_class, np.arange(len(self._rows.indptr) - 1, len(self._rows.indptr) - 1 + flows)
        ).astype(np.int32)
        self._rows = self._rows.joined(_rows_of(columns, np.arange(n - flows, n)))
        self._lay(columns)

    def solve(self, columns: Columns) -> Solution:
        """Fill with the amounts of now; nothing of what is kept changes."""
        if self._board.backend.is_exact:
            return solve(columns)
        if not self._board.backend.is_compiled and backend_for(columns, work_s(self._rows)).is_compiled:
            # By now it pays.
            self._lay(columns)
        board = self._board
        for k in sorted(self._stale):
            self._refresh(k, columns)
        self._stale.clear()
        board.rise, board.soon, board.mark = map(board.backend.copied, (self._rise, self._soon, self._mark))
        board.groups = (*board.groups[:3], board.backend.copied(self._share))
        given = columns if board.backend.is_compiled else columns.lists()
        solution = board.solve(given, self._classes)
        charge(board.backend, work_s(self._rows), solution)
        return solution

    def _lay(self, columns: Columns) -> None:
        """Lay out the rows of classes, and put the flows in them."""
        backend = backend_for(columns, work_s(self._rows))
        rows = replace(self._rows, floor=columns.floor)
        if not backend.is_compiled:
            rows = rows.lists()
        slots = len(columns.weight) * (1 if columns.floor is None else 2)
        self._board = board = lay_board(backend, rows, slots)
        if backend.is_exact:
            return
        order = np.argsort(self._of_class, kind="stable")
        count = np.bincount(self._of_class, minlength=len(rows.indptr) - 1)
        self._members, self._first = order, np.concatenate([[0], np.cumsum(count)])
        self._per_flow = 1 if columns.floor is None else 2
        arrays = (np.asarray(columns.weight), np.asarray(columns.cap), columns.kept_floor)
        board.event = backend.column(events_in_order(self._of_class, *arrays))
        board.events = backend.column((self._first * self._per_flow).astype(np.int32))
        self._classes = backend.column(self._of_class)
        given = columns if backend.is_compiled else columns.lists()
        backend.run.merge_flows(
            *(self._classes, given.weight, board.floor_of(given), board.floored, board.grouped),
            *(board.rise, board.wide, board.soon, board.mark, board.events, board.event),
        )
        self._rise, self._soon, self._mark = map(backend.copied, (board.rise, board.soon, board.mark))
        self._share = backend.copied(board.groups[3])
        self._stale.clear()

    def _refresh(self, k: int, columns: Columns) -> None:
        """Put the flows of one class in order again."""
        board = self._board
        flows = self._members[self._first[k] : self._first[k + 1]]
        weight, cap = np.asarray(columns.weight)[flows], np.asarray(columns.cap)[flows]
        floor = None if columns.floor is None else np.minimum(np.asarray(columns.floor)[flows], cap)
        events = events_in_order(np.zeros(len(flows), np.int32), weight, cap, floor)
        first = HAPPENING * self._per_flow * int(self._first[k])
        board.event[first : first + len(events)] = board.backend.column(events)
        climbs = np.ones(len(flows), bool) if floor is None else floor == 0
        c, m = board.wide * k, MARK * k
        self._mark[m + LEFT], self._mark[m + CLIMBERS] = len(flows), int(climbs.sum())
        self._soon[k], self._rise[c + LATER] = float(events[AT]), float(events[AT + 1])
        self._rise[c + WEIGHT], self._rise[c + WEIGHT + 1] = _total(weight[climbs])
        if board.grouped:
            self._rise[c + WHOLE], self._rise[c + WHOLE + 1] = _total(weight)
        if floor is not None:
            self._rise[c + HELD], self._rise[c + HELD + 1] = _total(floor)


def _total(values: Any) -> tuple[float, float]:
    terms = values.tolist()
    hi = math.fsum(terms)
    return hi, math.fsum([*terms, -hi])


def _rows_of(columns: Columns, flows: Any) -> Columns:
    """The rows of some flows, as columns of their own; without weights, caps and floors."""
    indptr, indices = np.asarray(columns.indptr), np.asarray(columns.indices)
    length = (indptr[1:] - indptr[:-1])[flows]
    ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int32)
    at = np.repeat(indptr[:-1][flows] - ptr[:-1], length) + np.arange(ptr[-1])
    empty = np.zeros(0)
    return replace(
        columns,
        indptr=ptr,
        indices=indices[at],
        coefficient=None if columns.coefficient is None else np.asarray(columns.coefficient)[at],
        weight=empty,
        cap=empty,
        slice=None if columns.slice is None else np.asarray(columns.slice)[flows],
    )
