"""The loads of places: links, and limits of slices as links of all their flows.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.doubles import add, div, gather, mul, normal
from fairslice.alloc.kernel.records import (
    CAPACITY,
    CLIMBERS,
    COARSE,
    ERROR,
    FIRST,
    FORGIVEN,
    GROWTH,
    HELD,
    LENGTH,
    MARK,
    MOST,
    NEARLY,
    NEVER,
    OPEN,
    PLACE,
    RHO,
    RISING,
    ROOM,
    SEEN,
    TIE,
    TOUCHED,
    UNIT,
    USERS,
    WEIGHT,
    ZERO,
)


def growth_of(k, rise, wide, rated):
    """What a class adds to the growth of a place that it uses once."""
    c = wide * k
    if rated:
        return mul(rise[c + WEIGHT], rise[c + WEIGHT + 1], rise[c + RHO], rise[c + RHO + 1])
    return rise[c + WEIGHT], rise[c + WEIGHT + 1]


def begin(rows, classes, link, users_of, floored):
    """Bring all places to the instant 0, and count their classes."""
    indptr, indices, use, scaled = rows
    rise, wide, _, _, mark, rated = classes
    for k in range(len(indptr) - 1):
        g_hi, g_lo = growth_of(k, rise, wide, rated)
        rises = not floored or mark[MARK * k + CLIMBERS] > 0
        for i in range(indptr[k], indptr[k + 1]):
            at = PLACE * indices[i]
            if rises:
                x_hi, x_lo = g_hi, g_lo
                if scaled:
                    x_hi, x_lo = mul(g_hi, g_lo, use[i], ZERO)
                x_hi, x_lo = gather(link[at + GROWTH], link[at + GROWTH + 1], x_hi, x_lo)
                link[at + GROWTH], link[at + GROWTH + 1] = x_hi, x_lo
                link[at + RISING] += 1
            if floored:
                users_of[USERS * indices[i] + LENGTH] += 1
                x_hi, x_lo = rise[wide * k + HELD], rise[wide * k + HELD + 1]
                if scaled:
                    x_hi, x_lo = mul(x_hi, x_lo, use[i], ZERO)
                x_hi, x_lo = add(link[at + ROOM], link[at + ROOM + 1], -x_hi, -x_lo)
                link[at + ROOM], link[at + ROOM + 1] = x_hi, x_lo
    if not floored:
        # All of them rise.
        for p in range(len(users_of) // USERS):
            users_of[USERS * p + LENGTH] = int(link[PLACE * p + RISING])


def list_users(rows, link, users_of, users, cursor):
    """List the classes of every place; the first place that the floors overbook, or -1."""
    indptr, indices, _, _ = rows
    end = 0
    for p in range(len(users_of) // USERS):
        users_of[USERS * p + FIRST] = cursor[p] = end
        end += users_of[USERS * p + LENGTH]
    for k in range(len(indptr) - 1):
        for i in range(indptr[k], indptr[k + 1]):
            p = indices[i]
            users[cursor[p]] = k
            cursor[p] += 1
    for p in range(len(users_of) // USERS):
        at = PLACE * p
        link[at + MOST] = link[at + GROWTH]
        if link[at + ROOM] < -FORGIVEN * link[at + CAPACITY]:
            return p
    return -1


def is_coarse(p, link):
    """Whether too little is left of the growth of a place to be exact."""
    at = PLACE * p
    return link[at + RISING] > 0 and link[at + GROWTH] < COARSE * link[at + MOST]


def sum_growth(p, rows, classes, link, users_of, users):
    """Add up the growth of a place afresh."""
    indptr, indices, use, scaled = rows
    rise, wide, _, stop, mark, rated = classes
    hi, lo = ZERO, ZERO
    first = users_of[USERS * p + FIRST]
    for j in range(first, first + users_of[USERS * p + LENGTH]):
        k = users[j]
        if stop[k] == OPEN and mark[MARK * k + CLIMBERS] > 0:
            g_hi, g_lo = growth_of(k, rise, wide, rated)
            often = 0
            for i in range(indptr[k], indptr[k + 1]):
                often += indices[i] == p
            for i in range(indptr[k], indptr[k + 1]):
                if indices[i] == p:
                    # A class that uses the place twice is listed twice.
                    x_hi, x_lo = g_hi, g_lo
                    if scaled:
                        x_hi, x_lo = mul(g_hi, g_lo, use[i], ZERO)
                    x_hi, x_lo = div(x_hi, x_lo, often, ZERO)
                    hi, lo = add(hi, lo, x_hi, x_lo)
    at = PLACE * p
    link[at + GROWTH], link[at + GROWTH + 1], link[at + MOST] = hi, lo, hi


def fills_after(p, link):
    """About when a place is full if nothing happens before, and not later; 0 if that takes a closer look."""
    at = PLACE * p
    if link[at + RISING] == 0 or link[at + GROWTH] < COARSE * link[at + MOST]:
        return ZERO
    return (link[at + ROOM] + link[at + ROOM + 1]) / (link[at + GROWTH] + link[at + GROWTH + 1]) * NEARLY


def fills_at(p, now_hi, now_lo, link):
    """When a place is full if nothing happens before: now if it is already, perhaps never."""
    at = PLACE * p
    if link[at + CAPACITY] == NEVER:
        return NEVER, ZERO
    hi, lo = normal(link[at + ROOM], link[at + ROOM + 1])
    link[at + ROOM], link[at + ROOM + 1] = hi, lo
    if link[at + RISING] == 0:
        # Flows below their floors don't grow, and may be all that a full link has.
        if hi > TIE * link[at + CAPACITY]:
            return NEVER, ZERO
        return now_hi, now_lo
    if hi <= 0:
        return now_hi, now_lo
    g_hi, g_lo = normal(link[at + GROWTH], link[at + GROWTH + 1])
    hi, lo = div(hi, lo, g_hi, g_lo)
    if hi < now_hi or (hi == now_hi and lo < now_lo):
        return now_hi, now_lo
    return hi, lo


def take_shares(first, flow, share, rate, total, least):
    """Add up, for each place, the shares of flows' rates; ``least`` is the smallest of them above zero."""
    for x in range(len(first) - 1):
        hi, lo = ZERO, ZERO
        least[x] = NEVER
        for i in range(first[x], first[x + 1]):
            amount = share[i] * rate[flow[i]]
            if ZERO < amount < least[x]:
                least[x] = amount
            hi, lo = gather(hi, lo, amount, ZERO)
        total[x], _ = normal(hi, lo)


def move(k, hi, lo, now_hi, now_lo, full, error, grouped, rows, link, users_of, touched, counts):
    """Remove a class's growth from all of its places at this instant (or, below 0, add it), keeping the load
    reached."""
    indptr, indices, use, scaled = rows
    load_hi, load_lo = mul(hi, lo, now_hi, now_lo)
    step = 1 if full >= 0 else 0
    doubt = abs(hi) * error
    for i in range(indptr[k], indptr[k + 1]):
        p = indices[i]
        if p == full:
            continue
        at = PLACE * p
        x_hi, x_lo, y_hi, y_lo, e = load_hi, load_lo, hi, lo, doubt
        if scaled:
            x_hi, x_lo = mul(load_hi, load_lo, use[i], ZERO)
            y_hi, y_lo = mul(hi, lo, use[i], ZERO)
            e = doubt * use[i]
        if grouped:
            # Loads that come and go again may be much larger than the capacity.
            e += abs(x_hi) * UNIT
        x_hi, x_lo = gather(link[at + ROOM], link[at + ROOM + 1], -x_hi, -x_lo)
        link[at + ROOM], link[at + ROOM + 1] = x_hi, x_lo
        y_hi, y_lo = gather(link[at + GROWTH], link[at + GROWTH + 1], -y_hi, -y_lo)
        link[at + GROWTH], link[at + GROWTH + 1] = y_hi, y_lo
        link[at + RISING] -= step
        link[at + ERROR] += e
        if grouped:
            link[at + MOST] = max(link[at + MOST], y_hi)
            if users_of[USERS * p + SEEN] == 0:
                users_of[USERS * p + SEEN] = 1
                touched[counts[TOUCHED]] = p
                counts[TOUCHED] += 1
