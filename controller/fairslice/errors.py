"""What can go wrong, where it was found, and the exit status that it ends with."""

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
EXIT_INPUT = 2
EXIT_INFEASIBLE = 3
EXIT_OUT_OF_TOLERANCE = 4
EXIT_CANT_TELL = 5
EXIT_MACHINE = 6
EXIT_INTERNAL = 70


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where, what was found and what was expected."""

    message: str
    location: Location | None = None

    def __str__(self) -> str:
        return self.message if self.location is None else f"{self.location}: {self.message}"


class FairsliceError(Exception):
    """Base of every error that a user can meet; its text is fit to be shown to one."""

    exit_status = EXIT_MACHINE


class InputError(FairsliceError):
    """An input that can't be accepted; carries all of its faults."""

    exit_status = EXIT_INPUT

    def __init__(self, faults: Iterable[Fault] | str) -> None:
        self.faults: tuple[Fault, ...] = (Fault(faults),) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class InfeasibleError(FairsliceError):
    """Guarantees that can't be kept: the floors of ``flows`` need more than ``link`` carries.

    With ``of_acknowledgements`` it is their acknowledgements that need more than those may take of the link.
    Rates are in the unit of the problem (bit/s for a policy).
    """

    exit_status = EXIT_INFEASIBLE

    def __init__(
        self,
        message: str,
        *,
        link: str,
        flows: tuple[str, ...],
        floors: float,
        capacity: float,
        of_acknowledgements: bool = False,
    ) -> None:
        super().__init__(message)
        self.link = link
        self.flows = flows
        self.floors = floors
        self.capacity = capacity
        self.of_acknowledgements = of_acknowledgements


class MachineError(FairsliceError):
    """The machine, a tool or a switch did not do what was asked of it."""

    exit_status = EXIT_MACHINE
