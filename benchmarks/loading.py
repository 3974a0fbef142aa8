"""When machine code pays: fillings in both backends, and what loading and compiling cost a process."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace

import click
import numpy as np
import page
import workloads
from baselines import HAS_NUMBA
from page import duration
from tables import Options, Table
from timing import Timing, measure
from workloads import Workload

from fairslice.alloc.account import LOADING_S, STEP_S, work_s
from fairslice.alloc.engine import solve_as
from fairslice.alloc.kernel.backends import interpreted
from fairslice.alloc.kernel.compiled import compiled

SIZES = ((1_000, 0), (10_000, 0), (1_000, 63), (10_000, 63), (10_000, 1_000))
"""Flows, and slices."""
NETWORKS = ("fat-tree-8", "wan-150")
_LOAD = """
import time
import numpy
begun = time.perf_counter()
from fairslice.alloc.engine import load_compiled
load_compiled()
print(time.perf_counter() - begun)
"""


@dataclass(frozen=True)
class Backends:
    """One problem in both backends; ``counted_s`` is the work that the account of a process counts for it."""

    name: str
    flows: int
    slices: int
    plain: Timing
    machine: Timing | None
    counted_s: float

    @property
    def calls(self) -> int:
        """How many of them are interpreted before what is kept is loaded."""
        return int(LOADING_S / self.counted_s)


@dataclass(frozen=True)
class Loading:
    """What a process pays once."""

    what: str
    taken_s: float | None
    """None without numba."""


def in_slices(workload: Workload, slices: int) -> Workload:
    """The same flows, each in one of so many slices at random."""
    random = np.random.default_rng([workload.flows, slices])
    of_slice = random.integers(slices, size=workload.flows)
    return replace(workload, slice=of_slice, slice_weight=random.choice(workloads.WEIGHTS, slices))


def compared(network: str, flows: int, slices: int, options: Options) -> Backends:
    """Fill the same links in both backends."""
    click.echo(f"backends: {network}, {flows} flows in {slices} slices", err=True)
    workload = workloads.flat(network, "mixed", flows)
    columns = (in_slices(workload, slices) if slices else workload).problem().columns
    plain, solution = measure(lambda: solve_as(interpreted(), columns), options.repeats)
    machine = measure(lambda: solve_as(compiled(), columns), options.repeats)[0] if HAS_NUMBA else None
    counted = work_s(columns) + solution.steps * STEP_S
    return Backends(f"{network} mixed", flows, slices, plain, machine, counted)


def backends_table(options: Options) -> Table:
    """Small problems and slices, in both backends."""
    largest = max(options.sizes)
    sizes = dict.fromkeys((min(flows, largest), slices) for flows, slices in SIZES)
    rows = [
        compared(network, *size, options)
        for network in NETWORKS
        if network in options.networks
        for size in sizes
    ]
    head = ("workload", "flows", "slices", "plain Python", "counted", "compiled", "calls until it is loaded")
    cells = [
        (
            *(row.name, f"{row.flows:,}", f"{row.slices:,}", duration(row.plain.median_s)),
            duration(row.counted_s),
            duration(row.machine.median_s) if row.machine else "not installed",
            f"{row.calls:,}",
        )
        for row in rows
    ]
    return Table("Plain Python and machine code", page.table(head, cells, 1), tuple(rows))


def loading_table(options: Options) -> Table:
    """What loading and compiling cost, in processes of their own; nothing is compiled for small sizes."""
    rows = [Loading("loading, once in a process", None)]
    if HAS_NUMBA:
        click.echo("loading and compiling", err=True)
        times = sorted(_loaded() for _ in range(options.repeats))
        rows = [Loading("loading, once in a process", times[len(times) // 2])]
        if max(options.sizes) >= SIZES[0][0]:
            with tempfile.TemporaryDirectory() as cache:
                rows.append(Loading("compiling, once on a machine", _loaded(NUMBA_CACHE_DIR=cache)))
    cells = [(row.what, "not installed" if row.taken_s is None else duration(row.taken_s)) for row in rows]
    return Table("Loading and compiling", page.table(("what", "takes"), cells, 1), tuple(rows))


def _loaded(**environment: str) -> float:
    """Seconds that a new process takes for it, numba's own import included and numpy's not."""
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
