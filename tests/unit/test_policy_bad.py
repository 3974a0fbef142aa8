"""Every file in tests/policies/bad is refused with the messages beside it, by the library and the command."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairslice import cli
from fairslice.errors import Fault, InputError
from fairslice.policy.load import check_policy, load_policy

BAD = sorted((Path(__file__).parents[1] / "policies" / "bad").glob("*.yaml"))


@dataclass(frozen=True)
class KnownHost:
    name: str
    mac: str
    ip: str


@dataclass(frozen=True)
class KnownNetwork:
    hosts: Mapping[str, KnownHost]


# As on topologies/dumbbell.py.
HOSTS = {f"h{i}": KnownHost(f"h{i}", f"00:00:00:00:00:0{i}", f"10.0.0.{i}") for i in range(1, 7)}


def rendered(fault: Fault, path: Path) -> str:
    place = f"{fault.location.line}:{fault.location.column}: " if fault.location else ""
    return place + fault.message.replace(str(path), "FILE")


def expected(path: Path) -> list[str]:
    return path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()


def test_there_are_many_and_none_is_left_over() -> None:
    assert len(BAD) >= 30
    assert {path.stem for path in BAD} == {path.stem for path in BAD[0].parent.glob("*.expected")}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_every_fault_is_listed_with_its_place(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_policy(path, HOSTS)
    assert [rendered(fault, path) for fault in caught.value.faults] == expected(path)
    assert all(
        fault.location is not None and fault.location.file == str(path) for fault in caught.value.faults
    )


@pytest.mark.parametrize(
    "path", [path for path in BAD if not path.stem.startswith("host-")], ids=lambda path: path.stem
)
def test_faults_that_need_no_hosts_show_without_them(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_policy(path)
    found = [rendered(fault, path) for fault in caught.value.faults]
    assert found
    assert set(found) <= set(expected(path))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_command_exits_2_without_a_traceback(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairslice.topology.load.load_network", lambda spec, **_: KnownNetwork(HOSTS))
    monkeypatch.setenv("FAIRSLICE_DEBUG", "1")  # an internal error would be raised here
    monkeypatch.setattr(sys, "argv", ["fairslice", "check", str(path), "--topology", "any"])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    assert output.err.splitlines() == [f"{path}:{line.replace('FILE', str(path))}" for line in expected(path)]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_command_lists_the_same_as_json(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairslice.topology.load.load_network", lambda spec, **_: KnownNetwork(HOSTS))
    monkeypatch.setattr(sys, "argv", ["fairslice", "check", "--json", "--topology", "any", str(path)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 2
    output = capsys.readouterr()
    assert output.err == ""
    (result,) = json.loads(output.out)["files"]
    assert (result["file"], result["ok"]) == (str(path), False)
    found = [
        f"{f['line']}:{f['column']}: {f['message'].replace(str(path), 'FILE')}" for f in result["faults"]
    ]
    assert found == expected(path)
