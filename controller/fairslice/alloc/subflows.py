"""The subflows of a multipath problem in arrays: how they fill the links, and how their weights are set anew.

The rule and its sources are in :mod:`fairslice.alloc.multipath`.
"""

from typing import TYPE_CHECKING, Any

from fairslice.alloc.problem import CAP, AllocationProblem
from fairslice.alloc.waterfilling import allocate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fairslice.alloc.multipath import MultipathProblem

TINY = 1e-300
"""Stands for zero where a logarithm is taken, or a quotient."""
_LEAST_SHARE = 1e-4
"""Of a flow's weight. A path is never given up, so that one that falls free is found again."""
_LARGEST_STEP = 0.5
"""Of a comparison of two paths, as a logarithm; a larger one overshoots."""
_STEEPEST = 24.0
"""The largest alpha. The price of a link would underflow where levels differ by decades."""
_ALPHA, _ALPHA_GROWS = 1.0, 1.0
"""In the first round, and by how much from each to the next."""
_FIRST_STEP, _LAST_STEP = 4.0, 0.7
"""How far comparisons move the shares."""
_SPAN = 25.0
"""Logarithms of levels are told apart this far from their mean."""
_LEAST_PRICE = 0.01
"""Of what a link is worth to the flows that it stops: prices are never zero, nor below."""


class Subflows:
    """A sound problem path by path in arrays, built once: T subflows of n flows; paths that are the same
    are one subflow. What can stop a subflow is a place: L links, n demands, and the limits of S slices."""

    def __init__(self, problem: "MultipathProblem") -> None:
        import numpy as np

        number = {link: index for index, link in enumerate(problem.capacities)}
        named = {name: index for index, name in enumerate(problem.slices)}
        paths: list[dict[str, float]] = []
        flow: list[int] = []
        origin: list[int] = []
        at: list[int] = []
        for index, one in enumerate(problem.flows):
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
        self.n, self.n_links = len(problem.flows), len(number)
        self.places = self.n_links + self.n + len(named)
        self.count = np.bincount(self.flow, minlength=self.n)
        self.links = np.array([number[link] for path in paths for link in path], dtype=np.int64)
        self.use = np.array([use for path in paths for use in path.values()], dtype=np.float64)
        lengths = np.array([len(path) for path in paths], dtype=np.int64)
        self.own = np.repeat(np.arange(len(paths)), lengths)
        self.along = _Rows(self.own, len(paths))
        self.plain = bool((self.use == 1).all())
        self.capacity = np.array(list(problem.capacities.values()), dtype=np.float64)
        self.weight = np.array([one.weight for one in problem.flows], dtype=np.float64)[self.flow]
        self.cap = np.array([one.cap for one in problem.flows], dtype=np.float64)
        floor = np.array([one.floor for one in problem.flows], dtype=np.float64)[self.flow]
        slices = [-1 if one.slice is None else named[one.slice] for one in problem.flows]
        self.slice = np.array(slices, dtype=np.int64)[self.flow]
        shares = np.array([share.weight for share in problem.slices.values()], dtype=np.float64)
        # The clock tells levels where flows do not simply rise at their weights.
        self.clocked = (bool(named) and not problem.per_flow) or bool(floor.any())
        self.pace = self.weight * (np.append(shares, 1.0)[self.slice] if problem.per_flow else 1.0)

        several = self.count > 1
        metered = np.flatnonzero(several & np.isfinite(self.cap))
        meter = np.full(self.n, -1, dtype=np.int64)
        meter[metered] = self.n_links + np.arange(len(metered))
        with_meter = np.flatnonzero(meter[self.flow] >= 0)
        ends = np.cumsum(lengths)[with_meter]
        # In a slice a link grants rates; so little is used of a meter that it is never the slowest.
        little = self.use.min(initial=1.0) * _LEAST_SHARE / 16 if named and not problem.per_flow else 1.0
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
            "slice_limit": np.array([s.limit for s in problem.slices.values()]) if named else None,
            "per_flow": problem.per_flow,
        }
        self._compare_paths()

    def _compare_paths(self) -> None:
        """Pair each subflow with all others of its flow; find of which links it uses how much more."""
        import numpy as np

        ends = np.cumsum(self.count)
        left = np.repeat(np.arange(len(self.flow)), self.count[self.flow])
        right = _ranges((ends - self.count)[self.flow], self.count[self.flow])
        self.pair, self.other = left[left != right], right[left != right]
        among = self.pair * len(self.flow) + self.other
        self.reverse = np.searchsorted(among, self.other * len(self.flow) + self.pair)
        lengths = np.bincount(self.own, minlength=len(self.flow))
        entry = _ranges((np.cumsum(lengths) - lengths)[self.pair], lengths[self.pair])
        pair = np.repeat(np.arange(len(self.pair)), lengths[self.pair])
        keys = self.own * self.n_links + self.links
        order = np.argsort(keys)
        wanted = self.other[pair] * self.n_links + self.links[entry]
        found = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        shared = np.where(keys[order][found] == wanted, self.use[order][found], 0.0) if len(keys) else 0.0
        more = self.use[entry] - shared
        self.differing, self.more = _Rows(pair[more > 0], len(self.pair)), more[more > 0]
        self.more_at = self.links[entry][more > 0]

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
        return self._shared((level / np.maximum(best, TINY)[self.flow]) ** 3)

    def fill(self, share: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]":
        """Allocate with these parts of the flows' weights: rate, level and bottleneck (T,)."""
        import numpy as np

        problem = AllocationProblem.from_arrays(weight=share * self.weight, **self.columns)
        allocation = allocate(problem, instants=self.clocked)
        level = allocation.rate / (share * self.pace)
        if allocation.instants is not None:
            level = np.asarray(allocation.instants, dtype=np.float64)
        return allocation.rate, level, allocation.bottleneck

    def next_shares(
        self,
        share: "NDArray[Any]",
        price: "NDArray[Any]",
        rate: "NDArray[Any]",
        level: "NDArray[Any]",
        bottleneck: "NDArray[Any]",
        done: int,
    ) -> "tuple[NDArray[Any], NDArray[Any]]":
        """The shares (T,) and prices (places,) for the round after one that gave these rates.

        Parameters
        ----------
        share, price
            Of that round; prices are 0 before the first.
        rate, level, bottleneck
            (T,) as :meth:`fill` gave them.
        done
            The number of rounds before that one: alpha rises with it, and steps shrink.
        """
        import numpy as np

        alpha = min(_ALPHA + _ALPHA_GROWS * done, _STEEPEST)
        step = max(_LAST_STEP, _FIRST_STEP / (1 + done / 10))
        reached = self.totals(share * level)
        if not reached.any():
            return share, price
        mean = np.log(reached[reached > 0]).mean()
        price = self._prices(share, price, self._places(bottleneck), reached, mean, alpha)
        costs = price.copy()
        open_ = np.flatnonzero(price[: self.n_links] == 0)
        load = np.bincount(self.links, weights=self.use * rate[self.own], minlength=self.n_links)[open_]
        room = self.capacity[open_]
        spare = np.divide(room, load, out=np.full(len(room), 1e3), where=load > room * 1e-3)
        costs[open_] = _LEAST_PRICE * self._worth(level.max() * spare, mean, alpha)

        cost = self.differing.sums(costs[self.more_at] * self.more)
        cheap = -np.log(np.maximum(cost, TINY)) / alpha
        better = np.clip(cheap - cheap[self.reverse], -_LARGEST_STEP, _LARGEST_STEP)
        total = self.totals(rate)[self.flow]
        part = np.divide(rate, total, out=share.copy(), where=total > 0)
        gain = np.bincount(self.pair, weights=better * np.sqrt(part[self.other]), minlength=len(share))
        return self._shared(share * np.exp(step * gain) * (part / share) ** 0.8), price

    def _prices(
        self,
        share: "NDArray[Any]",
        price: "NDArray[Any]",
        place: "NDArray[Any]",
        reached: "NDArray[Any]",
        mean: float,
        alpha: float,
    ) -> "NDArray[Any]":
        """(places,) What one more unit is worth at each place that is full; zero elsewhere."""
        import numpy as np

        def at_places(values: "NDArray[Any]") -> "NDArray[Any]":
            return np.bincount(place, weights=values, minlength=self.places)

        pushed = share * self.weight
        used = np.ones(len(share))
        if not self.plain:
            used = self.along.sums(self.use * (self.links == place[self.own]))
        used[place >= self.n_links] = 1.0
        stopped = at_places(pushed * used)
        full = stopped > 0
        stopped[~full] = 1.0
        worth = at_places(pushed * self._worth(reached, mean, alpha)[self.flow]) / stopped
        price = np.where(full, np.where(price > 0, price, worth), 0.0)
        limited = np.flatnonzero(self.slice >= 0)
        limit = self.n_links + self.n + self.slice[limited]
        for _ in range(2):
            along = self.along.sums(self.use * price[self.links])
            along += price[self.n_links + self.flow]
            along[limited] += price[limit]
            later = along - used * price[place]
            price = np.clip(worth - at_places(pushed * later) / stopped, _LEAST_PRICE * worth, worth)
        return price

    def _places(self, bottleneck: "NDArray[Any]") -> "NDArray[Any]":
        """(T,) The places that stop the subflows."""
        import numpy as np

        demand = (bottleneck == CAP) | (bottleneck >= self.n_links)
        place = np.where(demand, self.n_links + self.flow, bottleneck)
        limited = bottleneck < CAP
        place[limited] = self.n_links + self.n - 2 - bottleneck[limited]
        return place

    def _shared(self, share: "NDArray[Any]") -> "NDArray[Any]":
        """Shares that add up to 1 in each flow, none of them nothing."""
        import numpy as np

        for least in (0.0, _LEAST_SHARE):
            share = np.maximum(share, least)
            together = self.totals(share)[self.flow]
            share = np.where(together > 0, share / np.maximum(together, TINY), 1 / self.count[self.flow])
        return share

    @staticmethod
    def _worth(level: "NDArray[Any]", mean: float, alpha: float) -> "NDArray[Any]":
        """What a unit more is worth to a flow at that level, alpha-fairly; 1 at the mean level."""
        import numpy as np

        worth: NDArray[Any] = np.exp(-alpha * np.clip(np.log(np.maximum(level, TINY)) - mean, -_SPAN, _SPAN))
        return worth

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


class _Rows:
    """Values that stand row by row, to be added up in their rows, of which some may be empty."""

    def __init__(self, row: "NDArray[Any]", number: int) -> None:
        import numpy as np

        self.number, self.filled = number, np.flatnonzero(np.bincount(row, minlength=number))
        self.starts = np.searchsorted(row, self.filled)

    def sums(self, values: "NDArray[Any]") -> "NDArray[Any]":
        """(rows,) quicker than counting the values into bins."""
        import numpy as np

        sums = np.zeros(self.number)
        if len(self.filled):
            sums[self.filled] = np.add.reduceat(values, self.starts)
        return sums


def _ranges(start: "NDArray[Any]", length: "NDArray[Any]") -> "NDArray[Any]":
    """The numbers from each start, so many of them, one range after another."""
    import numpy as np

    ends = np.cumsum(length)
    numbers: NDArray[Any] = np.arange(length.sum()) + np.repeat(start - (ends - length), length)
    return numbers
