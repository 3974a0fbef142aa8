"""Fractional noise has exactly its covariances; estimators find the Hurst parameter that it was made with."""

from collections.abc import Callable

import numpy as np
import pytest

from fairslice.errors import InputError
from fairslice.models.sources import (
    Exponential,
    HurstEstimate,
    OnOff,
    aggregated_variance,
    draw,
    fractional_noise,
    pareto_on_off,
    wavelet,
    window_rates,
)
from fairslice.models.sources.fractional import autocovariance, embedded
from fairslice.models.sources.hurst import FEWEST

ESTIMATORS = [aggregated_variance, wavelet]
Estimator = Callable[..., HurstEstimate]


@pytest.mark.parametrize("hurst", [0.05, 0.3, 0.5, 0.75, 0.95, 0.999])
@pytest.mark.parametrize("length", [2, 7, 64])
def test_noise_has_exactly_its_covariances(hurst: float, length: int) -> None:
    """The map from normal values to noise is linear: its matrix times its transpose is what is asked for."""
    matrix = np.stack([embedded(hurst, length, unit) for unit in np.eye(2 * length)], axis=1)
    lags = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    assert matrix @ matrix.T == pytest.approx(autocovariance(hurst, length)[lags], abs=1e-9)


def test_covariances_by_hand() -> None:
    assert autocovariance(0.5, 4).tolist() == [1, 0, 0, 0]
    assert autocovariance(0.75, 2) == pytest.approx([1, 2**1.5 / 2 - 1])
    assert np.all(autocovariance(0.3, 50)[1:] < 0)


@pytest.mark.parametrize("hurst", [0.3, 0.6, 0.9])
def test_sums_of_noise_grow_as_the_power_2h(hurst: float) -> None:
    """Exactly self-similar: the variance of a sum of n is n^2H, from the covariances alone."""
    for count in (2, 10, 500):
        lags = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        assert autocovariance(hurst, count)[lags].sum() == pytest.approx(count ** (2 * hurst), rel=1e-9)


def test_noise_is_that_of_its_seed() -> None:
    one, same = (fractional_noise(0.8, 100, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, fractional_noise(0.8, 100, np.random.default_rng(2)))


@pytest.mark.parametrize("hurst", [0, 1, -0.5, 2])
def test_noise_that_does_not_exist_is_refused(hurst: float) -> None:
    with pytest.raises(
        InputError, match=r"expected one above 0 and below 1\nfound a length of 1, expected 2"
    ):
        fractional_noise(hurst, 1, np.random.default_rng(1))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: str(one.__name__))
@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_known_parameter_is_inside_the_interval(estimator: Estimator, hurst: float, seed: int) -> None:
    found = estimator(fractional_noise(hurst, 2048, np.random.default_rng(seed)), seed=seed)
    assert found.low < hurst < found.high
    assert found.high - found.low < 0.3


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: str(one.__name__))
def test_noise_that_is_less_alike_is_told_apart(estimator: Estimator) -> None:
    white, alike = (fractional_noise(hurst, 4096, np.random.default_rng(4)) for hurst in (0.5, 0.9))
    assert estimator(white).high < estimator(alike).low


def test_a_shift_and_a_factor_change_nothing() -> None:
    series = fractional_noise(0.8, 1024, np.random.default_rng(5))
    for estimator in ESTIMATORS:
        assert estimator(series).hurst == pytest.approx(estimator(1e3 + 7 * series).hurst, abs=1e-9)


def test_blocks_and_octaves_by_hand() -> None:
    series = np.tile([1.0, 2.0, 4.0, 9.0], 2 * FEWEST)
    found = aggregated_variance(np.concatenate((series, series[::-1])) + np.arange(256) / 1000)
    assert found.scales.tolist() == [1, 2, 4, 8, 16]
    steady = np.repeat(np.tile([0.0, 2.0], FEWEST), 2)[: 4 * FEWEST]
    energies = wavelet(steady + np.arange(4 * FEWEST) * 0.5)
    # Within a step the values differ by 0.5; Haar's coefficient is half of that times the root of 2.
    assert energies.scales.tolist() == [2, 4]
    assert energies.variances[0] == pytest.approx(0.5**2 / 2)
    # Between steps: means of two, apart by 1 and 2, times 1.
    assert energies.variances[1] == pytest.approx(3.0**2)


def test_pareto_stays_bursty_where_exponential_does_not() -> None:
    """Fifty sources of each kind with the same means, beyond their periods: H = (3 - 1.4) / 2 against 1/2."""
    pareto = pareto_on_off(1, 1, 2, 1.4)
    exponential = OnOff(1, Exponential(1), Exponential(2))
    heavy, light = (
        wavelet(window_rates(draw(one, 16_384, np.random.default_rng(6), 50), 1.0), smallest=16)
        for one in (pareto, exponential)
    )
    assert heavy.low < 0.8 < heavy.high
    assert light.low < 0.5 < light.high
    assert light.high < heavy.low


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: str(one.__name__))
def test_what_can_not_be_estimated_is_refused_with_all_faults(estimator: Estimator) -> None:
    with pytest.raises(InputError) as caught:
        estimator(np.ones(10), smallest=0)
    assert str(caught.value).splitlines() == [
        "found a smallest scale of 0, expected 1 or more",
        "found a series of 10 values, expected 64 or more",
        "found a series that is constant, 1, expected one that varies",
    ]
    with pytest.raises(InputError, match="not finite"):
        estimator(np.full(64, np.nan))
    with pytest.raises(InputError, match="found a scale at which nothing varies"):
        estimator(np.tile([1.0, 1.0, -1.0, -1.0], 64) if estimator is wavelet else np.tile([1.0, -1.0], 64))
