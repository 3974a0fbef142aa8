"""From entries to flows between known hosts."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairslice.errors import InputError, Location
from fairslice.policy import parse_policy
from fairslice.policy import resolve as resolve_module
from fairslice.policy.endpoints import HostDirectory
from fairslice.policy.load import check_policy
from fairslice.policy.model import Flow, FlowSpec, Match, Policy, Slice
from fairslice.policy.resolve import resolve


@dataclass(frozen=True)
class KnownHost:
    name: str
    mac: str
    ip: str


HOSTS = {
    f"h{i}": KnownHost(f"h{i}", f"00:00:00:00:00:{i:02X}", f"10.0.{(i - 1) // 3}.{i}") for i in range(1, 7)
}  # h1 to h3 in 10.0.0.0/24, h4 to h6 in 10.0.1.0/24


def flows_of(slices: str) -> tuple[Flow, ...]:
    return resolve(parse_policy(f"version: 1\nslices:\n{slices}", "f"), HOSTS)


def messages(slices: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        flows_of(slices)
    return [str(fault) for fault in caught.value.faults]


def ends(flows: tuple[Flow, ...]) -> list[str]:
    return [f"{flow.source}->{flow.destination}" for flow in flows]


def test_endpoints_of_every_kind() -> None:
    flows = flows_of(
        "  a:\n    flows:\n      - {from: h1, to: 10.0.1.4}\n"
        "      - {from: 00:00:00:00:00:02, to: 10.0.1.5/32}\n"
    )
    assert ends(flows) == ["h1->h4", "h2->h5"]
    assert [flow.location for flow in flows] == [Location("f", 5, 9), Location("f", 6, 9)]


def test_numbers_count_over_slices_in_their_order() -> None:
    flows = flows_of(
        "  a: {members: [h1, h2, h3]}\n  none: {flows: []}\n  b: {flows: [{from: h1, to: h4}]}\n"
    )
    assert [(flow.number, flow.slice) for flow in flows] == [(i, "a") for i in range(1, 7)] + [(7, "b")]
    assert ends(flows) == ["h1->h2", "h1->h3", "h2->h1", "h2->h3", "h3->h1", "h3->h2", "h1->h4"]
    assert [flow.location.column for flow in flows[:6]] == [17, 17, 21, 21, 25, 25]


def test_a_prefix_stands_for_all_its_hosts() -> None:
    flows = flows_of(
        "  a:\n    flows:\n"
        "      - {from: 10.0.0.0/24, to: h4, demand: 1 Mbit/s, weight: 2, match: {proto: 1}}\n"
    )
    assert ends(flows) == ["h1->h4", "h2->h4", "h3->h4"]
    assert {(flow.demand_bps, flow.weight, flow.match) for flow in flows} == {(1e6, 2.0, Match(1))}
    assert ends(flows_of("  a: {flows: [{from: 10.0.0.0/24, to: 10.0.0.0/24}]}")) == [
        *("h1->h2", "h1->h3", "h2->h1", "h2->h3", "h3->h1", "h3->h2")
    ]
    assert len(flows_of("  a: {flows: [{from: 0.0.0.0/0, to: 0.0.0.0/0}]}")) == 30


def test_prefixes_as_members_pair_their_hosts_too() -> None:
    group = flows_of("  a: {members: [10.0.0.0/24, h4]}")
    assert sorted(ends(group)) == sorted(f"h{i}->h{j}" for i in range(1, 5) for j in range(1, 5) if i != j)
    assert ends(flows_of("  a: {members: [10.0.0.1/32, h4]}")) == ["h1->h4", "h4->h1"]


def test_members_are_two_hosts_at_least() -> None:
    expected = "the members are one host, 'h1'; expected two hosts or more"
    assert messages("  a: {members: [10.0.0.1/32]}") == [f"f:3:17: {expected}"]
    assert messages("  a:\n    members:\n      - 10.0.0.0/31\n    flows: [{from: h2, to: h3}]") == [
        f"f:5:9: {expected}"
    ]
    # What is wrong with the prefix itself is told alone.
    assert messages("  a: {members: [10.9.0.0/24]}")[0].startswith("f:3:17: no host is inside the prefix")


def test_a_guarantee_is_split_by_weight() -> None:
    flows = flows_of(
        "  a:\n    guarantee: 9 Mbit/s\n    flows:\n      - {from: 10.0.0.0/24, to: h4}\n"
        "      - {from: h1, to: h5, weight: 1.5}\n  b: {flows: [{from: h1, to: h6}]}\n"
    )
    assert [flow.floor_bps for flow in flows] == [2e6, 2e6, 2e6, 3e6, 0.0]
    assert flows_of("  a: {guarantee: 9 Mbit/s, flows: []}") == ()
    assert math.isclose(
        sum(flow.floor_bps for flow in flows_of("  a: {guarantee: 1 Gbit/s, members: [h1, h2, h3]}")), 1e9
    )


def test_matches_tell_flows_of_a_pair_apart() -> None:
    flows = flows_of(
        "  a:\n    flows:\n      - {from: h1, to: h4, match: {proto: udp, dst_port: 1}}\n"
        "      - {from: h1, to: h4, match: {proto: udp, dst_port: 2}}\n"
        "      - {from: h1, to: h4, match: {proto: tcp}}\n"
        "      - {from: h4, to: h1}\n"
    )
    assert [flow.id for flow in flows] == [
        *("a:h1->h4 udp dst_port 1", "a:h1->h4 udp dst_port 2", "a:h1->h4 tcp", "a:h4->h1")
    ]


def test_each_overlap_is_told_once_for_an_entry() -> None:
    assert messages("  a: {flows: [{from: 10.0.0.0/24, to: 10.0.1.0/24}]}\n  b: {members: [h1, h4]}\n") == [
        "f:4:17: flow h1->h4 of slice 'b' overlaps flow 10.0.0.0/24->10.0.1.0/24 of slice 'a' at f:3:15; "
        "expected matches that no packet fits both"
    ]


def test_a_member_inside_a_prefix_that_is_a_member() -> None:
    found = messages("  a: {members: [10.0.0.0/24, h1]}")
    overlaps = "of slice 'a' overlaps flow 10.0.0.0/24->10.0.0.0/24 of slice 'a' at f:3:17"
    assert [fault.split(";")[0] for fault in found] == [
        f"f:3:17: flow 10.0.0.0/24->h1 {overlaps}",
        f"f:3:30: flow h1->10.0.0.0/24 {overlaps}",
    ]


def test_unknown_hosts_are_told_once_at_their_place() -> None:
    assert messages("  a: {members: [h1, h2, x9, h3]}\n  b: {flows: [{from: x8, to: 10.0.0.200}]}\n") == [
        "f:3:25: unknown host 'x9'; expected a host of the topology: h1, h2, h3, h4, h5, h6",
        "f:4:22: unknown host 'x8'; expected a host of the topology: h1, h2, h3, h4, h5, h6",
        "f:4:30: no host has the address 10.0.0.200; expected a host of the topology: h1, h2, h3, h4, h5, h6",
    ]


def test_locations_of_specs_that_have_none_of_their_own() -> None:
    place = Location("f", 7, 3)
    one = Slice("a", 1, place, (FlowSpec("h1", "h7", place),))
    with pytest.raises(InputError, match=r"^f:7:3: unknown host 'h7'"):
        resolve(Policy("f", (one,)), HOSTS)


def test_too_many_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "  a: {members: [h1, h4]}\n  b: {flows: [{from: 0.0.0.0/0, to: 0.0.0.0/0, match: {proto: 1}}]}\n"
    text = text.replace("{members: [h1, h4]}", "{flows: [{from: h1, to: h4, match: {proto: 6}}]}")
    monkeypatch.setattr(resolve_module, "MAX_FLOWS", 31)
    assert len(flows_of(text)) == 31
    monkeypatch.setattr(resolve_module, "MAX_FLOWS", 30)
    assert messages(text) == [
        "f:4:15: the flow 0.0.0.0/0->0.0.0.0/0 stands for 30 flows; expected at most 30 in a policy"
    ]


def test_the_directory() -> None:
    directory = HostDirectory(
        {
            "a": KnownHost("a", "00:00:00:00:00:01", "10.0.0.1"),
            "b": KnownHost("b", "00:00:00:00:00:02", "10.0.0.1"),
            "c": KnownHost("c", "", ""),
        }
    )
    assert directory.find("c") == ("c",)
    assert directory.find("10.0.0.0/8") == directory.find("10.0.0.0/8") == ("a", "b")
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1' is the address of several hosts: a, b"):
        directory.find("10.0.0.1")
    with pytest.raises(ValueError, match="the topology has no hosts"):
        HostDirectory({}).find("10.0.0.1")
    many = HostDirectory({f"n{i}": KnownHost(f"n{i}", "", "") for i in range(20)})
    with pytest.raises(ValueError, match=r"n6, n7 and 12 more$"):
        many.find("unlike")


def test_check_policy_gives_policy_and_flows(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nslices: {a: {members: [h1, h2]}}")
    policy, flows = check_policy(path, HOSTS)
    assert policy.slices[0].name == "a"
    assert ends(flows) == ["h1->h2", "h2->h1"]
