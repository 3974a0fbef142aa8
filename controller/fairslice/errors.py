"""What can go wrong, where it was found, and the exit status that it ends with."""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


class UnknownError(InputError):
    """What is asked for by a name or a number is not there."""


class InfeasibleError(FairsliceError):
    """Guarantees that can't be kept: the floors of ``flows`` need more than ``link`` carries.

    With ``of_acknowledgements`` it is their acknowledgements that need more than those may take of the link.
    Rates are in the unit of the problem (bit/s for a policy). Of a policy ``details`` tells every other link
    that is overfull, and where each guarantee stands that takes part in it.
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
        details: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(message)
        self.link = link
        self.flows = flows
        self.floors = floors
        self.capacity = capacity
        self.of_acknowledgements = of_acknowledgements
        self.details = details

    @property
    def lines(self) -> tuple[str, ...]:
        """The message and the details, a line each."""
        return (str(self), *map(str, self.details))


class MachineError(FairsliceError):
    """The machine, a tool or a switch did not do what was asked of it."""

    exit_status = EXIT_MACHINE


_WRONG_PATH = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL),
}
"""What another path would cure. All else, such as a full disk, is the machine's."""


def os_reason(error: OSError) -> str:
    """What the operating system says of it, without its number."""
    if error.errno == errno.EBADF:
        return "it is closed, or not open for this"
    return error.strerror or str(error) or type(error).__name__


def os_failure(error: OSError, what: str) -> FairsliceError:
    """A sentence in place of an error of the operating system.

    Args:
        error: what it raised.
        what: on what, and that it failed, as ``out/results.json: can't be written``.

    Returns:
        An InputError where another path would do, else a MachineError.
    """
    text = f"{what}: {os_reason(error)}"
    return InputError(text) if error.errno in _WRONG_PATH else MachineError(text)


@contextmanager
def writing(path: object) -> Iterator[None]:
    """Where a file or a directory is written: failures of the operating system name it.

    Raises:
        InputError: the path can't be written; another one may.
        MachineError: the machine can't write now, such as to a full disk.
    """
    try:
        yield
    except OSError as error:
        raise os_failure(error, f"{path}: can't be written") from error
