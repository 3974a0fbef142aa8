"""How long a call takes, how much memory, and on what machine."""

import dataclasses
import gc
import importlib.metadata
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import workloads
from workloads import Reals

T = TypeVar("T")

SLOW_S = 2.0
"""What takes longer is measured three times only,"""
VERY_SLOW_S = 20.0
"""and what takes longer than this, once."""
_WARM_UP_FLOWS = 2000


@dataclass(frozen=True)
class Timing:
    """The median of some calls, and the first call, which is not one of them unless calls are slow."""

    median_s: float
    repeats: int
    first_s: float


def measure(call: Callable[[], T], repeats: int) -> tuple[Timing, T]:
    """Call once, then ``repeats`` times more (fewer if it is slow), with the garbage collector off."""
    gc.collect()
    first, answer = _timed(call)
    if first > VERY_SLOW_S:
        return Timing(first, 1, first), answer
    # The first call may have compiled something: only the second tells whether the call itself is slow.
    second, answer = _timed(call)
    times = [second]
    if second > SLOW_S:
        times += [first, _timed(call)[0]]
    else:
        times += [_timed(call)[0] for _ in range(repeats - 1)]
    return Timing(median(times), len(times), first), answer


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    gc.disable()
    try:
        start = time.perf_counter()
        answer = call()
        return time.perf_counter() - start, answer
    finally:
        gc.enable()


def difference(one: Reals, other: Reals) -> float:
    """The largest relative difference of rates; 0 where both are 0."""
    larger = np.maximum(np.abs(one), np.abs(other))
    apart = np.divide(np.abs(one - other), larger, out=np.zeros(len(one)), where=larger > 0)
    return float(apart.max(initial=0.0))


def machine() -> str:
    """One line: processor, cores, and the versions of what computes."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    parts = [f"{cpu}, {len(os.sched_getaffinity(0))} cores", f"Python {platform.python_version()}"]
    return ", ".join(parts + [f"{name} {_version(name)}" for name in ("numpy", "numba", "highspy")])


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class Memory:
    """What the columns of a problem take, and by how much the process grew at most while it was solved."""

    problem_bytes: int
    peak_bytes: int


def memory(name: str, kind: str, flows: int) -> Memory:
    """Measured in a process of its own that has solved a small problem before: nothing is compiled."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory, (name, kind, flows))


def _memory(name: str, kind: str, flows: int) -> Memory:
    from fairslice.alloc.engine import load_compiled
    from fairslice.alloc.waterfilling import allocate

    load_compiled()
    allocate(workloads.flat(name, kind, min(flows, _WARM_UP_FLOWS)).problem())
    problem = workloads.flat(name, kind, flows).problem()
    columns: Any = problem.columns
    arrays = {
        id(column): column
        for column in (getattr(columns, field.name) for field in dataclasses.fields(columns))
    }
    size = sum(array.nbytes for array in arrays.values() if isinstance(array, np.ndarray))
    gc.collect()
    # Linux forgets the peak so far when it is told 5 (proc(5), clear_refs).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status_bytes("VmRSS")
    allocation = allocate(problem)
    peak = _status_bytes("VmHWM")
    assert len(allocation.rate) == flows
    return Memory(size, max(peak - before, 0))


def _status_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
