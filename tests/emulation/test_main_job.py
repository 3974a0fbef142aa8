"""``fairslice run``: policies become rates that iperf3 measures on real Open vSwitch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fairslice.errors import EXIT_CANT_TELL
from fairslice.measure.results import RunResult, from_json
from fairslice.measure.schema import json_schema

pytestmark = pytest.mark.emulation

ROOT = Path(__file__).parents[2]
DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
DURATION = "20" if DATAPATH == "kernel" else "6"
"""In the virtual machine reading the counters of twenty switches takes some seconds."""
WARMUP = "4"
JOBS = [
    # topology, policy, largest error
    ("dumbbell", "gold-silver-bronze", 0.03),
    ("dumbbell", "guaranteed", 0.05),
    ("dumbbell", "limited", 0.05),
    ("dumbbell", "demands", 0.05),
    ("dumbbell", "mixed-enforcement", 0.05),
    ("dumbbell", "udp-and-tcp", 0.05),
    ("dumbbell", "members", 0.05),
    ("parking_lot", "parking-lot", 0.05),
    ("star", "star", 0.05),
    ("ring", "ring", 0.05),
    ("abilene", "abilene-research", 0.05),
    ("fat_tree", "fat-tree-tenants", 0.05),
]
BOTH = pytest.mark.both_datapaths
ON_BOTH_DATAPATHS = ("mixed-enforcement", "fat-tree-tenants")
"""A minute each in the virtual machine; test_vm.py has gold-silver-bronze there."""


def fairslice(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fairslice", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=800,
        check=False,
    )


def run(topology: str, policy: str | Path, out: Path, *more: str) -> RunResult:
    """Run and read results.json; once more if the machine was too busy to tell."""
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        done = fairslice(
            *("run", "--topology", f"topologies/{topology}.py", "--policy", str(policy)),
            *(
                "--datapath",
                DATAPATH,
                "--warmup",
                WARMUP,
                "--duration",
                DURATION,
                "--out",
                str(out),
                "--json",
                *more,
            ),
        )
        assert done.returncode in (0, 4, EXIT_CANT_TELL), done.stderr
        assert not done.stderr
        result = from_json(done.stdout)
        assert done.returncode == result.exit_status
        show(result)
        if done.returncode != EXIT_CANT_TELL:
            break
    return result


def show(result: RunResult) -> None:
    print(
        f"\n{result.policy} on {result.topology}: {result.verdict}, Jain {result.jain_index}, {result.busy}"
    )
    for flow in result.flows:
        name = f"{flow.slice} {flow.source}->{flow.destination} {flow.match}"
        print(
            f"  {name}: allocated {flow.allocated_bps:.0f}, on the wire {flow.wire_bps:.0f}, "
            f"error {flow.error:+.2%}, within {result.tolerance:.0%}"
        )


@pytest.mark.parametrize(
    ("topology", "policy", "bound"),
    [pytest.param(*job, id=job[1], marks=BOTH if job[1] in ON_BOTH_DATAPATHS else ()) for job in JOBS],
)
def test_every_flow_gets_its_allocation(topology: str, policy: str, bound: float, tmp_path: Path) -> None:
    result = run(topology, f"policies/{policy}.yaml", tmp_path / "out", "--tolerance", str(100 * bound))
    assert result.exit_status == 0
    assert result.max_error is not None
    assert result.max_error <= bound
    assert result.jain_index is not None
    assert result.jain_index >= 0.995
    for flow in result.flows:
        if flow.protocol == "udp":
            # It sends no more than its allocation: nothing may drop it (see lab/emulation/sockets.py).
            print(f"  {flow.slice} lost {flow.loss:.2%}, at most 0.5 %")
            assert flow.loss is not None
            assert flow.loss <= 0.005
    text = (tmp_path / "out" / "results.json").read_text()
    assert from_json(text) == result
    Draft202012Validator(json_schema()).validate(json.loads(text))
    assert result.command.startswith(f"fairslice run --topology topologies/{topology}.py")
    assert result.versions is not None
    assert None not in (result.versions.open_vswitch, result.versions.iperf3, result.versions.mininet)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<svg" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    said = list((tmp_path / "out" / "iperf3").iterdir())
    assert len(said) == 2 * len(result.flows)
    for report in said:
        # Warm-up and window, whenever the stream began.
        lasted_s = json.loads(report.read_text())["intervals"][-1]["sum"]["end"]
        assert lasted_s >= float(WARMUP) + result.window_s, report.name
    assert {path.name for path in (tmp_path / "out" / "logs").iterdir()} >= {"controller.log"}


def test_parking_lot_is_the_textbook_s() -> None:
    """Bertsekas and Gallager, Data Networks, §6.5.2: the long flow and each short one get C/2."""
    done = fairslice(
        *(
            "plan",
            "policies/parking-lot.yaml",
            "--topology",
            "topologies/parking_lot.py",
            "--json",
            "--rates-only",
        )
    )
    rates: list[Any] = [flow["allocated_bps"] for flow in json.loads(done.stdout)["flows"]]
    assert len(rates) == 4
    assert rates == pytest.approx([10e6] * 4)


def with_enforcement(enforcement: str, directory: Path) -> Path:
    text = (ROOT / "policies" / "gold-silver-bronze.yaml").read_text()
    assert "enforcement: both" not in text
    path = directory / f"{enforcement}.yaml"
    path.write_text(text.replace("version: 1\n", f"version: 1\ndefaults: {{enforcement: {enforcement}}}\n"))
    return path


@pytest.mark.parametrize("enforcement", ["police", "both", "shape"])
def test_a_sender_that_does_not_listen(enforcement: str, tmp_path: Path) -> None:
    """UDP at ten times its allocation; the TCP slices keep at least 95 % of theirs."""
    policy = with_enforcement(enforcement, tmp_path)
    result = run("dumbbell", policy, tmp_path / "out", "--send", "bronze=udp,x10")
    *tcp, udp = result.flows
    assert udp.protocol == "udp"
    assert udp.offered_bps == pytest.approx(10 * udp.allocated_bps)
    kept = {flow.slice: flow.wire_bps / flow.allocated_bps for flow in tcp}
    print(
        f"{enforcement}: TCP kept {kept}, expected at least 0.95; UDP got {udp.wire_bps / udp.allocated_bps}"
    )
    assert any("sent UDP" in note for note in result.notes)
    assert udp.sent_bps is not None
    assert udp.loss is not None
    on_purpose = ((udp.metered_bps or 0.0) + (udp.queue_dropped_bps or 0.0)) / udp.sent_bps
    print(f"{udp.sent_bps:.0f} bit/s: missed {udp.loss:.2%}, on purpose {on_purpose:.2%}, at most 1 % apart")
    assert on_purpose == pytest.approx(udp.loss, abs=0.01)
    assert (udp.queue_dropped_bps if enforcement == "shape" else udp.metered_bps) == pytest.approx(
        on_purpose * udp.sent_bps, rel=0.05
    )
    assert min(kept.values()) >= 0.95
    if enforcement != "shape":
        # A queue lends what others leave; a meter does not.
        assert udp.wire_bps <= 1.05 * udp.allocated_bps


def test_infeasible_guarantees_are_refused_before_anything_starts(tmp_path: Path) -> None:
    policy = tmp_path / "big.yaml"
    policy.write_text(
        "version: 1\nslices:\n"
        "  a: {guarantee: 20 Mbit/s, flows: [{from: h1, to: h4}]}\n"
        "  b: {guarantee: 15 Mbit/s, flows: [{from: h2, to: h5}]}\n"
    )
    out = tmp_path / "out"
    done = fairslice(
        "run", "--topology", "topologies/dumbbell.py", "--policy", str(policy), "--out", str(out)
    )
    assert done.returncode == 3
    for expected in ("s1->s2", "a:h1->h4", "b:h2->h5", ": 5 Mbit/s too little"):
        assert expected in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("where", ["namespaces", "virtual machine"])
def test_json_is_alone_whatever_is_printed(where: str) -> None:
    """By those who run the emulation elsewhere and by those who run it there, who write the document."""
    options = ["--vm"] if where == "virtual machine" else ["--datapath", "user"]
    arguments = (
        "run",
        "--topology",
        "topologies/dumbbell.py",
        "--policy",
        "policies/gold-silver-bronze.yaml",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fairslice",
            *arguments,
            "--warmup",
            "1",
            "--duration",
            "2",
            "--json",
            *options,
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "noise")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode in (0, 4, EXIT_CANT_TELL), done.stderr
    assert from_json(done.stdout).exit_status == done.returncode
    # Each printed at its end: the command, the one inside, and in the virtual machine one more between them.
    ends = done.stderr.count("noise: a system call, at the end")
    assert ends == (3 if where == "virtual machine" else 2)
