"""Flows over several paths: worked examples, what is refused, and the referee on what is solved by hand."""

import math
from collections.abc import Mapping

import pytest

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.free import MultipathAllocation, allocate_free
from fairslice.alloc.multipath.problem import MultipathProblem, split_evenly
from fairslice.alloc.problem import ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError, InputError
from fairslice.testing.referee import fair_totals, max_min_by_lp

NEAR = 0.01
"""Relative: how near the totals come on networks as small as these."""


def over(*links: str) -> dict[str, float]:
    return dict.fromkeys(links, 1.0)


def flow(id_: str, *paths: Mapping[str, float], weight: float = 1.0, cap: float = math.inf) -> MultipathFlow:
    return MultipathFlow(id_, paths, weight, cap)


def check(problem: MultipathProblem, expected: Mapping[str, float]) -> MultipathAllocation:
    """Both the referee, exactly, and the rounds, nearly, find the totals."""
    assert fair_totals(problem) == pytest.approx(dict(expected), rel=1e-8)
    allocation = allocate_free(problem)
    assert dict(allocation.rates) == pytest.approx(dict(expected), rel=NEAR)
    return allocation


TWO_LINKS = {"A": 10.0, "B": 10.0}


def test_two_parallel_links() -> None:
    """Whoever has both links leaves the one that the other needs: 10 each, not 15 and 5."""
    problem = MultipathProblem(TWO_LINKS, (flow("both", over("A"), over("B")), flow("one", over("A"))))
    allocation = check(problem, {"both": 10, "one": 10})
    assert allocation.path_rates["both"] == pytest.approx((0, 10), abs=NEAR * 10)
    assert allocation.path_bottlenecks["both"] == tuple(
        Bottleneck(BottleneckKind.LINK, name) for name in "AB"
    )
    assert str(allocation.bottlenecks["both"]) == "link B"
    assert str(allocation.bottlenecks["one"]) == "link A"


def test_both_links_are_pooled() -> None:
    """Two flows with one link each and one with both: the 20 is shared by three."""
    flows = (flow("both", over("A"), over("B")), flow("a", over("A")), flow("b", over("B")))
    allocation = check(MultipathProblem(TWO_LINKS, flows), {"both": 20 / 3, "a": 20 / 3, "b": 20 / 3})
    assert allocation.path_rates["both"] == pytest.approx((10 / 3, 10 / 3), rel=NEAR)


def test_weights_share_the_pool() -> None:
    flows = (flow("both", over("A"), over("B"), weight=2), flow("a", over("A")), flow("b", over("B")))
    check(MultipathProblem(TWO_LINKS, flows), {"both": 10, "a": 5, "b": 5})


def test_triangle() -> None:
    """Three nodes, a flow for each pair, the direct way or the one around.

    Every flow has 1 on its own link. Going around takes a unit on two links for each unit won, so nobody
    wins by it: the total of the rates is at most the total of the capacities, which direct ways reach.
    """
    direct = {"ab": 1.0, "bc": 1.0, "ca": 1.0}
    flows = (
        flow("ab", over("ab"), over("bc", "ca")),
        flow("bc", over("bc"), over("ca", "ab")),
        flow("ca", over("ca"), over("ab", "bc")),
    )
    check(MultipathProblem(direct, flows), direct)


def test_triangle_with_an_idle_way_around() -> None:
    """One flow alone has its own link and the way around."""
    capacities = {"ab": 1.0, "bc": 1.0, "ca": 2.0}
    check(MultipathProblem(capacities, (flow("ab", over("ab"), over("bc", "ca")),)), {"ab": 2})


def test_the_second_path_is_the_only_way_to_more() -> None:
    """Five share A; one of them alone has B as well, and then leaves A to the others."""
    flows = [flow("f", over("A"), over("B")), *(flow(f"g{i}", over("A")) for i in range(4))]
    check(MultipathProblem(TWO_LINKS, flows), {"f": 10, "g0": 2.5, "g1": 2.5, "g2": 2.5, "g3": 2.5})


def test_a_flow_yields_behind_its_own_bottleneck() -> None:
    """Plain adaptive water-filling stays at an even split here: f is stopped at its access link either way.

    f must go over C, so that only then g has all of B. The rule that looks at the bottleneck alone gives g
    no more than 8.
    """
    flows = (flow("f", over("access", "B"), over("access", "C")), flow("g", over("B")))
    allocation = check(MultipathProblem({"access": 4.0, "B": 10.0, "C": 10.0}, flows), {"f": 4, "g": 10})
    assert allocation.path_rates["f"] == pytest.approx((0, 4), abs=NEAR * 4)
    assert str(allocation.bottlenecks["f"]) == "link access"


def test_a_demand_yields_too() -> None:
    flows = (flow("f", over("B"), over("C"), cap=4), flow("g", over("B")))
    allocation = check(MultipathProblem({"B": 10.0, "C": 10.0}, flows), {"f": 4, "g": 10})
    assert str(allocation.bottlenecks["f"]) == "cap"


def test_a_demand_between_two_levels() -> None:
    """f wants 6 of the 20 and has it; the others share 14 as far as their links let them."""
    flows = (flow("f", over("A"), over("B"), cap=6), flow("a", over("A")), flow("b", over("B")))
    check(MultipathProblem(TWO_LINKS, flows), {"f": 6, "a": 7, "b": 7})


def test_a_limit_holds_over_all_paths() -> None:
    flows = (MultipathFlow("f", (over("A"), over("B")), slice="s"), flow("g", over("A")))
    problem = MultipathProblem(TWO_LINKS, flows, {"s": SliceShare(1.0, 4.0)}, per_flow=True)
    allocation = check(problem, {"f": 4, "g": 10})
    assert allocation.bottlenecks["f"] == Bottleneck(BottleneckKind.LIMIT, "s")


def test_a_slice_fills_all_links_that_it_has_alone() -> None:
    """A demand that is never met changes nothing in a hierarchy either."""
    for cap in (math.inf, 1e6):
        flows = (MultipathFlow("f", (over("A"), over("B")), cap=cap, slice="s"),)
        problem = MultipathProblem(TWO_LINKS, flows, {"s": SliceShare(2.0)})
        assert allocate_free(problem).rates == pytest.approx({"f": 20})


def test_a_demand_that_is_never_met_changes_no_hierarchy() -> None:
    def totals(cap: float) -> Mapping[str, float]:
        flows = (
            MultipathFlow("f", (over("A"), over("B")), cap=cap, slice="s"),
            MultipathFlow("g", (over("A"),), slice="s"),
            MultipathFlow("h", (over("B"),), slice="t"),
        )
        shares = {"s": SliceShare(2.0), "t": SliceShare(1.0)}
        return allocate_free(MultipathProblem(TWO_LINKS, flows, shares)).rates

    assert totals(1e6) == pytest.approx(dict(totals(math.inf)), rel=1e-6)


def test_links_that_stop_nobody_are_no_bottlenecks() -> None:
    """A wider link behind a narrow one, and one that nobody can fill, are no different from none."""
    flows = (
        flow("f", over("A", "behind"), over("B", "wide"), cap=9),
        flow("g", over("A", "behind", "wide")),
        flow("h", over("B")),
    )
    problem = MultipathProblem({**TWO_LINKS, "behind": 10.5, "wide": 50.0}, flows)
    allocation = check(problem, dict.fromkeys("fgh", 20 / 3))
    assert {str(reason) for paths in allocation.path_bottlenecks.values() for reason in paths} == {
        "link A",
        "link B",
    }


def test_amounts_out_of_the_range_of_floats() -> None:
    """Filled in fractions, with weights and capacities at the ends of what a float can be."""
    for scale in (1e-150, 1e150):
        flows = (
            flow("both", over("A"), over("B"), weight=2 * scale),
            flow("a", over("A"), weight=scale),
            flow("b", over("B"), weight=scale),
        )
        problem = MultipathProblem({"A": 10 * scale, "B": 10 * scale}, flows)
        expected = {"both": 10 * scale, "a": 5 * scale, "b": 5 * scale}
        assert dict(allocate_free(problem, rounds=8).rates) == pytest.approx(expected, rel=NEAR)


def test_nothing_to_divide() -> None:
    assert allocate_free(MultipathProblem(TWO_LINKS, ())).rates == {}
    empty = MultipathProblem(
        {"A": 0.0, "B": 0.0}, (flow("f", over("A"), over("B")), flow("g", over("A"), cap=0))
    )
    assert allocate_free(empty).rates == {"f": 0, "g": 0}
    assert fair_totals(empty) == {"f": 0, "g": 0}


def test_a_path_that_uses_nothing_meets_the_demand() -> None:
    problem = MultipathProblem({"A": 1.0}, (flow("f", {}, over("A"), cap=7),))
    assert allocate_free(problem).rates == pytest.approx({"f": 7})


def test_a_dead_path_beside_a_live_one() -> None:
    check(MultipathProblem({"A": 0.0, "B": 3.0}, (flow("f", over("A"), over("B")),)), {"f": 3})


def test_fixed_splits_are_sums_over_paths() -> None:
    path = {"A": 1.0, "C": 0.5}
    problem = MultipathProblem({"A": 1, "B": 1, "C": 1}, (flow("f", path, over("B", "C"), weight=3, cap=2),))
    assert split_evenly(problem).flows == (ProblemFlow("f", {"A": 0.5, "C": 0.75, "B": 0.5}, 3, 2),)
    quarter = split_evenly(problem, {"f": (0.25, 0.75)})
    assert quarter.flows[0].uses == {"A": 0.25, "C": 0.875, "B": 0.75}
    assert split_evenly(problem, {"f": (0, 1)}).flows[0].uses == over("B", "C")


def test_fixed_splits_keep_floors_free_ones_refuse_them() -> None:
    flows = (MultipathFlow("f", (over("A"), over("B")), floor=6), MultipathFlow("g", (over("A"),)))
    problem = MultipathProblem(TWO_LINKS, flows)
    # Half of f and all of g fill A.
    assert allocate(split_evenly(problem)).rates == pytest.approx({"f": 20 / 3, "g": 20 / 3})
    with pytest.raises(InputError, match=r'flows\[0\] \("f"\): the floor is 6 on 2 paths .* fixed ratios'):
        allocate_free(problem)


def test_a_floor_on_one_path_beside_free_splits() -> None:
    flows = (MultipathFlow("f", (over("A"),), floor=9), flow("g", over("A"), over("B")), flow("h", over("B")))
    rates = allocate_free(MultipathProblem(TWO_LINKS, flows)).rates
    assert rates["f"] == pytest.approx(9)
    assert rates["g"] == pytest.approx(5.5, rel=NEAR)
    assert rates["h"] == pytest.approx(5.5, rel=NEAR)
    with pytest.raises(InfeasibleError, match="those of f need 11 but link A carries 10") as caught:
        allocate_free(MultipathProblem(TWO_LINKS, (MultipathFlow("f", (over("A"),), floor=11), *flows[1:])))
    assert (caught.value.link, caught.value.flows) == ("A", ("f",))


def test_every_fault_is_told_once() -> None:
    flows = (
        MultipathFlow("f", (over("A"), over("X")), weight=0),
        MultipathFlow("g", (over("A"), {"A": -1.0})),
        MultipathFlow("f", (over("A"),)),
        MultipathFlow("h", (over("A"), {})),
    )
    with pytest.raises(InputError) as caught:
        MultipathProblem(TWO_LINKS, flows).check()
    told = [str(fault) for fault in caught.value.faults]
    assert len(told) == len(set(told)) == 5
    for part in ("flows[0]", 'link "X" is unknown', "uses -1.0", "has the id of flows[0]", "flows[3]"):
        assert any(part in fault for fault in told), part


def test_a_flow_without_a_path_is_refused() -> None:
    with pytest.raises(InputError, match="has no path, expected at least one"):
        MultipathProblem(TWO_LINKS, (MultipathFlow("f", ()),)).check()


@pytest.mark.parametrize(
    ("ratios", "told"),
    [
        ({"f": (1.0,)}, "found 1, expected 2"),
        ({"f": (0.5, 0.4)}, "add up to 0.9"),
        ({"f": (1.5, -0.5)}, "expected finite numbers from 0 up"),
        ({"f": (math.nan, 1)}, "expected finite numbers from 0 up"),
        ({"x": (1.0,)}, "there is no such flow"),
    ],
)
def test_ratios_that_make_no_split_are_refused(ratios: dict[str, tuple[float, ...]], told: str) -> None:
    with pytest.raises(InputError, match=told):
        split_evenly(MultipathProblem(TWO_LINKS, (flow("f", over("A"), over("B")),)), ratios)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(InputError, match="rounds: found 0"):
        allocate_free(MultipathProblem(TWO_LINKS, (flow("f", over("A")),)), rounds=0)


def test_the_referee_refuses_what_is_no_linear_program() -> None:
    floor = MultipathProblem(TWO_LINKS, (MultipathFlow("f", (over("A"),), floor=1),))
    slices = MultipathProblem(TWO_LINKS, (MultipathFlow("f", (over("A"),), slice="s"),), {"s": SliceShare()})
    for problem, told in ((floor, "floors"), (slices, "hierarchy")):
        with pytest.raises(InputError, match=told):
            fair_totals(problem)


def test_the_referee_stops_in_time() -> None:
    answer = max_min_by_lp([1.0], [0, 1], [0], [1.0], [math.inf], time_limit=0)
    assert not answer.complete
    assert answer.programs == 0


def test_the_referee_starts_cold_or_warm() -> None:
    for warm_start in (False, True):
        answer = max_min_by_lp(
            [10.0, 10.0],
            [0, 1, 2, 3],
            [0, 1, 0],
            [1.0, 1.0],
            [math.inf, 3.0],
            flow=[0, 0, 1],
            warm_start=warm_start,
        )
        assert answer.rate == pytest.approx([17, 3])
        assert answer.path_rate.sum() == pytest.approx(20)
