"""Sets of links, as numbers: which rows of a table name the same set, and which sets hold which.

A table is in compressed sparse rows: row ``r`` has the keys ``key[ptr[r]:ptr[r + 1]]``, rising, at least one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

AT_ONCE = 2_000_000
"""How many pairs are looked at in one go; bounds the memory."""


def spans(start: "Array", length: "Array") -> tuple["Array", "Array"]:
    """Number the entries of spans: ``start[i] + 0, …, start[i] + length[i] - 1`` for every i.

    Returns
    -------
    tuple
        Of every entry the number of its span, and the entry.
    """
    import numpy as np

    span = np.repeat(np.arange(len(length)), length)
    before = np.cumsum(length) - length
    return span, np.arange(len(span)) - before[span] + start[span]


def parts(cost: "Array") -> Iterator[slice]:
    """Cut a list of things, each of so many pairs, into stretches of about :data:`AT_ONCE` pairs."""
    import numpy as np

    part = (np.cumsum(cost) - 1) // AT_ONCE
    cuts = [0, *(np.flatnonzero(np.diff(part)) + 1), len(cost)]
    for start, end in pairwise(cuts):
        if end > start:
            yield slice(int(start), int(end))


def whole_parts(group: "Array", cost: "Array") -> Iterator[slice]:
    """As :func:`parts`, but entries of one group, which stand together, are not cut apart."""
    import numpy as np

    if len(group):
        start = np.concatenate(([0], np.flatnonzero(np.diff(group)) + 1, [len(group)]))
        for part in parts(np.add.reduceat(cost, start[:-1])):
            yield slice(int(start[part.start]), int(start[part.stop]))


@dataclass(frozen=True)
class Sets:
    """The different sets in a table.

    Attributes
    ----------
    of
        (rows,) number of every row's set.
    ptr, key
        The sets as a table.
    keys
        How many keys there are.
    """

    of: "Array"
    ptr: "Array"
    key: "Array"
    keys: int

    @classmethod
    def among(cls, ptr: "Array", key: "Array", keys: int) -> "Sets":
        """Find them, in the time of a sort."""
        import numpy as np

        length = np.diff(ptr)
        of = np.zeros(len(length), np.int64)
        rows, used = np.arange(len(length)), 1
        # Rows with the same first j keys have the same number after j steps, and no others have.
        for j in range(int(length.max(initial=0))):
            rows = rows[length[rows] > j]
            _, number = np.unique(of[rows] * keys + key[ptr[rows] + j], return_inverse=True)
            of[rows] = used + number
            used += len(rows)
        _, first, of = np.unique(of, return_index=True, return_inverse=True)
        _, entry = spans(ptr[first], length[first])
        return cls(of, np.concatenate(([0], np.cumsum(length[first]))), key[entry], keys)

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def supersets(self, value: "Array", threshold: "Array") -> tuple["Array", "Array"]:
        """All pairs of a set q and a set c that holds it, itself included, with ``value[c] > threshold[q]``.

        Only sets that have q's rarest key are looked at: with n sets, of which at most m share the rarest key
        of any one, O(n·m) pairs. For paths that start at links of few flows m is small.

        Parameters
        ----------
        value
            (sets,); -1 for a set that is not asked for as a c.
        threshold
            (sets,) from 0 up; infinite for a set that is not asked for as a q.
        """
        import numpy as np

        c_of, c_entry = self._entries(np.flatnonzero(value >= 0))
        order = np.argsort(self.key[c_entry], kind="stable")
        holder = c_of[order]
        count = np.bincount(self.key[c_entry], minlength=self.keys)
        start = np.cumsum(count) - count

        asked = np.flatnonzero(threshold < np.inf)
        q_of, q_entry = self._entries(asked)
        fewest = np.full(len(self), np.iinfo(np.int64).max)
        np.minimum.at(fewest, q_of, count[self.key[q_entry]])
        rarest = np.zeros(len(self), np.int64)
        here = count[self.key[q_entry]] == fewest[q_of]
        rarest[q_of[here]] = self.key[q_entry[here]]

        q_found, c_found = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for part in parts(fewest[asked]):
            some = asked[part]
            q, entry = spans(start[rarest[some]], fewest[some])
            q, c = some[q], holder[entry]
            may = (value[c] > threshold[q]) & (self._mask[q] & ~self._mask[c] == 0)
            q, c = q[may], c[may]
            holds = self._holds(q, c)
            q_found.append(q[holds])
            c_found.append(c[holds])
        return np.concatenate(q_found), np.concatenate(c_found)

    def _entries(self, sets: "Array") -> tuple["Array", "Array"]:
        span, entry = spans(self.ptr[sets], self.ptr[sets + 1] - self.ptr[sets])
        return sets[span], entry

    @cached_property
    def _mask(self) -> "Array":
        """Of every set 64 bits of which each key sets one; most sets that lack a key lack its bit."""
        import numpy as np

        spread = self.key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(58)
        return np.bitwise_or.reduceat(np.uint64(1) << spread, self.ptr[:-1])

    @cached_property
    def _sorted(self) -> "Array":
        import numpy as np

        return np.repeat(np.arange(len(self)), np.diff(self.ptr)) * self.keys + self.key

    def _holds(self, q: "Array", c: "Array") -> "Array":
        """Whether each c has all keys of its q."""
        import numpy as np

        length = self.ptr[q + 1] - self.ptr[q]
        holds = np.ones(len(q), np.bool_)
        for part in parts(length):
            pair, entry = spans(self.ptr[q[part]], length[part])
            wanted = c[part][pair] * self.keys + self.key[entry]
            place = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
            holds[part.start + pair[self._sorted[place] != wanted]] = False
        return holds
