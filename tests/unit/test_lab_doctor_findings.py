"""Findings: what they may say, their order, and when they refuse a machine."""

import re
from pathlib import Path

import pytest

from fairslice.errors import EXIT_MACHINE, MachineError
from fairslice.lab.doctor.findings import SUBJECTS, Finding, from_json, ordered, require_fit, worst

GUIDE = Path(__file__).parents[2] / "docs" / "doctor.md"
PACKAGE = Path(__file__).parents[2] / "controller" / "fairslice" / "lab" / "doctor"

OK = Finding("ok", "Python", "3.11")
WARN = Finding("warn", "user-mode Linux", "none", "install it")
FAIL = Finding("fail", "iperf3", "not there", "install iperf3")
FAIL_TOO = Finding("fail", "meters", "nothing drops", "use another switch")


@pytest.mark.parametrize(("status", "fix"), [("ok", "mend it"), ("warn", ""), ("fail", "")])
def test_a_complaint_has_a_fix_and_nothing_else_has(status: str, fix: str) -> None:
    with pytest.raises(ValueError, match=status):
        Finding(status, "Python", "3.11", fix)  # type: ignore[arg-type]


def test_subjects_are_known() -> None:
    with pytest.raises(ValueError, match="'weather' is not a subject"):
        Finding("ok", "weather", "fine")


def test_the_worst_decides() -> None:
    assert worst([]) == "ok"
    assert worst([OK]) == "ok"
    assert worst([WARN, OK]) == "warn"
    assert worst([OK, FAIL, WARN]) == "fail"


def test_order_is_that_of_the_subjects_and_stable() -> None:
    twice = (Finding("ok", "meters", "userspace"), Finding("ok", "meters", "kernel"))
    assert ordered([*twice, WARN, FAIL, OK]) == (OK, FAIL, WARN, *twice)


def test_warnings_refuse_nothing() -> None:
    require_fit([OK, WARN])


def test_all_that_fails_is_told_with_its_fix() -> None:
    with pytest.raises(MachineError) as refused:
        require_fit([OK, FAIL, WARN, FAIL_TOO])
    assert str(refused.value).splitlines() == [
        "iperf3: not there; install iperf3",
        "meters: nothing drops; use another switch",
    ]
    assert refused.value.exit_status == EXIT_MACHINE


@pytest.mark.parametrize("finding", [OK, WARN, FAIL])
def test_json_there_and_back(finding: Finding) -> None:
    assert from_json(finding.as_json()) == finding


@pytest.mark.parametrize(
    "value", [{}, {"status": "fine", "subject": "Python"}, {"status": "ok", "subject": "Python", "fix": "no"}]
)
def test_what_is_no_finding_is_refused(value: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"status|fix"):
        from_json(value)


def test_the_guide_has_an_entry_for_every_subject_and_for_nothing_else() -> None:
    entries = re.findall(r"^## (.+)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert entries == list(SUBJECTS)


def test_every_subject_is_looked_at() -> None:
    texts = "".join(
        path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py") if path.stem != "findings"
    )
    assert [subject for subject in SUBJECTS if f'"{subject}"' not in texts] == []
