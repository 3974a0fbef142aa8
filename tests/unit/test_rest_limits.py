"""What a client may take of the REST server: bytes, time and connections; each refusal is JSON."""

import asyncio
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pytest

from fairslice.api.client import ControllerClient
from fairslice.api.status import ProblemView, StatusView
from fairslice.control.rest.limits import Limits
from fairslice.control.rest.protocol import LimitedProtocol
from fairslice.errors import InputError
from fairslice.testing.rest import STATUS, played_rest

PATIENCE_S = 60.0
"""What only a failure reaches."""
QUICK = Limits(head_s=0.5, body_s=0.5, idle_s=0.5, linger_s=0.5)
GET = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with played_rest() as (_, found):
        yield found


@pytest.fixture(scope="module")
def quick() -> Iterator[int]:
    with played_rest(QUICK) as (_, found):
        yield found


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        yield connection


def read_answer(connection: socket.socket) -> tuple[int, bytes, http.client.HTTPResponse]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read(), answer


def refusal(connection: socket.socket) -> tuple[int, str]:
    """The status and the fault, after which the connection ends."""
    status, body, answer = read_answer(connection)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    (fault,) = ProblemView.model_validate_json(body).faults
    assert len(fault.message.splitlines()) == 1
    return status, fault.message


def ended(connection: socket.socket) -> bool:
    """Whether the server ends a connection, in whatever way, without another word."""
    with suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def ask(port: int) -> None:
    """Have the status on a connection of its own."""
    with connected(port) as connection:
        connection.sendall(GET)
        status, body, _ = read_answer(connection)
    assert (status, StatusView.model_validate_json(body)) == (200, STATUS)


def waits(connection: socket.socket) -> bool:
    """Whether the server has neither ended nor answered a connection."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


# Bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["PUT /v1/policy", "PUT /v1/probes", "GET /v1/status", "POST /v1/none"])
def test_ten_megabytes_are_refused_by_their_announcement(route: str) -> None:
    """The answer comes before a byte of the body has been sent, and nobody but the limits hears of it."""
    with played_rest() as (service, port):
        with connected(port) as connection:
            connection.sendall(f"{route} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n".encode())
            status, message = refusal(connection)
        assert (status, message) == (413, "the request has 10000000 bytes; expected at most 4 MiB")
        assert service.asked == []


def test_the_refusal_arrives_though_all_of_it_is_sent(port: int) -> None:
    with ControllerClient(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(InputError, match="the request has 10000000 bytes; expected at most 4 MiB"):
            client.apply_policy("x" * 10_000_000, "p.yaml")
        assert client.status() == STATUS


def test_who_leaves_once_refused_is_not_waited_for() -> None:
    begun = time.monotonic()
    with played_rest(replace(Limits(), linger_s=600)) as (_, port), connected(port) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        assert refusal(connection)[0] == 413
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection)
    with played_rest(replace(Limits(), linger_s=600)) as (_, port), connected(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert refusal(connection)[0] == 400
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection)
    assert time.monotonic() - begun < 300


def test_the_largest_body_is_taken() -> None:
    with played_rest(replace(Limits(), body_bytes=1000)) as (service, port):
        with ControllerClient(f"http://127.0.0.1:{port}") as client:
            client.apply_policy("x" * 1000, "p.yaml")
            with pytest.raises(InputError, match="the request has 1001 bytes"):
                client.apply_policy("x" * 1001, "p.yaml")
        assert service.asked == [("apply", "x" * 1000, "p.yaml")]


def test_a_body_without_a_length_is_refused(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        status, message = refusal(connection)
    assert (status, message) == (
        411,
        "the request does not say how long it is; expected Content-Length",
    )


def test_who_asks_before_sending_is_refused_before(port: int) -> None:
    """``Expect: 100-continue`` (RFC 9110 §10.1.1), as curl asks."""
    for length, begins in ((10_000_000, b"HTTP/1.1 413"), (1, b"HTTP/1.1 100")):
        with connected(port) as connection:
            head = f"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}"
            connection.sendall(f"{head}\r\n\r\n".encode())
            assert connection.recv(12) == begins


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 500_000,
        b"GET /" + b"a" * 500_000,
    ],
    ids=["many", "long", "address"],
)
def test_headers_that_are_too_long_are_refused(port: int, head: bytes) -> None:
    with connected(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(head)
        assert refusal(connection) == (431, "the headers are too long; expected at most 16384 bytes")


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"GET /v1/st\x00atus HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["ssh", "tls", "no host", "two lengths", "negative", "word", "nul", "raw utf-8"],
)
def test_what_is_not_http_is_refused(port: int, text: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(text)
        status, message = refusal(connection)
        assert ended(connection)
    assert status in (400, 501)
    assert message.startswith("the request is not HTTP/1.1: ")


def test_an_encoding_that_nobody_knows_is_refused(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n")
        assert refusal(connection)[0] == 501


def test_another_version_is_refused(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(GET.replace(b"1.1", b"3.0"))
        assert refusal(connection) == (505, "the request is of HTTP/3.0; expected HTTP/1.1")
        assert ended(connection)


def test_an_old_client_is_answered(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET /v1/status HTTP/1.0\r\n\r\n")
        assert read_answer(connection)[0] == 200
        assert ended(connection)


def test_an_upgrade_is_not_taken(port: int) -> None:
    with connected(port) as connection:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n"
        connection.sendall(GET[:-2] + upgrade + b"\r\n")
        assert read_answer(connection)[0] == 200


def test_requests_may_come_together(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(GET * 3 + b"nonsense\r\n\r\n")
        answers = b""
        while part := connection.recv(65536):
            answers += part
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"] * 3 + [b"400"]


def test_rubbish_after_a_refused_body_ends_the_connection(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"not a chunk\r\n\r\n")
        assert refusal(connection)[0] in (400, 411)
        assert ended(connection)


# Time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"G", GET[:-2]], ids=["nothing", "a byte", "all but the end"])
def test_headers_that_do_not_come_are_not_waited_for(quick: int, sent: bytes) -> None:
    with connected(quick) as connection:
        before = time.monotonic()
        connection.sendall(sent)
        assert refusal(connection) == (408, "the headers have not come within 0.5 s")
        assert ended(connection)
    assert time.monotonic() - before >= QUICK.head_s


def drip(connection: socket.socket, stop: threading.Event) -> None:
    with suppress(OSError):
        while not stop.wait(0.05):
            connection.sendall(b"a")


@pytest.mark.parametrize(
    ("begins", "status", "named"),
    [
        (b"GET /v1/status HTTP/1.1\r\nX: ", 408, "the headers have not come within 0.5 s"),
        (
            b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
            408,
            "the policy has not come within 0.5 s",
        ),
        (
            b"PUT /v1/probes HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
            408,
            "what is to be probed has not come within 0.5 s",
        ),
    ],
    ids=["headers", "policy", "probes"],
)
def test_who_sends_slowly_is_cut_off(quick: int, begins: bytes, status: int, named: str) -> None:
    stop = threading.Event()
    with connected(quick) as connection:
        connection.sendall(begins)
        dripping = threading.Thread(target=drip, args=(connection, stop))
        dripping.start()
        try:
            assert refusal(connection) == (status, named)
            assert ended(connection)
        finally:
            stop.set()
            dripping.join()


def test_the_second_request_of_a_connection_has_its_time_too(quick: int) -> None:
    stop = threading.Event()
    with connected(quick) as connection:
        connection.sendall(GET)
        assert read_answer(connection)[0] == 200
        dripping = threading.Thread(target=drip, args=(connection, stop))
        dripping.start()
        try:
            assert refusal(connection)[0] == 408
            assert ended(connection)
        finally:
            stop.set()
            dripping.join()


def test_an_idle_connection_is_ended(quick: int) -> None:
    with connected(quick) as connection:
        connection.sendall(GET)
        assert read_answer(connection)[0] == 200
        assert ended(connection)


def test_who_does_not_take_the_answer_is_cut_off() -> None:
    with played_rest(QUICK) as (service, port):
        large = STATUS.model_copy(update={"problems": ("x" * 100,) * 300_000})
        service.instead["status"] = lambda: large
        with connected(port) as connection:
            connection.sendall(GET)
            time.sleep(2 * QUICK.idle_s)
            # What the kernel holds is there; what the server held is gone.
            read = 0
            with suppress(ConnectionError):
                while part := connection.recv(1 << 20):
                    read += len(part)
        assert 0 < read < 30_000_000


def test_a_request_that_ends_early_is_refused(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nversion: 1\n")
        connection.shutdown(socket.SHUT_WR)
        assert refusal(connection) == (400, "the request ended before its 50 bytes had come")


def test_who_has_said_all_is_still_answered(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection)[0] == 200
        assert ended(connection)


# Connections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/status HTTP/1.1\r\nHos",
        b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nversion: 1",
        b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nversion: 1",
    ],
    ids=["silent", "half a head", "half a body", "half a body that is refused"],
)
def test_a_thousand_half_open_connections_keep_nobody_waiting(port: int, sent: bytes) -> None:
    """Each who asks is answered while the newest of them still waits."""
    refused = b"10000000" in sent
    with ExitStack() as stack:
        held = []
        for n in range(1000):
            connection = stack.enter_context(socket.socket())
            held.append(connection)
            connection.connect(("127.0.0.1", port))
            with suppress(ConnectionError):
                connection.sendall(sent)
            if n >= 300:  # Which the server has ended long since; a process may have 1,024 descriptors.
                held[n - 300].close()
            if n % 50 == 49:
                ask(port)
                assert refused or waits(connection)
        alive = sum(map(waits, held[-300:]))
    assert alive <= Limits().connections
    assert alive > 0 or refused


def test_who_waits_longest_goes_first() -> None:
    with played_rest(replace(Limits(), connections=3)) as (_, port), ExitStack() as stack:
        one, two, three = (stack.enter_context(connected(port)) for _ in range(3))
        # Who has been answered waits anew.
        one.sendall(GET)
        assert read_answer(one)[0] == 200
        four = stack.enter_context(connected(port))
        assert ended(two)
        for connection in (one, three, four):
            connection.sendall(GET)
            assert read_answer(connection)[0] == 200


def test_who_is_being_answered_keeps_the_place() -> None:
    with played_rest(replace(Limits(), connections=2)) as (service, port), ExitStack() as stack:
        go, came = threading.Event(), threading.Semaphore(0)

        def wait() -> StatusView:
            came.release()
            assert go.wait(PATIENCE_S)
            return STATUS

        service.instead["status"] = wait
        busy = [stack.enter_context(connected(port)) for _ in range(2)]
        for connection in busy:
            connection.sendall(GET)
            assert came.acquire(timeout=PATIENCE_S)
        late = stack.enter_context(connected(port))
        assert refusal(late) == (503, "the controller has too many connections")
        assert ended(late)
        go.set()
        for connection in busy:
            assert read_answer(connection)[0] == 200
        ask(port)


def test_a_connection_may_ask_often(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one connection, and no part of an answer is held back until the one before is acknowledged.

    That is Nagle's algorithm (RFC 896): a small answer in two parts would take 40 ms.
    """
    sockets = []
    really = LimitedProtocol.connection_made

    def noted(protocol: LimitedProtocol, transport: asyncio.Transport) -> None:
        sockets.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        really(protocol, transport)

    monkeypatch.setattr(LimitedProtocol, "connection_made", noted)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for _ in range(200):
        connection.request("GET", "/v1/status")
        assert json.loads(connection.getresponse().read())["generation"] == STATUS.generation
    connection.close()
    (at_once,) = sockets
    assert at_once
