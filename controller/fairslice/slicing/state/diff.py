"""The plan: the ordered difference between what a switch holds and what it should hold."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.steps import ORDER, Step


@dataclass(frozen=True)
class Plan:
    """What to do to one switch, one step after the other.

    After each step no entry names a meter or a queue that is not there, and every packet meets the entries of
    one of the two states, never some of each (docs/architecture.md says what follows for a whole network).
    """

    steps: tuple[Step, ...] = ()
    """In the order of :data:`~fairslice.slicing.state.steps.ORDER`; none of them is empty."""

    def __bool__(self) -> bool:
        return bool(self.steps)

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many modifications of each kind the plan makes; a switch's queues are written at once."""
        total: Counter[str] = Counter()
        for step in self.steps:
            total.update(dict(step.counts()))
        yield from total.items()


def plan(installed: SwitchState, desired: SwitchState) -> Plan:
    """What turns ``installed`` into ``desired``; empty if they are equal.

    Takes time linear in what the two hold, but for sorting meters.
    """
    steps = (kind.between(installed, desired) for kind in ORDER)
    return Plan(tuple(step for step in steps if step is not None))
