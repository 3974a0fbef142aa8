"""Queues through OVSDB and the switch agent, on a real Open vSwitch with a userspace datapath."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from fairslice.control.agent.sync import pending, reconcile
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.control.ovsdb.rows import PortInfo
from fairslice.errors import MachineError
from fairslice.lab.emulation.openvswitch import DATABASE_SOCKET, OpenVSwitch
from fairslice.lab.emulation.sockets import deepen_packet_sockets
from fairslice.linux.tc import observe, run_command
from fairslice.slicing.state.desired import PortQos, Queue

pytestmark = pytest.mark.emulation

CAPACITY_BPS = 50_000_000
BUFFER_BYTES = 100_000
DPID = 0x5
OUT = 2
"""The port towards the host that receives."""
SHARES = {1: 0.10, 2: 0.30, 10: 0.60}
"""By queue_id; queue 10 is class 1:b, which shows whether classes are written in hexadecimal."""
TOLERANCE = 0.03
PAYLOAD_OF_FRAME = 1448 / 1514
SOON_S = 60.0
STANDS_STILL_S = 3.0


def qos(port_no: int = OUT, shares: dict[int, float] = SHARES, buffer_bytes: int = BUFFER_BYTES) -> PortQos:
    """A queue for each share, and one for the rest; their depths differ by a byte from one to the next."""
    return PortQos(
        port_no,
        CAPACITY_BPS,
        tuple(
            Queue(number, round(share * CAPACITY_BPS), CAPACITY_BPS, buffer_bytes + number)
            for number, share in {0: 0.002, **shares}.items()
        ),
    )


def leaves(buffer_bytes: int) -> dict[int, int]:
    """What the classes of :func:`qos` hold, by minor."""
    return {queue.queue_id + 1: queue.buffer_bytes for queue in qos(buffer_bytes=buffer_bytes).queues}


REPORT: list[str] = []


def say(text: str) -> None:
    """Print what was measured, and hand it to the test, which prints it too."""
    print(text)
    REPORT.append(text)


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def eventually(what: str, check: Callable[[], Any], timeout_s: float = SOON_S) -> float:
    """Wait until ``check`` gives something true; returns how long it took."""
    started = time.monotonic()
    while not check():
        assert time.monotonic() - started < timeout_s, f"{what}: not within {timeout_s} s"
        time.sleep(0.02)
    return time.monotonic() - started


def add_bridge(switch: OpenVSwitch, name: str = "s5", dpid: int = DPID) -> None:
    """A learning switch with two ports, eth1 and eth2, each a veth pair with its far end in a namespace."""
    switch.vsctl(["add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"])
    switch.vsctl(["set", "bridge", name, f"other_config:datapath-id={dpid:016x}"])
    for number in (1, 2):
        port, host = f"{name}-eth{number}", f"{name}-h{number}"
        run("ip", "netns", "add", host)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
        run("ip", "link", "set", port, "up")
        inside_host = ("ip", "netns", "exec", host)
        run(*inside_host, "ip", "addr", "add", f"10.0.{dpid}.{number}/24", "dev", "eth0")
        run(*inside_host, "ip", "link", "set", "eth0", "up")
        run(*inside_host, "ip", "link", "set", "lo", "up")
        off = [word for feature in ("tx", "rx", "tso", "gso", "gro") for word in (feature, "off")]
        run(*inside_host, "ethtool", "-K", "eth0", *off)
        switch.vsctl(["add-port", name, port, "--", "set", "interface", port, f"ofport_request={number}"])


@contextmanager
def agent() -> Iterator["subprocess.Popen[str]"]:
    """``fairslice agent`` beside the switch; it must end by itself on SIGTERM, quickly and well."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fairslice", "agent", "--verbose", "--ovsdb", DATABASE_SOCKET],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        assert process.poll() is None, f"the agent ended: {process.communicate()[1]}"
        process.terminate()
        started = time.monotonic()
        _, complaints = process.communicate(timeout=SOON_S)
        say(f"agent: ended in {time.monotonic() - started:.2f} s; it said:\n{complaints}")
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints
    finally:
        process.kill()
        process.communicate()


def tc(port: str) -> Any:
    return observe([port], run_command)[port]


def next_cfg(switch: OpenVSwitch) -> int:
    return int(switch.vsctl(["get", "Open_vSwitch", ".", "next_cfg"]))


def rows(switch: OpenVSwitch, table: str) -> list[Any]:
    data: list[Any] = json.loads(switch.vsctl(["--format=json", "list", table]))["data"]
    return data


# Each function below without "test" in its name runs in namespaces of its own, as conftest.py has it.


def rates_and_rows() -> list[str]:
    with OpenVSwitch() as switch, OvsDatabase(DATABASE_SOCKET) as database:
        add_bridge(switch)
        switch.vsctl(["set", "interface", "s5-eth2", "external_ids:fairslice-capacity-bps=50000000"])
        assert database.ports(DPID) == {
            1: PortInfo(1, "s5-eth1", "netdev", None, 10_000_000_000),
            2: PortInfo(2, "s5-eth2", "netdev", 5e7, 10_000_000_000),
        }
        with pytest.raises(MachineError, match=r"no bridge has the datapath id 0{15}9; found s5 \(0{15}5\)"):
            database.ports(9)

        started = time.monotonic()
        database.write_qos(DPID, {OUT: qos()})
        say(f"write_qos: in force after {1000 * (time.monotonic() - started):.1f} ms")
        # In force means that the classes are there when it returns.
        assert tc("s5-eth2").classes == {1, 2, 3, 11}
        shown = run("tc", "class", "show", "dev", "s5-eth2")
        found = dict(re.findall(r"class htb 1:(\w+) .*? rate (\S+) ceil 50Mbit", shown))
        assert found == {"fffe": "50Mbit", "1": "100Kbit", "2": "5Mbit", "3": "15Mbit", "b": "30Mbit"}
        assert database.read_qos(DPID) == {OUT: qos()}

        before = next_cfg(switch)
        database.write_qos(DPID, {OUT: qos()})
        assert next_cfg(switch) == before, "the second write sent a transaction"

        run("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/reconnect")
        assert database.read_qos(DPID) == {OUT: qos()}, "no new connection after a lost one"

        add_bridge(switch, "s6", 6)
        database.write_qos(6, {1: qos(1)})
        switch.vsctl(["del-br", "s6"])
        assert len(rows(switch, "QoS")) == 2
        database.write_qos(DPID, {})
        assert (rows(switch, "QoS"), rows(switch, "Queue")) == ([], [])
        assert not tc("s5-eth2").htb
    return REPORT


def foreign_qos() -> list[str]:
    with OpenVSwitch() as switch, OvsDatabase(DATABASE_SOCKET) as database:
        add_bridge(switch)
        create = (
            "--id=@q create QoS type=linux-hfsc other_config:max-rate=1000000 queues:0=@0 -- --id=@0 create"
        )
        switch.vsctl(
            ["set", "port", "s5-eth1", "qos=@q", "--", *create.split(), "Queue", "other_config:min-rate=9"]
        )
        foreign = (rows(switch, "QoS"), rows(switch, "Queue"), run("tc", "class", "show", "dev", "s5-eth1"))
        with pytest.raises(MachineError, match=r"bridge s5, port s5-eth1: has a QoS of type 'linux-hfsc'"):
            database.write_qos(DPID, {1: qos(1), OUT: qos()})
        assert database.read_qos(DPID) == {}
        database.write_qos(DPID, {OUT: qos()})
        assert reconcile(database.owned_ports()).changed == 1
        database.write_qos(DPID, {})
        assert foreign == (
            rows(switch, "QoS"),
            rows(switch, "Queue"),
            run("tc", "class", "show", "dev", "s5-eth1"),
        )
    return REPORT


def changes_in_place() -> list[str]:
    port = "s5-eth2"
    with OpenVSwitch() as switch, OvsDatabase(DATABASE_SOCKET) as database:
        add_bridge(switch)
        with agent() as process:
            database.write_qos(DPID, {OUT: qos()})
            took = eventually("the agent completes the port", lambda: not pending(database.owned_ports()))
            say(f"agent: port complete {1000 * took:.0f} ms after the queues are in force")
            assert {(found.dscp, found.minor) for found in tc(port).filters} == {
                (0, 1),
                (1, 2),
                (2, 3),
                (10, 11),
            }
            assert tc(port).leaf_bytes == leaves(BUFFER_BYTES)
            assert reconcile(database.owned_ports()).changed == 0

            def handles() -> list[str]:
                qdiscs = run("tc", "qdisc", "show", "dev", port).splitlines()[1:]
                return [*qdiscs, run("tc", "filter", "show", "dev", port, "parent", "1:")]

            before = handles()
            changed = PortQos(OUT, 40_000_000, qos(shares={1: 0.2, 2: 0.2, 10: 0.3}).queues)
            database.write_qos(DPID, {OUT: changed})
            shown = run("tc", "class", "show", "dev", port)
            assert re.search(r"1:2 .* rate 10Mbit", shown), shown
            assert re.search(r"1:fffe root rate 40Mbit", shown), shown
            assert handles() == before, "the change of rates touched leaves or filters"

            # The depth changes in the leaf that is there, which keeps its packets.
            database.write_qos(DPID, {OUT: qos(buffer_bytes=50_000)})
            took = eventually("new depth", lambda: tc(port).leaf_bytes == leaves(50_000))
            say(f"agent: new depth {1000 * took:.0f} ms after it is in OVSDB")

            # Open vSwitch can't delete a class while our filter leads to it.
            database.write_qos(DPID, {OUT: qos(shares={1: 0.1, 2: 0.3})})
            took = eventually("the class of the queue goes", lambda: tc(port).classes == {1, 2, 3})
            say(f"agent: class of a removed queue gone after {1000 * took:.0f} ms")
            assert pending(database.owned_ports()) == ()
            database.write_qos(DPID, {OUT: qos()})
            eventually("it comes back", lambda: not pending(database.owned_ports()))
            assert tc(port).classes == {1, 2, 3, 11}
            listed = run("ovs-appctl", "qos/show", port)
            assert set(re.findall(r"^Queue (\d+):", listed, re.M)) == {"1", "2", "10"}, listed

            run("tc", "filter", "del", "dev", port, "parent", "1:")
            took = eventually("drift is repaired", lambda: not pending(database.owned_ports()))
            say(f"agent: foreign change repaired after {took:.1f} s")

            run("ip", "link", "del", port)
            eventually("the port vanishes", lambda: pending(database.owned_ports()))
            run("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/reconnect")
            time.sleep(0.5)
            assert process.poll() is None
        database.write_qos(DPID, {})
        assert (rows(switch, "QoS"), rows(switch, "Queue")) == ([], [])
    return REPORT


def agent_once() -> list[str]:
    command = [sys.executable, "-m", "fairslice", "agent", "--once", "--ovsdb", DATABASE_SOCKET]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert failed.returncode == 6
    assert re.fullmatch(r"OVSDB unix:\S+: cannot connect: No such file or directory\n", failed.stderr)
    with OpenVSwitch() as switch, OvsDatabase(DATABASE_SOCKET) as database:
        add_bridge(switch)
        database.write_qos(DPID, {1: qos(1), 2: qos(2)})
        assert run(*command) == "ready; 2 port(s) changed\n"
        assert pending(database.owned_ports()) == ()
        assert run(*command) == "ready; 0 port(s) changed\n"
        run("tc", "filter", "del", "dev", "s5-eth1", "parent", "1:")
        # Nobody may change ports without the capability.
        powerless = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", *command]
        refused = subprocess.run(powerless, capture_output=True, text=True, timeout=240, check=False)
        assert refused.returncode == 6, refused
        assert "not permitted" in refused.stderr
        assert "must run as root in the network namespace" in refused.stderr
    return REPORT


def green() -> list[str]:
    """In a process like Ryu's, which patches before it imports anything else."""
    code = "import eventlet; eventlet.monkey_patch(thread=False); import runpy, sys; "
    code += "runpy.run_path(sys.argv[1])['patched'](int(sys.argv[2]))"
    with OpenVSwitch() as switch:
        add_bridge(switch)
        say(run(sys.executable, "-W", "ignore", "-c", code, __file__, str(switch.switch_pid)))
    return REPORT


def patched(switch_pid: int) -> None:
    """Two threads of the operating system write, as the controller's do, and a green one counts."""
    import eventlet

    ticks = [time.monotonic()]
    with (
        OvsDatabase(DATABASE_SOCKET, timeout_s=STANDS_STILL_S) as database,
        ThreadPoolExecutor(max_workers=2) as threads,
    ):

        def write(buffer_bytes: int) -> tuple[str, float]:
            started = time.monotonic()
            with pytest.raises(MachineError) as caught:
                database.write_qos(DPID, {OUT: qos(buffer_bytes=buffer_bytes)})
            return str(caught.value), time.monotonic() - started

        database.write_qos(DPID, {OUT: qos()})
        os.kill(switch_pid, signal.SIGSTOP)
        writing = [threads.submit(write, buffer_bytes) for buffer_bytes in (70_000, 80_000)]
        while not all(one.done() for one in writing):
            eventlet.sleep(0.005)
            ticks.append(time.monotonic())
        for text, took in (one.result() for one in writing):
            say(f"green: {text}; after {took:.2f} s, expected {STANDS_STILL_S:g} s")
            assert "ovs-vswitchd did not act" in text
            assert 0.9 * STANDS_STILL_S <= took < 60
        os.kill(switch_pid, signal.SIGCONT)
        database.write_qos(DPID, {OUT: qos()})
        assert database.read_qos(DPID) == {OUT: qos()}
    gap = max(after - before for before, after in pairwise(ticks))
    say(f"green: others waited at most {1000 * gap:.0f} ms; {len(ticks)} ticks")
    assert gap < STANDS_STILL_S / 2
    assert len(ticks) > 50


def flow(number: int, *options: str) -> tuple["subprocess.Popen[str]", "subprocess.Popen[str]"]:
    """An iperf3 server in s5-h2 and its client in s5-h1, whose packets carry DSCP ``number``."""
    address, tcp_port = f"10.0.{DPID}.2", str(5200 + number)
    command = ["ip", "netns", "exec", "s5-h2", "iperf3", "-s", "-1", "-J", "-p", tcp_port]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    listening = ["ip", "netns", "exec", "s5-h2", "ss", "-Hltn", "sport", "=", tcp_port]
    eventually("the server listens", lambda: run(*listening))
    command = ["ip", "netns", "exec", "s5-h1", "iperf3", "-c", address, "-p", tcp_port, "--dscp", str(number)]
    client = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, text=True)
    return server, client


def finish(server: "subprocess.Popen[str]", client: "subprocess.Popen[str]") -> Any:
    """The server's report."""
    output, _ = server.communicate(timeout=240)
    assert client.wait(timeout=SOON_S) == 0
    return json.loads(output)


def three_slices(seconds: int) -> dict[str, Any]:
    """Goodput by queue_id of three TCP flows through one port, and what a UDP flow of too much fills."""
    port = "s5-eth2"
    with OpenVSwitch() as switch, OvsDatabase(DATABASE_SOCKET) as database:
        add_bridge(switch)
        database.write_qos(DPID, {OUT: qos()})
        assert reconcile(database.owned_ports()).changed == 1
        # The kernel's default may be bbr, which fills a queue in waves.
        options = ("-t", str(seconds), "-O", "2", "-C", "cubic")
        flows = {number: flow(number, *options) for number in SHARES}
        # All ports send through one socket, whose own limit would come before the queues'.
        deepen_packet_sockets(switch.switch_pid)
        goodput = {}
        for number, pair in flows.items():
            # The first interval is cut by -O and the last by the end: what lies between counts.
            intervals = [each["sum"] for each in finish(*pair)["intervals"] if not each["sum"]["omitted"]][
                1:-1
            ]
            assert len(intervals) >= seconds - 3
            bits = 8 * sum(interval["bytes"] for interval in intervals)
            goodput[str(number)] = bits / sum(interval["seconds"] for interval in intervals)
        pair = flow(1, "-u", "-b", "80M", "-l", "1400", "-t", "2")
        deepest, drops = 0, 0
        while pair[1].poll() is None:
            qdiscs = json.loads(run("tc", "-s", "-json", "qdisc", "show", "dev", port))
            leaf = next(qdisc for qdisc in qdiscs if qdisc.get("parent") == "1:2")
            deepest, drops = max(deepest, leaf["backlog"]), leaf["drops"]
            time.sleep(0.05)
        finish(*pair)
        stats = run("ovs-ofctl", "-O", "OpenFlow13", "queue-stats", "s5", str(OUT))
    sent = dict(re.findall(r"queue (\d+): bytes=(\d+)", stats))
    return {"goodput": goodput, "deepest": deepest, "drops": drops, "sent": sent}


Inside = Callable[..., Any]


@pytest.mark.parametrize("function", [rates_and_rows, foreign_qos, changes_in_place, agent_once, green])
def test_on_open_vswitch(inside: Inside, function: Callable[[], list[str]]) -> None:
    print("\n".join(inside(function)))


def test_three_dscp_marked_flows_get_the_shares_of_their_queues(inside: Inside) -> None:
    found = inside(three_slices, 12)
    depth = leaves(BUFFER_BYTES)[2]
    errors = {}
    for number, share in SHARES.items():
        expected = share * CAPACITY_BPS * PAYLOAD_OF_FRAME
        measured = found["goodput"][str(number)]
        errors[number] = measured / expected - 1
        print(
            f"queue {number}: measured {measured / 1e6:.2f} Mbit/s, expected {expected / 1e6:.2f} "
            f"({(1 - TOLERANCE) * expected / 1e6:.2f} to {(1 + TOLERANCE) * expected / 1e6:.2f})"
        )
    print(f"queue 1: leaf at most {found['deepest']} bytes, expected {depth - 1514} to {depth}")
    assert max(map(abs, errors.values())) <= TOLERANCE, errors
    assert depth - 1514 < found["deepest"] <= depth
    assert found["drops"] > 0
    # Open vSwitch still reads the statistics of its classes, though their leaves are not its own.
    assert all(int(found["sent"][str(number)]) > 1_000_000 for number in SHARES), found
