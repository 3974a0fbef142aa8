"""How long a packet may take at most through a path of WFQ nodes, if its flow is a token bucket."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Hop:
    """One node of a path: a link with a WFQ scheduler before it.

    Attributes:
        rate: what the flow is guaranteed here while it has a backlog (weight over all weights, times
            capacity).
        capacity: of the link.
        largest_packet: of any flow here; a packet that is being sent is not stopped.
    """

    rate: float
    capacity: float
    largest_packet: float


@dataclass(frozen=True)
class DelayBound:
    """The largest delay, and what it consists of; all in the unit of time.

    Attributes:
        burst: until the slowest hop has sent the whole bucket, once for the whole path; infinite where the
            flow sends more than that hop guarantees.
        slowest: the place in the path of the hop with the smallest guarantee.
        packet: of each hop, until the flow's own largest packet is whole again for the next one; 0 at the
            last.
        other: of each hop, until a packet of another flow, just begun, is out of the way.
    """

    burst: float
    slowest: int
    packet: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def total(self) -> float:
        """The bound; a path's propagation is not in it."""
        return self.burst + sum(self.packet) + sum(self.other)

    @property
    def hops(self) -> tuple[float, ...]:
        """What each hop costs; the burst counts at the slowest."""
        own = zip(self.packet, self.other, strict=True)
        return tuple(
            packet + other + (self.burst if place == self.slowest else 0)
            for place, (packet, other) in enumerate(own)
        )


def delay_bound(burst: float, rate: float, largest_packet: float, hops: Sequence[Hop]) -> DelayBound:
    r"""How long a packet of a flow takes at most, from its last bit in to its last bit out of the last hop.

    The flow sends no more than ``burst + rate * t`` in any time t: a token bucket (sigma, rho). With g_m
    what hop m guarantees to it, C_m its capacity, L the flow's largest packet and L_m the largest of all at
    hop m, of K hops,

        D = sigma / min g_m  +  sum_{m < K} L / g_m  +  sum_m L_m / C_m

    Where all g_m are the same this is Parekh and Gallager 1994 (IEEE/ACM Trans. Networking 2(2)); with
    different ones it is Goyal, Lam and Vin 1997 (Multimedia Systems 5(3)), and follows from service curves
    (Le Boudec and Thiran 2001, sections 1.4.3 and 1.7): a WFQ node serves the flow at least like a pipe that
    waits L_m/C_m (:func:`fairslice.models.schedulers.traffic.lag_bound`), then passes g_m, then hands on
    whole packets. Pipes in a row are one pipe, as slow as the slowest and with all waits together, so that
    the burst is paid once; making whole packets costs L/g_m, but at the last hop nothing.

    Assumptions: each hop is a WFQ (PGPS) or WF2Q node, whose link sends at its capacity; guarantees of all
    flows together fit; no queue overflows. How other flows behave does not matter.

    Args:
        burst: sigma, at least ``largest_packet``.
        rate: rho, 0 or more. Above the smallest guarantee there is no bound: it is infinite.
        largest_packet: L, above 0.
        hops: at least one.

    Raises:
        ValueError: a number is not in its range.
    """
    if not hops:
        raise ValueError("found no hops, expected at least one")
    if not (largest_packet > 0 and burst >= largest_packet and rate >= 0):
        raise ValueError(
            f"found burst {burst}, rate {rate} and largest packet {largest_packet}, "
            "expected a packet above 0, a burst that holds it, and a rate from 0 up"
        )
    for place, hop in enumerate(hops):
        if not (0 < hop.rate <= hop.capacity and hop.largest_packet >= 0):
            raise ValueError(
                f"found hop {place} with rate {hop.rate}, capacity {hop.capacity} and largest packet "
                f"{hop.largest_packet}; expected a rate above 0, up to the capacity, and a packet from 0 up"
            )
    slowest = min(range(len(hops)), key=lambda place: hops[place].rate)
    least = hops[slowest].rate
    return DelayBound(
        burst=burst / least if rate <= least else math.inf,
        slowest=slowest,
        packet=(*(largest_packet / hop.rate for hop in hops[:-1]), 0),
        other=tuple(hop.largest_packet / hop.capacity for hop in hops),
    )
