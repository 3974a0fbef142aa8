"""What may be asked of a network beside its file, in every command; and how labels are shown."""

import importlib
import json
from pathlib import Path

import click
import pytest

from fairslice.cli import COMMANDS
from fairslice.errors import InputError
from fairslice.testing.commands import run_command
from fairslice.topology.load import load_network
from fairslice.topology.nodelink import from_json
from fairslice.topology.options import Scaling, parse_scaling

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests" / "topologies"
ELEVEN = FILES / "graphml" / "eleven.graphml"
POLICY = FILES / "eleven.yaml"
DUMBBELL = ROOT / "topologies" / "dumbbell.py"
OPTIONS = {"--hosts-per-switch", "--scale-bandwidth", "--parallel-cables", "--largest-part"}


def test_every_command_that_takes_a_topology_has_the_options() -> None:
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"fairslice.cli.{name}").command
        options = {option for parameter in command.params for option in parameter.opts}
        assert options.isdisjoint(OPTIONS) or options >= OPTIONS
        assert (options >= OPTIONS) == bool(options & {"--topology", "spec"}), name


def test_topology_shows_who_sits_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(monkeypatch, "topology", ELEVEN, "--hosts-per-switch", "2") == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "Switches of Alpine Rivers: 11" in said.out
    rows = [line.split() for line in said.out.splitlines()]
    assert ["s5", "0000000000000005", "Zürich"] in rows
    assert ["h9", "10.0.0.9", "00:00:00:00:00:09", "s5", "1", "Zürich"] in rows
    assert ["h10", "10.0.0.10", "00:00:00:00:00:0a", "s5", "2", "Zürich"] in rows
    # Labels are text, whatever is in them.
    assert run_command(monkeypatch, "topology", FILES / "graphml" / "labels-twice.graphml") == 0
    said = capsys.readouterr()
    assert all(text in said.out for text in ("[red]S o & Co[/red]", "Twins & [bold]others", "London (1)"))


def test_no_labels_no_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(monkeypatch, "topology", DUMBBELL) == 0
    assert "label" not in capsys.readouterr().out


def test_plan_and_explain_tell_what_the_switches_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    legend = (
        "Here s1 is Genève (h1), s2 is Lausanne, s3 is Bern, s4 is Basel (h4), s5 is Zürich (h5),"
        " s8 is Innsbruck (h8), s11 is Wien (h11)."
    )
    for command in (("plan", POLICY, "--rates-only"), ("explain", POLICY)):
        assert run_command(monkeypatch, *command, "--topology", ELEVEN, "--scale-bandwidth", "1/1000") == 0
        said = capsys.readouterr()
        assert legend in said.out
        assert said.err == ""
    policy = ROOT / "policies" / "gold-silver-bronze.yaml"
    assert run_command(monkeypatch, "plan", policy, "--topology", DUMBBELL, "--rates-only") == 0
    assert "Here" not in capsys.readouterr().out


def test_warnings_go_to_stderr_and_json_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FILES / "graphml" / "parallel-cables.graphml"
    assert run_command(monkeypatch, "topology", file, "--json") == 0
    said = capsys.readouterr()
    network = from_json(json.loads(said.out), "-")
    assert network == load_network(str(file))
    assert network.switches["s1"].label == "Oulu"
    assert said.err == (
        f"{file}:42:5: warning: parallel cables are taken as one of their capacities together:"
        " 3 between s1 (Oulu) and s2 (Turku)\n"
    )
    assert run_command(monkeypatch, "topology", file, "--json", "--parallel-cables", "refuse") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"{file}:42:5: parallel cables, 3 between s1 (Oulu) and s2 (Turku); expected one,"
        " or --parallel-cables merge\n"
    )


def capacities(text: str) -> dict[str, float]:
    return {link.name: link.capacity_bps for link in from_json(json.loads(text), "-").links.values()}


@pytest.mark.parametrize(
    ("said", "bottleneck_bps", "access_bps"),
    [
        *(("1/1000", 30e3, 100e3), ("0.001", 30e3, 100e3), ("1e-3", 30e3, 100e3), ("2", 60e6, 200e6)),
        *(("3 Mbit/s", 3e6, 10e6), ("1 Gbit/s", 1e9, 1e10 / 3), ("1/3", 10e6, 1e8 / 3)),
    ],
)
def test_scaling_holds_for_every_kind_of_topology(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    said: str,
    bottleneck_bps: float,
    access_bps: float,
) -> None:
    assert run_command(monkeypatch, "topology", DUMBBELL, "--json", "--scale-bandwidth", said) == 0
    text = capsys.readouterr().out
    found = capacities(text)
    # The fastest is the fastest between switches: hosts' cables keep their proportion.
    assert found["s1->s2"] == bottleneck_bps
    assert found["h1->s1"] == pytest.approx(access_bps)
    plain = tmp_path / "plain.json"
    assert run_command(monkeypatch, "topology", DUMBBELL, "--json") == 0
    plain.write_text(capsys.readouterr().out)
    assert run_command(monkeypatch, "topology", plain, "--json", "--scale-bandwidth", said) == 0
    assert capacities(capsys.readouterr().out) == found


def test_bandwidth_is_scaled_like_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FILES / "graphml" / "missing-speeds.graphml"
    given = ("--bandwidth", "100", "--scale-bandwidth", "1/100", "--json")
    assert run_command(monkeypatch, "topology", file, *given) == 0
    found = capacities(capsys.readouterr().out)
    assert found["s1->s2"] == 10e6
    assert found["s2->s3"] == 1e6


@pytest.mark.parametrize(
    "said",
    [
        "",
        "0",
        "-1",
        "1/0",
        "fast",
        "nan",
        "inf",
        "100 Mbps",
        "0 bit/s",
        "2 Gbit/s/s",
        "1/2/3",
        "1000000 Gbit/s",
    ],
)
def test_another_scaling_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    assert run_command(monkeypatch, "topology", DUMBBELL, "--scale-bandwidth", said) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--scale-bandwidth" in shown.err
    assert "Traceback" not in shown.err
    with pytest.raises(ValueError, match="expected a factor such as"):
        parse_scaling(said)


def test_scaling_beyond_what_can_be_is_refused_with_every_link() -> None:
    network = load_network(str(DUMBBELL))
    with pytest.raises(InputError) as caught:
        Scaling(parse_scaling("1e-8").factor).scaled(network)
    assert len(caught.value.faults) == len(
        [link for link in network.links.values() if link.capacity_bps < 1e8]
    )
    with pytest.raises(InputError, match=r"link s1->s2 would carry 3\.?\d* ?.*; expected 1 bit/s to"):
        Scaling(parse_scaling("1e6").factor).scaled(network)


def test_what_is_for_graphs_is_refused_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--hosts-per-switch", "1", "--parallel-cables", "merge", "--largest-part")
    assert run_command(monkeypatch, "topology", DUMBBELL, *given) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{option} is for GraphML and SNDlib files; {DUMBBELL} tells its hosts and cables itself"
        for option in ("--hosts-per-switch", "--parallel-cables", "--largest-part")
    ]
    assert run_command(monkeypatch, "topology", ELEVEN, "--hosts-per-switch", "0") == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("key", ["edges", "links"])
def test_network_files_of_any_networkx_and_any_editor(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    encoding: str,
    key: str,
) -> None:
    assert run_command(monkeypatch, "topology", ELEVEN, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    data[key] = data.pop("edges")
    mark = "" if encoding in ("utf-8", "utf-8-sig", "utf-16") else "\ufeff"
    file = tmp_path / "net.json"
    file.write_text(mark + json.dumps(data, ensure_ascii=False), encoding=encoding)
    network = load_network(str(file))
    assert network == load_network(str(ELEVEN))
    assert network.switches["s5"].label == "Zürich"
    # Faults name the key that the file has.
    del data[key][3]["port_no"]
    file.write_text(mark + json.dumps(data, indent=1), encoding=encoding)
    with pytest.raises(InputError) as caught:
        load_network(str(file))
    (fault,) = caught.value.faults
    assert fault.message == f"{key}[3].port_no: is missing"
    assert fault.location is not None
    assert json.dumps(data, indent=1).splitlines()[fault.location.line - 1].strip() == "{"


def test_edges_and_links_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_command(monkeypatch, "topology", DUMBBELL, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    file = tmp_path / "net.json"
    file.write_text(json.dumps(data | {"links": data["edges"]}))
    with pytest.raises(InputError, match="links: unknown key"):
        load_network(str(file))
