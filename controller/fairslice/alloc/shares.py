"""How the weights of subflows are set anew, round by round; the rule is in :mod:`fairslice.alloc.multipath`.

Part of the source that :mod:`fairslice.alloc.guise` runs in several guises: see
:mod:`fairslice.alloc.filling`. Nothing here runs in fractions.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from math import exp, log, sqrt

LEAST_SHARE = 1e-4
"""Of a flow's weight. A path is never given up, so that one that falls free is found again."""
LARGEST_STEP = 0.5
"""Of a comparison of two paths, as a logarithm; a larger one overshoots."""
SPAN = 25.0
"""Logarithms of levels are told apart this far from their mean."""
LEAST_PRICE = 0.01
"""Of what a link is worth to the flows that it stops: prices are never zero, nor below."""
LARGEST_SPARE = 1e3
"""Times its load, a link has no more room than that."""
PULL = 0.8
"""How much of the share of a path, as a logarithm, is what it had of the total."""
TINIEST = 1e-300
"""Stands for zero where a logarithm is taken, or a quotient."""


def value_at(height, alpha):
    """What a unit more is worth to a flow at that logarithm of its level above the mean, alpha-fairly."""
    return exp(-alpha * min(max(height, -SPAN), SPAN))


def price_places(rows, flows, stops, alpha, price, load, work):
    """Set what one more unit is worth at each place that is full, and at links with room how little.

    Returns the mean logarithm of the levels that are above zero, and whether there are any.
    """
    indptr, indices, use, plain = rows
    first, pace, weight, of_slice, n_links, capacity = flows
    share, rate, level, bottleneck = stops
    place, used, stopped, worth, later, along = work
    n, n_places = len(first) - 1, len(price)
    for x in range(n_places):
        stopped[x] = worth[x] = 0.0
    for l in range(n_links):
        load[l] = 0.0
    mean, above, highest = 0.0, 0, 0.0
    for f in range(n):
        reached = 0.0
        for t in range(first[f], first[f + 1]):
            reached += share[t] * level[t]
            highest = max(highest, level[t])
        along[f] = reached
        if reached > 0:
            along[f] = log(reached)
            mean += along[f]
            above += 1
        else:
            along[f] = -SPAN * 100
    if above == 0:
        return False
    mean /= above
    for f in range(n):
        value = value_at(along[f] - mean, alpha)
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
    for x in range(n_places):
        if stopped[x] > 0:
            worth[x] /= stopped[x]
            if not price[x] > 0:
                price[x] = worth[x]
        else:
            price[x] = 0.0
    for turn in range(2):
        for x in range(n_places):
            later[x] = 0.0
        for f in range(n):
            for t in range(first[f], first[f + 1]):
                total = price[n_links + f]
                if of_slice[t] >= 0:
                    total += price[n_links + n + of_slice[t]]
                for i in range(indptr[t], indptr[t + 1]):
                    total += use[i] * price[indices[i]]
                    if turn == 0:
                        load[indices[i]] += use[i] * rate[t]
                x = place[t]
                later[x] += share[t] * weight[t] * (total - used[t] * price[x])
        for x in range(n_places):
            if stopped[x] > 0:
                price[x] = min(max(worth[x] - later[x] / stopped[x], LEAST_PRICE * worth[x]), worth[x])
    # From here on load is the cost of a link.
    for l in range(n_links):
        if price[l] > 0:
            load[l] = price[l]
        else:
            spare = LARGEST_SPARE
            if load[l] > capacity[l] / LARGEST_SPARE:
                spare = capacity[l] / load[l]
            load[l] = LEAST_PRICE * value_at(log(max(highest * spare, TINIEST)) - mean, alpha)
    return True


def move_shares(first, pairs, cost, alpha, step, share, rate, gain, part):
    """Let the shares of a flow's paths go to the cheaper ones."""
    differing, at, more = pairs
    pair = 0
    for f in range(len(first) - 1):
        begin, end = first[f], first[f + 1]
        if end - begin == 1:
            continue
        total = 0.0
        for t in range(begin, end):
            total += rate[t]
            gain[t] = 0.0
        for t in range(begin, end):
            part[t] = share[t]
            if total > 0:
                part[t] = rate[t] / total
        for t in range(begin, end):
            for u in range(t + 1, end):
                mine, other = 0.0, 0.0
                for i in range(differing[pair], differing[pair + 1]):
                    mine += more[i] * cost[at[i]]
                for i in range(differing[pair + 1], differing[pair + 2]):
                    other += more[i] * cost[at[i]]
                pair += 2
                better = log(max(other, TINIEST) / max(mine, TINIEST)) / alpha
                better = min(max(better, -LARGEST_STEP), LARGEST_STEP)
                gain[t] += better * sqrt(part[u])
                gain[u] -= better * sqrt(part[t])
        together = 0.0
        for t in range(begin, end):
            if part[t] > 0:
                logarithm = PULL * log(part[t]) + (1 - PULL) * log(share[t])
                share[t] = exp(logarithm + step * gain[t])
            else:
                share[t] = 0.0
            together += share[t]
        again = 0.0
        for t in range(begin, end):
            share[t] = max(share[t] / together, LEAST_SHARE)
            again += share[t]
        for t in range(begin, end):
            share[t] /= again
