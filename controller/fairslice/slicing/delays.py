"""How long frames of flows that promise a token bucket may take, at most: hop by hop through their queues.

A flow with a ``burst`` beside its ``demand`` sends no more than ``burst + demand * t`` in any time t (Cruz
1991). A slice's queue is served at its min-rate at the least, and later than a fluid would be by the largest
frame that may be on the wire (Parekh and Gallager 1993) and by what the port's other queues may
catch up with, which HTB lets them send at once. From both follows what waits there at most:

* A flow that is alone in its queue at every hop meets its burst once (Parekh and Gallager 1994).
* Where flows share a queue, which is first in, first out, the bursts of all of them may be before a frame
  (Cruz 1991, part II). A flow's burst grows on its way by what it sends in the delay before (Le Boudec and
  Thiran 2001, section 1.4).
* Where one of them promises nothing, or acknowledgements wait there, too, the queue may be full: its depth
  counts.

Times count from a frame's arrival at the first switch to its last bit at the receiver.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairslice.errors import Fault, InfeasibleError
from fairslice.slicing.allocation import AllocatedFlow, NetworkAllocation
from fairslice.slicing.state.desired import Queue
from fairslice.slicing.state.labels import BEST_EFFORT, queue_of
from fairslice.slicing.state.queues import port_queues
from fairslice.topology.network import LinkKey, link_name
from fairslice.topology.paths import path_links
from fairslice.units import FULL_FRAME_BYTES, format_duration, format_rate

_ROUNDING = 1e-9
_FRAME_BITS = 8 * FULL_FRAME_BYTES
_ROUNDS = 20
"""How often bursts and delays are found from each other, at most; every round's are bounds."""
_QueueKey = tuple[LinkKey, int]


@dataclass(frozen=True, slots=True)
class HopDelay:
    """The wait at one queue of a flow's way, in seconds, at most.

    ``rate_bps`` is what the queue is guaranteed. The wait is for what may be ahead in the queue, and for what
    other queues may send first; ``full`` tells that all of the queue's depth may be ahead.
    """

    link: str
    queue_id: int
    rate_bps: float
    delay_s: float
    full: bool


@dataclass(frozen=True, slots=True)
class FlowDelay:
    """What a flow's frames may take from the first switch to the receiver, in seconds, at most.

    ``bound_s`` is None where there is no bound; ``why`` says then what is missing. It is the sum of the waits
    at ``hops``, its queues in order, and of ``propagation_s``.
    """

    flow: str
    number: int
    asked_s: float | None
    bound_s: float | None
    hops: tuple[HopDelay, ...]
    propagation_s: float
    why: str = ""

    @property
    def costliest(self) -> HopDelay:
        """The hop with the longest wait."""
        return max(self.hops, key=lambda hop: hop.delay_s)

    @property
    def kept(self) -> bool:
        """Whether the delay that the flow asks for, if any, is never exceeded."""
        if self.asked_s is None:
            return True
        return self.bound_s is not None and self.bound_s <= self.asked_s * (1 + _ROUNDING)


def flow_delays(allocation: NetworkAllocation) -> tuple[FlowDelay, ...]:
    """The bounds of all flows that promise a burst, in the order of the policy."""
    promising = [a for a in allocation.flows if a.flow.burst_bytes is not None]
    if not promising:
        return ()
    network = allocation.network
    queues = _Queues(allocation)
    waits = queues.waits()
    found = []
    for allocated in promising:
        flow, keys = allocated.flow, queues.of_flow[allocated.flow.number]
        alone, shared = queues.alone(allocated, keys), [waits[key] for key in keys]
        at_hops = shared if alone is None else min(alone, shared, key=sum)
        hops = tuple(
            HopDelay(link_name(key[0]), key[1], queues.rate_bps(key), wait_s, not queues.all_promise(key))
            for key, wait_s in zip(keys, at_hops, strict=True)
        )
        propagation_s = sum(network.links[key].delay_s for key in path_links(allocated.route.path)[1:])
        why = _lacking(allocated, allocation)
        bound_s = None if why else sum(at_hops) + propagation_s
        found.append(FlowDelay(flow.id, flow.number, flow.delay_s, bound_s, hops, propagation_s, why))
    return tuple(found)


def admit(allocation: NetworkAllocation) -> None:
    """Refuse delays that can't be kept.

    Raises:
        InfeasibleError: with every flow whose bound is above what it asks for, and the hop that costs most.
            Its ``floors`` and ``capacity`` are the first one's bound and what it asks for, in seconds.
    """
    broken = _broken(allocation)
    if not broken:
        return
    asked = sum(a.flow.delay_s is not None for a in allocation.flows)
    places = {a.flow.number: a.flow.location for a in allocation.flows}
    first = broken[0]
    raise InfeasibleError(
        f"{len(broken)} of {asked} delays that flows ask for can't be kept",
        link=first.costliest.link if first.hops else "",
        flows=tuple(delay.flow for delay in broken),
        floors=first.bound_s or 0.0,
        capacity=first.asked_s or 0.0,
        details=tuple(Fault(_told(delay), places[delay.number]) for delay in broken),
    )


def broken_delays(allocation: NetworkAllocation) -> tuple[str, ...]:
    """The flows whose frames may take longer than they ask for, each in a sentence."""
    return tuple(map(_told, _broken(allocation)))


def _broken(allocation: NetworkAllocation) -> list[FlowDelay]:
    return [delay for delay in flow_delays(allocation) if not delay.kept]


def _told(delay: FlowDelay) -> str:
    asked = f"{delay.flow} asks for {format_duration(delay.asked_s or 0.0)}"
    if delay.bound_s is None:
        return f"{asked}, and there is no bound: {delay.why}"
    hop = delay.costliest
    most = f"most of it, {format_duration(hop.delay_s)}, at {hop.link}"
    return (
        f"{asked}, and may take {format_duration(delay.bound_s)}, {most}, where its queue has"
        f" {format_rate(hop.rate_bps)}{', and may be full' if hop.full else ''}"
    )


def _lacking(allocated: AllocatedFlow, allocation: NetworkAllocation) -> str:
    """Why a flow has no bound, in words; "" if it has one."""
    demand_bps = allocated.flow.demand_bps or 0.0
    if allocated.rate_bps < demand_bps * (1 - _ROUNDING):
        return f"it gets {format_rate(allocated.rate_bps)} of its demand of {format_rate(demand_bps)}"
    if not allocation.policy.slice_named(allocated.flow.slice).enforcement.shapes:
        return f"slice {allocated.flow.slice} is policed only, and has no queue of its own"
    if len(allocated.route.paths) > 1:
        return "it may use several paths"
    return ""


class _Queues:
    """The queues that flows wait in on their way, and who else does."""

    def __init__(self, allocation: NetworkAllocation) -> None:
        self._network = allocation.network
        ports = port_queues(allocation)
        self._queue: dict[_QueueKey, Queue] = {}
        self.members: Mapping[_QueueKey, list[AllocatedFlow]] = defaultdict(list)
        self.of_flow: dict[int, list[_QueueKey]] = {}
        self._acknowledged: set[_QueueKey] = set()
        self._catch_up_bits: dict[_QueueKey, float] = defaultdict(float)
        for allocated in allocation.flows:
            of = allocation.policy.slice_named(allocated.flow.slice)
            queue_id = queue_of(of.number, of.enforcement)
            keys = [(key, queue_id) for key in allocated.route.uses if key[0] in ports]
            self.of_flow[allocated.flow.number] = keys
            for key in keys:
                self.members[key].append(allocated)
            if allocated.rate_bps:
                self._acknowledged.update((key, queue_id) for key in allocated.route.returns)
        for key in self.members:
            (source, _), queue_id = key
            qos = ports[source].get(self._network.links[key[0]].port_no)
            for queue in () if qos is None else qos.queues:
                if queue.queue_id == queue_id:
                    self._queue[key] = queue
                else:
                    self._catch_up_bits[key] += 8 * queue.burst_bytes

    def rate_bps(self, key: _QueueKey) -> float:
        """What the queue is guaranteed."""
        return float(self._queue[key].min_rate_bps) if key in self._queue else 0.0

    def all_promise(self, key: _QueueKey) -> bool:
        """Whether all that waits there promises a burst, and is allocated its demand."""
        return (
            key not in self._acknowledged
            and key[1] != queue_of(BEST_EFFORT)
            and all(
                a.flow.burst_bytes is not None and a.rate_bps >= (a.flow.demand_bps or 0.0) * (1 - _ROUNDING)
                for a in self.members[key]
            )
        )

    def alone(self, allocated: AllocatedFlow, keys: Sequence[_QueueKey]) -> list[float] | None:
        """The waits of a flow that shares no queue; None if it shares one.

        It meets its burst once, at the slowest, and at each other hop a frame of its own.
        """
        if not all(self.members[key] == [allocated] and self.all_promise(key) for key in keys):
            return None
        burst_bits = 8 * (allocated.flow.burst_bytes or 0.0)
        slowest = min(range(len(keys)), key=lambda at: self.rate_bps(keys[at]))
        rate_bps = self.rate_bps(keys[slowest])
        return [
            (burst_bits if at == slowest else min(_FRAME_BITS, burst_bits)) / rate_bps + self._others_s(key)
            for at, key in enumerate(keys)
        ]

    def waits(self) -> Mapping[_QueueKey, float]:
        """The wait at each queue, at most, in seconds.

        It begins with queues that are full. Bursts at later hops follow from waits at earlier ones, and waits
        from bursts; each round's waits are bounds, since those of the round before were.
        """
        waits = {
            key: 8 * self._queue[key].buffer_bytes / self.rate_bps(key) + self._others_s(key)
            for key in self._queue
        }
        promised = [key for key in waits if self.all_promise(key)]
        for _ in range(_ROUNDS):
            bursts = self._bursts_bits(promised, waits)
            shorter = {key: bursts[key] / self.rate_bps(key) + self._others_s(key) for key in promised}
            changed = {key: wait for key, wait in shorter.items() if wait < waits[key] * (1 - _ROUNDING)}
            if not changed:
                break
            waits |= changed
        return waits

    def _bursts_bits(
        self, promised: Iterable[_QueueKey], waits: Mapping[_QueueKey, float]
    ) -> Mapping[_QueueKey, float]:
        bursts = dict.fromkeys(promised, 0.0)
        flows = {a.flow.number: a for key in bursts for a in self.members[key]}
        for number, allocated in flows.items():
            earlier_s = 0.0
            for key in self.of_flow[number]:
                if key in bursts:
                    bits = 8 * (allocated.flow.burst_bytes or 0.0)
                    bursts[key] += bits + (allocated.flow.demand_bps or 0.0) * earlier_s
                earlier_s += waits.get(key, 0.0)
        return bursts

    def _others_s(self, key: _QueueKey) -> float:
        """What other queues may send first: the frame on the wire, and what they catch up with."""
        return (_FRAME_BITS + self._catch_up_bits[key]) / self._network.links[key[0]].capacity_bps
