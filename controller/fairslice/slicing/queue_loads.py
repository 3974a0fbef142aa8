"""How busy the queues are that flows with a demand wait in: what an M/G/1 model of them needs to know."""

from collections import defaultdict
from dataclasses import dataclass

from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.labels import queue_of
from fairslice.topology.network import LinkKey, link_name


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """The busiest queue on a flow's way.

    Of the link it has ``service_bps``, what other queues leave at the rates that are allocated. Its own flows
    and acknowledgements, at theirs, are ``load`` of that: 1 where they fill it.
    """

    flow: str
    number: int
    link: str
    queue_id: int
    service_bps: float
    load: float


def queue_loads(allocation: NetworkAllocation) -> tuple[QueueLoad, ...]:
    """For every flow with a demand that it gets some of, in the order of the policy."""
    demanding = [a for a in allocation.flows if a.flow.demand_bps is not None and a.rate_bps > 0]
    if not demanding:
        return ()
    policy, network = allocation.policy, allocation.network
    queue_ids = {one.name: queue_of(one.number, one.enforcement) for one in policy.slices}
    held_bps: dict[tuple[LinkKey, int], float] = defaultdict(float)
    for a in allocation.flows:
        for shares in (a.route.uses, a.route.returns):
            for key, share in shares.items():
                held_bps[key, queue_ids[a.flow.slice]] += share * a.rate_bps
    found = []
    for a in demanding:
        queue_id = queue_ids[a.flow.slice]
        loads = []
        for key in a.route.uses:
            if key[0] not in network.switches:
                continue
            own_bps = held_bps[key, queue_id]
            service_bps = network.links[key].capacity_bps - (allocation.load_bps[key] - own_bps)
            # At least its own: rounding aside, a link carries what is allocated.
            loads.append((own_bps / max(service_bps, own_bps), max(service_bps, own_bps), key))
        load, service_bps, busiest = max(loads, key=lambda one: one[0])
        found.append(QueueLoad(a.flow.id, a.flow.number, link_name(busiest), queue_id, service_bps, load))
    return tuple(found)
