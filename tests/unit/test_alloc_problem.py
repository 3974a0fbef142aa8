"""What a problem may not be: every fault, all at once, each where it is."""

import math

import pytest

from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.errors import InputError


def faults(problem: AllocationProblem) -> list[str]:
    with pytest.raises(InputError) as caught:
        problem.check()
    return [fault.message for fault in caught.value.faults]


def test_a_sound_problem_passes() -> None:
    AllocationProblem(
        {"A": 0, "B": 1e300},
        (ProblemFlow("f", {"A": 1e-9, "B": 2}, cap=0), ProblemFlow("g", {}, cap=1, floor=2, slice="s")),
        {"s": SliceShare(limit=0), "t": SliceShare(limit=math.inf)},
    ).check()


@pytest.mark.parametrize("capacity", [-1, math.inf, math.nan, -math.inf])
def test_capacities(capacity: float) -> None:
    message = f'capacities["A"]: the capacity is {capacity}, expected a finite number from 0 up'
    assert faults(AllocationProblem({"A": capacity}, ())) == [message]


def test_a_link_needs_a_name() -> None:
    assert faults(AllocationProblem({"": 1}, ())) == [
        'capacities[""]: the name is empty, expected at least one character'
    ]


@pytest.mark.parametrize("weight", [0, -1, math.inf, math.nan])
def test_weights(weight: float) -> None:
    problem = AllocationProblem(
        {"A": 1}, (ProblemFlow("f", {"A": 1}, weight=weight),), {"s": SliceShare(weight)}
    )
    expected = f"the weight is {weight}, expected a finite number above 0"
    assert faults(problem) == [f'slices["s"]: {expected}', f'flows[0] ("f"): {expected}']


@pytest.mark.parametrize("amount", [-1, math.nan, -math.inf])
def test_caps_floors_and_limits(amount: float) -> None:
    flow = ProblemFlow("f", {"A": 1}, cap=amount, floor=amount)
    assert faults(AllocationProblem({"A": 1}, (flow,), {"s": SliceShare(limit=amount)})) == [
        f'slices["s"]: the limit is {amount}, expected a number from 0 up, or inf',
        f'flows[0] ("f"): the cap is {amount}, expected a number from 0 up, or inf',
        f'flows[0] ("f"): the floor is {amount}, expected a finite number from 0 up',
    ]


def test_an_infinite_floor() -> None:
    problem = AllocationProblem({"A": 1}, (ProblemFlow("f", {"A": 1}, floor=math.inf),))
    assert faults(problem) == ['flows[0] ("f"): the floor is inf, expected a finite number from 0 up']


@pytest.mark.parametrize("use", [0, -1, math.inf, math.nan])
def test_coefficients(use: float) -> None:
    problem = AllocationProblem({"A": 1}, (ProblemFlow("f", {"A": use}),))
    assert faults(problem) == [f'flows[0] ("f"): it uses {use} of link "A", expected a finite number above 0']


def test_names_that_are_not_there_or_there_twice() -> None:
    flows = (
        ProblemFlow("f", {"X": 1}, slice="gold"),
        ProblemFlow("f", {"A": 1}),
        ProblemFlow("f", {"A": 1}),
    )
    assert faults(AllocationProblem({"A": 1, "B": 1}, flows, {"s": SliceShare()})) == [
        'flows[0] ("f"): the slice "gold" is unknown, expected one of "s"',
        'flows[0] ("f"): the link "X" is unknown, expected one of "A", "B"',
        'flows[1] ("f"): has the id of flows[0], expected one of its own',
        'flows[2] ("f"): has the id of flows[0], expected one of its own',
    ]


def test_a_long_list_of_names_is_cut() -> None:
    capacities = {f"L{i}": 1.0 for i in range(20)}
    (fault,) = faults(AllocationProblem(capacities, (ProblemFlow("f", {"X": 1}),)))
    assert fault.endswith('"L7", …')
    (fault,) = faults(AllocationProblem({}, (ProblemFlow("f", {"X": 1}),)))
    assert fault.endswith('"X" is unknown, expected none, for there are none')


def test_something_must_stop_every_flow() -> None:
    message = 'flows[0] ("f"): nothing keeps it from rising for ever'
    (fault,) = faults(AllocationProblem({}, (ProblemFlow("f", {}),)))
    assert fault.startswith(message)
