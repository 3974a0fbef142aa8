"""Errors travel over REST as data, and arrive as the same errors."""

import pytest

from fairslice.api.status import ProblemView, StatusView, problem_view, raise_problem
from fairslice.control.app.core import Core
from fairslice.errors import Fault, InfeasibleError, InputError, Location, MachineError

FAULTS = (
    Fault("unknown key", Location("p.yaml", 3, 5)),
    Fault("no hosts"),
    Fault("negative", Location("p.yaml", 10, 1)),
)


def over_the_wire(error: Exception) -> ProblemView:
    return ProblemView.model_validate_json(problem_view(error).model_dump_json())


def test_all_faults_arrive_with_their_places() -> None:
    with pytest.raises(InputError) as arrived:
        raise_problem(over_the_wire(InputError(FAULTS)))
    assert arrived.value.faults == FAULTS
    assert str(arrived.value) == str(InputError(FAULTS))


def test_an_infeasible_policy_arrives_with_its_numbers() -> None:
    sent = InfeasibleError("too little", link="s1->s2", flows=("a:h1->h2", "b"), floors=12e6, capacity=10e6)
    with pytest.raises(InfeasibleError, match=r"^too little$") as arrived:
        raise_problem(over_the_wire(sent))
    assert vars(arrived.value) == vars(sent)


def test_where_guarantees_stand_arrives_too() -> None:
    sent = InfeasibleError("x", link="a->b", flows=("f",), floors=2.0, capacity=1.0, details=FAULTS)
    with pytest.raises(InfeasibleError, match=r"^x$") as arrived:
        raise_problem(over_the_wire(sent))
    assert vars(arrived.value) == vars(sent)
    assert arrived.value.lines == ("x", *map(str, FAULTS))


def test_any_other_error_is_one_fault() -> None:
    problem = over_the_wire(MachineError("the switch is gone"))
    assert [fault.message for fault in problem.faults] == ["the switch is gone"]
    assert problem.infeasible is None


@pytest.mark.parametrize("lacks", ["file", "line", "column"])
def test_half_a_place_is_none(lacks: str) -> None:
    fault = {"message": "x", "file": "p.yaml", "line": 1, "column": 2} | {lacks: None}
    with pytest.raises(InputError) as arrived:
        raise_problem(ProblemView.model_validate({"faults": [fault]}))
    assert arrived.value.faults == (Fault("x"),)


def test_the_status_arrives_whole() -> None:
    status = Core().status.model_copy(
        update={"generation": 4, "missing": ("link s1->s2",), "problems": ("no path",), "modifications": 17}
    )
    assert StatusView.model_validate_json(status.model_dump_json()) == status
    shown = status.model_dump()
    assert (shown["generation"], shown["missing"], shown["modifications"]) == (4, ("link s1->s2",), 17)


def test_a_core_that_has_seen_nothing_has_nothing_in_force() -> None:
    status = Core().status
    assert (status.generation, status.in_force, status.discovered, status.modifications) == (
        *(0, False, False, 0),
    )
    assert (status.missing, status.surprises, status.problems, status.framework) == ((), (), (), "")
