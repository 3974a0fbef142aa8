"""The main job, inside the emulation's namespaces: bring up, install, measure all flows at once, compare."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fairslice.agent.tc import pending
from fairslice.alloc.view import AllocationView
from fairslice.app.api import ProbeView, StatusView
from fairslice.app.client import ControllerClient
from fairslice.app.counters import Counters
from fairslice.emulation.load import LoadSampler, SwitchLoad
from fairslice.emulation.network import EmulatedNetwork
from fairslice.emulation.openvswitch import DATABASE_SOCKET, OpenVSwitch
from fairslice.emulation.traffic import Phase, Stream, StreamResult, run_streams
from fairslice.errors import MachineError
from fairslice.experiment.controller import ControllerProcess
from fairslice.experiment.traffic import FlowTraffic, Sender, plan_traffic
from fairslice.ovsdb.database import OvsDatabase
from fairslice.topology.network import Network
from fairslice.topology.nodelink import to_json

IN_FORCE_TIMEOUT_S = 60.0
WORK_DIRECTORY = Path("/run/fairslice")
"""Inside the emulation's private /run, so that an interrupted run leaves no file."""
