"""GPS and the schedulers that send packets: examples of papers and courses, ties, and bounds."""

import json
from collections.abc import Sequence
from fractions import Fraction

import pytest

from fairslice.models.schedulers import (
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
Packets = Sequence[tuple[int, int | Fraction, int | Fraction]]


def traffic(weights: Sequence[int | Fraction], packets: Packets, rate: int = 1) -> Traffic[Fraction]:
    """Packets as (flow, arrival, length)."""
    return Traffic(
        F(rate),
        [F(one) for one in weights],
        [flow for flow, _, _ in packets],
        [F(arrival) for _, arrival, _ in packets],
        [F(length) for _, _, length in packets],
    )


def points(*pairs: tuple[int | Fraction, int | Fraction]) -> list[tuple[Fraction, Fraction]]:
    return [(F(time), F(virtual)) for time, virtual in pairs]


PAREKH_GALLAGER = [
    *((0, 1, 1), (0, 2, 1), (0, 3, 2), (0, 11, 2)),
    *((1, 0, 3), (1, 5, 2), (1, 9, 2)),
]
"""Two sessions on a link of rate 1, after Parekh and Gallager 1993. What is expected is by hand."""


@pytest.mark.parametrize(
    ("weights", "fluid", "packets"),
    [
        ([1, 1], [3, 5, 9, 13, 5, 9, 11], [4, 5, 7, 13, 3, 9, 11]),
        ([1, 2], [4, 5, 9, 13, 4, 8, 11], [4, 5, 9, 13, 3, 7, 11]),
    ],
    ids=["equal weights", "the second has twice the weight"],
)
def test_the_example_of_parekh_and_gallager(weights: list[int], fluid: list[int], packets: list[int]) -> None:
    problem = traffic(weights, PAREKH_GALLAGER)
    found = gps(problem)
    assert found.finish == fluid
    assert wfq(problem, found).finish == packets


def test_the_example_of_keshav_needs_iterated_deletion() -> None:
    """After Keshav 1997, *An Engineering Approach to Computer Networking*. What is expected is by hand.

    Packets of 1, 2 and 2 come to A, B and C at 0, and one of 2 to A at 4. The round number is 1 at 3 and 1.5
    at 4, so that A's second finish number is 3.5; B and C run empty at 5.5, and A is done at 7.
    """
    problem = traffic([1, 1, 1], [(0, 0, 1), (1, 0, 2), (2, 0, 2), (0, 4, 2)])
    found = gps(problem)
    assert found.virtual_finish == [1, 2, 2, F(7, 2)]
    assert found.virtual_start[3] == F(3, 2)
    assert found.finish == [3, F(11, 2), F(11, 2), 7]
    assert virtual_time(problem, found) == points(
        (0, 0), (3, 1), (4, F(3, 2)), (F(11, 2), 2), (7, F(7, 2)), (7, 0)
    )
    assert wfq(problem, found).order == [0, 1, 2, 3]


def bennett_zhang() -> Traffic[Fraction]:
    """Eleven sessions: the first has half of the link and 11 packets, the others 1/20 and one packet each.

    All packets have length 1 and are there at 0 (after Bennett and Zhang, WF2Q, INFOCOM 1996).
    """
    packets = [(0, 0, 1)] * 11
    return traffic([F(1, 2)] + [F(1, 20)] * 10, packets + [(flow, 0, 1) for flow in range(1, 11)])


def test_the_example_of_bennett_and_zhang() -> None:
    problem = bennett_zhang()
    fluid, fair = wf2q(problem)
    assert fluid.finish == [2 * k for k in range(1, 11)] + [21] + [20] * 10
    ahead = wfq(problem, gps(problem))
    first = [problem.flow[packet] for packet in ahead.order]
    assert first == [0] * 10 + list(range(1, 11)) + [0], "WFQ sends ten packets of the first session in a row"
    alternating = [problem.flow[packet] for packet in fair.order]
    assert alternating == [flow for other in range(1, 11) for flow in (0, other)] + [0], "WF2Q takes turns"


def test_the_order_of_fair_queueing_in_a_lecture() -> None:
    """A. Matta, Boston University, CS 835, 2000: a packet of 10 goes between another flow's of 5 and 8."""
    problem = traffic([1, 1], [(0, 0, 5), (0, 0, 8), (1, 0, 10)])
    assert wfq(problem, gps(problem)).order == [0, 2, 1]


def test_deficit_round_robin_by_hand() -> None:
    """Three queues and a quantum of 500 (after S. Cheung, Emory University, CS 558).

    200 and 400; 100, 200 and 300; 200, 200 and 200. The first may send 200 and keeps 300, the second sends
    300 and keeps 200, the third sends 400 and keeps 100. In the second round all have enough for what is
    left.
    """
    lengths = {0: [200, 400], 1: [100, 200, 300], 2: [200, 200, 200]}
    packets = [(flow, 0, length) for flow, all_of_it in lengths.items() for length in all_of_it]
    served = drr(traffic([1, 1, 1], list(packets)), [F(500)] * 3)
    assert [packets[place][::2] for place in served.order] == [
        *((0, 200), (1, 100), (1, 200), (2, 200), (2, 200)),
        *((0, 400), (1, 300), (2, 200)),
    ]


def test_deficit_round_robin_with_a_quantum_below_a_packet() -> None:
    """Packets of 16, 10, 12 and 8 and a quantum of 4: they have saved enough in round 4, 3, 3 and 2."""
    served = drr(traffic([1] * 4, [(0, 0, 16), (1, 0, 10), (2, 0, 12), (3, 0, 8)]), [F(4)] * 4)
    assert served.order == [3, 1, 2, 0]
    assert served.finish == [46, 18, 30, 8]


def test_rounds_in_which_nobody_can_send_cost_nothing() -> None:
    tiny = F(1, 10**12)
    served = drr(traffic([1, 1], [(0, 0, 3), (1, 0, 2), (0, 0, 1)]), [tiny, tiny])
    assert served.order == [1, 0, 2]


def test_a_queue_is_empty_when_its_last_packet_has_left() -> None:
    """Flow 0's second packet comes while its first is sent: its turn goes on with the rest of its quantum."""
    served = drr(traffic([1, 1], [(0, 0, 2), (1, 0, 2), (0, 2, 2)]), [F(4), F(4)])
    assert served.order == [0, 2, 1]


def test_who_comes_meanwhile_stands_before_the_one_that_is_served() -> None:
    served = drr(traffic([1, 1], [(0, 0, 2), (0, 0, 2), (1, 1, 2)]), [F(2), F(2)])
    assert served.order == [0, 2, 1]


def test_a_flow_that_runs_empty_loses_its_deficit() -> None:
    """Flow 0 would have 9 left of its first turn, and then enough for both packets at once."""
    packets = [
        (0, 0, 1),
        (1, 0, 10),
        (0, 5, 10),
        (0, 5, 9),
        (1, 5, 10),
    ]
    served = drr(traffic([1, 1], packets), [F(10), F(10)])
    assert served.order == [0, 1, 2, 4, 3]


def test_ties_go_to_the_first_to_come_and_then_to_the_first_listed() -> None:
    at_once = traffic([1, 1, 1], [(0, 0, 4), (1, 0, 4), (2, 0, 4)])
    assert wfq(at_once, gps(at_once)).order == wf2q(at_once)[1].order == [0, 1, 2]
    # While the first is sent, the second comes; V is 1/2 then, so that it ties with the third, which came
    # before it.
    later = traffic([1, 1, 1], [(2, 0, 1), (0, 1, F(7, 2)), (1, 0, 4)])
    found = gps(later)
    assert found.virtual_finish[1] == found.virtual_finish[2] == 4
    assert wfq(later, found).order == wf2q(later)[1].order == [0, 2, 1]
    assert fifo(traffic([1, 1], [(0, 1, 1), (1, 1, 1), (0, 0, 1)])).order == [2, 0, 1]


def test_a_packet_that_comes_as_another_ends_is_there() -> None:
    problem = traffic([1, 9], [(0, 0, 2), (0, 0, 2), (1, 2, 2)])
    assert wfq(problem, gps(problem)).order == [0, 2, 1]


def test_virtual_time_begins_anew_with_each_busy_period() -> None:
    problem = traffic([1, 1], [(0, 0, 2), (1, 2, 2), (0, 7, 1)])
    found = gps(problem)
    assert found.virtual_start == [0, 0, 0]
    assert found.virtual_finish == [2, 2, 1]
    assert virtual_time(problem, found) == points(
        (0, 0), (2, 2), (2, 0), (4, 2), (4, 0), (7, 0), (8, 1), (8, 0)
    )


def test_packets_may_be_listed_in_any_order_and_come_before_zero() -> None:
    problem = traffic([1, 1], [(0, 3, 1), (1, -2, 1)])
    found = gps(problem)
    assert found.finish == wfq(problem, found).finish == wf2q(problem)[1].finish == [4, -1]
    assert fifo(problem).finish == drr(problem, [F(1), F(1)]).finish == [4, -1]


def test_without_packets_there_is_nothing_to_say() -> None:
    problem = traffic([1], [])
    found = gps(problem)
    assert found.order == wfq(problem, found).order == wf2q(problem)[1].order == fifo(problem).order == []
    assert virtual_time(problem, found) == []
    assert largest_lag(found.finish, found.finish) is None
    assert lag_bound(problem) is None


def test_the_bound_is_met_by_the_largest_packet() -> None:
    """A long packet begins an instant before a short one comes, which is late by nearly all of it."""
    late = F(1, 1000)
    problem = traffic([1, 10**6], [(0, 0, 100), (1, late, F(1, 1000))])
    found = gps(problem)
    lag = largest_lag(wfq(problem, found).finish, found.finish)
    assert lag is not None
    assert lag_bound(problem) == 100
    assert F(99) < lag < F(100)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate": 0}, "found the rate 0, expected a number above 0"),
        ({"weights": [1, -1]}, "found the weight -1"),
        ({"length": [1, 0]}, "found the length 0"),
        ({"flow": [0, 2]}, "found flows from 0 to 2, expected indices of 2 weights"),
        ({"arrival": [0]}, "found 2 flows, 1 arrivals and 2 lengths"),
        ({"rate": float("nan")}, "found the rate nan"),
    ],
)
def test_what_no_link_can_serve_is_refused(changed: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "rate": 1,
        "weights": [1, 1],
        "flow": [0, 1],
        "arrival": [0, 0],
        "length": [1, 1],
    }
    with pytest.raises(ValueError, match=message):
        Traffic(**{**given, **changed})  # type: ignore[type-var,arg-type]


def test_floats_see_turns_that_rounding_would_hide() -> None:
    """With floats V misses the virtual starts of Bennett and Zhang's example by a rounding."""
    problem = bennett_zhang()
    assert wf2q(as_floats(problem))[1].order == wf2q(problem)[1].order


def test_a_light_flow_beside_a_heavy_one_is_not_rounded_away() -> None:
    """1e17 + 1 - 1e17 is 0 in floats."""
    problem = traffic([10**17, 1], [(0, 0, 1), (1, 0, 2), (1, F(1, 2), 3)])
    assert gps(as_floats(problem)).finish == pytest.approx(
        [float(one) for one in gps(problem).finish], rel=1e-12
    )


def test_whole_numbers_are_served_as_floats_are() -> None:
    whole = Traffic(1, [1, 2], [0, 1, 0], [0, 0, 1], [3, 2, 1])
    exact = traffic([1, 2], [(0, 0, 3), (1, 0, 2), (0, 1, 1)])
    assert wf2q(whole)[1] == wf2q(as_floats(exact))[1]
    assert wfq(whole, gps(whole)) == wfq(as_floats(exact), gps(as_floats(exact)))
    assert wfq(whole, gps(whole)).finish == wfq(exact, gps(exact)).finish == [5, 2, 6]
    assert json.dumps(gps(whole).virtual_finish) == "[3.0, 1.0, 4.0]"
