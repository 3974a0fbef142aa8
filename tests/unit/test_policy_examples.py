"""The policies that come with the project: all load, and their hosts are those of their topology."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairslice.policy import load_policy
from fairslice.policy.model import Enforcement, Flow
from fairslice.policy.resolve import resolve

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(POLICIES.glob("*.yaml"))
SCHEMA_LINE = "# yaml-language-server: $schema=../schemas/policy.schema.json"

EXPECTED = {
    "abilene-research": "abilene",
    "demands": "dumbbell",
    "fat-tree-tenants": "fat_tree",
    "gold-silver-bronze": "dumbbell",
    "guaranteed": "dumbbell",
    "limited": "dumbbell",
    "members": "dumbbell",
    "mixed-enforcement": "dumbbell",
    "multipath": "abilene",
    "parking-lot": "parking_lot",
    "ring": "ring",
    "star": "star",
    "udp-and-tcp": "dumbbell",
}


@dataclass(frozen=True)
class KnownHost:
    name: str
    mac: str = ""
    ip: str = ""


def hosts(*names: str) -> dict[str, KnownHost]:
    return {name: KnownHost(name) for name in names}


def numbered(count: int) -> dict[str, KnownHost]:
    return hosts(*(f"h{i}" for i in range(1, count + 1)))


HOSTS = {
    "abilene": numbered(11),
    "dumbbell": numbered(6),
    "fat_tree": numbered(16),
    "parking_lot": hosts("a1", "a2", "x1", "x2", "x3", "y1", "y2", "y3"),
    "ring": numbered(6),
    "star": numbered(4),
}


def flows_of(name: str) -> tuple[Flow, ...]:
    return resolve(load_policy(POLICIES / f"{name}.yaml"), HOSTS[EXPECTED[name]])


def test_the_promised_policies_are_there() -> None:
    assert set(EXPECTED) <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_tells_editors_its_schema_and_readers_its_topology(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == SCHEMA_LINE
    assert (path.parent / SCHEMA_LINE.partition("=")[2]).is_file()
    assert max(map(len, lines)) <= 120
    (topology,) = re.findall(r"^# Topology: topologies/(\w+)\.py", "\n".join(lines), re.MULTILINE)
    assert (POLICIES.parent / "topologies" / f"{topology}.py").is_file()
    assert topology == EXPECTED.get(path.stem, topology)
    assert resolve(load_policy(path), HOSTS[topology])


def test_gold_silver_bronze() -> None:
    policy = load_policy(POLICIES / "gold-silver-bronze.yaml")
    assert [(one.name, one.weight) for one in policy.slices] == [("gold", 3), ("silver", 2), ("bronze", 1)]
    assert [f.id for f in flows_of("gold-silver-bronze")] == ["gold:h1->h4", "silver:h2->h5", "bronze:h3->h6"]


def test_each_shows_what_its_name_says() -> None:
    assert any(flow.floor_bps > 0 for flow in flows_of("guaranteed"))
    assert any(one.limit_bps is not None for one in load_policy(POLICIES / "limited.yaml").slices)
    assert any(flow.demand_bps is not None for flow in flows_of("demands"))
    mixed = load_policy(POLICIES / "mixed-enforcement.yaml")
    assert {one.enforcement for one in mixed.slices} == set(Enforcement)
    assert "video:h1->h4 udp dst_port 5004" in [flow.id for flow in flows_of("udp-and-tcp")]
    assert "downloads:h1->h4 tcp" in [flow.id for flow in flows_of("udp-and-tcp")]
    assert len(flows_of("members")) == 4
    assert [f"{f.source}->{f.destination}" for f in flows_of("parking-lot")] == [
        "a1->a2",
        "x1->y1",
        "x2->y2",
        "x3->y3",
    ]


@pytest.mark.parametrize("name", ["abilene-research", "fat-tree-tenants"])
def test_the_large_ones_have_flows_enough(name: str) -> None:
    flows = flows_of(name)
    assert len(flows) >= 8
    assert len({flow.slice for flow in flows}) == 3
