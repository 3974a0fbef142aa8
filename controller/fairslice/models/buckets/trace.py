"""A trace of packets in one unit: time is counted as the tokens that come in it.

At a rate r the time t is worth r·t tokens. With all times written so, a token bucket needs one number, the
instant at which it would have been empty: what it holds at s is s less that instant. This is the virtual
scheduling form of the generic cell rate algorithm (ITU-T I.371, annex A), with packets of any length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fairslice.errors import Fault, InputError
from fairslice.models.problem import exact

Floats: TypeAlias = NDArray[np.float64]
Number: TypeAlias = int | float | Fraction | str
"""As :func:`fairslice.models.problem.exact` reads it: ``"1/3"`` is a third."""
Numbers: TypeAlias = Sequence[Number] | NDArray[Any]
"""An array of floats is computed in floats; all else exactly, a float as it is written."""
_MOST_WORK = 4e12
"""Packets, times the square of the bits of their common denominator: some seconds."""


@dataclass(frozen=True, slots=True)
class WholeTrace:
    """A trace in whole numbers, without loss.

    Attributes:
        times: when packets arrive, in units of tokens since the first arrival.
        costs: how long they are, in the same unit.
        depth: of the bucket.
        unit: how much one unit is, in the unit of length.
        begin: when the first packet arrives, in the unit of time.
    """

    times: list[int]
    costs: list[int]
    depth: int
    unit: Fraction
    begin: Fraction

    def amount(self, units: int) -> Fraction:
        """So many units in the unit of length."""
        return units * self.unit


def whole_trace(arrivals: Numbers, lengths: Numbers, rate: Fraction, burst: Fraction) -> WholeTrace:
    """A trace with a bucket, in whole numbers: all by the least common denominator.

    Raises:
        InputError: see :func:`check`; or the numbers have no common denominator that is short enough.
    """
    ticks, per_time = _whole(arrivals)
    amounts, own = _whole(lengths)
    per_length = math.lcm(own, burst.denominator)
    check(ticks, amounts, rate, burst)
    gain = rate.numerator * per_length
    cost = per_time * rate.denominator
    scale = cost * (per_length // own)
    first = ticks[0] if ticks else 0
    unit = Fraction(1, per_length * cost)
    return WholeTrace(
        [(tick - first) * gain for tick in ticks],
        [amount * scale for amount in amounts],
        int(burst / unit),
        unit,
        Fraction(first, per_time),
    )


def _whole(values: Numbers) -> tuple[list[int], int]:
    """Numbers as whole ones over one denominator."""
    plain: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if all(type(value) is int for value in plain):
        return plain, 1
    fractions = [exact(value) for value in plain]
    common, most_bits = 1, math.sqrt(_MOST_WORK / max(1, len(fractions)))
    for denominator in {one.denominator for one in fractions}:
        common = math.lcm(common, denominator)
        if common.bit_length() > most_bits:
            raise InputError(
                f"found {len(fractions)} packets whose common denominator has more than"
                f" {int(most_bits * math.log10(2))} digits, too many to compute with;"
                " expected decimals, or fractions that have more in common"
            )
    return [one.numerator * (common // one.denominator) for one in fractions], common


def in_floats(*columns: Numbers) -> bool:
    """Whether one of them is an array of floats."""
    return any(isinstance(one, np.ndarray) and one.dtype.kind == "f" for one in columns)


def float_trace(
    arrivals: Numbers, lengths: Numbers, rate: Fraction, burst: Fraction
) -> tuple[Floats, Floats, Floats]:
    """A trace in floats: arrivals, lengths, and arrivals as tokens since the first.

    Raises:
        InputError: see :func:`check`.
    """
    times = np.asarray(arrivals, np.float64)
    costs = np.asarray(lengths, np.float64)
    check(times, costs, rate, burst)
    since = times - times[0] if len(times) else times
    return times, costs, since * float(rate)


def check(arrivals: Any, lengths: Any, rate: Fraction, burst: Fraction) -> None:
    """Refuse what is not a trace and a bucket.

    Raises:
        InputError: all that is wrong: a rate that is not above 0, a burst below 0, as many arrivals as
            lengths are expected, arrivals in their order, lengths above 0.
    """
    faults = []
    if rate <= 0:
        faults.append(Fault(f"rate: found {float(rate):g}, expected a number above 0"))
    if burst < 0:
        faults.append(Fault(f"burst: found {float(burst):g}, expected a number from 0 up"))
    if len(arrivals) != len(lengths):
        faults.append(Fault(f"found {len(arrivals)} arrivals and {len(lengths)} lengths, expected as many"))
    if not _in_order(arrivals):
        faults.append(Fault("arrivals: found one before its predecessor's, expected the order of time"))
    if not _positive(lengths):
        faults.append(Fault("lengths: found one that is not above 0"))
    if faults:
        raise InputError(faults)


def _in_order(times: Any) -> bool:
    if isinstance(times, np.ndarray):
        return bool(np.isfinite(times).all() and (np.diff(times) >= 0).all())
    return all(map(int.__le__, times, times[1:]))


def _positive(amounts: Any) -> bool:
    if isinstance(amounts, np.ndarray):
        return bool((np.isfinite(amounts) & (amounts > 0)).all())
    return min(amounts, default=1) > 0
