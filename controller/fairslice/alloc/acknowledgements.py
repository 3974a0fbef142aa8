r"""Acknowledgements come first: what they take on their way back is set aside before links are shared.

A flow :math:`f` with the rate :math:`x_f` has acknowledgements of :math:`\beta_{f,l}\, x_f` on each link
:math:`l` of its way back, which take :math:`a_l(x) = \sum_f \beta_{f,l}\, x_f` of it altogether. They never
compete with data at par. Rates are those that are asked for if

* data has :math:`C_l - a_l(x)` of every link, and the rates are the max-min fair ones of that;
* all acknowledgements together take no more of a link than their *room*. That is half of it, and no more than
  guarantees leave of it. Flows whose acknowledgements would need more are held down by their room, max-min
  fairly: it is one more link, of which a unit of rate uses :math:`\beta_{f,l}`. Like the limit of a slice it
  stops flows when it is full, and grants no rate: acknowledgements slow no flow down.

So rates have to agree with what they leave for data: :math:`x = F(a(x))`, with :math:`F(a)` the rates where
:math:`a` is set aside. F is continuous and its values lie in a box, so such an x exists (Brouwer's theorem).
F is linear as long as flows stop in one order: then the :math:`a` that agrees is found without filling links
again (:mod:`fairslice.alloc.kernel.replay`). That is Newton's method for an F that is linear in pieces: the
order of each solution leads to the next, and once it is that of the answer, one step is the last but for the
solution that confirms it. Three or four solutions are usual. Each answer is found from nothing set aside, so
it does not depend on what was solved before.

Where there are floors, or an order leads nowhere, :math:`a \leftarrow a(F(a))` is repeated. Where a change of
:math:`a` changes :math:`a(F(a))` by less, as a few per cent of acknowledgements do on all networks but
artificial ones, the differences shrink geometrically. Where they don't, later steps are mixed from those
before so that their differences cancel as far as they can [1]_. An answer is one only if it agrees with
itself: the difference is computed at every step, and :data:`CONSISTENT` of each link is what is asked for. If
none is found the caller is told.

References
----------
.. [1] D. G. Anderson, "Iterative procedures for nonlinear integral equations", Journal of the ACM 12(4),
   1965; H. F. Walker and P. Ni, "Anderson acceleration for fixed-point iterations", SIAM Journal on
   Numerical Analysis 49(4), 2011.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.allocation import Allocation, Bottleneck
from fairslice.alloc.arguments import expect
from fairslice.alloc.engine import Solution
from fairslice.alloc.read_only import ReadOnly, read_only
from fairslice.alloc.refilling import Refilling
from fairslice.alloc.returned import Returned
from fairslice.alloc.waterfilling import allocation_of, few_of, refusal
from fairslice.errors import EXIT_INTERNAL, FairsliceError, InfeasibleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Amounts = NDArray[Any]

CONSISTENT = 1e-13
"""What is set aside and what acknowledgements then take differ by less than this part of the link."""
ROUNDING = 2.0**-52
"""Where they differ by no more than this part, it is the rounding of both."""
PLAIN_STEPS = 4
"""So many steps are taken as they come before they are mixed."""
PATIENCE = 16
"""Where so many mixed steps have not halved the difference, small ones follow, and each time smaller ones."""
SMALL_STEPS = 3
"""So many of a whole step's length together."""
MOST_STEPS = 2000
_MEMORY = 12
"""A step is mixed from so many before it."""


class InconsistentError(FairsliceError):
    """No rates were found that agree with what their acknowledgements take."""

    exit_status = EXIT_INTERNAL


@dataclass(frozen=True)
class AcknowledgedAllocation:
    """Rates that agree with what their acknowledgements take.

    ``allocation`` is of what is left to data, where ``set_aside`` is what links set aside, by name, in the
    unit of the problem; it took ``steps`` solutions.
    """

    problem: AcknowledgedProblem
    allocation: Allocation
    set_aside: Mapping[str, float]
    steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "set_aside", read_only(self.set_aside))

    @cached_property
    def bottlenecks(self) -> Mapping[str, Bottleneck]:
        """What stops the flows, by id; where it is the room of a link for acknowledgements, that is said."""
        flows = self.problem.data.flows
        return ReadOnly({flow.id: why for flow, why in zip(flows, self.reasons, strict=True)})

    @cached_property
    def reasons(self) -> Sequence[Bottleneck]:
        """The same in the order of the problem."""
        rooms, stated = set(self.problem.may_fill.values()), self.problem.stated
        whys = self.allocation.reasons
        return tuple(stated(why) if why.name in rooms else why for why in whys) if rooms else whys


def allocate_acknowledged(problem: AcknowledgedProblem, *, instants: bool = False) -> AcknowledgedAllocation:
    """Divide the links among data and acknowledgements.

    Parameters
    ----------
    problem
        Checked first.
    instants
        Whether to tell when every flow stopped.

    Returns
    -------
    AcknowledgedAllocation
        Where nobody is acknowledged, it is the ordinary allocation.

    Raises
    ------
    InputError
        The problem has faults.
    InfeasibleError
        The floors do not fit together with their acknowledgements, or under the limit of a slice.
    InconsistentError
        No rates were found that agree with their acknowledgements to :data:`CONSISTENT` of each link.

    Notes
    -----
    Each step is one ordinary allocation, of at most twice as many uses of links. Three or four are usual, and
    with floors some fifteen, where acknowledgements are a few per cent.

    Examples
    --------
    A line with 40 Mbit/s down and 4 up. The download's acknowledgements set 2 aside of what goes up, and the
    upload's, next to nothing of what comes down:

    >>> from fairslice.alloc.problem import AllocationProblem, ProblemFlow
    >>> line = AllocationProblem(
    ...     {"down": 40.0, "up": 4.0},
    ...     (ProblemFlow("download", {"down": 1}), ProblemFlow("upload", {"up": 1})),
    ... )
    >>> found = allocate_acknowledged(AcknowledgedProblem(line, ({"up": 0.05}, {"down": 0.05})))
    >>> {id_: round(rate, 4) for id_, rate in found.allocation.rates.items()}
    {'download': 39.8997, 'upload': 2.005}
    >>> round(found.set_aside["up"], 4)
    1.995
    """
    expect("problem", problem, AcknowledgedProblem, "an AcknowledgedProblem")
    steps = _Steps(problem)
    while not steps.agree:
        if steps.taken == MOST_STEPS:
            raise InconsistentError(
                f"no rates were found that agree with what their acknowledgements take: after {MOST_STEPS}"
                f" steps these still differ by {steps.difference:.2g} of a link; expected less than"
                f" {CONSISTENT:.0e}. A smaller return share helps"
            )
        steps.go_on()
    steps.settle()
    return steps.found(instants=instants)


class _Steps:
    """Sets aside, solves, and sees what acknowledgements take of every link that carries some, and data.

    Amounts are arrays, by the place of the link in ``links``.
    """

    def __init__(self, problem: AcknowledgedProblem) -> None:
        problem.check()
        problem.trusted()
        self.problem = problem
        # Where there is no data, it makes no difference what is set aside.
        columns = problem.columns
        is_shared = np.zeros(len(columns.capacity), dtype=bool)
        is_shared[columns.indices] = True
        self._where = np.flatnonzero(is_shared[problem.link_numbers])
        self._places = problem.link_numbers[self._where]
        self.links = [problem.links[at] for at in self._where.tolist()]
        self._returned = Returned(problem)
        # What is set aside changes capacities alone, and leaves them sound.
        self._whole = columns.capacity
        self.capacity = self._whole[self._places]
        self._least = np.zeros(len(self.links))
        if problem.promised:
            self._least[:] = [problem.kept_for_data(link) for link in self.links]
        self.room = problem.rooms[self._where]
        place = np.full(len(problem.links), -1, dtype=np.int32)
        place[self._where] = self._places
        by_row = map(self._by_row, (self.capacity, self._least, self.room))
        self._refilling = Refilling(columns, (*problem.rows, place, *by_row))
        self._order_helps = True
        self.taken, self._mixed_from = 0, PLAIN_STEPS
        self.before: list[tuple[Amounts, Amounts]] = []
        self.least, self.since = math.inf, 0
        self.part, self.small = 1.0, 0
        self._filled: Amounts | None = None
        self._set_aside(np.zeros(len(self.links)))

    def _set_aside(self, amounts: "Amounts") -> None:
        """Solve with so much set aside."""
        self.amounts = amounts
        self.solution = self._solved()
        self.need = self._returned.taken(self.solution.rate)[self._where]
        self.difference = self._difference()
        self.taken += 1

    def _by_row(self, amounts: "Amounts") -> "Amounts":
        """The same by the place of the link in the problem's."""
        rows = np.zeros(len(self.problem.links))
        rows[self._where] = amounts
        return rows

    def _solved(self) -> Solution:
        capacity = self._whole.copy()
        capacity[self._places] = self._left()
        if self._filled is not None and np.array_equal(capacity, self._filled):
            # Of what is set aside less has changed than makes a difference to what is left.
            return self.solution
        self._filled = capacity
        solution = self._refilling.solve(capacity, instants=True)
        if solution.overbooked >= 0:
            raise self._refusal(solution)
        return solution

    def _left(self) -> "Amounts":
        """What of the links is left to data."""
        return np.maximum(np.maximum(self.capacity - self.amounts, 0.0), self._least)  # type: ignore[no-any-return]

    def _refusal(self, solution: Solution) -> InfeasibleError:
        """Why floors do not fit, in the words of whole links."""
        error = refusal(self.problem.left_by(self._by_link(self.amounts)), solution.overbooked)
        link = next((link for link, name in self.problem.may_fill.items() if name == error.link), None)
        if link is None:
            return error
        return InfeasibleError(
            f"the guarantees do not fit: acknowledgements of those of {few_of(error.flows)} need"
            f" {error.floors:.10g} of link {link}, which has {error.capacity:.10g} for them:"
            f" {error.floors - error.capacity:.10g} too little",
            link=link,
            flows=error.flows,
            floors=error.floors,
            capacity=error.capacity,
            of_acknowledgements=True,
        )

    def _by_link(self, amounts: "Amounts") -> dict[str, float]:
        return dict(zip(self.links, amounts.tolist(), strict=True))

    def _difference(self) -> float:
        """The largest difference of what is set aside and what is needed, as a part of its link."""
        some = self.capacity > 0
        apart = np.abs(self.need - self.amounts)[some] / self.capacity[some]
        return float(apart.max(initial=0.0))

    @property
    def agree(self) -> bool:
        """Whether what is set aside is what is needed."""
        return self.difference <= CONSISTENT

    def go_on(self) -> None:
        """The next step: where the order in which flows stop leads, as long as that helps."""
        found = None
        if self._order_helps:
            found = self._refilling.agreed(self.solution, self._by_row(self.amounts))
        if found is None:
            self._order_helps = False
            self._go_on_without()
            return
        difference = self.difference
        self._set_aside(found[self._where])
        if self.difference > difference / 2:
            self._order_helps, self._mixed_from = False, self.taken + PLAIN_STEPS - 1

    def _go_on_without(self) -> None:
        """Plain steps first, then mixed ones; where these get no nearer, small ones between."""
        if self.difference < self.least / 2:
            self.least, self.since = self.difference, 0
        self.since += 1
        if self.small == 0 and self.since > PATIENCE:
            self.part /= 2
            self.small, self.since, self.before = math.ceil(SMALL_STEPS / self.part), 0, []
        if self.small:
            self.small -= 1
            following = self.amounts + self.part * (self.need - self.amounts)
        else:
            self.before = [*self.before, (self.amounts, self.need)][-_MEMORY:]
            is_plain = self.taken < self._mixed_from or len(self.before) < 2
            following = self.need if is_plain else self._mixed()
        self._set_aside(np.minimum(np.maximum(following, 0.0), self.room))

    def settle(self) -> None:
        """Step on while there is more than rounding, and that halves it."""
        while self.difference > ROUNDING:
            last = (self.difference, self.amounts, self.need, self.solution)
            self._set_aside(self.need)
            if self.difference > last[0] / 2:
                if self.difference > last[0]:
                    self.difference, self.amounts, self.need, self.solution = last
                return

    def _mixed(self) -> "Amounts":
        """The steps before, mixed so that their differences cancel as far as they can."""
        some = self.capacity > 0
        scale = np.divide(1.0, self.capacity, out=np.zeros(len(self.capacity)), where=some)
        amounts, need = (np.array(column) * scale for column in zip(*self.before, strict=True))
        difference = need - amounts
        apart = np.diff(difference, axis=0)
        by, *_ = np.linalg.lstsq(apart.T, difference[-1], rcond=1e-10)
        mixed = need[-1] - by @ np.diff(need, axis=0)
        return mixed * self.capacity  # type: ignore[no-any-return]

    def found(self, *, instants: bool) -> AcknowledgedAllocation:
        """The answer."""
        solution = self.solution if instants else replace(self.solution, instant=None)
        whole = self.problem.with_room
        left = replace(
            whole,
            capacities={**whole.capacities, **dict(zip(self.links, self._left().tolist(), strict=True))},
        )
        taken = self._returned.taken(solution.rate).tolist()
        set_aside = dict(zip(self.problem.links, taken, strict=True))
        return AcknowledgedAllocation(self.problem, allocation_of(left, solution), set_aside, self.taken)
