"""`fairslice topology`, as a user calls it."""

import json
from pathlib import Path

import pytest

from fairslice.cli import main
from fairslice.topology.load import load_network

DUMBBELL = str(Path(__file__).parents[2] / "topologies" / "dumbbell.py")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["fairslice", "topology", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_json_is_a_network_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, f"{DUMBBELL}:dumbbell,2", "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    file = tmp_path / "net.json"
    file.write_text(captured.out)
    assert load_network(str(file)) == load_network(f"{DUMBBELL}:dumbbell,2")
    assert load_network(str(file)).name == "dumbbell"
    assert run(monkeypatch, str(file), "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(captured.out)


def test_the_table_names_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, f"{DUMBBELL}:dumbbell,1,bottleneck=12.5") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["s2", "0000000000000002"] in rows
    assert ["h2", "10.0.0.2", "00:00:00:00:00:02", "s2", "2"] in rows
    assert ["s1", "1", "s2", "12.5", "Mbit/s"] in rows
    assert ["h1", "0", "s1", "100", "Mbit/s"] in rows
    assert "\x1b" not in "".join(word for row in rows for word in row)


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_fault_ends_with_status_2_and_no_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    assert run(monkeypatch, f"{DUMBBELL}:dumbbell,0", *option) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{DUMBBELL}:20:13: dumbbell(0) can't be built: n=0: expected")
    assert "Traceback" not in captured.err


def test_delay_and_loss_are_shown_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, DUMBBELL) == 0
    assert "delay" not in capsys.readouterr().out
    assert run(monkeypatch, f"{DUMBBELL}:dumbbell,1,delay=20ms,loss=2") == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("delay", "20 ms", "loss", "2.000%"))
