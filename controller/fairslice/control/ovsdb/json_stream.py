"""Messages out of a stream of JSON, read by the standard library's parser.

ovs.json parses in Python, a character at a time, unless ``ovs`` was built against Open vSwitch's headers:
281 ms for 4,000 changed queues, 636 KB, which the standard library's parser, in C, reads in 10 ms.
"""

import json
import re
from itertools import accumulate, islice
from typing import Any

_DECODER = json.JSONDecoder()
# A string, a string that goes on in the next chunk, or a bracket.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|("[^"\\]*(?:\\.[^"\\]*)*\\?\Z)|([{}])', re.DOTALL)
_STEP = {"{": 1, "}": -1, "": 0}


class StreamParser:
    """What ``ovs.json.Parser`` is to ``ovs.jsonrpc``: it finds where a message ends, and reads it.

    A message is an object. Most come in one chunk, which then ends with a bracket: it is read at once.
    Otherwise brackets are counted, so that nothing is read a third time.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._length = 0
        self._depth = 0
        self._cut = ""
        """The beginning of a string that the last chunk cut."""
        self._done = False
        self._message: Any = None

    def feed(self, chunk: str) -> int:
        """Take a chunk; how many of its characters belong to this message."""
        blank = 0 if self._text else len(chunk) - len(chunk.lstrip())
        if blank == len(chunk):
            return blank
        if not self._text and chunk[blank] != "{":
            self._end(f"{chunk[blank : blank + 40]!r} is not the beginning of a message")
            return len(chunk)
        self._text.append(chunk[blank:])
        self._length += len(chunk) - blank
        end = self._look()
        return len(chunk) if end is None else len(chunk) - (self._length - end)

    def is_done(self) -> bool:
        """Whether the message is whole, or can't become one."""
        return self._done

    def finish(self) -> Any:
        """The message; a text that says what is wrong if it is not JSON."""
        return self._message

    def _look(self) -> int | None:
        """Where the message ends in all that has come; None: later."""
        latest = self._text[-1]
        if len(self._text) == 1 and latest.rstrip().endswith("}"):
            try:
                message, end = _DECODER.raw_decode(latest)
            except json.JSONDecodeError:
                pass  # the bracket is one inside
            except RecursionError as error:
                return self._end(str(error), self._length)
            else:
                return self._end(message, end)
        left = self._count(latest)
        if left is None:
            return None
        end = self._length - left
        try:
            return self._end(json.loads("".join(self._text)[:end]), end)
        except (ValueError, RecursionError) as error:
            return self._end(str(error), end)

    def _count(self, chunk: str) -> int | None:
        """Go on counting brackets; how much of the chunk is behind the last one, None if that is to come."""
        chunk = self._cut + chunk
        found = _TOKEN.findall(chunk)
        depths = accumulate((_STEP[bracket] for _, bracket in found), initial=self._depth)
        for at, depth in enumerate(islice(depths, 1, None)):
            self._depth = depth
            if depth == 0 and found[at][1]:
                return len(chunk) - next(islice(_TOKEN.finditer(chunk), at, None)).end()
        self._cut = found[-1][0] if found else ""
        return None

    def _end(self, message: Any, at: int = 0) -> int:
        self._message, self._done = message, True
        return at
