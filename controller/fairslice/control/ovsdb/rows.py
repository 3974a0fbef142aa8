"""The rows of the Open_vSwitch database that matter here, as frozen values, and the columns asked for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fairslice.slicing.state.desired import PortQos

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

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
_TEXTS = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}


def _optional(kind: str) -> dict[str, Any]:
    return {"type": {"key": kind, "min": 0, "max": 1}}


def _many(kind: str) -> dict[str, Any]:
    return {"type": {"key": kind, "min": 0, "max": "unlimited"}}


SCHEMA: Mapping[str, Any] = {
    "name": "Open_vSwitch",
    "version": "8.3.1",
    "tables": {
        table: {"columns": columns}
        for table, columns in {
            # cur_cfg says how far ovs-vswitchd has come. Statistics and the like are left out.
            "Open_vSwitch": {"next_cfg": _NUMBER, "cur_cfg": _NUMBER},
            "Bridge": {
                "name": _TEXT,
                "datapath_id": _optional("string"),
                "datapath_type": _TEXT,
                "ports": _many("uuid"),
            },
            "Port": {"name": _TEXT, "qos": _optional("uuid"), "interfaces": _many("uuid")},
            "Interface": {
                "name": _TEXT,
                "type": _TEXT,
                "ofport": _optional("integer"),
                "link_speed": _optional("integer"),
                "external_ids": _TEXTS,
            },
            "QoS": {
                "type": _TEXT,
                "queues": {"type": {"key": "integer", "value": "uuid", "min": 0, "max": "unlimited"}},
                "other_config": _TEXTS,
                "external_ids": _TEXTS,
            },
            "Queue": {"other_config": _TEXTS, "external_ids": _TEXTS},
        }.items()
    },
}
"""The part of the schema (RFC 7047 §3.2) that is monitored; as ovs-vswitchd.conf.db(5) has it.

References are plain UUIDs here, so that a row is read without the rows that it refers to.
"""


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
    """An interface; its name is the network device's if its type is "system" or nothing."""

    uuid: str
    name: str
    type: str
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


@dataclass(frozen=True, slots=True)
class Device:
    """A network device that is attached to a bridge, numbered or not; ``has_qos``: its port has a QoS."""

    bridge: str
    name: str
    userspace: bool
    has_qos: bool


@dataclass(frozen=True, slots=True)
class Root:
    """The one row of the table Open_vSwitch: what ovs-vswitchd is asked for, and what it has done."""

    next_cfg: int
    cur_cfg: int


Row = BridgeRow | PortRow | InterfaceRow | QosRow | QueueRow | Root


class Columns(Protocol):
    """A row as the library holds it: an attribute for each column, a list for a set, a dict for a map."""

    def __getattr__(self, column: str) -> Any: ...


def _bridge(_: str, row: Columns) -> BridgeRow:
    dpid = _first(row.datapath_id)
    return BridgeRow(row.name, None if dpid is None else int(dpid, 16), row.datapath_type, _uuids(row.ports))


def _port(uuid: str, row: Columns) -> PortRow:
    qos = _uuids(row.qos)
    return PortRow(uuid, row.name, qos[0] if qos else None, _uuids(row.interfaces))


def _interface(uuid: str, row: Columns) -> InterfaceRow:
    speed = _first(row.link_speed)
    return InterfaceRow(uuid, row.name, row.type, _first(row.ofport), speed, row.external_ids)


def _qos(uuid: str, row: Columns) -> QosRow:
    queues = {queue_id: str(queue) for queue_id, queue in row.queues.items()}
    return QosRow(uuid, row.type, queues, row.other_config, row.external_ids)


def _queue(uuid: str, row: Columns) -> QueueRow:
    return QueueRow(uuid, row.other_config, row.external_ids)


def _root(_: str, row: Columns) -> Root:
    return Root(row.next_cfg, row.cur_cfg)


READERS: Mapping[str, Callable[[str, Columns], Row]] = {
    "Open_vSwitch": _root,
    "Bridge": _bridge,
    "Port": _port,
    "Interface": _interface,
    "QoS": _qos,
    "Queue": _queue,
}
"""By table, what makes a value of a row."""


def _first(members: list[Any]) -> Any:
    return members[0] if members else None


def _uuids(members: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(str, members))
