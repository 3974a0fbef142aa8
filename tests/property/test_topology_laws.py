"""Laws of paths, network files and discovery, on random connected networks."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import TypeVar

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from fairslice.files.json_places import find_places
from fairslice.testing.networks import conditions
from fairslice.topology.discovery import SeenHost, SeenLink, merge
from fairslice.topology.network import Host, Link, LinkKey, Network, Switch
from fairslice.topology.nodelink import from_json, to_json
from fairslice.topology.paths import path_links, spanning_tree
from fairslice.topology.trees import Trees

K = TypeVar("K")
V = TypeVar("V")


@st.composite
def networks(draw: st.DrawFn, max_switches: int = 8) -> Network:
    """Connected switches with loops, names and dpids that tell nothing of the shape, and hosts anywhere."""
    count = draw(st.integers(1, max_switches))
    numbers = draw(st.permutations(range(1, count + 1)))
    dpids = draw(st.lists(st.integers(1, 2**64 - 1), min_size=count, max_size=count, unique=True))
    names = [f"s{n}" for n in numbers]
    switches = {name: Switch(name, dpid) for name, dpid in zip(names, dpids, strict=True)}
    tree = [(names[draw(st.integers(0, i - 1))], names[i]) for i in range(1, count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if (a, b) not in tree]
    loops = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8)) if pairs else []
    attached = draw(st.lists(st.sampled_from(names), min_size=1, max_size=5))
    homes = {f"h{i}": switch for i, switch in enumerate(attached, start=1)}
    ports = dict.fromkeys(names, 0)

    def port(name: str) -> int:
        if name in homes:
            return 0
        ports[name] += draw(st.integers(1, 3))
        return ports[name]

    links: dict[LinkKey, Link] = {}
    for a, b in draw(st.permutations([*tree, *loops, *homes.items()])):
        for source, target in ((a, b), (b, a)):
            capacity = draw(st.floats(1e3, 1e10))
            links[source, target] = Link(source, target, capacity, port(source), **draw(conditions))
    hosts = {
        name: Host(name, f"02:00:00:00:00:{i:02x}", f"10.0.0.{i}", switch, links[switch, name].port_no)
        for i, (name, switch) in enumerate(homes.items(), start=1)
    }
    return Network(switches, hosts, links)


def shuffled(network: Network, random: Random) -> Network:
    """The same network with everything inserted in another order."""

    def mix(values: Mapping[K, V]) -> dict[K, V]:
        return dict(random.sample(list(values.items()), len(values)))

    return Network(mix(network.switches), mix(network.hosts), mix(network.links))


def everything_seen(network: Network) -> tuple[dict[int, set[int]], set[SeenLink]]:
    """What complete observation of a network yields: ports that are up, and LLDP both ways on every cable."""
    dpid = {switch.name: switch.dpid for switch in network.switches.values()}
    up: dict[int, set[int]] = {number: set() for number in dpid.values()}
    seen = set()
    for (source, target), link in network.links.items():
        if source in dpid:
            up[dpid[source]].add(link.port_no)
            if target in dpid:
                back = network.links[target, source]
                seen.add(SeenLink(dpid[source], link.port_no, dpid[target], back.port_no))
    return up, seen


slice_numbers = st.integers(0, 63)


@given(networks(), slice_numbers)
def test_in_tree_reaches_every_node_with_the_fewest_hops(network: Network, slice_number: int) -> None:
    for destination in network.hosts:
        tree = Trees(network).in_tree(destination, slice_number)
        assert set(tree) == set(network.graph) - {destination}
        # Hosts have one cable, so no shortest path could go through one.
        expected = nx.shortest_path_length(network.graph, target=destination)
        for source in network.graph:
            hops, node = 0, source
            while node != destination:
                assert (node, tree[node]) in network.links
                node, hops = tree[node], hops + 1
            assert hops == expected[source]


@given(networks(), slice_numbers, st.randoms(use_true_random=False))
def test_trees_do_not_depend_on_the_order_of_insertion(network: Network, number: int, random: Random) -> None:
    other = shuffled(network, random)
    assert other == network
    assert spanning_tree(other) == spanning_tree(network)
    for destination in network.hosts:
        assert Trees(other).in_tree(destination, number) == Trees(network).in_tree(destination, number)


@given(networks(), slice_numbers, st.data())
def test_a_link_that_fails_moves_only_what_used_it(
    network: Network, number: int, data: st.DataObject
) -> None:
    destination = data.draw(st.sampled_from(sorted(network.hosts)))
    before = Trees(network).in_tree(destination, number)
    used = set(before.items())
    spare = [key for key in sorted(network.links) if key not in used]
    down = data.draw(st.lists(st.sampled_from(spare), unique=True)) if spare else []
    assert Trees(network.without(down)).in_tree(destination, number) == before


@given(networks(), slice_numbers, st.data())
def test_a_path_follows_its_tree_from_host_to_host(
    network: Network, number: int, data: st.DataObject
) -> None:
    hosts = st.sampled_from(sorted(network.hosts))
    source, destination = data.draw(hosts), data.draw(hosts)
    found = Trees(network).path(source, destination, number)
    assert (found[0], found[-1]) == (source, destination)
    assert set(path_links(found)) <= set(Trees(network).in_tree(destination, number).items())
    assert len(path_links(found)) == len(found) - 1
    assert all(node in network.switches for node in found[1:-1])


@given(networks(), st.data())
def test_spanning_tree_joins_what_is_joined_without_a_loop(network: Network, data: st.DataObject) -> None:
    trunks = [key for key in sorted(network.links) if set(key) <= set(network.switches)]
    down = data.draw(st.lists(st.sampled_from(trunks), unique=True)) if trunks else []
    left = network.without(down)
    tree = spanning_tree(left)
    assert tree <= set(left.links)
    assert {(b, a) for a, b in tree} == tree
    works: nx.Graph[str] = nx.Graph()
    works.add_nodes_from(network.switches)
    works.add_edges_from(key for key in trunks if key in left.links and key[::-1] in left.links)
    parts = nx.number_connected_components(works)
    forest: nx.Graph[str] = nx.Graph()
    forest.add_nodes_from(network.switches)
    forest.add_edges_from(tree)
    assert nx.number_connected_components(forest) == parts
    assert len(tree) == 2 * (len(network.switches) - parts)


@given(networks())
def test_a_network_file_round_trips(network: Network) -> None:
    assert from_json(to_json(network), "net.json") == network
    assert from_json(json.loads(json.dumps(to_json(network))), "net.json") == network


@given(networks())
def test_a_delay_or_loss_is_written_only_where_there_is_one(network: Network) -> None:
    for edge in to_json(network)["edges"]:
        link = network.links[edge["source"], edge["target"]]
        assert ("delay" in edge) == (link.delay_s != 0)
        assert ("loss" in edge) == (link.loss != 0)
        assert network.graph.edges[link.key].get("delay", 0.0) == link.delay_s
        assert network.graph.edges[link.key].get("loss", 0.0) == link.loss


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
def test_places_find_every_value_of_any_json(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    places = find_places(text, "f.json")
    lines = text.split("\n")
    expected = dict(leaves((), value))
    assert set(places.found) == set(expected)
    assert not places.repeated
    for where, part in expected.items():
        location = places.found[where]
        rest = lines[location.line - 1][location.column - 1 :]
        if where and isinstance(where[-1], str):
            assert rest.startswith(json.dumps(where[-1], ensure_ascii=ascii_only))
        elif isinstance(part, list | dict):
            assert rest[0] == ("[" if isinstance(part, list) else "{")
        else:
            assert rest.startswith(json.dumps(part, ensure_ascii=ascii_only))


def leaves(where: tuple[str | int, ...], value: object) -> Iterable[tuple[tuple[str | int, ...], object]]:
    yield where, value
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves((*where, key), part)
    if isinstance(value, list):
        for i, part in enumerate(value):
            yield from leaves((*where, i), part)


@given(networks())
def test_seeing_everything_yields_the_network_of_the_file(network: Network) -> None:
    up, seen = everything_seen(network)
    found = merge(network, up, seen, (), {})
    assert found.network == network
    assert found.missing == found.surprises == ()


@given(networks(), st.data())
def test_merge_loses_exactly_what_is_down(network: Network, data: st.DataObject) -> None:
    up, seen = everything_seen(network)
    off = data.draw(st.sets(st.sampled_from(sorted(up)), max_size=2))
    ports = [(dpid, port_no) for dpid in sorted(up) for port_no in sorted(up[dpid])]
    down = data.draw(st.sets(st.sampled_from(ports), max_size=3))
    deaf = data.draw(st.sets(st.sampled_from(sorted(seen, key=repr)), max_size=2)) if seen else set()
    now = {dpid: {p for p in of if (dpid, p) not in down} for dpid, of in up.items() if dpid not in off}
    found = merge(network, now, seen - deaf, (), {})

    def gone(name: str) -> bool:
        return name in network.switches and network.switches[name].dpid in off

    def dead(key: LinkKey) -> bool:
        for source, target in (key, key[::-1]):
            port_no = network.links[source, target].port_no
            if source in network.switches:
                dpid = network.switches[source].dpid
                if gone(source) or (dpid, port_no) in down:
                    return True
                if any((link.dpid, link.port_no) == (dpid, port_no) for link in deaf):
                    return True
        return False

    lost = {key for key in network.links if dead(key)}
    assert found.network.switches == {n: s for n, s in network.switches.items() if not gone(n)}
    assert found.network.links == {key: link for key, link in network.links.items() if key not in lost}
    assert found.network.hosts == {n: h for n, h in network.hosts.items() if (n, h.switch) not in lost}
    assert found.surprises == ()
    unsaid = {key for key in lost if not any(gone(end) for end in key)}
    assert len(found.missing) == len(off) + len(unsaid) / 2


@given(networks())
def test_without_a_file_the_same_network_is_found_up_to_names(network: Network) -> None:
    up, seen = everything_seen(network)
    dpid = {switch.name: switch.dpid for switch in network.switches.values()}
    capacities = {
        (dpid[key[0]], link.port_no): link.capacity_bps
        for key, link in network.links.items()
        if key[0] in dpid
    }
    hosts = [SeenHost(dpid[h.switch], h.port_no, h.mac, h.ip) for h in network.hosts.values()]
    found = merge(None, up, seen, hosts, capacities)
    assert found.surprises == found.missing == ()
    new = {name: f"s{number}" for name, number in dpid.items()} | {name: name for name in network.hosts}
    expected = {}
    for key, link in network.links.items():
        # A host's own sending rate can't be seen; its switch's port stands for both.
        rate = network.links[key[::-1]].capacity_bps if key[0] in network.hosts else link.capacity_bps
        # Nor can delays and losses.
        renamed = Link(new[key[0]], new[key[1]], rate, link.port_no)
        expected[renamed.key] = renamed
    assert found.network.links == expected
    assert found.network.hosts == {n: replace(h, switch=new[h.switch]) for n, h in network.hosts.items()}


small = st.integers(1, 4)
rates = st.sampled_from([0.0, 1e6, 2e6, float("inf")])


@given(
    st.none() | networks(max_switches=4),
    st.dictionaries(small, st.frozensets(small)),
    st.frozensets(st.builds(SeenLink, small, small, small, small), max_size=12),
    st.lists(
        st.builds(
            SeenHost, small, small, small.map("02:00:00:00:00:{:02x}".format), small.map("10.0.0.{}".format)
        ),
        max_size=6,
    ),
    st.dictionaries(st.tuples(small, small), rates),
)
def test_whatever_was_seen_a_network_comes_of_it(
    expected: Network | None,
    up: dict[int, frozenset[int]],
    seen: frozenset[SeenLink],
    hosts: list[SeenHost],
    capacities: dict[tuple[int, int], float],
) -> None:
    if expected is not None:  # Small dpids, so that what is seen has to do with them.
        few = {n: Switch(n, i) for i, n in enumerate(sorted(expected.switches), start=1)}
        expected = replace(expected, switches=few)
    both = seen | {SeenLink(s.peer_dpid, s.peer_port_no, s.dpid, s.port_no) for s in seen}
    for links in (seen, both):
        network = merge(expected, up, links, hosts, capacities).network
        assert {s.dpid for s in network.switches.values()} <= set(up)
        assert all(key[::-1] in network.links for key in network.links)
        ports = [(link.source, link.port_no) for link in network.links.values()]
        assert len(set(ports)) == len(ports)
        for link in network.links.values():
            assert 0 < link.capacity_bps < float("inf")
            assert link.source in network.hosts or link.port_no in up[network.switches[link.source].dpid]
        for name, host in network.hosts.items():
            assert network.links[host.switch, name].port_no == host.port_no
            assert [key for key in network.links if key[0] == name] == [(name, host.switch)]
        for values in ({h.mac for h in network.hosts.values()}, {h.ip for h in network.hosts.values()}):
            assert len(values) == len(network.hosts)


@given(st.integers(2, 6), st.integers(0, 99))
def test_ties_spread_over_all_candidates(width: int, offset: int) -> None:
    """h1 - s1 - {m1..mw} - s2 - h2: over slices and destinations every middle switch gets its share."""
    middles = [f"s{i}" for i in range(3, 3 + width)]
    names = ["s1", "s2", *middles]
    switches = {name: Switch(name, i) for i, name in enumerate(names, start=1)}
    links: dict[LinkKey, Link] = {}
    for i, middle in enumerate(middles, start=2):
        for end in ("s1", "s2"):
            links[end, middle] = Link(end, middle, 1e6, i)
            links[middle, end] = Link(middle, end, 1e6, 1 if end == "s1" else 2)
    hosts = {}
    for j in range(16):
        name = f"h{offset + j}"
        hosts[name] = Host(name, f"02:00:00:00:00:{j:02x}", f"10.0.0.{j + 1}", "s2", 100 + j)
        links[name, "s2"] = Link(name, "s2", 1e6, 0)
        links["s2", name] = Link("s2", name, 1e6, 100 + j)
    network = Network(switches, hosts, links)
    chosen = [Trees(network).in_tree(name, number)["s1"] for name in hosts for number in range(16)]
    for middle in middles:
        # 256 choices, each 1/width: five standard deviations around the mean of a binomial.
        mean, deviation = 256 / width, (256 / width * (1 - 1 / width)) ** 0.5
        assert abs(chosen.count(middle) - mean) < 5 * deviation
