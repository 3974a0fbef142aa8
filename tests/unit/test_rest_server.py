"""The REST server's thread: where it listens, how it starts and stops, and what may go on meanwhile."""

import logging
import socket
import threading
import time

import pytest

from fairslice.api.client import ControllerClient
from fairslice.api.counters import Counters
from fairslice.api.status import StatusView
from fairslice.control.rest.limits import Limits
from fairslice.control.rest.server import RestServer, bind
from fairslice.errors import InputError, MachineError
from fairslice.testing.rest import COUNTERS, STATUS, PlayedService, played_rest

PATIENCE_S = 60.0


def test_an_address_that_is_taken_is_told() -> None:
    with bind("REST", "127.0.0.1", 0) as taken:
        number = taken.getsockname()[1]
        expected = rf"^REST can't listen on 127\.0\.0\.1:{number}: Address already in use$"
        with pytest.raises(MachineError, match=expected):
            bind("REST", "127.0.0.1", number)


@pytest.mark.parametrize(
    ("host", "kind", "named"),
    [
        ("192.0.2.1", MachineError, "REST can't listen on 192.0.2.1:0: Cannot assign requested address"),
        ("no.such.host.invalid", InputError, "REST can't listen on no.such.host.invalid: "),
        ("::1", InputError, "expected an IPv4 address of this machine"),
        ("a\0b", InputError, "it is not a host's name; expected an IPv4 address"),
        ("ü" * 64, InputError, "it is not a host's name; expected an IPv4 address"),
    ],
)
def test_an_address_that_is_not_ours_is_told(host: str, kind: type[Exception], named: str) -> None:
    with pytest.raises(kind) as refusal:
        bind("REST", host, 0)
    assert named in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_nothing_is_answered_after_the_end_and_the_address_is_free() -> None:
    with played_rest() as (_, port):
        client = ControllerClient(f"http://127.0.0.1:{port}")
        assert client.status() == STATUS
        half_open = socket.create_connection(("127.0.0.1", port))
    with pytest.raises(MachineError, match="no controller answers"):
        client.status()
    half_open.close()
    bind("REST", "127.0.0.1", port).close()


def test_it_stops_though_a_call_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    service, never = PlayedService(), threading.Event()

    def wait() -> StatusView:
        never.wait()
        return STATUS

    service.instead["status"] = wait
    listening = bind("REST", "127.0.0.1", 0)
    server = RestServer(service, listening)
    server.start()
    with socket.create_connection(listening.getsockname()) as connection:
        connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        while not service.asked:
            time.sleep(0.01)
        server.stop(PATIENCE_S)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"the controller ends" in answer
    assert "Traceback" not in caplog.text
    assert "rest" not in {thread.name for thread in threading.enumerate()}
    never.set()


def test_who_asked_before_the_start_is_answered() -> None:
    listening = bind("REST", "127.0.0.1", 0)
    with socket.create_connection(listening.getsockname(), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        server = RestServer(PlayedService(), listening)
        server.start()
        assert connection.recv(12) == b"HTTP/1.1 200"
        server.stop()


def test_a_server_that_can_not_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    listening = bind("REST", "127.0.0.1", 0)
    listening.close()
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(MachineError, match=r"^REST: the server could not start; the log says why$"),
    ):
        RestServer(PlayedService(), listening).start()
    assert "the REST server has ended" in caplog.text


def test_a_call_that_takes_long_keeps_no_other_waiting() -> None:
    """Changes are made one by one; what changes nothing goes on beside them."""
    with played_rest() as (service, port):
        go, began = threading.Event(), threading.Event()
        at_once = []

        def apply() -> StatusView:
            at_once.append(threading.current_thread())
            began.set()
            assert go.wait(PATIENCE_S)
            assert at_once == [threading.current_thread()]
            at_once.clear()
            return STATUS

        service.instead["apply"] = apply
        url = f"http://127.0.0.1:{port}"

        def give() -> None:
            with ControllerClient(url, PATIENCE_S) as client:
                client.apply_policy("x", "p.yaml")

        giving = [threading.Thread(target=give) for _ in range(3)]
        for thread in giving:
            thread.start()
        assert began.wait(PATIENCE_S)
        with ControllerClient(url) as client:
            assert client.status() == STATUS
            assert client.counters() == COUNTERS
        assert [thread.is_alive() for thread in giving] == [True] * 3
        go.set()
        for thread in giving:
            thread.join(PATIENCE_S)
        assert [asked[0] for asked in service.asked].count("apply") == 3


def test_readers_are_counted_and_late_ones_are_told() -> None:
    limits = Limits(reading_calls=2, answer_s=0.5)
    with played_rest(limits) as (service, port):
        go = threading.Event()
        running, most = 0, 0
        lock = threading.Lock()

        def counters() -> Counters:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            assert go.wait(PATIENCE_S)
            with lock:
                running -= 1
            return COUNTERS

        service.instead["counters"] = counters
        told: list[str] = []

        def ask() -> None:
            with ControllerClient(f"http://127.0.0.1:{port}") as client:
                try:
                    client.counters()
                except MachineError as error:
                    told.append(str(error))

        asking = [threading.Thread(target=ask) for _ in range(5)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(PATIENCE_S)
        assert most == 2
        assert len(told) == 5
        assert all("the controller has not answered within 0.5 s" in text for text in told)
        go.set()
        service.instead.clear()
        with ControllerClient(f"http://127.0.0.1:{port}") as client:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                try:
                    assert client.counters() == COUNTERS
                    break
                except MachineError:  # The two have not ended yet.
                    continue
            else:
                pytest.fail("places of calls that ended late were not given back")


def test_it_answers_beside_a_thread_that_computes() -> None:
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(n * n for n in range(10_000))

    with played_rest() as (_, port), ControllerClient(f"http://127.0.0.1:{port}") as client:
        computing = threading.Thread(target=compute)
        computing.start()
        times = []
        try:
            for _ in range(20):
                before = time.monotonic()
                assert client.status() == STATUS
                times.append(time.monotonic() - before)
        finally:
            stop.set()
            computing.join()
    print(f"beside a computing thread: median {sorted(times)[10] * 1e3:.1f} ms")


def test_it_runs_beside_eventlet() -> None:
    """Ryu's event loop, which is not monkey-patched here, turns on in its thread."""
    import eventlet
    from eventlet import patcher

    assert not patcher.is_monkey_patched("thread")
    with played_rest() as (_, port):
        turns = 0
        answers: list[StatusView] = []

        def ask() -> None:
            with ControllerClient(f"http://127.0.0.1:{port}") as client:
                answers.extend(client.status() for _ in range(20))

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + PATIENCE_S
        while asking.is_alive() and time.monotonic() < deadline:
            eventlet.sleep(0.001)
            turns += 1
        assert answers == [STATUS] * 20
        assert turns > 1


def test_two_servers_share_nothing() -> None:
    with played_rest() as (one, port), played_rest() as (two, other):
        with ControllerClient(f"http://127.0.0.1:{port}") as client:
            client.status()
        with ControllerClient(f"http://127.0.0.1:{other}") as client:
            client.counters()
        assert (one.asked, two.asked) == ([("status",)], [("counters",)])
