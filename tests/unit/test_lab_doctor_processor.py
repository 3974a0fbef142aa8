"""The processor watch: shares by the kernel's counters, and what they mean."""

from pathlib import Path

import pytest

from fairslice.lab.doctor.processor import (
    BUSY_FAIL,
    BUSY_WARN,
    CORE_FAIL,
    CORE_WARN,
    Load,
    Sample,
    Watch,
    judge_load,
    shares,
)
from fairslice.measure.compare import MACHINE_BUSY


@pytest.mark.parametrize(
    ("busy", "own_s", "shared"),
    [
        (0, 0.0, (0.0, 0.0)),
        (100, 1.0, (0.5, 0.0)),  # only this process
        (100, 0.0, (0.5, 0.5)),
        (150, 1.0, (0.75, 0.25)),
        (200, 1.0, (1.0, 0.5)),
        (99, 1.0, (0.495, 0.0)),  # counters that round differently
    ],
)
def test_others_take_what_this_process_does_not(busy: int, own_s: float, shared: tuple[float, float]) -> None:
    before = Sample(0.0, 1000, 9000, 5.0)
    after = Sample(1.0, 1000 + busy, 9200, 5.0 + own_s)
    assert shares(before, after, 100) == pytest.approx(shared)


def test_counters_that_have_not_moved_are_no_load() -> None:
    sample = Sample(0.0, 1000, 9000, 5.0)
    assert shares(sample, sample, 100) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("cores", "busy", "others", "core", "status"),
    [
        (2, 0.5, 0.0, 1.0, "ok"),
        (1, 1.0, 0.02, 0.98, "warn"),  # idle but for this look, and a single one
        (2, 0.7, BUSY_WARN, 1.0, "warn"),
        (2, 0.5, 0.0, CORE_WARN - 0.01, "warn"),  # a container's quota, or a host that takes its time
        (2, 1.0, 0.9, CORE_FAIL, "warn"),
        (2, BUSY_FAIL, 0.9, CORE_FAIL - 0.01, "fail"),
        (2, BUSY_FAIL - 0.01, 0.9, CORE_FAIL - 0.01, "warn"),
    ],
)
def test_a_load_refuses_only_if_nothing_is_left(
    cores: int, busy: float, others: float, core: float, status: str
) -> None:
    assert judge_load(Load(cores, busy, others, core)).status == status


def test_one_core_is_told_for_what_it_is() -> None:
    assert "1 core," in judge_load(Load(1, 1.0, 0.02, 0.98)).found
    assert "second one" in judge_load(Load(1, 1.0, 0.02, 0.98)).fix


def test_too_busy_means_the_same_here_as_in_a_report() -> None:
    assert BUSY_FAIL == MACHINE_BUSY


class _Clock:
    """Rises by 10 ms a look; the thread gets a quarter of it."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now(self) -> float:
        self.time_s += 0.01
        return self.time_s

    def cpu_now(self) -> float:
        return self.time_s / 4


def test_a_thread_asks_for_a_core_until_the_window_ends(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 0 0 80 0 0 0 0 0 0\n")
    clock = _Clock()
    load = Watch(clock.now, clock.cpu_now, tmp_path).load(0.5)
    assert load.core_fraction == pytest.approx(0.25, rel=0.1)
    assert 0.5 <= clock.time_s < 0.6
    assert load.cores >= 1


def test_a_window_that_is_nearly_over_is_still_long_enough_for_a_quota(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 0 0 80 0 0 0 0 0 0\n")
    clock = _Clock()
    Watch(clock.now, clock.cpu_now, tmp_path).load(0.0)
    assert clock.time_s >= 0.1
