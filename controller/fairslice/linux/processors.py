"""How busy the machine and the switch were: a run on a machine without time to spare proves nothing."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessorSample:
    """Counters at one instant: ticks of all processors since boot, and ticks of each thread by its id."""

    time_s: float
    busy_ticks: int
    total_ticks: int
    thread_ticks: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class ProcessorLoad:
    """Load between two samples.

    ``busy_fraction`` is of all processors together; ``busiest_thread`` is the largest share of one core that
    a thread of the switch took. ``duration_s`` is the time between the samples.
    """

    busy_fraction: float
    busiest_thread: float
    duration_s: float

    def __str__(self) -> str:
        return (
            f"machine {self.busy_fraction:.0%} busy, "
            f"switch's busiest thread {self.busiest_thread:.0%} of a core"
        )


def machine_ticks(proc: Path = Path("/proc")) -> tuple[int, int]:
    """Busy and total ticks of all processors together since boot."""
    return parse_machine_ticks((proc / "stat").read_text())


def parse_machine_ticks(stat: str) -> tuple[int, int]:
    """Busy and total ticks of the first line of /proc/stat (proc(5)).

    Stolen time counts as busy, as it was not to be had; guest time is already in user time.

    >>> parse_machine_ticks("cpu  10 1 5 80 4 0 1 2 0 0\\ncpu0 10 1 5 80 4 0 1 2 0 0\\n")
    (19, 103)

    Raises:
        ValueError: not the text of /proc/stat.
    """
    name, *numbers = stat.partition("\n")[0].split() or [""]
    if name != "cpu" or len(numbers) < 8:
        raise ValueError(f"expected the line 'cpu' of /proc/stat, found {stat[:80]!r}")
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, numbers[:8])
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def parse_thread_ticks(stat: str) -> int:
    """User and system ticks of a thread, from /proc/PID/task/TID/stat (proc(5)).

    Raises:
        ValueError: not the text of such a file.
    """
    # The name, in brackets, may hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 13:
        raise ValueError(f"expected the text of /proc/PID/task/TID/stat, found {stat[:80]!r}")
    return int(fields[11]) + int(fields[12])


def load_between(before: ProcessorSample, after: ProcessorSample, ticks_per_s: int) -> ProcessorLoad:
    """Load over the time between two samples; a thread that came in between counts from zero.

    Raises:
        ValueError: no time between them.
    """
    duration_s = after.time_s - before.time_s
    if duration_s <= 0:
        raise ValueError(f"the samples are {duration_s} s apart; expected a positive time")
    total = after.total_ticks - before.total_ticks
    threads = (
        (ticks - before.thread_ticks.get(thread, 0)) / ticks_per_s / duration_s
        for thread, ticks in after.thread_ticks.items()
    )
    return ProcessorLoad(
        busy_fraction=(after.busy_ticks - before.busy_ticks) / total if total > 0 else 0.0,
        busiest_thread=max(threads, default=0.0),
        duration_s=duration_s,
    )


def sample_processors(pid: int, now: Callable[[], float], proc: Path = Path("/proc")) -> ProcessorSample:
    """Read the machine's counters and those of the threads of process ``pid``.

    In a PID namespace /proc/stat is still the whole machine's, which is what is wanted. A process that has
    gone has no threads.
    """
    busy, total = machine_ticks(proc)
    threads: dict[int, int] = {}
    for path in sorted((proc / str(pid) / "task").glob("*/stat")):
        try:
            threads[int(path.parent.name)] = parse_thread_ticks(path.read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ProcessorSample(now(), busy, total, threads)


def clock_ticks_per_s() -> int:
    """The unit of /proc's tick counters, per second."""
    return os.sysconf("SC_CLK_TCK")
