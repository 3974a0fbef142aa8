"""Linear rules where users do not act at once: each heeds the feedback of a step with some probability."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fairslice.errors import InputError
from fairslice.models.congestion.linear import Number, Rule
from fairslice.models.problem import exact


def run_asynchronous(
    start: Sequence[Number],
    rule: Rule,
    goal: Number,
    steps: int,
    rng: np.random.Generator,
    acting: float = 0.5,
) -> NDArray[np.float64]:
    """What users send, the start first: a row for each step, a column for each user.

    In each step all get the same feedback, whether the sum is above the goal; each user follows the rule with
    probability ``acting``, independently, and otherwise stays. With 1 that is the synchronous run, to which
    Chiu and Jain's analysis holds.

    Args:
        start: what each sends at first, 0 or more.
        rule: as :func:`fairslice.models.congestion.linear.run` has it.
        goal: what they may send together, above 0.
        steps: 0 or more.
        rng: who acts when.
        acting: above 0, up to 1.

    Raises:
        InputError: ``acting`` is out of its range. What rises above 1e308 is infinite in the rows.
    """
    if not 0 < acting <= 1:
        raise InputError(f"acting: found {acting:g}, expected a probability above 0")
    at_most = float(exact(goal))
    responses = [tuple(map(float, rule.response(congested=congested))) for congested in (False, True)]
    rows = np.empty((steps + 1, len(start)))
    rows[0] = [float(exact(one)) for one in start]
    for step in range(steps):
        now = rows[step]
        add, times = responses[bool(now.sum() > at_most)]
        acts = rng.random(len(now)) < acting
        with np.errstate(over="ignore"):
            rows[step + 1] = np.where(acts, np.maximum(0.0, add + times * now), now)
    return rows
