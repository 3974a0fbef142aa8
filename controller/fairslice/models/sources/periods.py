"""How long a source sends or is silent: distributions of a period with a given mean."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Exponential:
    """P(X > x) = exp(-x / mean): without memory."""

    mean_s: float

    @property
    def variance(self) -> float:
        """In s², the square of the mean."""
        return self.mean_s**2

    def tail(self, time_s: float) -> float:
        """The probability that a period is longer than this."""
        return math.exp(-max(0.0, time_s) / self.mean_s)

    def sample(self, count: int, rng: np.random.Generator) -> Doubles:
        """Lengths in s, each drawn on its own."""
        return rng.exponential(self.mean_s, count)

    def residual(self, rng: np.random.Generator) -> float:
        """What is left, in s, of a period that is met at a random moment: as much as of a new one."""
        return float(rng.exponential(self.mean_s))


@dataclass(frozen=True)
class Pareto:
    """P(X > x) = (k / x)^α from the scale k on, with the shape α > 1 and k = mean · (α - 1) / α.

    Shape and scale are the words of ns-3's ParetoRandomVariable and of D-ITG's option -V. The shape must be
    above 1, or there is no mean; at 2 or below there is no variance.
    """

    mean_s: float
    shape: float

    @property
    def scale_s(self) -> float:
        """The shortest period, k."""
        return self.mean_s * (self.shape - 1) / self.shape

    @property
    def variance(self) -> float:
        """In s²: mean² / (α · (α - 2)), infinite where α is 2 or less."""
        return self.mean_s**2 / (self.shape * (self.shape - 2)) if self.shape > 2 else math.inf

    def tail(self, time_s: float) -> float:
        """The probability that a period is longer than this."""
        return 1.0 if time_s <= self.scale_s else (self.scale_s / time_s) ** self.shape

    def mean_within(self, time_s: float) -> float:
        """The mean of a period, in s, if those that are longer than a time above 0 are cut to it.

        mean · (1 - (k/time)^(α - 1) / α), without a difference that cancels for an α near 1. There most of
        the mean is in periods that hardly ever come.

        Raises:
            ZeroDivisionError: the scale is too small for a float.
        """
        if time_s <= self.scale_s:
            return time_s
        excess = self.shape - 1
        grown = excess - math.expm1(-excess * math.log(time_s / self.scale_s))
        return self.mean_s * grown / self.shape

    def sample(self, count: int, rng: np.random.Generator) -> Doubles:
        """Lengths in s, each drawn on its own."""
        return self.scale_s * _above_zero(rng, count) ** (-1 / self.shape)

    def residual(self, rng: np.random.Generator) -> float:
        """What is left, in s, of a period that is met at a random moment.

        Its density is the tail over the mean (Cox 1962, chapter 5): uniform up to the scale, with
        probability (α - 1) / α, and behind it again a Pareto law, of shape α - 1: so its mean is infinite
        where α is 2 or less. What is longer than a float can say is infinite.
        """
        if rng.random() < (self.shape - 1) / self.shape:
            return float(rng.uniform(0, self.scale_s))
        with np.errstate(over="ignore"):
            return float(self.scale_s * _above_zero(rng, 1)[0] ** (-1 / (self.shape - 1)))


Period = Exponential | Pareto


def _above_zero(rng: np.random.Generator, count: int) -> Doubles:
    return 1 - rng.random(count)
