"""How long a change takes on real switches until it is in force, beside ovs-ofctl with the same content.

:func:`measure` starts this file in namespaces of its own, where the network, its Open vSwitch, the controller
and the agent live.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairslice.errors import MachineError
from fairslice.testing.readiness import against_emulation

if TYPE_CHECKING:
    from fairslice.control.ovsdb.rows import OwnedPort
    from fairslice.lab.trial.testbed import Testbed
    from fairslice.topology.network import Network

EMPTY = "version: 1\nslices: {}\n"
FIRST_SLICE = re.compile(r"(?<=^  s1:\n    weight: )\d+$", re.MULTILINE)
LIMIT_S = 240.0
SETTLED_S = 3.0
"""Longer than the agent's pause between two looks at everything."""


@dataclass(frozen=True)
class Change:
    """A change of the policy, in s by the clock; the quickest of some tries.

    Until the controller has answered, until all switches hold it, until the agent has completed the ports.
    """

    what: str
    answered_s: float
    in_force_s: float
    completed_s: float


@dataclass(frozen=True)
class OnSwitches:
    """What was changed on how much, and what ovs-ofctl needs for the same entries and meters there.

    ``entries_s`` is one ``--bundle add-flows`` a switch, ``meters_s`` a process for each meter, its only way.
    """

    flows: int
    switches: int
    entries: int
    meters: int
    queues: int
    changes: tuple[Change, ...]
    entries_s: float
    meters_s: float


def reasons() -> tuple[str, ...]:
    """Why that can't be measured here; empty if it can."""
    return against_emulation()


def measure(topology: str, text: str, repeats: int) -> OnSwitches:
    """Measure on the emulated network, for a policy whose first slice's weight is changed.

    Raises:
        MachineError: it could not be measured; what failed stands on standard error.
    """
    from fairslice.lab.emulation.isolation import run_isolated

    with tempfile.TemporaryDirectory() as scratch:
        policy, result = Path(scratch) / "policy.yaml", Path(scratch) / "result.json"
        policy.write_text(text, encoding="utf-8")
        status = run_isolated(
            [sys.executable, __file__, topology, str(policy), str(repeats), str(result)],
            output=sys.stderr.fileno(),
        )
        if status != 0:
            raise MachineError(f"the measurement on switches ended with status {status}")
        found = json.loads(result.read_text(encoding="utf-8"))
    return OnSwitches(**found | {"changes": tuple(Change(**change) for change in found["changes"])})


def inside(topology: str, text: str, repeats: int) -> dict[str, object]:
    """The measurement, in namespaces that are ready for it."""
    from fairslice.lab.trial.testbed import open_testbed
    from fairslice.policy import parse_policy
    from fairslice.topology.load import load_network

    network = load_network(topology)
    with open_testbed(network, parse_policy(EMPTY, "policy.yaml")) as bed:
        bed.wait_in_force()
        names = [*network.switches]
        everything, weight = [], []
        for number in range(repeats):
            everything.append(_apply(bed, text))
            weight.append(_apply(bed, FIRST_SLICE.sub(str(5 + number), text)))
            if number + 1 < repeats:
                _apply(bed, EMPTY)
        # The floor is measured where nobody else is at work.
        bed.controller.kill()
        with tempfile.TemporaryDirectory() as scratch:
            files = {name: Path(scratch) / name for name in names}
            for name, file in files.items():
                file.write_text("\n".join(_entries(name)), encoding="utf-8")
            meters = [(name, meter) for name in names for meter in _meters(name)]
            entries_s, meters_s = [], []
            for _ in range(repeats):
                for name in names:
                    _ofctl("del-flows", name)
                    _ofctl("del-meters", name)
                meters_s.append(
                    _seconds(lambda: [_ofctl("add-meter", name, meter) for name, meter in meters])
                )
                entries_s.append(
                    _seconds(
                        lambda: [_ofctl("--bundle", "add-flows", n, str(file)) for n, file in files.items()]
                    )
                )
            entries = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files.values())
    best = {"all flows at once": min(everything), "one weight changed": min(weight)}
    return {
        "flows": text.count("{from:"),
        "switches": len(names),
        "entries": entries,
        "meters": len(meters),
        "queues": sum(len(port.qos.queues) for port in _expected(text, network)),
        "changes": [
            {"what": what, "answered_s": answered, "in_force_s": in_force, "completed_s": completed}
            for what, (completed, in_force, answered) in best.items()
        ],
        "entries_s": min(entries_s),
        "meters_s": min(meters_s),
    }


def _apply(bed: "Testbed", text: str) -> tuple[float, float, float]:
    """Apply a policy to a network at rest: until ports are complete, until in force, until answered."""
    from fairslice.control.agent.sync import pending

    expected = _expected(text, bed.emulated.network)
    time.sleep(SETTLED_S)
    began = time.perf_counter()
    bed.client.apply_policy(text, "policy.yaml")
    answered = time.perf_counter()
    _until(lambda: bed.client.status().in_force)
    in_force = time.perf_counter()
    _until(lambda: not pending(expected))
    completed = time.perf_counter()
    return completed - began, in_force - began, answered - began


def _expected(text: str, network: "Network") -> list["OwnedPort"]:
    """What ports should be like, found without asking a database that others are waiting for."""
    from fairslice.control.ovsdb.rows import OwnedPort
    from fairslice.policy import parse_policy
    from fairslice.slicing.allocation import allocate_slices
    from fairslice.slicing.state.compile import compile_switches
    from fairslice.topology.network import default_interface

    states = compile_switches(allocate_slices(parse_policy(text, "policy.yaml"), network))
    return [
        OwnedPort(name, default_interface(name, port_no), True, qos)
        for name, switch in network.switches.items()
        for port_no, qos in states[switch.dpid].qos.items()
    ]


def _until(check: Callable[[], bool]) -> None:
    late = time.monotonic() + LIMIT_S
    while not check():
        if time.monotonic() > late:
            raise MachineError(f"not in force after {LIMIT_S:g} s")
        time.sleep(0.01)


def _entries(name: str) -> list[str]:
    lines = _ofctl("--no-stats", "--no-names", "dump-flows", name).splitlines()
    return [line.strip() for line in lines if "cookie=0xfa15" in line]


def _meters(name: str) -> list[str]:
    """As ovs-ofctl takes them."""
    told = _ofctl("dump-meters", name)
    found = re.findall(
        r"^meter=(\d+) ([a-z ]+) bands=\s*^type=drop rate=(\d+) burst_size=(\d+)", told, re.MULTILINE
    )
    if len(found) != told.count("meter="):
        raise MachineError(f"ovs-ofctl dump-meters {name} wrote {told[:200]!r}; {len(found)} were understood")
    return [
        f"meter={number},{','.join(flags.split())},band=type=drop,rate={rate},burst_size={burst}"
        for number, flags, rate, burst in found
    ]


def _ofctl(*arguments: str) -> str:
    argv = ["ovs-ofctl", "-O", "OpenFlow13", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        raise MachineError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """What runs in the namespaces."""
    from fairslice.lab.emulation.isolation import prepare_inside

    topology, policy, repeats, result = sys.argv[1:]
    prepare_inside()
    found = inside(topology, Path(policy).read_text(encoding="utf-8"), int(repeats))
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
