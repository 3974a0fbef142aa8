"""Where `fairslice run` would run, on this machine itself or in a virtual machine, and what holds there."""

from fairslice.lab.doctor.findings import Finding
from fairslice.lab.doctor.software import (
    common_findings,
    imported_framework,
    imported_mininet,
    privileges_finding,
    wires_finding,
)
from fairslice.lab.trial.datapath_choice import Choice


def thorough_findings(vm: Finding, choice: Choice) -> tuple[Finding, ...]:
    """All that needs no packets and is software, for the way that a run takes; half a second.

    The framework and Mininet are imported, in processes of their own.

    Args:
        vm: what is known of user-mode Linux.
        choice: the way that a run without options takes.
    """
    privileges = privileges_finding()
    return (
        imported_framework(),
        imported_mininet(),
        or_in_a_vm(privileges, vm, by_itself=choice.vm),
        *common_findings("auto", on_this_machine=not choice.vm),
        vm,
        wires_finding(),
        run_finding(choice.datapath, choice.why, privileges, vm),
    )


def or_in_a_vm(finding: Finding, vm: Finding, *, by_itself: bool) -> Finding:
    """Lack of privileges is not a failure where user-mode Linux gives them to anybody.

    ``by_itself``: a run takes a virtual machine without being told to.
    """
    if finding.status != "fail" or vm.status != "ok":
        return finding
    without = "`fairslice run --vm`, which needs no privileges"
    if by_itself:
        without = "nothing: `fairslice run` takes a virtual machine by itself"
    fix = f"{finding.fix}; or {without}"
    return Finding("warn", finding.subject, finding.found, fix)


def run_finding(datapath: str, vm_why: str, privileges: Finding, vm: Finding) -> Finding:
    """What `fairslice run` without options would use.

    Args:
        datapath: "user" or "kernel".
        vm_why: why it takes a virtual machine by itself; empty: it does not.
        privileges: what :func:`privileges_finding` says.
        vm: what :func:`vm_finding` says.
    """
    uses = "the kernel's datapath" if datapath == "kernel" else "the userspace datapath"
    if vm_why and vm.status == "ok":
        return Finding("ok", "run", f"`fairslice run` uses a virtual machine and {uses} in it ({vm_why})")
    if not vm_why and privileges.status == "ok":
        return Finding("ok", "run", f"`fairslice run` uses this machine itself and {uses}")
    if vm.status == "ok":
        found = f"`fairslice run` can't use this machine itself: {privileges.found}"
        return Finding("warn", "run", found, f"`fairslice run --vm`; or {privileges.fix}")
    found = "`fairslice run` can use neither this machine itself nor a virtual machine"
    return Finding("fail", "run", found, f"{privileges.fix}; or {vm.fix}")
