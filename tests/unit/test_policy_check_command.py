"""``fairslice check`` on good files, several files, and files that are none."""

import json
import sys
from pathlib import Path

import pytest

from fairslice import cli

POLICIES = Path(__file__).parents[2] / "policies"
TOPOLOGIES = Path(__file__).parents[2] / "topologies"
GOOD = POLICIES / "gold-silver-bronze.yaml"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["fairslice", "check", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert isinstance(status.value.code, int)
    return status.value.code


def test_good_files_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = tmp_path / "one.yaml"
    one.write_text("version: 1\nslices: {a: {flows: [{from: h1, to: h2}]}}\n")
    assert run(monkeypatch, GOOD, one) == 0
    assert capsys.readouterr().out == f"{GOOD}: ok, 3 slices, 3 flows\n{one}: ok, 1 slice, 1 flow\n"


def test_good_files_stand_beside_bad_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "missing.yaml"
    assert run(monkeypatch, missing, GOOD, tmp_path) == 2
    output = capsys.readouterr()
    assert output.out == f"{GOOD}: ok, 3 slices, 3 flows\n"
    assert output.err.splitlines() == [
        f"can't read {missing}: No such file or directory; expected a policy file",
        f"{tmp_path} is a directory; expected a policy file",
    ]


def test_json_of_good_and_bad_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "--json", GOOD, tmp_path) == 2
    message = f"{tmp_path} is a directory; expected a policy file"
    assert json.loads(capsys.readouterr().out) == {
        "files": [
            {"file": str(GOOD), "ok": True, "slices": 3, "flows": 3, "faults": [], "notes": []},
            {
                "file": str(tmp_path),
                "ok": False,
                "faults": [{"file": str(tmp_path), "line": None, "column": None, "message": message}],
            },
        ]
    }
    assert run(monkeypatch, "--json", GOOD) == 0


def test_hosts_are_looked_up_in_a_topology(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices: {a: {members: [10.0.0.0/24]}}\n")
    assert run(monkeypatch, policy, "--topology", TOPOLOGIES / "dumbbell.py") == 0
    assert capsys.readouterr().out == f"{policy}: ok, 1 slice, 30 flows\n"
    assert run(monkeypatch, POLICIES / "abilene-research.yaml", "--topology", TOPOLOGIES / "dumbbell.py") == 2
    assert "unknown host 'h11'" in capsys.readouterr().err


SHAPED = """version: 1
defaults: {enforcement: shape}
slices:
  big: {weight: 5000, flows: [{from: h1, to: h4}]}
  small: {flows: [{from: h2, to: h5}]}
"""


def test_what_switches_can_not_hold_is_noted_with_its_place_and_what_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Open vSwitch gives no queue less than 12 kbit/s; the policy is none the worse for that."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(SHAPED)
    topology = ("--topology", TOPOLOGIES / "dumbbell.py")
    assert run(monkeypatch, policy, *topology) == 0
    output = capsys.readouterr()
    assert output.out == f"{policy}: ok, 2 slices, 2 flows\n"
    assert output.err.startswith(f"{policy}:5:3: slice small: shape can't hold 5.999 kbit/s on s1->s2: ")
    assert output.err.endswith("police or both can (note)\n")
    assert run(monkeypatch, "--json", policy, *topology) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    (note,) = file["notes"]
    assert (file["ok"], note["line"], note["column"]) == (True, 5, 3)
    assert "shape can't hold" in note["message"]


ONE_PORT = """version: 1
slices:
  web:
    flows:
      - {from: h1, to: h4, match: {proto: tcp, dst_port: 80}}
      - {from: h2, to: h4, match: {proto: tcp, dst_port: 80}}
      - {from: h3, to: h4, match: {proto: %s, dst_port: %s}}
      - {from: h1, to: h5}
"""


@pytest.mark.parametrize(
    ("proto", "port", "lines"), [("tcp", 80, [6, 7]), ("udp", 80, [6, 7]), ("tcp", 81, [6])]
)
def test_flows_that_a_run_refuses_to_measure_are_noted(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    proto: str,
    port: int,
    lines: list[int],
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(ONE_PORT % (proto, port))
    topology = ("--topology", TOPOLOGIES / "dumbbell.py")
    assert run(monkeypatch, policy, *topology) == 0
    output = capsys.readouterr()
    assert output.out == f"{policy}: ok, 1 slice, 4 flows\n"
    told = output.err.splitlines()
    assert [line.partition(": ")[0] for line in told] == [f"{policy}:{number}:9" for number in lines]
    for line in told:
        assert "port 80 of h4 already serves" in line
        assert "`run` refuses this policy" in line
        assert line.endswith(" (note)")
    assert run(monkeypatch, "--json", policy, *topology) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert (file["ok"], [note["line"] for note in file["notes"]]) == (True, lines)
    # It does.
    monkeypatch.setattr(sys, "argv", ["fairslice", "run", str(policy), *map(str, topology)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == len(lines)


def test_a_policy_of_which_a_run_can_measure_nothing_is_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    text = "version: 1\nslices:\n  a:\n    flows: [{from: h1, to: h4, match: {proto: icmp}}]\n"
    policy.write_text(text)
    assert run(monkeypatch, policy, "--topology", TOPOLOGIES / "dumbbell.py") == 0
    assert "`run` can measure none of these flows" in capsys.readouterr().err
