r"""The inner loop of water-filling: one source, run by Python as it stands or compiled by numba.

It is plain Python over flat sequences, for three backends (:mod:`.backends` makes them): with
lists of floats; compiled, with arrays of floats; and with lists of fractions, where the arithmetic of
:mod:`~fairslice.alloc.kernel.doubles` is replaced by that of fractions. So it may use no names but numbers
and functions of the modules that are part of it.

**The clock.** Flows of one slice over the same path form a *class* and rise alike. Between two instants the
level of class k is a straight line :math:`\alpha_k + \rho_k t`, a flow of weight w holds w times that unless
it is below its floor or at its cap, and so the load of a link is a straight line too. Each link keeps what
it needs of that line: its *room* (the capacity without all that doesn't depend on t) and its *growth*, so it
is full at room / growth. A change of a rise at the instant t moves growth x to x·t of load. Without slices
:math:`\rho` is 1 for good, :math:`\alpha` is 0, and the clock is the level of textbooks.

**What happens next** is on a heap: links by when they fill up, and classes by when their next flow passes its
floor or reaches its cap. Freezing makes a link fill up later, so its key may be too early: it is looked
at again when it comes up. What makes a link fill up sooner (a floor passed, a rise inherited) pushes a new
key. Without slices a flow that reaches its cap can't make any link fill up sooner; then caps are
not on the heap but looked at link by link, when it is the next to fill up: all flows there whose cap is
reached by then are at their cap, and most other caps are never looked at.

**The arithmetic** is that of :mod:`fairslice.alloc.kernel.doubles`: pairs of floats, about 32 digits. A
small remainder of a large link keeps its digits, and instants that coincide on paper coincide here. A
running bound of the error (first order, as in [1]_) goes with the rooms, the levels and the clock, so that
the caller knows how far to trust the answer.

References
----------
.. [1] N. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., SIAM 2002, §3.3.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.doubles import add, mul
from fairslice.alloc.kernel.flow_events import advance, freeze, reach_caps, set_next
from fairslice.alloc.kernel.heap import leave, second, sink, wait
from fairslice.alloc.kernel.loads import begin, fills_after, fills_at, is_coarse, list_users, move, sum_growth
from fairslice.alloc.kernel.records import (
    CAPACITY,
    CLIMBERS,
    DIRTY,
    DONE,
    END,
    ERROR,
    FULL,
    GIVEN_UP,
    GROWTH,
    LATER,
    LENGTH,
    MARGIN,
    MARK,
    MOST_STEPS,
    NEVER,
    OPEN,
    PER_USE,
    PLACE,
    RHO,
    RISING,
    ROOM,
    SEEN,
    SLACK,
    STAMP,
    STEPS,
    TIE,
    TOUCHED,
    UNIT,
    USERS,
    WAITING,
    WEIGHT,
    WHOLE,
    ZERO,
)
from fairslice.alloc.kernel.rises import begin_rises, inherit, list_heirs, take


def water_fill(rows, classes, events, event, link, users_of, users, ends, groups, lists, queue, kinds):
    """Fill until every flow has stopped.

    Returns the number of the first place that the floors overbook, or -1, and the largest relative error that
    a level may have; GIVEN_UP in place of a number once it has taken more steps than it may.
    """
    floored, grouped, eager = kinds
    indptr, indices, use, scaled = rows
    rise, wide, soon, stop, mark, rated = classes
    changed, dirty, touched, counts = lists
    heap, sorted_, where, key, batch, batch_hi, batch_lo, picked = queue
    n_places, n_classes = len(users_of) // USERS, len(indptr) - 1
    if grouped:
        begin_rises(rows, classes, groups, lists)
    if rated:
        for k in range(n_classes):
            set_next(k, rise, wide, soon, mark, rated, events, event)
    begin(rows, classes, link, users_of, floored)
    overbooked = list_users(rows, link, users_of, users, where)
    if overbooked >= 0:
        return overbooked, ZERO
    now_hi, now_lo, worst = ZERO, ZERO, ZERO
    for x in range(len(where)):
        where[x] = -1
        if x >= n_places:
            key[x] = soon[x - n_places]
        elif users_of[USERS * x + LENGTH] > 0:
            key[x] = max(fills_after(x, link), ZERO)
        if key[x] < NEVER:
            n = counts[WAITING]
            heap[n], sorted_[n], where[x] = x, key[x], n
            counts[WAITING] = n + 1
    for at in range((counts[WAITING] + 2) // 4, -1, -1):
        if at < counts[WAITING]:
            sink(at, heap, sorted_, where, counts)
    serial, capped = 0, not eager and events[n_classes] > 0
    while counts[WAITING] > 0:
        # All that may come next, by the leading digits.
        bound = sorted_[0] + sorted_[0] * MARGIN
        next_hi, next_lo = NEVER, ZERO
        size = 0
        while counts[WAITING] > 0 and sorted_[0] <= bound:
            x = heap[0]
            if x < n_places:
                hi = fills_after(x, link)
                if hi > bound:
                    key[x] = sorted_[0] = hi
                    sink(0, heap, sorted_, where, counts)
                    continue
                if is_coarse(x, link):
                    sum_growth(x, rows, classes, link, users_of, users)
                hi, lo = fills_at(x, now_hi, now_lo, link)
            else:
                c = wide * (x - n_places)
                hi, lo = soon[x - n_places], rise[c + LATER]
                if hi < now_hi or (hi == now_hi and lo < now_lo):
                    hi, lo = now_hi, now_lo
            if hi > bound:
                wait(x, hi, heap, sorted_, where, key, counts)
                continue
            batch[size], batch_hi[size], batch_lo[size] = x, hi, lo
            size += 1
            if hi < next_hi or (hi == next_hi and lo < next_lo):
                next_hi, next_lo = hi, lo
            if second(sorted_, counts) > bound:
                # It stays where it is until it is known what becomes of it.
                break
            leave(x, heap, sorted_, where, counts)
        if size == 0:
            continue
        now_hi, now_lo = next_hi, next_lo
        until_hi, until_lo = add(now_hi, now_lo, now_hi * TIE, ZERO)
        serial += 1
        error, due = ZERO, 0
        for n in range(size):
            x, hi, lo = batch[n], batch_hi[n], batch_lo[n]
            if hi > until_hi or (hi == until_hi and lo > until_lo):
                wait(x, hi, heap, sorted_, where, key, counts)
                continue
            batch[due] = x
            due += 1
            if x >= n_places:
                c = wide * (x - n_places)
                if rated and rise[c + SLACK] > error * rise[c + RHO]:
                    error = rise[c + SLACK] / rise[c + RHO]
            elif link[PLACE * x + RISING] > 0:
                at = PLACE * x
                doubt = link[at + ERROR] + UNIT * max(link[at + CAPACITY], abs(link[at + ROOM]))
                if doubt > error * link[at + GROWTH]:
                    error = doubt / link[at + GROWTH]
        if eager:
            for n in range(due):
                x = batch[n]
                if x >= n_places:
                    k = x - n_places
                    sooner, gone_hi, gone_lo = advance(
                        k, until_hi, until_lo, error, rows, classes, events, event, link
                    )
                    if stop[k] == OPEN:
                        wait(x, soon[k], heap, sorted_, where, key, counts)
                    else:
                        leave(x, heap, sorted_, where, counts)
                    if grouped and gone_hi != 0:
                        c = wide * k
                        hi, lo = add(rise[c + WHOLE], rise[c + WHOLE + 1], gone_hi, gone_lo)
                        rise[c + WHOLE], rise[c + WHOLE + 1] = hi, lo
                        take(k, gone_hi, gone_lo, indptr, use, scaled, groups, changed, counts)
                    if sooner:
                        for i in range(indptr[k], indptr[k + 1]):
                            hi, lo = fills_at(indices[i], now_hi, now_lo, link)
                            if hi < key[indices[i]]:
                                wait(indices[i], hi, heap, sorted_, where, key, counts)
        full, reached = 0, False
        for n in range(due):
            x = batch[n]
            if x < n_places:
                if capped and reach_caps(
                    x, until_hi, until_lo, rows, classes, events, event, link, users_of, users, ends, picked
                ):
                    reached = True
                # A flow that another link of this instant has found at its cap may be one of this link, too.
                if reached:
                    hi, lo = fills_at(x, now_hi, now_lo, link)
                    if hi > until_hi or (hi == until_hi and lo > until_lo):
                        wait(x, hi, heap, sorted_, where, key, counts)
                        continue
                batch[full] = x
                full += 1
                leave(x, heap, sorted_, where, counts)
                key[x] = DONE
                users_of[USERS * x + STAMP] = serial
                ends[END * x + FULL], ends[END * x + FULL + 1] = now_hi, now_lo
        for n in range(full):
            doubt = freeze(
                *(batch[n], now_hi, now_lo, error, full == 1, kinds, rows, classes, link, users_of),
                *(users, queue, groups, lists),
            )
            worst = max(worst, doubt)
        if grouped:
            list_heirs(rows, classes, groups, lists)
            for n in range(counts[DIRTY]):
                k = dirty[n]
                counts[STEPS] += PER_USE * (indptr[k + 1] - indptr[k])
                hi, lo = inherit(k, now_hi, now_lo, error, rows, classes, groups)
                if hi != 0:
                    set_next(k, rise, wide, soon, mark, rated, events, event)
                    wait(n_places + k, soon[k], heap, sorted_, where, key, counts)
                    if mark[MARK * k + CLIMBERS] > 0:
                        c = wide * k
                        hi, lo = mul(hi, lo, rise[c + WEIGHT], rise[c + WEIGHT + 1])
                        move(
                            k,
                            -hi,
                            -lo,
                            now_hi,
                            now_lo,
                            -1,
                            error,
                            True,
                            rows,
                            link,
                            users_of,
                            touched,
                            counts,
                        )
            counts[DIRTY] = 0
            if 0 <= counts[MOST_STEPS] < counts[STEPS]:
                return GIVEN_UP, ZERO
        for n in range(counts[TOUCHED]):
            p = touched[n]
            users_of[USERS * p + SEEN] = 0
            if key[p] != DONE:
                if is_coarse(p, link):
                    sum_growth(p, rows, classes, link, users_of, users)
                hi, lo = fills_at(p, now_hi, now_lo, link)
                if hi < key[p]:
                    wait(p, hi, heap, sorted_, where, key, counts)
        counts[TOUCHED] = 0
    return -1, worst
