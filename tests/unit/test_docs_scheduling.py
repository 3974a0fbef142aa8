"""docs/concepts/scheduling.md: its picture, its Python, what it says of a demo and a plan, and its files."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.policy import load_policy
from fairslice.slicing import allocate_slices
from fairslice.slicing.delays import flow_delays
from fairslice.topology import load_network
from fairslice.units import FULL_FRAME_BYTES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "concepts" / "scheduling.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_picture_is_what_its_command_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = re.findall(r"^    fairslice (.* --plot scheduling\.svg)$", TEXT, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, line.split(), catch_exceptions=False)
    assert done.exit_code == 0
    drawn = (tmp_path / "scheduling.svg").read_text(encoding="utf-8")
    assert drawn == (ROOT / "docs" / "img" / "scheduling.svg").read_text(encoding="utf-8")


def test_the_python_runs_and_prints_what_is_shown() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted == 4
    assert result.failed == 0


def test_what_it_says_of_the_demo_is_what_the_demo_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(cli, ["demo", "wfq"], env={"COLUMNS": "100"}, catch_exceptions=False).output
    for said in ("one takes 31.8 ms", "1.16", "= 1.84", "17.57   ", "that of FIFO, 17.57"):
        assert said in told
    for shown in ("1.84 ms", "1.16 ms", "it was 32 ms", "17.57 ms"):
        assert shown in TEXT


def test_the_bound_that_the_plan_shows_is_worked_out() -> None:
    policy = load_policy(ROOT / "policies" / "voice.yaml")
    network = load_network(str(ROOT / "topologies" / "dumbbell.py"))
    call = flow_delays(allocate_slices(policy, network))[0]
    assert call.bound_s is not None
    burst_ms, frame_ms = 24 / 2, 8 * FULL_FRAME_BYTES / 2e6 * 1e3
    rest_ms = 1e3 * call.bound_s - burst_ms - frame_ms
    words = " ".join(TEXT.split())
    assert f"bound is {1e3 * call.bound_s:.2f} ms, over two hops" in words
    assert len(call.hops) == 2
    assert f"24/2 = {burst_ms:.0f} ms" in words
    assert f"12.112/2 = {frame_ms:.2f} ms" in words
    assert f"The other {rest_ms:.1f} ms are" in words


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`(controller/[\w/.]+)`", TEXT)
    assert len(named) == 7
    for name in named:
        assert (ROOT / name).is_file()


def test_there_are_three_questions_with_answers() -> None:
    assert (
        TEXT.count("<details><summary>") == TEXT.count("</summary>\n\n") == TEXT.count("\n\n</details>") == 3
    )
