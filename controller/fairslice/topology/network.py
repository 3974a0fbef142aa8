"""The network as fairslice sees it: hosts, switches and directed links over a networkx DiGraph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import networkx as nx

from fairslice.naming import ARROW

LinkKey = tuple[str, str]
"""A link by the names of its two ends, source first."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch and its datapath id (OpenFlow 1.3 §7.3.1); ``label`` is what people call it, if it is told."""

    name: str
    dpid: int
    label: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Host:
    """A host and the switch port where it is attached."""

    name: str
    mac: str
    ip: str
    switch: str
    port_no: int


@dataclass(frozen=True, slots=True)
class Link:
    """One direction of a cable: ``capacity_bps`` of Ethernet frames, sent by ``port_no`` of ``source``.

    A host's port is 0 unless the topology says otherwise, and the interface is called after node and port
    unless ``interface_name`` is given. Each frame is on the way for ``delay_s`` seconds, and is lost by
    itself with the probability ``loss`` (0 ≤ loss < 1), after the sender's queues and counters.
    """

    source: str
    target: str
    capacity_bps: float
    port_no: int
    delay_s: float = 0.0
    loss: float = 0.0
    interface_name: str | None = None

    @property
    def interface(self) -> str:
        """What the sending interface is called, as Mininet does it: ``s1-eth2``, or as the topology says."""
        return self.interface_name or default_interface(self.source, self.port_no)

    @property
    def key(self) -> LinkKey:
        """Both ends."""
        return (self.source, self.target)

    @property
    def name(self) -> str:
        """``s1->s2``."""
        return link_name(self.key)


def default_interface(node: str, port_no: int | None) -> str:
    """The interface of a port, as Mininet names it: ``s1-eth2``."""
    return f"{node}-eth{port_no}"


def dpid_text(dpid: int) -> str:
    """A datapath id as 16 hexadecimal digits, as Open vSwitch and network files write it."""
    return f"{dpid:016x}"


@lru_cache(maxsize=2**16)
def link_name(key: LinkKey) -> str:
    """``("s1", "s2")`` as ``s1->s2``."""
    return ARROW.join(key)


@dataclass(frozen=True, repr=False)
class Network:
    """A checked network: every host has one switch, every link its opposite, names and dpids are unique."""

    switches: Mapping[str, Switch]
    hosts: Mapping[str, Host]
    links: Mapping[LinkKey, Link]
    name: str = field(default="network", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What its topology asks for and is not emulated, for people to read."""

    def __repr__(self) -> str:
        """Its name, and how many there are of each."""
        counts = f"{len(self.switches):,} switches, {len(self.hosts):,} hosts, {len(self.links):,} links"
        return f"<Network {self.name}: {counts}>"

    @cached_property
    def graph(self) -> "nx.DiGraph[str]":
        """The networkx view.

        Nodes carry ``kind`` ("switch" with ``dpid``, or "host" with ``mac`` and ``ip``), edges ``capacity``
        (bit/s) and ``port_no`` (of the sending end), and, where they are not 0, ``delay`` (seconds) and
        ``loss`` (a fraction), and ``interface``, where it has a name of its own.
        """
        graph: nx.DiGraph[str] = nx.DiGraph(name=self.name)
        for switch in self.switches.values():
            label = {"label": switch.label} if switch.label else {}
            graph.add_node(switch.name, kind="switch", dpid=switch.dpid, **label)
        for host in self.hosts.values():
            graph.add_node(host.name, kind="host", mac=host.mac, ip=host.ip)
        for link in self.links.values():
            others = {"delay": link.delay_s, "loss": link.loss, "interface": link.interface_name}
            graph.add_edge(
                link.source,
                link.target,
                capacity=link.capacity_bps,
                port_no=link.port_no,
                **{name: value for name, value in others.items() if value},
            )
        return graph

    def legend(self, names: Iterable[str]) -> str:
        """What people call the switches among ``names``, and which hosts among them are there.

        As "s1 is Seattle (h1), s4 is Denver"; empty where no switch among them has a label.
        """
        wanted = set(names)
        labelled = [switch for switch in self.switches.values() if switch.name in wanted and switch.label]
        parts = []
        for switch in labelled:
            hosts = [h.name for h in self.hosts.values() if h.switch == switch.name and h.name in wanted]
            parts.append(f"{switch.name} is {switch.label}" + (f" ({', '.join(hosts)})" if hosts else ""))
        return ", ".join(parts)

    @cached_property
    def switch_of_dpid(self) -> Mapping[int, Switch]:
        """Switches by datapath id."""
        return {switch.dpid: switch for switch in self.switches.values()}

    @cached_property
    def links_to(self) -> Mapping[str, tuple[Link, ...]]:
        """The links that end at each node."""
        found: dict[str, list[Link]] = {name: [] for name in (*self.switches, *self.hosts)}
        for link in self.links.values():
            found[link.target].append(link)
        return {name: tuple(links) for name, links in found.items()}

    def without(self, down: Iterable[LinkKey]) -> "Network":
        """The network without some links; hosts and switches stay."""
        gone = set(down)
        return replace(self, links={k: link for k, link in self.links.items() if k not in gone})
