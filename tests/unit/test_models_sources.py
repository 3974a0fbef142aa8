"""Sources of traffic: closed forms against integration, published numbers, samples within their intervals."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from fairslice.models.sources import (
    ClippedLogNormal,
    ConstantRate,
    EmbeddedCount,
    Exponential,
    OnOff,
    Packets,
    Pareto,
    PoissonPackets,
    Source,
    Steps,
    Web,
    WebPages,
    draw,
    pareto_on_off,
    superposed,
    voice,
    window_rates,
)
from fairslice.models.sources.moments import window_factor
from fairslice.models.sources.trace import superposed_steps, time_mean, time_variance

EXACT = 1e-9
PERIODS = [Exponential(0.7), Pareto(2.0, 1.2), Pareto(2.0, 1.5), Pareto(0.5, 2.5)]
SIZES = [
    ClippedLogNormal(10_710, 25_032, 100, 2e6),
    ClippedLogNormal(7_758, 126_168, 50, 2e6),
    ClippedLogNormal(10, 1, 12, 15),
]
SOURCES: list[Source] = [
    ConstantRate(10),
    ConstantRate(10, 3),
    PoissonPackets(4, 2),
    OnOff(5, Exponential(1), Exponential(2)),
    OnOff(5, Exponential(1), Exponential(2), 0.25),
    voice(),
    pareto_on_off(5, 1, 2, 1.4),
    pareto_on_off(5, 1, 2, 1.5, 2.5, 0.25),
    Web(),
    Web(data_rate=50_000),
]


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def integral(function: Callable[[float], float], *bounds: float) -> float:
    """By Gauss and Legendre, 40 points on each of 40 parts of each piece between bounds."""
    edges = [point for low, high in pairwise(bounds) for point in np.linspace(low, high, 41)]
    return math.fsum(
        float(weight) * (high - low) / 2 * function(float((low + high) / 2 + (high - low) / 2 * node))
        for low, high in pairwise(edges)
        for node, weight in zip(NODES, WEIGHTS, strict=True)
    )


def exists(value: float | None) -> float:
    assert value is not None
    return value


def near(value: float) -> object:
    return pytest.approx(value, rel=EXACT)


@pytest.mark.parametrize("period", PERIODS, ids=str)
def test_the_mean_of_a_period_is_the_integral_of_its_tail(period: Exponential | Pareto) -> None:
    start = period.scale_s if isinstance(period, Pareto) else 0.0
    # From the scale on x = scale·exp(y), so that a heavy tail falls exponentially.
    if isinstance(period, Pareto):
        behind = integral(lambda y: start * math.exp(y) * period.tail(start * math.exp(y)), 0, 20, 200)
    else:
        behind = integral(period.tail, 0, 7, 70)
    assert start + behind == near(period.mean_s)


def test_the_variance_of_a_period() -> None:
    period = Pareto(0.5, 2.5)
    second = period.scale_s**2 + integral(
        lambda y: 2 * (period.scale_s * math.exp(y)) ** 2 * period.tail(period.scale_s * math.exp(y)),
        0,
        10,
        90,
    )
    assert second - period.mean_s**2 == near(period.variance)
    assert Exponential(3).variance == 9
    assert Pareto(1, 2).variance == Pareto(1, 1.2).variance == math.inf


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("order", [1, 2])
def test_moments_of_a_clipped_size(size: ClippedLogNormal, order: int) -> None:
    log_sd = math.sqrt(math.log(1 + (size.uncut_sd / size.uncut_mean) ** 2))
    log_mean = math.log(size.uncut_mean) - log_sd**2 / 2

    def power(z: float) -> float:
        """Of what is clipped, times the density of the normal variable z."""
        bounded = min(max(math.exp(log_mean + log_sd * z), size.least), size.most)
        return bounded**order * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    low, high = ((math.log(bound) - log_mean) / log_sd for bound in (size.least, size.most))
    assert integral(power, -40, low, high, 40) == near(size.moment(order))


def test_the_variance_of_a_size() -> None:
    size = SIZES[0]
    assert size.variance == near(size.moment(2) - size.mean**2)


@pytest.mark.parametrize(
    "count", [EmbeddedCount(1.1, 2, 55), EmbeddedCount(1.0, 2, 55), EmbeddedCount(0.4, 3, 7.25)], ids=str
)
def test_moments_of_a_clipped_number(count: EmbeddedCount) -> None:
    """Of N = floor(x + U), with x = min(X, most) - scale: given x, N is floor(x) or one more."""

    def density(u: float) -> float:
        return float(count.shape / u * (count.scale / u) ** count.shape)

    def first(u: float) -> float:
        return u - count.scale

    def second(u: float) -> float:
        whole = math.floor(u - count.scale)
        part = u - count.scale - whole
        return (1 - part) * whole**2 + part * (whole + 1) ** 2

    edges = [*(count.scale + np.arange(count.most - count.scale)), count.most]
    at_most = (count.scale / count.most) ** count.shape
    mean = integral(lambda u: density(u) * first(u), *edges) + at_most * first(count.most)
    square = integral(lambda u: density(u) * second(u), *edges) + at_most * second(count.most)
    assert count.mean == near(mean)
    assert count.variance == near(square - mean**2)


def test_printed_means_are_those_that_the_document_has() -> None:
    """IEEE 802.16m-08/004r5: 10,710 and 7,758 bytes uncut; 5.64 is of the number clipped at 55, less 2."""
    pages = WebPages()
    assert (pages.main.uncut_mean, pages.embedded.uncut_mean) == (10_710, 7_758)
    assert round(pages.count.mean, 2) == 5.64
    assert pages.count.mean == near(20 * (1 - (2 / 55) ** 0.1))
    assert pages.count.uncut_mean == pytest.approx(20)
    assert EmbeddedCount(1, 2, 55).uncut_mean == math.inf
    assert pages.main.mean < 10_710
    assert pages.embedded.mean < 7_758


def test_a_window_s_variance_is_its_covariance_integrated() -> None:
    source = OnOff(3, Exponential(0.4), Exponential(1.1))
    at_moment, decay = exists(source.moments().rate_variance), 1 / 0.4 + 1 / 1.1
    assert at_moment == near(9 * (0.4 / 1.5) * (1.1 / 1.5))

    def left(window: float, t: float) -> float:
        return (window - t) * math.exp(-decay * t)

    for window in (1e-7, 0.003, 0.02, 1.0, 50.0):
        # Twice the integral of (T - t)·exp(-c·t), over T².
        averaged = 2 * integral(partial(left, window), 0, min(window, 1.0), window)
        assert source.moments(window).rate_variance == near(at_moment * averaged / window**2)


def test_averaging_over_next_to_nothing_does_not_cancel() -> None:
    """2·(x - 1 + exp(-x))/x² as it stands is 0 or 2.2 at x = 1e-8, and can't be divided at 0."""
    assert window_factor(1e-8) == pytest.approx(1 - 1e-8 / 3, rel=1e-15)
    assert window_factor(0.0) == 1
    assert window_factor(0.01) == pytest.approx(window_factor(0.01 * (1 + 1e-13)), rel=1e-12)


def test_the_asymptotic_variance_is_the_limit_of_windows() -> None:
    for source in (OnOff(3, Exponential(0.4), Exponential(1.1)), Web()):
        limit = exists(source.moments().asymptotic_variance)
        assert exists(source.moments(1e10).rate_variance) * 1e10 == pytest.approx(limit, rel=1e-8)


def test_objects_at_once_are_a_markov_chain_with_rewards() -> None:
    """Their variance, computed from the chain's matrix exponential in place of its closed form."""
    pages, window = WebPages(reading_s=3, parsing_s=0.5), 0.8
    a, b = 1 / 3, 2.0
    generator = np.array([[-a, a], [b, -b]])
    first = np.array([[0, a * pages.main.mean], [b * pages.embedded_mean, 0]])
    second = np.array(
        [[0, a * pages.main.moment(2)], [b * (pages.embedded_variance + pages.embedded_mean**2), 0]]
    )
    chain = np.array([b, a]) / (a + b)
    rate = float(chain @ first @ np.ones(2))
    speeds, vectors = np.linalg.eig(generator)

    def density(t: float) -> float:
        later = vectors @ np.diag(np.exp(speeds * t)) @ np.linalg.inv(vectors)
        return (window - t) * (float(chain @ first @ later @ first @ np.ones(2)) - rate**2)

    pairs = 2 * integral(density, 0, window)
    own = window * float(chain @ second @ np.ones(2))
    found = Web(pages).moments(window)
    assert found.mean_rate == near(rate)
    assert found.rate_variance == near((own + pairs) / window**2)


def test_numbers_of_voice() -> None:
    """By their mean times P.59's speakers talk 38.75 % of the time and Sriram and Whitt's 35.1 %.

    G.711 has 160 bytes in a packet of 20 ms.
    """
    assert voice().moments().activity == near(1.004 / 2.591)
    assert voice("sriram-whitt").moments().activity == near(352 / 1002)
    assert voice().moments().peak_rate == 64_000
    packets = voice(packet_size=1280).draw(60, np.random.default_rng(1))
    assert isinstance(packets, Packets)
    assert set(packets.lengths) == {160 * 8}
    assert min(np.diff(packets.times_s)) == pytest.approx(0.020)


@pytest.mark.parametrize(("shape", "hurst"), [(1.2, 0.9), (1.4, 0.8), (1.5, 0.75), (2, 0.5), (3, 0.5)])
def test_the_hurst_parameter_of_pareto_on_off(shape: float, hurst: float) -> None:
    found = pareto_on_off(1, 1, 1, shape).moments()
    assert found.hurst == pytest.approx(hurst)
    assert (found.asymptotic_variance is None) == (shape <= 2)
    assert bool(found.notes) == (shape <= 2)


def test_the_heavier_of_two_tails_decides() -> None:
    assert pareto_on_off(1, 1, 1, 2.5, 1.2).moments().hurst == pytest.approx(0.9)
    assert pareto_on_off(1, 1, 1, 1.2, 2.5).moments().hurst == pytest.approx(0.9)


def test_what_does_not_exist_is_none_and_told() -> None:
    steady, packets = ConstantRate(3).moments(), PoissonPackets(3, 2).moments()
    assert (steady.hurst, steady.rate_variance, steady.peak_to_mean) == (None, 0, 1)
    assert (packets.peak_rate, packets.peak_to_mean, packets.activity) == (None, None, None)
    assert (packets.mean_rate, packets.rate_variance, packets.window_s) == (6, 12, 1)
    assert pareto_on_off(1, 1, 1).moments(1).rate_variance is None
    assert Web(data_rate=1e5).moments(1).rate_variance is None
    for found in (steady, packets, pareto_on_off(1, 1, 1).moments(1), Web(data_rate=1e5).moments(1)):
        assert found.notes


def test_sources_add_up() -> None:
    one, many = voice().moments(), superposed(voice().moments(), 100)
    assert many.mean_rate == near(100 * one.mean_rate)
    assert (many.peak_to_mean, many.activity, many.hurst) == (one.peak_to_mean, one.activity, one.hurst)
    relative = math.sqrt(exists(many.rate_variance)) / many.mean_rate
    assert relative == near(math.sqrt(exists(one.rate_variance)) / one.mean_rate / 10)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize("sources", [1, 3])
def test_a_trace_is_in_order_and_that_of_its_seed(source: Source, sources: int) -> None:
    one, same, other = (draw(source, 100, np.random.default_rng(seed), sources) for seed in (1, 1, 2))
    assert np.array_equal(one.times_s, same.times_s)
    assert not np.array_equal(one.times_s, other.times_s) or isinstance(source, ConstantRate)
    assert np.all(np.diff(one.times_s) >= 0)
    assert one.times_s[0] >= 0
    assert one.times_s[-1] < 100 or isinstance(one, Packets)
    sends_steps = source.data_rate is not None if isinstance(source, Web) else source.packet_size is None
    assert isinstance(one, Steps) == sends_steps


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("source", "window"),
    [
        (PoissonPackets(4, 2), 1.0),
        (OnOff(5, Exponential(1), Exponential(2)), 0.5),
        (voice(packet_size=1280), 4.0),
    ],
    ids=str,
)
def test_windows_of_samples_have_mean_and_variance(source: Source, window: float, seed: int) -> None:
    """The first window of independent sources, inside the 99 % interval: stationary from the start."""
    rng = np.random.default_rng(seed)
    found = np.array([time_mean(source.draw(window, rng)) for _ in range(4000)])
    expected = source.moments(window)
    assert expected.rate_variance is not None
    variance = expected.rate_variance
    size = getattr(source, "packet_size", None)
    if size is not None and isinstance(source, OnOff):
        # Whole packets from a random phase: rounding adds at most a quarter of one squared.
        variance += size**2 / window**2 / 4
    assert abs(found.mean() - expected.mean_rate) < 2.576 * math.sqrt(variance / len(found))
    squares = (found - expected.mean_rate) ** 2
    off = 2.576 * squares.std(ddof=1) / math.sqrt(len(found))
    assert expected.rate_variance - off < squares.mean() < variance + off


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_windows_of_a_reader_have_mean_and_variance(seed: int) -> None:
    """Squares of pages have a heavy tail: fewer windows are too few for an interval of their mean."""
    source, window, count = Web(), 300.0, 20_000
    asymptotic = exists(source.moments().asymptotic_variance)
    found = window_rates(source.draw(window * count, np.random.default_rng(seed)), window)
    expected = source.moments(window)
    assert expected.rate_variance is not None
    assert abs(found.mean() - expected.mean_rate) < 2.576 * math.sqrt(asymptotic / window / count)
    squares = (found - expected.mean_rate) ** 2
    assert abs(squares.mean() - expected.rate_variance) < 2.576 * squares.std(ddof=1) / math.sqrt(count)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "source", [voice(), pareto_on_off(5, 1, 2, 1.2), pareto_on_off(5, 1, 2, 1.5)], ids=str
)
def test_at_any_moment_as_many_send_as_the_activity_says(source: OnOff, seed: int) -> None:
    """At the beginning and later: what is left of a period is drawn right, too."""
    rng = np.random.default_rng(seed)
    traces = [one for one in (source.draw(10, rng) for _ in range(2000)) if isinstance(one, Steps)]
    activity = source.moments().activity
    assert activity is not None
    for moment in (0.0, 0.3, 9.9):
        sending = sum(bool(one.rates[np.searchsorted(one.times_s, moment, "right") - 1]) for one in traces)
        spread = math.sqrt(len(traces) * activity * (1 - activity))
        # Three moments that are inside together in 99 % of all samples.
        assert abs(sending - len(traces) * activity) < 2.935 * spread


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_trace_of_the_web_at_a_rate_has_its_mean(seed: int) -> None:
    source = Web(data_rate=20_000)
    trace = source.draw(300_000, np.random.default_rng(seed))
    expected = source.moments()
    assert isinstance(trace, Steps)
    off = 2.576 * math.sqrt(exists(expected.asymptotic_variance) / 300_000)
    assert abs(time_mean(trace) - expected.mean_rate) < off
    # The variance of a rate with two values, of which the sample has the same.
    mean = time_mean(trace)
    assert time_variance(trace) == near(mean * (20_000 - mean))
    assert expected.rate_variance == near(expected.mean_rate * (20_000 - expected.mean_rate))


@pytest.mark.parametrize("period", PERIODS, ids=str)
def test_samples_of_periods_have_their_tail(period: Exponential | Pareto) -> None:
    drawn = period.sample(20_000, np.random.default_rng(1))
    for tail in (0.9, 0.5, 0.1, 0.01):
        time = float(np.quantile(drawn, 1 - tail))
        off = 2.576 * math.sqrt(tail * (1 - tail) / len(drawn))
        assert abs(period.tail(time) - tail) < off


def test_packets_leave_when_they_are_full_over_pauses_too() -> None:
    steps = Steps(10.0, np.array([0.0, 1.0, 4.0, 5.0]), np.array([2.0, 0.0, 2.0, 0.0]))
    packets = steps.packets(1.5, 0.0)
    # 1.5 after 0.75 s; 3 after as much sending again, 0.25 s of it before the pause.
    assert packets.times_s.tolist() == [0.75, 4.5]
    assert steps.packets(2.0, 0.0).times_s.tolist() == [1.0, 5.0]
    assert steps.packets(1.5, 0.5).times_s.tolist() == [0.375, 4.125, 4.875]
    assert steps.packets(5.0, 0.0).times_s.tolist() == []


def test_windows_of_a_trace() -> None:
    steps = Steps(1.0, np.array([0.0, 0.25]), np.array([4.0, 1.0]))
    assert window_rates(steps, 0.5).tolist() == [2.5, 1.0]
    assert len(window_rates(Steps(1.0, np.zeros(1), np.ones(1)), 0.1)) == 10
    assert len(window_rates(steps, 0.3)) == 3
    packets = Packets(1.0, np.array([0.2, 0.5, 0.6]), np.array([1.0, 2.0, 4.0]))
    assert window_rates(packets, 0.5).tolist() == [6.0, 8.0]
    assert time_mean(packets) == 7


def test_no_rate_is_left_when_the_last_source_falls_silent() -> None:
    """A tenth is no binary fraction: 0.1 + 0.1 + 0.1 - 0.1 - 0.1 - 0.1 is not 0 in doubles."""
    one = Steps(4.0, np.array([0.0, 1.0]), np.array([0.1, 0.0]))
    later = Steps(4.0, np.array([0.0, 0.5, 2.0]), np.array([0.0, 0.1, 0.0]))
    last = Steps(4.0, np.array([0.0, 0.5, 3.0]), np.array([0.0, 0.1, 0.0]))
    found = superposed_steps([one, later, last])
    assert found.times_s.tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert found.rates.tolist() == [0.1, 0.1 * 3, 0.2, 0.1, 0.0]
