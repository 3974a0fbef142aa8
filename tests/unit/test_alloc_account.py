"""When machine code is loaded and when compiled: a rule on counted work, without numba and a clock."""

import logging
import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest

from fairslice.alloc import (
    AllocationProblem,
    Allocator,
    MultipathFlow,
    MultipathProblem,
    allocate,
    allocate_free,
    engine,
)
from fairslice.alloc.account import COMPILING_S, LOADING_S, WORTH_S, Account, work_s
from fairslice.alloc.engine import solve_as
from fairslice.alloc.kernel.backends import interpreted
from fairslice.alloc.kernel.records import GIVEN_UP, PER_USE


@dataclass
class Machine:
    """Stands for numba: counts what is asked of it."""

    there: bool = True
    kept: bool = True
    broken: bool = False
    loads: int = 0
    asked: list[str] = field(default_factory=list)

    def account(self, *, may_compile: bool = True) -> Account:
        return Account(self.is_there, self.is_kept, self.load, may_compile)

    def is_there(self) -> bool:
        self.asked.append("there")
        return self.there

    def is_kept(self) -> bool:
        self.asked.append("kept")
        if self.broken:
            raise ImportError("needs NumPy 1.0 or less")
        return self.kept

    def load(self) -> None:
        self.loads += 1
        self.kept = True


def calls_until_loaded(account: Account, work: float, most: int = 1_000_000) -> int:
    """How many calls were interpreted before one was not."""
    for done in range(most):
        if account.pays(work):
            return done
        account.charge(work)
    return most


class TestTheRule:
    @pytest.mark.parametrize("work", [0.001, 0.011, 0.07, LOADING_S, 0.5, 3.0])
    def test_what_is_kept_is_loaded_when_work_exceeds_what_loading_costs(self, work: float) -> None:
        machine = Machine()
        before = calls_until_loaded(machine.account(), work)
        assert before * work <= LOADING_S * (1 + 1e-9) < (before + 2) * work
        assert machine.loads == 1

    @pytest.mark.parametrize("work", [0.011, 0.3, 3.0, 2 * COMPILING_S])
    def test_what_is_not_kept_is_compiled_when_work_exceeds_what_that_costs(self, work: float) -> None:
        machine = Machine(kept=False)
        before = calls_until_loaded(machine.account(), work)
        assert before * work <= COMPILING_S * (1 + 1e-9) < (before + 2) * work
        assert machine.loads == 1

    @pytest.mark.parametrize("kept", [True, False])
    def test_it_costs_at_most_about_twice_what_foresight_would(self, kept: bool) -> None:
        """The bound of Karlin et al.: whatever calls come, and wherever they end."""
        price = LOADING_S if kept else LOADING_S + COMPILING_S
        random = Random(1)
        for _ in range(300):
            machine = Machine(kept=kept)
            account = machine.account()
            scale = random.choice([0.001, 0.05, 0.4, 5.0])
            spent = total = 0.0
            for _ in range(random.randint(1, 400)):
                work = scale * random.random()
                total += work
                if not account.pays(work) and not machine.loads:
                    account.charge(work)
                    spent += work
            paid = spent + (price if machine.loads else 0.0)
            # A process that stays interpreted may have imported numba to find that nothing is kept.
            assert paid <= 2 * min(total, price) + LOADING_S

    def test_before_loading_pays_numba_is_not_even_looked_for(self) -> None:
        machine = Machine()
        account = machine.account()
        assert not account.pays(LOADING_S / 2)
        account.charge(LOADING_S / 4)
        assert not account.pays(LOADING_S / 2)
        assert machine.asked == []

    def test_without_numba_it_is_looked_for_once(self) -> None:
        machine = Machine(there=False)
        account = machine.account()
        assert calls_until_loaded(account, 1.0, most=100) == 100
        assert machine.asked == ["there"]
        assert account.most_steps(1.0) == -1
        assert not account.buy()

    def test_numba_that_can_not_be_imported_is_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        machine = Machine(broken=True)
        assert calls_until_loaded(machine.account(), 1.0, most=100) == 100
        assert [record.message for record in caplog.records] == [
            "numba is installed but can't be used, so nothing is compiled: needs NumPy 1.0 or less"
        ]

    def test_what_another_process_has_compiled_is_found(self) -> None:
        machine = Machine(kept=False)
        account = machine.account()
        assert calls_until_loaded(account, 0.1, most=20) == 20
        machine.kept = True
        assert calls_until_loaded(account, 0.1) <= 20
        assert machine.loads == 1

    def test_who_never_compiles_says_so_once_and_loads_what_comes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        machine = Machine(kept=False)
        account = machine.account(may_compile=False)
        assert calls_until_loaded(account, 0.7, most=1000) == 1000
        assert [record.message[:33] for record in caplog.records] == ["compiled code would pay by now, b"]
        # Seldom: numba's directory is read each time.
        assert machine.asked.count("kept") < 20
        machine.kept = True
        assert calls_until_loaded(account, 0.7) <= 1000 * 2
        assert (machine.loads, len(caplog.records)) == (1, 1)

    def test_once_loaded_all_but_the_smallest_problems_use_it(self) -> None:
        machine = Machine()
        account = machine.account()
        assert account.buy()
        assert account.pays(WORTH_S)
        assert not account.pays(WORTH_S / 2)
        assert account.buy()
        assert machine.loads == 1

    def test_to_load_at_once_compiles(self) -> None:
        machine = Machine(kept=False)
        assert machine.account().buy()
        assert machine.loads == 1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Is what the engine loads; its code is the interpreted one."""
    stand_in = Machine()
    monkeypatch.setattr(engine, "account", stand_in.account())
    monkeypatch.setattr(engine, "compiled", interpreted)
    return stand_in


def network(flows: int, slices: int = 0, links: int = 400, hops: int = 5, seed: int = 1) -> AllocationProblem:
    random = np.random.default_rng(seed)
    sliced: dict[str, Any] = (
        {"slice": random.integers(slices, size=flows), "slice_weight": np.ones(slices)} if slices else {}
    )
    return AllocationProblem.from_arrays(
        capacity=random.uniform(1, 10, links),
        indptr=np.arange(flows + 1) * hops,
        indices=np.argsort(random.random((flows, links)), axis=1)[:, :hops].ravel(),
        weight=np.ones(flows),
        demand=np.where(random.random(flows) < 0.5, np.inf, random.uniform(0, 0.2, flows)),
        **sliced,
    )


class TestTheEngine:
    def test_a_thousand_flows_over_and_over(self, machine: Machine) -> None:
        """A call takes ten milliseconds: nothing is loaded for one, but for twenty or so it is."""
        problem = network(1_000)
        allocate(problem)
        assert machine.asked == []
        for _ in range(40):
            allocate(problem)
        assert machine.loads == 1

    def test_ten_thousand_flows_in_a_thousand_slices(self, machine: Machine) -> None:
        problem = network(10_000, slices=1_000)
        allocate(problem)
        assert machine.loads == 1

    def test_a_policy_loads_nothing(self, machine: Machine) -> None:
        problem = network(60, slices=5, links=40)
        for _ in range(10):
            allocate(problem)
        assert machine.asked == []

    def test_what_changes_counts_too(self, machine: Machine) -> None:
        allocator = Allocator(network(1_000))
        rates = [allocator.change(capacity={0: 1 + i / 100}).rate.copy() for i in range(60)]
        assert machine.loads == 1
        again = Allocator(network(1_000))
        assert [again.change(capacity={0: 1 + i / 100}).rate.tolist() for i in range(60)] == [
            rate.tolist() for rate in rates
        ]

    def test_free_splits_count_all_their_rounds(self, machine: Machine) -> None:
        random = Random(1)
        links = {f"L{i}": random.uniform(1, 10) for i in range(50)}
        flows = [
            MultipathFlow(f"f{i}", tuple(dict.fromkeys(random.sample(sorted(links), 3), 1) for _ in range(3)))
            for i in range(200)
        ]
        problem = MultipathProblem(links, flows)
        for _ in range(100):
            allocate_free(problem)
            if machine.loads:
                break
        assert machine.loads == 1

    def test_fractions_are_not_counted(self, machine: Machine) -> None:
        """Machine code would not help."""
        problem = AllocationProblem.from_arrays([1e200], [0, 1], [0], [1.0], [np.inf])
        for _ in range(5):
            allocate(problem)
        assert engine.account.spent_s == 0
        assert machine.asked == []


class TestSteps:
    """In slices the work depends on who inherits when, which nobody knows beforehand."""

    def crowd(self) -> AllocationProblem:
        """Two slices of 150 flows on one link, each with a demand of its own."""
        return AllocationProblem.from_arrays(
            capacity=[1e6],
            indptr=range(301),
            indices=[0] * 300,
            weight=[1.0] * 300,
            demand=[float(i) for i in range(1, 301)],
            slice=[i % 2 for i in range(300)],
            slice_weight=[1.0, 2.0],
        )

    def test_they_are_counted(self) -> None:
        columns = self.crowd().columns
        # Each stop is looked at by all siblings that are left.
        assert solve_as(interpreted(), columns).steps > 2 * 150 * 149 / 2
        assert solve_as(interpreted(), network(100).columns).steps == 0

    @pytest.mark.parametrize("most", [0, 1, 10_000])
    def test_a_filling_gives_up_at_a_number_of_them(self, most: int) -> None:
        columns = self.crowd().columns
        solution = solve_as(interpreted(), columns, most_steps=most)
        assert (solution.overbooked, solution.rate) == (GIVEN_UP, ())
        # It looks at the end of an instant, when all siblings may have inherited, each on one link.
        assert most < solution.steps <= most + 300 * (1 + PER_USE)

    def test_enough_of_them_change_nothing(self) -> None:
        columns = self.crowd().columns
        freely = solve_as(interpreted(), columns)
        assert solve_as(interpreted(), columns, most_steps=freely.steps) == freely

    def test_a_filling_that_takes_too_many_goes_on_in_machine_code(self, machine: Machine) -> None:
        problem = self.crowd()
        # Seemingly it ends just before loading pays.
        engine.account.charge(LOADING_S - 1.1 * work_s(problem.columns))
        allocation = allocate(problem)
        assert machine.loads == 1
        assert allocation.rate.tolist() == list(solve_as(interpreted(), problem.columns).rate)

    def test_or_is_interpreted_to_its_end(self, machine: Machine) -> None:
        machine.kept = False
        problem = self.crowd()
        engine.account.charge(LOADING_S - 1.1 * work_s(problem.columns))
        assert allocate(problem).rate.tolist() == list(solve_as(interpreted(), problem.columns).rate)
        assert machine.loads == 0
        assert "kept" in machine.asked

    def test_work_grows_with_all_that_it_depends_on(self) -> None:
        small = network(100).columns
        for larger in (network(200), network(100, links=800), network(100, hops=10), network(100, slices=3)):
            assert work_s(larger.columns) > work_s(small)
        assert 0 < work_s(AllocationProblem({"A": 1}, ()).columns) < math.inf


def test_it_is_silent_below_warnings(caplog: pytest.LogCaptureFixture, machine: Machine) -> None:
    with caplog.at_level(logging.DEBUG):
        allocate(network(10_000, slices=1_000))
    assert caplog.records == []
