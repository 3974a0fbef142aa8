"""Max-min fairness as a sequence of linear programs, solved by HiGHS.

Raise the common level t of the flows that are not fixed; where a flow's lower bound w·t has a price, the flow
can't have more in any solution: fix it there; repeat [1]_. A link that has a price gives one to all of its
flows, so every program fixes all the flows of a link, or a flow at its cap.

References
----------
.. [1] B. Radunović and J.-Y. Le Boudec, "A unified framework for max-min and min-max fairness with
   applications", IEEE/ACM Trans. Networking 15(5), 2007, §IV.
.. [2] Q. Huangfu and J. A. J. Hall, "Parallelizing the dual revised simplex method", Mathematical Programming
   Computation 10, 2018 (HiGHS).
"""

import importlib
import time
from typing import Any, Protocol

import numpy as np
from workloads import Numbers, Reals, Workload

TIME_LIMIT_S = 100.0
_PRICE = 1e-9
"""Smaller prices are rounding: those of a program's flows, times their weights, add up to 1."""
_TOLERANCE = 1e-9


class GaveUpError(Exception):
    """A solver did not end within its time, or failed; the text says which."""


def highs(workload: Workload, time_limit_s: float = TIME_LIMIT_S) -> Reals:
    """The sequence as one program that is changed: a flow's rate is w·t + s, and s has the price.

    So there are rows for links and caps only, and every program starts from the basis of the last, by the
    primal simplex method: the fastest of the ways that were tried.

    Raises
    ------
    GaveUpError
    """
    return _sequence(workload, _Changed(workload, time_limit_s), time_limit_s)


def highs_anew(workload: Workload, time_limit_s: float = TIME_LIMIT_S) -> Reals:
    """The sequence as in the books: each program made anew, with a row x ≥ w·t for every flow that rises.

    Raises
    ------
    GaveUpError
    """
    return _sequence(workload, _Anew(workload, time_limit_s), time_limit_s)


class _Programs(Protocol):
    unit: float

    def solve(self) -> tuple[float, Reals]:
        """The highest level, and the price of every flow's lower bound."""

    def fix(self, flows: Numbers, rate: Reals) -> None:
        """Let the flows have just these rates from now on."""


def _sequence(workload: Workload, programs: _Programs, time_limit_s: float) -> Reals:
    end = time.perf_counter() + time_limit_s
    rate = np.full(workload.flows, -1.0)
    rising = np.arange(workload.flows)
    cap = workload.demand / programs.unit
    while rising.size:
        if time.perf_counter() > end:
            raise GaveUpError(f"gave up after {time_limit_s:g} s")
        level, price = programs.solve()
        tight = rising[price[rising] > _PRICE]
        if not tight.size:
            raise GaveUpError("failed: a program without prices")
        rate[tight] = np.minimum(level * workload.weight[tight], cap[tight])
        programs.fix(tight, rate[tight])
        rising = np.flatnonzero(rate < 0)
    return rate * programs.unit


class _Solver:
    """HiGHS on a problem in a unit of its own, where the lowest level is 1: its tolerances are absolute."""

    def __init__(self, workload: Workload, time_limit_s: float) -> None:
        self.weight, self.routes = workload.weight, workload.routes
        self.length = np.diff(self.routes.indptr)
        self.total = self._by_link(np.arange(workload.flows), self.weight, len(workload.network.capacity))
        used = self.total > 0
        lowest = float((workload.network.capacity[used] / self.total[used]).min(initial=np.inf))
        # Where a link carries nothing, or there are no flows, any unit will do.
        self.unit = lowest if 0 < lowest < np.inf else 1.0
        self.remaining = workload.network.capacity / self.unit
        self.cap = workload.demand / self.unit
        self.time_limit_s = time_limit_s

    def _positions(self, flows: Numbers) -> Numbers:
        """Where the links of the flows stand in the incidence."""
        length = self.length[flows]
        start = np.cumsum(length) - length
        return np.asarray(np.arange(length.sum()) + np.repeat(self.routes.indptr[flows] - start, length))

    def _by_link(self, flows: Numbers, amount: Reals, links: int) -> Reals:
        at = self.routes.indices[self._positions(flows)]
        load = np.bincount(at, np.repeat(amount, self.length[flows]), minlength=links)
        return load.astype(np.float64, copy=False)

    def _load(
        self, columns: tuple[Numbers, Numbers, Reals], upper: Reals, row_lower: Reals, row_upper: Reals
    ) -> Any:
        """A solver that maximises the first of the columns (start, row, value), which are all from 0 up."""
        highspy: Any = importlib.import_module("highspy")
        solver: Any = highspy.Highs()
        options = {
            "output_flag": False,
            "threads": 1,
            "time_limit": self.time_limit_s,
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
        }
        for name, value in options.items():
            solver.setOptionValue(name, value)
        program: Any = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(upper), len(row_upper)
        program.sense_ = highspy.ObjSense.kMaximize
        program.col_cost_ = np.concatenate([[1.0], np.zeros(len(upper) - 1)])
        program.col_lower_, program.col_upper_ = np.zeros(len(upper)), upper
        program.row_lower_, program.row_upper_ = row_lower, row_upper
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = columns
        solver.passModel(program)
        return solver

    def _run(self, solver: Any) -> Any:
        status: Any = importlib.import_module("highspy").HighsModelStatus
        solver.run()
        if solver.getModelStatus() == status.kTimeLimit:
            raise GaveUpError(f"gave up after {self.time_limit_s:g} s")
        if solver.getModelStatus() != status.kOptimal:
            # Once more from nothing, for a basis may have become useless.
            solver.clearSolver()
            solver.run()
        if solver.getModelStatus() != status.kOptimal:
            raise GaveUpError(f"failed: {solver.modelStatusToString(solver.getModelStatus())}")
        return solver.getSolution()


class _Changed(_Solver):
    def __init__(self, workload: Workload, time_limit_s: float) -> None:
        super().__init__(workload, time_limit_s)
        links, flows = len(self.remaining), workload.flows
        capped = np.flatnonzero(np.isfinite(self.cap))
        self.row = np.full(flows, -1)
        self.row[capped] = links + np.arange(len(capped))
        used = np.flatnonzero(self.total)
        # The column of t; then those of s: the flow's links, and its cap's row where it has one.
        ends = self.routes.indptr[1:]
        index = np.insert(self.routes.indices, ends[capped], self.row[capped])
        more = np.concatenate([[0], np.cumsum(self.row >= 0)])
        start = np.concatenate([[0], len(used) + len(capped) + self.routes.indptr + more])
        columns = (
            start,
            np.concatenate([used, self.row[capped], index]),
            np.concatenate([self.total[used], self.weight[capped], np.ones(len(index))]),
        )
        row_upper = np.concatenate([self.remaining, self.cap[capped]])
        free = np.full(flows + 1, np.inf)
        self.solver = self._load(columns, free, np.full(len(row_upper), -np.inf), row_upper)
        for name, value in {"presolve": "off", "solver": "simplex", "simplex_strategy": 4}.items():
            self.solver.setOptionValue(name, value)

    def solve(self) -> tuple[float, Reals]:
        solution = self._run(self.solver)
        return solution.col_value[0], np.abs(np.asarray(solution.col_dual)[1:])

    def fix(self, flows: Numbers, rate: Reals) -> None:
        # A fixed flow leaves the program, and what it has leaves the links.
        none = np.zeros(len(flows))
        self.solver.changeColsBounds(len(flows), (flows + 1).astype(np.int32), none, none)
        lighter = self._by_link(flows, self.weight[flows], len(self.total))
        self.total -= lighter
        self.remaining -= self._by_link(flows, rate, len(self.total))
        np.maximum(self.remaining, 0, out=self.remaining)
        for link in np.flatnonzero(lighter).tolist():
            self.solver.changeCoeff(link, 0, self.total[link])
            self.solver.changeRowBounds(link, -np.inf, self.remaining[link])
        for row in self.row[flows][self.row[flows] >= 0].tolist():
            self.solver.changeRowBounds(row, -np.inf, np.inf)


class _Anew(_Solver):
    def __init__(self, workload: Workload, time_limit_s: float) -> None:
        super().__init__(workload, time_limit_s)
        self.rising = np.ones(workload.flows, dtype=bool)

    def solve(self) -> tuple[float, Reals]:
        flows = np.flatnonzero(self.rising)
        at = self._positions(flows)
        used, index = np.unique(self.routes.indices[at], return_inverse=True)
        links, rows = len(used), len(used) + np.arange(len(flows))
        ends = np.cumsum(self.length[flows])
        index = np.insert(index, ends, rows)
        start = np.concatenate([[0], len(flows) + np.concatenate([[0], ends + np.arange(1, len(flows) + 1)])])
        value = np.concatenate([-self.weight[flows], np.ones(len(index))])
        program = self._load(
            (start, np.concatenate([rows, index]), value),
            np.concatenate([[np.inf], self.cap[flows]]),
            np.concatenate([np.full(links, -np.inf), np.zeros(len(flows))]),
            np.concatenate([self.remaining[used], np.full(len(flows), np.inf)]),
        )
        solution = self._run(program)
        price = np.zeros(len(self.rising))
        price[flows] = np.abs(np.asarray(solution.row_dual)[links:])
        return solution.col_value[0], price

    def fix(self, flows: Numbers, rate: Reals) -> None:
        self.rising[flows] = False
        self.remaining -= self._by_link(flows, rate, len(self.total))
        np.maximum(self.remaining, 0, out=self.remaining)
