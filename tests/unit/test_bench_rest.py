"""The benchmark of the REST server: it runs, and says what its numbers are of."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_times_and_their_ratios() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "rest.py"), "--quick"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    results = json.loads(done.stdout)["results"]
    assert len(results) == 4
    assert results["an ordinary answer"]["ratio"] == 1
    assert all(0 < row["median_s"] <= row["most_s"] and row["ratio"] > 0 for row in results.values())
