"""From a policy and a network to the rate of every flow: the allocation that switches enforce."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fairslice.alloc.certificate import Certificate, certify
from fairslice.alloc.problem import AllocationProblem, Bottleneck, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError
from fairslice.policy.model import PROTOCOLS, Flow, Policy, Sharing
from fairslice.policy.resolve import resolve
from fairslice.topology.network import LinkKey, Network, link_name
from fairslice.topology.paths import NoPathError, path, path_links
from fairslice.units import format_rate


@dataclass(frozen=True)
class Route:
    """A flow with its way through the network, there and back (node names, host to host).

    ``return_share`` is the bits of acknowledgements on the return path for each bit of the flow.
    """

    flow: Flow
    path: tuple[str, ...]
    return_path: tuple[str, ...]
    return_share: float

    @cached_property
    def uses(self) -> Mapping[LinkKey, float]:
        """What the flow uses of each link, in bit/s for each bit/s of its rate (DESIGN: c_{f,l})."""
        uses: dict[LinkKey, float] = defaultdict(float)
        for key in path_links(self.path):
            uses[key] += 1.0
        if self.return_share:
            for key in path_links(self.return_path):
                uses[key] += self.return_share
        return dict(uses)


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


@dataclass(frozen=True)
class NetworkAllocation:
    """The rates of a policy's flows on a network.

    ``unreachable`` are flows without a path, which hold nothing; ``flows`` are in the order of the policy.
    """

    policy: Policy
    network: Network
    flows: tuple[AllocatedFlow, ...]
    unreachable: tuple[Flow, ...] = ()

    @cached_property
    def certificate(self) -> Certificate:
        """What the independent checker says of the rates and of the reasons for them."""
        problem = problem_of(self.policy, self.network, [allocated.route for allocated in self.flows])
        rates = {allocated.flow.id: allocated.rate_bps for allocated in self.flows}
        reasons = {allocated.flow.id: allocated.bottleneck for allocated in self.flows}
        return certify(problem, rates, reasons)

    @cached_property
    def load_bps(self) -> Mapping[LinkKey, float]:
        """What the flows put on each link of the network, acknowledgements included, in bit/s."""
        load = dict.fromkeys(self.network.links, 0.0)
        for allocated in self.flows:
            for key, share in allocated.route.uses.items():
                load[key] += share * allocated.rate_bps
        return load


def allocate_slices(policy: Policy, network: Network, *, omit_unreachable: bool = False) -> NetworkAllocation:
    """Give every flow of ``policy`` its max-min fair rate on ``network`` (DESIGN §5).

    Raises:
        InputError: the policy names hosts that the network does not have, or flows overlap.
        NoPathError: a flow has no path, unless ``omit_unreachable`` lets such flows go without.
        InfeasibleError: the guarantees do not fit.
    """
    flows = resolve(policy, network.hosts)
    routes, unreachable = [], []
    for flow in flows:
        try:
            routes.append(_route(flow, policy, network))
        except NoPathError:
            if not omit_unreachable:
                raise
            unreachable.append(flow)
    try:
        solution = allocate(problem_of(policy, network, routes))
    except InfeasibleError as error:
        raise _in_rates(error) from error
    return NetworkAllocation(
        policy,
        network,
        tuple(
            AllocatedFlow(route, solution.rates[route.flow.id], solution.bottlenecks[route.flow.id])
            for route in routes
        ),
        tuple(unreachable),
    )


def without_guarantees(policy: Policy) -> Policy:
    """The same policy with its guarantees set aside, for a network that can't keep them."""
    return replace(policy, slices=tuple(replace(s, guarantee_bps=None) for s in policy.slices))


def problem_of(policy: Policy, network: Network, routes: list[Route]) -> AllocationProblem:
    """The allocation problem of routed flows; links go by :func:`link_name`, flows by their id."""
    slices = {s.name: s for s in policy.slices}
    return AllocationProblem(
        capacities={link.name: link.capacity_bps for link in network.links.values()},
        flows=tuple(
            ProblemFlow(
                id=route.flow.id,
                uses={link_name(key): share for key, share in route.uses.items()},
                weight=route.flow.weight,
                cap=math.inf if route.flow.demand_bps is None else route.flow.demand_bps,
                floor=route.flow.floor_bps,
                slice=route.flow.slice,
            )
            for route in routes
        ),
        slices={
            name: SliceShare(s.weight, math.inf if s.limit_bps is None else s.limit_bps)
            for name, s in slices.items()
        },
        per_flow=policy.sharing is Sharing.PER_FLOW,
    )


def _in_rates(error: InfeasibleError) -> InfeasibleError:
    """The solver's refusal, which knows no units, in those of a policy."""
    many = f" and {len(error.flows) - 8} more" if len(error.flows) > 8 else ""
    return InfeasibleError(
        f"the guarantees do not fit: those of {', '.join(error.flows[:8])}{many} need "
        f"{format_rate(error.floors)}, but {error.link} has {format_rate(error.capacity)}: "
        f"{format_rate(error.floors - error.capacity)} too little",
        link=error.link,
        flows=error.flows,
        floors=error.floors,
        capacity=error.capacity,
    )


def _route(flow: Flow, policy: Policy, network: Network) -> Route:
    number = policy.slice_named(flow.slice).number
    acknowledged = flow.match.proto in (None, PROTOCOLS["tcp"])
    return Route(
        flow,
        path(network, flow.source, flow.destination, number),
        path(network, flow.destination, flow.source, number),
        policy.return_share if acknowledged else 0.0,
    )
