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

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from fairslice.alloc.allocation import CAP, Bottleneck, BottleneckKind
from fairslice.alloc.arguments import amount_fault, expect, found, is_number, is_plain
from fairslice.alloc.certificate.conditions import Checker, Violation, listed
from fairslice.alloc.numbered import Flows
from fairslice.alloc.problem import AllocationProblem
from fairslice.errors import Fault, InputError

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
        By flow id, in a mapping or anything else with keys, such as a Series of pandas; or (n,) in the order
        of the problem. In the unit of the problem.
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
        The problem has faults; an array is none of n numbers, or of n whole numbers for bottlenecks; what
        stands by an id is not a number, or not a :class:`Bottleneck`.

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
    told, codes = _stated(problem, bottlenecks)
    # What is too small or too large for a long double is right as 0 or as infinite.
    with np.errstate(over="ignore", under="ignore"):
        rate, wrong = _rates(problem, rates)
        if not wrong:
            checker = Checker(problem, rate, tolerance)
            reasons = checker.reasons(told, codes)
            wrong = [*checker.feasibility(), *reasons, *checker.siblings()]
    return Certificate(tuple(wrong))


def _rates(
    problem: AllocationProblem, rates: "Mapping[str, float] | ArrayLike"
) -> tuple["Array", list[Violation]]:
    """The rates in the order of the problem, and why they are none."""
    import numpy as np

    wrong: list[Violation] = []
    by_id = _by_id(problem, "rates", rates)
    if by_id is not None:
        ids = {flow.id: None for flow in problem.flows}
        odd = {id_: by_id[id_] for id_ in ids if id_ in by_id and not is_plain(by_id[id_])}
        for id_, value in odd.items():
            if not is_number(value):
                raise InputError(f"rates[{id_!r}]: found {found(value)}, expected a number")
            for fault in amount_fault("rate", value):
                raise InputError(f"rates[{id_!r}]: {fault}")
        missing = [id_ for id_ in ids if id_ not in by_id]
        foreign = [id_ for id_ in by_id if id_ not in ids]
        wrong += listed(
            missing, "flows have no rate", lambda id_: Violation(f'flow "{id_}" has no rate', id_)
        )
        wrong += listed(
            foreign,
            "rates are of no flow",
            lambda id_: Violation(f'flow "{id_}" has a rate but is not in the problem', id_),
        )
        rate = np.array([float(by_id.get(id_, 0)) for id_ in ids], np.longdouble)
    else:
        column: Any = rates
        rate = _column("rates", column, len(problem.flows), np.number).astype(np.longdouble)

    def no_rate(f: int) -> Violation:
        id_ = problem.flows[f].id
        return Violation(f'flow "{id_}": the rate {float(rate[f])} is not a finite number from 0 up', id_)

    none = np.flatnonzero(~((rate >= 0) & (rate < np.inf)))
    return rate, wrong + list(
        listed(none, "flows have a rate that is not a finite number from 0 up", no_rate)
    )


def _stated(problem: AllocationProblem, bottlenecks: Any) -> "tuple[Mapping[str, Bottleneck] | None, Any]":
    """The reasons by the flow's id, if they are given so, and as codes in the order of the problem."""
    import numpy as np

    if bottlenecks is None:
        return None, None
    by_id = _by_id(problem, "bottlenecks", bottlenecks)
    if by_id is not None:
        return by_id, _codes(problem, by_id)
    return None, _column("bottlenecks", bottlenecks, len(problem.flows), np.integer).astype(np.int64)


def _codes(problem: AllocationProblem, stated: "Mapping[str, Bottleneck]") -> "Array":
    """What is stated, in the order of the problem and as codes."""
    import numpy as np

    faults = [
        Fault(
            f"bottlenecks[{id_!r}]: found {found(why)}, expected a Bottleneck, as Allocation.bottlenecks has"
        )
        for id_, why in stated.items()
        if not isinstance(why, Bottleneck)
    ]
    if faults:
        raise InputError(faults)
    code: dict[Bottleneck | None, int] = {Bottleneck(BottleneckKind.CAP): CAP}
    code |= {Bottleneck(BottleneckKind.LINK, name): index for index, name in enumerate(problem.capacities)}
    code |= {Bottleneck(BottleneckKind.LIMIT, name): -2 - index for index, name in enumerate(problem.slices)}
    return np.array([code.get(stated.get(flow.id), _NEITHER) for flow in problem.flows], np.int64)


def _by_id(problem: AllocationProblem, name: str, values: Any) -> Mapping[str, Any] | None:
    """What has keys (a mapping, a Series of pandas) as a mapping by the flow's id; None for what has none.

    Where flows are numbers, so may the keys be.
    """
    if not isinstance(values, Mapping) and not (hasattr(values, "keys") and hasattr(values, "__getitem__")):
        return None
    numbered = isinstance(problem.flows, Flows)
    if isinstance(values, dict) and not numbered:
        return values
    keys = list(values.keys())
    found_at = (
        [value for _, value in values.items()] if hasattr(values, "items") else [values[k] for k in keys]
    )
    if numbered:
        keys = [str(key) if isinstance(key, Integral) and not isinstance(key, bool) else key for key in keys]
    by_id = dict(zip(keys, found_at, strict=True))
    if len(by_id) < len(keys):
        twice = next(key for key, times in Counter(keys).items() if times > 1)
        raise InputError(f"{name}: {twice!r} is there more than once, expected each flow once")
    return by_id


def _column(name: str, values: "ArrayLike", length: int, kind: Any) -> "Array":
    import numpy as np

    if values is None:
        raise InputError(f"{name}: found None, expected {length} numbers, one for each flow")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: is not an array of numbers: {error}") from None
    if array.shape != (length,):
        raise InputError(f"{name}: found the shape {array.shape}, expected ({length},), one for each flow")
    real = np.issubdtype(array.dtype, kind) and not np.issubdtype(array.dtype, np.complexfloating)
    if length and not real:
        expected = "whole numbers" if kind is np.integer else "real numbers"
        raise InputError(f"{name}: found {array.dtype}, expected {expected}")
    return array
