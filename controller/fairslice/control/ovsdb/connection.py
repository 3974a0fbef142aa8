"""A thread that keeps a live copy of a database, and does what other threads ask of it."""

import os
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from fairslice.control.ovsdb.library import POLLIN, Poller, Transaction
from fairslice.control.ovsdb.live import (
    CallRefusedError,
    ConflictError,
    ConnectionLostError,
    LiveIdl,
    LiveTransaction,
    NoAnswerError,
    results_of,
)
from fairslice.control.ovsdb.plan import Operation
from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import RowError

Clock = Callable[[], float]
"""Seconds that only rise, such as ``time.monotonic``."""
T = TypeVar("T")
Task = Generator[None, None, T]
"""Work of the thread: each ``yield`` waits for news; it raises :class:`NoAnswerError` when time is over."""


@dataclass
class _Job:
    task: Task[Any]
    future: Future[Any]
    deadline: float


class Connection:
    """The thread and its copy. Begins with :meth:`start`.

    Args:
        target: servers, with commas between them.
        clock: decides when a deadline has passed.
    """

    def __init__(self, target: str, clock: Clock = time.monotonic) -> None:
        self.replica = Replica()
        self._idl = LiveIdl(target, self.replica)
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: list[_Job] = []
        self._closing = False
        self._listeners: set[int] = set()
        # Not a pipe: eventlet, where it has patched, would wait in os.read().
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._work, name="ovsdb", daemon=True)

    def start(self) -> None:
        """Connect, and go on until :meth:`close`."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the connection; what is under way ends with :class:`ConnectionLostError`."""
        with self._lock:
            self._closing = True
        self._wake()
        self._thread.join()
        os.close(self._woken)

    def do(self, task: Task[T], deadline: float) -> T:
        """Let the thread do something, and wait for it.

        Raises:
            NoAnswerError: ``deadline`` passed.
            ConnectionLostError: there is no connection, or none any more.
        """
        job = _Job(task, Future(), deadline)
        with self._lock:
            if self._closing:
                raise ConnectionLostError("the connection is closed")
            self._asked.append(job)
        self._wake()
        answer: T = job.future.result()
        return answer

    def listen(self, descriptor: int) -> None:
        """Write into an eventfd at each change that concerns queues, and when the connection ends."""
        with self._lock:
            self._listeners.add(descriptor)

    def unlisten(self, descriptor: int) -> None:
        """Leave that eventfd alone from now on."""
        with self._lock:
            self._listeners.discard(descriptor)

    @property
    def trouble(self) -> str:
        """Why the copy is not that of the database now; empty if it is."""
        return "" if self._idl.live else self._idl.reason or "not connected yet"

    # What the thread does ---------------------------------------------------------------------------

    def _work(self) -> None:
        jobs: list[_Job] = []
        why = "the connection is closed"
        seen = (0, False)
        try:
            while not self._closing:
                self._idl.run()
                if seen != (seen := (self._idl.changes, self._idl.live)):
                    self._tell()
                with self._lock:
                    jobs += self._asked
                    self._asked = []
                jobs = [job for job in jobs if not self._advance(job)]
                self._block(jobs)
            self._idl.close()
        except BaseException as error:
            why = f"the thread has ended: {error!r}"
            raise
        finally:
            with self._lock:
                self._closing = True
            for job in [*jobs, *self._asked]:
                job.future.set_exception(ConnectionLostError(why))

    def _advance(self, job: _Job) -> bool:
        """Go on with a job as far as it goes; whether it has ended."""
        try:
            if self._clock() >= job.deadline:
                job.task.throw(NoAnswerError())
            else:
                next(job.task)
        except StopIteration as end:
            job.future.set_result(end.value)
            return True
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the caller
            job.future.set_exception(error)
            return True
        return False

    def _block(self, jobs: list[_Job]) -> None:
        poller = Poller()
        self._idl.wait(poller)
        poller.fd_wait(self._woken, POLLIN)
        if jobs:
            left_s = min(job.deadline for job in jobs) - self._clock()
            poller.timer_wait(max(1, int(left_s * 1000) + 1))
        with self._lock:
            if self._asked or self._closing:
                poller.immediate_wake()
        poller.block()
        with suppress(BlockingIOError):
            os.eventfd_read(self._woken)

    def _wake(self) -> None:
        os.eventfd_write(self._woken, 1)

    def _tell(self) -> None:
        with self._lock:
            for descriptor in self._listeners:
                os.eventfd_write(descriptor, 1)

    # Tasks ------------------------------------------------------------------------------------------

    def connected(self) -> Task[None]:
        """Wait for a connection whose copy is live.

        Raises:
            ConnectionLostError: no server can be reached.
            RowError: the server's database is another.
        """
        failures = self._idl.failures
        if not self._idl.live:
            self._idl.hurry()
        while not self._idl.live:
            if self._idl.failures - failures >= self._idl.attempts:
                raise ConnectionLostError(self._idl.reason)
            if unfit := self._idl.unfit():
                raise RowError(unfit)
            yield
        if self._idl.fault is not None:
            fault, self._idl.fault = self._idl.fault, None
            raise fault

    def current(self) -> Task[Replica]:
        """The rows, with all that had been committed when this was asked for.

        Raises:
            ConnectionLostError: no server can be reached.
            RowError: the server's database is another.
        """
        while True:
            yield from self.connected()
            try:
                # What the server answers comes after all that was committed before.
                yield from self._transact([], with_lock=False)
            except ConnectionLostError:
                yield
            else:
                return self.replica

    def locked(self, name: str) -> Task[None]:
        """Hold the database's lock of that name (RFC 7047 §4.1.8) from now on.

        Raises:
            ConnectionLostError: no server can be reached.
            RowError: another client has it.
        """
        yield from self.connected()
        try:
            while not self._idl.has_lock:
                if self._idl.lock_name is None and not self._idl._outstanding_txns:
                    self._idl.set_lock(name)
                yield
        except NoAnswerError:
            if not self._idl.is_lock_contended:
                raise
            raise RowError(f"another client holds the lock {name!r}; is there a second controller?") from None

    def commit(self, operations: list[Operation], *, with_lock: bool) -> Task[list[dict[str, Any]]]:
        """Carry out operations in one transaction; their results.

        Raises:
            ConnectionLostError: before the answer came; whether the transaction took place is unknown.
            ConflictError: somebody else was quicker, or has the lock.
            CallRefusedError: the server refused the call.
            RowError: the server refused an operation; names it.
        """
        return self._transact(operations, with_lock=with_lock)

    def _transact(self, operations: list[Operation], *, with_lock: bool) -> Task[list[dict[str, Any]]]:
        root = next(iter(self._idl.tables["Open_vSwitch"].rows.values()), None)
        if root is None:
            raise RowError("the database has no row in the table Open_vSwitch; ovs-vsctl init makes it")
        transaction = LiveTransaction(self._idl, with_lock=with_lock)
        # The library sends nothing that neither changes nor fetches a row of its copy.
        root.fetch("cur_cfg")
        for operation in operations:
            transaction.add_op(operation)
        while (status := transaction.commit()) == Transaction.INCOMPLETE:
            yield
        if status == Transaction.NOT_LOCKED and transaction.answer is None:
            raise ConflictError("the lock went to another client")
        if transaction.answer is None:
            raise ConnectionLostError(self._idl.reason or "the server closed the connection")
        if transaction.answer.error is not None:
            raise CallRefusedError(str(transaction.answer.error))
        return results_of(operations, transaction.answer.result, before=2 if with_lock else 1)
