"""Laws of token buckets, on random traces in fractions, against recurrences and definitions of their own."""

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.models.buckets import (
    Policed,
    PolicedFloats,
    Shaped,
    ShapedFloats,
    longest_burst,
    police,
    shape,
    smallest_burst,
)

F = Fraction
gaps = st.fractions(min_value=0, max_value=4, max_denominator=12)
sizes = st.fractions(min_value=F(1, 12), max_value=6, max_denominator=12)
rates = st.fractions(min_value=F(1, 10), max_value=5, max_denominator=10)
bursts = st.fractions(min_value=0, max_value=15, max_denominator=10)
traces = st.lists(st.tuples(gaps, sizes), min_size=1, max_size=25)


def columns(trace: list[tuple[Fraction, Fraction]]) -> tuple[list[Fraction], list[Fraction]]:
    return list(accumulate(gap for gap, _ in trace)), [size for _, size in trace]


def policed(arrivals: list[Fraction], lengths: list[Fraction], rate: Fraction, burst: Fraction) -> Policed:
    found = police(arrivals, lengths, rate, burst)
    assert isinstance(found, Policed)
    return found


def shaped(arrivals: list[Fraction], lengths: list[Fraction], rate: Fraction, burst: Fraction) -> Shaped:
    found = shape(arrivals, lengths, rate, burst)
    assert isinstance(found, Shaped)
    return found


def largest_excess(times: list[Fraction], lengths: list[Fraction], rate: Fraction) -> Fraction:
    """The most that comes in any stretch beyond rate × time, by trying all of them."""
    return max(
        (
            sum(lengths[i : j + 1], F(0)) - rate * (times[j] - times[i])
            for i in range(len(times))
            for j in range(i, len(times))
        ),
        default=F(0),
    )


@given(traces, rates, bursts)
def test_a_policer_is_its_definition(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, burst: Fraction
) -> None:
    arrivals, lengths = columns(trace)
    found = policed(arrivals, lengths, rate, burst)
    tokens, last = burst, arrivals[0]
    for i, (now, length) in enumerate(zip(arrivals, lengths, strict=True)):
        tokens, last = min(burst, tokens + rate * (now - last)), now
        assert found.tokens_before[i] == tokens
        assert found.conforms[i] == (length <= tokens)
        tokens -= length if length <= tokens else 0


@given(traces, rates, bursts)
def test_what_passes_keeps_to_burst_and_rate_over_every_time(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, burst: Fraction
) -> None:
    arrivals, lengths = columns(trace)
    conforms = policed(arrivals, lengths, rate, burst).conforms
    times = [time for time, passed in zip(arrivals, conforms, strict=True) if passed]
    passed = [length for length, passed in zip(lengths, conforms, strict=True) if passed]
    assert largest_excess(times, passed, rate) <= burst
    left = shaped(arrivals, lengths, rate, burst).departs
    sent = [(time, length) for time, length in zip(left, lengths, strict=True) if time is not None]
    assert largest_excess([time for time, _ in sent], [length for _, length in sent], rate) <= burst


@given(traces, rates, bursts)
def test_a_shaper_is_its_definition(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, burst: Fraction
) -> None:
    arrivals, lengths = columns(trace)
    found = shaped(arrivals, lengths, rate, burst)
    tokens, last = burst, arrivals[0]
    for i, (arrival, length) in enumerate(zip(arrivals, lengths, strict=True)):
        turn = max(arrival, last)
        tokens, last = min(burst, tokens + rate * (turn - last)), turn
        assert found.tokens_before[i] == tokens
        if length > burst:
            assert found.departs[i] is None
            continue
        waited = max(F(0), length - tokens) / rate
        tokens, last = tokens + rate * waited - length, turn + waited
        assert found.departs[i] == last


@given(traces, rates)
def test_the_smallest_burst_is_the_largest_excess_and_minimal(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction
) -> None:
    arrivals, lengths = columns(trace)
    smallest = smallest_burst(arrivals, lengths, rate)
    assert isinstance(smallest, Fraction)
    assert smallest == largest_excess(arrivals, lengths, rate)
    assert all(policed(arrivals, lengths, rate, smallest).conforms)
    assert shaped(arrivals, lengths, rate, smallest).departs == arrivals
    less = smallest - F(1, 10**20)
    assert not all(policed(arrivals, lengths, rate, less).conforms)
    assert shaped(arrivals, lengths, rate, less).departs != arrivals


@given(st.integers(0, 2**32 - 1), st.integers(1, 10**7))
def test_one_bit_less_fails_on_traces_of_bits(seed: int, rate: int) -> None:
    """Frames of 64 to 1514 bytes in bits, times in microseconds: a rate in bits a microsecond over 1000."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(800, 200).astype(np.int64))
    lengths = 8 * rng.integers(64, 1515, 200)
    a_microsecond = F(rate, 10**6)
    smallest = smallest_burst(arrivals, lengths, a_microsecond)
    assert isinstance(smallest, Fraction)
    whole = -(-smallest.numerator // smallest.denominator)
    for burst, fits in ((smallest, True), (whole, True), (smallest - F(1, 10**9), False), (whole - 1, False)):
        found = police(arrivals, lengths, a_microsecond, burst)
        assert isinstance(found, Policed)
        assert all(found.conforms) is fits


@given(traces, rates, bursts)
def test_floats_agree_with_fractions(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, burst: Fraction
) -> None:
    """All that is compared is a multiple of a power of two, so that floats are exact, too."""
    trace = [(F(int(gap * 8), 8), max(F(1, 8), F(int(size * 8), 8))) for gap, size in trace]
    rate, burst = F(2) ** (int(rate) - 2), F(int(burst * 8), 8)
    arrivals, lengths = columns(trace)
    times, costs = np.array(arrivals, float), np.array(lengths, float)
    exact, passed = policed(arrivals, lengths, rate, burst), police(times, costs, rate, burst)
    assert isinstance(passed, PolicedFloats)
    assert passed.conforms.tolist() == exact.conforms
    assert passed.tokens_before.tolist() == exact.tokens_before
    left, waited = shaped(arrivals, lengths, rate, burst), shape(times, costs, rate, burst)
    assert isinstance(waited, ShapedFloats)
    assert [None if np.isnan(one) else one for one in waited.departs.tolist()] == left.departs
    assert waited.tokens_before.tolist() == left.tokens_before
    assert smallest_burst(times, costs, rate) == smallest_burst(arrivals, lengths, rate)


@given(traces, rates)
def test_floats_are_right_to_rounding(trace: list[tuple[Fraction, Fraction]], rate: Fraction) -> None:
    arrivals, lengths = columns(trace)
    times, costs = np.array(arrivals, float), np.array(lengths, float)
    assert smallest_burst(times, costs, rate) == pytest.approx(
        float(smallest_burst(arrivals, lengths, rate)), rel=1e-9
    )
    burst = max(lengths) + 1
    waited = shape(times, costs, rate, burst)
    assert isinstance(waited, ShapedFloats)
    left = shaped(arrivals, lengths, rate, burst).departs
    assert waited.departs == pytest.approx(np.array(left, float), rel=1e-9, abs=1e-9)


@given(traces, rates, bursts, st.fractions(min_value=F(1, 7), max_value=9, max_denominator=7))
def test_units_do_not_matter(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, burst: Fraction, scale: Fraction
) -> None:
    """Bytes for bits, milliseconds for seconds, and a later beginning."""
    arrivals, lengths = columns(trace)
    bytes_ = [length * scale for length in lengths]
    assert (
        policed(arrivals, bytes_, rate * scale, burst * scale).conforms
        == policed(arrivals, lengths, rate, burst).conforms
    )
    later = [arrival * scale + 5 for arrival in arrivals]
    assert shaped(later, lengths, rate / scale, burst).departs == [
        None if one is None else one * scale + 5 for one in shaped(arrivals, lengths, rate, burst).departs
    ]


@given(rates, rates, bursts)
def test_the_longest_burst_empties_the_bucket(rate: Fraction, more: Fraction, burst: Fraction) -> None:
    found = longest_burst(rate + more, rate, burst)
    assert found is not None
    assert found.amount == burst + rate * found.duration == (rate + more) * found.duration


@given(traces, rates, bursts)
def test_the_longest_wait_is_what_the_burst_lacks_over_the_rate(
    trace: list[tuple[Fraction, Fraction]], rate: Fraction, more: Fraction
) -> None:
    """Where every packet fits into the bucket."""
    arrivals, lengths = columns(trace)
    burst = max(lengths) + more
    left = shaped(arrivals, lengths, rate, burst).departs
    waits = [at - came for at, came in zip(left, arrivals, strict=True) if at is not None]
    smallest = smallest_burst(arrivals, lengths, rate)
    assert isinstance(smallest, Fraction)
    assert len(waits) == len(arrivals)
    assert max(waits) == max(F(0), smallest - burst) / rate
