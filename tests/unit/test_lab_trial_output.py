"""The results directory, before and after the work."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fairslice.cli.job import _carry_out
from fairslice.errors import MachineError
from fairslice.lab.traffic.iperf3_streams import StreamResult
from fairslice.lab.trial import output, run
from fairslice.lab.trial.job import Job
from fairslice.lab.trial.output import write_logs, write_outcome
from fairslice.lab.trial.report_input import report_input
from fairslice.lab.trial.run import Outcome
from fairslice.measure.compare import compare
from fairslice.measure.measurement import Measured
from fairslice.measure.results import Machine, Versions, from_json
from fairslice.policy import load_policy
from fairslice.report import page
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

IPERF3 = Path(__file__).parents[1] / "fixtures" / "iperf3"
POLICY = Path(__file__).parents[2] / "policies" / "gold-silver-bronze.yaml"
NETWORK = build_network(
    [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=30e6
)
GOLD, SILVER = "gold:h1->h4", "silver:h2->h5"


def outcome(*flows: str) -> Outcome:
    """A run in which every flow got 10 Mbit/s; flows are ids, the last stream failed."""
    measured = [
        Measured(
            slice=flow.split(":")[0],
            source=flow.split(":")[1].split("->")[0],
            destination=flow.split("->")[1],
            allocated_bps=10e6,
            wire_bps=10e6,
            bottleneck="link s1->s2",
        )
        for flow in flows
    ]
    text = (IPERF3 / "server_tcp.json").read_text(encoding="utf-8")
    streams = {
        flow: StreamResult(flow, text.replace("3.12", f"3.12 of {flow}"), f'"client of {flow}"', 0.1, 0.9)
        for flow in flows
    }
    streams[flows[-1]] = StreamResult(flows[-1], "", "", float("nan"), float("nan"), "killed")
    result = compare(
        measured,
        policy=str(POLICY),
        topology="t.py",
        datapath="user",
        framework="ryu 4.34",
        generation=1,
        created="2026-11-22T08:00:00+00:00",
        window_s=1.0,
    )
    return Outcome(result, view(allocate_slices(load_policy(POLICY), NETWORK)), streams)


JOB = Job(
    network=NETWORK,
    topology="t.py",
    policy=load_policy(POLICY),
    max_duration_s=60.0,
    duration_s=1.0,
    warmup_s=0.0,
    tolerance=0.05,
    created="2026-11-22T08:00:00+00:00",
)


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory with one log of two."""
    kept = tmp_path / "run"
    kept.mkdir()
    (kept / "controller.log").write_text("what it said\n")
    monkeypatch.setattr(output, "LOGS", (kept / "controller.log", kept / "ovs-vswitchd.log"))
    return kept


def test_logs_are_copied_and_one_that_lacks_is_no_fault(tmp_path: Path, logs: Path) -> None:
    where = write_logs(tmp_path / "out" / "deep")
    assert {file.name: file.read_text() for file in where.iterdir()} == {"controller.log": "what it said\n"}


def test_everything_is_written(tmp_path: Path, logs: Path) -> None:
    out = tmp_path / "out"
    done = outcome(GOLD, SILVER)
    report = write_outcome(out, JOB, done)
    assert from_json((out / "results.json").read_text(encoding="utf-8")) == done.result
    assert report == out / "report.html"
    assert "gold" in report.read_text(encoding="utf-8")
    assert {file.name for file in out.iterdir()} == {"results.json", "report.html", "iperf3", "logs"}
    assert (out / "logs" / "controller.log").exists()
    raw = {file.name: file.read_text(encoding="utf-8") for file in (out / "iperf3").iterdir()}
    assert len(raw) == 4
    assert raw["gold_h1-h4.server.json"] == done.streams[GOLD].server_json
    assert raw["gold_h1-h4.client.json"] == done.streams[GOLD].client_json
    assert raw["silver_h2-h5.server.json"] == ""


@pytest.mark.parametrize(
    "flows",
    [
        (GOLD, "gold:h1->h4 udp dst_port 5004", "gold:h4->h1", SILVER),
        ("../../gold:h1->h4", "gold:/etc->h4", SILVER),
        ("a:b_c->d", "a_b:c->d", SILVER),
    ],
)
def test_every_flow_has_files_of_its_own_inside_the_directory(
    tmp_path: Path, logs: Path, flows: tuple[str, ...]
) -> None:
    done = outcome(GOLD, SILVER)
    streams = {flow: StreamResult(flow, f"S {flow}", f"C {flow}", 0, 1, "x") for flow in flows}
    write_outcome(tmp_path / "out", JOB, replace(done, streams=streams))
    files = list((tmp_path / "out" / "iperf3").iterdir())
    assert {file.read_text() for file in files} == {f"{side} {flow}" for side in "SC" for flow in flows}


def test_a_report_is_told_what_it_all_ran_on() -> None:
    done = outcome(GOLD, SILVER)
    ran = Versions(
        fairslice="1",
        framework="ryu 4.34",
        python="3.11.2",
        kernel="6.1",
        open_vswitch="3.1.0",
        iperf3=None,
        mininet="2.3.0",
    )
    on = Machine(processor="a processor", processors=2, virtual_machine=True)
    result = replace(done.result, command="fairslice run p.yaml", versions=ran, machine=on)
    told = report_input(JOB, replace(done, result=result))
    assert told.command == "fairslice run p.yaml"
    assert told.switches == ("s1", "s2")
    assert set(told.hosts) == {f"h{i}" for i in range(1, 7)}
    assert told.policy_text == POLICY.read_text(encoding="utf-8")
    assert told.environment["Open vSwitch"] == "3.1.0"
    assert told.environment["iperf3"] == "unknown"
    assert told.environment["controller framework"] == "ryu 4.34"
    assert told.environment["processors"] == "2, a processor, in a virtual machine"


def test_only_streams_that_ran_are_drawn() -> None:
    assert [series.flow for series in report_input(JOB, outcome(GOLD, SILVER)).series] == [0]


def test_a_flow_without_a_stream_keeps_its_place_among_the_drawn() -> None:
    """One that may send nothing has no iperf3."""
    whole = outcome(GOLD, SILVER, "bronze:h3->h6")
    streams = {flow: stream for flow, stream in whole.streams.items() if flow != GOLD}
    assert [series.flow for series in report_input(JOB, replace(whole, streams=streams)).series] == [1]


def full(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let files of these names, and those in directories of these names, find the disk full."""

    def write(path: Path, content: str | bytes) -> None:
        if {path.name, path.parent.name} & {*names}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    monkeypatch.setattr(page, "write_whole", write)


@pytest.mark.parametrize("lacking", ["report.html", "iperf3", "results.json"])
def test_what_finds_no_room_does_not_keep_the_rest_from_being_written(
    lacking: str, tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(monkeypatch, lacking)
    with pytest.raises(MachineError, match=f"{lacking}.*: can't be written: No space left"):
        write_outcome(tmp_path / "out", JOB, outcome(GOLD, SILVER))
    found = {file.name for file in (tmp_path / "out").rglob("*") if file.is_file()}
    expected = {"results.json", "report.html", "controller.log", "gold_h1-h4.server.json"}
    missing = "gold_h1-h4.server.json" if lacking == "iperf3" else lacking
    assert expected - found == {missing}


def test_all_that_finds_no_room_is_named(tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, "report.html", "iperf3", "results.json")
    with pytest.raises(MachineError) as raised:
        write_outcome(tmp_path / "out", JOB, outcome(GOLD, SILVER))
    assert raised.value.exit_status == 6
    lines = str(raised.value).splitlines()
    assert [Path(line.split(": ")[0]).name for line in lines] == [
        "results.json",
        "report.html",
        "gold_h1-h4.server.json",
    ]


def test_a_measurement_that_finds_no_room_is_shown_all_the_same(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full(monkeypatch, "report.html", "iperf3", "results.json")
    monkeypatch.setattr(run, "run_job", lambda job, progress: outcome(GOLD, SILVER))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    with pytest.raises(MachineError, match="No space left"):
        _carry_out(JOB, tmp_path / "out", as_json=False)
    said = capsys.readouterr().out
    assert "Fair: every flow got its allocation" in said
    assert "h1->h4" in said
    assert "Report:" not in said
