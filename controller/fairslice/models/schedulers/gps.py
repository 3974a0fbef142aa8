"""Generalized processor sharing: the fluid ideal, its virtual time, and when each packet would leave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import pairwise
from typing import Generic

from fairslice.errors import InputError
from fairslice.models.schedulers.traffic import Number, Served, Traffic

_CANCELLED = 10**6
"""By how much a weight may exceed what it is taken from."""
_MOST_WORK = 2e12
"""Of a schedule in fractions, in products of two bits: some seconds."""


class VirtualClock(Generic[Number]):
    """GPS, followed packet by packet as they come.

    All flows with a backlog are served at once, in proportion to their weights. Virtual time V is what a flow
    of weight 1 has been sent since the busy period began: dV/dt = r / (sum of the weights that have a backlog
    in GPS), and V = 0 at the beginning of each busy period. A packet of length L that comes at t has

        virtual start  S = max(V(t), F of the packet before it in its flow)
        virtual finish F = S + L / weight

    and leaves GPS when V = F (Parekh and Gallager 1993; Demers, Keshav and Shenker 1989). When a
    flow runs empty V becomes faster, so that the next may run empty sooner: packets leave one after another,
    each at the speed that the one before it has left (iterated deletion, Keshav 1997).

    An instant at which all has been sent ends the busy period, also if a packet comes right then. That is
    judged by the work alone, so that with floats no rounding of V can join two busy periods.

    The denominator of V grows with each sum of weights within a busy period: that of many weights without a
    common measure can get longer than is affordable. Then a packet that comes, or GPS that sends, raises
    InputError.

    Attributes:
        virtual_start: of each packet that has come.
        virtual_finish: of each packet that has come.
        finish: of each packet that has left GPS, in real time.
        virtual: V now.
    """

    def __init__(self, traffic: Traffic[Number]) -> None:
        count = len(traffic.arrival)
        zero = traffic.rate - traffic.rate
        self._zero: Number = zero
        self._traffic: Traffic[Number] = traffic
        self.virtual_start: list[Number] = [zero] * count
        self.virtual_finish: list[Number] = [zero] * count
        self.finish: list[Number] = [zero] * count
        self.virtual: Number = zero
        self._now: Number = zero
        self._weight: Number = zero
        self._heap: list[tuple[Number, int]] = []
        self._queued = [0] * len(traffic.weights)
        self._last: list[Number] = [zero] * len(traffic.weights)
        self._last_period = [-1] * len(traffic.weights)
        self._period = 0
        self._busy_until: Number | None = None
        self._work = 0.0

    def arrive(self, packet: int) -> None:
        """A packet comes; packets must come in the order of time."""
        traffic = self._traffic
        now, length, flow = traffic.arrival[packet], traffic.length[packet], traffic.flow[packet]
        if self._busy_until is None or now >= self._busy_until:
            self.run_empty()
            self._busy_until = now
            self._now, self.virtual = now, self._zero
            self._period += 1
        else:
            self.advance(now)
        self._busy_until += length / traffic.rate
        self._afford()
        start = self.virtual
        if self._last_period[flow] == self._period and self._last[flow] > start:
            start = self._last[flow]
        finish = start + length / traffic.weights[flow]
        self.virtual_start[packet], self.virtual_finish[packet] = start, finish
        self._last[flow], self._last_period[flow] = finish, self._period
        if not self._queued[flow]:
            self._weight += traffic.weights[flow]
        self._queued[flow] += 1
        heappush(self._heap, (finish, packet))

    def advance(self, now: Number) -> None:
        """Let GPS send until so late."""
        heap, rate = self._heap, self._traffic.rate
        while heap:
            left = self._now + (heap[0][0] - self.virtual) * self._weight / rate
            if left > now:
                break
            self._leave(left)
        if heap:
            self.virtual += (now - self._now) * rate / self._weight
        self._now = now

    def run_empty(self) -> None:
        """Let GPS send all that has come."""
        rate = self._traffic.rate
        while self._heap:
            self._leave(self._now + (self._heap[0][0] - self.virtual) * self._weight / rate)

    def _afford(self) -> None:
        virtual, now = self.virtual, self._now
        if isinstance(virtual, Fraction) and isinstance(now, Fraction):
            self._work += float(virtual.denominator.bit_length() + now.denominator.bit_length()) ** 2
            if self._work > _MOST_WORK:
                raise InputError(
                    "found weights, lengths and arrivals whose exact virtual times become too long to compute"
                    " with, expected fewer packets or flows, or numbers with a common denominator"
                )

    def _leave(self, time: Number) -> None:
        virtual, packet = heappop(self._heap)
        self.finish[packet] = self._now = time
        self.virtual = virtual
        self._afford()
        flow = self._traffic.flow[packet]
        self._queued[flow] -= 1
        if not self._queued[flow]:
            weight = self._traffic.weights[flow]
            self._weight -= weight
            if self._weight * _CANCELLED < weight:
                # Sums of floats don't come back to where they were: what is left here may be rounding alone.
                weights = zip(self._traffic.weights, self._queued, strict=True)
                self._weight = sum((one for one, queued in weights if queued), self._zero)


@dataclass(frozen=True)
class Fluid(Served[Number]):
    """What GPS makes of packets: ``start`` is when the packet's first bit would be sent.

    Attributes:
        virtual_start: of each packet, in the unit of length over that of weights.
        virtual_finish: of each packet.
    """

    virtual_start: list[Number]
    virtual_finish: list[Number]


def gps(traffic: Traffic[Number]) -> Fluid[Number]:
    """Serve packets as generalized processor sharing would; O(n log n) steps for n packets."""
    clock = VirtualClock(traffic)
    arrivals = traffic.in_order()
    for packet in arrivals:
        clock.arrive(packet)
    clock.run_empty()
    return fluid_of(traffic, clock, arrivals)


def fluid_of(traffic: Traffic[Number], clock: VirtualClock[Number], arrivals: list[int]) -> Fluid[Number]:
    """What a clock has found, once GPS has run empty; ``arrivals`` are the packets in the order of time."""
    finish = clock.finish
    start = list(traffic.arrival)
    before: dict[int, int] = {}
    for packet in arrivals:
        flow = traffic.flow[packet]
        if flow in before:
            start[packet] = max(start[packet], finish[before[flow]])
        before[flow] = packet
    order = sorted(arrivals, key=finish.__getitem__)
    return Fluid(order, start, finish, clock.virtual_start, clock.virtual_finish)


def virtual_time(traffic: Traffic[Number], fluid: Fluid[Number]) -> list[tuple[Number, Number]]:
    """V as a line through these points (time, V); it drops to 0 where a busy period ends.

    V is known where packets leave GPS, and 0 where a busy period begins. Between them it bends where a packet
    comes to a flow without a backlog, and there V is the packet's virtual start.
    """
    points: list[tuple[Number, Number]] = []
    zero = traffic.rate - traffic.rate
    busy_until: Number | None = None
    for packet in traffic.in_order():
        arrival = traffic.arrival[packet]
        if busy_until is None or arrival >= busy_until:
            if busy_until is not None:
                points.append((busy_until, zero))
            points.append((arrival, zero))
            busy_until = arrival
        elif fluid.start[packet] == arrival:
            points.append((arrival, fluid.virtual_start[packet]))
        busy_until += traffic.length[packet] / traffic.rate
        points.append((fluid.finish[packet], fluid.virtual_finish[packet]))
    if busy_until is not None:
        points.append((busy_until, zero))
    return _in_order(points, zero)


def even_pieces(
    points: Sequence[tuple[Number, Number]], start: Number, finish: Number
) -> Iterator[tuple[Number, Number, Number]]:
    """Where V rises evenly while GPS sends a packet: from, to, and dV/dt.

    A flow of weight w is sent w dV/dt in a unit of time, its share of the link.

    Args:
        points: what :func:`virtual_time` says.
        start: when GPS begins to send the packet.
        finish: when it has sent it.
    """
    for (before, low), (after, high) in pairwise(points):
        if start <= before < after <= finish:
            yield before, after, (high - low) / (after - before)


def _in_order(points: list[tuple[Number, Number]], zero: Number) -> list[tuple[Number, Number]]:
    """By time; where a busy period ends, V's last value comes before 0."""
    ordered: list[tuple[Number, Number]] = []
    for point in sorted(points, key=lambda one: (one[0], one[1] == zero, one[1])):
        if not ordered or ordered[-1] != point:
            ordered.append(point)
    return ordered
