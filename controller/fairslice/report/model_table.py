"""A model's answer as tables for the terminal: single values above, lists of rows below."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

LONGEST = 40
"""Rows that are shown of a list; the rest is counted."""


def answer_tables(answer: Mapping[str, Any]) -> Iterator[Table]:
    """One table of all single values, then one for each list of objects."""
    single = Table(box=None, show_header=False, pad_edge=False)
    single.add_column(no_wrap=True)
    single.add_column()
    lists = {}
    for name, value in answer.items():
        if _rows(value):
            lists[name] = value
        elif isinstance(value, Mapping):
            for key, one in value.items():
                single.add_row(f"{name} {key}", _cell(one))
        else:
            single.add_row(name, _cell(value))
    if single.row_count:
        yield single
    for name, rows in lists.items():
        yield _table(name, rows)


def _rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    left_out = len(rows) - LONGEST
    table = Table(
        box=SIMPLE_HEAD,
        title=name,
        title_justify="left",
        caption=f"{left_out} more rows: --json has them" if left_out > 0 else None,
        pad_edge=False,
    )
    for column in columns:
        numeric = all(not isinstance(row.get(column), str | bool) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows[:LONGEST]:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: object) -> str:
    """A value for a table: names of the caller's may have brackets, which are not markup."""
    return escape(shown_value(value))


def shown_value(value: object) -> str:
    """A value of an answer for people: six digits, and a dash for what does not exist."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return f"{value:.6g}"
    if isinstance(value, list):
        nested = any(isinstance(one, list) for one in value)
        shown = value if len(value) <= (4 if nested else 8) else value[: 3 if nested else 4]
        few = ", ".join(
            f"({shown_value(one)})" if isinstance(one, list) else shown_value(one) for one in shown
        )
        return few if shown is value else f"{few}, … ({len(value)} in all)"
    return str(value)
