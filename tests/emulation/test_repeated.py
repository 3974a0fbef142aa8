"""``fairslice run`` three times: results differ by what is measured, and by nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fairslice.errors import EXIT_CANT_TELL
from fairslice.measure.schema import json_schema

pytestmark = pytest.mark.emulation

ROOT = Path(__file__).parents[2]
DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
POLICY = """version: 1
slices:
  gold: {weight: 3, flows: [{from: h1, to: h4}]}
  voice: {flows: [{from: h2, to: h5, match: {proto: udp, dst_port: 5004}}]}
  ping: {flows: [{from: h3, to: h6, match: {proto: icmp}}]}
"""
TIMES = {"created", "window_s", "timings_s", "asked_s"}
JUDGED = {"error", "resolution", "passed", "doubt", "jain_index", "max_error", "verdict", "doubts", "notes"}
MEASURED = {
    "": {"busy"},
    "flows": {"wire_bps", "goodput_bps", "retransmits", "loss", "sent_bps"}
    | {"metered_bps", "queue_dropped_bps", "cable_lost_bps", "lost_bps"},
    "slices": {"wire_bps"},
    "links": {"wire_bps"},
    "hosts": {"sent_bps", "received_bps", "dropped_datagrams", "full"},
    "not_measured": set(),
}
"""What may differ besides times and what is judged by them: of the run, and of each list's parts."""


def run(directory: Path) -> dict[str, Any]:
    """results.json of a short run in the directory that it chooses by itself."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fairslice", "run", "policy.yaml"),
            *("--topology", str(ROOT / "topologies" / "dumbbell.py"), "--datapath", DATAPATH),
            *("--warmup", "1", "--duration", "2", "--max-duration", "2", "--json"),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 4, EXIT_CANT_TELL), done.stderr
    assert (directory / "out" / "last" / "results.json").read_text() == done.stdout
    document: dict[str, Any] = json.loads(done.stdout)
    Draft202012Validator(json_schema()).validate(document)
    return document


def what_stays(document: dict[str, Any], of: str = "") -> dict[str, Any]:
    may_differ = TIMES | JUDGED | MEASURED[of]
    return {
        key: [what_stays(one, key) for one in value] if not of and key in MEASURED else value
        for key, value in document.items()
        if key not in may_differ
    }


def test_three_runs_differ_by_what_is_measured(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    first, *others = (run(tmp_path) for _ in range(3))
    for other in others:
        assert what_stays(other) == what_stays(first)
        assert other["created"] > first["created"]
    kept = what_stays(first)
    assert kept["command"].startswith("fairslice run policy.yaml --topology ")
    assert [flow["number"] for flow in (*kept["flows"], *kept["not_measured"])] == [1, 2, 3]
    assert len({flow["allocated_bps"] for flow in kept["flows"]}) == 2
    directories = [path for path in (tmp_path / "out").iterdir() if not path.is_symlink()]
    assert len(directories) == 3
    files = [sorted(str(p.relative_to(one)) for p in one.rglob("*")) for one in directories]
    assert files[0] == files[1] == files[2]
