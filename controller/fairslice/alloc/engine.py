"""The engine room: puts a problem on the tables of :mod:`fairslice.alloc.filling` and picks its guise."""

import math
from dataclasses import dataclass
from typing import Any

from fairslice.alloc.columns import Columns
from fairslice.alloc.guise import Guise, compiled, exact, has_numba, interpreted
from fairslice.alloc.records import (
    CAPACITY,
    COUNTS,
    END,
    GROUP,
    HAPPENING,
    MARK,
    NARROW,
    OPEN,
    PLACE,
    RHO,
    ROOM,
    SHARE,
    USERS,
    WIDE,
)

TRUSTED = 1e-10
"""An answer whose error may be larger, relatively, is found again in fractions."""
COMPILED_FROM = 4_000
"""Uses of links from which it pays to load the compiled code."""


@dataclass(frozen=True)
class Solution:
    """What the filling gave; ``overbooked`` is the place whose floors don't fit (no rates then), or -1.

    ``error`` bounds the relative error of the levels, to first order.
    """

    rate: Any
    bottleneck: Any
    instant: Any
    overbooked: int
    error: float


def solve(columns: Columns, *, instants: bool = False) -> Solution:
    """Fill the links of a sound problem, in the guise that suits it."""
    guise = interpreted()
    if columns.is_extreme:
        guise = exact()
    elif len(columns.indices) >= COMPILED_FROM and has_numba():
        guise = compiled()
    solution = solve_as(guise, columns, instants=instants)
    if not solution.error <= TRUSTED:
        solution = solve_as(exact(), columns, instants=instants)
    return solution


def solve_as(guise: Guise, columns: Columns, *, instants: bool = False) -> Solution:
    """Fill the links of a sound problem in one guise."""
    columns = _in(guise, columns)
    run, reals, whole = guise.run, guise.reals, guise.whole
    n, n_links, n_slices = len(columns.weight), len(columns.capacity), len(columns.slice_weight)
    rated = columns.slice is not None
    of_slice: Any = columns.slice
    grouped = rated and not columns.per_flow
    floored = columns.floor is not None
    scaled = columns.coefficient is not None
    eager = grouped or floored
    limited = [s for s in range(n_slices) if columns.slice_limit[s] < math.inf]

    indptr, indices = columns.indptr, columns.indices
    use = columns.coefficient if scaled else reals(0)
    capacity = columns.capacity
    nowhere = -1
    if limited or grouped:
        limits = [columns.slice_limit[s] for s in limited]
        capacity = guise.joined(capacity, limits, [math.inf] * grouped)
        nowhere = len(capacity) - 1 if grouped else -1
        limit = guise.integers([-1] * n_slices)
        for place, s in enumerate(limited, n_links):
            limit[s] = place
        most = len(indices) + 2 * n
        laid_ptr, laid, laid_use = whole(n + 1), whole(most), reals(most)
        end = run.lay_rows(indptr, indices, use, scaled, of_slice, limit, nowhere, laid_ptr, laid, laid_use)
        indptr, indices, use = laid_ptr, laid[:end], laid_use[:end] if scaled else use
    n_places, n_uses = len(capacity), len(indices)
    group, first, members, group_ = whole(0), whole(1), whole(0), reals(0)
    if grouped:
        group, first, members, share = whole(n_uses), whole(n_uses + 1), whole(n_uses), reals(n_uses)
        n_groups = run.lay_groups(
            *(indptr, indices, of_slice, guise.order(of_slice), n_links, nowhere),
            *(columns.slice_weight, whole(n_places), whole(n_places), group, first, members, share),
        )
        group_ = reals(GROUP * n_groups)
        group_[SHARE::GROUP] = share[:n_groups]
    n_groups = len(group_) // GROUP

    wide = WIDE if rated or floored else NARROW
    rise, soon = reals(wide * n), reals(n)
    mark, stop = whole(MARK * n), guise.filled_whole(n, OPEN)
    events, event = whole(n + 1), reals(HAPPENING * n * (2 if floored else 1))
    floor = columns.floor if floored else reals(0)
    run.single_classes(
        columns.weight, columns.cap, floor, floored, grouped, rise, wide, soon, mark, events, event
    )
    if rated:
        rise[RHO::wide] = guise.filled(n, 1.0)
        if not grouped:
            for f in range(n):
                if of_slice[f] >= 0:
                    rise[wide * f + RHO] = columns.slice_weight[of_slice[f]]
    link = reals(PLACE * n_places)
    link[ROOM::PLACE] = capacity
    link[CAPACITY::PLACE] = capacity
    waiting = n_places + (n if eager else 0)
    counts, ends = whole(COUNTS), reals(END * n_places)
    overbooked, error = run.water_fill(
        (indptr, indices, use, scaled),
        (rise, wide, soon, stop, mark, rated),
        events,
        event,
        link,
        whole(USERS * n_places),
        whole(n_uses),
        ends,
        (group, first, members, group_),
        (whole(n_groups), whole(n if grouped else 0), whole(n_places + 1), counts),
        (
            *(whole(waiting), reals(waiting), whole(waiting), guise.filled(waiting, math.inf)),
            *(whole(waiting), reals(waiting), reals(waiting), whole(n + 1)),
        ),
        (floored, grouped, eager),
    )
    if overbooked >= 0:
        return Solution((), (), None, int(overbooked), 0.0)
    rate, bottleneck = reals(n), whole(n)
    run.read_rates(
        *(columns.weight, columns.cap, floor, whole(0), False, floored, rated, rise, wide, stop, ends),
        *(rate, bottleneck),
    )
    _name_limits(n_links, limited, bottleneck)
    instant = None
    if instants:
        instant = reals(n)
        run.read_instants(soon, stop, ends, mark, event, instant)
    if guise.is_exact:
        rate = list(map(float, rate))
        instant = instant and list(map(float, instant))
    return Solution(rate, bottleneck, instant, -1, float(error))


def _in(guise: Guise, columns: Columns) -> Columns:
    if guise.is_exact:
        return columns.fractions()
    return columns.arrays() if guise.is_compiled else columns.lists()


def _name_limits(n_links: int, limited: list[int], bottleneck: Any) -> None:
    """Places of limits become the numbers -2 - s of their slices."""
    if limited:
        for f in range(len(bottleneck)):
            if bottleneck[f] >= n_links:
                bottleneck[f] = -2 - limited[bottleneck[f] - n_links]
