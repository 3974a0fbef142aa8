"""Token buckets: by hand, by a book, and exactly, where packets find just their length."""

from fractions import Fraction

import numpy as np
import pytest

from fairslice.errors import InputError
from fairslice.models.buckets import (
    Policed,
    PolicedFloats,
    Shaped,
    ShapedFloats,
    longest_burst,
    packets_at_peak,
    police,
    shape,
    smallest_burst,
)
from fairslice.models.buckets.trace import Number, Numbers

F = Fraction


def policed(arrivals: Numbers, lengths: Numbers, rate: Number, burst: Number) -> Policed:
    found = police(arrivals, lengths, rate, burst)
    assert isinstance(found, Policed)
    return found


def shaped(arrivals: Numbers, lengths: Numbers, rate: Number, burst: Number) -> Shaped:
    found = shape(arrivals, lengths, rate, burst)
    assert isinstance(found, Shaped)
    return found


def test_a_policer_drops_what_finds_too_little_and_a_dropped_packet_takes_nothing() -> None:
    found = policed([0, 0, F(1, 2), 1], [2, 2, 2, 2], 1, 3)
    assert found.tokens_before == [3, 1, F(3, 2), 2]
    assert found.conforms == [True, False, False, True]


def test_a_packet_that_finds_exactly_its_length_conforms() -> None:
    """0.1 + 0.2 is not 0.3 in floats, and a third is no float at all."""
    assert policed([0, "0.1", "0.3"], [1, "0.1", "0.2"], 1, 1).conforms == [True, True, True]
    assert policed([0, "1/3", "2/3", 1], [1, "1/3", "1/3", "1/3"], 1, 1).conforms == [True] * 4
    just_less = F(1, 3) - F(1, 10**30)
    assert policed([0, just_less], [1, "1/3"], 1, 1).conforms == [True, False]


def test_the_bucket_is_full_at_first_and_holds_no_more_than_its_burst() -> None:
    assert policed([1000], [1], 7, 5).tokens_before == [5]
    assert policed([0, 1000], [5, 1], 7, 5).tokens_before == [5, 5]


def test_a_shaper_lets_wait() -> None:
    found = shaped([0, F(1, 2), 1], [2, 2, 2], 1, 3)
    assert found.departs == [0, 1, 3]
    assert found.tokens_before == [3, F(3, 2), 0]


def test_a_shaper_never_sends_what_is_longer_than_the_bucket_and_holds_nobody_up() -> None:
    found = shaped([0, 0, 0, 5], [2, 4, 1, 4], 1, 3)
    assert found.departs == [0, None, 0, None]
    assert found.tokens_before == [3, 1, 1, 3]
    assert policed([0, 0, 0], [2, 4, 1], 1, 3).conforms == [True, False, True]


def test_departures_are_exact_at_odd_rates() -> None:
    assert shaped(["1/7", "1/7"], ["2/3", "2/3"], "5/11", 1).departs == [
        F(1, 7),
        F(1, 7) + (F(2, 3) - F(1, 3)) / F(5, 11),
    ]


def test_the_smallest_burst_of_a_trace_by_hand() -> None:
    # Packets 2 and 3 come together: 4, and of packet 1 there are 2 − 1 left by then.
    assert smallest_burst([0, 1, 1], [2, 2, 2], 1) == 5
    assert smallest_burst([0, 10, 10], [2, 2, 2], 1) == 4
    assert smallest_burst([0, "1/3"], ["1/3", "1/3"], "1/2") == F(1, 2)
    assert smallest_burst([], [], 1) == 0
    assert policed([], [], 1, 1).conforms == []
    assert shaped([], [], 1, 1).departs == []


def test_the_longest_burst_of_a_book() -> None:
    """Tanenbaum, Computer Networks, 4th ed. 2003, where it has the token bucket: 250 kB, 25 MB/s, 2 MB/s."""
    found = longest_burst(25_000_000, 2_000_000, 250_000)
    assert found is not None
    assert found.duration == F(250, 23_000)
    assert round(found.duration * 1000) == 11
    assert found.amount == 25_000_000 * found.duration == 250_000 + 2_000_000 * found.duration
    assert longest_burst(2, 2, 5) is None
    assert longest_burst(1, 2, 5) is None


@pytest.mark.parametrize("length", [1, F(3, 2), 4, 5, 6])
@pytest.mark.parametrize("peak", [F(21, 10), 3, 10])
def test_so_many_packets_conform_at_the_peak_and_no_more(peak: Fraction, length: Fraction) -> None:
    count = packets_at_peak(peak, 2, 5, length)
    assert count is not None
    arrivals = [i * length / F(peak) for i in range(count + 1)]
    assert policed(arrivals, [length] * (count + 1), 2, 5).conforms == [True] * count + [False]


def test_at_a_peak_no_higher_than_the_rate_all_packets_conform() -> None:
    assert packets_at_peak(2, 2, 5, 5) is None
    assert packets_at_peak(2, 2, 5, 6) == 0


def test_arrays_of_floats_are_answered_in_floats() -> None:
    arrivals, lengths = np.array([0.0, 0.5, 1.0, 1.0]), np.array([2.0, 2.0, 2.0, 4.0])
    passed = police(arrivals, lengths, 1, 3)
    assert isinstance(passed, PolicedFloats)
    assert passed.conforms.tolist() == [True, False, True, False]
    assert passed.tokens_before.tolist() == [3, 1.5, 2, 0]
    waited = shape(arrivals, lengths, 1, 3)
    assert isinstance(waited, ShapedFloats)
    assert waited.departs[:3].tolist() == [0, 1, 3]
    assert np.isnan(waited.departs[3])
    assert waited.tokens_before.tolist() == [3, 1.5, 0, 0]
    assert smallest_burst(arrivals, lengths, 1) == 9.0
    empty = np.array([])
    assert smallest_burst(empty, empty, 1) == 0.0
    for found in (shape(empty, empty, 1, 1), police(empty, empty, 1, 1)):
        assert len(found.tokens_before) == 0


def test_arrays_of_whole_numbers_are_exact() -> None:
    arrivals, lengths = np.array([0, 1, 1]), np.array([2, 2, 2])
    assert smallest_burst(arrivals, lengths, "1/3") == F(17, 3)
    assert policed(arrivals, lengths, 1, 5).conforms == [True] * 3


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        police([1, 0], [1, 0, 2], 0, -1)
    assert str(caught.value).splitlines() == [
        "rate: found 0, expected a number above 0",
        "burst: found -1, expected a number from 0 up",
        "found 2 arrivals and 3 lengths, expected as many",
        "arrivals: found one before its predecessor's, expected the order of time",
        "lengths: found one that is not above 0",
    ]


@pytest.mark.parametrize(
    ("arrivals", "lengths"),
    [([0.0, float("nan")], [1.0, 1.0]), ([1.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, float("inf")])],
)
def test_floats_that_are_no_trace_are_refused(arrivals: list[float], lengths: list[float]) -> None:
    with pytest.raises(InputError, match="found one"):
        shape(np.array(arrivals), np.array(lengths), 1, 1)
