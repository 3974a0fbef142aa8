"""Linear rules with one bit of feedback, all users at once (Chiu and Jain 1989, section 2).

n users send x_1 … x_n. While the sum is above the goal the feedback is 1 and each decreases, else each
increases: x becomes a + b·x, with a and b of the increase or of the decrease, and never below 0. All of it
is computed in whole numbers over a common denominator, so that a sum which meets the goal exactly is seen as
such.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from fairslice.errors import InputError
from fairslice.models.problem import exact

Number: TypeAlias = int | float | Fraction | str
"""As :func:`fairslice.models.problem.exact` reads it: ``"1/3"`` is a third."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What users do: x becomes add + times·x. Additions are in the unit of x, and may be negative."""

    increase_add: Fraction
    increase_times: Fraction
    decrease_add: Fraction
    decrease_times: Fraction

    def response(self, *, congested: bool) -> tuple[Fraction, Fraction]:
        """What is added and by what is multiplied, at a feedback."""
        if congested:
            return self.decrease_add, self.decrease_times
        return self.increase_add, self.increase_times


AIMD = Rule(Fraction(1), Fraction(1), Fraction(0), Fraction(1, 2))
"""Additive increase, multiplicative decrease: the rule of TCP (Jacobson 1988)."""
AIAD = Rule(Fraction(1), Fraction(1), Fraction(-1), Fraction(1))
MIMD = Rule(Fraction(0), Fraction(11, 10), Fraction(0), Fraction(1, 2))
MIAD = Rule(Fraction(0), Fraction(11, 10), Fraction(-1), Fraction(1))
RULES: Mapping[str, Rule] = {"aimd": AIMD, "aiad": AIAD, "mimd": MIMD, "miad": MIAD}
"""The four kinds, each with numbers that serve as an example."""

_PRIME = 2**61 - 1
_OF_A_PRODUCT = 1.6
"""The power of the bits of two numbers that their product takes (Karatsuba and Ofman 1962)."""

Mode = tuple[bool, tuple[bool, ...]]
"""Of a step: whether the feedback was 1, and of each user whether it was held at 0."""


@dataclass(frozen=True, slots=True)
class State:
    """What the users send at one time, in whole numbers over a denominator."""

    shares: tuple[int, ...]
    denominator: int

    @property
    def values(self) -> tuple[Fraction, ...]:
        """In the unit of the start."""
        return tuple(Fraction(share, self.denominator) for share in self.shares)

    @property
    def floats(self) -> list[float]:
        """The same, each rounded once.

        Raises:
            OverflowError: one is above 1e308.
        """
        return [share / self.denominator for share in self.shares]

    @property
    def jain(self) -> float | None:
        """Jain's index, rounded once; None while nobody sends."""
        above, below = self._jain
        return above / below if below else None

    @property
    def _jain(self) -> tuple[int, int]:
        return sum(self.shares) ** 2, len(self.shares) * sum(share * share for share in self.shares)

    def same_as(self, other: "State") -> bool:
        """Whether all send the same in another state, exactly; the denominators may differ."""
        pairs = zip(self.shares, other.shares, strict=True)
        mine, its = self.denominator % _PRIME, other.denominator % _PRIME
        # What differs mostly differs in the remainders, too, and those are short.
        return all(
            not ((one % _PRIME) * its - (another % _PRIME) * mine) % _PRIME
            and one * other.denominator == another * self.denominator
            for one, another in pairs
        )

    def is_fair(self, index: Fraction) -> bool:
        """Whether Jain's index is that high, exactly."""
        above, below = self._jain
        return below > 0 and above * index.denominator >= below * index.numerator

    def efficiency(self, goal: Fraction) -> float:
        """The sum over the goal."""
        return (sum(self.shares) * goal.denominator) / (self.denominator * goal.numerator)

    def exceeds(self, goal: Fraction) -> bool:
        """Whether the sum is above the goal, exactly."""
        return sum(self.shares) * goal.denominator > goal.numerator * self.denominator


@dataclass(frozen=True, slots=True)
class Run:
    """What users sent: the start and a state after each step, and how each step was made."""

    rule: Rule
    goal: Fraction
    states: tuple[State, ...]
    modes: tuple[Mode, ...]

    def steps_to_jain(self, index: Number) -> int | None:
        """After how many steps Jain's index was first so high; None if it never was."""
        wanted = exact(index)
        return next((i for i, state in enumerate(self.states) if state.is_fair(wanted)), None)


def run(start: Sequence[Number], rule: Rule, goal: Number, steps: int, *, most_work: float = math.inf) -> Run:
    """Let users follow a rule, all at once, for so many steps.

    Args:
        start: what each sends at first, 0 or more; at least one user.
        rule: multipliers of 0 or more.
        goal: what they may send together, above 0.
        steps: 0 or more.
        most_work: what may be computed, in products of two numbers of one bit.

    Raises:
        InputError: it would be more, as exact numbers become longer with each step.
    """
    at_most = exact(goal)
    begin = [exact(one) for one in start]
    # The denominator is a multiple of those of what is added, so only multiplying makes it grow.
    additions = (rule.increase_add, rule.decrease_add)
    denominator = math.lcm(*(one.denominator for one in (*begin, *additions)))
    state = State(tuple(int(one * denominator) for one in begin), denominator)
    states, modes = [state], []
    work = 0.0
    for made in range(steps):
        work += len(begin) * float(state.denominator.bit_length()) ** _OF_A_PRODUCT
        if work > most_work:
            raise InputError(
                f"steps: found {steps}, expected at most {made}: after those the exact numbers of this rule"
                " and start are too long to compute with"
            )
        congested = state.exceeds(at_most)
        add, times = rule.response(congested=congested)
        grown = state.denominator * times.denominator
        added = add.numerator * (grown // add.denominator)
        wanted = [added + times.numerator * share for share in state.shares]
        state = State(tuple(max(0, share) for share in wanted), grown)
        states.append(state)
        modes.append((congested, tuple(share < 0 for share in wanted)))
    return Run(rule, at_most, tuple(states), tuple(modes))


def jain_index(shares: Sequence[Number]) -> Fraction | None:
    """Jain's index of fairness: the square of the sum over n times the sum of squares.

    1 if all have the same, k/n if k of n share everything alike (Jain, Chiu and Hawe 1984). None if nobody
    has anything.
    """
    values = [exact(one) for one in shares]
    squares = sum((one * one for one in values), Fraction(0))
    return sum(values, Fraction(0)) ** 2 / (len(values) * squares) if squares else None
