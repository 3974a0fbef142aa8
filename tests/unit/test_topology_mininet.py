"""Mininet topologies as people write them: ports, names, addresses, numbers, classes and parameters."""

import json
from pathlib import Path

import pytest

from fairslice.errors import InputError
from fairslice.lab.emulation.hosts import check_emulable
from fairslice.policy import load_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.testing.commands import run_command
from fairslice.topology.load import load_network
from fairslice.topology.mininet_topo import as_number
from fairslice.topology.network import Network
from fairslice.topology.nodelink import from_json, to_json

HEAD = """import decimal, fractions, functools
import numpy as np
from mininet.link import Intf, Link, OVSLink, TCIntf, TCLink, TCULink
from mininet.node import *
from mininet.nodelib import NAT, LinuxBridge
from mininet.topo import Topo
from mininet.util import custom

class Renamed(Host): pass
class Extended(Host):
    colour = 'red'
    def paint(self): return self.colour
class Tagged(Host):
    def config(self, tag=100, **params):
        super().config(**params)
        self.cmd(f'ip link add link {self.defaultIntf()} name x.{tag} type vlan id {tag}')
class Built(Host):
    def __init__(self, name, **params): super().__init__(name, **params)
class Mixin:
    def terminate(self): pass
class Mixed(Mixin, Host): pass
class Router(Node):
    def config(self, **params): self.cmd('sysctl net.ipv4.ip_forward=1')
class Starting(OVSSwitch):
    def start(self, controllers): pass
class Blue(OVSKernelSwitch): pass
class Slow(TCLink):
    def __init__(self, *args, **params): super().__init__(*args, **params)
class Cable(TCLink): pass
class Port(TCIntf):
    def config(self, **params): pass

class T(Topo):
    def build(self):
"""
TAIL = "\ntopos = {'t': T}\n"


def load(folder: Path, body: str) -> Network:
    file = folder / "net.py"
    file.write_text(HEAD + "".join(f"        {line}\n" for line in body.splitlines()) + TAIL)
    network = load_network(str(file))
    # Whatever is taken survives a network file, and is what the emulation takes.
    assert from_json(json.loads(json.dumps(to_json(network))), "net.json") == network
    check_emulable(network)
    return network


def refused(folder: Path, body: str) -> str:
    with pytest.raises(InputError) as error:
        load(folder, body)
    return str(error.value)


def pair(host: str = "", switch: str = "", link: str = "") -> str:
    """h1 on s1, h2 on s1; with parameters of h1, of s1, and of their cable."""
    return (
        f"s1 = self.addSwitch('s1', {switch})\nself.addLink(self.addHost('h1', {host}), s1, bw=10, {link})\n"
        "self.addLink(self.addHost('h2'), s1, bw=10)"
    )


# Ports.

PINK = """for n in (1, 3, 6): self.addSwitch('S%d' % n, dpid='%016x' % n)
for n in (1, 2, 5): self.addHost('H%d' % n, inNamespace=True)
self.addLink('H1', 'S1', port1=1, port2=3, bw=10)
self.addLink('H2', 'S1', port1=1, port2=4, bw=10)
self.addLink('S1', 'S3', port1=1, port2=1, bw=10)
self.addLink('S3', 'S6', port1=2, port2=1, bw=10)
self.addLink('S6', 'H5', port1=3, port2=1, bw=10)"""


def test_a_hosts_port_may_be_1(tmp_path: Path) -> None:
    network = load(tmp_path, PINK)
    assert network.links["H1", "S1"].interface == "H1-eth1"
    assert (network.hosts["H5"].switch, network.hosts["H5"].port_no) == ("S6", 3)
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices:\n  pink: {flows: [{from: H1, to: H5}, {from: H2, to: H5}]}\n")
    rates = [flow.rate_bps for flow in allocate_slices(load_policy(policy), network).flows]
    assert rates == pytest.approx([5e6, 5e6])
    assert network.notes == ()


@pytest.mark.parametrize("port", [0, 1, 2, 7, 12, 100, 999, 4096, 65279])
@pytest.mark.parametrize("make", ["{}", "np.int64({})"])
def test_ports_of_both_ends_are_those_that_are_written(tmp_path: Path, port: int, make: str) -> None:
    written = make.format(port)
    network = load(
        tmp_path, pair(link=f"port1={written}, port2={make.format(port + 10 if port < 65000 else 3)}")
    )
    link = network.links["h1", "s1"]
    assert (link.port_no, link.interface) == (port, f"h1-eth{port}")
    assert type(link.port_no) is int


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("port1=-1", "port -1 of h1; expected 0 to 65279"),
        ("port1=65280", "port 65280 of h1; expected 0 to 65279"),
        ("port1='eth0'", "port 'eth0' of h1; expected a number"),
        ("port1=1.0", "port 1.0 of h1; expected a number"),
        ("port1=True", "port True of h1; expected a number"),
        ("port2=0", "port 0 of s1; expected 1 to 65279"),
        ("port2=np.float64(2)", "of s1; expected a number"),
    ],
)
def test_what_is_no_port_is_refused(tmp_path: Path, link: str, message: str) -> None:
    assert message in refused(tmp_path, pair(link=link))


# Names.


def test_long_names_may_have_short_interfaces(tmp_path: Path) -> None:
    network = load(
        tmp_path,
        "a, b = self.addSwitch('supervisor-1', dpid='1'), self.addSwitch('supervisor-2', dpid='2')\n"
        "self.addLink(a, b, bw=10, intfName1='sup1-2', intfName2='sup2-1')\n"
        "self.addLink(a, self.addHost('h1'), bw=10, intfName1='sup1-h', intfName2='h1-sup')\n"
        "self.addLink(b, self.addHost('h2'), bw=10, intfName1='sup2-h', intfName2='h2-sup')",
    )
    names = {link.name: link.interface for link in network.links.values()}
    assert names["supervisor-1->supervisor-2"] == "sup1-2"
    assert names["h2->supervisor-2"] == "h2-sup"
    assert len(names) == len(set(names.values())) == 6


@pytest.mark.parametrize(
    "names",
    [
        *(("eth0", "s1-h1"), ("eth0", ""), ("", "to-h1"), ("h1-eth0", "s1-eth1"), ("x" * 15, "y" * 15)),
        *(("wlan0", "1"), ("a.100", "b_2"), ("_", "7-eth"), ("dev", "up"), ("eth1", "h2-eth0"), ("s1", "h1")),
    ],
)
def test_names_that_linux_takes_are_taken(tmp_path: Path, names: tuple[str, str]) -> None:
    host, switch = names
    given = [f"intfName{end}={name!r}" for end, name in enumerate(names, start=1) if name]
    network = load(tmp_path, pair(link=", ".join(given)))
    assert network.links["h1", "s1"].interface == (host or "h1-eth0")
    assert network.links["s1", "h1"].interface == (switch or "s1-eth1")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("intfName1='x' * 16", "h1: its interface xxxxxxxxxxxxxxxx is longer than Linux allows"),
        ("intfName2='y' * 16", "s1: its interface yyyyyyyyyyyyyyyy is longer than Linux allows"),
        ("intfName1='a/b'", "h1: its interface can't be called 'a/b'; expected letters, digits, _ . and -"),
        ("intfName1='a b'", "can't be called 'a b'"),
        ("intfName1='a:1'", "can't be called 'a:1'"),
        ("intfName1='-a'", "can't be called '-a'"),
        ("intfName1='..'", "can't be called '..'"),
        ("intfName1='lo'", "can't be called 'lo'"),
        ("intfName1='a%d'", "can't be called 'a%d'"),
        ("intfName2='$(x)'", "s1: its interface can't be called '$(x)'"),
        ("intfName1=5", "cable h1 - s1: intfName1=5; expected text"),
        ("intfName2='s1'", "switch s1 and port 1 of s1 have the same interface s1; expected one each"),
        ("intfName2='s1-eth2'", "port 1 of s1 and port 2 of s1 have the same interface s1-eth2"),
    ],
)
def test_names_that_linux_does_not_take_are_refused_at_once(tmp_path: Path, link: str, message: str) -> None:
    assert message in refused(tmp_path, pair(link=link))


@pytest.mark.parametrize("name", ["switch123", "abcde-hi.j", "s" * 10])
def test_an_interface_of_15_characters_is_taken_and_of_16_refused(tmp_path: Path, name: str) -> None:
    body = f"self.addLink(self.addSwitch({name!r}, dpid='1'), self.addHost('h1'), {{port}}, bw=1)"
    longest = 10 ** (15 - len(f"{name}-eth")) - 1
    assert len(load(tmp_path, body.format(port=longest)).links[name, "h1"].interface) == 15
    assert f"{name}: its interface {name}-eth{longest + 1} is longer than Linux allows" in refused(
        tmp_path, body.format(port=longest + 1)
    )


@pytest.mark.parametrize("name", ["lo", "all", "default", "ovs-netdev", "s" * 16])
def test_a_bridge_needs_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    body = f"self.addLink(self.addSwitch({name!r}, dpid='1'), self.addHost('h1'), bw=1, intfName1='p1')"
    assert f"switch {name}: its " in refused(tmp_path, body)


@pytest.mark.parametrize("host", ["1", "007", "1a", "_", "10.0.0.1", "lo", "all", "host-a.lab", "A", "2-b"])
@pytest.mark.parametrize("switch", ["1000", "9", "ATLA", "3com", "_s1"])
def test_nodes_may_be_numbers(tmp_path: Path, host: str, switch: str) -> None:
    body = f"self.addLink(self.addSwitch({switch!r}, dpid='a'), self.addHost({host!r}), bw=10)"
    assert load(tmp_path, body).links[host, switch].interface == f"{host}-eth0"


@pytest.mark.parametrize("name", ["-1", ".a", "a b", "a/b", "h;x", "ü", "", "a:b", "a'b", "a\\nb"])
def test_names_that_a_run_would_refuse_are_refused_at_once(tmp_path: Path, name: str) -> None:
    body = f"self.addLink(self.addSwitch('s1'), self.addHost('{name}'), bw=10)".replace("a'b", "a\\'b")
    text = refused(tmp_path, body)
    assert "expected letters, digits, _ . and -" in text
    # Once, not for its interface again.
    assert len(text.splitlines()) == 1


# Addresses.


@pytest.mark.parametrize(
    ("host", "link", "ip", "mac"),
    [
        ("", "", "10.0.0.1", "00:00:00:00:00:01"),
        ("", "addr1='00:00:00:00:00:aa'", "10.0.0.1", "00:00:00:00:00:aa"),
        ("", "params1={'ip': '192.168.7.1/24'}", "192.168.7.1", "00:00:00:00:00:01"),
        (
            "",
            "addr1='00:00:00:00:00:AA', params1={'ip': '192.168.7.1/24'}",
            *("192.168.7.1", "00:00:00:00:00:aa"),
        ),
        ("ip=None", "params1={'ip': '192.168.7.1'}", "192.168.7.1", "00:00:00:00:00:01"),
        ("", "params1={'mac': '02:00:00:00:00:01'}", "10.0.0.1", "02:00:00:00:00:01"),
        ("ip='10.9.9.2/24', mac='00:00:00:00:00:bb'", "", "10.9.9.2", "00:00:00:00:00:bb"),
        ("ip='10.1.2.3'", "addr1='00:00:00:00:00:cc'", "10.1.2.3", "00:00:00:00:00:cc"),
        ("mac='00:00:00:00:00:dd'", "params1={'ip': '172.16.0.9/12'}", "172.16.0.9", "00:00:00:00:00:dd"),
        ("mac=''", "addr1='00:00:00:00:00:ee'", "10.0.0.1", "00:00:00:00:00:ee"),
        ("", "ip='10.5.5.5/8'", "10.5.5.5", "00:00:00:00:00:01"),
        (
            "ip='192.168.7.1/24'",
            "addr1='00:00:00:00:00:ff', params1={'ip': '192.168.7.1/24'}",
            *("192.168.7.1", "00:00:00:00:00:ff"),
        ),
    ],
)
def test_addresses_may_stand_at_the_cable(tmp_path: Path, host: str, link: str, ip: str, mac: str) -> None:
    network = load(tmp_path, pair(host, link=link))
    assert (network.hosts["h1"].ip, network.hosts["h1"].mac) == (ip, mac)


def test_addresses_may_stand_at_the_second_end(tmp_path: Path) -> None:
    body = (
        "s1 = self.addSwitch('s1')\nself.addLink(s1, self.addHost('h1'), bw=10,"
        " addr2='00:00:00:00:00:aa', params2={'ip': '192.168.7.1/24', 'bw': 5})"
    )
    network = load(tmp_path, body)
    assert (network.hosts["h1"].ip, network.hosts["h1"].mac) == ("192.168.7.1", "00:00:00:00:00:aa")
    assert network.notes == ()


@pytest.mark.parametrize(
    ("host", "link", "message"),
    [
        ("", "addr1='aa'", "host h1: MAC address 'aa'; expected one of a host"),
        ("", "addr1='ff:ff:ff:ff:ff:ff'", "host h1: MAC address 'ff:ff:ff:ff:ff:ff'; expected one of a host"),
        ("", "params1={'ip': '300.1.1.1'}", "host h1: IP address '300.1.1.1'; expected an IPv4 address"),
        ("", "params1={'ip': 7}", "host h1: IP address 7; expected"),
        ("ip=None", "", "host h1: IP address None; expected"),
        ("", "params1={'ip': '10.0.0.2/8'}", "h1 and h2 have the same IP address 10.0.0.2"),
        ("", "addr1='00:00:00:00:00:02'", "h1 and h2 have the same MAC address 00:00:00:00:00:02"),
        (
            "",
            "addr1='00:00:00:00:00:0a', params1={'mac': '00:00:00:00:00:0b'}",
            "'00:00:00:00:00:0a' and '00:00:00:00:00:0b' as the MAC address of h1; expected one",
        ),
    ],
)
def test_addresses_at_the_cable_are_checked(tmp_path: Path, host: str, link: str, message: str) -> None:
    assert message in refused(tmp_path, pair(host, link=link))


@pytest.mark.parametrize(
    ("host", "link", "note"),
    [
        ("ip='10.1.1.1'", "params1={'ip': '10.2.2.2'}", "host h1: ip of its cable is not used"),
        ("mac='00:00:00:00:00:0a'", "addr1='00:00:00:00:00:0b'", "host h1: mac of its cable is not used"),
        ("", "addr2='00:00:00:00:00:0b'", "cable h1 - s1: the address of a switch's end is not used"),
        ("", "params2={'ip': '10.3.3.3/8'}", "cable h1 - s1: the address of a switch's end is not used"),
    ],
)
def test_an_address_that_is_not_used_is_told(tmp_path: Path, host: str, link: str, note: str) -> None:
    (found,) = load(tmp_path, pair(host, link=link)).notes
    assert note in found


# Numbers.


@pytest.mark.parametrize(
    ("bw", "mbit"),
    [
        *(("10", 10), ("2.5", 2.5), ("np.int64(12)", 12), ("np.int8(7)", 7), ("np.uint16(300)", 300)),
        *(("np.float32(10)", 10), ("np.float64(19.25)", 19.25), ("np.float16(0.5)", 0.5)),
        *(("np.longdouble(3)", 3), ("decimal.Decimal('10.1')", 10.1), ("fractions.Fraction(21, 2)", 10.5)),
        *(("np.arange(5, 9)[2]", 7), ("np.random.default_rng(1).integers(5, 20)", None)),
        *(("np.random.default_rng(1).uniform(5, 20)", None), ("10**6", 1e6)),
    ],
)
def test_every_real_number_is_a_bandwidth(tmp_path: Path, bw: str, mbit: float | None) -> None:
    capacity_bps = load(tmp_path, pair().replace("bw=10", f"bw={bw}")).links["h1", "s1"].capacity_bps
    assert type(capacity_bps) is float
    if mbit is None:
        assert 5e6 <= capacity_bps <= 20e6
    else:
        assert capacity_bps == pytest.approx(mbit * 1e6)


@pytest.mark.parametrize(
    "bw",
    [
        *("True", "np.bool_(True)", "'10'", "b'10'", "0", "-5", "np.int64(0)", "np.float64(-1)", "1j"),
        *("np.complex128(5)", "np.nan", "np.inf", "decimal.Decimal('NaN')", "decimal.Decimal('sNaN')"),
        *("fractions.Fraction(-1, 3)", "10**400", "fractions.Fraction(10**400)", "[10]", "np.array([10])"),
        *("np.datetime64('2026-01-01')", "decimal.Decimal('1e999')", "10**6 + 1"),
    ],
)
def test_what_is_no_positive_number_is_refused(tmp_path: Path, bw: str) -> None:
    text = refused(tmp_path, pair().replace("bw=10", f"bw={bw}"))
    assert "expected a number of Mbit/s above 0, up to 1000000" in text


@pytest.mark.parametrize(
    ("link", "delay_s", "loss"),
    [
        ("loss=np.int64(0)", 0, 0),
        ("loss=np.float32(0.5)", 0, 0.005),
        ("loss=decimal.Decimal('2.5')", 0, 0.025),
        ("loss=fractions.Fraction(1, 2)", 0, 0.005),
        ("delay='%.1fms' % np.float64(1.26)", 0.0013, 0),
        ("delay=np.str_('5ms')", 0.005, 0),
        ("delay=np.int64(0), loss=None", 0, 0),
        ("delay=decimal.Decimal(0)", 0, 0),
    ],
)
def test_delay_and_loss_take_them_too(tmp_path: Path, link: str, delay_s: float, loss: float) -> None:
    found = load(tmp_path, pair(link=link)).links["h1", "s1"]
    assert (found.delay_s, found.loss) == pytest.approx((delay_s, loss))


@pytest.mark.parametrize("link", ["loss=np.float64(100)", "loss=np.bool_(False)", "delay=np.float64(5)"])
def test_delay_and_loss_refuse_what_they_refused(tmp_path: Path, link: str) -> None:
    assert "; expected a " in refused(tmp_path, pair(link=link))


def test_a_number_keeps_its_value() -> None:
    for value in (0, -3, 2.5, 1e300):
        assert as_number(value) == value
    assert as_number(None) is None


# Classes.


@pytest.mark.parametrize(
    ("host", "switch", "link"),
    [
        *(
            ("cls=Host", "", ""),
            ("cls=Node", "", ""),
            ("", "cls=OVSSwitch", ""),
            ("", "cls=OVSKernelSwitch", ""),
        ),
        *(("", "", "cls=TCLink"), ("", "", "cls=Link"), ("", "", "cls=TCULink"), ("", "", "intf=TCIntf")),
        *(("", "", "cls1=Intf, cls2=TCIntf"), ("cls=None", "cls=None", "cls=None")),
        ("cls=functools.partial(Host, ip='10.4.4.4')", "", "cls=functools.partial(TCLink, loss=1)"),
    ],
)
def test_plain_classes_are_taken_in_silence(tmp_path: Path, host: str, switch: str, link: str) -> None:
    network = load(tmp_path, pair(host, switch, link))
    assert network.notes == ()
    if "partial" in host:
        assert network.hosts["h1"].ip == "10.4.4.4"
        assert network.links["h1", "s1"].loss == 0.01


@pytest.mark.parametrize(
    ("host", "switch", "link", "note"),
    [
        ("cls=Renamed", "", "", "host h1: class Renamed is built as mininet.node.Host"),
        ("cls=Extended", "", "", "host h1: class Extended is built as mininet.node.Host"),
        (
            "cls=CPULimitedHost",
            "",
            "",
            "host h1: class CPULimitedHost is built as mininet.node.Host: hosts share",
        ),
        ("cls=CPULimitedHost, sched='cfs'", "", "", "host h1: class CPULimitedHost is built as"),
        ("", "cls=OVSBridge", "", "switch s1: class OVSBridge is built as mininet.node.OVSSwitch"),
        ("", "cls=Blue", "", "switch s1: class Blue is built as mininet.node.OVSSwitch"),
        ("", "", "cls=OVSLink", "cable h1 - s1: class OVSLink is built as mininet.link.TCLink"),
        ("", "", "cls=Cable", "cable h1 - s1: class Cable is built as mininet.link.TCLink"),
    ],
)
def test_harmless_classes_are_told(tmp_path: Path, host: str, switch: str, link: str, note: str) -> None:
    assert any(note in found for found in load(tmp_path, pair(host, switch, link)).notes)


@pytest.mark.parametrize(
    ("host", "switch", "link", "message"),
    [
        (
            "cls=Tagged, tag=7",
            "",
            "",
            "host h1: class Tagged has config of its own, which fairslice would not",
        ),
        ("cls=Built", "", "", "host h1: class Built has __init__ of its own"),
        ("cls=Mixed", "", "", "host h1: class Mixed has terminate of its own"),
        ("cls=Router", "", "", "host h1: class Router has config of its own"),
        (
            "cls=NAT",
            "",
            "",
            "host h1: class NAT; expected mininet.node.Host, which is what fairslice emulates",
        ),
        ("cls=OVSSwitch", "", "", "host h1: class OVSSwitch; expected mininet.node.Host"),
        ("cls=CPULimitedHost, cpu=0.5", "", "", "host h1: cpu=0.5 of CPULimitedHost; expected none"),
        ("cls=CPULimitedHost, cores=1", "", "", "host h1: cores=1 of CPULimitedHost; expected none"),
        ("cls=custom(CPULimitedHost, cpu=.1)", "", "", "; expected a class, as mininet.node.Host"),
        ("cls=lambda name, **params: Host(name)", "", "", "; expected a class, as mininet.node.Host"),
        ("cls='Host'", "", "", "host h1: class 'Host'; expected a class, as mininet.node.Host"),
        ("cls=int", "", "", "host h1: class int; expected mininet.node.Host"),
        ("", "cls=Starting", "", "switch s1: class Starting has start of its own"),
        ("", "cls=UserSwitch", "", "switch s1: class UserSwitch; expected mininet.node.OVSSwitch"),
        ("", "cls=IVSSwitch", "", "switch s1: class IVSSwitch; expected mininet.node.OVSSwitch"),
        ("", "cls=LinuxBridge", "", "switch s1: class LinuxBridge; expected mininet.node.OVSSwitch"),
        ("", "cls=Host", "", "switch s1: class Host; expected mininet.node.OVSSwitch"),
        ("", "", "cls=Slow", "cable h1 - s1: class Slow has __init__ of its own"),
        ("", "", "cls=TCIntf", "cable h1 - s1: class TCIntf; expected mininet.link.TCLink"),
        ("", "", "intf=Port", "cable h1 - s1: intf, class Port has config of its own"),
        ("", "", "cls2=Port", "cable h1 - s1: cls2, class Port has config of its own"),
    ],
)
def test_what_a_class_would_do_and_is_not_emulated_is_refused(
    tmp_path: Path, host: str, switch: str, link: str, message: str
) -> None:
    assert message in refused(tmp_path, pair(host, switch, link))


# Parameters.


@pytest.mark.parametrize(
    ("host", "switch", "link"),
    [
        *(("inNamespace=True", "", ""), ("privateDirs=[]", "", ""), ("cpu=-1, cores=None", "", "")),
        *(("lo='up', waitExited=True", "", ""), ("defaultRoute=None", "", "")),
        *(("", "protocols='OpenFlow13'", ""), ("", "protocols='OpenFlow10,OpenFlow13'", "")),
        *(("", "protocols=['OpenFlow13']", ""), ("", "failMode='secure', stp=False", "")),
        *(("", "inband=False, inNamespace=False, opts='', batch=True", ""), ("", "", "use_htb=True")),
        *(("", "", "jitter=None, max_queue_size=None"), ("", "", "txo=False, rxo=False, gro=False")),
        *(("", "", "up=True, fast=False, disable_gro=True"), ("", "", "params1=None, params2={}")),
        ("", "", "enable_ecn=False, enable_red=False, use_hfsc=False, use_tbf=False, speedup=0"),
    ],
)
def test_what_is_so_anyway_is_taken_in_silence(tmp_path: Path, host: str, switch: str, link: str) -> None:
    assert load(tmp_path, pair(host, switch, link)).notes == ()


@pytest.mark.parametrize(
    ("host", "switch", "link", "note"),
    [
        ("cpu=0.25", "", "", "host h1: cpu is not used: hosts share the machine's processors"),
        ("cores=[0, 1]", "", "", "host h1: cores is not used: hosts share the machine's processors"),
        ("sched='rt'", "", "", "host h1: sched is not used"),
        ("defaultRoute='via 10.0.0.254'", "", "", "host h1: defaultRoute is not used: a host reaches all"),
        (
            "privateDirs=['/var/log']",
            "",
            "",
            "host h1: privateDirs is not used: hosts share the machine's files",
        ),
        ("lo='down'", "", "", "host h1: lo is not used"),
        ("tag=100", "", "", "host h1: tag is not used"),
        ("position=np.array([1, 2])", "", "", "host h1: position is not used"),
        ("", "protocols='OpenFlow10'", "", "switch s1: protocols is not used: switches and controller speak"),
        ("", "datapath='user'", "", "switch s1: datapath is not used: the datapath is chosen by"),
        ("", "failMode='standalone'", "", "switch s1: failMode is not used"),
        ("", "stp=True", "", "switch s1: stp is not used: loops are safe without it"),
        ("", "inband=True", "", "switch s1: inband is not used"),
        ("", "opts='--x'", "", "switch s1: opts is not used"),
        ("", "reconnectms=500", "", "switch s1: reconnectms is not used"),
        ("", "listenPort=6634", "", "switch s1: listenPort is not used"),
        ("", "ip='10.0.0.99'", "", "switch s1: ip is not used: a switch has no address"),
        ("", "city='Oslo'", "", "switch s1: city is not used"),
        ("", "", "txo=True", "cable h1 - s1: txo is not used: the offloads of all interfaces are off"),
        ("", "", "params1={'gro': True}", "cable h1 - s1: gro is not used"),
        ("", "", "params2={'port': 9}", "cable h1 - s1: port is not used: port1 and port2 of addLink tell"),
        ("", "", "params1={'intfName1': 'eth9'}", "cable h1 - s1: intfName1 is not used"),
        ("", "", "weight=5", "cable h1 - s1: weight is not used"),
        ("", "", "moveIntfFn=print", "cable h1 - s1: moveIntfFn is not used"),
    ],
)
def test_what_is_not_used_and_harmless_is_told(
    tmp_path: Path, host: str, switch: str, link: str, note: str
) -> None:
    (found,) = load(tmp_path, pair(host, switch, link)).notes
    assert note in found
    # Where the file tells how the topology is built.
    assert found.startswith(f"{tmp_path / 'net.py'}:")
    assert ": warning: " in found


@pytest.mark.parametrize(
    ("host", "switch", "link", "message"),
    [
        (
            "inNamespace=False",
            "",
            "",
            "host h1: inNamespace=False; expected none, because a host has a network",
        ),
        ("", "inNamespace=True", "", "switch s1: inNamespace=True; expected none"),
        ("", "", "up=False", "cable h1 - s1: up=False; expected none, because cables are up"),
        ("", "", "ifconfig='mtu 9000'", "cable h1 - s1: ifconfig='mtu 9000'; expected none, because all"),
        (
            "",
            "",
            "jitter='2ms'",
            "cable h1 - s1: jitter='2ms'; expected none, because a link's delay is constant",
        ),
        (
            "",
            "",
            "max_queue_size=1000",
            "cable h1 - s1: max_queue_size=1000; expected none, because a queue's",
        ),
        ("", "", "params1={'speedup': 2}", "cable h1 - s1: speedup=2; expected none"),
        ("", "", "params2={'up': False}", "cable h1 - s1: up=False; expected none"),
        ("", "", "use_tbf=True, latency_ms=5", "cable h1 - s1: latency_ms=5; expected none"),
        ("", "", "enable_ecn=np.bool_(True)", "cable h1 - s1: enable_ecn="),
        ("", "", "params1=[1]", "cable h1 - s1: params1=[1]; expected a dict"),
    ],
)
def test_what_would_change_what_is_measured_is_refused(
    tmp_path: Path, host: str, switch: str, link: str, message: str
) -> None:
    assert message in refused(tmp_path, pair(host, switch, link))


def test_a_note_names_some_and_counts_the_rest(tmp_path: Path) -> None:
    body = (
        "s = self.addSwitch('s1')\nfor n in range(1, 13):\n"
        "    self.addLink(self.addHost(f'h{n}', cpu=1 / n), s, bw=10)"
    )
    (note,) = load(tmp_path, body).notes
    assert (
        "host h1, host h2, host h3, host h4, host h5, host h6, host h7, host h8 and 4 more: cpu is not"
        in note
    )


def test_commands_tell_notes_on_standard_error_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load(tmp_path, pair(host="cpu=0.5"))
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nslices:\n  a: {flows: [{from: h1, to: h2}]}\n")
    file = tmp_path / "net.py"
    for arguments in (
        ("topology", file, "--json"),
        ("plan", policy, "--topology", file, "--json"),
        ("check", policy, "--topology", file, "--json"),
        ("explain", policy, "--topology", file, "--json"),
    ):
        assert run_command(monkeypatch, *arguments) == 0
        said = capsys.readouterr()
        json.loads(said.out)
        assert "warning: host h1: cpu is not used" in said.err
        assert len(said.err.splitlines()) == 1


def test_names_of_interfaces_are_shown_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load(tmp_path, pair(link="intfName1='wan0'"))
    assert run_command(monkeypatch, "topology", tmp_path / "net.py") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["h1", "0", "wan0", "s1", "10", "Mbit/s"] in rows
    assert ["s1", "1", "s1-eth1", "h1", "10", "Mbit/s"] in rows
