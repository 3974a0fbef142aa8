"""Quantities: what may be written, how they are shown, and frames against payload."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice import units
from fairslice.units import format_duration, format_rate, parse_duration, parse_rate

RATES = st.floats(1e-3, 9e12)


@pytest.mark.parametrize(
    ("text", "rate_bps"),
    [
        ("20 Mbit/s", 20e6),
        ("20Mbit/s", 20e6),
        ("  1.5   Gbit/s ", 1.5e9),
        (".5 kbit/s", 500.0),
        ("2. bit/s", 2.0),
        ("2e3 kbit/s", 2e6),
        ("1E-3 Mbit/s", 1000.0),
        ("+7 bit/s", 7.0),
        ("0 bit/s", 0.0),
    ],
)
def test_rates_are_read(text: str, rate_bps: float) -> None:
    assert parse_rate(text) == pytest.approx(rate_bps, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "time_s"), [("50 ms", 0.05), ("7 us", 7e-6), ("1.5 s", 1.5), ("0 s", 0.0), ("250ms", 0.25)]
)
def test_times_are_read(text: str, time_s: float) -> None:
    assert parse_duration(text) == pytest.approx(time_s, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("20", "has no unit"),
        ("20 ", "has no unit"),
        ("", "not a number with a unit"),
        ("Mbit/s", "not a number with a unit"),
        ("fast", "not a number with a unit"),
        ("nan Mbit/s", "not a number with a unit"),
        ("inf bit/s", "not a number with a unit"),
        ("1,5 Mbit/s", "unknown unit ',5 Mbit/s'"),
        ("20 Mbps", "unknown unit 'Mbps'"),
        ("20 mbit/s", "unknown unit 'mbit/s'"),
        ("20 MB/s", "unknown unit 'MB/s'"),
        ("20 Mbit/s each", "unknown unit"),
        ("20 ms", "unknown unit 'ms'"),
        ("1e400 bit/s", "not finite"),
        ("-1 bit/s", "negative"),
    ],
)
def test_what_is_no_rate_is_named_with_what_was_expected(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=r"20 Mbit/s.*bit/s, kbit/s, Mbit/s, Gbit/s") as refused:
        parse_rate(text)
    assert fault in str(refused.value)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "fault"), [("50", "no unit"), ("1 min", "unknown unit 'min'"), ("-1 s", "negative")]
)
def test_what_is_no_time_is_named_with_what_was_expected(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=r"50 ms.*us, ms, s") as refused:
        parse_duration(text)
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("rate_bps", "text"),
    [
        (0, "0 bit/s"),
        (999, "999 bit/s"),
        (1000, "1 kbit/s"),
        (12_345_678, "12.35 Mbit/s"),
        (2.5e9, "2.5 Gbit/s"),
        (-3e6, "-3 Mbit/s"),
        (math.inf, "unlimited"),
    ],
)
def test_rates_are_shown_in_the_largest_unit_that_fits(rate_bps: float, text: str) -> None:
    assert format_rate(rate_bps) == text


@pytest.mark.parametrize(
    ("time_s", "text"), [(0, "0 us"), (2e-5, "20 us"), (0.001, "1 ms"), (0.25, "250 ms"), (90, "90 s")]
)
def test_times_are_shown_in_the_largest_unit_that_fits(time_s: float, text: str) -> None:
    assert format_duration(time_s) == text


@pytest.mark.parametrize(
    ("parse", "text", "meant"),
    [
        *(
            (parse_rate, f"5{blank}{unit}", "Mbit/s")
            for blank in ("", " ")
            for unit in (
                "Mbps",
                "mbit/s",
                "Mb/s",
                "mbps",
                "MBit/s",
                "Mbits/s",
                "Mbits",
                "Mbit",
                "Mbit/sec",
                "Mbitps",
            )
        ),
        *((parse_rate, f"5 {unit}", "kbit/s") for unit in ("Kbps", "kb/s", "KBit/s")),
        *((parse_rate, f"5 {unit}", "Gbit/s") for unit in ("Gbps", "gbit/s", "Gb/s")),
        *((parse_rate, f"5 {unit}", "bit/s") for unit in ("bps", "b/s", "bits/s", "Bit/s")),
        *((parse_duration, f"5 {unit}", "ms") for unit in ("msec", "MS", "msecs")),
        *((parse_duration, f"5 {unit}", "s") for unit in ("sec", "seconds", "S")),
        *((parse_duration, f"5 {unit}", "us") for unit in ("µs", "μs", "usec")),
        (parse_rate, "3,5 Mbit/s", "'3.5 Mbit/s', with a decimal point"),
    ],
)
def test_other_ways_to_write_a_unit_are_answered_by_ours(
    parse: Callable[[str], float], text: str, meant: str
) -> None:
    with pytest.raises(ValueError, match="unknown unit") as caught:
        parse(text)
    assert str(caught.value).endswith(f"; did you mean {meant}?")


@pytest.mark.parametrize("text", ["5 MB/s", "5 MBps", "5 B/s", "5 KB/s", "5 ms", "5 Mbit/s each", "5 Tbit/s"])
def test_of_what_may_be_bytes_or_nothing_of_ours_no_unit_is_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="unknown unit") as caught:
        parse_rate(text)
    assert "did you mean" not in str(caught.value)


@given(RATES)
def test_what_is_shown_reads_back_to_four_digits(rate_bps: float) -> None:
    assert parse_rate(format_rate(rate_bps)) == pytest.approx(rate_bps, rel=5e-4)


@given(st.floats(1e-9, 1e5))
def test_times_read_back_to_four_digits(time_s: float) -> None:
    assert parse_duration(format_duration(time_s)) == pytest.approx(time_s, rel=5e-4)


def test_a_full_tcp_segment_fills_a_full_frame() -> None:
    """Ethernet II 14, IPv4 20 (RFC 791), TCP 20 and timestamps with padding 12 (RFC 7323)."""
    assert units.FULL_FRAME_BYTES == 1514
    assert units.TCP_PAYLOAD_BYTES == 1448
    assert units.tcp_wire_bps(1448 * 8) == pytest.approx(1514 * 8)
    assert units.tcp_wire_bps(100 * 8, payload_bytes=100) == pytest.approx((100 + 66) * 8)


def test_a_datagram_has_a_header_of_8_bytes() -> None:
    """RFC 768."""
    assert units.udp_wire_bps(1472 * 8, 1472) == pytest.approx(1514 * 8)
    assert units.udp_wire_bps(1 * 8, 1) == pytest.approx(43 * 8)


@given(RATES, st.integers(1, 9000))
def test_goodput_is_the_inverse_of_wire(rate_bps: float, payload_bytes: int) -> None:
    for wire, goodput in (
        (units.tcp_wire_bps, units.tcp_goodput_bps),
        (units.udp_wire_bps, units.udp_goodput_bps),
    ):
        assert goodput(wire(rate_bps, payload_bytes), payload_bytes) == pytest.approx(rate_bps)
        assert goodput(rate_bps, payload_bytes) < rate_bps < wire(rate_bps, payload_bytes)
