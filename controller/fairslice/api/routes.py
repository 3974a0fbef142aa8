"""Every route of a controller, once: server, client and the OpenAPI document are made from this table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters
from fairslice.api.network import NetworkView
from fairslice.api.status import ProbesView, StatusView

Answer = TypeVar("Answer", bound=BaseModel)

OPENAPI_PATH = "/v1/openapi.json"


class NoQuery(BaseModel):
    """A query without parameters; what stands there is not looked at."""

    model_config = ConfigDict(frozen=True)


class PolicyQuery(BaseModel):
    """What is asked with a policy."""

    model_config = ConfigDict(frozen=True)

    file: str = Field("policy.yaml", description="the policy's name in messages and in the allocation")


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries.

    Args:
        called: its name in messages.
        model: what its JSON is; None for text in UTF-8.
        media_type: of the document; what a request says of itself is not looked at.
    """

    called: str
    model: type[BaseModel] | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Route(Generic[Answer]):
    """One thing that can be asked.

    Args:
        name: the operation, and the method of a service that does it.
        method, path: of HTTP.
        summary: a sentence on what it does.
        answer: what 200 carries.
        refusals: what is answered when it is refused, by status, besides :data:`ALWAYS`; all are a
            :class:`~fairslice.api.status.ProblemView`.
        query: its parameters.
        body: what must come with it.
        omits_defaults: the answer leaves out what has its default.
    """

    name: str
    method: str
    path: str
    summary: str
    answer: type[Answer]
    refusals: Mapping[int, str]
    query: type[BaseModel] = NoQuery
    body: Body | None = None
    omits_defaults: bool = False


ALWAYS: Mapping[int, str] = {
    400: "The request is not HTTP, or wrong: every fault, with its place where it has one.",
    408: "The request did not come in time.",
    413: "The request is too long.",
    431: "The headers are too long.",
    500: "A fault of the controller's own; its log has the traceback.",
    501: "The request has an encoding that is not known.",
    503: "The controller can't do it now, or does not answer in time.",
    505: "The request is of another version of HTTP.",
}
"""What any request may be refused with."""
_LENGTH = {411: "The request does not say how long it is."}

STATUS: Route[StatusView] = Route(
    "status", "GET", "/v1/status", "Where the controller stands.", StatusView, {}
)
NETWORK: Route[NetworkView] = Route(
    "network",
    "GET",
    "/v1/network",
    "The network as it is now: a network file.",
    NetworkView,
    {},
    omits_defaults=True,
)
ALLOCATION: Route[AllocationView] = Route(
    "allocation",
    "GET",
    "/v1/allocation",
    "The rates in force; 400 before there are any.",
    AllocationView,
    {},
)
APPLY: Route[StatusView] = Route(
    "apply",
    "PUT",
    "/v1/policy",
    "Apply a policy; nothing changes if it is refused.",
    StatusView,
    {409: "Its guarantees do not fit: the link, the flows and by how much.", **_LENGTH},
    query=PolicyQuery,
    body=Body("the policy", None, "application/yaml"),
)
COUNTERS: Route[Counters] = Route(
    "counters", "GET", "/v1/counters", "Counters of all switches, read now.", Counters, {}
)
PROBES: Route[StatusView] = Route(
    "probes",
    "PUT",
    "/v1/probes",
    "Count packets of flows apart; replaces all earlier probes.",
    StatusView,
    {404: "There is no such flow.", **_LENGTH},
    body=Body("what is to be probed", ProbesView, "application/json"),
)

ROUTES: tuple[Route[Any], ...] = (STATUS, NETWORK, ALLOCATION, APPLY, COUNTERS, PROBES)
