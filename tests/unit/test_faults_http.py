"""Faults of HTTP, provoked: the client tells each in one sentence, the server answers in JSON."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fairslice.api.client import ControllerClient
from fairslice.api.status import ProblemView, problem_view
from fairslice.errors import FairsliceError, InfeasibleError, InputError, MachineError

REFUSED = problem_view(InputError("p.yaml: nothing in it")).model_dump_json()
INFEASIBLE = problem_view(
    InfeasibleError("too little", link="a->b", flows=("f",), floors=2.0, capacity=1.0)
).model_dump_json()
FAILED = problem_view(MachineError("switch 2 does not answer")).model_dump_json()


@contextmanager
def says(answer: bytes, *, reset: bool = False, after_s: float = 0.0) -> Iterator[str]:
    """An address at which whoever asks gets these bytes, and then an end or a reset."""
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.settimeout(10)
                    connection.recv(65536)
                    done.wait(after_s)
                    connection.sendall(answer)
                    if reset:  # To linger for no time is to reset (socket(7)).
                        linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def http_answer(status: str, body: str = "", *headers: str, length: int | None = None) -> bytes:
    length = len(body.encode()) if length is None else length
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", body)).encode()


def told(url: str, timeout_s: float = 10.0) -> FairsliceError:
    with pytest.raises(FairsliceError) as refusal, ControllerClient(url, timeout_s) as client:
        client.apply_policy("version: 1", "p.yaml")
    assert len(str(refusal.value).splitlines()) == 1
    assert "Errno" not in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(
    ("answer", "status", "named"),
    [
        # a controller's own
        (http_answer("400 Bad Request", REFUSED), 2, "p.yaml: nothing in it"),
        (http_answer("409 Conflict", INFEASIBLE), 3, "too little"),
        (http_answer("413 Content Too Large", REFUSED), 2, "p.yaml: nothing in it"),
        (http_answer("503 Service Unavailable", FAILED), 6, "can't do it now: switch 2 does not answer"),
        (http_answer("500 Internal Server Error", FAILED), 6, "can't do it now: switch 2 does not answer"),
        (http_answer("404 Not Found", REFUSED), 6, "can't do it now: p.yaml: nothing in it"),
        (http_answer("400 Bad Request", '{"faults": []}'), 6, "400 Bad Request"),
        (http_answer("409 Conflict", '{"faults": [], "infeasible": null}'), 6, "409 Conflict"),
        # other people's
        (http_answer("204 No Content"), 6, "204 No Content"),
        (http_answer("301 Moved Permanently", "", "Location: http://elsewhere/"), 6, "301 Moved Permanently"),
        (http_answer("302 Found", "", "Location: /"), 6, "302 Found"),
        (http_answer("401 Unauthorized"), 6, "401 Unauthorized"),
        (http_answer("403 Forbidden", "<html>"), 6, "403 Forbidden"),
        (http_answer("404 Not Found", "<html>"), 6, "404 Not Found; expected the address of a controller"),
        (http_answer("405 Method Not Allowed"), 6, "405 Method Not Allowed"),
        (http_answer("415 Unsupported Media Type"), 6, "415 Unsupported Media Type"),
        (http_answer("500 Internal Server Error", "Traceback"), 6, "its log says why"),
        (http_answer("502 Bad Gateway", "<html>"), 6, "502 Bad Gateway"),
        (http_answer("503 Service Unavailable", "<html>"), 6, "503 Service Unavailable"),
        (http_answer("504 Gateway Timeout", "<html>"), 6, "504 Gateway Timeout"),
        (http_answer("299 ?", "{}"), 6, "299 ?"),
        # not what it says
        (http_answer("200 OK", "<html>a proxy</html>"), 6, "is not a controller of this version"),
        (http_answer("200 OK", ""), 6, "is not a controller of this version"),
        (http_answer("200 OK", "[" * 100_000), 6, "is not a controller of this version"),
        (http_answer("200 OK", '{"generation": "many"}'), 6, "generation"),
        (http_answer("200 OK", "{}", "Content-Encoding: gzip"), 6, "no controller answers at"),
        (http_answer("200 OK", '{"gener', length=100), 6, "no controller answers at"),
        (http_answer("200 OK", "{}", "Transfer-Encoding: chunked"), 6, "no controller answers at"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", 6, "no controller answers at"),
        (b"HTTP/1.1 nine OK\r\n\r\n", 6, "no controller answers at"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000, 6, "no controller answers at"),
        (b"\x00\xff" * 1000, 6, "no controller answers at"),
        (b"", 6, "no controller answers at"),
    ],
)
def test_an_answer_becomes_a_sentence_and_a_status(answer: bytes, status: int, named: str) -> None:
    with says(answer) as url:
        error = told(url)
    assert named in str(error)
    assert error.exit_status == status
    if status == 6:
        assert url in str(error)


def test_a_connection_that_is_reset_is_a_sentence() -> None:
    with says(b"HTTP/1.1 200 OK\r\n", reset=True) as url:
        error = told(url)
    assert error.exit_status == 6
    assert f"no controller answers at {url}: " in str(error)


def test_a_slow_answer_is_a_sentence() -> None:
    with says(b"", after_s=30) as url:
        error = told(url, timeout_s=0.2)
    assert error.exit_status == 6
    assert f"no controller answers at {url}: timed out" in str(error)


# The controller's own answers ---------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running_controller() -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """The port at which it answers."""
    port = free_port()
    process = subprocess.Popen(
        [
            # A shell's background job ignores some of them.
            *("env", "--default-signal=INT,TERM,HUP", sys.executable, "-m", "fairslice", "controller"),
            *("--ovsdb", "none", "--rest-port", str(port), "--openflow-port", str(free_port())),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def controller() -> Iterator[int]:
    with running_controller() as (port, _):
        yield port


def ask(port: int, method: str, path: str, body: bytes = b"", length: int | None = None) -> tuple[int, str]:
    """The status, and the first fault that the answer tells."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path)
    connection.putheader("Content-Length", str(len(body) if length is None else length))
    connection.endheaders()
    connection.send(body)
    answer = connection.getresponse()
    assert answer.headers.get_content_type() == "application/json"
    problem = ProblemView.model_validate_json(answer.read())
    connection.close()
    return answer.status, problem.faults[0].message


def probe(**change: object) -> bytes:
    return json.dumps({"probes": [{"flow_number": 1, "proto": 6, "dst_port": 5201} | change]}).encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "/", b"", 404, "'/'; expected one of /v1/allocation"),
        ("GET", "/v1/none", b"", 404, "'/v1/none'"),
        ("PUT", "/v1/%ff", b"x", 404, "expected one of"),
        ("POST", "/v1/policy", b"version: 1", 405, "POST; expected PUT"),
        ("DELETE", "/v1/policy", b"", 405, "DELETE; expected PUT"),
        ("PUT", "/v1/status", b"", 405, "PUT; expected GET"),
        ("BREW", "/v1/status", b"", 405, "BREW; expected GET"),
        ("GET", "/v1/allocation", b"", 400, "not discovered yet"),
        ("PUT", "/v1/policy", b"", 400, "the file is empty"),
        ("PUT", "/v1/policy", b"\xff\xfe", 400, "not UTF-8"),
        ("PUT", "/v1/policy?file=%ff", b"version: 1", 400, "not UTF-8"),
        ("PUT", "/v1/policy", b"version: 2\nslices: {}\n", 400, "found the number 2"),
        ("PUT", "/v1/probes", b"{", 400, "Invalid JSON"),
        ("PUT", "/v1/probes", b"[]", 400, "found [], expected an object"),
        ("PUT", "/v1/probes", b"\xff", 400, "Invalid JSON"),
        ("PUT", "/v1/probes", b'{"probes": ' + b"[" * 100_000, 400, "Invalid JSON"),
        ("PUT", "/v1/probes", probe(flow_number=99_999), 404, "there is no flow 99999"),
        ("PUT", "/v1/probes", probe(flow_number=-1), 400, "probes[0].flow_number"),
        ("PUT", "/v1/probes", probe(flow_number=1e99), 400, "probes[0].flow_number"),
        ("PUT", "/v1/probes", probe(proto=1), 400, "probes[0].proto"),
        ("PUT", "/v1/probes", probe(dst_port=65536), 400, "probes[0].dst_port"),
    ],
)
def test_a_request_that_is_refused_is_told_why_in_json(
    controller: int, method: str, path: str, body: bytes, status: int, named: str
) -> None:
    found, message = ask(controller, method, path, body)
    assert found == status
    assert named in message
    assert len(message.splitlines()) == 1


def test_a_request_that_is_too_long_is_refused_unread(controller: int) -> None:
    found, message = ask(controller, "PUT", "/v1/policy", length=99_999_999_999)
    assert (found, message) == (413, "the request has 99999999999 bytes; expected at most 4 MiB")


def test_a_request_without_a_length_is_refused(controller: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", controller, timeout=60)
    connection.request("PUT", "/v1/policy", iter([b"version: 1"]), encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, "Content-Length" in answer.read().decode()) == (411, True)
    connection.close()


def test_a_request_that_ends_early_is_refused(controller: int) -> None:
    with socket.create_connection(("127.0.0.1", controller), timeout=60) as connection:
        connection.sendall(b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nversion: 1\n")
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        assert "ended before its 50 bytes had come" in answer.read().decode()


def test_an_answer_says_which_methods_are_allowed(controller: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", controller, timeout=60)
    connection.request("DELETE", "/v1/probes")
    assert connection.getresponse().headers["Allow"] == "OPTIONS, PUT"
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_controller(number: signal.Signals, tmp_path: Path) -> None:
    with running_controller() as (port, process):
        # It has refused something, and lives.
        assert ask(port, "GET", "/")[0] == 404
        process.send_signal(number)
        process.send_signal(number)
        out, complaints = process.communicate(timeout=60)
    assert (process.returncode, out, complaints) == (128 + number, "", "")
    assert list(tmp_path.iterdir()) == []
