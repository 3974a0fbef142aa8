"""The processor watch: parsing of proc(5) texts and the arithmetic between samples."""

import os
import time
from pathlib import Path

import pytest

from fairslice.linux.processors import (
    ProcessorSample,
    clock_ticks_per_s,
    load_between,
    parse_machine_ticks,
    parse_thread_ticks,
    sample_processors,
)

STAT = "cpu  100 5 50 800 40 3 2 7 60 0\ncpu0 50 2 25 400 20 1 1 3 30 0\nintr 1 2\n"
THREAD = "77 (ovs (a) b) S 1 77 77 0 -1 4194624 10 0 0 0 250 31 0 0 20 0 4 0 900 1000 200\n"


def test_machine_ticks_count_stolen_time_and_not_guests() -> None:
    assert parse_machine_ticks(STAT) == (100 + 5 + 50 + 3 + 2 + 7, 100 + 5 + 50 + 800 + 40 + 3 + 2 + 7)


def test_thread_ticks_survive_brackets_in_the_name() -> None:
    assert parse_thread_ticks(THREAD) == 281


@pytest.mark.parametrize("text", ["", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3\n"])
def test_text_that_is_no_stat_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="/proc/stat"):
        parse_machine_ticks(text)


def test_text_that_is_no_thread_stat_is_refused() -> None:
    with pytest.raises(ValueError, match="task"):
        parse_thread_ticks("77 (ovs) S 1")


def test_load_is_the_difference_of_two_samples() -> None:
    before = ProcessorSample(10.0, 1000, 5000, {1: 100, 2: 500})
    after = ProcessorSample(12.0, 1300, 5400, {1: 250, 2: 510, 3: 60})
    load = load_between(before, after, ticks_per_s=100)
    assert load.busy_fraction == pytest.approx(300 / 400)
    assert load.busiest_thread == pytest.approx(150 / 200)
    assert load.duration_s == pytest.approx(2.0)
    assert str(load) == "machine 75% busy, switch's busiest thread 75% of a core"


def test_a_thread_that_came_in_between_counts_from_zero() -> None:
    load = load_between(ProcessorSample(0, 0, 0, {}), ProcessorSample(1, 1, 200, {3: 60}), ticks_per_s=100)
    assert load.busiest_thread == pytest.approx(0.6)


def test_no_threads_and_no_ticks_are_no_load() -> None:
    load = load_between(ProcessorSample(0, 5, 9, {}), ProcessorSample(1, 5, 9, {}), ticks_per_s=100)
    assert (load.busy_fraction, load.busiest_thread) == (0.0, 0.0)


def test_samples_need_time_between_them() -> None:
    sample = ProcessorSample(1, 5, 9, {})
    with pytest.raises(ValueError, match="positive time"):
        load_between(sample, sample, ticks_per_s=100)


def test_sampling_reads_the_threads_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT)
    for thread, text in ((77, THREAD), (78, THREAD.replace("250 31", "1 1"))):
        (tmp_path / "77/task" / str(thread)).mkdir(parents=True)
        (tmp_path / "77/task" / str(thread) / "stat").write_text(text)
    (tmp_path / "77/task/79").mkdir()  # a thread that ended while it was looked at
    sample = sample_processors(77, now=lambda: 3.5, proc=tmp_path)
    assert sample == ProcessorSample(3.5, 167, 1007, {77: 281, 78: 2})


def test_this_process_shows_up_when_it_works() -> None:
    before = sample_processors(os.getpid(), time.monotonic)
    while time.monotonic() < before.time_s + 0.3:
        pass
    load = load_between(before, sample_processors(os.getpid(), time.monotonic), clock_ticks_per_s())
    assert 0.0 < load.busiest_thread < 1.2
