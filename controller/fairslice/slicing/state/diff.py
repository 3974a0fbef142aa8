"""The plan: the ordered difference between what a switch holds and what it should hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fairslice.slicing.state.desired import FlowEntry, Meter, PortQos, SwitchState


@dataclass(frozen=True)
class Plan:
    """What to do to one switch, in the order of the fields; each is a step that ends with a barrier.

    No flow entry ever names a meter that is not there, new entries come before old ones go, and what is
    deleted goes last. ``add_flows`` replace entries of the same table, priority and match.
    """

    grow_qos: Mapping[int, PortQos] | None
    """The ports' QoS with the queues of both states; None if nothing changes."""
    add_meters: tuple[Meter, ...]
    modify_meters: tuple[Meter, ...]
    add_flows: tuple[FlowEntry, ...]
    delete_flows: tuple[FlowEntry, ...]
    delete_meters: tuple[Meter, ...]
    shrink_qos: Mapping[int, PortQos] | None
    """The ports' QoS in the end; None if :attr:`grow_qos` has done it."""

    def __bool__(self) -> bool:
        return any(bool(count) for _, count in self.counts())

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many modifications of each kind the plan makes; ports count for queues."""
        yield "queues", (self.grow_qos is not None) + (self.shrink_qos is not None)
        yield "meters added", len(self.add_meters)
        yield "meters modified", len(self.modify_meters)
        yield "flows added", len(self.add_flows)
        yield "flows deleted", len(self.delete_flows)
        yield "meters deleted", len(self.delete_meters)


def plan(installed: SwitchState, desired: SwitchState) -> Plan:
    """What turns ``installed`` into ``desired``; empty if they are equal."""
    both = _union_of_queues(installed.qos, desired.qos)
    return Plan(
        grow_qos=both if both != dict(installed.qos) else None,
        add_meters=tuple(m for i, m in sorted(desired.meters.items()) if i not in installed.meters),
        modify_meters=tuple(
            m for i, m in sorted(desired.meters.items()) if i in installed.meters and installed.meters[i] != m
        ),
        add_flows=tuple(e for k, e in desired.flows.items() if installed.flows.get(k) != e),
        delete_flows=tuple(e for k, e in installed.flows.items() if k not in desired.flows),
        delete_meters=tuple(m for i, m in sorted(installed.meters.items()) if i not in desired.meters),
        shrink_qos=desired.qos if both != dict(desired.qos) else None,
    )


def _union_of_queues(installed: Mapping[int, PortQos], desired: Mapping[int, PortQos]) -> dict[int, PortQos]:
    union = {**installed, **desired}
    for port_no in installed.keys() & desired.keys():
        wanted = desired[port_no]
        kept = {q.queue_id: q for q in installed[port_no].queues} | {q.queue_id: q for q in wanted.queues}
        union[port_no] = replace(wanted, queues=tuple(kept[i] for i in sorted(kept)))
    return union
