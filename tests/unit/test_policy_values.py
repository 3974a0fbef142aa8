"""Values of a policy: what is read as what, and what is refused."""

import math
from collections.abc import Callable

import pytest

from fairslice.files.words import describe, did_you_mean
from fairslice.policy.endpoints import canonical_endpoint
from fairslice.policy.values import (
    MAX_WEIGHT,
    MIN_WEIGHT,
    read_burst,
    read_port,
    read_proto,
    read_rate,
    read_share,
    read_time,
    read_version,
    read_weight,
)


@pytest.mark.parametrize(
    ("reader", "found", "value"),
    [
        (read_rate, "20 Mbit/s", 20e6),
        (read_rate, " +1.5e1kbit/s ", 15e3),
        (read_rate, "0 bit/s", 0.0),
        (read_time, "50 ms", 0.05),
        (read_time, "10 s", 10.0),
        (read_burst, "auto", None),
        (read_burst, "250 ms", 0.25),
        (read_share, "3 %", 0.03),
        (read_share, "0%", 0.0),
        (read_share, "50.0 %", 0.5),
        (read_weight, 3, 3.0),
        (read_weight, MIN_WEIGHT, MIN_WEIGHT),
        (read_weight, MAX_WEIGHT, MAX_WEIGHT),
        (read_version, 1, 1),
        (read_proto, "udp", 17),
        (read_proto, 0, 0),
        (read_proto, 255, 255),
        (read_port, 0, 0),
        (read_port, 65535, 65535),
        (canonical_endpoint, "h1", "h1"),
        (canonical_endpoint, "web-1.rack_2", "web-1.rack_2"),
        (canonical_endpoint, "1", "1"),
        (canonical_endpoint, "10.0.0.1", "10.0.0.1"),
        (canonical_endpoint, "0.0.0.0/0", "0.0.0.0/0"),
        (canonical_endpoint, "10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        (canonical_endpoint, "AA:bb:00:00:00:01", "aa:bb:00:00:00:01"),
    ],
)
def test_read(reader: Callable[[object], object], found: object, value: object) -> None:
    result = reader(found)
    assert result == value
    assert type(result) is type(value)


NOT_TEXT: tuple[object, ...] = (None, True, 20, 0.5, [], {}, math.nan)
NOT_A_NUMBER: tuple[object, ...] = (None, True, "3", [], {}, math.nan, math.inf)
REFUSED: dict[Callable[[object], object], tuple[object, ...]] = {
    read_rate: (
        *(*NOT_TEXT, "", "20", "x", "-1 bit/s", "-0 bit/s", "٣ Mbit/s", "1 mbit/s"),
        *("1" * 70 + " bit/s", "inf bit/s", "1e308 Gbit/s"),
    ),
    read_time: (*NOT_TEXT, "", "5", "auto", "0 s", "-1 s", "10.001 s", "1 min"),
    read_burst: (*NOT_TEXT, "", "5", "Auto", "0 s", "11 s"),
    read_share: (*NOT_TEXT, "", "3", "-1 %", "50.1 %", "1e999 %", "% 3", "nan %"),
    read_weight: (*NOT_A_NUMBER, 0, -1, 1e-10, 1e13, 10**400),
    read_version: (None, True, "1", 1.0, 0, 2, []),
    read_proto: (None, True, 6.0, -1, 256, "TCP", "sctp", []),
    read_port: (None, True, 80.0, -1, 65536, "80", []),
    canonical_endpoint: (
        *(*NOT_TEXT, "", " h1", "a b", "a\tb", "h\u200b1", "x" * 256),
        *("1.2", "10.0.0", "010.0.0.1", "10.0.0.256", "1.2.3.4.5"),
        *("10.0.0.0/33", "10.0.0.0/", "/", "10.0.0.1/24", "h1/24", "٣/8"),
        *("::1", "fe80::/10", "00:00:00:00:00", "00:00:00:00:00:0g"),
    ),
}


@pytest.mark.parametrize(
    ("reader", "found"), [(reader, found) for reader, values in REFUSED.items() for found in values]
)
def test_refused(reader: Callable[[object], object], found: object) -> None:
    with pytest.raises(ValueError, match=r"expected|did you mean") as caught:
        reader(found)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 250


def test_descriptions_are_short() -> None:
    assert describe("x" * 1000) == "'" + "x" * 35 + "...'"
    assert describe(10**100) == "the number 1" + "0" * 35 + "...0"
    assert describe("a\nb\x1b") == r"'a\nb\x1b'"
    assert (describe([1]), describe({}), describe(False)) == ("a list", "a mapping", "false")


def test_did_you_mean() -> None:
    assert did_you_mean("WEIGHTS", ["weight", "limit"]) == "; did you mean 'weight'?"
    assert did_you_mean("xyz", ["weight", "limit"]) == ""
    assert did_you_mean("x" * 10_000, ["weight"]) == ""
    assert did_you_mean("h1", ()) == ""
