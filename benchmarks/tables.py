"""What a table of the page is, and what it is asked for; tables are functions from the one to the other."""

from dataclasses import dataclass
from typing import Any

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
