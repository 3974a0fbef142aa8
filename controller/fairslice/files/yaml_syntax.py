"""What the YAML library refuses, in words of our own where a beginner would not know the library's."""

import re

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import CollectionStartEvent, MappingStartEvent

from fairslice.errors import Fault, Location

_CLOSING = {"{": "}", "[": "]"}
_QUOTED_OR_COMMENT = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|(?:(?<=\s)|^)#[^\n]*""", re.DOTALL | re.MULTILINE
)
_KEY_AND_VALUE_IN_ONE = re.compile(r"\s*(?:- )?[A-Za-z_][\w-]*:[^\s:]\S*")
_FOUND = re.compile(r"(?:got|found) '(?P<token>.*)'")
_END = "the end of the file"
_TOKENS = {
    "<stream end>": _END,
    "?": "a key",
    "-": "an item of a list",
    "<block mapping start>": "a key",
    "<block sequence start>": "a list",
    "<scalar>": "text",
}


def syntax_fault(
    error: MarkedYAMLError, text: str, place: Location, inside: CollectionStartEvent | None
) -> Fault:
    """A fault of a text that is not YAML.

    Args:
        error: what the library says.
        text: the whole text.
        place: where it says so.
        inside: the innermost collection that has begun there and has not ended.
    """
    line = _line(text, place.line)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Fault("a tab in the indentation; expected spaces, as YAML asks for", place)
    while_reading = str(error.context or "")
    if inside is not None and inside.flow_style and while_reading.startswith("while parsing a flow"):
        return _in_brackets(error, text, place, inside)
    context = f" {error.context}" if error.context else ""
    message = f"no valid YAML{context}: {error.problem}"
    found = _found(error)
    if while_reading.startswith("while parsing a block") and inside and found in _TOKENS.values():
        begun = inside.start_mark.line + 1
        what = "mapping" if isinstance(inside, MappingStartEvent) else "list"
        message = (
            f"no valid YAML: found {found} after a {what} that began in line {begun}; is a line between them,"
            f" or this one, indented too little, or too much?"
        )
    elif str(error.problem).startswith("mapping values are not allowed"):
        # Two lines were taken for one text, since the first has no key.
        before = _line(text, place.line - 1)
        if _KEY_AND_VALUE_IN_ONE.fullmatch(before.rstrip()):
            message += f"; expected a space after ':' in line {place.line - 1}"
    return Fault(_printable(message), place)


def _in_brackets(error: MarkedYAMLError, text: str, place: Location, inside: CollectionStartEvent) -> Fault:
    """Between braces or brackets, which YAML calls a flow: a word that means traffic here."""
    opening = "{" if isinstance(inside, MappingStartEvent) else "["
    # Behind an anchor or a tag, if there is one.
    start = text.index(opening, inside.start_mark.index)
    before = text[:start]
    line = before.count("\n") + 1
    bracket = Location(place.file, line, len(before) - before.rfind("\n"))
    found = _found(error)
    if found != _END:
        found += f" in line {place.line}"
    if _is_closed(text, start):
        expected = f"expected ',' or '{_CLOSING[opening]}'"
        message = f"no valid YAML in the {opening} of line {line}: found {found}; {expected}"
        return Fault(_printable(message), place)
    expected = f"expected '{_CLOSING[opening]}' before it"
    message = f"the {opening} of line {line} is not closed: found {found}; {expected}"
    return Fault(_printable(message), bracket)


def _is_closed(text: str, start: int) -> bool:
    """Whether the bracket at ``start`` has a partner in the text, quotes and comments aside."""
    expected: list[str] = []
    for char in _QUOTED_OR_COMMENT.sub("", text[start:]):
        if char in _CLOSING:
            expected.append(_CLOSING[char])
        elif char in _CLOSING.values():
            if char != expected.pop():
                return False
            if not expected:
                return True
    return False


def _found(error: MarkedYAMLError) -> str:
    found = _FOUND.search(str(error.problem))
    if found is None:
        return str(error.problem)
    return _TOKENS.get(found["token"], f"'{found['token']}'")


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _printable(message: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)
