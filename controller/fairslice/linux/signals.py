"""Signals that ask a supervisor to stop: it must end what it started, not vanish before it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Route the stop signals to ``handler``; those that the caller ignores (nohup) stay ignored.

    Call it from the main thread.
    """
    heeded = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = [signal.signal(number, handler) for number in heeded]
    try:
        yield
    finally:
        for number, old in zip(heeded, before, strict=True):
            signal.signal(number, signal.SIG_DFL if old is None else old)
