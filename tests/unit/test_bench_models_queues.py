"""The benchmark of queues runs, and finds the waits that SimPy finds."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("models_queues")
    yield module
    sys.modules.pop("models_queues")


def test_it_prints_two_tables(benchmark: Any) -> None:
    done = CliRunner().invoke(benchmark.main, ["--customers", "10000"], catch_exceptions=False)
    assert done.exit_code == 0
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \|", done.stdout, re.MULTILINE)
    assert [name for name, _ in rows[: len(benchmark.CASES)]] == [case.name for case in benchmark.CASES]
    assert len(rows) == len(benchmark.CASES) + 7


def test_other_waits_than_those_of_simpy_are_told(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    by_simpy = benchmark.by_simpy
    monkeypatch.setattr(benchmark, "by_simpy", lambda *given: [wait + 1e-3 for wait in by_simpy(*given)])
    with pytest.raises(AssertionError, match="M/M/1: the waits differ from SimPy's"):
        list(benchmark.queues(10_000))
