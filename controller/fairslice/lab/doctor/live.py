"""A look at an Open vSwitch that runs already: others' root qdiscs, and offloads. Changes nothing."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairslice.control.ovsdb.rows import Device
from fairslice.errors import MachineError
from fairslice.lab.doctor.findings import Finding
from fairslice.lab.emulation.openvswitch import RUN_DIRECTORY
from fairslice.linux.command import run_command
from fairslice.linux.offloads import in_namespace_of, offloads_on

DEFAULT_QDISCS = frozenset(
    {"noqueue", "noop", "pfifo_fast", "pfifo", "bfifo", "mq", "fq", "fq_codel", "codel", "cake", "sfq"}
)
"""What kernels and distributions set on an interface by themselves (net.core.default_qdisc, tc(8))."""
OVS_HTB_HANDLE = "1:"
"""Open vSwitch's own root qdisc (lib/netdev-linux.c, htb_setup_qdisc__)."""

_PORTS, _OFFLOADS = "live switch ports", "live offloads"
_TIMEOUT_S = 30.0
_MOST_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a veth: its name, and a process whose network namespace it is in (None: this one)."""

    interface: str
    pid: int | None


def live_findings(run_directory: Path = RUN_DIRECTORY) -> tuple[Finding, ...]:
    """Look at the Open vSwitch whose database answers in ``run_directory``, if there is one."""
    socket = run_directory / "db.sock"
    try:
        if not socket.exists():
            return _all("ok", f"no Open vSwitch runs in {run_directory}")
        if not os.access(socket, os.R_OK | os.W_OK):
            raise PermissionError
        # The library comes with an extra, which the other checks do not need.
        from fairslice.control.ovsdb.database import OvsDatabase

        with OvsDatabase(f"unix:{socket}", _TIMEOUT_S) as database:
            ports = database.devices()
        qdiscs = json.loads(run_command(["tc", "-json", "qdisc", "show"], timeout_s=_TIMEOUT_S) or "[]")
        return (judge_qdiscs(ports, qdiscs), _offloads(ports))
    except ImportError:
        fix = 'install the extra "controller" (README, "Install")'
        return _all("warn", "not looked at: the Python package ovs is not installed", fix)
    except PermissionError:
        return _all("warn", f"{run_directory} can't be read", "run sudo fairslice doctor")
    except (MachineError, ValueError) as error:
        fix = "see whether openvswitch-switch runs well (systemctl status openvswitch-switch), or stop it"
        return _all("warn", f"the Open vSwitch in {run_directory} does not answer: {error}", fix)


def judge_qdiscs(ports: Sequence[Device], qdiscs: Iterable[Mapping[str, Any]]) -> Finding:
    """Whether every port's root qdisc is Open vSwitch's or nobody's; from ``tc -json qdisc show``."""
    roots = {
        str(qdisc.get("dev")): (str(qdisc.get("kind")), str(qdisc.get("handle")))
        for qdisc in qdiscs
        if qdisc.get("root")
    }
    foreign = [
        f"{port.name} ({' '.join(roots[port.name])})"
        for port in ports
        if port.name in roots and _is_foreign(port, *roots[port.name])
    ]
    looked = f"{_count(ports, 'port')} of {len({port.bridge for port in ports})} live bridge(s) looked at"
    if foreign:
        return Finding(
            "fail",
            _PORTS,
            f"{looked}; a root qdisc that Open vSwitch did not make, such as Mininet's TCLink does, at "
            f"{_shortened(foreign)}: queues and it exclude each other",
            "start Mininet without `--link tc`, and without bw, delay or loss on links between switches; or "
            "take it away: sudo tc qdisc del dev PORT root",
        )
    return Finding("ok", _PORTS, f"{looked}; no root qdisc but Open vSwitch's own")


def judge_offloads_of(
    looked_at: Mapping[str, Sequence[str]], unseen: Sequence[str], harmless: int
) -> Finding:
    """From the offloads that are on at what sends into userspace ports, by interface.

    ``unseen`` are ports whose other end is in no namespace of a process here, ``harmless`` is how many ports
    of the kernel's datapath, or facing another switch, were not looked at.
    """
    on = [f"{interface} ({', '.join(names)})" for interface, names in looked_at.items() if names]
    looked = f"{len(looked_at)} interface(s) that send into live userspace ports looked at"
    if harmless:
        looked += f", {harmless} port(s) need no look"
    if on:
        return Finding(
            "fail",
            _OFFLOADS,
            f"{looked}; on at {_shortened(on)}: TCP hangs",
            "in the namespace of each: ethtool -K INTERFACE tx off rx off tso off gso off gro off "
            "(in Mininet: h1 ethtool -K h1-eth0 …)",
        )
    if unseen:
        fix = "switch them off there, as root: ethtool -K INTERFACE tx off rx off tso off gso off"
        return Finding(
            "warn", _OFFLOADS, f"{looked}; the other end can't be seen of {_shortened(unseen)}", fix
        )
    return Finding("ok", _OFFLOADS, f"{looked}; none on")


def find_peer(
    port: str, links: Iterable[Mapping[str, Any]], elsewhere: Mapping[int, Iterable[Mapping[str, Any]]]
) -> Peer | None:
    """The other end of a veth, from ``ip -json link show`` here and in other processes' namespaces.

    A veth in another namespace is known by its number there (link_index) and by naming this one's in turn.
    """
    mine = next((link for link in links if link.get("ifname") == port), None)
    if mine is None:
        return None
    if isinstance(mine.get("link"), str):
        return Peer(mine["link"], None)
    for pid, theirs in elsewhere.items():
        for link in theirs:
            back = (link.get("ifindex"), link.get("link_index"))
            if "link_netnsid" in link and back == (mine.get("link_index"), mine.get("ifindex")):
                return Peer(str(link.get("ifname")), pid)
    return None


def _offloads(ports: Sequence[Device]) -> Finding:
    links = _links(None)
    elsewhere = {pid: _links(pid) for pid in _other_namespaces()} if any(p.userspace for p in ports) else {}
    own = {port.name for port in ports}
    looked_at: dict[str, Sequence[str]] = {}
    unseen: list[str] = []
    harmless = 0
    for port in ports:
        peer = find_peer(port.name, links, elsewhere)
        if not port.userspace or (peer is not None and peer.pid is None and peer.interface in own):
            harmless += 1
        elif peer is None:
            unseen.append(port.name)
        else:
            looked_at[peer.interface] = offloads_on(peer.interface, peer.pid)
    return judge_offloads_of(looked_at, unseen, harmless)


def _links(pid: int | None) -> list[Mapping[str, Any]]:
    """Interfaces in the network namespace of a process; none if it has gone or keeps them to itself."""
    argv = in_namespace_of(pid, ["ip", "-json", "link", "show"])
    try:
        found: list[Mapping[str, Any]] = json.loads(run_command(argv, timeout_s=_TIMEOUT_S) or "[]")
    except (MachineError, ValueError):
        return []
    return found


def _other_namespaces() -> Iterator[int]:
    """A process of every network namespace but this one, of those that can be seen."""
    seen = {Path("/proc/self/ns/net").readlink()}
    for path in sorted(Path("/proc").glob("[0-9]*")):
        try:
            namespace = (path / "ns/net").readlink()
        except OSError:
            continue
        if namespace not in seen:
            seen.add(namespace)
            yield int(path.name)


def _is_foreign(port: Device, kind: str, handle: str) -> bool:
    if kind in DEFAULT_QDISCS:
        return False
    return not (port.has_qos and handle == OVS_HTB_HANDLE)


def _all(status: Any, found: str, fix: str = "") -> tuple[Finding, ...]:
    return tuple(Finding(status, subject, found, fix) for subject in (_PORTS, _OFFLOADS))


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    return ", ".join(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
