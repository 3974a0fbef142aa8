"""A run opens its policy once and executes its topology once: read twice, they might be two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.emulation

ROOT = Path(__file__).parents[2]
# Python calls a hook for each file that it opens (PEP 578), in every process that finds this module.
HOOK = """
import os, sys

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        if os.path.realpath(os.fsdecode(arguments[0])) == os.environ["WATCHED"]:
            descriptor = os.open(os.environ["NOTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{os.getpid()}\\n".encode())
            os.close(descriptor)

sys.addaudithook(note)
"""
COUNTING = """
with open({noted!r}, "a") as noted:
    noted.write("executed\\n")
"""


@pytest.mark.parametrize("here", [False, True], ids=["directly", "in a place of the emulation's own"])
def test_a_run_reads_its_policy_and_its_topology_once(tmp_path: Path, here: bool) -> None:
    """Also where the policy lies in /run, which the emulation covers with its own."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    opened, executed = tmp_path / "opened", tmp_path / "executed"
    topology = tmp_path / "dumbbell.py"
    text = (ROOT / "topologies" / "dumbbell.py").read_text()
    topology.write_text(text + COUNTING.format(noted=str(executed)))
    policy = Path("/run") / f"fairslice-test-{os.getpid()}.yaml" if here else tmp_path / "policy.yaml"
    policy.write_text((ROOT / "policies" / "gold-silver-bronze.yaml").read_text())
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fairslice", "run", str(policy), "--topology", str(topology)),
                *("--duration", "2", "--out", str(tmp_path / "out"), "--json"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={
                **os.environ,
                "PYTHONPATH": str(tmp_path / "hook"),
                "WATCHED": str(policy.resolve()),
                "NOTED": str(opened),
            },
        )
    finally:
        policy.unlink()
    assert done.returncode in (0, 4, 5), done.stderr
    assert json.loads(done.stdout)["policy"] == str(policy)
    assert executed.read_text() == "executed\n"
    assert len(opened.read_text().splitlines()) == 1
