"""Mininet on a private Open vSwitch: all that was asked for is there, frames flow, hosts keep to capacity."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fairslice.topology.network import Host, Link, Network, Switch

pytestmark = pytest.mark.emulation

CAPACITY_BPS = 20e6
PING = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(60)
body = bytes(range(256)) * 5
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
head = lambda value: struct.pack("!BBHHH", 8, 0, value, 7, 1)
s.sendto(head(checksum(head(0) + body)) + body, (sys.argv[1], 0))
while True:
    answer, (sender, _) = s.recvfrom(4096)
    if answer[20] == 0 and sender == sys.argv[1] and answer[28:] == body:
        sys.exit(0)
"""


def build(attached: Mapping[str, str], cables: list[tuple[str, str]], capacity_bps: float) -> Network:
    """A network of hosts by their switch, and of cables between switches."""
    names = sorted({*attached.values(), *(name for cable in cables for name in cable)})
    ports = dict.fromkeys(names, 0)
    links: dict[tuple[str, str], Link] = {}
    hosts: dict[str, Host] = {}

    def add(node: str, peer: str) -> None:
        port_no = 0
        if node in ports:
            ports[node] += 1
            port_no = ports[node]
        links[node, peer] = Link(node, peer, capacity_bps, port_no)

    for number, (host, switch) in enumerate(attached.items(), start=1):
        add(host, switch)
        add(switch, host)
        mac, ip = f"02:00:00:00:00:{number:02x}", f"10.0.0.{number}"
        hosts[host] = Host(host, mac, ip, switch, links[switch, host].port_no)
    for one, other in cables:
        add(one, other)
        add(other, one)
    # Datapath ids that names do not tell.
    switches = {name: Switch(name, 0xAB00 + number) for number, name in enumerate(names)}
    return Network(switches, hosts, links)


def dumbbell(capacity_bps: float = CAPACITY_BPS) -> Network:
    return build({"h1": "s1", "h2": "s1", "h3": "s2", "h4": "s2"}, [("s1", "s2")], capacity_bps)


def fat_tree() -> Network:
    """Of k=4 (Al-Fares et al., SIGCOMM 2008): 20 switches, 16 hosts, 48 cables."""
    pods, half = range(4), range(2)
    cables = [(f"e{p}{i}", f"a{p}{j}") for p in pods for i in half for j in half]
    cables += [(f"a{p}{j}", f"c{j}{i}") for p in pods for j in half for i in half]
    return build({f"h{p}{i}{n}": f"e{p}{i}" for p in pods for i in half for n in half}, cables, CAPACITY_BPS)


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=240).stdout


def describe() -> dict[str, Any]:
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    network = dumbbell()
    with OpenVSwitch() as switch:
        logs = [path.exists() for path in switch.log_paths]
        with EmulatedNetwork(network, congestion_control="reno") as emulated:
            bridges = json.loads(run("ovs-vsctl", "--format=json", "list", "Bridge"))
            interfaces = json.loads(run("ovs-vsctl", "--format=json", "list", "Interface"))
            targets = run("ovs-vsctl", "--columns=target", "--bare", "list", "Controller").split()
            features = run("ethtool", "-k", "s1-eth1").splitlines()
            host, complaint = emulated.popen(
                "h1",
                ["sh", "-c", "ip -j addr; ip route; ethtool -k h1-eth0"],
            ).communicate(timeout=240)
            unquoted, _ = emulated.popen("h1", ["echo", "$(reboot)", ";", "a b"]).communicate(timeout=240)
        left = run("ip", "-o", "link").splitlines(), run("ovs-vsctl", "list-br")
    return {
        "bridges": [dict(zip(bridges["headings"], row, strict=True)) for row in bridges["data"]],
        "interfaces": [dict(zip(interfaces["headings"], row, strict=True)) for row in interfaces["data"]],
        "targets": targets,
        "features": [*features, *host.splitlines()[2:]],
        "addresses": json.loads(host.splitlines()[0]),
        "route": host.splitlines()[1].strip(),
        "complaint": complaint,
        "unquoted": unquoted,
        "logs": logs,
        "left": left,
        "switch is gone": not Path("/run/openvswitch").exists(),
    }


def test_the_network_is_as_described(inside: Callable[..., Any]) -> None:
    network = dumbbell()
    found = inside(describe)
    bridges = {bridge["name"]: bridge for bridge in found["bridges"]}
    assert {name: int(bridge["datapath_id"], 16) for name, bridge in bridges.items()} == {
        switch.name: switch.dpid for switch in network.switches.values()
    }
    for bridge in bridges.values():
        assert bridge["fail_mode"] == "secure"
        assert bridge["datapath_type"] == "netdev"
        assert bridge["protocols"] == "OpenFlow13"
    assert found["targets"] == ["tcp:127.0.0.1:6653"] * 2

    ports = {row["name"]: row for row in found["interfaces"] if row["name"] not in bridges}
    expected = {f"{x.source}-eth{x.port_no}": x for x in network.links.values() if x.source in bridges}
    assert {name: row["ofport"] for name, row in ports.items()} == {
        name: link.port_no for name, link in expected.items()
    }
    for name, link in expected.items():
        assert ports[name]["external_ids"] == [
            "map",
            [["fairslice-capacity-bps", str(round(link.capacity_bps))]],
        ]

    h1 = network.hosts["h1"]
    interface = {row["ifname"]: row for row in found["addresses"]}["h1-eth0"]
    assert interface["address"] == h1.mac
    assert [(a["local"], a["prefixlen"]) for a in interface["addr_info"]] == [(h1.ip, 8)]  # and no IPv6
    assert found["route"] == "default dev h1-eth0 scope link src 10.0.0.1 congctl reno"
    on = [line.strip() for line in found["features"] if line.endswith(": on")]
    assert not {"rx-checksumming: on", "tx-checksumming: on", "tcp-segmentation-offload: on"} & set(on)
    assert not {"generic-segmentation-offload: on", "generic-receive-offload: on"} & set(on)

    assert found["complaint"] == ""
    assert found["unquoted"] == "$(reboot) ; a b\n"
    assert found["logs"] == [True, True]
    assert [line.split()[1] for line in found["left"][0]] == ["lo:"]
    assert found["left"][1] == ""
    assert found["switch is gone"]


def measure(warmup_s: float, duration_s: float) -> dict[str, Any]:
    """Ping across; then a greedy TCP and a too fast UDP sender, each on a host of its own."""
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch
    from fairslice.lab.traffic.iperf3_commands import Stream
    from fairslice.lab.traffic.iperf3_streams import run_streams
    from fairslice.linux.processors import clock_ticks_per_s, load_between, sample_processors

    received: dict[str, tuple[float, dict[str, int]]] = {}
    load = {}
    # The trunk is the one link that nothing limits here.
    with (
        OpenVSwitch() as switch,
        # BBR would leave its link idle now and then, to look for a shorter round trip.
        EmulatedNetwork(dumbbell(), controller_port=None, congestion_control="cubic") as emulated,
    ):
        ping = emulated.popen("h1", [sys.executable, "-c", PING, "10.0.0.3"])
        _, complaint = ping.communicate(timeout=240)

        def read(phase: str) -> None:
            counters = {
                port: int(Path(f"/sys/class/net/{port}/statistics/rx_bytes").read_text())
                for port in ("s1-eth1", "s1-eth2")
            }
            received[phase] = (time.monotonic(), counters)
            load[phase] = sample_processors(switch.switch_pid, time.monotonic)

        results = run_streams(
            emulated,
            [
                Stream("tcp", "h1", "h3", "10.0.0.3", "tcp", 5001, client_port=40001),
                Stream("udp", "h2", "h4", "10.0.0.4", "udp", 5001, rate_bps=3 * CAPACITY_BPS, dscp=5),
            ],
            warmup_s=warmup_s,
            duration_s=duration_s,
            on_phase=read,
        )
        left = [path.name for path in Path("/proc").glob("[0-9]*") if "iperf3" in (path / "comm").read_text()]
    (begin, before), (end, after) = received["measuring"], received["finishing"]
    return {
        "ping": (ping.returncode, complaint),
        "errors": [result.error for result in results.values() if result.error],
        "wire_bps": {port: (after[port] - before[port]) * 8 / (end - begin) for port in after},
        "window_s": end - begin,
        "goodput_bps": {
            flow: json.loads(result.server_json)["end"]["sum_received"]["bits_per_second"]
            for flow, result in results.items()
        },
        "begin_s": [result.begin_s for result in results.values()],
        "lasted_s": [
            json.loads(result.server_json)["intervals"][-1]["sum"]["end"] for result in results.values()
        ],
        "read_s": [result.read_s for result in results.values()],
        "port": json.loads(results["tcp"].client_json)["start"]["connected"][0]["local_port"],
        "congestion control": json.loads(results["tcp"].client_json)["end"]["sender_tcp_congestion"],
        "tos": json.loads(results["udp"].client_json)["start"]["test_start"].get("tos"),
        "busiest": load_between(load["measuring"], load["finishing"], clock_ticks_per_s()).busiest_thread,
        "left": left,
    }


def test_hosts_send_at_their_capacity(inside: Callable[..., Any]) -> None:
    found = inside(measure, 1.0, 4.0)
    assert found["ping"] == [0, ""]
    assert found["errors"] == []
    assert found["window_s"] == pytest.approx(4.0, abs=0.1)
    for port, wire_bps in found["wire_bps"].items():
        assert wire_bps == pytest.approx(CAPACITY_BPS, rel=0.02), port
    # Payload over frame: 1448/1514 for TCP, 1448/1490 for UDP; iperf3 counts the first moments too.
    assert found["goodput_bps"]["tcp"] == pytest.approx(CAPACITY_BPS * 1448 / 1514, rel=0.03)
    assert found["goodput_bps"]["udp"] == pytest.approx(CAPACITY_BPS * 1448 / 1490, rel=0.03)
    assert all(1.0 <= begin_s <= 4.5 for begin_s in found["begin_s"])
    # Both run until counters have been read for the second time.
    assert all(
        lasted_s >= read_s for lasted_s, read_s in zip(found["lasted_s"], found["read_s"], strict=True)
    )
    assert found["port"] == 40001
    assert found["congestion control"] == "cubic"
    assert found["tos"] == 5 << 2
    assert 0.0 < found["busiest"] < 1.2
    assert found["left"] == []


def test_two_runs_side_by_side_do_not_meet(start_inside: Callable[..., Any]) -> None:
    # Names, addresses, sockets and ports are the same in both.
    runs = [start_inside(measure, 0.5, 2.0) for _ in range(2)]
    for found in [run.returned(600) for run in runs]:
        assert found["errors"] == []
        assert found["ping"] == [0, ""]
        assert found["goodput_bps"]["tcp"] < CAPACITY_BPS


def measure_without_a_controller() -> dict[str, Any]:
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch
    from fairslice.lab.traffic.iperf3_commands import Stream
    from fairslice.lab.traffic.iperf3_streams import run_streams

    phases: list[str] = []
    with OpenVSwitch(), EmulatedNetwork(dumbbell()) as emulated:
        results = run_streams(
            emulated,
            [Stream("lost", "h1", "h3", "10.0.0.3", "tcp", 5001)],
            warmup_s=1,
            duration_s=1,
            on_phase=phases.append,
        )
    return {"error": results["lost"].error, "phases": phases}


def test_a_network_that_forwards_nothing_is_reported(inside: Callable[..., Any]) -> None:
    found = inside(measure_without_a_controller)
    assert found["error"].startswith("flow lost: iperf3 client (h1 to h3, port 5001)")
    assert found["phases"] == ["connecting", "warming-up", "finishing", "done"]


def bring_up_a_fat_tree() -> dict[str, Any]:
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    with OpenVSwitch(), EmulatedNetwork(fat_tree()):
        bridges = run("ovs-vsctl", "list-br").split()
        ofports = run("ovs-vsctl", "--bare", "--columns=ofport", "list", "Interface").split()
    return {"bridges": len(bridges), "failed": ofports.count("-1"), "ports": len(ofports)}


def test_a_fat_tree_comes_up(inside: Callable[..., Any]) -> None:
    found = inside(bring_up_a_fat_tree)
    assert found["bridges"] == 20
    assert found["ports"] == 16 + 2 * 32 + 20
    assert found["failed"] == 0


def refusals() -> dict[str, str]:
    from fairslice.errors import FairsliceError
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    def refusal(act: Callable[[], object]) -> str:
        try:
            act()
        except FairsliceError as error:
            return f"{type(error).__name__}: {error}"
        return "accepted"

    found = {"no switch": refusal(lambda: EmulatedNetwork(dumbbell()).start())}
    with OpenVSwitch() as switch:
        found["twice"] = refusal(lambda: OpenVSwitch().start())
        found["congestion"] = refusal(EmulatedNetwork(dumbbell(), congestion_control="pigeon").start)
        found["name"] = refusal(EmulatedNetwork(build({"a b": "s1"}, [], 1e6)).start)
        if not Path("/sys/module/openvswitch").exists():
            found["kernel"] = refusal(EmulatedNetwork(dumbbell(), datapath="kernel").start)
        with EmulatedNetwork(dumbbell()) as emulated:
            found["command"] = refusal(lambda: emulated.popen("h1", ["no-such-command"]))
        switch.stop()
        found["dead"] = refusal(lambda: switch.switch_pid)
    found["left"] = " ".join(line.split()[1] for line in run("ip", "-o", "link").splitlines())
    return found


def test_refusals_name_the_cause(inside: Callable[..., Any]) -> None:
    found = inside(refusals)
    kernel = found.pop("kernel", None)
    assert kernel is None or kernel.startswith("MachineError: the kernel datapath needs the kernel module")
    assert found["no switch"].startswith("MachineError: no Open vSwitch runs in /run/openvswitch")
    assert (
        found["twice"] == "MachineError: /run/openvswitch exists; expected the empty /run of fresh namespaces"
    )
    assert "has no TCP congestion control 'pigeon'; expected one of " in found["congestion"]
    assert found["congestion"].startswith("InputError: the kernel ")
    assert found["name"].startswith("InputError: the node name 'a b' can't name an interface")
    assert found["command"] == "MachineError: no-such-command not found; install the package that provides it"
    assert found["dead"].startswith("MachineError: ovs-vswitchd does not run")
    assert found["left"] == "lo:"
