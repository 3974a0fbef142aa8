"""A graph that networkx writes as GraphML is, read back, the same cables."""

import math
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from fairslice.topology.load import load_network
from fairslice.topology.network import Network
from fairslice.topology.options import NetworkOptions, Scaling

UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
LABELS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cc", "Cn"]), max_size=12
)


@st.composite
def graphs(draw: st.DrawFn) -> "tuple[nx.MultiGraph[str], dict[tuple[str, str], float]]":
    """A connected graph with parallel cables and loops, and what each pair of nodes has between them."""
    count = draw(st.integers(2, 7))
    nodes = draw(
        st.lists(st.text("abXY01 _<&é", min_size=1, max_size=4), min_size=count, max_size=count, unique=True)
    )
    pairs = [(nodes[draw(st.integers(0, i - 1))], nodes[i]) for i in range(1, count)]
    pairs += draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=8))
    pairs = draw(st.permutations(pairs))
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    for node in draw(st.permutations(nodes)):
        label = draw(st.none() | LABELS)
        graph.add_node(node, **({} if label is None else {"label": label}))
    carried: dict[tuple[str, str], float] = defaultdict(float)
    for source, target in pairs:
        number = draw(st.sampled_from([1.0, 2.5, 10.0, 34.0, 155.0, 622.0]))
        unit = draw(st.sampled_from(sorted(UNITS)))
        said = draw(st.sampled_from(["raw", "speed", "both"]))
        attributes: dict[str, object] = {}
        if said != "speed":
            attributes["LinkSpeedRaw"] = number * UNITS[unit]
        if said != "raw":
            attributes |= {"LinkSpeed": f"{number:g}", "LinkSpeedUnits": unit}
        if draw(st.booleans()):
            attributes["LinkLabel"] = f"{number:g} {unit}bit/s"
        graph.add_edge(source, target, **attributes)
        if source != target:
            carried[min(source, target), max(source, target)] += number * UNITS[unit]
    return graph, dict(carried)


def read(graph: "nx.Graph[str]", options: NetworkOptions | None = None) -> Network:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "graph.graphml"
        nx.write_graphml(graph, file)
        return load_network(str(file), options=options)


def between(network: Network, nodes: list[str]) -> dict[tuple[str, str], float]:
    """What links between switches carry, by the nodes of the graph in its order."""
    node_of = dict(zip(network.switches, nodes, strict=True))
    return {
        (node_of[link.source], node_of[link.target]): link.capacity_bps
        for link in network.links.values()
        if link.source in node_of and link.target in node_of
    }


@given(graphs())
def test_what_networkx_writes_is_read_back(
    drawn: "tuple[nx.MultiGraph[str], dict[tuple[str, str], float]]",
) -> None:
    graph, carried = drawn
    network = read(graph)
    found = between(network, list(graph))
    assert found.keys() == {*carried, *((b, a) for a, b in carried)}
    for (a, b), capacity_bps in carried.items():
        assert math.isclose(found[a, b], capacity_bps)
        assert found[b, a] == found[a, b]
    # Every node can be told from every other.
    labels = [switch.label for switch in network.switches.values()]
    assert all(labels)
    assert len(set(labels)) == len(labels)
    assert [host.switch for host in network.hosts.values()] == list(network.switches)


@given(graphs(), st.data())
def test_directed_graphs_have_two_directions(
    drawn: "tuple[nx.MultiGraph[str], dict[tuple[str, str], float]]", data: st.DataObject
) -> None:
    graph, carried = drawn
    directed: nx.DiGraph[str] = nx.DiGraph()
    directed.add_nodes_from(graph)
    expected: dict[tuple[str, str], float] = {}
    for a, b in carried:
        there = data.draw(st.integers(1, 100)) * 1e6
        directed.add_edge(a, b, LinkSpeedRaw=there)
        expected |= {(a, b): there, (b, a): there}
        if data.draw(st.booleans()):
            back = data.draw(st.integers(1, 100)) * 1e6
            directed.add_edge(b, a, LinkSpeedRaw=back)
            expected[b, a] = back
    assert between(read(directed), list(directed)) == expected


@given(graphs(), st.fractions(min_value="1/1000", max_value=1))
def test_scaling_keeps_proportions(
    drawn: "tuple[nx.MultiGraph[str], dict[tuple[str, str], float]]", factor: Fraction
) -> None:
    graph, carried = drawn
    plain = read(graph)
    scaled = Scaling(factor).scaled(plain)
    fastest = Scaling(fastest_bps=20e6)
    for key, link in plain.links.items():
        assert math.isclose(scaled.links[key].capacity_bps, link.capacity_bps * factor)
        assert scaled.links[key].port_no == link.port_no
    if min(carried.values()) * 20e6 >= max(carried.values()):
        targeted = between(fastest.scaled(plain), list(graph))
        assert max(targeted.values()) == 20e6
