"""Simulated queues: the recursions against plain bookkeeping, and formulas inside their intervals."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fairslice.errors import InputError
from fairslice.models.queues import (
    Interval,
    SteadyState,
    constant_service,
    exponential_service,
    gamma_service,
    m_d_1,
    m_g_1,
    m_m_m,
    simulate_queue,
)
from fairslice.models.queues.batch_means import interval_of
from fairslice.models.queues.simulation import ServiceTimes, draw_customers, lindley

Reals = NDArray[np.float64]
TENTH = Fraction(1, 10)
SEEDS = range(1, 11)


@dataclass(frozen=True)
class Case:
    name: str
    exact: SteadyState
    arrival_rate: float
    service: ServiceTimes
    servers: int = 1
    capacity: int | None = None

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("M/M/1", m_m_m(6, 10), 6, exponential_service(10)),
    Case("M/M/1 at 0.9", m_m_m(9, 10), 9, exponential_service(10)),
    Case("M/M/1/K", m_m_m(10, 10, 1, 5), 10, exponential_service(10), 1, 5),
    Case("M/M/m", m_m_m(24, 10, 3), 24, exponential_service(10), 3),
    Case("M/M/m/K", m_m_m(30, 10, 3, 8), 30, exponential_service(10), 3, 8),
    Case("M/M/m/m", m_m_m(100, 10, 12, 12), 100, exponential_service(10), 12, 12),
    Case("M/D/1", m_d_1(8, 10), 8, constant_service(TENTH)),
    Case("M/G/1", m_g_1(7, TENTH, TENTH * Fraction(3, 2)), 7, gamma_service(0.1, 0.15)),
]
NAMES = (
    *("utilisation", "blocking", "wait_probability", "mean_wait_s", "mean_delay_s"),
    *("mean_waiting", "mean_number"),
)


def figures(found: Any, exact: SteadyState) -> Iterator[tuple[str, Interval, float]]:
    """What was measured and is known, too."""
    for name in NAMES:
        yield name, getattr(found, name), float(getattr(exact, name))
    for kind in ("wait", "delay"):
        times = getattr(exact, kind)
        for percent, interval in getattr(found, f"{kind}_percentiles_s").items():
            known = None if times is None else times.percentile(Fraction(percent, 100))
            if known is not None:
                yield f"{kind} {percent}", interval, known


@pytest.mark.parametrize("case", CASES, ids=str)
def test_formulas_are_inside_the_intervals_of_simulations(case: Case) -> None:
    missed = 0
    for seed in SEEDS:
        found = simulate_queue(
            case.arrival_rate,
            case.service,
            servers=case.servers,
            capacity=case.capacity,
            customers=400_000,
            seed=seed,
        )
        known = list(figures(found, case.exact))
        assert len(known) >= len(NAMES)
        for name, interval, exact in known:
            assert interval.confidence == 0.99
            # An interval that is as wide as what is measured would hold anything.
            assert interval.half_width <= 0.35 * exact, name
        missed += not all(interval.holds(exact) for _, interval, exact in known)
    assert missed <= 1


def some(seed: int, customers: int = 3000) -> tuple[Reals, Reals]:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.exponential(1, customers)), rng.exponential(0.9, customers)


def test_one_server_is_a_plain_loop() -> None:
    arrivals, services = some(1)
    free = 0.0
    for n, wait in enumerate(lindley(arrivals, services)):
        start = max(free, arrivals[n])
        assert wait == pytest.approx(start - arrivals[n], abs=1e-9)
        free = start + services[n]


def drawn_waits(servers: int, capacity: int | None, seed: int) -> tuple[Reals, Reals, Reals]:
    drawn = draw_customers(
        2.0 * servers, exponential_service(2), servers, capacity, 3000, np.random.default_rng(seed)
    )
    return drawn.arrival_s, drawn.wait_s, drawn.service_s


@pytest.mark.parametrize("servers", [2, 5])
def test_several_servers_are_sorted_by_when_they_are_free(servers: int) -> None:
    arrivals, waits, services = drawn_waits(servers, None, servers)
    free = [0.0] * servers
    for now, wait, length in zip(arrivals, waits, services, strict=True):
        free.sort()
        start = max(now, free[0])
        assert wait == start - now
        free[0] = start + length
    assert waits.max() > 0


@pytest.mark.parametrize(("servers", "capacity"), [(1, 1), (1, 4), (3, 3), (3, 4), (3, 9)])
def test_who_finds_the_system_full_is_turned_away(servers: int, capacity: int) -> None:
    arrivals, waits, services = drawn_waits(servers, capacity, capacity)
    leaving: list[float] = []
    turned_away = 0
    for now, wait, length in zip(arrivals, waits, services, strict=True):
        inside = sum(end > now for end in leaving)
        assert math.isnan(wait) == (inside == capacity)
        if not math.isnan(wait):
            assert (wait > 0) == (inside >= servers)
            leaving.append(now + wait + length)
        turned_away += math.isnan(wait)
    assert 0 < turned_away < len(arrivals)


def test_the_same_seed_draws_the_same_queue() -> None:
    first, again, other = (
        simulate_queue(1, exponential_service(2), customers=10_000, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first == simulate_queue(1, exponential_service(2), customers=10_000, seed=np.random.default_rng(1))


def test_services_have_the_moments_that_were_asked_for() -> None:
    rng = np.random.default_rng(3)
    gamma = gamma_service(2, 3)(rng, 400_000)
    assert (gamma.mean(), gamma.std()) == (pytest.approx(2, rel=0.01), pytest.approx(3, rel=0.02))
    assert set(constant_service(0.25)(rng, 10)) == {0.25}


def test_an_interval_by_hand() -> None:
    """Batches of 1, 2 and 3: deviation 1, and Student's t with two degrees of freedom, 9.925 at 99.5 %."""
    found = interval_of(2.0, np.array([1.0, 2.0, 3.0]))
    assert found.half_width == pytest.approx(9.924843 / math.sqrt(3), rel=1e-6)
    assert found.holds(2 + found.half_width)
    assert not found.holds(2.0001 + found.half_width)
    assert interval_of(0.0, np.zeros(3)) == Interval(0.0, 0.0)
    # Two that hold together: 0.5 % is left for each.
    both = interval_of(2.0, np.array([1.0, 2.0, 3.0]), together=2)
    assert both.half_width == interval_of(2.0, np.array([1.0, 2.0, 3.0]), confidence=0.995).half_width


def test_intervals_hold_what_they_should() -> None:
    """Of 2000 means of independent batches 1 % miss: 20, and a deviation of 4.5."""
    rng = np.random.default_rng(5)
    rows = rng.normal(7, 2, (2000, 20))
    missed = sum(not interval_of(float(row.mean()), row).holds(7) for row in rows)
    assert abs(missed - 20) < 18


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"customers": 1000}, "customers: found 1000 customers in 20 batches, expected"),
        ({"batches": 1}, "customers: found 10000 customers in 1 batches, expected two batches or more"),
        ({"servers": 0}, "servers: found 0, expected a whole number from 1"),
        ({"servers": 3, "capacity": 2}, "capacity: found 2, expected a whole number from 3"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, int], told: str) -> None:
    with pytest.raises(InputError, match=told):
        simulate_queue(1, exponential_service(2), **{"customers": 10_000, **arguments})  # type: ignore[arg-type]
