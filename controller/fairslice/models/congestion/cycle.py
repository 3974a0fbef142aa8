"""The cycle that users of a linear rule end in, exactly.

Within a pattern of feedback each user's share goes through the same steps again and again, and over one
period x becomes A·x + B. If A < 1 there is one share that returns to itself, B/(1 − A), and all others
approach it. So the cycle that a run approaches, but never quite reaches, is found in fractions.

That the run does approach it is proved, not observed: the deviation from the cycle keeps its sign and shrinks
by A each period, so at each place of the period the sum stays between where it is and where the cycle is. If
both are on the same side of the goal, all later ones are. The same holds for being held at 0, after which a
share has no deviation at all; that is why the pattern has to be seen twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fairslice.models.congestion.linear import Mode, Rule, Run, State, run


@dataclass(frozen=True, slots=True)
class LimitCycle:
    """A cycle: from ``start`` on the feedback is the cycle's.

    Attributes:
        start: the first step from which the pattern repeats.
        states: what users send, a state for each step of the period, the first at ``start``.
        reached: whether the run arrives at the cycle exactly, and does not only come nearer.
    """

    start: int
    states: tuple[State, ...]
    reached: bool

    @property
    def length(self) -> int:
        """Steps of a period."""
        return len(self.states)


def limit_cycle(made: Run) -> LimitCycle | None:
    """The cycle that a run has settled into: one that it has closed, or the shortest whose pattern it ends
    with twice.

    A state that comes again is proof enough, as all that follows depends on it alone.
    None if there is none: the run is too short, or it never repeats, as multiplicative rules mostly do not.
    """
    modes = made.modes
    closed = _closed(made.states)
    if closed is not None:
        begin = len(modes) - closed
        start = _first_of_pattern(modes, closed)
        states = made.states[begin:-1]
        return LimitCycle(start, tuple(states[(start - begin + i) % closed] for i in range(closed)), True)
    for length in range(1, len(modes) // 2 + 1):
        if modes[-length:] != modes[-2 * length : -length]:
            continue
        begin = len(modes) - length
        fixed = _fixed(made.rule, modes[begin:], made.states[begin].values)
        if fixed is None:
            continue
        around = run(fixed, made.rule, made.goal, length)
        if around.modes != modes[begin:] or around.states[-1].values != fixed:
            continue
        start = _first_of_pattern(modes, length)
        turned = (start - begin) % length
        reached = made.states[begin].values == fixed
        return LimitCycle(start, tuple(around.states[(turned + i) % length] for i in range(length)), reached)
    return None


def _closed(states: Sequence[State]) -> int | None:
    """After how many steps the last state had come before; None if it is new."""
    last = states[-1]
    for length, state in enumerate(reversed(states[:-1]), start=1):
        if state.same_as(last):
            return length
    return None


def _first_of_pattern(modes: Sequence[Mode], length: int) -> int:
    """The first step from which the pattern of so many steps, with which a run ends, repeats to the end."""
    start = len(modes) - length
    while start and modes[start - 1] == modes[start - 1 + length]:
        start -= 1
    return start


def _fixed(rule: Rule, modes: Sequence[Mode], shares: Sequence[Fraction]) -> tuple[Fraction, ...] | None:
    """The shares that return to themselves over a pattern; None if some have none."""
    found = []
    for user, share in enumerate(shares):
        by, plus = Fraction(1), Fraction(0)
        for congested, held in modes:
            add, times = rule.response(congested=congested)
            by, plus = (Fraction(0), Fraction(0)) if held[user] else (by * times, plus * times + add)
        if by < 1:
            found.append(plus / (1 - by))
        elif by * share + plus == share:
            found.append(share)
        else:
            return None
    return tuple(found)
