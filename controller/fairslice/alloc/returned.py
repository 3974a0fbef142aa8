"""What acknowledgements take of links, computed for many rates of the same flows."""

import math
from collections.abc import Sequence
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.engine import loaded
from fairslice.alloc.kernel.backends import Backend

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDE = 2.0**90
"""Where a sum of n terms is less than this / n times its least one, a pair of floats holds all its digits.

Every term, every partial sum and every error of one is a whole multiple of the last digit of the least term.
The errors together are no more than one digit of the sum for each term, so that adding them up is exact.
"""


class Returned:
    """What acknowledgements take of every link that carries some."""

    def __init__(self, problem: AcknowledgedProblem) -> None:
        self._first, self._flow, self._share = problem.rows
        self._terms = np.diff(self._first).astype(np.float64)

    def taken(self, rate: Sequence[float]) -> "NDArray[Any]":
        """By the place of the link in the problem's shares: what is taken of it, correctly rounded."""
        code, rates = loaded(), np.asarray(rate, dtype=np.float64)
        if code is None:
            return np.array([self._exactly(place, rates) for place in range(len(self._terms))])
        return self._quickly(code, rates)

    def _exactly(self, place: int, rate: "NDArray[Any]") -> float:
        row = slice(self._first[place], self._first[place + 1])
        return math.fsum(map(mul, self._share[row].tolist(), rate[self._flow[row]].tolist()))

    def _quickly(self, code: Backend, rate: "NDArray[Any]") -> "NDArray[Any]":
        """In pairs of floats, which the nearest float of is that of the sum where they hold all of it."""
        total, least = np.zeros(len(self._terms)), np.zeros(len(self._terms))
        code.run.take_shares(self._first, self._flow, self._share, rate, total, least)
        for place in np.flatnonzero(total / _WIDE * self._terms >= least).tolist():
            total[place] = self._exactly(place, rate)
        return total
