"""A core whose computing is done at once, for tests of what it decides."""

from fairslice.control.app.computing import work_out
from fairslice.control.app.core import Core
from fairslice.control.app.events import (
    Answered,
    Compute,
    Computed,
    Event,
    Install,
    Later,
    Proceed,
    SendArp,
)
from fairslice.errors import FairsliceError


def computed(compute: Compute) -> Computed:
    """What a thread that computes would report."""
    try:
        return Computed(compute.question, work_out(compute.question))
    except FairsliceError as error:
        return Computed(compute.question, None, error)


def told(core: Core, event: Event, now: float) -> list[Install | SendArp]:
    """Tell a core of an event; all that it wants done to switches because of it.

    Raises:
        FairsliceError: the event is refused.
    """
    found: list[Install | SendArp] = []
    waiting = [event]
    while waiting:
        for effect in core.handle(waiting.pop(0), now):
            match effect:
                case Compute():
                    waiting.append(computed(effect))
                case Later():
                    waiting.append(Proceed())
                case Answered(refusal=refusal):
                    if refusal is not None:
                        raise refusal
                case _:
                    found.append(effect)
    return found
