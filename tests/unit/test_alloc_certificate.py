"""The checker refuses what is not the allocation, and says which flow, link or slice."""

from dataclasses import replace

import pytest

from fairslice.alloc.certificate import certify
from fairslice.alloc.problem import AllocationProblem, Bottleneck, BottleneckKind, ProblemFlow, SliceShare
from fairslice.errors import InputError

CAP = Bottleneck(BottleneckKind.CAP)


def link(name: str) -> Bottleneck:
    return Bottleneck(BottleneckKind.LINK, name)


def limit(name: str) -> Bottleneck:
    return Bottleneck(BottleneckKind.LIMIT, name)


def flow(id_: str, *path: str, **rest: object) -> ProblemFlow:
    return ProblemFlow(id_, dict.fromkeys(path, 1.0), **rest)  # type: ignore[arg-type]


def violations(problem: AllocationProblem, rates: dict[str, float], **stated: Bottleneck) -> list[str]:
    certificate = certify(problem, rates, stated or None)
    assert certificate.ok == (not certificate.violations)
    return [str(violation) for violation in certificate.violations]


TWO = AllocationProblem({"A": 10}, (flow("f", "A"), flow("g", "A", cap=4, floor=1)))


class TestRates:
    def test_the_right_ones_pass(self) -> None:
        assert violations(TWO, {"f": 6, "g": 4}, f=link("A"), g=CAP) == []
        assert violations(TWO, {"f": 6.000000000001, "g": 4}) == []

    def test_missing_foreign_or_no_numbers(self) -> None:
        assert violations(TWO, {"f": 6, "h": 1}) == [
            'flow "g" has no rate',
            'flow "h" has a rate but is not in the problem',
        ]
        for rate in (-1.0, float("nan"), float("inf")):
            message = f'flow "g": the rate {rate} is not a finite number from 0 up'
            assert violations(TWO, {"f": 6, "g": rate}) == [message]

    def test_a_problem_with_faults(self) -> None:
        with pytest.raises(InputError, match="unknown"):
            certify(AllocationProblem({}, (flow("f", "A"),)), {"f": 1})

    def test_overload(self) -> None:
        certificate = certify(TWO, {"f": 6.01, "g": 4})
        assert [str(v) for v in certificate.violations] == ['link "A" carries 10.01 of 10']
        assert certificate.violations[0].link == "A"

    def test_over_the_cap_and_under_the_floor(self) -> None:
        assert 'flow "g" has 4.1, over its cap 4' in violations(TWO, {"f": 5.9, "g": 4.1})
        assert 'flow "g" has 0.9, under its floor 1' in violations(TWO, {"f": 9.1, "g": 0.9})

    def test_over_the_limit(self) -> None:
        problem = AllocationProblem({"A": 10}, (flow("f", "A", slice="s"),), {"s": SliceShare(limit=3)})
        assert violations(problem, {"f": 3}, f=limit("s")) == []
        certificate = certify(problem, {"f": 3.01})
        assert certificate.violations[0].slice == "s"
        assert str(certificate.violations[0]) == 'slice "s" has 3.01, over its limit 3'


class TestReasons:
    def test_nothing_is_full(self) -> None:
        assert violations(TWO, {"f": 5.99, "g": 4}) == [
            'flow "f" has 5.99, is below its cap, and nothing that it uses is full'
        ]

    def test_others_went_on(self) -> None:
        certificate = certify(TWO, {"f": 6.5, "g": 3.5})
        (violation,) = certificate.violations
        assert str(violation) == 'flow "g" has 3.5, is below its cap, and others went on after it at link A'
        assert (violation.flow, violation.link) == ("g", "A")

    def test_a_flow_at_its_floor_may_have_more(self) -> None:
        problem = AllocationProblem({"A": 10}, (flow("f", "A", floor=8), flow("g", "A")))
        assert violations(problem, {"f": 8, "g": 2}) == []
        assert violations(problem, {"f": 8.5, "g": 1.5}) != []

    def test_at_the_limit_of_a_slice(self) -> None:
        flows = (flow("f", "A", slice="s"), flow("g", "A", slice="s", weight=3))
        for per_flow in (True, False):
            problem = AllocationProblem({"A": 10}, flows, {"s": SliceShare(limit=4)}, per_flow=per_flow)
            assert violations(problem, {"f": 1, "g": 3}, f=limit("s"), g=limit("s")) == []
            assert violations(problem, {"f": 2, "g": 2}) != []

    def test_stated_bottlenecks(self) -> None:
        problem = replace(TWO, capacities={"A": 10, "B": 20}, slices={"s": SliceShare(limit=0)})
        rates = {"f": 6.0, "g": 4.0}
        assert violations(problem, rates, f=CAP, g=CAP) == ['flow "f" was not stopped by cap but by link A']
        assert violations(problem, rates, f=link("B"), g=CAP) == [
            'flow "f" was not stopped by link B but by link A'
        ]
        assert len(violations(problem, rates, f=limit("s"), g=link("A"))) == 2
        assert violations(problem, rates, g=CAP) == ['flow "f" was not stopped by None but by link A']

    def test_a_full_link_that_others_went_on_at_is_no_bottleneck(self) -> None:
        """Both links are full, but g went on at B after A had stopped f."""
        problem = AllocationProblem({"A": 2, "B": 10}, (flow("f", "A", "B"), flow("g", "B"), flow("h", "A")))
        rates = {"f": 1.0, "g": 9.0, "h": 1.0}
        stated = {"g": link("B"), "h": link("A")}
        assert violations(problem, rates, f=link("A"), **stated) == []
        assert violations(problem, rates, f=link("B"), **stated) == [
            'flow "f" was not stopped by link B but by link A'
        ]


class TestHierarchy:
    SLICES = {"s": SliceShare(3), "t": SliceShare(1)}  # noqa: RUF012 - never changed
    FLOWS = (flow("f", "A", slice="s"), flow("g", "A", slice="s"), flow("h", "A", slice="t"))

    def test_slices_share_by_weight(self) -> None:
        problem = AllocationProblem({"A": 8}, self.FLOWS, self.SLICES)
        assert violations(problem, {"f": 3, "g": 3, "h": 2}) == []
        assert violations(problem, {"f": 2.5, "g": 2.5, "h": 3}) != []
        assert violations(problem, {"f": 3.2, "g": 3.2, "h": 1.6}) != []

    def test_flows_of_a_slice_share_by_weight(self) -> None:
        problem = AllocationProblem({"A": 8}, self.FLOWS, self.SLICES)
        (*_, unequal) = certify(problem, {"f": 4, "g": 2, "h": 2}).violations
        assert 'has less for its weight than its sibling "f"' in str(unequal)
        assert (unequal.flow, unequal.slice) == ("g", "s")

    def test_what_slices_share_is_seen_through_links_of_their_own(self) -> None:
        """Every flow has an access link to itself; the middle one grants all."""
        flows = tuple(replace(f, uses={**f.uses, f"access {f.id}": 1.0}) for f in self.FLOWS)
        capacities = {"A": 8.0, **{f"access {f.id}": 9.0 for f in flows}}
        problem = AllocationProblem(capacities, flows, self.SLICES)
        assert violations(problem, {"f": 3, "g": 3, "h": 2}) == []
        assert violations(problem, {"f": 2.5, "g": 2.5, "h": 3}) != []

    def test_levels_hidden_by_floors(self) -> None:
        """The floor of g leaves 3, which f and h share by 1.5 and 1, until 1.2; so high is g's level too."""
        floored = (self.FLOWS[0], replace(self.FLOWS[1], floor=5), self.FLOWS[2])
        problem = AllocationProblem({"A": 8}, floored, self.SLICES)
        assert violations(problem, {"f": 1.8, "g": 5, "h": 1.2}) == []
        assert violations(problem, {"f": 1.7, "g": 5, "h": 1.3}) != []
        assert violations(problem, {"f": 1.9, "g": 5, "h": 1.1}) != []

    def test_flows_without_links(self) -> None:
        flows = (ProblemFlow("f", {}, cap=9, slice="s"), ProblemFlow("g", {}, cap=9, slice="s", weight=2))
        problem = AllocationProblem({}, flows, {"s": SliceShare(limit=6)})
        assert violations(problem, {"f": 2, "g": 4}) == []
        assert violations(problem, {"f": 3, "g": 3}) != []

    def test_the_tolerance_is_the_callers(self) -> None:
        problem = AllocationProblem({"A": 8}, self.FLOWS, self.SLICES)
        rates = {"f": 3.0000001, "g": 3.0, "h": 2.0}
        assert not certify(problem, rates).ok
        assert certify(problem, rates, tolerance=1e-6).ok
