"""Problems from arrays: every fault by column and index, how they read, and that they solve alike."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from fairslice.alloc.columns import Columns
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError, InputError
from fairslice.testing.problems import from_columns, random_problem

INF, NAN = math.inf, math.nan
SOUND: dict[str, Any] = {
    "capacity": [10, 20, 30],
    "indptr": [0, 2, 3, 5],
    "indices": [0, 1, 2, 1, 2],
    "weight": [1, 2, 4],
    "demand": [INF, 5, 7.5],
    "floor": [0, 1, 0],
    "coefficient": [1, 0.5, 1, 1, 0.25],
    "slice": [0, -1, 1],
    "slice_weight": [3, 1],
    "slice_limit": [INF, 6],
}
WHOLE = ("indptr", "indices", "slice")
AMOUNT, POSITIVE = "expected a finite number from 0 up", "expected a finite number above 0"
MAYBE = "expected a number from 0 up, or inf"


def made(columns: Mapping[str, Any], **changed: Any) -> AllocationProblem:
    return AllocationProblem.from_arrays(**{**columns, **changed})


def faults(**changed: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        made(SOUND, **changed)
    return [str(fault) for fault in caught.value.faults]


def test_the_sound_one_is_sound() -> None:
    assert len(allocate(made(SOUND)).rate) == 3
    assert len(allocate(made({**SOUND, **dict.fromkeys(["floor", "coefficient"])})).rate) == 3


class TestFaults:
    OF_FLOWS = ("demand", "floor", "slice")

    @pytest.mark.parametrize(
        ("column", "at", "value", "expected"),
        [
            *(("capacity", 2, value, AMOUNT) for value in (-1.0, INF, NAN)),
            *(("weight", 1, value, POSITIVE) for value in (-1.0, 0.0, INF, NAN)),
            *(("demand", 1, value, MAYBE) for value in (-1.0, -INF, NAN)),
            *(("floor", 0, value, AMOUNT) for value in (-1.0, INF, NAN)),
            *(("coefficient", 4, value, POSITIVE) for value in (-1.0, 0.0, INF, NAN)),
            *(("slice_weight", 1, value, POSITIVE) for value in (-1.0, 0.0, INF, NAN)),
            *(("slice_limit", 0, value, MAYBE) for value in (-1.0, -INF, NAN)),
            *(("indices", 3, value, "expected a link from 0 to 2") for value in (-1, 3)),
            ("slice", 2, -2, "expected from -1 to 1"),
        ],
    )
    def test_a_number_out_of_range(self, column: str, at: int, value: float, expected: str) -> None:
        values = list(SOUND[column])
        values[at] = value
        assert faults(**{column: values}) == [f"{column}[{at}]: found {value}, {expected}"]

    def test_only_the_first_of_many_is_told_and_how_many_more(self) -> None:
        assert faults(weight=[1, 0, -3]) == [f"weight[1]: found 0.0 and 1 more, {POSITIVE}"]

    @pytest.mark.parametrize("column", SOUND)
    def test_dimensions(self, column: str) -> None:
        found = faults(**{column: [SOUND[column]]})
        assert f"{column}: found 2 dimensions, expected one" in found

    @pytest.mark.parametrize("column", ["capacity", "weight", "demand"])
    def test_one_number_is_no_column(self, column: str) -> None:
        assert faults(**{column: 1.0}) == [f"{column}: found 0 dimensions, expected one"]

    @pytest.mark.parametrize("column", ["indptr", "indices", "slice"])
    def test_whole_numbers(self, column: str) -> None:
        assert faults(**{column: np.array(SOUND[column], float)}) == [
            f"{column}: found float64, expected int"
        ]

    @pytest.mark.parametrize("column", [name for name in SOUND if name not in ("indptr", "indices", "slice")])
    def test_numbers(self, column: str) -> None:
        assert faults(**{column: ["much"] * len(SOUND[column])}) == [f"{column}: found <U4, expected float"]

    @pytest.mark.parametrize("values", [[True, True, True], [1j, 1, 1]])
    def test_other_numbers(self, values: list[complex]) -> None:
        assert faults(weight=values) == [f"weight: found {np.array(values).dtype}, expected float"]

    @pytest.mark.parametrize("number", [2**31, 2**32, 2**32 + 1, -(2**32)])
    def test_indices_of_more_than_32_bits(self, number: int) -> None:
        (fault,) = faults(indices=[0, 1, number, 1, 2])
        assert fault.startswith(f"indices[2]: found {number}, ")
        (fault,) = faults(indptr=[0, 2, number, 5])
        assert fault.startswith("indptr")

    def test_rows_of_different_lengths(self) -> None:
        (fault,) = faults(indices=[[0, 1], [2], [1, 2]])
        assert fault.startswith("indices: is not an array of numbers: ")

    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            ("demand", "3, one for each flow"),
            ("floor", "3, one for each flow"),
            ("slice", "3, one for each flow"),
            ("coefficient", "5, one for each use of a link"),
        ],
    )
    def test_lengths(self, column: str, expected: str) -> None:
        less, more = SOUND[column][:-1], [*SOUND[column], SOUND[column][0]]
        for values in (less, more, []):
            assert faults(**{column: values}) == [
                f"{column}: found {len(values)} entries, expected {expected}"
            ]

    def test_a_weight_more_or_less(self) -> None:
        """The weights say how many flows there are, so then everything else is of another length."""
        assert faults(weight=[1, 1, 1, 1]) == [
            *(f"{name}: found 3 entries, expected 4, one for each flow" for name in self.OF_FLOWS),
            "indptr: found 4 entries from [0] to [5], expected 5 that rise from 0 to 5",
        ]

    @pytest.mark.parametrize(
        ("indptr", "found"),
        [
            ([1, 2, 3, 5], "4 entries from [1] to [5]"),
            ([0, 2, 3, 4], "4 entries from [0] to [4]"),
            ([0, 2, 3, 6], "4 entries from [0] to [6]"),
            ([0, 2, 5], "3 entries from [0] to [5]"),
            ([], "0 entries from [] to []"),
        ],
    )
    def test_indptr(self, indptr: list[int], found: str) -> None:
        assert faults(indptr=np.array(indptr, int)) == [
            f"indptr: found {found}, expected 4 that rise from 0 to 5"
        ]

    def test_indptr_that_falls(self) -> None:
        expected = "expected no less than the entry before"
        assert faults(indptr=[0, 3, 2, 5]) == [f"indptr[2]: found 2 after 3, {expected}"]
        assert faults(indptr=[0, 2, -1, 4]) == [
            "indptr: found 4 entries from [0] to [4], expected 4 that rise from 0 to 5",
            f"indptr[2]: found -1 after 2, {expected}",
        ]

    def test_nothing_is_no_column(self) -> None:
        assert faults(weight=None) == ["weight: found None, expected an array of numbers"]

    def test_slices_that_are_not_there(self) -> None:
        """Where weights or limits are given, they say how many slices there are."""
        assert faults(slice_limit=[1, 2, 3]) == [
            "slice_weight: found 2 entries, expected 3, one for each slice"
        ]
        assert faults(slice_weight=[1, 2, 3]) == [
            "slice_limit: found 2 entries, expected 3, one for each slice"
        ]
        assert faults(slice=[0, -1, 2]) == ["slice[2]: found 2, expected from -1 to 1"]
        message = "slice[0]: found 1000000000, expected below 1, or a slice_weight for each"
        with pytest.raises(InputError, match=re.escape(message)):
            AllocationProblem.from_arrays([1], [0, 1], [0], [1], [1], slice=[10**9])

    @pytest.mark.parametrize("column", ["slice_weight", "slice_limit"])
    def test_slices_of_nobody(self, column: str) -> None:
        only = {**dict.fromkeys(["slice", "slice_weight", "slice_limit"]), column: SOUND[column]}
        assert faults(**only) == ["slice: is missing, expected the number of every flow's slice, or -1"]

    def test_something_must_stop_every_flow(self) -> None:
        expected = "expected a finite one, or a link, to keep the flow from rising for ever"
        assert faults(indptr=[0, 0, 3, 5]) == [f"demand[0]: found inf, {expected}"]
        # The quotient is beyond the largest float.
        tiny = [1e-308, 1e-308, 1, 1, 0.25]
        assert faults(capacity=[1e10, 1e10, 1], coefficient=tiny) == [f"demand[0]: found inf, {expected}"]
        one = [1e-308, 1, 1, 1, 0.25]
        assert math.isfinite(
            allocate(made(SOUND, capacity=[1e10, 1e10, 1], coefficient=one, floor=None)).rate[0]
        )

    def test_all_of_one_kind_are_told_at_once(self) -> None:
        assert faults(weight="heavy", capacity=[[1]], slice=[0.5, 1, 1]) == [
            "capacity: found 2 dimensions, expected one",
            "weight: found 0 dimensions, expected one",
            "slice: found float64, expected int",
        ]
        assert faults(demand=[1], floor=[1], indptr=[0]) == [
            "demand: found 1 entries, expected 3, one for each flow",
            "floor: found 1 entries, expected 3, one for each flow",
            "indptr: found 1 entries from [0] to [0], expected 4 that rise from 0 to 5",
        ]
        found = faults(capacity=[-1, 2, 3], indices=[0, 9, 2, 1, 2], demand=[NAN, 5, 5], slice_weight=[0, 1])
        assert [fault.partition(":")[0] for fault in found] == [
            "capacity[0]",
            "indices[1]",
            "demand[0]",
            "slice_weight[0]",
        ]


class TestViews:
    PROBLEM = made(SOUND)

    def test_flows(self) -> None:
        flows = self.PROBLEM.flows
        expected = (
            ProblemFlow("0", {"0": 1.0, "1": 0.5}, slice="0"),
            ProblemFlow("1", {"2": 1.0}, 2.0, 5.0, 1.0),
            ProblemFlow("2", {"1": 1.0, "2": 0.25}, 4.0, 7.5, slice="1"),
        )
        assert tuple(flows) == expected
        assert len(flows) == 3
        assert flows[-1] == expected[-1]
        assert flows[1:] == expected[1:]
        assert flows[::-1] == expected[::-1]
        assert expected[1] in flows
        with pytest.raises(IndexError):
            flows[3]

    def test_capacities(self) -> None:
        capacities = self.PROBLEM.capacities
        assert dict(capacities) == {"0": 10.0, "1": 20.0, "2": 30.0}
        assert list(capacities) == ["0", "1", "2"]
        assert "2" in capacities
        for name in ("3", "-1", "01", "1.0", "", "a", "²"):
            assert name not in capacities
            with pytest.raises(KeyError):
                capacities[name]

    def test_slices(self) -> None:
        assert self.PROBLEM.slices == {"0": SliceShare(3.0), "1": SliceShare(1.0, 6.0)}
        assert made(SOUND, slice_weight=None, slice_limit=None).slices == {
            "0": SliceShare(),
            "1": SliceShare(),
        }
        assert made(SOUND, slice=None, slice_weight=None, slice_limit=None).slices == {}

    def test_what_is_not_given_is_what_it_is_without(self) -> None:
        problem = made(SOUND, floor=None, coefficient=None)
        assert [flow.floor for flow in problem.flows] == [0, 0, 0]
        assert problem.flows[0].uses == {"0": 1.0, "1": 1.0}
        assert not problem.per_flow
        assert made(SOUND, per_flow=True).per_flow

    def test_no_more_of_a_floor_is_kept_than_is_wanted(self) -> None:
        problem = made(SOUND, floor=[0, 50, 0])
        assert problem.flows[1].kept_floor == 5
        assert allocate(problem).rate[1] == 5

    def test_a_sound_problem_has_no_faults_to_read(self) -> None:
        assert list(self.PROBLEM.faults()) == []
        self.PROBLEM.check()

    def test_nothing(self) -> None:
        problem = AllocationProblem.from_arrays([], [0], [], [], [])
        assert (list(problem.flows), dict(problem.capacities), dict(problem.slices)) == ([], {}, {})
        assert list(allocate(problem).rate) == []

    def test_what_becomes_of_arrays_afterwards_is_not_seen(self) -> None:
        given = {
            name: np.array(values, np.int32 if name in WHOLE else np.float64)
            for name, values in SOUND.items()
        }
        problem = made(SOUND, **given)
        before = allocate(problem).rate.tolist()
        for array in given.values():
            array[:] = -7
        assert allocate(problem).rate.tolist() == allocate(made(SOUND)).rate.tolist() == before
        assert problem == made(SOUND)

    def test_part_of_an_array_and_a_series_are_copied(self) -> None:
        weight, demand = np.arange(1.0, 7.0), pd.Series(np.full(3, 5.0))
        problem = made(SOUND, weight=weight[::2], demand=demand.to_numpy(copy=False))
        whole = made(SOUND, weight=weight[3:])
        before = [flow.weight for flow in (*problem.flows, *whole.flows)]
        weight[:] = 0
        assert [flow.weight for flow in (*problem.flows, *whole.flows)] == before


class TestUsedTwice:
    def test_in_a_row_or_apart(self) -> None:
        """The first crosses link 0 twice: 9 are shared 6 and 3, the rates are alike."""
        for indptr, indices in (([0, 2, 3], [0, 0, 0]), ([0, 3, 4], [0, 1, 0, 0])):
            problem = AllocationProblem.from_arrays([9, 99], indptr, indices, [1, 1], [INF, INF])
            assert problem.flows[0].uses["0"] == 2
            assert list(allocate(problem).rate) == [3, 3]

    def test_with_coefficients(self) -> None:
        problem = AllocationProblem.from_arrays(
            [9], [0, 2, 3], [0, 0, 0], [1, 1], [INF, INF], coefficient=[0.25, 0.25, 1]
        )
        assert problem.flows[0].uses == {"0": 0.5}
        assert list(allocate(problem).rate) == [6, 6]

    def test_floors_count_twice(self) -> None:
        with pytest.raises(InfeasibleError, match="those of 0 need 10 but link 0 carries 9, 1 too little"):
            allocate(AllocationProblem.from_arrays([9], [0, 2], [0, 0], [1], [INF], floor=[5]))


def solved(problem: AllocationProblem) -> tuple[list[float], list[int]] | None:
    try:
        allocation = allocate(problem)
    except InfeasibleError:
        return None
    return allocation.rate.tolist(), allocation.bottleneck.tolist()


@pytest.mark.parametrize("per_flow", [False, True])
def test_the_columns_of_a_problem_are_the_same_problem(per_flow: bool) -> None:
    answered = 0
    for seed in range(500):
        problem = replace(random_problem(Random(seed)), per_flow=per_flow)
        other = from_columns(problem.columns)
        assert solved(other) == solved(problem)
        assert [f.kept_floor for f in other.flows] == [f.kept_floor for f in problem.flows]
        # Names are numbers, and else it reads the same.
        names = {name: str(i) for i, name in enumerate(problem.capacities)}
        for mine, numbered in zip(problem.flows, other.flows, strict=True):
            assert numbered.uses == {names[link]: use for link, use in mine.uses.items()}
            assert (numbered.weight, numbered.cap) == (mine.weight, mine.cap)
        answered += solved(problem) is not None
    assert answered > 400


class TestExtreme:
    """Where products of amounts may leave the range of floats."""

    PLAIN = made(SOUND).columns

    @staticmethod
    def with_entry(columns: Columns, column: str, value: float) -> Columns:
        values = getattr(columns, column).copy()
        values[1] = value
        return replace(columns, **{column: values})

    @pytest.mark.parametrize(
        "column", ["capacity", "coefficient", "weight", "cap", "floor", "slice_weight", "slice_limit"]
    )
    @pytest.mark.parametrize("kind", ["lists", "arrays"])
    def test_any_column_may_be(self, column: str, kind: str) -> None:
        plain = getattr(self.PLAIN, kind)()
        assert not plain.is_extreme
        for value in (1e-61, 1e61, 5e-324, 1e308):
            assert self.with_entry(plain, column, value).is_extreme
        for value in (0.0, 1e-60, 1e60, INF):
            assert not self.with_entry(plain, column, value).is_extreme

    def test_what_is_not_given_is_not(self) -> None:
        bare = made(SOUND, **dict.fromkeys(["floor", "coefficient", "slice", "slice_weight", "slice_limit"]))
        assert not bare.columns.is_extreme
        assert not bare.columns.lists().is_extreme
        assert not AllocationProblem({}, ()).columns.is_extreme

    def test_such_problems_are_solved_all_the_same(self) -> None:
        """Products of weight and load would be infinite in floats, or nothing."""
        for factor in (1e250, 1e-250):
            problem = made(
                {"capacity": [9 * factor], "indptr": [0, 1, 2], "indices": [0, 0], "demand": [INF, INF]},
                weight=[1e-100, 2e-100],
            )
            assert problem.columns.is_extreme
            assert allocate(problem).rate == pytest.approx([3 * factor, 6 * factor], rel=1e-15, abs=0)
