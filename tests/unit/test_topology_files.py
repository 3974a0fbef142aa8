"""The shipped topologies: what they are, by fairslice and by the system's own Mininet."""

import ast
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from fairslice.errors import InputError
from fairslice.topology.load import load_network
from fairslice.topology.network import Network
from fairslice.topology.trees import Trees

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
NAMES = ["abilene", "dumbbell", "fat_tree", "parking_lot", "ring", "star"]
# Every file with its defaults and with arguments.
SPECS = [
    "abilene",
    "abilene,bw=20,access=50",
    "dumbbell",
    "dumbbell,4,bottleneck=50",
    "dumbbell,n=130,access=2.5",
    "dumbbell,3,delay=10ms,loss=0.5",
    "fat_tree",
    "fat_tree,6,10",
    "parking_lot",
    "parking_lot,5",
    "ring",
    "ring,3,bw=7.5",
    "star",
    "star,1",
]


def file_of(topo: str) -> Path:
    return TOPOLOGIES / f"{topo.partition(',')[0]}.py"


def load(topo: str) -> Network:
    return load_network(f"{file_of(topo)}:{topo}")


def trunks(network: Network) -> set[tuple[str, str]]:
    return {key for key in network.links if set(key) <= set(network.switches)}


def capacities(network: Network, keys: set[tuple[str, str]]) -> set[float]:
    return {network.links[key].capacity_bps for key in keys}


def on(network: Network, switch: str) -> list[str]:
    return [host.name for host in network.hosts.values() if host.switch == switch]


def test_every_file_is_listed() -> None:
    assert sorted(path.stem for path in TOPOLOGIES.glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_needs_mininet_topo_alone_and_defines_one_topology(name: str) -> None:
    tree = ast.parse((TOPOLOGIES / f"{name}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["from mininet.topo import Topo"]
    assert load_network(str(TOPOLOGIES / f"{name}.py")) == load(name)
    assert load(name).name == name


@pytest.mark.parametrize("topo", SPECS)
def test_addresses_are_those_of_mininet_by_order_of_names(topo: str) -> None:
    for number, host in enumerate(load(topo).hosts.values(), start=1):
        assert host.ip == f"10.0.{number >> 8}.{number & 255}"
        assert host.mac == f"00:00:00:00:{number >> 8:02x}:{number & 255:02x}"


@pytest.mark.parametrize("topo", SPECS)
def test_ports_are_numbered_without_gaps(topo: str) -> None:
    network = load(topo)
    for switch in network.switches:
        ports = sorted(link.port_no for link in network.links.values() if link.source == switch)
        assert ports == list(range(1, len(ports) + 1))


def test_dumbbell() -> None:
    network = load("dumbbell")
    assert list(network.switches) == ["s1", "s2"]
    assert on(network, "s1") == ["h1", "h2", "h3"]
    assert on(network, "s2") == ["h4", "h5", "h6"]
    assert trunks(network) == {("s1", "s2"), ("s2", "s1")}
    assert capacities(network, trunks(network)) == {30e6}
    assert capacities(network, set(network.links) - trunks(network)) == {100e6}
    other = load("dumbbell,4,bottleneck=50")
    assert len(other.hosts) == 8
    assert capacities(other, trunks(other)) == {50e6}
    far = load("dumbbell,3,delay=10ms,loss=0.5")
    assert far.links == {
        key: replace(link, delay_s=0.010, loss=0.005) if key in trunks(network) else link
        for key, link in network.links.items()
    }


def test_parking_lot() -> None:
    network = load("parking_lot")
    assert list(network.switches) == ["s1", "s2", "s3", "s4"]
    assert list(network.hosts) == ["a1", "a2", "x1", "x2", "x3", "y1", "y2", "y3"]
    assert [on(network, f"s{i}") for i in range(1, 5)] == [
        ["a1", "x1"],
        ["x2", "y1"],
        ["x3", "y2"],
        ["a2", "y3"],
    ]
    line = {("s1", "s2"), ("s2", "s3"), ("s3", "s4")}
    assert trunks(network) == line | {(b, a) for a, b in line}
    assert capacities(network, trunks(network)) == {20e6}
    assert capacities(network, set(network.links) - trunks(network)) == {100e6}


def test_star() -> None:
    network = load("star")
    assert list(network.switches) == ["s1"]
    assert on(network, "s1") == ["h1", "h2", "h3", "h4"]
    assert capacities(network, set(network.links)) == {20e6}


def test_ring() -> None:
    network = load("ring")
    assert [on(network, f"s{i}") for i in range(1, 7)] == [[f"h{i}"] for i in range(1, 7)]
    around = {(f"s{i}", f"s{i % 6 + 1}") for i in range(1, 7)}
    assert trunks(network) == around | {(b, a) for a, b in around}
    assert capacities(network, trunks(network)) == {20e6}


def test_abilene_is_the_research_network() -> None:
    network = load("abilene")
    city = dict(
        zip(
            [f"s{i}" for i in range(1, 12)],
            ["STTL", "SNVA", "LOSA", "DNVR", "KSCY", "HSTN", "CHIN", "IPLS", "ATLA", "WASH", "NYCM"],
            strict=True,
        )
    )
    # SNDlib's instance "abilene", with its names, but for ATLAM5-ATLAng.
    sndlib = """ATLA-HSTN ATLA-IPLS ATLA-WASH CHIN-IPLS CHIN-NYCM DNVR-KSCY DNVR-SNVA DNVR-STTL HSTN-KSCY
    HSTN-LOSA IPLS-KSCY LOSA-SNVA NYCM-WASH SNVA-STTL"""
    assert {"-".join(sorted((city[a], city[b]))) for a, b in trunks(network)} == set(sndlib.split())
    assert len(trunks(network)) == 2 * 14
    assert [on(network, f"s{i}") for i in range(1, 12)] == [[f"h{i}"] for i in range(1, 12)]
    assert capacities(network, trunks(network)) == {20e6}
    assert capacities(network, set(network.links) - trunks(network)) == {100e6}


@pytest.mark.parametrize("k", [2, 4, 6])
def test_fat_tree_has_the_shape_and_the_bisection_of_the_paper(k: int) -> None:
    network = load(f"fat_tree,{k}")
    assert len(network.switches) == 5 * k**2 // 4
    assert len(network.hosts) == k**3 // 4
    assert capacities(network, set(network.links)) == {10e6}
    assert all(degree == 2 * k for node, degree in network.graph.degree if node in network.switches)
    cores = [f"s{i}" for i in range(1, k**2 // 4 + 1)]
    pods = nx.Graph(network.graph.subgraph(set(network.graph) - set(cores)))
    assert nx.number_connected_components(pods) == k
    for pod in nx.connected_components(pods):
        assert sum(node in network.hosts for node in pod) == k**2 // 4
        for core in cores:
            assert sum(network.graph.has_edge(core, node) for node in pod) == 1
    # Hosts of one half of the pods can all send at full rate to those of the other half.
    graph = nx.DiGraph(network.graph)
    half = len(network.hosts) // 2
    for i in range(1, 2 * half + 1):
        graph.add_edge("left" if i <= half else f"h{i}", f"h{i}" if i <= half else "right", capacity=10e6)
    flow, _ = nx.maximum_flow(graph, "left", "right")
    assert flow == pytest.approx(half * 10e6)


def test_fat_tree_spreads_destinations_over_its_cores() -> None:
    network = load("fat_tree,4")
    trees = Trees(network)
    used = {trees.in_tree(host, 1)["s5"] for host in ["h5", "h6", "h7", "h8", "h9", "h10", "h11", "h12"]}
    assert used == {"s1", "s2"}


@pytest.mark.parametrize(
    ("topo", "message"),
    [
        ("dumbbell,0", "n=0: expected a whole number of host pairs"),
        ("dumbbell,2.5", "n=2.5: expected a whole number"),
        ("dumbbell,many", "n='many': expected a whole number"),
        ("dumbbell,bottleneck=0", "bottleneck=0: expected a rate above 0"),
        ("dumbbell,access=nan", "access=nan: expected a rate above 0"),
        ("dumbbell,access=fast", "access='fast': expected a rate above 0"),
        ("dumbbell,access=1001", "up to Mininet's 1000 Mbit/s"),
        ("dumbbell,delay=10", "delay=10; expected a time with its unit"),
        ("dumbbell,loss=100", "loss=100; expected a number of per cent"),
        ("parking_lot,0", "n=0: expected a whole number of hops"),
        ("parking_lot,bw=-1", "bw=-1: expected a rate above 0"),
        ("star,0", "n=0: expected a whole number of hosts"),
        ("star,bw=0", "bw=0: expected a rate above 0"),
        ("ring,2", "n=2: expected a whole number of switches, 3 or more"),
        ("ring,access=inf", "access=inf: expected a rate above 0"),
        ("fat_tree,3", "k=3: expected an even number"),
        ("fat_tree,0", "k=0: expected an even number"),
        ("fat_tree,bw=x", "bw='x': expected a rate above 0"),
        ("abilene,-1", "bw=-1: expected a rate above 0"),
    ],
)
def test_a_bad_argument_is_refused_with_what_was_expected(topo: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load(topo)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{file_of(topo)}:")
    assert "ValueError" not in str(error.value)


# What `mn` does with --custom and --topo, and what Mininet then builds, but for processes and interfaces.
AS_MN = """
import json, sys
from mininet.link import Intf, Link
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch
from mininet.util import buildTopo

customs = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), customs, customs)
topo = buildTopo(customs["topos"], sys.argv[2])

class Nothing:
    def startShell(self, *args, **kwargs): pass
    def mountPrivateDirs(self): pass
    def cmd(self, *args, **kwargs): return ""
    @classmethod
    def checkSetup(cls): pass
    def isOldOVS(self): return False

class StillHost(Nothing, Host): pass
class StillSwitch(Nothing, OVSSwitch): pass
class StillIntf(Intf):
    def config(self, *args, **kwargs): return {}
class StillLink(Link):
    def __init__(self, *args, **kwargs): Link.__init__(self, *args, **{"intf": StillIntf, **kwargs})
    def makeIntfPair(self, *args, **kwargs): pass

Mininet.init = classmethod(lambda cls: None)
net = Mininet(topo, switch=StillSwitch, host=StillHost, link=StillLink, controller=None, build=False)
net.buildFromTopo(topo)
print(json.dumps({
    "clashes": sorted(set(customs) & {"CLI", "custom", "main", "opts", "version"}),
    "switches": {s.name: s.dpid for s in net.switches},
    "hosts": {h.name: [h.params["ip"], h.params["mac"]] for h in net.hosts},
    "ports": [[l.intf1.node.name, l.intf2.node.name, l.intf1.node.ports[l.intf1], l.intf2.node.ports[l.intf2]]
              for l in net.links],
    "ofport": {str(i): s.intfOpts(i).split("ofport_request=")[1].split()[0]
               for s in net.switches for i in s.intfList() if i.name != "lo"},
}))
"""


@pytest.mark.parametrize("topo", SPECS)
def test_systems_mininet_builds_what_fairslice_reads(topo: str) -> None:
    file = file_of(topo)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", AS_MN, str(file), topo], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built: dict[str, Any] = json.loads(done.stdout)
    network = load(topo)
    assert built["clashes"] == []
    assert {name: int(dpid, 16) for name, dpid in built["switches"].items()} == {
        s.name: s.dpid for s in network.switches.values()
    }
    assert built["hosts"] == {h.name: [f"{h.ip}/8", h.mac] for h in network.hosts.values()}
    ports = {}
    for one, two, port_one, port_two in built["ports"]:
        ports[one, two], ports[two, one] = port_one, port_two
    assert ports == {key: link.port_no for key, link in network.links.items()}
    assert built["ofport"] == {
        f"{link.source}-eth{link.port_no}": str(link.port_no)
        for link in network.links.values()
        if link.source in network.switches
    }


UNDER_TC = """
import json, sys
from mininet.link import TCLink
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch
from mininet.util import buildTopo

customs = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), customs, customs)
commands = []

class Nothing:
    def startShell(self, *args, **kwargs): pass
    def mountPrivateDirs(self): pass
    def cmd(self, *args, **kwargs):
        commands.append(" ".join(str(arg) for arg in args))
        return ""
    @classmethod
    def checkSetup(cls): pass
    def isOldOVS(self): return False

class StillHost(Nothing, Host): pass
class StillSwitch(Nothing, OVSSwitch): pass
class StillLink(TCLink):
    def makeIntfPair(self, *args, **kwargs): pass

Mininet.init = classmethod(lambda cls: None)
topo = buildTopo(customs["topos"], sys.argv[2])
net = Mininet(topo, switch=StillSwitch, host=StillHost, link=StillLink, controller=None, build=False)
net.buildFromTopo(topo)
print(json.dumps([command for command in commands if "netem" in command]))
"""


@pytest.mark.parametrize(
    ("topo", "netem"),
    [
        ("dumbbell", ""),
        ("dumbbell,3,delay=10ms", "delay 10ms"),
        ("dumbbell,3,loss=0.5", "loss 0.50000"),
        ("dumbbell,3,delay=10ms,loss=2", "delay 10ms loss 2.00000"),
    ],
)
def test_mn_with_link_tc_gives_the_same_delay_and_loss(topo: str, netem: str) -> None:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", UNDER_TC, str(file_of(topo)), topo],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [command.partition(" netem ")[::2] for command in json.loads(done.stdout)]
    ends = ["s1-eth1", "s2-eth1"] if netem else []
    assert [before.split()[4] for before, _ in found] == ends
    assert [options.strip() for _, options in found] == [netem] * len(ends)
