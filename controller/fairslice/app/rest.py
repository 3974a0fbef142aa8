"""The controller's REST interface: status, policy, allocation, counters and probes."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from fairslice.alloc.view import view
from fairslice.app.api import ProbesView, StatusView, problem_view
from fairslice.app.events import PolicyGiven, ProbesGiven
from fairslice.errors import FairsliceError, InfeasibleError, InputError
from fairslice.openflow.framework import FRAMEWORK
from fairslice.policy import parse_policy
from fairslice.state.forwarding import Probe
from fairslice.topology.nodelink import to_json

from ryu.app.wsgi import ControllerBase, Response, route


class RestApi(ControllerBase):  # type: ignore[misc]
    """Routes under ``/v1``; answers are JSON, refusals too, with 400 (faults), 409 (infeasible) or 503."""

    def __init__(self, req: Any, link: Any, data: Any, **config: Any) -> None:
        super().__init__(req, link, data, **config)
        self.app = data["app"]

    @route("status", "/v1/status", methods=["GET"])  # type: ignore[untyped-decorator]
    def status(self, _request: Any, **_: Any) -> Any:
        """Where the controller stands."""
        return _answer(self._status)

    @route("network", "/v1/network", methods=["GET"])  # type: ignore[untyped-decorator]
    def network(self, _request: Any, **_: Any) -> Any:
        """The network as it is now, node-link JSON: a network file."""
        return _answer(lambda: to_json(self.app.core.discovery.network))

    @route("allocation", "/v1/allocation", methods=["GET"])  # type: ignore[untyped-decorator]
    def allocation(self, _request: Any, **_: Any) -> Any:
        """The rates in force; 409 before there are any."""

        def read() -> BaseModel:
            if self.app.core.allocation is None:
                raise InputError("the network is not discovered yet, so there is no allocation")
            return view(self.app.core.allocation, self.app.core.status.generation)

        return _answer(read)

    @route("policy", "/v1/policy", methods=["PUT"])  # type: ignore[untyped-decorator]
    def policy(self, request: Any, **_: Any) -> Any:
        """Apply a policy: the body is its YAML, ``?file=`` its name. Nothing changes if it is refused."""

        def apply() -> BaseModel:
            try:
                text = request.body.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"the policy is not UTF-8: {error}") from error
            self.app.handle(PolicyGiven(parse_policy(text, request.GET.get("file", "policy.yaml"))))
            return self._status()

        return _answer(apply)

    @route("counters", "/v1/counters", methods=["GET"])  # type: ignore[untyped-decorator]
    def counters(self, _request: Any, **_: Any) -> Any:
        """Counters of all switches, read now."""
        return _answer(self.app.counters)

    @route("probes", "/v1/probes", methods=["PUT"])  # type: ignore[untyped-decorator]
    def probes(self, request: Any, **_: Any) -> Any:
        """Count packets apart; the body replaces all earlier probes."""

        def apply() -> BaseModel:
            try:
                wanted = ProbesView.model_validate_json(request.body)
            except ValidationError as error:
                raise InputError(f"probes: {error}") from error
            self.app.handle(
                ProbesGiven(tuple(Probe(p.flow_number, p.proto, p.dst_port) for p in wanted.probes))
            )
            return self._status()

        return _answer(apply)

    def _status(self) -> StatusView:
        status: StatusView = self.app.core.status
        return status.model_copy(update={"framework": FRAMEWORK})


def _answer(work: Callable[[], Any]) -> Any:
    status = 200
    try:
        body = work()
    except FairsliceError as error:
        status = 409 if isinstance(error, InfeasibleError) else 400 if isinstance(error, InputError) else 503
        body = problem_view(error)
    if isinstance(body, BaseModel):
        return Response(
            status=status,
            content_type="application/json",
            charset="utf-8",
            text=body.model_dump_json(by_alias=True),
        )
    return Response(status=status, json=body)
