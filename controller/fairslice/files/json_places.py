"""Where in a JSON text its values stand, so that a fault can name its line."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fairslice.errors import Location

JsonPath = tuple[str | int, ...]
"""Keys and indices that lead from the whole value to a part of it."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


@dataclass(frozen=True, slots=True)
class Places:
    """Locations of a file's values by path, and the keys that an object repeats."""

    file: str
    found: Mapping[JsonPath, Location]
    repeated: tuple[tuple[JsonPath, Location], ...] = ()

    def locate(self, path: JsonPath) -> Location | None:
        """Where the value stands, or else the nearest value around it."""
        while path and path not in self.found:
            path = path[:-1]
        return self.found.get(path)


def find_places(text: str, file: str) -> Places:
    """Locate every value of a valid JSON text (RFC 8259); an object's members stand where their keys do."""
    found: dict[JsonPath, Location] = {}
    repeated: list[tuple[JsonPath, Location]] = []
    # The path of the value that comes next; its last part is None where an object's key is awaited.
    path: list[str | int | None] = []
    line, line_start, scanned = 1, 0, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", scanned, token.start())
        line_start = max(line_start, text.rfind("\n", scanned, token.start()) + 1)
        scanned = token.start()
        here = Location(file, line, token.start() - line_start + 1)
        mark = token[0]
        if mark in "]}":
            path.pop()
        elif mark == ":":
            continue
        elif mark == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else None
        elif path and path[-1] is None:
            path[-1] = json.loads(mark)
            key = _known(path)
            if key in found:
                repeated.append((key, here))
            found[key] = here
        else:
            found.setdefault(_known(path), here)
            if mark in "[{":
                path.append(0 if mark == "[" else None)
    return Places(file, found, tuple(repeated))


def _known(path: list[str | int | None]) -> JsonPath:
    return tuple(part for part in path if part is not None)
