"""The doctor finds each fault where it really is, and none on a machine without."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairslice.errors import MachineError
from fairslice.lab.doctor.examine import cheap_findings, quick_findings
from fairslice.lab.doctor.findings import SUBJECTS, Finding, require_fit
from fairslice.lab.doctor.processor import CORE_FAIL, Watch, processor_finding

pytestmark = pytest.mark.emulation

DOCTOR = (sys.executable, "-m", "fairslice", "doctor")
SPINNERS_PER_CORE = 12
SPIN_S = 120


def doctor(*options: str, path: str | None = None) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status, and the gravest finding of each subject."""
    environment = os.environ if path is None else os.environ | {"PATH": path}
    done = subprocess.run(
        [*DOCTOR, "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=environment,
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    found: dict[str, dict[str, str]] = {}
    for finding in answer["findings"]:
        print(finding)
        if finding["status"] != "ok" or finding["subject"] not in found:
            found[finding["subject"]] = finding
    assert answer["status"] == ("fail" if done.returncode else answer["status"])
    return done.returncode, found


def failing(found: dict[str, dict[str, str]]) -> set[str]:
    return {subject for subject, finding in found.items() if finding["status"] == "fail"}


@pytest.fixture
def path_without(tmp_path: Path) -> Callable[[str], str]:
    """A PATH on which all is that is on the usual one, but for the names that begin so."""

    def without(beginning: str) -> str:
        directory = tmp_path / "bin"
        directory.mkdir()
        for name in os.environ["PATH"].split(os.pathsep):
            for tool in Path(name).iterdir() if Path(name).is_dir() else ():
                if not tool.name.startswith(beginning) and not (directory / tool.name).exists():
                    (directory / tool.name).symlink_to(tool)
        return str(directory)

    return without


def test_a_healthy_machine_has_no_fault() -> None:
    status, found = doctor()
    assert failing(found) == set()
    assert status == 0
    assert set(found) == set(SUBJECTS)
    for subject in ("packet tests", "offloads", "meters", "queues"):
        assert found[subject]["status"] == "ok"


def test_no_openvswitch_switch_package(path_without: Callable[[str], str]) -> None:
    status, found = doctor(path=path_without("ov"))
    assert failing(found) == {"Open vSwitch"}
    assert "openvswitch-switch" in found["Open vSwitch"]["fix"]
    assert "ovs-vswitchd" in found["Open vSwitch"]["found"]
    assert found["packet tests"]["status"] == "warn"
    assert "meters" not in found
    assert status == 6


def test_a_missing_iperf3(path_without: Callable[[str], str]) -> None:
    status, found = doctor("--quick", path=path_without("iperf3"))
    assert failing(found) == {"iperf3"}
    assert "package iperf3" in found["iperf3"]["fix"]
    assert status == 6


def wrap(tool: str, script: str) -> None:
    """Put a shell script before a tool on the PATH; ``$real`` is the tool."""
    directory = Path("/run/wrappers")
    directory.mkdir(exist_ok=True)
    if str(directory) not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = f"{directory}{os.pathsep}{os.environ['PATH']}"
    (directory / tool).unlink(missing_ok=True)
    real = shutil.which(tool)
    (directory / tool).write_text(f"#!/bin/bash\nreal={real}\n{script}\n")
    (directory / tool).chmod(0o755)


def examine_switches() -> dict[str, Any]:
    """The same switches with a fault after the other."""
    from fairslice.lab.doctor.packets import (
        Rig,
        forwarding_findings,
        line_network,
        meter_finding,
        queue_finding,
    )
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    found = {}
    with (
        OpenVSwitch() as open_vswitch,
        EmulatedNetwork(line_network(), controller_port=None) as emulated,
    ):
        rig = Rig(emulated, open_vswitch)
        found["as it should be"] = meter_finding(rig)
        wrap("ovs-ofctl", 'exec $real "${@/meter:1,/}"')
        found["an entry without its meter"] = meter_finding(rig)
        wrap("ovs-ofctl", 'exec $real "${@/rate=2000,burst_size=100/rate=40000,burst_size=4000}"')
        found["a meter that was raised"] = meter_finding(rig)
        wrap("ovs-ofctl", 'exec $real "${@/actions=meter:1,NORMAL/actions=drop}"')
        found["a meter that passes nothing"] = meter_finding(rig)
        wrap("ovs-ofctl", 'exec $real "$@"')
        found["a queue"] = queue_finding(rig)
        wrap("tc", '[[ $1 == filter ]] || exec $real "$@"')
        found["a queue that nothing leads to"] = queue_finding(rig)
        wrap("tc", 'exec $real "$@"')
        emulated.popen("h1", ["ethtool", "-K", "h1-eth0", "tx", "on", "tso", "on"]).communicate()
        found["offloads on"] = forwarding_findings(rig)[0]
    return {name: finding.as_json() for name, finding in found.items()}


def test_switches_that_do_not_do_what_they_should(inside: Callable[..., Any]) -> None:
    found = inside(examine_switches)
    for name, finding in found.items():
        print(f"{name}: {finding['status']}: {finding['found']}; {finding['fix']}")
    statuses = {name: finding["status"] for name, finding in found.items()}
    healthy = {"as it should be", "a queue"}
    assert statuses == {name: "ok" if name in healthy else "fail" for name in found}
    for name in ("an entry without its meter", "a meter that was raised"):
        assert found[name]["subject"] == "meters"
        assert "does not drop" in found[name]["found"]
    assert "nothing passes" in found["a meter that passes nothing"]["found"]
    assert " 0 went through it" in found["a queue that nothing leads to"]["found"]
    assert "TCP does not pass" in found["offloads on"]["found"]
    assert "h1: tx-checksumming, tcp-segmentation-offload on" in found["offloads on"]["found"]


def plain_mininet() -> dict[str, Any]:
    """What a user's own Mininet leaves: TCLink between switches, hosts with their offloads on."""
    from mininet.link import TCLink  # type: ignore[import-not-found,unused-ignore]
    from mininet.log import setLogLevel  # type: ignore[import-not-found,unused-ignore]
    from mininet.net import Mininet  # type: ignore[import-not-found,unused-ignore]
    from mininet.node import OVSSwitch  # type: ignore[import-not-found,unused-ignore]

    from fairslice.lab.doctor.live import live_findings
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    setLogLevel("error")
    Mininet.inited = True
    found = {"no switch": live_findings()}
    with OpenVSwitch() as open_vswitch:
        found["no bridge"] = live_findings()
        net = Mininet(controller=None)
        one, two = (
            net.addSwitch(n, cls=OVSSwitch, datapath="user", failMode="standalone") for n in ("s1", "s2")
        )
        host = net.addHost("h1")
        net.addLink(host, one)
        net.addLink(one, two, cls=TCLink, bw=10)
        net.start()
        found["as Mininet made it"] = live_findings()
        host.cmd("ethtool -K h1-eth0 tx off rx off tso off gso off gro off")
        found["offloads off"] = live_findings()
        for port in ("s1-eth2", "s2-eth1"):
            subprocess.run(["tc", "qdisc", "del", "dev", port, "root"], check=True)
        qos = ["set", "port", "s1-eth2", "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb"]
        open_vswitch.vsctl([*qos, "other-config:max-rate=10000000"])
        found["Open vSwitch's own"] = live_findings()
        net.stop()
    return {name: [finding.as_json() for finding in pair] for name, pair in found.items()}


def test_tclink_and_offloads_of_a_running_mininet(inside: Callable[..., Any]) -> None:
    found = inside(plain_mininet)
    for name, pair in found.items():
        for finding in pair:
            print(f"{name}: {finding['status']}: {finding['subject']}: {finding['found']}; {finding['fix']}")
    assert {name: [finding["status"] for finding in pair] for name, pair in found.items()} == {
        "no switch": ["ok", "ok"],
        "no bridge": ["ok", "ok"],
        "as Mininet made it": ["fail", "fail"],
        "offloads off": ["fail", "ok"],
        "Open vSwitch's own": ["ok", "ok"],
    }
    ports, offloads = found["as Mininet made it"]
    assert "s1-eth2 (htb 5:), s2-eth1 (htb 5:)" in ports["found"]
    assert "TCLink" in ports["found"]
    assert "tc qdisc del" in ports["fix"]
    assert "h1-eth0 (tx-checksumming, tcp-segmentation-offload)" in offloads["found"]
    assert "ethtool -K" in offloads["fix"]


@pytest.fixture
def spinners() -> Iterator[None]:
    """Processes that take all processors, for two minutes at most."""
    spin = (
        f"import time; end = time.monotonic() + {SPIN_S}\nprint(flush=True)\n"
        "while time.monotonic() < end: pass"
    )
    count = SPINNERS_PER_CORE * len(os.sched_getaffinity(0))
    processes = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.communicate()


def test_a_busy_processor(spinners: None) -> None:
    finding = processor_finding(Watch(), 0.2)
    print(finding, "bound", CORE_FAIL)
    assert finding.status == "fail"
    assert "too busy to measure" in finding.found
    with pytest.raises(MachineError, match=r"processor load: .* too busy to measure anything; end or move"):
        require_fit(quick_findings())


def test_what_a_run_looks_at_takes_a_fraction_of_a_round() -> None:
    def timed(look: Callable[[], tuple[Finding, ...]]) -> float:
        began = time.monotonic()
        require_fit(look())
        return time.monotonic() - began

    quick_s = min(timed(lambda: quick_findings("user")) for _ in range(3))
    round_s = min(timed(lambda: cheap_findings(boot=False)) for _ in range(2))
    print(f"took {quick_s:.3f} s, a whole round {round_s:.3f} s, expected half of it at most")
    assert quick_s < round_s / 2


def test_an_interrupt_leaves_nothing() -> None:
    token = uuid.uuid4().hex
    process = subprocess.Popen(
        DOCTOR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FAIRSLICE_TEST": token},
        start_new_session=True,
        # A background shell's children ignore what Ctrl-C sends.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "meter" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    output, complaints = process.communicate(timeout=240)
    assert (process.returncode, output, complaints) == (130, "", "")
    left = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (path / "environ").read_bytes():
                left.append((path / "cmdline").read_text())
        except OSError:
            continue
    assert left == []
