"""The flows and slices of a problem."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fairslice.alloc.read_only import ReadOnly, read_only


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
        acknowledgements. Copied, and read-only from then on.
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

    def __post_init__(self) -> None:
        if type(self.uses) is not ReadOnly:
            object.__setattr__(self, "uses", read_only(self.uses))

    @property
    def kept_floor(self) -> float:
        """What the flow is really guaranteed: its floor, but no more than its cap."""
        return min(self.floor, self.cap)


@dataclass(frozen=True, slots=True)
class SliceShare:
    """A slice as the allocation sees it: its weight, and its limit over all its flows together."""

    weight: float = 1.0
    limit: float = math.inf
