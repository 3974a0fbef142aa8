"""The controller without its framework: events in, effects out, time as an argument."""

from collections.abc import Mapping
from dataclasses import replace

from fairslice.api.status import StatusView
from fairslice.control.app.events import (
    ArpReceived,
    Effect,
    Event,
    Install,
    InstallEnded,
    LinkFound,
    LinkLost,
    PolicyGiven,
    PortsChanged,
    ProbesGiven,
    SendArp,
    SwitchJoined,
    SwitchLeft,
    Tick,
)
from fairslice.control.openflow.arp import Arp
from fairslice.errors import FairsliceError, InfeasibleError, UnknownError
from fairslice.policy.enforceable import require_enforceable
from fairslice.policy.model import Policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices, without_guarantees
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.diff import plan
from fairslice.slicing.state.forwarding import Probe, broadcast_ports
from fairslice.topology.discovery import Discovery, SeenHost, SeenLink, merge
from fairslice.topology.network import Network

DISCOVERY_GRACE_S = 20.0
"""How long links of the network file may stay unseen before the rest is used without them.

Ryu sends LLDP on one port each 50 ms, so a network of 80 ports needs four seconds for a first round.
"""
RETRY_AFTER_S = 5.0
MAX_TRIES = 3

NO_POLICY = Policy(file="", slices=())
CALLER = "the controller"
"""The name used in error messages."""


class Core:
    """Decides; it never waits, sends or reads a clock.

    Args:
        expected: the network file's network; None to take what discovery finds.
        policy: the policy to begin with; without one all traffic is best effort.
        queues: whether queues are managed (False where there is no OVSDB).

    Raises:
        InputError: the policy asks for what can't be enforced yet.
    """

    def __init__(
        self, expected: Network | None = None, policy: Policy | None = None, *, queues: bool = True
    ) -> None:
        self._expected = expected
        self._queues = queues
        self._ports_up: dict[int, frozenset[int]] = {}
        self._links: set[SeenLink] = set()
        self._hosts: dict[str, SeenHost] = {}
        self._capacities: dict[tuple[int, int], float] = {}
        self._installed: dict[int, SwitchState] = {}
        self._desired: Mapping[int, SwitchState] = {}
        self._busy: set[int] = set()
        self._failures: dict[int, tuple[str, ...]] = {}
        self._tries: dict[int, int] = {}
        self._retry_at: dict[int, float] = {}
        self._probes: tuple[Probe, ...] = ()
        self._policy = policy or NO_POLICY
        require_enforceable(self._policy, CALLER)
        self._taken: NetworkAllocation | None = None
        self._policy_problems: tuple[str, ...] = ()
        self._began: float | None = None
        self._generation = 0
        self._modifications = 0
        self.discovery = Discovery(Network({}, {}, {}), (), ())
        self.allocation: NetworkAllocation | None = None

    @property
    def status(self) -> StatusView:
        """Where things stand."""
        in_force = (
            self.allocation is not None
            and not self._busy
            and all(self._installed.get(dpid) == state for dpid, state in self._desired.items())
        )
        failures = tuple(error for errors in self._failures.values() for error in errors)
        return StatusView(
            generation=self._generation,
            in_force=in_force,
            discovered=self.allocation is not None,
            missing=self.discovery.missing,
            surprises=self.discovery.surprises,
            problems=self._policy_problems + failures,
            modifications=self._modifications,
        )

    @property
    def desired(self) -> Mapping[int, SwitchState]:
        """What each switch should hold, by dpid."""
        return self._desired

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at a time in seconds; what is to be done about it.

        Raises:
            FairsliceError: a given policy can't be applied; nothing has changed then.
        """
        self._began = now if self._began is None else self._began
        match event:
            case SwitchJoined():
                self._join(event)
            case SwitchLeft(dpid):
                self._leave(dpid)
            case PortsChanged(dpid, ports_up):
                if self._ports_up.get(dpid) == ports_up:
                    return []
                self._ports_up[dpid] = ports_up
            case LinkFound(link):
                self._links.add(link)
            case LinkLost(link):
                self._links.discard(link)
            case PolicyGiven(policy):
                self._take_policy(policy)
            case ProbesGiven(probes):
                self._check_probes(probes)
                self._probes = probes
                return self._recompile()
            case ArpReceived():
                return self._arp(event, now)
            case InstallEnded():
                return self._install_ended(event, now)
            case Tick():
                if self.allocation is not None:
                    return self._install_where_needed(now)
        return self._recompute(now, force=isinstance(event, PolicyGiven | SwitchJoined))

    def _join(self, event: SwitchJoined) -> None:
        self._ports_up[event.dpid] = event.ports_up
        self._installed[event.dpid] = self._managed(event.installed)
        self._busy.discard(event.dpid)
        for port_no, capacity in event.capacity_bps.items():
            self._capacities[event.dpid, port_no] = capacity

    def _leave(self, dpid: int) -> None:
        for known in (self._ports_up, self._installed, self._failures, self._tries, self._retry_at):
            known.pop(dpid, None)
        self._busy.discard(dpid)
        self._links = {link for link in self._links if dpid not in (link.dpid, link.peer_dpid)}

    def _managed(self, state: SwitchState) -> SwitchState:
        return state if self._queues else replace(state, qos={})

    # The network and its rates ----------------------------------------------------------------------

    def _recompute(self, now: float, *, force: bool = False) -> list[Effect]:
        """Look at the network again; if it changed (or ``force``), divide it anew."""
        before = self.discovery
        self.discovery = merge(
            self._expected, self._ports_up, self._links, tuple(self._hosts.values()), self._capacities
        )
        waiting = self.allocation is None and self.discovery.missing and not self._out_of_patience(now)
        if waiting or not self._ports_up:
            return []
        if self.allocation is not None and not force and self.discovery.network == before.network:
            return []
        self.allocation = self._divide(self.discovery.network)
        self._generation += 1
        return self._recompile()

    def _out_of_patience(self, now: float) -> bool:
        return self._began is not None and now - self._began >= DISCOVERY_GRACE_S

    def _divide(self, network: Network) -> NetworkAllocation:
        """The policy on what is left of the network; what does not fit becomes a problem."""
        self._policy_problems = ()
        try:
            allocation = self._allocate(self._policy, network)
        except InfeasibleError as error:
            # The network shrank under guarantees that fit the whole: share by weight alone rather than stop.
            self._policy_problems = (f"{error}; guarantees are set aside until they fit",)
            allocation = self._allocate(without_guarantees(self._policy), network)
        except FairsliceError as error:
            self._policy_problems = (str(error),)
            return allocate_slices(NO_POLICY, network)
        self._policy_problems += tuple(f"{flow.id}: no path" for flow in allocation.unreachable)
        return allocation

    def _allocate(self, policy: Policy, network: Network) -> NetworkAllocation:
        """Rates on what there is now; flows of hosts that the network file has, and that are away, wait."""
        if self._taken is not None and self._taken.policy is policy and self._taken.network == network:
            return self._taken
        hosts = network.hosts if self._expected is None else {**self._expected.hosts, **network.hosts}
        return allocate_slices(policy, network, omit_unreachable=True, hosts=hosts, before=self.allocation)

    def _take_policy(self, policy: Policy) -> None:
        """Take a policy that fits the network as the file says it is, or else as it was found.

        So a link that is down now refuses no policy: what has no path waits.
        """
        require_enforceable(policy, CALLER)
        network = self._expected
        if network is None and self.allocation is not None:
            network = self.discovery.network
        self._taken = None if network is None else self._allocate(policy, network)
        self._policy = policy
        self._probes = ()

    def _check_probes(self, probes: tuple[Probe, ...]) -> None:
        known: set[int] = set()
        if self.allocation is not None:
            known = {allocated.flow.number for allocated in self.allocation.flows}
            known |= {flow.number for flow in self.allocation.unreachable}
        unknown = [probe.flow_number for probe in probes if probe.flow_number not in known]
        if unknown:
            expected = (
                f"a number of the policy's flows, up to {max(known)}" if known else "a policy with flows"
            )
            raise UnknownError(f"there is no flow {unknown[0]} to be probed; expected {expected}")

    def _recompile(self) -> list[Effect]:
        if self.allocation is None:
            return []
        compiled = compile_switches(self.allocation, self._probes)
        self._desired = {
            dpid: self._managed(state) for dpid, state in compiled.items() if dpid in self._ports_up
        }
        self._tries.clear()
        self._retry_at.clear()
        return self._install_where_needed()

    # Installing -------------------------------------------------------------------------------------

    def _install_where_needed(self, now: float | None = None) -> list[Effect]:
        """Plans for idle switches that do not hold what they should; ``now`` lets failed ones wait."""
        effects: list[Effect] = []
        for dpid, desired in self._desired.items():
            if dpid in self._busy or dpid not in self._installed:
                continue
            if now is not None and now < self._retry_at.get(dpid, now):
                continue
            todo = plan(self._installed[dpid], desired)
            if todo and self._tries.get(dpid, 0) < MAX_TRIES:
                self._busy.add(dpid)
                self._tries[dpid] = self._tries.get(dpid, 0) + 1
                effects.append(Install(dpid, todo))
        return effects

    def _install_ended(self, event: InstallEnded, now: float) -> list[Effect]:
        if event.dpid not in self._ports_up or event.dpid not in self._desired:
            return []
        self._busy.discard(event.dpid)
        self._installed[event.dpid] = self._managed(event.installed)
        self._modifications += event.modifications
        self._failures.pop(event.dpid, None)
        wrong = plan(self._installed[event.dpid], self._desired[event.dpid])
        if event.errors or (wrong and self._tries.get(event.dpid, 0) > 0):
            self._retry_at[event.dpid] = now + RETRY_AFTER_S
            self._failures[event.dpid] = event.errors or (
                f"switch {event.dpid:016x} does not hold what was installed: "
                + ", ".join(f"{count} {what}" for what, count in wrong.counts() if count)
                + " to do",
            )
            return []
        return self._install_where_needed(now)

    # ARP --------------------------------------------------------------------------------------------

    def _arp(self, event: ArpReceived, now: float) -> list[Effect]:
        effects = self._learn(event, now)
        message = event.arp
        hosts = self.discovery.network.hosts
        target = next((host for host in hosts.values() if host.ip == message.target_ip), None)
        if message.is_request and target is not None:
            if (self._dpid(target.switch), target.port_no) != (event.dpid, event.in_port):
                answer = Arp(False, target.mac, target.ip, message.sender_mac, message.sender_ip)
                effects.append(SendArp(event.dpid, (event.in_port,), answer))
        elif target is not None:
            effects.append(SendArp(self._dpid(target.switch), (target.port_no,), message))
        elif message.is_request and message.sender_ip != message.target_ip:
            effects += self._flood(event)
        return effects

    def _learn(self, event: ArpReceived, now: float) -> list[Effect]:
        """Note a host that speaks; a network file's host keeps its place, but its MAC may be corrected."""
        seen = SeenHost(event.dpid, event.in_port, event.arp.sender_mac, event.arp.sender_ip)
        if seen.ip == "0.0.0.0" or self._hosts.get(seen.ip) == seen or self._is_trunk(event):
            return []
        self._hosts[seen.ip] = seen
        return self._recompute(now)

    def _is_trunk(self, event: ArpReceived) -> bool:
        here = (event.dpid, event.in_port)
        return any(here == (link.dpid, link.port_no) for link in self._links)

    def _flood(self, event: ArpReceived) -> list[Effect]:
        """Send it along the spanning tree from where it came in; the switches take it from there."""
        network = self.discovery.network
        switch = network.switch_of_dpid.get(event.dpid)
        if switch is None:
            return []
        outputs = tuple(p for p in broadcast_ports(network)[switch.name] if p != event.in_port)
        return [SendArp(event.dpid, outputs, event.arp)] if outputs else []

    def _dpid(self, switch: str) -> int:
        return self.discovery.network.switches[switch].dpid
