"""Policies whose flows have several paths: `plan` shows them, all that enforces refuses them at once."""

import json
import re
import sys
from pathlib import Path

import pytest

from fairslice.api.allocation import AllocationView
from fairslice.control.app.core import Core
from fairslice.control.app.events import Install, PolicyGiven, SwitchJoined
from fairslice.control.app.loop import Loop
from fairslice.control.app.service import CoreService
from fairslice.errors import InputError, Location
from fairslice.policy import load_policy, parse_policy
from fairslice.policy.enforceable import require_enforceable
from fairslice.report.words import why
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.view import view
from fairslice.testing.commands import run_command
from fairslice.testing.cores import told
from fairslice.testing.networks import build_network
from fairslice.topology.load import load_network
from fairslice.topology.nodelink import to_json
from fairslice.units import format_rate

ROOT = Path(__file__).parents[2]
SQUARE = build_network(
    [("s1", "s2"), ("s2", "s3"), ("s3", "s4"), ("s4", "s1"), ("h1", "s1"), ("h3", "s3")], capacity_bps=10e6
)
EVEN = """\
version: 1
slices:
  a:
    paths: 4
    split: even
    flows: [{from: h1, to: h3}]
"""
NOT_YET = "paths: 4: several paths are planned and explained, but not yet enforced; {} needs paths: 1"


@pytest.fixture
def network_file(tmp_path: Path) -> str:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(to_json(SQUARE)))
    return str(file)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(EVEN)
    return file


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    return run_command(monkeypatch, *arguments)


# What enforces refuses ------------------------------------------------------------------------------------


def test_a_run_refuses_before_it_builds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, policy: Path
) -> None:
    def isolated(_argv: list[str]) -> int:
        raise AssertionError("it began")

    monkeypatch.setattr("fairslice.lab.emulation.isolation.run_isolated", isolated)
    assert run(monkeypatch, "run", "--topology", network_file, "--policy", policy) == 2
    assert capsys.readouterr() == ("", f"{policy}:4:5: {NOT_YET.format('`run`')}\n")


@pytest.mark.parametrize("knows_network", [True, False])
def test_a_controller_refuses_before_it_listens(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    policy: Path,
    knows_network: bool,
) -> None:
    # An import of the launcher would fail, and end with status 70.
    monkeypatch.setitem(sys.modules, "fairslice.control.app.launcher", None)
    network = ["--network", network_file] if knows_network else []
    assert run(monkeypatch, "controller", *network, "--policy", policy) == 2
    assert capsys.readouterr() == ("", f"{policy}:4:5: {NOT_YET.format('`controller`')}\n")


def test_apply_refuses_before_it_asks_a_controller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("it asked")

    monkeypatch.setattr("fairslice.api.client.ControllerClient.__init__", asked)
    assert run(monkeypatch, "apply", policy) == 2
    assert capsys.readouterr() == ("", f"{policy}:4:5: {NOT_YET.format('`apply`')}\n")


def test_check_accepts_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, policy: Path
) -> None:
    """It is a good policy: what can't be done with it yet is for those to say who do it."""
    assert run(monkeypatch, "check", policy, "--topology", network_file) == 0
    assert capsys.readouterr().out == f"{policy}: ok, 1 slice, 1 flow\n"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("defaults: {paths: 4}\nslices: {a: {flows: []}, b: {flows: []}}", ["f:2:12"]),
        ("defaults: {paths: 4}\nslices: {a: {flows: []},\n b: {paths: 4, flows: []}}", ["f:2:12", "f:4:6"]),
        ("defaults: {paths: 4}\nslices: {a: {paths: 1, flows: []},\n b: {paths: 4, flows: []}}", ["f:4:6"]),
        ("defaults: {paths: 4}\nslices: {a: {paths: 1, flows: []}}", []),
        ("defaults: {split: even}\nslices: {a: {split: free, flows: []}}", []),
    ],
)
def test_each_key_that_asks_for_several_is_named_once(text: str, places: list[str]) -> None:
    """The key counts, not the network: with ``paths: 4`` a slice is refused even where all have one path."""
    policy = parse_policy(f"version: 1\n{text}", "f")
    assert policy.multipath is bool(places)
    if not places:
        require_enforceable(policy, "`run`")
        return
    with pytest.raises(InputError) as refused:
        require_enforceable(policy, "`run`")
    assert [str(fault) for fault in refused.value.faults] == [
        f"{place}: {NOT_YET.format('`run`')}" for place in places
    ]


# A running controller -------------------------------------------------------------------------------------


def running_core() -> Core:
    network = build_network([("h1", "s1"), ("h3", "s1")])
    core = Core(network, parse_policy(EVEN.replace("paths: 4", "paths: 1"), "before.yaml"))
    told(core, SwitchJoined(1, frozenset({1, 2}), SwitchState(), {}), 0.0)
    assert core.status.discovered
    return core


def test_the_core_refuses_and_nothing_changes() -> None:
    core = running_core()
    status, desired, allocation = core.status, core.desired, core.allocation
    with pytest.raises(InputError, match="the controller needs paths: 1"):
        told(core, PolicyGiven(parse_policy(EVEN, "after.yaml")), 1.0)
    assert (core.status, core.desired) == (status, desired)
    assert core.allocation is allocation
    # And the next event still goes by the policy that was there.
    (effect,) = told(core, SwitchJoined(1, frozenset({1, 2}), SwitchState(), {}), 2.0)
    assert isinstance(effect, Install)
    assert core.allocation is not None
    assert core.allocation.policy.file == "before.yaml"


def test_no_core_begins_with_it() -> None:
    with pytest.raises(InputError, match="not yet enforced"):
        Core(SQUARE, parse_policy(EVEN, "f"))


def test_a_service_refuses_with_the_place() -> None:
    loop = Loop(running_core(), lambda _: None)
    loop.start()
    service = CoreService(loop, list, "a framework")
    before = service.status()
    with pytest.raises(InputError) as refused:
        service.apply(EVEN, "after.yaml")
    (fault,) = refused.value.faults
    assert fault.location == Location("after.yaml", 4, 5)
    assert fault.message == NOT_YET.format("the controller")
    assert service.status() == before
    loop.stop()


# plan -----------------------------------------------------------------------------------------------------


def rows(text: str) -> list[list[str]]:
    """Rows of a table, cells apart by two spaces or more."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.mark.parametrize("options", [[], ["--rates-only"]])
def test_plan_shows_each_path_with_its_rate(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    policy: Path,
    options: list[str],
) -> None:
    assert run(monkeypatch, "plan", policy, "--topology", network_file, *options) == 0
    output = capsys.readouterr()
    assert output.err == ""
    (flow,) = view(allocate_slices(load_policy(policy), SQUARE)).flows
    found = rows(output.out)
    total = ["1", "a", "h1->h3", format_rate(flow.allocated_bps), why(flow.bottleneck), "over 2 paths:"]
    at = found.index(total)
    half = format_rate(flow.allocated_bps / 2)
    assert sorted(found[at + 1 : at + 3]) == [
        [half, "50.00% of it", "h1 s1 s2 s3 h3"],
        [half, "50.00% of it", "h1 s1 s4 s3 h3"],
    ]
    assert found[at + 1][2] == " ".join(flow.path)
    assert "Certified" in output.out
    said = "No meters, queues and flow entries are shown: several paths are not enforced yet."
    assert (said in output.out) is (not options)
    for word in ("meter_id", "queue_id", "table="):
        assert word not in output.out


def test_plan_says_the_same_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, policy: Path
) -> None:
    assert run(monkeypatch, "plan", policy, "--topology", network_file, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document.pop("switches") == {}
    (flow,) = AllocationView.model_validate(document).flows
    assert [path.share for path in flow.paths] == [0.5, 0.5]
    assert [path.rate_bps for path in flow.paths] == [flow.allocated_bps / 2] * 2
    assert flow.path == flow.paths[0].nodes


def test_with_one_path_plan_is_as_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, policy: Path
) -> None:
    policy.write_text(EVEN.replace("paths: 4", "paths: 1"))
    assert run(monkeypatch, "plan", policy, "--topology", network_file) == 0
    text = capsys.readouterr().out
    assert " paths" not in text
    assert "% of it" not in text
    assert "meter_id" in text
    (flow,) = view(allocate_slices(load_policy(policy), SQUARE)).flows
    (path,) = flow.paths
    assert (path.nodes, path.share, path.rate_bps) == (flow.path, 1.0, flow.allocated_bps)


def test_the_example_is_planned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    policy, topology = ROOT / "policies" / "multipath.yaml", ROOT / "topologies" / "abilene.py"
    assert run(monkeypatch, "plan", policy, "--topology", topology, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["certified"]
    assert shown["switches"] == {}
    count = {flow["slice"]: len(flow["paths"]) for flow in shown["flows"]}
    assert count == {"physics": 4, "telescopes": 2, "campus": 1}
    guaranteed = [flow["allocated_bps"] for flow in shown["flows"] if flow["slice"] == "telescopes"]
    assert min(guaranteed) >= 4e6
    assert load_network(str(topology)).hosts.keys() >= {flow["from"] for flow in shown["flows"]}
