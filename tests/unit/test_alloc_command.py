"""``fairslice allocate`` as a user meets it."""

import codecs
import io
import json
import sys
from pathlib import Path

import pytest

from fairslice.cli import main

SMALL = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}'
TOO_MUCH = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"], "min": 11}]}'


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fairslice", "allocate", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "problem.json"


def test_an_answer(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALL)
    assert run(monkeypatch, str(file)) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"rates": {"f": 10.0}, "bottleneck": {"f": "A"}, "certified": True}
    assert err == ""


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SMALL.encode())))
    assert run(monkeypatch, "-") == 0
    assert json.loads(capsys.readouterr().out)["rates"] == {"f": 10.0}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{")))
    assert run(monkeypatch, "-") == 2
    assert capsys.readouterr().err.startswith("<stdin>:1:2: this is not JSON")


def test_a_byte_order_mark_is_not_part_of_the_problem(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = codecs.BOM_UTF8 + SMALL.encode()
    file.write_bytes(marked)
    assert run(monkeypatch, str(file)) == 0
    assert json.loads(capsys.readouterr().out)["rates"] == {"f": 10.0}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(marked)))
    assert run(monkeypatch, "-") == 0
    assert json.loads(capsys.readouterr().out)["rates"] == {"f": 10.0}


def test_infeasible_floors(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(TOO_MUCH)
    assert run(monkeypatch, str(file)) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {"infeasible": {"link": "A", "floors": 11.0, "capacity": 10.0, "flows": ["f"]}}
    assert err == "the guarantees do not fit: those of f need 11 but link A carries 10, 1 too little\n"


def test_an_array_is_answered_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"[{SMALL}, {TOO_MUCH}, {SMALL}]")
    assert run(monkeypatch, str(file)) == 0
    first, second, third = json.loads(capsys.readouterr().out)
    assert first == third
    assert second["infeasible"]["link"] == "A"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"links": 3}', "problem.json: $.links: found 3, expected an object"),
        (b"\xff", "problem.json: is not UTF-8: invalid start byte at byte 0"),
        (None, "problem.json: can't be read: No such file or directory"),
    ],
)
def test_bad_input(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        file.write_bytes(content)
    assert run(monkeypatch, str(file)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
