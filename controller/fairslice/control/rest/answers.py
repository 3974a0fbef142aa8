"""Answers and refusals as JSON."""

from pydantic import BaseModel
from starlette.responses import Response

from fairslice.api.status import problem_view
from fairslice.errors import FairsliceError, InfeasibleError, InputError, MachineError, UnknownError


class LateError(InputError):
    """A request that did not come in time."""


_STATUS = {LateError: 408, UnknownError: 404, InfeasibleError: 409, InputError: 400, FairsliceError: 503}
"""Of an error's kind, the first that it is of."""
INTERNAL = MachineError("internal error of the controller; its log has the traceback")


def json_answer(body: BaseModel, *, omits_defaults: bool = False) -> Response:
    """What was asked for."""
    text = body.model_dump_json(by_alias=True, exclude_defaults=omits_defaults)
    return Response(text, media_type="application/json")


def problem_text(error: FairsliceError) -> str:
    """A refusal's JSON."""
    return problem_view(error).model_dump_json(by_alias=True)


def problem(status: int, error: FairsliceError, headers: dict[str, str] | None = None) -> Response:
    """A refusal with this status."""
    return Response(problem_text(error), status, headers, media_type="application/json")


def refusal(error: FairsliceError) -> Response:
    """A service's refusal, with the status of its kind."""
    return problem(next(status for kind, status in _STATUS.items() if isinstance(error, kind)), error)
