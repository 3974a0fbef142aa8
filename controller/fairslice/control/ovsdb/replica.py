"""A live copy of the database's rows: of what was worked out, a changed row spoils only what hangs on it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from fairslice.control.ovsdb.rows import (
    BUFFER_KEY,
    CAPACITY_KEY,
    HTB,
    READERS,
    USERSPACE,
    Attachment,
    BridgeRow,
    Columns,
    Device,
    InterfaceRow,
    OwnedPort,
    PortInfo,
    PortRow,
    QosRow,
    QueueRow,
    Root,
    Row,
    RowError,
)
from fairslice.slicing.state.desired import PortQos, Queue

_RESERVED_PORT = 0xFF00
"""From here on port numbers are OpenFlow 1.0's reserved ones, as in OVSDB (65534: the bridge itself)."""
_NO_QUEUE = QueueRow("", {}, {})
_NOT_YET = Root(0, 0)
_R = TypeVar("_R", bound=Row)


class Replica:
    """Rows by uuid, who refers to whom, and the ports that have a QoS of ours."""

    def __init__(self) -> None:
        self.bridges: dict[str, BridgeRow] = {}
        self.ports: dict[str, PortRow] = {}
        self.interfaces: dict[str, InterfaceRow] = {}
        self.qos: dict[str, QosRow] = {}
        self.queues: dict[str, QueueRow] = {}
        self.roots: dict[str, Root] = {}
        self.users: dict[str, Counter[str]] = {}
        """How often each row is referred to, and by which rows: of an interface its port, and so on."""
        self._tables: Mapping[str, dict[str, Any]] = {
            "Open_vSwitch": self.roots,
            "Bridge": self.bridges,
            "Port": self.ports,
            "Interface": self.interfaces,
            "QoS": self.qos,
            "Queue": self.queues,
        }
        self.unused: set[str] = set()
        """The QoS and queues that nothing refers to."""
        self._owned: dict[str, tuple[OwnedPort, ...]] = {}
        """By the uuid of the port, as far as asked for since something of it changed."""

    # What the database tells ------------------------------------------------------------------------

    def put(self, table: str, uuid: str, columns: Columns | None) -> bool:
        """Take a row as it is now, None if it is gone; whether that concerns ports and their queues.

        Raises:
            RowError: the row is not of the Open_vSwitch schema.
        """
        try:
            row = None if columns is None else READERS[table](uuid, columns)
        except (AttributeError, TypeError, ValueError) as error:
            raise RowError(f"the database holds rows that are not Open vSwitch's: {error!r}") from error
        rows = self._tables[table]
        before = rows.get(uuid)
        if row == before:
            return False
        if row is None:
            del rows[uuid]
        else:
            rows[uuid] = row
        for there in _references(before):
            users = self.users[there]
            users[uuid] -= 1
            if users[uuid] <= 0:
                del users[uuid]
            if not users:
                del self.users[there]
        for there in _references(row):
            self.users.setdefault(there, Counter())[uuid] += 1
        for one in (uuid, *_references(before), *_references(row)):
            if one not in self.users and (one in self.qos or one in self.queues):
                self.unused.add(one)
            else:
                self.unused.discard(one)
        self._touch(table, uuid, before, row)
        # Raising next_cfg is a writer's own act; what ovs-vswitchd did upon it is in cur_cfg.
        return not (isinstance(row, Root) and isinstance(before, Root) and row.cur_cfg == before.cur_cfg)

    def keep_only(self, table: str, uuids: set[str]) -> bool:
        """Let go of the rows of a table that are none of these; whether there were any."""
        gone = [uuid for uuid in self._tables[table] if uuid not in uuids]
        for uuid in gone:
            self.put(table, uuid, None)
        return bool(gone)

    def _touch(self, table: str, uuid: str, before: Row | None, row: Row | None) -> None:
        """Forget what was worked out of the ports that a row has to do with."""
        if table == "Bridge":
            for port in {*_references(before), *_references(row)}:
                self._owned.pop(port, None)
        elif table == "Port":
            self._owned.pop(uuid, None)
        elif table in ("QoS", "Interface"):
            for port in self.users.get(uuid, ()):
                self._owned.pop(port, None)
        elif table == "Queue":
            for qos in self.users.get(uuid, ()):
                for port in self.users.get(qos, ()):
                    self._owned.pop(port, None)

    # What is asked ----------------------------------------------------------------------------------

    @property
    def next_cfg(self) -> int:
        """What ovs-vswitchd is asked for."""
        return max((root.next_cfg for root in self.roots.values()), default=0)

    @property
    def cur_cfg(self) -> int:
        """What ovs-vswitchd has done."""
        return min((root.cur_cfg for root in self.roots.values()), default=0)

    def count_users(self, uuid: str) -> int:
        """How often rows refer to a row."""
        return sum(self.users.get(uuid, _NOBODY).values())

    def bridge(self, dpid: int) -> BridgeRow:
        """The bridge with that datapath id.

        Raises:
            RowError: there is none; lists those that are there.
        """
        found = next((bridge for bridge in self.bridges.values() if bridge.dpid == dpid), None)
        if found is None:
            known = ", ".join(
                f"{b.name} ({b.dpid:016x})" for b in self.bridges.values() if b.dpid is not None
            )
            raise RowError(f"no bridge has the datapath id {dpid:016x}; found {known or 'no bridge at all'}")
        return found

    def attachments(self, bridge: BridgeRow) -> Iterator[Attachment]:
        """The bridge's ports that have a number; its own internal port is left out."""
        for port in _known(self.ports, bridge.ports):
            yield from self._attached(port)

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
        return {owned.qos.port_no: owned.qos for owned in self._owned_of(self.bridge(dpid))}

    def owned_ports(self) -> tuple[OwnedPort, ...]:
        """The ports of all bridges that have a QoS of ours; the same objects as before if unchanged."""
        return tuple(owned for bridge in self.bridges.values() for owned in self._owned_of(bridge))

    def devices(self) -> tuple[Device, ...]:
        """The network devices of all bridges, by bridge and name."""
        found = (
            Device(bridge.name, interface.name, bridge.datapath_type == USERSPACE, port.qos is not None)
            for bridge in self.bridges.values()
            for port in _known(self.ports, bridge.ports)
            for interface in _known(self.interfaces, port.interfaces)
            if interface.type in ("", "system")
        )
        return tuple(sorted(found, key=lambda device: (device.bridge, device.name)))

    def _attached(self, port: PortRow) -> Iterator[Attachment]:
        for interface in _known(self.interfaces, port.interfaces):
            if interface.ofport is not None and 0 < interface.ofport < _RESERVED_PORT:
                yield Attachment(interface.ofport, port, interface)

    def _owned_of(self, bridge: BridgeRow) -> Iterator[OwnedPort]:
        for port in _known(self.ports, bridge.ports):
            if port.uuid not in self._owned:
                self._owned[port.uuid] = tuple(self._owned_port(bridge, port))
            yield from self._owned[port.uuid]

    def _owned_port(self, bridge: BridgeRow, port: PortRow) -> Iterator[OwnedPort]:
        row = None if port.qos is None else self.qos.get(port.qos)
        if row is not None and row.ours and row.type == HTB:
            for at in self._attached(port):
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


_NOBODY: Counter[str] = Counter()


def _references(row: Row | None) -> tuple[str, ...]:
    match row:
        case BridgeRow():
            return row.ports
        case PortRow():
            return row.interfaces if row.qos is None else (*row.interfaces, row.qos)
        case QosRow():
            return tuple(row.queues.values())
        case _:
            return ()


def _known(rows: Mapping[str, _R], uuids: tuple[str, ...]) -> Iterator[_R]:
    return (rows[uuid] for uuid in uuids if uuid in rows)


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
