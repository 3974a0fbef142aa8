"""Flows of one slice over the same path are a class, and rise alike; the events of their flows in order."""

from typing import TYPE_CHECKING, Any

from fairslice.alloc.columns import Columns
from fairslice.alloc.kernel.backends import interpreted
from fairslice.alloc.kernel.records import AMOUNT, AT, CHANGE, HAPPENING

if TYPE_CHECKING:
    from numpy.typing import NDArray


def merge_rows(columns: Columns) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Find flows that use the same links alike, in the same order, in the same slice.

    Returns
    -------
    (n,) int32
        The class of every flow.
    (K,) int64
        The first flow of every class. Classes that begin and end with the same links have numbers next to
        each other, so that those that stop together lie together in memory.

    Notes
    -----
    Rows are compared by a hash, and then each with the first of its class, so the answer does not depend on
    luck; should two different rows ever have the same hash, the later one becomes a class of its own.
    """
    import numpy as np

    c = columns.arrays()
    indptr, indices = np.asarray(c.indptr), np.asarray(c.indices)
    n, length = len(indptr) - 1, np.diff(indptr)
    start = indptr[:-1].astype(np.int64)
    position = np.arange(len(indices)) - np.repeat(start, length)
    word = _mixed(indices.astype(np.uint64) + (position.astype(np.uint64) << np.uint64(32)))
    use = None if c.coefficient is None else np.asarray(c.coefficient)
    if use is not None:
        word = _mixed(word ^ use.view(np.uint64))
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(word, dtype=np.uint64)])
    code = total[indptr[1:]] - total[indptr[:-1]]
    of_slice = np.full(n, -1, np.int32) if c.slice is None else np.asarray(c.slice)
    code = _mixed(code ^ (of_slice.astype(np.int64).view(np.uint64) << np.uint64(20)))
    _, first, of_class = np.unique(code, return_index=True, return_inverse=True)
    # A hash may err: what differs from the first of its class is set apart.
    model = first[of_class]
    differs = (length != length[model]) | (of_slice != of_slice[model])
    row = np.repeat(np.arange(n), length)
    alike = ~differs[row]
    other = (start[model[row]] + position)[alike]
    unequal = indices[alike] != indices[other]
    if use is not None:
        unequal |= use[alike] != use[other]
    differs[row[alike][unequal]] = True
    alone = np.flatnonzero(differs)
    of_class[alone] = len(first) + np.arange(len(alone))
    first = np.concatenate([first, alone])
    some = length[first] > 0
    ends = np.full((2, len(first)), -1)
    ends[0, some], ends[1, some] = indices[start[first[some]]], indices[indptr[1:][first[some]] - 1]
    order = np.lexsort((first, ends[1], ends[0]))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    return rank[of_class], first[order]


def _mixed(x: "NDArray[Any]") -> "NDArray[Any]":
    """Scramble 64 bits (the finaliser of splitmix64, Steele, Lea and Flood, OOPSLA 2014)."""
    import numpy as np

    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[Any] = x ^ (x >> np.uint64(31))
    return mixed


def events_in_order(
    of_class: "NDArray[Any]",
    weight: "NDArray[Any]",
    cap: "NDArray[Any]",
    floor: "NDArray[Any] | None",
) -> "NDArray[Any]":
    """The events of flows, class by class and in the order of levels: one for the cap of every flow, and one
    for its floor if there are floors.

    Those that never happen stand at the end of their class, at an infinite level. The result is flat, in
    records of :mod:`fairslice.alloc.kernel.records`.
    """
    import numpy as np

    slots = np.zeros((len(weight) * (1 if floor is None else 2), HAPPENING))
    owner = of_class
    if floor is not None:
        # Floors first: a flow whose floor is its cap passes the one before it reaches the other.
        owner = np.concatenate([of_class, of_class])
        _fill(slots[: len(weight)], np.where(floor > 0, floor, np.inf), weight, -1.0)
    _fill(slots[-len(weight) :] if len(weight) else slots, cap, weight, 1.0)
    order = np.lexsort((slots[:, AT + 1], slots[:, AT], owner))
    return slots[order].ravel()


def _fill(slots: "NDArray[Any]", amount: "NDArray[Any]", weight: "NDArray[Any]", sign: float) -> None:
    import numpy as np

    finite = np.isfinite(amount)
    slots[:, AT] = np.inf
    slots[finite, AT], slots[finite, AT + 1] = interpreted().run.ratio(amount[finite], weight[finite])
    slots[finite, AMOUNT] = sign * amount[finite]
    slots[:, CHANGE] = -sign * weight
