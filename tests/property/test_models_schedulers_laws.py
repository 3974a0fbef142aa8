"""Random packets through every scheduler: an independent fluid simulation, and the laws of the literature."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.models.schedulers import (
    Fluid,
    Served,
    Traffic,
    as_floats,
    drr,
    fifo,
    gps,
    lag_bound,
    largest_lag,
    virtual_time,
    wf2q,
    wfq,
)

F = Fraction
SETS = 2500


def drawn(number: int) -> Traffic[Fraction]:
    """A few packets with many ties: small whole numbers, halves and thirds; some sets are one busy period."""
    draw = random.Random(number)
    flows = draw.randint(1, 5)
    count = draw.randint(1, 14)
    span = draw.choice([0, 4, 12, 40])
    return Traffic(
        F(draw.choice([1, 1, 2, 3]), draw.choice([1, 1, 2])),
        [F(draw.randint(1, 4), draw.choice([1, 1, 2, 3])) for _ in range(flows)],
        [draw.randrange(flows) for _ in range(count)],
        [F(draw.randint(0, 2 * span), 2) for _ in range(count)],
        [F(draw.randint(1, 8), draw.choice([1, 1, 2, 3])) for _ in range(count)],
    )


def fluid_finishes(traffic: Traffic[Fraction]) -> list[Fraction]:
    """When packets leave GPS, by pouring: no virtual time, only what each flow has been sent.

    Time goes from one event to the next: a packet comes, or the packet at the head of a queue is done.
    Between two events each flow with a backlog is sent its share.
    """
    left = list(traffic.length)
    queues: list[list[int]] = [[] for _ in traffic.weights]
    done: list[Fraction] = [F(0)] * len(left)
    coming = sorted(range(len(left)), key=lambda packet: (traffic.arrival[packet], packet))
    now = min(traffic.arrival)
    while coming or any(queues):
        while coming and traffic.arrival[coming[0]] == now:
            packet = coming.pop(0)
            queues[traffic.flow[packet]].append(packet)
        busy = [flow for flow, queue in enumerate(queues) if queue]
        if not busy:
            now = traffic.arrival[coming[0]]
            continue
        weights = sum(traffic.weights[flow] for flow in busy)
        speed = {flow: traffic.rate * traffic.weights[flow] / weights for flow in busy}
        step = min(left[queues[flow][0]] / speed[flow] for flow in busy)
        if coming:
            step = min(step, traffic.arrival[coming[0]] - now)
        now += step
        for flow in busy:
            left[queues[flow][0]] -= speed[flow] * step
            if left[queues[flow][0]] == 0:
                done[queues[flow].pop(0)] = now
    return done


def by_fluid(traffic: Traffic[Fraction], finishes: list[Fraction]) -> list[int]:
    """PGPS by its definition: whenever the link is free, the packet that would leave GPS first.

    That is by real time; packets that leave GPS at the same instant tie by arrival, then as listed. GPS is
    here given all packets from the beginning, which Parekh and Gallager's lemma 1 allows.
    """
    waiting = list(range(len(traffic.length)))
    now = min(traffic.arrival)
    order = []
    while waiting:
        there = [packet for packet in waiting if traffic.arrival[packet] <= now]
        if not there:
            now = min(traffic.arrival[packet] for packet in waiting)
            continue
        best = min(there, key=lambda packet: (finishes[packet], traffic.arrival[packet], packet))
        waiting.remove(best)
        order.append(best)
        now += traffic.length[best] / traffic.rate
    return order


def test_gps_and_wfq_agree_with_a_fluid_simulation() -> None:
    for number in range(SETS):
        traffic = drawn(number)
        found, expected = gps(traffic), fluid_finishes(traffic)
        assert found.finish == expected, number
        assert wfq(traffic, found).order == by_fluid(traffic, expected), number


def eligible_by_fluid(traffic: Traffic[Fraction], finishes: list[Fraction]) -> list[int]:
    """WF2Q by its definition: as above, among packets that GPS has begun, in real time."""
    begun = list(traffic.arrival)
    for flow in range(len(traffic.weights)):
        own = [packet for packet in range(len(begun)) if traffic.flow[packet] == flow]
        own.sort(key=lambda packet: (traffic.arrival[packet], packet))
        for before, packet in pairwise(own):
            begun[packet] = max(begun[packet], finishes[before])
    waiting = list(range(len(begun)))
    now = min(begun)
    order = []
    while waiting:
        if not any(traffic.arrival[packet] <= now for packet in waiting):
            now = min(traffic.arrival[packet] for packet in waiting)
        there = [packet for packet in waiting if begun[packet] <= now]
        best = min(there, key=lambda packet: (finishes[packet], traffic.arrival[packet], packet))
        waiting.remove(best)
        order.append(best)
        now += traffic.length[best] / traffic.rate
    return order


def round_by_round(traffic: Traffic[Fraction], quanta: list[Fraction]) -> list[int]:
    """Deficit round robin as Shreedhar and Varghese write it, a turn after the other, none skipped."""
    coming = sorted(range(len(traffic.length)), key=lambda packet: (traffic.arrival[packet], packet))
    queues: list[list[int]] = [[] for _ in quanta]
    credit = {flow: F(0) for flow in range(len(quanta))}
    active: list[int] = []
    order: list[int] = []
    now = traffic.arrival[coming[0]]
    while coming or active:
        if not active:
            now = max(now, traffic.arrival[coming[0]])
        flow = active[0] if active else -1
        if flow >= 0:
            credit[flow] += quanta[flow]
        while True:
            while coming and traffic.arrival[coming[0]] <= now:
                packet = coming.pop(0)
                queues[traffic.flow[packet]].append(packet)
                if traffic.flow[packet] not in active:
                    active.append(traffic.flow[packet])
            if flow < 0 or not queues[flow] or traffic.length[queues[flow][0]] > credit[flow]:
                break
            packet = queues[flow].pop(0)
            credit[flow] -= traffic.length[packet]
            order.append(packet)
            now += traffic.length[packet] / traffic.rate
        if flow >= 0:
            active.remove(flow)
            if queues[flow]:
                active.append(flow)
            else:
                credit[flow] = F(0)
    return order


def test_wf2q_and_round_robin_are_their_definitions() -> None:
    for number in range(SETS):
        traffic = drawn(number)
        assert wf2q(traffic)[1].order == eligible_by_fluid(traffic, fluid_finishes(traffic)), number
        small = [weight / (1 + number % 9) for weight in traffic.weights]
        assert drr(traffic, small).order == round_by_round(traffic, small), number


@st.composite
def traffics(draw: st.DrawFn) -> Traffic[Fraction]:
    """As above, and shrunk where a law is broken."""
    flows, count = draw(st.integers(1, 4)), draw(st.integers(1, 10))
    some = st.fractions(F(1, 4), 6, max_denominator=4)
    return Traffic(
        draw(some),
        draw(st.lists(some, min_size=flows, max_size=flows)),
        draw(st.lists(st.integers(0, flows - 1), min_size=count, max_size=count)),
        draw(st.lists(st.fractions(-3, 20, max_denominator=3), min_size=count, max_size=count)),
        draw(st.lists(some, min_size=count, max_size=count)),
    )


@given(traffics())
def test_the_theorem_and_the_definitions_hold(traffic: Traffic[Fraction]) -> None:
    fluid, fair = wf2q(traffic)
    assert gps(traffic) == fluid
    assert fluid.finish == fluid_finishes(traffic)
    bound = lag_bound(traffic)
    assert bound is not None
    for served in (wfq(traffic, fluid), fair):
        lag = largest_lag(served.finish, fluid.finish)
        assert lag is not None
        assert lag <= bound
    assert max(fluid.finish) == max(fair.finish) == max(fifo(traffic).finish)


@given(traffics(), st.fractions(F(1, 3), 5, max_denominator=3))
def test_units_do_not_matter(traffic: Traffic[Fraction], factor: Fraction) -> None:
    """With other units of length, time and weight the order is the same, and numbers are in these units."""
    longer = Traffic(
        traffic.rate * factor / 2,
        [3 * one for one in traffic.weights],
        traffic.flow,
        [2 * one for one in traffic.arrival],
        [factor * one for one in traffic.length],
    )
    ours, theirs = wf2q(traffic), wf2q(longer)
    assert ours[1].order == theirs[1].order
    assert [2 * one for one in ours[1].finish] == theirs[1].finish
    assert [factor / 3 * one for one in ours[0].virtual_finish] == theirs[0].virtual_finish


Discipline = Callable[[Traffic[Fraction]], Served[Fraction]]


def quanta(traffic: Traffic[Fraction]) -> list[Fraction]:
    """In proportion to weights, now below a packet and now above."""
    return [2 * weight for weight in traffic.weights]


DISCIPLINES: dict[str, Discipline] = {
    "fifo": fifo,
    "wfq": lambda traffic: wfq(traffic, gps(traffic)),
    "wf2q": lambda traffic: wf2q(traffic)[1],
    "drr": lambda traffic: drr(traffic, quanta(traffic)),
}


@pytest.mark.parametrize("name", DISCIPLINES)
def test_a_link_with_packets_is_never_idle(name: str) -> None:
    for number in range(500):
        traffic = drawn(number)
        served = DISCIPLINES[name](traffic)
        assert sorted(served.order) == list(range(len(traffic.length)))
        ended = None
        for place, packet in enumerate(served.order):
            start = served.start[packet]
            assert start >= traffic.arrival[packet]
            if ended is None or start > ended:
                # Idle before: so all that is still to be sent came no earlier than now.
                assert start == min(traffic.arrival[other] for other in served.order[place:])
            else:
                assert start == ended
            ended = start + traffic.length[packet] / traffic.rate
            assert served.finish[packet] == ended


@pytest.mark.parametrize("name", DISCIPLINES)
def test_a_flow_s_packets_stay_in_order(name: str) -> None:
    for number in range(500):
        traffic = drawn(number)
        served = DISCIPLINES[name](traffic)
        for flow in range(len(traffic.weights)):
            order = [packet for packet in served.order if traffic.flow[packet] == flow]
            assert order == sorted(order, key=lambda packet: (traffic.arrival[packet], packet))


@pytest.mark.parametrize("name", ["wfq", "wf2q"])
def test_no_packet_is_later_than_parekh_and_gallager_s_bound(name: str) -> None:
    for number in range(SETS):
        traffic = drawn(number)
        lag = largest_lag(DISCIPLINES[name](traffic).finish, gps(traffic).finish)
        bound = lag_bound(traffic)
        assert lag is not None
        assert bound is not None
        assert lag <= bound, number


def test_the_order_changes_who_waits_and_not_how_much() -> None:
    """Kleinrock's conservation law (1965), of packets as they come: waits, each times its length, add up to
    the same.

    The work that is left falls at the link's rate whatever the order; its integral is this sum and what does
    not depend on the order.
    """
    for number in range(500):
        traffic = drawn(number)
        sums = {
            sum(
                length * (start - arrival)
                for length, start, arrival in zip(traffic.length, served.start, traffic.arrival, strict=True)
            )
            for served in (of(traffic) for of in DISCIPLINES.values())
        }
        assert len(sums) == 1, number


Points = list[tuple[Fraction, Fraction]]


def fluid_work(
    traffic: Traffic[Fraction], fluid: Fluid[Fraction], points: Points, flow: int, until: Fraction
) -> Fraction:
    """What GPS has sent of a flow: packets that are done, and by virtual time of the one that is not."""
    done = F(0)
    for packet, length in enumerate(traffic.length):
        if traffic.flow[packet] != flow or fluid.start[packet] >= until:
            continue
        if fluid.finish[packet] <= until:
            done += length
        else:
            done += (virtual_at(points, until) - fluid.virtual_start[packet]) * traffic.weights[flow]
    return done


def virtual_at(points: Points, time: Fraction) -> Fraction:
    for (before, low), (after, high) in pairwise(points):
        if before < time <= after:
            return low + (high - low) * (time - before) / (after - before)
    raise AssertionError(time)


def sent(traffic: Traffic[Fraction], served: Served[Fraction], flow: int, until: Fraction) -> Fraction:
    work = F(0)
    for packet in served.order:
        if traffic.flow[packet] == flow and served.start[packet] < until:
            work += (min(until, served.finish[packet]) - served.start[packet]) * traffic.rate
    return work


def instants(served: Served[Fraction]) -> Iterator[Fraction]:
    for packet in served.order:
        yield (served.start[packet] + served.finish[packet]) / 2
        yield served.finish[packet]


def test_wf2q_is_never_a_packet_ahead_and_wfq_never_a_packet_behind() -> None:
    """Bennett and Zhang 1996: W(GPS) - W(WF2Q) <= L_max, W(WF2Q) - W(GPS) <= (1 - r_i/r) L_i,max.

    r_i is what GPS guarantees to the flow while it has a backlog.
    """
    ahead_of_wfq = 0
    for number in range(400):
        traffic = drawn(number)
        fluid, fair = wf2q(traffic)
        points = virtual_time(traffic, fluid)
        packets = wfq(traffic, fluid)
        largest = max(traffic.length)
        for flow, weight in enumerate(traffic.weights):
            own = max((traffic.length[p] for p in fair.order if traffic.flow[p] == flow), default=F(0))
            lead = (1 - weight / sum(traffic.weights)) * own
            for now in instants(fair):
                difference = sent(traffic, fair, flow, now) - fluid_work(traffic, fluid, points, flow, now)
                assert -largest <= difference <= lead, (number, flow, now)
            for now in instants(packets):
                difference = sent(traffic, packets, flow, now) - fluid_work(traffic, fluid, points, flow, now)
                assert -largest <= difference, (number, flow, now)
                ahead_of_wfq += difference > lead
    assert ahead_of_wfq > 0, "WFQ does run ahead, so that the law above says something"


def test_wf2q_sends_only_what_gps_has_begun() -> None:
    for number in range(SETS):
        traffic = drawn(number)
        fluid, served = wf2q(traffic)
        assert all(served.start[p] >= fluid.start[p] for p in served.order), number


def test_deficit_round_robin_divides_by_quanta() -> None:
    """Shreedhar and Varghese 1996: flows with a backlog differ by at most 1 + L_i/Q_i + L_j/Q_j."""
    compared = 0
    for number in range(400):
        draw = random.Random(number)
        flows = draw.randint(2, 4)
        lengths = [[F(draw.randint(1, 9)) for _ in range(draw.randint(4, 15))] for _ in range(flows)]
        quantum = [F(draw.randint(1, 12)) for _ in range(flows)]
        packets = [(flow, length) for flow, own in enumerate(lengths) for length in own]
        draw.shuffle(packets)
        traffic = Traffic(
            F(1),
            [F(1)] * flows,
            [flow for flow, _ in packets],
            [F(0)] * len(packets),
            [one for _, one in packets],
        )
        served = drr(traffic, quantum)
        last = [
            max(served.start[p] for p in served.order if traffic.flow[p] == flow) for flow in range(flows)
        ]
        for one in range(flows):
            for other in range(one):
                bound = 1 + max(lengths[one]) / quantum[one] + max(lengths[other]) / quantum[other]
                while_both = [now for now in instants(served) if now <= min(last[one], last[other])]
                gap = [
                    sent(traffic, served, one, now) / quantum[one]
                    - sent(traffic, served, other, now) / quantum[other]
                    for now in [F(0), *while_both]
                ]
                # Between any two instants, so the largest less the smallest.
                assert max(gap) - min(gap) <= bound, number
                compared += len(while_both)
    assert compared > 10_000


def test_virtual_time_rises_as_the_weights_with_a_backlog_say() -> None:
    """dV/dt = r / sum of weights, from the definition, at the middle of each piece."""
    for number in range(500):
        traffic = drawn(number)
        fluid = gps(traffic)
        points = virtual_time(traffic, fluid)
        assert points[0][1] == points[-1][1] == 0
        for (before, low), (after, high) in pairwise(points):
            if before == after:
                assert high == 0, "V falls only where a busy period ends"
                continue
            middle = (before + after) / 2
            busy = {traffic.flow[p] for p in fluid.order if fluid.start[p] < middle < fluid.finish[p]}
            speed = traffic.rate / sum(traffic.weights[flow] for flow in busy) if busy else 0
            assert (high - low) / (after - before) == speed, number


def large(number: int) -> Traffic[Fraction]:
    """Some hundred packets at a load near 1, whose numbers are too long for ties."""
    draw = random.Random(number)
    flows = draw.randint(2, 8)
    now = F(0)
    arrival, length, flow = [], [], []
    for _ in range(300):
        now += F(draw.randint(0, 2 * 10**9), 10**9)
        arrival.append(now)
        length.append(F(draw.randint(1, 2 * 10**9), 10**9))
        flow.append(draw.randrange(flows))
    return Traffic(F(1), [F(draw.randint(1, 5)) for _ in range(flows)], flow, arrival, length)


@pytest.mark.parametrize("number", range(6))
def test_the_quick_computation_is_the_exact_one(number: int) -> None:
    """Floats find the same orders, and the same times within 1e-9."""
    traffic = large(number)
    quick = as_floats(traffic)
    exact_fluid, exact_fair = wf2q(traffic)
    quick_fluid, quick_fair = wf2q(quick)
    for column in ("start", "finish", "virtual_start", "virtual_finish"):
        assert getattr(quick_fluid, column) == pytest.approx(
            [float(one) for one in getattr(exact_fluid, column)], rel=1e-9, abs=1e-9
        )
    pairs = [
        (wfq(traffic, exact_fluid), wfq(quick, quick_fluid)),
        (exact_fair, quick_fair),
        (fifo(traffic), fifo(quick)),
        (drr(traffic, quanta(traffic)), drr(quick, [float(one) for one in quanta(traffic)])),
    ]
    for exact, found in pairs:
        assert found.order == exact.order
        assert found.finish == pytest.approx([float(one) for one in exact.finish], rel=1e-9, abs=1e-9)


def test_rounding_may_decide_ties_and_breaks_no_law() -> None:
    """Tenths are not floats: packets that come just as others end may be a little late for their turn."""
    for number in range(1000):
        draw = random.Random(number)
        flows, count = draw.randint(1, 4), draw.randint(1, 30)
        traffic = Traffic(
            draw.choice([0.1, 0.3, 1.0]),
            [draw.randint(1, 7) / 10 for _ in range(flows)],
            [draw.randrange(flows) for _ in range(count)],
            [draw.randint(0, 60) / 10 for _ in range(count)],
            [draw.randint(1, 5) / 10 for _ in range(count)],
        )
        fluid, fair = wf2q(traffic)
        bound = lag_bound(traffic)
        assert bound is not None
        for served in (wfq(traffic, fluid), fair):
            lag = largest_lag(served.finish, fluid.finish)
            assert lag is not None
            assert lag <= bound + 1e-9, number
            assert max(served.finish) == pytest.approx(max(fluid.finish), abs=1e-9)
            assert max(served.finish) == pytest.approx(max(fifo(traffic).finish), abs=1e-9)
            assert all(served.start[p] >= fluid.start[p] - 1e-9 for p in fair.order) or served is not fair
