"""What goes over the controller's REST interface, for both of its ends."""

from pydantic import BaseModel, ConfigDict

from fairslice.errors import Fault, InfeasibleError, InputError, Location


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
    """A wish to count a flow's packets to one port apart; ``proto`` is the IP protocol number."""

    flow_number: int
    proto: int
    dst_port: int


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
    """Why a request was refused."""

    faults: tuple[FaultView, ...]
    infeasible: Infeasible | None = None


def problem_view(error: Exception) -> ProblemView:
    """An error as data."""
    if isinstance(error, InputError):
        return ProblemView(faults=tuple(_fault_view(fault) for fault in error.faults))
    infeasible = None
    if isinstance(error, InfeasibleError):
        infeasible = Infeasible(
            link=error.link, flows=error.flows, floors=error.floors, capacity=error.capacity
        )
    return ProblemView(faults=(FaultView(message=str(error)),), infeasible=infeasible)


def raise_problem(problem: ProblemView) -> None:
    """The inverse of :func:`problem_view`.

    Raises:
        InfeasibleError, InputError: always one of them.
    """
    if problem.infeasible is not None:
        raise InfeasibleError(problem.faults[0].message, **problem.infeasible.model_dump())
    raise InputError(
        Fault(
            fault.message,
            None
            if fault.file is None or fault.line is None or fault.column is None
            else Location(fault.file, fault.line, fault.column),
        )
        for fault in problem.faults
    )


def _fault_view(fault: Fault) -> FaultView:
    place = fault.location
    if place is None:
        return FaultView(message=fault.message)
    return FaultView(message=fault.message, file=place.file, line=place.line, column=place.column)
