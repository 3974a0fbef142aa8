"""``fairslice explain`` and ``fairslice allocate --explain`` as a user meets them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fairslice.testing.commands import run_command
from fairslice.testing.networks import build_network
from fairslice.topology.nodelink import to_json

NETWORK = build_network(
    [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=30e6
)
POLICIES = Path(__file__).parents[2] / "policies"
SHARED = POLICIES / "gold-silver-bronze.yaml"
DEMANDS = POLICIES / "demands.yaml"
TWO_LINKS = {
    "links": {"A": 2, "B": 10},
    "flows": [{"id": "x", "path": ["A", "B"]}, {"id": "y", "path": ["B"]}, {"id": "z", "path": ["A"]}],
}


@pytest.fixture
def network_file(tmp_path: Path) -> str:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(to_json(NETWORK)))
    return str(file)


@pytest.fixture
def problem_file(tmp_path: Path) -> Path:
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(TWO_LINKS))
    return file


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    return run_command(monkeypatch, *arguments, columns=80)


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> list[str]:
    """The lines of a command that succeeds, with single spaces."""
    assert run(monkeypatch, *arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return [" ".join(line.split()) for line in output.out.splitlines()]


def loaded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert run(monkeypatch, *arguments, "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    return json.loads(output.out)


# A policy


def test_the_steps_of_a_policy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    lines = said(monkeypatch, capsys, "explain", SHARED, "--topology", network_file)
    assert "1 5 Mbit/s link s1->s2 is full 1 gold h1->h4 15 Mbit/s" in lines
    assert "2 silver h2->h5 10 Mbit/s" in lines
    assert "3 bronze h3->h6 5 Mbit/s" in lines
    assert not any("What would raise it" in line for line in lines)


def test_a_hierarchy_has_a_clock_without_a_unit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    lines = said(monkeypatch, capsys, "explain", DEMANDS, "--topology", network_file)
    assert "1 30.77 % demand is met 1 gold h1->h4 2 Mbit/s" in lines
    assert "2 100 % link s1->s2 is full 2 gold h1->h5 11 Mbit/s" in lines
    assert any("no unit" in line for line in lines)


def test_a_guarantee_that_holds_a_flow_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    policy = POLICIES / "guaranteed.yaml"
    lines = said(monkeypatch, capsys, "explain", policy, "h3->h6", "--topology", network_file)
    assert "3 bronze h3->h6 12 Mbit/s *" in lines
    assert any(line.startswith("* its guarantee") for line in lines)
    assert "It rises only once its weight gives it more than its guarantee." in lines
    # Of 30 it has 12: with 18 more the others have nothing.
    assert "guarantee of bronze has no more +1 Mbit/s +18 Mbit/s" in lines
    assert not any(
        "guarantee of" in line
        for line in said(monkeypatch, capsys, "explain", policy, "h1->h4", "--topology", network_file)
    )


def test_the_guarantee_of_a_problem_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "problem.json"
    for slice_ in ("gold", None):
        flows = [{"id": "f", "path": ["A"], "min": 8, "slice": slice_}, {"id": "g", "path": ["A"]}]
        file.write_text(json.dumps({"links": {"A": 10}, "flows": flows, "slices": {"gold": {}}}))
        explained = loaded(monkeypatch, capsys, "allocate", file, "--explain", "--flow", "f")
        (raised, _) = explained["explanation"]["flow"]["raises"]
        assert raised == {"place": {"guarantee": slice_}, "full": True, "slope": 1.0, "reach": 2.0}
        words = said(monkeypatch, capsys, "allocate", file, "--explain", "--flow", "f")
        assert f"{'guarantee of gold' if slice_ else 'its guarantee'} has no more +1 +2" in words


@pytest.mark.parametrize("flow", ["gold:h1->h5", "h1->h5", "h1 → h5", "h1 -> h5", "gold h1->h5", "2"])
def test_why_a_flow_has_its_rate_and_what_would_raise_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, flow: str
) -> None:
    topology = Path(__file__).parents[2] / "topologies" / "dumbbell.py"
    lines = said(monkeypatch, capsys, "explain", DEMANDS, flow, "--topology", topology)
    assert "gold h1->h5 has 11 Mbit/s: link s1->s2, which carries 30 Mbit/s, is full (step 2)." in lines
    assert "4 bronze h3->h6 13 Mbit/s 13 Mbit/s 43.3 %" in lines
    # Until h5's own link is full: 100 Mbit/s, of which silver has 4, so 85 more, by halves.
    assert "link s1->s2 full +0.5 Mbit/s +170 Mbit/s" in lines


def test_lines_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    assert run(monkeypatch, "explain", POLICIES / "members.yaml", "1", "--topology", network_file) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if "->" in line and "has" not in line]
    assert len(table) >= 4
    assert all(len(line) <= 80 for line in table)


def test_json_is_the_whole_explanation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    shown = loaded(monkeypatch, capsys, "explain", SHARED, "h1->h4", "--topology", network_file)
    assert shown["policy"] == str(SHARED)
    assert shown["clock"] == "level_bps per weight"
    (step,) = shown["steps"]
    assert step["instant"] == pytest.approx(5e6)
    (stop,) = step["stops"]
    assert stop["bottleneck"] == "link s1->s2"
    assert [(flow["id"], flow["rate_bps"]) for flow in stop["flows"]] == [
        ("gold:h1->h4", pytest.approx(15e6)),
        ("silver:h2->h5", pytest.approx(10e6)),
        ("bronze:h3->h6", pytest.approx(5e6)),
    ]
    flow = shown["flow"]
    assert (flow["id"], flow["bottleneck"], flow["capacity_bps"]) == ("gold:h1->h4", "link s1->s2", 30e6)
    assert sum(holder["load_bps"] for holder in flow["holders"]) == pytest.approx(30e6)
    effects = {one["place"]: (one["full"], one["slope"]) for one in flow["raises"]}
    assert effects["link s1->s2"] == (True, pytest.approx(0.5))
    # Every link of its path is answered for.
    assert set(effects) == {"link h1->s1", "link s1->s2", "link s2->h4"}
    assert effects["link h1->s1"] == (False, 0.0)


@pytest.mark.parametrize(("suffix", "begin"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("SVG", b"<svg")])
@pytest.mark.parametrize("policy", [SHARED, DEMANDS])
def test_the_picture(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    tmp_path: Path,
    suffix: str,
    begin: bytes,
    policy: Path,
) -> None:
    file = tmp_path / f"filling.{suffix}"
    lines = said(monkeypatch, capsys, "explain", policy, "--topology", network_file, "--picture", file)
    assert file.read_bytes().startswith(begin)
    assert any("Picture:" in line for line in lines)
    if suffix == "svg":
        shown = "".join(ElementTree.fromstring(file.read_text(encoding="utf-8")).itertext())
        assert "link s1->s2 is full" in shown
        assert "Mbit/s of Ethernet frames" in shown


def test_json_with_a_picture_is_json_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    file = tmp_path / "filling.svg"
    assert loaded(monkeypatch, capsys, "explain", SHARED, "--topology", network_file, "--picture", file)[
        "steps"
    ]
    assert file.exists()


@pytest.mark.parametrize("option", [(), ("--json",)])
@pytest.mark.parametrize("flow", ["h1->h6", "0", "4", "golden", ""])
def test_an_unknown_flow_is_refused_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    flow: str,
    option: tuple[str, ...],
) -> None:
    assert run(monkeypatch, "explain", SHARED, flow, "--topology", network_file, *option) == 2
    output = capsys.readouterr()
    assert output.out == ""
    for word in (f'"{flow}"', "gold:h1->h4", "silver:h2->h5", "bronze:h3->h6"):
        assert word in output.err


def test_ends_that_several_flows_have_are_refused_with_their_ids(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    web, video = (f"{{from: h1, to: h4, match: {{proto: {p}, dst_port: 80}}}}" for p in ("tcp", "udp"))
    policy.write_text(f"version: 1\nslices:\n  a: {{flows: [{web}]}}\n  b: {{flows: [{video}]}}\n")
    assert run(monkeypatch, "explain", policy, "h1->h4", "--topology", network_file) == 2
    refused = capsys.readouterr().err
    for word in ("a:h1->h4 tcp", "b:h1->h4 udp"):
        assert word in refused


@pytest.mark.parametrize("name", ["filling.pdf", "filling", "missing/filling.svg"])
def test_a_picture_that_cant_be_drawn_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    tmp_path: Path,
    name: str,
) -> None:
    file = tmp_path / name
    assert run(monkeypatch, "explain", SHARED, "--topology", network_file, "--picture", file) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert str(file) in output.err
    assert not file.exists()


def test_guarantees_that_do_not_fit_and_bad_policies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices: {a: {guarantee: 31 Mbit/s, flows: [{from: h1, to: h4}]}}\n")
    assert run(monkeypatch, "explain", policy, "--topology", network_file) == 3
    assert "1 Mbit/s too little" in capsys.readouterr().err
    policy.write_text("version: 1\nslices: {a: {flows: [{from: h1, to: h9}]}}\n")
    assert run(monkeypatch, "explain", policy, "--topology", network_file) == 2
    assert f"{policy}:2:" in capsys.readouterr().err


# A problem file


def test_a_problem_is_explained_in_its_own_units(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem_file: Path
) -> None:
    lines = said(monkeypatch, capsys, "allocate", problem_file, "--explain", "--flow", "y")
    assert "1 1 link A is full 1 x 1" in lines
    assert "2 9 link B is full 2 y 9" in lines
    assert "y has 9: link B, which carries 10, is full (step 2)." in lines
    assert "link B full +1 any amount" in lines
    assert "link A full -0.5 +8" in lines
    assert any(line.startswith("Where it would lose") for line in lines)


def test_json_is_the_answer_and_the_explanation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem_file: Path
) -> None:
    plain = loaded(monkeypatch, capsys, "allocate", problem_file)
    explained = loaded(monkeypatch, capsys, "allocate", problem_file, "--explain", "--flow", "y")
    explanation = explained.pop("explanation")
    assert explained == plain
    assert [step["instant"] for step in explanation["steps"]] == [1.0, 9.0]
    assert explanation["flow"]["raises"] == [
        {"place": "B", "full": True, "slope": 1.0, "reach": None},
        {"place": "A", "full": True, "slope": -0.5, "reach": 8.0},
    ]


def test_a_problem_has_a_picture_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "filling.svg"
    said(monkeypatch, capsys, "allocate", problem_file, "--explain", "--picture", file)
    shown = "".join(ElementTree.fromstring(file.read_text(encoding="utf-8")).itertext())
    assert "link A is full" in shown


@pytest.mark.parametrize(
    ("content", "options", "status", "word"),
    [
        (TWO_LINKS, ["--explain", "--flow", "w"], 2, "1 (x), 2 (y), 3 (z)"),
        (TWO_LINKS, ["--flow", "x"], 2, "--explain"),
        (TWO_LINKS, ["--picture", "f.svg"], 2, "--explain"),
        ([TWO_LINKS], ["--explain"], 2, "array"),
        ({"links": {}, "flows": []}, ["--explain", "--flow", "w"], 2, "there are none"),
        (
            {"links": {"A": 1}, "flows": [{"id": "f", "path": ["A"], "min": 2}]},
            ["--explain"],
            3,
            "1 too little",
        ),
    ],
)
def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem_file: Path,
    content: object,
    options: list[str],
    status: int,
    word: str,
) -> None:
    problem_file.write_text(json.dumps(content))
    assert run(monkeypatch, "allocate", problem_file, *options) == status
    output = capsys.readouterr()
    assert output.out == ""
    assert word in output.err


def test_with_json_floors_that_do_not_fit_are_answered_as_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem_file: Path
) -> None:
    problem_file.write_text('{"links": {"A": 1}, "flows": [{"id": "f", "path": ["A"], "min": 2}]}')
    assert run(monkeypatch, "allocate", problem_file, "--explain", "--json") == 3
    assert json.loads(capsys.readouterr().out)["infeasible"]["link"] == "A"


def test_problems_without_flows_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problem_file: Path
) -> None:
    problem_file.write_text('{"links": {"A": 1}, "flows": []}')
    assert loaded(monkeypatch, capsys, "allocate", problem_file, "--explain")["explanation"]["steps"] == []
    assert said(monkeypatch, capsys, "allocate", problem_file, "--explain")


def test_what_is_set_aside_is_told_of_links_that_carry_data_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    """Without a flow, too; where all data goes one way, the links back carry acknowledgements alone."""
    title = "Set aside for acknowledgements, of links that carry data as well"
    assert run(monkeypatch, "explain", POLICIES / "members.yaml", "--topology", network_file) == 0
    both = " ".join(capsys.readouterr().out.split())
    assert title in both
    assert "s2->s1 30 Mbit/s" in both.partition(title)[2]
    assert run(monkeypatch, "explain", SHARED, "--topology", network_file) == 0
    assert "Set aside" not in capsys.readouterr().out
