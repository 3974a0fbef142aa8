"""``fairslice model`` and ``fairslice demo``: options, files, pictures, faults and plain lines."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.cli.demo import DEMOS
from fairslice.cli.model import PICTURES
from fairslice.models.answers import PROBLEMS


def fairslice(*words: str, given: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(cli, words, input=given, catch_exceptions=True)
    return done.exit_code, done.output


def test_options_and_a_file_give_the_same_answer() -> None:
    told = fairslice("model", "erlang", "--offered", "20/2", "--servers", "15", "--json")
    read = fairslice("model", "-", given='{"model": "erlang", "offered": 10, "servers": 15}')
    assert told[0] == read[0] == 0
    assert json.loads(told[1]) == json.loads(read[1])


def test_people_get_a_table_and_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "erlang.svg"
    status, text = fairslice("model", "erlang", "--offered", "10", "--servers", "15", "--plot", str(picture))
    assert status == 0
    assert "blocking" in text
    assert text.endswith(f"Picture: {picture}\n")
    assert picture.read_text().startswith("<svg")


def test_names_with_brackets_are_shown_as_they_are() -> None:
    words = "model schedule --discipline fifo --rate 1 --flows [red],[/b] --packets [/b]@0:1,[red]=[red]@0:1"
    shown = CliRunner().invoke(cli, words.split())
    assert shown.exit_code == 0, shown.output
    assert "[/b]1, [red]" in shown.output


def test_a_picture_of_another_kind_is_refused_before_the_work(tmp_path: Path) -> None:
    picture = tmp_path / "erlang.jpg"
    done = CliRunner().invoke(
        cli, ("model", "erlang", "--offered", "1", "--servers", "1", "--plot", str(picture))
    )
    assert str(done.exception) == f"{picture}: expected a picture's name that ends in .svg"


def test_every_model_has_a_picture() -> None:
    assert PICTURES.keys() == PROBLEMS.keys()


def test_a_name_that_is_neither_a_model_nor_a_file_is_told() -> None:
    status, text = fairslice("model", "erlnag")
    assert status == 2
    assert "'erlnag' is neither a model nor a file; did you mean 'erlang'?" in text


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_in_a_pipe_is_plain_lines_and_the_same_each_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = fairslice("demo", name), fairslice("demo", name)
    assert first == second
    assert first[0] == 0
    assert "\x1b" not in first[1]
