"""The one place where Open vSwitch's Python library is imported and made fit for a thread of its own."""

import warnings
from collections import defaultdict
from typing import Any

from fairslice.control.ovsdb.json_stream import StreamParser

with warnings.catch_warnings():
    # ovs.poller imports eventlet wherever it is installed, and that announces its own end.
    warnings.simplefilter("ignore")
    import ovs.json
    import ovs.poller
    import ovs.stream
    from ovs.db.idl import Idl, SchemaHelper, Transaction
    from ovs.poller import POLLIN, Poller
    from ovs.reconnect import Reconnect
    from ovs.timeval import msec


class _NativePoll:
    """poll(2) as it was before eventlet may have patched it: the thread is a native one, and may wait.

    select(2), which the library takes otherwise, knows no descriptor above 1023.
    """

    def __init__(self) -> None:
        self._poll = ovs.poller.get_system_poll()
        self._events: defaultdict[int, int] = defaultdict(int)

    def register(self, descriptor: Any, events: int) -> None:
        """Wait for these events, too: poll.register() would forget those asked for before."""
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        self._events[number] |= events
        self._poll.register(number, self._events[number])

    def poll(self, timeout_ms: int) -> list[tuple[int, int]]:
        """Wait; descriptors with what happened."""
        happened: list[tuple[int, int]] = self._poll.poll(timeout_ms)
        return happened


def _receive(stream: Any, least_bytes: int) -> Any:
    """Take more at once than the 4 KiB that the library asks for: each call gives other threads the turn."""
    return _receive_as_asked(stream, max(least_bytes, _CHUNK_BYTES))


_CHUNK_BYTES = 1 << 18
_receive_as_asked = ovs.stream.Stream.recv
ovs.stream.Stream.recv = _receive
ovs.poller.SelectPoll = _NativePoll
if ovs.json.PARSER != ovs.json.PARSER_C:
    ovs.json.Parser = StreamParser

__all__ = ["POLLIN", "Idl", "Poller", "Reconnect", "SchemaHelper", "Transaction", "msec"]
