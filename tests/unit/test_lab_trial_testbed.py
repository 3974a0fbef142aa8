"""What a testbed leaves when it ends, well or not."""

from pathlib import Path

import pytest

from fairslice.errors import MachineError
from fairslice.lab.trial import testbed


def test_logs_outlive_the_switches_however_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, run = tmp_path / "work", tmp_path / "run"
    work.mkdir()
    run.mkdir()
    monkeypatch.setattr(testbed, "WORK_DIRECTORY", work)
    kept, missing = run / "ovs-vswitchd.log", run / "ovsdb-server.log"
    kept.write_text("what happened\n")
    with pytest.raises(MachineError, match="the switch is gone"), testbed._kept((kept, missing)):
        raise MachineError("the switch is gone")
    kept.unlink()
    assert [path.name for path in work.iterdir()] == [kept.name]
    assert (work / kept.name).read_text() == "what happened\n"


def test_the_logs_of_a_run_are_those_that_are_kept() -> None:
    assert [log.parent for log in testbed.LOGS] == [testbed.WORK_DIRECTORY] * 3
