"""The queues of every port: min-rate is what the slice holds there, max-rate all that the link carries."""

from collections import defaultdict
from collections.abc import Mapping

from fairslice.alloc.slices import NetworkAllocation
from fairslice.state.desired import PortQos, Queue
from fairslice.state.labels import BEST_EFFORT, queue_of
from fairslice.topology.network import Link, LinkKey
from fairslice.units import FULL_FRAME_BYTES

MIN_QUEUE_BPS = 12_000
"""One frame of 1500 bytes a second: the least min-rate that Open vSwitch gives an HTB class."""
BEST_EFFORT_SHARE = 0.01
"""What best effort (and with it ARP and LLDP) keeps of a link where slices leave that much."""
MIN_BUFFER_BYTES = 4 * FULL_FRAME_BYTES


def port_queues(allocation: NetworkAllocation) -> Mapping[str, Mapping[int, PortQos]]:
    """The linux-htb QoS of every switch port that a link leaves from, by switch and port_no.

    Idle capacity is lent: a queue's max-rate is its link's capacity. The min-rates of a port never add up to
    more than its link carries, but for the :data:`MIN_QUEUE_BPS` that every class gets.
    """
    held: dict[LinkKey, dict[int, float]] = {key: defaultdict(float) for key in allocation.network.links}
    for allocated in allocation.flows:
        of = allocation.policy.slice_named(allocated.flow.slice)
        queue_id = queue_of(of.number, of.enforcement)
        for key, share in allocated.route.uses.items():
            held[key][queue_id] += share * allocated.rate_bps
    qos: dict[str, dict[int, PortQos]] = {switch: {} for switch in allocation.network.switches}
    for link in allocation.network.links.values():
        if link.source in qos and link.capacity_bps > 0:
            qos[link.source][link.port_no] = _port_qos(link, held[link.key], allocation.policy.buffer_s)
    return qos


def _port_qos(link: Link, held_bps: Mapping[int, float], buffer_s: float) -> PortQos:
    capacity = max(int(link.capacity_bps), MIN_QUEUE_BPS)
    free = link.capacity_bps - sum(held_bps.values())
    minimum = dict(held_bps)
    best_effort = queue_of(BEST_EFFORT)
    minimum[best_effort] = minimum.get(best_effort, 0.0) + max(
        0.0, min(free, BEST_EFFORT_SHARE * link.capacity_bps)
    )
    return PortQos(
        link.port_no,
        capacity,
        max(int(capacity * buffer_s / 8), MIN_BUFFER_BYTES),
        tuple(
            Queue(queue_id, min(capacity, max(MIN_QUEUE_BPS, int(rate))), capacity)
            for queue_id, rate in sorted(minimum.items())
        ),
    )
