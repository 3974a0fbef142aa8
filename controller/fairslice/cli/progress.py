"""Progress of long work on standard error: a bar on a terminal, a line a phase elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fairslice.lab.trial.run import Progress


@contextmanager
def shown_progress(*, quiet: bool) -> "Iterator[Progress]":
    """Show the phases that are told; nothing when ``quiet``."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet:
        yield lambda _phase, _lasts_s=None: None
    elif console.is_terminal:
        with _bars(console) as tell:
            yield tell
    else:
        yield lambda phase, lasts_s=None: click.echo(_line(phase, lasts_s), err=True)


@contextmanager
def _bars(console: object) -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress_bar import ProgressBar

    class TimeBar(ProgressColumn):
        """How much of the time that a phase takes has passed: the work itself has no steps to count."""

        def render(self, task: Task) -> ProgressBar:
            elapsed = task.elapsed or 0.0
            return ProgressBar(
                task.total, min(elapsed, task.total or elapsed), width=30, pulse=task.total is None
            )

    assert isinstance(console, Console)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeBar(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:

        def tell(phase: str, lasts_s: float | None = None) -> None:
            for task in bars.task_ids:
                bars.remove_task(task)
            bars.add_task(phase, total=lasts_s)

        yield tell


def _line(phase: str, lasts_s: float | None) -> str:
    return phase if lasts_s is None else f"{phase}, {lasts_s:g} s"
