"""Problems of congestion control, as files and the command line ask them."""

from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import shown
from fairslice.models.congestion.asynchronous import run_asynchronous
from fairslice.models.congestion.cycle import LimitCycle, limit_cycle
from fairslice.models.congestion.linear import RULES, Rule, State, run
from fairslice.models.problem import Count, ModelProblem, NotNegative, Positive, Rational

MOST_STEPS = 10_000
_MOST_WORK = 2e11
"""Of a run, as :func:`fairslice.models.congestion.linear.run` counts it: some seconds."""
_FAIR = ("0.95", "0.99")
_PARTS = tuple(Rule.__dataclass_fields__)


class LinearRule(BaseModel):
    """A rule: x becomes add + times·x, in an increase and in a decrease."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    increase_add: Rational
    increase_times: NotNegative
    decrease_add: Rational
    decrease_times: NotNegative

    @property
    def rule(self) -> Rule:
        """As the models have it."""
        return Rule(*(getattr(self, part) for part in _PARTS))


def _start_in_text(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _rule_in_text(value: object) -> object:
    """A rule as the command line writes it: a name, or ``increase_add=2,decrease_times=1/2``."""
    if not isinstance(value, str):
        return value
    if value in RULES:
        return {part: getattr(RULES[value], part) for part in _PARTS}
    parts = [part.strip() for part in value.split(",")]
    if not all(part.count("=") == 1 for part in parts):
        named = ", ".join(RULES)
        raise ValueError(
            f"found {shown(value)}, expected one of {named}, or parts such as"
            " increase_add=2,decrease_times=1/2"
        )
    neutral: dict[str, object] = {part: int(part.endswith("times")) for part in _PARTS}
    return neutral | {name.strip(): one for name, _, one in (part.partition("=") for part in parts)}


class AimdProblem(ModelProblem):
    """What users of a linear rule send, step by step, when all that they hear is whether it is too much.

    Chiu and Jain's model: all users at once, feedback 1 while their sum exceeds the goal, and never below 0.
    """

    examples: ClassVar[str] = (
        "\b\nExamples, in a clone:\n\n"
        "\b\n  Two users add 1 each, and halve when they send more than 10.1 together\n"
        "    fairslice model aimd --start 1,9 --goal 101/10 --rule aimd --steps 40\n\n"
        "\b\n  Two who subtract instead keep their difference\n"
        "    fairslice model aimd --start 1,9 --goal 101/10 --rule aiad --steps 40\n"
    )

    model: Literal["aimd"] = "aimd"
    start: Annotated[tuple[NotNegative, ...], BeforeValidator(_start_in_text)] = Field(
        description="What each user sends at first; in text with commas between."
    )
    goal: Positive = Field(description="What they may send together.")
    rule: Annotated[LinearRule, BeforeValidator(_rule_in_text)] = Field(
        description=f"In text one of {', '.join(RULES)}, or parts with commas between: PART=VALUE, with"
        f" {', '.join(_PARTS)}; what is left out changes nothing."
    )
    steps: Annotated[Count, Field(le=MOST_STEPS)] = Field(description=f"How many, up to {MOST_STEPS}.")
    seed: Count | None = Field(
        None, description="With a seed users do not act all at once, but each with the probability of acting."
    )
    acting: Annotated[Rational, Field(gt=0, le=1)] | None = Field(
        None,
        description="With which each user acts in a step, where there is a seed; 1/2 if it is not given.",
    )

    @field_validator("start")
    @classmethod
    def _somebody(cls, start: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        if not start:
            raise ValueError("found nobody, expected what at least one user sends")
        return start

    @model_validator(mode="after")
    def _acting_needs_a_seed(self) -> "AimdProblem":
        if self.acting is not None and self.seed is None:
            raise ValueError("found acting without seed, expected both: who acts when is drawn")
        return self

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        try:
            return self._synchronous() if self.seed is None else self._asynchronous(self.seed)
        except OverflowError:
            raise InputError("what users send rises above 1e308, which JSON can't hold") from None

    def _synchronous(self) -> dict[str, Any]:
        made = run(self.start, self.rule.rule, self.goal, self.steps, most_work=_MOST_WORK)
        cycle = limit_cycle(made)
        found = self._of(made.states)
        found["steps_to_jain"] = {index: made.steps_to_jain(Fraction(index)) for index in _FAIR}
        found["cycle"] = None if cycle is None else self._cycle(cycle)
        if cycle is None:
            found["note"] = f"The run has not settled into a cycle after {self.steps} steps."
        return found

    def _of(self, states: tuple[State, ...]) -> dict[str, Any]:
        return {
            "states": [state.floats for state in states],
            "jain": [state.jain for state in states],
            "efficiency": [state.efficiency(self.goal) for state in states],
        }

    def _cycle(self, cycle: LimitCycle) -> dict[str, Any]:
        return {
            "start": cycle.start,
            "length": cycle.length,
            "reached": cycle.reached,
            **self._of(cycle.states),
        }

    def _asynchronous(self, seed: int) -> dict[str, Any]:
        acting = 0.5 if self.acting is None else float(self.acting)
        rng = np.random.default_rng(seed)
        rows = run_asynchronous(self.start, self.rule.rule, self.goal, self.steps, rng, acting)
        if not np.isfinite(rows).all():
            raise OverflowError
        fair = [_jain(row) for row in rows]
        return {
            "states": rows.tolist(),
            "jain": fair,
            "efficiency": (rows / float(self.goal)).sum(axis=1).tolist(),
            "steps_to_jain": {
                index: next(
                    (i for i, one in enumerate(fair) if one is not None and one >= float(index)), None
                )
                for index in _FAIR
            },
            "cycle": None,
            "note": "Users act at random, so there is no cycle.",
        }


def _jain(row: NDArray[np.float64]) -> float | None:
    """Jain's index, of shares of the largest, so that no square overflows; None while nobody sends."""
    if not row.max():
        return None
    shares = row / row.max()
    return float(shares.sum() ** 2 / (len(shares) * (shares * shares).sum()))
