"""What a host of the emulation needs: names that Linux takes, and the commands that set it up."""

import ipaddress
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fairslice.errors import Fault, InputError, MachineError
from fairslice.topology.check import MAX_DELAY_S
from fairslice.topology.interfaces import interface_faults
from fairslice.topology.network import Link, Network
from fairslice.units import FULL_FRAME_BYTES

Protocol = Literal["tcp", "udp"]

HOST_QUEUE_S = 0.050
"""How long a host's own queue is, at its link's capacity."""
HOST_BURST_S = 0.005
"""What a late timer may catch up with, at least two frames; over any longer time the rate is kept."""
PREFIX_LENGTH = 8
OFFLOADS_OFF = ("tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
"""For ethtool -K: the userspace datapath passes unfinished checksums and oversized segments on unchanged."""

_MINIMUM_QUEUE_FRAMES = 5
_NODE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def check_emulable(network: Network) -> None:
    """Refuse a network that Linux and Mininet can't build.

    Raises:
        InputError: every name that makes no interface name, every capacity that is not positive, every delay
            and loss out of range, every address that is not an IPv4 address.
    """
    faults = [*_name_faults(network), *_link_faults(network), *_address_faults(network)]
    if faults:
        raise InputError(faults)


def _name_faults(network: Network) -> Iterator[Fault]:
    for name in sorted({*network.switches, *network.hosts}):
        if not _NODE_NAME.fullmatch(name):
            yield Fault(
                f"the node name {name!r} can't name an interface; "
                "expected a letter, digit or '_', then letters, digits, '_', '.' or '-'"
            )
    ports = [(link.source, link.port_no, link.interface) for link in network.links.values()]
    for message in interface_faults(network.switches, ports):
        yield Fault(message)


def _link_faults(network: Network) -> Iterator[Fault]:
    for link in network.links.values():
        if not link.capacity_bps >= 1:
            yield Fault(
                f"link {link.name} has a capacity of {link.capacity_bps:g} bit/s; "
                "expected at least 1 bit/s to emulate it"
            )
        if not 0 <= link.delay_s <= MAX_DELAY_S:
            yield Fault(
                f"link {link.name} has a delay of {link.delay_s:g} s; expected 0 to {MAX_DELAY_S:g} s"
            )
        if not 0 <= link.loss < 1:
            yield Fault(f"link {link.name} has a loss of {link.loss:g}; expected 0 to below 1")


def _address_faults(network: Network) -> Iterator[Fault]:
    for host in network.hosts.values():
        try:
            ipaddress.IPv4Address(host.ip)
        except ValueError:
            yield Fault(f"host {host.name} has the address {host.ip!r}; expected an IPv4 address")


def egress_arguments(interface: str, capacity_bps: float) -> list[str]:
    """tc's arguments that limit what ``interface`` sends to ``capacity_bps`` of Ethernet frames.

    A token bucket filter (tc-tbf(8)) counts what the meters count: the frame without preamble and FCS. An
    unlimited capacity takes any limit away.
    """
    if not math.isfinite(capacity_bps):
        return ["qdisc", "replace", "dev", interface, "root", "pfifo"]
    burst_bytes = max(2 * FULL_FRAME_BYTES, math.ceil(capacity_bps * HOST_BURST_S / 8))
    queue_bytes = max(_MINIMUM_QUEUE_FRAMES * FULL_FRAME_BYTES, math.ceil(capacity_bps * HOST_QUEUE_S / 8))
    return [
        *("qdisc", "replace", "dev", interface, "root", "tbf"),
        *("rate", f"{round(capacity_bps)}bit"),
        *("burst", f"{burst_bytes}b"),
        # limit is what may wait, and what is in the bucket counts towards it.
        *("limit", f"{queue_bytes + burst_bytes}b"),
    ]


def host_script(link: Link, ip: str, congestion_control: str | None) -> str:
    """The shell script (sh -e) that sets a host up, to be run in its network namespace."""
    interface = link.interface
    congctl = "" if congestion_control is None else f" congctl {congestion_control}"
    lines = [
        # No neighbour discovery between the measured packets.
        "for family in all default; do",
        "    knob=/proc/sys/net/ipv6/conf/$family/disable_ipv6",
        '    if [ -e "$knob" ]; then echo 1 >"$knob"; fi',
        "done",
        # A flow must not inherit what an earlier one learned about its path.
        "echo 1 >/proc/sys/net/ipv4/tcp_no_metrics_save",
        f"ethtool -K {interface} {' '.join(OFFLOADS_OFF)}",
        f"tc {' '.join(egress_arguments(interface, link.capacity_bps))}",
        "ip link set lo up",
        f"ip addr add {ip}/{PREFIX_LENGTH} dev {interface} noprefixroute",
        f"ip link set dev {interface} up",
        # Hosts may have addresses of several networks; all are on the link. The congestion control is the
        # route's, as a namespace may not default to one that tcp_allowed_congestion_control lacks.
        f"ip route add default dev {interface} src {ip}{congctl}",
    ]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Socket:
    """A line of /proc/net/tcp or /proc/net/udp (proc(5)).

    ``unread_bytes`` have come over a connection and were not read.
    """

    local_port: int
    remote_port: int
    is_listening: bool
    is_connected: bool
    unread_bytes: int


@dataclass(frozen=True, slots=True)
class HostCounters:
    """What an interface of a host has sent, and how many datagrams found the queue in front of it full."""

    sent_bytes: int
    dropped_datagrams: int


def parse_host_counters(device_table: str, snmp: str, interface: str) -> HostCounters:
    """Read /proc/net/dev and /proc/net/snmp of a host's namespace (proc(5)).

    A queueing discipline that drops a datagram tells UDP so, which counts it as SndbufErrors (net/ipv4/udp.c,
    udp_send_skb). Ethernet frames count whole, without preamble and FCS.

    Raises:
        MachineError: there is no such interface.
    """
    sent_bytes = None
    for line in device_table.splitlines():
        name, colon, numbers = line.partition(":")
        if colon and name.strip() == interface:
            sent_bytes = int(numbers.split()[8])
    if sent_bytes is None:
        raise MachineError(f"/proc/net/dev has no interface {interface}")
    udp = [line.split()[1:] for line in snmp.splitlines() if line.startswith("Udp:")]
    counted = dict(zip(*udp, strict=True)) if len(udp) == 2 else {}
    return HostCounters(sent_bytes, int(counted.get("SndbufErrors", 0)))


# States of include/net/tcp_states.h; a UDP socket that is not connected shows TCP_CLOSE.
_ESTABLISHED, _CLOSE, _LISTEN = 0x01, 0x07, 0x0A


def parse_sockets(text: str, protocol: Protocol) -> list[Socket]:
    """Read /proc/net/tcp, tcp6, udp or udp6."""
    waiting = _LISTEN if protocol == "tcp" else _CLOSE
    found = []
    for line in text.splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        local_port, remote_port, unread_bytes = (
            int(field.rpartition(":")[2], 16) for field in (local, remote, queues)
        )
        number = int(state, 16)
        connected = number == _ESTABLISHED
        found.append(
            Socket(local_port, remote_port, number == waiting, connected, unread_bytes if connected else 0)
        )
    return found
