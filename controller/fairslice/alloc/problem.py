"""What is to be divided, and the answer: plain frozen values without a graph and without a unit of their own.

Rates, capacities, floors, caps and limits are all in the caller's unit; for a policy that is bit/s of
Ethernet frames.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fairslice.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class ProblemFlow:
    """A flow as the allocation sees it.

    Parameters
    ----------
    id
        Unique in its problem.
    uses
        What the flow uses of each link per unit of its rate (c_{f,l}), above 0, in the order of
        its path: 1 along the path, 2 for a link crossed twice, a small share on the way of the
        acknowledgements.
    weight
        Its share among the flows of its slice; without a slice, its share among all.
    cap
        The smaller of its demand and its own limit; infinite for a greedy flow.
    floor
        Its guarantee, kept "while it wants it": more than ``cap`` is never kept, see :attr:`kept_floor`.
    slice
        Name of its slice; None for a flow that stands alone.
    """

    id: str
    uses: Mapping[str, float]
    weight: float = 1.0
    cap: float = math.inf
    floor: float = 0.0
    slice: str | None = None

    @property
    def kept_floor(self) -> float:
        """What the flow is really guaranteed: its floor, but no more than its cap."""
        return min(self.floor, self.cap)


@dataclass(frozen=True, slots=True)
class SliceShare:
    """A slice as the allocation sees it: its weight, and its limit over all its flows together."""

    weight: float = 1.0
    limit: float = math.inf


@dataclass(frozen=True, slots=True)
class AllocationProblem:
    """Links with capacities, flows over them, and the slices of the flows.

    With ``per_flow`` the hierarchy is off (``sharing: per-flow``): a flow rises at its slice's weight
    times its own, and the result is flat weighted max-min. Limits of slices hold either way.
    """

    capacities: Mapping[str, float]
    flows: tuple[ProblemFlow, ...]
    slices: Mapping[str, SliceShare] = field(default_factory=dict)
    per_flow: bool = False

    def check(self) -> None:
        """Refuse a problem that has no meaning.

        Raises
        ------
        InputError
            With every fault: a capacity, weight, coefficient, cap, floor or limit that is negative, zero
            where it can't be, not a number, or infinite where that has no meaning; an id given twice; an
            unknown link or slice; a flow that nothing keeps from rising for ever.
        """
        faults = [Fault(f"{where}: {what}") for where, what in self.faults()]
        if faults:
            raise InputError(faults)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Everything wrong with the problem: where, as in a problem file (``flows[0]``), and what."""
        for name, capacity in self.capacities.items():
            if not name:
                yield 'links[""]', "the name is empty, expected at least one character"
            if not 0 <= capacity < math.inf:
                yield f'links["{name}"]', f"the capacity is {capacity}, expected a finite number from 0 up"
        for name, share in self.slices.items():
            if not 0 < share.weight < math.inf:
                yield f'slices["{name}"]', f"the weight is {share.weight}, expected a finite number above 0"
            if not share.limit >= 0:
                yield f'slices["{name}"]', f"the limit is {share.limit}, expected a number from 0 up, or none"
        times = Counter(flow.id for flow in self.flows)
        first = {flow.id: index for index, flow in reversed(list(enumerate(self.flows)))}
        for index, flow in enumerate(self.flows):
            where = f'flows[{index}] ("{flow.id}")'
            if times[flow.id] > 1 and first[flow.id] != index:
                yield where, f"has the id of flows[{first[flow.id]}], expected one of its own"
            yield from ((where, what) for what in self._faults_of(flow))

    def _faults_of(self, flow: ProblemFlow) -> Iterator[str]:
        if not 0 < flow.weight < math.inf:
            yield f"the weight is {flow.weight}, expected a finite number above 0"
        if not flow.cap >= 0:
            yield f"the demand is {flow.cap}, expected a number from 0 up, or none"
        if not 0 <= flow.floor < math.inf:
            yield f"the floor is {flow.floor}, expected a finite number from 0 up"
        if flow.slice is not None and flow.slice not in self.slices:
            yield f'the slice "{flow.slice}" is unknown, expected {_one_of(self.slices)}'
        sound = True
        for link, coefficient in flow.uses.items():
            if link not in self.capacities:
                sound = False
                yield f'the link "{link}" is unknown, expected {_one_of(self.capacities)}'
            if not 0 < coefficient < math.inf:
                sound = False
                yield f'it uses {coefficient} of link "{link}", expected a finite number above 0'
        # The last guards against a quotient beyond the largest float as well.
        highest = (self.capacities[link] / c for link, c in flow.uses.items()) if sound else iter([0.0])
        if min(flow.cap, *highest, math.inf) == math.inf:
            yield "nothing keeps it from rising for ever, expected a demand or a link with a finite capacity"


def _one_of(names: Mapping[str, object]) -> str:
    known = ", ".join(f'"{name}"' for name in list(names)[:8])
    more = ", …" if len(names) > 8 else ""
    return f"one of {known}{more}" if known else "none, for there are none"


class BottleneckKind(StrEnum):
    """What can stop a flow from rising."""

    LINK = "link"
    CAP = "cap"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Why a flow got no more: a saturated link, its own cap, or the limit of its slice.

    ``name`` is the link's or the slice's name, and empty for a cap.
    """

    kind: BottleneckKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Allocation:
    """The rate of every flow, by id and in the order of the problem, with the reason for it."""

    rates: Mapping[str, float]
    bottlenecks: Mapping[str, Bottleneck]
