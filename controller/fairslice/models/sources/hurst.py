"""How self-similar a series is: estimates of its Hurst parameter, with intervals.

Both estimators fit a line to logarithms of variances against the logarithm of the scale. Their intervals come
from the same estimator on fractional Gaussian noise of the same length and of several Hurst parameters: a
parameter is inside if the estimate is within 2.576 deviations of the mean estimate of its noise, for 99 %.
That holds for series that are Gaussian and self-similar from the smallest scale on. A series of
on-off sources is so only beyond their periods, and where many are added up: say from which scale.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fairslice.errors import Fault, InputError
from fairslice.models.sources.fractional import embedded
from fairslice.models.sources.periods import Doubles

FEWEST = 16
"""Blocks, or differences, of the largest scale that counts."""
REPLICATES = 200
"""Series of noise for each Hurst parameter that is tried."""
AROUND = np.array([-0.25, -0.15, -0.08, -0.03, 0.03, 0.08, 0.15, 0.25])
"""Of the estimate: where noise is tried."""
NORMAL_99 = 2.576
_INSIDE = (0.005, 0.995)
"""Where noise is tried, whatever the estimate."""


@dataclass(frozen=True)
class HurstEstimate:
    """An estimate and its 99 % interval, and what it was read from."""

    hurst: float
    low: float
    high: float
    scales: Doubles
    """In values of the series."""
    variances: Doubles
    """Of means over blocks of each scale, or of wavelet coefficients."""


Estimator = Callable[[Doubles], tuple[float, Doubles, Doubles]]
"""Of a series: the Hurst parameter, the scales, and their variances."""


def aggregated_variance(series: Doubles, smallest: int = 1, seed: int = 1) -> HurstEstimate:
    """From the variance of means over blocks, which falls as scale^(2H - 2).

    Least squares on two logarithmic axes, for scales that double (Taqqu, Teverovsky and Willinger 1995). The
    mean of a series with a large H is not known well, which makes the variance of long blocks too small, and
    so the estimate; the interval allows for that.

    Args:
        series: values at equal distances in time, 64 times ``smallest`` or more.
        smallest: the scale from which on the series counts, in values.
        seed: of the noise that the interval comes from.

    Raises:
        InputError: the series is too short, constant, or not finite.
    """
    return _estimate(_by_blocks, series, smallest, seed)


def wavelet(series: Doubles, smallest: int = 1, seed: int = 1) -> HurstEstimate:
    """From the energy of Haar wavelets at each octave, which grows as scale^(2H - 1).

    Weighted least squares of the logarithm of the mean square, its bias taken away (Abry and Veitch 1998). A
    difference of two blocks does not need the mean, so that its variance is right for any H; for fractional
    noise it is an exact power of the scale.

    Args, errors: those of :func:`aggregated_variance`.
    """
    return _estimate(_by_octaves, series, smallest, seed)


def _estimate(estimator: Estimator, series: Doubles, smallest: int, seed: int) -> HurstEstimate:
    _check(series, smallest)
    # Means over blocks of fractional noise are fractional noise, with the same parameter.
    blocks = _means(series, smallest)
    hurst, scales, variances = estimator(blocks)
    low, high = _interval(estimator, hurst, len(blocks), np.random.default_rng(seed))
    return HurstEstimate(hurst, low, high, smallest * scales, variances)


def _interval(
    estimator: Estimator, hurst: float, length: int, rng: np.random.Generator
) -> tuple[float, float]:
    tried = np.unique(np.clip(hurst + AROUND, *_INSIDE))
    # The same normal values for each parameter, so that estimates differ by it alone.
    normals = rng.standard_normal((REPLICATES, 2 * length))
    means, spreads = np.empty(len(tried)), np.empty(len(tried))
    for place, parameter in enumerate(tried):
        found = [estimator(embedded(parameter, length, one))[0] for one in normals]
        means[place], spreads[place] = np.mean(found), NORMAL_99 * np.std(found, ddof=1)
    largest, least = (np.maximum.accumulate(means + side * spreads) for side in (1, -1))
    low = 0.0 if hurst < largest[0] else float(np.interp(hurst, largest, tried))
    high = 1.0 if hurst > least[-1] else float(np.interp(hurst, least, tried))
    return low, high


def _check(series: Doubles, smallest: int) -> None:
    faults = []
    if smallest < 1:
        faults.append(f"found a smallest scale of {smallest}, expected 1 or more")
    needed = 4 * FEWEST * max(1, smallest)
    if len(series) < needed:
        faults.append(f"found a series of {len(series)} values, expected {needed} or more")
    if not np.all(np.isfinite(series)):
        faults.append("found values that are not finite, expected numbers")
    elif len(series) and not np.ptp(series) > 0:
        faults.append(f"found a series that is constant, {series[0]:g}, expected one that varies")
    if faults:
        raise InputError(Fault(fault) for fault in faults)


def _scales(length: int) -> list[int]:
    return [2**k for k in range(int(math.log2(length / FEWEST)) + 1)]


def _by_blocks(series: Doubles) -> tuple[float, Doubles, Doubles]:
    scales = _scales(len(series))
    variances = np.array([np.var(_means(series, scale), ddof=1) for scale in scales])
    slope = _slope(np.log2(scales), _logs(variances), np.ones(len(scales)))
    return 1 + slope / 2, np.array(scales, dtype=float), variances


def _by_octaves(series: Doubles) -> tuple[float, Doubles, Doubles]:
    # A difference of two blocks of this length is a coefficient of twice the scale.
    halves = _scales(len(series) // 2)
    energies, counts = [], []
    for half in halves:
        means = _means(series, half)
        details = (means[1::2] - means[: len(means) // 2 * 2 : 2]) * math.sqrt(half / 2)
        energies.append(float(np.mean(details**2)))
        counts.append(len(details))
    number = np.array(counts, dtype=float)
    # E[ln of a mean of n squares of normals] is short of ln of their mean by about 1/n, its variance is 2/n.
    logs = _logs(np.array(energies)) + 1 / (number * math.log(2))
    slope = _slope(np.log2(halves), logs, number)
    return (1 + slope) / 2, 2.0 * np.array(halves), np.array(energies)


def _logs(variances: Doubles) -> Doubles:
    if not variances.min() > 0:
        raise InputError("found a scale at which nothing varies, expected a series that varies at each")
    return np.asarray(np.log2(variances))


def _means(series: Doubles, scale: int) -> Doubles:
    whole = len(series) // scale * scale
    return np.asarray(series[:whole].reshape(-1, scale).mean(axis=1))


def _slope(x: Doubles, y: Doubles, weights: Doubles) -> float:
    """Of the line with the least squares."""
    centred = x - weights @ x / weights.sum()
    return float((weights * centred) @ y / ((weights * centred) @ x))
