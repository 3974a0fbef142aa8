"""The benchmark of all models runs, and shows a table for each subject."""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_benchmark_runs_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "models.py"), "--quick"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for told in ("the same in SimPy", "M/M/1", "smallest burst"):
        assert told in done.stdout
