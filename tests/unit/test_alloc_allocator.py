"""The allocator: what makes no difference, what is refused, and what names mean after flows are added."""

import copy
import math
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairslice.alloc.incremental.allocator import Allocator
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import InfeasibleError, InputError


def two_links() -> Allocator:
    """A long flow meets a short one on A (5 each); the other has the rest of B; B is full, C is not."""
    flows = [
        ProblemFlow("long", {"A": 1, "B": 1, "C": 1}),
        ProblemFlow("short", {"A": 1}),
        ProblemFlow("other", {"B": 1}, cap=100),
    ]
    return Allocator(AllocationProblem({"A": 10, "B": 30, "C": 50}, flows))


@pytest.mark.parametrize(
    "change",
    [
        {"demand": {"long": 6}},
        {"demand": {"long": 6, "short": 1e9}},
        {"demand": {"other": 26}},
        {"floor": {"other": 24}},
        {"capacity": {"C": 6}},
        {"capacity": {"C": 1e9}},
        {"weight": {"long": 1}},
        {},
    ],
    ids=str,
)
def test_changes_that_make_no_difference_are_not_solved(change: Any) -> None:
    allocator = two_links()
    before = allocator.allocation
    assert allocator.change(**change) is before
    assert list(allocate(allocator.problem).rate) == list(before.rate)


def test_a_change_that_made_no_difference_is_kept_for_later() -> None:
    allocator = two_links()
    allocator.change(demand={"long": 6}, capacity={"C": 5.5})
    assert dict(allocator.change(capacity={"A": 100}).rates) == {"long": 5.5, "short": 94.5, "other": 24.5}


def test_a_link_goes_down_and_comes_back() -> None:
    allocator = two_links()
    before = dict(allocator.allocation.rates)
    assert dict(allocator.change(down=["A"]).rates) == {"long": 0, "short": 0, "other": 30}
    assert dict(allocator.change(capacity={"A": 10}).rates) == before


def test_flows_come_and_go() -> None:
    allocator = two_links()
    more = allocator.change(add=[ProblemFlow("new", {"A": 1}), ProblemFlow("newer", {"B": 1}, cap=5)])
    assert more.rates == pytest.approx(
        {"long": 10 / 3, "short": 10 / 3, "other": 65 / 3, "new": 10 / 3, "newer": 5}, rel=1e-15
    )
    less = allocator.change(remove=["new", "other"])
    assert dict(less.rates) == {"long": 5, "short": 5, "other": 0, "new": 0, "newer": 5}
    assert less.rate.tolist() == [5, 5, 0, 0, 5]


def test_flows_without_names_are_numbers() -> None:
    problem = AllocationProblem.from_arrays([12], [0, 1, 2], [0, 0], [1, 2], [np.inf, np.inf])
    allocator = Allocator(problem)
    assert allocator.allocation.rate.tolist() == [4, 8]
    added = allocator.change(add=[ProblemFlow("whatever", {"0": 1})], demand={1: 2})
    assert dict(added.rates) == {"0": 5, "1": 2, "2": 5}
    assert allocator.problem.flows[2].id == "2"


def test_what_it_was_given_and_gave_stays_as_it_was() -> None:
    problem = AllocationProblem.from_arrays([12], [0, 1, 2], [0, 0], [1, 2], [np.inf, np.inf])
    allocator = Allocator(problem)
    added = allocator.change(add=[ProblemFlow("whatever", {"0": 1})])
    allocator.change(demand={2: 1}, capacity={0: 6})
    assert [flow.cap for flow in added.problem.flows] == [math.inf] * 3
    assert dict(added.problem.capacities) == dict(problem.capacities) == {"0": 12}


def test_the_first_guarantee() -> None:
    allocator = two_links()
    assert dict(allocator.change(floor={"long": 8}).rates) == {"long": 8, "short": 2, "other": 22}
    assert dict(allocator.change(floor={"long": 0}).rates) == {"long": 5, "short": 5, "other": 25}


def test_a_guarantee_returns_with_the_demand() -> None:
    flows = [ProblemFlow("f", {"A": 1}, cap=1, floor=8), ProblemFlow("g", {"A": 1})]
    allocator = Allocator(AllocationProblem({"A": 10}, flows))
    assert dict(allocator.allocation.rates) == {"f": 1, "g": 9}
    assert dict(allocator.change(demand={"f": math.inf}).rates) == {"f": 8, "g": 2}


def test_amounts_beyond_what_floats_can_multiply() -> None:
    """A weight of 1e200 leaves 1e-199 of a capacity to the other; then all is as usual again."""
    flows = [ProblemFlow("f", {"A": 1}), ProblemFlow("g", {"A": 1})]
    allocator = Allocator(AllocationProblem({"A": 10}, flows))
    assert dict(allocator.change(weight={"f": 1e200}).rates) == {"f": 10, "g": 1e-199}
    assert dict(allocator.change(weight={"f": 4}).rates) == {"f": 8, "g": 2}


def test_what_makes_no_sense_is_refused_whole() -> None:
    allocator = two_links()
    before = allocator.allocation
    demand: dict[int | str, float] = {"long": 1, "nobody": 1, 7: 2}
    with pytest.raises(InputError) as caught:
        allocator.change(
            demand=demand,
            weight={"short": 0},
            floor={"other": math.inf},
            capacity={"Z": 1, "A": math.nan},
        )
    assert [fault.message for fault in caught.value.faults] == [
        "flow 'nobody' is unknown, expected one of the problem's 3",
        "flow 7 is unknown, expected one of the problem's 3",
        "flow 'short': the weight is 0, expected a finite number above 0",
        "flow 'other': the floor is inf, expected a finite number from 0 up",
        "link 'Z' is unknown, expected one of the problem's 3",
        "link 'A': the capacity is nan, expected a finite number from 0 up",
    ]
    assert allocator.allocation is before
    assert allocator.problem.flows[0].cap == math.inf


def test_a_flow_that_nothing_stops_is_refused() -> None:
    allocator = Allocator(AllocationProblem({}, [ProblemFlow("f", {}, cap=1)]))
    with pytest.raises(InputError, match="nothing keeps it from rising for ever"):
        allocator.change(demand={"f": math.inf})
    assert dict(allocator.allocation.rates) == {"f": 1}


@pytest.mark.parametrize(
    "flow", [ProblemFlow("new", {"Z": 1}), ProblemFlow("new", {"A": 1}, slice="s"), ProblemFlow("new", {})]
)
def test_added_flows_are_checked(flow: ProblemFlow) -> None:
    allocator = two_links()
    with pytest.raises(InputError):
        allocator.change(add=[flow], capacity={"A": 1})
    assert dict(allocator.allocation.rates) == {"long": 5, "short": 5, "other": 25}
    assert dict(allocator.change(capacity={"A": 20}).rates) == {"long": 10, "short": 10, "other": 20}


def test_guarantees_that_do_not_fit_change_nothing() -> None:
    slices = {"s": SliceShare(limit=4)}
    flows = [ProblemFlow("f", {"A": 1}, slice="s"), ProblemFlow("g", {"A": 1})]
    allocator = Allocator(AllocationProblem({"A": 10}, flows, slices))
    with pytest.raises(
        InfeasibleError, match=r"those of f need 5 but the limit of slice s is 4, 1 too little"
    ):
        allocator.change(floor={"f": 5}, demand={"g": 1})
    with pytest.raises(InfeasibleError, match=r"those of new need 11 but link A carries 10"):
        allocator.change(add=[ProblemFlow("new", {"A": 1}, floor=11)], demand={"g": 1})
    assert dict(allocator.allocation.rates) == {"f": 4, "g": 6}
    assert dict(allocator.change(demand={"f": 1}).rates) == {"f": 1, "g": 9}


def short(path: str, **amounts: Any) -> ProblemFlow:
    return ProblemFlow("short", {path: 1}, **amounts)


class TestRemoved:
    def test_a_demand_brings_a_flow_back(self) -> None:
        allocator = two_links()
        before = dict(allocator.allocation.rates)
        allocator.change(remove=["short"])
        assert allocator.allocation.rates["short"] == 0
        assert allocator.change(demand={"short": math.inf}).rates == before

    @pytest.mark.parametrize("copied", [lambda x: x, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_its_id_may_be_given_again_over_another_path(self, copied: Any) -> None:
        allocator = two_links()
        allocator.change(remove=["short"])
        allocator = copied(allocator)
        rates = allocator.change(add=[short("C")]).rates
        assert rates == {"long": 10, "short (removed, flow 1)": 0, "other": 20, "short": 40}
        assert allocate(allocator.problem).rates == rates
        assert allocator.change(demand={"short": 4}).rates["short"] == 4
        assert allocator.change(demand={1: 2}).rates["short (removed, flow 1)"] == 2

    def test_at_once_it_is_a_new_path(self) -> None:
        allocator = two_links()
        for times, path in enumerate("CAC", start=1):
            rates = allocator.change(remove=["short"], add=[short(path)]).rates
            assert len(rates) == 3 + times
            assert rates == allocate(allocator.problem).rates
            assert (rates["long"] == 10) == (path == "C")

    def test_one_that_is_back_keeps_its_id(self) -> None:
        allocator = two_links()
        allocator.change(remove=["short"])
        allocator.change(demand={"short": 1})
        with pytest.raises(InputError, match="has the id of"):
            allocator.change(add=[short("C")])

    def test_what_is_refused_frees_no_id(self) -> None:
        allocator = two_links()
        before = dict(allocator.allocation.rates)
        with pytest.raises(InfeasibleError):
            allocator.change(remove=["short"], add=[short("C", floor=51)])
        assert allocator.allocation.rates == before
        with pytest.raises(InputError, match="has the id of"):
            allocator.change(add=[short("C")])
        assert allocate(allocator.problem).rates == before


def test_threads_may_share_one() -> None:
    """Flows are added and changed from all sides; nothing is lost, and the rates are those of the problem."""
    allocator = two_links()
    wrong: list[Exception] = []
    ready = threading.Barrier(4)

    def change(thread: int) -> None:
        try:
            ready.wait()
            for k in range(20):
                added = ProblemFlow(f"{thread}-{k}", {"ABC"[k % 3]: 1})
                allocator.change(demand={"long": 1.0 + k}, add=[added] if k % 2 else ())
                assert allocator.problem.capacities["A"] == 10
        except Exception as error:  # noqa: BLE001 - whatever it is
            wrong.append(error)

    every = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=change, args=(thread,)) for thread in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(every)
    assert wrong == []
    ids = {flow.id for flow in allocator.problem.flows}
    assert ids == {"long", "short", "other", *(f"{t}-{k}" for t in range(4) for k in range(1, 20, 2))}
    assert allocator.allocation.rates == pytest.approx(allocate(allocator.problem).rates)


SNIPPET = """
from fairslice.alloc import Allocator

def change(
    allocator: Allocator, by_id: dict[str, float], by_number: dict[int, float], mixed: dict[int | str, float]
) -> None:
    for amounts in (by_id,):
        allocator.change(demand=amounts, weight=amounts, floor=amounts, capacity=amounts)
    for numbers in (by_number,):
        allocator.change(demand=numbers, weight=numbers, floor=numbers, capacity=numbers)
    allocator.change(demand=mixed)
    allocator.change(demand={"f": 2}, capacity={0: 8})
    allocator.change(demand={"f": "2"})
    allocator.change(demand={1.5: 2})
"""


def test_mappings_of_ids_and_of_numbers_have_the_right_type(tmp_path: Path) -> None:
    """Only the last two lines are refused."""
    api = pytest.importorskip("mypy.api")
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    root = Path(__file__).parents[2]
    options = ["--config-file", str(root / "setup.cfg"), "--cache-dir", str(tmp_path / "cache")]
    said, errors, status = api.run([*options, "--follow-imports=silent", "--no-site-packages", str(file)])
    assert (status, errors) == (1, "")
    lines = {int(line.split(":")[1]) for line in said.splitlines() if ": error:" in line}
    assert lines == {13, 14}, said
