"""The streams that measure an allocation."""

from typing import Any

import pytest

from fairslice.api.allocation import FlowView, PathView
from fairslice.errors import InputError
from fairslice.lab.traffic.iperf3_commands import UDP_PAYLOAD_BYTES
from fairslice.lab.traffic.plan import (
    UDP_GREED,
    FlowTraffic,
    Sender,
    not_measured,
    parse_sender,
    plan_traffic,
)
from fairslice.policy.model import Match
from fairslice.testing.networks import build_network
from fairslice.units import tcp_wire_bps, udp_wire_bps

TCP, UDP, ICMP = 6, 17, 1


def flow(
    slice_: str = "gold",
    source: str = "h1",
    destination: str = "h4",
    match: Match = Match(),  # noqa: B008  frozen
    **rest: Any,
) -> FlowView:
    text = f"{slice_}:{source}->{destination} {match}".rstrip()
    return FlowView(
        **{
            "number": 1,
            "id": text,
            "slice": slice_,
            "source": source,
            "destination": destination,
            "match": str(match),
            "proto": match.proto,
            "src_port": match.src_port,
            "dst_port": match.dst_port,
            "enforcement": "both",
            "slice_number": 1,
            "queue_id": 1,
            "demand_bps": None,
            "allocated_bps": 10e6,
            "return_share": 0.05,
            "bottleneck": "link s1->s2",
            "path": (source, "s1", "s2", destination),
            "paths": (PathView(nodes=(source, "s1", "s2", destination), share=1.0, rate_bps=10e6),),
            "return_path": (destination, "s2", "s1", source),
            **rest,
        }
    )


def only(*flows: FlowView, senders: tuple[Sender, ...] = ()) -> FlowTraffic:
    (traffic, *_) = plan_traffic(flows, senders)
    return traffic


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("silver=udp", Sender("silver", UDP)),
        ("bronze=tcp", Sender("bronze", TCP)),
        ("silver:h2->h5=udp,x10", Sender("silver:h2->h5", UDP, 10.0)),
        ("a:h1->h2 udp dst_port 5004=udp,x0.5", Sender("a:h1->h2 udp dst_port 5004", UDP, 0.5)),
    ],
)
def test_senders_are_read(text: str, sender: Sender) -> None:
    assert parse_sender(text) == sender


@pytest.mark.parametrize(
    "text",
    ["", "gold", "=udp", "gold=", "gold=icmp", "gold=udp,10", "gold=udp,x", "gold=udp,x-1", "gold=UDP"],
)
def test_what_is_no_sender_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InputError, match=r"expected a flow .* or a slice, then =udp, =tcp or =udp,x10"):
        parse_sender(text)


def test_tcp_takes_no_factor() -> None:
    with pytest.raises(InputError, match="TCP finds its own rate"):
        parse_sender("gold=tcp,x2")


@pytest.mark.parametrize("means", ["gold", "gold:h1->h4", "gold:h1->h4 udp dst_port 5004"])
def test_a_sender_means_a_flow_by_slice_by_ends_or_by_id(means: str) -> None:
    mine = flow(match=Match(UDP, dst_port=5004))
    sender = Sender(means, UDP, 10.0)
    others = (flow("silver", match=Match(UDP, dst_port=5004)), flow(source="h2", match=Match(UDP)))
    assert sender.meant((mine, *others)) == ((mine.id, others[1].id) if means == "gold" else (mine.id,))


def test_a_flow_is_greedy_tcp_of_its_own_accord() -> None:
    traffic = only(flow())
    assert (traffic.protocol, traffic.payload_bps, traffic.offered_bps) == ("tcp", None, None)


def test_a_demand_is_sent_as_frames_not_as_payload() -> None:
    traffic = only(flow(demand_bps=4e6))
    assert traffic.offered_bps == 4e6
    assert traffic.payload_bps is not None
    assert tcp_wire_bps(traffic.payload_bps) == pytest.approx(4e6)


def test_udp_without_a_demand_sends_a_little_more_than_it_may() -> None:
    traffic = only(flow(match=Match(UDP)))
    assert traffic.protocol == "udp"
    assert traffic.offered_bps == pytest.approx(UDP_GREED * 10e6)
    assert traffic.payload_bps is not None
    assert udp_wire_bps(traffic.payload_bps, UDP_PAYLOAD_BYTES) == pytest.approx(UDP_GREED * 10e6)
    assert 1 < UDP_GREED < 1.5  # less than what the report calls an overload


def test_udp_with_a_demand_sends_that() -> None:
    assert only(flow(match=Match(UDP), demand_bps=3e6)).offered_bps == 3e6


def test_a_factor_is_of_the_allocation_even_with_a_demand() -> None:
    traffic = only(flow(demand_bps=3e6, allocated_bps=3e6), senders=(Sender("gold", UDP, 10.0),))
    assert traffic.offered_bps == pytest.approx(30e6)
    assert traffic.proto == UDP


def test_a_factor_of_nothing_sends_nothing_or_is_refused() -> None:
    try:
        sender = parse_sender("gold=udp,x0")
    except InputError:
        return
    assert only(flow(), senders=(sender,)).offered_bps == 0


def test_the_last_sender_that_means_a_flow_wins() -> None:
    every, one = Sender("gold", UDP, 2.0), Sender("gold:h2->h5", UDP, 3.0)
    flows = (flow(), flow(source="h2", destination="h5"))
    assert [t.offered_bps for t in plan_traffic(flows, (every, one))] == pytest.approx([20e6, 30e6])
    assert [t.offered_bps for t in plan_traffic(flows, (one, every))] == pytest.approx([20e6, 20e6])


def test_servers_of_one_host_have_ports_of_their_own_and_a_match_keeps_its() -> None:
    flows = (
        flow(),
        flow("silver", "h2", match=Match(TCP, dst_port=5201)),
        flow("bronze", "h3"),
        flow("other", "h3", "h5"),
    )
    ports = [traffic.server_port for traffic in plan_traffic(flows)]
    assert ports == [5202, 5201, 5203, 5201]


def test_the_sending_port_is_the_matchs() -> None:
    assert only(flow(match=Match(TCP, src_port=22))).client_port == 22
    assert only(flow()).client_port is None


def test_all_that_is_asked_in_vain_is_told_at_once() -> None:
    flows = (
        flow(match=Match(ICMP)),
        flow("silver", match=Match(UDP, dst_port=80)),
        flow("bronze", "h2", match=Match(TCP, dst_port=80)),
        flow("other", "h3", match=Match(TCP)),
    )
    with pytest.raises(InputError) as refused:
        plan_traffic(flows, (Sender("nobody", UDP), Sender("other", UDP)))
    told = [str(fault) for fault in refused.value.faults]
    assert len(told) == 3
    for name, what in (
        ('"nobody"', "there is no flow"),
        ("bronze:h2->h4", "port 80 of h4 already serves silver:h1->h4"),
        ("other:h3->h4 tcp", "asks for tcp, and the sender 'other' sends udp; expected other=tcp"),
    ):
        assert any(name in text and what in text for text in told), (name, told)


# What iperf3 can't measure, and what may send nothing -----------------------------------------------------


@pytest.mark.parametrize("proto", [1, 2, 47, 50, 51, 58, 89, 103, 112, 132, 255])
def test_other_protocols_are_listed_and_the_rest_is_measured(proto: int) -> None:
    flows = (flow("ping", match=Match(proto)), flow("bulk", match=Match(TCP)), flow("rest", "h2"))
    assert [traffic.flow.slice for traffic in plan_traffic(flows)] == ["bulk", "rest"]
    (left_out,) = not_measured(flows)
    assert (left_out.slice, left_out.source, left_out.destination) == ("ping", "h1", "h4")
    assert left_out.allocated_bps == 10e6
    assert left_out.reason.startswith("iperf3 measures TCP and UDP, not ")
    assert left_out.reason.endswith("ICMP" if proto == 1 else f"IP protocol {proto}")


def test_what_can_be_measured_is_left_out_of_nothing() -> None:
    assert not_measured((flow(), flow(match=Match(UDP)), flow(match=Match(TCP)))) == ()


def test_a_policy_of_nothing_that_can_be_measured_is_refused_with_all_of_it() -> None:
    flows = (flow(match=Match(ICMP)), flow("silver", match=Match(47)))
    with pytest.raises(InputError) as refused:
        plan_traffic(flows)
    told = [str(fault) for fault in refused.value.faults]
    assert told[0] == "gold: h1->h4 icmp: iperf3 measures TCP and UDP, not ICMP"
    assert "IP protocol 47" in told[1]
    assert "expected one at least" in told[2]


def test_a_sender_can_not_make_icmp_measurable() -> None:
    with pytest.raises(InputError, match="asks for icmp, which no sender sends"):
        plan_traffic((flow(match=Match(ICMP)), flow("silver")), (Sender("gold", UDP),))


NETWORK = build_network([("s1", "s2"), ("h1", "s1"), ("h4", "s2")])


@pytest.mark.parametrize("allocated", [0.0, 1e-14, 400.0, 999.0])
@pytest.mark.parametrize(
    ("match", "protocol"),
    [(Match(), "udp"), (Match(UDP, dst_port=5004), "udp"), (Match(TCP, dst_port=80), "tcp")],
)
def test_a_flow_that_may_send_nothing_tries_all_the_same(
    allocated: float, match: Match, protocol: str
) -> None:
    traffic = only(flow(match=match, allocated_bps=allocated))
    assert traffic.blocked
    attempt = traffic.attempt(NETWORK)
    assert attempt is not None
    assert (attempt.protocol, attempt.port) == (protocol, match.dst_port or 5201)
    assert (attempt.source, attempt.destination_ip) == ("h1", NETWORK.hosts["h4"].ip)
    assert attempt.rate_bps > 0


def test_a_flow_that_asks_for_nothing_tries_nothing() -> None:
    traffic = only(flow(demand_bps=0.0, allocated_bps=0.0))
    assert (traffic.blocked, traffic.asks_nothing, traffic.attempt(NETWORK)) == (True, True, None)


def test_a_flow_with_a_rate_is_not_blocked() -> None:
    assert not only(flow(allocated_bps=1000.0)).blocked
    assert not only(flow(demand_bps=5000.0, allocated_bps=5000.0)).asks_nothing


def test_a_blocked_flow_with_a_demand_tries_that() -> None:
    attempt = only(flow(match=Match(UDP), demand_bps=3e6, allocated_bps=0.0)).attempt(NETWORK)
    assert attempt is not None
    assert attempt.rate_bps == 3e6
