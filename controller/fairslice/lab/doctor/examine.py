"""Runs the doctor's checks: the cheap ones of every run, or all of them."""

import json
import os
from collections.abc import Sequence

from fairslice.errors import EXIT_OK, MachineError
from fairslice.lab.doctor.findings import Finding, from_json, ordered
from fairslice.lab.doctor.live import live_findings
from fairslice.lab.doctor.processor import Watch, processor_finding
from fairslice.lab.doctor.software import see_administrators_tools, software_findings, vm_finding
from fairslice.lab.emulation.isolation import run_isolated
from fairslice.lab.vm.machine import DEFAULT_MEMORY_BYTES, VM_VARIABLE, Machine, missing_for_vm, run_in_vm
from fairslice.linux.signals import STOP_SIGNALS

QUICK_WINDOW_S = 0.2
WINDOW_S = 1.0
_NEEDED = ("Mininet", "Open vSwitch", "tools", "namespaces and privileges")
_STOPPED = tuple(128 + number for number in STOP_SIGNALS)


def quick_findings(datapath: str = "auto") -> tuple[Finding, ...]:
    """What a run looks at before it begins, in less than 0.3 s; see :func:`~.findings.require_fit`.

    Args:
        datapath: "user", "kernel" (whose module is then required here) or "auto".
    """
    watch = Watch()
    findings = software_findings(datapath)
    return ordered((*findings, processor_finding(watch, QUICK_WINDOW_S)))


def cheap_findings(*, boot: bool) -> tuple[Finding, ...]:
    """All that needs no packets: software, privileges, load, and a live Open vSwitch beside; about 2 s.

    ``boot``: boot a virtual machine as well, another 2 s.
    """
    see_administrators_tools()
    # Before the watch, which would take it for the load of others.
    vm = (
        booted_vm_finding()
        if boot
        else vm_finding("; ".join(missing_for_vm()), inside=_inside(), booted=False)
    )
    # networkx comes with it, which takes longer than all that a run looks at.
    from fairslice.lab.doctor.way import thorough_findings
    from fairslice.lab.trial.datapath_choice import choose, look_here

    watch = Watch()
    findings = (*thorough_findings(vm, choose("auto", None, look_here(), None)), *live_findings())
    return ordered((*findings, processor_finding(watch, WINDOW_S)))


def booted_vm_finding(memory_bytes: int = DEFAULT_MEMORY_BYTES) -> Finding:
    """Boot a virtual machine to see whether it does; not where this is inside of one.

    Raises:
        SystemExit: the caller was told to stop meanwhile.
    """
    if _inside():
        return vm_finding("", inside=True, booted=False)
    try:
        status = run_in_vm(Machine(("true",), memory_bytes=memory_bytes, given=b""))
    except MachineError as error:
        return vm_finding(str(error), inside=False, booted=True)
    if status in _STOPPED:
        raise SystemExit(status)
    trouble = f"`fairslice vm -- true` ended with status {status}; see what it says" if status else ""
    return vm_finding(trouble, inside=False, booted=True)


def _inside() -> bool:
    return VM_VARIABLE in os.environ


def not_tested(findings: Sequence[Finding]) -> Finding | None:
    """Why there can be no packet tests, from the cheap findings; None if there can be."""
    # Lack of privileges is only a warning where `fairslice vm` gives them, but there they lack all the same.
    lacking = [
        finding.subject
        for finding in findings
        if finding.subject in _NEEDED
        and finding.status in (("warn", "fail") if finding.subject == _NEEDED[-1] else ("fail",))
    ]
    if not lacking:
        return None
    found = f"not done, for what is said of {', '.join(lacking)}"
    fix = "mend that, then sudo fairslice doctor"
    if lacking == [_NEEDED[-1]] and any(
        one.subject == "user-mode Linux" and one.status == "ok" for one in findings
    ):
        fix = "sudo fairslice doctor; or in a virtual machine: fairslice vm -- fairslice doctor"
    return Finding("warn", "packet tests", found, fix)


def isolated_findings(argv: Sequence[str]) -> tuple[tuple[Finding, ...], int]:
    """Run a command in namespaces of its own that writes findings as JSON, and read them.

    It writes to memory, so that nothing is left wherever it ends. Progress goes to standard error.

    Returns:
        The findings, and 0 or the exit status to end with: the caller was told to stop.
    """
    descriptor = os.memfd_create("findings")
    with os.fdopen(descriptor, "r", encoding="utf-8") as stream:
        try:
            status = run_isolated(argv, output=descriptor)
        except MachineError as error:
            found, _, fix = str(error).partition("; ")
            return (Finding("fail", "packet tests", found, fix or "see namespaces and privileges"),), EXIT_OK
        stream.seek(0)
        text = stream.read()
    if status in _STOPPED and not text:
        return (), status
    try:
        return tuple(map(from_json, json.loads(text))), EXIT_OK
    except ValueError:
        found = f"the packet tests ended with status {status} and told nothing"
        return (Finding("fail", "packet tests", found, "see the messages above"),), EXIT_OK
