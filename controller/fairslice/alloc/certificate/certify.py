r"""An independent checker: are these the rates? It reads a problem and rates alone.

It shares no code with the solver and lets nothing rise. It confirms that no link is overloaded, no slice
over its limit, every floor and every cap kept, and that every flow has a reason to have no more: its cap,
or a full place (a saturated link, or its slice's limit) where nobody went on after it. The last is what
makes a rate *fair*; it is checked as an inequality between two bounds.

Call the instant at which water-filling stops a flow its time. A full place stops all of its flows, so a
flow that was stopped there has at least the time of every other flow there.

*At least:* a flow of no slice, or with flat weights, rises at its weight :math:`w`; one that holds
:math:`r` above its floor has time :math:`r/w`. A slice pushes no more than its weight :math:`W_s` into
any link, so to bring a set of its flows to levels :math:`x_g` it needed at least
:math:`\sum c_{g,l} x_g / W_s` for every link :math:`l`.

*At most:* with flat weights :math:`r_f/w_f` (a level is no more than the rate). In a slice, :math:`f`
never rose slower than at first; and where one link grants the rise of all of the slice's flows that use
it, the slice pushed its whole weight there until :math:`f` stopped, so its time is at most
:math:`\sum c_{g,l} x_g / W_s` at that link.

*Levels* are the rates where those are above floors. Where a floor hides a level, siblings tell: if
:math:`g` uses all links of :math:`f`, it never rose faster for its weight, and stopped no later unless
:math:`f` reached its cap. So :math:`x_g/w_g \le x_f/w_f` if :math:`f` is below its cap: a law for the
rates too.

With flat weights (``per_flow``, or no slices) the conditions are those of the bottleneck theorem [1]_,
extended to floors and limits, and sufficient: certified rates are *the* weighted max-min fair ones. With
slices they are necessary, and on a single link, where they say hierarchical GPS, sufficient too.

*Accuracy.* All that is compared is made of sums of positive terms, products and quotients of long doubles, so
a sum of k terms is wrong by at most k units in the last place: with the 64 bits of x86 by 6e-14 of itself
after a million terms, a hundredth of the tolerance, and with the 113 of ARM by nothing to speak of. The one
difference that is taken is at least half of what it is taken from, which costs one bit more.

References
----------
.. [1] D. Bertsekas and R. Gallager, *Data Networks*, 2nd ed., Prentice Hall 1992, §6.5.2: a rate vector
   is max-min fair if and only if each session has a bottleneck link.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairslice.alloc.allocation import CAP, Bottleneck, BottleneckKind
from fairslice.alloc.arguments import expect, found, is_number
from fairslice.alloc.certificate.conditions import Checker, Violation, listed
from fairslice.alloc.problem import AllocationProblem
from fairslice.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]

TOLERANCE = 1e-11
"""Relative. Tight enough to see a change by 0.1 % of a flow with a ten-millionth of its link."""

_NEITHER = -(2**62)
"""The code of something stated that is in no problem."""


@dataclass(frozen=True, slots=True, repr=False)
class Certificate:
    """What the checker found; without violations the rates are certified."""

    violations: tuple[Violation, ...] = ()

    def __repr__(self) -> str:
        if self.ok:
            return "<Certificate: certified>"
        return f"<Certificate: not certified, {len(self.violations)} faults, first: {self.violations[0]}>"

    @property
    def ok(self) -> bool:
        """Whether the rates are certified."""
        return not self.violations


def certify(
    problem: AllocationProblem,
    rates: "Mapping[str, float] | ArrayLike",
    bottlenecks: "Mapping[str, Bottleneck] | ArrayLike | None" = None,
    *,
    tolerance: float = TOLERANCE,
) -> Certificate:
    """Check rates, and the reasons stated for them if there are any, against a problem.

    Parameters
    ----------
    problem
        As given to the solver.
    rates
        By flow id, or (n,) in the order of the problem; in the unit of the problem.
    bottlenecks
        By flow id, or (n,) codes as in :attr:`Allocation.bottleneck`: the number of a link, -1 for the flow's
        cap, -2 - s for the limit of slice s. None checks the rates alone.
    tolerance
        Relative: of loads to capacities, rates to caps and floors, times to times.

    Returns
    -------
    Certificate
        The violations, each naming its flow, link or slice: the first :data:`LISTED` of each kind, and how
        many more there are.

    Raises
    ------
    InputError
        The problem has faults; an array is none of n numbers, or of n whole numbers for bottlenecks.

    Notes
    -----
    Without slices the time is linear in the uses of links. With slices it goes with the sum over their flows
    of the square of the number of links, sorted, and with the pairs that :meth:`Sets.supersets` looks at.
    """
    import numpy as np

    expect("problem", problem, AllocationProblem, "an AllocationProblem")
    if not is_number(tolerance) or not 0 <= tolerance < 1:
        raise InputError(f"tolerance: found {found(tolerance)}, expected a number from 0 up, below 1")
    problem.columns  # noqa: B018 - refuses a problem that has faults
    # What is too small or too large for a long double is right as 0 or as infinite.
    with np.errstate(over="ignore", under="ignore"):
        rate, wrong = _rates(problem, rates)
        if not wrong:
            checker = Checker(problem, rate, tolerance)
            stated = None if bottlenecks is None else _codes(problem, bottlenecks)
            wrong = [*checker.feasibility(), *checker.reasons(bottlenecks, stated), *checker.siblings()]
    return Certificate(tuple(wrong))


def _rates(
    problem: AllocationProblem, rates: "Mapping[str, float] | ArrayLike"
) -> tuple["Array", list[Violation]]:
    """The rates in the order of the problem, and why they are none."""
    import numpy as np

    wrong: list[Violation] = []
    if isinstance(rates, Mapping):
        ids = {flow.id: None for flow in problem.flows}
        odd = [id_ for id_ in ids if id_ in rates and not is_number(rates[id_])]
        if odd:
            raise InputError(f"rates[{odd[0]!r}]: found {found(rates[odd[0]])}, expected a number")
        missing = [id_ for id_ in ids if id_ not in rates]
        foreign = [id_ for id_ in rates if id_ not in ids]
        wrong += listed(
            missing, "flows have no rate", lambda id_: Violation(f'flow "{id_}" has no rate', id_)
        )
        wrong += listed(
            foreign,
            "rates are of no flow",
            lambda id_: Violation(f'flow "{id_}" has a rate but is not in the problem', id_),
        )
        rate = np.array([float(rates.get(id_, 0)) for id_ in ids], np.longdouble)
    else:
        rate = _column("rates", rates, len(problem.flows), np.number).astype(np.longdouble)

    def no_rate(f: int) -> Violation:
        id_ = problem.flows[f].id
        return Violation(f'flow "{id_}": the rate {float(rate[f])} is not a finite number from 0 up', id_)

    none = np.flatnonzero(~((rate >= 0) & (rate < np.inf)))
    return rate, wrong + list(listed(none, "flows have a rate that is no finite number from 0 up", no_rate))


def _codes(problem: AllocationProblem, stated: "Mapping[str, Bottleneck] | ArrayLike") -> "Array":
    """What is stated, in the order of the problem and as codes."""
    import numpy as np

    if not isinstance(stated, Mapping):
        return _column("bottlenecks", stated, len(problem.flows), np.integer).astype(np.int64)
    code: dict[Bottleneck | None, int] = {Bottleneck(BottleneckKind.CAP): CAP}
    code |= {Bottleneck(BottleneckKind.LINK, name): index for index, name in enumerate(problem.capacities)}
    code |= {Bottleneck(BottleneckKind.LIMIT, name): -2 - index for index, name in enumerate(problem.slices)}
    return np.array([code.get(stated.get(flow.id), _NEITHER) for flow in problem.flows], np.int64)


def _column(name: str, values: "ArrayLike", length: int, kind: Any) -> "Array":
    import numpy as np

    if values is None:
        raise InputError(f"{name}: found None, expected {length} numbers, one for each flow")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: is no array of numbers: {error}") from None
    if array.shape != (length,):
        raise InputError(f"{name}: found the shape {array.shape}, expected ({length},), one for each flow")
    real = np.issubdtype(array.dtype, kind) and not np.issubdtype(array.dtype, np.complexfloating)
    if length and not real:
        expected = "whole numbers" if kind is np.integer else "real numbers"
        raise InputError(f"{name}: found {array.dtype}, expected {expected}")
    return array
