r"""Max-min fair totals over several paths by a sequence of linear programs: exact, slow, no code shared.

With :math:`x_p` the rate over path :math:`p` and :math:`r_f` settled totals of flows that have stopped, the
next level is the largest :math:`t` for which

.. math:: \sum_{p \in f} x_p \ge w_f t \ (f \text{ rising}), \quad
          \sum_{p \in f} x_p \ge r_f \ (f \text{ stopped}), \quad
          \sum_p c_{p,l}\, x_p \le C_l, \quad x \ge 0.

A flow whose demand that level passes stops at its demand, and the level is sought again. Otherwise flows
with a positive multiplier :math:`y_f` stop at :math:`w_f t`: by complementary slackness none of them has
more in any solution. There always are such flows, since :math:`\sum w_f y_f = 1`. A multiplier of zero
proves nothing (duals are degenerate): such a flow stays, and the next program either lifts it or, at the
same level, shows a positive multiplier for it or another. This is the algorithm of [1]_, §IV, with its test
for blocked flows by dual variables.

An LP is not an oracle over more than six decades of capacity; exact fractions
(:mod:`fairslice.testing.exact`) are, where every flow has one path.

References
----------
.. [1] D. Nace and M. Pióro, "Max-min fairness and its applications to routing and load-balancing in
   communication networks: a tutorial", IEEE Communications Surveys & Tutorials 10(4), 2008.
"""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairslice.alloc.multipath.problem import MultipathProblem
from fairslice.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FEASIBLE = 1e-9
"""Absolute, of loads and totals; the median capacity is 1."""
POSITIVE = 1e-7
"""Of multipliers, which add up to 1 when weighted: a larger one is not rounding."""
_PRIMAL_SIMPLEX = 4
"""A former solution stays feasible when flows stop, so that the primal simplex method goes on from it."""


@dataclass(frozen=True)
class RefereeAnswer:
    """What the programs gave.

    ``rate`` (n,) has the totals, NaN for flows that had not stopped when time was up; ``path_rate`` (T,) one
    way to reach them; ``programs`` is how many were solved, in ``seconds``.
    """

    rate: "NDArray[Any]"
    path_rate: "NDArray[Any]"
    programs: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every flow has its total."""
        return not any(math.isnan(rate) for rate in self.rate)


def max_min_by_lp(
    capacity: "ArrayLike",
    indptr: "ArrayLike",
    indices: "ArrayLike",
    weight: "ArrayLike",
    demand: "ArrayLike",
    *,
    coefficient: "ArrayLike | None" = None,
    flow: "ArrayLike | None" = None,
    time_limit: float = math.inf,
    warm_start: bool = True,
) -> RefereeAnswer:
    """The max-min fair totals of n flows over T paths, flat and weighted, without floors.

    Parameters
    ----------
    capacity
        (L,) of the links.
    indptr, indices, coefficient
        (T + 1,), (nnz,), (nnz,): path p uses ``coefficient`` (1 without it) of the links
        ``indices[indptr[p]:indptr[p + 1]]`` per unit of rate.
    weight, demand
        (n,); demands may be infinite.
    flow
        (T,) the flow of each path; without it path p is the only one of flow p.
    time_limit
        In seconds; what is not known by then stays NaN.
    warm_start
        Whether each program starts from the solution of the one before; without, each is solved from
        scratch with HiGHS's own choices.

    Raises
    ------
    RuntimeError
        HiGHS found no solution where there is one.
    """
    import numpy as np

    began = time.perf_counter()
    capacity_, weight_, demand_ = (np.asarray(each, dtype=np.float64) for each in (capacity, weight, demand))
    rows, links = np.asarray(indptr, dtype=np.int64), np.asarray(indices, dtype=np.int64)
    use = np.ones(len(links)) if coefficient is None else np.asarray(coefficient, dtype=np.float64)
    flow_ = np.arange(len(weight_)) if flow is None else np.asarray(flow, dtype=np.int64)
    unit = float(np.median(capacity_[capacity_ > 0])) if capacity_.any() else 1.0
    heavy = float(np.median(weight_)) if len(weight_) else 1.0
    weight_, demand_ = weight_ / heavy, demand_ / unit
    # Twice the level that no flow can pass, so that the program is bounded where paths use no link.
    alone = np.full(len(flow_), np.inf)
    np.minimum.at(alone, np.repeat(np.arange(len(flow_)), np.diff(rows)), capacity_[links] / unit / use)
    highest = np.minimum(demand_, np.bincount(flow_, weights=alone, minlength=len(weight_))) / weight_
    top = max(2 * float(highest.max(initial=0.0)), 1.0)
    programs = _Programs(capacity_ / unit, rows, links, use, weight_, flow_, top, warm_start)

    rate = np.full(len(weight_), np.nan)
    while np.isnan(rate).any():
        left = time_limit - (time.perf_counter() - began)
        if left <= 0 or not programs.run(left):
            break
        level, multiplier = programs.level()
        rising = np.isnan(rate)
        stopped = np.flatnonzero(rising & (demand_ <= weight_ * level * (1 + FEASIBLE)))
        if len(stopped):
            rate[stopped] = demand_[stopped]
        else:
            stopped = np.flatnonzero(rising & (weight_ * multiplier > POSITIVE))
            if not len(stopped):
                raise RuntimeError(f"no multiplier is positive at level {level}")
            rate[stopped] = np.maximum(weight_[stopped] * level, 0.0)
        programs.stop(stopped, rate[stopped])
    totals = np.minimum(rate * unit, np.asarray(demand, dtype=np.float64))
    return RefereeAnswer(totals, programs.path_rate() * unit, programs.number, time.perf_counter() - began)


class _Programs:
    """The linear program in HiGHS, changed from one level to the next: columns x and t, rows of links and
    of flows."""

    def __init__(
        self,
        capacity: "NDArray[Any]",
        indptr: "NDArray[Any]",
        links: "NDArray[Any]",
        use: "NDArray[Any]",
        weight: "NDArray[Any]",
        flow: "NDArray[Any]",
        top: float,
        warm_start: bool,
    ) -> None:
        import highspy
        import numpy as np

        n, n_links, n_paths = len(weight), len(capacity), len(flow)
        self.n_links, self.n_paths, self.warm_start, self.number = n_links, n_paths, warm_start, 0
        self.optimal, self.late = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kTimeLimit
        self.infinity = highspy.kHighsInf
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = n_paths + 1, n_links + n
        program.sense_ = highspy.ObjSense.kMaximize
        program.col_cost_ = np.append(np.zeros(n_paths), 1.0)
        program.col_lower_ = np.append(np.zeros(n_paths), -self.infinity)
        program.col_upper_ = np.append(np.full(n_paths, self.infinity), top)
        program.row_lower_ = np.append(np.full(n_links, -self.infinity), np.zeros(n))
        program.row_upper_ = np.append(capacity, np.full(n, self.infinity))
        # By columns: after its links a path counts for its flow, and the last column is t.
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = np.append(indptr + np.arange(n_paths + 1), len(links) + n_paths + n)
        program.a_matrix_.index_ = np.concatenate(
            [np.insert(links, indptr[1:], n_links + flow), n_links + np.arange(n)]
        )
        program.a_matrix_.value_ = np.concatenate([np.insert(use, indptr[1:], 1.0), -weight])
        self.highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in {
            "output_flag": False,
            "threads": 1,
            "primal_feasibility_tolerance": FEASIBLE,
            "dual_feasibility_tolerance": FEASIBLE,
        }.items():
            self.highs.setOptionValue(option, value)
        if warm_start:
            self.highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)
        self.highs.passModel(program)

    def run(self, time_limit: float) -> bool:
        """Solve; False if time is up."""
        if not self.warm_start:
            self.highs.clearSolver()
        if time_limit < math.inf:
            # HiGHS counts the time of all runs together.
            self.highs.setOptionValue("time_limit", self.highs.getRunTime() + time_limit)
        self.highs.run()
        if self.highs.getModelStatus() not in (self.optimal, self.late):
            self.highs.clearSolver()
            self.highs.run()
        self.number += 1
        status = self.highs.getModelStatus()
        if status not in (self.optimal, self.late):
            raise RuntimeError(f"HiGHS ended with {self.highs.modelStatusToString(status)}")
        return bool(status == self.optimal)

    def level(self) -> "tuple[float, NDArray[Any]]":
        """The level t, and the multipliers of the flows (n,)."""
        import numpy as np

        solution = self.highs.getSolution()
        return float(solution.col_value[self.n_paths]), np.abs(np.asarray(solution.row_dual)[self.n_links :])

    def stop(self, flows: "NDArray[Any]", rates: "NDArray[Any]") -> None:
        """From now on these flows just keep their totals."""
        for flow, rate in zip(flows.tolist(), rates.tolist(), strict=True):
            self.highs.changeCoeff(self.n_links + flow, self.n_paths, 0.0)
            self.highs.changeRowBounds(self.n_links + flow, rate, self.infinity)

    def path_rate(self) -> "NDArray[Any]":
        """(T,) of the last solution."""
        import numpy as np

        values = np.asarray(self.highs.getSolution().col_value, dtype=np.float64)[: self.n_paths]
        return np.zeros(self.n_paths) if len(values) < self.n_paths else values


def fair_totals(problem: MultipathProblem, *, time_limit: float = math.inf) -> dict[str, float]:
    """The exact totals by the flow's id, of a flat problem without floors.

    Raises
    ------
    InputError
        The problem has faults, or slices with a hierarchy, or floors: these are not linear programs.
    """
    problem.check()
    if any(flow.floor for flow in problem.flows):
        raise InputError("flows: found floors, expected none: the referee has no rule for them")
    if not problem.per_flow and any(flow.slice is not None for flow in problem.flows):
        raise InputError("slices: found a hierarchy, expected flat weights (per_flow)")
    links = {link: index for index, link in enumerate(problem.capacities)}
    # A limit is one more link, which all flows of the slice use.
    limits = {name: len(links) + i for i, name in enumerate(problem.slices)}
    # More than all links together and all demands can't be had: a limit beyond is none.
    most = math.fsum(problem.capacities.values()) / min(
        (use for flow in problem.flows for path in flow.paths for use in path.values()), default=1.0
    ) + math.fsum(flow.cap for flow in problem.flows if flow.cap < math.inf)
    uses = [
        {
            **{links[link]: use for link, use in path.items()},
            **({limits[flow.slice]: 1.0} if flow.slice else {}),
        }
        for flow in problem.flows
        for path in flow.paths
    ]
    indptr = [0]
    for path in uses:
        indptr.append(indptr[-1] + len(path))
    answer = max_min_by_lp(
        [*problem.capacities.values(), *(min(share.limit, most) for share in problem.slices.values())],
        indptr,
        [link for path in uses for link in path],
        [flow.weight * (problem.slices[flow.slice].weight if flow.slice else 1.0) for flow in problem.flows],
        [flow.cap for flow in problem.flows],
        coefficient=[use for path in uses for use in path.values()],
        flow=[index for index, flow in enumerate(problem.flows) for _ in flow.paths],
        time_limit=time_limit,
    )
    if not answer.complete:
        raise RuntimeError(f"{answer.programs} programs in {answer.seconds:.0f} s did not stop every flow")
    return {flow.id: float(rate) for flow, rate in zip(problem.flows, answer.rate, strict=True)}
