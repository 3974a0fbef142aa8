"""`fairslice plan`: everything that would be installed, without root and without a switch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fairslice.policy import load_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import FlowEntry
from fairslice.slicing.view import view
from fairslice.testing.commands import run_command
from fairslice.testing.networks import build_network
from fairslice.topology.load import load_network
from fairslice.topology.nodelink import to_json
from fairslice.units import format_rate

NETWORK = build_network(
    [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=30e6
)
POLICIES = Path(__file__).parents[2] / "policies"
POLICY = POLICIES / "mixed-enforcement.yaml"


@pytest.fixture
def network_file(tmp_path: Path) -> str:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(to_json(NETWORK)))
    return str(file)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    return run_command(monkeypatch, "plan", *arguments, columns=80)


def document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> dict[str, Any]:
    assert run(monkeypatch, *arguments, "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    loaded: dict[str, Any] = json.loads(output.out)
    return loaded


def test_json_is_the_allocation_and_what_every_switch_would_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    shown = document(monkeypatch, capsys, POLICY, "--topology", network_file)
    allocation = allocate_slices(load_policy(POLICY), load_network(network_file))
    switches = shown.pop("switches")
    assert shown.pop("notes") == []
    assert shown.pop("ways") == []
    assert shown.pop("delays") == []
    assert shown.pop("waiting") == []
    assert shown == json.loads(view(allocation).model_dump_json(by_alias=True))
    compiled = compile_switches(allocation)
    assert set(switches) == set(NETWORK.switches)
    for name, plain in switches.items():
        state = compiled[NETWORK.switches[name].dpid]
        assert plain["meters"] == [asdict(meter) for meter in state.meters.values()]
        assert plain["ports"] == json.loads(json.dumps([asdict(qos) for qos in state.qos.values()]))
        assert len(plain["flows"]) == len(state.flows)
        for entry in plain["flows"]:
            match = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in entry["match"].items())
            found = state.flows[entry["table_id"], entry["priority"], match]
            assert (entry["cookie"], entry["meter_id"]) == (found.cookie, found.meter_id)
            assert (entry["outputs"], entry["goto_table"]) == (list(found.outputs), found.goto_table)
            assert (entry["set_dscp"], entry["queue_id"]) == (found.set_dscp, found.queue_id)


def test_rates_only_leaves_the_switches_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    shown = document(monkeypatch, capsys, POLICY, "--topology", network_file, "--rates-only")
    assert shown["switches"] == {}
    assert len(shown["flows"]) == 3
    assert run(monkeypatch, POLICY, "--topology", network_file, "--rates-only") == 0
    text = capsys.readouterr().out
    assert "10 Mbit/s" in text
    assert "meter" not in text


def cells(text: str) -> list[list[str]]:
    """Rows of a table, cells apart by two spaces or more."""
    return [[c.strip() for c in line.strip().split("  ") if c.strip()] for line in text.splitlines()]


def test_every_rate_meter_queue_and_entry_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    assert run(monkeypatch, POLICY, "--topology", network_file) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    lines = text.splitlines()
    rows = cells(text)
    assert ["1", "policed", "h1->h4", "10 Mbit/s", "s1->s2 is full", "h1 s1 s2 h4"] in rows
    for dpid, state in compile_switches(allocate_slices(load_policy(POLICY), NETWORK)).items():
        title = f"{NETWORK.switch_of_dpid[dpid].name} (dpid {dpid:016x}): "
        # Below its title a table has a blank line, a header and a rule; a blank line ends both kinds.
        for what, above, count in (
            ("meters", 3, len(state.meters)),
            ("queues", 3, sum(len(qos.queues) for qos in state.qos.values())),
            ("flow entries", 0, len(state.flows)),
        ):
            after = rows[rows.index([title + what]) + 1 + above :]
            assert after.index([]) == count
        for meter in state.meters.values():
            number = meter.meter_id % 10_000
            own = meter.meter_id < 100_000
            whose = f"flow {number}" if own else f"acknowledgements of flow {number}"
            rate = [format_rate(1000 * meter.rate_kbps), f"{meter.burst_kbits} kbit"]
            assert [str(meter.meter_id), whose, *rate] in rows
        for qos in state.qos.values():
            for queue in qos.queues:
                of_port = [str(qos.port_no), format_rate(qos.max_rate_bps), str(queue.queue_id)]
                limits = [format_rate(queue.min_rate_bps), format_rate(queue.max_rate_bps)]
                assert [*of_port, *limits, f"{queue.buffer_bytes} B"] in rows
        for entry in state.flows.values():
            assert len([line for line in lines if told(entry) in line]) >= 1


def told(entry: FlowEntry) -> str:
    return f"table={entry.table_id} priority={entry.priority} cookie={entry.cookie:#x} "


def test_entries_are_whole_lines_that_read_as_in_the_specification(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str
) -> None:
    assert run(monkeypatch, POLICY, "--topology", network_file) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in (
        "table=0 priority=100 cookie=0xfa15020100000001 "
        "eth_type=2048,in_port=2,ipv4_dst=10.0.0.4,ipv4_src=10.0.0.1 -> meter:50001 set_dscp:1 goto_table:1",
        "table=0 priority=200 cookie=0xfa15010000000000 eth_type=2054 -> output:controller",
        "table=0 priority=0 cookie=0xfa15010000000000 any -> goto_table:1",
        "table=1 priority=10 cookie=0xfa15010000000000 eth_dst=01:00:00:00:00:00/01:00:00:00:00:00 -> "
        "set_queue:0 output:1 output:2 output:3 output:4",
    ):
        assert f"  {line}" in lines


def test_guarantees_that_do_not_fit_end_with_status_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices: {a: {guarantee: 31 Mbit/s, flows: [{from: h1, to: h4}]}}\n")
    assert run(monkeypatch, policy, "--topology", network_file) == 3
    output = capsys.readouterr()
    assert output.out == ""
    for word in ("a:h1->h4", "31 Mbit/s", "30 Mbit/s", "1 Mbit/s too little"):
        assert word in output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_faults_end_with_status_2_all_of_them_and_no_output(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    tmp_path: Path,
    option: tuple[str, ...],
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices:\n  a: {flows: [{from: h1, to: h9}]}\n  b: {members: [h8, h2]}\n")
    assert run(monkeypatch, policy, "--topology", network_file, *option) == 2
    output = capsys.readouterr()
    assert output.out == ""
    for place in (f"{policy}:3:", f"{policy}:4:"):
        assert place in output.err


@pytest.mark.parametrize(
    "name",
    [
        "my own/p.yaml",
        "a]/p.yaml",
        "[b]/p.yaml",
        "a[/b]/p.yaml",
    ],
)
def test_a_files_name_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    tmp_path: Path,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = Path(name)
    policy.parent.mkdir(parents=True)
    policy.write_text(POLICY.read_text())
    assert run(monkeypatch, policy, "--topology", network_file, "--rates-only") == 0
    assert f"Rates of {policy}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["gold-silver-bronze", "guaranteed", "limited", "demands", "members", "mixed-enforcement"]
)
def test_examples_are_certified(name: str) -> None:
    """By the checker, which shares no code with the solver."""
    root = Path(__file__).parents[2]
    network = load_network(str(root / "topologies" / "dumbbell.py"))
    allocation = allocate_slices(load_policy(root / "policies" / f"{name}.yaml"), network)
    assert view(allocation).certified
    assert not allocation.certificate.violations


UNDER_12_KBIT = """version: 1
defaults: {enforcement: %s}
slices:
  throttled: {limit: 5 kbit/s, flows: [{from: h2, to: h1, match: {proto: udp, dst_port: 666}}]}
  free: {flows: [{from: h2, to: h1, match: {proto: tcp}}]}
"""


@pytest.mark.parametrize("enforcement", ["police", "shape", "both"])
def test_a_limit_below_twelve_kbit_is_planned_with_a_meter(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network_file: str,
    tmp_path: Path,
    enforcement: str,
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(UNDER_12_KBIT % enforcement)
    shown = document(monkeypatch, capsys, policy, "--topology", network_file)
    meters = {meter["meter_id"]: meter for meter in shown["switches"]["s1"]["meters"]}
    assert meters[50_001]["rate_kbps"] == 5
    assert shown["notes"] == []


def test_a_rate_that_is_not_held_exactly_is_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices:\n  a: {flows: [{from: h1, to: h4, demand: 1.5 kbit/s}]}\n")
    assert run(monkeypatch, policy, "--topology", network_file) == 0
    said = f"Note: {policy}:3:15: a:h1->h4: 1.5 kbit/s is held at 2 kbit/s, since meters count whole kbit/s"
    assert said in capsys.readouterr().out.splitlines()


def test_nothing_is_planned_as_an_entry_that_drops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], network_file: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices: {a: {limit: 0 bit/s, flows: [{from: h1, to: h4}]}}\n")
    assert run(monkeypatch, policy, "--topology", network_file) == 0
    printed = capsys.readouterr().out
    (entry,) = [
        line for line in printed.splitlines() if "ipv4_src=10.0.0.1" in line and "priority=100" in line
    ]
    assert entry.endswith("-> drop")
    assert "meters" not in printed
