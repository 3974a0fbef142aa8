"""``fairslice run`` on GraphML and SNDlib files: their networks stand, and rates hold on them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairslice.errors import EXIT_CANT_TELL
from fairslice.measure.results import from_json

pytestmark = [pytest.mark.emulation, pytest.mark.timeout(300)]

FILES = Path(__file__).parents[1] / "topologies"
DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
SNDLIB_POLICY = """version: 1
slices:
  tea: {weight: 2, flows: [{from: h1, to: h4}]}
  silk: {flows: [{from: h2, to: h4}, {from: h6, to: h1}]}
"""


def run(
    topology: Path, policy: Path, out: Path, fastest: str, *more: str
) -> "subprocess.CompletedProcess[str]":
    """The command as users call it; once more if the machine was too busy to tell."""
    command = [
        *(sys.executable, "-m", "fairslice", "run", "--topology", str(topology), "--policy", str(policy)),
        *("--hosts-per-switch", "1", "--scale-bandwidth", fastest),
        *("--datapath", DATAPATH, "--duration", "5", "--out", str(out), *more),
    ]
    for _ in range(2):
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=140, check=False
        )
        print(done.stdout, done.stderr)
        if done.returncode != EXIT_CANT_TELL:
            break
    return done


def test_a_graphml_file_with_eleven_nodes(tmp_path: Path) -> None:
    done = run(FILES / "graphml" / "eleven.graphml", FILES / "eleven.yaml", tmp_path / "out", "100 Mbit/s")
    assert done.returncode == 0
    assert "Fair: every flow got its allocation" in done.stdout
    assert "s8->s11 is full" in done.stdout
    assert "s8 is Innsbruck (h8), s11 is Wien (h11)" in done.stdout
    result = from_json((tmp_path / "out" / "results.json").read_text())
    assert {(link.source, link.target): link.capacity_bps for link in result.links}["s8", "s11"] == 10e6
    # The file's 1 Gbit/s become 10 Mbit/s, since its 10 Gbit/s become 100.
    to_wien_bps = sum(flow.allocated_bps for flow in result.flows if flow.destination == "h11")
    assert to_wien_bps == pytest.approx(10e6)
    assert "Zürich" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_an_sndlib_file_with_eleven_nodes(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(SNDLIB_POLICY)
    done = run(FILES / "sndlib" / "eleven.xml", policy, tmp_path / "out", "20 Mbit/s", "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    result = from_json(done.stdout)
    assert all(flow.passed for flow in result.flows)
    capacities = {(link.source, link.target): link.capacity_bps for link in result.links}
    assert capacities["s6", "s1"] == 5e6
    assert capacities["s1", "s2"] == 20e6
