"""Laws of traffic sources: what must hold for any rates and times."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.models.sources import (
    ConstantRate,
    EmbeddedCount,
    Exponential,
    Moments,
    OnOff,
    Packets,
    Pareto,
    PoissonPackets,
    Source,
    Steps,
    draw,
    superposed,
    window_rates,
)
from fairslice.models.sources.moments import window_factor
from fairslice.models.sources.trace import time_mean

LAW = settings(deadline=None, max_examples=60)
values = st.floats(1e-3, 1e3)
times = st.floats(0.05, 20)
shapes = st.floats(1.05, 4)
periods = st.builds(Exponential, times) | st.builds(Pareto, times, shapes)
on_off = st.builds(OnOff, values, periods, periods)
sources: st.SearchStrategy[Source] = (
    st.builds(ConstantRate, values) | st.builds(PoissonPackets, st.floats(0.1, 20), values) | on_off
)
seeds = st.integers(0, 2**32 - 1)


@LAW
@given(on_off)
def test_a_source_with_two_rates_has_the_largest_variance_of_its_mean_and_peak(source: OnOff) -> None:
    """Var ≤ mean·(peak - mean) for any rate between 0 and a peak, and equal for one that is either."""
    found = source.moments()
    assert found.peak_rate is not None
    assert found.rate_variance == pytest.approx(
        found.mean_rate * (found.peak_rate - found.mean_rate), rel=1e-9
    )
    assert found.mean_rate == pytest.approx((found.activity or 0) * found.peak_rate)
    assert found.hurst is not None
    assert 0.5 <= found.hurst < 1


@LAW
@given(st.builds(OnOff, values, st.builds(Exponential, times), st.builds(Exponential, times)), values, values)
def test_a_longer_window_has_less_variance(source: OnOff, window: float, other: float) -> None:
    short, long = sorted((window, other))
    at_moment, one, two = (source.moments(w).rate_variance or 0 for w in (None, short, long))
    assert at_moment >= one * (1 - 1e-12)
    assert one >= two * (1 - 1e-12)
    # And no less than the inverse of the window allows: the covariance is above 0.
    assert two * long >= one * short * (1 - 1e-12)


@LAW
@given(st.floats(0, 1e9))
def test_what_a_window_leaves_is_a_part(windows: float) -> None:
    assert 0 < window_factor(windows) <= 1
    assert window_factor(windows) <= 2 / windows if windows else True
    assert window_factor(windows) >= 1 - windows / 3 - 1e-15


@LAW
@given(sources, st.integers(1, 50), st.integers(1, 50))
def test_sums_of_sums_are_sums(source: Source, first: int, second: int) -> None:
    def near(value: float | None) -> object:
        return None if value is None else pytest.approx(value, rel=1e-12)

    twice, once = (
        superposed(superposed(source.moments(), first), second),
        superposed(source.moments(), first * second),
    )
    for name in Moments.__dataclass_fields__:
        if name != "notes":
            assert getattr(twice, name) == near(getattr(once, name))
    assert twice.peak_to_mean == near(once.peak_to_mean)


@LAW
@given(on_off, seeds, st.integers(1, 5))
def test_rates_of_a_sum_are_whole_numbers_of_sources(source: OnOff, seed: int, number: int) -> None:
    steps = draw(source, 30, np.random.default_rng(seed), number)
    assert isinstance(steps, Steps)
    assert steps.times_s[0] == 0
    assert np.all(np.diff(steps.times_s) > 0)
    assert set(steps.rates.tolist()) <= {k * source.data_rate for k in range(number + 1)}


@LAW
@given(on_off, seeds, st.floats(0.1, 1e3), st.floats(0, 1, exclude_max=True))
def test_packets_hold_what_was_sent_but_for_less_than_one(
    source: OnOff, seed: int, size: float, phase: float
) -> None:
    size *= source.data_rate / 50
    steps = source.draw(30, np.random.default_rng(seed))
    assert isinstance(steps, Steps)
    packets = steps.packets(size, phase)
    assert isinstance(packets, Packets)
    assert np.all(np.diff(packets.times_s) >= 0)
    for time in (3.0, 17.5, 30.0):
        at = np.array([time])
        rest = float(steps.sent_by(at)[0]) + phase * size - float(packets.sent_by(at)[0])
        assert -1e-6 * size <= rest <= size * (1 + 1e-6)


@LAW
@given(sources, seeds, st.integers(1, 40))
def test_windows_hold_all_that_was_sent(source: Source, seed: int, number: int) -> None:
    trace = draw(source, 12, np.random.default_rng(seed))
    rates = window_rates(trace, 12 / number)
    assert len(rates) == number
    assert float(rates.mean()) == pytest.approx(time_mean(trace), rel=1e-9, abs=1e-9)
    assert np.all(rates >= -1e-9)


@LAW
@given(periods, seeds)
def test_what_is_drawn_of_a_period_is_possible(period: Exponential | Pareto, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = period.sample(50, rng)
    least = period.scale_s if isinstance(period, Pareto) else 0.0
    assert np.all(drawn >= least * (1 - 1e-12))
    assert period.residual(rng) >= 0
    assert period.tail(least) == 1
    assert period.tail(1e300) == pytest.approx(0, abs=1e-9)


@LAW
@given(st.floats(0.1, 3), st.floats(0.1, 5), st.floats(0.01, 60), seeds)
def test_a_number_of_objects_is_within_its_bounds(shape: float, scale: float, room: float, seed: int) -> None:
    count = EmbeddedCount(shape, scale, scale + room)
    assert np.all(np.diff(count.at_least) <= 1e-12)
    assert 0 < count.mean <= room
    assert count.mean <= count.uncut_mean * (1 + 1e-9)
    assert count.variance > -1e-9
    drawn = count.sample(100, np.random.default_rng(seed))
    assert drawn.min() >= 0
    assert drawn.max() <= math.ceil(room)
