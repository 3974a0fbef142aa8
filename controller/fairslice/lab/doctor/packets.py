"""Packet tests, inside the emulation's namespaces: do meters drop, do queues queue, how much is forwarded."""

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fairslice.errors import MachineError
from fairslice.lab.doctor.findings import Finding
from fairslice.lab.doctor.judge import (
    FRAME_BITS,
    Arrived,
    ForwardingTest,
    MeterTest,
    QueueTest,
    Sent,
    judge_headroom,
    judge_meter,
    judge_offloads,
    judge_queue,
)
from fairslice.lab.doctor.software import tun_trouble
from fairslice.lab.emulation.network import EmulatedNetwork
from fairslice.lab.emulation.openvswitch import Datapath, OpenVSwitch, kernel_module_loaded
from fairslice.lab.emulation.sockets import deepen_packet_sockets
from fairslice.linux.command import run_command
from fairslice.linux.offloads import offloads_on
from fairslice.linux.tc import class_minor, dscp_filter, leaf
from fairslice.topology.network import Host, Link, Network, Switch, default_interface
from fairslice.units import tcp_wire_bps

Tell = Callable[[str], None]

METER_RATE_BPS = 2e6
METER_BURST_BITS = 100e3
QUEUE_RATE_BPS = 4e6
QUEUE_BUFFER_S = 0.050
UNLIMITED_BPS = 10e9
"""What Open vSwitch takes for a veth's speed; so linux-htb limits nothing."""

_UDP_PORT, _TCP_PORT = 5001, 5002
_METER_OVERLOAD, _METER_S = 10, 0.8
_QUEUE_OVERLOAD, _QUEUE_S = 2.5, 0.8
_FORWARD_WARMUP_S, _FORWARD_S = 0.5, 1.5
_QUEUE = 1
"""Also its DSCP, as in fairslice.slicing.state.labels."""
_TIMEOUT_S = 60.0
_DRAIN_S = 0.2
"""Longer than any queue here."""
_SENT = re.compile(r"Sent \d+ bytes (\d+) pkt")


def line_network() -> Network:
    """h1 - s1 - s2 - h2, without limits."""
    ends = [("h1", 0, "s1", 1), ("s1", 2, "s2", 2), ("s2", 1, "h2", 0)]
    links = [Link(a, b, math.inf, port) for a, port, b, _ in ends]
    links += [Link(b, a, math.inf, port) for a, _, b, port in ends]
    hosts = (
        Host("h1", "02:00:00:00:00:01", "10.0.0.1", "s1", 1),
        Host("h2", "02:00:00:00:00:02", "10.0.0.2", "s2", 1),
    )
    switches = (Switch("s1", 1), Switch("s2", 2))
    return Network(
        {switch.name: switch for switch in switches},
        {host.name: host for host in hosts},
        {link.key: link for link in links},
        "doctor",
    )


@dataclass(frozen=True, slots=True)
class Rig:
    """The small network that packets are sent through, and its switches."""

    emulated: EmulatedNetwork
    open_vswitch: OpenVSwitch

    @property
    def datapath(self) -> str:
        """As findings name it."""
        return "userspace" if self.emulated.datapath == "user" else "kernel"

    def udp(self, rate_bps: float, duration_s: float, dscp: int) -> tuple[Sent, Arrived]:
        """Send full frames from h1 to h2."""
        per_s = rate_bps / FRAME_BITS
        frames = round(per_s * duration_s)
        sending = ["udp-send", self._target, str(_UDP_PORT), str(dscp), str(per_s), str(frames)]
        sent, seen = self._transfer(["udp-receive", str(_UDP_PORT)], sending)
        arrived = Arrived(int(seen["frames"]), seen["lasted_s"], seen["longest_delay_s"])
        return Sent(frames, sent["lasted_s"]), arrived

    def tcp(self) -> float:
        """The rate of frames of a greedy TCP connection from h1 to h2, in bit/s; 0 if nothing passes."""
        listening = ["tcp-receive", str(_TCP_PORT), str(_FORWARD_WARMUP_S), str(_FORWARD_S)]
        sending = ["tcp-send", self._target, str(_TCP_PORT), str(_FORWARD_WARMUP_S + _FORWARD_S + 0.5)]
        _, seen = self._transfer(listening, sending)
        return tcp_wire_bps(seen["bytes"] * 8 / seen["lasted_s"]) if seen["lasted_s"] > 0 else 0.0

    @property
    def _target(self) -> str:
        return self.emulated.network.hosts["h2"].ip

    def _transfer(self, listening: list[str], sending: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the sender and the receiver said."""
        blast = [sys.executable, "-m", "fairslice.lab.traffic.programs.blast"]
        started = [self.emulated.popen("h2", [*blast, *listening])]
        try:
            (receiver,) = started
            if receiver.stdout is None or receiver.stdout.readline() != "ready\n":
                raise MachineError(f"a receiver did not start: {receiver.communicate()[1].strip()}")
            started.append(self.emulated.popen("h1", [*blast, *sending]))
            sent, complaint = started[1].communicate(timeout=_TIMEOUT_S)
            time.sleep(_DRAIN_S)
            receiver.terminate()
            seen, complaint_ = receiver.communicate(timeout=_TIMEOUT_S)
            return json.loads(sent), json.loads(seen)
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"a sender or receiver did not end in {_TIMEOUT_S:g} s") from error
        except ValueError as error:
            raise MachineError(f"a sender or receiver failed: {complaint}{complaint_}") from error
        finally:
            for process in started:
                process.kill()
                process.communicate()


def packet_findings(tell: Tell) -> Iterator[Finding]:
    """Test every datapath of this machine, after :func:`fairslice.lab.emulation.isolation.prepare_inside`.

    Takes some eight seconds for each.
    """
    # Without it no bridge comes up; the subject "userspace datapath" tells that already.
    if not tun_trouble():
        yield from datapath_findings("user", tell)
    if kernel_module_loaded():
        yield from datapath_findings("kernel", tell)


def datapath_findings(datapath: Datapath, tell: Tell) -> Iterator[Finding]:
    """Test one datapath; what can't be built is a finding too."""
    name = "userspace" if datapath == "user" else "kernel"
    try:
        tell(f"{name} datapath: building two switches")
        with (
            OpenVSwitch() as open_vswitch,
            EmulatedNetwork(line_network(), datapath=datapath, controller_port=None) as emulated,
        ):
            rig = Rig(emulated, open_vswitch)
            _require_bridges(rig)
            yield from rig_findings(rig, tell)
            yield Finding("ok", "packet tests", f"{name} datapath: two switches and two hosts in namespaces")
    except MachineError as error:
        fix = "mend what fails above, then try again; fairslice run would end the same way"
        yield Finding("fail", "packet tests", f"{name} datapath: {error}", fix)


def rig_findings(rig: Rig, tell: Tell) -> Iterator[Finding]:
    """All packet tests of a network that stands.

    Raises:
        MachineError: a command was refused, or a sender or receiver failed.
    """
    tell(f"{rig.datapath} datapath: TCP as fast as it goes")
    yield from forwarding_findings(rig)
    tell(f"{rig.datapath} datapath: ten times a meter's rate")
    yield meter_finding(rig)
    tell(f"{rig.datapath} datapath: more than a queue's rate")
    yield queue_finding(rig)


def forwarding_findings(rig: Rig) -> tuple[Finding, ...]:
    """Offloads, and the most that is forwarded with HTB on every switch port, as in a run."""
    for link in rig.emulated.network.links.values():
        if link.source in rig.emulated.network.switches:
            _set_queues(rig, link.interface, UNLIMITED_BPS)
    if rig.emulated.datapath == "user":
        # The first frames make the packet socket; a run gives it room before it measures, too.
        rig.udp(METER_RATE_BPS, 0.05, 0)
        deepen_packet_sockets(rig.open_vswitch.switch_pid)
    rate_bps = rig.tcp()
    on = {host: offloads_on(f"{host}-eth0", rig.emulated.pid(host)) for host in rig.emulated.network.hosts}
    test = ForwardingTest(rate_bps, len(rig.emulated.network.switches))
    offloads = judge_offloads(on, rate_bps > 0, rig.datapath)
    return (offloads,) if rate_bps <= 0 else (offloads, judge_headroom(test, rig.datapath))


def meter_finding(rig: Rig) -> Finding:
    """A meter on s1, and UDP at ten times its rate."""
    rate_kbps, burst_kbits = round(METER_RATE_BPS / 1e3), round(METER_BURST_BITS / 1e3)
    bands = f"meter=1,kbps,burst,band=type=drop,rate={rate_kbps},burst_size={burst_kbits}"
    _ofctl("add-meter", "s1", bands)
    _ofctl("add-flow", "s1", f"priority=100,udp,tp_dst={_UDP_PORT},actions=meter:1,NORMAL")
    try:
        sent, arrived = rig.udp(METER_RATE_BPS * _METER_OVERLOAD, _METER_S, 0)
    finally:
        _ofctl("--strict", "del-flows", "s1", f"priority=100,udp,tp_dst={_UDP_PORT}")
        _ofctl("del-meter", "s1", "meter=1")
    test = MeterTest(sent, _METER_OVERLOAD, METER_RATE_BPS, METER_BURST_BITS, arrived)
    return judge_meter(test, rig.datapath)


def queue_finding(rig: Rig) -> Finding:
    """A queue on s2's port to h2, and UDP with its DSCP at more than its rate."""
    interface = default_interface("s2", 1)
    _set_queues(rig, interface, UNLIMITED_BPS, QUEUE_RATE_BPS)
    minor = class_minor(_QUEUE)
    before = class_frames(_class_text(interface), minor)
    if before is not None:
        limit_bytes = round(QUEUE_RATE_BPS * QUEUE_BUFFER_S / 8)
        _tc(*leaf(interface, minor, limit_bytes).split())
        if rig.emulated.datapath == "user":
            _tc(*dscp_filter(interface, _QUEUE, minor).split())
    entry = f"priority=100,udp,tp_dst={_UDP_PORT}"
    _ofctl("add-flow", "s2", f"{entry},actions=set_queue:{_QUEUE},NORMAL")
    try:
        _, arrived = rig.udp(QUEUE_RATE_BPS * _QUEUE_OVERLOAD, _QUEUE_S, _QUEUE)
        after = class_frames(_class_text(interface), minor)
    finally:
        _ofctl("--strict", "del-flows", "s2", entry)
        if before is not None and rig.emulated.datapath == "user":
            _tc("filter", "del", "dev", interface, "parent", "1:", "prio", "1")
    through = None if before is None or after is None else after - before
    return judge_queue(QueueTest(QUEUE_RATE_BPS, QUEUE_BUFFER_S, arrived, through), rig.datapath)


def class_frames(text: str, minor: int) -> int | None:
    """Frames that an HTB class has sent, from ``tc -s class show``; None: no such class."""
    mine = False
    for line in text.splitlines():
        if line.startswith("class "):
            mine = line.startswith(f"class htb 1:{minor:x} ")
        elif mine and (found := _SENT.search(line)):
            return int(found[1])
    return None


def _require_bridges(rig: Rig) -> None:
    """ovs-vsctl succeeds, too, where ovs-vswitchd could not make a bridge: that then has no datapath id."""
    lacking = [
        name
        for name in rig.emulated.network.switches
        if rig.open_vswitch.vsctl(["get", "bridge", name, "datapath_id"]).strip() == "[]"
    ]
    if lacking:
        complaints = [
            line for line in rig.open_vswitch.switch_log.read_text().splitlines() if "|WARN|" in line
        ]
        reason = complaints[-1].rpartition("|")[2] if complaints else "its log has no reason"
        raise MachineError(f"Open vSwitch made no bridge {', '.join(lacking)}: {reason}")


def _set_queues(rig: Rig, port: str, *rates_bps: float) -> None:
    """linux-htb on a port: its own rate, then those of queues 1, 2 and so on."""
    own_bps, *queues_bps = (round(rate_bps) for rate_bps in rates_bps)
    words = ["--", "set", "port", port, "qos=@qos"]
    words += ["--", "--id=@qos", "create", "qos", "type=linux-htb", f"other-config:max-rate={own_bps}"]
    if queues_bps:
        numbers = range(_QUEUE, _QUEUE + len(queues_bps))
        words += [f"queues:{number}=@q{number}" for number in numbers]
        for number, rate_bps in zip(numbers, queues_bps, strict=True):
            config = [f"other-config:min-rate={rate_bps}", f"other-config:max-rate={rate_bps}"]
            words += ["--", f"--id=@q{number}", "create", "queue", *config]
    rig.open_vswitch.vsctl(words)


def _class_text(interface: str) -> str:
    return _tc("-s", "class", "show", "dev", interface)


def _tc(*arguments: str) -> str:
    return run_command(["tc", *arguments], timeout_s=_TIMEOUT_S)


def _ofctl(*arguments: str) -> str:
    return run_command(["ovs-ofctl", "-O", "OpenFlow13", *arguments], timeout_s=_TIMEOUT_S)
