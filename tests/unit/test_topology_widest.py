"""Of equally short ways the widest comes first, then those that share few links."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.policy import load_policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.testing.commands import run_command
from fairslice.testing.networks import build_network
from fairslice.topology.k_paths import k_paths
from fairslice.topology.network import LinkKey, Network
from fairslice.topology.nodelink import to_json
from fairslice.topology.paths import NoPathError, width_bps
from fairslice.topology.trees import Trees
from fairslice.topology.ways import shortest_ways

MORE_THAN_ALL = 10_000


def with_capacities(network: Network, capacities: dict[LinkKey, float]) -> Network:
    """The same network with capacities in Mbit/s for some cables, both ways."""
    changed = {
        key: replace(network.links[key], capacity_bps=capacity * 1e6)
        for pair, capacity in capacities.items()
        for key in (pair, pair[::-1])
    }
    return replace(network, links={**network.links, **changed})


def diamond(fast: float = 10, slow: float = 1, host: float = 100) -> Network:
    """Two hosts a side; two equally short ways: over s2, which carries ``fast``, and over s3."""
    trunks = {("s1", "s2"): fast, ("s2", "s4"): fast, ("s1", "s3"): slow, ("s3", "s4"): slow}
    access = {("h1", "s1"): host, ("h2", "s1"): host, ("h3", "s4"): host, ("h4", "s4"): host}
    return with_capacities(build_network([*trunks, *access]), {**trunks, **access})


def allocated(tmp_path: Path, network: Network, policy: str) -> NetworkAllocation:
    file = tmp_path / "policy.yaml"
    file.write_text(f"version: 1\n{policy}\n")
    return allocate_slices(load_policy(file), network)


BOTH = "slices:\n  upper: {%s flows: [{from: h1, to: h3}]}\n  lower: {flows: [{from: h2, to: h4}]}"


def test_whoever_goes_alone_has_the_width_of_the_wider_way(tmp_path: Path) -> None:
    upper = "slices:\n  upper: {flows: [{from: h1, to: h3}]}"
    (flow,) = allocated(tmp_path, diamond(), upper).flows
    assert flow.route.path == ("h1", "s1", "s2", "s4", "h3")
    assert flow.route.return_path == ("h3", "s4", "s2", "s1", "h1")
    assert flow.rate_bps == 10e6


def test_two_slices_share_the_wider_way(tmp_path: Path) -> None:
    flows = allocated(tmp_path, diamond(), BOTH % "").flows
    assert [flow.route.path[2] for flow in flows] == ["s2", "s2"]
    assert [flow.rate_bps for flow in flows] == pytest.approx([5e6, 5e6])


def test_a_guarantee_fits_over_the_wider_way(tmp_path: Path) -> None:
    flows = allocated(tmp_path, diamond(), BOTH % "guarantee: 5 Mbit/s,").flows
    assert flows[0].route.path == ("h1", "s1", "s2", "s4", "h3")
    assert flows[0].rate_bps >= 5e6 * (1 - 1e-9)


def test_of_two_paths_the_wider_is_first_and_both_carry(tmp_path: Path) -> None:
    flows = allocated(tmp_path, diamond(), f"defaults: {{paths: 2}}\n{BOTH % ''}").flows
    for flow in flows:
        assert [nodes[2] for nodes in flow.route.paths] == ["s2", "s3"]
        assert flow.rate_bps == pytest.approx(5.5e6)


def test_two_services_of_one_pair_share_the_wider_way(tmp_path: Path) -> None:
    services = """slices:
  video: {weight: 10, flows: [{from: h1, to: h3, match: {proto: udp, dst_port: 9999}}]}
  other: {weight: 1, flows: [{from: h1, to: h3, match: {proto: tcp}}]}"""
    video, other = allocated(tmp_path, diamond(), services).flows
    assert video.route.path[2] == other.route.path[2] == "s2"
    assert video.rate_bps == pytest.approx(100e6 / 11)
    assert other.rate_bps == pytest.approx(10e6 / 11)


@pytest.mark.parametrize("host", [0.5, 1, 5, 10, 100])
@pytest.mark.parametrize(("fast", "slow"), [(10, 1), (1, 10), (10, 9.999), (1000, 10)])
@pytest.mark.parametrize("slice_number", [0, 1, 2, 63])
def test_the_wider_branch_is_taken_whatever_the_hosts_cables_carry(
    host: float, fast: float, slow: float, slice_number: int
) -> None:
    network = diamond(fast, slow, host)
    wider = "s2" if fast > slow else "s3"
    for source, destination in (("h1", "h3"), ("h2", "h4"), ("h4", "h1"), ("h3", "h2")):
        assert Trees(network).path(source, destination, slice_number)[2] == wider
        first, second = k_paths(Trees(network), source, destination, slice_number, 5)
        assert (first[2], second[2]) == (wider, "s3" if fast > slow else "s2")


def test_a_direction_counts_by_itself() -> None:
    """Down the cable over s3 is the wider, up that over s2."""
    network = diamond(10, 10)
    narrow = {("s1", "s2"): 4e6, ("s3", "s1"): 2e6}
    links = {key: replace(link, capacity_bps=narrow.get(key, 10e6)) for key, link in network.links.items()}
    network = replace(network, links=links)
    for number in range(16):
        assert Trees(network).path("h1", "h3", number)[2] == "s3"
        assert Trees(network).path("h3", "h1", number)[2] == "s2"


def test_fewer_hops_come_before_width() -> None:
    trunks = {("s1", "s2"): 1.0, ("s1", "s3"): 100.0, ("s3", "s2"): 100.0}
    network = with_capacities(build_network([*trunks, ("h1", "s1"), ("h2", "s2")]), trunks)
    assert Trees(network).path("h1", "h2", 1) == ("h1", "s1", "s2", "h2")
    assert k_paths(Trees(network), "h1", "h2", 1, 2)[1] == ("h1", "s1", "s3", "s2", "h2")


def test_equally_wide_ways_are_still_spread_over() -> None:
    """Four ways, of which two are the widest: slices and destinations go over both, never over the others."""
    middles = {"s3": 20.0, "s4": 50.0, "s5": 50.0, "s6": 10.0}
    trunks = {(end, middle): wide for middle, wide in middles.items() for end in ("s1", "s2")}
    network = with_capacities(build_network([*trunks, ("h1", "s1"), ("h2", "s2"), ("h3", "s2")]), trunks)
    taken = [Trees(network).path("h1", to, number)[2] for to in ("h2", "h3") for number in range(32)]
    assert set(taken) == {"s4", "s5"}
    assert 20 <= taken.count("s4") <= 44
    order = [nodes[2] for nodes in k_paths(Trees(network), "h1", "h2", 1, 4)]
    assert order[2:] == ["s3", "s6"]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Up to 7 switches, few different capacities, so that there are ties, and directions that are down."""
    count = draw(st.integers(2, 7))
    pairs = [(f"s{a}", f"s{b}") for a in range(1, count + 1) for b in range(1, a)]
    cables = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    whole = build_network([*pairs, ("h1", "s1"), ("h2", f"s{count}"), ("h3", "s1")])
    kept = {*cables, *((b, a) for a, b in cables)}
    access = {key for key in whole.links if not set(key) <= set(whole.switches)}
    down = draw(st.sets(st.sampled_from(sorted(kept)), max_size=2))
    wide = {key: draw(st.sampled_from([1e6, 2e6, 5e6])) for key in sorted(whole.links)}
    return replace(
        whole,
        links={
            key: replace(link, capacity_bps=wide[key])
            for key, link in whole.links.items()
            if key in access or (key in kept and key not in down)
        },
    )


def shortest_by_networkx(network: Network, source: str, destination: str) -> list[tuple[str, ...]]:
    graph = network.graph.copy()
    graph.remove_nodes_from([host for host in network.hosts if host not in (source, destination)])
    try:
        return [tuple(nodes) for nodes in nx.all_shortest_paths(graph, source, destination)]
    except nx.NetworkXNoPath:
        return []


@given(networks(), st.integers(0, 63))
@settings(max_examples=300, deadline=None)
def test_the_way_taken_is_a_widest_of_all_shortest_ones(network: Network, number: int) -> None:
    """From every switch, not only from hosts: the tree is right at each of its nodes."""
    tree = Trees(network).in_tree("h2", number)
    for source in (*network.switches, "h1", "h3"):
        every = shortest_by_networkx(network, source, "h2")
        assert (source in tree) == bool(every)
        if not every:
            continue
        nodes = [source]
        while nodes[-1] != "h2":
            nodes.append(tree[nodes[-1]])
        assert tuple(nodes) in every

        def narrowest(way: tuple[str, ...]) -> float:
            trunks = [key for key in pairwise(way) if set(key) <= set(network.switches)]
            return min((network.graph.edges[key]["capacity"] for key in trunks), default=float("inf"))

        assert narrowest(tuple(nodes)) == max(map(narrowest, every))
        if source in network.hosts:
            # And so it is where the hosts' own cables count: they are on every way.
            whole = [min(network.links[key].capacity_bps for key in pairwise(w)) for w in every]
            own = min(network.links[key].capacity_bps for key in pairwise(nodes))
            assert own == max(whole)


@given(networks(), st.integers(0, 63))
@settings(max_examples=200, deadline=None)
def test_several_paths_come_by_hops_then_by_width(network: Network, number: int) -> None:
    graph = network.graph.copy()
    graph.remove_node("h3")
    every = [tuple(nodes) for nodes in nx.all_simple_paths(graph, "h1", "h2")]
    if not every:
        with pytest.raises(NoPathError):
            k_paths(Trees(network), "h1", "h2", number, 3)
        return
    found = k_paths(Trees(network), "h1", "h2", number, MORE_THAN_ALL)
    assert set(found) == set(every)

    def rank(nodes: tuple[str, ...]) -> tuple[int, float]:
        return (len(nodes), -width_bps(network, nodes))

    assert [rank(nodes) for nodes in found] == sorted(map(rank, every))
    assert found[0] == Trees(network).path("h1", "h2", number)


@given(networks(), st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_all_equally_short_ways_are_counted_and_the_widest_told(network: Network, most: int) -> None:
    every = shortest_by_networkx(network, "h1", "h2")
    if not every:
        with pytest.raises(NoPathError):
            shortest_ways(network, "h1", "h2", most)
        return
    ways = shortest_ways(network, "h1", "h2", most)
    assert ways.count == len(every)
    assert len(ways.ways) == min(most, len(every))
    assert {way.nodes for way in ways.ways} <= set(every)
    assert [way.width_bps for way in ways.ways] == [width_bps(network, way.nodes) for way in ways.ways]
    widths = sorted((width_bps(network, nodes) for nodes in every), reverse=True)
    assert [way.width_bps for way in ways.ways] == widths[:most]


def test_the_plan_says_which_ways_there_were(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    policy, network = tmp_path / "policy.yaml", tmp_path / "network.json"
    policy.write_text(f"version: 1\n{BOTH % ''}\n  near: {{flows: [{{from: h1, to: h2}}]}}\n")
    network.write_text(json.dumps(to_json(diamond())))
    given_ = ("plan", policy, "--topology", network, "--rates-only")
    assert run_command(monkeypatch, *given_) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "1 upper h1->h3 10 Mbit/s taken h1 s1 s2 s4 h3" in rows
    assert "1 Mbit/s h1 s1 s3 s4 h3" in rows
    assert run_command(monkeypatch, *given_, "--json") == 0
    ways = json.loads(capsys.readouterr().out)["ways"]
    # Where there is one way only nothing was chosen.
    assert [one["flow"] for one in ways] == ["upper:h1->h3", "lower:h2->h4"]
    assert ways[0] == {
        "flow": "upper:h1->h3",
        "count": 2,
        "ways": [
            {"nodes": ["h1", "s1", "s2", "s4", "h3"], "width_bps": 10e6, "taken": True},
            {"nodes": ["h1", "s1", "s3", "s4", "h3"], "width_bps": 1e6, "taken": False},
        ],
    }


def test_of_many_ways_some_are_shown_and_all_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    middles = [f"s{i}" for i in range(3, 13)]
    cables = [(end, middle) for middle in middles for end in ("s1", "s2")]
    network = build_network([*cables, ("h1", "s1"), ("h2", "s2")])
    file, policy = tmp_path / "network.json", tmp_path / "policy.yaml"
    file.write_text(json.dumps(to_json(network)))
    policy.write_text("version: 1\nslices:\n  a: {flows: [{from: h1, to: h2}]}\n")
    assert run_command(monkeypatch, "plan", policy, "--topology", file, "--rates-only", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    (ways,) = shown["ways"]
    assert ways["count"] == 10
    assert len(ways["ways"]) < 10
    taken = [way["nodes"] for way in ways["ways"] if way["taken"]]
    assert taken == [shown["flows"][0]["path"]]
    assert run_command(monkeypatch, "plan", policy, "--topology", file, "--rates-only") == 0
    assert f"{10 - len(ways['ways'])} more" in capsys.readouterr().out
