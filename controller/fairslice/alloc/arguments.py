"""Arguments of a wrong type, told in words."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from numbers import Real
from typing import Any, cast

from fairslice.errors import InputError


@dataclass(frozen=True, slots=True)
class Words:
    """What parts of a problem are called where it was written, and what stands there for no bound at all."""

    capacities: str
    cap: str
    floor: str
    unbounded: str


IN_PYTHON = Words("capacities", "cap", "floor", "inf")
IN_JSON = Words("links", "demand", "min", "null")


class UnknownFlowError(InputError, KeyError):
    """A flow was asked for that is not in the problem; a KeyError as well."""

    __str__ = InputError.__str__

    def __init__(self, flow_id: object, known: Iterable[str]) -> None:
        ids = list(known)
        close = get_close_matches(flow_id, ids, n=3) if isinstance(flow_id, str) else []
        if close:
            expected = f"did you mean {' or '.join(map(quoted, close))}?"
        else:
            more = ", …" if len(ids) > 8 else ""
            few = ", ".join(map(quoted, ids[:8])) + more
            expected = f"expected one of {few}" if ids else "expected none, for there are none"
        super().__init__(f"flow_id: found {found(flow_id)}, which is not a flow of the problem; {expected}")

    def __reduce__(self) -> str | tuple[object, ...]:
        return InputError, (self.faults,)


def found(value: object) -> str:
    """A value in a fault: its type, and itself where that is short."""
    kind = type(value).__name__
    if isinstance(value, int) and abs(value) >= _LONG:
        return kind
    text = repr(value) if value is None or isinstance(value, str | int | float) else ""
    if value is None or not text:
        return text or kind
    return f"{text} ({kind})" if len(text) <= 40 else kind


_LONG = 10**40
"""Python refuses to write very long numbers."""


def expect(name: str, value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuse an argument of another type.

    Raises
    ------
    InputError
        Naming the argument, what was found and what was expected.
    """
    if not isinstance(value, kinds):
        raise InputError(f"{name}: found {found(value)}, expected {expected}")


def is_number(value: object) -> bool:
    """Whether it is a real number, which True is not."""
    if type(value) is float or type(value) is int:
        return True
    return isinstance(value, Real) and not isinstance(value, bool)


def is_plain(amount: object) -> bool:
    """Whether it is a float, or a whole number that is one: nearly every amount, and quickly told."""
    kind = type(amount)
    return kind is float or (kind is int and -_LONG < amount < _LONG)  # type: ignore[operator]


def amount_fault(what: str, amount: Any) -> Iterator[str]:
    """Why a value can't be an amount at all: it is not a number, or too large or too small for a float."""
    if not is_number(amount):
        yield f"the {what} is {found(amount)}, expected a number"
        return
    try:
        as_float = float(amount)
    except OverflowError:
        as_float = math.inf
    if (as_float == 0 or math.isinf(as_float)) and as_float != amount:
        yield f"the {what} is {found(amount)} and out of the range of floats, expected at most 1.8e308"


def is_list(value: object) -> bool:
    """Whether one can go through its entries, and it is not a text."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def quoted(name: object) -> str:
    """A name in a fault."""
    return f'"{name}"' if isinstance(name, str) else found(name)


def wrong_amounts(where: str, amounts: Mapping[str, float], what: str) -> Iterator[tuple[str, str]]:
    """What of a mapping from names to amounts is of another type."""
    for name, amount in amounts.items():
        if not isinstance(name, str):
            yield f"{where}[{name!r}]", f"the name is {found(name)}, expected a text"
        if not is_plain(amount):
            yield from ((f"{where}[{quoted(name)}]", fault) for fault in amount_fault(what, amount))


def wrong_types_of(flow: Any, words: Words) -> Iterator[str]:
    """What of a flow of a problem is of another type than was asked for."""
    if _is_as_asked(flow):
        return
    if not isinstance(flow.id, str):
        yield f"the id is {found(flow.id)}, expected a text"
    for what, amount in (("weight", flow.weight), (words.cap, flow.cap), (words.floor, flow.floor)):
        if not is_plain(amount):
            yield from amount_fault(what, amount)
    if not isinstance(flow.slice, str | None):
        yield f"the slice is {found(flow.slice)}, expected its name, or None"
    if not isinstance(flow.uses, Mapping):
        yield f"uses is {found(flow.uses)}, expected a mapping of links to what it uses of each"
        return
    for where, what in wrong_amounts("uses", flow.uses, "amount"):
        yield f"{where}: {what}"


def _is_as_asked(flow: Any) -> bool:
    """Whether nothing is wrong, told at once for the types that nearly all flows are of."""
    amounts = {type(flow.weight), type(flow.cap), type(flow.floor)}
    return (
        type(flow.id) is str
        and (flow.slice is None or type(flow.slice) is str)
        and type(flow.uses) is dict
        and amounts.union(map(type, flow.uses.values())) <= {float, int}
        and {str}.issuperset(map(type, flow.uses))
    )


def some(names: Iterable[str], what: str, number: int | None = None) -> str:
    """``2 links (A, B)``."""
    few = list(islice(names, 4))
    many = number if number is not None else len(cast("Sized", names))
    if not many:
        return f"no {what}s"
    more = ", …" if many > len(few) else ""
    return f"{many:,} {what}{'s' * (many > 1)} ({', '.join(map(str, few))}{more})"
