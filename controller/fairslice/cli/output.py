"""Standard output that holds one JSON document and nothing else, whatever libraries and children print."""

import atexit
import ctypes
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from fairslice.errors import os_failure

if TYPE_CHECKING:
    from rich.console import Console

_KEY = "fairslice.cli.output"
_ENDLESS = 10_000
"""Columns: more than any line has."""


@dataclass(slots=True)
class _Kept:
    """Standard output as it was.

    ``descriptor`` is a copy of its own; ``stream`` is where text goes if not there.
    """

    descriptor: int
    stream: TextIO | None
    written: bool = False


@contextmanager
def kept_output() -> Iterator[None]:
    """Keep standard output for :func:`print_document`: whatever else is printed goes to standard error.

    That holds for what is written past Python, too: by C libraries, to descriptor 1 or into C's own
    buffers, and by child processes. Callbacks of commands run in it: ``fairslice.cli.options.json_output``.
    """
    stream = sys.stdout
    _flush(stream)
    kept = _Kept(os.dup(1), None if _is_the_process_s(stream) else stream)
    _divert()
    click.get_current_context().meta[_KEY] = kept
    try:
        yield
    finally:
        # What is still in buffers was printed inside.
        _flush(stream)
        sys.stdout = stream
        os.dup2(kept.descriptor, 1)
        os.close(kept.descriptor)
        if kept.stream is None:
            # What exit handlers print is not part of the document. The last one registered is called first.
            atexit.unregister(_divert)
            atexit.register(_divert)
        del click.get_current_context().meta[_KEY]


def print_document(text: str) -> None:
    """Write a JSON document to the standard output that is kept.

    Raises:
        RuntimeError: standard output is not kept, or has its document already.
        MachineError: the machine can't write it, such as to a full disk.
    """
    kept: _Kept | None = click.get_current_context().meta.get(_KEY)
    if kept is None or kept.written:
        raise RuntimeError("found a second document; expected one, of a command with --json")
    kept.written = True
    text = text.rstrip("\n") + "\n"
    if kept.stream is not None:
        kept.stream.write(text)
        kept.stream.flush()
    else:
        rest = text.encode()
        try:
            while rest:
                rest = rest[os.write(kept.descriptor, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise os_failure(error, "standard output: can't be written") from error


def indented(document: object) -> str:
    """A JSON document as text, as ``json.dumps`` with an indent of 2 writes it, but for exponents of numbers.

    That is written in Python, and takes twenty times as long.
    """
    from pydantic_core import to_json

    text = to_json(document, indent=2, inf_nan_mode="constants").decode()
    return text if text.isascii() else json.dumps(document, indent=2)


def wide_enough(console: "Console") -> "Console":
    """A console as wide as its terminal, or as COLUMNS says.

    A file or a pipe has no width: there a row of a table is one line, and so is a sentence, for whoever
    searches or cuts it.
    """
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _ENDLESS
    return console


def document_descriptor() -> int | None:
    """Where a child process writes the document in place of this one; None: standard output as it is."""
    kept: _Kept | None = click.get_current_context().meta.get(_KEY)
    return None if kept is None else kept.descriptor


def _is_the_process_s(stream: TextIO) -> bool:
    with suppress(OSError):
        return stream.fileno() == 1
    return False


def _divert() -> None:
    os.dup2(2, 1)
    sys.stdout = sys.stderr


def _flush(stream: TextIO) -> None:
    stream.flush()
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
