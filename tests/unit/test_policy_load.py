"""From the text of a policy to the frozen policy."""

from pathlib import Path

import pytest

import fairslice.policy
from fairslice.errors import InputError, Location
from fairslice.policy import load, parse_policy
from fairslice.policy.load import load_policy, read_policy
from fairslice.policy.model import (
    Enforcement,
    FlowSpec,
    Match,
    Policy,
    Sharing,
    Slice,
    Unmatched,
)

EVERYTHING = """\
version: 1
defaults:
  enforcement: shape
  burst: 300 ms
  unmatched: drop
  buffer: 20 ms
  return_share: 5 %
sharing: per-flow
slices:
  gold:
    weight: 3
    guarantee: 20 Mbit/s
    limit: 60 Mbit/s
    members: [h1, 10.0.1.0/24]
    flows: []
  silver-2_b:
    enforcement: police
    burst: auto
    flows:
      - {from: h2, to: h5, demand: 40 Mbit/s}
      - from: 00:00:00:00:00:0A
        to: h6
        weight: 0.5
        match: {proto: udp, src_port: 7, dst_port: 5004}
  idle: {flows: []}
"""


def messages(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_policy(text, "f")
    return [str(fault) for fault in caught.value.faults]


def test_every_key() -> None:
    def at(line: int, column: int) -> Location:
        return Location("f", line, column)

    def member(source: tuple[str, Location], destination: tuple[str, Location]) -> FlowSpec:
        return FlowSpec(
            *(source[0], destination[0], source[1]),
            source_location=source[1],
            destination_location=destination[1],
            is_member=True,
        )

    h1, prefix = ("h1", at(14, 15)), ("10.0.1.0/24", at(14, 19))
    assert parse_policy(EVERYTHING, "f") == Policy(
        file="f",
        slices=(
            Slice(
                name="gold",
                number=1,
                location=at(10, 3),
                flows=(member(h1, prefix), member(prefix, h1), member(prefix, prefix)),
                weight=3.0,
                guarantee_bps=20e6,
                limit_bps=60e6,
                enforcement=Enforcement.SHAPE,
                burst_s=0.3,
            ),
            Slice(
                name="silver-2_b",
                number=2,
                location=at(16, 3),
                flows=(
                    FlowSpec(
                        *("h2", "h5", at(20, 9)),
                        demand_bps=40e6,
                        source_location=at(20, 16),
                        destination_location=at(20, 24),
                    ),
                    FlowSpec(
                        *("00:00:00:00:00:0a", "h6", at(21, 9)),
                        weight=0.5,
                        match=Match(17, 7, 5004),
                        source_location=at(21, 15),
                        destination_location=at(22, 13),
                    ),
                ),
                enforcement=Enforcement.POLICE,
                burst_s=None,
            ),
            Slice("idle", 3, at(25, 3), (), enforcement=Enforcement.SHAPE, burst_s=0.3),
        ),
        sharing=Sharing.PER_FLOW,
        unmatched=Unmatched.DROP,
        buffer_s=0.02,
        return_share=0.05,
    )


def test_defaults() -> None:
    policy = parse_policy("version: 1\nslices: {a: {flows: [{from: h1, to: h2}]}}", "f")
    assert (policy.sharing, policy.unmatched) == (Sharing.HIERARCHICAL, Unmatched.BEST_EFFORT)
    assert (policy.buffer_s, policy.return_share) == (0.05, 0.05)
    one = policy.slice_named("a")
    assert (one.weight, one.guarantee_bps, one.limit_bps) == (1.0, None, None)
    assert (one.enforcement, one.burst_s) == (Enforcement.BOTH, None)
    assert (one.flows[0].weight, one.flows[0].demand_bps, one.flows[0].match) == (1.0, None, Match())
    with pytest.raises(KeyError):
        policy.slice_named("b")


def test_a_policy_may_be_empty() -> None:
    assert parse_policy("{version: 1, slices: {}}", "f") == Policy("f", ())


def test_words_that_other_yaml_versions_take_for_booleans_are_names() -> None:
    policy = parse_policy("version: 1\nslices: {no: {members: [on, off, y]}}", "f")
    assert policy.slices[0].name == "no"
    assert [spec.source for spec in policy.slices[0].flows[::2]] == ["on", "off", "y"]


def test_entries_can_be_repeated_by_alias() -> None:
    text = (
        "version: 1\nslices:\n  a: {flows: [&f {from: h1, to: h2, match: &m {proto: tcp}}]}\n"
        "  b: {flows: [*f]}"
    )
    assert messages(text) == [
        "f:4:15: flow h1->h2 tcp of slice 'b' overlaps flow h1->h2 tcp of slice 'a' at f:3:15; "
        "expected matches that no packet fits both"
    ]
    policy = parse_policy(text.replace("*f", "{from: h2, to: h1, match: *m}"), "f")
    assert policy.slices[1].flows[0].match == Match(6)


def test_63_slices_are_numbered_in_order() -> None:
    text = "version: 1\nslices:\n" + "".join(f"  s{i}: {{flows: []}}\n" for i in range(1, 64))
    assert [(one.name, one.number) for one in parse_policy(text, "f").slices] == [
        (f"s{i}", i) for i in range(1, 64)
    ]
    assert len(messages(text + "  s64: {flows: []}\n  s65: {flows: []}\n")) == 1


def test_a_guarantee_may_equal_the_limit_and_rates_may_be_zero() -> None:
    policy = parse_policy("version: 1\nslices: {a: {guarantee: 0 bit/s, limit: 0 Gbit/s, flows: []}}", "f")
    assert (policy.slices[0].guarantee_bps, policy.slices[0].limit_bps) == (0.0, 0.0)


@pytest.mark.parametrize("members", ["[10.0.0.0/24]", "[10.0.0.0/24, 10.0.1.0/24]", "[a, b]"])
def test_a_prefix_alone_can_be_a_group(members: str) -> None:
    assert parse_policy(f"version: 1\nslices: {{a: {{members: {members}}}}}", "f").slices[0].flows


def test_a_prefix_may_be_both_ends() -> None:
    policy = parse_policy("version: 1\nslices: {a: {flows: [{from: 10.0.0.0/8, to: 10.0.0.0/8}]}}", "f")
    assert not policy.slices[0].flows[0].is_member


def test_too_many_flows_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    members = ", ".join(f"h{i}" for i in range(10))
    text = f"version: 1\nslices: {{a: {{members: [{members}]}}}}"
    monkeypatch.setattr(load, "MAX_FLOWS", 100)
    assert len(parse_policy(text, "f").slices[0].flows) == 90
    monkeypatch.setattr(load, "MAX_FLOWS", 99)
    assert messages(text) == ["f:2:1: the slices have 100 flows; expected at most 99"]


def test_a_faulty_policy_keeps_the_flows_that_could_be_read() -> None:
    reading = read_policy(
        "version: 2\nslices: {a: {members: [h1, 3, h2], flows: [{from: 3}, {from: h3, to: h4}]}}", "f"
    )
    assert len(reading.faults) == 4
    found = [(spec.source, spec.destination) for spec in reading.policy.slices[0].flows]
    assert found == [("h1", "h2"), ("h2", "h1"), ("h3", "h4")]


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nslices: 3",
        "version: 1\nslices: {a: 3}",
        "version: 1\nslices: {a: {flows: 3, members: 3}}",
    ],
)
def test_wrong_shapes_give_one_fault_for_each(text: str) -> None:
    assert len(messages(text)) == text.count("3")


def test_load_policy_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(EVERYTHING)
    assert load_policy(path).slices[0].location == Location(str(path), 10, 3)


def test_the_package_offers_loading() -> None:
    assert fairslice.policy.load_policy is load_policy
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fairslice.policy.nothing


@pytest.mark.parametrize(
    ("enforcement", "polices", "shapes"),
    [(Enforcement.POLICE, True, False), (Enforcement.SHAPE, False, True), (Enforcement.BOTH, True, True)],
)
def test_what_enforcement_means(enforcement: Enforcement, polices: bool, shapes: bool) -> None:
    assert (enforcement.polices, enforcement.shapes) == (polices, shapes)


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (Match(), ""),
        (Match(6), "tcp"),
        (Match(89), "proto 89"),
        (Match(17, 7, 5004), "udp src_port 7 dst_port 5004"),
        (Match(17, None, 80).reversed(), "udp src_port 80"),
    ],
)
def test_matches_in_words(match: Match, text: str) -> None:
    assert str(match) == text
