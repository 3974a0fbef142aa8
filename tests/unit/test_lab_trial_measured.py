"""What was read becomes measurements, a stream that failed too."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.errors import Location
from fairslice.lab.traffic.iperf3_streams import StreamResult
from fairslice.lab.traffic.plan import FlowTraffic, parse_sender, plan_traffic
from fairslice.lab.trial.measured import blocked_notes, greedy_notes, measured_flows, measured_links, trouble
from fairslice.lab.trial.resolution import uncertain_bits
from fairslice.measure.iperf import goodput_bps, loss, parse_client, parse_server, retransmits
from fairslice.measure.measurement import Measured
from fairslice.measure.rates import FlowRates, different_switches, told_rates
from fairslice.policy import parse_policy
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Slice
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

HERE = Location("policy.yaml", 1, 1)
IPERF3 = Path(__file__).parents[1] / "fixtures" / "iperf3"
NETWORK = build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s1"), ("h3", "s2"), ("h4", "s2")])
POLICY = Policy(
    "policy.yaml",
    (
        Slice("gold", 1, HERE, (FlowSpec("h1", "h3", HERE),), weight=3.0),
        Slice(
            "voice",
            2,
            HERE,
            (FlowSpec("h2", "h4", HERE, match=Match(17, dst_port=5004), demand_bps=1e6),),
            enforcement=Enforcement.SHAPE,
        ),
    ),
)
ALLOCATION: AllocationView = view(allocate_slices(POLICY, NETWORK))
TRAFFIC: tuple[FlowTraffic, ...] = plan_traffic(ALLOCATION.flows)
GOLD, VOICE = (flow.id for flow in ALLOCATION.flows)
BEGIN_S, END_S = 0.25, 0.9


def said(protocol: str, *, server: str = "", client: str = "") -> tuple[str, str]:
    return tuple(
        (IPERF3 / f"{side}_{name or protocol}.json").read_text(encoding="utf-8")
        for side, name in (("server", server), ("client", client))
    )  # type: ignore[return-value]


def streams(**failed: str) -> dict[str, StreamResult]:
    tcp, udp = said("tcp", client="tcp_lossy"), said("udp", server="udp_lossy")
    return {
        GOLD: StreamResult(GOLD, *tcp, BEGIN_S, END_S, failed.get("gold")),
        VOICE: StreamResult(VOICE, *udp, BEGIN_S, END_S, failed.get("voice")),
    }


def counters(time_s: float, gold: int, voice: int) -> Counters:
    h3, h4 = (NETWORK.hosts[name].port_no for name in ("h3", "h4"))
    return Counters(
        flows={1: FlowReading(delivered_bytes=gold), 2: FlowReading(delivered_bytes=voice)},
        queues=[
            QueueReading(
                time_s=time_s,
                dpid=2,
                port_no=port,
                queue_id=number,
                entered_bytes=passed,
                sent_bytes=passed,
                sent_packets=0,
            )
            for port, number, passed in ((h3, 1, gold), (h4, 2, voice))
        ],
        ports=[PortReading(time_s=time_s, dpid=2, port_no=h3, received_bytes=0, sent_bytes=gold)],
    )


BEFORE, AFTER = counters(10.0, 0, 0), counters(12.0, 2_000_000, 250_000)


def test_rates_on_the_wire_are_the_switches_and_goodput_is_the_receivers() -> None:
    found = streams()
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, found, BEFORE, AFTER)
    assert (gold.wire_bps, voice.wire_bps) == pytest.approx((8e6, 1e6))
    for one, name in ((gold, GOLD), (voice, VOICE)):
        assert one.goodput_bps == goodput_bps(parse_server(found[name].server_json), BEGIN_S, END_S)
        assert one.goodput_bps


def test_tcp_tells_what_was_sent_again_and_udp_what_was_lost() -> None:
    found = streams()
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, found, BEFORE, AFTER)
    assert gold.retransmits == retransmits(parse_client(found[GOLD].client_json), BEGIN_S, END_S)
    assert gold.retransmits is not None
    assert gold.loss is None
    assert voice.loss == loss(parse_server(found[VOICE].server_json), BEGIN_S, END_S)
    assert voice.loss
    assert voice.retransmits is None


def test_a_measurement_says_whose_it_is() -> None:
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, streams(), BEFORE, AFTER)
    assert (gold.slice, gold.source, gold.destination, gold.match) == ("gold", "h1", "h3", "")
    assert (gold.protocol, gold.enforcement, gold.offered_bps) == ("tcp", "both", None)
    assert (voice.slice, voice.match, voice.protocol) == ("voice", "udp dst_port 5004", "udp")
    assert (voice.enforcement, voice.offered_bps) == ("shape", 1e6)
    assert [m.allocated_bps for m in (gold, voice)] == [f.allocated_bps for f in ALLOCATION.flows]
    assert (gold.bottleneck, voice.bottleneck) == ("link s1->s2", "cap")


@pytest.mark.parametrize("silent", [True, False])
def test_a_stream_that_failed_has_no_goodput_and_spoils_no_other(silent: bool) -> None:
    """A client that was killed printed nothing, and its times are not known."""
    nan = float("nan")
    texts = ("", "") if silent else (json.dumps({"error": "x"}), (IPERF3 / "client_refused.json").read_text())
    found = streams() | {GOLD: StreamResult(GOLD, *texts, nan, nan, "it did not run")}
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, found, BEFORE, AFTER)
    assert (gold.goodput_bps, gold.retransmits, gold.loss) == (None, None, None)
    assert gold.wire_bps == pytest.approx(8e6)
    assert voice.goodput_bps


def test_trouble_is_told_flow_by_flow() -> None:
    assert trouble(streams()) == ()
    assert trouble(streams(gold="refused")) == (f"{GOLD}: iperf3: refused",)
    assert len(trouble(streams(gold="refused", voice="silent"))) == 2
    assert trouble(streams(gold="refused", voice="refused")) == (f"{GOLD}, {VOICE}: iperf3: refused",)


def test_every_link_is_told_with_its_counter_or_none() -> None:
    links = {(link.source, link.target): link for link in measured_links(ALLOCATION, BEFORE, AFTER)}
    assert set(links) == set(NETWORK.links)
    for shown in ALLOCATION.links:
        link = links[shown.source, shown.target]
        assert (link.capacity_bps, link.allocated_bps) == (shown.capacity_bps, shown.allocated_bps)
    assert links["s2", "h3"].wire_bps == pytest.approx(8e6)
    assert links["h3", "s2"].wire_bps == 0
    assert links["s1", "s2"].wire_bps is None


# What can't be told --------------------------------------------------------------------------------------


def only_voice(before: Counters, after: Counters, found: dict[str, StreamResult] | None = None) -> Measured:
    _, voice = measured_flows(ALLOCATION, TRAFFIC, found or streams(), before, after)
    return voice


def without_queue(reading: Counters, dpid: int, port_no: int) -> Counters:
    kept = [queue for queue in reading.queues if (queue.dpid, queue.port_no) != (dpid, port_no)]
    return reading.model_copy(update={"queues": kept})


H4_PORT = NETWORK.hosts["h4"].port_no


@pytest.mark.parametrize(
    ("before", "after", "doubt"),
    [
        (without_queue(BEFORE, 2, H4_PORT), AFTER, "counts no queue 2"),
        (BEFORE, without_queue(AFTER, 2, H4_PORT), "counts no queue 2"),
        (BEFORE, counters(12.0, 2_000_000, -1), "went back"),
        (BEFORE, counters(10.0, 2_000_000, 250_000), "made anew between the readings"),
        (counters(10.0, 0, 9), counters(3.0, 10, 250_000), "made anew between the readings"),
        (BEFORE.model_copy(update={"flows": {1: BEFORE.flows[1]}}), AFTER, "no switch counts it"),
        (BEFORE, AFTER.model_copy(update={"flows": {1: AFTER.flows[1]}}), "no switch counts it"),
        # The streams' window is 0.65 s: a switch that counted for half of it has lost some.
        (BEFORE, counters(10.3, 2_000_000, 250_000), "its switch counted for 300 ms of the 650 ms"),
    ],
)
def test_counters_that_can_not_be_compared_spoil_their_flow_only(
    before: Counters, after: Counters, doubt: str
) -> None:
    assert doubt in only_voice(before, after).doubt


def test_one_flows_counters_do_not_spoil_anothers() -> None:
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, streams(), BEFORE, without_queue(AFTER, 2, H4_PORT))
    assert (gold.doubt, bool(voice.doubt), voice.wire_bps) == ("", True, 0.0)


def test_traffic_that_ended_before_the_window_is_no_measurement_of_it() -> None:
    found = streams()
    found[VOICE] = replace(found[VOICE], begin_s=0.25, end_s=5.0)
    assert "its traffic ended" in only_voice(BEFORE, counters(15.0, 2_000_000, 250_000), found).doubt


def test_a_test_that_failed_is_not_blamed_on_the_network() -> None:
    assert (
        "iperf3 did not measure it: the server is busy"
        in only_voice(BEFORE, AFTER, streams(voice="the server is busy")).doubt
    )


@pytest.mark.parametrize(("delivered", "doubted"), [(0, False), (1, True)])
def test_a_test_that_failed_since_nothing_came_through_is(delivered: int, doubted: bool) -> None:
    """Its frames came to the first switch, and none left the last."""
    reading = FlowReading(offered_packets=9, delivered_packets=delivered)
    after = AFTER.model_copy(update={"flows": {**AFTER.flows, 2: reading}})
    assert bool(only_voice(BEFORE, after, streams(voice="no connection")).doubt) is doubted


def test_different_switches_at_both_ends_spoil_the_whole() -> None:
    gone = AFTER.model_copy(update={"queues": []})
    assert different_switches(BEFORE, AFTER) == ()
    for pair in ((BEFORE, gone), (gone, AFTER)):
        (told,) = different_switches(*pair)
        assert "0000000000000002" in told


def test_the_policy_tells_how_far_counters_may_be_off() -> None:
    gold, voice = measured_flows(ALLOCATION, TRAFFIC, streams(), BEFORE, AFTER, policy=POLICY)
    for one, flow in zip((gold, voice), ALLOCATION.flows, strict=True):
        assert one.uncertain_bits == uncertain_bits(flow, POLICY) > 0
    assert (gold.metered, voice.metered) == (True, False)


ICMP_FIRST = parse_policy(
    "version: 1\nslices:\n  ping: {flows: [{from: h1, to: h3, match: {proto: icmp}}]}\n"
    "  shaped: {enforcement: shape, flows: [{from: h2, to: h4}]}\n  both: {flows: [{from: h1, to: h4}]}\n"
    "  elsewhere: {enforcement: shape, flows: [{from: h1, to: h2}]}\n",
    "p.yaml",
)


def test_a_shaped_flow_may_have_what_an_unmeasured_one_leaves_idle() -> None:
    """Only where they share a link, and only a queue lends: a meter does not."""
    allocation = view(allocate_slices(ICMP_FIRST, NETWORK))
    traffic = plan_traffic(allocation.flows)
    empty = Counters(flows={}, queues=[], ports=[])
    found = measured_flows(allocation, traffic, {}, empty, empty)
    lent = {flow.slice: flow.if_high for flow in found}
    assert "ping:h1->h3 icmp" in lent["shaped"]
    assert lent["both"] == ""
    # They share h1's own cable.
    assert lent["elsewhere"]


def test_a_flow_that_may_send_nothing_is_measured_by_what_came() -> None:
    policy = parse_policy(
        "version: 1\nslices: {blocked: {limit: 0 bit/s, flows: [{from: h1, to: h3}]}}\n", "p.yaml"
    )
    allocation = view(allocate_slices(policy, NETWORK))
    traffic = plan_traffic(allocation.flows)
    for delivered, goodput in ((0, 0.0), (500, None)):
        after = counters(12.0, delivered, 0)
        after.flows[1].offered_bytes = 1_000_000
        (blocked,) = measured_flows(allocation, traffic, {}, BEFORE, after, policy=policy)
        assert (blocked.wire_bps, blocked.goodput_bps, blocked.doubt) == (delivered * 4, goodput, "")
        (note,) = blocked_notes(traffic, told_rates(allocation, BEFORE, after)[0])
        assert note.startswith("blocked:h1->h3 may send nothing: 4 Mbit/s of it came to its first switch")


def test_what_a_sender_sent_and_where_it_went() -> None:
    """All that is missed is there once; without counters nothing is said."""
    found = {flow.id: flow for flow in measured_flows(ALLOCATION, TRAFFIC, streams(), BEFORE, AFTER)}
    gold, voice = found[GOLD], found[VOICE]
    assert gold.sent_bps is gold.lost_bps is gold.metered_bps is None
    assert voice.sent_bps is not None
    assert voice.loss is not None
    assert voice.sent_bps > 0
    parts = (voice.metered_bps, voice.queue_dropped_bps, voice.cable_lost_bps, voice.lost_bps)
    assert sum(part for part in parts if part is not None) == pytest.approx(voice.loss * voice.sent_bps)
    assert voice.loss > 0


def test_udp_that_is_sent_above_its_allocation_is_told_of_once() -> None:
    udp = ALLOCATION.flows[1].model_copy(update={"demand_bps": None})
    many = tuple(udp.model_copy(update={"id": f"voice:{n}", "dst_port": 5000 + n}) for n in range(3))
    (note,) = greedy_notes(plan_traffic(many))
    assert "voice:0 and 2 more were sent at 1.1 times the allocation" in note
    assert "dropped on purpose" in note
    assert greedy_notes(TRAFFIC) == ()
    assert greedy_notes(plan_traffic(many, (parse_sender("voice=udp,x2"),))) == ()


def test_flows_that_may_send_nothing_are_told_of_together() -> None:
    policy = parse_policy(
        "version: 1\nslices: {blocked: {limit: 0 bit/s, flows: [{from: h1, to: h3}, {from: h3, to: h1}]}}\n",
        "p.yaml",
    )
    allocation = view(allocate_slices(policy, NETWORK))
    came = FlowRates(wire_bps=0.0, offered_bps=3e6, metered_bps=0.0, window_s=5.0)
    (note,) = blocked_notes(plan_traffic(allocation.flows), {flow.id: came for flow in allocation.flows})
    assert note.startswith("Flows 1 and 2 may send nothing: 6 Mbit/s of them together came to their first")
