"""What a value was made of stays as it was: mappings and arrays that can't be written."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

_K = TypeVar("_K")
_V = TypeVar("_V")


class ReadOnly(dict[_K, _V]):
    """A dictionary that can't be written.

    It reads, prints and compares as any dictionary does, and as fast. ``types.MappingProxyType`` can neither
    be pickled nor copied deeply.
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping can't be written; dict(it) makes one that can")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnly, (dict(self),)


def read_only(value: Any) -> Any:
    """A mapping as it is now, which nobody can write; anything else is returned as it is."""
    if type(value) is ReadOnly or not isinstance(value, Mapping):
        return value
    return ReadOnly(value)


def locked(array: "NDArray[Any]") -> "NDArray[Any]":
    """A view of an array that can't be written."""
    view = array.view()
    view.flags.writeable = False
    return view
