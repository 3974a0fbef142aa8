"""The benchmark of the schedulers: SimPy finds the same finishes, and every row is there."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import models_schedulers

from fairslice.models.schedulers import gps, wfq


def test_simpy_sends_packets_at_the_same_times() -> None:
    traffic = models_schedulers.random_traffic(500)
    ours = wfq(traffic, gps(traffic)).finish
    assert models_schedulers.by_simpy(traffic) == pytest.approx(ours, rel=1e-9)


def test_the_exact_packets_are_the_same() -> None:
    few, exact = models_schedulers.random_traffic(200), models_schedulers.exact_traffic(200)
    found = [float(one) for one in wfq(exact, gps(exact)).finish]
    assert found == pytest.approx(wfq(few, gps(few)).finish, abs=1e-5)


def test_there_is_a_row_for_each_scheduler() -> None:
    rows = models_schedulers.schedulers(packets=300, beside=100, exact=50)
    assert [row.packets for row in rows] == [300] * 5 + [50, 100, 100]
    assert all(row.seconds >= 0 for row in rows)
    assert models_schedulers.show(rows).row_count == len(rows)
