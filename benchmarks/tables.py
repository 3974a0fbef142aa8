"""What a table of the page is, and what it is asked for; tables are functions from the one to the other."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import page


@dataclass(frozen=True)
class Options:
    """What to measure. ``hierarchical_sizes`` is empty if hierarchical problems are not asked for."""

    networks: tuple[str, ...]
    sizes: tuple[int, ...]
    hierarchical_sizes: tuple[int, ...]
    hierarchical_network: str
    repeats: int
    time_limit_s: float
    certify_up_to: int


@dataclass(frozen=True)
class Table:
    """A table of the page, the same as records for JSON, what went wrong, and panels of the picture."""

    title: str
    text: str
    records: tuple[Any, ...]
    faults: tuple[str, ...] = ()
    panels: tuple[page.Panel, ...] = ()


def end(tables: Sequence[Table], document: str | None) -> None:
    """Print the document, if one was asked for, and what went wrong; the program ends with status 1 then."""
    # Not before there is something to print: see tests/noise.
    from fairslice.cli.output import print_document

    if document is not None:
        # Imported here: until the command runs nothing keeps what libraries print from standard output.
        from fairslice.cli.output import print_document

        print_document(document)
    faults = [fault for table in tables for fault in table.faults]
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    sys.exit(1 if faults else 0)
