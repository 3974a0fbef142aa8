"""What a demo tells its story on: a terminal that moves, or plain lines."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Stage:
    """Says, moves, and shows what came out.

    On a terminal pictures move; elsewhere, and without animation, only the last frame of each is printed, at
    once.
    """

    def __init__(self, console: "Console", *, moving: bool, seed: int, picture: Path | None) -> None:
        self.console = console
        self.moving = moving
        self.seed = seed
        """For all randomness of the demo."""
        self._picture = picture

    def say(self, text: str) -> None:
        """A paragraph of the story, with a blank line behind it."""
        self.console.print(text, highlight=False, markup=False)
        self.console.print()

    def play(self, frames: Iterable["RenderableType"], seconds: float) -> None:
        """Show frames one after the other, spread over so many seconds; the last one stays.

        Without a moving picture only the last one is printed.
        """
        if not self.moving:
            for frame in deque(frames, maxlen=1):
                self.console.print(frame)
            return
        from rich.live import Live

        shown = list(frames)
        with Live(console=self.console, auto_refresh=False) as live:
            for frame in shown:
                live.update(frame, refresh=True)
                time.sleep(seconds / max(1, len(shown)))
        self.console.print()

    def numbers(self, title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table of what came out beside what the formula says; the first column is what it is."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
        for place, name in enumerate(header):
            table.add_column(name, justify="right" if place else "left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def picture(self, draw: Callable[[], str]) -> None:
        """Draw an SVG into the file that was asked for, and say where it is; not drawn where none was."""
        if self._picture is None:
            return
        from fairslice.cli.picture_file import quiet_matplotlib, write_picture

        quiet_matplotlib()
        write_picture(self._picture, f"{draw()}\n".encode())
        self.say(f"Picture: {click.format_filename(self._picture)}")
