"""Schedulers that send whole packets, one after the other: WFQ, WF2Q, deficit round robin and FIFO.

All are work-conserving and never stop a packet once it is being sent. They differ in which packet comes next,
and all choose among those that have come by then, those of that very instant included.
"""

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from heapq import heappop, heappush

from fairslice.models.schedulers.gps import Fluid, VirtualClock, fluid_of
from fairslice.models.schedulers.traffic import Number, Served, Traffic

_ROUNDING = 1e-12
"""By how much, relatively, V may miss a virtual start with floats, and the packet counts as eligible."""


def fifo(traffic: Traffic[Number]) -> Served[Number]:
    """First in, first out; ties by the order listed."""
    start, finish = list(traffic.arrival), list(traffic.arrival)
    order = traffic.in_order()
    now: Number | None = None
    for packet in order:
        start[packet] = traffic.arrival[packet] if now is None else max(now, traffic.arrival[packet])
        finish[packet] = now = start[packet] + traffic.length[packet] / traffic.rate
    return Served(order, start, finish)


def wfq(traffic: Traffic[Number], fluid: Fluid[Number]) -> Served[Number]:
    """Weighted fair queueing, which is PGPS: the smallest virtual finish first.

    Ties go to the packet that came first, then to the one that is listed first. No packet leaves later than
    its GPS finish + L_max/r, and no flow is behind GPS by more than L_max (Parekh and Gallager 1993;
    Demers, Keshav and Shenker 1989). O(log n) steps a packet.

    Args:
        traffic: the packets.
        fluid: what :func:`fairslice.models.schedulers.gps.gps` makes of them.
    """
    arrivals = traffic.in_order()
    arrival, length, rate, key = traffic.arrival, traffic.length, traffic.rate, fluid.virtual_finish
    count, here = len(arrivals), 0
    start, finish = list(arrival), list(arrival)
    order: list[int] = []
    heap: list[tuple[Number, int]] = []
    now = rate - rate
    while here < count or heap:
        if not heap:
            # The link has been idle, or the next packet came while the last one was sent.
            now = max(now, arrival[arrivals[here]]) if order else arrival[arrivals[here]]
        while here < count and arrival[arrivals[here]] <= now:
            heappush(heap, (key[arrivals[here]], here))
            here += 1
        packet = arrivals[heappop(heap)[1]]
        order.append(packet)
        start[packet] = now
        finish[packet] = now = now + length[packet] / rate
    return Served(order, start, finish)


def wf2q(traffic: Traffic[Number]) -> tuple[Fluid[Number], Served[Number]]:
    """Worst-case fair weighted fair queueing: the smallest virtual finish among packets that GPS has begun.

    A packet is eligible once V has reached its virtual start. So no flow is ahead of GPS by more than one
    packet, and it is not behind by more than WFQ (Bennett and Zhang 1996). Ties as in :func:`wfq`.

    Returns:
        What GPS makes of the packets, and what WF2Q does.
    """
    clock = VirtualClock(traffic)
    arrivals = traffic.in_order()
    arrival, length, rate = traffic.arrival, traffic.length, traffic.rate
    count, here = len(arrivals), 0
    start, finish = list(arrival), list(arrival)
    order: list[int] = []
    waiting: list[tuple[Number, int]] = []
    eligible: list[tuple[Number, int]] = []
    exact = isinstance(rate, Fraction)
    now = rate - rate
    while here < count or waiting or eligible:
        if not waiting and not eligible:
            now = max(now, arrival[arrivals[here]]) if order else arrival[arrivals[here]]
        while here < count and arrival[arrivals[here]] <= now:
            packet = arrivals[here]
            clock.arrive(packet)
            heappush(waiting, (clock.virtual_start[packet], here))
            here += 1
        clock.advance(now)
        virtual = clock.virtual if exact else clock.virtual * (1 + _ROUNDING)
        while waiting and (waiting[0][0] <= virtual or not (exact or eligible)):
            _, rank = heappop(waiting)
            heappush(eligible, (clock.virtual_finish[arrivals[rank]], rank))
        packet = arrivals[heappop(eligible)[1]]
        order.append(packet)
        start[packet] = now
        finish[packet] = now = now + length[packet] / rate
    clock.run_empty()
    return fluid_of(traffic, clock, arrivals), Served(order, start, finish)


def drr(traffic: Traffic[Number], quanta: Sequence[Number]) -> Served[Number]:
    """Deficit round robin: in its turn a flow may send its quantum, and keeps what it could not use.

    Flows with packets stand in a list. The first one's deficit grows by its quantum; it sends packets while
    they are not longer than its deficit, then goes to the end of the list. A flow whose last packet has left
    loses its deficit and leaves the list; what comes while that packet is sent still counts as there, and
    flows that come meanwhile stand in the list before the one that is served. While flows have packets, what
    two of them have sent, each over its quantum, differs by at most 1 + L_max/quantum of the one +
    L_max/quantum of the other (Shreedhar and Varghese 1996). A quantum may be less than a packet.

    Args:
        traffic: the packets; weights do not matter.
        quanta: of each flow, above 0, in the unit of length.
    """
    arrivals = deque(traffic.in_order())
    arrival, length, rate = traffic.arrival, traffic.length, traffic.rate
    zero = rate - rate
    start, finish = list(arrival), list(arrival)
    order: list[int] = []
    queues: list[deque[int]] = [deque() for _ in quanta]
    deficit = [zero] * len(quanta)
    turns: deque[int] = deque()
    idle_turns = 0

    def come(now: Number, served: int | None) -> None:
        while arrivals and arrival[arrivals[0]] <= now:
            packet = arrivals.popleft()
            flow = traffic.flow[packet]
            if not queues[flow] and flow != served:
                turns.append(flow)
            queues[flow].append(packet)

    now = zero
    while arrivals or turns:
        if not turns:
            now = max(now, arrival[arrivals[0]]) if order else arrival[arrivals[0]]
            come(now, None)
        if idle_turns >= len(turns):
            _skip_rounds(turns, deficit, quanta, [length[queues[flow][0]] for flow in turns])
            idle_turns = 0
        flow = turns.popleft()
        queue = queues[flow]
        deficit[flow] += quanta[flow]
        idle_turns += 1
        while queue and length[queue[0]] <= deficit[flow]:
            idle_turns = 0
            packet = queue.popleft()
            deficit[flow] -= length[packet]
            order.append(packet)
            start[packet] = now
            finish[packet] = now = now + length[packet] / rate
            come(now, flow)
        if queue:
            turns.append(flow)
        else:
            deficit[flow] = zero
    return Served(order, start, finish)


def _skip_rounds(
    turns: Sequence[int], deficit: list[Number], quanta: Sequence[Number], heads: Sequence[Number]
) -> None:
    """Go over all whole rounds at once in which nobody could send: no time passes in them."""
    rounds = min(
        int(-((deficit[flow] - head) // quanta[flow])) for flow, head in zip(turns, heads, strict=True)
    )
    for flow in turns:
        deficit[flow] += max(0, rounds - 1) * quanta[flow]
