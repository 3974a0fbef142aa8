"""Counters of several switches become one reading."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import cast

import pytest

from fairslice.api.counters import Counters
from fairslice.control.app.counters import read_counters
from fairslice.control.app.session import Session
from fairslice.control.openflow.decode import EntryCounter, MeterCounter, PortCounter, QueueCounter
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import FlowEntry
from fairslice.slicing.state.labels import FLOW_METERS, RETURN_METERS, Cookie, Role


@dataclass
class FakeSession:
    """What one switch answers, and in which order it was asked."""

    dpid: int
    entries: list[EntryCounter] = field(default_factory=list)
    queues: list[QueueCounter] = field(default_factory=list)
    ports: list[PortCounter] = field(default_factory=list)
    meters: list[MeterCounter] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    broken: bool = False

    @property
    def lock(self) -> AbstractContextManager[None]:
        self.asked.append("lock")
        return nullcontext()

    def read_flows(self) -> list[EntryCounter]:
        self.asked.append("flows")
        if self.broken:
            raise MachineError("gone")
        return self.entries

    def read_queue_counters(self) -> list[QueueCounter]:
        self.asked.append("queues")
        return self.queues

    def read_port_counters(self) -> list[PortCounter]:
        return self.ports

    def read_meter_counters(self) -> list[MeterCounter]:
        return self.meters


def entry(
    role: Role,
    count: int,
    flow: int = 0,
    *,
    queue: int | None = None,
    outputs: tuple[int, ...] = (),
    slice_: int = 1,
) -> EntryCounter:
    """``count`` packets of 100 bytes."""
    cookie = int(Cookie(role, slice_, flow))
    return EntryCounter(FlowEntry(0, 1, (), cookie, queue_id=queue, outputs=outputs), count, 100 * count)


def queue(port: int, number: int, count: int) -> QueueCounter:
    return QueueCounter(port, number, 100 * count, count, 0)


def meter(meter_id: int, dropped: int) -> MeterCounter:
    return MeterCounter(meter_id, 1000, 100_000, dropped, 100 * dropped)


def read(*sessions: FakeSession) -> Counters:
    ticks = iter(range(1, 100))
    return read_counters(cast("list[Session]", list(sessions)), lambda: float(next(ticks)))


def test_a_flow_is_counted_at_its_first_and_at_its_last_switch() -> None:
    first = FakeSession(1, [entry(Role.CLASSIFY, 50, 7)], meters=[meter(FLOW_METERS + 7, 8)])
    last = FakeSession(2, [entry(Role.DELIVER, 42, 7, queue=1, outputs=(3,)), entry(Role.RETURN, 20, 7)])
    flow = read(first, last).flows[7]
    assert (flow.offered_packets, flow.offered_bytes) == (50, 5000)
    assert (flow.metered_packets, flow.metered_bytes) == (8, 800)
    assert (flow.delivered_packets, flow.delivered_bytes) == (42, 4200)
    assert (flow.probe_packets, flow.probe_bytes) == (None, None)


def test_one_switch_may_be_both() -> None:
    flow = read(FakeSession(1, [entry(Role.CLASSIFY, 5, 7), entry(Role.DELIVER, 4, 7)])).flows[7]
    assert (flow.offered_packets, flow.delivered_packets) == (5, 4)


def test_a_probes_packets_are_delivered_too() -> None:
    entries = [entry(Role.DELIVER, 2, 7), entry(Role.PROBE, 40, 7), entry(Role.PROBE, 1, 7)]
    flow = read(FakeSession(1, entries)).flows[7]
    assert (flow.delivered_packets, flow.delivered_bytes) == (43, 4300)
    assert (flow.probe_packets, flow.probe_bytes) == (41, 4100)


def test_a_probe_without_packets_is_still_a_probe() -> None:
    flow = read(FakeSession(1, [entry(Role.PROBE, 0, 7)])).flows[7]
    assert (flow.probe_packets, flow.probe_bytes) == (0, 0)


def test_meters_of_acknowledgements_and_of_others_are_no_flows() -> None:
    session = FakeSession(1, meters=[meter(RETURN_METERS + 7, 1), meter(7, 2), meter(FLOW_METERS, 3)])
    assert read(session).flows == {}


def test_only_entries_of_flows_count_for_flows() -> None:
    entries = [entry(Role.FORWARD, 9, queue=1, outputs=(1,)), entry(Role.BASE, 9, slice_=0)]
    assert read(FakeSession(1, entries)).flows == {}


def test_what_enters_a_queue_is_the_sum_of_the_entries_that_feed_it() -> None:
    session = FakeSession(
        5,
        [
            entry(Role.DELIVER, 30, 1, queue=1, outputs=(2,)),
            entry(Role.PROBE, 5, 1, queue=1, outputs=(2,)),
            entry(Role.FORWARD, 7, queue=1, outputs=(2,)),
            entry(Role.FORWARD, 100, queue=1, outputs=(3,)),
            entry(Role.BASE, 4, queue=0, outputs=(2, 3), slice_=0),
            entry(Role.CLASSIFY, 1000, 1),
        ],
        [queue(2, 1, 40), queue(2, 0, 4), queue(3, 1, 99), queue(3, 0, 3), queue(3, 6, 0)],
    )
    found = {(q.dpid, q.port_no, q.queue_id): q for q in read(session).queues}
    assert {key: q.entered_bytes for key, q in found.items()} == {
        (5, 2, 1): 4200,
        (5, 2, 0): 400,
        (5, 3, 1): 10_000,
        (5, 3, 0): 400,
        (5, 3, 6): 0,
    }
    assert (found[5, 2, 1].sent_bytes, found[5, 2, 1].sent_packets) == (4000, 40)


def test_queues_of_switches_are_kept_apart() -> None:
    sessions = [
        FakeSession(dpid, [entry(Role.FORWARD, dpid, queue=1, outputs=(1,))], [queue(1, 1, 10 * dpid)])
        for dpid in (1, 2)
    ]
    found = {q.dpid: (q.entered_bytes, q.sent_bytes) for q in read(*sessions).queues}
    assert found == {1: (100, 1000), 2: (200, 2000)}


def test_each_switch_is_read_under_its_lock_and_at_its_own_time() -> None:
    """Queues directly after the entries that feed them."""
    sessions = [FakeSession(d, queues=[queue(1, 0, 0)], ports=[PortCounter(1, 10, 20)]) for d in (1, 2)]
    found = read(*sessions)
    assert [q.time_s for q in found.queues] == [1.0, 2.0]
    assert [p.time_s for p in found.ports] == [1.0, 2.0]
    assert [s.asked for s in sessions] == [["lock", "flows", "queues"]] * 2


def test_the_switchs_own_time_comes_first() -> None:
    """The controller may be late at any switch; the bytes are of the moment that the switch tells."""
    late = FakeSession(1, queues=[QueueCounter(1, 0, 8, 1, 0, 71.25)], ports=[PortCounter(1, 1, 2, 93.5)])
    found = read(late)
    assert [q.time_s for q in found.queues] == [71.25]
    assert [p.time_s for p in found.ports] == [93.5]


def test_ports_say_what_they_received_and_sent() -> None:
    (port,) = read(FakeSession(9, ports=[PortCounter(4, 10, 20)])).ports
    assert (port.dpid, port.port_no, port.received_bytes, port.sent_bytes) == (9, 4, 10, 20)


def test_a_switch_that_does_not_answer_is_no_reading() -> None:
    with pytest.raises(MachineError, match="gone"):
        read(FakeSession(1), FakeSession(2, broken=True))


def test_a_reading_survives_the_wire() -> None:
    session = FakeSession(1, [entry(Role.PROBE, 3, 7)], [queue(1, 0, 2)], [PortCounter(1, 1, 1)])
    reading = read(session)
    assert Counters.model_validate_json(reading.model_dump_json()) == reading


def test_a_queue_says_how_many_frames_found_it_full() -> None:
    entries = [
        entry(Role.DELIVER, 30, 1, queue=1, outputs=(2,)),
        entry(Role.FORWARD, 7, queue=1, outputs=(2,)),
    ]
    (found,) = read(FakeSession(1, entries, [QueueCounter(2, 1, 3000, 30, 7)])).queues
    assert (found.entered_packets, found.sent_packets, found.dropped_packets) == (37, 30, 7)
