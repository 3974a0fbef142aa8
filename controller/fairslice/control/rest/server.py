"""An HTTP server in a thread of its own, with an event loop of its own."""

import asyncio
import logging
import math
import socket
import threading
from collections.abc import Callable

import uvicorn

from fairslice.control.rest.application import application
from fairslice.control.rest.limits import Limits
from fairslice.control.rest.protocol import Connections
from fairslice.control.rest.service import Service
from fairslice.errors import FairsliceError, InputError, MachineError, os_reason

log = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 64
"""asyncio takes so many connections before it tells of any; they are descriptors beyond the limit."""
_BACKLOG = 1024
"""What the kernel keeps until they are taken. Beyond it clients try again after a second."""


class RestServer:
    """Answers from :meth:`start` to :meth:`stop`.

    Args:
        service: what is asked; see there for threads.
        listening: a socket that listens, as :func:`bind` makes it; closed in the end.
    """

    def __init__(self, service: Service, listening: socket.socket, limits: Limits | None = None) -> None:
        self._service = service
        self._listening = listening
        self._limits = limits or Limits()
        self._ready = threading.Event()
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def start(self) -> None:
        """Return when the first request can be answered.

        Raises:
            MachineError: the server could not start; its log says why.
        """
        self._thread.start()
        self._ready.wait()
        if self._server is None:
            raise MachineError("REST: the server could not start; the log says why")

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more requests, end those that are answered in time, and the connections."""
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            log.exception("the REST server has ended")
        finally:
            self._listening.close()
            self._ready.set()

    async def _serve(self) -> None:
        # uvicorn tells of its start and of each request that is not HTTP.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        limits = self._limits
        config = uvicorn.Config(
            application(self._service, limits),
            http=Connections(limits).protocol,  # type: ignore[arg-type]  # It calls it, no more.
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_ACCEPTED_AT_ONCE,
            timeout_keep_alive=limits.idle_s,  # type: ignore[arg-type]  # It goes to call_later as it is.
            timeout_graceful_shutdown=math.ceil(limits.linger_s) + 1,
            h11_max_incomplete_event_size=limits.head_bytes,
        )
        await _Server(config, self._started).serve(sockets=[self._listening])

    def _started(self, server: "_Server") -> None:
        # asyncio has listened with its own, small number.
        self._listening.listen(_BACKLOG)
        self._server = server
        self._ready.set()


class _Server(uvicorn.Server):
    """One that tells when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[["_Server"], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell."""
        await super().startup(sockets)
        self._tell(self)


def bind(what: str, host: str, port: int) -> socket.socket:
    """A socket that listens at an address; who comes waits until someone serves it.

    Args:
        what: who is to listen there, for messages.
        host: an IPv4 address of this machine, or a name; "" for all.

    Raises:
        InputError: the address is none of this machine's.
        MachineError: it is taken, or may not be used.
    """
    # Of a socket that names its protocol asyncio knows that small answers must not wait (TCP_NODELAY).
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # Of two that have bound an address only one can listen.
        listening.listen(_BACKLOG)
    except (OSError, UnicodeError, TypeError) as error:
        listening.close()
        raise _unusable(what, host, port, error) from error
    return listening


def _unusable(what: str, host: str, port: int, error: Exception) -> FairsliceError:
    expected = "expected an IPv4 address of this machine"
    if isinstance(error, socket.gaierror):
        return InputError(f"{what} can't listen on {host}: {error.strerror}; {expected}")
    if isinstance(error, OSError):
        return MachineError(f"{what} can't listen on {host or '*'}:{port}: {os_reason(error)}")
    # TypeError: bytes that are not text, or a NUL.
    return InputError(f"{what} can't listen on {host!r}: it is not a host's name; {expected}")
