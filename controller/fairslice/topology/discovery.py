"""What is there: merging what LLDP and the switches report with what the network file says."""

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from math import inf

from fairslice.topology.network import Host, Link, LinkKey, Network, Switch, dpid_text
from fairslice.units import format_rate

Port = tuple[int, int]
"""A switch's dpid and a port_no."""

Cable = tuple[Port, Port]
"""The two ends of a cable between switches, the smaller first."""

Capacities = Mapping[Port, float]
"""What the link that a port sends on carries, in bit/s."""


@dataclass(frozen=True, slots=True)
class SeenLink:
    """An LLDP frame that ``peer_port_no`` of ``peer_dpid`` received from ``port_no`` of ``dpid``."""

    dpid: int
    port_no: int
    peer_dpid: int
    peer_port_no: int

    @property
    def ends(self) -> tuple[Port, Port]:
        """Sender and receiver."""
        return ((self.dpid, self.port_no), (self.peer_dpid, self.peer_port_no))


@dataclass(frozen=True, slots=True)
class SeenHost:
    """A source address of frames that entered the network at a port."""

    dpid: int
    port_no: int
    mac: str
    ip: str

    @property
    def port(self) -> Port:
        """Where it is attached."""
        return (self.dpid, self.port_no)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The network that works now.

    ``missing`` tells what the file has and was not seen; a switch that is missing stands for its hosts and
    cables too. ``surprises`` tells what was seen and is not as the file says, or can't be used.
    """

    network: Network
    missing: tuple[str, ...] = ()
    surprises: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sight:
    """What was seen of the switches that the network can have."""

    switches: Mapping[int, Switch]
    ports_up: Set[Port]
    heard: Set[tuple[Port, Port]]
    """Sender and receiver of LLDP, where both ports are up."""
    trunks: Set[Port]
    """Ports that lead to a switch."""
    capacities: Capacities

    def name(self, port: Port) -> str:
        return f"{self.switches[port[0]].name} port {port[1]}"

    def cable(self, cable: Cable) -> str:
        return f"cable {self.name(cable[0])} - {self.name(cable[1])}"

    def host(self, host: SeenHost) -> str:
        return f"host {host.mac} with {host.ip} at {self.name(host.port)}"

    def capacity_bps(self, port: Port) -> float | None:
        """None too for what ports report that don't know their speed."""
        capacity = self.capacities.get(port, 0.0)
        return capacity if 0 < capacity < inf else None

    def entered(self, hosts: Collection[SeenHost]) -> list[SeenHost]:
        """Hosts that are seen where they are attached, by rising IP address: not behind another switch."""
        edge = [h for h in hosts if h.port in self.ports_up and h.port not in self.trunks]
        return sorted(edge, key=lambda h: (IPv4Address(h.ip), h.mac, h.port))


@dataclass
class _Found:
    """What goes into the result."""

    hosts: dict[str, Host] = field(default_factory=dict)
    links: dict[LinkKey, Link] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)


def merge(
    expected: Network | None,
    seen_switches: Mapping[int, Collection[int]],
    seen_links: Collection[SeenLink],
    seen_hosts: Collection[SeenHost],
    capacities: Capacities,
) -> Discovery:
    """Put together the network that works now: LLDP says what is there, the file its names and capacities.

    With a file the network has the file's switches that are connected, its hosts whose port is up and leads
    to no switch, and the cables that LLDP passed both ways and whose ports are up. A cable that is not in
    the file, or at other ports, is a surprise; it is used if its capacity is known. Delays and losses are
    the file's: what switches see does not tell them. A host of the file that is seen at its port and with
    its IP address has the MAC address that it is seen with. Without a file switches are called s{dpid}, and
    hosts h1, h2, … by rising IP address; a host's cable carries both ways what its switch's port does.

    One cable joins two switches, and a port leads to one place: of several, that of the file is taken, or
    else that of the smallest dpid and port_no.

    Args:
        expected: The network file; None if there is none.
        seen_switches: The connected switches by dpid, each with its ports that are up.
        seen_links: What LLDP saw.
        seen_hosts: Addresses seen at ports of switches.
        capacities: By port; asked for what the file does not tell. What is not above 0 and finite is unknown.
    """
    if expected is None:
        switches = {dpid: Switch(f"s{dpid}", dpid) for dpid in sorted(seen_switches)}
    else:
        switches = {s.dpid: s for s in expected.switches.values() if s.dpid in seen_switches}
    ports_up = {(dpid, port_no) for dpid in switches for port_no in seen_switches[dpid]}
    heard = {link.ends for link in seen_links if ports_up.issuperset(link.ends)}
    sight = _Sight(switches, ports_up, heard, {end for ends in heard for end in ends}, capacities)

    found = _Found()
    _join_cables(found, sight, expected)
    if expected is None:
        _learn_hosts(found, sight, seen_hosts)
    else:
        _place_hosts(found, sight, expected)
        _report_switches(found, expected, seen_switches)
        _report_cables(found, sight, expected)
        _compare_hosts(found, sight, expected, seen_hosts)
    name = "discovered" if expected is None else expected.name
    network = Network({s.name: s for s in switches.values()}, found.hosts, found.links, name)
    return Discovery(network, tuple(found.missing), tuple(found.surprises))


def _cables(network: Network) -> Iterator[tuple[Cable, LinkKey]]:
    """The cables between switches, each with the link that its first end sends on."""
    for key, link in network.links.items():
        if key[0] in network.switches and key[1] in network.switches:
            here = (network.switches[key[0]].dpid, link.port_no)
            there = (network.switches[key[1]].dpid, network.links[key[::-1]].port_no)
            if here < there:
                yield (here, there), key


def _join_cables(found: _Found, sight: _Sight, expected: Network | None) -> None:
    """Take the cables that were seen both ways and whose capacity is known."""
    said = {} if expected is None else expected.links
    in_file = set() if expected is None else {cable for cable, _ in _cables(expected)}
    both_ways = {(a, b) for a, b in sight.heard if a <= b and (b, a) in sight.heard}
    taken: set[Port] = set()
    for cable in sorted(both_ways, key=lambda cable: (cable not in in_file, cable)):
        key = (sight.switches[cable[0][0]].name, sight.switches[cable[1][0]].name)
        links = []
        for (source, target), port in ((key, cable[0]), (key[::-1], cable[1])):
            link = said.get((source, target))
            capacity = sight.capacity_bps(port)
            if link is not None:
                links.append(replace(link, port_no=port[1]))
            elif capacity is not None:
                links.append(Link(source, target, capacity, port[1]))
        if key[0] == key[1]:
            obstacle = "it leads back to its switch"
        elif key in found.links:
            obstacle = "another joins the same switches"
        elif taken.intersection(cable):
            obstacle = "another shares a port with it"
        elif len(links) < 2:
            obstacle = "its capacity is unknown"
        else:
            obstacle = ""
            found.links |= {link.key: link for link in links}
            taken.update(cable)
        new = expected is not None and cable not in in_file
        if new or obstacle:
            remarks = [sight.cable(cable) + ":"]
            if new:
                remarks.append("at other ports than the file says;" if key in said else "not in the file;")
            rate = format_rate(min((link.capacity_bps for link in links), default=0.0))
            remarks.append(f"not used, because {obstacle}" if obstacle else f"used at {rate}")
            found.surprises.append(" ".join(remarks))


def _learn_hosts(found: _Found, sight: _Sight, seen_hosts: Collection[SeenHost]) -> None:
    """Without a file: name the hosts that were seen, one a port."""
    taken: dict[str | Port, str] = {}
    for seen in sight.entered(seen_hosts):
        name = f"h{len(found.hosts) + 1}"
        rivals = {taken[value] for value in (seen.mac, seen.ip, seen.port) if value in taken}
        capacity = sight.capacity_bps(seen.port)
        if rivals or capacity is None:
            reason = (
                f"{' and '.join(sorted(rivals))} has its address or port"
                if rivals
                else "its port's capacity is unknown"
            )
            found.surprises.append(f"{sight.host(seen)}: not used, because {reason}")
            continue
        taken |= {seen.mac: name, seen.ip: name, seen.port: name}
        switch = sight.switches[seen.dpid].name
        found.hosts[name] = Host(name, seen.mac, seen.ip, switch, seen.port_no)
        found.links[name, switch] = Link(name, switch, capacity, 0)
        found.links[switch, name] = Link(switch, name, capacity, seen.port_no)


def _place_hosts(found: _Found, sight: _Sight, expected: Network) -> None:
    """With a file: take its hosts whose port is up and leads to no switch."""
    for host in expected.hosts.values():
        port = (expected.switches[host.switch].dpid, host.port_no)
        if port[0] not in sight.switches:
            continue
        if port not in sight.ports_up:
            found.missing.append(f"host {host.name}: {sight.name(port)} is down")
        elif port in sight.trunks:
            found.missing.append(f"host {host.name}: {sight.name(port)} leads to a switch")
        else:
            found.hosts[host.name] = host
            for key in ((host.name, host.switch), (host.switch, host.name)):
                found.links[key] = expected.links[key]


def _report_switches(found: _Found, expected: Network, connected: Collection[int]) -> None:
    for switch in expected.switches.values():
        if switch.dpid not in connected:
            found.missing.append(f"switch {switch.name} (dpid {dpid_text(switch.dpid)}) is not connected")
    for dpid in sorted(connected):
        if dpid not in expected.switch_of_dpid:
            found.surprises.append(f"switch with dpid {dpid_text(dpid)}: not in the file; not used")


def _report_cables(found: _Found, sight: _Sight, expected: Network) -> None:
    for cable, key in _cables(expected):
        if key in found.links or any(port[0] not in sight.switches for port in cable):
            continue
        down = [sight.name(port) for port in cable if port not in sight.ports_up]
        if down:
            reason = f"{' and '.join(down)} {'is' if len(down) == 1 else 'are'} down"
        elif heard := [ends for ends in (cable, cable[::-1]) if ends in sight.heard]:
            reason = f"LLDP passes only from {sight.name(heard[0][0])}"
        else:
            reason = "LLDP does not pass"
        found.missing.append(f"{sight.cable(cable)}: {reason}")


def _compare_hosts(found: _Found, sight: _Sight, expected: Network, seen_hosts: Collection[SeenHost]) -> None:
    """With a file: tell what hosts turned out to be, and correct the MAC of one that is in its place."""
    of_mac = {host.mac: host for host in expected.hosts.values()}
    of_ip = {host.ip: host for host in expected.hosts.values()}
    for seen in sight.entered(seen_hosts):
        place = (sight.switches[seen.dpid].name, seen.port_no)
        known, namesake = of_mac.get(seen.mac), of_ip.get(seen.ip)
        if known is not None:
            if (known.switch, known.port_no) != place or known.ip != seen.ip:
                found.surprises.append(
                    f"{sight.host(seen)}: the file has it as {known.name} with {known.ip}"
                    f" at {known.switch} port {known.port_no}"
                )
        elif (
            namesake is not None
            and (namesake.switch, namesake.port_no) == place
            # Not corrected before, nor in favour of a MAC that another host has by now.
            and found.hosts[namesake.name] == namesake
            and seen.mac not in {host.mac for host in found.hosts.values()}
        ):
            found.hosts[namesake.name] = replace(namesake, mac=seen.mac)
            found.surprises.append(
                f"{sight.host(seen)}: used as {namesake.name}, not the file's {namesake.mac}"
            )
        else:
            found.surprises.append(f"{sight.host(seen)}: not in the file; not used")
