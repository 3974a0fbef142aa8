"""How long the REST server takes to refuse a large body, and to answer beside half-open connections.

Prints JSON: times in seconds, and their ratios to an ordinary answer of the same run. The service behind the
server is played, so that it is the server alone that is measured.
"""

import http.client
import json
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import click
import timing

from fairslice.testing.rest import played_rest

GET = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
HALF = b"PUT /v1/policy HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nversion: 1"
HALF_OPEN = 1000
KEPT = 300
"""So many of them are held at most: a process may have 1,024 descriptors, and the server ends the oldest."""


def answered_s(port: int, request: bytes, status: int) -> float:
    """How long an answer takes on a connection of its own."""
    start_s = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
    if answer.status != status:
        raise RuntimeError(f"the answer is {answer.status}, expected {status}")
    return time.perf_counter() - start_s


def told(times_s: list[float], usual_s: float) -> dict[str, float]:
    """The median and the most, and the median beside an ordinary answer's."""
    median_s = statistics.median(times_s)
    return {"median_s": median_s, "most_s": max(times_s), "ratio": median_s / usual_s}


def beside_half_open(port: int) -> list[float]:
    """Ask now and then while more and more connections have sent half a request."""
    times_s = []
    with ExitStack() as stack:
        held: list[socket.socket] = []
        for number in range(HALF_OPEN):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            held.append(connection)
            with suppress(ConnectionError):
                connection.sendall(HALF)
            if number >= KEPT:
                held[number - KEPT].close()
            if number % 50 == 49:
                times_s.append(answered_s(port, GET, 200))
    return times_s


def on_one_connection(port: int, times: int) -> list[float]:
    """Ask again and again on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def once() -> None:
        connection.request("GET", "/v1/status")
        connection.getresponse().read()

    taken_s = [_timed(once) for _ in range(times)]
    connection.close()
    return taken_s


def _timed(call: Callable[[], None]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


@click.command()
@click.option("--quick", is_flag=True, help="A few times each: does it run at all?")
def main(quick: bool) -> None:
    """Measure the limits of the REST server."""
    times = 5 if quick else 200
    with played_rest() as (_, port):
        usual = [answered_s(port, GET, 200) for _ in range(times)]
        usual_s = statistics.median(usual)
        results: dict[str, Any] = {
            "an ordinary answer": told(usual, usual_s),
            "10 MB refused": told([answered_s(port, LARGE, 413) for _ in range(times)], usual_s),
            f"an answer beside {HALF_OPEN} half-open connections": told(beside_half_open(port), usual_s),
            "an answer on a connection that is kept": told(on_one_connection(port, times), usual_s),
        }
    print(json.dumps({"machine": timing.machine(), "results": results}, indent=2))


if __name__ == "__main__":
    main()
