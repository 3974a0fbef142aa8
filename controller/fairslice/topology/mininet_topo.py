"""Reading a Mininet Topo object, by its methods alone: fairslice.topology does not import Mininet."""

import math
import numbers
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from fairslice.errors import Fault, InputError, Location
from fairslice.topology.check import (
    BANDWIDTH_OFFER,
    MAX_CAPACITY_BPS,
    MAX_DELAY_S,
    Draft,
    DraftHost,
    DraftLink,
    DraftSwitch,
    Faults,
    read_dpid,
    read_ip,
    read_mac,
)
from fairslice.topology.interfaces import interface_faults
from fairslice.topology.mininet_params import judge_cable, judge_end, judge_node, with_class_parameters
from fairslice.topology.network import Network
from fairslice.topology.watch import TopoPlaces

MBIT = 1e6
"""Mininet's unit of ``bw``, in bit/s."""

MAX_BW = round(MAX_CAPACITY_BPS / MBIT)
"""In Mbit/s."""

_LIKE_BW = frozenset({"bw", "band", "bandw", "bandwith", "bandwidth", "capacity", "rate", "speed"})
"""Keywords, in lower case, under which a capacity may be given by mistake."""

_DELAY = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)(s|ms|us)(?:ecs?)?", re.IGNORECASE)
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}


class Topo(Protocol):
    """What is asked of a ``mininet.topo.Topo``."""

    def switches(self) -> list[str]:
        """Names of switches, sorted."""

    def hosts(self) -> list[str]:
        """Names of hosts, sorted."""

    def links(self, *, withInfo: bool) -> list[tuple[str, str, dict[str, Any]]]:  # noqa: N803
        """Cables; each one's dict has node1, node2, port1, port2 and the keywords of ``addLink``."""

    def nodeInfo(self, name: str) -> dict[str, Any]:  # noqa: N802
        """The keywords of ``addHost`` or ``addSwitch``."""


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a cable: whose it is, and all that holds there."""

    cable: str
    location: Location | None
    node: str
    peer: str
    port_no: Any
    given: Mapping[str, Any]
    interface_name: str | None
    mac: object
    ip: object


def read_topo(
    topo: Topo,
    name: str,
    file: str,
    location: Location | None = None,
    *,
    places: TopoPlaces | None = None,
    bandwidth_bps: float | None = None,
) -> Network:
    """The network that Mininet builds from a Topo.

    Port numbers are those that Topo chose, which Mininet asks of Open vSwitch (``ofport_request``);
    interfaces are called ``s1-eth2``, or as ``intfName1`` and ``intfName2`` say. A host's addresses are its
    own ``ip`` and ``mac``, or else those of its end of the cable: ``addr1`` or ``addr2``, and ``ip`` of
    ``params1`` or ``params2``. A host without any gets Mininet's default (10.0.0.N for the N-th host by
    name), and the MAC address of Mininet's ``autoSetMacs`` (``mn --mac``), for otherwise Mininet chooses at
    random. A switch's dpid is its ``dpid`` or the first number in its name. A cable's ``bw``, in Mbit/s,
    holds for both directions; ``params1`` and ``params2`` may hold one for each.

    What of the Topo is not emulated and changes nothing that is measured stands in the network's ``notes``.

    Args:
        topo: The Topo.
        name: The network's name.
        file: Where it was defined, for faults.
        location: The place in that file, if it is known.
        places: Where in that file its nodes and cables are added, as far as it is known.
        bandwidth_bps: The capacity, in bit/s, of cables without a ``bw``, which are refused otherwise.

    Raises:
        InputError: with everything in the Topo that fairslice, or Mininet, can't build.
    """
    faults = Faults(file, location)
    for node in (*topo.switches(), *topo.hosts()):
        if not isinstance(node, str):
            faults.add(f"node {node!r}: its name is not text; expected one such as s1")
    if faults.found:
        raise InputError(faults.found)
    places = places or TopoPlaces()
    switches = frozenset(topo.switches())
    ends: list[_End] = []
    for _, _, info in topo.links(withInfo=True):
        with faults.at(places.cable(info)):
            ends += _ends(with_class_parameters(info), places.cable(info), faults)
    # Of a host with several cables, which is refused below, the first counts.
    of_host = {end.node: end for end in reversed(ends)}
    draft = Draft(
        name,
        [_switch(topo, switch, places.node(switch), faults) for switch in topo.switches()],
        [
            _host(topo, host, n, of_host.get(host), places.node(host), faults)
            for n, host in enumerate(topo.hosts(), start=1)
        ],
        [_link(end, bandwidth_bps, faults) for end in ends],
        f"; does build() run?{_instead_of_build(topo)}",
    )
    for end in ends:
        if end.node in switches and (end.mac is not None or end.ip is not None):
            faults.warn(end.cable, "the address of a switch's end is not used: a switch has none")
    ports = [(x.source, x.port_no, x.interface) for x in draft.links if x.port_no is not None]
    for message in interface_faults(switches, ports):
        faults.add(message)
    twice = {name: at for name, at in places.nodes.items() if len(at) > 1}
    for name in twice:
        faults.warn(name, "is added twice; what is said last holds, as in Mininet")
    try:
        return draft.checked(faults)
    except InputError as error:
        # It may be the cause of the others.
        first = [
            Fault(f"{name} is added twice, in line {at[0].line} already; expected it once", at[1])
            for name, at in twice.items()
        ]
        raise InputError([*first, *error.faults]) from None


def _instead_of_build(topo: Topo) -> str:
    """What a class may call its method by mistake."""
    own = [name for name in vars(type(topo)) if name != "build"]
    close = get_close_matches("build", own, n=1)
    return f" {type(topo).__name__} has {close[0]}(); did you mean build()?" if close else ""


def _switch(topo: Topo, name: str, location: Location | None, faults: Faults) -> DraftSwitch:
    with faults.at(location):
        info = with_class_parameters(topo.nodeInfo(name))
        judge_node("switch", name, info, faults)
        given = info.get("dpid")
        number = re.search(r"\d+", name)
        dpid = None
        if not given and number is None:
            faults.add(f"switch {name}: neither a dpid nor a number in its name; expected a name such as s23")
        else:
            try:
                # As mininet.node.Switch.defaultDpid does.
                dpid = read_dpid(given or f"{int(number[0] if number else 0):x}")
            except ValueError as error:
                faults.add(f"switch {name}: {error}")
    return DraftSwitch(name, dpid, location)


def _host(
    topo: Topo, name: str, number: int, end: _End | None, location: Location | None, faults: Faults
) -> DraftHost:
    with faults.at(location):
        info = with_class_parameters(topo.nodeInfo(name))
        judge_node("host", name, info, faults)
        octets = number.to_bytes(3, "big")
        own_mac, own_ip = info.get("mac") or None, info.get("ip")
        end_mac, end_ip = (None, None) if end is None else (end.mac, end.ip)
        for keyword, own, other in (("mac", own_mac, end_mac), ("ip", own_ip, end_ip)):
            if own is not None and other is not None and own != other:
                faults.warn(f"host {name}", f"{keyword} of its cable is not used: that of the host holds")
        mac = ip = None
        try:
            mac = read_mac(own_mac or end_mac or "00:00:00:" + octets.hex(":"))
        except ValueError as error:
            faults.add(f"host {name}: {error}")
        if own_ip is None and end_ip is not None:
            own_ip = end_ip
        elif "ip" not in info:
            own_ip = ".".join(str(octet) for octet in (10, *octets))
        try:
            ip = read_ip(own_ip)
        except ValueError as error:
            faults.add(f"host {name}: {error}")
    return DraftHost(name, mac, ip, location)


def _ends(info: Mapping[str, Any], location: Location | None, faults: Faults) -> Iterator[_End]:
    """Both ends of a cable, the first first."""
    nodes = (info["node1"], info["node2"])
    cable = f"cable {nodes[0]} - {nodes[1]}"
    judge_cable(cable, info, faults)
    for number, node in enumerate(nodes, start=1):
        params = info.get(f"params{number}")
        own = dict(params) if isinstance(params, Mapping) else {}
        judge_end(cable, own, faults)
        # Link.__init__ of Mininet lets what holds for both interfaces override what is meant for one.
        given = {**own, **info}
        macs = [mac for mac in (info.get(f"addr{number}"), given.get("mac")) if mac is not None]
        if len(set(map(repr, macs))) > 1:
            faults.add(f"{cable}: {macs[0]!r} and {macs[1]!r} as the MAC address of {node}; expected one")
        named = info.get(f"intfName{number}")
        if named is not None and not isinstance(named, str):
            faults.add(f"{cable}: intfName{number}={named!r}; expected text")
            named = None
        yield _End(
            cable,
            location,
            node,
            nodes[2 - number],
            info[f"port{number}"],
            given,
            str(named) if named else None,
            macs[0] if macs else None,
            given.get("ip"),
        )


def _link(end: _End, bandwidth_bps: float | None, faults: Faults) -> DraftLink:
    """What an end sends on."""
    cable, given = end.cable, end.given
    with faults.at(end.location):
        bw = given.get("bw")
        number = as_number(bw)
        capacity_bps = None
        if bw is None:
            capacity_bps = bandwidth_bps
            if bandwidth_bps is None:
                faults.add(
                    f"{cable}: no bw{_instead_of_bw(given)}; expected its capacity in Mbit/s,"
                    f" as in addLink(…, bw=20), {BANDWIDTH_OFFER}"
                )
        elif number is None or not 0 < number <= MAX_BW:
            faults.add(f"{cable}: bw={bw!r}; expected a number of Mbit/s above 0, up to {MAX_BW}")
        else:
            capacity_bps = number * MBIT
        port_no = None
        if isinstance(end.port_no, numbers.Integral) and not isinstance(end.port_no, bool):
            port_no = int(end.port_no)
        else:
            faults.add(f"{cable}: port {end.port_no!r} of {end.node}; expected a number")
        delay_s = loss = None
        try:
            delay_s = read_delay(given.get("delay"))
        except ValueError as error:
            faults.add(f"{cable}: {error}")
        try:
            loss = read_loss(given.get("loss"))
        except ValueError as error:
            faults.add(f"{cable}: {error}")
    return DraftLink(
        end.node,
        end.peer,
        capacity_bps,
        port_no,
        end.location,
        delay_s=delay_s,
        loss=loss,
        interface_name=end.interface_name,
    )


def _instead_of_bw(given: Mapping[str, Any]) -> str:
    """What a cable has under another name."""
    seen = [f"{keyword}={value!r}" for keyword, value in given.items() if keyword.lower() in _LIKE_BW]
    return f", but {', '.join(seen)}; did you mean bw?" if seen else ""


def as_number(value: object) -> float | None:
    """A number of any make (int, float, Fraction, Decimal, numpy's) as a float; None: it is not a real one.

    >>> from fractions import Fraction
    >>> as_number(Fraction(21, 2)), as_number("10"), as_number(True)
    (10.5, None, None)
    """
    if not isinstance(value, numbers.Number) or isinstance(value, bool):
        return None
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def read_delay(value: object) -> float:
    """Seconds from a ``delay`` of ``addLink``: a time as tc takes it, or None or 0 for no delay.

    A number without a unit, which tc takes for microseconds (tc(8), "TIMES"), is hardly meant: it is refused.

    Raises:
        ValueError: it is something else, negative, or longer than MAX_DELAY_S.

    >>> read_delay("2.5ms")
    0.0025
    """
    if value is None or as_number(value) == 0:
        return 0.0
    found = _DELAY.fullmatch(value) if isinstance(value, str) else None
    delay_s = float(found[1]) / _PER_SECOND[found[2].lower()] if found else math.nan
    if not delay_s <= MAX_DELAY_S:
        raise ValueError(
            f"delay={value!r}; expected a time with its unit, s, ms or us, up to {MAX_DELAY_S:g} s,"
            " as in delay='10ms'"
        )
    return delay_s


def read_loss(value: object) -> float:
    """A fraction from a ``loss`` of ``addLink``, which is in per cent; None means no loss.

    Raises:
        ValueError: it is not a number from 0 to below 100.

    >>> read_loss(2)
    0.02
    """
    if value is None:
        return 0.0
    number = as_number(value)
    if number is None or not 0 <= number < 100:
        raise ValueError(f"loss={value!r}; expected a number of per cent, 0 to below 100, as in loss=2")
    return number / 100
