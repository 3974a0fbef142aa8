"""Fractional Gaussian noise: exactly self-similar, with the Hurst parameter that one asks for."""

import numpy as np

from fairslice.errors import Fault, InputError
from fairslice.models.sources.periods import Doubles


def autocovariance(hurst: float, lags: int) -> Doubles:
    """Of noise with variance 1, at the lags 0 to ``lags`` - 1.

    γ(k) = (|k + 1|^2H - 2·|k|^2H + |k - 1|^2H) / 2 (Mandelbrot and van Ness 1968).
    """
    powers = np.arange(lags + 1.0) ** (2 * hurst)
    left = np.concatenate((powers[1:2], powers[:-2]))
    return np.asarray((powers[1:] - 2 * powers[:-1] + left) / 2)


def fractional_noise(hurst: float, length: int, rng: np.random.Generator) -> Doubles:
    """So many values of mean 0 and variance 1, whose covariances are exactly those of :func:`autocovariance`.

    By circulant embedding (Davies and Harte 1987): the covariances, and the same backwards, are the first
    row of a circulant matrix, whose eigenvalues are their Fourier transform; these are never negative for
    this noise (Perrin et al. 2002; Craigmile 2003).

    Args:
        hurst: above 0 and below 1; 1/2 is white noise.
        length: how many values, 2 or more.
        rng: where randomness comes from.

    Raises:
        InputError: ``hurst`` or ``length`` is out of its range.
    """
    faults = []
    if not 0 < hurst < 1:
        faults.append(f"found a Hurst parameter of {hurst:g}, expected one above 0 and below 1")
    if length < 2:
        faults.append(f"found a length of {length}, expected 2 or more")
    if faults:
        raise InputError(Fault(fault) for fault in faults)
    return embedded(hurst, length, rng.standard_normal(2 * length))


def embedded(hurst: float, length: int, normals: Doubles) -> Doubles:
    """The linear map of twice as many independent normal values to so many of the noise."""
    row = autocovariance(hurst, length + 1)
    eigenvalues = np.maximum(np.fft.rfft(np.concatenate((row, row[-2:0:-1]))).real, 0.0)
    # A real vector of 2n values has a spectrum of n + 1, the first and last of them real.
    spectrum = np.zeros(length + 1, dtype=complex)
    spectrum[0], spectrum[-1] = normals[0], normals[1]
    spectrum[1:-1] = (normals[2 : length + 1] + 1j * normals[length + 1 :]) / np.sqrt(2)
    weighted = np.sqrt(eigenvalues * 2 * length) * spectrum
    return np.asarray(np.fft.irfft(weighted, 2 * length)[:length])
