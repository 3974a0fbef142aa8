"""Counters of all switches as one reading: what each flow has had delivered, and what queues have sent."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.control.app.passed import what_passed
from fairslice.slicing.state.labels import FLOW_METERS, RETURN_METERS, Cookie, Role, is_our_meter

if TYPE_CHECKING:
    from fairslice.control.app.session import Session


def read_counters(sessions: "Iterable[Session]", clock: Callable[[], float]) -> Counters:
    """Ask every switch; queues are read next to the entries that feed them, so that their ratio holds.

    Meters are read just before: what they dropped is taken from what entries counted.
    """
    flows: dict[int, FlowReading] = defaultdict(FlowReading)
    queues: list[QueueReading] = []
    ports: list[PortReading] = []
    for session in list(sessions):
        entered: dict[tuple[int, int], int] = defaultdict(int)
        entered_packets: dict[tuple[int, int], int] = defaultdict(int)
        with session.lock:
            meters = session.read_meter_counters()
            entries = session.read_flows()
            time_s = clock()
            sent = session.read_queue_counters()
            passed = session.read_port_counters()
        for counter in what_passed(entries, meters):
            cookie = Cookie.read(counter.entry.cookie)
            if counter.entry.queue_id is not None:
                for port in counter.entry.outputs:
                    entered[port, counter.entry.queue_id] += counter.bytes
                    entered_packets[port, counter.entry.queue_id] += counter.packets
            if cookie is None or not cookie.flow_number:
                continue
            flow = flows[cookie.flow_number]
            if cookie.role is Role.CLASSIFY:
                flow.offered_bytes += counter.bytes
                flow.offered_packets += counter.packets
            elif cookie.role in (Role.DELIVER, Role.PROBE):
                flow.delivered_bytes += counter.bytes
                flow.delivered_packets += counter.packets
            if cookie.role is Role.PROBE:
                flow.probe_bytes = (flow.probe_bytes or 0) + counter.bytes
                flow.probe_packets = (flow.probe_packets or 0) + counter.packets
        for meter in meters:
            if is_our_meter(meter.meter_id) and meter.meter_id < RETURN_METERS:
                flow = flows[meter.meter_id - FLOW_METERS]
                flow.metered_bytes += meter.dropped_bytes
                flow.metered_packets += meter.dropped_packets
        queues += [
            QueueReading(
                time_s=time_s if queue.duration_s is None else queue.duration_s,
                dpid=session.dpid,
                port_no=queue.port_no,
                queue_id=queue.queue_id,
                entered_bytes=entered[queue.port_no, queue.queue_id],
                sent_bytes=queue.bytes,
                sent_packets=queue.packets,
                entered_packets=entered_packets[queue.port_no, queue.queue_id],
                dropped_packets=queue.errors,
            )
            for queue in sent
        ]
        ports += [
            PortReading(
                time_s=time_s if port.duration_s is None else port.duration_s,
                dpid=session.dpid,
                port_no=port.port_no,
                received_bytes=port.received_bytes,
                sent_bytes=port.sent_bytes,
            )
            for port in passed
        ]
    return Counters(flows=dict(flows), queues=queues, ports=ports)
