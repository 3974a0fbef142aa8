"""The REST client: what it asks for, what it makes of answers, and how long it waits."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# By name: eventlet, once imported, leaves its own copy as ``http.server`` in the package.
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from fairslice.api.client import ControllerClient
from fairslice.api.status import ProbeView, StatusView, problem_view
from fairslice.errors import Fault, InfeasibleError, InputError, Location, MachineError

URL = "http://controller.test:8080"
Handler = Callable[[httpx.Request], httpx.Response]


def status(*, in_force: bool = True, **rest: object) -> StatusView:
    return StatusView.model_validate(
        {
            "generation": 3,
            "in_force": in_force,
            "discovered": True,
            "missing": (),
            "surprises": (),
            "problems": (),
            "modifications": 5,
            **rest,
        }
    )


def answer(view: StatusView, code: int = 200) -> httpx.Response:
    return httpx.Response(code, text=view.model_dump_json())


def client(handler: Handler) -> ControllerClient:
    made = ControllerClient(URL)
    made._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(handler))
    return made


class Recorder:
    """Answers alike and remembers what was asked."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.response


def test_the_status_is_asked_for_and_read() -> None:
    asked = Recorder(answer(status(framework="ryu 4.34")))
    assert client(asked).status() == status(framework="ryu 4.34")
    (request,) = asked.requests
    assert (request.method, str(request.url)) == ("GET", f"{URL}/v1/status")


def test_an_allocation_and_counters_are_read() -> None:
    answers = {
        "/v1/allocation": {"policy": "p.yaml", "generation": 2, "certified": True, "flows": [], "links": []},
        "/v1/counters": {"flows": {"7": {"offered_bytes": 5}}, "queues": [], "ports": []},
    }
    asking = client(lambda request: httpx.Response(200, json=answers[request.url.path]))
    assert asking.allocation().generation == 2
    counters = asking.counters()
    assert counters.flows[7].offered_bytes == 5
    assert counters.flows[7].probe_bytes is None


def test_a_policy_goes_out_as_it_stands_in_its_file() -> None:
    asked = Recorder(answer(status()))
    client(asked).apply_policy("version: 1  # ü\n", "my policies/a&b.yaml")
    (request,) = asked.requests
    assert (request.method, request.url.path) == ("PUT", "/v1/policy")
    assert request.content == "version: 1  # ü\n".encode()
    assert dict(request.url.params) == {"file": "my policies/a&b.yaml"}


def test_probes_go_out_as_json() -> None:
    asked = Recorder(answer(status()))
    client(asked).set_probes((ProbeView(flow_number=1, proto=6, dst_port=5201),))
    (request,) = asked.requests
    assert (request.method, request.url.path) == ("PUT", "/v1/probes")
    assert json.loads(request.content) == {"probes": [{"flow_number": 1, "proto": 6, "dst_port": 5201}]}


def test_refusals_are_the_controllers_own_errors() -> None:
    faults = (Fault("unknown key", Location("p.yaml", 3, 5)), Fault("no hosts"))
    refused = httpx.Response(400, text=problem_view(InputError(faults)).model_dump_json())
    with pytest.raises(InputError) as error:
        client(Recorder(refused)).apply_policy("", "p.yaml")
    assert error.value.faults == faults


def test_a_policy_that_does_not_fit_is_infeasible() -> None:
    sent = InfeasibleError("too little", link="s1->s2", flows=("a",), floors=2.0, capacity=1.0)
    refused = httpx.Response(409, text=problem_view(sent).model_dump_json())
    with pytest.raises(InfeasibleError, match="too little") as error:
        client(Recorder(refused)).apply_policy("", "p.yaml")
    assert error.value.link == "s1->s2"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>a proxy</html>"),
        httpx.Response(200, json={"generation": 1}),
        httpx.Response(400, text="Bad Request"),
        httpx.Response(409, json={"detail": "other"}),
        httpx.Response(503, json={"faults": [{"message": "the switch left"}]}),
        httpx.Response(404, text="no such route"),
        httpx.Response(204),
        httpx.Response(302, headers={"location": "http://elsewhere.test/"}),
    ],
)
def test_an_answer_that_is_none_of_a_controller_says_who_gave_it(response: httpx.Response) -> None:
    with pytest.raises(
        MachineError, match=f"{URL} (answered|is not a controller|can't do it now: the switch left)"
    ) as error:
        client(Recorder(response)).status()
    assert "\n" not in str(error.value)
    if response.status_code == 404:
        assert "404 Not Found" in str(error.value)
    if response.status_code == 503:
        assert "{" not in str(error.value)


@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("no HTTP")],
)
def test_a_controller_that_cannot_be_reached_is_named(trouble: httpx.HTTPError) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise trouble

    with pytest.raises(MachineError, match=f"no controller answers at {URL}: {trouble}"):
        client(handler).status()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1",
        "ftp://127.0.0.1",
        "http://127.0.0.1:port",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises((MachineError, InputError)) as error, ControllerClient(url) as client:
        client.status()
    assert url in str(error.value)


@contextmanager
def real_server(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with real_server(status().model_dump_json().encode()) as url, ControllerClient(url) as client:
        assert client.status() == status()


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def wait(
    handler: Handler,
    timeout_s: float = 5.0,
    alive: Callable[[], bool] = lambda: True,
    progress: Callable[[StatusView], None] = lambda _: None,
) -> tuple[StatusView, float]:
    """The status waited for, and how long that took."""
    clock = Clock()
    found = client(handler).wait_in_force(
        timeout_s, clock=clock, sleep=clock.sleep, alive=alive, progress=progress
    )
    return found, clock.now - 100.0


def test_waiting_ends_as_soon_as_the_generation_is_in_force() -> None:
    answers = iter([answer(status(in_force=False)), answer(status(in_force=False)), answer(status())])
    seen: list[bool] = []
    found, took_s = wait(lambda _: next(answers), progress=lambda latest: seen.append(latest.in_force))
    assert found.in_force
    assert seen == [False, False, True]
    assert 0 < took_s < 1


def test_what_is_in_force_is_not_waited_for() -> None:
    assert wait(lambda _: answer(status()))[1] == 0


def test_a_controller_that_is_not_up_yet_is_waited_for() -> None:
    calls = iter(range(10))

    def handler(request: httpx.Request) -> httpx.Response:
        if next(calls) < 3:
            raise httpx.ConnectError("refused", request=request)
        return answer(status())

    assert wait(handler)[0].in_force


def test_a_controller_that_never_answers_is_told_after_the_time() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(MachineError, match=f"no controller answers at {URL} within 5 s"):
        wait(handler)


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (status(in_force=False, missing=("link s1->s2",), problems=("refused",)), "link s1->s2; refused$"),
        (status(in_force=False), "the switches have not all answered$"),
    ],
)
def test_what_is_waited_for_in_vain_is_told(view: StatusView, reason: str) -> None:
    with pytest.raises(MachineError, match="not in force after 5 s: " + reason):
        wait(lambda _: answer(view))


def test_a_controller_that_went_while_it_was_waited_for_is_told() -> None:
    calls = iter(range(10_000))

    def handler(request: httpx.Request) -> httpx.Response:
        if next(calls) < 3:
            return answer(status(in_force=False))
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(
        MachineError, match=f"not in force after 5 s, and no controller answers at {URL}: ref"
    ):
        wait(handler)


def test_a_controller_that_ended_is_not_waited_for() -> None:
    calls = iter([True, True, False])
    with pytest.raises(MachineError, match="the controller ended"):
        wait(lambda _: answer(status(in_force=False)), timeout_s=1e9, alive=lambda: next(calls))


def test_a_refusal_is_not_waited_out() -> None:
    refused = httpx.Response(400, text=problem_view(InputError("no")).model_dump_json())
    with pytest.raises(InputError, match=r"^no$"):
        wait(lambda _: refused)
