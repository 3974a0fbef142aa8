"""Cables with a delay or a loss, by sch_netem (tc-netem(8)), and what the kernel must have for them.

A switch's port keeps its root qdisc for Open vSwitch's queues, so netem can't sit there. Such a cable is two
veth pairs. Their inner ends, in a network namespace where nothing else is, bear the names of the outer ones
(``wireN`` where hosts call theirs alike); what one of them receives, tc-mirred(8) sends out by the other,
whose root qdisc is netem:

    s1-eth2 ═══ s1-eth2 ── mirred ──▶ netem, s2-eth1 ═══ s2-eth1

Queues, meters and counters of the ports thus come before the delay and the loss, as on a real cable. A port
that goes down at one end is seen at the other: where an inner end has no carrier, its fellow is set down.
"""

import contextlib
import json
import math
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import OFFLOADS_OFF
from fairslice.linux.command import run_command
from fairslice.topology.network import Link, LinkKey, Network

NAMESPACE = "fairslice-wires"
"""The network namespace of the inner ends, known to ip-netns(8)."""

_MINIMUM_FRAME_BYTES = 42
"""What the smallest frame on a veth is: ARP, or UDP without payload; veths do not pad."""
_EXTRA_FRAMES = 1000
"""What may come at once beyond the capacity: bursts, and switches without queues yet."""
_MAXIMUM_FRAMES = 2**31 - 1
_TIMEOUT_S = 240
_REDIRECT = (
    "filter add dev {near} parent ffff: protocol all prio 1 u32 match u32 0 0"
    " action mirred egress redirect dev {far}"
)
_NEEDS = {
    "sch_netem": ("qdisc add dev lo root netem delay 1ms", "CONFIG_NET_SCH_NETEM"),
    "sch_ingress": ("qdisc add dev lo ingress", "CONFIG_NET_SCH_INGRESS"),
    "cls_u32": ("filter add dev lo parent ffff: protocol all prio 2 u32 match u32 0 0", "CONFIG_NET_CLS_U32"),
    "act_mirred": (_REDIRECT.format(near="lo", far="lo"), "CONFIG_NET_ACT_MIRRED"),
}
"""The kernel's modules, each with what tc can do only with it and the kernel's option that has it."""

Cable = tuple[Link, Link]
"""Both directions of a cable."""


def cables(network: Network) -> Iterator[Cable]:
    """The cables of a network, each once."""
    for key, link in network.links.items():
        if key < key[::-1]:
            yield link, network.links[key[::-1]]


def is_wire(there: Link, back: Link) -> bool:
    """Whether a cable has a delay or a loss, in any direction."""
    return any(link.delay_s > 0 or link.loss > 0 for link in (there, back))


def missing_for_wires() -> tuple[str, ...]:
    """The kernel's modules that links with delay or loss need and that are neither there nor can be loaded.

    It is tried out in a network namespace of its own. Modules that can't be tried without a missing one are
    named with it.

    Raises:
        MachineError: no network namespace can be made, or tc is missing.
    """
    if shutil.which("tc") is None:
        raise MachineError("tc not found; install the package iproute2")
    tries = "\n".join(f"tc {command} 2>/dev/null || echo {name}" for name, (command, _) in _NEEDS.items())
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    found = run_command(["unshare", *user, "--net", "sh"], timeout_s=_TIMEOUT_S, stdin=f"{tries}\nexit 0\n")
    return tuple(found.split())


def what_wires_lack(network: Network, missing: Callable[[], Sequence[str]] = missing_for_wires) -> str:
    """Why this kernel can't emulate links with delay or loss: a clause that names one, and what is missing.

    "" if it can. It asks only if there are such links.

    Raises:
        MachineError: it can't be asked.
    """
    wires = [link for cable in cables(network) if is_wire(*cable) for link in cable if is_wire(link, link)]
    lacking = missing() if wires else ()
    if not lacking:
        return ""
    first = wires[0]
    others = f" (one of {len(wires)} such links)" if len(wires) > 1 else ""
    what = f"link {first.name} has {_conditions(first)}{others}"
    return f"{what}, but this kernel has no {', '.join(lacking)} to emulate it"


def check_wires(network: Network, missing: Callable[[], Sequence[str]] = missing_for_wires) -> None:
    """Refuse links with delay or loss where the kernel has none; asks only if there are such links.

    Raises:
        MachineError: names a link, what is missing, and the ways out.
    """
    lacking: list[str] = []

    def asked() -> Sequence[str]:
        lacking.extend(missing())
        return lacking

    if why := what_wires_lack(network, asked):
        options = ", ".join(_NEEDS[name][1] for name in lacking)
        raise MachineError(
            f"{why}; use the virtual machine, whose kernel has (fairslice run --vm, or fairslice vm), "
            f"or a kernel with {options}"
        )


def _conditions(link: Link) -> str:
    parts = [f"a delay of {link.delay_s * 1e3:g} ms"] if link.delay_s > 0 else []
    parts += [f"a loss of {link.loss * 100:g} %"] if link.loss > 0 else []
    return " and ".join(parts)


def netem_arguments(interface: str, link: Link) -> list[str]:
    """tc's arguments that make ``link`` of what ``interface`` sends: its delay, in whole µs, and its loss.

    netem's own queue holds all that can be on the way, in the smallest frames: it is never what limits.
    """
    on_the_way = link.capacity_bps * link.delay_s / (8 * _MINIMUM_FRAME_BYTES)
    limit = _MAXIMUM_FRAMES
    if math.isfinite(on_the_way):
        limit = min(limit, math.ceil(on_the_way) + _EXTRA_FRAMES)
    arguments = ["qdisc", "replace", "dev", interface, "root", "netem", "limit", str(limit)]
    if link.delay_s > 0:
        arguments += ["delay", f"{round(link.delay_s * 1e6)}us"]
    if link.loss > 0:
        arguments += ["loss", f"{link.loss * 100:.7f}%"]
    return arguments


def inner_names(wires: Sequence[Cable]) -> Mapping[LinkKey, str]:
    """The inner end of every link's sender: the outer one's name, or ``wireN`` where others have it, too."""
    links = [link for wire in wires for link in wire]
    held = Counter(link.interface for link in links)
    free = (name for name in (f"wire{n}" for n in count()) if name not in held)
    return {link.key: link.interface if held[link.interface] == 1 else next(free) for link in links}


def link_commands(network: Network, wires: Sequence[Cable], pid: Callable[[str], int]) -> str:
    """Input of ``ip -batch`` that makes the veth pairs; ``pid`` tells who holds a node's namespace."""
    lines = []
    inner = inner_names(wires)
    for link in (link for wire in wires for link in wire):
        name = link.interface
        host = network.hosts.get(link.source)
        address = "" if host is None else f" address {host.mac}"
        lines.append(
            f"link add name {name}{address} netns {pid(link.source)}"
            f" type veth peer name {inner[link.key]} netns {NAMESPACE}"
        )
    return "".join(f"{line}\n" for line in lines)


def namespace_script(wires: Sequence[Cable]) -> str:
    """The shell script (sh -e) that brings the inner ends up, to be run in their namespace."""
    lines = []
    for name in inner_names(wires).values():
        lines += [f"ethtool -K {name} {' '.join(OFFLOADS_OFF)}", f"ip link set dev {name} up"]
    return "".join(f"{line}\n" for line in lines)


def traffic_commands(wires: Sequence[Cable]) -> str:
    """Input of ``tc -batch``, in the inner ends' namespace, that joins them and makes delay and loss."""
    lines = []
    inner = inner_names(wires)
    for there, back in wires:
        for link, opposite in ((there, back), (back, there)):
            near = inner[link.key]
            far = inner[opposite.key]
            if is_wire(link, link):
                lines.append(" ".join(netem_arguments(far, link)))
            lines += [f"qdisc add dev {near} ingress", _REDIRECT.format(near=near, far=far)]
    return "".join(f"{line}\n" for line in lines)


def carrier_commands(
    wires: Sequence[Cable], up: Mapping[str, bool], carrier: Mapping[str, bool]
) -> list[str]:
    """Input lines of ``ip -batch`` that pass the loss of a carrier, and its return, from end to end.

    Of the two inner ends one at most is down, so that the other can tell when its port is back.

    Args:
        wires: The cables.
        up: Whether an inner end is set up, by its name.
        carrier: Whether it has a carrier.
    """
    lines = []
    inner = inner_names(wires)
    for wire in wires:
        one, other = (inner[link.key] for link in wire)
        for near, far in ((one, other), (other, one)):
            if up[near] and up[far] != carrier[near]:
                lines.append(f"link set dev {far} {'up' if carrier[near] else 'down'}")
                break
    return lines


class Wires:
    """The cables of a network that have a delay or a loss, and the namespace of their inner ends."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.wires = tuple(cable for cable in cables(network) if is_wire(*cable))
        self._monitor: subprocess.Popen[str] | None = None
        self._watcher: threading.Thread | None = None

    def start(self, pid: Callable[[str], int]) -> None:
        """Build them; nothing is done if there are none.

        Args:
            pid: Tells the process that holds the network namespace of a node.

        Raises:
            MachineError: a tool is missing or refused its work.
        """
        if not self.wires:
            return
        _run(["ip", "netns", "add", NAMESPACE])
        # Before there are interfaces: no neighbour discovery is to come out of a cable.
        knob = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        self._run_inside(["sh", "-e"], f"if [ -e {knob} ]; then echo 1 >{knob}; fi\n")
        _run(["ip", "-batch", "-"], link_commands(self.network, self.wires, pid))
        self._run_inside(["sh", "-e"], namespace_script(self.wires))
        _run(["tc", "-n", NAMESPACE, "-batch", "-"], traffic_commands(self.wires))

    def watch(self) -> None:
        """From now on pass the loss of a carrier from end to end; to be called once all ports are up."""
        if not self.wires:
            return
        self._monitor = subprocess.Popen(
            ["ip", "-n", NAMESPACE, "-o", "monitor", "link"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._watcher = threading.Thread(target=self._watch, args=(self._monitor,), name="wires", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Take all of it away."""
        if self._monitor is not None and self._watcher is not None:
            self._monitor.kill()
            self._watcher.join()
            self._monitor.wait()
            self._monitor = self._watcher = None
        if self.wires and Path("/run/netns", NAMESPACE).exists():
            with contextlib.suppress(MachineError):
                _run(["ip", "netns", "delete", NAMESPACE])

    def _watch(self, monitor: "subprocess.Popen[str]") -> None:
        assert monitor.stdout is not None
        with monitor.stdout:
            for _ in monitor.stdout:
                # Interfaces that vanish, and with them the namespace, are the network's end.
                with contextlib.suppress(MachineError, KeyError):
                    self._pass_carriers()

    def _pass_carriers(self) -> None:
        shown = json.loads(_run(["ip", "-n", NAMESPACE, "-json", "link", "show"]))
        flags = {str(link["ifname"]): frozenset(link["flags"]) for link in shown}
        commands = carrier_commands(
            self.wires,
            {name: "UP" in found for name, found in flags.items()},
            {name: "LOWER_UP" in found for name, found in flags.items()},
        )
        if commands:
            _run(["ip", "-n", NAMESPACE, "-batch", "-"], "".join(f"{line}\n" for line in commands))

    def _run_inside(self, argv: Sequence[str], text: str) -> None:
        _run(["ip", "netns", "exec", NAMESPACE, *argv], text)


def _run(argv: Sequence[str], text: str = "") -> str:
    return run_command(argv, timeout_s=_TIMEOUT_S, stdin=text)
