"""How fast additive increase and multiplicative decrease make users equal, in closed form.

An increase that adds the same to all leaves the differences as they are; a decrease multiplies them all. So
the variance of the shares, V, is multiplied by the square of the factor at each decrease, and with a sum S of
n users Jain's index is S²/(S² + n²·V) (Chiu and Jain 1989, in other words).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fairslice.models.congestion.linear import Number, Rule
from fairslice.models.problem import exact


def meets_chiu_jain(rule: Rule) -> bool:
    """Whether a rule brings users to the goal and to equal shares from every start, and holds nobody at 0.

    The decrease only multiplies, by less than 1; the increase adds something and multiplies by no less than 1
    (Chiu and Jain 1989).
    """
    decreases = rule.decrease_add == 0 and rule.decrease_times < 1
    return decreases and rule.increase_add > 0 and rule.increase_times >= 1


def jain_after(start: Sequence[Number], decreases: int, total: Number, decrease_times: Number) -> Fraction:
    """Jain's index after so many decreases, where the sum then is ``total``, above 0.

    Increases only add the same to all, decreases only multiply.
    """
    sum_ = exact(total)
    spread = _squares(start) * exact(decrease_times) ** (2 * decreases)
    return sum_**2 / (sum_**2 + len(start) * spread)


def decreases_to_jain(start: Sequence[Number], index: float, total: Number, decrease_times: Number) -> int:
    """After how many decreases Jain's index is that high whenever the sum is ``total`` or more.

    ceil(ln(n·D·J / ((1 − J)·S²)) / (2·ln(1/b))), with D the sum of squared deviations at the start and b the
    factor of a decrease.

    Args:
        start: what users send at first.
        index: J, above 0 and below 1.
        total: S, above 0.
        decrease_times: b, above 0 and below 1.

    Raises:
        ValueError: J, S or b is out of its range.
    """
    sum_, by = float(exact(total)), float(exact(decrease_times))
    if not (0 < index < 1 and 0 < by < 1 and sum_ > 0):
        raise ValueError(
            f"found index {index:g}, sum {sum_:g}, factor {by:g}; expected index and factor between 0 and 1,"
            " and a sum above 0"
        )
    spread = float(_squares(start))
    if not spread:
        return 0
    needed = math.log(len(start) * spread * index / (1 - index)) - 2 * math.log(sum_)
    return max(0, math.ceil(needed / (-2 * math.log(by))))


def _squares(start: Sequence[Number]) -> Fraction:
    """The sum of squared deviations from the mean."""
    values = [exact(one) for one in start]
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((one - mean) ** 2 for one in values), Fraction(0))


@dataclass(frozen=True, slots=True)
class SimpleCycle:
    """A sawtooth of the sum: so many increases, then one decrease."""

    increases: int
    low: Fraction
    peak: Fraction

    @property
    def mean(self) -> Fraction:
        """The mean of the sum over the cycle's steps."""
        return (self.low + self.peak) / 2


def simple_cycle(users: int, rule: Rule, goal: Number) -> SimpleCycle | None:
    """The sawtooth in which the sum ends under a rule such as AIMD's, if one decrease a period is enough.

    With increases of s = n·a together and a factor b, k increases lead from b·P back to the peak
    P = k·s/(1 − b). P must be above the goal g and P − s not: k is floor(g·(1 − b)/s) + 1, the smallest with
    P above g.

    Returns:
        None where no such k fits: the last rise reaches further than s above the goal, and the cycle has more
        than one decrease. :func:`~fairslice.models.congestion.cycle.limit_cycle` finds that, too.

    Raises:
        ValueError: the rule does not only add in its increase and only multiply in its decrease.
    """
    by = rule.decrease_times
    if not meets_chiu_jain(rule) or rule.increase_times != 1:
        raise ValueError("expected a rule that only adds in its increase and only multiplies in its decrease")
    at_most, step = exact(goal), users * rule.increase_add
    increases = at_most * (1 - by) // step + 1
    peak = increases * step / (1 - by)
    if peak - step > at_most:
        return None
    return SimpleCycle(int(increases), by * peak, peak)
