r"""An independent checker for problems with acknowledgements. It shares no code with the solver.

From the rates alone follows what acknowledgements take of every link, :math:`a_l = \sum_f \beta_{f,l}\, x_f`.
It is confirmed that

* acknowledgements take no more than their room: half of the link, and no more than the floors leave of it;
* the rates are those of the problem in which every link has :math:`C_l - a_l`, and its room is one more link,
  of which a flow uses :math:`\beta_{f,l}` for each unit of its rate, and which grants no rate. That is left
  to :func:`~fairslice.alloc.certify`: no link is overloaded, and each flow is at its cap or has a bottleneck.

So rates that do not agree with their own acknowledgements are not certified: where these take more than was
set aside, a link is overloaded; where they take less, a flow lacks its bottleneck.
"""

from collections.abc import Mapping
from fractions import Fraction

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.certificate.certify import TOLERANCE, Certificate, certify
from fairslice.alloc.certificate.conditions import Violation
from fairslice.alloc.problem import AllocationProblem, ProblemFlow


def certify_acknowledged(
    problem: AcknowledgedProblem,
    rates: Mapping[str, float],
    bottlenecks: Mapping[str, Bottleneck] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Certificate:
    """Check rates, and the reasons stated for them if there are any, against a problem with acknowledgements.

    Parameters
    ----------
    problem
        As given to the solver.
    rates, bottlenecks
        By flow id, in the unit of the problem; None checks the rates alone.
    tolerance
        Relative, as for :func:`~fairslice.alloc.certificate.certify.certify`.

    Returns
    -------
    Certificate
        The violations. Of a link's room for acknowledgements they say ``acknowledgements on LINK``.

    Raises
    ------
    InputError
        The problem has faults.
    """
    problem.check()
    data = problem.data
    unusable = [flow.id for flow in data.flows if not 0 <= rates.get(flow.id, -1.0) < float("inf")]
    if unusable:
        # Nothing can be said of what such rates take; the ordinary checker says what is wrong with them.
        return certify(data, rates, None, tolerance=tolerance)
    # Whole numbers and fractions, so that nothing is lost where what is left is a small part of a link.
    sums: dict[float, dict[str, int]] = {}
    promised: dict[str, Fraction] = {}
    for flow, returned in zip(data.flows, problem.returns, strict=True):
        rate = _in_smallest(rates[flow.id])
        for link, share in returned.items():
            of_share = sums.setdefault(share, {})
            of_share[link] = of_share.get(link, 0) + rate
        if flow.kept_floor:
            floor = Fraction(flow.kept_floor)
            for link, use in flow.uses.items():
                promised[link] = promised.get(link, Fraction(0)) + Fraction(use) * floor
    taken: dict[str, Fraction] = {}
    for share, of_share in sums.items():
        for link, total in of_share.items():
            part = Fraction(share) * Fraction(total, 2**_SMALLEST)
            taken[link] = taken[link] + part if link in taken else part
    whole = {link: Fraction(capacity) for link, capacity in data.capacities.items()}
    room = {
        link: max(Fraction(0), min(whole[link] / 2, whole[link] - promised.get(link, Fraction(0))))
        for link in taken
    }
    overtaken = tuple(
        Violation(f'acknowledgements on "{link}" take {float(need)!r} of {float(room[link])!r}', link=link)
        for link, need in taken.items()
        if need > room[link] * (1 + Fraction(tolerance))
    )
    if overtaken:
        return Certificate(overtaken)
    own_name = {link: f"acknowledgements on {link}" for link in taken}
    left = AllocationProblem(
        capacities={
            **{link: float(max(Fraction(0), whole[link] - taken.get(link, 0))) for link in whole},
            **{own_name[link]: float(room[link]) for link in taken},
        },
        flows=tuple(
            ProblemFlow(
                flow.id,
                {**flow.uses, **{own_name[link]: share for link, share in returned.items()}},
                flow.weight,
                flow.cap,
                flow.floor,
                flow.slice,
            )
            for flow, returned in zip(data.flows, problem.returns, strict=True)
        ),
        slices=data.slices,
        per_flow=data.per_flow,
        rooms=len(taken),
    ).trusted()  # The same flows, which were checked, over what is left of the same links.
    stated = bottlenecks and {id_: _in_left(why, own_name) for id_, why in bottlenecks.items()}
    return certify(left, rates, stated, tolerance=tolerance)


_SMALLEST = 1074
"""Every float is a whole multiple of 2 to the power of minus so much."""


def _in_smallest(amount: float) -> int:
    """A float as such a multiple: sums of these are exact, and quicker than those of fractions."""
    numerator, denominator = float(amount).as_integer_ratio()
    return numerator << (_SMALLEST + 1 - denominator.bit_length())


def _in_left(why: Bottleneck, own_name: Mapping[str, str]) -> Bottleneck:
    if why.kind is BottleneckKind.ACKNOWLEDGEMENTS:
        return Bottleneck(BottleneckKind.LINK, own_name.get(why.name, ""))
    return why
