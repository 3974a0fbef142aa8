"""A live Open vSwitch, from what tc and ip wrote of real ones."""

import sys
from pathlib import Path
from typing import Any

import pytest

from fairslice.control.ovsdb.rows import Device
from fairslice.lab.doctor.live import (
    Peer,
    find_peer,
    judge_offloads_of,
    judge_qdiscs,
    live_findings,
)

# tc -json qdisc show: v0 as TCLink(bw=10) leaves a port, v2 as Open vSwitch does.
QDISCS: list[dict[str, Any]] = [
    {"kind": "noqueue", "handle": "0:", "dev": "lo", "root": True, "refcnt": 2, "options": {}},
    {"kind": "htb", "handle": "1:", "dev": "v2", "root": True, "refcnt": 3, "options": {"default": "0x1"}},
    {"kind": "htb", "handle": "5:", "dev": "v0", "root": True, "refcnt": 3, "options": {"default": "0x1"}},
]
V0, V2 = Device("br0", "v0", True, False), Device("br0", "v2", True, True)


def test_tclink_is_told_with_the_port_and_the_fix() -> None:
    found = judge_qdiscs((V0, V2), QDISCS)
    assert found.status == "fail"
    assert "TCLink" in found.found
    assert "at v0 (htb 5:)" in found.found
    assert "v2 " not in found.found
    assert "tc qdisc del" in found.fix


@pytest.mark.parametrize(
    ("kind", "handle", "has_qos", "status"),
    [
        ("htb", "1:", True, "ok"),
        ("htb", "5:", True, "fail"),
        ("htb", "1:", False, "fail"),  # nothing in the database asked for it
        ("tbf", "5:", False, "fail"),
        ("hfsc", "5:", False, "fail"),
        ("netem", "10:", False, "fail"),
        ("fq_codel", "0:", False, "ok"),
        ("noqueue", "0:", False, "ok"),
        ("mq", "0:", True, "ok"),  # not set yet
    ],
)
def test_root_qdiscs(kind: str, handle: str, has_qos: bool, status: str) -> None:
    port = Device("s1", "s1-eth1", True, has_qos)
    qdisc = {"kind": kind, "handle": handle, "dev": "s1-eth1", "root": True}
    assert judge_qdiscs((port,), [qdisc]).status == status


def test_many_ports_are_told_shortly() -> None:
    ports = [Device("s1", f"s1-eth{n}", True, False) for n in range(1, 9)]
    found = judge_qdiscs(ports, [QDISCS[2] | {"dev": port.name} for port in ports])
    assert "s1-eth4 (htb 5:) and 4 more" in found.found


# ip -json link show, iproute2 6.1: v0's peer is v1 here; v2's is in another namespace.
LINKS = [
    {"ifindex": 3, "link": "v1", "ifname": "v0", "link_type": "ether"},
    {"ifindex": 2, "link": "v0", "ifname": "v1", "link_type": "ether"},
    {"ifindex": 5, "link_index": 4, "ifname": "v2", "link_netnsid": 0},
    {"ifindex": 9, "ifname": "eth0", "link_type": "ether"},
]
ELSEWHERE = {
    70: [{"ifindex": 4, "ifname": "eth0"}, {"ifindex": 6, "link_index": 5, "ifname": "x", "link_netnsid": 0}],
    71: [
        {"ifindex": 1, "ifname": "lo"},
        {"ifindex": 4, "link_index": 5, "ifname": "h1-eth0", "link_netnsid": 0},
    ],
}


@pytest.mark.parametrize(
    ("port", "peer"),
    [("v0", Peer("v1", None)), ("v2", Peer("h1-eth0", 71)), ("eth0", None), ("none", None)],
)
def test_the_other_end_of_a_veth(port: str, peer: Peer | None) -> None:
    assert find_peer(port, LINKS, ELSEWHERE) == peer


def test_another_end_that_cannot_be_seen() -> None:
    assert find_peer("v2", LINKS, {70: ELSEWHERE[70]}) is None


@pytest.mark.parametrize(
    ("looked_at", "unseen", "status"),
    [
        ({}, [], "ok"),
        ({"h1-eth0": ()}, [], "ok"),
        ({"h1-eth0": ("tx-checksumming",)}, [], "fail"),
        ({"h1-eth0": ("tx-checksumming",)}, ["v2"], "fail"),
        ({"h1-eth0": ()}, ["v2"], "warn"),
    ],
)
def test_offloads(looked_at: dict[str, tuple[str, ...]], unseen: list[str], status: str) -> None:
    found = judge_offloads_of(looked_at, unseen, 2)
    assert found.status == status
    assert f"{len(looked_at)} interface(s)" in found.found
    assert "2 port(s) need no look" in found.found
    assert ("h1-eth0 (tx-checksumming)" in found.found) == any(looked_at.values())


def test_no_switch_is_no_fault(tmp_path: Path) -> None:
    assert {finding.status for finding in live_findings(tmp_path)} == {"ok"}


def test_without_the_extra_that_brings_ovs_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "db.sock").touch()
    monkeypatch.setitem(sys.modules, "fairslice.control.ovsdb.database", None)
    for finding in live_findings(tmp_path):
        assert finding.status == "warn"
        assert "ovs is not installed" in finding.found
        assert 'the extra "controller"' in finding.fix


def test_a_switch_that_does_not_answer_is_told(tmp_path: Path) -> None:
    (tmp_path / "db.sock").touch()
    for finding in live_findings(tmp_path):
        assert finding.status == "warn"
        assert "does not answer: OVSDB unix:" in finding.found
