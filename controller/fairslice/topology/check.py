"""From what a file says to a network: the laws that every network keeps, all breaches reported at once."""

import contextlib
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from numbers import Real
from typing import TypeVar

import networkx as nx

from fairslice.errors import Fault, InputError, Location
from fairslice.topology.network import (
    Host,
    Link,
    LinkKey,
    Network,
    Switch,
    default_interface,
    dpid_text,
    link_name,
)

_Value = TypeVar("_Value", bound=Hashable)

MAX_PORT_NO = 0xFEFF
"""The highest number that Open vSwitch gives to a port (ovs-vswitchd.conf.db(5), ofport_request)."""

MAX_DELAY_S = 60.0
"""The longest delay of a link; more is a slip of units."""

MAX_CAPACITY_BPS = 1e12
"""The largest capacity of a Mininet cable; more is a slip of units."""

BANDWIDTH_OFFER = "or --bandwidth RATE for all cables that have none"
"""What the refusal of a cable without a capacity ends with, in every form of topology."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_DPID = re.compile(r"[0-9a-fA-F]{1,16}")


def expect_bandwidth(bandwidth_bps: object) -> None:
    """Refuse what can't be the capacity of cables without one.

    Raises:
        InputError: it is neither None nor a finite number above 0.
    """
    if bandwidth_bps is None:
        return
    found = f"{type(bandwidth_bps).__name__}"
    if isinstance(bandwidth_bps, str | bool):
        found = f"{bandwidth_bps!r:.40} ({found})"
    elif isinstance(bandwidth_bps, Real):
        # A whole number may be larger than any float.
        with contextlib.suppress(OverflowError):
            found = repr(float(bandwidth_bps))
            if 0 < float(found) < math.inf:
                return
    raise InputError(f"bandwidth_bps: found {found}, expected a finite number above 0, in bit/s, or None")


def read_dpid(text: object) -> int:
    """A datapath id from up to 16 hexadecimal digits, with or without colons.

    Raises:
        ValueError: it is something else, or 0, in place of which Open vSwitch takes an id of its own.
    """
    digits = text.replace(":", "") if isinstance(text, str) else ""
    if not _DPID.fullmatch(digits) or int(digits, 16) == 0:
        raise ValueError(f"dpid {text!r}; expected up to 16 hexadecimal digits, not all 0")
    return int(digits, 16)


def read_mac(text: object) -> str:
    """A host's Ethernet address, in lower case.

    Raises:
        ValueError: it is not an address, one of a group (IEEE 802-2014 §8.2.2), or all 0.
    """
    mac = text.lower() if isinstance(text, str) else ""
    if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise ValueError(f"MAC address {text!r}; expected one of a host, such as 00:00:00:00:00:01")
    return mac


def read_ip(text: object) -> str:
    """A host's IPv4 address without its prefix length, if it has one.

    Raises:
        ValueError: it is not an address, or not one that a host can have.
    """
    expected = f"IP address {text!r}; expected an IPv4 address of a host, such as 10.0.0.1"
    try:
        ip = IPv4Interface(text if isinstance(text, str) else "").ip
    except ValueError:
        raise ValueError(expected) from None
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip == IPv4Address("255.255.255.255"):
        raise ValueError(expected)
    return str(ip)


@dataclass(frozen=True, slots=True)
class DraftSwitch:
    """A switch as a file has it; None stands for a value whose fault is reported already."""

    name: str
    dpid: int | None
    location: Location | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class DraftHost:
    """A host as a file has it; None stands for a value whose fault is reported already."""

    name: str
    mac: str | None
    ip: str | None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class DraftLink:
    """A link as a file has it; None stands for a value whose fault is reported already."""

    source: str
    target: str
    capacity_bps: float | None
    port_no: int | None
    location: Location | None = None
    delay_s: float | None = 0.0
    loss: float | None = 0.0
    interface_name: str | None = None

    @property
    def interface(self) -> str:
        """What the sending interface is called."""
        return self.interface_name or default_interface(self.source, self.port_no)

    @property
    def key(self) -> LinkKey:
        """Both ends."""
        return (self.source, self.target)


@dataclass
class Faults:
    """Faults in the order in which they are found, each once; at ``location`` if none is told."""

    file: str
    location: Location | None = None
    found: dict[Fault, None] = field(default_factory=dict)
    warned: dict[str, dict[str, None]] = field(default_factory=dict)
    """What is not as asked, each with those whom it concerns."""

    def add(self, message: str, location: Location | None = None) -> None:
        """Report a fault; without any location the file is named."""
        location = location or self.location
        self.found[Fault(message if location else f"{self.file}: {message}", location)] = None

    @contextmanager
    def at(self, location: Location | None) -> Iterator[None]:
        """Meanwhile faults without a place of their own are at that one, if it is known."""
        before = self.location
        self.location = location or before
        try:
            yield
        finally:
            self.location = before

    def warn(self, who: str, what: str) -> None:
        """Tell of something that is not emulated and changes nothing that is measured."""
        self.warned.setdefault(what, {})[who] = None

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each thing that was warned of, with up to eight of those whom it concerns."""
        lines = []
        for what, whom in self.warned.items():
            named = ", ".join(list(whom)[:8]) + (f" and {len(whom) - 8} more" if len(whom) > 8 else "")
            place = f"{self.location or self.file}: "
            lines.append(f"{place}warning: {named}: {what}")
        return tuple(lines)


@dataclass(frozen=True)
class Draft:
    """A network as a file has it."""

    name: str
    switches: Sequence[DraftSwitch]
    hosts: Sequence[DraftHost]
    links: Sequence[DraftLink]
    hint_without_switches: str = ""
    """What may be the reason where there are none."""

    def checked(self, faults: Faults) -> Network:
        """The network, if it keeps the laws and no fault was found before.

        Raises:
            InputError: with everything that is wrong.
        """
        self._check_nodes(faults)
        self._check_links(faults)
        if not faults.found:
            self._check_connected(faults)
        if faults.found:
            raise InputError(faults.found)
        switch_of = {link.source: link.target for link in self.links}
        port_to = {link.target: link.port_no or 0 for link in self.links}
        return Network(
            {s.name: Switch(s.name, s.dpid, s.label) for s in self.switches if s.dpid is not None},
            {
                h.name: Host(h.name, h.mac, h.ip, switch_of[h.name], port_to[h.name])
                for h in self.hosts
                if h.mac is not None and h.ip is not None
            },
            {
                link.key: Link(
                    link.source,
                    link.target,
                    link.capacity_bps,
                    link.port_no,
                    link.delay_s,
                    link.loss,
                    link.interface_name,
                )
                for link in self.links
                if link.capacity_bps is not None
                and link.port_no is not None
                and link.delay_s is not None
                and link.loss is not None
            },
            self.name,
            faults.notes,
        )

    @property
    def nodes(self) -> "tuple[DraftSwitch | DraftHost, ...]":
        """Switches, then hosts."""
        return (*self.switches, *self.hosts)

    def _check_nodes(self, faults: Faults) -> None:
        if not self.switches:
            faults.add(f"no switches; expected one or more{self.hint_without_switches}")
        for node in self.nodes:
            if not _NAME.fullmatch(node.name):
                faults.add(f"name {node.name!r}; expected letters, digits, _ . and -", node.location)
        names = [(n.name, n.name, n.location) for n in self.nodes]
        for name, holders, location in _shared(names):
            faults.add(f"{len(holders)} nodes are named {name!r}; expected one", location)
        dpids = [(s.dpid, s.name, s.location) for s in self.switches]
        for dpid, holders, location in _shared(dpids):
            faults.add(f"{_both(holders)} have the same dpid {dpid_text(dpid)}; expected one each", location)
        for what, values in (
            ("MAC address", [(h.mac, h.name, h.location) for h in self.hosts]),
            ("IP address", [(h.ip, h.name, h.location) for h in self.hosts]),
        ):
            for value, holders, location in _shared(values):
                faults.add(f"{_both(holders)} have the same {what} {value}; expected one each", location)

    def _check_links(self, faults: Faults) -> None:
        switches = {switch.name for switch in self.switches}
        hosts = {host.name for host in self.hosts}
        keys = Counter(link.key for link in self.links)
        for link in self.links:
            if message := _misled(link, switches, hosts, keys):
                faults.add(message, link.location)
            lowest = 0 if link.source in hosts else 1
            if link.port_no is not None and not lowest <= link.port_no <= MAX_PORT_NO:
                faults.add(
                    f"link {link_name(link.key)}: port {link.port_no} of {link.source};"
                    f" expected {lowest} to {MAX_PORT_NO}",
                    link.location,
                )
        ports = [
            ((link.source, link.port_no), link.target, link.location)
            for link in self.links
            if link.source in switches and link.port_no is not None
        ]
        for (source, port_no), targets, location in _shared(ports):
            if len(set(targets)) > 1:
                faults.add(
                    f"port {port_no} of {source} leads to {_both(targets)}; expected one of them", location
                )
        attached = Counter(link.source for link in self.links if link.target not in hosts)
        paired = {link.source for link in self.links if link.target in hosts}
        for host in self.hosts:
            if attached[host.name] != 1 and host.name not in paired:
                count = attached[host.name] or "no"
                faults.add(f"host {host.name} has {count} links; expected one, to a switch", host.location)

    def _check_connected(self, faults: Faults) -> None:
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(node.name for node in self.nodes)
        graph.add_edges_from(link.key for link in self.links)
        parts = sorted(nx.connected_components(graph), key=len, reverse=True)
        if len(parts) > 1:
            rest = sorted(set().union(*parts[1:]))
            some = ", ".join(rest[:8]) + (" …" if len(rest) > 8 else "")
            faults.add(f"the network is in {len(parts)} parts: no links lead to {some}; expected one part")


def _misled(link: DraftLink, switches: Set[str], hosts: Set[str], keys: Mapping[LinkKey, int]) -> str | None:
    """What is wrong with a link's ends."""
    here, there = link.key
    pair = " and ".join(sorted(link.key))
    if unknown := [end for end in link.key if end not in switches | hosts]:
        return f"link {link_name(link.key)}: no node is named {' or '.join(unknown)}"
    if here == there:
        return f"{here} is linked to itself; expected another node"
    if here in hosts and there in hosts:
        return f"{pair} are hosts linked to each other; expected a switch between them"
    if keys[link.key] > 1:
        return f"several cables between {pair}; parallel cables are not supported"
    if (there, here) not in keys:
        return f"link {link_name(link.key)} has no opposite; expected a link {link_name((there, here))}"
    return None


def _shared(
    held: Iterable[tuple[_Value | None, str, Location | None]],
) -> Iterator[tuple[_Value, list[str], Location | None]]:
    """Values that several names hold, with their holders and the place of the second."""
    holders: dict[_Value, list[tuple[str, Location | None]]] = {}
    for value, name, location in held:
        if value is not None:
            holders.setdefault(value, []).append((name, location))
    for value, found in holders.items():
        if len(found) > 1:
            yield value, [name for name, _ in found], found[1][1]


def _both(names: Iterable[str]) -> str:
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} and {last}"
