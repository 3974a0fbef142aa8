"""The benchmark of token buckets runs, and its policers agree."""

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import models_buckets
import numpy as np

from fairslice.models.buckets import Policed, police


def test_simpy_s_policer_is_the_same_machine() -> None:
    trace = models_buckets.Trace.drawn(5000)
    found = police(trace.arrivals_us, trace.lengths_bits, trace.rate, trace.burst_bits)
    assert isinstance(found, Policed)
    simulated = models_buckets.in_simpy(trace)
    assert np.mean(np.array(found.conforms) == np.array(simulated)) > 0.99
    assert 0.5 < np.mean(found.conforms) < 1


def test_it_prints_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    models_buckets.buckets(2000)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2,000 packets through token buckets"
    assert len(lines) == 10
    for line in lines[1:]:
        seconds = float(line.split(" s")[0].split()[-1] if "limit" not in line else line.split()[-2])
        assert math.isfinite(seconds)
