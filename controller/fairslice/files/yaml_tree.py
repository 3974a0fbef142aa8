"""YAML text to a tree of values that remember where they stand.

Scalars are resolved here by the core schema of YAML 1.2.2 (§10.3.2), so that ``no`` is a word and ``1:30`` is
no number. Tags, several documents and keys that are not text have no place in a policy and are refused.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from fairslice.errors import Fault, InputError, Location
from fairslice.files.words import describe
from fairslice.files.yaml_scanner import LineMapping, parse_events
from fairslice.files.yaml_syntax import syntax_fault

MAX_FILE_BYTES = 4 << 20
MAX_DEPTH = 20
"""A policy is seven levels deep; the rest is room for a clear message."""
MAX_ALIASED_NODES = 10_000

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]
KeyPath = tuple[str | int, ...]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_BEGIN_NUMBERS = "+-.0123456789"
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEXADECIMAL = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF))|\.nan|\.NaN|\.NAN")
_LONGEST_INTEGER = 300
"""Longer ones are read as floats: no key takes them, and Python may refuse to write them."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file and where it starts; a mapping's entries keep their key's location too."""

    location: Location
    value: "Scalar | tuple[Node, ...] | Mapping[str, Entry]"

    def plain(self) -> Plain:
        """The value without locations, as lists, dicts and scalars."""
        if isinstance(self.value, Mapping):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def entries(self) -> "Mapping[str, Entry]":
        """Entries by key; none if this is not a mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    def items(self) -> "tuple[Node, ...]":
        """Items in order; none if this is not a list."""
        return self.value if isinstance(self.value, tuple) else ()

    def get(self, key: str) -> "Node | None":
        """The value under ``key``, None if this is not a mapping or has no such key."""
        entry = self.entries().get(key)
        return None if entry is None else entry.node

    def key_location(self, path: KeyPath) -> Location:
        """Where the last key of ``path`` stands, or its value if that is an item of a list."""
        return self._walk(path)[0]

    def value_location(self, path: KeyPath) -> Location:
        """Where the value at ``path`` starts."""
        return self._walk(path)[1].location

    def node(self, path: KeyPath) -> "Node":
        """The value at ``path``."""
        return self._walk(path)[1]

    def _walk(self, path: KeyPath) -> "tuple[Location, Node]":
        key_location, node = self.location, self
        for step in path:
            if isinstance(step, int):
                node = node.items()[step]
                key_location = node.location
            else:
                entry = node.entries()[step]
                key_location, node = entry.key_location, entry.node
        return key_location, node


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a mapping."""

    key_location: Location
    node: Node


@dataclass(frozen=True, slots=True)
class Source:
    """A file that could be read, and what is wrong with it nevertheless (duplicate keys, tags, odd keys)."""

    root: Node
    faults: tuple[Fault, ...]


def read_file(path: Path) -> str:
    """Read the text of a policy file.

    Raises:
        InputError: no file, no regular file, unreadable, over ``MAX_FILE_BYTES``, or not UTF-8.
    """
    file = str(path)
    try:
        if path.is_dir():
            raise InputError(f"{file} is a directory; expected a policy file")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"can't read {file}: {reason}; expected a policy file") from error
    if len(data) > MAX_FILE_BYTES:
        raise InputError(
            f"{file} has more than {MAX_FILE_BYTES >> 20} MiB; expected a policy file of at most that"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        raise InputError(
            [Fault(f"byte 0x{data[error.start]:02x} is not UTF-8; expected text in UTF-8", _at(file, before))]
        ) from error


def read_yaml(text: str, file: str) -> Source:
    """Read one YAML document; ``file`` is the name that locations carry.

    Raises:
        InputError: no text, no YAML, an empty file, several documents, control characters, nesting deeper
            than ``MAX_DEPTH``, aliases that are unknown, contain themselves or expand to more than
            ``MAX_ALIASED_NODES``.
    """
    for name, value in (("text", text), ("file", file)):
        if not isinstance(value, str):
            raise InputError(f"{name}: found {type(value).__name__}, expected a text")
    found = _FORBIDDEN.search(text)
    if found is not None:
        message = f"the character U+{ord(found[0]):04X} is not allowed in YAML; expected printable text"
        raise InputError([Fault(message, _at(file, text[: found.start()]))])
    events, translation = parse_events(text)
    composer = _Composer(file, translation)
    try:
        for event in _located(events, text, file):
            composer.take(event)
    except InputError as error:
        raise InputError([*composer.faults, *error.faults]) from error
    root = composer.root
    if root is None or root.value is None:
        message = 'the file is empty; expected a policy that starts with "version: 1"'
        raise InputError([*composer.faults, Fault(message, Location(file, 1, 1))])
    return Source(root, tuple(composer.faults))


def _at(file: str, before: str) -> Location:
    """The place right after the text ``before``."""
    return Location(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _located(events: Iterable[Event], text: str, file: str) -> Iterator[Event]:
    """The events, with the library's errors as ours."""
    mark: StringMark | None = None
    opened: list[CollectionStartEvent] = []
    try:
        for event in events:
            mark = event.start_mark
            if isinstance(event, CollectionStartEvent):
                opened.append(event)
            elif isinstance(event, CollectionEndEvent):
                opened.pop()
            yield event
    except MarkedYAMLError as error:
        mark = mark if error.problem_mark is None else error.problem_mark
        place = Location(file, 1, 1) if mark is None else _place(file, mark)
        inside = next((one for one in reversed(opened) if _is_written(one, text)), None)
        raise InputError([syntax_fault(error, text, place, inside)]) from error
    # The library lets some malformed escapes and directives end as these.
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        message = "no valid YAML after this place: a malformed escape or directive"
        last = Location(file, 1, 1) if mark is None else _place(file, mark)
        raise InputError([Fault(message, last)]) from error


def _is_written(event: CollectionStartEvent, text: str) -> bool:
    """Whether a collection has brackets if it is a flow: a pair in a flow sequence has none (§7.4.2)."""
    bracket = "{" if isinstance(event, MappingStartEvent) else "["
    return not event.flow_style or text[event.end_mark.index - 1] == bracket


def _place(file: str, mark: StringMark) -> Location:
    return Location(file, mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Frame:
    """A collection that is being read; in a mapping ``key`` is waiting for its value."""

    location: Location
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: "_Key | None" = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class _Key:
    """A key; ``name`` is None if its value is to be left out, since the key was refused."""

    name: str | None
    location: Location


class _Composer:
    """Builds nodes from events, without recursion."""

    def __init__(self, file: str, translation: Mapping[int, str]) -> None:
        self._translation = translation
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._file = file
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        """Node and its size with aliases expanded; None while it is being read."""
        self._aliased = 0

    def take(self, event: Event) -> None:
        location = _place(self._file, event.start_mark)
        if isinstance(event, DocumentStartEvent) and self.root is not None:
            raise InputError([Fault("a second document starts here; expected one policy a file", location)])
        if isinstance(event, AliasEvent):
            node, size = self._aliased_node(event.anchor, location)
            self._add(node, size)
        elif isinstance(event, ScalarEvent):
            self._refuse_tag(event.tag, location)
            if isinstance(event.value, LineMapping):
                self._take_line(event.value, location, event.anchor)
                return
            node = Node(self._scalar_location(event, location), self._scalar(event, location))
            if event.anchor is not None:
                self._anchors[event.anchor] = (node, 1)
            self._add(node, 1)
        elif isinstance(event, CollectionStartEvent):
            self._refuse_tag(event.tag, location)
            self._open(location, event.anchor, isinstance(event, MappingStartEvent))
        elif isinstance(event, CollectionEndEvent):
            self._close()

    def _take_line(self, mapping: LineMapping, location: Location, anchor: str | None) -> None:
        """Take all of a mapping; with an anchor or a tag it begins before its brace."""
        self._open(location, anchor, True)
        for column, piece in mapping.pieces():
            place = Location(self._file, mapping.line + 1, column + 1)
            if piece == "{":
                self._open(place, None, True)
            elif piece == "}":
                self._close()
            else:
                self._add(Node(place, resolve_scalar(piece)), 1)

    def _open(self, location: Location, anchor: str | None, is_mapping: bool) -> None:
        if len(self._frames) == MAX_DEPTH:
            raise InputError([Fault(f"nested deeper than {MAX_DEPTH} levels; expected a policy", location)])
        if anchor is not None:
            self._anchors[anchor] = None
        self._frames.append(_Frame(location, anchor, is_mapping))

    def _close(self) -> None:
        frame = self._frames.pop()
        node = Node(frame.location, frame.entries if frame.is_mapping else tuple(frame.items))
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (node, frame.size)
        self._add(node, frame.size)

    def _aliased_node(self, anchor: str, location: Location) -> tuple[Node, int]:
        if anchor not in self._anchors:
            message = f"unknown alias {describe('*' + anchor)}; expected its anchor before this place"
            raise InputError([Fault(message, location)])
        found = self._anchors[anchor]
        if found is None:
            name = describe("*" + anchor)
            message = f"the alias {name} stands inside its own anchor; expected one that has ended"
            raise InputError([Fault(message, location)])
        node, size = found
        self._aliased += size
        if self._aliased > MAX_ALIASED_NODES:
            message = f"the aliases up to here expand to more than {MAX_ALIASED_NODES} values; write them out"
            raise InputError([Fault(message, location)])
        return Node(location, node.value), size

    def _refuse_tag(self, tag: str | None, location: Location) -> None:
        if tag is not None:
            name = describe(str(tag).replace("tag:yaml.org,2002:", "!!"))
            self.faults.append(Fault(f"the tag {name} has no meaning in a policy; expected none", location))

    def _scalar_location(self, event: ScalarEvent, location: Location) -> Location:
        """An empty value is shown at its key: the parser places it at whatever comes next."""
        key = self._frames[-1].key if self._frames else None
        return key.location if key is not None and event.value == "" and event.style is None else location

    def _scalar(self, event: ScalarEvent, location: Location) -> Scalar:
        text = str(event.value)
        if self._translation:
            text = text.translate(self._translation)
        if not text.isascii() and _SURROGATE.search(text):
            raise InputError([Fault("half of a surrogate pair; expected whole characters", location)])
        return resolve_scalar(text) if event.style is None else text

    def _add(self, node: Node, size: int) -> None:
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.size += size
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = self._key(frame, node)
        else:
            if frame.key.name is not None:
                frame.entries[frame.key.name] = Entry(frame.key.location, node)
            frame.key = None

    def _key(self, frame: _Frame, node: Node) -> _Key:
        if not isinstance(node.value, str):
            message = f"found {describe(node.plain())} as a key; expected text, in quotes if need be"
            self.faults.append(Fault(message, node.location))
            return _Key(None, node.location)
        first = frame.entries.get(node.value)
        if first is not None:
            line = first.key_location.line
            message = f"duplicate key {describe(node.value)}, in line {line} already; expected it once"
            self.faults.append(Fault(message, node.location))
            return _Key(None, node.location)
        return _Key(node.value, node.location)


def resolve_scalar(text: str) -> Scalar:
    """The value of a plain scalar by the core schema of YAML 1.2.2 §10.3.2.

    >>> resolve_scalar("0x1F"), resolve_scalar("no"), resolve_scalar("1e3")
    (31, 'no', 1000.0)
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _BEGIN_NUMBERS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_INTEGER else float(text)
    if _OCTAL_OR_HEXADECIMAL.fullmatch(text):
        return int(text, 0) if len(text) <= _LONGEST_INTEGER else math.inf
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
