"""What a controller is asked from outside, in the words of its interface (:mod:`fairslice.api`)."""

import time
from collections.abc import Callable

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters
from fairslice.api.network import NetworkView
from fairslice.api.status import ProbesView, StatusView
from fairslice.control.app.core import Core
from fairslice.control.app.counters import read_counters
from fairslice.control.app.events import PolicyGiven, ProbesGiven
from fairslice.control.app.loop import Loop
from fairslice.control.app.session import Session
from fairslice.errors import InputError
from fairslice.policy import parse_policy
from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.forwarding import Probe
from fairslice.slicing.view import view
from fairslice.topology.nodelink import to_json


class CoreService:
    """Answers questions; each call waits, in the thread that makes it.

    It is the :class:`~fairslice.control.rest.service.Service` of a controller.

    Args:
        loop: the core's.
        sessions: the conversations with the switches that are connected.
        framework: what the controller runs on, with its version.
    """

    def __init__(self, loop: Loop, sessions: Callable[[], list[Session]], framework: str) -> None:
        self._loop = loop
        self._sessions = sessions
        self._framework = framework

    def status(self) -> StatusView:
        """Where the controller stands."""
        status = self._loop.read(lambda core: core.status)
        return status.model_copy(update={"framework": self._framework})

    def network(self) -> NetworkView:
        """The network as it is now, a network file, too."""
        return NetworkView.model_validate(to_json(self._loop.read(lambda core: core.discovery.network)))

    def allocation(self) -> AllocationView:
        """The rates in force.

        Raises:
            InputError: there are none yet.
        """

        def read(core: Core) -> tuple[NetworkAllocation | None, int]:
            return core.allocation, core.status.generation

        allocation, generation = self._loop.read(read)
        if allocation is None:
            raise InputError("the network is not discovered yet, so there is no allocation")
        return view(allocation, generation)

    def apply(self, text: str, file: str) -> StatusView:
        """Apply a policy, given as YAML; ``file`` is its name in messages.

        Raises:
            FairsliceError: it is refused; nothing has changed.
        """
        self._loop.ask(PolicyGiven(parse_policy(text, file)))
        return self.status()

    def counters(self) -> Counters:
        """Counters of all switches, read now.

        Raises:
            MachineError: a switch does not answer.
        """
        return read_counters(self._sessions(), time.monotonic)

    def probes(self, probes: ProbesView) -> StatusView:
        """Count packets apart; replaces all earlier probes.

        Raises:
            UnknownError: there is no such flow.
        """
        self._loop.ask(ProbesGiven(tuple(Probe(p.flow_number, p.proto, p.dst_port) for p in probes.probes)))
        return self.status()
