"""Brings the tc state of the switches' ports to what their QoS rows ask for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fairslice.control.agent.commands import commands, lacks, stale_classes
from fairslice.control.ovsdb.rows import OwnedPort
from fairslice.errors import MachineError
from fairslice.linux.tc import Runner, TcState, class_minor, observe, run_command

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


class Reconciler:
    """Makes ports as they should be, and keeps what it knows of them: a change costs what it changes.

    It must look at a port anew every now and then, since others may change it, too.
    """

    def __init__(self, runner: Runner = run_command) -> None:
        self._runner = runner
        self._seen: dict[str, OwnedPort] = {}
        self._states: dict[str, TcState] = {}
        self._lacks: dict[str, str] = {}
        """Of the ports that are not ready."""
        self._stale: set[str] = set()

    def reconcile(self, ports: Iterable[OwnedPort], *, anew: bool = True) -> Outcome:
        """Look, change what differs, and look again; a port that vanishes meanwhile does no harm.

        Args:
            ports: all of them.
            anew: look at all; otherwise at those that are not ready or that the database has changed. A
                port of which only depths and rates have changed needs no look.

        Raises:
            MachineError: tc is missing or not permitted.
            TcAnswerError: tc failed at a question.
        """
        wanted = {port.name: port for port in ports}
        for name in self._seen.keys() - wanted.keys():
            self._forget(name)
        unready = self._lacks.keys() | self._stale
        touched = [
            port
            for name, port in wanted.items()
            if anew or name in unready or self._seen.get(name) is not port
        ]
        known = set() if anew else {port.name for port in touched if self._is_known(port)}
        try:
            changed, complaint = self._change(touched, known)
        except MachineError:
            # What has been done is not known.
            for port in touched:
                self._forget(port.name)
            raise
        for port in touched:
            self._judge(port)
        pending = tuple(f"{name}: {self._lacks[name]}" for name in wanted if name in self._lacks)
        return Outcome(changed, pending, bool(self._stale), complaint)

    def _change(self, touched: list[OwnedPort], known: set[str]) -> tuple[int, str]:
        """Look at those that are not known, and change all; how many, and what tc wrote about failures."""
        self._look(port for port in touched if port.name not in known)
        lines = {port.name: _commands(port, self._states) for port in touched}
        changed = [port for port in touched if lines[port.name]]
        if not changed:
            return 0, ""
        # -force goes on after a failure: another port may have vanished.
        batch = "".join(f"{line}\n" for port in changed for line in lines[port.name])
        done = self._runner(("tc", "-force", "-batch", "-"), batch)
        complaint = done.stderr.strip()
        if _FORBIDDEN in complaint:
            raise MachineError(
                f"tc may not change the switches' ports ({complaint.splitlines()[0]}); the agent must run "
                "as root in the network namespace of the switches"
            )
        if complaint or done.status != 0:
            self._look(changed)
            return len(changed), complaint
        # The handle of a new filter is known only when it is seen.
        plain = [port for port in changed if all(line.startswith("qdisc ") for line in lines[port.name])]
        for port in plain:
            self._states[port.name] = _with_leaves(self._states[port.name], port)
        self._look(port for port in changed if port not in plain)
        return len(changed), complaint

    def _look(self, ports: Iterable[OwnedPort]) -> None:
        names = [port.name for port in ports]
        found = observe(names, self._runner)
        for name in names:
            if name in found:
                self._states[name] = found[name]
            else:
                self._states.pop(name, None)

    def _is_known(self, port: OwnedPort) -> bool:
        """Whether nothing but the numbers of a port's queues can have changed since it was last looked at."""
        before, state = self._seen.get(port.name), self._states.get(port.name)
        if before is None or state is None or port.name in self._lacks or port.name in self._stale:
            return False
        return port != before and _shape(port) == _shape(before)

    def _judge(self, port: OwnedPort) -> None:
        self._seen[port.name] = port
        state = self._states.get(port.name)
        self._lacks.pop(port.name, None)
        self._stale.discard(port.name)
        if missing := lacks(state, port.qos, port.userspace):
            self._lacks[port.name] = missing
        if state is not None and stale_classes(state, port.qos):
            self._stale.add(port.name)

    def _forget(self, name: str) -> None:
        self._seen.pop(name, None)
        self._states.pop(name, None)
        self._lacks.pop(name, None)
        self._stale.discard(name)


def reconcile(ports: Iterable[OwnedPort], runner: Runner = run_command) -> Outcome:
    """Look at all ports, change what differs, and look again.

    Raises:
        MachineError: tc is missing or not permitted.
        TcAnswerError: tc failed at a question.
    """
    return Reconciler(runner).reconcile(ports)


def pending(ports: Iterable[OwnedPort], runner: Runner = run_command) -> tuple[str, ...]:
    """What each port still lacks, as ``s1-eth2: no filter for DSCP 3``; empty: the data plane is ready.

    Raises:
        MachineError: tc is missing.
        TcAnswerError: tc failed at a question.
    """
    ports = tuple(ports)
    states = observe((port.name for port in ports), runner)
    found = ((port.name, lacks(states.get(port.name), port.qos, port.userspace)) for port in ports)
    return tuple(f"{name}: {what}" for name, what in found if what)


def _commands(port: OwnedPort, states: dict[str, TcState]) -> list[str]:
    return commands(port.name, states.get(port.name, TcState()), port.qos, port.userspace)


def _shape(port: OwnedPort) -> tuple[object, ...]:
    return (port.bridge, port.userspace, port.qos.port_no, [queue.queue_id for queue in port.qos.queues])


def _with_leaves(state: TcState, port: OwnedPort) -> TcState:
    """The state when each queue's class has a leaf of the right depth."""
    depths = {class_minor(queue.queue_id): queue.buffer_bytes for queue in port.qos.queues}
    wanted = {minor: depth for minor, depth in depths.items() if minor in state.classes and depth > 0}
    return replace(state, leaf_bytes={**state.leaf_bytes, **wanted})
