"""The queues of every port: min-rate is what the slice holds there, max-rate all that the link carries."""

from collections import defaultdict
from collections.abc import Mapping, Set

from fairslice.alloc.allocation import BottleneckKind
from fairslice.alloc.slices import NetworkAllocation
from fairslice.state.desired import PortQos, Queue
from fairslice.state.labels import BEST_EFFORT, queue_of
from fairslice.topology.network import Link, LinkKey
from fairslice.topology.paths import path_links
from fairslice.units import FULL_FRAME_BYTES

MIN_QUEUE_BPS = 12_000
"""One frame of 1500 bytes a second: the least min-rate that Open vSwitch gives an HTB class."""
BEST_EFFORT_SHARE = 0.01
"""What best effort (and with it ARP and LLDP) keeps of a link where slices leave that much."""
MIN_BUFFER_BYTES = 4 * FULL_FRAME_BYTES


def port_queues(allocation: NetworkAllocation) -> Mapping[str, Mapping[int, PortQos]]:
    """The linux-htb QoS of every switch port that a link leaves from, by switch and port_no.

    Idle capacity is lent: a queue's max-rate is its link's capacity, except where the slice's limit stops a
    flow: there it is what the slice's flows hold, so that shaping keeps the limit too. A port's min-rates
    never add up to more than its link carries, but for the :data:`MIN_QUEUE_BPS` of every class.
    """
    held: dict[LinkKey, dict[int, float]] = {key: defaultdict(float) for key in allocation.network.links}
    stopped: dict[LinkKey, dict[int, set[BottleneckKind]]] = {key: defaultdict(set) for key in held}
    for allocated in allocation.flows:
        of = allocation.policy.slice_named(allocated.flow.slice)
        queue_id = queue_of(of.number, of.enforcement)
        for key, share in allocated.route.uses.items():
            held[key][queue_id] += share * allocated.rate_bps
        for key in path_links(allocated.route.path):
            stopped[key][queue_id].add(allocated.bottleneck.kind)
    qos: dict[str, dict[int, PortQos]] = {switch: {} for switch in allocation.network.switches}
    for link in allocation.network.links.values():
        if link.source in qos and link.capacity_bps > 0:
            limited = {q for q, kinds in stopped[link.key].items() if BottleneckKind.LIMIT in kinds}
            limited.discard(queue_of(BEST_EFFORT))
            queues = _queues(link, held[link.key], limited)
            buffer_bytes = max(int(link.capacity_bps * allocation.policy.buffer_s / 8), MIN_BUFFER_BYTES)
            qos[link.source][link.port_no] = PortQos(link.port_no, _capacity(link), buffer_bytes, queues)
    return qos


def _capacity(link: Link) -> int:
    return max(int(link.capacity_bps), MIN_QUEUE_BPS)


def _queues(link: Link, held_bps: Mapping[int, float], limited: Set[int]) -> tuple[Queue, ...]:
    capacity = _capacity(link)
    free = link.capacity_bps - sum(held_bps.values())
    minimum = dict(held_bps)
    best_effort = queue_of(BEST_EFFORT)
    spare = max(0.0, min(free, BEST_EFFORT_SHARE * link.capacity_bps))
    minimum[best_effort] = minimum.get(best_effort, 0.0) + spare
    queues = []
    for queue_id, rate in sorted(minimum.items()):
        least = min(capacity, max(MIN_QUEUE_BPS, int(rate)))
        queues.append(Queue(queue_id, least, least if queue_id in limited else capacity))
    return tuple(queues)
