"""A flow that may be divided over several paths."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fairslice.alloc.problem import ProblemFlow
from fairslice.alloc.read_only import read_only


@dataclass(frozen=True, slots=True)
class MultipathFlow:
    """A flow that may be divided over several paths.

    Parameters
    ----------
    id
        Unique in its problem.
    paths
        At least one: what a unit of rate over that path uses of each link, as ``ProblemFlow.uses``.
        Copied, and read-only from then on.
    weight, cap, floor, slice
        Of the flow as a whole, as in :class:`~fairslice.alloc.problem.ProblemFlow`.
    """

    id: str
    paths: tuple[Mapping[str, float], ...]
    weight: float = 1.0
    cap: float = math.inf
    floor: float = 0.0
    slice: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.paths, list | tuple):
            object.__setattr__(self, "paths", tuple(map(read_only, self.paths)))

    def using(self, uses: Mapping[str, float]) -> ProblemFlow:
        """The same flow with all of its rate on the given links."""
        return ProblemFlow(self.id, uses, self.weight, self.cap, self.floor, self.slice)
