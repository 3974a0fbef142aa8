"""Names, capacities and addresses that can be emulated, and the commands that set a host up."""

import math
from dataclasses import replace

import pytest

from fairslice.errors import InputError
from fairslice.lab.emulation.hosts import (
    Socket,
    check_emulable,
    egress_arguments,
    host_script,
    parse_sockets,
)
from fairslice.topology.network import Host, Link, Network, Switch, default_interface


def pair(
    host: str = "h1", switch: str = "s1", capacity_bps: float = 1e7, ip: str = "10.0.0.1", port_no: int = 1
) -> Network:
    links = [Link(host, switch, capacity_bps, 0), Link(switch, host, capacity_bps, port_no)]
    return Network(
        {switch: Switch(switch, 1)},
        {host: Host(host, "00:00:00:00:00:01", ip, switch, port_no)},
        {link.key: link for link in links},
    )


def options(arguments: list[str]) -> dict[str, str]:
    return dict(zip(arguments[6::2], arguments[7::2], strict=True))


def test_an_ordinary_network_can_be_emulated() -> None:
    check_emulable(pair())


@pytest.mark.parametrize("name", ["h 1", "h;reboot", "$(reboot)", "-h", "", ".h", "h/1", "h:1", "hé"])
def test_a_name_that_no_interface_or_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="can't name an interface"):
        check_emulable(pair(host=name))


@pytest.mark.parametrize("name", ["1", "1h", "007", "_", "lo", "all", "1.2", "h-1", "10_GE"])
def test_a_host_may_be_called_whatever_its_interface_can(name: str) -> None:
    check_emulable(pair(host=name))


@pytest.mark.parametrize("name", ["lo", "all", "default", "ovs-system"])
def test_a_switch_is_not_called_as_an_interface_that_is_there(name: str) -> None:
    with pytest.raises(InputError, match=f"switch {name}: its bridge can't be called so"):
        check_emulable(pair(switch=name))


def test_the_longest_interface_name_that_linux_takes_is_allowed() -> None:
    assert len(default_interface("s" * 9, 10)) == 15
    check_emulable(pair(switch="s" * 9, port_no=10))
    with pytest.raises(InputError, match=r"s{9}: its interface s{9}-eth100 is longer than Linux allows"):
        check_emulable(pair(switch="s" * 9, port_no=100))


def test_two_interfaces_of_switches_are_not_called_alike() -> None:
    network = pair()
    named = replace(network.links["s1", "h1"], interface_name="s1")
    with pytest.raises(InputError, match="switch s1 and port 1 of s1 have the same interface s1"):
        check_emulable(replace(network, links={**network.links, named.key: named}))
    # A host is in a network namespace of its own.
    check_emulable(pair(host="s1-eth1"))
    own = replace(network.links["h1", "s1"], interface_name="s1-eth1")
    check_emulable(replace(network, links={**network.links, own.key: own}))


@pytest.mark.parametrize("capacity_bps", [0.0, -1.0, math.nan])
def test_a_capacity_that_is_not_positive_is_refused(capacity_bps: float) -> None:
    with pytest.raises(InputError, match="link h1->s1 has a capacity of"):
        check_emulable(pair(capacity_bps=capacity_bps))


@pytest.mark.parametrize("ip", ["fd00::1", "10.0.0.256", "10.0.0.1; reboot", "10.0.0.1/8"])
def test_an_address_that_is_not_ipv4_is_refused(ip: str) -> None:
    with pytest.raises(InputError, match="expected an IPv4 address"):
        check_emulable(pair(ip=ip))


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        check_emulable(pair(host="h 1", switch="s" * 12, capacity_bps=0, ip="?"))
    # One for each of two names, both directions of the cable, and the address.
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize("capacity_bps", [8_000.0, 1e6, 1e8, 1e10])
def test_the_bucket_holds_two_frames_and_the_queue_a_time(capacity_bps: float) -> None:
    found = options(egress_arguments("h1-eth0", capacity_bps))
    assert found["rate"] == f"{capacity_bps:.0f}bit"
    burst_bytes = int(found["burst"].removesuffix("b"))
    queue_bytes = int(found["limit"].removesuffix("b")) - burst_bytes
    assert burst_bytes == max(2 * 1514, round(capacity_bps * 0.005 / 8))
    assert queue_bytes == max(5 * 1514, round(capacity_bps * 0.050 / 8))


def test_an_unlimited_capacity_is_not_limited() -> None:
    assert "rate" not in egress_arguments("h1-eth0", math.inf)


def test_the_script_sets_congestion_control_only_on_request() -> None:
    link = Link("h1", "s1", 1e7, 0)
    assert "congctl" not in host_script(link, "10.0.0.1", None)
    route = "ip route add default dev h1-eth0 src 10.0.0.1 congctl bbr"
    assert route in host_script(link, "10.0.0.1", "bbr").splitlines()


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1451 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0
   1: 0300000A:1451 0100000A:B2A4 01 00000000:0000001F 00:00000000 00000000     0        0 0 1 0 20 4 29 10 -1
   2: 0300000A:1451 0100000A:B2A6 06 00000000:00000000 03:00001762 00000000     0        0 0 3 0
"""
UDP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
  99: 00000000000000000000000000000000:1451 00000000000000000000000000000000:0000 07 00000000:00000000 00:0
"""


def test_sockets_are_read_from_the_kernels_tables() -> None:
    assert parse_sockets(TCP, "tcp") == [
        # Of a listening socket the queue is who waits to be accepted.
        Socket(5201, 0, is_listening=True, is_connected=False, unread_bytes=0),
        Socket(5201, 45732, is_listening=False, is_connected=True, unread_bytes=31),
        Socket(5201, 45734, is_listening=False, is_connected=False, unread_bytes=0),
    ]
    udp6 = Socket(5201, 0, is_listening=True, is_connected=False, unread_bytes=0)
    assert parse_sockets(UDP6, "udp") == [udp6]
    assert parse_sockets("", "tcp") == []
