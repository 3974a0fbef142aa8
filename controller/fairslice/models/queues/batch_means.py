"""Intervals for means and percentiles of what depends on itself, by batches (Law 2015, chapter 9).

The middle is that of all that was measured, not the mean of the batches': a percentile of a batch, and a
quotient of two sums, is a little off on the mean, and the longer what it is taken of, the less (sectioning;
Asmussen and Glynn 2007).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairslice.models.queues.numbers import Number

CONFIDENCE = 0.99


@dataclass(frozen=True)
class Interval:
    """What was measured, and how sure it is."""

    mean: float
    half_width: float
    confidence: float = CONFIDENCE

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half_width

    def holds(self, value: Number) -> bool:
        """Whether a value is in it, its ends included."""
        return self.low <= value <= self.high


def interval_of(
    whole: float, batches: NDArray[np.float64], confidence: float = CONFIDENCE, together: int = 1
) -> Interval:
    """The interval of what was measured, from how far batches are from it that are long enough to be
    independent.

    By Student's t with one degree of freedom less than batches.

    Args:
        whole: of all that was measured.
        batches: the same of each batch, two or more.
        confidence: the probability that the interval holds what is measured, below 1.
        together: so many intervals hold together with that probability, or a higher one (Bonferroni's
            inequality; Law 2015, chapter 9).
    """
    # Here, since formulas of queues are for everybody, and SciPy is an extra.
    from scipy.special import stdtrit

    count = len(batches)
    deviation = float(np.sqrt(np.sum((batches - whole) ** 2) / (count - 1)))
    quantile = float(stdtrit(count - 1, 1 - (1 - confidence) / together / 2))
    return Interval(whole, quantile * deviation / count**0.5, confidence)
