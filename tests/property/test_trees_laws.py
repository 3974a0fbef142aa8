"""Trees that are kept are those that would be found anew, whatever happened to links meanwhile."""

import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairslice.topology.trees as module
from fairslice.testing.networks import build_network, networks
from fairslice.topology.network import Host, Network
from fairslice.topology.paths import NoPathError, preferred, toward
from fairslice.topology.trees import Trees

SLICES = (0, 1, 5)


def defined_tree(network: Network, destination: str, number: int) -> Mapping[str, str]:
    """An in-tree by its definition: of the widest of the shortest ways each node takes the preferred one."""
    widest = toward(network, destination).widest
    return {node: preferred(nodes, f"{number}/{destination}/{node}") for node, nodes in widest.items()}


def followed(tree: Mapping[str, str], source: str, destination: str) -> tuple[str, ...] | None:
    """The way from a host along an in-tree; None if there is none."""
    nodes = [source]
    while nodes[-1] != destination:
        if nodes[-1] not in tree:
            return None
        nodes.append(tree[nodes[-1]])
    return tuple(nodes)


def kept_path(trees: Trees, source: str, destination: str, number: int) -> tuple[str, ...] | None:
    try:
        return trees.path(source, destination, number)
    except NoPathError:
        return None


def assert_alike(trees: Trees) -> None:
    """Asked in the order of the hosts, so that some trees are known before, and some are not."""
    network = trees.network
    for number in SLICES:
        for destination in network.hosts:
            tree = defined_tree(network, destination, number)
            for source in network.hosts:
                expected = followed(tree, source, destination)
                assert kept_path(trees, source, destination, number) == expected
            assert trees.in_tree(destination, number) == tree


@st.composite
def changed(draw: st.DrawFn, whole: Network) -> Network:
    """What is left of a network: some links are gone, in one direction or both, and some carry less."""
    keys = sorted(whole.links)
    gone = set(draw(st.lists(st.sampled_from(keys), max_size=4)))
    if draw(st.booleans()):
        gone |= {(b, a) for a, b in gone}
    slow = draw(st.lists(st.sampled_from(keys), max_size=2))
    slower = {key: replace(whole.links[key], capacity_bps=whole.links[key].capacity_bps / 2) for key in slow}
    return replace(whole, links={**whole.links, **slower}).without(gone)


@given(st.data(), networks(max_switches=8))
def test_kept_trees_are_those_found_anew(data: st.DataObject, whole: Network) -> None:
    trees = Trees(whole)
    assert_alike(trees)
    for _ in range(3):
        trees = trees.on(data.draw(changed(whole)))
        if data.draw(st.booleans()):
            assert_alike(trees)
    assert_alike(trees.on(whole))


@given(st.data(), networks(max_switches=8))
def test_a_network_s_own_trees_stay_what_they_are(data: st.DataObject, whole: Network) -> None:
    trees = Trees(whole)
    assert_alike(trees)
    for _ in range(3):
        assert_alike(trees.on(data.draw(changed(whole))))
    assert_alike(trees)


def test_only_what_used_a_link_is_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    really = module._reach

    def counted(before: Mapping[str, Sequence[tuple[str, float]]], last: str) -> module._Reach:
        built.append(last)
        return really(before, last)

    monkeypatch.setattr(module, "_reach", counted)
    # A square of switches with a host at each: of two ways one is left, or there is another instead.
    square = build_network(
        [("s1", "s2"), ("s2", "s3"), ("s3", "s4"), ("s4", "s1"), *((f"h{i}", f"s{i}") for i in range(1, 5))]
    )
    trees = Trees(square)
    assert_alike(trees)
    assert sorted(built) == ["s1", "s2", "s3", "s4"]
    built.clear()
    broken = trees.on(square.without([("s1", "s2")]))
    assert broken.path("h4", "h1", 1) == ("h4", "s4", "s1", "h1")
    assert_alike(broken)
    # From s1 there is another way to s3, so its tree only loses a branch; that of s2 has lost the only one.
    assert built == ["s2"]


def test_hosts_that_move_are_found_where_they_are() -> None:
    network = build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s2"), ("h3", "s2")])
    trees = Trees(network)
    assert_alike(trees)
    here = network.hosts["h3"]
    moved = replace(
        network.without([("h3", "s2"), ("s2", "h3")]),
        hosts={**network.hosts, "h3": Host(here.name, here.mac, here.ip, "s1", 9)},
    )
    links = {
        ("h3", "s1"): replace(network.links["h3", "s2"], target="s1"),
        ("s1", "h3"): replace(network.links["s2", "h3"], source="s1", port_no=9),
    }
    moved = replace(moved, links={**moved.links, **links})
    assert trees.on(moved).path("h2", "h3", 1) == ("h2", "s2", "s1", "h3")
    assert_alike(trees.on(moved))


def test_hosts_that_are_not_there_have_no_path() -> None:
    trees = Trees(build_network([("h1", "s1"), ("h2", "s1")]))
    with pytest.raises(NoPathError, match="h9 is not a host of the network"):
        trees.path("h1", "h9", 1)
    with pytest.raises(KeyError):
        trees.in_tree("h9", 1)


def test_threads_share_trees() -> None:
    """Some ask for paths while others take the trees over to networks with other links."""
    ring = [f"s{number}" for number in range(1, 9)]
    cables = list(pairwise([*ring, ring[0]]))
    whole = build_network([*cables, *((f"h{number}", f"s{number % 8 + 1}") for number in range(1, 25))])
    trees = Trees(whole)
    begin = threading.Barrier(4)

    def ask(number: int) -> Mapping[tuple[str, str], tuple[str, ...] | None]:
        begin.wait()
        return {(a, b): kept_path(trees, a, b, number) for a in whole.hosts for b in whole.hosts}

    def take_over(first: int) -> list[Trees]:
        begin.wait()
        return [trees.on(whole.without([key])) for _ in range(6) for key in cables[first::2]]

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, number) for number in SLICES[1:]]
            taking = [pool.submit(take_over, first) for first in range(2)]
            taken = [other for one in taking for other in one.result()]
            asked = [one.result() for one in asking]
    finally:
        sys.setswitchinterval(interval_s)
    for number, found in zip(SLICES[1:], asked, strict=True):
        for source, destination in [*found][:50]:
            tree = defined_tree(whole, destination, number)
            assert found[source, destination] == followed(tree, source, destination)
    for other in taken[:: len(taken) // 3]:
        for destination in [*whole.hosts][:3]:
            tree = defined_tree(other.network, destination, 1)
            for source in whole.hosts:
                assert kept_path(other, source, destination, 1) == followed(tree, source, destination)
