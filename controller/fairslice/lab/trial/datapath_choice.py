"""On which datapath, and in which machine, an emulation runs. Pure, but for what it reads of this machine."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fairslice.errors import MachineError
from fairslice.lab.emulation.openvswitch import Datapath, kernel_module_loaded
from fairslice.lab.emulation.wires import missing_for_wires, what_wires_lack
from fairslice.lab.vm.machine import VM_VARIABLE
from fairslice.topology.network import Network

Wanted = Literal["auto", "kernel", "user"]


@dataclass(frozen=True, slots=True)
class Here:
    """What decides: root may make namespaces; the kernel may have loaded openvswitch; we may be in the VM."""

    root: bool
    kernel_datapath: bool
    inside_vm: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The datapath, and whether to boot a virtual machine for it; ``why`` one is needed, for people."""

    datapath: Datapath
    vm: bool = False
    why: str = ""


def look_here() -> Here:
    """Probe this machine."""
    return Here(os.geteuid() == 0, kernel_module_loaded(), VM_VARIABLE in os.environ)


def choose(
    wanted: Wanted,
    vm: bool | None,
    here: Here,
    network: Network | None,
    *,
    missing: Callable[[], Sequence[str]] = missing_for_wires,
) -> Choice:
    """``auto`` is the kernel's datapath where it is loaded, else the userspace datapath.

    A virtual machine is taken for the kernel datapath where the kernel has not loaded it, for links with
    delay or loss where the kernel can't emulate them, and for whoever is not root and so may not make
    namespaces; never inside one.

    Args:
        wanted: which datapath.
        vm: whether to take one in any case; False: in no case.
        here: where it is to run.
        network: what it is to run; None: all that it needs is there.
        missing: what this kernel lacks for links with delay or loss; asked only if it matters.

    Raises:
        MachineError: ``vm`` is False, and it can't be done without one.
    """
    in_vm: Datapath = "user" if wanted == "user" else "kernel"
    if here.inside_vm:
        return Choice(in_vm)
    why = "--vm"
    if not vm:
        why = _why_not_here(wanted, here, network, missing)
    if why and vm is False:
        raise MachineError(f"{why}; a virtual machine would do, and --no-vm forbids it")
    if why:
        return Choice(in_vm, vm=True, why=why)
    if wanted == "auto":
        return Choice("kernel" if here.kernel_datapath else "user")
    return Choice(wanted)


def _why_not_here(
    wanted: Wanted, here: Here, network: Network | None, missing: Callable[[], Sequence[str]]
) -> str:
    """Why this machine itself can't run it; "": it can."""
    if not here.root:
        return "no root, which namespaces need"
    if wanted == "kernel" and not here.kernel_datapath:
        return "this kernel has not loaded openvswitch"
    return "" if network is None else what_wires_lack(network, missing)
