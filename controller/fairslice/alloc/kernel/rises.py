"""How fast the flows of slices rise: what links grant, and who inherits it.

A group is a slice on a link: its flows there share what the slice may push into the link.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.doubles import add, div, mul
from fairslice.alloc.kernel.records import (
    CHANGED,
    COARSE,
    DIRTY,
    DUE,
    GRANT,
    GROUP,
    LARGEST,
    LEVEL,
    LISTED,
    MARK,
    OPEN,
    RHO,
    SHARE,
    SLACK,
    STEPS,
    SUM,
    UNIT,
    WHOLE,
    ZERO,
)


def take(k, hi, lo, indptr, use, scaled, groups, changed, counts):
    """Add to the weight of a class among its siblings, on each of its links."""
    group, _, _, share = groups
    for i in range(indptr[k], indptr[k + 1]):
        if group[i] >= 0:
            g = GROUP * group[i]
            x_hi, x_lo = hi, lo
            if scaled:
                x_hi, x_lo = mul(hi, lo, use[i], ZERO)
            share[g + SUM], share[g + SUM + 1] = add(share[g + SUM], share[g + SUM + 1], x_hi, x_lo)
            if share[g + LISTED] == 0:
                share[g + LISTED] = 1
                changed[counts[CHANGED]] = group[i]
                counts[CHANGED] += 1


def sum_weights(j, rows, classes, groups):
    """Add up the weights of a group afresh: what is left of a difference has lost its digits."""
    indptr, _, use, scaled = rows
    rise, wide, _, stop, _, _ = classes
    group, group_first, members, share = groups
    hi, lo, before = ZERO, ZERO, -1
    for n in range(group_first[j], group_first[j + 1]):
        k = members[n]
        if k != before and stop[k] == OPEN:
            for i in range(indptr[k], indptr[k + 1]):
                if group[i] == j:
                    x_hi, x_lo = rise[wide * k + WHOLE], rise[wide * k + WHOLE + 1]
                    if scaled:
                        x_hi, x_lo = mul(x_hi, x_lo, use[i], ZERO)
                    hi, lo = add(hi, lo, x_hi, x_lo)
        before = k
    g = GROUP * j
    share[g + SUM], share[g + SUM + 1], share[g + LARGEST] = hi, lo, hi


def grant(j, rows, classes, groups):
    """Find what a slice grants its flows on a link: its weight over theirs."""
    share, g = groups[3], GROUP * j
    if share[g + SUM] > share[g + LARGEST]:
        share[g + LARGEST] = share[g + SUM]
    elif share[g + SUM] < COARSE * share[g + LARGEST]:
        sum_weights(j, rows, classes, groups)
    if share[g + SUM] > 0:
        hi, lo = div(share[g + SHARE], ZERO, share[g + SUM], share[g + SUM + 1])
        share[g + GRANT], share[g + GRANT + 1] = hi, lo


def slowest(k, indptr, rise, wide, groups):
    """The rise that a class gets from the link that grants it least; its own if it belongs to no slice."""
    group, _, _, share = groups
    hi, lo, found = rise[wide * k + RHO], rise[wide * k + RHO + 1], False
    for i in range(indptr[k], indptr[k + 1]):
        if group[i] >= 0:
            g = GROUP * group[i] + GRANT
            if not found or share[g] < hi or (share[g] == hi and share[g + 1] < lo):
                hi, lo, found = share[g], share[g + 1], True
    return hi, lo


def begin_rises(rows, classes, groups, lists):
    """Give every class its first rise."""
    indptr, _, use, scaled = rows
    rise, wide, _, _, _, _ = classes
    changed, _, _, counts = lists
    for k in range(len(indptr) - 1):
        c = wide * k
        take(k, rise[c + WHOLE], rise[c + WHOLE + 1], indptr, use, scaled, groups, changed, counts)
    for n in range(counts[CHANGED]):
        grant(changed[n], rows, classes, groups)
        groups[3][GROUP * changed[n] + LISTED] = 0
    counts[CHANGED] = 0
    for k in range(len(indptr) - 1):
        c = wide * k
        rise[c + RHO], rise[c + RHO + 1] = slowest(k, indptr, rise, wide, groups)


def list_heirs(rows, classes, groups, lists):
    """List as dirty the classes that a link of theirs has granted more."""
    rise, wide, _, stop, mark, _ = classes
    _, group_first, members, share = groups
    changed, dirty, _, counts = lists
    for n in range(counts[CHANGED]):
        j = changed[n]
        g = GROUP * j
        share[g + LISTED] = 0
        hi, lo = share[g + GRANT], share[g + GRANT + 1]
        grant(j, rows, classes, groups)
        counts[STEPS] += group_first[j + 1] - group_first[j]
        for m in range(group_first[j], group_first[j + 1]):
            k = members[m]
            # A rise is one of the grants, digit by digit.
            granted = rise[wide * k + RHO] == hi and rise[wide * k + RHO + 1] == lo
            if granted and stop[k] == OPEN and mark[MARK * k + DUE] == 0:
                mark[MARK * k + DUE] = 1
                dirty[counts[DIRTY]] = k
                counts[DIRTY] += 1
    counts[CHANGED] = 0


def inherit(k, now_hi, now_lo, error, rows, classes, groups):
    """Let a class rise as its links now grant; by how much more."""
    rise, wide, _, _, mark, _ = classes
    mark[MARK * k + DUE] = 0
    c = wide * k
    hi, lo = slowest(k, rows[0], rise, wide, groups)
    more_hi, more_lo = add(hi, lo, -rise[c + RHO], -rise[c + RHO + 1])
    rise[c + RHO], rise[c + RHO + 1] = hi, lo
    x_hi, x_lo = mul(more_hi, more_lo, now_hi, now_lo)
    rise[c + LEVEL], rise[c + LEVEL + 1] = add(rise[c + LEVEL], rise[c + LEVEL + 1], -x_hi, -x_lo)
    rise[c + SLACK] += abs(more_hi) * error + UNIT * abs(x_hi)
    return more_hi, more_lo
