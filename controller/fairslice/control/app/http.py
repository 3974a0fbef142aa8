"""The controller's REST interface: status, policy, allocation, counters and probes."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from eventlet import tpool
from pydantic import BaseModel, ValidationError

from fairslice.api.status import ProbesView, StatusView, first_fault, problem_view
from fairslice.errors import FairsliceError, InfeasibleError, InputError, MachineError, UnknownError
from fairslice.files.yaml_tree import MAX_FILE_BYTES

from ryu.app.wsgi import ControllerBase, Response, WSGIApplication, route

log = logging.getLogger(__name__)


class RestApi(ControllerBase):  # type: ignore[misc]
    """Routes under ``/v1``; answers are JSON, refusals too, with 400 (faults), 409 (infeasible) or 503."""

    def __init__(self, req: Any, link: Any, data: Any, **config: Any) -> None:
        super().__init__(req, link, data, **config)
        self.service = data["service"]

    @route("status", "/v1/status", methods=["GET"])  # type: ignore[untyped-decorator]
    def status(self, _request: Any, **_: Any) -> Any:
        """Where the controller stands."""
        return _answer(self.service.status)

    @route("network", "/v1/network", methods=["GET"])  # type: ignore[untyped-decorator]
    def network(self, _request: Any, **_: Any) -> Any:
        """The network as it is now, node-link JSON: a network file."""
        return _answer(self.service.network)

    @route("allocation", "/v1/allocation", methods=["GET"])  # type: ignore[untyped-decorator]
    def allocation(self, _request: Any, **_: Any) -> Any:
        """The rates in force; 409 before there are any."""

        return _answer(self.service.allocation)

    @route("policy", "/v1/policy", methods=["PUT"])  # type: ignore[untyped-decorator]
    def policy(self, request: Any, **_: Any) -> Any:
        """Apply a policy: the body is its YAML, ``?file=`` its name. Nothing changes if it is refused."""

        def apply() -> BaseModel:
            try:
                text = _body(request).decode("utf-8")
                file = request.GET.get("file", "policy.yaml")
            except UnicodeDecodeError as error:
                what = f"{error.object[error.start : error.end]!r}, which is not UTF-8"
                raise InputError(f"the policy or its name has {what}; expected UTF-8") from error
            status: StatusView = self.service.apply(text, file)
            return status

        return _answer(apply)

    @route("counters", "/v1/counters", methods=["GET"])  # type: ignore[untyped-decorator]
    def counters(self, _request: Any, **_: Any) -> Any:
        """Counters of all switches, read now."""
        return _answer(self.service.counters)

    @route("probes", "/v1/probes", methods=["PUT"])  # type: ignore[untyped-decorator]
    def probes(self, request: Any, **_: Any) -> Any:
        """Count packets apart; the body replaces all earlier probes."""

        def apply() -> BaseModel:
            try:
                wanted = ProbesView.model_validate_json(_body(request))
            except ValidationError as error:
                raise InputError(f"what is to be probed {first_fault(error)}") from error
            status: StatusView = self.service.probes(wanted)
            return status

        return _answer(apply)


_ROUTES = [found.routing_info for _, found in inspect.getmembers(RestApi) if hasattr(found, "routing_info")]


class RestApplication(WSGIApplication):  # type: ignore[misc]
    """The framework's web application, whose refusals are JSON whatever was asked.

    404 (no such path), 405 (another method, RFC 9110 §15.5.6), 411 (no length), 413 (too long), 500 (a fault
    of our own, told in the log).
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request (PEP 3333)."""
        refusal = _refusal(environ)
        if refusal is not None:
            return refusal(environ, start_response)
        try:
            return super().__call__(environ, start_response)
        except Exception:
            # The framework would send the traceback.
            log.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            problem = MachineError("internal error of the controller; its log has the traceback")
            return _problem(500, problem)(environ, start_response)


def _refusal(environ: dict[str, Any]) -> Any:
    """The answer to what no route of ours takes; None if one does."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    allowed = [m for known in _ROUTES if known["path"] == path for m in known["methods"]]
    if not allowed:
        paths = ", ".join(sorted({known["path"] for known in _ROUTES}))
        return _problem(404, InputError(f"there is no {path!r}; expected one of {paths}"))
    if method not in allowed:
        expected = " or ".join(allowed)
        answer = _problem(405, InputError(f"{path} can't be asked with {method}; expected {expected}"))
        answer.allow = allowed
        return answer
    if "HTTP_TRANSFER_ENCODING" in environ:
        return _problem(411, InputError("the request does not say how long it is; expected Content-Length"))
    # The server has refused what is not a number.
    if int(environ.get("CONTENT_LENGTH") or 0) > MAX_FILE_BYTES:
        most = f"expected at most {MAX_FILE_BYTES >> 20} MiB"
        return _problem(413, InputError(f"the request has {environ['CONTENT_LENGTH']} bytes; {most}"))
    return None


def _body(request: Any) -> bytes:
    """All of it.

    Raises:
        InputError: it ended early.
    """
    try:
        return bytes(request.body)
    except OSError as error:
        raise InputError(f"the request ended before its {request.content_length} bytes had come") from error


_STATUS = {UnknownError: 404, InfeasibleError: 409, InputError: 400, FairsliceError: 503}
"""Of an error's kind, the first that it is of."""


def _answer(work: Callable[[], Any]) -> Any:
    try:
        body = tpool.execute(work)
    except FairsliceError as error:
        return _problem(next(status for kind, status in _STATUS.items() if isinstance(error, kind)), error)
    return _json(200, body) if isinstance(body, BaseModel) else Response(status=200, json=body)


def _problem(status: int, error: FairsliceError) -> Any:
    return _json(status, problem_view(error))


def _json(status: int, body: BaseModel) -> Any:
    return Response(
        status=status,
        content_type="application/json",
        charset="utf-8",
        text=body.model_dump_json(by_alias=True),
    )
