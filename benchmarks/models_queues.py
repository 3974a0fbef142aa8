"""How fast queues are simulated and answered, beside SimPy on the same work; prints a table.

The same customers, with the same times, go through both simulators, and must wait as long.
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import numpy as np
import simpy

from fairslice.models.queues import (
    constant_service,
    erlang_c,
    exponential_service,
    gamma_service,
    m_d_1,
    m_m_m,
    servers_for_blocking,
)
from fairslice.models.queues.simulation import Customers, ServiceTimes, draw_customers, measured

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A queue that is simulated."""

    name: str
    arrival_rate: float
    service: ServiceTimes
    servers: int = 1
    capacity: int | None = None


CASES = (
    Case("M/M/1", 8, exponential_service(10)),
    Case("M/M/1/K, K = 20", 8, exponential_service(10), 1, 20),
    Case("M/M/m, m = 10", 80, exponential_service(10), 10),
    Case("M/M/m, m = 1000", 9000, exponential_service(10), 1000),
    Case("M/M/m/K, m = 10, K = 20", 80, exponential_service(10), 10, 20),
    Case("M/D/1", 8, constant_service(0.1)),
    Case("M/G/1", 8, gamma_service(0.1, 0.2)),
)


def timed(call: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def by_simpy(drawn: Customers, servers: int, capacity: int | None) -> list[float]:
    """The waits of those who get in, by a process for each customer."""
    env = simpy.Environment()
    resource = simpy.Resource(env, servers)
    waits: dict[int, float] = {}

    def customer(number: int, length_s: float) -> Generator[Any, Any, None]:
        came_s = env.now
        with resource.request() as request:
            yield request
            waits[number] = env.now - came_s
            yield env.timeout(length_s)

    def source() -> Generator[Any, Any, None]:
        for number, (at_s, length_s) in enumerate(
            zip(drawn.arrival_s.tolist(), drawn.service_s.tolist(), strict=True)
        ):
            yield env.timeout(at_s - env.now)
            if capacity is None or resource.count + len(resource.queue) < capacity:
                env.process(customer(number, length_s))

    env.process(source())
    env.run()
    return [waits[number] for number in sorted(waits)]


def queues(customers: int = 1_000_000) -> Iterator[tuple[str, ...]]:
    """Rows: the queue, seconds here, seconds of SimPy, and how many times faster."""
    for case in CASES:

        def draw(case: Case = case) -> Customers:
            return draw_customers(
                case.arrival_rate,
                case.service,
                case.servers,
                case.capacity,
                customers,
                np.random.default_rng(1),
            )

        drawing_s, drawn = timed(draw)
        measuring_s, _ = timed(lambda case=case, drawn=drawn: measured(drawn, case.servers))  # type: ignore[misc]
        simpy_s, waits = timed(lambda case=case, drawn=drawn: by_simpy(drawn, case.servers, case.capacity))  # type: ignore[misc]
        here = drawn.wait_s[~np.isnan(drawn.wait_s)]
        if len(here) != len(waits) or not np.allclose(here, waits, atol=1e-6):
            raise AssertionError(f"{case.name}: the waits differ from SimPy's")
        ours_s = drawing_s + measuring_s
        yield case.name, f"{ours_s:.2f}", f"{simpy_s:.1f}", f"{simpy_s / ours_s:.0f}"


def formulas() -> Iterator[tuple[str, ...]]:
    """Rows: what is asked, and milliseconds."""
    asked: tuple[tuple[str, Callable[[], object]], ...] = (
        ("M/M/1, exact", lambda: m_m_m(8, 10)),
        ("M/M/1000, 900 erlang, exact", lambda: m_m_m(900, 1, 1000)),
        ("M/M/1000/2000, exact", lambda: m_m_m(999, 1, 1000, 2000)),
        ("M/M/1/1,000,000, load 0.999999", lambda: m_m_m(0.999999, 1, 1, 1_000_000)),
        ("Erlang C, 100,000 servers", lambda: erlang_c(99_000.0, 100_000)),
        ("servers for 1 % of 100,000 erlang", lambda: servers_for_blocking(100_000, 0.01)),
        ("M/D/1, 99th percentile of the wait", lambda: m_d_1(9, 10).wait.percentile(0.99)),  # type: ignore[union-attr]
    )
    for name, call in asked:
        seconds = min(timed(call)[0] for _ in range(3))
        yield name, f"{1e3 * seconds:.2f}"


@click.command()
@click.option("--customers", type=click.IntRange(10_000), default=1_000_000, show_default=True)
def main(customers: int) -> None:
    """Measure, and print two tables in Markdown."""
    show(customers)


def show(customers: int) -> None:
    """The same, for who calls it."""
    click.echo(f"| {customers:,} customers | here, s | SimPy {simpy.__version__}, s | times faster |")
    click.echo("|---|---|---|---|")
    for row in queues(customers):
        click.echo(f"| {' | '.join(row)} |")
    click.echo("\n| formula | ms |\n|---|---|")
    for row in formulas():
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
