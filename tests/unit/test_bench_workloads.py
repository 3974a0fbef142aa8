"""The benchmark: its workloads are what they say, its competitors are right, and it runs."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import page
import workloads
from baselines import BASELINES, Baseline, scatter_pass
from programs import GaveUpError, highs
from workloads import KINDS, NETWORKS, Network, Routes, Workload, flat, hierarchical

from fairslice.alloc.problem import AllocationProblem
from fairslice.errors import InputError
from fairslice.testing.exact import exact_rates

ROOT = Path(__file__).parents[2]
SMALL_NETWORKS = ("fat-tree-8", "wan-150")
COMPETITORS = [
    pytest.param(
        baseline, id=baseline.name, marks=pytest.mark.skipif(not baseline.installed, reason="no highspy")
    )
    for baseline in BASELINES
]


def solve(baseline: Baseline, workload: Workload) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.asarray(baseline.solve(baseline.prepare(workload)))


def small(kind: str, flows: int, seed: int) -> Workload:
    """A few flows on a network so small that they meet."""
    random = np.random.default_rng(seed)
    if seed % 2:
        network, routes = workloads.fat_tree(4), workloads.fat_tree_routes(4, flows, random)
    else:
        network = workloads.wan(8, seed)
        routes = workloads.wan_routes(network, flows, random)
    return workloads.wanting(network, routes, kind, random)


def assert_paths(network: Network, routes: Routes) -> None:
    """Every flow's links lead from its source to its destination, each where the last one ended."""
    assert np.all(routes.source != routes.destination)
    assert np.all(np.diff(routes.indptr) > 0)
    first, last = routes.indptr[:-1], routes.indptr[1:] - 1
    tail, head = network.tail[routes.indices], network.head[routes.indices]
    assert np.array_equal(tail[first], routes.source)
    assert np.array_equal(head[last], routes.destination)
    inside = np.ones(len(routes.indices), dtype=bool)
    inside[first] = False
    assert np.array_equal(tail[inside], head[np.flatnonzero(inside) - 1])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_paths_lead_from_source_to_destination(name: str, kind: str) -> None:
    workload = flat(name, kind, 500)
    assert_paths(workload.network, workload.routes)
    assert workload.flows == len(workload.problem().flows) == 500


@pytest.mark.parametrize("name", NETWORKS)
def test_every_cable_goes_both_ways(name: str) -> None:
    network = flat(name, "elastic", 10).network
    links = list(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    capacity = dict(zip(links, network.capacity.tolist(), strict=True))
    assert len(capacity) == len(links)
    assert all(capacity[b, a] == capacity[a, b] and a != b for a, b in links)


@pytest.mark.parametrize("k", [2, 4, 8, 16])
def test_fat_tree_has_the_degrees_of_its_definition(k: int) -> None:
    network = workloads.fat_tree(k)
    hosts = k**3 // 4
    assert len(network.tail) == 6 * hosts
    assert network.nodes == hosts + k * k + k * k // 4
    degree = Counter(network.tail.tolist())
    assert all(degree[node] == (1 if node < hosts else k) for node in range(network.nodes))
    assert set(network.capacity.tolist()) == {10e9}


def test_flows_of_a_fat_tree_take_shortest_paths_and_use_all_of_them() -> None:
    routes = workloads.fat_tree_routes(4, 4000, np.random.default_rng(1))
    pods = np.stack([routes.source // 4, routes.destination // 4])
    edges = np.stack([routes.source // 2, routes.destination // 2])
    hops = np.where(pods[0] != pods[1], 6, np.where(edges[0] != edges[1], 4, 2))
    assert np.array_equal(np.diff(routes.indptr), hops)
    paths = [tuple(row) for row in np.split(routes.indices, routes.indptr[1:-1])]
    ends = zip(routes.source.tolist(), routes.destination.tolist(), strict=True)
    taken = Counter(end for end, _ in {(end, path) for end, path in zip(ends, paths, strict=True)})
    # Between pods of four-port switches there are four ways, within a pod two.
    assert max(taken.values()) == 4


@pytest.mark.parametrize("nodes", [3, 20, 150])
def test_wan_is_connected_and_sparse(nodes: int) -> None:
    network = workloads.wan(nodes)
    assert network.nodes == nodes
    assert set(network.capacity.tolist()) <= {1e9, 10e9, 40e9, 100e9}
    reached, frontier = {0}, [0]
    while frontier:
        node = frontier.pop()
        for other in network.head[network.tail == node].tolist():
            if other not in reached:
                reached.add(other)
                frontier.append(other)
    assert len(reached) == nodes
    assert len(network.tail) <= 2.5 * nodes


def test_wan_paths_are_shortest() -> None:
    network = workloads.wan(20)
    least = np.full((20, 20), math.inf)
    np.fill_diagonal(least, 0)
    # Bellman and Ford: after as many rounds as there are nodes nothing can get shorter.
    for _ in range(20):
        for tail, head, length in zip(network.tail, network.head, network.length, strict=True):
            least[tail] = np.minimum(least[tail], length + least[head])
    routes = workloads.wan_routes(network, 300, np.random.default_rng(2))
    assert_paths(network, routes)
    taken = np.add.reduceat(network.length[routes.indices], routes.indptr[:-1])
    np.testing.assert_allclose(taken, least[routes.source, routes.destination], rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", KINDS)
def test_median_used_link_is_offered_one_and_a_half_of_its_capacity(name: str, kind: str) -> None:
    workload = flat(name, kind, 2000)
    capacity = workload.network.capacity
    load = [0.0] * len(capacity)
    ends = workload.routes.indptr.tolist()
    for flow, offered in enumerate(workload.offered.tolist()):
        for link in workload.routes.indices[ends[flow] : ends[flow + 1]].tolist():
            load[link] += offered
    used = [of / capacity[link] for link, of in enumerate(load) if of]
    assert np.median(used) == pytest.approx(1.5, rel=1e-9)


def test_kinds_are_what_they_say() -> None:
    elastic, mixed = flat("wan-150", "elastic", 1000), flat("wan-150", "mixed", 1000)
    assert set(elastic.weight.tolist()) == {1.0}
    assert np.all(np.isinf(elastic.demand))
    assert set(mixed.weight.tolist()) == {1.0, 2.0, 4.0, 8.0}
    limited = np.isfinite(mixed.demand)
    assert limited.sum() == 500
    assert np.array_equal(mixed.demand[limited], mixed.offered[limited])


@pytest.mark.parametrize("kind", KINDS)
def test_hierarchical_flows_are_in_63_slices(kind: str) -> None:
    workload = hierarchical(kind, 3000, name="fat-tree-8")
    assert workload.slice is not None
    assert workload.slice_weight is not None
    assert set(workload.slice.tolist()) == set(range(63))
    assert (len(set(workload.slice_weight.tolist())) == 1) == (kind == "elastic")
    assert len(workload.problem().slices) == 63
    assert not workload.flat.problem().slices
    assert np.array_equal(workload.flat.demand, workload.demand)


@pytest.mark.parametrize(
    "make",
    [
        *(lambda seed, name=name: flat(name, "mixed", 300, seed) for name in SMALL_NETWORKS),
        lambda seed: hierarchical("mixed", 300, seed, "fat-tree-8"),
    ],
)
def test_same_seed_same_workload(make: Callable[[int], Workload]) -> None:
    workloads.wan.cache_clear()
    one, again, other = make(1).arguments(), make(1).arguments(), make(2).arguments()
    for name, column in one.items():
        if column is not None:
            assert np.array_equal(column, again[name]), name
    assert not np.array_equal(one["indices"], other["indices"])


@pytest.mark.parametrize("baseline", COMPETITORS)
@pytest.mark.parametrize("kind", KINDS)
def test_competitors_are_exact(baseline: Baseline, kind: str) -> None:
    for seed in range(12):
        workload = small(kind, 2 + 2 * seed, seed)
        exact = exact_rates(workload.problem())
        assert exact is not None
        expected = [float(rate) for rate in exact.values()]
        np.testing.assert_allclose(solve(baseline, workload), expected, rtol=1e-9)


@pytest.mark.parametrize("baseline", COMPETITORS)
def test_competitors_take_zero_capacities_zero_demands_and_ties(baseline: Baseline) -> None:
    # Links 0 and 1 tie at 5; link 2 carries nothing; the flow alone on link 3 wants nothing.
    capacity = np.array([10.0, 20.0, 0.0, 7.0])
    network = Network("by hand", np.arange(4), np.arange(1, 5), capacity, np.ones(4))
    paths = [[0], [0, 1], [1], [1], [1], [0, 2], [3]]
    indices = np.array([link for path in paths for link in path])
    indptr = np.array(list(accumulate(map(len, paths), initial=0)))
    routes = Routes(np.arange(7), np.arange(7), indptr, indices)
    demand = np.array([math.inf, math.inf, math.inf, 5.0, math.inf, math.inf, 0.0])
    workload = Workload(network, routes, "by hand", demand, np.ones(7), demand)
    exact = exact_rates(workload.problem())
    assert exact is not None
    assert [float(rate) for rate in exact.values()] == [5, 5, 5, 5, 5, 0, 0]
    np.testing.assert_allclose(solve(baseline, workload), [5, 5, 5, 5, 5, 0, 0], rtol=1e-9)


@pytest.mark.parametrize("baseline", [b for b in COMPETITORS if b.values[0] is not BASELINES[1]])
def test_competitors_agree_with_pure_python_on_more_flows(baseline: Baseline) -> None:
    for name in SMALL_NETWORKS:
        workload = flat(name, "mixed", 400)
        np.testing.assert_allclose(solve(baseline, workload), solve(BASELINES[1], workload), rtol=1e-9)


@pytest.mark.skipif(not BASELINES[2].installed, reason="no highspy")
def test_highs_gives_up_in_time() -> None:
    with pytest.raises(GaveUpError, match=r"gave up after 0\.001 s"):
        highs(flat("fat-tree-8", "mixed", 1000), 0.001)


def test_scatter_pass_adds_rates_to_links() -> None:
    workload = small("mixed", 30, 3)
    rate = np.arange(1.0, 31.0)
    load = np.zeros(len(workload.network.capacity))
    owner = np.repeat(np.arange(30), np.diff(workload.routes.indptr))
    np.add.at(load, workload.routes.indices, rate[owner])
    once = scatter_pass(workload, rate)
    once()
    assert np.array_equal(once(), load)


def test_results_go_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n{page.START}\nold\n{page.END}\n\nafter\n", encoding="utf-8")
    page.write(path, "new")
    assert path.read_text(encoding="utf-8") == f"before\n\n{page.START}\n\nnew\n\n{page.END}\n\nafter\n"
    page.write(path, "newer")
    assert "new\n" not in path.read_text(encoding="utf-8")
    path.write_text(f"{page.END}{page.START}", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected one of each, in this order"):
        page.write(path, "new")


def test_the_page_of_the_docs_takes_results() -> None:
    page.check(ROOT / "docs" / "performance.md")
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.index("## Results") < text.index(page.START) < text.index("## To repeat it")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(812e-6, "812 µs"), (0.99961e-3, "1.00 ms"), (0.0123, "12.3 ms"), (4.56, "4.56 s"), (0, "0.00 µs")],
)
def test_durations_have_three_digits(seconds: float, text: str) -> None:
    assert page.duration(seconds) == text


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/alloc.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "performance.md"
    done = run("--quick", "--out", str(out), "--json", PYTHONPATH=str(ROOT / "tests" / "noise"))
    assert done.returncode == 0, done.stderr
    assert "noise: C, at the end" in done.stderr
    results = json.loads(done.stdout)["results"]
    assert len(results["Flat problems"]) == 8
    for row in results["Flat problems"]:
        assert row["certified"]
        assert row["passes"] == row["ours"]["median_s"] / row["scatter"]["median_s"] > 0
    text = out.read_text(encoding="utf-8")
    for title in results:
        assert f"### {title}\n" in text
    assert (tmp_path / "img" / page.PICTURE).read_text(encoding="utf-8").startswith("<svg")


def test_benchmark_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    unknown = run("--workloads", "ring", "--out", str(tmp_path / "x.md"))
    assert unknown.returncode == 2
    assert 'found "ring", expected some of fat-tree-8' in unknown.stderr
    sizes = run("--sizes", "0,10", "--out", str(tmp_path / "x.md"))
    assert sizes.returncode == 2
    assert 'found "0,10", expected whole numbers' in sizes.stderr


def test_workload_is_what_from_arrays_takes() -> None:
    workload = flat("fat-tree-8", "mixed", 20)
    problem = AllocationProblem.from_arrays(**workload.arguments())
    assert [flow.cap for flow in problem.flows] == workload.demand.tolist()
