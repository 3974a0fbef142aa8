"""The rows of the Open_vSwitch database that matter here, from JSON (RFC 7047 §5.1) to frozen values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairslice.slicing.state.desired import PortQos, Queue

OWNER_KEY = "owner"
OWNER = "fairslice"
"""Rows with external_ids:owner=fairslice are ours; no other is ever written."""
BUFFER_KEY = "fairslice-buffer-bytes"
"""Key of a Queue's external_ids: how many bytes it holds. Open vSwitch has no such setting; the agent has.

A queue without it reads as 0 and is mended.
"""
CAPACITY_KEY = "fairslice-capacity-bps"
"""Key of an Interface's external_ids: what the link that it sends to carries, in bit/s of Ethernet frames."""
HTB = "linux-htb"
USERSPACE = "netdev"
_RESERVED_PORT = 0xFF00
"""From here on port numbers are OpenFlow 1.0's reserved ones, as in OVSDB (65534: the bridge itself)."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Open_vSwitch": ("next_cfg", "cur_cfg"),
    "Bridge": ("name", "datapath_id", "datapath_type", "ports"),
    "Port": ("_uuid", "name", "qos", "interfaces"),
    "Interface": ("_uuid", "name", "ofport", "link_speed", "external_ids"),
    "QoS": ("_uuid", "type", "queues", "other_config", "external_ids"),
    "Queue": ("_uuid", "other_config", "external_ids"),
}


class RowError(Exception):
    """The database holds something other than what was expected; says where and what."""


@dataclass(frozen=True, slots=True)
class BridgeRow:
    """A bridge; ``dpid`` is None until ovs-vswitchd has made it."""

    name: str
    dpid: int | None
    datapath_type: str
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PortRow:
    """A port, with the uuids of its QoS and its interfaces."""

    uuid: str
    name: str
    qos: str | None
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    """An interface; its name is the network device's."""

    uuid: str
    name: str
    ofport: int | None
    link_speed: int | None
    external_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QosRow:
    """A QoS, with the uuids of its queues by queue_id."""

    uuid: str
    type: str
    queues: Mapping[int, str]
    other_config: Mapping[str, str]
    external_ids: Mapping[str, str]

    @property
    def ours(self) -> bool:
        """Whether fairslice made it."""
        return self.external_ids.get(OWNER_KEY) == OWNER


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue."""

    uuid: str
    other_config: Mapping[str, str]
    external_ids: Mapping[str, str]

    @property
    def ours(self) -> bool:
        """Whether fairslice made it."""
        return self.external_ids.get(OWNER_KEY) == OWNER


_NO_QUEUE = QueueRow("", {}, {})


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A port as OVSDB describes it; rates in bit/s, None where nothing is known.

    ``capacity_bps`` is external_ids:fairslice-capacity-bps of the interface, ``speed_bps`` what its driver
    says. ``datapath_type`` is "system" or "netdev".
    """

    port_no: int
    name: str
    datapath_type: str
    capacity_bps: float | None
    speed_bps: int | None


@dataclass(frozen=True, slots=True)
class OwnedPort:
    """A port that has a QoS of ours: ``name`` is the network device, ``userspace`` the kind of datapath."""

    bridge: str
    name: str
    userspace: bool
    qos: PortQos


@dataclass(frozen=True, slots=True)
class Attachment:
    """A numbered port of a bridge."""

    port_no: int
    port: PortRow
    interface: InterfaceRow


@dataclass(frozen=True)
class Snapshot:
    """The database at one instant; rows by uuid."""

    bridges: tuple[BridgeRow, ...]
    ports: Mapping[str, PortRow]
    interfaces: Mapping[str, InterfaceRow]
    qos: Mapping[str, QosRow]
    queues: Mapping[str, QueueRow]
    next_cfg: int
    cur_cfg: int

    def bridge(self, dpid: int) -> BridgeRow:
        """The bridge with that datapath id.

        Raises:
            RowError: there is none; lists those that are there.
        """
        found = next((bridge for bridge in self.bridges if bridge.dpid == dpid), None)
        if found is None:
            known = ", ".join(f"{b.name} ({b.dpid:016x})" for b in self.bridges if b.dpid is not None)
            raise RowError(f"no bridge has the datapath id {dpid:016x}; found {known or 'no bridge at all'}")
        return found

    def attachments(self, bridge: BridgeRow) -> Iterator[Attachment]:
        """The bridge's ports that have a number; its own internal port is left out."""
        for port in (self.ports[uuid] for uuid in bridge.ports if uuid in self.ports):
            for interface in (self.interfaces[uuid] for uuid in port.interfaces if uuid in self.interfaces):
                if interface.ofport is not None and 0 < interface.ofport < _RESERVED_PORT:
                    yield Attachment(interface.ofport, port, interface)

    def port_infos(self, dpid: int) -> dict[int, PortInfo]:
        """The ports of a bridge by port_no.

        Raises:
            RowError: no such bridge, or a capacity that is not a positive number.
        """
        bridge = self.bridge(dpid)
        return {
            at.port_no: PortInfo(
                at.port_no,
                at.interface.name,
                bridge.datapath_type or "system",
                _capacity(bridge, at.interface),
                at.interface.link_speed,
            )
            for at in self.attachments(bridge)
        }

    def port_qos(self, dpid: int) -> dict[int, PortQos]:
        """Our QoS on the ports of a bridge, by port_no.

        Raises:
            RowError: no such bridge.
        """
        bridge = self.bridge(dpid)
        return {owned.qos.port_no: owned.qos for owned in self._owned(bridge)}

    def owned_ports(self) -> tuple[OwnedPort, ...]:
        """The ports of all bridges that have a QoS of ours."""
        return tuple(owned for bridge in self.bridges for owned in self._owned(bridge))

    def _owned(self, bridge: BridgeRow) -> Iterator[OwnedPort]:
        for at in self.attachments(bridge):
            row = None if at.port.qos is None else self.qos.get(at.port.qos)
            if row is not None and row.ours and row.type == HTB:
                qos = self._qos_value(at.port_no, row)
                yield OwnedPort(bridge.name, at.interface.name, bridge.datapath_type == USERSPACE, qos)

    def _qos_value(self, port_no: int, row: QosRow) -> PortQos:
        queues = []
        for queue_id, uuid in sorted(row.queues.items()):
            found = self.queues.get(uuid, _NO_QUEUE)
            queues.append(
                Queue(
                    queue_id,
                    _number(found.other_config, "min-rate"),
                    _number(found.other_config, "max-rate"),
                    _number(found.external_ids, BUFFER_KEY),
                    _number(found.other_config, "burst") // 8,
                )
            )
        return PortQos(port_no, _number(row.other_config, "max-rate"), tuple(queues))


def select_operations() -> list[dict[str, Any]]:
    """One select (RFC 7047 §5.2.2) a table; together they read a :class:`Snapshot`."""
    return [
        {"op": "select", "table": table, "where": [], "columns": list(columns)}
        for table, columns in _COLUMNS.items()
    ]


def monitor_requests() -> dict[str, Any]:
    """What to monitor (RFC 7047 §4.1.5) to learn of every change of a :class:`Snapshot`, nothing more.

    ``cur_cfg`` says when ovs-vswitchd has acted; statistics and the like are left out.
    """
    return {
        table: {
            "columns": [name for name in columns if name not in ("_uuid", "next_cfg")],
            "select": {"initial": False},
        }
        for table, columns in _COLUMNS.items()
    }


def snapshot_of(results: list[dict[str, Any]]) -> Snapshot:
    """Read the results of :func:`select_operations`.

    Raises:
        RowError: the answer is not of the Open_vSwitch schema.
    """
    try:
        switch, bridges, ports, interfaces, qos, queues = (result["rows"] for result in results)
        return Snapshot(
            tuple(_bridge(row) for row in bridges),
            {row.uuid: row for row in map(_port, ports)},
            {row.uuid: row for row in map(_interface, interfaces)},
            {row.uuid: row for row in map(_qos, qos)},
            {row.uuid: row for row in map(_queue, queues)},
            max((row["next_cfg"] for row in switch), default=0),
            min((row["cur_cfg"] for row in switch), default=0),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RowError(f"the database answered with rows that are not Open vSwitch's: {error!r}") from error


def _bridge(row: Mapping[str, Any]) -> BridgeRow:
    dpid = _optional(row["datapath_id"])
    return BridgeRow(
        row["name"], None if dpid is None else int(dpid, 16), row["datapath_type"], _uuids(row["ports"])
    )


def _port(row: Mapping[str, Any]) -> PortRow:
    qos = _uuids(row["qos"])
    return PortRow(row["_uuid"][1], row["name"], qos[0] if qos else None, _uuids(row["interfaces"]))


def _interface(row: Mapping[str, Any]) -> InterfaceRow:
    return InterfaceRow(
        row["_uuid"][1],
        row["name"],
        _optional(row["ofport"]),
        _optional(row["link_speed"]),
        _map(row["external_ids"]),
    )


def _qos(row: Mapping[str, Any]) -> QosRow:
    queues = {queue_id: uuid[1] for queue_id, uuid in _map(row["queues"]).items()}
    return QosRow(row["_uuid"][1], row["type"], queues, _map(row["other_config"]), _map(row["external_ids"]))


def _queue(row: Mapping[str, Any]) -> QueueRow:
    return QueueRow(row["_uuid"][1], _map(row["other_config"]), _map(row["external_ids"]))


def _set(value: Any) -> list[Any]:
    # RFC 7047 §5.1: a set of one may stand as its element.
    return value[1] if isinstance(value, list) and value[0] == "set" else [value]


def _optional(value: Any) -> Any:
    members = _set(value)
    return members[0] if members else None


def _uuids(value: Any) -> tuple[str, ...]:
    return tuple(member[1] for member in _set(value))


def _map(value: Any) -> dict[Any, Any]:
    return {key: member for key, member in value[1]}  # noqa: C416 - pairs come as lists


def _number(config: Mapping[str, str], key: str) -> int:
    """A whole number kept as text; 0, which no desired value equals, if it is missing or no number."""
    text = config.get(key, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _capacity(bridge: BridgeRow, interface: InterfaceRow) -> float | None:
    text = interface.external_ids.get(CAPACITY_KEY)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise RowError(
            f"bridge {bridge.name}, interface {interface.name}: external_ids:{CAPACITY_KEY} is {text!r}; "
            "expected a positive number of bit/s"
        )
    return value
