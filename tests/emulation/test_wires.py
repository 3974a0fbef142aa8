"""Links have the delay and the loss of the topology where the kernel has netem.

Elsewhere an emulated network is refused, and a run takes the virtual machine.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fairslice.errors import EXIT_CANT_TELL, EXIT_OUT_OF_TOLERANCE
from fairslice.lab.emulation.openvswitch import kernel_module_loaded
from fairslice.lab.emulation.wires import missing_for_wires
from fairslice.measure.resolution import FRAME_BITS
from fairslice.measure.results import from_json
from fairslice.testing.networks import build_network
from fairslice.topology.network import Network

if TYPE_CHECKING:
    from fairslice.lab.emulation.openvswitch import Datapath

pytestmark = pytest.mark.emulation
BOTH = pytest.mark.both_datapaths

ROOT = Path(__file__).parents[2]
CAPACITY_BPS = 20e6

PING = """
import json, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(60)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def ping(number):
    head = lambda value: struct.pack("!BBHHH", 8, 0, value, 7, number)
    begin = time.monotonic()
    s.sendto(head(checksum(head(0))), (sys.argv[1], 0))
    while True:
        answer, (sender, _) = s.recvfrom(4096)
        kind, _, _, _, back = struct.unpack("!BBHHH", answer[20:28])
        if (kind, back, sender) == (0, number, sys.argv[1]):
            return time.monotonic() - begin
ping(0)  # The first one waits for ARP.
print(json.dumps([ping(number) for number in range(1, int(sys.argv[2]) + 1)]))
"""
RECEIVE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
s.bind(("0.0.0.0", 9))
print("ready", flush=True)
s.settimeout(60)
count = 0
try:
    while s.recv(100) != b"end":
        count += 1
except TimeoutError:
    print("no end")
print(count)
"""
SEND = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
count, rate = int(sys.argv[2]), float(sys.argv[3])
begin = time.monotonic()
for i in range(count):
    time.sleep(max(0.0, begin + i / rate - time.monotonic()))
    s.send(b"x")
took = time.monotonic() - begin
time.sleep(2)
try:
    for _ in range(200):  # Some of them arrive.
        time.sleep(0.01)
        s.send(b"end")
except ConnectionRefusedError:
    pass  # The receiver has seen one.
print(took)
"""


def dumbbell(*, delay_s: float = 0.0, loss: float = 0.0, back_s: float | None = None) -> Network:
    """h1 and h2 across a trunk with a delay, and a loss from left to right only."""
    network = build_network([("h1", "s1"), ("s1", "s2"), ("s2", "h2")], capacity_bps=CAPACITY_BPS)
    links = dict(network.links)
    links["s1", "s2"] = replace(links["s1", "s2"], delay_s=delay_s, loss=loss)
    links["s2", "s1"] = replace(links["s2", "s1"], delay_s=delay_s if back_s is None else back_s)
    return replace(network, links=links)


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=240).stdout


def datapath_here() -> "Datapath":
    """The kernel's, where it is."""
    return "kernel" if kernel_module_loaded() else "user"


def emulated(
    network: Network, act: Callable[[Any], dict[str, Any]], datapath: "Datapath | None" = None
) -> dict[str, Any]:
    """What ``act`` finds where switches learn by themselves, or the refusal; and what is left."""
    from fairslice.errors import MachineError
    from fairslice.lab.emulation.network import EmulatedNetwork
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    with OpenVSwitch():
        try:
            with EmulatedNetwork(
                network,
                datapath=datapath or datapath_here(),
                controller_port=None,
                congestion_control="cubic",
            ) as running:
                found = act(running)
        except MachineError as error:
            found = {"refusal": str(error)}
        found["left"] = [line.split()[1] for line in run("ip", "-o", "link").splitlines()]
        found["namespaces"] = run("ip", "netns", "list")
    return found


def is_refused(found: dict[str, Any], link: str = "s1->s2") -> bool:
    """Whether this kernel lacks something; then the refusal must say so, and nothing be built."""
    assert found["left"] == ["lo:"]
    assert found["namespaces"] == ""
    lacking = missing_for_wires()
    if not lacking:
        assert "refusal" not in found, found["refusal"]
        return False
    print(found["refusal"])
    for said in (f"link {link} has a", *lacking, "fairslice run --vm", "CONFIG_NET_SCH_NETEM"):
        assert said in found["refusal"]
    return True


def measure_round_trips(datapath: "Datapath") -> dict[str, Any]:
    def act(running: Any) -> dict[str, Any]:
        ping = running.popen("h1", [sys.executable, "-c", PING, "10.0.0.2", "50"])
        output, complaint = ping.communicate(timeout=240)
        assert ping.returncode == 0, complaint
        inner = json.loads(run("ip", "-n", "fairslice-wires", "-json", "link"))
        features = run("ip", "netns", "exec", "fairslice-wires", "ethtool", "-k", "s1-eth2")
        return {
            "round_trips_s": json.loads(output),
            "inner": sorted(link["ifname"] for link in inner),
            "on": [line.strip() for line in features.splitlines() if line.endswith(": on")],
        }

    return emulated(dumbbell(delay_s=0.020), act, datapath)


@BOTH
def test_a_round_trip_takes_both_delays(inside: Callable[..., Any]) -> None:
    datapath = datapath_here()
    found = inside(measure_round_trips, datapath)
    if not is_refused(found):
        check_round_trips(found, datapath)


def check_round_trips(found: dict[str, Any], datapath: str) -> None:
    trips_s = found["round_trips_s"]
    median_s = statistics.median(trips_s)
    low, high = 0.040, 0.043
    print(
        f"\n{datapath} datapath: round trips {min(trips_s) * 1e3:.2f} to {max(trips_s) * 1e3:.2f} ms, "
        f"median {median_s * 1e3:.2f} ms, expected {low * 1e3:g} to {high * 1e3:g} ms"
    )
    # A busy processor adds to single ones. tc rounds each way to 1 µs.
    assert low - 2e-6 <= min(trips_s) <= median_s <= high
    # Only the cable with the delay is built that way.
    assert found["inner"] == ["lo", "s1-eth2", "s2-eth1"]
    assert not {"tx-checksumming: on", "tcp-segmentation-offload: on"} & set(found["on"])
    assert not {"generic-segmentation-offload: on", "generic-receive-offload: on"} & set(found["on"])


def send_across(delay_s: float, loss: float, count: int, rate: float) -> dict[str, Any]:
    """Send small datagrams one way."""

    def act(running: Any) -> dict[str, Any]:
        ping = running.popen("h2", [sys.executable, "-c", PING, "10.0.0.1", "1"])
        ping.communicate(timeout=240)  # Whatever is lost: ARP and the switches' learning come first.
        receiver = running.popen("h2", [sys.executable, "-c", RECEIVE])
        assert receiver.stdout.readline() == "ready\n"
        counter = Path("/sys/class/net/s1-eth2/statistics/tx_packets")
        before = int(counter.read_text())
        sender = running.popen("h1", [sys.executable, "-c", SEND, "10.0.0.2", str(count), str(rate)])
        output, complaint = receiver.communicate(timeout=240)
        sent = int(counter.read_text()) - before
        took, more = sender.communicate(timeout=240)
        assert sender.returncode == 0, complaint + more
        return {"received": int(output), "sent": sent, "took_s": float(took)}

    return emulated(dumbbell(delay_s=delay_s, loss=loss), act)


@BOTH
def test_frames_are_lost_behind_the_counters_and_at_the_rate(inside: Callable[..., Any]) -> None:
    count, loss = 1000, 0.10
    found = inside(send_across, 0.0, loss, count, 1000.0)
    if is_refused(found):
        return
    # Binomial: five standard deviations.
    mean, deviation = count * (1 - loss), (count * loss * (1 - loss)) ** 0.5
    low, high = mean - 5 * deviation, mean + 5 * deviation
    print(f"\nreceived {found['received']} of {count}, expected {low:.0f} to {high:.0f}")
    assert low <= found["received"] <= high
    assert found["sent"] >= count


@BOTH
def test_the_delay_holds_as_many_frames_as_the_link_carries(inside: Callable[..., Any]) -> None:
    # More than three times the 1000 frames that netem holds by default are on the way at once.
    count, delay_s = 3500, 0.8
    found = inside(send_across, delay_s, 0.0, count, 7000.0)
    if is_refused(found):
        return
    on_the_way = count * min(1.0, delay_s / found["took_s"])
    print(f"\nreceived {found['received']} of {count}, up to {on_the_way:.0f} of them on the way at once")
    assert on_the_way > 1000
    assert found["received"] == count


def send_tcp() -> dict[str, Any]:
    """A greedy flow over a delay, and at the same time one over a line of its own without."""
    from fairslice.lab.traffic.iperf3_commands import Stream
    from fairslice.lab.traffic.iperf3_streams import run_streams

    lines = [("h1", "s1"), ("s1", "s2"), ("s2", "h2"), ("h3", "s3"), ("s3", "s4"), ("s4", "h4")]
    network = build_network(lines, capacity_bps=CAPACITY_BPS)
    far = {key: replace(network.links[key], delay_s=0.010) for key in (("s1", "s2"), ("s2", "s1"))}

    def act(running: Any) -> dict[str, Any]:
        moments = {}

        def read(phase: str) -> None:
            counters = (Path(f"/sys/class/net/{port}/statistics/tx_bytes") for port in ("s2-eth2", "s4-eth2"))
            moments[phase] = (time.monotonic(), [int(counter.read_text()) for counter in counters])

        results = run_streams(
            running,
            [
                Stream("far", "h1", "h2", "10.0.0.2", "tcp", 5001),
                Stream("near", "h3", "h4", "10.0.0.4", "tcp", 5001),
            ],
            warmup_s=3,
            duration_s=6,
            on_phase=read,
        )
        (begin, before), (end, after) = moments["measuring"], moments["finishing"]
        far_bps, near_bps = ((b - a) * 8 / (end - begin) for a, b in zip(before, after, strict=True))
        errors = [result.error for result in results.values() if result.error]
        return {"far_bps": far_bps, "near_bps": near_bps, "errors": errors}

    return emulated(replace(network, links={**network.links, **far}), act)


@BOTH
def test_tcp_fills_a_link_with_a_delay(inside: Callable[..., Any]) -> None:
    """The sender's own queue of 50 ms is more than the round trip of 20 ms, so that cubic keeps it busy."""
    for _ in range(3):
        found = inside(send_tcp)
        if is_refused(found):
            return
        far_bps, near_bps = found["far_bps"], found["near_bps"]
        print(
            f"\non the wire {far_bps / 1e6:.2f} Mbit/s, expected 19.6 to 20.2; without a delay "
            f"{near_bps / 1e6:.2f}"
        )
        assert found["errors"] == []
        # Again if the machine was too busy even for the line without a delay.
        if near_bps >= 0.99 * CAPACITY_BPS:
            break
    assert 0.98 * CAPACITY_BPS <= far_bps <= 1.01 * CAPACITY_BPS


def cut_and_mend() -> dict[str, Any]:
    def carrier(port: str, expected: str) -> str:
        for _ in range(3000):  # A minute at most.
            if (state := Path(f"/sys/class/net/{port}/carrier").read_text().strip()) == expected:
                break
            time.sleep(0.02)
        return state

    def act(running: Any) -> dict[str, Any]:
        seen = [carrier("s2-eth1", "1")]
        for one, other in (("s1-eth2", "s2-eth1"), ("s2-eth1", "s1-eth2")):
            run("ip", "link", "set", one, "down")
            seen.append(carrier(other, "0"))
            run("ip", "link", "set", one, "up")
            seen += [carrier(other, "1"), carrier(one, "1")]
        # Both down, and up in either order.
        for order in (("s1-eth2", "s2-eth1"), ("s2-eth1", "s1-eth2")):
            for end in ("s1-eth2", "s2-eth1"):
                run("ip", "link", "set", end, "down")
                time.sleep(0.1)
            for end in order:
                run("ip", "link", "set", end, "up")
                time.sleep(0.1)
            seen += [carrier("s1-eth2", "1"), carrier("s2-eth1", "1")]
        ping = running.popen("h1", [sys.executable, "-c", PING, "10.0.0.2", "20"])
        output, complaint = ping.communicate(timeout=240)
        assert ping.returncode == 0, complaint
        return {"seen": seen, "round_trip_s": min(json.loads(output))}

    return emulated(dumbbell(delay_s=0.005, back_s=0.0), act)


@BOTH
def test_a_port_that_goes_down_is_seen_at_the_other_end(inside: Callable[..., Any]) -> None:
    found = inside(cut_and_mend)
    if is_refused(found):
        return
    assert found["seen"] == ["1", *["0", "1", "1"] * 2, *["1", "1"] * 2]
    # One direction has no delay; the other has it still.
    print(f"\nshortest round trip {found['round_trip_s'] * 1e3:.2f} ms, expected 5 to 8 ms")
    assert 0.005 - 1e-6 <= found["round_trip_s"] <= 0.008


@BOTH
def test_a_host_may_be_far_away(inside: Callable[..., Any]) -> None:
    found = inside(measure_a_far_host)
    if is_refused(found, "h1->s1"):
        return
    print(f"\nshortest round trip {found['round_trip_s'] * 1e3:.2f} ms, expected 10 to 13 ms")
    assert 0.010 - 2e-6 <= found["round_trip_s"] <= 0.013


def measure_a_far_host() -> dict[str, Any]:
    network = dumbbell()
    far = {key: replace(network.links[key], delay_s=0.005) for key in (("h1", "s1"), ("s1", "h1"))}

    def act(running: Any) -> dict[str, Any]:
        ping = running.popen("h2", [sys.executable, "-c", PING, "10.0.0.1", "20"])
        output, complaint = ping.communicate(timeout=240)
        assert ping.returncode == 0, complaint
        return {"round_trip_s": min(json.loads(output))}

    return emulated(replace(network, links={**network.links, **far}), act)


def run_over_a_delay(out: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, "-m", "fairslice", "run", "--topology"),
            *("topologies/dumbbell.py:dumbbell,3,bottleneck=20,delay=10ms", "--policy"),
            *("policies/gold-silver-bronze.yaml", "--warmup", "5", "--out", str(out), *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )


@BOTH
def test_without_a_virtual_machine_a_run_is_refused(tmp_path: Path) -> None:
    lacking = missing_for_wires()
    if not lacking:
        print("this kernel has all that links with delay need: nothing to refuse")
        return
    done = run_over_a_delay(tmp_path / "out", "--no-vm")
    assert (done.returncode, done.stdout) == (6, "")
    assert "link s1->s2 has a delay of 10 ms" in done.stderr
    assert done.stderr.endswith("a virtual machine would do, and --no-vm forbids it\n")
    assert not (tmp_path / "out").exists()


@BOTH
def test_allocations_are_reached_over_a_delay(tmp_path: Path) -> None:
    """Without netem, in a virtual machine; its rates are judged where the whole test runs in one."""
    lacking = missing_for_wires()
    for attempt in range(2):  # Once more if the machine was too busy to tell.
        out = tmp_path / str(attempt)
        done = run_over_a_delay(out, "--duration", "8")
        if lacking:
            print(done.stderr)
            notice = done.stderr.splitlines()[0]
            assert notice.startswith("in a virtual machine (link s1->s2 has a delay of 10 ms")
            assert notice.endswith(f"but this kernel has no {', '.join(lacking)} to emulate it)")
            assert done.returncode in (0, EXIT_CANT_TELL), done.stdout + done.stderr
            assert from_json((out / "results.json").read_text()).datapath == "kernel"
            return
        if done.returncode != EXIT_CANT_TELL:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    result = from_json((out / "results.json").read_text())
    for flow in result.flows:
        print(f"{flow.slice}: allocated {flow.allocated_bps:.0f}, error {flow.error:+.2%}, within 5 %")
    assert result.max_error is not None
    assert result.max_error <= 0.05


LOSSY = """version: 1
defaults: {buffer: 150 ms}
slices:
  quiet: {flows: [{from: h1, to: h4}]}
  metered: {flows: [{from: h2, to: h5}]}
  queued: {enforcement: shape, flows: [{from: h3, to: h6}]}
"""


def test_what_a_link_loses_is_told_apart_from_what_is_dropped_on_purpose(tmp_path: Path) -> None:
    """UDP at 0.8 times its allocation, at 1.5 times before a meter and before a queue; the link loses 5 %.

    Without netem it runs in a virtual machine. A sender that was kept waiting catches up at once. Queues are
    deep enough for that, so that they drop only what is above the allocation; where a socket is not,
    it is measured again. A stream whose opening datagram the link loses is started again.
    """
    policy = tmp_path / "policy.yaml"
    policy.write_text(LOSSY)
    for attempt in range(3):
        faults = list(wrongly_told(policy, tmp_path / str(attempt)))
        print(*faults, sep="\n")
        if not faults:
            return
    pytest.fail("\n".join(faults))


def wrongly_told(policy: Path, out: Path) -> Iterator[str]:
    """A run over a link that loses 5 %; all that its counts tell wrongly."""
    loss = 0.05
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fairslice", "run", str(policy), "--duration", "20", "--out", str(out)),
            *("--topology", "topologies/dumbbell.py:dumbbell,3,bottleneck=9,loss=5"),
            *("--send", "quiet=udp,x0.8", "--send", "metered=udp,x1.5", "--send", "queued=udp,x1.5"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )
    assert done.returncode in (0, EXIT_OUT_OF_TOLERANCE, EXIT_CANT_TELL), done.stdout + done.stderr
    result = from_json((out / "results.json").read_text())
    for flow in result.flows:
        assert flow.sent_bps, done.stdout
        assert flow.loss is not None
        assert flow.cable_lost_bps is not None
        sent, metered = flow.sent_bps, flow.metered_bps or 0.0
        queued, lost = flow.queue_dropped_bps or 0.0, flow.lost_bps or 0.0
        # What came to the link, in frames, and five standard deviations of what it lost of them (binomial).
        passed_bps = sent - metered - queued
        frames = passed_bps * result.window_s / FRAME_BITS
        # What waits in buckets and queues at the ends of the window is as unsure as the flow's rate.
        unsure = flow.resolution
        spread = 5 * (loss * (1 - loss) / frames) ** 0.5 + unsure
        told = f"{flow.slice}: sent {sent:.0f}, metered {metered:.0f}, queue dropped {queued:.0f} bit/s"
        print(f"\n{told}, lost {lost / passed_bps:.2%} of the rest, expected {loss:.0%} ± {spread:.2%}")
        if abs(lost / passed_bps - loss) > spread:
            yield f"{told}, lost {lost / passed_bps:.2%} of the rest, expected {loss:.0%} ± {spread:.2%}"
        if flow.cable_lost_bps > 0.01 * sent:
            yield f"{told}: its host's cable lost {flow.cable_lost_bps:.0f} bit/s, expected up to 1 %"
        over = max(0.0, sent - flow.allocated_bps)
        if flow.slice == "quiet":
            assert flow.expected_bps == flow.offered_bps
            if (metered, queued, over) != (0, 0, 0):
                yield f"{told}: nothing of it was to be dropped"
            continue
        # That it was sent: a queue deeper than its sender's socket would keep it waiting instead.
        if sent < 1.4 * flow.allocated_bps:
            yield f"{told}: expected 1.5 times its {flow.allocated_bps:.0f} bit/s to be sent"
        on_purpose, other = (metered, queued) if flow.slice == "metered" else (queued, metered)
        if other != 0:
            yield f"{told}: {other:.0f} bit/s dropped elsewhere than on purpose"
        # A queue may send what the quiet flow leaves, too (HTB lends).
        quiet = result.flows[0]
        lent = quiet.allocated_bps - (quiet.offered_bps or 0.0) if flow.slice == "queued" else 0.0
        unsure_bps = unsure * flow.allocated_bps
        if not over - lent - unsure_bps <= on_purpose <= over + unsure_bps:
            yield f"{told}: expected {over - lent:.0f} to {over:.0f} ± {unsure_bps:.0f} bit/s dropped"
