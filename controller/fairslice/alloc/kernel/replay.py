"""Filling again in an order that is known: what stopped each flow, and after which of the others.

While the order stays as it is, rates are linear in what the links carry, so that no heap and no search is
needed: an instant follows from those before it. One pass takes a small part of what filling takes. The
arithmetic is that of plain floats: whoever uses the rates has them confirmed by filling.

An event is a place that stops flows there (below ``n_places``), or a flow that reaches its cap (its number
behind them). What flows of slices inherit at an event is noted once, since it depends on the order alone.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends, other than
fractions: see :mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.records import NEVER

COARSE_PART = 2.0**-6
"""A sum of which less than this part is left is added up afresh."""
ROUNDING = 2.0**-52
"""What is set aside and what is taken differ by no more than rounding."""
NEAR_ENOUGH = 1e-13
"""Where they stop to come nearer, they are near enough if they differ by less than this."""


def weigh_group(j, weight, scaled, stopped, groups):
    """Add up the weights of a group's flows that rise."""
    _, group_first, members, member_use, _ = groups
    total = 0.0
    for n in range(group_first[j], group_first[j + 1]):
        k = members[n]
        if stopped[k] == 0:
            total += weight[k] * member_use[n] if scaled else weight[k]
    return total


def least_grant(k, indptr, group, granted, usual):
    """What the link grants a flow that grants it least; ``usual`` if none grants anything."""
    least, found = usual, False
    for i in range(indptr[k], indptr[k + 1]):
        if group[i] >= 0 and (not found or granted[group[i]] < least):
            least, found = granted[group[i]], True
    return least


def note_order(rows, users, flows, groups, order, sums, lists, noted):
    """Note what flows inherit at each event of an order; False if there is no room for all of it.

    ``rise`` of ``flows`` has what they rise at first without slices, and gets what they do with them.
    """
    indptr, _, use, scaled = rows
    user_first, user, _ = users
    weight, stop, rise, usual, stopped = flows
    group, group_first, members, _, share_of = groups
    total, largest, granted, listed = sums
    changed, dirty, due, rising = lists
    first, heir, more = noted
    n_places, n_groups, end = len(user_first) - 1, len(granted), 0
    for k in range(len(stopped)):
        stopped[k] = 0
    for j in range(n_groups):
        total[j] = largest[j] = weigh_group(j, weight, scaled, stopped, groups)
        granted[j] = share_of[j] / total[j] if total[j] > 0 else NEVER
    for k in range(len(rise)):
        rise[k] = rising[k] = least_grant(k, indptr, group, granted, usual[k])
    for e in range(len(order)):
        first[e] = end
        x, n_changed, n_dirty = order[e], 0, 0
        at, until = (user_first[x], user_first[x + 1]) if x < n_places else (0, 1)
        for m in range(at, until):
            k = user[m] if x < n_places else x - n_places
            if stopped[k] != 0 or (x < n_places and stop[k] != x):
                continue
            stopped[k] = 1
            for i in range(indptr[k], indptr[k + 1]):
                j = group[i]
                if j >= 0:
                    total[j] -= weight[k] * use[i] if scaled else weight[k]
                    if listed[j] == 0:
                        listed[j] = 1
                        changed[n_changed] = j
                        n_changed += 1
        for c in range(n_changed):
            j = changed[c]
            listed[j] = 0
            before = granted[j]
            if total[j] < COARSE_PART * largest[j]:
                total[j] = largest[j] = weigh_group(j, weight, scaled, stopped, groups)
            if total[j] > 0:
                granted[j] = share_of[j] / total[j]
            for m in range(group_first[j], group_first[j + 1]):
                k = members[m]
                if stopped[k] == 0 and rising[k] == before and due[k] == 0:
                    due[k] = 1
                    dirty[n_dirty] = k
                    n_dirty += 1
        if end + n_dirty > len(heir):
            return False
        for d in range(n_dirty):
            k = dirty[d]
            due[k] = 0
            now = least_grant(k, indptr, group, granted, usual[k])
            if now != rising[k]:
                heir[end], more[end] = k, now - rising[k]
                rising[k] = now
                end += 1
    first[len(order)] = end
    return True


def replay(users, scaled, flows, order, noted, left, work):
    """Find the rates where places carry ``left``, in a known order; False where that has no meaning."""
    user_first, user, user_use = users
    weight, cap, stop, rise, capped = flows
    first, heir, more = noted
    level, rising, stopped, rate = work
    n_places = len(user_first) - 1
    for k in range(len(rate)):
        level[k], rising[k], stopped[k] = 0.0, rise[k], capped[k]
        rate[k] = cap[k] if capped[k] != 0 else 0.0
    for e in range(len(order)):
        x = order[e]
        if x < n_places:
            room, growth = left[x], 0.0
            for m in range(user_first[x], user_first[x + 1]):
                k = user[m]
                use = user_use[m] if scaled else 1.0
                if stopped[k] != 0:
                    room -= use * rate[k]
                else:
                    room -= use * weight[k] * level[k]
                    growth += use * weight[k] * rising[k]
            if not growth > 0:
                return False
            now = room / growth
            for m in range(user_first[x], user_first[x + 1]):
                k = user[m]
                if stopped[k] == 0 and stop[k] == x:
                    rate[k], stopped[k] = max(weight[k] * (level[k] + rising[k] * now), 0.0), 1
        else:
            k = x - n_places
            now = (cap[k] / weight[k] - level[k]) / rising[k]
            rate[k], stopped[k] = cap[k], 1
        for i in range(first[e], first[e + 1]):
            k = heir[i]
            level[k] -= more[i] * now
            rising[k] += more[i]
    return True


def replay_until_agreed(users, scaled, flows, order, noted, left, work, returned, amounts, most):
    """Set aside what acknowledgements take, and find the rates, until both agree; False if they do not.

    ``amounts`` are what is set aside, by the rows of ``returned``: to begin with, and in the end.
    """
    first, flow, share, place, capacity, least, room = returned
    rate = work[3]
    before = NEVER
    for _ in range(most):
        for r in range(len(place)):
            if place[r] >= 0:
                left[place[r]] = max(capacity[r] - amounts[r], 0.0, least[r])
        if not replay(users, scaled, flows, order, noted, left, work):
            return False
        apart = 0.0
        for r in range(len(place)):
            if place[r] >= 0:
                taken = 0.0
                for i in range(first[r], first[r + 1]):
                    taken += share[i] * rate[flow[i]]
                taken = min(max(taken, 0.0), room[r])
                if capacity[r] > 0:
                    apart = max(apart, abs(taken - amounts[r]) / capacity[r])
                amounts[r] = taken
        if apart <= ROUNDING:
            return True
        if not apart < before / 2:
            return apart <= NEAR_ENOUGH
        before = apart
    return False
