"""JSON-RPC 1.0 as OVSDB speaks it (RFC 7047 §4): framing, and one connection with deadlines."""

import codecs
import errno
import itertools
import json
import os
import re
import select
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fairslice.errors import InputError

with warnings.catch_warnings():
    # ovs.poller imports eventlet wherever it is installed, and that announces its own end.
    warnings.simplefilter("ignore")
    from ovs.poller import POLLIN, Poller
    from ovs.stream import Stream

Json = Any
"""A JSON value as the json module reads it."""
Clock = Callable[[], float]
"""Seconds that only rise, such as ``time.monotonic``."""

_CHUNK_BYTES = 65536
_MAX_PORT = 65535
_PORT = re.compile("0*[1-9][0-9]{0,4}")


class ConnectionLostError(Exception):
    """The connection could not be made or has ended; the text says why."""


class NoAnswerError(Exception):
    """The deadline passed before the answer came."""


class CallRefusedError(Exception):
    """The server answered a call with an error (RFC 7047 §4): its text."""


def encode(message: Json) -> bytes:
    """A message as bytes; nothing separates it from the next."""
    return json.dumps(message, separators=(",", ":")).encode()


class Decoder:
    """Cuts a byte stream into JSON objects, wherever its chunks end, even inside a character."""

    def __init__(self) -> None:
        self._text = ""
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()

    def feed(self, chunk: bytes) -> Iterator[dict[str, Json]]:
        """Take in bytes; yield each message that they complete.

        Raises:
            ConnectionLostError: no JSON object in UTF-8 can begin like this.
        """
        try:
            self._text = (self._text + self._utf8.decode(chunk)).lstrip()
        except UnicodeDecodeError as error:
            raise ConnectionLostError(f"the peer sent what is not UTF-8 ({error.reason})") from error
        while self._text:
            if not self._text.startswith("{"):
                said = f"the peer sent {self._text[:40]!r}"
                raise ConnectionLostError(f"{said}, which is not a JSON-RPC message")
            try:
                message, end = self._json.raw_decode(self._text)
            except json.JSONDecodeError:
                return  # the rest is still under way
            self._text = self._text[end:].lstrip()
            yield message


class Connection:
    """One connection to a database server; any error ends it.

    It waits in ``ovs.poller``, which works with and without eventlet's patched ``select``. Not to be shared
    by threads or greenlets without a lock.
    """

    def __init__(self, target: str, deadline: float, clock: Clock = time.monotonic) -> None:
        """Connect to ``target`` before the clock shows ``deadline``.

        Raises:
            ConnectionLostError: nobody listens there.
        """
        self._clock = clock
        self._decoder = Decoder()
        self._ids = itertools.count(1)
        self._updated = False
        timeout_ms = max(0, int((deadline - clock()) * 1000))
        error, self._stream = Stream.open_block(Stream.open(target), timeout_ms)
        if error:
            raise ConnectionLostError(f"cannot connect: {os.strerror(error)}")

    def close(self) -> None:
        """End the connection; may be repeated."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def call(self, method: str, params: list[Json], deadline: float) -> Json:
        """Send a request and wait for its result.

        Raises:
            ConnectionLostError: before the answer came; whether the request was served is unknown.
            NoAnswerError: ``deadline`` passed; the connection is closed.
            CallRefusedError: the server answered with an error; the connection stays.
        """
        ident = next(self._ids)
        with self._closing():
            self._send(encode({"method": method, "params": params, "id": ident}), deadline)
            while True:
                for message in self._receive():
                    if "method" not in message and message.get("id") == ident:
                        return self._result(message)
                self._block(deadline, receiving=True)

    def wait_update(self, deadline: float, wake_fd: int | None = None) -> bool:
        """Wait for an "update" (RFC 7047 §4.1.6) that no earlier wait has told of.

        False if ``deadline`` passed or ``wake_fd`` became readable first.

        Raises:
            ConnectionLostError: the connection has ended.
        """
        with self._closing():
            while True:
                if not self._updated:
                    self._receive()
                if self._updated:
                    self._updated = False
                    return True
                if self._clock() >= deadline:
                    return False
                poller = Poller()
                if wake_fd is not None:
                    poller.fd_wait(wake_fd, POLLIN)
                self._wait(poller, deadline)
                if wake_fd is not None and _readable(wake_fd):
                    return False

    @staticmethod
    def _result(message: dict[str, Json]) -> Json:
        if message.get("error") is not None:
            raise CallRefusedError(json.dumps(message["error"]))
        return message.get("result")

    def _receive(self) -> list[dict[str, Json]]:
        """All messages that are there; probes are answered on the way."""
        replies: list[dict[str, Json]] = []
        while self._stream is not None:
            error, chunk = self._stream.recv(_CHUNK_BYTES)
            if error == errno.EAGAIN or ((error or not chunk) and replies):
                return replies  # an end is met again by the next look
            if error:
                raise ConnectionLostError(os.strerror(error))
            if not chunk:
                raise ConnectionLostError("the server closed the connection")
            for message in self._decoder.feed(chunk):
                if message.get("method") == "echo":
                    answer = {"result": message.get("params", []), "error": None, "id": message.get("id")}
                    self._send(encode(answer), self._clock() + 1.0)
                elif message.get("method") == "update":
                    self._updated = True
                else:
                    replies.append(message)
        raise ConnectionLostError("the connection is closed")

    def _send(self, data: bytes, deadline: float) -> None:
        while data:
            if self._stream is None:
                raise ConnectionLostError("the connection is closed")
            sent = self._stream.send(data)
            if sent >= 0:
                data = data[sent:]
            elif sent == -errno.EAGAIN:
                self._block(deadline, receiving=False)
            else:
                raise ConnectionLostError(os.strerror(-sent))

    def _block(self, deadline: float, *, receiving: bool) -> None:
        if self._clock() >= deadline:
            raise NoAnswerError
        poller = Poller()
        if not receiving and self._stream is not None:
            self._stream.send_wait(poller)
        self._wait(poller, deadline)

    def _wait(self, poller: Any, deadline: float) -> None:
        if self._stream is None:
            raise ConnectionLostError("the connection is closed")
        self._stream.recv_wait(poller)
        poller.timer_wait(max(1, int((deadline - self._clock()) * 1000)))
        poller.block()

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except CallRefusedError:
            raise
        except BaseException:
            # A late answer must never meet a later call.
            self.close()
            raise


def check_target(target: str) -> None:
    """Refuse what is not an OVSDB connection method (ovsdb(7), "Connection Methods").

    Raises:
        InputError: neither ``unix:PATH`` nor ``tcp:ADDRESS:PORT``, or the port is out of range.
    """
    kind, _, rest = target.partition(":")
    address, _, port = rest.rpartition(":")
    expected = "expected unix:PATH or tcp:ADDRESS:PORT"
    if kind == "tcp" and address and port.isascii() and port.isdecimal():
        if not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
            raise InputError(f"{target!r}: the port is out of range; expected one from 1 to {_MAX_PORT}")
    elif kind != "unix" or not rest:
        raise InputError(f"{target!r} is not an OVSDB target; {expected}")


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])
