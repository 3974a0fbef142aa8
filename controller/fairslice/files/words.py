"""Words for what was found in a file, and for what may have been meant."""

import difflib
from collections.abc import Iterable

_LONGEST_SHOWN = 40
LONGEST_QUANTITY = 64


def describe(value: object) -> str:
    """What was found, in words and on one line.

    >>> describe(20), describe(True), describe("x"), describe(None)
    ('the number 20', 'true', "'x'", 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {shorten(f'{value}')}"
    if isinstance(value, str):
        return shorten(repr(value))
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def shorten(text: str) -> str:
    """A text in a line: long ones end in dots, and with their last character."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 4]}...{text[-1]}"


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """``; did you mean 'weight'?`` if a known word is close to what was found, else nothing.

    Known words that have what was found as a part are all named: one can't tell which was meant.

    >>> did_you_mean("port", ["src_port", "dst_port", "proto"])
    "; did you mean 'src_port' or 'dst_port'?"
    """
    by_lower_case = {word.lower(): word for word in known}
    wanted = found[:LONGEST_QUANTITY].lower()
    close = [word for word in by_lower_case if wanted in word.split("_")]
    close = close or difflib.get_close_matches(wanted, by_lower_case, n=1)
    return f"; did you mean {' or '.join(repr(by_lower_case[word]) for word in close)}?" if close else ""
