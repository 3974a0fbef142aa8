"""HTTP/1.1 on a connection, as uvicorn and h11 speak it, with limits on the time and number of clients.

uvicorn itself waits for headers for ever, and refuses what is not HTTP in plain text.
"""

import asyncio
import sys
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from fairslice.control.rest.answers import problem_text
from fairslice.control.rest.limits import Limits
from fairslice.errors import FairsliceError, InputError, MachineError


class Connections:
    """The connections of a server; first of ``waiting`` is whose request has been waited for longest."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.all: set[LimitedProtocol] = set()
        self.waiting: dict[LimitedProtocol, None] = {}

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "LimitedProtocol":
        """A protocol for a new connection; what uvicorn asks of its setting ``http``."""
        return LimitedProtocol(self, config, server_state, app_state, _loop)


class LimitedProtocol(H11Protocol):
    """A connection that is ended where its client takes too long or others need its place."""

    def __init__(
        self,
        others: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self._others = others
        self._limits = others.limits
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    # What asyncio tells ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers; at the limit someone must go first."""
        super().connection_made(transport)
        if len(self._others.all) >= self._limits.connections:
            oldest = next(iter(self._others.waiting), None)
            if oldest is None:
                self._refuse(503, MachineError("the controller has too many connections"))
                return
            oldest.drop()
        self._others.all.add(self)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; headers that have begun have a time by which they must end."""
        if self._refused:
            return
        super().data_received(data)
        self._note()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client has said all it will; it may still wait for an answer."""
        if self._refused or not self._busy:
            return None
        self.cycle.keep_alive = False
        if self.cycle.more_body and self.cycle.response_started:
            return None
        if self.cycle.more_body:
            length = dict(self.headers).get(b"content-length", b"?").decode("ascii")
            self._refuse(400, InputError(f"the request ended before its {length} bytes had come"))
            self.transport.close()
        return self.scheme == "http"  # Of TLS there is no half to keep open.

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        self._others.all.discard(self)
        self._others.waiting.pop(self, None)
        self._stop_deadline()
        self._stop_write_deadline()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take its answer: it has some time left."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(self._limits.idle_s, self.drop)

    def resume_writing(self) -> None:
        """It has taken some of it."""
        super().resume_writing()
        self._stop_write_deadline()

    # What uvicorn tells -----------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Wait for the next request: idle at first, and so among the first to go."""
        self._others.waiting.pop(self, None)
        self._others.waiting[self] = None
        super().on_response_complete()
        if self._busy:  # The next one was there already.
            self._note()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing has come for a while."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            # The client has not even taken its answer; a transport that closes would wait for that.
            self.drop()

    def shutdown(self) -> None:
        """The server ends; who was refused has had time enough."""
        if self._refused:
            self.drop()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; uvicorn calls it where h11 has raised why."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431:
            text = f"the headers are too long; expected at most {self._limits.head_bytes} bytes"
        else:
            text = f"the request is not HTTP/1.1: {error or msg}"
        self._refuse(status, InputError(text))

    # ------------------------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        """Whether a request is being read or answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def drop(self) -> None:
        """End the connection without waiting for anything."""
        self._others.all.discard(self)
        self._others.waiting.pop(self, None)
        self.transport.abort()

    def _note(self) -> None:
        """Something has come: note what is waited for now."""
        if self._busy:
            self._stop_deadline()  # The application has a time for the body.
            if not self.cycle.more_body:
                self._others.waiting.pop(self, None)
        elif self._deadline is None and not self._refused and not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self._others.waiting.setdefault(self)
        self._deadline = self.loop.call_later(self._limits.head_s, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(408, InputError(f"the headers have not come within {self._limits.head_s:g} s"))

    def _refuse(self, status: int, error: FairsliceError) -> None:
        """Answer without the application, if nothing has been answered yet, and end the connection."""
        answered = self._busy and self.cycle.response_started
        if self._busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not answered and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = problem_text(error).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            reason = STATUS_PHRASES.get(status, b"")
            for event in (
                h11.Response(status_code=status, headers=headers, reason=reason),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self._refused = True
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        # Closed at once, what the client still sends would be answered by a reset, and the answer lost.
        self.transport.write_eof()
        self._others.waiting[self] = None
        self._stop_write_deadline()
        self._write_deadline = self.loop.call_later(self._limits.linger_s, self.drop)
