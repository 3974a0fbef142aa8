"""The answer: the rate of every flow, and what keeps it from having more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from fairslice.alloc.problem import AllocationProblem
from fairslice.alloc.read_only import ReadOnly, locked

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BottleneckKind(StrEnum):
    """What can stop a flow from rising."""

    LINK = "link"
    CAP = "cap"
    LIMIT = "limit"
    ACKNOWLEDGEMENTS = "acknowledgements"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Why a flow got no more: a saturated link, its own cap, the limit of its slice, or a link on its way
    back whose room for acknowledgements is full.

    ``name`` is the link's or the slice's name, and empty for a cap.
    """

    kind: BottleneckKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


CAP = -1
"""In ``Allocation.bottleneck``: the flow is at its cap."""


def bottlenecks_of(
    numbers: Sequence[int], capacities: Mapping[str, object], slices: Mapping[str, object]
) -> list[Bottleneck]:
    """What numbers mean that are coded as :attr:`Allocation.bottleneck`, by the names of links and slices."""
    links, names = list(capacities), list(slices)

    @cache
    def stated(number: int) -> Bottleneck:
        if number == CAP:
            return Bottleneck(BottleneckKind.CAP)
        if number < CAP:
            return Bottleneck(BottleneckKind.LIMIT, names[-2 - number])
        return Bottleneck(BottleneckKind.LINK, links[number])

    numbers = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    return [stated(int(number)) for number in numbers]


def _kept(values: Any) -> Any:
    """Numbers as they came, in a form that can't be written."""
    return (
        tuple(values) if isinstance(values, list) else locked(values) if hasattr(values, "flags") else values
    )


@dataclass(frozen=True, repr=False)
class Allocation:
    """The rate of every flow of a problem with the reason for it, in the order of the problem.

    By number in ``rate`` and ``bottleneck``; by the flow's id in ``rates`` and ``bottlenecks``. None of them
    can be written.
    """

    problem: AllocationProblem
    raw_rate: Sequence[float]
    raw_bottleneck: Sequence[int]
    instants: Sequence[float] | None = None
    """When every flow stopped, on the clock of the filling, if that was asked for."""

    def __post_init__(self) -> None:
        for name in ("raw_rate", "raw_bottleneck", "instants"):
            object.__setattr__(self, name, _kept(getattr(self, name)))

    def __repr__(self) -> str:
        """The first few flows, with rate and bottleneck."""
        few = range(min(4, len(self.raw_rate)))
        named = bottlenecks_of(
            [self.raw_bottleneck[i] for i in few], self.problem.capacities, self.problem.slices
        )
        told = [f"{self.problem.flows[i].id}: {self.raw_rate[i]:.6g} ({named[i]})" for i in few]
        more = [f"and {len(self.raw_rate) - len(told):,} more"] * (len(self.raw_rate) > len(told))
        return f"<Allocation: {', '.join(told + more) or 'no flows'}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Allocation):
            return NotImplemented
        instants, theirs = self.instants, other.instants
        return (
            list(self.raw_rate) == list(other.raw_rate)
            and list(self.raw_bottleneck) == list(other.raw_bottleneck)
            and (instants is None) == (theirs is None)
            and list(() if instants is None else instants) == list(() if theirs is None else theirs)
            and self.problem == other.problem
        )

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        # An array comes out of a pickle as one that can be written: these are made again.
        return {name: value for name, value in self.__dict__.items() if name not in ("rate", "bottleneck")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @cached_property
    def rate(self) -> "NDArray[Any]":
        """(n,) float64; can't be written."""
        import numpy as np

        return locked(np.asarray(self.raw_rate, dtype=np.float64))

    @cached_property
    def bottleneck(self) -> "NDArray[Any]":
        """(n,) int64: the number of the link that stops the flow, -1 for a flow at its cap, and
        -2 - s where the limit of slice s does. Can't be written."""
        import numpy as np

        return locked(np.asarray(self.raw_bottleneck, dtype=np.int64))

    @cached_property
    def rates(self) -> Mapping[str, float]:
        """The rates by the flow's id."""
        pairs = zip(self.problem.flows, self.raw_rate, strict=True)
        return ReadOnly({flow.id: float(rate) for flow, rate in pairs})

    @cached_property
    def bottlenecks(self) -> Mapping[str, Bottleneck]:
        """What stops the flows, by the flow's id."""
        return ReadOnly({flow.id: why for flow, why in zip(self.problem.flows, self.reasons, strict=True)})

    @cached_property
    def reasons(self) -> Sequence[Bottleneck]:
        """What stops the flows, in the order of the problem."""
        return tuple(bottlenecks_of(self.raw_bottleneck, self.problem.capacities, self.problem.slices))
