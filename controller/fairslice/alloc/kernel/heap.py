"""What happens next: a heap of numbers by their keys, in which a key may change.

Four entries below each, and the keys beside the entries, so that a step down reads one line of the cache.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.records import NEVER, WAITING


def climb(at, heap, sorted_, where):
    """Move an entry towards the top, as far as its key is smaller."""
    x, when = heap[at], sorted_[at]
    while at > 0:
        above = (at - 1) >> 2
        if not when < sorted_[above]:
            break
        heap[at], sorted_[at] = heap[above], sorted_[above]
        where[heap[at]] = at
        at = above
    heap[at], sorted_[at], where[x] = x, when, at


def sink(at, heap, sorted_, where, counts):
    """Move an entry away from the top, as far as its key is larger."""
    x, when, size = heap[at], sorted_[at], counts[WAITING]
    while True:
        below = 4 * at + 1
        if below >= size:
            break
        least = sorted_[below]
        for other in range(below + 1, min(below + 4, size)):
            if sorted_[other] < least:
                below, least = other, sorted_[other]
        if not least < when:
            break
        heap[at], sorted_[at] = heap[below], least
        where[heap[at]] = at
        at = below
    heap[at], sorted_[at], where[x] = x, when, at


def second(sorted_, counts):
    """The smallest key but one."""
    least = NEVER
    for at in range(1, min(5, counts[WAITING])):
        least = min(least, sorted_[at])
    return least


def leave(x, heap, sorted_, where, counts):
    """Take an entry off the heap, if it is there."""
    at = where[x]
    if at >= 0:
        where[x] = -1
        counts[WAITING] -= 1
        end = counts[WAITING]
        if at != end:
            last = heap[end]
            heap[at], sorted_[at], where[last] = last, sorted_[end], at
            climb(at, heap, sorted_, where)
            sink(where[last], heap, sorted_, where, counts)


def wait(x, when, heap, sorted_, where, key, counts):
    """Give an entry a key, and put it on the heap unless that is never."""
    key[x] = when
    if when == NEVER:
        leave(x, heap, sorted_, where, counts)
        return
    at = where[x]
    if at < 0:
        at = counts[WAITING]
        heap[at], where[x] = x, at
        counts[WAITING] += 1
    sorted_[at] = when
    climb(at, heap, sorted_, where)
    sink(where[x], heap, sorted_, where, counts)
