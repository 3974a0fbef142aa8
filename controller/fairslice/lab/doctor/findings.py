"""What the doctor says: one line a thing that was looked at. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from fairslice.errors import MachineError

Status = Literal["ok", "warn", "fail"]

SUBJECTS = (
    "run",
    "Python",
    "controller framework",
    "Mininet",
    "Open vSwitch",
    "iperf3",
    "tools",
    "congestion control",
    "namespaces and privileges",
    "userspace datapath",
    "kernel datapath",
    "user-mode Linux",
    "processor load",
    "live switch ports",
    "live offloads",
    "packet tests",
    "link delay and loss",
    "offloads",
    "meters",
    "queues",
    "processor headroom",
)
"""All that a finding may be about; docs/doctor.md has an entry for each."""

_ORDER: Mapping[Status, int] = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it stands, what was found, and what mends it.

    "fail": fairslice's main job can't be done, or its numbers would be wrong. "warn": something less can't
    be done. ``fix`` is empty if and only if all is well.

    Raises:
        ValueError: a subject that is not one of :data:`SUBJECTS`, a complaint without a fix or a fix without
            a complaint.
    """

    status: Status
    subject: str
    found: str
    fix: str = ""

    def __post_init__(self) -> None:
        if self.subject not in SUBJECTS:
            raise ValueError(f"{self.subject!r} is not a subject; expected one of {', '.join(SUBJECTS)}")
        if (self.status == "ok") != (self.fix == ""):
            raise ValueError(f"{self.subject}: {self.status} with the fix {self.fix!r}")

    def as_json(self) -> dict[str, str]:
        """The fields as JSON holds them."""
        return {"status": self.status, "subject": self.subject, "found": self.found, "fix": self.fix}


def from_json(value: Mapping[str, str]) -> Finding:
    """The inverse of :meth:`Finding.as_json`.

    Raises:
        ValueError: no finding.
    """
    status = value.get("status")
    if status not in _ORDER:
        raise ValueError(f"{status!r} is not a status")
    return Finding(
        cast(Status, status), value.get("subject", ""), value.get("found", ""), value.get("fix", "")
    )


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In the order of :data:`SUBJECTS`; those of one subject stay as they are."""
    return tuple(sorted(findings, key=lambda finding: SUBJECTS.index(finding.subject)))


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status; "ok" of none."""
    return max((finding.status for finding in findings), key=_ORDER.__getitem__, default="ok")


def require_fit(findings: Iterable[Finding]) -> None:
    """Refuse a machine of which something fails.

    Raises:
        MachineError: all that fails, each with its fix.
    """
    failing = [finding for finding in findings if finding.status == "fail"]
    if failing:
        lines = [f"{finding.subject}: {finding.found}; {finding.fix}" for finding in failing]
        raise MachineError("\n".join(lines))
