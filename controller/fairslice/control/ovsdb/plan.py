"""From the rows that are there and the queues that should be, the operations of one transaction; pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import (
    BUFFER_KEY,
    HTB,
    OWNER,
    OWNER_KEY,
    Attachment,
    BridgeRow,
    QosRow,
    QueueRow,
    RowError,
)
from fairslice.slicing.state.desired import PortQos, Queue

Operation = dict[str, Any]
"""An operation of RFC 7047 §5.2."""

_ROOT_IDS = {OWNER_KEY: OWNER}


def plan_qos(replica: Replica, dpid: int, desired: Mapping[int, PortQos]) -> list[Operation]:
    """Operations that make ``desired`` (by port_no) the QoS of ours on a bridge; empty if it is so.

    Rows are changed in place: a QoS row is replaced only if its port has none of ours, since ovs-vswitchd
    would build the port's root qdisc anew. Rows of ours that nothing refers to any longer are deleted, those
    of vanished bridges too.

    Raises:
        RowError: no such bridge or port, a bond, or a QoS that somebody else has put on a port.
    """
    return _Planner(replica, dpid).plan(desired)


def commit_operations(bridge: str, operations: list[Operation]) -> list[Operation]:
    """Those operations, and what asks ovs-vswitchd to act on them; the last one reads the number to wait for.

    ``next_cfg`` is raised, and ovs-vswitchd copies it to ``cur_cfg`` when it has acted
    (ovs-vswitchd.conf.db(5), "Open_vSwitch TABLE", Configuration).
    """
    return [
        *operations,
        {"op": "comment", "comment": f"fairslice: queues of {bridge}"},
        *nudge_operations(),
    ]


def nudge_operations() -> list[Operation]:
    """Make ovs-vswitchd go through its configuration once more; the last one reads the number to wait for."""
    return [
        {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]},
        {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
    ]


class _Planner:
    def __init__(self, replica: Replica, dpid: int) -> None:
        self.replica = replica
        self.bridge: BridgeRow = replica.bridge(dpid)
        self.operations: list[Operation] = []
        self.released: Counter[str] = Counter()
        """How many of those that refer to a row will no longer."""

    def users(self, uuid: str) -> int:
        """How many refer to a row once the operations are done; a shared row is not changed in place."""
        return self.replica.count_users(uuid) - self.released[uuid]

    def plan(self, desired: Mapping[int, PortQos]) -> list[Operation]:
        attachments = {at.port_no: at for at in self.replica.attachments(self.bridge)}
        self._check(attachments, desired)
        for port_no, at in sorted(attachments.items()):
            if port_no in desired:
                self._set(at, desired[port_no])
            elif (row := self._current(at)) is not None and row.ours:
                self._attach(at, ["set", []])
        self._sweep()
        return self.operations

    def _check(self, attachments: Mapping[int, Attachment], desired: Mapping[int, PortQos]) -> None:
        for port_no in sorted(desired):
            at = attachments.get(port_no)
            if at is None:
                known = ", ".join(str(number) for number in sorted(attachments))
                raise RowError(f"bridge {self.bridge.name} has no port {port_no}; it has {known or 'none'}")
            if len(at.port.interfaces) > 1:
                raise RowError(
                    f"bridge {self.bridge.name}, port {at.port.name}: a bond of {len(at.port.interfaces)} "
                    "interfaces has only one QoS; expected a port with one interface"
                )
            row = self._current(at)
            if row is not None and not row.ours:
                raise RowError(
                    f"bridge {self.bridge.name}, port {at.port.name}: has a QoS of type {row.type!r} that "
                    f"fairslice did not make, but the policy needs the port; "
                    f"remove it (ovs-vsctl clear port {at.port.name} qos) or take the port out of the policy"
                )

    def _current(self, at: Attachment) -> QosRow | None:
        return None if at.port.qos is None else self.replica.qos.get(at.port.qos)

    def _set(self, at: Attachment, qos: PortQos) -> None:
        row = self._current(at)
        if row is None or self.users(row.uuid) > 1:
            self._insert(at, qos)
            return
        queues = {
            queue.queue_id: self._queue(at.port_no, queue, row.queues.get(queue.queue_id))
            for queue in qos.queues
        }
        wanted = {"type": HTB, "other_config": _root_config(qos), "external_ids": _ROOT_IDS}
        found = {"type": row.type, "other_config": row.other_config, "external_ids": row.external_ids}
        changes: dict[str, Any] = {
            name: _map(value) if isinstance(value, dict) else value
            for name, value in wanted.items()
            if value != found[name]
        }
        if queues != {queue_id: ["uuid", uuid] for queue_id, uuid in row.queues.items()}:
            changes["queues"] = ["map", [[queue_id, uuid] for queue_id, uuid in queues.items()]]
            # A new queue's reference is counted by nobody: it has no row yet.
            for queue_id, uuid in row.queues.items():
                if queues.get(queue_id) != ["uuid", uuid]:
                    self.released[uuid] += 1
        if changes:
            self.operations.append(_update("QoS", row.uuid, changes))

    def _insert(self, at: Attachment, qos: PortQos) -> None:
        queues = [[queue.queue_id, self._queue(at.port_no, queue, None)] for queue in qos.queues]
        name = f"qos_{at.port_no}"
        row = {
            "type": HTB,
            "other_config": _map(_root_config(qos)),
            "external_ids": _map(_ROOT_IDS),
            "queues": ["map", queues],
        }
        self.operations.append({"op": "insert", "table": "QoS", "uuid-name": name, "row": row})
        self._attach(at, ["named-uuid", name])

    def _attach(self, at: Attachment, qos: list[Any]) -> None:
        if at.port.qos is not None:
            self.released[at.port.qos] += 1
        before = ["set", []] if at.port.qos is None else ["uuid", at.port.qos]
        # First of all, so that a QoS that somebody else sets at this moment is never overwritten.
        self.operations.insert(
            0,
            {
                "op": "wait",
                "timeout": 0,
                "table": "Port",
                "where": [["_uuid", "==", ["uuid", at.port.uuid]]],
                "columns": ["qos"],
                "until": "==",
                "rows": [{"qos": before}],
            },
        )
        self.operations.append(_update("Port", at.port.uuid, {"qos": qos}))

    def _queue(self, port_no: int, queue: Queue, uuid: str | None) -> list[str]:
        """A reference to the queue's row, which is changed in place or inserted where need be."""
        wanted = _queue_columns(queue)
        row: QueueRow | None = None if uuid is None else self.replica.queues.get(uuid)
        if row is not None and row.ours and self.users(row.uuid) == 1:
            found = {"other_config": row.other_config, "external_ids": row.external_ids}
            changes = {name: _map(value) for name, value in wanted.items() if value != found[name]}
            if changes:
                self.operations.append(_update("Queue", row.uuid, changes))
            return ["uuid", row.uuid]
        name = f"queue_{port_no}_{queue.queue_id}"
        values = {name: _map(value) for name, value in wanted.items()}
        self.operations.append({"op": "insert", "table": "Queue", "uuid-name": name, "row": values})
        return ["named-uuid", name]

    def _sweep(self) -> None:
        # Both tables are roots of the schema: the server collects none of their rows by itself.
        # None but those that have lost somebody, now or earlier, can have nobody left.
        for uuid in sorted({*self.replica.unused, *self.released}):
            row = self.replica.qos.get(uuid)
            if row is not None and row.ours and self.users(uuid) <= 0:
                self.operations.append(_delete("QoS", uuid))
                self.released.update(row.queues.values())
        for uuid in sorted({*self.replica.unused, *self.released}):
            queue = self.replica.queues.get(uuid)
            if queue is not None and queue.ours and self.users(uuid) <= 0:
                self.operations.append(_delete("Queue", uuid))


def _root_config(qos: PortQos) -> dict[str, str]:
    # Rates must be whole numbers: "5e7" is taken for 5 (openvswitch/ovs-issues#277).
    return {"max-rate": str(int(qos.max_rate_bps))}


def _queue_columns(queue: Queue) -> dict[str, dict[str, str]]:
    config = {"min-rate": str(int(queue.min_rate_bps)), "max-rate": str(int(queue.max_rate_bps))}
    if queue.burst_bytes:
        # In bits, as ovs-vswitchd.conf.db(5) says of linux-htb.
        config["burst"] = str(int(queue.burst_bytes) * 8)
    return {
        "other_config": config,
        "external_ids": {OWNER_KEY: OWNER, BUFFER_KEY: str(int(queue.buffer_bytes))},
    }


def _map(value: Mapping[str, str]) -> list[Any]:
    return ["map", [[key, text] for key, text in value.items()]]


def _update(table: str, uuid: str, row: dict[str, Any]) -> Operation:
    return {"op": "update", "table": table, "where": [["_uuid", "==", ["uuid", uuid]]], "row": row}


def _delete(table: str, uuid: str) -> Operation:
    return {"op": "delete", "table": table, "where": [["_uuid", "==", ["uuid", uuid]]]}
