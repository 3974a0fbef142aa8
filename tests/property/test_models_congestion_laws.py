"""Laws of linear rules, in fractions: the definition, closed forms, and cycles that are what runs end in."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairslice.models.congestion import (
    AIMD,
    Rule,
    decreases_to_jain,
    jain_after,
    jain_index,
    limit_cycle,
    meets_chiu_jain,
    run,
    run_asynchronous,
    simple_cycle,
)

F = Fraction
shares = st.lists(st.fractions(min_value=0, max_value=20, max_denominator=6), min_size=1, max_size=4)
goals = st.fractions(min_value=1, max_value=30, max_denominator=6)
adds = st.fractions(min_value=-2, max_value=2, max_denominator=4)
ups = st.fractions(min_value=0, max_value=2, max_denominator=4)
downs = st.fractions(min_value=0, max_value=1, max_denominator=4)
rules = st.builds(Rule, adds, ups, adds, downs)
aimds = st.builds(
    lambda add, times: Rule(add, F(1), F(0), times),
    st.fractions(min_value=F(1, 4), max_value=3, max_denominator=4),
    st.fractions(min_value=F(1, 8), max_value=F(7, 8), max_denominator=8),
)


@given(shares, rules, goals)
def test_a_run_is_its_definition(start: list[Fraction], rule: Rule, goal: Fraction) -> None:
    made = run(start, rule, goal, 15)
    now = list(start)
    for state, (congested, held) in zip(made.states, [*made.modes, (None, ())], strict=True):
        assert list(state.values) == now
        assert state.jain == (float(jain_index(now)) if any(now) else None)  # type: ignore[arg-type]
        assert state.efficiency(goal) == float(sum(now) / goal)
        if congested is None:
            break
        assert congested == (sum(now) > goal)
        add, times = (
            (rule.decrease_add, rule.decrease_times)
            if congested
            else (rule.increase_add, rule.increase_times)
        )
        wanted = [add + times * one for one in now]
        assert held == tuple(one < 0 for one in wanted)
        now = [max(F(0), one) for one in wanted]


@given(shares, rules, goals)
def test_a_cycle_returns_to_itself_and_the_run_comes_nearer(
    start: list[Fraction], rule: Rule, goal: Fraction
) -> None:
    steps = 60
    made = run(start, rule, goal, steps)
    cycle = limit_cycle(made)
    if cycle is None:
        return
    around = run(cycle.states[0].values, rule, goal, cycle.length)
    assert around.states[-1].values == cycle.states[0].values
    assert [state.values for state in around.states[:-1]] == [state.values for state in cycle.states]
    # The feedback from there on is the cycle's, far beyond the run that it was found in.
    longer = run(start, rule, goal, 3 * steps)
    for step in range(cycle.start, 3 * steps):
        congested = longer.modes[step][0]
        assert congested == around.modes[(step - cycle.start) % cycle.length][0]

    def apart(step: int) -> Fraction:
        here = cycle.states[(step - cycle.start) % cycle.length].values
        return max(abs(x - y) for x, y in zip(longer.states[step].values, here, strict=True))

    period = cycle.length
    last = steps - period
    assert apart(3 * steps - period) <= apart(last)
    if cycle.reached:
        assert apart(last) == 0


@given(shares, aimds, goals)
def test_jain_s_index_of_aimd_is_its_closed_form(start: list[Fraction], rule: Rule, goal: Fraction) -> None:
    made = run(start, rule, goal, 30)
    decreases = 0
    for state, mode in zip(made.states, [*made.modes, (False, ())], strict=True):
        total = sum(state.values, F(0))
        if total:
            assert jain_index(state.values) == jain_after(start, decreases, total, rule.decrease_times)
        decreases += mode[0]


@given(shares, aimds, goals, st.floats(0.5, 0.999))
def test_so_many_decreases_are_enough(
    start: list[Fraction], rule: Rule, goal: Fraction, index: float
) -> None:
    assert meets_chiu_jain(rule)
    count = decreases_to_jain(start, index, goal, rule.decrease_times)
    assert jain_after(start, count, goal, rule.decrease_times) >= F(index) * (1 - F(1, 10**9))
    if count:
        assert jain_after(start, count - 1, goal, rule.decrease_times) <= F(index) * (1 + F(1, 10**9))


@given(st.integers(1, 4), aimds, goals)
def test_the_closed_sawtooth_is_a_cycle(users: int, rule: Rule, goal: Fraction) -> None:
    found = simple_cycle(users, rule, goal)
    if found is None:
        return
    length = found.increases + 1
    made = run([found.low / users] * users, rule, goal, 2 * length)
    assert sum(made.states[found.increases].values, F(0)) == found.peak
    assert made.states[length].values == made.states[0].values
    cycle = limit_cycle(made)
    assert cycle is not None
    assert cycle.reached
    assert cycle.length == length
    totals = [sum(state.values, F(0)) for state in cycle.states]
    assert sum(totals, F(0)) / length == found.mean


@given(shares, goals, st.integers(0, 100))
def test_if_all_act_it_is_the_synchronous_run(start: list[Fraction], goal: Fraction, seed: int) -> None:
    """In eighths, and with halves, floats are exact."""
    start, goal = [F(int(8 * one), 8) for one in start], F(int(8 * goal), 8)
    rows = run_asynchronous(start, AIMD, goal, 20, np.random.default_rng(seed), 1.0)
    assert rows.tolist() == [state.floats for state in run(start, AIMD, goal, 20).states]


@given(shares, rules, goals, st.integers(0, 100))
def test_at_random_each_does_what_the_rule_says_or_nothing(
    start: list[Fraction], rule: Rule, goal: Fraction, seed: int
) -> None:
    rows = run_asynchronous(start, rule, goal, 20, np.random.default_rng(seed))
    assert (rows >= 0).all()
    for before, after in pairwise(rows):
        add, times = rule.response(congested=bool(before.sum() > float(goal)))
        moved = np.maximum(0.0, float(add) + float(times) * before)
        assert ((after == before) | (after == moved)).all()
