"""What packet tests counted, judged by the definitions of meters and queues; texts of real tools."""

import pytest

from fairslice.lab.doctor.judge import (
    FRAME_BITS,
    SWITCHES_OF_A_LONG_PATH,
    TRUSTED,
    Arrived,
    ForwardingTest,
    MeterTest,
    QueueTest,
    Sent,
    judge_headroom,
    judge_meter,
    judge_offloads,
    judge_queue,
)
from fairslice.lab.doctor.packets import class_frames, line_network
from fairslice.lab.emulation.hosts import check_emulable
from fairslice.linux.offloads import in_namespace_of, parse_features

RATE_BPS, BURST_BITS = 2e6, 100e3

# tc -s class show dev s2-eth1, iproute2 6.1, Open vSwitch 3.1 with a queue 1.
CLASSES = """\
class htb 1:1 parent 1:fffe prio 0 rate 12Kbit ceil 10Gbit burst 1563b cburst 1250b
 Sent 42 bytes 1 pkt (dropped 0, overlimits 0 requeues 0)
 backlog 0b 0p requeues 0
 lended: 1 borrowed: 0 giants: 0
 tokens: 15666666 ctokens: 18

class htb 1:fffe root rate 10Gbit ceil 10Gbit burst 1250b cburst 1250b
 Sent 425476 bytes 282 pkt (dropped 0, overlimits 280 requeues 0)
 backlog 0b 0p requeues 0
 lended: 0 borrowed: 0 giants: 0
 tokens: -1 ctokens: -1

class htb 1:2 parent 1:fffe leaf cdc2: prio 0 rate 4Mbit ceil 4Mbit burst 1564b cburst 1564b
 Sent 425434 bytes 281 pkt (dropped 394, overlimits 280 requeues 0)
 backlog 0b 0p requeues 0
 lended: 281 borrowed: 0 giants: 0
 tokens: -46815 ctokens: -46815
"""
# ethtool -k h1-eth0, ethtool 6.1, a veth as Linux makes it (shortened).
FEATURES = """\
Features for h1-eth0:
rx-checksumming: on
tx-checksumming: on
\ttx-checksum-ipv4: off [fixed]
\ttx-checksum-ip-generic: on
scatter-gather: on
tcp-segmentation-offload: on
\ttx-tcp-segmentation: on
generic-receive-offload: off
large-receive-offload: off [fixed]
"""


def meter(arrived: int, lasted_s: float = 0.8) -> MeterTest:
    sent = Sent(round(10 * RATE_BPS * lasted_s / FRAME_BITS), lasted_s)
    return MeterTest(sent, 10, RATE_BPS, BURST_BITS, Arrived(arrived, lasted_s, 0.001))


def test_a_meter_lets_its_bucket_and_its_rate_through() -> None:
    assert meter(0, lasted_s=2.0).expected * FRAME_BITS == pytest.approx(2 * RATE_BPS + BURST_BITS)


@pytest.mark.parametrize(
    ("share_of_expected", "status", "word"),
    [
        (0, "fail", "nothing"),
        (0.5, "warn", "less"),
        (1, "ok", ""),
        (1.5, "fail", "too little"),
        (9.4, "fail", "not"),
    ],
)
def test_meters(share_of_expected: float, status: str, word: str) -> None:
    found = judge_meter(meter(round(share_of_expected * meter(0).expected)), "userspace")
    assert found.status == status
    assert found.subject == "meters"
    assert word in found.found
    assert found.found.startswith("userspace: ")


def test_a_bucket_that_never_fills_again_is_no_meter_at_its_rate() -> None:
    sent = Sent(1321, 0.8)
    stuck = MeterTest(sent, 10, RATE_BPS, BURST_BITS, Arrived(8, 0.005, 0.001))
    assert judge_meter(stuck, "userspace").status == "warn"


def queue(
    rate_bps: float = 4e6, wait_s: float = 0.05, through: int | None = 280, frames: int = 281
) -> QueueTest:
    lasted_s = (frames - 1) * FRAME_BITS / rate_bps if frames else 0.0
    return QueueTest(4e6, 0.05, Arrived(frames, lasted_s, wait_s), through)


@pytest.mark.parametrize(
    ("test", "status", "word"),
    [
        (queue(), "ok", "4 Mbit/s through a queue of 4 Mbit/s, longest wait 50 ms of 50 ms"),
        (queue(rate_bps=10e6), "fail", "does not limit"),
        (queue(rate_bps=2e6), "warn", "slower"),
        (queue(wait_s=0.001), "fail", "do not wait"),
        (queue(through=0), "fail", "of 281 frames 0 went through it"),
        (queue(through=100), "fail", "of 281 frames 100 went through it"),
        (queue(through=None), "fail", "no HTB class"),
        (queue(frames=0, through=0), "fail", "of 0 frames 0"),
    ],
)
def test_queues(test: QueueTest, status: str, word: str) -> None:
    found = judge_queue(test, "kernel")
    assert (found.status, found.subject) == (status, "queues")
    assert word in found.found


def test_a_queue_that_nothing_leads_to_names_what_should() -> None:
    assert "cls_u32" in judge_queue(queue(through=0), "userspace").fix
    assert "set_queue" in judge_queue(queue(through=0), "kernel").fix


@pytest.mark.parametrize(
    ("on", "passed", "datapath", "status"),
    [
        ((), True, "userspace", "ok"),
        (("tx-checksumming",), True, "userspace", "fail"),
        (("tx-checksumming",), False, "userspace", "fail"),
        ((), False, "userspace", "fail"),
        ((), False, "kernel", "fail"),
        (("tx-checksumming",), True, "kernel", "ok"),  # the kernel's datapath completes them
    ],
)
def test_offloads(on: tuple[str, ...], passed: bool, datapath: str, status: str) -> None:
    found = judge_offloads({"h1": on, "h2": ()}, passed, datapath)
    assert found.status == status
    assert ("h1: tx-checksumming on" in found.found) == bool(on)


def test_what_can_be_trusted_shrinks_with_the_path() -> None:
    test = ForwardingTest(400e6, 2)
    assert test.frame_hops_per_s == pytest.approx(2 * 400e6 / FRAME_BITS)
    assert test.trusted_bps(2) == pytest.approx(TRUSTED * 400e6)
    assert test.trusted_bps(SWITCHES_OF_A_LONG_PATH) == pytest.approx(
        TRUSTED * 400e6 * 2 / SWITCHES_OF_A_LONG_PATH
    )


@pytest.mark.parametrize(("rate_bps", "status"), [(400e6, "ok"), (50e6, "warn"), (0.0, "fail")])
def test_headroom(rate_bps: float, status: str) -> None:
    found = judge_headroom(ForwardingTest(rate_bps, 2), "userspace")
    assert (found.status, found.subject) == (status, "processor headroom")
    if rate_bps == 400e6:
        assert "trust totals up to 200 Mbit/s over 2 switches, 80 Mbit/s over 5 switches" in found.found


@pytest.mark.parametrize(("minor", "frames"), [(1, 1), (2, 281), (0xFFFE, 282), (3, None)])
def test_frames_of_a_class(minor: int, frames: int | None) -> None:
    assert class_frames(CLASSES, minor) == frames


def test_features_are_those_at_the_margin() -> None:
    assert parse_features(FEATURES) == {
        "rx-checksumming": True,
        "tx-checksumming": True,
        "scatter-gather": True,
        "tcp-segmentation-offload": True,
        "generic-receive-offload": False,
        "large-receive-offload": False,
    }


def test_another_namespace_is_entered_by_one_of_its_processes() -> None:
    assert in_namespace_of(None, ["ip", "link"]) == ["ip", "link"]
    assert in_namespace_of(7, ["ip", "link"]) == ["nsenter", "-t", "7", "-n", "ip", "link"]


def test_the_small_network_can_be_emulated() -> None:
    network = line_network()
    check_emulable(network)
    assert {link.key[::-1] for link in network.links.values()} == set(network.links)
