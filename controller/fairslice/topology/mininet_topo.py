"""Reading a Mininet Topo object, by its methods alone: fairslice.topology does not import Mininet."""

import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

from fairslice.errors import InputError, Location
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
from fairslice.topology.network import Network

MBIT = 1e6
"""Mininet's unit of ``bw``, in bit/s."""

MAX_BW = round(MAX_CAPACITY_BPS / MBIT)
"""In Mbit/s."""

_DELAY = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)(s|ms|us)(?:ecs?)?", re.IGNORECASE)
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}
_UNSUPPORTED = {
    "jitter": "a link's delay is constant",
    "max_queue_size": "a queue's depth is the policy's buffer",
    "latency_ms": "a queue's depth is the policy's buffer",
    "speedup": "a link carries its bw",
    "use_hfsc": "a link is shared by HTB queues",
    "use_tbf": "a link is shared by HTB queues",
    "enable_ecn": "queues drop what comes when they are full",
    "enable_red": "queues drop what comes when they are full",
}
"""What a link under tc would heed (mininet.link.TCIntf.config) and fairslice would not, and why."""

_INTERFACE_NAME_LENGTH = 15
"""The most that Linux allows (IFNAMSIZ without its end)."""


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


def read_topo(
    topo: Topo,
    name: str,
    file: str,
    location: Location | None = None,
    *,
    bandwidth_bps: float | None = None,
) -> Network:
    """The network that Mininet builds from a Topo.

    Port numbers are those that Topo chose, which Mininet asks of Open vSwitch (``ofport_request``). A host
    without ``ip`` gets Mininet's default (10.0.0.N for the N-th host by name); one without ``mac`` that of
    Mininet's ``autoSetMacs`` (``mn --mac``), for otherwise Mininet chooses at random. A switch's dpid is its
    ``dpid`` or the first number in its name. A cable's ``bw``, in Mbit/s, holds for both directions;
    ``params1`` and ``params2`` may hold one for each.

    Args:
        topo: The Topo.
        name: The network's name.
        file: Where it was defined, for faults.
        location: The place in that file, if it is known.
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
    draft = Draft(
        name,
        [_switch(topo, switch, faults) for switch in topo.switches()],
        [_host(topo, host, n, faults) for n, host in enumerate(topo.hosts(), start=1)],
        [link for _, _, info in topo.links(withInfo=True) for link in _cable(info, bandwidth_bps, faults)],
    )
    for link in draft.links:
        interface = f"{link.source}-eth{link.port_no}"
        if link.port_no is not None and len(interface) > _INTERFACE_NAME_LENGTH:
            faults.add(
                f"{link.source}: its interface {interface} is longer than Linux allows;"
                f" expected up to {_INTERFACE_NAME_LENGTH} characters"
            )
    return draft.checked(faults)


def _switch(topo: Topo, name: str, faults: Faults) -> DraftSwitch:
    given = topo.nodeInfo(name).get("dpid")
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
    return DraftSwitch(name, dpid)


def _host(topo: Topo, name: str, number: int, faults: Faults) -> DraftHost:
    info = topo.nodeInfo(name)
    octets = number.to_bytes(3, "big")
    mac = ip = None
    try:
        mac = read_mac(info.get("mac") or "00:00:00:" + octets.hex(":"))
    except ValueError as error:
        faults.add(f"host {name}: {error}")
    try:
        ip = read_ip(info.get("ip", ".".join(str(octet) for octet in (10, *octets))))
    except ValueError as error:
        faults.add(f"host {name}: {error}")
    return DraftHost(name, mac, ip)


def _cable(info: Mapping[str, Any], bandwidth_bps: float | None, faults: Faults) -> list[DraftLink]:
    ends = [(info["node1"], info["port1"], "params1"), (info["node2"], info["port2"], "params2")]
    cable = f"cable {ends[0][0]} - {ends[1][0]}"
    links = []
    for (source, port_no, params), (target, _, _) in (ends, ends[::-1]):
        # Link.__init__ of Mininet lets what holds for both interfaces override what is meant for one.
        given = {**(info.get(params) or {}), **info}
        bw = given.get("bw")
        capacity_bps = None
        if bw is None:
            capacity_bps = bandwidth_bps
            if bandwidth_bps is None:
                faults.add(
                    f"{cable}: no bw; expected its capacity in Mbit/s, as in addLink(…, bw=20),"
                    f" {BANDWIDTH_OFFER}"
                )
        elif not isinstance(bw, int | float) or isinstance(bw, bool) or not 0 < bw <= MAX_BW:
            faults.add(f"{cable}: bw={bw!r}; expected a number of Mbit/s above 0, up to {MAX_BW}")
        else:
            capacity_bps = bw * MBIT
        if not isinstance(port_no, int):
            faults.add(f"{cable}: port {port_no!r} of {source}; expected a number")
            port_no = None
        delay_s = loss = None
        try:
            delay_s = read_delay(given.get("delay"))
        except ValueError as error:
            faults.add(f"{cable}: {error}")
        try:
            loss = read_loss(given.get("loss"))
        except ValueError as error:
            faults.add(f"{cable}: {error}")
        for keyword, reason in _UNSUPPORTED.items():
            if given.get(keyword):
                faults.add(f"{cable}: {keyword}={given[keyword]!r}; expected none, because {reason}")
        links.append(DraftLink(source, target, capacity_bps, port_no, delay_s=delay_s, loss=loss))
    return links


def read_delay(value: object) -> float:
    """Seconds from a ``delay`` of ``addLink``: a time as tc takes it, or None or 0 for no delay.

    A number without a unit, which tc takes for microseconds (tc(8), "TIMES"), is hardly meant: it is refused.

    Raises:
        ValueError: it is something else, negative, or longer than MAX_DELAY_S.

    >>> read_delay("2.5ms")
    0.0025
    """
    if value is None or (isinstance(value, int | float) and value == 0 and value is not False):
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
    """A fraction from a ``loss`` of ``addLink``, which is in per cent; None is no loss.

    Raises:
        ValueError: it is no number from 0 to below 100.

    >>> read_loss(2)
    0.02
    """
    if value is None:
        return 0.0
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 100:
        raise ValueError(f"loss={value!r}; expected a number of per cent, 0 to below 100, as in loss=2")
    return value / 100
