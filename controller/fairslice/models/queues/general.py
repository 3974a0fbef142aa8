"""Queues with Poisson arrivals and any service: M/G/1 by its mean, M/D/1 with its distribution, M/G/m/m."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fairslice.models.queues.erlang import lost_part
from fairslice.models.queues.numbers import Number, Real, affordable, count, first_time, fraction
from fairslice.models.queues.steady import ENDLESS, SteadyState
from fairslice.models.queues.times import ExponentialTimes, Later, OnlyHowMany, SameTime, Times

_NO_MORE = "Percentiles would need more of the service than its mean and standard deviation."


def m_g_1(arrival_rate: Real, mean_s: Real, sd_s: Real) -> SteadyState:
    """M/G/1: one server, and any service with this mean and standard deviation.

    Mean wait = λ·E[S²] / (2·(1 − ρ)), with E[S²] = mean² + sd² and ρ = λ·mean (Pollaczek 1930 and Khinchine
    1932; Kleinrock 1975, chapter 5). Service without deviation is that of :func:`m_d_1`. Of any other the
    distribution of the wait depends on more than these two; ρ of the customers wait, whatever it is.

    Args:
        arrival_rate: λ, customers a second, 0 or more.
        mean_s: above 0.
        sd_s: standard deviation of the service, 0 or more.

    Raises:
        InputError: an argument is out of its range.
    """
    arrivals, mean = fraction("arrival_rate", arrival_rate), fraction("mean_s", mean_s, above=0)
    deviation = fraction("sd_s", sd_s)
    load = arrivals * mean
    if load >= 1:
        return SteadyState(False, load, blocking=Fraction(0), note=ENDLESS)
    mean_wait = arrivals * (mean * mean + deviation * deviation) / (2 * (1 - load))
    wait: Times = OnlyHowMany(load) if deviation else ConstantServiceWait(load, mean)
    return SteadyState(
        True,
        load,
        blocking=Fraction(0),
        wait_probability=load,
        mean_wait_s=mean_wait,
        mean_delay_s=mean_wait + mean,
        mean_waiting=arrivals * mean_wait,
        mean_number=arrivals * mean_wait + load,
        wait=wait,
        delay=None if deviation else Later(wait, mean),
        note=_NO_MORE if deviation else "",
    )


def m_d_1(arrival_rate: Real, service_rate: Real) -> SteadyState:
    """M/D/1: one server, and the same service for everybody; the wait's distribution:
    :class:`ConstantServiceWait`.

    >>> m_d_1(Fraction(1, 2), 1).mean_wait_s
    Fraction(1, 2)

    Args:
        arrival_rate: λ, customers a second, 0 or more.
        service_rate: μ, customers a second that the server serves, above 0.

    Raises:
        InputError: an argument is out of its range.
    """
    return m_g_1(arrival_rate, 1 / fraction("service_rate", service_rate, above=0), 0)


def m_g_m_m(arrival_rate: Real, mean_s: Real, servers: int, *, constant: bool = False) -> SteadyState:
    """M/G/m/m: who finds all servers taken is lost. Only the mean of the service matters (Sevastyanov 1957).

    Args:
        arrival_rate: λ, customers a second, 0 or more.
        mean_s: of the service, above 0.
        servers: 1 or more.
        constant: whether the service is the same for everybody.

    Raises:
        InputError: an argument is out of its range.
    """
    mean = fraction("mean_s", mean_s, above=0)
    offered = fraction("arrival_rate", arrival_rate) * mean
    m = count("servers", servers, 1)
    exactly = affordable(m, offered.numerator, offered.denominator * m)
    blocking = lost_part(offered if exactly else float(offered), m)
    carried = offered * (1 - blocking)
    return SteadyState(
        True,
        carried / m,
        blocking=blocking,
        wait_probability=Fraction(0),
        mean_wait_s=Fraction(0),
        mean_delay_s=mean,
        mean_waiting=Fraction(0),
        mean_number=carried,
        wait=ExponentialTimes(Fraction(0), Fraction(1)),
        delay=SameTime(mean) if constant else None,
        note="" if constant else _NO_MORE,
    )


@dataclass(frozen=True)
class ConstantServiceWait:
    """The wait of M/D/1, whose service always takes D.

    Erlang's own formula (1909), P(W ≤ t) = (1 − ρ) Σ (−λ(t − kD))^k / k! · exp(λ(t − kD)) over k ≤ t/D, has
    terms of both signs that grow with t, and loses all its digits within some ten services. Here, for
    (k − 1)·D ≤ t < k·D,

        P(W ≤ t) = exp(−λ(kD − t)) Σ Q(k − 1 − j) · (λ(kD − t))^j / j!    over j = 0 … k − 1

    with Q(n) the probability that at most n wait: all terms are above 0 (Franx 2001, for M/D/c). Beyond
    twenty services the wait is exponential but for less than 1e-16, P(W > t) = (1 − ρ) / (y − (1 − ρ)) ·
    exp(−y·t/D), with y > 0 the solution of ρ·(e^y − 1) = y: the next pole of the transform is further off by
    more than 1.6 / D from a load of 1/2 on (with less, nobody waits as long).
    """

    load: Fraction
    """ρ = λ·D, below 1."""
    service_s: Fraction
    """D."""

    _SUMMED = 20

    @cached_property
    def _at_most(self) -> list[float]:
        """Q(0), Q(1), …: the probabilities that at most so many wait.

        Of the number in the system at departures: what crosses a level upwards comes down again, so
        p(n + 1)·P(0 come) = p(0)·P(more than n come) + Σ p(i)·P(more than n + 1 − i come), without a
        difference.
        """
        load = float(self.load)
        arrive = [math.exp(-load)]
        for k in range(1, 3 * self._SUMMED + 40):
            arrive.append(arrive[-1] * load / k)
        more = [math.fsum(arrive[k + 1 :]) for k in range(self._SUMMED + 2)]
        number = [float(1 - self.load)]
        for n in range(self._SUMMED + 1):
            rising = [number[0] * more[n], *(number[i] * more[n + 1 - i] for i in range(1, n + 1))]
            number.append(math.fsum(rising) / arrive[0])
        return [math.fsum(number[: n + 2]) for n in range(self._SUMMED + 1)]

    @cached_property
    def _decay(self) -> float:
        """The y of the tail: the solution of g(y) = (1 − ρ)/ρ, with g(y) = (e^y − 1 − y)/y, which rises."""
        target = float((1 - self.load) / self.load)
        return first_time(lambda y: -_g(y), -target, min(target, 1.0))

    @cached_property
    def _tail_part(self) -> float:
        spare = float(1 - self.load)
        return spare / (self._decay - spare)

    def tail(self, time_s: float) -> float:
        """See :class:`~fairslice.models.queues.times.Times`."""
        if not self.load:
            return 0.0
        services = time_s / float(self.service_s)
        if services >= self._SUMMED:
            return self._tail_part * math.exp(-self._decay * services)
        k = int(services) + 1
        come = float(self.load) * (k - services)
        term, terms = math.exp(-come), []
        for j in range(k):
            terms.append(term * self._at_most[k - 1 - j])
            term *= come / (j + 1)
        return max(0.0, 1 - math.fsum(terms))

    def percentile(self, share: Number) -> float:
        """See :class:`~fairslice.models.queues.times.Times`."""
        if self.load <= 1 - share:
            return 0.0
        above, service = float(1 - share), float(self.service_s)
        if self.tail(self._SUMMED * service) > above:
            return math.log(self._tail_part / above) / self._decay * service
        return first_time(self.tail, above, service)


def _g(y: float) -> float:
    """(e^y − 1 − y) / y, by its series where that difference would cancel."""
    if y > 1:
        return math.inf if y > 700 else (math.expm1(y) - y) / y
    total, term = 0.0, 1.0
    for k in range(2, 25):
        term *= y / k
        total += term
    return total
