"""The largest delay through a path of WFQ nodes: the formula by hand, and packets that come near it."""

import math
import random
from fractions import Fraction

import pytest

from fairslice.models.schedulers import Hop, Traffic, delay_bound, gps, wfq

F = Fraction


def test_equal_guarantees_are_parekh_and_gallager_s_formula() -> None:
    """(sigma + (K - 1) L) / g + sum of L_m / C_m, by hand: (60 + 2 * 12) / 3 + 3 * 15 / 30."""
    bound = delay_bound(60, 2, 12, [Hop(3, 30, 15)] * 3)
    assert bound.total == pytest.approx(28 + 1.5, rel=1e-12)
    assert bound.burst == 20
    assert bound.packet == (4, 4, 0)
    assert bound.other == (0.5, 0.5, 0.5)


def test_each_hop_says_what_it_costs_and_the_slowest_pays_the_burst() -> None:
    bound = delay_bound(60, 2, 12, [Hop(6, 60, 15), Hop(3, 30, 15), Hop(12, 12, 12)])
    assert bound.slowest == 1
    assert bound.hops == (2.25, 24.5, 1)
    assert sum(bound.hops) == bound.total == 27.75


def test_more_than_is_guaranteed_has_no_bound() -> None:
    assert delay_bound(60, 3, 12, [Hop(3, 30, 15)]).total == 20.5
    assert delay_bound(60, 3.01, 12, [Hop(3, 30, 15)]).total == math.inf


@pytest.mark.parametrize(
    ("burst", "rate", "packet", "hops", "message"),
    [
        (1, 1, 1, [], "found no hops"),
        (1, 1, 2, [Hop(1, 1, 1)], "a burst that holds it"),
        (1, -1, 1, [Hop(1, 1, 1)], "a rate from 0 up"),
        (1, 1, 0, [Hop(1, 1, 1)], "a packet above 0"),
        (1, 1, 1, [Hop(1, 1, 1), Hop(2, 1, 1)], "found hop 1 with rate 2, capacity 1"),
        (1, 1, 1, [Hop(0, 1, 1)], "found hop 0 with rate 0"),
        (1, 1, 1, [Hop(1, 1, -1)], "largest packet -1"),
    ],
)
def test_what_is_not_a_path_is_refused(
    burst: float, rate: float, packet: float, hops: list[Hop], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        delay_bound(burst, rate, packet, hops)


Packets = list[tuple[int, Fraction, Fraction]]
"""Flow, arrival, length."""


def through(weights: list[Fraction], rate: Fraction, packets: Packets) -> list[Fraction]:
    """When packets leave a WFQ node, in the order given."""
    traffic = Traffic(rate, weights, *(list(column) for column in zip(*packets, strict=True)))
    return wfq(traffic, gps(traffic)).finish


def delays(number: int) -> tuple[list[Fraction], float]:
    """What packets of flow 0 take through two or three nodes with greedy others, and their bound.

    Flow 0 empties its bucket whenever it can. The others are new at each node, and send as much as the link
    carries.
    """
    draw = random.Random(number)
    packet = F(draw.randint(1, 6))
    burst, rate = packet * draw.randint(1, 5), F(draw.randint(1, 3))
    begun = F(draw.randint(0, 3), 2)
    own = [(begun, packet) for _ in range(int(burst / packet))]
    own += [(begun + packet * (n + 1) / rate, packet) for n in range(8)]
    hops: list[Hop] = []
    came = [arrival for arrival, _ in own]
    for _ in range(draw.randint(2, 3)):
        weights = [F(draw.randint(1, 3)), *(F(draw.randint(1, 4)) for _ in range(draw.randint(1, 3)))]
        # So that flow 0 is guaranteed its rate, or somewhat more.
        link: Fraction = rate * sum(weights) / weights[0] * draw.choice([F(1), F(1), F(3, 2)])
        length = F(draw.randint(1, 9))
        packets: Packets = [(0, arrival, packet) for arrival in came]
        for flow in range(1, len(weights)):
            packets += [(flow, F(0), length) for _ in range(int(link * (max(came) + 8) / length))]
        came = through(weights, link, packets)[: len(own)]
        hops.append(Hop(float(link * weights[0] / sum(weights)), float(link), float(max(length, packet))))
    bound = delay_bound(float(burst), float(rate), float(packet), hops)
    return [left - arrival for left, (arrival, _) in zip(came, own, strict=True)], bound.total


def test_packets_through_a_path_of_wfq_nodes_keep_the_bound_and_come_near_it() -> None:
    nearest = 0.0
    for number in range(60):
        taken, bound = delays(number)
        assert float(max(taken)) <= bound * (1 + 1e-12), number
        nearest = max(nearest, float(max(taken)) / bound)
    assert nearest > 0.8, "a bound that nothing comes near would say little"
