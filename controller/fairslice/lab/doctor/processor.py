"""How much of the processors others have taken: counters of the kernel, and a thread that asks for a core."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fairslice.lab.doctor.findings import Finding
from fairslice.linux.processors import clock_ticks_per_s, machine_ticks

Clock = Callable[[], float]

BUSY_WARN = 0.25
"""Others' share of all processors from which a run's numbers should be looked at twice."""
BUSY_FAIL = 0.95
"""Share of all processors that is busy, this process included, from which nothing can be measured if a thread
gets less than :data:`CORE_FAIL` of a core: :data:`fairslice.measure.compare.MACHINE_BUSY`."""
CORE_WARN = 0.85
CORE_FAIL = 0.1
"""The userspace datapath is one thread. With a core of its own it forwards about 60,000 full frames a second;
with a tenth of one the whole network's total can be trusted up to some 20 Mbit/s over two switches."""

_SUBJECT = "processor load"
_SECOND_LOOK_S = 1.0
# A processor quota of a container is handed out anew every 100 ms (cgroups(7), cpu.max).
_SHORTEST_SPIN_S = 0.11
_FIX_BUSY = "end or move what else runs; the report of a run tells how busy the machine was"


@dataclass(frozen=True, slots=True)
class Sample:
    """One instant: ticks of all processors since boot, seconds that this process and its children took."""

    time_s: float
    busy_ticks: int
    total_ticks: int
    own_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """What others take and what is left.

    ``busy_fraction`` and ``others_fraction`` are of all processors together, with and without this process
    and its children; ``core_fraction`` is what a thread that asks for a whole core gets of it.
    """

    cores: int
    busy_fraction: float
    others_fraction: float
    core_fraction: float


class Watch:
    """Watches the processors from its making on; other work may be done meanwhile.

    Args:
        now: seconds that only rise.
        cpu_now: processor seconds that the calling thread has taken.
        proc: where proc(5) is mounted.
    """

    def __init__(
        self, now: Clock = time.monotonic, cpu_now: Clock = time.thread_time, proc: Path = Path("/proc")
    ) -> None:
        self._now, self._cpu_now, self._proc = now, cpu_now, proc
        self._before = self._sample()

    def load(self, window_s: float) -> Load:
        """Ask for a core until ``window_s`` seconds have passed since the beginning, and 0.11 s at least."""
        began, cpu_began = self._now(), self._cpu_now()
        until = max(self._before.time_s + window_s, began + _SHORTEST_SPIN_S)
        while (now := self._now()) < until:
            pass
        core_fraction = (self._cpu_now() - cpu_began) / (now - began)
        busy, others = shares(self._before, self._sample(), clock_ticks_per_s())
        return Load(len(os.sched_getaffinity(0)), busy, others, min(1.0, core_fraction))

    def _sample(self) -> Sample:
        busy, total = machine_ticks(self._proc)
        return Sample(self._now(), busy, total, sum(os.times()[:4]))


def shares(before: Sample, after: Sample, ticks_per_s: int) -> tuple[float, float]:
    """Shares of all processors that were busy between two samples, and that others took.

    Both are 0 if the counters have not moved.
    """
    total = after.total_ticks - before.total_ticks
    if total <= 0:
        return 0.0, 0.0
    busy = after.busy_ticks - before.busy_ticks
    others = busy - (after.own_s - before.own_s) * ticks_per_s
    return busy / total, max(0.0, others / total)


def judge_load(load: Load) -> Finding:
    """What a load means for a run."""
    found = (
        f"{load.cores} {'core' if load.cores == 1 else 'cores'}, others take {load.others_fraction:.0%} of "
        f"all, a thread gets {load.core_fraction:.0%} of a core"
    )
    if load.busy_fraction >= BUSY_FAIL and load.core_fraction < CORE_FAIL:
        return Finding("fail", _SUBJECT, f"{found}: too busy to measure anything", _FIX_BUSY)
    if load.others_fraction >= BUSY_WARN or load.core_fraction < CORE_WARN:
        return Finding("warn", _SUBJECT, found, _FIX_BUSY)
    if load.cores == 1:
        fix = "give it a second one if you can: switches, hosts and controller share this one"
        return Finding("warn", _SUBJECT, found, fix)
    return Finding("ok", _SUBJECT, found)


def processor_finding(watch: Watch, window_s: float) -> Finding:
    """Judge a watch's load; what looks too busy is looked at again, as a moment proves little."""
    finding = judge_load(watch.load(window_s))
    if finding.status == "fail":
        finding = judge_load(Watch().load(_SECOND_LOOK_S))
    return finding
