"""docs/concepts/scheduling.md: its picture, its Python, what it says of the demo, and the files it names."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli

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


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`(controller/[\w/.]+)`", TEXT)
    assert len(named) == 6
    for name in named:
        assert (ROOT / name).is_file()


def test_there_are_three_questions_with_answers() -> None:
    assert (
        TEXT.count("<details><summary>") == TEXT.count("</summary>\n\n") == TEXT.count("\n\n</details>") == 3
    )
