"""GraphML and SNDlib files as topologies: what they say is what the network is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from fairslice.errors import InputError
from fairslice.policy import parse_policy
from fairslice.slicing import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.commands import run_command
from fairslice.topology.graphml import NAMESPACE
from fairslice.topology.load import load_network
from fairslice.topology.network import Network
from fairslice.topology.nodelink import from_json, to_json
from fairslice.topology.options import NetworkOptions, ParallelCables

FILES = Path(__file__).parents[1] / "topologies"
GRAPHML = FILES / "graphml"
SNDLIB = FILES / "sndlib"
M = 1e6
G = 1e9


def load(
    file: Path,
    bandwidth_bps: float | None = None,
    *,
    hosts: int | None = None,
    parallel: ParallelCables | None = None,
    largest_part: bool = False,
) -> tuple[Network, list[str]]:
    """The network, and what was warned of."""
    options = NetworkOptions(hosts, parallel, largest_part)
    network = load_network(str(file), bandwidth_bps=bandwidth_bps, options=options)
    assert all(": warning: " in note for note in network.notes)
    return network, [note.replace(": warning: ", ": ") for note in network.notes]


def cables(network: Network) -> dict[tuple[str, str], float]:
    """What each link between switches carries, by labels."""
    label = {switch.name: switch.label for switch in network.switches.values()}
    return {
        (label[link.source], label[link.target]): link.capacity_bps
        for link in network.links.values()
        if link.source in label and link.target in label
    }


def both_ways(one_way: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return one_way | {(b, a): capacity_bps for (a, b), capacity_bps in one_way.items()}


GOOD = [
    # file, the bandwidth that is given, cables by label, the beginnings of what is warned of
    (
        "graphml/eleven.graphml",
        None,
        both_ways(
            {
                **{("Genève", "Lausanne"): 10 * G, ("Lausanne", "Bern"): 10 * G, ("Bern", "Basel"): 2.5 * G},
                **{("Bern", "Zürich"): 10 * G, ("Basel", "Zürich"): G, ("Zürich", "Konstanz"): 2.5 * G},
                **{("Konstanz", "Bregenz"): 2.5 * G, ("Bregenz", "Innsbruck"): 2.5 * G},
                **{("Innsbruck", "Salzburg"): 10 * G, ("Salzburg", "Linz"): 10 * G, ("Linz", "Wien"): 10 * G},
                **{("Zürich", "Innsbruck"): 5 * G, ("Innsbruck", "Wien"): G},
            }
        ),
        [],
    ),
    (
        "graphml/parallel-cables.graphml",
        None,
        both_ways(
            {("Oulu", "Turku"): 2622 * M, ("Turku", "Vaasa"): 155 * M, ("Oulu", "Vaasa"): 34 * M},
        ),
        [":42:5: parallel cables are taken as one of their capacities together: 3 between s1 (Oulu) and s2"],
    ),
    (
        "graphml/mixed-speeds.graphml",
        None,
        both_ways(
            {
                **{("Raw", "Kilo"): 64e3, ("Kilo", "Mega"): 64e3, ("Mega", "Giga"): 155 * M},
                **{("Giga", "Tera"): 2.5 * G, ("Tera", "Both"): 100 * G, ("Both", "Words"): 10 * G},
                **{("Words", "Raw"): 45 * M},
            }
        ),
        [":65:5: cable s6 (Both) - s7 (Words): LinkSpeedRaw is 10 Gbit/s, but LinkSpeed 1 G; LinkS"],
    ),
    (
        "graphml/missing-speeds.graphml",
        7 * M,
        both_ways(
            {
                **{("Alpha", "Beta"): G, ("Beta", "Gamma"): 7 * M, ("Gamma", "Delta"): 7 * M},
                **{("Delta", "Epsilon"): 7 * M, ("Epsilon", "Alpha"): 7 * M},
            }
        ),
        [":44:5: 4 of 5 cables have no capacity of their own and get 7 Mbit/s: s2 (Beta) - s3 (Gamma), "],
    ),
    (
        "graphml/labels-twice.graphml",
        None,
        both_ways(
            {
                **{("London (0)", "London (1)"): G, ("London (1)", "Łódź"): G, ("Łódź", "北京"): G},
                **{("北京", "Salt Lake City, Utah (PoP 2)"): G, ("Salt Lake City, Utah (PoP 2)", "5"): G},
                **{("5", "[red]S o & Co[/red]"): G},
            }
        ),
        [],
    ),
    (
        "graphml/no-labels.graphml",
        None,
        both_ways(dict.fromkeys([("1", "2"), ("2", "3"), ("3", "10"), ("10", "h1")], 100 * M)),
        [],
    ),
    ("graphml/one-node.graphml", 5 * M, {}, []),
    (
        "graphml/self-loop.graphml",
        None,
        both_ways({("Ring", "Road"): G}),
        [":26:5: cables from a node to itself carry nothing and are left out: s1 (Ring)"],
    ),
    (
        "graphml/directed.graphml",
        None,
        {
            **{("Upstream", "Downstream"): 50 * M, ("Downstream", "Upstream"): 4 * M},
            **both_ways({("Downstream", "Pond"): 10 * M}),
        },
        [":33:5: parallel cables are taken as one of their capacities together: 2 between s1 (Upstream) and"],
    ),
    ("graphml/latin-1.graphml", None, both_ways({("Málaga", "Cádiz"): G}), []),
    ("graphml/utf-16.graphml", None, both_ways({("Αθήνα", "Πάτρα"): G}), []),
    (
        "graphml/yed.graphml",
        None,
        both_ways({("Library", "Dining hall"): G, ("Dining hall", "Internet"): 100 * M}),
        [],
    ),
    (
        "sndlib/parallel-links.xml",
        None,
        both_ways({("A", "B"): 777 * M, ("B", "C"): 100 * M, ("A", "C"): 134 * M}),
        [":36:4: parallel cables are taken as one of their capacities together: 2 between s1 (A) and s2"],
    ),
    (
        "sndlib/mixed-capacities.xml",
        None,
        both_ways(
            {("N1", "N2"): 155 * G, ("N2", "N3"): 40 * G, ("N3", "N4"): 64 * G, ("N1", "N4"): 2500 * G}
        ),
        [],
    ),
    (
        "sndlib/several-modules.xml",
        622 * M,
        both_ways({("Hot", "Warm"): 622 * M, ("Warm", "Cold"): 622 * M, ("Cold", "Hot"): 34 * M}),
        [":28:4: 2 of 3 cables have no capacity of their own and get 622 Mbit/s: s1 (Hot) - s2 (Warm), s2"],
    ),
    ("sndlib/no-capacities.xml", M, both_ways({("Hot", "Warm"): M, ("Warm", "Cold"): M}), []),
    (
        "sndlib/latin-1.xml",
        None,
        both_ways({("Köln", "Münster"): G, ("Münster", "Saint-Étienne du Rouvray"): G}),
        [],
    ),
    (
        "sndlib/numbered-plain.xml",
        None,
        both_ways({("1", "2"): 10 * M, ("2", "3"): 20 * M}),
        [":24:3: the file tells no unit of its capacities; Mbit/s is taken"],
    ),
    ("sndlib/one-node.xml", 5 * M, {}, []),
    (
        "sndlib/directed.xml",
        None,
        {
            **{("Head", "Tail"): 40 * M, ("Tail", "Head"): 4 * M},
            **{("Tail", "End"): 7 * M, ("End", "Tail"): 8 * M},
        },
        [],
    ),
    (
        "sndlib/self-loop.xml",
        None,
        both_ways({("A", "B"): 5 * M}),
        [":22:4: cables from a node to itself carry nothing and are left out: s1 (A)"],
    ),
]


@pytest.mark.parametrize(
    ("name", "bandwidth_bps", "expected", "warned"), [pytest.param(*case, id=case[0]) for case in GOOD]
)
def test_what_a_file_says_is_what_the_network_is(
    name: str,
    bandwidth_bps: float | None,
    expected: dict[tuple[str, str], float],
    warned: list[str],
) -> None:
    network, told = load(FILES / name, bandwidth_bps)
    assert cables(network) == pytest.approx(expected)
    assert len(told) == len(warned)
    for message, beginning in zip(told, warned, strict=True):
        assert message.startswith(f"{FILES / name}{beginning}")
    count = len(network.switches)
    assert list(network.switches) == [f"s{i}" for i in range(1, count + 1)]
    assert [switch.dpid for switch in network.switches.values()] == list(range(1, count + 1))
    assert {h.name: h.switch for h in network.hosts.values()} == {
        f"h{i}": f"s{i}" for i in range(1, count + 1)
    }
    # The controller gets it as a network file.
    again = from_json(to_json(network), "network.json")
    assert again == network
    assert [s.label for s in again.switches.values()] == [s.label for s in network.switches.values()]


def test_every_file_is_tried() -> None:
    tried = {FILES / name for name, *_ in GOOD}
    elsewhere = {GRAPHML / "unconnected.graphml", SNDLIB / "unconnected.xml", SNDLIB / "eleven.xml"}
    assert tried | elsewhere == {*GRAPHML.glob("*.graphml"), *SNDLIB.glob("*.xml")}
    assert len([file for file in tried | elsewhere if file.parent == GRAPHML]) >= 8
    assert len([file for file in tried | elsewhere if file.parent == SNDLIB]) >= 8


def test_names_of_networks() -> None:
    assert load(GRAPHML / "eleven.graphml")[0].name == "Alpine Rivers"
    assert load(GRAPHML / "self-loop.graphml")[0].name == "self-loop"
    assert load(SNDLIB / "eleven.xml")[0].name == "eleven"


def test_sndlib_with_demands_and_more_modules() -> None:
    network, told = load(SNDLIB / "eleven.xml")
    assert told == []
    carried = cables(network)
    # What is installed counts, not what could be added.
    assert carried["Assam", "Bombay"] == carried["Kota", "Assam"] == 10 * G
    assert carried["Assam", "Fatehpur"] == carried["Indore", "Cochin"] == 2.5 * G
    assert len(carried) == 2 * 13


def test_hosts_come_first_at_each_switch_and_are_no_bottleneck() -> None:
    network, _ = load(GRAPHML / "directed.graphml", hosts=3)
    assert {h.name: (h.switch, h.port_no) for h in network.hosts.values()} == {
        **{"h1": ("s1", 1), "h2": ("s1", 2), "h3": ("s1", 3)},
        **{"h4": ("s2", 1), "h5": ("s2", 2), "h6": ("s2", 3)},
        **{"h7": ("s3", 1), "h8": ("s3", 2), "h9": ("s3", 3)},
    }
    assert network.hosts["h5"].ip == "10.0.0.5"
    assert network.hosts["h5"].mac == "00:00:00:00:00:05"
    assert network.links["s1", "s2"].port_no == 4
    for host in network.hosts.values():
        out = [k for k in network.links if k[0] == host.switch and k[1] in network.switches]
        sum_out_bps = sum(network.links[key].capacity_bps for key in out)
        sum_in_bps = sum(network.links[b, a].capacity_bps for a, b in out)
        assert network.links[host.name, host.switch].capacity_bps == 2 * sum_out_bps
        assert network.links[host.switch, host.name].capacity_bps == 2 * sum_in_bps


@pytest.mark.parametrize(
    "file",
    [*(GRAPHML / f"{name}.graphml" for name in ("directed", "eleven", "no-labels")), SNDLIB / "directed.xml"],
)
def test_no_hosts_cable_is_a_bottleneck(file: Path) -> None:
    """All hosts send to all others at once, or one to one: a cable between switches is what is full."""
    network, _ = load(file)
    names = list(network.hosts)
    policies = ["{mesh: {members: [" + ", ".join(names) + "]}}"]
    policies += [
        f"{{one: {{flows: [{{from: {one}, to: {other}}}]}}}}"
        for one in names
        for other in names
        if one != other
    ]
    single = [name for name in network.switches if sum(key[0] == name for key in network.links) == 2]
    assert single
    for slices in policies:
        policy = parse_policy(f"version: 1\nslices: {slices}\n", "policy.yaml")
        for flow in view(allocate_slices(policy, network)).flows:
            kind, _, link = flow.bottleneck.partition(" ")
            assert kind in ("link", "acknowledgements"), flow.bottleneck
            assert not set(link.split("->")) & set(names), (flow.id, flow.bottleneck)


@pytest.mark.parametrize("file", [GRAPHML / "parallel-cables.graphml", SNDLIB / "parallel-links.xml"])
def test_parallel_cables_are_refused_where_they_are_not_wanted(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(file, parallel="refuse")
    assert all("parallel cables, " in fault.message for fault in caught.value.faults)
    assert all("or --parallel-cables merge" in fault.message for fault in caught.value.faults)
    assert all(fault.location is not None for fault in caught.value.faults)


def test_a_network_in_parts_is_refused_or_its_largest_part_is_taken() -> None:
    said = (
        f"{GRAPHML / 'unconnected.graphml'}:26:5: the network is in 3 parts:"
        " no cables lead from the largest to Island, Reef, Lighthouse"
    )
    with pytest.raises(InputError) as caught:
        load(GRAPHML / "unconnected.graphml")
    assert str(caught.value) == f"{said}; expected one part, or --largest-part to leave them out"
    network, told = load(GRAPHML / "unconnected.graphml", largest_part=True)
    assert cables(network) == both_ways({("Mainland", "Coast"): G, ("Coast", "Harbour"): G})
    assert list(network.switches) == ["s1", "s2", "s3"]
    assert told == [f"{said}, which are left out"]
    with pytest.raises(InputError, match="in 2 parts: no cables lead from the largest to D, E"):
        load(SNDLIB / "unconnected.xml")
    assert len(load(SNDLIB / "unconnected.xml", largest_part=True)[0].switches) == 3


def test_missing_speeds_are_all_listed_with_their_lines() -> None:
    file = GRAPHML / "missing-speeds.graphml"
    with pytest.raises(InputError) as caught:
        load(file)
    expected = (
        "; expected LinkSpeedRaw in bit/s, or LinkSpeed with LinkSpeedUnits,"
        " or --bandwidth RATE for all cables that have none"
    )
    assert [str(fault) for fault in caught.value.faults] == [
        f"{file}:44:5: cable s2 (Beta) - s3 (Gamma): neither LinkSpeedRaw nor LinkSpeed"
        f" (its label is '155-622 Mbps'){expected}",
        f"{file}:47:5: cable s3 (Gamma) - s4 (Delta): neither LinkSpeedRaw nor LinkSpeed{expected}",
        f"{file}:48:5: cable s4 (Delta) - s5 (Epsilon): LinkSpeed 10 has no unit K, M, G or T{expected}",
        f"{file}:51:5: cable s5 (Epsilon) - s1 (Alpha): LinkSpeed <10 G is not one number above 0"
        f" (its label is 'less than 10 Gbps'){expected}",
    ]
    with pytest.raises(
        InputError, match="all 2 cables: no capacity is installed; expected capacity of a pre"
    ):
        load(SNDLIB / "no-capacities.xml")
    with pytest.raises(
        InputError, match="installed, and several modules are offered: 155, 622; expected"
    ) as two:
        load(SNDLIB / "several-modules.xml")
    assert len(two.value.faults) == 2


@pytest.mark.parametrize("file", [GRAPHML / "one-node.graphml", SNDLIB / "one-node.xml"])
def test_one_node_needs_a_bandwidth_for_its_hosts(file: Path) -> None:
    with pytest.raises(InputError, match=r":\d+:\d+: the only node .*; expected --bandwidth RATE"):
        load(file)
    network, _ = load(file, 5 * M, hosts=2)
    assert {link.capacity_bps for link in network.links.values()} == {5 * M}
    assert list(network.hosts) == ["h1", "h2"]


@pytest.mark.parametrize("start", ["<graphml>", "<graphml version='1'>", f"<graphml xmlns='{NAMESPACE}'>"])
def test_a_file_without_namespace_is_graphml_too(tmp_path: Path, start: str) -> None:
    file = tmp_path / "plain.graphml"
    file.write_text(
        f"""{start}<key id="r" for="edge" attr.name="LinkSpeedRaw" attr.type="string"/>
<graph><node id="a"/><node id="b"/>
<edge source="a" target="b"><data key="r"> 5e6 </data></edge></graph></graphml>"""
    )
    assert cables(load(file)[0]) == both_ways({("a", "b"): 5 * M})
    # A file's content, not its name, tells what it is.
    assert load_network(str(file.rename(tmp_path / "plain.xml"))).name == "plain"


def zoo_of_150(directory: Path) -> Path:
    graph = nx.random_labeled_tree(150, seed=9)
    graph.add_edges_from((node, (node * 7 + 3) % 150) for node in range(0, 150, 3))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    nx.set_node_attributes(graph, {node: f"Town {node}" for node in graph}, "label")
    nx.set_edge_attributes(graph, dict.fromkeys(graph.edges, 10.0 * G), "LinkSpeedRaw")
    file = directory / "large.graphml"
    nx.write_graphml(graph, file)
    return file


def sndlib_of_150(directory: Path) -> Path:
    nodes = "".join(f'<node id="N{i}"/>\n' for i in range(150))
    links = "".join(
        f'<link id="L{step}.{i}"><source>N{i}</source><target>N{(i + step) % 150}</target>'
        "<preInstalledModule><capacity>10000</capacity></preInstalledModule></link>\n"
        for step in (1, 40)
        for i in range(150)
    )
    file = directory / "large.xml"
    file.write_text(
        '<network xmlns="http://sndlib.zib.de/network"><meta><unit>MBITPERSEC</unit></meta><networkStructure>'
        f"<nodes>\n{nodes}</nodes><links>\n{links}</links></networkStructure></network>"
    )
    return file


@pytest.mark.parametrize("made", [zoo_of_150, sndlib_of_150])
def test_150_nodes(
    made: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = made(tmp_path)
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices:\n  a: {members: [h1, h50, h100, h150]}\n")
    scaled = ("--topology", str(file), "--scale-bandwidth", "100 Mbit/s")
    assert run_command(monkeypatch, "check", policy, *scaled) == 0
    capsys.readouterr()
    assert run_command(monkeypatch, "plan", policy, *scaled, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["certified"]
    assert len(plan["flows"]) == 12
    assert len(plan["switches"]) == 150
    assert max(flow["allocated_bps"] for flow in plan["flows"]) <= 100 * M


def test_what_networkx_writes_of_a_network_reads_back_the_same(tmp_path: Path) -> None:
    network, _ = load(GRAPHML / "eleven.graphml", hosts=2)
    file = tmp_path / "own.graphml"
    nx.write_graphml(network.graph, file)
    assert load_network(str(file)) == network
    with pytest.raises(InputError, match="tells its hosts and cables itself"):
        load_network(str(file), options=NetworkOptions(hosts_per_switch=2))


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph])
def test_networkx_own_word_for_a_cables_speed_is_taken(kind: Any, tmp_path: Path) -> None:
    graph = kind()
    graph.add_edge("a", "b", capacity=20e6)
    graph.add_edge("b", "c", capacity=5_000_000)
    nx.write_graphml(graph, tmp_path / "net.graphml")
    network = load_network(str(tmp_path / "net.graphml"))
    between = {key: link.capacity_bps for key, link in network.links.items() if not {*key} & {*network.hosts}}
    assert between == {
        **dict.fromkeys([("s1", "s2"), ("s2", "s1")], 20e6),
        **dict.fromkeys([("s2", "s3"), ("s3", "s2")], 5e6),
    }


def test_a_capacity_that_is_none_is_named(tmp_path: Path) -> None:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edge("a", "b", capacity=-1.0)
    nx.write_graphml(graph, tmp_path / "net.graphml")
    with pytest.raises(InputError, match=r"capacity -1\.0; expected a number of bit/s above 0"):
        load_network(str(tmp_path / "net.graphml"))
