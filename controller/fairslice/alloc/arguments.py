"""Arguments of a wrong type, told in words."""

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import islice
from numbers import Real
from typing import Any, cast

from fairslice.errors import InputError


def found(value: object) -> str:
    """A value in a fault: its type, and itself where that is short."""
    text = repr(value) if value is None or isinstance(value, str | int | float) else ""
    kind = type(value).__name__
    if value is None or not text:
        return text or kind
    return f"{text} ({kind})" if len(text) <= 40 else kind


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
        if not is_number(amount):
            yield f"{where}[{quoted(name)}]", f"the {what} is {found(amount)}, expected a number"


def wrong_types_of(flow: Any) -> Iterator[str]:
    """What of a flow of a problem is of another type than was asked for."""
    if _is_as_asked(flow):
        return
    if not isinstance(flow.id, str):
        yield f"the id is {found(flow.id)}, expected a text"
    for what, amount in (("weight", flow.weight), ("demand", flow.cap), ("floor", flow.floor)):
        if not is_number(amount):
            yield f"the {what} is {found(amount)}, expected a number"
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
