"""The kinds of steps that a plan is made of, and the one table of their order.

A new kind is a class here, its place in :data:`ORDER`, and an entry in the table of each that carries steps
out: messages (:mod:`fairslice.control.openflow.encode`), the conversation with a switch
(:mod:`fairslice.control.app.session`) and the fake switch (:mod:`fairslice.testing.switch`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from fairslice.slicing.state.desired import FlowEntry, Meter, PortQos, SwitchState


class Step(ABC):
    """A part of a plan. The next one begins when the switch has done all of it."""

    @classmethod
    @abstractmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """What this kind of step does on the way from one state to the other; None for nothing."""

    @abstractmethod
    def counts(self) -> Iterator[tuple[str, int]]:
        """How much of what the step does."""

    @property
    def modifications(self) -> int:
        """How many meter and flow modifications it sends."""
        return sum(count for _, count in self.counts())


@dataclass(frozen=True)
class _Queues(Step):
    ports: Mapping[int, PortQos]
    """The QoS of all ports, by port_no."""

    def counts(self) -> Iterator[tuple[str, int]]:
        """All queues of a switch are written at once."""
        yield "queues", 1

    @property
    def modifications(self) -> int:
        """None: queues are not written through OpenFlow."""
        return 0


class GrowQueues(_Queues):
    """Give the ports the queues of both states, with the rates of the desired one."""

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """Nothing if there is no queue to add or to change."""
        both = _queues_of_both(installed, desired)
        return cls(both) if both != dict(installed.qos) else None


class ShrinkQueues(_Queues):
    """Take away queues that are no longer wanted."""

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """Nothing if :class:`GrowQueues` leaves what is desired."""
        return cls(desired.qos) if _queues_of_both(installed, desired) != dict(desired.qos) else None


@dataclass(frozen=True)
class AddMeters(Step):
    """Add meters that the switch does not have."""

    meters: tuple[Meter, ...]

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """In rising order of meter_id."""
        new = tuple(m for i, m in sorted(desired.meters.items()) if i not in installed.meters)
        return cls(new) if new else None

    def counts(self) -> Iterator[tuple[str, int]]:
        """Meters."""
        yield "meters added", len(self.meters)


@dataclass(frozen=True)
class ChangeMeters(Step):
    """Give meters another rate or burst. Each starts with a full bucket."""

    meters: tuple[Meter, ...]
    """As they should be."""

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """In rising order of meter_id; a meter that does not differ is not sent."""
        changed = tuple(m for i, m in sorted(desired.meters.items()) if installed.meters.get(i, m) != m)
        return cls(changed) if changed else None

    def counts(self) -> Iterator[tuple[str, int]]:
        """Meters."""
        yield "meters modified", len(self.meters)


@dataclass(frozen=True)
class ChangeEntries(Step):
    """Make all changes of flow entries at once: every packet meets the old entries or the new ones.

    ``add`` replace entries of the same table, priority and match. If one change is refused, none is made.
    """

    add: tuple[FlowEntry, ...]
    delete: tuple[FlowEntry, ...]

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """An entry that does not differ is not sent, so that its counters go on."""
        if installed.flows is desired.flows:
            return None
        there, wanted = installed.flows, desired.flows
        # Most are the same objects, which is told sooner than that they are equal.
        add = tuple(e for k, e in wanted.items() if (was := there.get(k)) is not e and was != e)
        delete = tuple(e for k, e in there.items() if k not in wanted)
        return cls(add, delete) if add or delete else None

    def counts(self) -> Iterator[tuple[str, int]]:
        """Flow entries; a replaced one counts as added."""
        yield "flows added", len(self.add)
        yield "flows deleted", len(self.delete)


@dataclass(frozen=True)
class RemoveMeters(Step):
    """Delete meters that no entry names any longer."""

    meters: tuple[Meter, ...]

    @classmethod
    def between(cls, installed: SwitchState, desired: SwitchState) -> Self | None:
        """In rising order of meter_id."""
        old = tuple(m for i, m in sorted(installed.meters.items()) if i not in desired.meters)
        return cls(old) if old else None

    def counts(self) -> Iterator[tuple[str, int]]:
        """Meters."""
        yield "meters deleted", len(self.meters)


ORDER: tuple[type[Step], ...] = (
    GrowQueues,
    AddMeters,
    ChangeMeters,
    ChangeEntries,
    RemoveMeters,
    ShrinkQueues,
)
"""Every kind of step, in the order in which a plan takes them.

What entries name is made before them and goes after them, so that an entry never names a queue or a meter
that is not there.
"""


def _queues_of_both(installed: SwitchState, desired: SwitchState) -> dict[int, PortQos]:
    union = {**installed.qos, **desired.qos}
    for port_no in installed.qos.keys() & desired.qos.keys():
        wanted = desired.qos[port_no]
        if [q.queue_id for q in installed.qos[port_no].queues] == [q.queue_id for q in wanted.queues]:
            continue
        kept = {q.queue_id: q for queues in (installed.qos[port_no], wanted) for q in queues.queues}
        union[port_no] = replace(wanted, queues=tuple(kept[i] for i in sorted(kept)))
    return union
