"""What a controller does for whoever asks it over REST."""

from typing import Protocol

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters
from fairslice.api.network import NetworkView
from fairslice.api.status import ProbesView, StatusView


class Service(Protocol):
    """A method for each route of :data:`fairslice.api.routes.ROUTES`, called by its name.

    Methods are called from threads of the server, several at once, and may wait. A refusal is a
    FairsliceError: UnknownError for what is not there, InputError for what is wrong, InfeasibleError for
    guarantees that do not fit, and any other for what can't be done now.
    """

    def status(self) -> StatusView:
        """Where the controller stands."""

    def network(self) -> NetworkView:
        """The network as it is now."""

    def allocation(self) -> AllocationView:
        """The rates in force."""

    def apply(self, text: str, file: str) -> StatusView:
        """Apply the policy in ``text``, called ``file``; nothing changes if it is refused."""

    def counters(self) -> Counters:
        """Counters of all switches, read now."""

    def probes(self, probes: ProbesView) -> StatusView:
        """Count packets apart, in place of all earlier probes."""
