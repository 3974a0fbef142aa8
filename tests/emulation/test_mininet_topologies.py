"""Topologies as people write them: what is read of one is what Mininet builds, and what is emulated."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairslice.topology.load import load_network

pytestmark = pytest.mark.emulation

TOPOLOGY = """
import functools
from fractions import Fraction
from mininet.link import TCLink
from mininet.node import Host
from mininet.topo import Topo

class Plain(Topo):
    def build(self, delay=None):
        one, two = self.addSwitch('supervisor-1', dpid='1'), self.addSwitch('2')
        self.addLink(one, two, 7, 12, bw=10, intfName1='trunk', intfName2='up')
        self.addLink(self.addHost('h1'), one, bw=Fraction(21, 2), intfName2='sup-h1',
                     addr1='00:00:00:00:00:aa')
        self.addLink(two, self.addHost('2a', ip='192.168.7.2/24', mac='00:00:00:00:00:bb'), bw=10,
                     delay=delay, intfName2='eth0', addr2='00:00:00:00:00:b0')
        self.addLink(self.addHost('3', cls=Host, ip=None), two, 1, 3, bw=10, delay=delay, intfName1='eth0',
                     addr1='00:00:00:00:00:cc', params1={'ip': '172.16.0.3/12', 'bw': 5})
        self.addLink(self.addHost('_', cls=functools.partial(Host, mac='00:00:00:00:00:dd')), two, port1=4,
                     cls=TCLink, bw=10)

topos = {'plain': Plain}
"""


def built_by_mininet(file: str) -> dict[str, Any]:
    """What plain Mininet makes of the topology, by its own interfaces and by the kernel."""
    from mininet.link import TCLink
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.node import Switch

    class NoSwitch(Switch):  # type: ignore[misc]
        """A node with ports, but nothing that switches."""

        def start(self, controllers: object) -> None:
            pass

        def stop(self, deleteIntfs: bool = True) -> None:  # noqa: N803
            pass

    setLogLevel("error")
    namespace: dict[str, Any] = {}
    exec(Path(file).read_text(), namespace)
    mininet = Mininet(topo=namespace["topos"]["plain"](), switch=NoSwitch, controller=None, link=TCLink)
    shown = {}
    for node in (*mininet.hosts, *mininet.switches):
        ports = {str(node.ports[i]): i.name for i in node.intfList() if i.name != "lo"}
        shown[node.name] = {"ports": ports, "dpid": getattr(node, "dpid", None)}
        if node in mininet.hosts:
            name = node.defaultIntf().name
            (link,) = json.loads(node.cmd(f"ip -j -4 addr show dev {name}"))
            shown[node.name] |= {
                "ip": link["addr_info"][0]["local"],
                "mac": node.cmd(f"cat /sys/class/net/{name}/address").strip(),
            }
    for node in (*mininet.hosts, *mininet.switches):
        node.terminate()
    return shown


def emulated(file: str) -> dict[str, Any]:
    """What fairslice builds of it, by the kernel and by Open vSwitch."""
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch
    from fairslice.topology.load import load_network as load

    network = load(file)
    shown: dict[str, Any] = {}
    with OpenVSwitch(), EmulatedNetwork(network) as running:
        for host in network.hosts:
            output, complaint = running.popen(host, ["ip", "-j", "addr"]).communicate(timeout=10)
            assert not complaint, complaint
            (link,) = [link for link in json.loads(output) if link["ifname"] != "lo"]
            (ip,) = [a["local"] for a in link["addr_info"] if a["family"] == "inet"]
            shown[host] = {"interface": link["ifname"], "ip": ip, "mac": link["address"], "up": link["flags"]}
        for switch in network.switches:
            ports = subprocess.run(
                ["ovs-vsctl", "list-ports", switch], capture_output=True, text=True, check=True
            ).stdout.split()
            shown[switch] = {
                port: int(
                    subprocess.run(
                        ["ovs-vsctl", "get", "Interface", port, "ofport"],
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                )
                for port in ports
            }
    return shown


@pytest.fixture
def topology(tmp_path: Path) -> str:
    file = tmp_path / "topo.py"
    file.write_text(TOPOLOGY)
    return str(file)


def test_ports_names_and_addresses_are_those_of_mininet(topology: str, inside: Callable[..., Any]) -> None:
    built = inside(built_by_mininet, topology)
    network = load_network(topology)
    assert set(built) == {*network.hosts, *network.switches}
    for name, switch in network.switches.items():
        assert int(built[name]["dpid"], 16) == switch.dpid
    for name in built:
        ports = {str(link.port_no): link.interface for link in network.links.values() if link.source == name}
        print(f"{name}: measured {built[name]['ports']}, expected {ports}")
        assert built[name]["ports"] == ports
    for name, host in network.hosts.items():
        print(f"{name}: measured {built[name]}, expected {host.ip} {host.mac}")
        assert (built[name]["ip"], built[name]["mac"]) == (host.ip, host.mac)


def test_they_are_emulated(topology: str, inside: Callable[..., Any]) -> None:
    found = inside(emulated, topology)
    network = load_network(topology)
    for name, host in network.hosts.items():
        link = network.links[name, host.switch]
        assert found[name]["interface"] == link.interface
        assert (found[name]["ip"], found[name]["mac"]) == (host.ip, host.mac)
        assert "LOWER_UP" in found[name]["up"]
    for name in network.switches:
        links = [link for link in network.links.values() if link.source == name]
        assert found[name] == {link.interface: link.port_no for link in links}
