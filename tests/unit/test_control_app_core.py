"""The controller's core: whole networks of fake switches, without a framework and without a clock."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from fairslice.control.app.core import DISCOVERY_GRACE_S, Core
from fairslice.control.app.events import (
    Answered,
    ArpReceived,
    Compute,
    Computed,
    Event,
    Install,
    InstallEnded,
    Later,
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
from fairslice.control.app.installing import MAX_TRIES, RETRY_AFTER_S
from fairslice.control.openflow.arp import Arp
from fairslice.errors import InfeasibleError, InputError, Location, MachineError, UnknownError
from fairslice.policy.model import FlowSpec, Match, Policy, Slice
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.delays import flow_delays
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.forwarding import Probe
from fairslice.slicing.state.labels import Cookie, Role
from fairslice.testing.cores import computed
from fairslice.testing.networks import build_network
from fairslice.testing.switch import FakeSwitch
from fairslice.topology.discovery import SeenLink
from fairslice.topology.network import Network

HERE = Location("policy.yaml", 1, 1)
TRIANGLE = build_network(
    [("s1", "s2"), ("s2", "s3"), ("s3", "s1"), ("h1", "s1"), ("h2", "s2"), ("h3", "s3"), ("h4", "s2")],
    capacity_bps=10e6,
)
GOLD = Slice("gold", 1, HERE, (FlowSpec("h1", "h2", HERE),), weight=2.0)
SILVER = Slice("silver", 2, HERE, (FlowSpec("h3", "h4", HERE),))
POLICY = Policy("policy.yaml", (GOLD, SILVER))


class World:
    """A core with fake switches that do what it says, and somebody who computes for it, at once.

    While ``is_computing`` is set, what is to be computed waits in ``computing``.
    """

    def __init__(self, network: Network, core: Core) -> None:
        self.network = network
        self.core = core
        self.now = 0.0
        self.switches = {s.dpid: FakeSwitch() for s in network.switches.values()}
        self.sent: list[SendArp] = []
        self.errors: dict[int, tuple[str, ...]] = {}
        self.deaf: set[int] = set()
        self.is_computing = False
        self.computing: list[Compute] = []
        self.answered: list[Answered] = []

    def ports(self, dpid: int) -> frozenset[int]:
        name = self.network.switch_of_dpid[dpid].name
        return frozenset(link.port_no for link in self.network.links.values() if link.source == name)

    def link(self, source: str, target: str) -> SeenLink:
        there, back = self.network.links[source, target], self.network.links[target, source]
        switches = self.network.switches
        return SeenLink(switches[source].dpid, there.port_no, switches[target].dpid, back.port_no)

    def tell(self, event: Event) -> None:
        """An event and all that follows from it at once.

        Raises:
            FairsliceError: what was given is refused.
        """
        self.begin(event)
        refusals = [one.refusal for one in self.answered if one.to is event and one.refusal is not None]
        if refusals:
            raise refusals[0]

    def begin(self, event: Event) -> None:
        waiting: list[Event] = [event]
        while waiting:
            for effect in self.core.handle(waiting.pop(0), self.now):
                match effect:
                    case SendArp():
                        self.sent.append(effect)
                    case Answered():
                        self.answered.append(effect)
                    case Later():
                        waiting.append(Proceed())
                    case Compute() if self.is_computing:
                        self.computing.append(effect)
                    case Compute():
                        waiting.append(computed(effect))
                    case Install(dpid) if dpid not in self.deaf:
                        waiting.append(self.carry_out(effect))

    def finish(self, compute: Compute) -> None:
        """Something is computed at last."""
        self.computing.remove(compute)
        self.begin(computed(compute))

    def carry_out(self, install: Install) -> InstallEnded:
        switch = self.switches[install.dpid]
        errors = self.errors.get(install.dpid, ())
        before = switch.modifications
        if not errors:
            switch.apply(install.plan)
        return InstallEnded(install.dpid, switch.state, errors, switch.modifications - before)

    def join(self, dpid: int) -> None:
        self.tell(SwitchJoined(dpid, self.ports(dpid), self.switches[dpid].state))

    def come_up(self) -> None:
        for dpid in self.switches:
            self.join(dpid)
        for source, target in self.network.links:
            if source in self.network.switches and target in self.network.switches:
                self.tell(LinkFound(self.link(source, target)))

    @property
    def modifications(self) -> int:
        return sum(switch.modifications for switch in self.switches.values())


def up(policy: Policy | None = POLICY) -> World:
    world = World(TRIANGLE, Core(TRIANGLE, policy))
    world.come_up()
    return world


def test_nothing_is_installed_before_the_network_is_there() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY))
    for dpid in world.switches:
        world.join(dpid)
    assert world.modifications == 0
    assert not world.core.status.discovered
    assert len(world.core.status.missing) == 3  # the cables


def test_a_discovered_network_gets_its_policy_in_force() -> None:
    world = up()
    status = world.core.status
    assert status.in_force
    assert not status.missing
    assert not status.problems
    assert {d: s.state for d, s in world.switches.items()} == dict(world.core.desired)
    assert world.core.allocation is not None
    assert [round(f.rate_bps) for f in world.core.allocation.flows] == [10_000_000, 10_000_000]


def test_the_same_policy_again_modifies_nothing() -> None:
    world = up()
    sent, generation = world.modifications, world.core.status.generation
    assert sent > 0
    world.tell(PolicyGiven(POLICY))
    assert world.modifications == sent
    assert world.core.status.generation == generation + 1
    assert world.core.status.modifications == sent


def test_a_controller_that_returns_modifies_nothing() -> None:
    world = up()
    sent = world.modifications
    again = World(TRIANGLE, Core(TRIANGLE, POLICY))
    again.switches = world.switches
    again.come_up()
    assert again.core.status.in_force
    assert world.modifications == sent


def test_a_switch_that_lost_its_state_gets_it_back() -> None:
    world = up()
    world.tell(SwitchLeft(1))
    world.switches[1] = FakeSwitch()
    world.join(1)
    for source, target in TRIANGLE.links:
        if "s1" in (source, target) and {source, target} <= set(TRIANGLE.switches):
            world.tell(LinkFound(world.link(source, target)))
    assert world.core.status.in_force
    assert world.switches[1].state == world.core.desired[1]


def test_a_lost_link_reroutes() -> None:
    world = up()
    world.tell(LinkLost(world.link("s1", "s2")))
    assert world.core.allocation is not None
    gold, silver = world.core.allocation.flows
    assert gold.route.path == ("h1", "s1", "s3", "s2", "h2")
    assert world.core.status.in_force
    # Both flows now cross s3->s2, at 2:1.
    assert gold.rate_bps == pytest.approx(2 * silver.rate_bps)
    world.tell(LinkFound(world.link("s1", "s2")))
    assert world.core.allocation.flows[0].route.path == ("h1", "s1", "s2", "h2")


def test_patience_ends() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY))
    world.come_up()
    late = World(TRIANGLE, Core(TRIANGLE, POLICY))
    for dpid in late.switches:
        late.join(dpid)
    for source, target in (("s1", "s3"), ("s3", "s1"), ("s3", "s2"), ("s2", "s3")):
        late.tell(LinkFound(late.link(source, target)))
    assert not late.core.status.discovered
    late.now = DISCOVERY_GRACE_S
    late.tell(Tick())
    assert late.core.status.in_force
    assert len(late.core.status.missing) == 1


def test_an_unreachable_flow_is_a_problem_not_an_end() -> None:
    world = up()
    for other in ("s1", "s3"):
        world.tell(LinkLost(world.link("s2", other)))
    assert world.core.status.in_force
    assert len(world.core.status.problems) == 2
    assert all("no path" in problem for problem in world.core.status.problems)


def test_a_faulty_policy_changes_nothing() -> None:
    world = up()
    before = world.core.status
    bad = Policy("bad.yaml", (replace(GOLD, flows=(FlowSpec("h1", "h9", HERE),)),))
    with pytest.raises(InputError, match="h9"):
        world.tell(PolicyGiven(bad))
    infeasible = Policy("big.yaml", (replace(GOLD, guarantee_bps=11e6),))
    with pytest.raises(InfeasibleError):
        world.tell(PolicyGiven(infeasible))
    assert world.core.status == before


def test_guarantees_that_no_longer_fit_are_set_aside() -> None:
    # They fit apart, not on one link.
    policy = Policy("p", (replace(GOLD, guarantee_bps=6e6), replace(SILVER, guarantee_bps=6e6)))
    world = up(policy)
    assert not world.core.status.problems
    world.tell(LinkLost(world.link("s1", "s2")))
    (problem,) = world.core.status.problems
    assert "guarantees are set aside" in problem
    assert world.core.status.in_force


def promising(delay_s: float) -> Policy:
    """A flow of h1 to h2 that sends 2 Mbit/s and 3 kB at once, and how long its frames may take."""
    spec = FlowSpec("h1", "h2", HERE, demand_bps=2e6, burst_bytes=3000, delay_s=delay_s, match=Match(17))
    return Policy("p", (replace(GOLD, flows=(spec,)), SILVER))


def test_a_delay_that_cannot_be_kept_is_refused_and_changes_nothing() -> None:
    world = up()
    before = world.core.status
    with pytest.raises(InfeasibleError, match="1 of 1 delays that flows ask for can't be kept"):
        world.tell(PolicyGiven(promising(0.005)))
    assert world.core.status == before


def test_a_delay_that_a_longer_way_does_not_keep_is_a_problem() -> None:
    longer = TRIANGLE.without([("s1", "s2"), ("s2", "s1")])
    bounds = [flow_delays(allocate_slices(promising(1), one))[0].bound_s or 0.0 for one in (TRIANGLE, longer)]
    assert bounds[0] < bounds[1]
    world = up(promising(sum(bounds) / 2))
    assert not world.core.status.problems
    world.tell(LinkLost(world.link("s1", "s2")))
    (problem,) = world.core.status.problems
    assert problem.startswith("gold:h1->h2 udp asks for")
    assert world.core.status.in_force
    world.tell(LinkFound(world.link("s1", "s2")))
    assert not world.core.status.problems


# What was in force before never matters ----------------------------------------------------------------

ISLAND = build_network(
    [("s1", "s2"), ("s2", "s3"), ("h1", "s1"), ("h2", "s2"), ("h3", "s3"), ("h4", "s2")], capacity_bps=10e6
)


def without_h2(world: World) -> None:
    """The port of h2 goes down."""
    port_no = world.network.hosts["h2"].port_no
    world.tell(PortsChanged(2, world.ports(2) - {port_no}))


def without_s3(world: World) -> None:
    """The only cable of s3 is cut."""
    for link in (world.link("s2", "s3"), world.link("s3", "s2")):
        world.tell(LinkLost(link))


@pytest.mark.parametrize("fail", [without_h2, without_s3])
@pytest.mark.parametrize("guarantee_bps", [None, 6e6])
def test_a_policy_is_taken_during_a_failure_as_before_it(
    fail: Callable[[World], None], guarantee_bps: float | None
) -> None:
    """What has no path waits and is told, the rest is in force; after the repair all of it is."""
    slices = tuple(replace(one, guarantee_bps=guarantee_bps) for one in (GOLD, SILVER))
    policy = Policy("policy.yaml", slices)
    another = Policy("x.yaml", (replace(GOLD, weight=9.0),))
    before, after, other = (World(ISLAND, Core(ISLAND, given)) for given in (policy, None, another))
    for world in (before, after, other):
        world.come_up()
        fail(world)
    for world in (after, other):
        world.tell(PolicyGiven(policy))
    for world in (before, after, other):
        assert world.core.allocation is not None
        (waiting,) = world.core.allocation.unreachable
        (left,) = world.core.allocation.flows
        assert left.rate_bps > 0
        assert world.core.status.problems == (f"{waiting.id}: no path",)
        assert world.core.desired == before.core.desired
        assert {d: s.state for d, s in world.switches.items()} == {
            d: s.state for d, s in before.switches.items()
        }
    for world in (before, after, other):
        world.come_up()
        assert world.core.allocation is not None
        assert world.core.status.in_force
        assert not world.core.status.problems
        assert [flow.rate_bps > 0 for flow in world.core.allocation.flows] == [True, True]


def test_guarantees_that_fit_the_whole_network_are_taken_during_a_failure() -> None:
    """They are set aside until they fit, whenever the policy came; what never fits is refused."""
    fits = Policy("p", (replace(GOLD, guarantee_bps=6e6), replace(SILVER, guarantee_bps=6e6)))
    never = Policy("q", (replace(GOLD, guarantee_bps=11e6),))
    early, late = up(fits), up()
    for world in (early, late):
        world.tell(LinkLost(world.link("s1", "s2")))
    late.tell(PolicyGiven(fits))
    assert late.core.status.problems == early.core.status.problems
    assert late.core.desired == early.core.desired
    for world in (early, late):
        with pytest.raises(InfeasibleError):
            world.tell(PolicyGiven(never))
        world.tell(LinkFound(world.link("s1", "s2")))
        assert not world.core.status.problems


def test_errors_of_a_switch_are_told_and_tried_again() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY))
    world.errors[2] = ("switch 2 refused meter 50001",)
    world.come_up()
    assert world.core.status.problems == ("switch 2 refused meter 50001",)
    assert not world.core.status.in_force
    world.tell(Tick())
    assert world.core.status.problems  # not at once
    world.errors.clear()
    world.now += RETRY_AFTER_S
    world.tell(Tick())
    assert world.core.status.in_force
    assert not world.core.status.problems


def test_tries_end() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY))
    world.errors[2] = ("no",)
    world.come_up()
    tries = 0
    for _ in range(10):
        world.now += RETRY_AFTER_S
        effects = world.core.handle(Tick(), world.now)
        if Later() in effects:
            effects = world.core.handle(Proceed(), world.now)
        tries += sum(isinstance(e, Install) for e in effects)
        world.core.handle(InstallEnded(2, SwitchState(), ("no",)), world.now)
    assert tries == MAX_TRIES - 1


def test_a_switch_that_says_yes_and_does_no_is_noticed() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY))
    world.deaf.add(2)
    world.come_up()
    world.core.handle(InstallEnded(2, SwitchState()), 0.0)
    (problem,) = world.core.status.problems
    assert "does not hold what was installed" in problem


def test_a_change_while_a_switch_is_busy_is_planned_afterwards() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, None))
    world.deaf.add(1)
    world.come_up()
    # Its first plan has not ended.
    assert not world.core.handle(Tick(), 0.0)
    world.tell(PolicyGiven(POLICY))
    world.deaf.clear()
    world.tell(InstallEnded(1, SwitchState()))
    assert world.switches[1].state == world.core.desired[1]


def test_probes_are_counted_apart_and_go_again() -> None:
    world = up()
    world.tell(ProbesGiven((Probe(1, 6, 5201),)))
    roles = [Cookie.read(e.cookie) for s in world.switches.values() for e in s.flows.values()]
    assert sum(cookie == Cookie(Role.PROBE, 1, 1) for cookie in roles) == 1
    assert world.core.status.in_force
    world.tell(ProbesGiven(()))
    assert world.switches[2].state == up().switches[2].state


@pytest.mark.parametrize("number", [0, 3, 99_999])
def test_a_probe_of_a_flow_that_is_not_there_changes_nothing(number: int) -> None:
    world = up()
    world.tell(ProbesGiven((Probe(1, 6, 5201),)))
    before = world.core.desired
    with pytest.raises(UnknownError, match=f"no flow {number} .* up to 2"):
        world.tell(ProbesGiven((Probe(2, 6, 5201), Probe(number, 6, 5201))))
    assert world.core.desired == before
    with pytest.raises(UnknownError, match="expected a policy with flows"):
        World(TRIANGLE, Core(TRIANGLE)).tell(ProbesGiven((Probe(1, 6, 5201),)))


def test_without_a_database_queues_are_left_alone() -> None:
    world = World(TRIANGLE, Core(TRIANGLE, POLICY, queues=False))
    world.come_up()
    assert world.core.status.in_force
    assert not any(switch.qos for switch in world.switches.values())


def arp(world: World, sender: str, target_ip: str, *, request: bool = True) -> ArpReceived:
    host = world.network.hosts[sender]
    return ArpReceived(
        world.network.switches[host.switch].dpid,
        host.port_no,
        Arp(request, host.mac, host.ip, "00:00:00:00:00:00", target_ip),
    )


def test_arp_for_a_known_host_is_answered() -> None:
    world = up()
    world.tell(arp(world, "h1", "10.0.0.2"))
    h1, h2 = world.network.hosts["h1"], world.network.hosts["h2"]
    assert world.sent == [SendArp(1, (h1.port_no,), Arp(False, h2.mac, h2.ip, h1.mac, h1.ip))]


def test_arp_for_an_unknown_host_goes_along_the_tree() -> None:
    world = up()
    world.tell(arp(world, "h1", "10.0.0.99"))
    (sent,) = world.sent
    assert sent.arp.is_request
    assert world.network.hosts["h1"].port_no not in sent.outputs


def test_an_arp_answer_goes_to_who_asked() -> None:
    world = up()
    world.tell(arp(world, "h2", "10.0.0.1", request=False))
    (sent,) = world.sent
    assert (sent.dpid, sent.outputs) == (1, (world.network.hosts["h1"].port_no,))


def test_without_a_file_the_network_is_learned() -> None:
    world = World(TRIANGLE, Core(None, None))
    capacities = dict.fromkeys(range(1, 5), 10e6)
    for dpid in world.switches:
        world.tell(SwitchJoined(dpid, world.ports(dpid), SwitchState(), capacities))
    for source, target in TRIANGLE.links:
        if {source, target} <= set(TRIANGLE.switches):
            world.tell(LinkFound(world.link(source, target)))
    for host in ("h1", "h2", "h3", "h4"):
        world.tell(arp(world, host, "10.0.0.99"))
    network = world.core.discovery.network
    assert set(network.hosts) == {"h1", "h2", "h3", "h4"}
    assert {k for k in network.links if "h" not in k[0] + k[1]} == {
        k for k in TRIANGLE.links if "h" not in k[0] + k[1]
    }
    world.tell(PolicyGiven(POLICY))
    assert world.core.status.in_force


def test_a_port_that_goes_down_takes_its_link() -> None:
    world = up()
    port = world.network.links["s1", "s2"].port_no
    world.tell(PortsChanged(1, world.ports(1) - {port}))
    assert world.core.allocation is not None
    assert world.core.allocation.flows[0].route.path == ("h1", "s1", "s3", "s2", "h2")
    generation = world.core.status.generation
    world.tell(PortsChanged(1, world.ports(1) - {port}))
    assert world.core.status.generation == generation


# While something is being computed ----------------------------------------------------------------------


def test_a_link_that_fails_waits_for_no_policy_that_is_being_taken() -> None:
    world = up()
    world.is_computing = True
    other = Policy("other.yaml", (replace(GOLD, weight=5.0), SILVER))
    given = PolicyGiven(other)
    world.begin(given)
    (taking,) = world.computing
    assert not taking.urgent
    world.tell(LinkLost(world.link("s1", "s2")))
    assert not world.core.status.in_force
    _, dividing = world.computing
    assert dividing.urgent
    world.finish(dividing)
    assert world.computing == [taking]
    assert world.core.status.in_force
    assert world.core.allocation is not None
    assert world.core.allocation.flows[0].route.path == ("h1", "s1", "s3", "s2", "h2")
    assert world.core.allocation.policy is POLICY
    world.finish(taking)
    assert world.answered == [Answered(given)]
    # It was about the network as it was before.
    assert not world.core.status.in_force
    world.finish(world.computing[0])
    assert not world.computing
    assert world.core.status.in_force
    assert world.core.allocation.policy is other
    assert world.core.allocation.flows[0].route.path == ("h1", "s1", "s3", "s2", "h2")
    assert {d: s.state for d, s in world.switches.items()} == dict(world.core.desired)


def test_a_policy_goes_on_from_what_is_in_force() -> None:
    """Paths and entries are found once, and are the same objects as long as they are the same."""
    world = up()
    before = dict(world.core.desired)
    assert world.core.allocation is not None
    routes = world.core.allocation.routes
    world.tell(PolicyGiven(Policy("other.yaml", (replace(GOLD, limit_bps=5e6), SILVER))))
    assert world.core.status.in_force
    after = world.core.desired
    assert {dpid: state.meters for dpid, state in after.items()} != {d: s.meters for d, s in before.items()}
    for dpid, state in after.items():
        assert state.flows is before[dpid].flows
    assert world.core.allocation.routes == routes
    for number, route in world.core.allocation.routes.items():
        assert route is routes[number]


def test_what_is_computed_of_a_policy_that_was_replaced_meanwhile_counts_for_nothing() -> None:
    world = up()
    world.is_computing = True
    other = Policy("other.yaml", (replace(GOLD, weight=5.0), SILVER))
    world.begin(PolicyGiven(other))
    world.tell(LinkLost(world.link("s1", "s2")))
    taking, dividing = world.computing
    world.finish(taking)
    world.finish(dividing)
    (again,) = world.computing
    assert again.question.policy is other
    world.finish(again)
    assert world.core.status.in_force
    assert world.core.allocation is not None
    assert world.core.allocation.policy is other
    assert world.core.allocation.flows[0].route.path == ("h1", "s1", "s3", "s2", "h2")


def test_policies_are_taken_one_after_the_other_and_each_is_answered() -> None:
    world = up()
    world.is_computing = True
    fits = [Policy(f"{n}.yaml", (replace(GOLD, weight=float(n)), SILVER)) for n in (3, 4)]
    never = Policy("q", (replace(GOLD, guarantee_bps=11e6),))
    givens = [PolicyGiven(policy) for policy in (fits[0], never, fits[1])]
    for given in givens:
        world.begin(given)
    for _ in givens:
        (taking,) = world.computing
        world.finish(taking)
    assert not world.computing
    assert [one.to for one in world.answered] == givens
    assert [one.refusal is None for one in world.answered] == [True, False, True]
    assert world.core.allocation is not None
    assert world.core.allocation.policy is fits[1]
    assert world.core.status.in_force


def test_a_fault_of_our_own_becomes_a_problem_and_ends_nothing() -> None:
    world = up()
    world.is_computing = True
    world.tell(LinkLost(world.link("s1", "s2")))
    (dividing,) = world.computing
    world.computing.clear()
    world.begin(Computed(dividing.question, None, MachineError("internal error")))
    assert world.core.status.problems == ("internal error",)
    world.is_computing = False
    world.tell(LinkFound(world.link("s1", "s2")))
    assert not world.core.status.problems
    assert world.core.status.in_force


def test_probes_are_answered_when_switches_are_to_count_them() -> None:
    world = up()
    world.is_computing = True
    first, second = ProbesGiven((Probe(1, 6, 5201),)), ProbesGiven((Probe(2, 6, 5201),))
    world.begin(first)
    world.begin(second)
    world.finish(world.computing[0])
    assert [one.to for one in world.answered] == [first]
    world.finish(world.computing[0])
    assert [one.to for one in world.answered] == [first, second]
    assert not world.computing
    assert world.core.status.in_force


def test_plans_are_made_for_one_switch_at_a_time() -> None:
    """So that whatever else happens waits for one plan at most."""
    world = World(TRIANGLE, Core(TRIANGLE, None))
    world.come_up()
    effects = world.core.handle(PolicyGiven(POLICY), 0.0)
    (compute,) = effects
    assert isinstance(compute, Compute)
    effects = world.core.handle(computed(compute), 0.0)
    installs = []
    while Later() in effects:
        effects = world.core.handle(Proceed(), 0.0)
        installs.append([e for e in effects if isinstance(e, Install)])
    assert [len(some) for some in installs] == [1, 1, 1]
