"""The demo of Pareto traffic: on a terminal, as long as it should take, and the numbers that it ends with."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fairslice.cli.demos import pareto
from fairslice.cli.demos.stage import Stage
from fairslice.report.models.burstiness_picture import averaged

WITHOUT_WAITING = """
import sys, time
time.sleep = lambda seconds: None
sys.argv = ["fairslice", "demo", "pareto", *sys.argv[1:]]
from fairslice.cli import main
main()
"""


def told(seed: int) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    pareto.tell(Stage(console, moving=False, seed=seed, picture=None))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def on_terminal(directory: Path, *options: str) -> str:
    """What it prints on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_WAITING, *options],
        cwd=directory,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read = b""
    try:
        while block := os.read(ours, 65_536):
            read += block
    except OSError:
        pass  # The other end is closed: that is how a terminal ends.
    os.close(ours)
    assert done.wait(60) == 0, read.decode()
    return read.decode()


def test_it_moves_on_a_terminal_and_draws(tmp_path: Path) -> None:
    text = on_terminal(tmp_path)
    assert "\x1b[" in text
    assert text.count("█") > 5_000
    assert "Hurst parameter" in text
    assert (tmp_path / "out" / "demo-pareto.svg").read_text(encoding="utf-8").startswith("<svg")


def test_it_does_not_move_where_that_is_not_wanted(tmp_path: Path) -> None:
    text = on_terminal(tmp_path, "--no-animation", "--plot", "other.svg")
    assert "\x1b[1A" not in text
    assert text.count("█") < 2_000
    assert (tmp_path / "other.svg").exists()


def test_it_takes_ten_to_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    pareto.tell(Stage(console, moving=True, seed=1, picture=None))
    assert 10 <= sum(slept) <= 30


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_its_numbers_are_those_of_the_formulas(seed: int) -> None:
    text = told(seed)
    exponential = re.findall(r"exponential, over \d+ s +([\d.]+) +([\d.]+)", text)
    assert len(exponential) == len(pareto.SCALES)
    for (found, formula), scale in zip(exponential, pareto.SCALES, strict=True):
        # A deviation of n windows is known to 1 / sqrt(2n) of itself; neighbours are a little alike.
        assert (
            abs(float(found) / float(formula) - 1) < 2.576 * 1.3 / (2 * pareto.SECONDS / scale) ** 0.5 + 5e-3
        )
    heavy = [float(found) for found in re.findall(r"Pareto, over \d+ s +([\d.]+)", text)]
    light = [float(found) for found, _ in exponential]
    assert heavy[-1] / heavy[0] > 5 * light[-1] / light[0]
    low, high = map(float, re.findall(r"exponential +[\d.]+ \(([\d.]+) to ([\d.]+)\)", text)[0])
    assert low <= 0.5 <= high


def test_bars_are_eighths_of_a_line() -> None:
    heights = np.array([0.0, 1 / 12, 0.7, 1.0, 2.0, 9.0])
    assert pareto.bar_lines(heights) == ["    ██", "   ▄██", " ▁████"]


def test_averages_are_of_whole_windows() -> None:
    assert averaged(np.arange(600.0), 10).tolist() == [4.5 + 10 * k for k in range(60)]
