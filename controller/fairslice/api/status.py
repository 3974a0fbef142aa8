"""What goes over the controller's REST interface, for both of its ends."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fairslice.errors import Fault, InfeasibleError, InputError, Location
from fairslice.files.pydantic_faults import dotted, faults_of


class StatusView(BaseModel):
    """Where the controller stands; a generation is in force when every switch holds what it should.

    ``missing`` is what the network file names and discovery has not seen, ``problems`` is what went wrong
    with the policy or with a switch. ``modifications`` counts the meter and flow modifications sent.
    """

    model_config = ConfigDict(frozen=True)

    generation: int
    in_force: bool
    discovered: bool
    missing: tuple[str, ...]
    surprises: tuple[str, ...]
    problems: tuple[str, ...]
    modifications: int
    framework: str = ""


class ProbeView(BaseModel):
    """A wish to count a flow's packets to one port apart; ``proto`` is TCP's IP protocol number or UDP's."""

    flow_number: Annotated[int, Field(ge=0)]
    proto: Literal[6, 17]
    dst_port: Annotated[int, Field(ge=1, le=65535)]


class ProbesView(BaseModel):
    """All probes that are wanted; they replace earlier ones."""

    probes: tuple[ProbeView, ...]


class FaultView(BaseModel):
    """A fault of a policy, with its place where it has one."""

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None


class Infeasible(BaseModel):
    """Which link can't carry the guarantees of which flows; rates in bit/s."""

    link: str
    flows: tuple[str, ...]
    floors: float
    capacity: float


class ProblemView(BaseModel):
    """Why a request was refused: one fault at least."""

    faults: Annotated[tuple[FaultView, ...], Field(min_length=1)]
    infeasible: Infeasible | None = None


def problem_view(error: Exception) -> ProblemView:
    """An error as data."""
    if isinstance(error, InputError):
        return ProblemView(faults=tuple(_fault_view(fault) for fault in error.faults))
    first = FaultView(message=str(error))
    if isinstance(error, InfeasibleError):
        infeasible = Infeasible(
            link=error.link, flows=error.flows, floors=error.floors, capacity=error.capacity
        )
        return ProblemView(faults=(first, *map(_fault_view, error.details)), infeasible=infeasible)
    return ProblemView(faults=(first,))


def raise_problem(problem: ProblemView) -> None:
    """The inverse of :func:`problem_view`.

    Raises:
        InfeasibleError, InputError: always one of them.
    """
    faults = tuple(
        Fault(
            fault.message,
            None
            if fault.file is None or fault.line is None or fault.column is None
            else Location(fault.file, fault.line, fault.column),
        )
        for fault in problem.faults
    )
    if problem.infeasible is not None:
        raise InfeasibleError(faults[0].message, **problem.infeasible.model_dump(), details=faults[1:])
    raise InputError(faults)


def first_fault(error: ValidationError) -> str:
    """What is wrong with JSON that is not what was expected, to stand behind its name: ``has at ...``."""
    fault = next(faults_of(error))
    where = dotted(fault.path)
    return f"has at {where}: {fault.message}" if where else f"can't be read: {fault.message}"


def _fault_view(fault: Fault) -> FaultView:
    place = fault.location
    if place is None:
        return FaultView(message=fault.message)
    return FaultView(message=fault.message, file=place.file, line=place.line, column=place.column)
