"""What a command that only reads makes of a controller's refusals."""

from collections.abc import Iterator
from contextlib import contextmanager

from fairslice.errors import InfeasibleError, InputError, MachineError


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Where nothing but answers is asked for, no other input would help: what is refused is not there yet.

    Args:
        url: the controller, for messages.

    Raises:
        MachineError: in place of the controller's InputError or InfeasibleError; status 6.
    """
    try:
        yield
    except (InputError, InfeasibleError) as error:
        reasons = "; ".join(str(error).splitlines())
        raise MachineError(f"the controller at {url} can't tell it now: {reasons}") from error
