"""The k shortest paths against every path there is, on networks small enough to list them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.testing.networks import build_network
from fairslice.topology.k_paths import k_paths
from fairslice.topology.load import load_network
from fairslice.topology.network import Link, Network
from fairslice.topology.paths import NoPathError, path_links
from fairslice.topology.trees import Trees

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
MORE_THAN_ALL = 10_000


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Up to 6 switches in any graph, connected or not, with a host on the first and on the last of them."""
    count = draw(st.integers(2, 6))
    pairs = [(f"s{a}", f"s{b}") for a in range(1, count + 1) for b in range(1, a)]
    cables = draw(st.lists(st.sampled_from(pairs), unique=True))
    whole = build_network([*pairs, ("h1", "s1"), ("h2", f"s{count}"), ("h3", "s1")])
    kept = {*cables, *((b, a) for a, b in cables)}
    # A direction of a cable may be down by itself.
    down = draw(st.sets(st.sampled_from(sorted(kept)))) if kept else set()
    trunks = [key for key in whole.links if key[0] in whole.switches and key[1] in whole.switches]
    return whole.without({key for key in trunks if key not in kept or key in down})


def all_paths(network: Network, source: str, destination: str) -> set[tuple[str, ...]]:
    others = [host for host in network.hosts if host not in (source, destination)]
    graph = network.graph.copy()
    graph.remove_nodes_from(others)
    return set(map(tuple, nx.all_simple_paths(graph, source, destination)))


@given(networks(), st.integers(0, 63), st.integers(1, 16))
@settings(max_examples=300, deadline=None)
def test_they_are_the_shortest_of_all_paths(network: Network, slice_number: int, count: int) -> None:
    every = all_paths(network, "h1", "h2")
    if not every:
        with pytest.raises(NoPathError, match="no path from h1 to h2"):
            k_paths(Trees(network), "h1", "h2", slice_number, count)
        return
    found = k_paths(Trees(network), "h1", "h2", slice_number, count)
    assert len(set(found)) == len(found) == min(count, len(every))
    assert set(found) <= every
    hops = [len(nodes) for nodes in found]
    assert hops == sorted(map(len, every))[:count]
    assert found[0] == Trees(network).path("h1", "h2", slice_number)


@given(networks(), st.integers(0, 63))
@settings(max_examples=100, deadline=None)
def test_fewer_are_the_first_of_more(network: Network, slice_number: int) -> None:
    """So that another path in a policy leaves those that flows have already where they are."""
    if not all_paths(network, "h1", "h2"):
        return
    every = k_paths(Trees(network), "h1", "h2", slice_number, MORE_THAN_ALL)
    for count in (1, 2, 3, 5):
        assert k_paths(Trees(network), "h1", "h2", slice_number, count) == every[:count]


@given(networks(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_links_in_the_network_does_not_matter(network: Network, random: object) -> None:
    if not all_paths(network, "h1", "h2"):
        return
    links = list(network.links.items())
    random.shuffle(links)  # type: ignore[attr-defined]
    shuffled = Network(network.switches, network.hosts, dict(links))
    assert k_paths(Trees(shuffled), "h1", "h2", 1, 8) == k_paths(Trees(network), "h1", "h2", 1, 8)


def pairs(network: Network) -> Iterator[tuple[str, str]]:
    yield from ((a, b) for a in network.hosts for b in network.hosts if a != b)


@pytest.mark.parametrize(("topology", "count"), [("fat_tree", 4), ("abilene", 8), ("ring", 4)])
def test_on_the_topologies_that_come_with_the_project(topology: str, count: int) -> None:
    network = load_network(str(TOPOLOGIES / f"{topology}.py"))
    firsts = set()
    for source, destination in pairs(network):
        found = k_paths(Trees(network), source, destination, 1, count)
        assert found[0] == Trees(network).path(source, destination, 1)
        assert len(set(found)) == len(found)
        assert sorted(found, key=len) == list(found)
        for nodes in found:
            assert len(set(nodes)) == len(nodes)
            assert (nodes[0], nodes[-1]) == (source, destination)
            assert set(nodes[1:-1]) <= set(network.switches)
            assert set(path_links(nodes)) <= set(network.links)
        firsts |= {nodes for nodes in found if len(nodes) == len(found[0])}
    if topology == "ring":
        assert {len(k_paths(Trees(network), *pair, 1, count)) for pair in pairs(network)} == {2}
    if topology == "fat_tree":
        # Four equally short ones between pods, two inside of one (Al-Fares et al., SIGCOMM 2008, §2).
        assert [len(nodes) for nodes in k_paths(Trees(network), "h1", "h16", 1, 5)] == [7, 7, 7, 7, 9]
        assert [len(nodes) for nodes in k_paths(Trees(network), "h1", "h3", 1, 3)] == [5, 5, 11]


def test_slices_try_equal_paths_in_orders_of_their_own() -> None:
    network = load_network(str(TOPOLOGIES / "fat_tree.py"))
    orders = {k_paths(Trees(network), "h1", "h16", number, 4) for number in range(64)}
    assert len({frozenset(order) for order in orders}) == 1
    # Any may be first, the two of the other half follow, in either order.
    assert len({order[0] for order in orders}) == 4
    assert len(orders) == 8


def test_of_equally_short_ones_those_that_share_no_trunk_come_first() -> None:
    network = load_network(str(TOPOLOGIES / "fat_tree.py"))
    for number in range(64):
        first, second = k_paths(Trees(network), "h1", "h16", number, 2)
        assert set(first[2:-2]).isdisjoint(second[2:-2])


def test_every_process_finds_the_same() -> None:
    """Python's hashes of strings differ from one process to the next, and with them the order of sets."""
    script = (
        "from fairslice.topology.k_paths import k_paths; from fairslice.topology.load import load_network; "
        "from fairslice.topology.trees import Trees; "
        f"print(k_paths(Trees(load_network({str(TOPOLOGIES / 'abilene.py')!r})), 'h1', 'h9', 3, 8))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    network = load_network(str(TOPOLOGIES / "abilene.py"))
    assert printed == {f"{k_paths(Trees(network), 'h1', 'h9', 3, 8)}\n"}


def test_hosts_never_carry_the_traffic_of_others() -> None:
    """A host between two parts, as a file can't have it but a graph could, joins nothing."""
    network = build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s2"), ("h3", "s1")])
    bridge = {key: Link(*key, 1e6, 9) for key in (("h3", "s2"), ("s2", "h3"))}
    joined = Network(network.switches, network.hosts, dict(network.links) | bridge)
    assert k_paths(Trees(joined), "h1", "h2", 1, 16) == (("h1", "s1", "s2", "h2"),)


def test_a_few_of_very_many_are_found_at_once() -> None:
    """On a grid of 12 by 12 switches two corners have more than 10^20 paths; nobody lists them."""
    size = 12
    cables = [
        (f"s{size * x + y + 1}", f"s{size * (x + dx) + y + dy + 1}")
        for x in range(size)
        for y in range(size)
        for dx, dy in ((0, 1), (1, 0))
        if x + dx < size and y + dy < size
    ]
    network = build_network([*cables, ("h1", "s1"), ("h2", f"s{size * size}")])
    found = k_paths(Trees(network), "h1", "h2", 1, 16)
    assert len(set(found)) == 16
    assert {len(nodes) for nodes in found} == {2 * size + 1}


def test_what_has_no_meaning_is_refused() -> None:
    network = build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s2")])
    with pytest.raises(ValueError, match="count is 0, expected 1 or more"):
        k_paths(Trees(network), "h1", "h2", 1, 0)
    with pytest.raises(NoPathError, match="h9 is not a host of the network"):
        k_paths(Trees(network), "h1", "h9", 1, 2)
