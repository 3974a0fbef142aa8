"""A fake switch that does what a plan says and refuses what a real one refuses."""

from collections.abc import Callable, Mapping
from typing import Any

from fairslice.slicing.state.desired import Meter, SwitchState
from fairslice.slicing.state.diff import Plan
from fairslice.slicing.state.steps import (
    AddMeters,
    ChangeEntries,
    ChangeMeters,
    GrowQueues,
    RemoveMeters,
    ShrinkQueues,
    Step,
)


class FakeSwitch:
    """Holds a :class:`SwitchState` and applies plans to it, step by step.

    ``modifications`` counts meter and flow modifications, as a switch would see them.
    """

    def __init__(self, state: SwitchState | None = None) -> None:
        self.flows = dict(state.flows) if state else {}
        self.meters = dict(state.meters) if state else {}
        self.qos = dict(state.qos) if state else {}
        self.modifications = 0

    @property
    def state(self) -> SwitchState:
        """What the switch holds now."""
        return SwitchState(dict(self.flows), dict(self.meters), dict(self.qos))

    def apply(self, plan: Plan) -> None:
        """Do what ``plan`` says.

        Raises:
            ValueError: as :meth:`take`; the steps before it are done.
        """
        for step in plan.steps:
            self.take(step)

    def take(self, step: Step) -> None:
        """Do one step.

        Raises:
            ValueError: as a switch would answer with an error: an unknown or existing meter.
        """
        TAKES[type(step)](self, step)
        self.modifications += step.modifications

    def _write_queues(self, step: GrowQueues | ShrinkQueues) -> None:
        self.qos = dict(step.ports)

    def _add_meters(self, step: AddMeters) -> None:
        for meter in step.meters:
            if meter.meter_id in self.meters:
                raise ValueError(f"OFPMMFC_METER_EXISTS: {meter.meter_id}")
            self._set_meter(meter)

    def _change_meters(self, step: ChangeMeters) -> None:
        for meter in step.meters:
            if meter.meter_id not in self.meters:
                raise ValueError(f"OFPMMFC_UNKNOWN_METER: {meter.meter_id}")
            self._set_meter(meter)

    def _set_meter(self, meter: Meter) -> None:
        self.meters[meter.meter_id] = meter

    def _change_entries(self, step: ChangeEntries) -> None:
        """As a bundle: all of them or, if one is refused, none."""
        for entry in step.add:
            if entry.meter_id is not None and entry.meter_id not in self.meters:
                raise ValueError(f"OFPMMFC_UNKNOWN_METER: {entry}")
        self.flows.update((entry.key, entry) for entry in step.add)
        for entry in step.delete:
            self.flows.pop(entry.key, None)

    def _remove_meters(self, step: RemoveMeters) -> None:
        for meter in step.meters:
            self.meters.pop(meter.meter_id, None)
        # OpenFlow 1.3.5 §6.5: entries that name a deleted meter go with it.
        gone = {meter.meter_id for meter in step.meters}
        self.flows = {k: e for k, e in self.flows.items() if e.meter_id not in gone}


TAKES: Mapping[type[Step], Callable[[FakeSwitch, Any], None]] = {
    GrowQueues: FakeSwitch._write_queues,
    AddMeters: FakeSwitch._add_meters,
    ChangeMeters: FakeSwitch._change_meters,
    ChangeEntries: FakeSwitch._change_entries,
    RemoveMeters: FakeSwitch._remove_meters,
    ShrinkQueues: FakeSwitch._write_queues,
}
"""How it takes each kind of step."""
