"""How long schedulers take for many packets, beside SimPy on the same packets.

Times are of the processor, so that other programs on the machine count less.
"""

import gc
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import click
import numpy as np
import simpy
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fairslice.models.schedulers import Traffic, drr, fifo, gps, wf2q, wfq
from fairslice.models.schedulers.gps import VirtualClock

T = TypeVar("T")

PACKETS = 1_000_000
BESIDE_SIMPY = 100_000
"""Fewer, since SimPy takes so much longer."""
EXACT = 100_000
LIMIT_S = 20.0
"""For a million packets through WFQ."""
FLOWS, LOAD = 10, 0.95


@dataclass(frozen=True)
class Row:
    """A scheduler's time for so many packets."""

    scheduler: str
    packets: int
    seconds: float


def random_traffic(packets: int, seed: int = 1) -> Traffic[float]:
    """Poisson arrivals of 40 to 1500 bytes at a load of 95 %, in milliseconds and bits, on 100 Mbit/s."""
    draw = np.random.default_rng(seed)
    rate = 100_000.0
    length = 8.0 * draw.integers(40, 1501, packets)
    arrival = np.cumsum(draw.exponential(8 * 770 / rate / LOAD, packets))
    flow = draw.integers(0, FLOWS, packets)
    return Traffic(
        rate, [float(1 + n % 4) for n in range(FLOWS)], flow.tolist(), arrival.tolist(), length.tolist()
    )


def exact_traffic(packets: int) -> Traffic[Fraction]:
    """The same, rounded to nanoseconds, as fractions."""
    drawn = random_traffic(packets)
    return Traffic(
        Fraction(drawn.rate),
        [Fraction(one) for one in drawn.weights],
        drawn.flow,
        [Fraction(round(one * 10**6), 10**6) for one in drawn.arrival],
        [Fraction(one) for one in drawn.length],
    )


def by_simpy(traffic: Traffic[float]) -> list[float]:
    """When packets leave WFQ: two processes and a priority store, with the same virtual clock."""
    environment = simpy.Environment()
    waiting = simpy.PriorityStore(environment)
    clock = VirtualClock(traffic)
    finish = [0.0] * len(traffic.length)

    def source() -> Generator[simpy.Event, Any, None]:
        for rank, packet in enumerate(traffic.in_order()):
            yield environment.timeout(traffic.arrival[packet] - environment.now)
            clock.arrive(packet)
            waiting.put((clock.virtual_finish[packet], rank, packet))

    def link() -> Generator[simpy.Event, Any, None]:
        for _ in traffic.length:
            _, _, packet = yield waiting.get()
            yield environment.timeout(traffic.length[packet] / traffic.rate)
            finish[packet] = environment.now

    environment.process(source())
    environment.process(link())
    environment.run()
    return finish


def timed(call: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        found = call()
        return time.process_time() - start, found
    finally:
        gc.enable()


def schedulers(packets: int = PACKETS, beside: int = BESIDE_SIMPY, exact: int = EXACT) -> list[Row]:
    """Time each scheduler; SimPy has to find the same finishes.

    Raises:
        AssertionError: it does not.
    """
    traffic = random_traffic(packets)
    quanta = [12_000.0 * weight for weight in traffic.weights]
    calls: dict[str, Callable[[], object]] = {
        "WFQ, with GPS": lambda: wfq(traffic, gps(traffic)),
        "GPS alone": lambda: gps(traffic),
        "WF2Q, with GPS": lambda: wf2q(traffic),
        "deficit round robin": lambda: drr(traffic, quanta),
        "FIFO": lambda: fifo(traffic),
    }
    rows = [Row(name, packets, timed(call)[0]) for name, call in calls.items()]
    fewer, few = random_traffic(beside), exact_traffic(exact)
    rows.append(Row("WFQ, with GPS, in fractions", exact, timed(lambda: wfq(few, gps(few)))[0]))
    seconds, ours = timed(lambda: wfq(fewer, gps(fewer)))
    rows.append(Row("WFQ, with GPS", beside, seconds))
    seconds, theirs = timed(lambda: by_simpy(fewer))
    rows.append(Row("the same in SimPy", beside, seconds))
    assert np.allclose(ours.finish, theirs, rtol=1e-9), "SimPy does not find the same"
    return rows


def show(rows: list[Row]) -> Table:
    """The rows, with microseconds a packet, and how that compares with WFQ's."""
    table = Table(box=SIMPLE_HEAD, title="Schedulers", title_justify="left", pad_edge=False)
    for name in ("scheduler", "packets", "s", "µs a packet", "ratio"):
        table.add_column(name, justify="left" if name == "scheduler" else "right")
    unit = rows[0].seconds / rows[0].packets
    for row in rows:
        each = row.seconds / row.packets
        table.add_row(
            row.scheduler, f"{row.packets:,}", f"{row.seconds:.2f}", f"{1e6 * each:.2f}", f"{each / unit:.1f}"
        )
    return table


@click.command()
@click.option("--quick", is_flag=True, help="A hundredth of the packets, to see that it works.")
def main(quick: bool) -> None:
    """Time the schedulers of fairslice.models, beside SimPy."""
    fewer = 100 if quick else 1
    rows = schedulers(PACKETS // fewer, BESIDE_SIMPY // fewer, EXACT // fewer)
    Console().print(show(rows))
    a_million = 1e6 * rows[0].seconds / rows[0].packets
    click.echo(f"A million packets through WFQ: {a_million:.1f} s, limit {LIMIT_S:g} s")


if __name__ == "__main__":
    main()
