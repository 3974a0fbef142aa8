"""Brings the tc state of the switches' ports to what their QoS rows ask for."""

from collections.abc import Iterable
from dataclasses import dataclass

from fairslice.control.agent.commands import commands, lacks, stale_classes
from fairslice.control.ovsdb.rows import OwnedPort
from fairslice.errors import MachineError
from fairslice.linux.tc import Runner, TcState, observe, run_command

_FORBIDDEN = "Operation not permitted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation did and left.

    ``changed`` counts ports; ``pending`` says, port by port, what is still missing (empty: the data plane
    is ready); ``stale`` says that Open vSwitch should try again to delete classes; ``complaint`` is what tc
    wrote about commands that failed.
    """

    changed: int = 0
    pending: tuple[str, ...] = ()
    stale: bool = False
    complaint: str = ""


def reconcile(ports: Iterable[OwnedPort], runner: Runner = run_command) -> Outcome:
    """Look, change what differs, and look again; a port that vanishes meanwhile does no harm.

    Raises:
        MachineError: tc is missing or not permitted.
        TcAnswerError: tc failed at a question.
    """
    ports = tuple(ports)
    states = observe((port.name for port in ports), runner)
    lines = {port.name: _commands(port, states) for port in ports}
    changed = sum(1 for port_lines in lines.values() if port_lines)
    complaint = ""
    if changed:
        batch = "".join(f"{line}\n" for port_lines in lines.values() for line in port_lines)
        # -force goes on after a failure: another port may have vanished.
        done = runner(("tc", "-force", "-batch", "-"), batch)
        complaint = done.stderr.strip()
        if _FORBIDDEN in complaint:
            raise MachineError(
                f"tc may not change the switches' ports ({complaint.splitlines()[0]}); the agent must run "
                "as root in the network namespace of the switches"
            )
        states = observe((port.name for port in ports), runner)
    stale = any(stale_classes(states[port.name], port.qos) for port in ports if port.name in states)
    return Outcome(changed, _pending(ports, states), stale, complaint)


def pending(ports: Iterable[OwnedPort], runner: Runner = run_command) -> tuple[str, ...]:
    """What each port still lacks, as ``s1-eth2: no filter for DSCP 3``; empty: the data plane is ready.

    Raises:
        MachineError: tc is missing.
        TcAnswerError: tc failed at a question.
    """
    ports = tuple(ports)
    return _pending(ports, observe((port.name for port in ports), runner))


def _commands(port: OwnedPort, states: dict[str, TcState]) -> list[str]:
    return commands(port.name, states.get(port.name, TcState()), port.qos, port.userspace)


def _pending(ports: tuple[OwnedPort, ...], states: dict[str, TcState]) -> tuple[str, ...]:
    found = ((port.name, lacks(states.get(port.name), port.qos, port.userspace)) for port in ports)
    return tuple(f"{name}: {what}" for name, what in found if what)
