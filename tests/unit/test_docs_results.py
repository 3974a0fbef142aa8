"""docs/results.md has every key of results.json, and its examples run."""

import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from fairslice.measure.results import from_json, to_json
from fairslice.measure.schema import json_schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
PLAIN, PANDAS, MANY = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_key_is_told_and_none_besides() -> None:
    schema = json_schema()
    keys = {key for one in (schema, *schema["$defs"].values()) for key in one["properties"]}
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    told = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert keys - told == set()
    others = {"fair", "user", "kernel", "tcp", "udp", "police", "shape", "both", "flow", "cap", "UML"}
    assert told - keys - others == set()


@pytest.fixture
def last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a result in out/last."""
    old = (ROOT / "tests" / "fixtures" / "results" / "dumbbell.json").read_text(encoding="utf-8")
    (tmp_path / "out" / "last").mkdir(parents=True)
    (tmp_path / "out" / "last" / "results.json").write_text(to_json(from_json(old)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(code: str, directory: Path) -> None:
    file = directory / "example.py"
    file.write_text(code, encoding="utf-8")
    runpy.run_path(str(file))


def test_the_example_in_python(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(PLAIN, last)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["1", "gold:h1->h4"],
        ["2", "silver:h2->h5"],
        ["3", "bronze:h3->h6"],
    ]


def test_the_example_with_pandas(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(PANDAS, last)
    said = capsys.readouterr().out
    assert "gold:h1->h4" in said
    assert "share" in said


def test_the_example_with_many_runs(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three runs, one of which can't tell a flow, and out/last, which leads to one of them."""
    out = last / "out"
    (out / "last").rename(out / "run1")
    result = from_json((out / "run1" / "results.json").read_text(encoding="utf-8"))
    (out / "last").symlink_to("run1", target_is_directory=True)
    doubtful = replace(result.flows[0], passed=None, doubt="too few frames")
    unclear = replace(result, flows=(doubtful, *result.flows[1:]), verdict="can't tell")
    for name, one in (("run2", result), ("run3", unclear)):
        (out / name).mkdir()
        (out / name / "results.json").write_text(to_json(one), encoding="utf-8")
    run(MANY, last)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    counts = {line[0]: line[1] for line in lines if "->" in line[0]}
    assert counts == {"gold:h1->h4": "2", "silver:h2->h5": "3", "bronze:h3->h6": "3"}
    assert ["fair", "2"] in lines
    assert ["can't", "tell", "1"] in lines
