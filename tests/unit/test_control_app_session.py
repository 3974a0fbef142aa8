"""A conversation with one switch, played by a fake that answers what a script says."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from fairslice.control.app import session as session_module
from fairslice.control.app.session import CARRIERS, Session
from fairslice.control.openflow.encode import ENCODERS, ofp, parser
from fairslice.control.openflow.framework import OPENFLOW_13
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import FlowEntry, Meter, PortQos, Queue, SwitchState
from fairslice.slicing.state.diff import plan
from fairslice.slicing.state.labels import FLOW_METERS, Cookie, Role
from fairslice.slicing.state.steps import ORDER, GrowQueues, ShrinkQueues
from fairslice.testing.switch import TAKES

DPID = 0xABC
OLD = FlowEntry(0, 100, (("in_port", 1),), int(Cookie(Role.CLASSIFY, 1, 1)), meter_id=FLOW_METERS + 1)
NEW = FlowEntry(0, 100, (("in_port", 2),), int(Cookie(Role.CLASSIFY, 2, 2)), meter_id=FLOW_METERS + 2)
OLD_METER, NEW_METER = Meter(FLOW_METERS + 1, 100, 122), Meter(FLOW_METERS + 2, 200, 122)
CHANGE = plan(
    SwitchState({OLD.key: OLD}, {OLD_METER.meter_id: OLD_METER}),
    SwitchState({NEW.key: NEW}, {NEW_METER.meter_id: NEW_METER}),
)
Answer = Callable[["FakeSwitch", Any], None]


class FakeSwitch:
    """A switch that keeps messages, and answers at once."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[Any] = []
        self.queues: list[tuple[int, Mapping[int, PortQos]]] = []
        self.session = Session(DPID, self.take, lambda dpid, ports: self.queues.append((dpid, ports)))

    def take(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self.sent.append(message)
            self.answer(self, message)

    def error(self, xid: int) -> bool:
        message = parser.OFPErrorMsg(OPENFLOW_13, type_=12, code=1)
        message.set_xid(xid)
        return self.session.error(message)

    def bundle(self, request: Any) -> None:
        """Answer a request to open, commit or discard a bundle."""
        reply = parser.ONFBundleCtrlMsg(OPENFLOW_13, request.bundle_id, request.type + 1, request.flags, [])
        reply.set_xid(request.xid)
        self.session.bundle_reply(reply)

    def stats(self, kind: Any, xid: int, body: list[Any], *, more: bool = False) -> None:
        reply = kind(OPENFLOW_13, flags=ofp.OFPMPF_REPLY_MORE if more else 0)
        reply.body = body
        reply.set_xid(xid)
        self.session.stats_reply(reply)

    @property
    def kinds(self) -> list[str]:
        """What was sent; what a bundle carries by itself, and what is done with bundles by its name."""
        return [kind_of(message) for message in self.sent]


BUNDLE_REQUESTS = {
    ofp.ONF_BCT_OPEN_REQUEST: "open",
    ofp.ONF_BCT_COMMIT_REQUEST: "commit",
    ofp.ONF_BCT_DISCARD_REQUEST: "discard",
}


def kind_of(message: Any) -> str:
    if isinstance(message, parser.ONFBundleCtrlMsg):
        return BUNDLE_REQUESTS[message.type]
    return type(getattr(message, "message", message)).__name__


def obey(switch: FakeSwitch, message: Any) -> None:
    if isinstance(message, parser.ONFBundleCtrlMsg):
        switch.bundle(message)
    if isinstance(message, parser.OFPBarrierRequest):
        reply = parser.OFPBarrierReply(OPENFLOW_13)
        reply.set_xid(message.xid)
        switch.session.barrier_reply(reply)


def test_a_barrier_ends_each_step() -> None:
    switch = FakeSwitch(obey)
    assert switch.session.install(CHANGE) == ()
    meter, barrier = ["OFPMeterMod"], ["OFPBarrierRequest"]
    bundle = ["open", "OFPFlowMod", "OFPFlowMod", *barrier, "commit"]
    assert switch.kinds == meter + barrier + bundle + meter + barrier
    assert switch.session.modifications == 4
    xids = [message.xid for message in switch.sent]
    assert len(set(xids)) == len(xids)
    assert None not in xids


def test_nothing_to_do_says_nothing() -> None:
    switch = FakeSwitch(obey)
    state = SwitchState({OLD.key: OLD}, {OLD_METER.meter_id: OLD_METER})
    assert switch.session.install(plan(state, state)) == ()
    assert switch.sent == []


@pytest.mark.parametrize(
    ("refused", "refusal", "step", "what"),
    [
        ("OFPMeterMod", 1, 1, f"meter {NEW_METER.meter_id}"),
        ("OFPFlowMod", 4, 2, "the entry of table 0, priority 100, match {in_port=2}"),
        ("OFPFlowMod", 5, 2, "the entry of table 0, priority 100, match {in_port=1}"),
    ],
)
def test_a_refusal_says_what_was_refused_and_ends_the_installation(
    refused: str, refusal: int, step: int, what: str
) -> None:
    """``refusal`` is which message meets it: one of them alone."""

    def answer(switch: FakeSwitch, message: Any) -> None:
        if kind_of(message) == refused and len(switch.sent) == refusal:
            assert switch.error(message.xid)
        obey(switch, message)

    switch = FakeSwitch(answer)
    errors = switch.session.install(CHANGE)
    assert errors == (f"switch 0000000000000abc refused {what}: error type 12 code 1",)
    assert switch.kinds.count("OFPBarrierRequest") == step


def test_a_bundle_with_a_refused_entry_is_discarded() -> None:
    """A commit would make the changes that were not refused."""

    def answer(switch: FakeSwitch, message: Any) -> None:
        if kind_of(message) == "OFPFlowMod":
            switch.error(message.xid)
        obey(switch, message)

    switch = FakeSwitch(answer)
    assert len(switch.session.install(CHANGE)) == 2
    assert switch.kinds[-1] == "discard"
    assert "commit" not in switch.kinds


def test_a_refusal_of_the_commit_names_the_entry() -> None:
    def answer(switch: FakeSwitch, message: Any) -> None:
        if kind_of(message) == "commit":
            refused = next(m for m in switch.sent if kind_of(m) == "OFPFlowMod")
            assert switch.error(refused.xid)
            assert switch.error(message.xid)
        else:
            obey(switch, message)

    switch = FakeSwitch(answer)
    errors = switch.session.install(CHANGE)
    what = "the entry of table 0, priority 100, match {in_port=2}"
    assert errors == (f"switch 0000000000000abc refused {what}: error type 12 code 1",)
    assert switch.kinds[-1] == "commit"


@pytest.mark.parametrize(("refused", "what"), [("open", "opening"), ("commit", "commit")])
def test_a_switch_that_refuses_bundles_is_named(refused: str, what: str) -> None:
    def answer(switch: FakeSwitch, message: Any) -> None:
        if kind_of(message) == refused:
            assert switch.error(message.xid)
        else:
            obey(switch, message)

    switch = FakeSwitch(answer)
    with pytest.raises(MachineError, match=rf"0abc refused the {what} of a bundle.*: error type 12 code 1$"):
        switch.session.install(CHANGE)
    assert switch.kinds[-1] == refused


def test_bundles_are_numbered_apart() -> None:
    switch = FakeSwitch(obey)
    switch.session.install(CHANGE)
    switch.session.install(CHANGE)
    opened = [message.bundle_id for message in switch.sent if kind_of(message) == "open"]
    added = {message.bundle_id for message in switch.sent if isinstance(message, parser.ONFBundleAddMsg)}
    assert len(opened) == 2
    assert set(opened) == added


def test_queues_are_written_before_and_after_the_rest() -> None:
    """In the order of the plan, and not at all where they are not managed."""
    one, two = (PortQos(1, 100, (Queue(queue_id, 1, 100, 5),)) for queue_id in (1, 2))
    both = PortQos(1, 100, one.queues + two.queues)
    change = plan(SwitchState(qos={1: one}), SwitchState(meters={1: OLD_METER}, qos={1: two}))
    seen: list[int] = []

    def answer(switch: FakeSwitch, message: Any) -> None:
        seen.append(len(switch.queues))
        obey(switch, message)

    switch = FakeSwitch(answer)
    assert switch.session.install(change) == ()
    assert switch.queues == [(DPID, {1: both}), (DPID, {1: two})]
    assert set(seen) == {1}
    assert switch.session.modifications == 1
    assert Session(DPID, FakeSwitch(obey).take).install(plan(SwitchState(qos={1: one}), SwitchState())) == ()


def test_every_kind_of_step_is_carried_out() -> None:
    assert set(CARRIERS) == set(TAKES) == set(ORDER)
    assert set(ENCODERS) == {kind for kind in ORDER if kind not in (GrowQueues, ShrinkQueues)}


def test_all_refusals_of_a_step_are_told() -> None:
    def answer(switch: FakeSwitch, message: Any) -> None:
        if isinstance(message, parser.OFPMeterMod):
            switch.error(message.xid)
        obey(switch, message)

    both = plan(SwitchState(), SwitchState(meters={m.meter_id: m for m in (OLD_METER, NEW_METER)}))
    errors = FakeSwitch(answer).session.install(both)
    assert len(errors) == 2
    for meter, error in zip((OLD_METER, NEW_METER), errors, strict=True):
        assert f"refused meter {meter.meter_id}:" in error


def test_a_refusal_is_forgotten_with_its_installation() -> None:
    refuse = iter([True])

    def answer(switch: FakeSwitch, message: Any) -> None:
        if isinstance(message, parser.OFPMeterMod) and next(refuse, False):
            switch.error(message.xid)
        obey(switch, message)

    switch = FakeSwitch(answer)
    assert len(switch.session.install(CHANGE)) == 1
    assert switch.session.install(CHANGE) == ()


def test_a_strangers_error_is_not_ours() -> None:
    def answer(switch: FakeSwitch, message: Any) -> None:
        assert not switch.error(7)
        obey(switch, message)

    switch = FakeSwitch(answer)
    assert switch.session.install(CHANGE) == ()


def flow_stat(entry: FlowEntry, packets: int) -> Any:
    return parser.OFPFlowStats(
        table_id=entry.table_id,
        priority=entry.priority,
        cookie=entry.cookie,
        match=parser.OFPMatch(**dict(entry.match)),
        instructions=[parser.OFPInstructionMeter(entry.meter_id)],
        packet_count=packets,
        byte_count=100 * packets,
    )


def in_two_parts(kind: Any, parts: list[list[Any]]) -> Answer:
    """Answers a request in parts, with a stranger's part between."""

    def answer(switch: FakeSwitch, message: Any) -> None:
        switch.stats(kind, message.xid, parts[0], more=True)
        switch.stats(kind, message.xid + 77, [flow_stat(FlowEntry(9, 9, (), NEW.cookie, 1), 9)])
        switch.stats(kind, message.xid, parts[1])

    return answer


def test_an_answer_in_parts_is_put_together() -> None:
    switch = FakeSwitch(in_two_parts(parser.OFPFlowStatsReply, [[flow_stat(OLD, 3)], [flow_stat(NEW, 4)]]))
    counters = switch.session.read_flows()
    assert [(c.entry, c.packets, c.bytes) for c in counters] == [(OLD, 3, 300), (NEW, 4, 400)]
    assert switch.kinds == ["OFPFlowStatsRequest"]


def test_the_state_is_flows_and_meters() -> None:
    band = parser.OFPMeterBandDrop(rate=100, burst_size=122)
    flags = ofp.OFPMF_KBPS | ofp.OFPMF_BURST

    def answer(switch: FakeSwitch, message: Any) -> None:
        if isinstance(message, parser.OFPFlowStatsRequest):
            foreign = FlowEntry(0, 1, (), 0x1234, meter_id=1)
            switch.stats(parser.OFPFlowStatsReply, message.xid, [flow_stat(OLD, 0), flow_stat(foreign, 0)])
        else:
            ours = parser.OFPMeterConfigStats(bands=[band], flags=flags, meter_id=OLD_METER.meter_id)
            switch.stats(parser.OFPMeterConfigStatsReply, message.xid, [ours])

    flows, meters = FakeSwitch(answer).session.read_state()
    assert flows == {OLD.key: OLD}
    assert meters == {OLD_METER.meter_id: OLD_METER}


def test_queues_ports_and_meters_are_counted() -> None:
    queue = parser.OFPQueueStats(
        port_no=1, queue_id=2, tx_bytes=30, tx_packets=4, tx_errors=5, duration_sec=0, duration_nsec=0
    )
    zero = dict.fromkeys(
        (
            *("rx_dropped", "tx_dropped", "rx_errors", "tx_errors", "rx_frame_err", "rx_over_err"),
            *("rx_crc_err", "collisions", "duration_sec", "duration_nsec", "rx_packets", "tx_packets"),
        ),
        0,
    )
    ports = [
        parser.OFPPortStats(port_no=number, rx_bytes=10, tx_bytes=20, **zero)
        for number in (1, ofp.OFPP_LOCAL)
    ]
    meter = parser.OFPMeterStats(
        meter_id=9,
        flow_count=1,
        packet_in_count=2,
        byte_in_count=3,
        duration_sec=0,
        duration_nsec=0,
        band_stats=[parser.OFPMeterBandStats(4, 5), parser.OFPMeterBandStats(10, 20)],
    )
    answers = {
        "OFPQueueStatsRequest": (parser.OFPQueueStatsReply, [queue]),
        "OFPPortStatsRequest": (parser.OFPPortStatsReply, ports),
        "OFPMeterStatsRequest": (parser.OFPMeterStatsReply, [meter]),
    }

    def answer(switch: FakeSwitch, message: Any) -> None:
        kind, body = answers[type(message).__name__]
        switch.stats(kind, message.xid, body)

    session = FakeSwitch(answer).session
    (counted,) = session.read_queue_counters()
    assert (counted.port_no, counted.queue_id, counted.bytes, counted.packets, counted.errors) == (
        *(1, 2, 30, 4, 5),
    )
    (port,) = session.read_port_counters()
    assert (port.port_no, port.received_bytes, port.sent_bytes) == (1, 10, 20)
    (dropped,) = session.read_meter_counters()
    assert (dropped.meter_id, dropped.in_packets, dropped.in_bytes) == (9, 2, 3)
    assert (dropped.dropped_packets, dropped.dropped_bytes) == (14, 25)


def test_a_question_that_is_refused_is_not_an_empty_answer() -> None:
    """A switch without meters must not look as if it held none."""

    def answer(switch: FakeSwitch, message: Any) -> None:
        switch.error(message.xid)

    with pytest.raises(MachineError, match="refused meter statistics"):
        FakeSwitch(answer).session.read_meter_counters()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "ANSWER_TIMEOUT_S", 0.02)


@pytest.mark.usefixtures("impatient")
def test_a_switch_that_says_nothing_is_not_waited_for_forever() -> None:
    switch = FakeSwitch(lambda _switch, _message: None)
    with pytest.raises(MachineError, match=r"0abc did not answer a barrier within 0\.02 s"):
        switch.session.install(CHANGE)
    with pytest.raises(MachineError, match="did not answer flow statistics"):
        switch.session.read_flows()


@pytest.mark.usefixtures("impatient")
def test_half_an_answer_is_none_and_the_rest_comes_too_late() -> None:
    xids: list[int] = []

    def answer(switch: FakeSwitch, message: Any) -> None:
        xids.append(message.xid)
        switch.stats(parser.OFPFlowStatsReply, message.xid, [flow_stat(OLD, 1)], more=True)

    switch = FakeSwitch(answer)
    with pytest.raises(MachineError, match="did not answer"):
        switch.session.read_flows()
    switch.stats(parser.OFPFlowStatsReply, xids[0], [flow_stat(NEW, 1)])
    switch.answer = lambda s, m: s.stats(parser.OFPFlowStatsReply, m.xid, [])
    assert switch.session.read_flows() == []


def test_answers_come_while_others_wait() -> None:
    """The reply arrives from another thread, as the framework brings it."""

    def answer(switch: FakeSwitch, message: Any) -> None:
        threading.Thread(target=obey, args=(switch, message)).start()

    switch = FakeSwitch(answer)
    assert switch.session.install(CHANGE) == ()


def test_whoever_waits_learns_that_the_switch_left() -> None:
    def answer(switch: FakeSwitch, message: Any) -> None:
        if isinstance(message, parser.OFPBarrierRequest):
            threading.Thread(target=switch.session.close).start()

    switch = FakeSwitch(answer)
    began_s = time.monotonic()
    with pytest.raises(MachineError, match="switch 0000000000000abc left before it answered a barrier"):
        switch.session.install(CHANGE)
    assert time.monotonic() - began_s < session_module.ANSWER_TIMEOUT_S / 2


def test_a_frame_is_sent_out_of_its_ports() -> None:
    switch = FakeSwitch(obey)
    switch.session.send_frame((3, 4), b"frame")
    (message,) = switch.sent
    assert [action.port for action in message.actions] == [3, 4]
    assert bytes(message.data) == b"frame"
