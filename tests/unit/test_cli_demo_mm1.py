"""``fairslice demo mm1`` in a pipe and in a terminal, as an ordinary user, and what it says."""

import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534
FORMULAS = {"50%": 2.0, "80%": 5.0, "95%": 20.0}
"""Mean delay of M/M/1 in ms: 1/(1000/s − λ)."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of an ordinary user's. Those of pytest are open to their owner alone."""
    with tempfile.TemporaryDirectory(prefix="fairslice-demo-") as directory:
        if (user := ordinary_user()) is not None:
            os.chown(directory, user, user)
        yield Path(directory)


def ordinary_user() -> int | None:
    """Nobody, where this process is root's and anybody may read what is needed."""
    needed = (Path(sys.prefix), Path(__file__))
    readable = all(path.stat().st_mode & 1 for file in needed for path in file.parents)
    return NOBODY if os.geteuid() == 0 and readable else None


def environment(directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(directory),
        "MPLCONFIGDIR": str(directory),
        "TERM": "xterm",
        "COLUMNS": "100",
        "LINES": "30",
    }


def command() -> list[str]:
    return [str(Path(sys.prefix) / "bin" / "fairslice"), "demo", "mm1"]


def check_numbers(text: str) -> None:
    rows = re.findall(r"(\d\d%), mean +([\d.]+) ± ([\d.]+) ms +([\d.]+) ms", text)
    assert {load: float(known) for load, _, _, known in rows} == FORMULAS
    for load, found, around, _ in rows:
        assert abs(float(found) - FORMULAS[load]) <= float(around)
        assert float(around) < 0.15 * FORMULAS[load]


@pytest.mark.parametrize("more", [(), ("--no-animation",), ("--seed", "7")], ids=" ".join)
def test_in_a_pipe_it_says_all_at_once(more: tuple[str, ...], place: Path) -> None:
    done = subprocess.run(
        [*command(), *more],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
        user=ordinary_user(),
    )
    assert "\x1b" not in done.stdout
    check_numbers(done.stdout)
    assert "Picture: out/demo-mm1.svg" in done.stdout
    assert "simulated" in (place / "out" / "demo-mm1.svg").read_text(encoding="utf-8")


def test_in_a_terminal_it_moves(place: Path) -> None:
    master, slave = pty.openpty()
    began_s = time.monotonic()
    with subprocess.Popen(
        command(),
        cwd=place,
        env=environment(place),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        user=ordinary_user(),
    ) as process:
        os.close(slave)
        said = b""
        try:
            while part := os.read(master, 65536):
                said += part
        except OSError:  # The other end is closed.
            pass
        finally:
            os.close(master)
    assert process.returncode == 0, said.decode()
    assert time.monotonic() - began_s >= 10
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said.decode())
    check_numbers(text)
    frames = re.findall(r"at (\d+\.\d+) s: (\d+) here", text)
    assert len({now for now, _ in frames}) == 100
    assert len({here for _, here in frames}) > 10
    assert "●●● [▶] ──▶" in text
