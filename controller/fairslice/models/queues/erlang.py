"""Erlang's formulas for a group of servers, and their inverses (Erlang 1917; Kleinrock 1975, chapter 3).

Calls come at random (Poisson). They last for any time with a finite mean where calls are lost (Erlang B), and
for an exponential time where they wait (Erlang C). ``offered`` is the calls that come in the time that one
takes, on the mean, in erlang.

Powers and factorials overflow for some 170 servers. Here the blocking of one server more follows from that of
one less (Jagerman 1974): all terms are above 0, so that nothing overflows and nothing cancels.
"""

import sys
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import overload

from fairslice.errors import InputError
from fairslice.models.queues.numbers import MOST, Number, Real, affordable, count, first_time, fraction

_NEAR = 1e-9
"""Relative difference within which a float does not decide."""


@overload
def erlang_b(offered: Fraction, servers: int) -> Fraction: ...
@overload
def erlang_b(offered: float, servers: int) -> float: ...
@overload
def erlang_b(offered: Number, servers: int) -> Number: ...
def erlang_b(offered: Number, servers: int) -> Number:
    """The probability that a call finds all servers taken and is lost (M/M/m/m, and M/G/m/m).

    B(0) = 1 and B(n) = a·B(n−1) / (n + a·B(n−1)), exact for a Fraction.

    >>> erlang_b(Fraction(2), 2)
    Fraction(2, 5)

    Args:
        offered: a, in erlang, 0 or more.
        servers: 0 or more.

    Raises:
        InputError: an argument is out of its range.
    """
    a, m = fraction("offered", offered), count("servers", servers, 0)
    return lost_part(a if isinstance(offered, Fraction) else float(a), m)


def lost_part(offered: Number, servers: int) -> Number:
    """:func:`erlang_b` of arguments that are known to be right."""
    return _exact_b(offered, servers) if isinstance(offered, Fraction) else _float_b(offered, servers)


@overload
def erlang_c(offered: Fraction, servers: int) -> Fraction: ...
@overload
def erlang_c(offered: float, servers: int) -> float: ...
@overload
def erlang_c(offered: Number, servers: int) -> Number: ...
def erlang_c(offered: Number, servers: int) -> Number:
    """The probability that a call finds all servers taken and waits (M/M/m).

    C = m·B / (m − a·(1 − B)), written as m·B / (m − a + a·B), in which nothing cancels near a full load.

    >>> erlang_c(Fraction(1), 2)
    Fraction(1, 3)

    Args:
        offered: a, in erlang, 0 or more, and below ``servers``: with more the queue never ends.
        servers: 1 or more.

    Raises:
        InputError: an argument is out of its range.
    """
    a, m = fraction("offered", offered), count("servers", servers, 1)
    if a >= m:
        raise InputError(f"offered: found {offered}, expected a number below {m}, the servers")
    return c_of_b(erlang_b(offered, servers), a, m)


def servers_for_blocking(offered: Real, blocking: Real) -> int:
    """The fewest servers that lose at most this part of the calls: the inverse of :func:`erlang_b`.

    >>> servers_for_blocking(10, 0.01)
    18

    Args:
        offered: in erlang, 0 or more.
        blocking: above 0, at most 1.

    Raises:
        InputError: an argument is out of its range, or more than :data:`MOST` servers would be needed.
    """
    a, target = fraction("offered", offered), _share("blocking", blocking)
    if a * (1 - target) <= MOST:  # As many as are not lost must be served.
        load, limit, found = float(a), float(target), 1.0
        for servers in range(MOST + 1):
            found = load * found / (servers + load * found) if servers else 1.0
            if abs(found - limit) <= _NEAR * limit and affordable(
                servers, a.numerator, a.denominator, servers
            ):
                if _exact_b(a, servers) <= target:
                    return servers
            elif found <= limit:
                return servers
    raise _too_many("offered", offered)


def servers_for_waiting(offered: Real, wait_probability: Real) -> int:
    """The fewest servers with which at most this part of the calls waits: the inverse of :func:`erlang_c`.

    Args:
        offered: in erlang, 0 or more.
        wait_probability: above 0, at most 1.

    Raises:
        InputError: an argument is out of its range, or more than :data:`MOST` servers would be needed.
    """
    a, target = fraction("offered", offered), _share("wait_probability", wait_probability)
    if a < MOST:
        load, limit, found = float(a), float(target), 1.0
        for servers in range(1, MOST + 1):
            found = load * found / (servers + load * found)
            if servers <= a:
                continue
            waits = float(c_of_b(found, a, servers))
            if abs(waits - limit) <= _NEAR * limit and affordable(
                servers, a.numerator, a.denominator, servers
            ):
                if c_of_b(_exact_b(a, servers), a, servers) <= target:
                    return servers
            elif waits <= limit:
                return servers
    raise _too_many("offered", offered)


def offered_for_blocking(servers: int, blocking: Real) -> float:
    """The most that may be offered so that at most this part of the calls is lost, in erlang.

    Args:
        servers: 1 or more.
        blocking: above 0, below 1.

    Raises:
        InputError: an argument is out of its range.
    """
    m, target = count("servers", servers, 1), float(_share("blocking", blocking, below_one=True))
    return first_time(lambda offered: -_float_b(offered, m), -target, float(m))


def offered_for_waiting(servers: int, wait_probability: Real) -> float:
    """The most that may be offered so that at most this part of the calls waits, in erlang.

    Args:
        servers: 1 or more.
        wait_probability: above 0, below 1.

    Raises:
        InputError: an argument is out of its range.
    """
    m = count("servers", servers, 1)
    target = float(_share("wait_probability", wait_probability, below_one=True))

    def less(offered: float) -> float:
        if offered >= m:
            return -1.0
        return -float(c_of_b(_float_b(offered, m), Fraction(offered), m))

    return first_time(less, -target, m / 2)


def each_float_b(offered: float, most: int) -> Iterator[float]:
    """:func:`erlang_b` of 0, 1, … ``most`` servers, one from the other; what no float holds in full is 0."""
    blocking = 1.0
    yield blocking
    for n in range(1, most + 1):
        blocking = offered * blocking / (n + offered * blocking)
        if blocking < sys.float_info.min:
            blocking = 0.0  # A float below has few digits, and multiplying would not make it smaller.
        yield blocking


def _float_b(offered: float, servers: int) -> float:
    (blocking,) = deque(each_float_b(offered, servers), maxlen=1)
    return blocking


def _exact_b(offered: Fraction, servers: int) -> Fraction:
    """The same in whole numbers: the common factor is taken out once, at the end."""
    p, q = offered.numerator, offered.denominator
    lost, all_calls = 1, 1
    for n in range(1, servers + 1):
        lost, all_calls = p * lost, n * q * all_calls + p * lost
    return Fraction(lost, all_calls)


def c_of_b(blocking: Number, offered: Fraction, servers: int) -> Number:
    """:func:`erlang_c` of what :func:`erlang_b` is; ``servers`` are more than what is offered."""
    spare = servers - offered
    if isinstance(blocking, Fraction):
        return servers * blocking / (spare + offered * blocking)
    return servers * blocking / (float(spare) + float(offered) * blocking)


def _share(name: str, value: Real, *, below_one: bool = False) -> Fraction:
    found = fraction(name, value, above=0)
    if found > 1 or (below_one and found == 1):
        raise InputError(f"{name}: found {value}, expected a number {'below' if below_one else 'up to'} 1")
    return found


def _too_many(name: str, value: Real) -> InputError:
    return InputError(f"{name}: found {value}, expected what {MOST:,} servers can serve")
