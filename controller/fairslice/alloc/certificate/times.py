r"""Bounds on when water-filling stopped the flows of slices, from their rates alone.

The words and the reasoning are those of :mod:`.certify`. A *key* is a slice at a link; a
slice's flows that use no link share one of their own. All sums are of positive terms in long doubles.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fairslice.alloc.certificate.link_sets import Sets, spans, whole_parts
from fairslice.alloc.columns import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class SliceTimes:
    """What rates tell of the m flows that share by the hierarchy.

    Attributes
    ----------
    flow
        (m,) their numbers in the problem; below, flows go by their place here.
    rate, weight, share
        (m,) long doubles: their rates, their weights, and the weights of their slices.
    hidden
        (m,) whether the flow's level is not seen, the flow being under its floor or just at it.
    ptr, key, use
        (m + 1,), (nnz,), (nnz,): the keys of every flow, rising, none twice, and what it uses there.
    key_link, key_share
        (K,) link of every key, or the number of links for flows without, and its slice's weight.
    stops
        Which links can stop each flow, those that grant no rate included.

    Keys are of links that grant rates.
    """

    flow: "Array"
    rate: "Array"
    weight: "Array"
    share: "Array"
    hidden: "Array"
    ptr: "Array"
    key: "Array"
    use: "Array"
    key_link: "Array"
    key_share: "Array"
    stops: Sets

    @classmethod
    def of(cls, columns: Columns, flow: "Array", rate: "Array", hidden: "Array") -> "SliceTimes":
        """Those of the flows ``flow`` of columns in arrays; ``rate`` and ``hidden`` are of all flows."""
        import numpy as np

        indptr, links = np.asarray(columns.indptr), len(columns.capacity)
        slice_ = np.asarray(columns.slice)[flow]
        row, entry = spans(indptr[flow], indptr[flow + 1] - indptr[flow])
        link = np.asarray(columns.indices)[entry]
        use = np.ones(len(entry)) if columns.coefficient is None else np.asarray(columns.coefficient)[entry]
        grants = link < links - columns.rooms
        nowhere = np.setdiff1d(np.arange(len(flow)), row[grants])
        stops = _links_of(
            np.concatenate((row, nowhere)),
            np.concatenate((link, np.full(len(nowhere), links))),
            links,
            slice_,
        )
        row, link = (
            np.concatenate((row[grants], nowhere)),
            np.concatenate((link[grants], np.full(len(nowhere), links))),
        )
        use = np.concatenate((use[grants], np.ones(len(nowhere))))

        slice_link, key = np.unique(slice_[row] * (links + 1) + link, return_inverse=True)
        keys = len(slice_link)
        row_key, place = np.unique(row * keys + key, return_inverse=True)
        # A link that stands twice in a path is used by the sum.
        summed = np.zeros(len(row_key), np.longdouble)
        np.add.at(summed, place, use)
        share = np.asarray(columns.slice_weight, np.longdouble)
        return cls(
            flow=flow,
            rate=rate[flow],
            weight=np.asarray(columns.weight, np.longdouble)[flow],
            share=share[slice_],
            hidden=hidden[flow],
            ptr=np.searchsorted(row_key, np.arange(len(flow) + 1) * keys),
            key=row_key % keys,
            use=summed,
            key_link=slice_link % (links + 1),
            key_share=share[slice_link // (links + 1)],
            stops=stops,
        )

    def at_least(self, place: "Array", flow: "Array", times: "Array") -> None:
        """Raise ``times`` of places to no earlier than when the last of these flows stopped there.

        Parameters
        ----------
        place, flow
            (uses,) each: this flow is at that place; duplicates are ignored.
        times
            (places,) long doubles.
        """
        import numpy as np

        keys, length = len(self.key_link), np.diff(self.ptr)
        place, flow = np.divmod(np.unique(place * len(self.flow) + flow), max(len(self.flow), 1))
        for part in whole_parts(place, length[flow]):
            here, entry = spans(self.ptr[flow[part]], length[flow[part]])
            place_key, which = np.unique(place[part][here] * keys + self.key[entry], return_inverse=True)
            pushed = np.zeros(len(place_key), np.longdouble)
            np.add.at(pushed, which, self.use[entry] * self._level[flow[part]][here])
            np.maximum.at(times, place_key // keys, pushed / self.key_share[place_key % keys])

    @cached_property
    def at_most(self) -> "Array":
        """(m,) no later than this did each flow stop if it was not at its cap."""
        import numpy as np

        together = np.zeros(len(self.key_link), np.longdouble)
        np.add.at(together, self.key, self.use * self.weight[self._row])
        pushed = self._per_weight * np.maximum.reduceat(together[self.key], self.ptr[:-1])
        granting = np.flatnonzero(self._granting[self.key])
        # Granting keys of one flow have the same flows, which use the same of them: any is as good.
        flow, first = np.unique(self._row[granting], return_index=True)
        grant = self.key[granting[first]]
        held = np.zeros(len(self.key_link), np.longdouble)
        np.add.at(held, self.key, self.use * self.rate[self._row])
        pushed[flow] = np.minimum(pushed[flow], held[grant])
        self._under_floors(flow, grant, held, pushed)
        return pushed / self.share

    def behind(self, over: Any) -> "Array":
        """(m,) whether a flow has less for its weight, by more than ``over`` times, than its leader."""
        behind: Array = self._most > self._per_weight * over
        return behind

    def leader(self, flow: int) -> int:
        """The sibling above its floor, using all of a flow's links, that has the most for its weight."""
        import numpy as np

        alike = np.flatnonzero((self.stops.of == self._leading[self.stops.of[flow]]) & ~self.hidden)
        return int(alike[np.argmax(self._per_weight[alike])])

    @cached_property
    def _row(self) -> "Array":
        """(nnz,) the flow of every entry of the table."""
        import numpy as np

        return np.repeat(np.arange(len(self.flow)), np.diff(self.ptr))

    @cached_property
    def _per_weight(self) -> "Array":
        return self.rate / self.weight

    @cached_property
    def _seen(self) -> "Array":
        """(sets,) the most for its weight that a flow above its floor has in each set; -1 without one."""
        import numpy as np

        seen = np.flatnonzero(~self.hidden)
        most = np.full(len(self.stops), np.longdouble(-1))
        np.maximum.at(most, self.stops.of[seen], self._per_weight[seen])
        return most

    @cached_property
    def _leading(self) -> "Array":
        """(sets,) which of the sets that hold each set has the flow with the most for its weight."""
        import numpy as np

        q, c = self.stops.supersets(self._seen, np.maximum(self._seen, 0))
        order = np.lexsort((self._seen[c], q))
        leading = np.arange(len(self.stops))
        leading[q[order]] = c[order]
        return leading

    @cached_property
    def _most(self) -> "Array":
        """(m,) what the leader of each flow has for its weight; 0 without one."""
        import numpy as np

        return np.maximum(self._seen[self._leading], 0)[self.stops.of]

    @cached_property
    def _level(self) -> "Array":
        """(m,) no less than this was the level of each flow when it stopped."""
        import numpy as np

        return np.where(self.hidden, np.minimum(self.rate, self.weight * self._most), self.rate)

    @cached_property
    def _granting(self) -> "Array":
        """(K,) whether this link grants the rise of all the slice's flows here, whoever of them has stopped.

        It does if on every other link of theirs the slice has no flows but them, and none uses more of it.
        """
        import numpy as np

        keys, length = len(self.key_link), np.diff(self.ptr)
        size = np.bincount(self.key, minlength=keys)
        largest = np.maximum.reduceat(size[self.key], self.ptr[:-1])
        granting = np.ones(keys, np.bool_)
        granting[self.key[largest[self._row] > size[self.key]]] = False

        entry_of = np.argsort(self.key, kind="stable")
        entry_of = entry_of[granting[self.key[entry_of]]]
        grant, flow = self.key[entry_of], self._row[entry_of]
        for part in whole_parts(grant, length[flow]):
            here, entry = spans(self.ptr[flow[part]], length[flow[part]])
            within = self.use[entry] <= self.use[entry_of[part]][here]
            pair, which = np.unique(grant[part][here] * keys + self.key[entry], return_inverse=True)
            number = np.bincount(which, weights=within, minlength=len(pair))
            granting[pair[number < size[pair % keys]] // keys] = False
        return granting

    def _under_floors(self, flow: "Array", grant: "Array", held: "Array", pushed: "Array") -> None:
        """Lower ``pushed`` where floors hide that siblings had risen to less than they hold.

        ``grant`` is the granting key of each flow of ``flow``, and ``held`` what a key's flows hold together.
        """
        import numpy as np

        sets, per_weight = self.stops, self._per_weight
        hidden = np.flatnonzero(self.hidden)
        highest = np.full(len(sets), np.longdouble(-1))
        np.maximum.at(highest, sets.of[hidden], per_weight[hidden])
        lowest = np.full(len(sets), np.longdouble(np.inf))
        np.minimum.at(lowest, sets.of[flow], per_weight[flow])
        q, c = sets.supersets(highest, lowest)
        if not len(q):
            return
        order = np.argsort(q, kind="stable")
        q, c = q[order], c[order]
        hidden_in = _Groups.by(sets.of[hidden], hidden, len(sets))
        asking_in = _Groups.by(sets.of[flow], flow, len(sets))
        grant_of = np.full(len(sets), -1)
        grant_of[sets.of[flow]] = grant
        at_key = _Groups.by(self.key, np.arange(len(self.key)), len(held))
        cuts = np.flatnonzero(np.diff(q)) + 1
        for set_, holders in zip(q[np.concatenate(([0], cuts))], np.split(c, cuts), strict=True):
            key, asking = grant_of[set_], asking_in[set_]
            under = np.concatenate([hidden_in[c] for c in holders])
            under = under[np.argsort(per_weight[under])]
            use = self.use[np.searchsorted(self._flow_key, under * len(held) + key)]
            hold, weigh = use * self.rate[under], use * self.weight[under]
            rest = held[key] - hold.sum()
            if rest < held[key] / 2:
                # Too little is left to be found as a difference.
                entry = at_key[key]
                entry = entry[~np.isin(self._row[entry], under)]
                rest = (self.use[entry] * self.rate[self._row[entry]]).sum()
            low = np.concatenate(([np.longdouble(0)], np.cumsum(hold)))
            high = np.concatenate((np.cumsum(weigh[::-1])[::-1], [np.longdouble(0)]))
            level = per_weight[asking]
            met = np.searchsorted(per_weight[under], level, side="right")
            pushed[asking] = np.minimum(pushed[asking], rest + low[met] + level * high[met])

    @cached_property
    def _flow_key(self) -> "Array":
        return self._row * len(self.key_link) + self.key


def _links_of(row: "Array", link: "Array", links: int, slice_: "Array") -> Sets:
    """Which links of its slice each flow uses; slices have none in common."""
    import numpy as np

    slice_link, key = np.unique(slice_[row] * (links + 1) + link, return_inverse=True)
    keys = max(len(slice_link), 1)
    row_key = np.unique(row * keys + key)
    ptr = np.searchsorted(row_key, np.arange(len(slice_) + 1) * keys)
    return Sets.among(ptr, row_key % keys, keys)


@dataclass(frozen=True)
class _Groups:
    """Values by the number of their group."""

    ptr: "Array"
    value: "Array"

    @classmethod
    def by(cls, group: "Array", value: "Array", groups: int) -> "_Groups":
        import numpy as np

        count = np.bincount(group, minlength=groups)
        return cls(np.concatenate(([0], np.cumsum(count))), value[np.argsort(group, kind="stable")])

    def __getitem__(self, group: int) -> "Array":
        return self.value[self.ptr[group] : self.ptr[group + 1]]
