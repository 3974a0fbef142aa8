"""The competitors: other ways to the same max-min fair rates, each as good as its kind allows.

All solve flat problems with weights and caps, where every flow has a link and none has one twice. None
shares code with the package.
"""

import heapq
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from programs import highs, highs_anew
from workloads import Numbers, Reals, Workload

_SAME = 1 - 1e-12
"""Levels that differ by less than this are the same: they do on paper, but not in floating point."""


def numpy_rounds(workload: Workload) -> Reals:
    """Water-filling in vectorised rounds, in which all local bottlenecks are settled at once.

    The level of a link, what remains of it by the weights of its flows that rise, never falls. So a flow
    whose cap is no more than the levels of its links will reach it; and a link where no flow has a lower
    level or a cap below its own will be the bottleneck of all its flows at just that level.

    References
    ----------
    .. [1] J. Ros-Giralt and W. K. Tsai, "A theory of convergence order of maxmin rate allocation and an
       optimal protocol", IEEE INFOCOM 2001.
    """
    links, remaining = len(workload.network.capacity), workload.network.capacity.copy()
    rate = np.zeros(workload.flows)
    length = np.diff(workload.routes.indptr)
    flow = np.arange(workload.flows)
    indices, weight, cap = workload.routes.indices, workload.weight, workload.demand
    while len(flow):
        start = np.cumsum(length) - length
        total = np.bincount(indices, np.repeat(weight, length), minlength=links)
        level = np.divide(remaining, total, out=np.full(links, np.inf), where=total > 0)
        there = level[indices]
        lowest = np.minimum.reduceat(there, start)
        own = np.minimum(lowest, cap / weight)
        passed = np.zeros(links, dtype=bool)
        passed[indices[np.repeat(own, length) < there * _SAME]] = True
        frozen = np.logical_or.reduceat(~passed[indices], start) | (own < lowest) | (own >= cap / weight)
        rate[flow[frozen]] = held = (own * weight)[frozen]
        gone = np.repeat(frozen, length)
        remaining -= np.bincount(indices[gone], np.repeat(held, length[frozen]), minlength=links)
        np.maximum(remaining, 0, out=remaining)
        flow, length, weight, cap = flow[~frozen], length[~frozen], weight[~frozen], cap[~frozen]
        indices = indices[~gone]
    return rate


@dataclass(frozen=True)
class Lists:
    """A workload as Python likes it."""

    capacity: list[float]
    paths: list[list[int]]
    weight: list[float]
    cap: list[float]


def as_lists(workload: Workload) -> Lists:
    ends, indices = workload.routes.indptr.tolist(), workload.routes.indices.tolist()
    paths = [indices[start:end] for start, end in pairwise(ends)]
    return Lists(
        workload.network.capacity.tolist(), paths, workload.weight.tolist(), workload.demand.tolist()
    )


def pure_python(problem: Lists) -> Reals:
    """Progressive filling with lists and a heap of links, whose keys are looked at again when they come up.

    A link's level only rises while flows freeze, so an old key is too low, never too high, and a link that
    comes up with its true level is the lowest of all.

    References
    ----------
    .. [1] D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., Prentice Hall 1992, §6.5.2.
    """
    paths, weight, cap = problem.paths, problem.weight, problem.cap
    remaining = list(problem.capacity)
    total = [0.0] * len(remaining)
    members: list[list[int]] = [[] for _ in remaining]
    for flow, path in enumerate(paths):
        for link in path:
            members[link].append(flow)
            total[link] += weight[flow]
    rate = [-1.0] * len(paths)
    heap = [(remaining[link] / total[link], link) for link, flows in enumerate(members) if flows]
    heapq.heapify(heap)
    while heap:
        known, link = heapq.heappop(heap)
        if total[link] <= 0:
            continue
        level = remaining[link] / total[link]
        if known < level * _SAME:
            heapq.heappush(heap, (level, link))
            continue
        rising = members[link] = [flow for flow in members[link] if rate[flow] < 0]
        # Flows that want no more than this go first: they leave more to the others.
        content = [flow for flow in rising if cap[flow] <= level * weight[flow]]
        for flow in content or rising:
            held = min(cap[flow], level * weight[flow])
            rate[flow] = held
            for other in paths[flow]:
                remaining[other] = max(remaining[other] - held, 0.0)
                total[other] -= weight[flow]
        if content and len(content) < len(rising):
            heapq.heappush(heap, (remaining[link] / total[link], link))
    return np.array(rate)


def scatter_pass(workload: Workload, rate: Reals) -> Callable[[], Reals]:
    """One pass over the flow-link incidence that adds every flow's rate to its links: the unit of the limit.

    No solver whose answer depends on all of the incidence can do with less than to read it. Compiled by numba
    where it is installed, already when this returns.
    """
    indptr, indices = workload.routes.indptr, workload.routes.indices
    load = np.zeros(len(workload.network.capacity))
    if not HAS_NUMBA:
        length = np.diff(indptr)
        return lambda: _by_link(indices, np.repeat(rate, length), len(load))

    add = _compiled_pass()

    def once() -> Reals:
        add(indptr, indices, rate, load)
        return load

    once()
    return once


def _by_link(indices: Numbers, amount: Reals, links: int) -> Reals:
    return np.bincount(indices, amount, minlength=links).astype(np.float64, copy=False)


HAS_NUMBA = importlib.util.find_spec("numba") is not None


@cache
def _compiled_pass() -> Callable[[Numbers, Numbers, Reals, Reals], None]:
    numba: Any = importlib.import_module("numba")

    def add(indptr: Numbers, indices: Numbers, rate: Reals, load: Reals) -> None:
        load[:] = 0.0
        for flow in range(len(rate)):
            own = rate[flow]
            for position in range(indptr[flow], indptr[flow + 1]):
                load[indices[position]] += own

    compiled: Callable[[Numbers, Numbers, Reals, Reals], None] = numba.njit(add)
    return compiled


@dataclass(frozen=True)
class Baseline:
    """A solver: what is measured, what is made once beforehand, and whether it takes a time limit as well."""

    name: str
    solve: Callable[..., Reals]
    prepare: Callable[[Workload], Any] = lambda workload: workload
    limited: bool = False
    installed: bool = True


HAS_HIGHS = importlib.util.find_spec("highspy") is not None
BASELINES = (
    Baseline("numpy rounds", numpy_rounds),
    Baseline("pure Python", pure_python, as_lists),
    Baseline("HiGHS", highs, limited=True, installed=HAS_HIGHS),
    Baseline("HiGHS anew", highs_anew, limited=True, installed=HAS_HIGHS),
)
