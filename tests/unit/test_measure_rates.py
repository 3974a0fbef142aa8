"""Two readings of counters, and what was on the wire between them."""

from typing import Any

import pytest

from fairslice.api.allocation import AllocationView
from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.errors import Location, MachineError
from fairslice.measure.rates import flow_rates, link_rates, told_rates
from fairslice.policy.model import Enforcement, FlowSpec, Policy, Slice
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

HERE = Location("policy.yaml", 1, 1)
NETWORK = build_network(
    [("s1", "s2"), ("h1", "s1"), ("h2", "s1"), ("h3", "s2"), ("h4", "s2")], capacity_bps=30e6
)
H3_PORT, H4_PORT = NETWORK.hosts["h3"].port_no, NETWORK.hosts["h4"].port_no


def allocation(*slices: tuple[Enforcement, tuple[tuple[str, str], ...]]) -> AllocationView:
    """Slices of flows, given by their ends; both are numbered from 1."""
    return view(
        allocate_slices(
            Policy(
                "policy.yaml",
                tuple(
                    Slice(
                        f"slice{number}",
                        number,
                        HERE,
                        tuple(FlowSpec(*ends, HERE) for ends in flows),
                        enforcement=enforcement,
                    )
                    for number, (enforcement, flows) in enumerate(slices, 1)
                ),
            ),
            NETWORK,
        )
    )


ONE = allocation((Enforcement.BOTH, (("h1", "h3"),)))
TWO_IN_A_QUEUE = allocation((Enforcement.BOTH, (("h1", "h3"), ("h2", "h3"))))


def queue(
    sent: int,
    *,
    entered: int | None = None,
    time_s: float = 0.0,
    dpid: int = 2,
    port: int = H3_PORT,
    id_: int = 1,
    frames: int = 0,
    dropped: int = 0,
) -> QueueReading:
    return QueueReading(
        time_s=time_s,
        dpid=dpid,
        port_no=port,
        queue_id=id_,
        entered_bytes=sent if entered is None else entered,
        sent_bytes=sent,
        sent_packets=0,
        entered_packets=frames,
        dropped_packets=dropped,
    )


def flow(delivered: int, **rest: Any) -> FlowReading:
    return FlowReading(delivered_bytes=delivered, **rest)


def reading(flows: dict[int, FlowReading], *queues: QueueReading) -> Counters:
    return Counters(flows=flows, queues=list(queues), ports=[])


def test_a_flow_alone_has_what_its_last_queue_sent() -> None:
    before = reading({1: flow(1000)}, queue(1000, time_s=100.0))
    after = reading({1: flow(9000)}, queue(6000, entered=9000, time_s=102.0))
    rates = flow_rates(ONE, before, after)
    assert set(rates) == {"slice1:h1->h3"}
    assert rates["slice1:h1->h3"].wire_bps == pytest.approx(5000 * 8 / 2.0)


def test_offered_and_metered_are_those_of_the_first_switch() -> None:
    before = reading({1: flow(0, offered_bytes=100, metered_bytes=10)}, queue(0))
    after = reading({1: flow(0, offered_bytes=2100, metered_bytes=510)}, queue(0, time_s=4.0))
    (rates,) = flow_rates(ONE, before, after).values()
    assert (rates.offered_bps, rates.metered_bps) == pytest.approx((4000, 1000))


def test_silence_is_a_rate_of_nothing() -> None:
    quiet = {1: flow(500)}
    (rates,) = flow_rates(ONE, reading(quiet, queue(500)), reading(quiet, queue(500, time_s=1.0))).values()
    assert (rates.wire_bps, rates.offered_bps, rates.metered_bps) == (0, 0, 0)


def test_what_a_queue_drops_is_laid_on_all_that_entered() -> None:
    """3000 and 1000 of flows and 1000 of acknowledgements enter, 2500 leave: half of each."""
    before = reading({1: flow(0), 2: flow(0)}, queue(0))
    after = reading({1: flow(3000), 2: flow(1000)}, queue(2500, entered=5000, time_s=1.0))
    rates = flow_rates(TWO_IN_A_QUEUE, before, after)
    assert rates["slice1:h1->h3"].wire_bps == pytest.approx(1500 * 8)
    assert rates["slice1:h2->h3"].wire_bps == pytest.approx(500 * 8)


def test_a_probe_tells_the_measured_packets_from_the_others() -> None:
    before = reading({1: flow(100, probe_bytes=100)}, queue(100))
    after = reading({1: flow(5100, probe_bytes=4100)}, queue(5100, time_s=1.0))
    (rates,) = flow_rates(ONE, before, after).values()
    assert rates.wire_bps == pytest.approx(4000 * 8)


def test_a_probe_of_nothing_is_no_missing_probe() -> None:
    before = reading({1: flow(0, probe_bytes=0)}, queue(0))
    after = reading({1: flow(5000, probe_bytes=0)}, queue(5000, time_s=1.0))
    (rates,) = flow_rates(ONE, before, after).values()
    assert rates.wire_bps == 0


@pytest.mark.parametrize("enforcement", Enforcement)
def test_a_slice_that_is_only_policed_is_counted_in_the_common_queue(enforcement: Enforcement) -> None:
    shown = allocation((Enforcement.BOTH, (("h2", "h4"),)), (enforcement, (("h1", "h3"),)))
    number = 0 if enforcement is Enforcement.POLICE else 2
    other = 2 - number
    still = (queue(0, port=H4_PORT), queue(0, id_=other))
    flows = {1: flow(0), 2: flow(0)}
    before = reading(flows, queue(0, id_=number), *still)
    after = reading(
        {1: flow(0), 2: flow(1000)},
        queue(1000, id_=number, time_s=1.0),
        queue(0, port=H4_PORT, time_s=1.0),
        queue(7000, entered=3500, id_=other, time_s=1.0),
    )
    assert flow_rates(shown, before, after)["slice2:h1->h3"].wire_bps == pytest.approx(8000)


def test_queues_of_other_switches_and_ports_do_not_count() -> None:
    others = [(1, H3_PORT, 1), (2, H4_PORT, 1), (2, H3_PORT, 0), (2, H3_PORT, 2)]
    before = reading({1: flow(0)}, queue(0), *(queue(0, dpid=d, port=p, id_=q) for d, p, q in others))
    after = reading(
        {1: flow(1000)},
        queue(1000, time_s=1.0),
        *(queue(9000, dpid=d, port=p, id_=q, time_s=3.0) for d, p, q in others),
    )
    assert flow_rates(ONE, before, after)["slice1:h1->h3"].wire_bps == pytest.approx(8000)


GOOD_BEFORE = reading({1: flow(10, offered_bytes=10, metered_bytes=10)}, queue(10))
GOOD_AFTER = reading({1: flow(20, offered_bytes=20, metered_bytes=20)}, queue(20, time_s=1.0))


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        (reading(GOOD_BEFORE.flows), GOOD_AFTER, "switch 0000000000000002 counts no queue 1 at port 2"),
        (GOOD_BEFORE, reading(GOOD_AFTER.flows), "switch 0000000000000002 counts no queue 1 at port 2"),
        (reading({}, *GOOD_BEFORE.queues), GOOD_AFTER, "no switch counts it"),
        (GOOD_BEFORE, reading({}, *GOOD_AFTER.queues), "no switch counts it"),
        (GOOD_BEFORE, reading(GOOD_AFTER.flows, queue(20, time_s=0.0)), "its queue was made anew"),
        (GOOD_BEFORE, reading(GOOD_AFTER.flows, queue(5, entered=20, time_s=1.0)), "queue counter went back"),
        (GOOD_BEFORE, reading(GOOD_AFTER.flows, queue(20, entered=5, time_s=1.0)), "entries counter went"),
        (
            GOOD_BEFORE,
            reading({1: flow(5, offered_bytes=20, metered_bytes=20)}, *GOOD_AFTER.queues),
            "delivered counter went back from 10 to 5 bytes",
        ),
        (
            GOOD_BEFORE,
            reading({1: flow(20, offered_bytes=5, metered_bytes=20)}, *GOOD_AFTER.queues),
            "offered counter went back",
        ),
        (
            GOOD_BEFORE,
            reading({1: flow(20, offered_bytes=20, metered_bytes=5)}, *GOOD_AFTER.queues),
            "metered counter went back",
        ),
    ],
)
def test_counters_that_lack_or_went_back_are_named_with_their_flow(
    before: Counters, after: Counters, complaint: str
) -> None:
    assert flow_rates(ONE, GOOD_BEFORE, GOOD_AFTER)
    with pytest.raises(MachineError, match=f"^slice1:h1->h3: .*{complaint}"):
        flow_rates(ONE, before, after)


def ports(time_s: float, **passed: tuple[int, int]) -> Counters:
    """Of ports such as s1_2: bytes received and sent."""
    return Counters(
        flows={},
        queues=[],
        ports=[
            PortReading(
                time_s=time_s,
                dpid=int(name.split("_")[0][1:]),
                port_no=int(name.split("_")[1]),
                received_bytes=received,
                sent_bytes=sent,
            )
            for name, (received, sent) in passed.items()
        ],
    )


def test_a_link_carries_what_its_port_sends_and_a_hosts_what_the_switch_receives() -> None:
    port = NETWORK.hosts["h1"].port_no
    trunk = NETWORK.links["s1", "s2"].port_no
    before = ports(10.0, **{f"s1_{port}": (100, 200), f"s1_{trunk}": (0, 0)})
    after = ports(12.0, **{f"s1_{port}": (1100, 4200), f"s1_{trunk}": (300, 700)})
    assert link_rates(ONE, before, after) == pytest.approx(
        {("h1", "s1"): 4000, ("s1", "h1"): 16000, ("s1", "s2"): 2800}
    )


def test_a_link_that_is_not_counted_twice_has_no_rate() -> None:
    here = ports(1.0, s1_1=(0, 0))
    assert link_rates(ONE, ports(0.0), here) == {}
    assert link_rates(ONE, here, ports(2.0)) == {}
    assert link_rates(ONE, here, here) == {}


def test_a_port_counter_that_went_back_gives_no_rate_below_nothing() -> None:
    trunk = f"s1_{S1_PORT}"
    with pytest.raises(MachineError, match="link s1->s2: its port counter went back from 5000 to 100 bytes"):
        link_rates(ONE, ports(0.0, **{trunk: (0, 5000)}), ports(1.0, **{trunk: (0, 100)}))


S1_PORT = NETWORK.links["s1", "s2"].port_no


def test_what_a_queue_counts_as_dropped_was_dropped_there() -> None:
    """Of 10 frames of 1000 bytes the meter drops 2, the queue towards s2 1, and the last one none."""
    first = {"dpid": 1, "port": S1_PORT}
    before = reading({1: flow(0)}, queue(0, time_s=10.0, **first), queue(0, time_s=10.0))
    after = reading(
        {1: flow(7000, offered_bytes=10000, offered_packets=10, metered_bytes=2000)},
        queue(7000, entered=8000, frames=8, dropped=1, time_s=12.0, **first),
        queue(7000, frames=7, time_s=12.0),
    )
    found = flow_rates(ONE, before, after)["slice1:h1->h3"]
    assert found.metered_bps == 8000
    assert found.queue_dropped_bps == 4000
    assert found.wire_bps == found.offered_bps - found.metered_bps - found.queue_dropped_bps


@pytest.mark.parametrize("late", [-4000, 4000])
def test_entries_that_are_counted_late_are_no_drops(late: int) -> None:
    """100 frames come and leave; entries have counted 4 more or fewer of them."""
    entered = 100_000 + late
    before = reading({1: flow(0)}, queue(0, time_s=10.0))
    after = reading(
        {1: flow(entered, offered_bytes=entered, offered_packets=entered // 1000)},
        queue(100_000, entered=entered, frames=entered // 1000, time_s=20.0),
    )
    assert flow_rates(ONE, before, after)["slice1:h1->h3"].queue_dropped_bps == 0


def test_what_a_cable_between_two_queues_loses_is_dropped_by_neither() -> None:
    """s1 sends 100 frames, and 95 of them come to s2."""
    first = {"dpid": 1, "port": S1_PORT}
    before = reading({1: flow(0)}, queue(0, time_s=10.0, **first), queue(0, time_s=10.0))
    after = reading(
        {1: flow(95_000, offered_bytes=100_000, offered_packets=100)},
        queue(100_000, frames=100, time_s=20.0, **first),
        queue(95_000, frames=95, time_s=20.0),
    )
    found = flow_rates(ONE, before, after)["slice1:h1->h3"]
    assert found.queue_dropped_bps == 0
    assert found.wire_bps == pytest.approx(76_000)


def test_of_a_queue_that_two_flows_share_each_has_its_part() -> None:
    before = reading({1: flow(0), 2: flow(0)}, queue(0, time_s=10.0))
    after = reading(
        {
            1: flow(6000, offered_bytes=6000, offered_packets=6),
            2: flow(2000, offered_bytes=2000, offered_packets=2),
        },
        queue(4000, entered=8000, frames=8, dropped=4, time_s=11.0),
    )
    found = flow_rates(TWO_IN_A_QUEUE, before, after)
    assert [rate.queue_dropped_bps for rate in found.values()] == [24000, 8000]


def test_no_more_is_dropped_of_a_flow_than_came() -> None:
    before = reading({1: flow(0)}, queue(0, time_s=10.0))
    after = reading(
        {1: flow(1000, offered_bytes=1000, offered_packets=1)},
        queue(1000, entered=1000, frames=1, dropped=9, time_s=11.0),
    )
    assert flow_rates(ONE, before, after)["slice1:h1->h3"].queue_dropped_bps == 8000


def test_a_queue_that_emptied_dropped_nothing() -> None:
    before = reading({1: flow(0)}, queue(0, time_s=10.0))
    after = reading(
        {1: flow(1000, offered_bytes=1000, offered_packets=1)},
        queue(2000, entered=1000, frames=1, time_s=11.0),
    )
    assert flow_rates(ONE, before, after)["slice1:h1->h3"].queue_dropped_bps == 0


@pytest.mark.parametrize(
    ("counted", "sent", "expected"),
    [
        (0, 60_000, 0),  # Nothing was refused: what did not leave is counted late, or waits.
        (2, 60_000, 40_000),  # Two batches.
        (1, 60_000, 32_000),  # One batch, and no more.
        (3, 100_000, 3_000),  # As many as were counted at least.
    ],
)
def test_in_userspace_a_queue_that_refuses_a_frame_costs_a_batch(
    counted: int, sent: int, expected: int
) -> None:
    """100 frames of 1000 bytes enter in 8 s; expected is in bytes."""
    before = reading({1: flow(0)}, queue(0, time_s=10.0))
    after = reading(
        {1: flow(100_000, offered_bytes=100_000, offered_packets=100)},
        queue(sent, entered=100_000, frames=100, dropped=counted, time_s=18.0),
    )
    rates, _ = told_rates(ONE, before, after, userspace=True)
    assert rates["slice1:h1->h3"].queue_dropped_bps == pytest.approx(expected)
