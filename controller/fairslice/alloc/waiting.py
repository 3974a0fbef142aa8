"""What happens next: a binary heap of numbers by their keys, in which a key may change.

Part of the source that :mod:`fairslice.alloc.guise` runs in several guises: see
:mod:`fairslice.alloc.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.records import NEVER, WAITING


def rise_up(at, heap, where, key):
    """Move an entry towards the top, as far as its key is smaller."""
    x = heap[at]
    while at > 0:
        above = (at - 1) // 2
        if not key[x] < key[heap[above]]:
            break
        heap[at] = heap[above]
        where[heap[at]] = at
        at = above
    heap[at] = x
    where[x] = at


def sink(at, heap, where, key, counts):
    """Move an entry away from the top, as far as its key is larger."""
    x, size = heap[at], counts[WAITING]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and key[heap[below + 1]] < key[heap[below]]:
            below += 1
        if not key[heap[below]] < key[x]:
            break
        heap[at] = heap[below]
        where[heap[at]] = at
        at = below
    heap[at] = x
    where[x] = at


def leave(x, heap, where, key, counts):
    """Take an entry off the heap, if it is there."""
    at = where[x]
    if at >= 0:
        where[x] = -1
        counts[WAITING] -= 1
        last = heap[counts[WAITING]]
        if last != x:
            heap[at] = last
            where[last] = at
            rise_up(at, heap, where, key)
            sink(where[last], heap, where, key, counts)


def wait(x, when, heap, where, key, counts):
    """Give an entry a key, and put it on the heap unless that is never."""
    if when == NEVER:
        leave(x, heap, where, key, counts)
        key[x] = when
        return
    key[x] = when
    if where[x] < 0:
        where[x] = counts[WAITING]
        heap[where[x]] = x
        counts[WAITING] += 1
    rise_up(where[x], heap, where, key)
    sink(where[x], heap, where, key, counts)
