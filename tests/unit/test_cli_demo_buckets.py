"""The demos of token buckets and of water-filling: on a terminal they move, and they say what is so."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.alloc import AllocationProblem, ProblemFlow, allocate
from fairslice.cli import cli
from fairslice.cli.demos.water_filling import CAPACITIES, DEMANDS, PATHS, by_hand

DEMOS = ("token-bucket", "water-filling")
HURRIED = "import time; time.sleep = lambda seconds: None\nfrom fairslice.cli import main\nmain()"
"""The command without its pauses."""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_terminal(*words: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """What a command prints on a pseudo-terminal, and its status."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", HURRIED, *words],
        stdin=there,
        stdout=there,
        stderr=there,
        env={**os.environ, **environment},
        close_fds=True,
    )
    os.close(there)
    printed = b""
    while True:
        try:
            part = os.read(here, 65536)
        except OSError:  # Linux says EIO when the last writer has gone.
            break
        if not part:
            break
        printed += part
    os.close(here)
    return process.wait(), printed.decode("utf-8").replace("\r\n", "\n")


def in_a_pipe(*words: str) -> str:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    return done.output


def table(text: str) -> list[list[str]]:
    """The words of the last table and what stands below it."""
    return [line.split() for line in text[text.rindex("─") :].splitlines()[1:]]


@pytest.mark.parametrize("name", DEMOS)
def test_on_a_terminal_it_moves_and_ends_with_the_same_numbers(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    words = ("demo", name, "--plot", str(picture))
    terminal = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "50"}
    status, printed = in_a_terminal(*words, environment=terminal)
    assert status == 0
    assert len(re.findall(r"\x1b\[\d*A", printed)) > 60, "it goes back up to draw anew"
    drawn = picture.read_text(encoding="utf-8")
    assert table(CONTROL.sub("", printed)) == table(in_a_pipe(*words))
    assert picture.read_text(encoding="utf-8") == drawn
    status, still = in_a_terminal(*words, "--no-animation", environment=terminal)
    assert status == 0
    assert not re.findall(r"\x1b\[\d*A", still)


@pytest.mark.parametrize("seed", range(1, 13))
def test_what_a_bucket_does_is_what_the_formula_says(seed: int, tmp_path: Path) -> None:
    """Rows as they are printed: what came out, the formula, what it says."""
    words = ("demo", "token-bucket", "--seed", str(seed), "--plot", str(tmp_path / "d.svg"))
    done = CliRunner().invoke(cli, words, env={"COLUMNS": "160"})
    assert done.exit_code == 0
    lines = done.output.splitlines()
    rows = {cells[0]: cells[1:] for line in lines if len(cells := re.split(r"\s{2,}", line.strip())) >= 4}
    train, says = rows["packets at the peak from a full bucket"][0::2][:2]
    assert train == says
    waited, _, said = rows["the shaper's longest wait"][:3]
    assert waited == said
    bound = next(cells for what, cells in rows.items() if what.startswith("most that passed"))
    assert float(bound[0].split()[0]) <= float(bound[2].split()[0])
    assert next(cells for what, cells in rows.items() if what.startswith("dropped if b"))[0] == "0"
    assert int(rows["dropped with a bit less"][0]) >= 1
    dropped = re.search(r"Of (\d+) packets (\d+) were dropped", " ".join(done.output.split()))
    assert dropped is not None
    assert done.output.count("o") > 0
    assert int(dropped[2]) < int(dropped[1])


def test_the_filling_is_told_step_by_step_and_judged(tmp_path: Path) -> None:
    told = " ".join(in_a_pipe("demo", "water-filling", "--plot", str(tmp_path / "d.svg")).split())
    for sentence in (
        "Step 1, at 3: link B is full, so long and b can rise no further. a and c rise on.",
        "Step 2, at 4: demand is met, so c can rise no further. a rises on.",
        "Step 3, at 7: link A is full, so a can rise no further.",
        "Link C never gets full",
        "looks at these rates, and confirms them",
        'flow "long" has 2.0, is below its demand, and others went on after it at link B',
    ):
        assert sentence in told


def test_rates_by_hand_are_those_of_the_solver() -> None:
    flows = [
        ProblemFlow(flow, dict.fromkeys(path, 1.0), cap=float(DEMANDS.get(flow, "inf")))
        for flow, path in PATHS.items()
    ]
    rates = allocate(AllocationProblem(CAPACITIES, flows)).rates
    hand = by_hand()
    assert {flow: one.rate for flow, one in hand.items()} == {flow: Fraction(rates[flow]) for flow in PATHS}
    assert hand["a"].words == "A: (10 - 3) / 1"
