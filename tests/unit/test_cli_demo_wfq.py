"""``fairslice demo wfq``: plain lines in a pipe, a moving picture on a terminal, and its numbers."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = "import time; time.sleep = lambda seconds: None; from fairslice.cli import main; main()"
"""The command without its pauses."""
TOLD = (
    "First in, first out",
    "FIFO download",
    "GPS video",
    "WFQ call",
    "Delays in ms",
    "Picture: out/demo-wfq.svg",
)


def in_a_pipe(directory: Path, *options: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "fairslice", "demo", "wfq", *options],
        cwd=directory,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def on_a_terminal(directory: Path) -> str:
    """What a pseudo-terminal shows."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", QUICK, "demo", "wfq"]
    environment = os.environ | {"COLUMNS": "100", "LINES": "50", "TERM": "xterm"}
    with subprocess.Popen(
        words, cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as run:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:  # Linux's way to say that nobody has the other end open.
                break
            if not read:
                break
            shown += read
        os.close(ours)
    assert run.returncode == 0, shown.decode()
    return shown.decode()


def test_in_a_pipe_there_are_plain_lines_and_a_picture(tmp_path: Path) -> None:
    told = in_a_pipe(tmp_path)
    assert "\x1b" not in told
    for words in TOLD:
        assert words in told
    assert (tmp_path / "out" / "demo-wfq.svg").read_text().startswith("<svg")


def test_on_a_terminal_the_picture_moves(tmp_path: Path) -> None:
    told = on_a_terminal(tmp_path)
    assert told.count("GPS video") > 50, "a frame after the other"
    assert "\x1b[" in told
    assert "Delays in ms" in told


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_comes_out_is_what_the_formulas_say(seed: int, tmp_path: Path) -> None:
    told = in_a_pipe(tmp_path, "--seed", str(seed))
    rows = {
        line.split("  ")[0].strip(): [float(one) for one in re.findall(r"\d+\.\d+", line)]
        for line in told.splitlines()
        if re.match(r" (WFQ|the call|wait)", line)
    }
    lag, lag_bound = rows["WFQ behind GPS, at most"]
    delay, delay_bound = rows["the call with WFQ, longest"]
    assert 0 < lag <= lag_bound == 1.2
    assert 0.16 <= delay <= delay_bound == 1.84
    assert rows["the call with FIFO, longest"][0] > 10 * delay
    ours, theirs = rows["wait of all by length, WFQ"]
    assert ours == theirs
