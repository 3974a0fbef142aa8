"""Filling again in a known order finds what filling finds, in fewer solutions."""

from random import Random

import numpy as np
import pytest

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import CONSISTENT, AcknowledgedAllocation, _Steps, allocate_acknowledged
from fairslice.alloc.engine import account
from fairslice.alloc.kernel.compiled import has_numba
from fairslice.alloc.refilling import Refilling
from fairslice.errors import InfeasibleError
from fairslice.testing.acknowledged import random_acknowledged
from fairslice.testing.problems import MODEST, WILD

SEEDS = 120
BACKENDS = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not has_numba(), reason="no numba")),
]


def problem_of(seed: int) -> AcknowledgedProblem:
    return random_acknowledged(Random(seed), numbers=MODEST if seed % 2 else WILD)


def in_machine_code(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    assert not wanted or account.buy()
    monkeypatch.setattr(account, "_loaded", wanted)
    monkeypatch.setattr("fairslice.alloc.account.WORTH_S", 0.0)
    monkeypatch.setattr(account, "_next_s", float("inf"))


def without_order(monkeypatch: pytest.MonkeyPatch, problem: AcknowledgedProblem) -> AcknowledgedAllocation:
    with monkeypatch.context() as patch:
        patch.setattr(Refilling, "agreed", lambda *_: None)
        return allocate_acknowledged(problem)


# To load machine code takes longer than an example may.
@pytest.mark.parametrize("compiled", BACKENDS)
def test_rates_are_those_that_plain_and_mixed_steps_find(
    monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    in_machine_code(monkeypatch, compiled)
    steps, steps_without = 0, 0
    for seed in range(SEEDS):
        try:
            found = allocate_acknowledged(problem_of(seed))
        except InfeasibleError:
            continue
        expected = without_order(monkeypatch, problem_of(seed))
        largest = max(found.problem.data.capacities.values())
        for id_, rate in found.allocation.rates.items():
            assert rate == pytest.approx(expected.allocation.rates[id_], rel=1e-9, abs=1e-9 * largest), seed
        steps, steps_without = steps + found.steps, steps_without + expected.steps
    assert steps < steps_without


@pytest.mark.parametrize("compiled", BACKENDS)
def test_in_the_order_of_the_answer_the_same_is_set_aside(
    monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    """From nothing set aside, in plain floats; where there are floors it is not tried."""
    in_machine_code(monkeypatch, compiled)
    told = 0
    for seed in range(SEEDS):
        try:
            steps = _Steps(problem_of(seed))
            while not steps.agree:
                steps.go_on()
        except InfeasibleError:
            continue
        found = steps._refilling.agreed(steps.solution, np.zeros(len(steps.problem.links)))
        if found is not None:
            apart = np.abs(found[steps._where] - steps.amounts)
            assert (apart <= 100 * CONSISTENT * steps.capacity).all(), seed
            told += 1
    print(f"told of {told} of {SEEDS}")
    assert told > SEEDS / 10


@pytest.mark.skipif(not has_numba(), reason="no numba")
def test_machine_code_finds_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(SEEDS):
        found = []
        for compiled in (False, True):
            in_machine_code(monkeypatch, compiled)
            try:
                answer = allocate_acknowledged(problem_of(seed))
            except InfeasibleError:
                continue
            rates = [rate.hex() for rate in answer.allocation.rates.values()]
            found.append((rates, answer.bottlenecks, answer.set_aside, answer.steps))
        assert found[:1] == found[1:], seed
