"""Queues simulated event by event: customers come, wait, are served or turned away."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from heapq import heapreplace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairslice.errors import InputError
from fairslice.models.queues.batch_means import Interval, interval_of
from fairslice.models.queues.numbers import Real, count, fraction

Reals = NDArray[np.float64]
ServiceTimes = Callable[[np.random.Generator, int], Reals]
"""Draws the service of so many customers, in seconds."""
BATCHES = 20
_WARM_UP = 10
"""One in so many of the customers comes before anything is measured, as the queue is empty at first."""


def exponential_service(rate: Real) -> ServiceTimes:
    """Exponential service; ``rate`` in customers a second, above 0."""
    mean = float(1 / fraction("rate", rate, above=0))
    return lambda rng, customers: rng.exponential(mean, customers)


def constant_service(service_s: Real) -> ServiceTimes:
    """The same service for everybody, above 0."""
    length = float(fraction("service_s", service_s, above=0))
    return lambda _, customers: np.full(customers, length)


def gamma_service(mean_s: Real, sd_s: Real) -> ServiceTimes:
    """Service with this mean and standard deviation, both above 0; gamma stands for any such distribution."""
    mean, deviation = float(fraction("mean_s", mean_s, above=0)), float(fraction("sd_s", sd_s, above=0))
    shape = (mean / deviation) ** 2
    return lambda rng, customers: rng.gamma(shape, mean / shape, customers)


@dataclass(frozen=True)
class Customers:
    """Who came, in the order of their coming; times in seconds from the beginning."""

    arrival_s: Reals
    wait_s: Reals
    """nan: turned away."""
    service_s: Reals


@dataclass(frozen=True)
class SimulatedQueue:
    """What was measured, under the names of :class:`~fairslice.models.queues.steady.SteadyState`.

    All its intervals hold together with their confidence, so that each alone is wider than it need be.
    """

    utilisation: Interval
    blocking: Interval
    wait_probability: Interval
    mean_wait_s: Interval
    mean_delay_s: Interval
    mean_waiting: Interval
    mean_number: Interval
    wait_percentiles_s: Mapping[float, Interval]
    """By per cent."""
    delay_percentiles_s: Mapping[float, Interval]


def simulate_queue(
    arrival_rate: Real,
    service: ServiceTimes,
    *,
    servers: int = 1,
    capacity: int | None = None,
    customers: int = 1_000_000,
    seed: int | np.random.Generator = 1,
    batches: int = BATCHES,
    percents: Sequence[float] = (50, 95, 99),
) -> SimulatedQueue:
    """Simulate a queue with Poisson arrivals, served in the order of coming, and measure it by batch means.

    The first tenth of the customers is not measured. Batches must be long against the queue's memory, which
    is of the order of 1/(1 − ρ)² customers: near a full load intervals are too short for the usual number of
    customers.

    Args:
        arrival_rate: customers a second, above 0.
        service: such as :func:`exponential_service`.
        servers: 1 or more.
        capacity: the most in the system, those in service included; None: endless.
        customers: that come, 100 for each batch or more.
        seed: of all randomness.
        batches: 2 or more.
        percents: of the percentiles.

    Raises:
        InputError: an argument is out of its range.
    """
    rng = np.random.default_rng(seed)
    if customers < 100 * batches or batches < 2:
        found = f"{customers} customers in {batches} batches"
        raise InputError(
            f"customers: found {found}, expected two batches or more, and 100 customers for each"
        )
    drawn = draw_customers(arrival_rate, service, servers, capacity, customers, rng)
    return measured(drawn, servers, batches, percents)


def draw_customers(
    arrival_rate: Real,
    service: ServiceTimes,
    servers: int,
    capacity: int | None,
    customers: int,
    rng: np.random.Generator,
) -> Customers:
    """Let customers come to an empty queue; arguments and errors as of :func:`simulate_queue`."""
    mean_gap_s = float(1 / fraction("arrival_rate", arrival_rate, above=0))
    m = count("servers", servers, 1)
    arrivals = np.cumsum(rng.exponential(mean_gap_s, customers))
    services = service(rng, customers)
    if capacity is not None:
        places = count("capacity", capacity, m) - m
        waits = _turning_away(arrivals, services, m, places)
    elif m == 1:
        waits = lindley(arrivals, services)
    else:
        waits = _several_servers(arrivals, services, m)
    return Customers(arrivals, waits, services)


def lindley(arrival_s: ArrayLike, service_s: ArrayLike) -> Reals:
    """The waits at one server, for all customers at once.

    >>> lindley([0, 1, 2], [2, 2, 2])
    array([0., 1., 2.])

    Each waits for what the one before waited and was served, less the time since he came, and never less than
    nothing: W(n + 1) = max(0, W(n) + S(n) − A(n + 1)) (Lindley 1952). So W is a sum of such steps, less the
    least that the sum has been.
    """
    gaps_s, services = np.diff(np.asarray(arrival_s, dtype=np.float64)), np.asarray(service_s)
    total = np.cumsum(np.concatenate(([0.0], services[:-1] - gaps_s)))
    waits: Reals = total - np.minimum.accumulate(total)
    return waits


def _several_servers(arrival_s: Reals, service_s: Reals, servers: int) -> Reals:
    """The waits where the next server that gets free takes the next customer (Kiefer and Wolfowitz 1955)."""
    free_at = [0.0] * servers
    waits = np.empty(len(arrival_s))
    for n, (now, length) in enumerate(zip(arrival_s.tolist(), service_s.tolist(), strict=True)):
        start = max(now, free_at[0])
        heapreplace(free_at, start + length)
        waits[n] = start - now
    return waits


def _turning_away(arrival_s: Reals, service_s: Reals, servers: int, places: int) -> Reals:
    """The same where only so many can wait; nan for who is turned away.

    Customers start in the order in which they came. So ``places`` wait if, and only if, the one that got in
    so many before the last has not started; and with no places one is turned away if no server is free.
    """
    free_at = [0.0] * servers
    starts = [0.0] * places
    waits = np.full(len(arrival_s), np.nan)
    for n, (now, length) in enumerate(zip(arrival_s.tolist(), service_s.tolist(), strict=True)):
        if (starts[-places] if places else free_at[0]) > now:
            continue
        start = max(now, free_at[0])
        heapreplace(free_at, start + length)
        if places:
            starts.append(start)
        waits[n] = start - now
    return waits


def measured(
    drawn: Customers, servers: int, batches: int = BATCHES, percents: Sequence[float] = (50, 95, 99)
) -> SimulatedQueue:
    """Measure what came out, as a whole and by batches of as many customers each."""
    came = len(drawn.arrival_s)
    ends = np.linspace(came // _WARM_UP, came - 1, batches + 1).astype(np.int64)
    whole = _Window(drawn, int(ends[0]), int(ends[-1]))
    parts = [_Window(drawn, int(first), int(end)) for first, end in pairwise(ends)]
    figures = len(fields(SimulatedQueue)) - 2 + 2 * len(percents)

    def interval(measure: Callable[[_Window], float]) -> Interval:
        return interval_of(measure(whole), np.array([measure(part) for part in parts]), together=figures)

    def by_percent(times: Callable[[_Window], Reals]) -> dict[float, Interval]:
        of_all = np.percentile(times(whole), percents)
        of_parts = np.array([np.percentile(times(part), percents) for part in parts]).T
        return {
            percent: interval_of(float(one), column, together=figures)
            for percent, one, column in zip(percents, of_all, of_parts, strict=True)
        }

    return SimulatedQueue(
        utilisation=interval(lambda part: part.services.sum() / (servers * part.length_s)),
        blocking=interval(lambda part: 1 - len(part.waits) / part.came),
        wait_probability=interval(lambda part: float((part.waits > 0).mean())),
        mean_wait_s=interval(lambda part: part.waits.mean()),
        mean_delay_s=interval(lambda part: part.delays.mean()),
        # What customers spend, by the time in which they come: Little's law.
        mean_waiting=interval(lambda part: part.waits.sum() / part.length_s),
        mean_number=interval(lambda part: part.delays.sum() / part.length_s),
        wait_percentiles_s=by_percent(lambda part: part.waits),
        delay_percentiles_s=by_percent(lambda part: part.delays),
    )


class _Window:
    """Customers who came one after the other, and how long that took."""

    def __init__(self, drawn: Customers, first: int, end: int) -> None:
        got_in = ~np.isnan(drawn.wait_s[first:end])
        self.came = end - first
        self.length_s = float(drawn.arrival_s[end] - drawn.arrival_s[first])
        self.waits = drawn.wait_s[first:end][got_in]
        self.services = drawn.service_s[first:end][got_in]
        self.delays = self.waits + self.services
