"""Queues and port capacities of the switches, through OVSDB (RFC 7047)."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from fairslice.control.ovsdb.plan import Operation, commit_operations, nudge_operations, plan_qos
from fairslice.control.ovsdb.rows import (
    OwnedPort,
    PortInfo,
    RowError,
    Snapshot,
    monitor_requests,
    select_operations,
    snapshot_of,
)
from fairslice.control.ovsdb.wire import (
    CallRefusedError,
    Connection,
    ConnectionLostError,
    Json,
    NoAnswerError,
    check_target,
)
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import PortQos

DEFAULT_TARGET = "unix:/var/run/openvswitch/db.sock"
SCHEMA = "Open_vSwitch"
_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.02


class OvsdbError(MachineError):
    """A database, or ovs-vswitchd behind it, did not do what was asked; names the target."""


class _ConflictError(Exception):
    """Somebody else changed what a transaction builds on; it should be planned anew."""


class OvsDatabase:
    """An Open vSwitch database server; connects at the first call, and again after a lost connection.

    Every call ends within ``timeout_s``. Threads and eventlet's greenlets may share one: waiting is done in
    ``select`` and ``time.sleep``, which eventlet patches, so the others go on meanwhile.

    Raises:
        InputError: ``target`` is neither ``unix:PATH`` nor ``tcp:ADDRESS:PORT``.
    """

    def __init__(self, target: str = DEFAULT_TARGET, timeout_s: float = 30.0) -> None:
        check_target(target)
        self.target = target
        self.timeout_s = timeout_s
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the connection; a later call connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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
        with self._named():
            return self._snapshot(self._deadline()).port_infos(dpid)

    def read_qos(self, dpid: int) -> Mapping[int, PortQos]:
        """The QoS of ours on the ports of a bridge, by port_no; those of others are left out.

        Raises:
            OvsdbError: no connection, no answer in time, or no such bridge.
        """
        with self._named():
            return self._snapshot(self._deadline()).port_qos(dpid)

    def owned_ports(self) -> tuple[OwnedPort, ...]:
        """The ports of all bridges that have a QoS of ours.

        Raises:
            OvsdbError: no connection, or no answer in time.
        """
        with self._named():
            return self._snapshot(self._deadline()).owned_ports()

    def write_qos(self, dpid: int, desired: Mapping[int, PortQos]) -> None:
        """Make ``desired``, by port_no, exactly the QoS of ours on a bridge; return when it is in force.

        One transaction holds all of it, and none is sent if nothing differs. Rows change in place, so a
        port's root qdisc, and the filters on it, stay.

        Raises:
            OvsdbError: no connection, no answer in time, no such bridge or port, a QoS of somebody else's
                on a port of ``desired``, a refused transaction, or ovs-vswitchd did not act in time.
        """
        with self._named():
            deadline = self._deadline()
            cfg = self._write(dpid, desired, deadline)
            self._wait_until_acted(cfg, deadline)

    def nudge(self) -> None:
        """Make ovs-vswitchd go through its configuration again; does not wait for it.

        Raises:
            OvsdbError: no connection, or no answer in time.
        """
        with self._named():
            self._transact(nudge_operations(), self._deadline(), repeat=True)

    def _write(self, dpid: int, desired: Mapping[int, PortQos], deadline: float) -> int:
        """The value of cur_cfg that says that ``desired`` is in force."""
        reason = ""
        for _ in range(_ATTEMPTS):
            snapshot = self._snapshot(deadline)
            operations = plan_qos(snapshot, dpid, desired)
            if not operations:
                return snapshot.next_cfg
            try:
                return self._commit(commit_operations(snapshot.bridge(dpid).name, operations), deadline)
            except (_ConflictError, ConnectionLostError) as error:
                # A lost connection leaves open whether the transaction took place: look again.
                reason = str(error)
        raise RowError(f"the queues could not be written in {_ATTEMPTS} attempts: {reason}")

    def _commit(self, operations: list[Operation], deadline: float) -> int:
        results = self._transact(operations, deadline)
        for operation, result in zip(operations, results, strict=True):
            if operation["op"] == "update" and result.get("count") == 0:
                raise _ConflictError(f"a row of {operation['table']} vanished meanwhile")
        return max((row["next_cfg"] for row in results[-1]["rows"]), default=0)

    def _wait_until_acted(self, cfg: int, deadline: float) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            # With short questions the connection stays free for others who wait too.
            rows = self._transact(
                [{"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg"]}],
                deadline,
                repeat=True,
            )[0]["rows"]
            if all(row["cur_cfg"] >= cfg for row in rows):
                return
            if time.monotonic() + pause_s >= deadline:
                raise RowError(
                    f"ovs-vswitchd did not act on the new queues in {self.timeout_s:g} s (cur_cfg "
                    f"{min(row['cur_cfg'] for row in rows)}, expected {cfg}); is it running?"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _snapshot(self, deadline: float) -> Snapshot:
        return snapshot_of(self._transact(select_operations(), deadline, repeat=True))

    def _transact(
        self, operations: list[Operation], deadline: float, *, repeat: bool = False
    ) -> list[dict[str, Json]]:
        """The results, one for each operation; with ``repeat`` once more if the connection was stale."""
        with self._exclusive(deadline):
            try:
                results = self._call(operations, deadline)
            except ConnectionLostError:
                if not repeat:
                    raise
                results = self._call(operations, deadline)
        _check_results(operations, results)
        return list(results[: len(operations)])

    def _call(self, operations: list[Operation], deadline: float) -> Json:
        try:
            return self._connected(deadline).call("transact", [SCHEMA, *operations], deadline)
        except BaseException:
            self.close()
            raise

    def _connected(self, deadline: float) -> Connection:
        if self._connection is None:
            self._connection = Connection(self.target, deadline)
        return self._connection

    @contextmanager
    def _exclusive(self, deadline: float) -> Iterator[None]:
        # Blocking in acquire() would stop every greenlet of the thread, the lock's holder among them.
        while not self._lock.acquire(blocking=False):
            if time.monotonic() >= deadline:
                raise NoAnswerError
            time.sleep(_FIRST_PAUSE_S)
        try:
            yield
        finally:
            self._lock.release()

    def _deadline(self) -> float:
        return time.monotonic() + self.timeout_s

    @contextmanager
    def _named(self) -> Iterator[None]:
        with naming(self.target, self.timeout_s):
            yield


class QosWatch:
    """Tells of changes that concern queues, on any bridge of a database; one connection of its own.

    Raises:
        OvsdbError: no connection, or no answer in time.
    """

    def __init__(self, target: str = DEFAULT_TARGET, timeout_s: float = 30.0) -> None:
        check_target(target)
        self.target = target
        with naming(target, timeout_s):
            deadline = time.monotonic() + timeout_s
            self._connection = Connection(target, deadline)
            self._connection.call("monitor", [SCHEMA, "fairslice", monitor_requests()], deadline)

    def wait(self, timeout_s: float, wake_fd: int | None = None) -> bool:
        """Wait for a change; False if there was none, or if ``wake_fd`` became readable first.

        Raises:
            OvsdbError: the connection has ended; make a new watch.
        """
        with naming(self.target, timeout_s):
            return self._connection.wait_update(time.monotonic() + timeout_s, wake_fd)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def naming(target: str, timeout_s: float) -> Iterator[None]:
    """Turn what goes wrong with a database into an error that names it."""
    try:
        yield
    except (RowError, ConnectionLostError) as error:
        raise OvsdbError(f"OVSDB {target}: {error}") from error
    except NoAnswerError as error:
        raise OvsdbError(f"OVSDB {target}: no answer in {timeout_s:g} s") from error
    except CallRefusedError as error:
        raise OvsdbError(f"OVSDB {target}: the server refused the call: {error}") from error


def _check_results(operations: list[Operation], results: Json) -> None:
    """Find the error of a transaction (RFC 7047 §4.1.3): nulls follow it, or it follows all the results."""
    for index, result in enumerate(results if isinstance(results, list) else []):
        if isinstance(result, dict) and "error" in result:
            operation = operations[index] if index < len(operations) else {"op": "commit"}
            if operation["op"] == "wait" and result["error"] == "timed out":
                raise _ConflictError("a port's QoS was changed by somebody else meanwhile")
            what = " ".join(str(operation[key]) for key in ("op", "table") if key in operation)
            details = result.get("details", "")
            raise RowError(f"transaction failed at {what}: {result['error']}{details and f' ({details})'}")
    if not isinstance(results, list) or len(results) < len(operations):
        raise RowError(f"the answer to a transaction is {results!r:.80}; expected {len(operations)} results")
