"""Cables with delay and loss: which they are, what is built for them, and what is said where it can't be."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import InputError, MachineError
from fairslice.lab.emulation.hosts import check_emulable
from fairslice.lab.emulation.wires import (
    NAMESPACE,
    Wires,
    cables,
    carrier_commands,
    check_wires,
    is_wire,
    link_commands,
    namespace_script,
    netem_arguments,
    traffic_commands,
)
from fairslice.testing.networks import build_network, networks
from fairslice.topology.network import Link, LinkKey, Network

PLAIN = build_network([("h1", "s1"), ("s1", "s2"), ("s2", "h2")], capacity_bps=20e6)


def changed(network: Network, changes: Mapping[LinkKey, Mapping[str, Any]]) -> Network:
    links = {key: replace(link, **changes.get(key, {})) for key, link in network.links.items()}
    return replace(network, links=links)


FAR = changed(PLAIN, {("s1", "s2"): {"delay_s": 0.02, "loss": 0.1}})
WIRES = Wires(FAR).wires


def options(arguments: Sequence[str]) -> dict[str, str]:
    return dict(zip(arguments[6::2], arguments[7::2], strict=True))


@given(networks())
def test_every_cable_is_there_once(network: Network) -> None:
    found = [link.key for cable in cables(network) for link in cable]
    assert sorted(found) == sorted(network.links)
    assert all(there.key == back.key[::-1] for there, back in cables(network))


def test_only_cables_with_a_delay_or_a_loss_are_built_of_two_pairs() -> None:
    assert Wires(PLAIN).wires == ()
    assert [{link.key for link in wire} for wire in WIRES] == [{("s1", "s2"), ("s2", "s1")}]
    link = PLAIN.links["s1", "s2"]
    assert is_wire(link, replace(link, loss=0.01))
    assert is_wire(replace(link, delay_s=1e-3), link)
    assert not is_wire(link, link)


def test_where_nothing_has_a_delay_the_kernel_is_not_asked() -> None:
    def fail() -> tuple[str, ...]:
        raise AssertionError

    check_wires(PLAIN, missing=fail)
    check_wires(FAR, missing=lambda: ())


def test_the_refusal_names_link_module_and_ways_out() -> None:
    with pytest.raises(MachineError) as error:
        check_wires(FAR, missing=lambda: ("sch_netem", "act_mirred"))
    assert str(error.value) == (
        "link s1->s2 has a delay of 20 ms and a loss of 10 %, but this kernel has no sch_netem, act_mirred to"
        " emulate it; use the virtual machine, whose kernel has (fairslice run --vm, or fairslice vm),"
        " or a kernel with CONFIG_NET_SCH_NETEM, CONFIG_NET_ACT_MIRRED"
    )
    more = changed(FAR, {("h1", "s1"): {"loss": 0.5}})
    with pytest.raises(MachineError, match=r"link h1->s1 has a loss of 50 % \(one of 2 such links\), but"):
        check_wires(more, missing=lambda: ("sch_netem",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delay_s": -0.001}, "link s1->s2 has a delay of -0.001 s; expected 0 to 60 s"),
        ({"delay_s": math.nan}, "a delay of nan s; expected"),
        ({"delay_s": math.inf}, "a delay of inf s; expected"),
        ({"loss": 1.0}, "link s1->s2 has a loss of 1; expected 0 to below 1"),
        ({"loss": -0.1}, "a loss of -0.1; expected"),
        ({"loss": math.nan}, "a loss of nan; expected"),
    ],
)
def test_what_is_no_delay_or_loss_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check_emulable(changed(PLAIN, {("s1", "s2"): change}))


@given(st.floats(1e3, 1e11), st.floats(0, 60), st.floats(0, 0.999))
def test_netem_holds_more_than_can_be_on_the_way(capacity_bps: float, delay_s: float, loss: float) -> None:
    found = options(netem_arguments("s2-eth1", Link("s1", "s2", capacity_bps, 2, delay_s, loss)))
    # A frame on a veth has 14 bytes of Ethernet header, and 28 of ARP or of IPv4 and UDP.
    assert 2**31 > int(found["limit"]) >= min(capacity_bps * delay_s / (8 * 42), 2**31 - 1)
    # Whole microseconds; what a product of floats rounds by is less than 1e-8 of one.
    delay_us = int(found.get("delay", "0us").removesuffix("us"))
    assert delay_us == pytest.approx(delay_s * 1e6, abs=0.5 + 1e-8)
    assert float(found.get("loss", "0%").removesuffix("%")) / 100 == pytest.approx(loss, abs=1e-9)


def test_an_unlimited_capacity_has_a_limit_that_tc_takes() -> None:
    found = options(netem_arguments("s2-eth1", Link("s1", "s2", math.inf, 2, 0.01)))
    assert found == {"limit": str(2**31 - 1), "delay": "10000us"}


def test_the_pairs_join_the_nodes_and_the_namespace_of_the_inner_ends() -> None:
    network = changed(FAR, {("h1", "s1"): {"delay_s": 0.001}})
    pids = {"s1": 1, "s2": 1, "h1": 71, "h2": 72}
    lines = link_commands(network, Wires(network).wires, pids.__getitem__).splitlines()
    assert sorted(lines) == [
        "link add name h1-eth0 address 00:00:00:00:00:01 netns 71"
        f" type veth peer name h1-eth0 netns {NAMESPACE}",
        f"link add name s1-eth1 netns 1 type veth peer name s1-eth1 netns {NAMESPACE}",
        f"link add name s1-eth2 netns 1 type veth peer name s1-eth2 netns {NAMESPACE}",
        f"link add name s2-eth1 netns 1 type veth peer name s2-eth1 netns {NAMESPACE}",
    ]


def test_each_inner_end_hands_on_to_its_fellow_which_delays() -> None:
    lines = traffic_commands(WIRES).splitlines()
    redirects = dict(
        re.findall(r"filter add dev (\S+) .* action mirred egress redirect dev (\S+)", "\n".join(lines))
    )
    assert redirects == {"s1-eth2": "s2-eth1", "s2-eth1": "s1-eth2"}
    for end in redirects:
        assert lines.index(f"qdisc add dev {end} ingress") < lines.index(
            next(line for line in lines if line.startswith(f"filter add dev {end} "))
        )
    # What s1 sends to s2 leaves the cable by the end at s2; the way back has neither delay nor loss.
    netem = [line.split() for line in lines if " netem " in line]
    assert [words[3] for words in netem] == ["s2-eth1"]
    assert netem[0][netem[0].index("delay") + 1] == "20000us"
    assert netem[0][netem[0].index("loss") + 1] == "10.0000000%"


def test_inner_ends_come_up_without_offloads() -> None:
    lines = namespace_script(WIRES).splitlines()
    for end in ("s1-eth2", "s2-eth1"):
        assert f"ethtool -K {end} tx off rx off tso off gso off gro off" in lines
        assert f"ip link set dev {end} up" in lines


PORTS = ("s1-eth2", "s2-eth1")


def settle(ports: dict[str, bool], inner: dict[str, bool]) -> None:
    """Do what the commands say until there are none: an inner end has a carrier if it and its port are up."""
    for _ in range(5):
        carrier = {name: inner[name] and ports[name] for name in PORTS}
        lines = carrier_commands(WIRES, inner, carrier)
        if not lines:
            return
        for line in lines:
            name, state = re.fullmatch(r"link set dev (\S+) (up|down)", line).groups()  # type: ignore[union-attr]
            inner[name] = state == "up"
    raise AssertionError("it never ends")


@given(st.lists(st.tuples(st.sampled_from(PORTS), st.booleans(), st.booleans()), max_size=12))
def test_a_port_has_a_carrier_exactly_if_both_are_up(changes: list[tuple[str, bool, bool]]) -> None:
    ports, inner = dict.fromkeys(PORTS, True), dict.fromkeys(PORTS, True)
    for name, state, is_seen_at_once in changes:
        ports[name] = state
        if is_seen_at_once:
            settle(ports, inner)
    settle(ports, inner)
    for name, other in itertools.permutations(PORTS):
        if ports[name]:
            assert inner[name] == ports[other]
