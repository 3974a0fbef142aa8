"""Errors: every fault is told, with its place, and every kind has its exit status."""

import pytest

from fairslice import errors
from fairslice.errors import FairsliceError, Fault, InfeasibleError, InputError, Location, MachineError
from fairslice.topology.paths import NoPathError

INFEASIBLE = InfeasibleError("too much", link="a->b", flows=("f1", "f2"), floors=12.0, capacity=10.0)


def test_a_fault_begins_with_its_place() -> None:
    assert str(Fault("no", Location("p.yaml", 3, 7))) == "p.yaml:3:7: no"
    assert str(Fault("no")) == "no"


def test_places_are_ordered_as_in_their_file() -> None:
    places = [Location("a", 10, 1), Location("a", 2, 9), Location("b", 1, 1), Location("a", 2, 3)]
    assert [(p.file, p.line, p.column) for p in sorted(places)] == [
        ("a", 2, 3),
        ("a", 2, 9),
        ("a", 10, 1),
        ("b", 1, 1),
    ]


def test_an_input_error_tells_all_faults_a_line_each() -> None:
    faults = [Fault("one", Location("p.yaml", 1, 1)), Fault("two")]
    error = InputError(iter(faults))
    assert error.faults == tuple(faults)
    assert str(error).splitlines() == ["p.yaml:1:1: one", "two"]


def test_a_text_is_one_fault() -> None:
    assert InputError("no such file").faults == (Fault("no such file"),)


def test_an_infeasible_problem_keeps_its_numbers() -> None:
    assert (INFEASIBLE.link, INFEASIBLE.flows, INFEASIBLE.floors, INFEASIBLE.capacity) == (
        "a->b",
        ("f1", "f2"),
        12.0,
        10.0,
    )
    assert str(INFEASIBLE) == "too much"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x"), 2),
        (INFEASIBLE, 3),
        (MachineError("x"), 6),
        (NoPathError("h1", "h2"), 6),
        (FairsliceError("x"), 6),
    ],
)
def test_exit_statuses_are_those_of_the_design(error: FairsliceError, status: int) -> None:
    assert error.exit_status == status


def test_no_two_outcomes_share_a_status() -> None:
    statuses = [value for name, value in vars(errors).items() if name.startswith("EXIT_")]
    assert len(set(statuses)) == len(statuses)
