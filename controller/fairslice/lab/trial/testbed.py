"""An emulated network with the controller beside it, its policy in force: what runs and tests stand on."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fairslice.api.client import ControllerClient
from fairslice.api.counters import Counters
from fairslice.api.status import StatusView
from fairslice.control.agent.sync import pending
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.errors import MachineError
from fairslice.lab.emulation.network import EmulatedNetwork
from fairslice.lab.emulation.openvswitch import Datapath, OpenVSwitch
from fairslice.lab.emulation.sockets import deepen_packet_sockets
from fairslice.lab.trial.controller_process import ControllerProcess
from fairslice.policy.model import Policy
from fairslice.topology.network import Network
from fairslice.topology.nodelink import to_json

IN_FORCE_TIMEOUT_S = 240.0
DATA_PLANE_TIMEOUT_S = 120.0
POLL_S = 0.05
_ENDING_S = 0.5
"""A process that dies closes its connections before it is seen to have ended."""
_READING_UNDER_LOAD = 5.0
"""On a virtual machine's only processor, 20 switches were read in 0.5 s before and in 2 s during traffic."""
WORK_DIRECTORY = Path("/run/fairslice")
"""Inside the emulation's private /run, so that an interrupted run leaves no file."""
CONTROLLER_LOG = WORK_DIRECTORY / "controller.log"
LOGS = (
    CONTROLLER_LOG,
    WORK_DIRECTORY / OpenVSwitch.switch_log.name,
    WORK_DIRECTORY / OpenVSwitch.database_log.name,
)
"""What is left of a testbed that has ended."""


@dataclass(frozen=True, slots=True)
class Testbed:
    """The running parts."""

    open_vswitch: OpenVSwitch
    emulated: EmulatedNetwork
    controller: ControllerProcess

    @property
    def client(self) -> ControllerClient:
        """The controller's REST client."""
        return self.controller.client

    def wait_in_force(self) -> StatusView:
        """Wait until every switch holds what it should, and every port has its filters and queue depths.

        Raises:
            MachineError: that takes too long, or the controller or Open vSwitch ended; what is missing.
        """
        status = self.client.wait_in_force(IN_FORCE_TIMEOUT_S, alive=self._alive)
        deadline = time.monotonic() + DATA_PLANE_TIMEOUT_S
        with OvsDatabase() as database:
            while missing := pending(database.owned_ports()):
                if time.monotonic() > deadline:
                    raise MachineError("the switch agent has not completed the ports: " + "; ".join(missing))
                time.sleep(POLL_S)
        if self.emulated.datapath == "user":
            # Discovery has sent frames on all ports, so the sockets are there.
            deepen_packet_sockets(self.open_vswitch.switch_pid)
        return status

    def require_running(self) -> None:
        """Find out whether switches and controller still run, before something stranger fails for it.

        Raises:
            MachineError: one of them does not.
        """
        self.open_vswitch.require_running()
        if not self.controller.alive():
            raise MachineError(
                f"the controller does not run any more; its log, {CONTROLLER_LOG.name}, says why"
            )

    def counters(self) -> Counters:
        """Counters of all switches, read now.

        Raises:
            MachineError: they can't be, or a part does not run any more.
        """
        try:
            counters = self.client.counters()
        except MachineError:
            time.sleep(_ENDING_S)
            self.require_running()
            raise
        self.require_running()
        return counters

    def _alive(self) -> bool:
        self.require_running()
        return True

    def reading_s(self, now: Callable[[], float] = time.monotonic) -> float:
        """How long reading all counters may take while traffic flows, from how long it takes now.

        Traffic must last until the second reading has ended.
        """
        began = now()
        self.client.counters()
        return _READING_UNDER_LOAD * (now() - began)


@contextmanager
def _kept(logs: tuple[Path, ...]) -> Iterator[None]:
    """Copy logs at the end, however it comes: Open vSwitch's files go with it."""
    try:
        yield
    finally:
        for log in logs:
            # What went wrong before must not be hidden by a log that can't be copied.
            with suppress(OSError):
                shutil.copyfile(log, WORK_DIRECTORY / log.name)


@contextmanager
def open_testbed(
    network: Network,
    policy: Policy,
    *,
    datapath: Datapath = "user",
    congestion_control: str | None = None,
    built: Callable[[], None] = lambda: None,
) -> Iterator[Testbed]:
    """Build it, inside namespaces made ready by :func:`fairslice.lab.emulation.isolation.prepare_inside`.

    ``built`` is called when the network stands and the controller starts.

    Raises:
        FairsliceError: something did not come up; :data:`LOGS` tell more.
    """
    WORK_DIRECTORY.mkdir(parents=True, exist_ok=True)
    network_file = WORK_DIRECTORY / "network.json"
    network_file.write_text(json.dumps(to_json(network)), encoding="utf-8")
    # The controller goes before its switches, which it would otherwise try to mend.
    with (
        OpenVSwitch() as open_vswitch,
        _kept(open_vswitch.log_paths),
        EmulatedNetwork(network, datapath=datapath, congestion_control=congestion_control) as emulated,
    ):
        built()
        with ControllerProcess(network_file, policy, CONTROLLER_LOG) as controller:
            yield Testbed(open_vswitch, emulated, controller)
