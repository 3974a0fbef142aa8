"""The table of routes, and what is made of it: server, client and the OpenAPI document agree."""

import http.client
import inspect
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from fairslice.api.client import ControllerClient
from fairslice.api.openapi import document, document_text
from fairslice.api.routes import ALWAYS, OPENAPI_PATH, ROUTES, Route
from fairslice.api.status import ProbesView, ProbeView, ProblemView
from fairslice.control.rest.service import Service
from fairslice.errors import (
    FairsliceError,
    Fault,
    InfeasibleError,
    InputError,
    Location,
    MachineError,
    UnknownError,
)
from fairslice.policy import parse_policy
from fairslice.testing.rest import ALLOCATION, COUNTERS, NETWORK, STATUS, PlayedService, played_rest

SCHEMA = Path(__file__).parents[2] / "schemas" / "openapi.json"
PROBE = ProbeView(flow_number=1, proto=6, dst_port=5201)
BODIES = {"apply": "version: 1  # ü\n", "probes": ProbesView(probes=(PROBE,)).model_dump_json()}
USUAL: dict[str, BaseModel] = {
    "status": STATUS,
    "network": NETWORK,
    "allocation": ALLOCATION,
    "apply": STATUS,
    "counters": COUNTERS,
    "probes": STATUS,
}
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PlayedService, int]]:
    with played_rest() as (service, port):
        yield service, port


@pytest.fixture
def service(served: tuple[PlayedService, int]) -> Iterator[PlayedService]:
    played, _ = served
    played.asked.clear()
    yield played
    played.instead.clear()


@pytest.fixture
def port(served: tuple[PlayedService, int]) -> int:
    return served[1]


class Answer:
    """Of one request on a connection of its own."""

    def __init__(self, port: int, method: str, path: str, body: str | bytes | None = None) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, body.encode() if isinstance(body, str) else body)
        answer = connection.getresponse()
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()
        connection.close()

    def problem(self) -> ProblemView:
        assert self.headers["content-type"] == "application/json"
        return ProblemView.model_validate_json(self.body)


def ask(port: int, route: Route[Any], query: str = "") -> Answer:
    return Answer(port, route.method, route.path + query, BODIES.get(route.name))


# The table ----------------------------------------------------------------------------------------------


@each_route
def test_a_service_has_a_method_for_each_route(route: Route[Any]) -> None:
    signature = inspect.signature(getattr(Service, route.name), eval_str=True)
    found = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    del found["self"]
    query = {name: field.annotation for name, field in route.query.model_fields.items()}
    if route.body is not None:
        body = next(iter(found))
        assert found.pop(body) is (route.body.model or str)
    assert found == query
    assert signature.return_annotation is route.answer


def test_a_service_has_no_other_methods() -> None:
    methods = {name for name, _ in inspect.getmembers(Service, inspect.isfunction) if name[0] != "_"}
    assert methods == {route.name for route in ROUTES}
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


# Server and client --------------------------------------------------------------------------------------


@each_route
def test_an_answer_is_the_models_json(service: PlayedService, port: int, route: Route[Any]) -> None:
    answer = ask(port, route)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert route.answer.model_validate_json(answer.body) == USUAL[route.name]
    assert [asked[0] for asked in service.asked] == [route.name]


def test_every_route_is_asked_by_the_client_and_arrives_whole(service: PlayedService, port: int) -> None:
    with ControllerClient(f"http://127.0.0.1:{port}") as client:
        assert client.status() == STATUS
        assert client.network() == NETWORK
        assert client.allocation() == ALLOCATION
        assert client.apply_policy("version: 1  # ü\n", "my policies/a&b=ü.yaml") == STATUS
        assert client.counters() == COUNTERS
        assert client.set_probes((PROBE,)) == STATUS
    assert service.asked == [
        ("status",),
        ("network",),
        ("allocation",),
        ("apply", "version: 1  # ü\n", "my policies/a&b=ü.yaml"),
        ("counters",),
        ("probes", ProbesView(probes=(PROBE,))),
    ]
    assert {asked[0] for asked in service.asked} == {route.name for route in ROUTES}


def test_a_network_leaves_out_what_a_network_file_leaves_out(service: PlayedService, port: int) -> None:
    found = json.loads(Answer(port, "GET", "/v1/network").body)
    assert service.asked == [("network",)]
    assert "label" not in found["nodes"][0]
    assert [sorted(edge) for edge in found["edges"]] == [
        ["capacity", "delay", "port_no", "source", "target"],
        ["capacity", "port_no", "source", "target"],
    ]


@pytest.mark.parametrize(
    ("query", "file"),
    [
        ("", "policy.yaml"),
        ("?file=a%20b.yaml", "a b.yaml"),
        ("?file=", ""),
        ("?other=1", "policy.yaml"),
        ("?file=a&file=b", "b"),
    ],
)
def test_a_policy_has_the_name_that_the_query_gives(
    service: PlayedService, port: int, query: str, file: str
) -> None:
    assert Answer(port, "PUT", f"/v1/policy{query}", "x").status == 200
    assert service.asked == [("apply", "x", file)]


FAULTS = (Fault("unknown key", Location("p.yaml", 3, 5)), Fault("no hosts"))
ERRORS: list[tuple[FairsliceError, int]] = [
    (InputError(FAULTS), 400),
    (UnknownError("there is no flow 7"), 404),
    (InfeasibleError("too little", link="a->b", flows=("f",), floors=2.0, capacity=1.0), 409),
    (MachineError("switch 2 does not answer"), 503),
    (FairsliceError("something else"), 503),
]


@each_route
@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda one: type(one).__name__)
def test_a_refusal_is_a_problem_with_the_status_of_its_kind(
    service: PlayedService, port: int, route: Route[Any], error: FairsliceError, status: int
) -> None:
    service.fails(route.name, error)
    answer = ask(port, route)
    assert answer.status == status
    problem = answer.problem()
    assert problem.faults[0].message == (FAULTS[0].message if status == 400 else str(error))
    assert (problem.infeasible is not None) == (status == 409)
    if status == 400:
        assert [fault.line for fault in problem.faults] == [3, None]


def test_the_client_raises_what_the_service_raised(service: PlayedService, port: int) -> None:
    with ControllerClient(f"http://127.0.0.1:{port}") as client:
        service.fails("apply", InputError(FAULTS))
        with pytest.raises(InputError) as faults:
            client.apply_policy("x", "p.yaml")
        assert faults.value.faults == FAULTS
        service.fails("apply", ERRORS[2][0])
        with pytest.raises(InfeasibleError, match="too little") as infeasible:
            client.apply_policy("x", "p.yaml")
        assert vars(infeasible.value) == vars(ERRORS[2][0])
        service.fails("status", MachineError("switch 2 does not answer"))
        with pytest.raises(MachineError, match="can't do it now: switch 2 does not answer"):
            client.status()


@each_route
@pytest.mark.parametrize("error", [ValueError("secret"), TimeoutError("secret"), SystemExit(3)], ids=repr)
def test_a_fault_of_our_own_is_told_in_the_log_alone(
    service: PlayedService,
    port: int,
    route: Route[Any],
    error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.fails(route.name, error)
    with caplog.at_level(logging.ERROR, "fairslice.control.rest"):
        answer = ask(port, route)
    assert answer.status == 500
    (fault,) = answer.problem().faults
    assert fault.message == "internal error of the controller; its log has the traceback"
    assert b"secret" not in answer.body
    (record,) = caplog.records
    assert record.getMessage() == f"{route.method} {route.path} failed"
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    assert error in (record.exc_info[1], record.exc_info[1].__cause__)
    # The server lives.
    service.instead.clear()
    assert ask(port, route).status == 200


# What is asked wrongly ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "/", None, 404, "'/'; expected one of /v1/allocation"),
        ("GET", "/v1/none", None, 404, "'/v1/none'"),
        ("GET", "/v1/status/", None, 404, "'/v1/status/'"),
        ("GET", "//v1/status", None, 404, "expected one of"),
        ("PUT", "/v1/%ff", b"x", 404, "expected one of"),
        ("OPTIONS", "/v1/none", None, 404, "expected one of"),
        ("POST", "/v1/policy", b"version: 1", 405, "POST; expected PUT"),
        ("GET", "/v1/policy", None, 405, "GET; expected PUT"),
        ("DELETE", "/v1/policy", None, 405, "DELETE; expected PUT"),
        ("PUT", "/v1/status", b"", 405, "PUT; expected GET"),
        ("BREW", "/v1/status", None, 405, "BREW; expected GET"),
        ("TRACE", OPENAPI_PATH, None, 405, "TRACE; expected GET"),
        ("PUT", "/v1/policy", b"\xff\xfe", 400, "the policy has b'\\xff', which is not UTF-8"),
        ("PUT", "/v1/policy?file=%ff", b"version: 1", 400, "the query has b'\\xff', which is not UTF-8"),
        ("PUT", "/v1/policy?" + "a=b&" * 200, b"version: 1", 400, "more than 100 parameters"),
        ("PUT", "/v1/probes", None, 400, "what is to be probed can't be read: Invalid JSON"),
        ("PUT", "/v1/probes", b"{", 400, "Invalid JSON"),
        ("PUT", "/v1/probes", b"[]", 400, "expected an object"),
        ("PUT", "/v1/probes", b"\xff", 400, "Invalid JSON"),
        ("PUT", "/v1/probes", b'{"probes": ' + b"[" * 100_000, 400, "Invalid JSON"),
        ("PUT", "/v1/probes", b'{"probes": [{"flow_number": -1, "proto": 6}]}', 400, "probes[0].flow_number"),
    ],
)
def test_what_is_asked_wrongly_reaches_no_service(
    service: PlayedService, port: int, method: str, path: str, body: bytes | None, status: int, named: str
) -> None:
    answer = Answer(port, method, path, body)
    assert answer.status == status
    (fault,) = answer.problem().faults
    assert named in fault.message
    assert len(fault.message.splitlines()) == 1
    assert service.asked == []


@each_route
def test_an_answer_says_which_methods_are_allowed(
    service: PlayedService, port: int, route: Route[Any]
) -> None:
    allowed = "GET, HEAD, OPTIONS" if route.method == "GET" else "OPTIONS, PUT"
    assert Answer(port, "DELETE", route.path).headers["allow"] == allowed
    options = Answer(port, "OPTIONS", route.path)
    assert (options.status, options.headers["allow"], options.body) == (204, allowed, b"")
    assert service.asked == []


@each_route
def test_head_is_get_without_a_body(service: PlayedService, port: int, route: Route[Any]) -> None:
    head = Answer(port, "HEAD", route.path)
    assert head.body == b""
    if route.method == "GET":
        assert (head.status, service.asked) == (200, [(route.name,)])
        assert head.headers["content-length"] == ask(port, route).headers["content-length"]
    else:
        assert (head.status, service.asked) == (405, [])


def test_text_that_explodes_is_refused_by_its_reader(service: PlayedService, port: int) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(9))}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    service.instead["apply"] = lambda: parse_policy(service.asked[-1][1], "bomb.yaml")
    answer = Answer(port, "PUT", "/v1/policy", bomb)
    assert answer.status == 400
    assert any("aliases" in fault.message for fault in answer.problem().faults)


# The document -------------------------------------------------------------------------------------------


def test_the_checked_in_document_is_fresh() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == document_text(), (
        "run: python -m fairslice.api.openapi > schemas/openapi.json"
    )


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()
    assert document()["openapi"].startswith("3.1.")


def test_a_wrong_document_would_be_found() -> None:
    wrong = document()
    del wrong["paths"]["/v1/status"]["get"]["responses"]["200"]["description"]
    errors = OpenAPIV31SpecValidator(wrong).iter_errors()
    assert list(errors) != []


def test_the_document_has_every_route_and_status() -> None:
    found = {
        (path, method): operation
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert found.keys() == {(route.path, route.method.lower()) for route in ROUTES}
    for route in ROUTES:
        operation = found[route.path, route.method.lower()]
        assert set(operation["responses"]) == {"200", *map(str, {**ALWAYS, **route.refusals})}
        assert ("requestBody" in operation) == (route.body is not None)
        assert [p["name"] for p in operation.get("parameters", ())] == list(route.query.model_fields)


def test_a_server_tells_its_document(port: int) -> None:
    answer = Answer(port, "GET", OPENAPI_PATH)
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == document()


def valid(port: int, route: Route[Any], expected: int) -> None:
    """That a real answer is what the document says of it."""
    answer = ask(port, route)
    assert answer.status == expected
    told = document()
    responses = told["paths"][route.path][route.method.lower()]["responses"]
    schema = responses[str(expected)]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": told["components"]})
    validator.validate(json.loads(answer.body))


@each_route
def test_answers_and_refusals_are_as_the_document_says(
    service: PlayedService, port: int, route: Route[Any]
) -> None:
    valid(port, route, 200)
    for error, status in ERRORS:
        if status in {**ALWAYS, **route.refusals}:
            service.fails(route.name, error)
            valid(port, route, status)
