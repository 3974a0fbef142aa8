# mypy: disable-error-code="arg-type, dict-item, list-item"
"""The engine as a library: short imports, copies, pickles, and what arguments of a wrong type are told."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairslice import alloc
from fairslice.alloc import (
    AllocationProblem,
    Allocator,
    ProblemFlow,
    SliceShare,
    allocate,
    certify,
    explain,
    raises,
)
from fairslice.errors import InputError
from fairslice.policy import load_policy, parse_policy
from fairslice.topology.load import load_network

FLOWS = (ProblemFlow("f", {"A": 1}, slice="s"), ProblemFlow("g", {"A": 1}, cap=2))
NAMED = AllocationProblem({"A": 10}, FLOWS, {"s": SliceShare()})


def numbered() -> AllocationProblem:
    return AllocationProblem.from_arrays([12], [0, 1, 2], [0, 0], [1, 2], [np.inf, 5])


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]


def test_every_name_is_there_and_no_other() -> None:
    assert set(alloc.__all__) <= set(dir(alloc))
    for name in alloc.__all__:
        assert getattr(alloc, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_such"):
        alloc.nothing_such  # noqa: B018


def test_importing_it_loads_neither_numpy_nor_numba() -> None:
    code = "import sys, fairslice.alloc; print([m for m in ('numpy', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("problem", [NAMED, numbered()])
def test_problems_and_allocations_equal_their_copies(copied: Any, problem: AllocationProblem) -> None:
    assert (copied(problem) == problem) is True
    assert (copied(allocate(problem)) == allocate(problem)) is True


def test_another_problem_is_not_equal() -> None:
    other = AllocationProblem.from_arrays([12], [0, 1, 2], [0, 0], [1, 2], [np.inf, 6])
    assert (numbered() == other) is False
    assert (allocate(numbered()) == allocate(other)) is False
    assert numbered() == AllocationProblem.from_arrays(
        [12], [0, 1, 2], [0, 0], [1, 2], [np.inf, 5], coefficient=[1, 1]
    )


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("problem", [NAMED, numbered()])
def test_copies_of_an_allocator_are_independent(copied: Any, problem: AllocationProblem) -> None:
    mine = Allocator(problem)
    theirs = copied(mine)
    before = mine.allocation.rate.tolist()
    theirs.change(capacity={0: 4}, demand={1: 1})
    assert theirs.allocation.rate.tolist() == [3, 1]
    assert mine.allocation.rate.tolist() == before == allocate(mine.problem).rate.tolist()
    mine.change(capacity={0: 2})
    assert theirs.allocation.rate.tolist() == allocate(theirs.problem).rate.tolist() == [3, 1]


@pytest.mark.parametrize("copied", [lambda x: x, *COPIES])
def test_rates_can_t_be_written(copied: Any) -> None:
    allocation = allocate(numbered())
    _ = allocation.rate, allocation.bottleneck
    for array in (copied(allocation).rate, copied(allocation).bottleneck):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_they_read_shortly() -> None:
    assert repr(NAMED) == "<AllocationProblem: 1 link (A), 2 flows (f, g), 1 slice (s)>"
    n = 100_000
    many = AllocationProblem.from_arrays(
        np.ones(n), np.arange(n + 1), np.arange(n), np.ones(n), np.full(n, np.inf)
    )
    assert repr(many).startswith("<AllocationProblem: 100,000 links (0, 1, 2, 3, …), 100,000 flows (0, ")
    assert len(repr(many.flows)) < 100
    assert repr(allocate(NAMED)) == "<Allocation: f: 8 (link A), g: 2 (cap)>"
    assert repr(Allocator(NAMED)) == "<Allocator: 2 flows in 2 classes over 1 links>"
    assert repr(certify(NAMED, {"f": 8, "g": 2})) == "<Certificate: certified>"
    assert repr(certify(NAMED, {"f": 8, "g": 9})).startswith("<Certificate: not certified, ")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: allocate([1]), "problem: found list, expected an AllocationProblem"),
        (lambda: certify(None, [1]), "problem: found None, expected"),
        (lambda: explain("x"), "problem: found 'x' (str), expected"),
        (lambda: raises(None, "f"), "problem: found None, expected"),
        (lambda: load_policy(3), "path: found int, expected a Path, or a text"),
        (lambda: load_policy("no/such.yaml"), "can't read no/such.yaml: "),
        (lambda: parse_policy(None, "p"), "text: found NoneType, expected a text"),
        (lambda: load_network(None), "spec: found NoneType, expected a text"),
        (lambda: load_network(Path("no/such.json")), "no/such.json"),
        (lambda: Allocator(3), "problem: found 3 (int), expected"),
        (lambda: certify(NAMED, None), "rates: found None, expected 2 numbers"),
        (lambda: certify(NAMED, {"f": "8", "g": 2}), "rates['f']: found '8' (str), expected a number"),
        (lambda: certify(NAMED, [8, 2], tolerance="x"), "tolerance: found 'x' (str), expected"),
        (lambda: allocate(AllocationProblem([1], ())), "capacities: found list, expected a mapping"),
        (
            lambda: allocate(AllocationProblem({1: 1}, ())),
            "capacities[1]: the name is 1 (int), expected",
        ),
        (
            lambda: allocate(AllocationProblem({"A": None}, ())),
            'capacities["A"]: the capacity is None, ',
        ),
        (lambda: allocate(AllocationProblem({}, None)), "flows: found None, expected a list or tuple"),
        (lambda: allocate(AllocationProblem({}, [1])), "flows[0]: found 1 (int), expected a ProblemFlow"),
        (lambda: allocate(AllocationProblem({}, [ProblemFlow(1, {})])), "flows[0] (1 (int)): the id is 1"),
        (
            lambda: allocate(AllocationProblem({}, [ProblemFlow("f", ["A"], weight="1")])),
            "flows[0] (\"f\"): the weight is '1' (str), expected a number\n"
            'flows[0] ("f"): uses is list, expected a mapping',
        ),
        (lambda: Allocator(NAMED).change(demand=[1]), "demand: found list, expected a mapping to numbers"),
        (lambda: Allocator(NAMED).change(demand={"f": "1"}), "flow 'f': the demand is '1' (str), expected"),
        (lambda: Allocator(NAMED).change(weight={None: 1}), "flow: found None, expected the number or"),
        (lambda: Allocator(NAMED).change(down="A"), "down: found 'A' (str), expected a list of links"),
        (lambda: Allocator(NAMED).change(add=[1]), "add[0]: found 1 (int), expected a ProblemFlow"),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(message)
