"""Linear rules of congestion control: by hand, by their lines, in closed form, and the cycles they end in."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from fairslice.errors import InputError
from fairslice.models.congestion import (
    AIAD,
    AIMD,
    MIAD,
    MIMD,
    RULES,
    Rule,
    SimpleCycle,
    decreases_to_jain,
    jain_after,
    jain_index,
    limit_cycle,
    meets_chiu_jain,
    run,
    run_asynchronous,
    simple_cycle,
)
from fairslice.models.congestion.linear import Number, State

F = Fraction
GOAL = F(101, 10)


def values(states: Sequence[State]) -> list[tuple[float | Fraction, ...]]:
    return [state.values for state in states]


def sums(states: Sequence[State]) -> list[Fraction]:
    return [sum(state.values, F(0)) for state in states]


def test_the_first_steps_of_aimd_by_hand() -> None:
    made = run([1, 9], AIMD, "101/10", 6)
    assert values(made.states) == [(1, 9), (2, 10), (1, 5), (2, 6), (3, 7), (4, 8), (2, 4)]
    assert [congested for congested, _ in made.modes] == [False, True, False, False, False, True]


def test_a_sum_that_is_the_goal_exactly_does_not_exceed_it() -> None:
    third = Rule(F(1, 3), F(1), F(0), F(1, 2))
    assert run(["1/3", "1/3"], third, "2/3", 1).states[1].values == (F(2, 3), F(2, 3))
    assert run([F(1, 3), F(1, 3) + F(1, 10**30)], third, "2/3", 1).modes[0][0]


def test_nobody_falls_below_nothing() -> None:
    made = run([F(1, 2), 20], AIAD, 10, 1)
    assert values(made.states) == [(F(1, 2), 20), (0, 19)]
    assert made.modes == ((True, (True, False)),)


@pytest.mark.parametrize(
    ("shares", "index"),
    [([1, 1, 1], F(1)), ([1, 0, 0, 0], F(1, 4)), ([2, 2, 0, 0], F(1, 2)), ([1, 3], F(4, 5)), ([0, 0], None)],
)
def test_jain_s_index(shares: list[int], index: Fraction | None) -> None:
    assert jain_index(shares) == index
    (state,) = run(shares, AIMD, 10, 0).states
    assert state.jain == (None if index is None else float(index))


def test_where_a_run_is_seen_from_the_lines() -> None:
    """AIMD: increases move along 45°, decreases towards the origin, which keeps Jain's index."""
    made = run([1, 9], AIMD, GOAL, 40)
    for (before, after), (congested, _) in zip(pairwise(made.states), made.modes, strict=True):
        (x, y), (u, v) = before.values, after.values
        if congested:
            assert x * v == y * u
            assert jain_index(before.values) == jain_index(after.values)
        else:
            assert u - x == v - y == 1
            assert jain_index(after.values) > jain_index(before.values)  # type: ignore[operator]


def test_of_the_four_kinds_only_aimd_makes_users_equal() -> None:
    ends = {name: run([1, 9], rule, GOAL, 400).states[-1] for name, rule in RULES.items()}
    assert ends["aimd"].is_fair(F(999_999, 1_000_000))
    x, y = ends["aiad"].values
    assert y - x == 8
    x, y = ends["mimd"].values
    assert y == 9 * x
    x, y = ends["miad"].values
    assert x == 0 < y


def test_steps_to_jain_are_the_first_and_exact() -> None:
    made = run([1, 9], AIMD, GOAL, 40)
    for index in ("0.95", "0.99"):
        found = made.steps_to_jain(index)
        assert found is not None
        fair = [jain_index(state.values) >= F(index) for state in made.states]  # type: ignore[operator]
        assert fair.index(True) == found
    # Jain's index of 1 and 3 is 4/5 exactly.
    assert run([1, 3], AIMD, 10, 0).steps_to_jain("4/5") == 0
    assert run([1, 3], AIMD, 10, 0).steps_to_jain(F(4, 5) + F(1, 10**30)) is None


def test_the_cycle_of_aimd_is_of_equal_shares_and_found_exactly() -> None:
    cycle = limit_cycle(run([1, 9], AIMD, GOAL, 40))
    assert cycle is not None
    assert (cycle.start, cycle.length, cycle.reached) == (0, 4, False)
    assert values(cycle.states) == [(5, 5), (6, 6), (3, 3), (4, 4)]


def test_a_start_on_the_cycle_has_reached_it() -> None:
    cycle = limit_cycle(run([3, 3], AIMD, GOAL, 8))
    assert cycle is not None
    assert (cycle.start, cycle.length, cycle.reached) == (0, 4, True)


def test_additive_rules_return_exactly_to_where_they_were() -> None:
    cycle = limit_cycle(run([1, 8], AIAD, GOAL, 40))
    assert cycle is not None
    assert (cycle.length, cycle.reached) == (2, True)
    assert sums(cycle.states) in ([9, 11], [11, 9])


@pytest.mark.parametrize(
    ("start", "rule", "goal", "first", "length"),
    [
        ([3], AIMD, 3, 0, 3),
        ([F(10, 3)], Rule(F(1, 2), F(2), F(0), F(0)), F(19, 10), 1, 4),
        ([3, 0, 7, F(3, 2)], Rule(F(1), F(1), F(0), F(0)), 23, 4, 7),
        ([12, 1, 1, 2], Rule(F(0), F(2), F(0), F(1, 2)), 30, 0, 2),
    ],
)
def test_a_state_that_comes_again_closes_a_cycle(
    start: list[Number], rule: Rule, goal: Number, first: int, length: int
) -> None:
    """All that follows depends on the state alone, so once is enough."""
    made = run(start, rule, goal, first + length)
    assert made.states[-1].values == made.states[first].values
    cycle = limit_cycle(made)
    assert cycle is not None
    assert (cycle.length, cycle.reached) == (length, True)
    assert cycle.start <= first
    late = run(start, rule, goal, first + 3 * length)
    for place, state in enumerate(late.states[first:], start=first):
        assert state.values == cycle.states[(place - cycle.start) % length].values
    if length > 1:
        assert limit_cycle(run(start, rule, goal, first + length - 1)) is None


def test_a_run_whose_numbers_become_too_long_says_how_many_steps_there_may_be() -> None:
    rule = Rule(F(1, 7), F(1001, 1000), F(-1, 3), F(997, 1000))
    with pytest.raises(InputError, match=r"steps: found 90, expected at most \d+: ") as refused:
        run([1, 9], rule, GOAL, 90, most_work=1e5)
    most = int(str(refused.value).split("at most ")[1].split(":")[0])
    assert 0 < most < 90
    assert len(run([1, 9], rule, GOAL, most, most_work=1e5).states) == most + 1


def test_a_user_held_at_nothing_is_there_in_the_cycle_too() -> None:
    """One starts with nothing and is multiplied; the other subtracts: it is alone."""
    rule = Rule(F(0), F(2), F(-2), F(1))
    cycle = limit_cycle(run([1, 4], rule, 6, 30))
    assert cycle is not None
    assert all(state.values[0] == 0 for state in cycle.states)
    held = limit_cycle(run([1, 40], Rule(F(1), F(1), F(-3), F(1, 2)), 10, 60))
    assert held is not None
    assert min(state.values[0] for state in held.states) == 0


def test_a_rule_that_stands_still_has_a_cycle_of_one() -> None:
    cycle = limit_cycle(run([1, 2], Rule(F(1), F(1, 2), F(0), F(1)), 10, 20))
    assert cycle is not None
    assert values(cycle.states) == [(2, 2)]


def test_multiplicative_rules_mostly_never_repeat() -> None:
    assert limit_cycle(run([1, 9], MIMD, GOAL, 200)) is None
    assert limit_cycle(run([1, 9], AIMD, GOAL, 3)) is None
    doubling = limit_cycle(run([1, 2], Rule(F(0), F(2), F(0), F(1, 2)), 10, 20))
    assert doubling is not None
    assert (doubling.length, doubling.reached) == (2, True)


def test_the_sawtooth_in_closed_form() -> None:
    found = simple_cycle(2, AIMD, GOAL)
    assert found is not None
    assert found == SimpleCycle(3, F(6), F(12))
    assert found.mean == 9
    # One decrease a period is not enough here: the cycle has two, of different heights.
    steep = Rule(F(2), F(1), F(0), F(1, 2))
    assert simple_cycle(2, steep, GOAL) is None
    cycle = limit_cycle(run([1, 2], steep, GOAL, 100))
    assert cycle is not None
    assert sum(total > GOAL for total in sums(cycle.states)) == 2
    for rule in (AIAD, MIMD, MIAD):
        with pytest.raises(ValueError, match="only adds in its increase"):
            simple_cycle(2, rule, GOAL)


@pytest.mark.parametrize(
    ("rule", "meets"),
    [
        (AIMD, True),
        (AIAD, False),
        (MIMD, False),
        (MIAD, False),
        (Rule(F(1), F(2), F(0), F(0)), True),
        (Rule(F(1), F(1, 2), F(0), F(1, 2)), False),
        (Rule(F(1), F(1), F(1, 10), F(1, 2)), False),
    ],
)
def test_the_rules_that_chiu_and_jain_recommend(rule: Rule, meets: bool) -> None:
    assert meets_chiu_jain(rule) is meets


def test_decreases_to_jain_are_enough_and_no_fewer_are() -> None:
    count = decreases_to_jain([1, 9], 0.99, 6, "1/2")
    assert jain_after([1, 9], count, 6, "1/2") >= F(99, 100) > jain_after([1, 9], count - 1, 6, "1/2")
    assert decreases_to_jain([4, 4], 0.99, 6, "1/2") == 0
    assert decreases_to_jain([4, 5], 0.5, 6, "1/2") == 0
    for index, total, by in ((0.0, 6, "1/2"), (1.0, 6, "1/2"), (0.9, 0, "1/2"), (0.9, 6, 1), (0.9, 6, 0)):
        with pytest.raises(ValueError, match="expected index and factor"):
            decreases_to_jain([1, 9], index, total, by)


def test_users_who_act_at_random_become_equal_under_aimd_but_not_under_mimd() -> None:
    """The mean of Jain's index over the last half of 4,000 steps, for a few seeds."""
    for seed in range(5):
        index = {}
        for name, rule in (("aimd", AIMD), ("mimd", MIMD)):
            rows = run_asynchronous([1, 90], rule, 100, 4000, np.random.default_rng(seed))
            half = rows[2000:]
            index[name] = float(np.mean(half.sum(1) ** 2 / (2 * (half * half).sum(1))))
        assert index["aimd"] > 0.9
        assert index["aimd"] > index["mimd"]


def test_the_same_seed_is_the_same_run() -> None:
    one, same, other = (
        run_asynchronous([1, 9], AIMD, GOAL, 50, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (one == same).all()
    assert (one != other).any()


def test_a_probability_out_of_range_is_refused() -> None:
    for acting in (0.0, 1.5):
        with pytest.raises(InputError, match=r"expected a probability above 0"):
            run_asynchronous([1], AIMD, 1, 1, np.random.default_rng(1), acting)
