"""How the weights of subflows are set anew, round by round; see :mod:`fairslice.alloc.multipath.free`.

Part of the source that :mod:`.backends` runs with several backends, other than fractions: see
:mod:`fairslice.alloc.kernel.filling`.

What can stop a subflow is a place: L links, n demands, and limits of slices.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from math import exp, log, sqrt

LEAST_SHARE = 1e-5
"""Of a flow's weight. A path is never given up, so that one that falls free is found again."""
SPAN = 10.0
"""Logarithms of levels are told apart this far from their mean; prices stay in the range of floats."""
MOST_SPARE = 1e3
"""No link has room for more than so many times its load."""
TINY, HUGE = 1e-300, 1e300
"""Stand for zero and for infinity where logarithms are taken."""


def weigh(share, weight, weights):
    """Write down the weights of the subflows: their shares of those of their flows."""
    for t in range(len(share)):
        weights[t] = share[t] * weight[t]


def add_up(first, rate, total):
    """Write down the totals of the flows; returns how much they change, relatively and on average."""
    changed, n = 0.0, len(first) - 1
    for f in range(n):
        now = 0.0
        for t in range(first[f], first[f + 1]):
            now += rate[t]
        changed += abs(now - total[f]) / max(now, TINY)
        total[f] = now
    return changed / max(n, 1)


def worth_at(height, alpha):
    """What a unit more is worth to a flow whose level has such a logarithm above the mean, alpha-fairly."""
    return exp(-alpha * min(max(height, -SPAN), SPAN))


def price_places(rows, flows, filled, tempo, price, cost, work):
    """Set the prices of places, and what a path costs by its links: prices, and a little where there is room.

    Returns False if no level is above zero: there is nothing to compare then.
    """
    indptr, indices, use, plain = rows
    first, pace, weight, of_slice, capacity = flows
    share, rate, bottleneck, instant, clocked = filled
    alpha, _, _, least, turns = tempo
    place, used, stopped, worth, later, height = work
    n, n_links = len(first) - 1, len(capacity)
    for x in range(len(price)):
        stopped[x] = worth[x] = 0.0
    mean, risen, highest = 0.0, 0, 0.0
    for f in range(n):
        reached = 0.0
        for t in range(first[f], first[f + 1]):
            level = instant[t] if clocked else rate[t] / (share[t] * pace[t])
            level = min(level, HUGE)
            reached += share[t] * level
            highest = max(highest, level)
        height[f] = log(max(reached, TINY))
        if reached > 0:
            mean += height[f]
            risen += 1
    if risen == 0:
        return False
    mean /= risen
    for f in range(n):
        value = worth_at(height[f] - mean, alpha)
        for t in range(first[f], first[f + 1]):
            x = bottleneck[t]
            used[t] = 1.0
            if x == -1 or x >= n_links:
                x = n_links + f
            elif x < -1:
                x = n_links + n - 2 - x
            elif not plain:
                for i in range(indptr[t], indptr[t + 1]):
                    if indices[i] == x:
                        used[t] = use[i]
            place[t] = x
            pushed = share[t] * weight[t]
            stopped[x] += pushed * used[t]
            worth[x] += pushed * value
    for x in range(len(price)):
        if stopped[x] > 0:
            worth[x] /= stopped[x]
            if turns == 0 or price[x] == 0:
                price[x] = worth[x]
        else:
            price[x] = 0.0
    for _ in range(turns):
        for x in range(len(price)):
            later[x] = 0.0
        for f in range(n):
            for t in range(first[f], first[f + 1]):
                along = price[n_links + f]
                if of_slice[t] >= 0:
                    along += price[n_links + n + of_slice[t]]
                for i in range(indptr[t], indptr[t + 1]):
                    along += use[i] * price[indices[i]]
                x = place[t]
                later[x] += share[t] * weight[t] * (along - used[t] * price[x])
        for x in range(len(price)):
            if stopped[x] > 0:
                price[x] = min(max(worth[x] - later[x] / stopped[x], least * worth[x]), worth[x])
    for x in range(n_links):
        cost[x] = 0.0
    for t in range(len(share)):
        for i in range(indptr[t], indptr[t + 1]):
            cost[indices[i]] += use[i] * rate[t]
    for x in range(n_links):
        if price[x] > 0:
            cost[x] = price[x]
        else:
            spare = MOST_SPARE
            if cost[x] > capacity[x] / MOST_SPARE:
                spare = capacity[x] / cost[x]
            cost[x] = least * worth_at(log(highest) + log(max(spare, TINY)) - mean, alpha)
    return True


def move_shares(first, pairs, cost, tempo, share, rate, gain, part):
    """Move the shares of every flow to those of its paths that cost less where they differ."""
    ptr, at, more = pairs
    alpha, step, largest, _, _ = tempo
    pair = 0
    for f in range(len(first) - 1):
        begin, end = first[f], first[f + 1]
        if end - begin > 1:
            total = 0.0
            for t in range(begin, end):
                total += rate[t]
                gain[t] = 0.0
            for t in range(begin, end):
                part[t] = rate[t] / total if total > 0 else share[t]
            for t in range(begin, end):
                for u in range(t + 1, end):
                    mine, other = 0.0, 0.0
                    for i in range(ptr[pair], ptr[pair + 1]):
                        mine += more[i] * cost[at[i]]
                    for i in range(ptr[pair + 1], ptr[pair + 2]):
                        other += more[i] * cost[at[i]]
                    pair += 2
                    better = log(max(other / max(mine, TINY), TINY)) / alpha
                    better = min(max(better, -largest), largest)
                    gain[t] += better * sqrt(part[u])
                    gain[u] -= better * sqrt(part[t])
            together, again = 0.0, 0.0
            for t in range(begin, end):
                share[t] = part[t] * exp(step * gain[t])
                together += share[t]
            for t in range(begin, end):
                share[t] = max(share[t] / together, LEAST_SHARE)
                again += share[t]
            for t in range(begin, end):
                share[t] /= again
