"""The solver on problems solved by hand: hierarchy, floors, limits, ties, and where floats would fail."""

import math
from fractions import Fraction

import pytest

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError, InputError

CAP = Bottleneck(BottleneckKind.CAP)


def link(name: str) -> Bottleneck:
    return Bottleneck(BottleneckKind.LINK, name)


def limit(name: str) -> Bottleneck:
    return Bottleneck(BottleneckKind.LIMIT, name)


def flow(id_: str, *path: str, **rest: object) -> ProblemFlow:
    return ProblemFlow(id_, {name: float(path.count(name)) for name in path}, **rest)  # type: ignore[arg-type]


def rates(problem: AllocationProblem) -> dict[str, float]:
    allocation = allocate(problem)
    assert certify(problem, allocation.rates, allocation.bottlenecks).violations == ()
    return dict(allocation.rates)


def stops(problem: AllocationProblem) -> dict[str, Bottleneck]:
    return dict(allocate(problem).bottlenecks)


def approx(expected: dict[str, float]) -> object:
    return pytest.approx(expected, rel=1e-15, abs=0)


def test_nothing_is_a_problem_too() -> None:
    allocation = allocate(AllocationProblem({}, ()))
    assert dict(allocation.rates) == {}
    assert dict(allocation.bottlenecks) == {}
    assert rates(AllocationProblem({"A": 1}, (), {"s": SliceShare(limit=0)})) == {}


def test_zero_capacity_zero_demand_zero_limit() -> None:
    problem = AllocationProblem(
        {"dead": 0, "A": 10},
        (
            flow("over dead", "A", "dead"),
            flow("wants nothing", "A", cap=0),
            flow("may have nothing", "A", slice="s"),
            flow("rest", "A"),
        ),
        {"s": SliceShare(limit=0)},
    )
    assert rates(problem) == {"over dead": 0, "wants nothing": 0, "may have nothing": 0, "rest": 10}
    assert stops(problem) == {
        "over dead": link("dead"),
        "wants nothing": CAP,
        "may have nothing": limit("s"),
        "rest": link("A"),
    }


class TestHierarchy:
    def test_slices_share_by_weight_and_flows_within(self) -> None:
        problem = AllocationProblem(
            {"A": 40},
            (
                flow("g1", "A", slice="gold", weight=2),
                flow("g2", "A", slice="gold"),
                flow("s1", "A", slice="silver"),
            ),
            {"gold": SliceShare(3), "silver": SliceShare(1)},
        )
        assert rates(problem) == {"g1": 20, "g2": 10, "s1": 10}

    def test_what_a_flow_leaves_goes_to_its_siblings_first(self) -> None:
        """At instant 2 the first freezes; then its sibling rises at the whole weight, until 5."""
        problem = AllocationProblem(
            {"A": 10, "B": 10},
            (flow("f1", "A", "B", slice="s", cap=1), flow("f2", "A", slice="s"), flow("g", "A", slice="t")),
            {"s": SliceShare(), "t": SliceShare()},
        )
        assert rates(problem) == {"f1": 1, "f2": 4, "g": 5}
        assert stops(problem) == {"f1": CAP, "f2": link("A"), "g": link("A")}

    def test_a_flow_rises_at_the_slowest_rate_that_its_links_grant(self) -> None:
        """B grants f1 a quarter; A would grant a half and keeps that for it: 1/4, 1/2 and 1 until 24/7."""
        problem = AllocationProblem(
            {"A": 6, "B": 100},
            (
                flow("f1", "A", "B", slice="s"),
                flow("f2", "A", slice="s"),
                *(flow(f"f{i}", "B", slice="s") for i in (3, 4, 5)),
                flow("alone", "A"),
            ),
            {"s": SliceShare()},
        )
        expected = {"f1": 6 / 7, "f2": 12 / 7, **dict.fromkeys(["f3", "f4", "f5"], 694 / 21), "alone": 24 / 7}
        assert rates(problem) == approx(expected)

    def test_a_link_crossed_twice_counts_twice(self) -> None:
        twice, once = flow("twice", "A", "A", slice="s"), flow("once", "A", slice="s")
        assert rates(AllocationProblem({"A": 9}, (twice, once), {"s": SliceShare()})) == {
            "twice": 3,
            "once": 3,
        }

    def test_return_share_splits_the_weight_by_use(self) -> None:
        """On the link the data flow uses 1 and the acknowledgements 0.25: both rise at 1/1.25."""
        data = ProblemFlow("data", {"A": 1}, slice="s")
        back = ProblemFlow("back", {"A": 0.25, "B": 1}, slice="s", cap=8)
        problem = AllocationProblem({"A": 30, "B": 99}, (data, back), {"s": SliceShare()})
        assert rates(problem) == approx({"data": 28, "back": 8})

    def test_per_flow_multiplies_the_weights(self) -> None:
        flows = (flow("a", "A", slice="s", weight=2), flow("b", "A", slice="s"), flow("c", "A", slice="t"))
        slices = {"s": SliceShare(2), "t": SliceShare(1, limit=1.5)}
        flat = AllocationProblem({"A": 15}, flows, slices, per_flow=True)
        assert rates(flat) == approx({"a": 9, "b": 4.5, "c": 1.5})
        assert stops(flat)["c"] == limit("t")

    def test_flows_without_links_share_what_their_slice_may_have(self) -> None:
        flows = (
            flow("a", slice="s", weight=3, cap=100),
            flow("b", slice="s", cap=100),
            flow("c", cap=7),
        )
        problem = AllocationProblem({}, flows, {"s": SliceShare(limit=8)})
        assert rates(problem) == {"a": 6, "b": 2, "c": 7}
        assert stops(problem) == {"a": limit("s"), "b": limit("s"), "c": CAP}


class TestFloors:
    def test_a_floor_is_held_until_the_level_passes_it(self) -> None:
        def problem(floor: float) -> AllocationProblem:
            return AllocationProblem({"A": 12}, (flow("f", "A", floor=floor), flow("g", "A"), flow("h", "A")))

        assert rates(problem(6)) == {"f": 6, "g": 3, "h": 3}
        assert rates(problem(3)) == {"f": 4, "g": 4, "h": 4}
        assert rates(problem(12)) == {"f": 12, "g": 0, "h": 0}

    def test_a_floor_that_does_not_bind_changes_no_share(self) -> None:
        """A floor at the cap keeps the rate, but the level still rises: siblings inherit nothing early."""
        problem = AllocationProblem(
            {"A": 100},
            (
                flow("f1", "A", slice="s", cap=10, floor=10),
                flow("f2", "A", slice="s"),
                flow("g", "A", slice="t"),
            ),
            {"s": SliceShare(), "t": SliceShare()},
        )
        assert rates(problem) == {"f1": 10, "f2": 40, "g": 50}

    def test_no_more_is_kept_than_is_wanted(self) -> None:
        problem = AllocationProblem({"A": 10}, (flow("f", "A", cap=2, floor=50), flow("g", "A")))
        assert rates(problem) == {"f": 2, "g": 8}

    def test_refused_when_they_do_not_fit_a_link(self) -> None:
        flows = (flow("f", "A", "A", floor=4), flow("g", "A", floor=5), flow("h", "A"))
        with pytest.raises(
            InfeasibleError, match=r"f, g need 13 but link A carries 10, 3 too little"
        ) as caught:
            allocate(AllocationProblem({"B": 1, "A": 10}, flows))
        error = caught.value
        assert (error.link, error.flows, error.floors, error.capacity) == ("A", ("f", "g"), 13, 10)

    def test_refused_when_they_do_not_fit_a_limit(self) -> None:
        flows = (flow("f", "A", floor=4, slice="s"), flow("g", "A", floor=5, slice="s"))
        problem = AllocationProblem({"A": 10}, flows, {"s": SliceShare(limit=8)})
        with pytest.raises(InfeasibleError, match=r"but the limit of slice s is 8, 1 too little") as caught:
            allocate(problem)
        assert caught.value.link == "limit of slice s"
        assert caught.value.capacity == 8

    def test_a_long_list_is_cut_in_the_message_only(self) -> None:
        flows = tuple(flow(f"f{i}", "A", floor=1) for i in range(12))
        with pytest.raises(InfeasibleError, match=r"f7 and 4 more need 12") as caught:
            allocate(AllocationProblem({"A": 10}, flows))
        assert len(caught.value.flows) == 12

    def test_rounding_of_a_split_guarantee_is_forgiven(self) -> None:
        """0.1 + 0.2 is more than 0.3 in floats; the link is just full."""
        problem = AllocationProblem(
            {"A": 0.3}, (flow("f", "A", floor=0.1), flow("g", "A", floor=0.2), flow("h", "A"))
        )
        assert rates(problem) == {"f": 0.1, "g": 0.2, "h": 0}


class TestBottlenecks:
    def test_cap_before_limit_before_link(self) -> None:
        """All three at the same instant."""
        flows = (flow("capped", "A", slice="s", cap=5), flow("other", "A", slice="s"))
        problem = AllocationProblem({"A": 10}, flows, {"s": SliceShare(limit=10)})
        assert rates(problem) == {"capped": 5, "other": 5}
        assert stops(problem) == {"capped": CAP, "other": limit("s")}

    def test_the_first_link_of_the_path(self) -> None:
        problem = AllocationProblem({"A": 10, "B": 10}, (flow("f", "B", "A"),))
        assert stops(problem) == {"f": link("B")}

    def test_a_demand_that_a_link_just_fits_is_met(self) -> None:
        """Ten times the float 0.1 is a little over 1."""
        problem = AllocationProblem({"A": 1}, tuple(flow(str(i), "A", cap=0.1) for i in range(10)))
        assert set(stops(problem).values()) == {CAP}

    def test_a_limit_grants_no_rate(self) -> None:
        flows = (flow("f", "A", slice="s"), flow("g", "A", slice="s", weight=3), flow("h", "A"))
        problem = AllocationProblem({"A": 100}, flows, {"s": SliceShare(weight=50, limit=4)})
        assert rates(problem) == {"f": 1, "g": 3, "h": 96}


class TestOneInstant:
    """Several links are next to fill up at one instant, by what is known before a cap is found reached."""

    def test_a_link_finds_out_that_a_flow_of_another_is_at_its_cap(self) -> None:
        """By weight alone L0 would be full at 2/0.25 and L1 at 10/1.25: both at 8. But the capped flow
        stopped at 1.5, so L0 never fills, and L1 goes on to 10 - 0.25 * 1.5."""
        flows = (ProblemFlow("f0", {"L1": 1}), ProblemFlow("f1", {"L0": 0.25, "L1": 0.25}, cap=1.5))
        problem = AllocationProblem({"L0": 2, "L1": 10}, flows)
        assert rates(problem) == {"f0": 9.625, "f1": 1.5}
        assert stops(problem) == {"f0": link("L1"), "f1": CAP}

    def test_both_links_go_on_and_are_full_together(self) -> None:
        """f2 never starts, f1 stops at 1, and what they leave of either link is f0's."""
        problem = AllocationProblem(
            {"A": 2, "B": 2},
            (
                flow("f0", "A", "B", weight=0.1),
                flow("f1", "A", "B", weight=2.4, cap=1),
                flow("f2", "B", weight=2.4, cap=0),
            ),
        )
        assert rates(problem) == {"f0": 1, "f1": 1, "f2": 0}
        assert stops(problem) == {"f0": link("A"), "f1": CAP, "f2": CAP}

    def test_capped_flows_that_use_the_link_twice(self) -> None:
        """All three reach their cap before 6 are used up; the last two of the problem use the link twice."""
        problem = AllocationProblem.from_arrays([6], [0, 1, 3, 5], [0] * 5, [1, 1, 1], [1, 1, 1])
        assert rates(problem) == {"0": 1, "1": 1, "2": 1}
        assert set(stops(problem).values()) == {CAP}


class TestArithmetic:
    def test_a_remainder_of_a_large_link(self) -> None:
        problem = AllocationProblem(
            {"A": 1e15}, (flow("f", "A", cap=1e15 - 0.125, weight=1e16), flow("g", "A"))
        )
        assert rates(problem) == {"f": 1e15 - 0.125, "g": 0.125}

    def test_a_remainder_behind_the_digits_of_its_link(self) -> None:
        """K stops the early flow at 0.1 (floats!). Of 0.10000001 remain a little less than the 1e-8 of B."""
        problem = AllocationProblem(
            {"A": 0.10000001, "B": 1e-8, "K": 0.1},
            (flow("early", "A", "K"), flow("late", "A", "B", weight=1e-8)),
        )
        remainder = float(Fraction(0.10000001) - Fraction(0.1))
        assert remainder < 1e-8 * (1 - 1e-10)
        assert rates(problem) == {"early": 0.1, "late": remainder}
        assert stops(problem) == {"early": link("K"), "late": link("A")}

    def test_a_weight_that_outweighs_all_others_for_an_instant(self) -> None:
        """M stops the heavy flow as soon as it has passed its floor. The rest of L, 8.7, is shared 1:2."""
        problem = AllocationProblem(
            {"L": 9, "M": 1},
            (
                ProblemFlow("heavy", {"L": 0.3, "M": 1}, 1e30, floor=0.5),
                flow("light", "L", "M", weight=0.01),
                flow("one", "L", floor=1),
                flow("two", "L", weight=2, floor=1),
            ),
        )
        assert rates(problem) == approx({"heavy": 1, "light": 1e-32, "one": 2.9, "two": 5.8})

    def test_thirty_decades(self) -> None:
        problem = AllocationProblem(
            {"small": 1e-15, "large": 3e15},
            (flow("f", "small", "large"), flow("g", "large"), flow("h", "small")),
        )
        assert rates(problem) == approx({"f": 5e-16, "g": 3e15, "h": 5e-16})

    def test_instants_that_coincide_on_paper_coincide(self) -> None:
        """X stops the heavy flow as B stops the light one, which else would go on a billion times as fast."""
        problem = AllocationProblem(
            {"A": 1e12, "X": 3e9, "B": 3e9 + 6},
            (
                flow("heavy", "A", "X", slice="s", weight=1e9),
                flow("light", "A", "B", slice="s"),
                flow("alone", "B"),
            ),
            {"s": SliceShare()},
        )
        assert rates(problem) == {"heavy": 3e9, "light": 3, "alone": 3e9 + 3}

    def test_no_infinite_rate(self) -> None:
        with pytest.raises(InputError, match="rising for ever"):
            allocate(AllocationProblem({"A": 1e10}, (ProblemFlow("f", {"A": 1e-300}),)))
        assert rates(AllocationProblem({"A": 1e10}, (ProblemFlow("f", {"A": 1e-290}),)))["f"] < math.inf


def test_a_problem_with_faults_is_refused() -> None:
    with pytest.raises(InputError, match='the link "B" is unknown'):
        allocate(AllocationProblem({"A": 1}, (flow("f", "B"),)))


def test_a_bottleneck_reads_well() -> None:
    assert [str(b) for b in (CAP, link("s1->s2"), limit("gold"))] == ["cap", "link s1->s2", "limit gold"]
