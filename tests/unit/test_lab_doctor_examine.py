"""Findings come out of the namespaces through memory, however their maker ends."""

import json
import os
import signal
from collections.abc import Sequence

import pytest

from fairslice.errors import MachineError
from fairslice.lab.doctor import examine
from fairslice.lab.doctor.examine import isolated_findings
from fairslice.lab.doctor.findings import Finding

FOUND = (
    Finding("ok", "meters", "they drop"),
    Finding("fail", "queues", "they don't queue ‒ at all", "mend it"),
)


def ends_with(monkeypatch: pytest.MonkeyPatch, text: str, status: int) -> None:
    def run_isolated(_argv: Sequence[str], *, output: int) -> int:
        os.write(output, text.encode())
        return status

    monkeypatch.setattr(examine, "run_isolated", run_isolated)


def test_what_is_written_is_read(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    ends_with(monkeypatch, json.dumps([finding.as_json() for finding in FOUND]), 0)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  a Path's iterdir opens one more
    print("before", flush=True)
    assert isolated_findings(["true"]) == (FOUND, 0)
    print("after", flush=True)
    assert capfd.readouterr().out == "before\nafter\n"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_is_passed_on(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    ends_with(monkeypatch, "", 128 + number)
    assert isolated_findings(["true"]) == ((), 128 + number)


@pytest.mark.parametrize(
    ("text", "status"), [("", 6), ("", 128 + signal.SIGKILL), ("nonsense", 0), ('[{"status": "fine"}]', 0)]
)
def test_an_end_without_findings_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    ends_with(monkeypatch, text, status)
    (found,), stopped = isolated_findings(["true"])
    assert (found.status, found.subject, stopped) == ("fail", "packet tests", 0)
    assert f"status {status}" in found.found


def test_namespaces_that_cannot_be_made_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_argv: Sequence[str], *, output: int) -> int:
        raise MachineError("no namespaces here; start it with --privileged")

    monkeypatch.setattr(examine, "run_isolated", refuse)
    assert isolated_findings(["true"]) == (
        (Finding("fail", "packet tests", "no namespaces here", "start it with --privileged"),),
        0,
    )
