"""Readers of the values that a policy writes: each takes what YAML gave and says what it expected instead."""

import math
import re
from collections.abc import Callable

from fairslice.files.words import LONGEST_QUANTITY, describe, did_you_mean
from fairslice.policy.model import PROTOCOLS
from fairslice.units import format_size, parse_duration, parse_rate, parse_size

MIN_WEIGHT = 1e-9
MAX_WEIGHT = 1e12
"""Between these, products of a slice's and a flow's weight, and sums of them, stay exact enough."""
MAX_TIME_S = 10.0
MAX_SIZE_BYTES = 1e9
MAX_RETURN_SHARE = 0.5
MAX_PORT = 65535
MAX_PATHS = 16
"""More add next to nothing: the k-th shortest path is ever longer, and shares more links with the others."""

_NUMBER_PATTERN = r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
RATE_PATTERN = rf"^\s*{_NUMBER_PATTERN}\s*(bit/s|kbit/s|Mbit/s|Gbit/s)\s*$"
TIME_PATTERN = rf"^\s*{_NUMBER_PATTERN}\s*(us|ms|s)\s*$"
SIZE_PATTERN = rf"^\s*{_NUMBER_PATTERN}\s*(B|kB|MB)\s*$"
SHARE_PATTERN = rf"^\s*{_NUMBER_PATTERN}\s*%\s*$"


def read_rate(value: object) -> float:
    """A rate in bit/s of Ethernet frames.

    Raises:
        ValueError: anything but text with a number and a unit of rate.
    """
    return _quantity(value, parse_rate, RATE_PATTERN, 'a rate such as "20 Mbit/s"')


def read_time(value: object) -> float:
    """A time in seconds, above 0 and at most ``MAX_TIME_S``.

    Raises:
        ValueError: anything but text with a number and a unit of time in that range.
    """
    return _time(value, 'a time such as "50 ms"')


def read_size(value: object) -> float:
    """A size in bytes, above 0 and at most ``MAX_SIZE_BYTES``.

    Raises:
        ValueError: anything but text with a number and a unit of size in that range.
    """
    expected = 'a size such as "15 kB"'
    size_bytes = _quantity(value, parse_size, SIZE_PATTERN, expected)
    if not 0 < size_bytes <= MAX_SIZE_BYTES:
        most = format_size(MAX_SIZE_BYTES)
        raise ValueError(f"found {describe(value)}; expected {expected}, above 0 B and at most {most}")
    return size_bytes


def read_burst(value: object) -> float | None:
    """The depth of a token bucket as a time in seconds, None for ``auto``.

    Raises:
        ValueError: neither ``auto`` nor a time above 0 and at most ``MAX_TIME_S``.
    """
    return None if value == "auto" else _time(value, '"auto" or a time such as "250 ms"')


def _time(value: object, expected: str) -> float:
    time_s = _quantity(value, parse_duration, TIME_PATTERN, expected)
    if not 0 < time_s <= MAX_TIME_S:
        raise ValueError(
            f"found {describe(value)}; expected {expected}, above 0 s and at most {MAX_TIME_S:g} s"
        )
    return time_s


def read_share(value: object) -> float:
    """A share such as ``"3 %"`` as a fraction, 0 to ``MAX_RETURN_SHARE``.

    Raises:
        ValueError: anything but text with a number and ``%`` in that range.
    """
    expected = f'a share such as "3 %", from 0 % to {100 * MAX_RETURN_SHARE:g} %'

    def parse(text: str) -> float:
        # Divided, so that "3 %" is the same number as 0.03.
        share = float(text.strip().removesuffix("%")) / 100 if re.search(SHARE_PATTERN, text) else math.inf
        if share > MAX_RETURN_SHARE:
            raise ValueError(f"found {describe(text)}; expected {expected}")
        return share

    return _quantity(value, parse, SHARE_PATTERN, expected)


def _quantity(value: object, parse: Callable[[str], float], pattern: str, expected: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"found {describe(value)} without a unit; expected {expected}")
    if isinstance(value, str) and len(value) <= LONGEST_QUANTITY:
        quantity = parse(value)
        # The pattern is a little stricter than the parser (digits of other scripts, "-0 s").
        if re.search(pattern, value):
            return quantity
    raise ValueError(f"found {describe(value)}; expected {expected}")


def read_weight(value: object) -> float:
    """A weight, from ``MIN_WEIGHT`` to ``MAX_WEIGHT``.

    Raises:
        ValueError: anything but a bare number in that range.
    """
    good = (
        isinstance(value, int | float) and not isinstance(value, bool) and MIN_WEIGHT <= value <= MAX_WEIGHT
    )
    if not isinstance(value, int | float) or not good:
        raise ValueError(
            f"found {describe(value)}; expected a weight such as 3, a bare number above 0 "
            f"({MIN_WEIGHT:g} to {MAX_WEIGHT:g})"
        )
    return float(value)


def read_version(value: object) -> int:
    """The version of the policy language.

    Raises:
        ValueError: anything but the integer 1.
    """
    if type(value) is not int or value != 1:
        raise ValueError(f"found {describe(value)}; expected 1, the only version of the policy language")
    return value


def read_proto(value: object) -> int:
    """An IP protocol number (RFC 790 and its successors), also by the names tcp, udp and icmp.

    Raises:
        ValueError: another name, or no integer from 0 to 255.
    """
    if isinstance(value, str) and value in PROTOCOLS:
        return PROTOCOLS[value]
    if type(value) is int and 0 <= value <= 255:
        return value
    hint = did_you_mean(value, PROTOCOLS) if isinstance(value, str) else ""
    raise ValueError(
        f"found {describe(value)}; expected tcp, udp, icmp or an IP protocol number from 0 to 255{hint}"
    )


def read_port(value: object) -> int:
    """A TCP or UDP port.

    Raises:
        ValueError: no integer from 0 to 65535.
    """
    if type(value) is int and 0 <= value <= MAX_PORT:
        return value
    raise ValueError(f"found {describe(value)}; expected a port number from 0 to {MAX_PORT}")


def read_paths(value: object) -> int:
    """How many paths a flow may use.

    Raises:
        ValueError: no integer from 1 to ``MAX_PATHS``.
    """
    if type(value) is int and 1 <= value <= MAX_PATHS:
        return value
    raise ValueError(f"found {describe(value)}; expected a number of paths from 1 to {MAX_PATHS}")
