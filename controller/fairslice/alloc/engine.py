"""Prepares arrays for :mod:`fairslice.alloc.kernel` and chooses its backend."""

import math
from dataclasses import dataclass
from typing import Any

from fairslice.alloc.account import STEP_S, Account, work_s
from fairslice.alloc.columns import Columns
from fairslice.alloc.kernel.backends import Backend, exact, interpreted
from fairslice.alloc.kernel.compiled import compiled, has_numba, is_kept
from fairslice.alloc.kernel.records import (
    CAPACITY,
    COUNTS,
    END,
    GIVEN_UP,
    GROUP,
    HAPPENING,
    MARK,
    MOST_STEPS,
    NARROW,
    OPEN,
    PLACE,
    RHO,
    ROOM,
    SHARE,
    STAMP,
    STEPS,
    USERS,
    WIDE,
)

TRUSTED = 1e-10
"""An answer whose error may be larger, relatively, is found again in fractions."""
account = Account(has_numba, is_kept, compiled)
"""Of this process."""


@dataclass(frozen=True)
class Solution:
    """What the filling gave; ``overbooked`` is the place whose floors don't fit (no rates then), or -1.

    ``error`` bounds the relative error of the levels, to first order; where a rate is its level times a
    weight it is rounded once more. ``full`` has for every place whether it was full. ``steps`` is how many
    steps inheriting took. ``stop`` has the place that stopped each class, or below 0 its cap.
    """

    rate: Any
    bottleneck: Any
    instant: Any
    overbooked: int
    error: float
    full: Any = ()
    steps: int = 0
    stop: Any = ()


def solve(columns: Columns, *, instants: bool = False) -> Solution:
    """Fill the links of a sound problem, in the backend that suits it."""
    work = work_s(columns)
    while True:
        backend = backend_for(columns, work)
        most = account.most_steps(work) if backend is interpreted() else -1
        solution = solve_as(backend, columns, instants=instants, most_steps=most)
        charge(backend, work, solution)
        # It takes more than it seemed to at first: the better backend may now be another one.
        if solution.overbooked != GIVEN_UP:
            break
    if not solution.error <= TRUSTED:
        solution = solve_as(exact(), columns, instants=instants)
    return solution


def backend_for(columns: Columns, work: float) -> Backend:
    """Fractions where floats may overflow, else machine code where that pays and can be had.

    ``work`` is what it takes plain Python, in the seconds of :mod:`fairslice.alloc.account`.
    """
    if columns.is_extreme:
        return exact()
    return compiled() if account.pays(work) else interpreted()


def charge(backend: Backend, work: float, solution: Solution) -> None:
    """Count what a filling took, unless machine code did it or would not have helped."""
    if backend is interpreted():
        account.charge(work + solution.steps * STEP_S)


def load_compiled() -> bool:
    """Load the compiled code now, so that all problems from now on use it; False without numba.

    The first time on a machine it is compiled, which takes 10 to 30 seconds, and kept.
    """
    return account.buy()


def loaded() -> Backend | None:
    """The compiled code, if it is there by now."""
    return compiled() if account.loaded else None


def never_compile() -> None:
    """Compile nothing in this process, which others wait for; what is kept is loaded when it pays."""
    account.may_compile = False


def solve_as(backend: Backend, columns: Columns, *, instants: bool = False, most_steps: int = -1) -> Solution:
    """Fill the links of a sound problem in one backend; see :meth:`Board.solve` for ``most_steps``."""
    columns = in_kind(backend, columns)
    board = lay_flows(backend, columns)
    instant = backend.reals(len(columns.weight)) if instants else None
    return board.solve(columns, instant=instant, most_steps=most_steps)


def lay_flows(backend: Backend, columns: Columns) -> "Board":
    """Lay out a problem's flows, each as a class of its own; columns are of the backend's kind."""
    board = lay_board(backend, columns)
    backend.run.single_classes(
        *(columns.weight, columns.cap, board.floor_of(columns), board.floored, board.grouped),
        *(board.rise, board.wide, board.soon, board.mark, board.events, board.event),
    )
    return board


def in_kind(backend: Backend, columns: Columns) -> Columns:
    """The same columns in the kind of sequence that the backend takes."""
    if backend.is_exact:
        return columns.fractions()
    return columns.arrays() if backend.is_compiled else columns.lists()


@dataclass(slots=True)
class Board:
    """A problem laid out: its rows are those of K classes over P places, the links and then the limits."""

    backend: Backend
    n_links: int
    limited: list[int]
    """The slices whose limits are places."""
    capacity: Any
    indptr: Any
    indices: Any
    use: Any
    scaled: bool
    floored: bool
    rated: bool
    grouped: bool
    groups: tuple[Any, Any, Any, Any]
    wide: int
    rise: Any
    soon: Any
    mark: Any
    events: Any
    event: Any

    def floor_of(self, columns: Columns) -> Any:
        """The floors as they are kept, empty if there are none."""
        return columns.kept_floor if self.floored else self.backend.reals(0)

    def solve(
        self, columns: Columns, of_class: Any = None, instant: Any = None, most_steps: int = -1
    ) -> Solution:
        """Fill, and read what the flows got; the flows of each class by ``of_class``, or each a class.

        ``overbooked`` is GIVEN_UP if that would take more than ``most_steps``, unless these are below 0.
        """
        backend = self.backend
        run, reals, whole = backend.run, backend.reals, backend.whole
        n, n_classes, n_places = len(columns.weight), len(self.indptr) - 1, len(self.capacity)
        n_groups, eager = len(self.groups[3]) // GROUP, self.grouped or self.floored
        users_of = whole(USERS * n_places)
        link, ends = reals(PLACE * n_places), reals(END * n_places)
        link[ROOM::PLACE] = self.capacity
        link[CAPACITY::PLACE] = self.capacity
        stop, waiting = backend.filled_whole(n_classes, OPEN), n_places + (n_classes if eager else 0)
        counts = whole(COUNTS)
        counts[MOST_STEPS] = most_steps
        overbooked, error = run.water_fill(
            (self.indptr, backend.unsigned(self.indices), self.use, self.scaled),
            (self.rise, self.wide, self.soon, stop, self.mark, self.rated),
            self.events,
            self.event,
            link,
            users_of,
            backend.unsigned(whole(len(self.indices))),
            ends,
            self.groups,
            (whole(n_groups), whole(n_classes if self.grouped else 0), whole(n_places), counts),
            (
                *(whole(waiting), reals(waiting), whole(waiting), backend.filled(waiting, math.inf)),
                *(
                    whole(waiting),
                    reals(waiting),
                    reals(waiting),
                    backend.unsigned(whole(len(self.indices) + 1)),
                ),
            ),
            (self.floored, self.grouped, eager),
        )
        if overbooked != -1:
            return Solution((), (), None, int(overbooked), 0.0, steps=int(counts[STEPS]))
        rate, bottleneck = reals(n), whole(n)
        merged = of_class is not None
        run.read_rates(
            *(columns.weight, columns.cap, self.floor_of(columns), of_class if merged else whole(0), merged),
            *(self.floored, self.rated, self.rise, self.wide, stop, ends, rate, bottleneck),
        )
        if instant is not None:
            run.read_instants(self.soon, self.rise, self.wide, stop, ends, instant)
        if self.limited:
            run.name_limits(self.n_links, backend.integers(self.limited), bottleneck)
        if backend.is_exact:
            rate = list(map(float, rate))
            instant = instant and list(map(float, instant))
        return Solution(
            rate, bottleneck, instant, -1, float(error), users_of[STAMP::USERS], int(counts[STEPS]), stop
        )


def lay_board(backend: Backend, columns: Columns, slots: int | None = None) -> Board:
    """Lay out the rows of columns, each a class; ``slots`` is how many events there may be."""
    run, reals, whole = backend.run, backend.reals, backend.whole
    n, n_links, n_slices = len(columns.indptr) - 1, len(columns.capacity), len(columns.slice_weight)
    n_granting = n_links - columns.rooms
    of_slice: Any = columns.slice
    rated = of_slice is not None
    grouped = rated and not columns.per_flow
    floored, scaled = columns.floor is not None, columns.coefficient is not None
    limited = [s for s in range(n_slices) if columns.slice_limit[s] < math.inf]

    indptr, indices, capacity = columns.indptr, columns.indices, columns.capacity
    use = columns.coefficient if scaled else reals(0)
    nowhere = -1
    if limited or grouped:
        capacity = backend.joined(capacity, [columns.slice_limit[s] for s in limited], [math.inf] * grouped)
        nowhere = len(capacity) - 1 if grouped else -1
        limit = backend.filled_whole(n_slices, -1)
        for place, s in enumerate(limited, n_links):
            limit[s] = place
        most = len(indices) + 2 * n
        laid_ptr, laid, laid_use = whole(n + 1), whole(most), reals(most)
        end = run.lay_rows(
            *(indptr, indices, use, scaled, of_slice, limit, n_granting, nowhere),
            *(laid_ptr, laid, laid_use),
        )
        indptr, indices, use = laid_ptr, laid[:end], laid_use[:end] if scaled else use
    groups = (whole(0), whole(1), whole(0), reals(0))
    if grouped:
        uses = len(indices)
        group, first, members, weight = whole(uses), whole(uses + 1), whole(uses), reals(uses)
        n_groups = run.lay_groups(
            *(indptr, indices, of_slice, backend.order(of_slice), n_granting, nowhere, columns.slice_weight),
            *(whole(len(capacity)), whole(len(capacity)), group, first, members, weight),
        )
        share = reals(GROUP * n_groups)
        share[SHARE::GROUP] = weight[:n_groups]
        groups = (group, first, members, share)
    wide = WIDE if rated or floored else NARROW
    rise = reals(wide * n)
    if rated:
        rise[RHO::wide] = backend.filled(n, 1.0)
        if not grouped:
            run.rise_by_slice(of_slice, columns.slice_weight, rise, wide)
    slots = n * (2 if floored else 1) if slots is None else slots
    return Board(
        backend=backend,
        n_links=n_links,
        limited=limited,
        capacity=capacity,
        indptr=indptr,
        indices=indices,
        use=use,
        scaled=scaled,
        floored=floored,
        rated=rated,
        grouped=grouped,
        groups=groups,
        wide=wide,
        rise=rise,
        soon=reals(n),
        mark=whole(MARK * n),
        events=whole(n + 1),
        event=reals(HAPPENING * slots),
    )
