"""Exact arithmetic where it is affordable, and the inverse of a distribution."""

from collections.abc import Callable
from fractions import Fraction

from fairslice.errors import InputError
from fairslice.models.problem import exact

Number = Fraction | float
"""Exact where it is a fraction."""
Real = Fraction | float | int
"""What is taken for a number; a float is what is written of it: 0.1 is a tenth."""
MOST = 1_000_000
"""Servers and places that are counted one by one."""
_MOST_BITS = 2**16
"""Of exact numbers; larger ones would take longer than a user waits, and are computed as floats."""
_STEPS = 200
_RANGE = (Fraction(1, 10**100), Fraction(10**100))
"""Of numbers but 0: their squares and quotients are floats."""


def fraction(name: str, value: Real, *, above: int | None = None) -> Fraction:
    """An argument as an exact number.

    Raises:
        InputError: it is not a finite number from 0 up, not above ``above``, or out of all proportion.
    """
    try:
        found = exact(float(value) if isinstance(value, float) else value)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    if found < 0 or (above is not None and found <= above):
        expected = "from 0 up" if above is None else f"above {above}"
        raise InputError(f"{name}: found {shown(value)}, expected a number {expected}")
    if found and not _RANGE[0] <= found <= _RANGE[1]:
        raise InputError(f"{name}: found {shown(value)}, expected a number from 1e-100 to 1e100")
    return found


def shown(value: Real) -> str:
    """A number for a message: as it is, or shortly."""
    return str(value) if len(str(value)) <= 20 else f"{float(value):g}"


def count(name: str, value: int, least: int) -> int:
    """An argument that counts.

    Raises:
        InputError: it is not a whole number, below ``least``, or above :data:`MOST`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
        raise InputError(f"{name}: found {value!r}, expected a whole number from {least} to {MOST:,}")
    return value


def affordable(steps: int, *factors: int) -> bool:
    """Whether a recurrence of so many steps, each a multiplication by these, stays within what is exact."""
    return steps * sum(factor.bit_length() for factor in factors) <= _MOST_BITS


def first_time(tail: Callable[[float], float], above: float, start: float) -> float:
    """The smallest time t with ``tail(t) <= above``, by bisection to the last digit.

    Args:
        tail: does not increase, and ends at 0.
        above: what the tail may hold there, above 0.
        start: a time of the right size, above 0.
    """
    low, high = 0.0, start
    while tail(high) > above:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if tail(middle) > above:
            low = middle
        else:
            high = middle
    return high
