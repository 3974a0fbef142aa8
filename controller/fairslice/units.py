"""Quantities with their units: reading, writing, and the one conversion between frames and payload."""

import math
import re
from collections.abc import Mapping

ETHERNET_HEADER_BYTES = 14
IPV4_HEADER_BYTES = 20
TCP_HEADER_BYTES = 32
"""20 bytes and the timestamp option (RFC 7323), which Linux sends by default."""
UDP_HEADER_BYTES = 8
MTU_BYTES = 1500
FULL_FRAME_BYTES = ETHERNET_HEADER_BYTES + MTU_BYTES
"""Preamble, FCS and gap are not counted: neither meters nor HTB classes see them."""
LEAST_RATE_BPS = 1000.0
"""Less than this is enforced as 0: meters count whole kbit/s (OpenFlow 1.3.5 §7.3.4.4)."""
TCP_PAYLOAD_BYTES = MTU_BYTES - IPV4_HEADER_BYTES - TCP_HEADER_BYTES

_RATE_UNITS: Mapping[str, float] = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9}
_TIME_UNITS: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_SIZE_UNITS: Mapping[str, float] = {"B": 1.0, "kB": 1e3, "MB": 1e6}
_LIKE_A_RATE = re.compile(r"(?P<prefix>[kmg]?)(?:bits?(?:/s(?:ec)?|ps)?|b(?:ps|/s(?:ec)?))", re.IGNORECASE)
"""Other ways to write a unit of rate; of bytes a second, MB/s, nobody knows whether bits were meant."""
_LIKE_A_SIZE = re.compile(r"(?P<prefix>[km]?)(?:b|bytes?)", re.IGNORECASE)
_LIKE_A_TIME = re.compile(r"(?P<prefix>[muµμ]?)s(?:ecs?|econds?)?", re.IGNORECASE)
_BYTES = re.compile(r"[kmg]?B(?:ps|/s)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d.*)", re.DOTALL)
_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>\s*[^\s\d].*)?")


def is_nothing(rate_bps: float) -> bool:
    """Whether a rate is enforced as 0: less than :data:`LEAST_RATE_BPS`, but for the last digits of a double.

    >>> is_nothing(999.0), is_nothing(1000 * (1 - 1e-12))
    (True, False)
    """
    return rate_bps < LEAST_RATE_BPS * (1 - 1e-9)


def parse_rate(text: str) -> float:
    """Read a rate such as ``"20 Mbit/s"``, in bit/s of Ethernet frames.

    Raises:
        ValueError: no number, no unit, an unknown unit, or a rate that is negative or not finite.

    >>> parse_rate("1.5 Mbit/s")
    1500000.0
    """
    return _parse(text, _RATE_UNITS, "a rate", "20 Mbit/s", _LIKE_A_RATE)


def parse_duration(text: str) -> float:
    """Read a time such as ``"50 ms"``, in seconds.

    Raises:
        ValueError: no number, no unit, an unknown unit, or a time that is negative or not finite.
    """
    return _parse(text, _TIME_UNITS, "a time", "50 ms", _LIKE_A_TIME)


def parse_size(text: str) -> float:
    """Read a size such as ``"15 kB"``, in bytes; a kilobyte is 1000 of them.

    Raises:
        ValueError: no number, no unit, an unknown unit, or a size that is negative or not finite.
    """
    return _parse(text, _SIZE_UNITS, "a size", "15 kB", _LIKE_A_SIZE)


def _parse(text: str, units: Mapping[str, float], what: str, example: str, alike: re.Pattern[str]) -> float:
    found = _QUANTITY.fullmatch(text.strip())
    expected = f'expected {what} such as "{example}" in one of {", ".join(units)}'
    if found is None:
        raise ValueError(f"{text!r} is not a number with a unit; {expected}")
    unit = (found["unit"] or "").strip()
    if not unit:
        raise ValueError(f"{text!r} has no unit; {expected}")
    if unit not in units:
        comma = _DECIMAL_COMMA.fullmatch(text.strip())
        hint = (
            f"; did you mean {f'{comma[1]}.{comma[2]}'!r}, with a decimal point?"
            if comma
            else _meant(unit, units, alike)
        )
        raise ValueError(f"{text!r} has the unknown unit {unit!r}; {expected}{hint}")
    value = float(found["number"]) * units[unit]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite; {expected}")
    if value < 0:
        raise ValueError(f"{text!r} is negative; {expected}")
    return value


def _meant(unit: str, units: Mapping[str, float], alike: re.Pattern[str]) -> str:
    """``; did you mean Mbit/s?`` for a unit that is written in another way."""
    found = alike.fullmatch(unit)
    if found is None or (_BYTES.fullmatch(unit) and "B" in unit):
        return ""
    prefix = found["prefix"].lower().replace("µ", "u").replace("μ", "u")
    meant = [known for known in units if known.lower() in (f"{prefix}bit/s", f"{prefix}s", f"{prefix}b")]
    return f"; did you mean {meant[0]}?" if meant else ""


def format_rate(rate_bps: float) -> str:
    """Write a rate for people, with about four significant digits.

    >>> format_rate(12_345_678)
    '12.35 Mbit/s'
    """
    if not math.isfinite(rate_bps):
        return "unlimited"
    for unit, size in reversed(list(_RATE_UNITS.items())):
        if abs(rate_bps) >= size or unit == "bit/s":
            return f"{rate_bps / size:.4g} {unit}"
    raise AssertionError("unreachable: bit/s takes everything")


def format_part(part_bps: float, whose: str, whole_bps: float) -> str:
    """Write a part of a rate for people, in the unit of the whole.

    >>> format_part(7_500_000, "lecture's", 15_000_000)
    "7.5 of lecture's 15 Mbit/s"
    """
    number, unit = format_rate(whole_bps).split()
    return f"{part_bps / _RATE_UNITS[unit]:.4g} of {whose} {number} {unit}"


def format_duration(time_s: float) -> str:
    """Write a time for people.

    >>> format_duration(0.05)
    '50 ms'
    """
    for unit, size in reversed(list(_TIME_UNITS.items())):
        if abs(time_s) >= size or unit == "us":
            return f"{time_s / size:.4g} {unit}"
    raise AssertionError("unreachable: us takes everything")


def format_size(size_bytes: float) -> str:
    """Write a size for people.

    >>> format_size(15_000)
    '15 kB'
    """
    for unit, size in reversed(list(_SIZE_UNITS.items())):
        if abs(size_bytes) >= size or unit == "B":
            return f"{size_bytes / size:.4g} {unit}"
    raise AssertionError("unreachable: B takes everything")


def tcp_wire_bps(goodput_bps: float, payload_bytes: int = TCP_PAYLOAD_BYTES) -> float:
    """Frames' rate of a TCP stream that delivers ``goodput_bps`` of payload in full segments."""
    overhead = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADER_BYTES
    return goodput_bps * (payload_bytes + overhead) / payload_bytes


def tcp_goodput_bps(wire_bps: float, payload_bytes: int = TCP_PAYLOAD_BYTES) -> float:
    """Payload rate that ``wire_bps`` of full frames carry; the inverse of :func:`tcp_wire_bps`."""
    return wire_bps / tcp_wire_bps(1.0, payload_bytes)


def udp_wire_bps(goodput_bps: float, payload_bytes: int) -> float:
    """Frames' rate of a UDP stream of ``goodput_bps`` in datagrams of ``payload_bytes``."""
    overhead = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + UDP_HEADER_BYTES
    return goodput_bps * (payload_bytes + overhead) / payload_bytes


def udp_goodput_bps(wire_bps: float, payload_bytes: int) -> float:
    """Payload rate of ``wire_bps`` of frames; the inverse of :func:`udp_wire_bps`."""
    return wire_bps / udp_wire_bps(1.0, payload_bytes)
