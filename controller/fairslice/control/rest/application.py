"""From a request to a call of the service, and back: an ASGI application made from the table of routes."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as PathRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairslice.api.openapi import document
from fairslice.api.routes import OPENAPI_PATH, ROUTES, Body, Route
from fairslice.api.status import first_fault
from fairslice.control.rest.answers import INTERNAL, LateError, json_answer, problem, refusal
from fairslice.control.rest.calls import Calls
from fairslice.control.rest.limits import Limits
from fairslice.control.rest.service import Service
from fairslice.errors import FairsliceError, InputError, MachineError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Endpoint = Callable[[Request], Awaitable[Response]]


def application(service: Service, limits: Limits) -> ASGIApp:
    """The application; made anew for each server, whose event loop it belongs to."""
    reading, changing = Calls(limits.reading_calls), Calls(1)
    endpoints: dict[str, dict[str, Endpoint]] = {OPENAPI_PATH: {"GET": _openapi}}
    for route in ROUTES:
        calls = reading if route.method == "GET" else changing
        endpoints.setdefault(route.path, {})[route.method] = _endpoint(route, service, calls, limits)
    found = Starlette(
        routes=[PathRoute(path, _Resource(methods)) for path, methods in endpoints.items()],
        exception_handlers={HTTPException: _not_found(sorted(endpoints)), Exception: _failed},
    )
    # Another spelling of a path is another path.
    found.router.redirect_slashes = False
    return _Guard(found, limits)


def _endpoint(route: Route[Any], service: Service, calls: Calls, limits: Limits) -> Endpoint:
    method: Callable[..., BaseModel] = getattr(service, route.name)

    async def answer(request: Request) -> Response:
        arguments: list[Any] = []
        if route.body is not None:
            late = LateError(f"{route.body.called} has not come within {limits.body_s:g} s")
            arguments.append(_read(route.body, await _within(limits.body_s, request.body(), late)))
        named = _read_query(route.query, request.scope["query_string"]).model_dump()

        def call() -> Response:
            # Large answers are written in the call's thread, too.
            return json_answer(method(*arguments, **named), omits_defaults=route.omits_defaults)

        busy = MachineError(f"the controller has not answered within {limits.answer_s:g} s")
        return await _within(limits.answer_s, calls.make(call), busy)

    return answer


async def _within(time_s: float, work: Awaitable[Result], late: FairsliceError) -> Result:
    try:
        async with asyncio.timeout(time_s) as until:
            return await work
    except TimeoutError as error:
        if until.expired():
            raise late from error
        raise  # A fault of what was called.


def _read(body: Body, content: bytes) -> Any:
    if body.model is None:
        return _text(content, body.called)
    try:
        return body.model.model_validate_json(content)
    except ValidationError as error:
        raise InputError(f"{body.called} {first_fault(error)}") from error


def _read_query(model: type[BaseModel], query: bytes) -> BaseModel:
    try:
        pairs = parse_qsl(
            _text(query, "the query"), keep_blank_values=True, errors="strict", max_num_fields=100
        )
        return model.model_validate(dict(pairs))
    except UnicodeDecodeError as error:
        raise _not_utf8(error, "the query") from error
    except ValidationError as error:
        raise InputError(f"the query {first_fault(error)}") from error
    except ValueError as error:
        raise InputError("the query has more than 100 parameters") from error


def _text(content: bytes, called: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(error, called) from error


def _not_utf8(error: UnicodeDecodeError, called: str) -> InputError:
    found = bytes(error.object[error.start : error.end])
    return InputError(f"{called} has {found!r}, which is not UTF-8; expected UTF-8")


class _Resource:
    """What can be asked at a path; HEAD is GET without a body, and OPTIONS tells what there is."""

    def __init__(self, endpoints: dict[str, Endpoint]) -> None:
        self._endpoints = endpoints
        allowed = {*endpoints, "OPTIONS", *(["HEAD"] if "GET" in endpoints else [])}
        self._allow = {"allow": ", ".join(sorted(allowed))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI 3)."""
        with suppress(ClientDisconnect):
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = request.method
        endpoint = self._endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            return self._other(request)
        try:
            return await endpoint(request)
        except FairsliceError as error:
            return refusal(error)
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:
            # The server stops, and has waited; uvicorn would tell of it as of a fault.
            return refusal(MachineError("the controller ends"))
        except Exception:
            log.exception("%s %s failed", method, request.scope["path"])
            return problem(500, INTERNAL)

    def _other(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=self._allow)
        expected = " or ".join(sorted(self._endpoints))
        text = f"{request.scope['path']} can't be asked with {request.method}; expected {expected}"
        return problem(405, InputError(text), self._allow)


async def _openapi(_request: Request) -> Response:
    return Response(json.dumps(document(), ensure_ascii=False), media_type="application/json")


def _not_found(paths: list[str]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, _error: Exception) -> Response:
        text = f"there is no {request.scope['path']!r}; expected one of {', '.join(paths)}"
        return problem(404, InputError(text))

    return answer


async def _failed(_request: Request, _error: Exception) -> Response:
    """A fault outside of what is asked for; Starlette hands it on to uvicorn, which logs it."""
    return problem(500, INTERNAL)


class _Guard:
    """Refuses by the headers alone, and never leaves a body that nobody reads on a connection."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        length = int(headers.get(b"content-length", b"0"))
        chunked = b"transfer-encoding" in headers
        app: ASGIApp
        if scope["http_version"] not in ("1.0", "1.1"):
            version = f"the request is of HTTP/{scope['http_version']}; expected HTTP/1.1"
            app = problem(505, InputError(version), {"connection": "close"})
        elif chunked:
            unknown = InputError("the request does not say how long it is; expected Content-Length")
            app = problem(411, unknown)
        elif length > self._limits.body_bytes:
            most = f"expected at most {self._limits.body_bytes >> 20} MiB"
            app = problem(413, InputError(f"the request has {length} bytes; {most}"))
        else:
            app = self._app
        unread = chunked or length > 0
        if not unread:
            await app(scope, receive, send)
            return

        async def reading() -> Message:
            nonlocal unread
            message = await receive()
            unread = message["type"] == "http.request" and bool(message.get("more_body"))
            return message

        async def sending(message: Message) -> None:
            """If the body was not read: end the connection, but read on until the answer has arrived."""
            if message["type"] == "http.response.start" and unread:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            if message["type"] != "http.response.body" or message.get("more_body") or not unread:
                await send(message)
                return
            await send({**message, "more_body": True})
            try:
                async with asyncio.timeout(self._limits.linger_s):
                    while unread:
                        await reading()
            except TimeoutError:
                pass
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(scope, reading, sending)
