"""What of ``script/test`` this machine can't run: told at its beginning, not after a quarter of an hour.

``python -m fairslice.testing.readiness`` exits with 0 if it can run all, else with 6 and every reason.
"""

import shutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from fairslice.errors import EXIT_MACHINE
from fairslice.lab.doctor.examine import booted_vm_finding
from fairslice.lab.doctor.findings import Finding
from fairslice.lab.doctor.software import (
    SWITCH_TOOLS,
    TOOLS,
    iperf3_finding,
    mininet_finding,
    missing_tools,
    open_vswitch_finding,
    output,
    privileges_finding,
    tools_finding,
    tun_trouble,
    userspace_datapath_finding,
)
from fairslice.lab.vm.machine import read_memory

VM_MEMORY = "2G"
"""What ``script/test`` gives the machine in which it tests the kernel's datapath."""


def reasons(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What is wrong and what mends it, of each finding that stands in the way."""
    return tuple(f"{one.found}; {one.fix}" for one in findings if one.status != "ok")


@cache
def against_emulation() -> tuple[str, ...]:
    """Why packets can't be sent through real switches here; empty if they can."""
    # iperf3 and Open vSwitch that are too old to be sure of are for their tests to judge.
    return reasons(
        one
        for one in (
            privileges_finding(),
            tools_finding(missing_tools(TOOLS)),
            open_vswitch_finding(missing_tools(SWITCH_TOOLS), output(["ovs-vswitchd", "--version"])),
            iperf3_finding(shutil.which("iperf3"), output(["iperf3", "--version"])),
            mininet_finding(),
            userspace_datapath_finding(tun_trouble(), required=True),
        )
        if one.status == "fail"
    )


def against_kernel_datapath() -> tuple[str, ...]:
    """Why the kernel's datapath can't be tested here, in a virtual machine that is booted to see."""
    return reasons([booted_vm_finding(read_memory(VM_MEMORY))])


def told(against: Mapping[str, tuple[str, ...]]) -> str:
    """What a user reads; empty if nothing stands in the way of anything."""
    lines = [f"  {what}: {reason}" for what, why in against.items() for reason in why]
    if not lines:
        return ""
    return "\n".join(("these tests can't run on this machine:", *lines))


def main() -> int:
    """Look at all, tell what stands in the way on standard error."""
    text = told(
        {
            "packets through real switches": against_emulation(),
            "the kernel's datapath": against_kernel_datapath(),
        }
    )
    if text:
        print(text, file=sys.stderr)
    return EXIT_MACHINE if text else 0


if __name__ == "__main__":
    sys.exit(main())
