"""The queues of every port: min-rate is what the slice and its acknowledgements hold there, max-rate all that
the link carries."""

import math
from collections import defaultdict
from collections.abc import Mapping, Set

from fairslice.alloc.allocation import BottleneckKind
from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.desired import PortQos, Queue
from fairslice.slicing.state.labels import BEST_EFFORT, queue_of
from fairslice.topology.network import Link, LinkKey
from fairslice.topology.paths import path_links
from fairslice.units import FULL_FRAME_BYTES

MIN_QUEUE_BPS = 12_000
"""One frame of 1500 bytes a second: the least min-rate that Open vSwitch gives an HTB class."""
BEST_EFFORT_SHARE = 0.01
"""What best effort (and with it ARP and LLDP) keeps of a link where slices leave that much."""
MIN_BUFFER_BYTES = 4 * FULL_FRAME_BYTES
"""A lost frame and the three behind it, whose acknowledgements tell TCP of the loss (RFC 5681 §3.2).

It is enough, for many flows in one queue too: docs/architecture.md has the measurement.
"""
QUEUE_BURST_S = 0.010
"""What a queue may catch up with when its timer was late, as a time at its min-rate.

With less, what a late timer costs is lost for good: a class of HTB (tc-htb(8)) gathers no more than its
burst. A virtual machine's timers are late by milliseconds; docs/architecture.md has the measurement.
"""
MIN_QUEUE_BURST_BYTES = 2 * FULL_FRAME_BYTES


def port_queues(allocation: NetworkAllocation) -> Mapping[str, Mapping[int, PortQos]]:
    """The linux-htb QoS of every switch port that a link leaves from, by switch and port_no.

    Idle capacity is lent: a queue's max-rate is its link's capacity, except where the slice's limit stops a
    flow: there it is what the slice's flows hold, so that shaping keeps the limit too. A port's min-rates
    never add up to more than its link carries, but for the :data:`MIN_QUEUE_BPS` of every class.

    A slice's queue is as deep as what it sends in the policy's ``buffer_s`` at its min-rate. That bounds the
    wait on a full link, where the min-rate is all that it gets. A queue that borrows drains faster, so that
    its depth is a shorter time; one that is not its flows' bottleneck stays nearly empty, whatever its depth.
    Both cost TCP nothing while a round trip without queues is shorter than that time.

    What flows promise to send at once (``burst``) has room beside that.

    Best effort has no rate of its own to take a time at: slices leave it anything up to the capacity, and its
    min-rate may be next to nothing. Its queue is ``buffer_s`` at the capacity, so that it can use all that is
    left; nothing bounds its wait while slices fill the link. Where slices that only police share it, it is as
    deep as what shaped slices leave in that time: what meters let through at once, a quarter of a second at
    the rate, would wait in it otherwise.
    """
    held: dict[LinkKey, dict[int, float]] = {key: defaultdict(float) for key in allocation.network.links}
    promised: dict[LinkKey, dict[int, float]] = {key: defaultdict(float) for key in held}
    stopped: dict[LinkKey, dict[int, set[BottleneckKind]]] = {key: defaultdict(set) for key in held}
    for allocated in allocation.flows:
        of = allocation.policy.slice_named(allocated.flow.slice)
        queue_id = queue_of(of.number, of.enforcement)
        for shares in (allocated.route.uses, allocated.route.returns):
            for key, share in shares.items():
                held[key][queue_id] += share * allocated.rate_bps
        for key in path_links(allocated.route.path):
            stopped[key][queue_id].add(allocated.bottleneck.kind)
            if allocated.flow.burst_bytes is not None:
                promised[key][queue_id] += allocated.flow.burst_bytes
    qos: dict[str, dict[int, PortQos]] = {switch: {} for switch in allocation.network.switches}
    for link in allocation.network.links.values():
        if link.source in qos and link.capacity_bps > 0:
            limited = {q for q, kinds in stopped[link.key].items() if BottleneckKind.LIMIT in kinds}
            limited.discard(queue_of(BEST_EFFORT))
            queues = _queues(link, held[link.key], promised[link.key], limited, allocation.policy.buffer_s)
            qos[link.source][link.port_no] = PortQos(link.port_no, _capacity(link), queues)
    return qos


def buffer_bytes(rate_bps: float, buffer_s: float) -> int:
    """How many bytes wait for ``buffer_s`` at a rate; at least :data:`MIN_BUFFER_BYTES`."""
    return max(int(rate_bps * buffer_s / 8), MIN_BUFFER_BYTES)


def _capacity(link: Link) -> int:
    return max(int(link.capacity_bps), MIN_QUEUE_BPS)


def _queues(
    link: Link,
    held_bps: Mapping[int, float],
    promised_bytes: Mapping[int, float],
    limited: Set[int],
    buffer_s: float,
) -> tuple[Queue, ...]:
    capacity = _capacity(link)
    free = link.capacity_bps - sum(held_bps.values())
    minimum = dict(held_bps)
    best_effort = queue_of(BEST_EFFORT)
    spare = max(0.0, min(free, BEST_EFFORT_SHARE * link.capacity_bps))
    minimum[best_effort] = minimum.get(best_effort, 0.0) + spare
    policed = held_bps.get(best_effort, 0.0)
    left = link.capacity_bps - (sum(held_bps.values()) - policed)
    queues = []
    for queue_id, rate in sorted(minimum.items()):
        least = min(capacity, max(MIN_QUEUE_BPS, int(rate)))
        drains: float = least
        if queue_id == best_effort:
            drains = max(least, left) if policed else capacity
        most = least if queue_id in limited else capacity
        burst_bytes = max(int(least * QUEUE_BURST_S / 8), MIN_QUEUE_BURST_BYTES)
        depth_bytes = buffer_bytes(drains, buffer_s) + math.ceil(promised_bytes.get(queue_id, 0.0))
        queues.append(Queue(queue_id, least, most, depth_bytes, burst_bytes))
    return tuple(queues)
