"""`--bandwidth`: a capacity for cables that have none, in every command that takes a topology."""

import importlib
import json
from pathlib import Path

import click
import pytest

from fairslice.cli import COMMANDS
from fairslice.testing.commands import run_command
from fairslice.topology.load import load_network
from fairslice.topology.nodelink import from_json

TOPOLOGY = """
from mininet.topo import Topo

class T(Topo):
    def build(self):
        s1, s2 = self.addSwitch('s1'), self.addSwitch('s2')
        self.addLink(s1, s2, bw=10)
        self.addLink(s1, self.addHost('h1'))
        self.addLink(s2, self.addHost('h2'), params1={'bw': 3})

topos = {'t': T}
"""
POLICY = "version: 1\nslices:\n  a: {flows: [{from: h1, to: h2}]}\n"


@pytest.fixture
def topology(tmp_path: Path) -> str:
    file = tmp_path / "topo.py"
    file.write_text(TOPOLOGY)
    return str(file)


@pytest.fixture
def policy(tmp_path: Path) -> str:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return str(file)


def capacities(text: str) -> dict[str, float]:
    return {link.name: link.capacity_bps for link in from_json(json.loads(text), "-").links.values()}


def test_only_what_has_none_gets_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], topology: str
) -> None:
    assert run_command(monkeypatch, "topology", topology, "--bandwidth", "100", "--json") == 0
    assert capacities(capsys.readouterr().out) == {
        **{"s1->s2": 10e6, "s2->s1": 10e6, "h1->s1": 100e6, "s1->h1": 100e6},
        # One direction has its own.
        **{"s2->h2": 3e6, "h2->s2": 100e6},
    }


@pytest.mark.parametrize(
    ("rate", "bps"),
    [
        *(("100", 100e6), ("0.5", 0.5e6), ("1e3", 1e9), ("1 Gbit/s", 1e9), ("250kbit/s", 250e3)),
        *(("8 bit/s", 8.0), (" 20 Mbit/s ", 20e6), ("1000000", 1e12), ("+5", 5e6), (".5 Gbit/s", 5e8)),
    ],
)
def test_a_rate_is_in_mbits_or_has_its_unit(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    topology: str,
    rate: str,
    bps: float,
) -> None:
    assert run_command(monkeypatch, "topology", topology, "--bandwidth", rate, "--json") == 0
    assert capacities(capsys.readouterr().out)["h1->s1"] == bps


@pytest.mark.parametrize(
    "rate", ["", "0", "-1", "nan", "inf", "1e400", "fast", "10 Mbps", "1000001", "0 bit/s", "2 Tbit/s", "1,5"]
)
def test_another_rate_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], topology: str, rate: str
) -> None:
    assert run_command(monkeypatch, "topology", topology, "--bandwidth", rate) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--bandwidth" in said.err


def test_without_it_such_cables_are_refused_and_the_message_offers_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], topology: str
) -> None:
    assert run_command(monkeypatch, "topology", topology) == 2
    said = capsys.readouterr().err
    assert "cable s1 - h1: no bw; expected its capacity in Mbit/s" in said
    assert "or --bandwidth RATE for all cables that have none" in said


def test_plan_check_and_explain_take_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], topology: str, policy: str
) -> None:
    for command in ("plan", "check", "explain"):
        assert run_command(monkeypatch, command, policy, "--topology", topology) == 2
        capsys.readouterr()
        given = (policy, "--topology", topology, "--bandwidth", "100", "--json")
        assert run_command(monkeypatch, command, *given) == 0
        shown = json.loads(capsys.readouterr().out)
        if command == "plan":
            assert shown["flows"][0]["allocated_bps"] == 3e6


def test_every_command_that_takes_a_topology_has_it() -> None:
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"fairslice.cli.{name}").command
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--bandwidth" in options) == bool(options & {"--topology", "spec"}), name


def test_a_network_file_without_capacities_takes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], topology: str, tmp_path: Path
) -> None:
    assert run_command(monkeypatch, "topology", topology, "--bandwidth", "1", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    for edge in data["edges"]:
        if edge["capacity"] == 1e6:
            del edge["capacity"]
    file = tmp_path / "network.json"
    file.write_text(json.dumps(data, indent=1))
    assert run_command(monkeypatch, "topology", str(file)) == 2
    said = capsys.readouterr().err
    assert "edges[1].capacity: is missing; expected it in bit/s, or --bandwidth RATE for all cables" in said
    assert said.count("missing") == 3
    assert load_network(str(file), bandwidth_bps=1e6) == load_network(topology, bandwidth_bps=1e6)
