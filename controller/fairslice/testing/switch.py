"""A fake switch that does what a plan says and refuses what a real one refuses."""

from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.diff import Plan


class FakeSwitch:
    """Holds a :class:`SwitchState` and applies plans to it in their order.

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
            ValueError: as a switch would answer with an error: an unknown or existing meter.
        """
        if plan.grow_qos is not None:
            self.qos = dict(plan.grow_qos)
        for meter in plan.add_meters:
            if meter.meter_id in self.meters:
                raise ValueError(f"OFPMMFC_METER_EXISTS: {meter.meter_id}")
            self.meters[meter.meter_id] = meter
        for meter in plan.modify_meters:
            if meter.meter_id not in self.meters:
                raise ValueError(f"OFPMMFC_UNKNOWN_METER: {meter.meter_id}")
            self.meters[meter.meter_id] = meter
        for entry in plan.add_flows:
            if entry.meter_id is not None and entry.meter_id not in self.meters:
                raise ValueError(f"OFPMMFC_UNKNOWN_METER: {entry}")
            self.flows[entry.key] = entry
        for entry in plan.delete_flows:
            self.flows.pop(entry.key, None)
        for meter in plan.delete_meters:
            self.meters.pop(meter.meter_id, None)
            # OpenFlow 1.3.5 §6.5: entries that name a deleted meter go with it.
            self.flows = {k: e for k, e in self.flows.items() if e.meter_id != meter.meter_id}
        if plan.shrink_qos is not None:
            self.qos = dict(plan.shrink_qos)
        self.modifications += sum(n for what, n in plan.counts() if what != "queues")
