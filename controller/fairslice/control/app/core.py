"""The controller without its framework: events in, effects out, time as an argument."""

from collections import deque
from collections.abc import Mapping

from fairslice.api.status import StatusView
from fairslice.control.app.computing import NO_POLICY, Answer, Question
from fairslice.control.app.events import (
    Answered,
    ArpReceived,
    Compute,
    Computed,
    Effect,
    Event,
    InstallEnded,
    LinkFound,
    LinkLost,
    PolicyGiven,
    PortsChanged,
    ProbesGiven,
    Proceed,
    SendArp,
    SwitchJoined,
    SwitchLeft,
    Tick,
)
from fairslice.control.app.installing import Connected, Installer
from fairslice.control.openflow.arp import Arp
from fairslice.errors import FairsliceError, UnknownError
from fairslice.policy.enforceable import require_enforceable
from fairslice.policy.model import Policy
from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.forwarding import Probe, broadcast_ports
from fairslice.topology.discovery import Discovery, SeenHost, SeenLink, merge
from fairslice.topology.network import Host, Network

DISCOVERY_GRACE_S = 20.0
"""How long links of the network file may stay unseen before the rest is used without them.

Ryu sends LLDP on one port each 50 ms, so a network of 80 ports needs four seconds for a first round.
"""

CALLER = "the controller"
"""The name used in error messages."""


class Core:
    """Decides; it never waits, sends or reads a clock, and it leaves long computing to others.

    Two questions may be in work at a time: what a policy means that somebody gives, and what the policy in
    force means now that the network has changed. So a link that fails waits for no policy that is judged.

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
        self._links: set[SeenLink] = set()
        self._hosts: dict[str, SeenHost] = {}
        self._installer = Installer(queues=queues)
        self._policy = policy or NO_POLICY
        require_enforceable(self._policy, CALLER)
        self._probes: tuple[Probe, ...] = ()
        self._given: deque[PolicyGiven] = deque()
        """Policies to be taken, the first of which is in work."""
        self._taking: Question | None = None
        self._dividing: Question | None = None
        self._asked: Network | None = None
        """The network of the last question about the policy in force."""
        self._is_stale = False
        """What is in work, or in force, is not about the network and the probes that there are."""
        self._to_count: list[ProbesGiven] = []
        """Probes that no question is about yet."""
        self._counting: list[ProbesGiven] = []
        """Probes that the question in work is about."""
        self._policy_problems: tuple[str, ...] = ()
        self._began: float | None = None
        self._generation = 0
        self.discovery = Discovery(Network({}, {}, {}), (), ())
        self._answer = Answer()
        """What is in force, or being installed."""

    @property
    def allocation(self) -> NetworkAllocation | None:
        """The rates in force; None before there is a network."""
        return self._answer.allocation

    @property
    def status(self) -> StatusView:
        """Where things stand."""
        up_to_date = self.allocation is not None and self._dividing is None and not self._is_stale
        return StatusView(
            generation=self._generation,
            in_force=up_to_date and self._installer.is_done,
            discovered=self.allocation is not None,
            missing=self.discovery.missing,
            surprises=self.discovery.surprises,
            problems=self._policy_problems + self._installer.failures,
            modifications=self._installer.modifications,
        )

    @property
    def desired(self) -> Mapping[int, SwitchState]:
        """What each switch should hold, by dpid."""
        return self._installer.desired

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event at a time in seconds; what is to be done about it."""
        self._began = now if self._began is None else self._began
        match event:
            case SwitchJoined():
                self._installer.join(event)
            case SwitchLeft(dpid):
                self._installer.leave(dpid)
                self._links = {link for link in self._links if dpid not in (link.dpid, link.peer_dpid)}
            case PortsChanged(dpid, ports_up):
                switch = self._switches.setdefault(dpid, Connected())
                if switch.ports_up == ports_up:
                    return []
                switch.ports_up = ports_up
            case LinkFound(link):
                self._links.add(link)
            case LinkLost(link):
                self._links.discard(link)
            case PolicyGiven():
                self._given.append(event)
                return self._take_next()
            case ProbesGiven():
                return self._probe(event)
            case Computed():
                return self._computed(event)
            case ArpReceived():
                return self._arp(event, now)
            case InstallEnded():
                return self._installer.ended(event, now)
            case Proceed():
                return self._installer.proceed()
            case Tick():
                if self.allocation is not None:
                    return self._installer.go_on(now)
        return self._look(now, force=isinstance(event, SwitchJoined))

    @property
    def _switches(self) -> dict[int, Connected]:
        return self._installer.switches

    # The network and its rates ----------------------------------------------------------------------

    def _look(self, now: float, *, force: bool = False) -> list[Effect]:
        """Look at the network again; if it changed (or ``force``), it is to be divided anew."""
        self.discovery = merge(
            self._expected,
            {dpid: switch.ports_up for dpid, switch in self._switches.items()},
            self._links,
            tuple(self._hosts.values()),
            {
                (dpid, port_no): capacity_bps
                for dpid, switch in self._switches.items()
                for port_no, capacity_bps in switch.capacity_bps.items()
            },
        )
        began = now if self._began is None else self._began
        is_early = self._asked is None and self.discovery.missing and now - began < DISCOVERY_GRACE_S
        if is_early or not self._switches:
            return []
        if force or self._asked != self.discovery.network:
            self._is_stale = True
        return self._divide()

    def _divide(self) -> list[Effect]:
        """Ask what the policy in force means now, unless that is being worked out."""
        if not self._is_stale or self._dividing is not None:
            return []
        self._is_stale, self._asked = False, self.discovery.network
        self._counting, self._to_count = [*self._counting, *self._to_count], []
        self._dividing = Question(
            self._policy, self._asked, self._away, probes=self._probes, before=self._answer
        )
        return [Compute(self._dividing, urgent=True)]

    @property
    def _away(self) -> Mapping[str, Host]:
        return {} if self._expected is None else self._expected.hosts

    def _computed(self, event: Computed) -> list[Effect]:
        if event.question is self._taking:
            return self._judged(event)
        if event.question is not self._dividing:
            # It was about a policy that is no longer in force.
            return []
        self._dividing = None
        effects: list[Effect] = []
        if event.answer is None:
            self._policy_problems = (str(event.refusal),)
        else:
            effects = self._adopt(event.answer)
        effects += [Answered(given, event.refusal) for given in self._counting]
        self._counting = []
        return effects + self._divide()

    def _adopt(self, answer: Answer) -> list[Effect]:
        """From now on switches should hold this."""
        if answer.allocation is not self.allocation:
            self._generation += 1
        self._answer, self._policy_problems = answer, answer.problems
        return self._installer.want({} if answer.compiled is None else answer.compiled.switches)

    # Policies and probes ----------------------------------------------------------------------------

    def _take_next(self) -> list[Effect]:
        """Have the next policy judged by the network as the file says it is, or else as it was found.

        So a link that is down now refuses no policy: what has no path waits.
        """
        if self._taking is not None or not self._given:
            return []
        given = self._given[0]
        try:
            require_enforceable(given.policy, CALLER)
        except FairsliceError as error:
            self._given.popleft()
            return [Answered(given, error), *self._take_next()]
        judge = self._asked if self._expected is None else self._expected
        network = None if self._asked is None else self.discovery.network
        self._taking = Question(given.policy, network, self._away, judge, before=self._answer)
        return [Compute(self._taking, urgent=False)]

    def _judged(self, event: Computed) -> list[Effect]:
        """The first of the given policies is taken or refused; if it is refused, nothing has changed."""
        given, question, self._taking = self._given.popleft(), event.question, None
        if event.answer is None:
            return [Answered(given, event.refusal), *self._take_next()]
        # Probes of the policy before were known, if only for a moment.
        effects: list[Effect] = [Answered(one) for one in (*self._counting, *self._to_count)]
        self._counting, self._to_count = [], []
        self._policy, self._probes, self._dividing = question.policy, (), None
        if question.network is not None:
            self._generation += event.answer.allocation is self.allocation
            effects += self._adopt(event.answer)
            self._asked = question.network
        about_now = question.network is not None and self._asked == self.discovery.network
        self._is_stale = self._asked is not None and not about_now
        return [*effects, Answered(given), *self._divide(), *self._take_next()]

    def _probe(self, event: ProbesGiven) -> list[Effect]:
        known: set[int] = set()
        if self.allocation is not None:
            known = {flow.number for flow in self.allocation.all_flows}
        unknown = [probe.flow_number for probe in event.probes if probe.flow_number not in known]
        if unknown:
            expected = (
                f"a number of the policy's flows, up to {max(known)}" if known else "a policy with flows"
            )
            message = f"there is no flow {unknown[0]} to be probed; expected {expected}"
            return [Answered(event, UnknownError(message))]
        self._probes, self._is_stale = event.probes, True
        self._to_count.append(event)
        return self._divide()

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
        return self._look(now)

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
