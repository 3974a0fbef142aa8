"""The checker refuses what is not the allocation, and says which flow, link or slice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.certificate.conditions import LISTED
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
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
        assert 'flow "g" has 4.1, over its demand 4' in violations(TWO, {"f": 5.9, "g": 4.1})
        assert 'flow "g" has 0.9, under its guarantee 1' in violations(TWO, {"f": 9.1, "g": 0.9})

    def test_over_the_limit(self) -> None:
        problem = AllocationProblem({"A": 10}, (flow("f", "A", slice="s"),), {"s": SliceShare(limit=3)})
        assert violations(problem, {"f": 3}, f=limit("s")) == []
        certificate = certify(problem, {"f": 3.01})
        assert certificate.violations[0].slice == "s"
        assert str(certificate.violations[0]) == 'slice "s" has 3.01, over its limit 3'


class TestReasons:
    def test_nothing_is_full(self) -> None:
        assert violations(TWO, {"f": 5.99, "g": 4}) == [
            'flow "f" has 5.99, is below its demand, and nothing that it uses is full'
        ]

    def test_others_went_on(self) -> None:
        certificate = certify(TWO, {"f": 6.5, "g": 3.5})
        (violation,) = certificate.violations
        assert (
            str(violation) == 'flow "g" has 3.5, is below its demand, and others went on after it at link A'
        )
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


INF = np.inf
TWO_COLUMNS: dict[str, Any] = {
    "capacity": [10],
    "indptr": [0, 1, 2],
    "indices": [0, 0],
    "weight": [1, 1],
    "demand": [INF, 4],
    "floor": [0, 1],
}
SLICED: dict[str, Any] = {
    "capacity": [8],
    "indptr": [0, 1, 2, 3],
    "indices": [0, 0, 0],
    "weight": np.ones(3),
    "demand": np.full(3, INF),
    "slice": [0, 0, 1],
    "slice_weight": [3, 1],
}


def found(columns: Mapping[str, Any], rates: Any, codes: Any = None) -> list[str]:
    return [str(v) for v in certify(AllocationProblem.from_arrays(**columns), rates, codes).violations]


class TestArrays:
    @pytest.mark.parametrize(
        "rates", [(6, 4), (6.01, 4), (5.9, 4.1), (9.1, 0.9), (6.5, 3.5), (-1, 4), (5, 3)]
    )
    @pytest.mark.parametrize(
        ("stated", "codes"),
        [((link("A"), CAP), (0, -1)), ((CAP, link("A")), (-1, 0)), ((limit("s"),) * 2, (-2, -2))],
    )
    def test_say_what_mappings_say(
        self, rates: tuple[float, float], stated: tuple[Bottleneck, Bottleneck], codes: tuple[int, int]
    ) -> None:
        problem = replace(TWO, slices={"s": SliceShare(limit=7)})
        by_id = dict(zip("fg", rates, strict=True))
        assert certify(problem, np.array(rates)) == certify(problem, by_id)
        expected = certify(problem, by_id, dict(zip("fg", stated, strict=True)))
        assert certify(problem, list(rates), codes) == expected
        assert certify(problem, by_id, np.array(codes, np.int32)) == expected

    def test_a_problem_of_arrays(self) -> None:
        assert found(TWO_COLUMNS, [6, 4], [0, -1]) == []
        assert found(TWO_COLUMNS, {"0": 6, "1": 4}, {"0": link("0"), "1": CAP}) == []
        assert found(SLICED, [3, 3, 2], [0, 0, 0]) == []

    def test_no_flows(self) -> None:
        assert certify(AllocationProblem({"A": 0}, ()), np.array([]), []).ok
        assert certify(AllocationProblem({}, ()), {}, {}).ok

    @pytest.mark.parametrize(
        ("columns", "rates", "expected"),
        [
            (TWO_COLUMNS, [6, -1], 'flow "1": the rate -1.0 is not a finite number from 0 up'),
            (TWO_COLUMNS, [INF, 1], 'flow "0": the rate inf is not a finite number from 0 up'),
            (TWO_COLUMNS, [6, np.nan], 'flow "1": the rate nan is not a finite number from 0 up'),
            (TWO_COLUMNS, [6.01, 4], 'link "0" carries 10.01 of 10.0'),
            (TWO_COLUMNS, [5.9, 4.1], 'flow "1" has 4.1, over its demand 4.0'),
            (TWO_COLUMNS, [9.1, 0.9], 'flow "1" has 0.9, under its guarantee 1.0'),
            (
                TWO_COLUMNS,
                [5.99, 4],
                'flow "0" has 5.99, is below its demand, and nothing that it uses is full',
            ),
            (
                TWO_COLUMNS,
                [6.5, 3.5],
                'flow "1" has 3.5, is below its demand, and others went on after it at link 0',
            ),
            ({**SLICED, "slice_limit": [5, INF]}, [3, 3, 2], 'slice "0" has 6.0, over its limit 5.0'),
            (
                SLICED,
                [2.5, 2.5, 3],
                'flow "0" has 2.5, is below its demand, and others went on after it at link 0',
            ),
            (
                SLICED,
                [4, 2, 2],
                'flow "1" of slice "0" has less for its weight than its sibling "0",'
                " which uses all of its links",
            ),
        ],
    )
    def test_every_kind_of_violation(
        self, columns: Mapping[str, Any], rates: list[float], expected: str
    ) -> None:
        assert expected in found(columns, np.array(rates))

    @pytest.mark.parametrize(
        ("codes", "told"),
        [
            ((-1, -1), "cap"),
            ((1, -1), "link 1"),
            ((-2, -1), "limit 0"),
            ((2, -1), "code 2"),
            ((-3, -1), "code -3"),
        ],
    )
    def test_codes_that_are_no_reason(self, codes: tuple[int, int], told: str) -> None:
        columns = {**TWO_COLUMNS, "capacity": [10, 20], "slice": [0, -1], "slice_limit": [7]}
        assert found(columns, [6, 4], codes) == [f'flow "0" was not stopped by {told} but by link 0']

    def test_the_code_of_a_limit(self) -> None:
        columns = {**SLICED, "slice_limit": [4, INF]}
        assert found(columns, [2, 2, 4], [-2, -2, 0]) == []
        # Code 1 would be the next link, but there is none, and it does not stand for the limit that follows.
        assert found(columns, [2, 2, 4], [1, -2, 0]) == ['flow "0" was not stopped by code 1 but by limit 0']
        assert found(columns, [2, 2, 4], [-3, 0, 0]) == [
            'flow "0" was not stopped by limit 1 but by limit 0',
            'flow "1" was not stopped by link 0 but by limit 0',
        ]

    @pytest.mark.parametrize("per_flow", [True, False])
    def test_a_link_used_twice_counts_twice(self, per_flow: bool) -> None:
        """Flow 0 crosses its link twice: of 9 both get 3; slices that share 8 by 3 to 1 take 6 and 2."""
        twice = {**SLICED, "indptr": [0, 2, 3], "weight": [1, 1], "demand": [INF, INF], "slice": [0, 1]}
        if per_flow:
            twice |= {"capacity": [9], "slice_weight": [1, 1], "per_flow": True}
        right, once = ([3.0, 3.0], [4.5, 4.5]) if per_flow else ([3.0, 2.0], [6.0, 2.0])
        assert found(twice, right, [0, 0]) == []
        load = 2 * once[0] + once[1]
        assert f'link "0" carries {load!r} of {float(twice["capacity"][0])!r}' in found(twice, once)
        summed = {**twice, "indptr": [0, 1, 2], "indices": [0, 0], "coefficient": [2, 1]}
        for rates in (right, once, [2.5, 3], [3.1, 1.8]):
            assert found(summed, rates) == found(twice, rates)

    def test_lists_no_more_than_anyone_reads(self) -> None:
        n = LISTED + 50
        columns = {
            "capacity": np.full(n, 2.0),
            "indptr": np.arange(n + 1),
            "indices": np.arange(n),
            "weight": np.ones(n),
            "demand": np.full(n, INF),
        }
        for rates, last in (
            (np.full(n, 3.0), "50 more links carry more than they can"),
            (np.full(n, 1.0), "50 more flows have no reason to have no more"),
            (np.full(n, -1.0), "50 more flows have a rate that is not a finite number from 0 up"),
            ({}, "50 more flows have no rate"),
        ):
            listed = found(columns, rates)
            assert len(listed) == LISTED + 1
            assert listed[-1] == last

    @pytest.mark.parametrize("rates", [[6], [[6, 4]], 6, ["6", "4"], [6, [4]], [6, 4j]])
    def test_arrays_that_are_no_rates(self, rates: Any) -> None:
        with pytest.raises(InputError, match=r"^rates: .*(expected|is not an array)"):
            certify(TWO, rates)

    @pytest.mark.parametrize("codes", [[0], [0.0, -1.0], ["A", None]])
    def test_arrays_that_are_no_codes(self, codes: Any) -> None:
        with pytest.raises(InputError, match=r"^bottlenecks: .*, expected"):
            certify(TWO, [6, 4], codes)


def certified_until_moved(problem: AllocationProblem, rates: Any, codes: Any) -> None:
    """Certified; but not once a rate is moved by a thousandth, whichever of some it is."""
    assert certify(problem, rates, codes).violations == ()
    for f in np.linspace(0, len(rates) - 1, 7, dtype=int):
        for factor in (0.999, 1.001):
            moved = rates.copy()
            moved[f] *= factor
            assert not certify(problem, moved).ok, (f, factor)


class TestLarge:
    N = 20_000

    def test_one_link(self) -> None:
        """Every flow rises to its weight, but each fifth wants only half of that."""
        weight = 1.0 + np.arange(self.N) % 4
        wants_less = np.arange(self.N) % 5 == 0
        rates = np.where(wants_less, weight / 2, weight)
        problem = AllocationProblem.from_arrays(
            capacity=[rates.sum()],
            indptr=np.arange(self.N + 1),
            indices=np.zeros(self.N, int),
            weight=weight,
            demand=np.where(wants_less, rates, INF),
        )
        certified_until_moved(problem, rates, np.where(wants_less, -1, 0))
        passed = rates.copy()
        passed[[1, 2]] *= (0.999, 1 + 0.001 * rates[1] / rates[2])
        (went_on,) = certify(problem, passed).violations[:1]
        assert str(went_on).endswith("others went on after it at link 0")

    def test_a_chain(self) -> None:
        """A flow along all links, and on every link two more, which have more from link to link."""
        links = self.N // 2
        capacity = 3 + np.arange(links) / 1000
        rates = np.append(np.repeat((capacity - 1) / 2, 2), 1.0)
        local = np.repeat(np.arange(links), 2)
        problem = AllocationProblem.from_arrays(
            capacity=capacity,
            indptr=np.append(np.arange(len(rates)), len(local) + links),
            indices=np.append(local, np.arange(links)),
            weight=np.ones(len(rates)),
            demand=np.full(len(rates), INF),
        )
        certified_until_moved(problem, rates, np.append(local, 0))

    def test_slices_with_access_links(self) -> None:
        """Slices share the middle link by weight, and in each slice flows by theirs; every flow comes by a
        link of its own, and the floors of some are more than they would have."""
        n, slices = 6300, 63
        rng = np.random.default_rng(3)
        slice_, share = np.arange(n) % slices, rng.integers(1, 9, slices).astype(float)
        weight = rng.integers(1, 5, n).astype(float)
        rates = share[slice_] * weight / np.bincount(slice_, weight)[slice_]
        capacity = np.append(np.full(n, share.sum()), 0.0)
        floor = np.where(np.arange(n) >= n - slices, 2 * rates, 0)
        # One floor in each slice takes from its siblings and from nobody else.
        held = np.bincount(slice_, np.where(floor > 0, floor, 0))
        others = np.bincount(slice_, np.where(floor > 0, 0, rates))
        rates = np.where(floor > 0, floor, rates)
        capacity[n] = (held + others).sum()
        problem = AllocationProblem.from_arrays(
            capacity=capacity,
            indptr=2 * np.arange(n + 1),
            indices=np.stack([np.arange(n), np.full(n, n)], axis=1).ravel(),
            weight=weight,
            demand=np.full(n, INF),
            floor=floor,
            slice=slice_,
            slice_weight=share,
        )
        certified_until_moved(problem, rates, np.full(n, n))
