"""What was read becomes measurements, a stream that failed too."""

import json
from pathlib import Path

import pytest

from fairslice.alloc.slices import allocate_slices
from fairslice.alloc.view import AllocationView, view
from fairslice.app.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.emulation.traffic import StreamResult
from fairslice.errors import Location
from fairslice.experiment.judge import measured_flows, measured_links, trouble
from fairslice.experiment.traffic import FlowTraffic, plan_traffic
from fairslice.measure.iperf import goodput_bps, loss, parse_client, parse_server, retransmits
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Slice
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


def test_every_link_is_told_with_its_counter_or_none() -> None:
    links = {(link.source, link.target): link for link in measured_links(ALLOCATION, BEFORE, AFTER)}
    assert set(links) == set(NETWORK.links)
    for shown in ALLOCATION.links:
        link = links[shown.source, shown.target]
        assert (link.capacity_bps, link.allocated_bps) == (shown.capacity_bps, shown.allocated_bps)
    assert links["s2", "h3"].wire_bps == pytest.approx(8e6)
    assert links["h3", "s2"].wire_bps == 0
    assert links["s1", "s2"].wire_bps is None
