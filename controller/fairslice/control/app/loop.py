"""The one thread that calls the core, and the threads that compute for it."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeVar

from fairslice.control.app.computing import work_out
from fairslice.control.app.core import Core
from fairslice.control.app.events import (
    Answered,
    Compute,
    Computed,
    Effect,
    Event,
    Install,
    Later,
    PolicyGiven,
    ProbesGiven,
    Proceed,
    SendArp,
    Tick,
)
from fairslice.errors import FairsliceError, MachineError

log = logging.getLogger(__name__)

TICK_S = 1.0
ANSWER_TIMEOUT_S = 120.0
"""Ten thousand flows take some three seconds."""

T = TypeVar("T")
_Stop = object()


@dataclass(slots=True)
class _Question:
    """Something that somebody waits to hear from the core."""

    ask: Callable[[Core], object]
    answer: "Future[object]" = field(default_factory=Future)


@dataclass(slots=True)
class _Request:
    """An event for the core, and who waits to hear what comes of it."""

    event: PolicyGiven | ProbesGiven
    answer: "Future[None]" = field(default_factory=Future)


class Loop:
    """Owns a core: every call of it is made in one thread, in the order in which events came.

    All methods may be called from any thread of the operating system. Those that wait must not be called
    from the core's own, nor where waiting stops a framework's other work.

    Args:
        core: From now on it is nobody else's.
        carry_out: Does what concerns switches. It is called in the core's thread, so it hands on and returns.
        clock: Seconds.
    """

    def __init__(
        self,
        core: Core,
        carry_out: Callable[[Install | SendArp], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._core = core
        self._carry_out = carry_out
        self._clock = clock
        self._queue: SimpleQueue[object] = SimpleQueue()
        self._asked: dict[int, Future[None]] = {}
        self._lanes = {urgent: SimpleQueue[Compute | None]() for urgent in (True, False)}
        self._threads = [threading.Thread(target=self._run, name="core", daemon=True)] + [
            threading.Thread(target=self._compute, args=(lane,), name="computing", daemon=True)
            for lane in self._lanes.values()
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what waits already; what is being computed is left to itself."""
        self._queue.put(_Stop)
        for lane in self._lanes.values():
            lane.put(None)
        self._threads[0].join()

    def tell(self, event: Event) -> None:
        """Hand an event over; it is not waited for."""
        self._queue.put(event)

    def ask(self, event: PolicyGiven | ProbesGiven, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Hand an event over, and wait until it is known what it means for switches.

        Raises:
            FairsliceError: it is refused; nothing has changed then.
            MachineError: there was no answer in time.
        """
        request = _Request(event)
        self._queue.put(request)
        _waited_for(request.answer, timeout_s)

    def read(self, question: Callable[[Core], T], timeout_s: float = ANSWER_TIMEOUT_S) -> T:
        """What the core says between two events. ``question`` must be quick.

        Raises:
            MachineError: there was no answer in time.
        """
        asked = _Question(question)
        self._queue.put(asked)
        return _waited_for(asked.answer, timeout_s)  # type: ignore[return-value]

    # The core's thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        tick_at = self._clock()
        while True:
            item: object = Tick()
            if (wait_s := tick_at - self._clock()) > 0:
                try:
                    item = self._queue.get(timeout=wait_s)
                except Empty:
                    continue
            else:
                tick_at = self._clock() + TICK_S
            if item is _Stop:
                return
            if isinstance(item, _Question):
                try:
                    item.answer.set_result(item.ask(self._core))
                except Exception as error:  # noqa: BLE001  whoever waits gets it
                    item.answer.set_exception(error)
            elif isinstance(item, _Request):
                self._asked[id(item.event)] = item.answer
                self._handle(item.event)
            else:
                self._handle(item)  # type: ignore[arg-type]

    def _handle(self, event: Event) -> None:
        try:
            effects = self._core.handle(event, self._clock())
        except Exception:
            log.exception("%s could not be handled", type(event).__name__)
            return
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Compute(urgent=urgent):
                self._lanes[urgent].put(effect)
            case Later():
                self._queue.put(Proceed())
            case Answered(event, refusal):
                answer = self._asked.pop(id(event), None)
                if answer is not None and refusal is None:
                    answer.set_result(None)
                elif answer is not None:
                    answer.set_exception(refusal)
            case _:
                self._carry_out(effect)

    # Computing threads ------------------------------------------------------------------------------

    def _compute(self, lane: "SimpleQueue[Compute | None]") -> None:
        while (compute := lane.get()) is not None:
            self.tell(_computed(compute))


def _waited_for(answer: "Future[T]", timeout_s: float) -> T:
    try:
        return answer.result(timeout_s)
    except TimeoutError as error:
        raise MachineError(f"the controller did not answer within {timeout_s:g} s") from error


def _computed(compute: Compute) -> Computed:
    try:
        return Computed(compute.question, work_out(compute.question))
    except FairsliceError as error:
        return Computed(compute.question, None, error)
    except Exception:
        log.exception("a policy or a network could not be worked out")
        fault = MachineError("internal error of the controller; its log has the traceback")
        return Computed(compute.question, None, fault)
