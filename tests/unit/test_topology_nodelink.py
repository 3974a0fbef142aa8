"""Network files: the format, and everything wrong with one, at its line."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from fairslice.errors import InputError
from fairslice.topology.load import load_network
from fairslice.topology.network import Host, Link, Network, Switch
from fairslice.topology.nodelink import from_json, to_json

NETWORK = Network(
    {"s1": Switch("s1", 1), "s2": Switch("s2", 0xFFFFFFFFFFFFFFFF)},
    {"h1": Host("h1", "00:00:00:00:00:01", "10.0.0.1", "s2", 4)},
    {
        ("s1", "s2"): Link("s1", "s2", 30e6, 1),
        ("s2", "s1"): Link("s2", "s1", 20e6, 2),
        ("h1", "s2"): Link("h1", "s2", 100e6, 0),
        ("s2", "h1"): Link("s2", "h1", 100e6, 4),
    },
    "pair",
)
FILE: dict[str, Any] = {
    "directed": True,
    "multigraph": False,
    "graph": {"name": "pair"},
    "nodes": [
        {"kind": "switch", "dpid": "0000000000000001", "id": "s1"},
        {"kind": "switch", "dpid": "ffffffffffffffff", "id": "s2"},
        {"kind": "host", "mac": "00:00:00:00:00:01", "ip": "10.0.0.1", "id": "h1"},
    ],
    "edges": [
        {"capacity": 30e6, "port_no": 1, "source": "s1", "target": "s2"},
        {"capacity": 20e6, "port_no": 2, "source": "s2", "target": "s1"},
        {"capacity": 100e6, "port_no": 4, "source": "s2", "target": "h1"},
        {"capacity": 100e6, "port_no": 0, "source": "h1", "target": "s2"},
    ],
}


def test_the_format_is_networkx_node_link() -> None:
    assert to_json(NETWORK) == FILE
    graph = nx.node_link_graph(FILE, edges="edges")
    assert isinstance(graph, nx.DiGraph)
    assert graph.edges["s1", "s2"] == {"capacity": 30e6, "port_no": 1}
    assert set(graph) == {"s1", "s2", "h1"}


def test_a_graph_of_networkx_is_read_as_it_is() -> None:
    assert from_json(nx.node_link_data(NETWORK.graph, edges="edges"), "pair") == NETWORK


@pytest.mark.parametrize("dpid", [True, 0, -1, 1 << 64, 1.0, None])
def test_a_dpid_that_is_neither_text_nor_a_number_of_64_bits(dpid: object) -> None:
    data = copy.deepcopy(FILE)
    data["nodes"][0]["dpid"] = dpid
    with pytest.raises(InputError, match=r"nodes\[0\].dpid: dpid .*; expected up to 16 hexadecimal"):
        from_json(data, "net.json")


BANDWIDTHS = [
    *((value, repr(float(value))) for value in (-5, 0, float("nan"), float("inf"), float("-inf"))),
    (True, "True (bool)"),
    ("100 Mbit/s", "'100 Mbit/s' (str)"),
    (10**400, "int"),
    ([1e6], "list"),
]


@pytest.mark.parametrize(("bandwidth_bps", "found"), BANDWIDTHS)
def test_a_bandwidth_is_a_finite_number_above_0(tmp_path: Path, bandwidth_bps: Any, found: str) -> None:
    """Whether any cable needs it or not."""
    file = tmp_path / "net.json"
    file.write_text(json.dumps(FILE))
    message = f"bandwidth_bps: found {found}, expected a finite number above 0, in bit/s, or None"
    with pytest.raises(InputError) as caught:
        load_network(file, bandwidth_bps=bandwidth_bps)
    assert str(caught.value) == message
    with pytest.raises(InputError) as caught:
        from_json(FILE, "net.json", bandwidth_bps=bandwidth_bps)
    assert str(caught.value) == message


def test_a_file_is_read_whatever_its_order_and_with_defaults(tmp_path: Path) -> None:
    short = {"edges": FILE["edges"][::-1], "nodes": FILE["nodes"][::-1]}
    file = tmp_path / "net.json"
    file.write_text(json.dumps(short))
    assert load_network(str(file)) == NETWORK
    assert load_network(str(file)).name == "network"
    assert from_json(FILE, "net.json").name == "pair"


def test_whole_numbers_are_capacities_too() -> None:
    data = copy.deepcopy(FILE)
    data["edges"][0]["capacity"] = 30_000_000
    assert from_json(data, "net.json") == NETWORK


def test_delay_and_loss_are_of_one_direction() -> None:
    data = copy.deepcopy(FILE)
    data["edges"][0] |= {"delay": 0.01, "loss": 0.02}
    data["edges"][2]["delay"] = 1
    network = from_json(data, "net.json")
    assert network.links["s1", "s2"] == Link("s1", "s2", 30e6, 1, 0.01, 0.02)
    assert network.links["s2", "s1"] == NETWORK.links["s2", "s1"]
    assert network.links["s2", "h1"] == Link("s2", "h1", 100e6, 4, delay_s=1.0)
    assert to_json(network) == data
    assert network.graph.edges["s1", "s2"] == {"capacity": 30e6, "port_no": 1, "delay": 0.01, "loss": 0.02}


def drop(*path: str | int) -> Callable[[Any], None]:
    def act(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return act


def put(value: object, *path: str | int) -> Callable[[Any], None]:
    def act(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = value

    return act


def add(value: object, key: str) -> Callable[[Any], None]:
    return lambda data: data[key].append(value)


SWITCH3 = {"kind": "switch", "dpid": "3", "id": "s3"}


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        (put(False, "directed"), "directed", "found false, expected true: an edge is one direction"),
        (put(True, "multigraph"), "multigraph", "found true, expected false"),
        (put(1, "colour"), "colour", "unknown key"),
        (drop("nodes"), "network file", "nodes: is missing"),
        (put({}, "edges"), "edges", "found {}, expected an array"),
        (put(1, "graph", "x"), "graph.x", "unknown key"),
        (put(1, "nodes", 0, "x"), "nodes[0].x", "unknown key"),
        (drop("nodes", 0, "kind"), "nodes[0]", 'nodes[0]: "kind" is missing, expected "switch" or "host"'),
        (
            put("router", "nodes", 0, "kind"),
            "nodes[0]",
            '"kind": found "router", expected one of "switch", "host"',
        ),
        (drop("nodes", 0, "dpid"), "nodes[0]", "nodes[0].dpid: is missing"),
        (put("0", "nodes", 0, "dpid"), "nodes[0].dpid", "expected up to 16 hexadecimal digits, not all 0"),
        (put(-1, "nodes", 0, "dpid"), "nodes[0].dpid", "dpid -1; expected up to 16"),
        (put("0" * 16 + "1", "nodes", 0, "dpid"), "nodes[0].dpid", "expected up to 16"),
        (put("00:11", "nodes", 2, "mac"), "nodes[2].mac", "MAC address '00:11'; expected"),
        (put("10.0.0.300", "nodes", 2, "ip"), "nodes[2].ip", "IP address '10.0.0.300'; expected"),
        (put(7, "nodes", 2, "id"), "nodes[2].id", "found 7, expected a string"),
        (put("a->b", "nodes", 2, "id"), "nodes[2]", "name 'a->b'; expected letters"),
        (put(0, "edges", 1, "capacity"), "edges[1].capacity", "found 0, expected a number above 0"),
        (put(-5.5, "edges", 1, "capacity"), "edges[1].capacity", "found -5.5, expected a number above 0"),
        (put(True, "edges", 1, "capacity"), "edges[1].capacity", "found true, expected a number"),
        (put("20M", "edges", 1, "capacity"), "edges[1].capacity", 'found "20M", expected a number'),
        (
            put(float("nan"), "edges", 1, "capacity"),
            "edges[1].capacity",
            "found NaN, expected a finite number",
        ),
        (
            put(float("inf"), "edges", 1, "capacity"),
            "edges[1].capacity",
            "found Infinity, expected a finite number",
        ),
        (put(10**400, "edges", 1, "capacity"), "edges[1].capacity", "edges[1].capacity"),
        (put(-0.01, "edges", 1, "delay"), "edges[1].delay", "found -0.01, expected a number from 0 up"),
        (put(61, "edges", 1, "delay"), "edges[1].delay", "found 61, expected a number up to 60"),
        (put("10ms", "edges", 1, "delay"), "edges[1].delay", 'found "10ms", expected a number'),
        (put(float("nan"), "edges", 1, "delay"), "edges[1].delay", "found NaN, expected a finite number"),
        (put(None, "edges", 1, "delay"), "edges[1].delay", "found null, expected a number"),
        (put(-0.01, "edges", 1, "loss"), "edges[1].loss", "found -0.01, expected a number from 0 up"),
        (put(1, "edges", 1, "loss"), "edges[1].loss", "found 1, expected a number below 1"),
        (put(float("nan"), "edges", 1, "loss"), "edges[1].loss", "found NaN, expected a finite number"),
        (put(True, "edges", 1, "loss"), "edges[1].loss", "found true, expected a number"),
        (put("1ms", "edges", 1, "jitter"), "edges[1].jitter", "unknown key"),
        (put(1.0, "edges", 1, "port_no"), "edges[1].port_no", "found 1.0, expected a whole number"),
        (put(0, "edges", 1, "port_no"), "edges[1]", "port 0 of s2; expected 1 to 65279"),
        (put(4, "edges", 1, "port_no"), "edges[2]", "port 4 of s2 leads to s1 and h1"),
        (put(-1, "edges", 3, "port_no"), "edges[3]", "port -1 of h1; expected 0 to 65279"),
        (put("eth 0", "edges", 3, "interface"), "edges[3].interface", "interface 'eth 0'; expected up to 15"),
        (put("x" * 16, "edges", 3, "interface"), "edges[3].interface", "expected up to 15 letters, digits"),
        (put(7, "edges", 3, "interface"), "edges[3].interface", "found 7, expected a string"),
        (put("s9", "edges", 0, "target"), "edges[0]", "link s1->s9: no node is named s9"),
        (put("s1", "edges", 0, "target"), "edges[0]", "s1 is linked to itself"),
        (put("h1", "edges", 2, "source"), "edges[2]", "h1 is linked to itself"),
        (drop("edges", 0), "edges[0]", "link s2->s1 has no opposite; expected a link s1->s2"),
        (add(FILE["edges"][0], "edges"), "edges[0]", "several cables between s1 and s2; parallel"),
        (add(FILE["nodes"][0], "nodes"), "nodes[3]", "2 nodes are named 's1'; expected one"),
        (add(SWITCH3 | {"dpid": "1"}, "nodes"), "nodes[3]", "s1 and s3 have the same dpid"),
        (add(SWITCH3, "nodes"), None, "net.json: the network is in 2 parts: no links lead to s3"),
        (add(FILE["nodes"][2] | {"id": "h2"}, "nodes"), "nodes[3]", "h1 and h2 have the same MAC address"),
    ],
)
def test_a_fault_is_named_with_its_line(
    tmp_path: Path, change: Callable[[Any], None], where: str | None, message: str
) -> None:
    data = copy.deepcopy(FILE)
    change(data)
    file = tmp_path / "net.json"
    text = json.dumps(data, indent=1)
    file.write_text(text)
    with pytest.raises(InputError) as error:
        load_network(str(file))
    shown = str(error.value).replace(f"{file}", "net.json")
    assert message in shown
    if where is None:
        return
    line = 1 if where == "network file" else line_of(text, data, where)
    assert any(f.location and f.location.line == line for f in error.value.faults), (line, shown)
    with pytest.raises(InputError) as bare:
        from_json(data, "net.json")
    assert message in str(bare.value)
    assert all(text.startswith("net.json: ") for text in str(bare.value).splitlines())


def line_of(text: str, data: Any, where: str) -> int:
    """The line of a value in JSON of indent 1: found by marking it, not by the code under test."""
    path = [int(p) if p.isdigit() else p for p in where.replace("[", ".").replace("]", "").split(".")]
    marked = copy.deepcopy(data)
    holder = marked
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = "MARK"
    return json.dumps(marked, indent=1)[: json.dumps(marked, indent=1).index('"MARK"')].count("\n") + 1


def test_all_faults_at_once() -> None:
    data = copy.deepcopy(FILE)
    data["nodes"][0]["dpid"] = "x"
    data["nodes"][2]["mac"] = "y"
    data["edges"][0]["capacity"] = 0
    data["more"] = 1
    with pytest.raises(InputError) as error:
        from_json(data, "net.json")
    assert [str(fault).split(":")[1].strip() for fault in error.value.faults] == [
        "nodes[0].dpid",
        "nodes[2].mac",
        "edges[0].capacity",
        "more",
    ]


@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_another_value_is_no_network(data: object) -> None:
    with pytest.raises(InputError, match=r"net\.json: network file: found .*, expected an object"):
        from_json(data, "net.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", ":1:2: not JSON: Expecting property name"),
        ('{\n "nodes": [1,]}', ":2:14: not JSON: "),
        ("[" * 100_000, "expected a network file"),
        ('{"nodes": ' + "1" * 5000 + "}", "expected a network file"),
        ('{"nodes": [],\n "edges": [],\n "nodes": []}', ":3:2: key 'nodes' is there twice; expected it once"),
    ],
)
def test_a_text_that_is_no_network_file(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "net.json"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        load_network(str(file))
    assert message in str(error.value)


def test_an_undirected_graph_is_told_how_to_become_a_network() -> None:
    graph: nx.Graph[str] = nx.Graph(NETWORK.graph)
    with pytest.raises(InputError) as raised:
        from_json(nx.node_link_data(graph, edges="edges"), "pair")
    (message,) = [str(fault) for fault in raised.value.faults]
    assert message.startswith("pair: directed: found false, expected true")
    assert "graph.to_directed()" in message
    # What it says helps.
    directed = graph.to_directed()
    for source, target in directed.edges:
        directed.edges[source, target]["port_no"] = NETWORK.links[source, target].port_no
    found = from_json(nx.node_link_data(directed, edges="edges"), "pair")
    # An undirected graph has one capacity for both directions.
    assert (found.switches, found.hosts) == (NETWORK.switches, NETWORK.hosts)
    assert {key: link.port_no for key, link in found.links.items()} == {
        key: link.port_no for key, link in NETWORK.links.items()
    }
