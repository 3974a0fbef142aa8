"""What happens to classes: flows pass their floors, reach their caps, or stop at a full place.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.doubles import add, div, gather, mul
from fairslice.alloc.kernel.heap import leave
from fairslice.alloc.kernel.loads import growth_of, move
from fairslice.alloc.kernel.records import (
    AMOUNT,
    AT,
    CAPPED,
    CHANGE,
    CLIMBERS,
    DONE,
    END,
    ERROR,
    EVENT,
    FAR,
    FIRST,
    GROWTH,
    HAPPENING,
    LATER,
    LEFT,
    LENGTH,
    LEVEL,
    MARK,
    MOST,
    NEAR,
    NEVER,
    PLACE,
    QUIET,
    RHO,
    RISING,
    ROOM,
    SLACK,
    STAMP,
    UNIT,
    USERS,
    WARM,
    WEIGHT,
    WHOLE,
    ZERO,
)
from fairslice.alloc.kernel.rises import take


def set_next(k, rise, wide, soon, mark, rated, events, event):
    """Find when the next flow of a class passes its floor or reaches its cap."""
    e, c = mark[MARK * k + EVENT], wide * k
    hi, lo = NEVER, ZERO
    if e < events[k + 1]:
        hi, lo = event[HAPPENING * e + AT], event[HAPPENING * e + AT + 1]
        if rated and hi < NEVER:
            hi, lo = add(hi, lo, -rise[c + LEVEL], -rise[c + LEVEL + 1])
            hi, lo = div(hi, lo, rise[c + RHO], rise[c + RHO + 1])
    soon[k], rise[c + LATER] = hi, lo


def advance(k, until_hi, until_lo, error, rows, classes, events, event, link):
    """Let the flows of a class pass their floors and reach their caps, as far as that happens by an instant.

    Returns whether its places may be full sooner for it, and by what its weight among its siblings changes.
    """
    indptr, indices, use, scaled = rows
    rise, wide, soon, stop, mark, rated = classes
    c, m = wide * k, MARK * k
    held_hi, held_lo, rise_hi, rise_lo, gone_hi, gone_lo = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    rose, sooner, last = mark[m + CLIMBERS] > 0, False, ZERO
    while soon[k] < until_hi or (soon[k] == until_hi and rise[c + LATER] <= until_lo):
        e = HAPPENING * mark[m + EVENT]
        held_hi, held_lo = add(held_hi, held_lo, event[e + AMOUNT], ZERO)
        rise_hi, rise_lo = add(rise_hi, rise_lo, event[e + CHANGE], ZERO)
        if event[e + CHANGE] > 0:
            mark[m + CLIMBERS] += 1
            sooner = True
        else:
            mark[m + CLIMBERS] -= 1
            mark[m + LEFT] -= 1
            gone_hi, gone_lo = add(gone_hi, gone_lo, event[e + CHANGE], ZERO)
        last = soon[k]
        mark[m + EVENT] += 1
        set_next(k, rise, wide, soon, mark, rated, events, event)
    if mark[m + CLIMBERS] == 0:
        rise_hi, rise_lo = -rise[c + WEIGHT], -rise[c + WEIGHT + 1]
    rise[c + WEIGHT], rise[c + WEIGHT + 1] = add(rise[c + WEIGHT], rise[c + WEIGHT + 1], rise_hi, rise_lo)
    step = (1 if mark[m + CLIMBERS] > 0 else 0) - (1 if rose else 0)
    if rated:
        x_hi, x_lo = mul(rise_hi, rise_lo, rise[c + LEVEL], rise[c + LEVEL + 1])
        held_hi, held_lo = add(held_hi, held_lo, x_hi, x_lo)
        rise_hi, rise_lo = mul(rise_hi, rise_lo, rise[c + RHO], rise[c + RHO + 1])
    for i in range(indptr[k], indptr[k + 1]):
        at = PLACE * indices[i]
        a_hi, a_lo, b_hi, b_lo = held_hi, held_lo, rise_hi, rise_lo
        if scaled:
            a_hi, a_lo = mul(a_hi, a_lo, use[i], ZERO)
            b_hi, b_lo = mul(b_hi, b_lo, use[i], ZERO)
        if sooner:
            link[at + ERROR] += abs(b_hi) * error + abs(a_hi) * UNIT
        a_hi, a_lo = gather(link[at + ROOM], link[at + ROOM + 1], -a_hi, -a_lo)
        link[at + ROOM], link[at + ROOM + 1] = a_hi, a_lo
        b_hi, b_lo = gather(link[at + GROWTH], link[at + GROWTH + 1], b_hi, b_lo)
        link[at + RISING] += step
        link[at + GROWTH], link[at + GROWTH + 1] = b_hi, b_lo
        link[at + MOST] = max(link[at + MOST], b_hi)
    if mark[m + LEFT] == 0:
        stop[k], soon[k], rise[c + LATER] = CAPPED, DONE, last
    return sooner, gone_hi, gone_lo


def part(p, until_hi, soon, users_of, users, ends, picked):
    """Put the classes of a place whose next event may be near before the others; those that have stopped are
    forgotten."""
    first, bound, far = users_of[USERS * p + FIRST], until_hi + until_hi, NEVER
    near, others = first, 0
    # Without branches: who is near can't be predicted.
    for j in range(first, first + users_of[USERS * p + LENGTH]):
        k = users[j]
        hi = soon[k]
        users[near], picked[others] = k, k
        near += (hi >= 0) & (hi <= bound)
        others += hi > bound
        far = min(far, hi if hi > bound else NEVER)
    for m in range(others):
        users[near + m] = picked[m]
    users_of[USERS * p + NEAR], users_of[USERS * p + LENGTH] = near - first, near - first + others
    ends[END * p + FAR] = far


def reach_caps(p, until_hi, until_lo, rows, classes, events, event, link, users_of, users, ends, picked):
    """Let all flows at a place reach the caps that they reach by an instant; whether there were any."""
    if until_hi < ends[END * p + QUIET]:
        return False
    soon = classes[2]
    if until_hi >= ends[END * p + FAR]:
        part(p, until_hi, soon, users_of, users, ends, picked)
    at = USERS * p
    first, near, length = users_of[at + FIRST], users_of[at + NEAR], users_of[at + LENGTH]
    quiet, n, found = ends[END * p + FAR], 0, False
    for j in range(first, first + near):
        hi = soon[users[j]]
        picked[n] = j
        n += hi <= until_hi
        quiet = min(quiet, hi if hi > until_hi else NEVER)
    # Reads ahead, as in freeze.
    indptr, indices = rows[0], rows[1]
    warm = 0
    for m in range(n):
        k = users[picked[m]]
        warm += indices[indptr[k]]
    for m in range(n - 1, -1, -1):
        j = picked[m]
        k = users[j]
        if soon[k] >= 0:
            advance(k, until_hi, until_lo, ZERO, rows, classes, events, event, link)
            found = True
        if soon[k] >= 0:
            quiet = min(quiet, soon[k])
        else:
            near, length = near - 1, length - 1
            users[j] = users[first + near]
            users[first + near] = users[first + length]
    users_of[at + NEAR], users_of[at + LENGTH] = near, length
    picked[0] = warm
    ends[END * p + QUIET] = quiet
    return found


def freeze(
    p, now_hi, now_lo, error, alone, kinds, rows, classes, link, users_of, users, queue, groups, lists
):
    """Stop all classes at a full place; the largest relative error of their levels."""
    floored, grouped, eager = kinds
    indptr, indices, use, scaled = rows
    rise, wide, soon, stop, mark, rated = classes
    changed, _, touched, counts = lists
    n_places, serial = len(users_of) // USERS, users_of[USERS * p + STAMP]
    worst = error / now_hi if now_hi > 0 else ZERO
    first = users_of[USERS * p + FIRST]
    end = first
    warm = 0
    for j in range(first, first + users_of[USERS * p + LENGTH]):
        k = users[j]
        users[end] = k
        end += soon[k] >= 0
        # Prefetch: read together, their cache misses overlap; below they would be waited for one by one.
        warm += indices[indptr[k]] + (rise[wide * k + WEIGHT] > 0)
    counts[WARM] = warm
    for j in range(first, end):
        k = users[j]
        if soon[k] < 0:
            continue
        why = p
        if not alone:
            for i in range(indptr[k], indptr[k + 1]):
                if users_of[USERS * indices[i] + STAMP] == serial:
                    why = indices[i]
                    break
        stop[k], soon[k] = why, DONE
        c = wide * k
        g_hi, g_lo = growth_of(k, rise, wide, rated)
        if eager:
            leave(n_places + k, queue[0], queue[1], queue[2], counts)
        if grouped:
            take(k, -rise[c + WHOLE], -rise[c + WHOLE + 1], indptr, use, scaled, groups, changed, counts)
        if rated:
            hi, lo = mul(rise[c + RHO], rise[c + RHO + 1], now_hi, now_lo)
            hi, lo = add(rise[c + LEVEL], rise[c + LEVEL + 1], hi, lo)
            rise[c + LEVEL], rise[c + LEVEL + 1] = hi, lo
            slack = rise[c + SLACK] + abs(rise[c + RHO]) * error
            if slack > worst * hi:
                worst = slack / hi if hi > 0 else NEVER
        if not floored or mark[MARK * k + CLIMBERS] > 0:
            move(k, g_hi, g_lo, now_hi, now_lo, p, error, grouped, rows, link, users_of, touched, counts)
    return worst
