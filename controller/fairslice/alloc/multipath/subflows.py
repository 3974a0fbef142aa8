"""The subflows of a multipath problem in arrays: how they fill the links, and how their weights are set anew.

The rule and its sources are in :mod:`fairslice.alloc.multipath.free`.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairslice.alloc.account import work_s
from fairslice.alloc.allocation import CAP
from fairslice.alloc.columns import Columns
from fairslice.alloc.engine import Solution, backend_for, charge, lay_board, solve, solve_as
from fairslice.alloc.kernel import backends
from fairslice.alloc.kernel.backends import Backend
from fairslice.alloc.kernel.path_shares import LEAST_SHARE, TINY
from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.problem import AllocationProblem, SliceShare

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tempo:
    """How fast rounds go: alpha is 1 at first and grows by ``growth`` a round up to ``STEEPEST``; the step is
    ``step`` at first and half of that after ``slows`` rounds.

    Log-ratios of the prices of two paths are clipped to ``largest``. Full links have prices of at
    least ``least`` of their worth, and links with room at the most; ``turns`` times a round prices are made
    less by what flows would then take from links that fill later.
    """

    rounds: int
    growth: float
    step: float
    slows: float
    largest: float
    least: float
    turns: int

    def at(self, done: int) -> tuple[float, float, float, float, int]:
        """What the round after so many others goes by."""
        alpha = min(1.0 + self.growth * done, STEEPEST)
        return alpha, self.step / (1 + done / self.slows), self.largest, self.least, self.turns


STEEPEST = 48.0
"""The largest alpha. Prices would leave the range of floats where levels differ by decades."""
BRISK = Tempo(11, 7.5, 8.5, 1.95, 0.13, 0.9, 0)
"""Gets near in few rounds."""
PATIENT = Tempo(60, 0.3, 4.0, 20.0, 0.2, 0.01, 2)
"""Gets nearer where flows are few and what one does matters to the others."""
FEW = 500
"""Subflows up to which there is time to be patient."""


class Subflows:
    """A sound problem path by path in arrays, built once: T subflows of n flows; paths that are the same
    are one subflow. What can stop a subflow is a place: L links, n demands, and the limits of S slices."""

    def __init__(
        self,
        capacities: Mapping[str, float],
        flows: Sequence[MultipathFlow],
        slices: Mapping[str, SliceShare],
        *,
        per_flow: bool,
    ) -> None:
        import numpy as np

        number = {link: index for index, link in enumerate(capacities)}
        named = {name: index for index, name in enumerate(slices)}
        paths: list[dict[str, float]] = []
        flow: list[int] = []
        origin: list[int] = []
        at: list[int] = []
        for index, one in enumerate(flows):
            known: dict[frozenset[tuple[str, float]], int] = {}
            for path in one.paths:
                key = frozenset(path.items())
                if key not in known:
                    known[key] = len(paths)
                    paths.append(dict(path))
                    flow.append(index)
                    at.append(len(origin))
                origin.append(known[key])
        self.origin, self.at = np.array(origin, dtype=np.int64), np.array(at, dtype=np.int64)
        self.flow = np.array(flow, dtype=np.int64)
        self.n, self.n_links = len(flows), len(number)
        self.places = self.n_links + self.n + len(named)
        self.count = np.bincount(self.flow, minlength=self.n)
        self.links = np.array([number[link] for path in paths for link in path], dtype=np.int64)
        self.use = np.array([use for path in paths for use in path.values()], dtype=np.float64)
        lengths = np.array([len(path) for path in paths], dtype=np.int64)
        self.own = np.repeat(np.arange(len(paths)), lengths)
        self.first = np.append(0, np.cumsum(self.count))
        self.capacity = np.array(list(capacities.values()), dtype=np.float64)
        self.weight = np.array([one.weight for one in flows], dtype=np.float64)[self.flow]
        self.cap = np.array([one.cap for one in flows], dtype=np.float64)
        self.plain = bool((self.use == 1).all())
        if len(paths) > self.n and (per_flow or not named):
            matters = self._matters()
            self.links, self.use, self.own = self.links[matters], self.use[matters], self.own[matters]
            lengths = np.bincount(self.own, minlength=len(paths))
        self.indptr = np.append(0, np.cumsum(lengths))
        floor = np.array([one.floor for one in flows], dtype=np.float64)[self.flow]
        numbers = [-1 if one.slice is None else named[one.slice] for one in flows]
        self.slice = np.array(numbers, dtype=np.int64)[self.flow]
        shares = np.array([share.weight for share in slices.values()], dtype=np.float64)
        # The clock tells levels where flows do not simply rise at their weights.
        self.clocked = (bool(named) and not per_flow) or bool(floor.any())
        self.pace = self.weight * (np.append(shares, 1.0)[self.slice] if per_flow else 1.0)

        several = self.count > 1
        metered = np.flatnonzero(several & np.isfinite(self.cap))
        meter = np.full(self.n, -1, dtype=np.int64)
        meter[metered] = self.n_links + np.arange(len(metered))
        with_meter = np.flatnonzero(meter[self.flow] >= 0)
        ends = np.cumsum(lengths)[with_meter]
        # In a slice a link grants rates; so little is used of a meter that it is never the slowest.
        little = self.use.min(initial=1.0) * LEAST_SHARE / 16 if named and not per_flow else 1.0
        use = np.insert(self.use, ends, little)
        lengths[with_meter] += 1
        self.columns: dict[str, Any] = {
            "capacity": np.append(self.capacity, self.cap[metered] * little),
            "indptr": np.append(0, np.cumsum(lengths)),
            "indices": np.insert(self.links, ends, meter[self.flow[with_meter]]),
            "demand": np.where(several, np.inf, self.cap)[self.flow],
            "floor": floor if floor.any() else None,
            "coefficient": None if (use == 1).all() else use,
            "slice": self.slice if named else None,
            "slice_weight": shares if named else None,
            "slice_limit": np.array([s.limit for s in slices.values()]) if named else None,
            "per_flow": per_flow,
        }
        self._compare_paths()

    def _matters(self) -> "NDArray[Any]":
        """(nnz,) whether a use of a link may stop anything, where there is no hierarchy.

        A link that all flows together can't fill never does; nor does one whose subflows all use no less of
        another that has no more capacity, at least not before that one.
        """
        import numpy as np

        links, use, own, capacity = self.links, self.use, self.own, self.capacity
        alone = np.full(len(self.flow), np.inf)
        np.minimum.at(alone, own, capacity[links] / use)
        most = np.minimum(np.bincount(self.flow, weights=alone, minlength=self.n), self.cap)
        among, at = np.unique(self.flow[own] * self.n_links + links, return_inverse=True)
        widest = np.zeros(len(among))
        np.maximum.at(widest, at, use)
        load = widest * most[among // self.n_links]
        matters = np.bincount(among % self.n_links, weights=load, minlength=self.n_links) >= capacity * (
            1 - 1e-9
        )
        # All ordered pairs of links of a path, of which the other is used no less.
        lengths = np.bincount(own, minlength=len(self.flow))
        one = np.repeat(np.arange(len(links)), lengths[own])
        other = _ranges((np.cumsum(lengths) - lengths)[own], lengths[own])
        within = (links[one] != links[other]) & (use[one] <= use[other])
        within &= capacity[links[one]] >= capacity[links[other]]
        keys, times = np.unique(links[one][within] * self.n_links + links[other][within], return_counts=True)
        users = np.bincount(links, minlength=self.n_links)
        keys = keys[times == users[keys // self.n_links]]
        low, high = keys // self.n_links, keys % self.n_links
        # Of links that are all the same the first stays.
        mutual = np.isin(high * self.n_links + low, keys)
        matters[low[~mutual | (low > high)]] = False
        kept: NDArray[Any] = matters[links]
        return kept

    def _compare_paths(self) -> None:
        """Pair each subflow with all others of its flow; find of which links it uses how much more."""
        import numpy as np

        ends = np.cumsum(self.count)
        left = np.repeat(np.arange(len(self.flow)), self.count[self.flow])
        right = _ranges((ends - self.count)[self.flow], self.count[self.flow])
        left, right = left[left != right], right[left != right]
        # Each pair is followed by its reverse.
        order = np.lexsort((left > right, np.maximum(left, right), np.minimum(left, right)))
        self.pair, self.other = left[order], right[order]
        lengths = np.bincount(self.own, minlength=len(self.flow))
        entry = _ranges((np.cumsum(lengths) - lengths)[self.pair], lengths[self.pair])
        pair = np.repeat(np.arange(len(self.pair)), lengths[self.pair])
        keys = self.own * self.n_links + self.links
        order = np.argsort(keys)
        wanted = self.other[pair] * self.n_links + self.links[entry]
        found = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        shared = np.where(keys[order][found] == wanted, self.use[order][found], 0.0) if len(keys) else 0.0
        more = self.use[entry] - shared
        count = np.bincount(pair[more > 0], minlength=len(self.pair))
        self.differing = np.append(0, np.cumsum(count))
        self.more_at, self.more = self.links[entry][more > 0], more[more > 0]

    def first_shares(self) -> "NDArray[Any]":
        """(T,) larger where an even split would find more room: the cube of the first level of a path."""
        import numpy as np

        even = self.weight / self.count[self.flow]
        load = np.bincount(self.links, weights=self.use * even[self.own], minlength=self.n_links)
        level = np.full(len(self.flow), np.inf)
        highest = np.full(self.n_links, 1 / TINY)
        np.divide(self.capacity, load, out=highest, where=load > self.capacity * TINY)
        np.minimum.at(level, self.own, highest[self.links])
        level = np.minimum(level, 1 / TINY)
        best = np.zeros(self.n)
        np.maximum.at(best, self.flow, level)
        share: NDArray[Any] = (level / np.maximum(best, TINY)[self.flow]) ** 3
        for least in (0.0, LEAST_SHARE):
            share = np.maximum(share, least)
            together = self.totals(share)[self.flow]
            share = np.where(together > 0, share / np.maximum(together, TINY), 1 / self.count[self.flow])
        return share

    def totals(self, rate: "NDArray[Any]") -> "NDArray[Any]":
        """(n,) The sums over the flows' paths."""
        import numpy as np

        return np.bincount(self.flow, weights=rate, minlength=self.n)

    def answer(
        self, rate: "NDArray[Any]", bottleneck: "NDArray[Any]"
    ) -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]":
        """Totals (n,), and rate and bottleneck of each path of each flow, those that are the same too."""
        import numpy as np

        total = self.totals(rate)
        # Rounding may take the sum of the paths a little over the demand.
        over = np.divide(self.cap, total, out=np.ones(self.n), where=total > self.cap)
        path_rate = np.zeros(len(self.origin))
        path_rate[self.at] = rate * over[self.flow]
        reason = np.where(bottleneck >= self.n_links, CAP, bottleneck)
        return np.minimum(total, self.cap), path_rate, reason[self.origin]


class Rounds:
    """Fills the links with the subflows, laid out once, and sets their weights anew."""

    def __init__(self, subflows: Subflows, backend: Backend | None = None) -> None:
        self.lock = threading.Lock()
        self._subflows, self._given = subflows, backend is not None
        share = subflows.first_shares()
        columns = AllocationProblem.from_arrays(weight=share * subflows.weight, **subflows.columns).columns
        self._work = work_s(columns)
        self._lay(columns, share, backend or backend_for(columns, self._work * BRISK.rounds))

    def _lay(self, columns: Columns, share: "NDArray[Any]", backend: Backend) -> None:
        subflows = self._subflows
        self._filled_exactly, self._clocked = backend.is_exact, subflows.clocked
        self._backend = backend = backends.interpreted() if backend.is_exact else backend
        self._columns = columns.arrays() if backend.is_compiled else columns.lists()
        if not self._filled_exactly:
            self._board = board = lay_board(backend, self._columns)
            self._blank = (board.rise, board.soon, board.mark, board.groups[3])

        def real(array: "NDArray[Any]") -> Any:
            return backend.column(array.astype("float64"))

        def whole(array: "NDArray[Any]") -> Any:
            return backend.column(array.astype("int32"))

        of, n, n_paths = subflows, subflows.n, len(subflows.flow)
        self._single = len(of.pair) == 0
        self.share: Any = real(share)
        self._first_share = self.share
        # As parts of the largest they can't overflow.
        self._weight = real(of.weight)
        weight = real(of.weight / of.weight.max(initial=TINY))
        self._first = whole(of.first)
        self._rows = (whole(of.indptr), whole(of.links), real(of.use), of.plain)
        self._flows = (self._first, real(of.pace), weight, whole(of.slice), real(of.capacity))
        self._pairs = (whole(of.differing), whole(of.more_at), real(of.more))
        self._price, self._cost = backend.reals(of.places), backend.reals(of.n_links)
        at_places = (backend.reals(of.places) for _ in range(3))
        self._scratch = (backend.whole(n_paths), backend.reals(n_paths), *at_places, backend.reals(n))
        self._gain, self._part, self._total = (backend.reals(size) for size in (n_paths, n_paths, n))

    def begin(self) -> None:
        """Go back to the first shares; in machine code if that pays by now."""
        if not (self._given or self._backend.is_compiled or self._filled_exactly):
            backend = backend_for(self._columns, self._work * BRISK.rounds)
            if backend.is_compiled:
                self._lay(self._columns, self._subflows.first_shares(), backend)
        self.share = self._backend.copied(self._first_share)
        self._price = self._backend.reals(len(self._price))

    def fill(self) -> Solution:
        """Fill with the shares as they are."""
        if self._single:
            return solve(self._columns, instants=self._clocked)
        backend, columns = self._backend, self._columns
        backend.run.weigh(self.share, self._weight, columns.weight)
        if self._filled_exactly:
            return solve_as(backends.exact(), columns, instants=self._clocked)
        board = self._board
        board.rise, board.soon, board.mark, share = map(backend.copied, self._blank)
        board.groups = (*board.groups[:3], share)
        backend.run.single_classes(
            *(columns.weight, columns.cap, board.floor_of(columns), board.floored, board.grouped),
            *(board.rise, board.wide, board.soon, board.mark, board.events, board.event),
        )
        solution = board.solve(columns, instant=backend.reals(len(columns.weight)) if self._clocked else None)
        charge(backend, self._work, solution)
        return solution

    def fill_exactly(self) -> Solution:
        """The same in fractions."""
        return solve_as(backends.exact(), self._columns)

    def change(self, solution: Solution) -> float:
        """By how much the totals differ from those when this was last asked, relatively and on average."""
        if self._single:
            return 0.0
        return float(self._backend.run.add_up(self._first, solution.rate, self._total))

    def reweigh(self, solution: Solution, tempo: Tempo, done: int) -> bool:
        """Set the shares anew, after so many rounds before that one; False if there is nothing to compare."""
        if self._single:
            return False
        run, now = self._backend.run, tempo.at(done)
        instant = solution.instant if self._clocked else self._backend.reals(0)
        filled = (self.share, solution.rate, solution.bottleneck, instant, self._clocked)
        if not run.price_places(self._rows, self._flows, filled, now, self._price, self._cost, self._scratch):
            return False
        run.move_shares(
            self._first, self._pairs, self._cost, now, self.share, solution.rate, self._gain, self._part
        )
        return True


def _ranges(start: "NDArray[Any]", length: "NDArray[Any]") -> "NDArray[Any]":
    """The numbers from each start, so many of them, one range after another."""
    import numpy as np

    ends = np.cumsum(length)
    numbers: NDArray[Any] = np.arange(length.sum()) + np.repeat(start - (ends - length), length)
    return numbers
