"""Changes to a problem that was solved before: what :class:`fairslice.alloc.Allocator` saves."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import page
import workloads
from baselines import scatter_pass
from page import digits, duration
from tables import Options, Table
from timing import Timing, difference, measure

from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.incremental.allocator import Allocator
from fairslice.alloc.problem import ProblemFlow
from fairslice.alloc.waterfilling import allocate

PROBLEMS = (
    ("wan-150", 1_000_000),
    ("wan-750", 100_000),
    ("fat-tree-8", 100_000),
    ("fat-tree-16", 100_000),
)
"""Each with flows that are elastic and mixed; 1 million flows only if that many are asked for."""

_SINGLE = ("demand", "weight", "capacity", "flow removed")


@dataclass(frozen=True)
class Changed:
    """How long changes took, on a problem of so many classes of flows.

    ``again`` is a full solve with what is cached, ``nothing`` a change that makes no difference, and
    ``changes`` those that do, by what they change.
    """

    name: str
    flows: int
    classes: int
    making: Timing
    again: Timing
    scatter: Timing
    nothing: Timing
    changes: Mapping[str, Timing]
    faults: tuple[str, ...]

    @property
    def passes(self) -> float:
        return self.again.median_s / self.scatter.median_s

    @property
    def ratio(self) -> float:
        """Of the slowest single change that adds no flow to a full solve."""
        return max(self.changes[what].median_s for what in _SINGLE) / self.again.median_s


def measured(network: str, kind: str, flows: int, options: Options) -> Changed:
    """Change one problem in all ways."""
    click.echo(f"changes: {network} {kind}, {flows} flows", err=True)
    workload = workloads.flat(network, kind, flows)
    problem = workload.problem()
    making, allocator = measure(lambda: Allocator(problem), 3)
    rate, stopped = allocator.allocation.rate, allocator.allocation.bottleneck
    scatter, _ = measure(scatter_pass(workload, rate), options.repeats)
    again, _ = measure(allocator.solve_again, options.repeats)
    # A flow that a link stops, in the middle of them by rate.
    limited = np.flatnonzero(stopped >= 0)
    flow = int(limited[np.argsort(rate[limited])[len(limited) // 2]])
    link, fair = int(stopped[flow]), float(rate[flow])
    capacity = float(np.asarray(problem.columns.capacity)[link])
    turn = itertools.count()
    nothing, _ = measure(lambda: allocator.change(demand={flow: fair * (2 + next(turn))}), 201)

    def by_turns(low: float, high: float) -> float:
        return (low, high)[next(turn) % 2]

    new = ProblemFlow("new", {str(number): 1.0 for number in workload.routes.of(flow)})
    many: list[dict[int | str, float]] = [
        {int(f): share * float(rate[f]) for f in limited[:100]} for share in (0.5, 0.4)
    ]
    calls: Mapping[str, Callable[[], Any]] = {
        "demand": lambda: allocator.change(demand={flow: by_turns(0.5, 0.4) * fair}),
        "weight": lambda: allocator.change(weight={flow: by_turns(3.0, 5.0)}),
        "capacity": lambda: allocator.change(capacity={link: by_turns(0.9, 0.8) * capacity}),
        "100 demands": lambda: allocator.change(demand=many[next(turn) % 2]),
        "flow removed": lambda: allocator.change(remove=[int(limited[next(turn) % len(limited)])]),
        "flow added": lambda: allocator.change(add=[new]),
    }
    changes = {what: measure(call, options.repeats)[0] for what, call in calls.items()}
    now = allocator.problem
    faults = []
    apart = difference(allocator.allocation.rate, allocate(now).rate)
    if apart > 1e-12:
        faults.append(f"changes, {network} {kind}, {flows} flows: differ by {apart:.1e} from a new solve")
    if flows <= options.certify_up_to:
        found = certify(now, allocator.allocation.rate, allocator.allocation.bottleneck)
        faults += [f"changes, {network} {kind}: {violation}" for violation in found.violations[:3]]
    name = f"{network} {kind}"
    return Changed(*(name, flows, allocator.classes, making, again, scatter, nothing, changes), tuple(faults))


def changes_table(options: Options) -> Table:
    """What a change costs that makes no difference, and one that does, against a full solve."""
    rows = [
        measured(network, kind, min(flows, max(options.sizes)), options)
        for network, flows in PROBLEMS
        if network in options.networks
        for kind in workloads.KINDS
    ]
    effective = tuple(rows[0].changes) if rows else ()
    head = ("workload", "flows", "classes", "made", "solved again", "passes", "no difference", *effective)
    cells = [
        (
            *(row.name, f"{row.flows:,}", f"{row.classes:,}", duration(row.making.median_s)),
            *(duration(row.again.median_s), digits(row.passes), duration(row.nothing.median_s)),
            *(duration(taken.median_s) for taken in row.changes.values()),
            digits(row.ratio),
        )
        for row in rows
    ]
    faults = tuple(fault for row in rows for fault in row.faults)
    text = page.table((*head, "slowest single change / solved again"), cells, 1)
    return Table("Changes", text, tuple(rows), faults)
