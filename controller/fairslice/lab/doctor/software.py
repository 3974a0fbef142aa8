"""Checks that cost milliseconds and send no packets: what is installed, and what this process may do."""

import errno
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fairslice.errors import MachineError
from fairslice.lab.doctor.findings import Finding
from fairslice.lab.emulation.isolation import check_isolation
from fairslice.lab.emulation.openvswitch import kernel_module_loaded
from fairslice.linux.command import administrators_path
from fairslice.linux.congestion import available_congestion_controls
from fairslice.linux.mininet_package import mininet_cure

PYTHON = (3, 11)
OPEN_VSWITCH = (3, 1)
"""The oldest that is tested."""
IPERF3 = (3, 9)
"""The oldest that is known to end a server after one test (-1) with JSON of both sides."""
FRAMEWORK: Mapping[str, str] = {"ryu": "4.34", "eventlet": "0.40", "dnspython": "2.6"}
"""Distributions and the oldest fit version of each; ryu's is the only one (setup.cfg)."""
SWITCH_TOOLS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl")
TOOLS: Mapping[str, str] = {
    "ip": "iproute2",
    "tc": "iproute2",
    "ethtool": "ethtool",
    "mnexec": "mininet",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
"""And the Debian package of each."""
CONGESTION_CONTROL = "cubic"
TUN = "/dev/net/tun"

_TIMEOUT_S = 30.0
_IMPORT_TIMEOUT_S = 120.0
_BOOTSTRAP = "run script/bootstrap"
_IMPORT_FRAMEWORK = "import fairslice.control.openflow.framework as f; print(f.FRAMEWORK)"
_IMPORT_MININET = "import fairslice.lab.emulation.network"


def python_finding(version: tuple[int, int]) -> Finding:
    """Whether a version of Python is fit."""
    found = ".".join(map(str, version))
    if version < PYTHON:
        fix = f"use Python {'.'.join(map(str, PYTHON))} or newer (Debian 12 has it); {_BOOTSTRAP}"
        return Finding("fail", "Python", found, fix)
    return Finding("ok", "Python", found)


def framework_finding(versions: Mapping[str, str | None]) -> Finding:
    """Whether the controller framework is installed in versions that work together; None: not there."""
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding(
            "fail",
            "controller framework",
            f"{', '.join(missing)} not installed",
            f"{_BOOTSTRAP}, which builds Ryu with a setuptools that it takes, or install the extra"
            ' "controller" (README, "Install")',
        )
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    old = [name for name in versions if _version(versions[name] or "") < _version(FRAMEWORK[name])]
    if old:
        wanted = ", ".join(f"{name} {FRAMEWORK[name]}" for name in old)
        return Finding(
            "fail", "controller framework", found, f"{_BOOTSTRAP}; {wanted} is the oldest that works here"
        )
    return Finding("ok", "controller framework", found)


def installed_framework() -> dict[str, str | None]:
    """The versions of :data:`FRAMEWORK` here; nothing is imported."""
    versions: dict[str, str | None] = {}
    for name in FRAMEWORK:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def imported_framework() -> Finding:
    """Import the framework, in a process of its own: what is installed may still not work."""
    finding = framework_finding(installed_framework())
    return (
        finding if finding.status == "fail" else _imported("controller framework", _IMPORT_FRAMEWORK, finding)
    )


def mininet_finding() -> Finding:
    """Whether Mininet's package is there; nothing is imported."""
    if importlib.util.find_spec("mininet") is None:
        return Finding(
            "fail",
            "Mininet",
            "Mininet can't be imported",
            mininet_cure(),
        )
    return Finding("ok", "Mininet", "installed")


def imported_mininet() -> Finding:
    """Import Mininet, in a process of its own."""
    finding = mininet_finding()
    return finding if finding.status == "fail" else _imported("Mininet", _IMPORT_MININET, finding)


def open_vswitch_finding(missing: Iterable[str], version_text: str) -> Finding:
    """From the tools that are missing and what ``ovs-vswitchd --version`` wrote."""
    missing = tuple(missing)
    if missing:
        found = f"{', '.join(missing)} not found"
        return Finding("fail", "Open vSwitch", found, "install the package openvswitch-switch")
    version = _version(version_text)
    if not version:
        found = f"ovs-vswitchd --version wrote {version_text[:60]!r}"
        return Finding("fail", "Open vSwitch", found, "install the package openvswitch-switch again")
    found = ".".join(map(str, version))
    if version < OPEN_VSWITCH:
        fix = f"use {'.'.join(map(str, OPEN_VSWITCH))} or newer; nothing older was tested"
        return Finding("warn", "Open vSwitch", found, fix)
    return Finding("ok", "Open vSwitch", found)


def iperf3_finding(path: str | None, version_text: str) -> Finding:
    """From where iperf3 is and what ``iperf3 --version`` wrote."""
    fix = "install the package iperf3"
    if path is None:
        return Finding("fail", "iperf3", "iperf3 not found", fix)
    version = _version(version_text)
    found = ".".join(map(str, version)) or f"iperf3 --version wrote {version_text[:60]!r}"
    if version < IPERF3:
        fix = f"{fix}, {'.'.join(map(str, IPERF3))} or newer"
        return Finding("fail", "iperf3", found, fix)
    return Finding("ok", "iperf3", found)


def tools_finding(missing: Iterable[str]) -> Finding:
    """From those of :data:`TOOLS` that are missing."""
    missing = tuple(missing)
    if missing:
        packages = sorted({TOOLS[tool] for tool in missing})
        return Finding("fail", "tools", f"{', '.join(missing)} not found", f"install {', '.join(packages)}")
    return Finding("ok", "tools", ", ".join(TOOLS))


def congestion_control_finding(available: Iterable[str]) -> Finding:
    """From the kernel's TCP congestion controls."""
    available = tuple(available)
    found = ", ".join(available) or "none to be seen"
    if CONGESTION_CONTROL in available:
        return Finding("ok", "congestion control", found)
    fix = (
        f"load tcp_{CONGESTION_CONTROL} (sudo modprobe tcp_{CONGESTION_CONTROL}), "
        "or choose another with `fairslice run --congestion-control`"
    )
    return Finding("warn", "congestion control", found, fix)


def privileges_finding() -> Finding:
    """Whether this process may make the namespaces that the emulation runs in."""
    try:
        check_isolation()
    except MachineError as error:
        found, _, fix = str(error).partition("; ")
        return Finding("fail", "namespaces and privileges", found, fix)
    return Finding("ok", "namespaces and privileges", "network, mount and PID namespaces can be made")


def userspace_datapath_finding(trouble: str, required: bool) -> Finding:
    """From what is wrong with :data:`TUN` (nothing: empty), through which each bridge has a port of its own.

    ``required``: the run is to use the userspace datapath.
    """
    if not trouble:
        return Finding("ok", "userspace datapath", f"{TUN} can be opened")
    fix = f"run sudo modprobe tun; in a container, start it with --device {TUN}"
    if trouble == os.strerror(errno.EACCES):
        fix = "run it with sudo"
    if not required:
        fix += "; or use another datapath, as `fairslice run` does"
    found = f"{TUN}: {trouble}, so that Open vSwitch can't make a bridge"
    return Finding("fail" if required else "warn", "userspace datapath", found, fix)


def tun_trouble(path: Path = Path(TUN)) -> str:
    """Why the TUN device can't be opened; empty if it can be."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def kernel_datapath_finding(loaded: bool, loadable: bool, required: bool) -> Finding:
    """Whether the kernel's own datapath is there; ``required``: the run is to use it."""
    if loaded:
        return Finding("ok", "kernel datapath", "the kernel module openvswitch is loaded")
    if loadable:
        found, fix = "the kernel module openvswitch is not loaded", "run sudo modprobe openvswitch"
    else:
        found = "this kernel has no module openvswitch"
        fix = "use the userspace datapath (--datapath user), or the kernel's in `fairslice vm`"
    return Finding("fail" if required else "warn", "kernel datapath", found, fix)


def vm_finding(trouble: str, *, inside: bool, booted: bool) -> Finding:
    """From what keeps ``fairslice vm`` from starting (nothing: empty).

    Args:
        trouble: a sentence, with what mends it after its first semicolon.
        inside: this process is in such a machine.
        booted: one was booted to see.
    """
    if inside:
        return Finding("ok", "user-mode Linux", "this is inside `fairslice vm`")
    if trouble:
        found, _, fix = trouble.partition("; ")
        return Finding("warn", "user-mode Linux", found, fix or "see `fairslice vm --help`")
    found = "`fairslice vm` boots" if booted else "`fairslice vm` is installed; it was not booted to see"
    return Finding("ok", "user-mode Linux", found)


def wires_finding() -> Finding:
    """Whether the kernel can delay and lose packets on links."""
    # networkx comes with it, which takes longer than all that a run looks at.
    from fairslice.lab.emulation.wires import missing_for_wires

    subject = "link delay and loss"
    try:
        missing = missing_for_wires()
    except MachineError as error:
        return Finding(
            "warn", subject, f"can't be tried: {error}", "mend what else fails, or run doctor as root"
        )
    if missing:
        fix = "nothing: `fairslice run` takes the virtual machine for such topologies by itself"
        return Finding("warn", subject, f"this kernel has no {', '.join(missing)}", fix)
    return Finding("ok", subject, "this kernel has netem")


def software_findings(datapath: str) -> tuple[Finding, ...]:
    """All cheap checks of what is installed, for a run on this machine itself.

    Args:
        datapath: "user", "kernel" (then its module is required) or "auto".
    """
    return (
        framework_finding(installed_framework()),
        mininet_finding(),
        privileges_finding(),
        *common_findings(datapath, on_this_machine=True),
    )


def common_findings(datapath: str, *, on_this_machine: bool) -> tuple[Finding, ...]:
    """What any run needs, and its datapath: see :func:`software_findings`.

    ``on_this_machine``: not in a virtual machine, which has all that the userspace datapath needs.
    """
    loaded = kernel_module_loaded()
    needs_tun = on_this_machine and (datapath == "user" or (datapath == "auto" and not loaded))
    return (
        python_finding(sys.version_info[:2]),
        open_vswitch_finding(missing_tools(SWITCH_TOOLS), output(["ovs-vswitchd", "--version"])),
        iperf3_finding(shutil.which("iperf3"), output(["iperf3", "--version"])),
        tools_finding(missing_tools(TOOLS)),
        congestion_control_finding(available_congestion_controls()),
        userspace_datapath_finding(tun_trouble(), needs_tun),
        kernel_datapath_finding(loaded, not loaded and _loadable(), datapath == "kernel"),
    )


def see_administrators_tools() -> None:
    """Look where root would: an ordinary user's PATH may lack those directories."""
    if os.geteuid() != 0:
        os.environ["PATH"] = administrators_path(os.environ.get("PATH", os.defpath))


def missing_tools(names: Iterable[str]) -> tuple[str, ...]:
    """Those that are nowhere to be found."""
    return tuple(name for name in names if shutil.which(name) is None)


def output(argv: list[str]) -> str:
    """What a command writes; nothing if it is missing, fails or takes long."""
    tool = shutil.which(argv[0])
    if tool is None:
        return ""
    try:
        return subprocess.run(
            [tool, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _imported(subject: str, code: str, if_well: Finding) -> Finding:
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )
        complaint = done.stderr.strip() if done.returncode else ""
        broken = done.returncode != 0
    except subprocess.TimeoutExpired:
        complaint, broken = f"importing it did not end in {_IMPORT_TIMEOUT_S:g} s", True
    if broken:
        found = f"{if_well.found}, but importing it failed: {complaint.splitlines()[-1] if complaint else ''}"
        return Finding("fail", subject, found, f"remove .venv and {_BOOTSTRAP}")
    return if_well


def _loadable() -> bool:
    tool = shutil.which("modprobe")
    if tool is None:
        return False
    argv = [tool, "--dry-run", "--quiet", "openvswitch"]
    try:
        subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _version(text: str) -> tuple[int, ...]:
    """The first dotted number in a text; empty if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()
