"""Queues and port capacities of the switches, through OVSDB (RFC 7047)."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from fairslice.control.ovsdb.connection import Clock, Connection, Task
from fairslice.control.ovsdb.live import (
    CallRefusedError,
    ConflictError,
    ConnectionLostError,
    NoAnswerError,
)
from fairslice.control.ovsdb.plan import commit_operations, nudge_operations, plan_qos
from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import Device, OwnedPort, PortInfo, RowError
from fairslice.control.ovsdb.target import check_target
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import PortQos

DEFAULT_TARGET = "unix:/var/run/openvswitch/db.sock"
LOCK = "fairslice_queues"
"""Whoever writes queues holds this lock of the database (RFC 7047 §4.1.8) until its connection ends."""
_ATTEMPTS = 3
T = TypeVar("T")


class OvsdbError(MachineError):
    """A database, or ovs-vswitchd behind it, did not do what was asked; names the target."""


class OvsDatabase:
    """An Open vSwitch database server, or a cluster of them, and a live copy of what matters of it.

    It connects at the first call, in a thread of its own, which keeps the copy and the connection from then
    on. Every call ends within ``timeout_s``, and answers with all that was committed when it began. Threads
    may share one; a call waits as native threads do. Several servers are a cluster, whose leader is asked.

    Raises:
        InputError: ``target`` is not ``unix:PATH`` or ``tcp:ADDRESS:PORT``, nor several with commas between.
    """

    def __init__(
        self, target: str = DEFAULT_TARGET, timeout_s: float = 30.0, clock: Clock = time.monotonic
    ) -> None:
        check_target(target)
        self.target = target
        self.timeout_s = timeout_s
        self._clock = clock
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the connection; a later call connects again."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ports(self, dpid: int) -> Mapping[int, PortInfo]:
        """The ports of the bridge with that datapath id, by port_no; its own internal port is left out.

        Raises:
            OvsdbError: no connection, no answer in time, no such bridge, or a capacity that is not a number.
        """
        return self._read(lambda replica: replica.port_infos(dpid))

    def read_qos(self, dpid: int) -> Mapping[int, PortQos]:
        """The QoS of ours on the ports of a bridge, by port_no; those of others are left out.

        Raises:
            OvsdbError: no connection, no answer in time, or no such bridge.
        """
        return self._read(lambda replica: replica.port_qos(dpid))

    def owned_ports(self) -> tuple[OwnedPort, ...]:
        """The ports of all bridges that have a QoS of ours; the same objects as before if unchanged.

        Raises:
            OvsdbError: no connection, or no answer in time.
        """
        return self._read(Replica.owned_ports)

    def devices(self) -> tuple[Device, ...]:
        """The network devices that are attached to bridges, whoever shapes them.

        Raises:
            OvsdbError: no connection, or no answer in time.
        """
        return self._read(Replica.devices)

    def write_qos(self, dpid: int, desired: Mapping[int, PortQos]) -> None:
        """Make ``desired``, by port_no, exactly the QoS of ours on a bridge; return when it is in force.

        One transaction holds all of it, and none is sent if nothing differs. Rows change in place, so a
        port's root qdisc, and the filters on it, stay.

        Raises:
            OvsdbError: no connection, no answer in time, no such bridge or port, a QoS of somebody else's
                on a port of ``desired``, a refused transaction, another writer holds the lock, or
                ovs-vswitchd did not act in time.
        """
        self._do(lambda connection: self._write(connection, dpid, desired))

    def nudge(self) -> None:
        """Make ovs-vswitchd go through its configuration again; does not wait for it.

        Raises:
            OvsdbError: no connection, or no answer in time.
        """
        self._do(_nudge)

    def _read(self, look: Callable[[Replica], T]) -> T:
        def task(connection: Connection) -> Task[T]:
            return look((yield from connection.current()))

        return self._do(task)

    def _write(self, connection: Connection, dpid: int, desired: Mapping[int, PortQos]) -> Task[None]:
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                yield from connection.locked(LOCK)
                replica = yield from connection.current()
                operations = plan_qos(replica, dpid, desired)
                if not operations:
                    yield from self._acted(replica, replica.next_cfg)
                    return
                commit = commit_operations(replica.bridge(dpid).name, operations)
                results = yield from connection.commit(commit, with_lock=True)
            except (ConflictError, ConnectionLostError) as error:
                # A lost connection leaves open whether the transaction took place: look again.
                reason = str(error)
                continue
            vanished = [
                operation["table"]
                for operation, result in zip(commit, results, strict=True)
                if operation["op"] == "update" and result.get("count") == 0
            ]
            if not vanished:
                cfg = max((row["next_cfg"] for row in results[-1]["rows"]), default=0)
                yield from self._acted(replica, cfg)
                return
            reason = f"a row of {vanished[0]} vanished meanwhile"
        raise RowError(f"the queues could not be written in {_ATTEMPTS} attempts: {reason}")

    def _acted(self, replica: Replica, cfg: int) -> Task[None]:
        """Wait until ovs-vswitchd has acted on that value of next_cfg."""
        try:
            while replica.cur_cfg < cfg:
                yield
        except NoAnswerError:
            raise RowError(
                f"ovs-vswitchd did not act on the new queues in {self.timeout_s:g} s (cur_cfg "
                f"{replica.cur_cfg}, expected {cfg}); is it running?"
            ) from None

    def _do(self, make: Callable[[Connection], Task[T]]) -> T:
        with self.naming():
            connection = self.connection()
            return connection.do(make(connection), self._clock() + self.timeout_s)

    def connection(self) -> Connection:
        """The connection, begun if there is none."""
        with self._lock:
            if self._connection is None:
                self._connection = Connection(self.target, self._clock)
                self._connection.start()
            return self._connection

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Turn what goes wrong with the database into an error that names it."""
        try:
            yield
        except (RowError, ConnectionLostError) as error:
            raise OvsdbError(f"OVSDB {self.target}: {error}") from error
        except NoAnswerError as error:
            raise OvsdbError(f"OVSDB {self.target}: no answer in {self.timeout_s:g} s") from error
        except CallRefusedError as error:
            raise OvsdbError(f"OVSDB {self.target}: the server refused the call: {error}") from error


class QosWatch:
    """Tells of changes that concern queues, on any bridge of a database."""

    def __init__(self, database: OvsDatabase) -> None:
        """Begin; changes from now on count."""
        self.target = database.target
        self._database = database
        self._connection = database.connection()
        self._changed = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._connection.listen(self._changed)

    def wait(self, timeout_s: float, wake_fd: int | None = None) -> bool:
        """Wait for a change; False if there was none, or if ``wake_fd`` became readable first.

        Raises:
            OvsdbError: the connection has ended. It is made again by itself, which counts as a change.
        """
        others = [] if wake_fd is None else [wake_fd]
        readable, _, _ = select.select([self._changed, *others], [], [], timeout_s)
        if self._changed not in readable:
            return False
        os.eventfd_read(self._changed)
        if self._connection.trouble:
            with self._database.naming():
                raise ConnectionLostError(self._connection.trouble)
        return wake_fd not in readable

    def close(self) -> None:
        """End the watch, not the database's connection."""
        self._connection.unlisten(self._changed)
        os.close(self._changed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nudge(connection: Connection) -> Task[None]:
    yield from connection.current()
    yield from connection.commit(nudge_operations(), with_lock=False)
