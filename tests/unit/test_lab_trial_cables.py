"""A host's own cable, full of what the host sends itself, is told from what the network did."""

from dataclasses import replace

import pytest

from fairslice.api.allocation import AllocationView
from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import HostCounters, parse_host_counters
from fairslice.lab.trial.cables import HostReadings, cable_notes, excuse, host_results
from fairslice.measure.compare import compare
from fairslice.measure.measurement import Measured
from fairslice.measure.rates import FlowRates
from fairslice.measure.results import HostResult, RunResult
from fairslice.policy import parse_policy
from fairslice.report.words import verdict_sentence
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

M = 1e6
GOLD, NOISY = "gold:h1->h2 tcp", "noisy:h1->h2 udp dst_port 5004"
POLICY = parse_policy(
    "version: 1\nslices:\n  gold: {flows: [{from: h1, to: h2, match: {proto: tcp}}]}\n"
    "  noisy: {limit: 1 Mbit/s, flows: [{from: h1, to: h2, match: {proto: udp, dst_port: 5004}}]}\n",
    "p.yaml",
)


def line(access: float) -> AllocationView:
    """h1 - s1 - s2 - h2, 10 Mbit/s in the middle."""
    network = build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s2")], capacity_bps=10 * M)
    ends = {k: replace(x, capacity_bps=access * M) for k, x in network.links.items() if {*k} != {"s1", "s2"}}
    return view(allocate_slices(POLICY, replace(network, links={**network.links, **ends})))


def rates(offered: float, wire: float) -> FlowRates:
    """In Mbit/s."""
    return FlowRates(wire_bps=wire * M, offered_bps=offered * M, metered_bps=0.0, window_s=6.0)


def judged(
    gold: tuple[float, float], noisy: tuple[float, float], *, access: float = 10.0, received: float = 10.0
) -> tuple[RunResult, tuple[HostResult, ...], tuple[str, ...]]:
    """Both flows by what they brought to s1 and what came out, and what s1's port received, in Mbit/s."""
    allocation = line(access)
    of = {GOLD: rates(*gold), NOISY: rates(*noisy)}
    readings = HostReadings(
        {"h1": HostCounters(1000, 7)}, {"h1": HostCounters(1000 + int(received * M * 6 / 8), 718)}, 6.0
    )
    hosts = host_results(allocation, readings, of, {("h1", "s1"): received * M})
    flows = [
        Measured(
            slice=flow.slice,
            source=flow.source,
            destination=flow.destination,
            match=flow.match,
            allocated_bps=flow.allocated_bps,
            wire_bps=of[flow.id].wire_bps,
            bottleneck=flow.bottleneck,
        )
        for flow in allocation.flows
    ]
    result = compare(
        excuse(flows, [flow.id for flow in allocation.flows], hosts, of),
        policy="p",
        topology="t",
        datapath="user",
        framework="ryu",
        generation=1,
        created="now",
        window_s=6.0,
        hosts=hosts,
    )
    return result, hosts, cable_notes(allocation, hosts, of, 0.05)


def test_a_host_that_floods_its_own_cable_is_told_with_both_counters() -> None:
    result, (host,), (note,) = judged((0.97, 0.97), (9.03, 1.0))
    assert (host.host, host.switch, host.full, host.dropped_datagrams) == ("h1", "s1", True, 711)
    assert (host.sent_bps, host.received_bps, host.capacity_bps) == pytest.approx((10 * M, 10 * M, 10 * M))
    assert (result.verdict, result.exit_status) == ("can't tell", 5)
    gold, noisy = result.flows
    assert (gold.passed, noisy.passed) == (None, True)
    assert "the cable h1->s1 was full of what h1 itself sent" in gold.doubt
    assert "h1->s1" in verdict_sentence(result)
    for part in (
        "h1's own cable h1->s1",
        "sent 10 Mbit/s of 10 Mbit/s",
        "dropped 711 datagrams",
        "s1's port received",
    ):
        assert part in note
    assert f"{NOISY} brought 9.03 Mbit/s where 1 Mbit/s is allocated" in note
    assert result.hosts == (host,)


@pytest.mark.parametrize(
    ("gold", "noisy", "access", "received", "verdict", "full"),
    [
        # The network had all of it, and lost some: its fault, however full the cable.
        ((0.97, 0.5), (9.03, 1.0), 10.0, 10.0, "out of tolerance", True),
        ((8.9, 2.0), (1.2, 1.0), 10.0, 10.0, "out of tolerance", True),
        # It brought its allocation: what is missing then is the network's doing.
        ((9.1, 8.0), (9.03, 1.0), 10.0, 10.0, "out of tolerance", True),
        # A cable with room: TCP that is short for any other reason.
        ((4.0, 4.0), (10.0, 1.0), 100.0, 14.0, "out of tolerance", False),
        ((4.0, 4.0), (1.0, 1.0), 10.0, 5.0, "out of tolerance", False),
        # A full cable of what is allocated there is as it should be, and is nobody's flood.
        ((8.99, 8.99), (1.0, 1.0), 10.0, 9.99, "fair", False),
        ((4.0, 4.0), (1.0, 1.0), 10.0, 10.0, "out of tolerance", False),
        # A flood that hurts nobody.
        ((9.0, 9.0), (10.0, 1.0), 100.0, 19.0, "fair", False),
        # So is a little more of greedy UDP, where nobody is short for it.
        ((8.9, 8.9), (1.1, 1.0), 10.0, 10.0, "fair", True),
        ((8.5, 8.5), (1.1, 1.0), 10.0, 9.8, "can't tell", True),
        # Nothing at all came of gold.
        ((0.0, 0.0), (10.0, 1.0), 10.0, 10.0, "can't tell", True),
        ((5.0, 4.9), (5.0, 1.0), 10.0, 9.8, "can't tell", True),
        ((5.0, 4.9), (5.0, 1.0), 10.0, 9.5, "out of tolerance", False),
    ],
)
def test_only_what_the_host_itself_kept_back_is_the_hosts(
    gold: tuple[float, float],
    noisy: tuple[float, float],
    access: float,
    received: float,
    verdict: str,
    full: bool,
) -> None:
    result, (host,), notes = judged(gold, noisy, access=access, received=received)
    assert (result.verdict, host.full) == (verdict, full)
    assert bool(notes) is (full and verdict != "fair")


def test_a_host_that_was_not_read_is_left_out() -> None:
    assert host_results(line(10.0), HostReadings({}, {}, 6.0), {}, {}) == ()


NUMBERS = "1234567 890 0 1 0 0 0 0 7654321 654 0 3 0 0 0 0"
"""Of what was received eight, then of what was sent eight."""
DEVICES = f"""Inter-|   Receive   |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop
    lo: {"0 " * 16}
h1-eth0: {NUMBERS}
"""
SNMP = """Ip: Forwarding DefaultTTL
Ip: 2 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 1 2 3 4000 5 711 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
UdpLite: 9 9 9 9 9 9 9
"""


@pytest.mark.parametrize(("snmp", "dropped"), [(SNMP, 711), ("", 0), ("Udp: InDatagrams\nUdp: 1\n", 0)])
def test_a_hosts_counters_are_the_kernels(snmp: str, dropped: int) -> None:
    assert parse_host_counters(DEVICES, snmp, "h1-eth0") == HostCounters(7654321, dropped)


@pytest.mark.parametrize("table", ["", DEVICES.replace("h1-eth0", "h1-eth00"), "h1-eth0 no colon"])
def test_an_interface_that_is_not_there_is_named(table: str) -> None:
    with pytest.raises(MachineError, match="no interface h1-eth0"):
        parse_host_counters(table, SNMP, "h1-eth0")
