"""M/M/1, M/M/1/K, M/M/m, M/M/m/K: Poisson arrivals and exponential service (Kleinrock 1975, chapter 3)."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fairslice.errors import InputError
from fairslice.models.queues.erlang import lost_part
from fairslice.models.queues.numbers import Number, Real, affordable, count, fraction
from fairslice.models.queues.steady import ENDLESS, SteadyState
from fairslice.models.queues.times import ExponentialTimes, PhaseTimes, Reals, WaitThenService


def m_m_m(
    arrival_rate: Real, service_rate: Real, servers: int = 1, capacity: int | None = None
) -> SteadyState:
    """M/M/m, and M/M/m/K where a capacity is given; M/M/1 and M/M/1/K with one server.

    Customers come at random (Poisson), are served in the order in which they came, by the first server that
    is free, and each for an exponential time that depends on nothing.

    With a = λ/μ and ρ = a/m, of an endless queue: P(wait) = C(m, a), by
    :func:`~fairslice.models.queues.erlang_c`; mean wait = C / (m·μ − λ);
    P(wait > t) = C · exp(−(m·μ − λ)·t). With a capacity K the probabilities of n in the system are as a^n/n!
    up to m and fall by ρ a step from there; the last one is the blocking. The closed form for one server,
    (1 − ρ)·ρ^n / (1 − ρ^(K+1)), is 0/0 at equal rates, so sums are taken instead.

    >>> m_m_m(3, 10).mean_delay_s
    Fraction(1, 7)
    >>> m_m_m(5, 5, capacity=4).blocking
    Fraction(1, 5)

    Args:
        arrival_rate: λ, customers a second, 0 or more.
        service_rate: μ, customers a second that one server serves, above 0.
        servers: m, 1 or more.
        capacity: K, the most in the system, those in service included, ``servers`` or more; None: endless.

    Raises:
        InputError: an argument is out of its range.
    """
    arrivals = fraction("arrival_rate", arrival_rate)
    service = fraction("service_rate", service_rate, above=0)
    m = count("servers", servers, 1)
    if capacity is not None:
        most = count("capacity", capacity, 1)
        if most < m:
            raise InputError(f"capacity: found {most}, expected {m} or more, as the servers are part of it")
        return _finite(arrivals, service, m, most)
    if arrivals >= m * service:
        return SteadyState(False, arrivals / (m * service), blocking=Fraction(0), note=ENDLESS)
    return _endless(arrivals, service, m)


def _endless(arrivals: Fraction, service: Fraction, servers: int) -> SteadyState:
    offered = arrivals / service
    spare = servers - offered
    exactly = affordable(servers, offered.numerator, offered.denominator * servers)
    lost = lost_part(offered if exactly else float(offered), servers)
    waits = servers * lost / (spare + offered * lost)  # Erlang C.
    left = spare * service  # m·μ − λ: exact, so that nothing cancels at a load of 0.999999.
    mean_wait = waits / left
    mean_waiting = arrivals * mean_wait
    return SteadyState(
        True,
        offered / servers,
        blocking=Fraction(0),
        wait_probability=waits,
        mean_wait_s=mean_wait,
        mean_delay_s=mean_wait + 1 / service,
        mean_waiting=mean_waiting,
        mean_number=mean_waiting + offered,
        wait=ExponentialTimes(waits, left),
        delay=ExponentialTimes(Fraction(1), left) if servers == 1 else WaitThenService(waits, left, service),
    )


@dataclass(frozen=True)
class _Sums:
    """Of the probabilities of 0, 1, … K in the system."""

    full: Number
    """Of K."""
    inside: Number
    """Of less than K: of who comes then, and gets in."""
    waits: Number
    """Of m, … K − 1: who gets in then waits."""
    leave_first: Number
    """The same, each times those that must leave before: n − m + 1."""
    waiting: Number
    """Of m, … K, each times those that wait then: n − m."""


def _finite(arrivals: Fraction, service: Fraction, servers: int, capacity: int) -> SteadyState:
    offered = arrivals / service
    weights = _weights(offered, servers, capacity)
    exactly = affordable(capacity, offered.numerator, offered.denominator * servers)
    sums = _exact_sums(offered, servers, capacity) if exactly else _float_sums(weights, servers)
    mean_wait = sums.leave_first / sums.inside / (servers * service)
    carried = offered * sums.inside
    getting_in = weights[:-1] / weights[:-1].sum()
    phases = (float(getting_in[:servers].sum()), *getting_in[servers:].tolist())
    rate = float(servers * service)
    return SteadyState(
        True,
        min(carried / servers, Fraction(1)),
        blocking=sums.full,
        wait_probability=sums.waits / sums.inside,
        mean_wait_s=mean_wait,
        mean_delay_s=mean_wait + 1 / service,
        mean_waiting=sums.waiting,
        mean_number=sums.waiting + carried,
        wait=PhaseTimes(phases, rate),
        delay=PhaseTimes(phases, rate, 1 / servers),
    )


def _exact_sums(offered: Fraction, servers: int, capacity: int) -> _Sums:
    """In whole numbers: what all have in common is divided out once, at the end."""
    p, q = offered.numerator, offered.denominator
    full, total, all_served, waiting = 1, 1, 0, 0
    for n in range(1, capacity + 1):
        busy = min(n, servers) * q
        full *= p
        total = total * busy + full
        all_served = all_served * busy + (full if n >= servers else 0)
        waiting = waiting * busy + max(0, n - servers) * full
    waits = all_served - full
    leave_first = waiting - (capacity - servers) * full + waits
    return _Sums(*(Fraction(one, total) for one in (full, total - full, waits, leave_first, waiting)))


def _float_sums(weights: Reals, servers: int) -> _Sums:
    total = weights.sum()
    behind = weights[servers:]
    places = np.arange(len(behind))
    found = (
        weights[-1],
        weights[:-1].sum(),
        behind[:-1].sum(),
        np.dot(behind[:-1], places[1:]),
        np.dot(behind, places),
    )
    return _Sums(*(float(one / total) for one in found))


def _weights(offered: Fraction, servers: int, capacity: int) -> Reals:
    """Of 0, 1, … ``capacity`` in the system; the largest is about 1, so that none overflows."""
    a = float(offered)
    likeliest = min(math.floor(a), servers)
    rising = a / np.arange(likeliest + 1, servers + 1)
    falling = np.arange(likeliest, 0, -1) / a if a else np.empty(0)
    up_to_all = np.concatenate((np.cumprod(falling)[::-1], [1.0], np.cumprod(rising)))
    # Behind m each weight is ρ times the one before; ln ρ of the exact 1 − ρ.
    spare = float(1 - offered / servers)
    fall = math.log1p(-spare) if spare < 1 else -math.inf
    beyond = np.arange(1, capacity - servers + 1)
    if spare >= 0:
        return np.concatenate((up_to_all, up_to_all[-1] * np.exp(fall * beyond)))
    top = capacity - servers
    return np.concatenate((up_to_all * math.exp(-fall * top), np.exp(fall * (beyond - top))))
