"""What ruamel.yaml's scanner refuses and YAML 1.2.2 allows: above all, tabs that separate.

Indentation is spaces only (§6.1); everywhere else a tab separates as a space does (§6.2): after a key, an
indicator or a value, before a comment, in a blank line, between the parts of a flow collection.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import Event
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import ScalarToken

_BREAKS = "\n\0\r"
_LINE_ENDS = "\n\r"
_BLANKS = " \t"
_ONCE_BREAKS = "\x85\u2028\u2029"
"""Line breaks of YAML 1.1, ordinary characters by now (§5.4); the library still breaks lines there."""
_LONGEST_SIMPLE_KEY = 1024
"""Characters (§7.4.2)."""
_PRIVATE_USE = range(0xE000, 0xF900)
_DIRECTIVES = re.compile(r"\ufeff?(?:[ \t\r]*(?:#[^\n]*)?\n|%[^\n]*\n)*")
"""Lines before a document: blank ones, comments and directives."""
_NOTHING_ENDS = re.compile(
    r"(\A\ufeff?|^\.\.\.[ \t\r]*(?:#[^\n]*)?\n)((?:[ \t\r]*(?:#[^\n]*)?\n)*)\.\.\.(?=[ \t\r\n]|\Z)",
    re.MULTILINE,
)
"""An end of document where none is open (§9.1.2)."""
_TABS_IN_HEADER = re.compile(r"[|>][-+0-9]*([ \t]*\t[ \t]*)")
_WORDS = re.compile(r"[A-Za-z0-9_./+-]+(?: [A-Za-z0-9_./+-]+)*(?=([,}])|: )")
"""A plain scalar (§7.3.3) as most are, of which nothing but a colon ends one in a block collection."""
_PLAIN = r"[A-Za-z0-9_./+][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*"
_PAIR = rf"{_PLAIN}: +{_PLAIN}"
_INNER = rf"\{{ *{_PAIR}(?: *, *{_PAIR})* *\}}"
_ENTRY = rf"{_PLAIN}: +(?:{_PLAIN}|{_INNER})"
_MAPPING = re.compile(rf"\{{ *{_ENTRY}(?: *, *{_ENTRY})* *\}}")
"""A flow mapping (§7.4.2) of such scalars on one line, in which other such mappings may be values."""
_PIECE = re.compile(rf"[{{}}]|{_PLAIN}")
_TABS_AFTER_TAG = re.compile(r"![^ \t\r\n]*(\t)")


def parse_events(text: str) -> "tuple[Iterator[Event], Mapping[int, str]]":
    """The events of a text, and what to translate in their scalars (:meth:`str.translate`).

    Raises:
        YAMLError: while the events are read, at what is no YAML.
    """
    found = _DIRECTIVES.match(text)
    end = found.end() if found else 0
    # One character for another, so that all places stay what they are.
    text = text[:end].replace("\t", " ") + text[end:]
    while (shorter := _NOTHING_ENDS.sub(r"\1\2#..", text)) != text:
        text = shorter
    back: dict[int, str] = {}
    if any(char in text for char in _ONCE_BREAKS):
        free = (code for code in _PRIVATE_USE if chr(code) not in text)
        back = dict(zip(free, _ONCE_BREAKS, strict=False))
        text = text.translate({ord(char): code for code, char in back.items()})
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    yaml.Parser = _Parser
    yaml.Reader = _Reader
    return yaml.parse(text), back


@dataclass(frozen=True, slots=True)
class LineMapping:
    """A flow mapping as it stands on one line; it is the value of a scalar's event, for the parser's sake.

    ``line`` and ``column``, from 0, are those of its first brace.
    """

    text: str
    line: int
    column: int

    def pieces(self) -> Iterator[tuple[int, str]]:
        """What follows the first brace, each with its column: braces, and keys and values by turns."""
        for found in _PIECE.finditer(self.text, 1):
            yield self.column + found.start(), found[0]


class _LineMappingToken(ScalarToken):
    """For the parser a scalar, but where it tells what it has found."""

    __slots__ = ()
    id = "{"


class _Parser(Parser):
    """Looks up its scanner once."""

    @cached_property
    def scanner(self) -> Any:
        return super().scanner


class _Reader(Reader):
    """Marks a place once: what ends there and what begins there is marked several times."""

    _last: Any = None

    def get_mark(self) -> Any:
        if self._last is None or self._last.index != self.index:
            self._last = super().get_mark()
        return self._last


class _Scanner(Scanner):
    """Overrides methods that skip white space, and those that are called most.

    Their names and results are the library's.
    What comes next is asked for many times before it is taken. The answer is the same until then, for the
    reader does not move, so that the library's search for it is gone through once.
    """

    _is_known = False

    @cached_property
    def reader(self) -> Any:
        return super().reader

    def check_token(self, *choices: Any) -> bool:
        if not self._is_known:
            super().check_token()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def need_more_tokens(self) -> bool:
        if self._is_known or (self.tokens and not self.possible_simple_keys):
            self._is_known = True
            return False
        needs = bool(super().need_more_tokens())
        self._is_known = not needs
        return needs

    def get_token(self) -> Any:
        token = super().get_token()
        self._is_known = False
        return token

    def scan_plain(self) -> Any:
        """Words on one line that end at a colon, a comma or a brace are taken as a whole."""
        reader = self.reader
        found = _WORDS.match(reader.buffer, reader.pointer)
        if found is None or (found[1] and not self.flow_level):
            return super().scan_plain()
        begin, length = reader.get_mark(), found.end() - reader.pointer
        reader.pointer += length
        reader.index += length
        reader.column += length
        self.allow_simple_key = False
        return ScalarToken(found[0], True, begin, reader.get_mark())

    def fetch_flow_mapping_start(self) -> None:
        """A mapping on one line, as most flows of a policy are, is taken as a whole."""
        reader = self.reader
        found = _MAPPING.match(reader.buffer, reader.pointer)
        if found is None:
            super().fetch_flow_mapping_start()
            return
        self.save_possible_simple_key()
        self.allow_simple_key = False
        begin, length = reader.get_mark(), len(found[0])
        reader.pointer += length
        reader.index += length
        reader.column += length
        mapping = LineMapping(found[0], begin.line, begin.column)
        self.tokens.append(_LineMappingToken(mapping, True, begin, reader.get_mark()))

    def scan_to_next_token(self) -> None:
        if self.reader.index == 0 and self.reader.peek() == "\ufeff":
            self.reader.forward()
        while self._skip_blanks():
            if self.reader.peek() == "#":
                while self.reader.peek() not in _BREAKS:
                    self.reader.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def _skip_blanks(self) -> bool:
        """Skip blanks up to what follows; false at a tab that can't stand there: the library refuses it."""
        peek, forward = self.reader.peek, self.reader.forward
        indents = self.reader.column == 0
        while (char := peek()) == " ":
            forward()
        if char != "\t":
            return True
        # A key may follow only where a block collection can begin, and that is indented by spaces.
        if not self.flow_level and self.allow_simple_key and not self._ends_line():
            if indents and self.reader.column <= self.indent:
                return False
            self.allow_simple_key = False
        while peek() in _BLANKS:
            forward()
        return True

    def _ends_line(self) -> bool:
        """Whether only blanks, and perhaps a comment, are left of this line."""
        length = 0
        while self.reader.peek(length) in _BLANKS:
            length += 1
        return self.reader.peek(length) in _BREAKS + "#"

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:  # noqa: ARG002
        peek, forward = self.reader.peek, self.reader.forward
        length = 0
        while peek(length) in _BLANKS:
            length += 1
        blanks = self.reader.prefix(length)
        forward(length)
        if peek() not in _LINE_ENDS:
            return [blanks] if blanks else []
        first = self.scan_line_break()
        self.allow_simple_key = True
        more: list[str] = []
        while not self._at_document_marker():
            if peek() == " " or (peek() == "\t" and self._continues(indent)):
                forward()
            elif peek() in _LINE_ENDS:
                more.append(self.scan_line_break())
            else:
                break
        else:
            return None
        return ([first] if first != "\n" else [] if more else [" "]) + more

    def _continues(self, indent: int) -> bool:
        """Whether a tab here is not indentation: there is enough of it already, or nothing to indent."""
        length = 0
        while self.reader.peek(length) in _BLANKS:
            length += 1
        blank = self.reader.peek(length) in _BREAKS
        return bool(self.flow_level) or self.reader.column >= indent or blank

    def _at_document_marker(self) -> bool:
        marker = self.reader.column == 0 and self.reader.prefix(3) in ("---", "...")
        return marker and self.reader.peek(3) in _BREAKS + _BLANKS

    def scan_block_scalar(self, style: Any, rt: Any = False) -> Any:
        self._put_spaces(_TABS_IN_HEADER)
        return super().scan_block_scalar(style, rt)

    def scan_tag(self) -> Any:
        self._put_spaces(_TABS_AFTER_TAG)
        return super().scan_tag()

    def _put_spaces(self, tabs: re.Pattern[str]) -> None:
        """Put spaces for tabs where the library knows no others."""
        if found := tabs.match(self.reader.buffer, self.reader.pointer):
            buffer = self.reader.buffer
            spaces = found[1].replace("\t", " ")
            self.reader.buffer = buffer[: found.start(1)] + spaces + buffer[found.end(1) :]

    def stale_possible_simple_keys(self) -> None:
        """In a flow mapping a key and its colon may stand on different lines (§7.4.2)."""
        line, last = self.reader.line, self.reader.index - _LONGEST_SIMPLE_KEY
        for key in self.possible_simple_keys.values():
            if key.line != line or key.index < last:
                break
        else:
            return
        lasting = {
            level: key
            for level, key in self.possible_simple_keys.items()
            if level and self.flow_context[level - 1] == "{"
        }
        super().stale_possible_simple_keys()
        self.possible_simple_keys.update(lasting)

    def scan_yaml_directive_value(self, start_mark: Any) -> Any:
        """§6.8.1: a higher minor version is read as 1.2, another major version refused."""
        major, minor = super().scan_yaml_directive_value(start_mark)
        if major != 1:
            raise ScannerError(
                "in a %YAML directive", start_mark, f"found version {major}.{minor}, expected 1.2", start_mark
            )
        return 1, min(max(minor, 1), 2)
