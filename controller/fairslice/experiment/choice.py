"""On which datapath, and in which machine, an emulation runs. Pure, but for what it reads of this machine."""

import os
from dataclasses import dataclass
from typing import Literal

from fairslice.emulation.openvswitch import Datapath, kernel_module_loaded
from fairslice.vm.machine import VM_VARIABLE

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
    """This machine, by looking."""
    return Here(os.geteuid() == 0, kernel_module_loaded(), VM_VARIABLE in os.environ)


def choose(wanted: Wanted, force_vm: bool, here: Here) -> Choice:
    """``auto`` is the kernel's datapath where it is loaded, else the userspace datapath.

    A virtual machine is taken for the kernel datapath where the kernel has not loaded it, and for whoever is
    not root and so may not make namespaces; never inside one.
    """
    if here.inside_vm:
        return Choice("user" if wanted == "user" else "kernel")
    if force_vm:
        return Choice("user" if wanted == "user" else "kernel", vm=True, why="--vm")
    if not here.root:
        return Choice("user" if wanted == "user" else "kernel", vm=True, why="no root, which namespaces need")
    if wanted == "kernel" and not here.kernel_datapath:
        return Choice("kernel", vm=True, why="this kernel has not loaded openvswitch")
    if wanted == "auto":
        return Choice("kernel" if here.kernel_datapath else "user")
    return Choice(wanted)
