"""What a machine can't test is told at the beginning of script/test, with what mends it."""

import os
import subprocess
from pathlib import Path

import pytest

from fairslice.lab.doctor.findings import Finding
from fairslice.testing import readiness
from fairslice.testing.readiness import VM_MEMORY, against_emulation, reasons, told

ROOT = Path(__file__).parents[2]


def test_what_stands_in_the_way_is_told_with_what_mends_it() -> None:
    why = reasons(
        [Finding("ok", "iperf3", "3.12"), Finding("warn", "user-mode Linux", "no room", "make room")]
    )
    assert why == ("no room; make room",)
    assert told({"packets": (), "kernel": why}).splitlines()[1:] == ["  kernel: no room; make room"]
    assert told({"packets": (), "kernel": ()}) == ""


def test_a_machine_without_tools_and_rights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    against_emulation.cache_clear()
    try:
        found = "\n".join(against_emulation())
    finally:
        against_emulation.cache_clear()
    print(found)
    for package in ("util-linux", "openvswitch-switch", "iperf3", "iproute2"):
        assert package in found


def test_it_exits_as_a_machine_that_lacks_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "against_emulation", lambda: ())
    for why, status in ((("no room; make room",), 6), ((), 0)):
        monkeypatch.setattr(readiness, "against_kernel_datapath", lambda why=why: why)
        assert readiness.main() == status
        assert ("the kernel's datapath: no room; make room" in capsys.readouterr().err) == (status == 6)


def test_the_script_looks_before_it_begins(tmp_path: Path) -> None:
    """Run as a script would, with stand-ins that tell in which order they were called."""
    script = (ROOT / "script" / "test").read_text()
    assert f"vm --memory {VM_MEMORY}" in script, "what was booted to see is what is run"
    for directory in ("script", ".venv/bin"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "script" / "test").write_text(script)
    stand_in = '#!/bin/sh\necho "$(basename "$0") $*"\n'
    for name in ("script/bootstrap", "script/lint", "script/test-provisioning", ".venv/bin/python"):
        (tmp_path / name).write_text(stand_in + ("exit 6\n" if name.endswith("provisioning") else ""))
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", tmp_path / "script" / "test"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": os.defpath},
    )
    assert done.returncode == 6
    assert done.stdout.splitlines() == [
        "bootstrap --dev",
        "python -m fairslice.testing.readiness",
        "test-provisioning --check",
    ]
    assert "run script/test unit" in done.stderr


def test_provisioning_refuses_a_machine_without_rights() -> None:
    as_nobody = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*as_nobody, "bash", "-s", "--", "--check"],
        input=(ROOT / "script" / "test-provisioning").read_text(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr.startswith("test-provisioning: needs root, is run by user ")
