"""Distributions of waits and delays: what part of the customers takes longer than a time, and percentiles."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fairslice.models.queues.numbers import Number, first_time

Reals = NDArray[np.float64]


class Times(Protocol):
    """How long customers take; those who take no time count."""

    def tail(self, time_s: float) -> float:
        """The part of them that takes longer than ``time_s``, 0 or more."""

    def percentile(self, share: Number) -> float | None:
        """The least time that this part of them (above 0, below 1) does not exceed; None: not known."""


@dataclass(frozen=True)
class ExponentialTimes:
    """A part ``longer`` takes an exponential time, the others none: P(T > t) = longer · exp(−rate·t)."""

    longer: Number
    rate: Number
    """Per second, above 0."""

    def tail(self, time_s: float) -> float:
        """See :class:`Times`."""
        return float(self.longer) * math.exp(-float(self.rate) * time_s)

    def percentile(self, share: Number) -> float:
        """See :class:`Times`."""
        if self.longer <= 1 - share:
            return 0.0
        # Of exact numbers the difference is exact, so that nothing cancels where it is small.
        return math.log1p(float((self.longer - (1 - share)) / (1 - share))) / float(self.rate)


@dataclass(frozen=True)
class WaitThenService:
    """A wait of :class:`ExponentialTimes`, then an exponential service of its own.

    P(T > t) = exp(−μ·t) + longer · μ · (exp(−μ·t) − exp(−β·t)) / (β − μ), μ the rate of service, β that of
    the wait. Where the rates are equal that is 0/0; then the quotient is t·exp(−μ·t).
    """

    longer: Number
    rate: Number
    service_rate: Number

    def tail(self, time_s: float) -> float:
        """See :class:`Times`."""
        served, apart = float(self.service_rate), float(self.rate - self.service_rate)
        slower = min(served, float(self.rate))
        ratio = -math.expm1(-abs(apart) * time_s) / abs(apart) if apart else time_s
        return math.exp(-served * time_s) + float(self.longer) * served * math.exp(-slower * time_s) * ratio

    def percentile(self, share: Number) -> float:
        """See :class:`Times`."""
        start = 1 / float(self.service_rate) + float(self.longer) / float(self.rate)
        return first_time(self.tail, float(1 - share), start)


@dataclass(frozen=True)
class PhaseTimes:
    """Phases one after the other, each exponential with the same rate, and then perhaps a slower last one.

    Counted at the ticks of one Poisson process of that rate (uniformisation; Jensen 1953): each tick ends a
    phase, and the last one with the probability ``ends``. Every term is above 0, so that nothing cancels.
    """

    phases: tuple[float, ...]
    """The probabilities of 0, 1, 2, … phases; together 1."""
    rate: float
    """Of phases, per second."""
    ends: float | None = None
    """The probability that a tick ends the last phase; None: there is no last phase."""

    @cached_property
    def _going_on(self) -> tuple[Reals, float]:
        """The part that has not ended by the tick 0, 1, 2, …, and by what factor it shrinks after these."""
        more = np.cumsum(np.array(self.phases)[::-1])[::-1]
        waiting = np.append(more[1:], 0.0)
        if self.ends is None:
            return waiting, 0.0
        stays = 1 - self.ends
        last = np.fromiter(accumulate(self.phases, lambda old, new: old * stays + new), dtype=np.float64)
        return waiting + last, stays

    def tail(self, time_s: float) -> float:
        """See :class:`Times`."""
        parts, shrinks = self._going_on
        first, weights = poisson(self.rate * time_s)
        ticks = np.arange(first, first + len(weights))
        known = np.minimum(ticks, len(parts) - 1)
        return float(np.sum(weights * parts[known] * shrinks ** (ticks - known)))

    def percentile(self, share: Number) -> float:
        """See :class:`Times`."""
        above = float(1 - share)
        if self.tail(0.0) <= above:
            return 0.0
        ends = 1.0 if self.ends is None else self.ends
        mean = float(np.dot(self.phases, np.arange(len(self.phases)))) + 1 / ends
        return first_time(self.tail, above, mean / self.rate)


@dataclass(frozen=True)
class SameTime:
    """Everybody takes as long."""

    time_s: Number

    def tail(self, time_s: float) -> float:
        """See :class:`Times`."""
        return float(time_s < float(self.time_s))

    def percentile(self, share: Number) -> float:  # noqa: ARG002
        """See :class:`Times`."""
        return float(self.time_s)


@dataclass(frozen=True)
class Later:
    """All times of another distribution, later by the same time."""

    times: Times
    by_s: Number

    def tail(self, time_s: float) -> float:
        """See :class:`Times`."""
        after = time_s - float(self.by_s)
        return 1.0 if after < 0 else self.times.tail(after)

    def percentile(self, share: Number) -> float | None:
        """See :class:`Times`."""
        found = self.times.percentile(share)
        return None if found is None else found + float(self.by_s)


@dataclass(frozen=True)
class OnlyHowMany:
    """Of a wait no more is known than how many have one; so only percentiles that are 0 are known."""

    longer: Number

    def tail(self, time_s: float) -> float:
        """See :class:`Times`; nan but at 0."""
        return float(self.longer) if time_s == 0 else math.nan

    def percentile(self, share: Number) -> float | None:
        """See :class:`Times`."""
        return 0.0 if self.longer <= 1 - share else None


def poisson(mean: float) -> tuple[int, Reals]:
    """The probabilities of a Poisson number, where they matter, and the number that the first of them is for.

    They are worked out from the likeliest number to both sides, each from its neighbour, and then made 1
    together: no power and no factorial. What is left out is below 1e-30.
    """
    middle = int(mean)
    width = int(12 * math.sqrt(mean)) + 60
    first = max(0, middle - width)
    rising = mean / np.arange(middle + 1, middle + width + 1)
    falling = np.arange(middle, first, -1) / mean if mean else np.empty(0)
    weights = np.concatenate((np.cumprod(falling)[::-1], [1.0], np.cumprod(rising)))
    return first, weights / weights.sum()
