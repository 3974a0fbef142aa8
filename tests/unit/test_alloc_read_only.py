"""What problems are made of is copied, and neither they nor allocations can be written."""

import copy
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.alloc import (
    AcknowledgedProblem,
    Allocation,
    AllocationProblem,
    MultipathAllocation,
    MultipathFlow,
    MultipathProblem,
    ProblemFlow,
    SliceShare,
    allocate,
    allocate_acknowledged,
    allocate_free,
    certify,
)
from fairslice.alloc.read_only import ReadOnly, read_only

COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
SEVERAL = MultipathProblem(
    {"A": 10, "B": 5}, [MultipathFlow("f", ({"A": 1}, {"B": 1})), MultipathFlow("g", ({"A": 1},))]
)


@given(
    st.dictionaries(st.sampled_from("ABC"), st.integers(1, 9), min_size=1),
    st.integers(1, 9),
    st.booleans(),
)
def test_what_becomes_of_its_parts_afterwards_is_not_seen(
    links: dict[str, float], other: float, solved: bool
) -> None:
    uses = dict.fromkeys(links, 1.0)
    flows, slices = [ProblemFlow("f", uses, slice="s")], {"s": SliceShare(2)}
    problem = AllocationProblem(links, flows, slices)
    asked = AllocationProblem(dict(links), (ProblemFlow("f", dict(uses), slice="s"),), dict(slices))
    if solved:
        allocate(problem)
    links |= dict.fromkeys([*links, "new"], other / 16)
    uses["new"] = 1.0
    flows.append(ProblemFlow("g", {"new": 1}))
    slices.clear()
    assert problem == asked
    assert allocate(problem) == allocate(asked)
    assert certify(problem, allocate(problem).rates).ok
    assert problem != AllocationProblem(links, flows)


def test_paths_and_returns_are_copied_too() -> None:
    path, back = {"A": 1.0}, {"B": 0.1}
    paths, returns = [path], [back]
    several = MultipathProblem({"A": 10.0, "B": 1.0}, [MultipathFlow("f", paths)])  # type: ignore[arg-type]
    data = AllocationProblem({"A": 10.0, "B": 1.0}, [ProblemFlow("f", {"A": 1})])
    acknowledged = AcknowledgedProblem(data, returns)
    path["A"], back["B"] = 2.0, 0.5
    paths.append({"B": 1.0})
    returns.append({})
    assert several == MultipathProblem({"A": 10, "B": 1}, [MultipathFlow("f", ({"A": 1},))])
    assert acknowledged == AcknowledgedProblem(data, ({"B": 0.1},))


def test_no_part_of_a_problem_can_be_written() -> None:
    problem = AllocationProblem({"A": 10}, [ProblemFlow("f", {"A": 1}, slice="s")], {"s": SliceShare()})
    for mapping in (problem.capacities, problem.slices, problem.flows[0].uses):
        refuses_to_be_written(mapping)
    for mapping in (SEVERAL.capacities, SEVERAL.flows[0].paths[0]):
        refuses_to_be_written(mapping)
    assert isinstance(problem.flows, tuple)


def refuses_to_be_written(mapping: Mapping[str, Any]) -> None:
    before, given_ = dict(mapping), {"f": 99}
    written: Any = mapping
    for write in (
        lambda: written.__setitem__("f", 99),
        lambda: written.__delitem__(next(iter(before))),
        lambda: written.__ior__(given_),
        lambda: written.update(given_),
        lambda: written.setdefault("new", 1),
        lambda: written.pop(next(iter(before))),
        written.popitem,
        written.clear,
    ):
        with pytest.raises(TypeError, match="can't be written"):
            write()
    assert mapping == before


def refuses_numbers(array: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"read-only|does not support item assignment"):
        array[0] = 99


@pytest.mark.parametrize("copied", [lambda x: x, *COPIES])
def test_allocations_can_t_be_written(copied: Callable[[Any], Any]) -> None:
    named = AllocationProblem({"A": 10}, [ProblemFlow("f", {"A": 1}), ProblemFlow("g", {"A": 1}, cap=2)])
    for problem in (named, AllocationProblem.from_arrays([10], [0, 1, 2], [0, 0], [1, 1], [99, 2])):
        allocation: Allocation = copied(allocate(problem, instants=True))
        refuses_to_be_written(allocation.rates)
        refuses_to_be_written(allocation.bottlenecks)
        for array in (allocation.rate, allocation.bottleneck):
            refuses_numbers(array)
        for numbers in (allocation.raw_rate, allocation.raw_bottleneck, allocation.instants):
            refuses_numbers(numbers)
        assert list(allocation.rates.values()) == allocation.rate.tolist() == [8, 2]


@pytest.mark.parametrize("copied", [lambda x: x, *COPIES])
def test_multipath_allocations_can_t_be_written(copied: Callable[[Any], Any]) -> None:
    allocation: MultipathAllocation = copied(allocate_free(SEVERAL))
    for mapping in (allocation.rates, allocation.bottlenecks):
        refuses_to_be_written(mapping)
    refuses_to_be_written(allocation.path_rates)
    refuses_to_be_written(allocation.path_bottlenecks)
    for array in (allocation.rate, allocation.path_rate, allocation.path_bottleneck):
        refuses_numbers(array)


def test_what_is_set_aside_can_t_be_written() -> None:
    data = AllocationProblem({"A": 10.0, "B": 1.0}, [ProblemFlow("f", {"A": 1})])
    found = allocate_acknowledged(AcknowledgedProblem(data, ({"B": 0.05},)))
    refuses_to_be_written(found.set_aside)
    refuses_to_be_written(found.bottlenecks)


@pytest.mark.parametrize("copied", COPIES)
def test_solved_problems_of_several_paths_equal_their_copies(copied: Callable[[Any], Any]) -> None:
    allocation = allocate_free(SEVERAL)
    assert (copied(SEVERAL) == SEVERAL) is True
    assert (copied(allocation) == allocation) is True
    assert (allocate_free(copied(SEVERAL)) == allocation) is True
    other = MultipathProblem({"A": 10, "B": 6}, SEVERAL.flows)
    assert (allocate_free(other) == allocation) is False
    assert (replace(allocation, rounds=allocation.rounds + 1) == allocation) is False
    assert (allocation == 3) is False
    with pytest.raises(TypeError, match="unhashable"):
        hash(allocation)


@given(st.dictionaries(st.text(), st.integers()))
def test_it_reads_as_any_dictionary(values: dict[str, int]) -> None:
    frozen: Any = read_only(values)
    assert type(frozen) is ReadOnly
    assert read_only(frozen) is frozen
    assert frozen == values
    assert repr(frozen) == repr(values)
    assert list(frozen.items()) == list(values.items())
    for copied in COPIES:
        assert copied(frozen) == values
        assert type(copied(frozen)) is ReadOnly
    assert type(frozen | {"a": 1}) is dict
