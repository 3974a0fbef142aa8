"""JSON (RFC 8259), refused with line and column where it is not, and with the keys that objects repeat."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fairslice.errors import Fault, InputError, Location
from fairslice.files.pydantic_faults import shown, step

_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = "found half of a surrogate pair, expected whole characters"
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it had more than once."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        found.repeated = tuple(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return found


def load_json(text: str, file: str) -> Any:
    """The value of a JSON text; ``file`` is its name for messages.

    Raises:
        InputError: it is not JSON, with line and column; or it is nested too deeply; or a text in it has half
            of a character, which no output can write.
    """
    try:
        data = json.loads(text, object_pairs_hook=_object)
        halves = (
            [Fault(f"{file}: {path}: {_HALF}") for path in _halves(data)] if _ESCAPED.search(text) else []
        )
    except json.JSONDecodeError as error:
        place = Location(file, error.lineno, error.colno)
        raise InputError([Fault(f"this is not JSON: {error.msg}", place)]) from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply, expected a problem or an array of them") from None
    except ValueError as error:
        raise InputError(f"{file}: this is not JSON that can be read: {error}") from None
    if halves:
        raise InputError(halves)
    return data


def _halves(data: Any, path: str = "$") -> Iterator[str]:
    """The places of texts, keys included, that have half of a surrogate pair (RFC 8259, section 8.2)."""
    if isinstance(data, str):
        if _SURROGATE.search(data):
            yield path
    elif isinstance(data, dict):
        for key, value in data.items():
            inside = path + step(key)
            if _SURROGATE.search(key):
                yield inside
            yield from _halves(value, inside)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _halves(value, f"{path}[{index}]")


def repeated_keys(data: Any, path: str = "$") -> Iterator[str]:
    """A sentence for each key that an object of what :func:`load_json` read has more than once."""
    if isinstance(data, _Object):
        for key in data.repeated:
            yield f"{path}: the key {shown(key)} is there more than once"
        for key, value in data.items():
            yield from repeated_keys(value, path + step(key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from repeated_keys(value, f"{path}[{index}]")
