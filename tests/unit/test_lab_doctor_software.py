"""Checks of what is installed: versions as tools write them, and what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairslice.lab.doctor import software
from fairslice.lab.doctor.examine import not_tested, quick_findings
from fairslice.lab.doctor.findings import Finding, Status
from fairslice.lab.doctor.software import (
    FRAMEWORK,
    TOOLS,
    congestion_control_finding,
    framework_finding,
    iperf3_finding,
    kernel_datapath_finding,
    missing_tools,
    open_vswitch_finding,
    output,
    python_finding,
    see_administrators_tools,
    tools_finding,
    tun_trouble,
    userspace_datapath_finding,
    vm_finding,
)
from fairslice.lab.doctor.way import or_in_a_vm, run_finding, thorough_findings
from fairslice.lab.trial.datapath_choice import Choice

OVS_3_1 = "ovs-vswitchd (Open vSwitch) 3.1.0\n"
OVS_2_9 = "ovs-vswitchd (Open vSwitch) 2.9.8\nDPDK 17.11.0\n"
IPERF_3_12 = "iperf 3.12 (cJSON 1.7.15)\nLinux vm 6.1.0 #1 SMP x86_64\nOptional features available: SCTP\n"


@pytest.mark.parametrize(("version", "status"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 13), "ok")])
def test_python(version: tuple[int, int], status: str) -> None:
    assert python_finding(version).status == status


@pytest.mark.parametrize(
    ("versions", "status", "word"),
    [
        ({"ryu": "4.34", "eventlet": "0.41.3", "dnspython": "2.9.2"}, "ok", "eventlet 0.41.3"),
        ({"ryu": "4.34", "eventlet": "0.30.2", "dnspython": "2.6.1"}, "fail", "eventlet 0.30.2"),
        ({"ryu": None, "eventlet": "0.41.3", "dnspython": None}, "fail", "ryu, dnspython not installed"),
    ],
)
def test_framework(versions: dict[str, str | None], status: str, word: str) -> None:
    found = framework_finding(versions)
    assert found.status == status
    assert word in found.found
    assert ("script/bootstrap" in found.fix) == (status == "fail")


@pytest.mark.parametrize(
    ("missing", "text", "status", "word"),
    [
        ((), OVS_3_1, "ok", "3.1.0"),
        ((), OVS_2_9, "warn", "2.9.8"),
        ((), "", "fail", "wrote ''"),
        (("ovs-vswitchd", "ovs-ofctl"), "", "fail", "ovs-vswitchd, ovs-ofctl not found"),
    ],
)
def test_open_vswitch(missing: tuple[str, ...], text: str, status: str, word: str) -> None:
    found = open_vswitch_finding(missing, text)
    assert found.status == status
    assert word in found.found
    assert ("openvswitch-switch" in found.fix) == (status == "fail")


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("/usr/bin/iperf3", IPERF_3_12, "ok"),
        ("/usr/bin/iperf3", "iperf 3.1.3\n", "fail"),
        ("/usr/bin/iperf3", "iperf 3.9 (cJSON 1.7.13)\n", "ok"),
        ("/usr/bin/iperf3", "", "fail"),
        (None, "", "fail"),
    ],
)
def test_iperf3(path: str | None, text: str, status: str) -> None:
    found = iperf3_finding(path, text)
    assert found.status == status
    assert ("package iperf3" in found.fix) == (status == "fail")


def test_tools_are_told_with_their_packages() -> None:
    assert tools_finding(()).status == "ok"
    found = tools_finding(("tc", "mnexec", "ip"))
    assert (found.status, found.found) == ("fail", "tc, mnexec, ip not found")
    assert found.fix == "install iproute2, mininet"


def test_every_package_of_a_tool_is_one_that_bootstrap_installs() -> None:
    bootstrap = (Path(__file__).parents[2] / "script/bootstrap").read_text()
    essential = {"mount"}  # of every Debian
    assert [
        package for package in TOOLS.values() if package not in bootstrap and package not in essential
    ] == []


def test_the_framework_is_what_the_setup_asks_for() -> None:
    setup = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert [name for name in FRAMEWORK if f"{name}=={FRAMEWORK[name]}" not in setup] == [
        "eventlet",
        "dnspython",
    ]
    assert all(f"{name}>={FRAMEWORK[name]}" in setup for name in ("eventlet", "dnspython"))


def test_congestion_control() -> None:
    assert congestion_control_finding(["reno", "cubic"]).status == "ok"
    found = congestion_control_finding(["reno"])
    assert found.status == "warn"
    assert "modprobe tcp_cubic" in found.fix


@pytest.mark.parametrize(
    ("trouble", "required", "status"),
    [("", True, "ok"), ("No such device", True, "fail"), ("No such device", False, "warn")],
)
def test_userspace_datapath(trouble: str, required: bool, status: str) -> None:
    found = userspace_datapath_finding(trouble, required)
    assert found.status == status
    assert trouble in found.found
    assert ("modprobe tun" in found.fix) == (status != "ok")


def test_a_device_that_can_be_opened_is_no_trouble(tmp_path: Path) -> None:
    assert tun_trouble(tmp_path / "tun") == "No such file or directory"
    (tmp_path / "tun").touch()
    assert tun_trouble(tmp_path / "tun") == ""


@pytest.mark.parametrize(
    ("loaded", "loadable", "required", "status", "word"),
    [
        (True, False, True, "ok", ""),
        (False, True, False, "warn", "modprobe openvswitch"),
        (False, True, True, "fail", "modprobe openvswitch"),
        (False, False, False, "warn", "fairslice vm"),
        (False, False, True, "fail", "fairslice vm"),
    ],
)
def test_kernel_datapath(loaded: bool, loadable: bool, required: bool, status: str, word: str) -> None:
    found = kernel_datapath_finding(loaded, loadable, required)
    assert found.status == status
    assert word in found.fix


DENIED = Finding("fail", "namespaces and privileges", "an ordinary user", "run it with sudo")
ALLOWED = Finding("ok", "namespaces and privileges", "can be made")
BOOTS = Finding("ok", "user-mode Linux", "boots")
DIES = Finding("warn", "user-mode Linux", "dies", "mend it")


def test_lack_of_privileges_is_none_in_a_vm() -> None:
    for by_itself, told in ((True, "nothing: `fairslice run` takes"), (False, "`fairslice run --vm`")):
        assert or_in_a_vm(DENIED, DIES, by_itself=by_itself) == DENIED
        eased = or_in_a_vm(DENIED, BOOTS, by_itself=by_itself)
        assert eased.status == "warn"
        assert eased.fix.startswith(f"run it with sudo; or {told}")
        assert or_in_a_vm(ALLOWED, BOOTS, by_itself=by_itself) == ALLOWED


@pytest.mark.parametrize("why", ["", "no root, which namespaces need"])
@pytest.mark.parametrize("privileges", [DENIED, ALLOWED])
@pytest.mark.parametrize("vm", [BOOTS, DIES])
def test_where_a_run_would_run(why: str, privileges: Finding, vm: Finding) -> None:
    """ "fail" if and only if neither way is open; "ok" if the one that a run takes by itself is."""
    found = run_finding("kernel", why, privileges, vm)
    by_itself = vm.status == "ok" if why else privileges.status == "ok"
    open_at_all = vm.status == "ok" or (privileges.status == "ok" and not why)
    assert found.status == ("ok" if by_itself else "warn" if open_at_all else "fail")
    if found.status == "ok":
        assert ("a virtual machine" in found.found) == bool(why)
        assert why in found.found
        assert "the kernel's datapath" in found.found
    else:
        assert privileges.fix in found.fix
        assert ("--vm" if vm.status == "ok" else vm.fix) in found.fix
    assert "userspace" in run_finding("user", "", ALLOWED, vm).found


def test_the_userspace_datapath_of_this_machine_does_not_matter_in_a_vm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(software, "tun_trouble", lambda: "Permission denied")
    monkeypatch.setattr(software, "kernel_module_loaded", lambda: False)
    for choice, status in (
        (Choice("kernel", vm=True, why="no root"), "warn"),
        (Choice("user"), "fail"),
        (Choice("user", vm=True, why="--vm"), "warn"),
    ):
        found = {one.subject: one for one in thorough_findings(BOOTS, choice)}
        assert found["userspace datapath"].status == status
        assert found["userspace datapath"].fix.startswith("run it with sudo")


def test_user_mode_linux() -> None:
    for booted, word in ((True, "boots"), (False, "not booted")):
        found = vm_finding("", inside=False, booted=booted)
        assert found.status == "ok"
        assert word in found.found
    found = vm_finding(
        "the machine did not boot: no room; make room; its messages are in x", inside=False, booted=True
    )
    assert (found.status, found.found) == ("warn", "the machine did not boot: no room")
    assert found.fix == "make room; its messages are in x"
    assert vm_finding("linux.uml not found; install it", inside=True, booted=False).status == "ok"


@pytest.mark.parametrize(
    ("subject", "status", "told"),
    [
        ("Open vSwitch", "fail", True),
        ("Open vSwitch", "warn", False),  # an old one can be tested
        ("namespaces and privileges", "warn", True),
        ("iperf3", "fail", False),
        ("Mininet", "ok", False),
    ],
)
def test_packet_tests_need_some_things(subject: str, status: Status, told: bool) -> None:
    found = not_tested([Finding(status, subject, "this", "" if status == "ok" else "that")])
    assert (found is not None) == told
    assert found is None or (found.status == "warn" and subject in found.found)


def test_packet_tests_without_root_are_to_be_had_in_a_virtual_machine() -> None:
    eased = or_in_a_vm(DENIED, BOOTS, by_itself=True)
    for vm, told in ((BOOTS, True), (DIES, False)):
        found = not_tested([eased, vm])
        assert found is not None
        assert ("fairslice vm -- fairslice doctor" in found.fix) == told


def test_output_of_a_tool_that_is_missing_or_fails_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, script in (("good", "echo 1.2"), ("bad", "echo 1.2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    assert [output([name]) for name in ("good", "bad", "none")] == ["1.2\n", "", ""]
    assert missing_tools(["good", "none"]) == ("none",)


def test_an_ordinary_user_looks_where_root_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for user, path in ((0, "/nowhere"), (1000, "/nowhere:/usr/local/sbin:/usr/sbin:/sbin")):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        see_administrators_tools()
        assert os.environ["PATH"] == path


def test_a_run_looks_at_nothing_that_sends_or_imports() -> None:
    """Neither networkx nor the framework nor Mininet is loaded, and every finding is of the cheap ones."""
    script = (
        "import sys\nfrom fairslice.lab.doctor.examine import quick_findings\n"
        "found = quick_findings('user')\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'networkx', 'ryu', 'mininet', 'numpy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_a_kernel_datapath_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "kernel_module_loaded", lambda: False)
    for datapath, status in (("kernel", "fail"), ("user", "warn"), ("auto", "warn")):
        found = {finding.subject: finding.status for finding in quick_findings(datapath)}
        assert found["kernel datapath"] == status


@pytest.mark.parametrize(
    ("datapath", "loaded", "status"),
    [("user", True, "fail"), ("auto", False, "fail"), ("auto", True, "warn"), ("kernel", True, "warn")],
)
def test_a_missing_tun_device_stands_in_the_way_of_the_userspace_datapath_only(
    monkeypatch: pytest.MonkeyPatch, datapath: str, loaded: bool, status: str
) -> None:
    monkeypatch.setattr(software, "kernel_module_loaded", lambda: loaded)
    monkeypatch.setattr(software, "tun_trouble", lambda: "No such file or directory")
    found = {finding.subject: finding.status for finding in quick_findings(datapath)}
    assert found["userspace datapath"] == status
