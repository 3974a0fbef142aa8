"""Runs beside the switches: completes their ports whenever OVSDB changes, and repairs drift."""

import logging
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fairslice.control.agent.sync import Outcome, Reconciler
from fairslice.control.ovsdb.connection import Clock
from fairslice.control.ovsdb.database import OvsDatabase, OvsdbError, QosWatch
from fairslice.control.ovsdb.rows import OwnedPort
from fairslice.errors import MachineError
from fairslice.linux.tc import Runner, TcAnswerError, run_command

_log = logging.getLogger(__name__)

REPAIR_S = 2.0
"""At most so long a foreign change of a port stays."""
_RETRY_S = 0.2
_RETRIES = 25
_ONCE_TIMEOUT_S = 30.0


class Agent:
    """Keeps the tc state of all ports with a QoS of ours as it should be."""

    def __init__(
        self, database: OvsDatabase, runner: Runner = run_command, clock: Clock = time.monotonic
    ) -> None:
        self._database = database
        self._reconciler = Reconciler(runner)
        self._clock = clock
        self._nudged_at = float("-inf")
        self._looked_at = float("-inf")
        self._said: tuple[str, ...] = ()
        self._retries = 0
        self._ports: tuple[OwnedPort, ...] | None = None

    def forget(self) -> None:
        """The database has changed: the next step asks what."""
        self._ports = None

    def step(self) -> Outcome:
        """Reconcile the ports that need it once; all of them if that is :data:`REPAIR_S` ago.

        Raises:
            MachineError: the database does not answer, or tc is missing or not permitted.
        """
        if self._ports is None:
            self._ports = self._database.owned_ports()
        now = self._clock()
        anew = now - self._looked_at >= REPAIR_S
        outcome = self._reconciler.reconcile(self._ports, anew=anew)
        if anew:
            self._looked_at = now
        # ovs-vswitchd's answer to a nudge wakes the agent: without a pause the two could chase each other.
        if outcome.stale and self._clock() - self._nudged_at >= REPAIR_S:
            self._nudged_at = self._clock()
            self._database.nudge()
        self._report(outcome)
        return outcome

    def pause_s(self, outcome: Outcome) -> float:
        """How long to wait for a change of the database before the next step."""
        self._retries = self._retries + 1 if outcome.pending else 0
        if self._retries == _RETRIES:
            _log.warning("still not ready: %s", "; ".join(self._said))
        # What stays incomplete for long is no longer on its way.
        if 0 < self._retries <= _RETRIES:
            return _RETRY_S
        return min(REPAIR_S, max(0.0, self._looked_at + REPAIR_S - self._clock()))

    def _report(self, outcome: Outcome) -> None:
        if outcome.changed:
            _log.info("%d port(s) changed", outcome.changed)
        said = (*outcome.pending, *filter(None, [outcome.complaint]))
        if said != self._said:
            for line in said:
                _log.info("not ready: %s", line)
            self._said = said


def run(target: str, runner: Runner = run_command, *, timeout_s: float = 30.0) -> None:
    """Work until SIGTERM or SIGINT; call it from the main thread.

    A database that goes away later is waited for.

    Raises:
        MachineError: at the start nobody answers at ``target``; tc is missing or not permitted.
    """
    with OvsDatabase(target, timeout_s) as database, _stop_descriptor() as stop:
        agent = Agent(database, runner)
        database.owned_ports()
        _log.info("watching %s", target)
        lost = False
        with QosWatch(database) as watch:
            while not stop.is_set():
                lost = _turn(agent, watch, stop, lost=lost)


def run_once(target: str, runner: Runner = run_command, *, timeout_s: float = _ONCE_TIMEOUT_S) -> int:
    """Complete all ports and return how many changed.

    Raises:
        MachineError: after ``timeout_s`` some port is still incomplete (names it), nobody answers at
            ``target``, or tc is missing or not permitted.
    """
    deadline = time.monotonic() + timeout_s
    changed = 0
    with OvsDatabase(target, timeout_s) as database:
        agent = Agent(database, runner)
        while True:
            agent.forget()
            outcome = agent.step()
            changed = max(changed, outcome.changed)
            if not outcome.pending:
                return changed
            if time.monotonic() >= deadline:
                lines = "\n".join((*outcome.pending, *filter(None, [outcome.complaint])))
                raise MachineError(f"these ports are not ready after {timeout_s:g} s:\n{lines}")
            time.sleep(_RETRY_S / 4)


class _Stop:
    """Whether a stop signal has come; ``fd`` becomes readable then."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


def _turn(agent: Agent, watch: QosWatch, stop: _Stop, *, lost: bool) -> bool:
    """One step and the wait after it; whether the database is away."""
    try:
        outcome = agent.step()
        if lost:
            _log.info("%s answers again", watch.target)
        if watch.wait(agent.pause_s(outcome), stop.fd):
            agent.forget()
    except TcAnswerError as error:
        _log.warning("%s; trying again", error)
        _sleep(REPAIR_S / 2, stop.fd)
    except OvsdbError as error:
        if not lost:
            _log.warning("%s; waiting for it", error)
        agent.forget()
        _sleep(REPAIR_S / 2, stop.fd)
        return True
    return False


def _sleep(seconds: float, wake_fd: int) -> None:
    select.select([wake_fd], [], [], seconds)


@contextmanager
def _stop_descriptor() -> Iterator[_Stop]:
    """Turn SIGTERM and SIGINT into a readable descriptor, so that a wait ends at once."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    stop = _Stop(read_end)

    def handle(_signum: int, _frame: object) -> None:
        stop.set()
        os.write(write_end, b"x")

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        os.close(read_end)
        os.close(write_end)
