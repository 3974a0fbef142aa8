"""The one place where the controller framework is imported: Ryu, or os-ken, which has the same interface.

``FAIRSLICE_FRAMEWORK`` in the environment says which, ``ryu`` or ``os-ken``; otherwise it is Ryu where that
is installed. Import this module before anything else of the framework.

Ryu runs in green threads of one thread (eventlet), os-ken in threads of the operating system. fairslice's own
threads are of the operating system with both, and what they want done in the framework's goes through
:class:`Crossing`.
"""

import contextlib
import importlib
import importlib.util
import logging
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from fairslice.errors import InputError

log = logging.getLogger(__name__)

VARIABLE = "FAIRSLICE_FRAMEWORK"
PACKAGES = {"ryu": "ryu", "os-ken": "os_ken"}


def _chosen() -> str:
    wanted = os.environ.get(VARIABLE)
    if wanted:
        if wanted not in PACKAGES:
            raise InputError(f"{VARIABLE}: found {wanted!r}, expected {' or '.join(PACKAGES)}")
        return wanted
    others = "os-ken" if importlib.util.find_spec("os_ken") else "ryu"
    return "ryu" if importlib.util.find_spec("ryu") else others


NAME = _chosen()
PACKAGE = PACKAGES[NAME]


def part(name: str) -> Any:
    """A module of the framework, by its dotted name below the framework's package.

    Raises:
        ImportError: the framework is not installed.
    """
    return importlib.import_module(f"{PACKAGE}.{name}")


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    if NAME == "ryu":
        import eventlet.hubs
        import eventlet.wsgi

        # Ryu 4.34 asks for it, and newer eventlets no longer have it.
        if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
            eventlet.wsgi.ALREADY_HANDLED = object()
        from ryu import version as _version
    else:
        from importlib.metadata import version

        import os_ken  # noqa: F401  whose want is told by this name

        _version = version("os-ken")
    ofproto_v1_3: Any = part("ofproto.ofproto_v1_3")
    ofproto_v1_3_parser: Any = part("ofproto.ofproto_v1_3_parser")
    hub: Any = part("lib.hub")

FRAMEWORK = f"{NAME} {_version}"

OPENFLOW_13 = part("ofproto.ofproto_protocol").ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
"""Stands in for a datapath, so that messages can be built and serialised without a switch."""

Call = Callable[[], object]


class Crossing:
    """Calls from any thread of the operating system, made one after the other by the framework."""

    def __init__(self) -> None:
        """Begin. This has to happen in a thread of the framework's."""
        self._calls: deque[Call | None] = deque()
        self._lock = threading.Lock()
        self._is_open = True
        self._ready, self._wake = os.pipe()
        os.set_blocking(self._ready, False)
        os.set_blocking(self._wake, False)
        hub.spawn(self._run)

    def put(self, call: Call) -> None:
        """Have it called; it is not waited for."""
        self._put(call)

    def close(self) -> None:
        """End after what waits already."""
        self._put(None)

    def _put(self, call: Call | None) -> None:
        # Once the pipe is closed its numbers may be those of other files.
        with self._lock:
            if self._is_open:
                self._calls.append(call)
                # A pipe that is full wakes as well.
                with contextlib.suppress(BlockingIOError):
                    os.write(self._wake, b"\0")

    def _run(self) -> None:
        try:
            while True:
                eventlet.hubs.trampoline(self._ready, read=True)
                os.read(self._ready, 4096)
                while self._calls:
                    call = self._calls.popleft()
                    if call is None:
                        return
                    _make(call)
        finally:
            with self._lock:
                self._is_open = False
                os.close(self._ready)
                os.close(self._wake)


class NativeCrossing(Crossing):
    """The same where the framework's threads are those of the operating system."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        threading.Thread(target=self._run, name="crossing", daemon=True).start()

    def _put(self, call: Call | None) -> None:
        self._queue.put(call)

    def _run(self) -> None:
        while (call := self._queue.get()) is not None:
            _make(call)


def _make(call: Call) -> None:
    try:
        call()
    except Exception:
        log.exception("a call of the framework failed")


def begin(start: Call) -> None:
    """Start the framework, whose threads end with the process.

    os-ken does not say so of its threads, and the process would wait for them. A thread is as who makes it.
    """
    if NAME == "ryu":
        start()
        return
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(start())
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            done.set_exception(error)

    threading.Thread(target=run, name="starting", daemon=True).start()
    done.result()


def crossing() -> Crossing:
    """A way into the framework's threads; to be asked for in one of them."""
    return Crossing() if NAME == "ryu" else NativeCrossing()
