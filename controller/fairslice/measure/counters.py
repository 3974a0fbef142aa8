"""From two snapshots of switch counters to rates, in bit/s of Ethernet frames. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from fairslice.errors import MachineError

Key = TypeVar("Key", bound=Hashable)

NOISE = 0.005
"""A queue's backlog differs between two snapshots: so small a part missing tells nothing of drops."""


@dataclass(frozen=True, slots=True)
class FlowCounter:
    """What a flow entry or a queue has counted (OpenFlow 1.3.5 §5.8); ``bytes`` are of Ethernet frames."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class Snapshot(Generic[Key]):
    """Counters read together at ``time_s`` of a monotonic clock; a copy, never to change."""

    time_s: float
    counters: Mapping[Key, FlowCounter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "counters", MappingProxyType(dict(self.counters)))


@dataclass(frozen=True)
class Rates(Generic[Key]):
    """Counters' rise over ``window_s``."""

    window_s: float
    rises: Mapping[Key, FlowCounter]

    def rate_bps(self, key: Key) -> float:
        """Rate of one counter; KeyError if it was not read."""
        return self.rises[key].bytes * 8 / self.window_s

    def rate_pps(self, key: Key) -> float:
        """Frames a second of one counter; KeyError if it was not read."""
        return self.rises[key].packets / self.window_s


def difference(before: Snapshot[Key], after: Snapshot[Key]) -> Rates[Key]:
    """How far every counter rose; one that only ``after`` has began at 0.

    The counters have 64 bits, 4 centuries at 10 Gbit/s: one that went back was reset, it did not wrap.

    Raises:
        MachineError: no time between the snapshots, or counters that went back or are gone, all named.
    """
    window_s = after.time_s - before.time_s
    if not window_s > 0:
        raise MachineError(
            f"counters: the second snapshot is {window_s} s after the first; expected more than 0 s"
        )
    faults = []
    for key, old in before.counters.items():
        new = after.counters.get(key)
        if new is None:
            faults.append(f"{key}: its counter is gone after {old.bytes} bytes")
        elif new.bytes < old.bytes or new.packets < old.packets:
            faults.append(
                f"{key}: its counter went back from {old.packets} packets, {old.bytes} bytes "
                f"to {new.packets} packets, {new.bytes} bytes"
            )
    if faults:
        raise MachineError("switch counters were reset during the measurement:\n  " + "\n  ".join(faults))
    zero = FlowCounter(0, 0)
    rises = {}
    for key, new in after.counters.items():
        old = before.counters.get(key, zero)
        rises[key] = FlowCounter(new.packets - old.packets, new.bytes - old.bytes)
    return Rates(window_s, MappingProxyType(rises))


def rate_bps(before: Snapshot[Key], after: Snapshot[Key]) -> Mapping[Key, float]:
    """Every counter's rate, in bit/s of Ethernet frames.

    Raises:
        MachineError: as :func:`difference`.
    """
    rates = difference(before, after)
    return {key: rates.rate_bps(key) for key in rates.rises}


def delivered(
    arrivals: Mapping[Key, int], queue_tx: int | None, queue_arrivals: int, noise: float = NOISE
) -> Mapping[Key, float]:
    """Bytes of each flow that left the last queue, from what arrived at it.

    A flow entry counts frames before the queue that may drop them, and a queue does not know flows. Its drops
    are laid on all that arrived in proportion, which a tail-dropping queue does on average.

    Args:
        arrivals: bytes of each flow that were sent into the queue.
        queue_tx: bytes that left it; None where they are not counted, and nothing is corrected.
        queue_arrivals: bytes of all, acknowledgements and other flows too, that were sent into it.
        noise: part of the arrivals that may lack without a drop, because they still wait in the queue.

    Raises:
        ValueError: bytes below 0, or flows that arrived with more bytes than all together.
    """
    total = sum(arrivals.values())
    if min((queue_arrivals, queue_tx or 0, *arrivals.values())) < 0 or total > queue_arrivals:
        raise ValueError(
            f"flows arrived with {total} bytes, the queue with {queue_arrivals} and sent {queue_tx}; "
            "expected none below 0, and flows no more than the queue"
        )
    factor = 1.0
    if queue_tx is not None and queue_arrivals > 0 and queue_tx < queue_arrivals * (1 - noise):
        factor = queue_tx / queue_arrivals
    return {flow: count * factor for flow, count in arrivals.items()}
