"""The main job, inside the emulation's namespaces: bring up, install, measure all flows at once, compare."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from fairslice.agent.sync import pending
from fairslice.alloc.view import AllocationView
from fairslice.app.api import ProbeView
from fairslice.app.client import ControllerClient
from fairslice.app.counters import Counters
from fairslice.emulation.load import ProcessorSample, clock_ticks_per_s, load_between, sample_processors
from fairslice.emulation.network import EmulatedNetwork
from fairslice.emulation.openvswitch import OpenVSwitch
from fairslice.emulation.traffic import Phase, Stream, StreamResult, run_streams
from fairslice.errors import MachineError
from fairslice.experiment.controller import ControllerProcess
from fairslice.experiment.judge import measured_flows, measured_links, trouble
from fairslice.experiment.traffic import FlowTraffic, Sender, plan_traffic
from fairslice.measure.compare import compare
from fairslice.measure.results import Busy, RunResult
from fairslice.ovsdb.database import OvsDatabase
from fairslice.topology.network import Network
from fairslice.topology.nodelink import to_json

IN_FORCE_TIMEOUT_S = 60.0
DATA_PLANE_TIMEOUT_S = 20.0
POLL_S = 0.05
WORK_DIRECTORY = Path("/run/fairslice")
"""Inside the emulation's private /run, so that an interrupted run leaves no file."""
CONTROLLER_LOG = WORK_DIRECTORY / "controller.log"
LOGS = (CONTROLLER_LOG, OpenVSwitch.switch_log, OpenVSwitch.database_log)


@dataclass(frozen=True, slots=True)
class Experiment:
    """What to run: a policy file on a network, for how long, with which senders."""

    network: Network
    topology: str
    policy: Path
    duration_s: float
    warmup_s: float
    tolerance: float
    created: str
    """When, in ISO 8601."""
    senders: tuple[Sender, ...] = ()
    congestion_control: str | None = None
    datapath: Literal["user", "kernel"] = "user"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the comparison, the rates that were in force, and what iperf3 said."""

    result: RunResult
    allocation: AllocationView
    streams: Mapping[str, StreamResult]


class Progress(Protocol):
    """Who is told how far the run is."""

    def __call__(self, phase: str, lasts_s: float | None = None) -> None:
        """``phase`` begins; it takes ``lasts_s`` seconds, if that is known."""


@dataclass
class _Readings:
    """What is read at both ends of the measurement, and when phases began."""

    counters: list[Counters] = field(default_factory=list)
    processors: list[ProcessorSample] = field(default_factory=list)


def run_experiment(experiment: Experiment, progress: Progress) -> Outcome:
    """Do it, inside namespaces made ready by :func:`fairslice.emulation.isolation.prepare_inside`.

    Raises:
        FairsliceError: something did not come up, or the policy can't be measured; :data:`LOGS` tell more.
    """
    timings: dict[str, float] = {}
    WORK_DIRECTORY.mkdir(parents=True, exist_ok=True)
    network_file = WORK_DIRECTORY / "network.json"
    network_file.write_text(json.dumps(to_json(experiment.network)), encoding="utf-8")
    # The stack takes the controller away before its switches, which it would otherwise try to mend.
    with OpenVSwitch() as switch, ExitStack() as stack:
        progress("building the network")
        with _timed(timings, "build"):
            emulated = stack.enter_context(
                EmulatedNetwork(
                    experiment.network,
                    datapath=experiment.datapath,
                    congestion_control=experiment.congestion_control,
                )
            )
        progress("discovering the network and installing the policy")
        with _timed(timings, "install"):
            controller = stack.enter_context(
                ControllerProcess(network_file, experiment.policy, CONTROLLER_LOG)
            )
            client = controller.client
            status = client.wait_in_force(IN_FORCE_TIMEOUT_S, alive=controller.alive)
            allocation = client.allocation()
            traffic = plan_traffic(allocation.flows, experiment.senders)
            client.set_probes(tuple(_probe(plan) for plan in traffic))
            client.wait_in_force(IN_FORCE_TIMEOUT_S, alive=controller.alive)
            _wait_for_data_plane()
        with _timed(timings, "measure"):
            streams, readings = _measure(experiment, emulated, client, traffic, switch.switch_pid, progress)
    load = load_between(*readings.processors, clock_ticks_per_s())
    before, after = readings.counters
    result = compare(
        measured_flows(allocation, traffic, streams, before, after),
        measured_links(allocation, before, after),
        policy=str(experiment.policy),
        topology=experiment.topology,
        datapath=experiment.datapath,
        framework=status.framework,
        generation=allocation.generation,
        created=experiment.created,
        window_s=load.duration_s,
        tolerance=experiment.tolerance,
        busy=Busy(machine=load.busy_fraction, switch_thread=load.busiest_thread),
        notes=(*status.problems, *trouble(streams)),
        timings_s=timings,
    )
    return Outcome(result, allocation, streams)


def _probe(plan: FlowTraffic) -> ProbeView:
    return ProbeView(flow_number=plan.flow.number, proto=plan.proto, dst_port=plan.server_port)


def _wait_for_data_plane() -> None:
    """Wait until the switch agent has completed every port."""
    deadline = time.monotonic() + DATA_PLANE_TIMEOUT_S
    with OvsDatabase() as database:
        while missing := pending(database.owned_ports()):
            if time.monotonic() > deadline:
                raise MachineError("the switch agent has not completed the ports: " + "; ".join(missing))
            time.sleep(POLL_S)


def _measure(
    experiment: Experiment,
    emulated: EmulatedNetwork,
    client: ControllerClient,
    traffic: tuple[FlowTraffic, ...],
    switch_pid: int,
    progress: Progress,
) -> tuple[Mapping[str, StreamResult], _Readings]:
    readings = _Readings()

    def on_phase(phase: Phase) -> None:
        lasts_s = {"warming-up": experiment.warmup_s, "measuring": experiment.duration_s}.get(phase)
        progress(f"{phase.replace('-', ' ')}: {len(traffic)} flows at once", lasts_s)
        if phase in ("measuring", "finishing"):
            readings.counters.append(client.counters())
            readings.processors.append(sample_processors(switch_pid, time.monotonic))

    streams = run_streams(
        emulated,
        [_stream(experiment.network, plan) for plan in traffic],
        warmup_s=experiment.warmup_s,
        duration_s=experiment.duration_s,
        on_phase=on_phase,
    )
    return streams, readings


def _stream(network: Network, plan: FlowTraffic) -> Stream:
    return Stream(
        flow_id=plan.flow.id,
        source=plan.flow.source,
        destination_host=plan.flow.destination,
        destination_ip=network.hosts[plan.flow.destination].ip,
        protocol=plan.protocol,
        server_port=plan.server_port,
        client_port=plan.client_port,
        rate_bps=plan.payload_bps,
    )


@contextmanager
def _timed(timings: dict[str, float], what: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        timings[what] = round(time.monotonic() - began, 3)
