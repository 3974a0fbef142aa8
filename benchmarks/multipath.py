"""Flows that are free to divide themselves over several paths: how fair and how fast, against programs."""

from dataclasses import dataclass
from itertools import islice, pairwise

import click
import networkx as nx
import numpy as np
import page
import workloads
from page import digits, duration
from tables import Options, Table
from timing import Timing, measure
from workloads import KINDS, Network, Reals, Workload

from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.free import MultipathAllocation, allocate_free
from fairslice.alloc.multipath.problem import MultipathProblem
from fairslice.testing.referee import RefereeAnswer, max_min_by_lp

NETWORK = "wan-150"
DEMANDS, PATHS = 500, 4
SEEDS = (1, 2, 3, 4, 5)
FAIR = 0.99
"""What the mean over the instances has to reach."""
OVERLOADED = 1e-9
"""Relative, of a link."""
_REFEREE_REPEATS = 3


@dataclass(frozen=True)
class Shared:
    """How the rounds did on one instance.

    ``fairness`` is the geometric mean over flows of min(r/r*, r*/r) with the exact totals r*, ``worst`` the
    smallest of these; ``overload`` is by how much a link carries more than its capacity, relatively.
    ``cold`` is the referee with each program solved from scratch, ``warm`` with each from the last one's
    solution; ``preparation`` is what the first call does and later ones find done.
    """

    network: str
    kind: str
    seed: int
    demands: int
    paths: int
    rounds: int
    fairness: float
    worst: float
    overload: float
    programs: int
    preparation: Timing
    ours: Timing
    cold: Timing
    warm: Timing

    @property
    def ratio(self) -> float:
        return self.cold.median_s / self.ours.median_s

    @property
    def warm_ratio(self) -> float:
        return self.warm.median_s / self.ours.median_s

    @property
    def name(self) -> str:
        return f"{self.network} {self.kind} {self.seed}"


def shortest_paths(network: Network, pairs: list[tuple[int, int]], count: int) -> list[list[list[int]]]:
    """The links of the shortest paths without a loop, at most so many for each pair of nodes.

    By J. Y. Yen, "Finding the K Shortest Loopless Paths in a Network", Management Science 17(11), 1971.
    """
    graph: nx.DiGraph[int] = nx.DiGraph()
    for link, (tail, head) in enumerate(zip(network.tail.tolist(), network.head.tolist(), strict=True)):
        graph.add_edge(tail, head, length=float(network.length[link]), link=link)
    known: dict[tuple[int, int], list[list[int]]] = {}
    for pair in dict.fromkeys(pairs):
        found = islice(nx.shortest_simple_paths(graph, *pair, weight="length"), count)
        known[pair] = [[graph.edges[hop]["link"] for hop in pairwise(nodes)] for nodes in found]
    return [known[pair] for pair in pairs]


def problem_of(workload: Workload, paths: list[list[list[int]]]) -> MultipathProblem:
    """The flows of a workload on these paths."""
    weight, demand = workload.weight.tolist(), workload.demand.tolist()
    flows = [
        MultipathFlow(
            f"f{index}",
            tuple(dict.fromkeys(map(str, path), 1.0) for path in own),
            weight[index],
            demand[index],
        )
        for index, own in enumerate(paths)
    ]
    capacity = workload.network.capacity.tolist()
    return MultipathProblem({str(link): amount for link, amount in enumerate(capacity)}, flows)


def fairness(rate: Reals, exact: Reals) -> tuple[float, float]:
    """The geometric mean of min(r/r*, r*/r), and the smallest; without flows that can't have anything."""
    able = exact > 0
    ratio = np.minimum(rate[able] / exact[able], exact[able] / np.maximum(rate[able], 1e-300))
    return float(np.exp(np.log(np.maximum(ratio, 1e-300)).mean())), float(ratio.min())


def share(kind: str, seed: int, demands: int, options: Options) -> Shared:
    """One instance: ours, and the referee both ways."""
    click.echo(f"multipath: {NETWORK} {kind} {seed}, {demands} demands", err=True)
    workload = workloads.flat(NETWORK, kind, demands, seed)
    network, routes = workload.network, workload.routes
    pairs = list(zip(routes.source.tolist(), routes.destination.tolist(), strict=True))
    paths = shortest_paths(network, pairs, PATHS)
    links = [path for own in paths for path in own]
    indptr = np.cumsum([0, *map(len, links)])
    indices = np.concatenate(links)
    flow = np.repeat(np.arange(demands), [len(own) for own in paths])

    def refer(warm_start: bool) -> RefereeAnswer:
        return max_min_by_lp(
            *(network.capacity, indptr, indices, workload.weight, workload.demand),
            flow=flow,
            time_limit=options.time_limit_s,
            warm_start=warm_start,
        )

    def prepare() -> MultipathProblem:
        problem = problem_of(workload, paths)
        allocate_free(problem, rounds=1)
        return problem

    def allocation_of(problem: MultipathProblem) -> MultipathAllocation:
        return allocate_free(problem)

    preparation, problem = measure(prepare, 3)
    ours, allocation = measure(lambda: allocation_of(problem), options.repeats)
    referee_repeats = min(options.repeats, _REFEREE_REPEATS)
    cold, exact = measure(lambda: refer(False), referee_repeats)
    warm, _ = measure(lambda: refer(True), referee_repeats)
    if not exact.complete:
        raise RuntimeError(f"{exact.programs} programs did not stop every flow")
    mean, worst = fairness(allocation.rate, exact.rate)
    load = np.bincount(
        indices, np.repeat(allocation.path_rate, np.diff(indptr)), minlength=len(network.capacity)
    )
    return Shared(
        *(NETWORK, kind, seed, demands, PATHS, allocation.rounds, mean, worst),
        *(float(max((load / network.capacity).max() - 1, 0.0)), exact.programs),
        *(preparation, ours, cold, warm),
    )


def multipath_table(options: Options) -> Table:
    """Free splits over the shortest paths on the wide-area network, against the sequence of programs."""
    if NETWORK not in options.networks:
        return Table("Free splits over several paths", "", ())
    demands = min(DEMANDS, max(options.sizes))
    rows = [share(kind, seed, demands, options) for kind in KINDS for seed in SEEDS]
    head = ("workload", "demands × paths", "rounds", "fairslice", "fairness", "worst flow", "programs")
    more = ("HiGHS, each anew", "ratio", "HiGHS, warm starts", "ratio", "preparation")
    cells = [
        (
            *(row.name, f"{row.demands} × {row.paths}", str(row.rounds), duration(row.ours.median_s)),
            *(f"{row.fairness:.4f}", f"{row.worst:.2f}", str(row.programs), duration(row.cold.median_s)),
            *(digits(row.ratio), duration(row.warm.median_s), digits(row.warm_ratio)),
            duration(row.preparation.median_s),
        )
        for row in rows
    ]
    mean = sum(row.fairness for row in rows) / len(rows)
    faults = [f"{row.name}: a link is {row.overload:.1e} over" for row in rows if row.overload > OVERLOADED]
    if demands == DEMANDS and mean < FAIR:
        faults.append(f"multipath: the mean fairness is {mean:.4f}, expected {FAIR} at least")
    text = page.table((*head, *more), cells, 1)
    return Table("Free splits over several paths", text, tuple(rows), tuple(faults))
