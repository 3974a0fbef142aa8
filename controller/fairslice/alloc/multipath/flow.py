"""A flow that may be divided over several paths."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fairslice.alloc.problem import ProblemFlow


@dataclass(frozen=True, slots=True)
class MultipathFlow:
    """A flow that may be divided over several paths.

    Parameters
    ----------
    id
        Unique in its problem.
    paths
        At least one: what a unit of rate over that path uses of each link, as ``ProblemFlow.uses``.
    weight, cap, floor, slice
        Of the flow as a whole, as in :class:`~fairslice.alloc.problem.ProblemFlow`.
    """

    id: str
    paths: tuple[Mapping[str, float], ...]
    weight: float = 1.0
    cap: float = math.inf
    floor: float = 0.0
    slice: str | None = None

    def using(self, uses: Mapping[str, float]) -> ProblemFlow:
        """The same flow with all of its rate on the given links."""
        return ProblemFlow(self.id, uses, self.weight, self.cap, self.floor, self.slice)
