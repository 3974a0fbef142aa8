"""From a policy and a network to the rate of every flow: the allocation that switches enforce."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import allocate_acknowledged
from fairslice.alloc.allocation import Bottleneck
from fairslice.alloc.arguments import expect
from fairslice.alloc.certificate.acknowledgements import certify_acknowledged
from fairslice.alloc.certificate.certify import Certificate
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.read_only import ReadOnly
from fairslice.errors import InfeasibleError, InputError
from fairslice.policy.model import PROTOCOLS, Flow, Policy, Sharing, Split
from fairslice.policy.resolve import resolve
from fairslice.slicing.infeasible import in_rates
from fairslice.topology.k_paths import k_paths
from fairslice.topology.network import Host, LinkKey, Network, link_name
from fairslice.topology.paths import NoPathError, path_links
from fairslice.topology.trees import Trees
from fairslice.units import format_rate

SPLIT_ROUNDS = 2
"""How often free splits are found: what acknowledgements take depends on the rates, a little, and is known
better the second time."""


@dataclass(frozen=True)
class Route:
    """A flow with its ways through the network, there and back (node names, host to host).

    ``parts`` is how the flow is divided over its ``paths``, in whole numbers: (2, 1) is two thirds and one
    third of its rate. ``return_share`` is the bits of acknowledgements on the return path for each bit of
    the flow.
    """

    flow: Flow
    paths: tuple[tuple[str, ...], ...]
    parts: tuple[int, ...]
    return_path: tuple[str, ...]
    return_share: float

    @property
    def path(self) -> tuple[str, ...]:
        """The first path: the only one, unless the policy lets the slice's flows use several."""
        return self.paths[0]

    @property
    def shares(self) -> tuple[float, ...]:
        """The part of its rate that the flow sends on each path."""
        return tuple(part / sum(self.parts) for part in self.parts)

    @cached_property
    def uses(self) -> Mapping[LinkKey, float]:
        """What the flow's data uses of each link, in bit/s for each bit/s of its rate."""
        if len(self.paths) == 1:
            return dict.fromkeys(path_links(self.paths[0]), 1.0)
        crossing: Counter[LinkKey] = Counter()
        for nodes, part in zip(self.paths, self.parts, strict=True):
            for key in path_links(nodes) if part else ():
                crossing[key] += part
        # Divided once and last: where all parts meet again, they are exactly the whole.
        return {key: parts / sum(self.parts) for key, parts in crossing.items()}

    @cached_property
    def returns(self) -> Mapping[LinkKey, float]:
        """What the flow's acknowledgements take of each link, in bit/s for each bit/s of its rate."""
        way = path_links(self.return_path) if self.return_share else ()
        return dict.fromkeys(way, self.return_share)

    @cached_property
    def as_problem(self) -> tuple[ProblemFlow, Mapping[str, float]]:
        """The flow as the allocation sees it, links by name, and what its acknowledgements take of links."""
        flow = ProblemFlow(
            id=self.flow.id,
            uses=_named(self.uses),
            weight=self.flow.weight,
            cap=math.inf if self.flow.demand_bps is None else self.flow.demand_bps,
            floor=self.flow.floor_bps,
            slice=self.flow.slice,
        )
        return flow, _named(self.returns)

    def along(self, number: int) -> "Route":
        """The same flow with all of its rate on one of its paths."""
        return replace(self, parts=tuple(int(index == number) for index in range(len(self.paths))))


@dataclass(frozen=True)
class AllocatedFlow:
    """A routed flow with its rate and the reason for it."""

    route: Route
    rate_bps: float
    bottleneck: Bottleneck

    @property
    def flow(self) -> Flow:
        """The flow of the policy."""
        return self.route.flow

    @property
    def path_rates_bps(self) -> tuple[float, ...]:
        """What of the rate goes along each path of the route, in bit/s."""
        return tuple(share * self.rate_bps for share in self.route.shares)


@dataclass(frozen=True, repr=False)
class NetworkAllocation:
    """The rates of a policy's flows on a network.

    ``unreachable`` are flows without a path, which hold nothing; ``flows`` are in the order of the policy.
    """

    policy: Policy
    network: Network
    flows: tuple[AllocatedFlow, ...]
    unreachable: tuple[Flow, ...] = ()
    trees: Trees | None = field(default=None, compare=False, repr=False)
    """The paths of the network as far as they are known, for :func:`allocate_slices` to go on with."""
    hosts: Mapping[str, Host] | None = field(default=None, compare=False, repr=False)
    """The hosts that the policy may name."""

    def __repr__(self) -> str:
        """The first few flows, with rate and bottleneck."""
        told = [f"{a.flow.id}: {format_rate(a.rate_bps)} ({a.bottleneck})" for a in self.flows[:4]]
        more = [f"and {len(self.flows) - len(told):,} more"] * (len(self.flows) > len(told))
        unreachable = [f"{len(self.unreachable):,} without a path"] * bool(self.unreachable)
        return f"<NetworkAllocation: {', '.join(told + more + unreachable) or 'no flows'}>"

    @cached_property
    def routes(self) -> Mapping[int, Route]:
        """The routes by the numbers of their flows."""
        return {allocated.flow.number: allocated.route for allocated in self.flows}

    @cached_property
    def all_flows(self) -> Sequence[Flow]:
        """The flows of the policy in its order, those without a path, too."""
        flows = [*(route.flow for route in self.routes.values()), *self.unreachable]
        return sorted(flows, key=lambda flow: flow.number)

    @cached_property
    def problem(self) -> AcknowledgedProblem:
        """What was solved: flows on their routes, by id, over links by name."""
        return problem_of(self.policy, self.network, [allocated.route for allocated in self.flows])

    @cached_property
    def certificate(self) -> Certificate:
        """What the independent checker says of the rates and of the reasons for them."""
        rates = {allocated.flow.id: allocated.rate_bps for allocated in self.flows}
        reasons = {allocated.flow.id: allocated.bottleneck for allocated in self.flows}
        return certify_acknowledged(self.problem, rates, reasons)

    @cached_property
    def set_aside_bps(self) -> Mapping[LinkKey, float]:
        """What each link of the network sets aside for acknowledgements, in bit/s."""
        return self._sums(lambda route: route.returns)

    @cached_property
    def load_bps(self) -> Mapping[LinkKey, float]:
        """What the flows put on each link of the network, acknowledgements included, in bit/s."""
        data = self._sums(lambda route: route.uses)
        return {key: data[key] + set_aside for key, set_aside in self.set_aside_bps.items()}

    def _sums(self, shares_of: Callable[[Route], Mapping[LinkKey, float]]) -> dict[LinkKey, float]:
        sums = dict.fromkeys(self.network.links, 0.0)
        for allocated in self.flows:
            for key, share in shares_of(allocated.route).items():
                sums[key] += share * allocated.rate_bps
        return sums

    @cached_property
    def held_bps(self) -> Mapping[tuple[str, LinkKey], float]:
        """What each slice's flows hold of each link on their way there, acknowledgements aside, in bit/s."""
        held: dict[tuple[str, LinkKey], float] = defaultdict(float)
        for allocated in self.flows:
            for nodes, rate_bps in zip(allocated.route.paths, allocated.path_rates_bps, strict=True):
                for key in path_links(nodes):
                    held[allocated.flow.slice, key] += rate_bps
        return held


def allocate_slices(
    policy: Policy,
    network: Network,
    *,
    omit_unreachable: bool = False,
    hosts: Mapping[str, Host] | None = None,
    before: NetworkAllocation | None = None,
) -> NetworkAllocation:
    """Give every flow of ``policy`` its max-min fair rate on ``network``.

    Splits of flows over several paths are found first; the rates are exact for these splits. Acknowledgements
    come first: see :mod:`fairslice.alloc.acknowledgements`.

    Args:
        policy: As :func:`fairslice.policy.parse_policy` and ``load_policy`` give it.
        network: As :func:`fairslice.topology.load_network` gives it: what there is now.
        omit_unreachable: Whether flows without a path hold nothing, rather than refuse the policy.
        hosts: The hosts that the policy may name, by name, also those that ``network`` does not have now;
            default: those of ``network``.
        before: An earlier allocation, of this policy or another on a like network: what is known from it and
            holds here as well is not found again. The answer is the same without it.

    Raises:
        InputError: an argument is of another type; the policy names other hosts, or flows overlap.
        NoPathError: a flow has no path, unless ``omit_unreachable`` lets such flows go without.
        InfeasibleError: the guarantees do not fit.
        InconsistentError: no rates were found that agree with what their acknowledgements take.
    """
    expect("policy", policy, Policy, "a Policy, as load_policy(path) or parse_policy(text, file) gives it")
    expect("network", network, Network, "a Network, as load_network(spec) gives it")
    expect("omit_unreachable", omit_unreachable, bool, "True or False")
    allowed = network.hosts if hosts is None else hosts
    trees = Trees(network) if before is None or before.trees is None else before.trees.on(network)
    flows, known = _known(policy, allowed, before)
    # Trees of the same network have lost nothing.
    lost = frozenset() if before is not None and trees is before.trees else trees.lost
    if lost is None:
        known, lost = {}, frozenset()
    routes, unreachable = [], []
    for flow in flows:
        route = known.get(flow.number)
        if route is not None and len(route.paths) == 1 and (flow.source, flow.destination) not in lost:
            routes.append(route)
            continue
        try:
            routes.append(_route(flow, policy, trees))
        except NoPathError:
            if not omit_unreachable:
                raise
            unreachable.append(flow)
    try:
        routes = split_freely(policy, network, routes)
        sound = known if before is not None and before.policy == policy else {}
        problem = _checked(problem_of(policy, network, routes), routes, sound)
        solution = allocate_acknowledged(problem)
    except InfeasibleError as error:
        raise in_rates(error, policy, problem_of(policy, network, routes)) from error
    allocation = NetworkAllocation(
        policy,
        network,
        tuple(map(AllocatedFlow, routes, solution.allocation.rate.tolist(), solution.reasons)),
        tuple(unreachable),
        trees,
        allowed,
    )
    # Where a cached property keeps its value.
    allocation.__dict__["problem"] = problem
    return allocation


def _checked(
    problem: AcknowledgedProblem, routes: Sequence[Route], known: Mapping[int, Route]
) -> AcknowledgedProblem:
    """The problem of routed flows, those of which that are not known yet are checked.

    Raises:
        InputError: with the faults of all flows.
    """
    data = problem.data
    new = [at for at, route in enumerate(routes) if known.get(route.flow.number) is not route]
    flows = tuple(data.flows[at] for at in new)
    slices = {flow.slice for flow in flows}
    shares = {name: share for name, share in data.slices.items() if not known or name in slices}
    part = replace(data, flows=flows, slices=shares)
    try:
        AcknowledgedProblem(part, tuple(problem.returns[at] for at in new)).check()
    except InputError:
        # They are told by their places among all.
        problem.check()
        raise
    return problem.trusted()


def _known(
    policy: Policy, hosts: Mapping[str, Host], before: NetworkAllocation | None
) -> tuple[Sequence[Flow], Mapping[int, Route]]:
    """The flows of a policy in its order, and the routes, by their numbers, that they had before.

    Of another policy those are known that are the same flow in a slice whose flows find their ways alike.
    """
    if before is None or before.hosts != hosts:
        return resolve(policy, hosts), {}
    if before.policy == policy:
        return before.all_flows, before.routes
    flows, was = resolve(policy, hosts), before.policy
    if policy.return_share != was.return_share:
        return flows, {}
    led = {(one.name, one.number, one.paths, one.split) for one in was.slices}
    alike = {one.name for one in policy.slices if (one.name, one.number, one.paths, one.split) in led}
    routes = before.routes
    return flows, {
        flow.number: route
        for flow in flows
        if flow.slice in alike and (route := routes.get(flow.number)) is not None and route.flow == flow
    }


def without_guarantees(policy: Policy) -> Policy:
    """The same policy with its guarantees set aside, for a network that can't keep them."""
    return replace(policy, slices=tuple(replace(s, guarantee_bps=None) for s in policy.slices))


def split_freely(policy: Policy, network: Network, routes: Sequence[Route]) -> list[Route]:
    """The routes with the splits that the policy leaves free chosen for max-min fair totals.

    A flow that is split evenly, or has one path only, counts as having one way that is all of them.

    Raises:
        InfeasibleError: the guarantees do not fit.
    """
    free = {
        route.flow.id
        for route in routes
        if len(route.paths) > 1 and policy.slice_named(route.flow.slice).split is Split.FREE
    }
    if not free:
        return list(routes)
    from fairslice.alloc.multipath.flow import MultipathFlow
    from fairslice.alloc.multipath.problem import MultipathProblem
    from fairslice.alloc.multipath.splits import free_splits

    split = list(routes)
    for _ in range(SPLIT_ROUNDS):
        problem = problem_of(policy, network, split)
        set_aside = allocate_acknowledged(problem).set_aside
        left = problem.left_by(set_aside)
        flows = []
        for route, flow, returned in zip(split, left.flows, problem.returns, strict=True):
            ways = [route.along(i) for i in range(len(route.paths))] if flow.id in free else [route]
            flows.append(
                MultipathFlow(
                    id=flow.id,
                    paths=tuple(_named(way.uses) | problem.uses_of_room(returned) for way in ways),
                    weight=flow.weight,
                    cap=flow.cap,
                    floor=flow.floor,
                    slice=flow.slice,
                )
            )
        parts = free_splits(MultipathProblem(left.capacities, flows, left.slices, left.per_flow))
        split = [replace(route, parts=parts.get(route.flow.id, route.parts)) for route in split]
        shared = {link for flow in flows for path in flow.paths for link in path}
        if not any(set_aside.get(link) for link in shared):
            break
    return split


def _named(shares: Mapping[LinkKey, float]) -> ReadOnly[str, float]:
    return ReadOnly({link_name(key): share for key, share in shares.items()})


def problem_of(policy: Policy, network: Network, routes: Sequence[Route]) -> AcknowledgedProblem:
    """The allocation problem of routed flows; links go by :func:`link_name`, flows by their id."""
    stated = [route.as_problem for route in routes]
    data = AllocationProblem(
        capacities={link.name: link.capacity_bps for link in network.links.values()},
        flows=tuple(flow for flow, _ in stated),
        slices={
            s.name: SliceShare(s.weight, math.inf if s.limit_bps is None else s.limit_bps)
            for s in policy.slices
        },
        per_flow=policy.sharing is Sharing.PER_FLOW,
    )
    return AcknowledgedProblem(data, tuple(returned for _, returned in stated))


def _route(flow: Flow, policy: Policy, trees: Trees) -> Route:
    own = policy.slice_named(flow.slice)
    acknowledged = flow.match.proto in (None, PROTOCOLS["tcp"])
    if own.paths == 1:
        paths: tuple[tuple[str, ...], ...] = (trees.path(flow.source, flow.destination, own.number),)
    else:
        paths = k_paths(trees, flow.source, flow.destination, own.number, own.paths)
    # Acknowledgements are few: they need one path only, which keeps them in order.
    return_path = trees.path(flow.destination, flow.source, own.number)
    return Route(
        flow=flow,
        paths=paths,
        parts=tuple(1 for _ in paths),
        return_path=return_path,
        return_share=policy.return_share if acknowledged else 0.0,
    )
