"""The library's live copy and its transactions, with what it keeps to itself and callers need."""

import os
from typing import Any

from fairslice.control.ovsdb.library import (
    Idl,
    Reconnect,
    SchemaHelper,
    Transaction,
    msec,
)
from fairslice.control.ovsdb.plan import Operation
from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import SCHEMA, RowError

_LONGEST_BACKOFF_MS = 2000


class ConnectionLostError(Exception):
    """The connection could not be made or has ended; the text says why."""


class NoAnswerError(Exception):
    """The deadline passed before the answer came."""


class CallRefusedError(Exception):
    """The server answered a call with an error (RFC 7047 §4): its text."""


class ConflictError(Exception):
    """Somebody else changed what a transaction builds on; it should be planned anew."""


class _Committed:
    """A row's columns as they were committed.

    The library's own attributes look for what a transaction may be changing, which takes seven times as long.
    """

    def __init__(self, row: Any) -> None:
        self._data = row._data

    def __getattr__(self, column: str) -> Any:
        return self._data[column].to_python(lambda atom, _: atom)


class LiveIdl(Idl):  # type: ignore[misc]
    """The library's copy; tells ``replica`` of each row that changes."""

    def __init__(self, target: str, replica: Replica) -> None:
        schema = SchemaHelper(schema_json=SCHEMA)
        schema.register_all()
        self.replica = replica
        self.changes = 0
        """How many changes there were that concern ports and their queues."""
        self.fault: RowError | None = None
        self.reason = ""
        """Why there is no connection."""
        self.failures = 0
        """How many attempts to connect have failed."""
        self._stale = True
        super().__init__(target, schema)
        self._session.reconnect.set_backoff(1000, _LONGEST_BACKOFF_MS)
        self._listen_for_failures(self._session.reconnect)

    def _listen_for_failures(self, reconnect: Any) -> None:
        tell = reconnect.disconnected

        def disconnected(now: int, error: int) -> None:
            if not reconnect.is_connected():
                self.failures += 1
                self.reason = f"cannot connect: {os.strerror(error) if error > 0 else 'no answer'}"
            elif error > 0:
                self.reason = os.strerror(error)
            else:
                self.reason = "the server closed the connection"
            tell(now, error)

        reconnect.disconnected = disconnected

    @property
    def live(self) -> bool:
        """Whether the copy is that of the database now."""
        return bool(self.state == Idl.IDL_S_MONITORING and self._session.is_connected() and not self._stale)

    @property
    def attempts(self) -> int:
        """How many servers there are to try."""
        return int(self._session.get_num_of_remotes())

    def hurry(self) -> None:
        """Try to connect now, if the next attempt was to be later."""
        reconnect = self._session.reconnect
        if reconnect.state is Reconnect.Backoff:
            reconnect.disable(msec())
            reconnect.enable(msec())

    def restart_fsm(self) -> None:
        """A connection begins: what comes is all rows, or what has changed since the last one."""
        self._stale = True
        super().restart_fsm()

    def notify(self, event: str, row: Any, updates: Any = None) -> None:  # noqa: ARG002
        """A row has come, gone or changed."""
        gone = event == "delete" and row.uuid not in row._table.rows
        self._put(row._table.name, row, gone=gone)

    def run(self) -> bool:
        """Take what the server sent; with a new connection compare all rows."""
        changed = bool(super().run())
        if self.state == Idl.IDL_S_MONITORING and self._stale:
            self._stale = False
            # At the next loss it tries again at once.
            self._session.reset_backoff()
            self.changes += 1
            for name, table in self.tables.items():
                self.replica.keep_only(name, {str(uuid) for uuid in table.rows})
                for row in table.rows.values():
                    self._put(name, row)
        return changed

    def _put(self, table: str, row: Any, *, gone: bool = False) -> None:
        try:
            self.changes += self.replica.put(table, str(row.uuid), None if gone else _Committed(row))
        except RowError as error:
            self.fault = error

    def unfit(self) -> str:
        """Why the server is not the right one; empty if it is, or if that is not known."""
        rows = {} if self.server_tables is None else self.server_tables["Database"].rows
        names = sorted(row.name for row in rows.values())
        if names and SCHEMA["name"] not in names:
            return f"the server has no database {SCHEMA['name']}; it has {', '.join(names)}"
        return ""


class LiveTransaction(Transaction):  # type: ignore[misc]
    """One that keeps the server's answer, and that may go without the lock."""

    def __init__(self, idl: LiveIdl, *, with_lock: bool) -> None:
        super().__init__(idl)
        self.answer: Any = None
        self._with_lock = with_lock

    def commit(self) -> str:
        """Send it if it was not sent; how it stands."""
        name = self.idl.lock_name
        if not self._with_lock:
            # The library lets nobody even read who waits for a lock.
            self.idl.lock_name = None
        try:
            return str(super().commit())
        finally:
            self.idl.lock_name = name

    def _process_reply(self, msg: Any) -> None:
        self.answer = msg
        self._status: str
        super()._process_reply(msg)
        if self._status == Transaction.INCOMPLETE:
            # The library waits for ever after an answer that is not a list.
            self._status = Transaction.ERROR


def results_of(operations: list[Operation], answer: Any, before: int) -> list[dict[str, Any]]:
    """The results of operations, which stand behind those of the library's own.

    The error of a transaction (RFC 7047 §4.1.3) is followed by nulls, or it follows all the results.
    """
    expected = before + len(operations)
    for index, result in enumerate(answer if isinstance(answer, list) else []):
        if isinstance(result, dict) and "error" in result:
            inside = before <= index < expected
            operation = operations[index - before] if inside else {"op": "commit"}
            if result["error"] == "not owner":
                raise ConflictError("the lock went to another client")
            if operation["op"] == "wait" and result["error"] == "timed out":
                raise ConflictError("a port's QoS was changed by somebody else meanwhile")
            what = " ".join(str(operation[key]) for key in ("op", "table") if key in operation)
            details = result.get("details", "")
            raise RowError(f"transaction failed at {what}: {result['error']}{details and f' ({details})'}")
    if not isinstance(answer, list) or len(answer) < expected:
        raise RowError(f"the answer to a transaction is {answer!r:.80}; expected {expected} results")
    results: list[dict[str, Any]] = answer[before:expected]
    return results
