"""Builds the kernel's arrays from flows and classes; reads results back.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from fairslice.alloc.kernel.doubles import gather, mul, normal, ratio
from fairslice.alloc.kernel.records import (
    AMOUNT,
    AT,
    CAPPED,
    CHANGE,
    CLIMBERS,
    END,
    EVENT,
    FULL,
    HAPPENING,
    HELD,
    LATER,
    LEFT,
    LEVEL,
    MARK,
    MET,
    NEVER,
    RHO,
    WEIGHT,
    WHOLE,
    ZERO,
)


def lay_rows(indptr, indices, use, scaled, of_slice, limit, n_granting, nowhere, laid_ptr, laid, laid_use):
    """Add to the links of every flow the limit of its slice, before them since it is named before them, and
    ``nowhere`` (if that is a place) where a flow of a slice uses no link that grants a rate."""
    end = 0
    for f in range(len(indptr) - 1):
        s = of_slice[f]
        granted = 0
        if s >= 0 and limit[s] >= 0:
            laid[end], laid_use[end] = limit[s], 1
            end += 1
        for i in range(indptr[f], indptr[f + 1]):
            laid[end] = indices[i]
            laid_use[end] = use[i] if scaled else 1
            end += 1
            if indices[i] < n_granting:
                granted = 1
        if nowhere >= 0 and s >= 0 and granted == 0:
            laid[end], laid_use[end] = nowhere, 1
            end += 1
        laid_ptr[f + 1] = end
    return end


def lay_groups(
    indptr,
    indices,
    of_slice,
    by_slice,
    n_granting,
    nowhere,
    weight,
    mark,
    known,
    group,
    first,
    members,
    share,
):
    """Number the groups, slice by slice: the number of them. ``by_slice`` are the flows in the order of
    their slices; only the first ``n_granting`` places, and ``nowhere``, grant rates."""
    n = 0
    for f in by_slice:
        s = of_slice[f]
        for i in range(indptr[f], indptr[f + 1]):
            place = indices[i]
            group[i] = -1
            if s >= 0 and (place < n_granting or place == nowhere):
                if known[place] != s + 1:
                    known[place] = s + 1
                    mark[place] = n
                    share[n] = weight[s]
                    n += 1
                group[i] = mark[place]
                first[mark[place] + 1] += 1
    for j in range(n):
        first[j + 1] += first[j]
    for f in by_slice:
        for i in range(indptr[f], indptr[f + 1]):
            j = group[i]
            if j >= 0:
                members[first[j]] = f
                first[j] += 1
    for j in range(n, 0, -1):
        first[j] = first[j - 1]
    first[0] = 0
    return n


def rise_by_slice(of_slice, weight, rise, wide):
    """Let flows rise at the weights of their slices, where there is no hierarchy."""
    for f in range(len(of_slice)):
        if of_slice[f] >= 0:
            rise[wide * f + RHO] = weight[of_slice[f]]


def name_limits(n_links, limited, bottleneck):
    """Let places of limits become the numbers -2 - s of their slices."""
    for f in range(len(bottleneck)):
        if bottleneck[f] >= n_links:
            bottleneck[f] = -2 - limited[bottleneck[f] - n_links]


def merge_flows(of_class, weight, floor, floored, grouped, rise, wide, soon, mark, events, event):
    """Put flows together in their classes."""
    for f in range(len(weight)):
        k = of_class[f]
        c = wide * k
        mark[MARK * k + LEFT] += 1
        if floored and floor[f] > 0:
            rise[c + HELD], rise[c + HELD + 1] = gather(rise[c + HELD], rise[c + HELD + 1], floor[f], ZERO)
        else:
            rise[c + WEIGHT], rise[c + WEIGHT + 1] = gather(
                rise[c + WEIGHT], rise[c + WEIGHT + 1], weight[f], ZERO
            )
            mark[MARK * k + CLIMBERS] += 1
        if grouped:
            rise[c + WHOLE], rise[c + WHOLE + 1] = gather(
                rise[c + WHOLE], rise[c + WHOLE + 1], weight[f], ZERO
            )
    for k in range(len(events) - 1):
        c = wide * k
        mark[MARK * k + EVENT] = events[k]
        soon[k] = NEVER
        if events[k + 1] > events[k]:
            at = HAPPENING * events[k]
            soon[k], rise[c + LATER] = event[at + AT], event[at + AT + 1]
        rise[c + WEIGHT], rise[c + WEIGHT + 1] = normal(rise[c + WEIGHT], rise[c + WEIGHT + 1])
        if floored:
            rise[c + HELD], rise[c + HELD + 1] = normal(rise[c + HELD], rise[c + HELD + 1])
        if grouped:
            rise[c + WHOLE], rise[c + WHOLE + 1] = normal(rise[c + WHOLE], rise[c + WHOLE + 1])


def single_classes(weight, cap, floor, floored, grouped, rise, wide, soon, mark, events, event):
    """Make every flow a class of its own, with the floor and the cap that it has ahead."""
    e = 0
    for f in range(len(weight)):
        c, m = wide * f, MARK * f
        events[f] = mark[m + EVENT] = e
        rise[c + WEIGHT], mark[m + CLIMBERS], mark[m + LEFT] = weight[f], 1, 1
        if grouped:
            rise[c + WHOLE] = weight[f]
        if floored and floor[f] > 0:
            rise[c + WEIGHT], mark[m + CLIMBERS], rise[c + HELD] = ZERO, 0, floor[f]
            at = HAPPENING * e
            event[at + AT], event[at + AT + 1] = ratio(floor[f], weight[f])
            event[at + AMOUNT], event[at + CHANGE] = -floor[f], weight[f]
            e += 1
        if cap[f] < NEVER:
            at = HAPPENING * e
            event[at + AT], event[at + AT + 1] = ratio(cap[f], weight[f])
            event[at + AMOUNT], event[at + CHANGE] = cap[f], -weight[f]
            e += 1
        soon[f] = NEVER
        if e > events[f]:
            at = HAPPENING * events[f]
            soon[f], rise[c + LATER] = event[at + AT], event[at + AT + 1]
    events[len(weight)] = e


def read_rates(
    weight, cap, floor, of_class, merged, floored, rated, rise, wide, stop, ends, rate, bottleneck
):
    """Write down what every flow holds in the end, and what stopped it."""
    for f in range(len(weight)):
        k = of_class[f] if merged else f
        why, most = stop[k], cap[f]
        rate[f], bottleneck[f] = most, CAPPED
        if why >= 0:
            hi, lo = ends[END * why + FULL], ends[END * why + FULL + 1]
            if rated:
                hi, lo = rise[wide * k + LEVEL], rise[wide * k + LEVEL + 1]
            hi, lo = mul(hi, lo, weight[f], ZERO)
            if floored and hi < floor[f]:
                hi = floor[f]
            if hi < most:
                rate[f] = hi
            if hi < most * MET:
                bottleneck[f] = why


def read_instants(soon, rise, wide, stop, ends, instant):
    """Write down when every flow stopped, each being a class of its own."""
    for f in range(len(stop)):
        if stop[f] >= 0:
            instant[f] = ends[END * stop[f] + FULL]
        elif stop[f] == CAPPED:
            instant[f] = rise[wide * f + LATER]
        else:
            # No link of its ever came up, so nobody looked at its cap.
            instant[f] = soon[f]
