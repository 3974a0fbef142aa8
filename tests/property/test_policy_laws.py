"""Laws of reading policies: what is written is read; any text is read, or refused with its place."""

import ipaddress
import itertools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairslice.errors import InputError, Location
from fairslice.policy import parse_policy
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Sharing, Slice, Split, Unmatched
from fairslice.policy.overlap import OverlapIndex
from fairslice.policy.resolve import resolve

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "policy.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "policies").glob("*.yaml"))]
NOWHERE = Location("f", 1, 1)


@dataclass(frozen=True)
class KnownHost:
    name: str
    mac: str
    ip: str


HOSTS = {f"h{i}": KnownHost(f"h{i}", f"00:00:00:00:00:0{i}", f"10.0.0.{i}") for i in range(1, 8)}

kbps = st.integers(0, 10**9)
weights = st.one_of(st.integers(1, 1000).map(float), st.floats(1e-9, 1e12))
ports = st.none() | st.integers(0, 65535)
matches = st.one_of(
    st.builds(Match, proto=st.none() | st.integers(0, 255)),
    st.builds(Match, proto=st.sampled_from((6, 17)), src_port=ports, dst_port=ports),
)
endpoints = st.one_of(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}[a-z_]", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.integers(0, 2**48 - 1).map(lambda n: ":".join(f"{n:012x}"[i : i + 2] for i in range(0, 12, 2))),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(
        lambda pair: str(ipaddress.IPv4Network((pair[0], pair[1]), strict=False))
    ),
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda name: name != "best-effort"
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Good policies whose flows have no pair of endpoints twice."""
    flow = st.builds(
        FlowSpec,
        source=endpoints,
        destination=endpoints,
        location=st.just(NOWHERE),
        weight=weights,
        demand_bps=st.none() | kbps.map(lambda rate: rate * 1e3),
        match=matches,
    )
    unique = st.lists(
        flow.filter(lambda one: one.source != one.destination),
        max_size=8,
        unique_by=lambda one: (one.source, one.destination),
    )
    specs = draw(unique)
    slices = []
    for number, name in enumerate(draw(st.lists(names, max_size=5, unique=True)), 1):
        count = draw(st.integers(0, len(specs)))
        mine, specs = specs[:count], specs[count:]
        low, high = sorted((draw(kbps), draw(kbps)))
        paths, split = draw(st.integers(1, 16)), draw(st.sampled_from(Split))
        may_guarantee = paths == 1 or split is Split.EVEN
        slices.append(
            Slice(
                name=name,
                number=number,
                location=NOWHERE,
                flows=tuple(mine),
                weight=draw(weights),
                guarantee_bps=draw(st.sampled_from((None, low * 1e3))) if may_guarantee else None,
                limit_bps=draw(st.sampled_from((None, high * 1e3))),
                enforcement=draw(st.sampled_from(Enforcement)),
                burst_s=draw(st.none() | st.integers(1, 10_000).map(lambda time: time * 1e-3)),
                paths=paths,
                split=split,
            )
        )
    return Policy(
        file="f",
        slices=tuple(slices),
        sharing=draw(st.sampled_from(Sharing)),
        unmatched=draw(st.sampled_from(Unmatched)),
        buffer_s=draw(st.integers(1, 10_000)) * 1e-3,
        return_share=draw(st.integers(0, 50)) / 100,
    )


def rate_text(rate_bps: float) -> str:
    return f"{rate_bps / 1e3:.0f} kbit/s"


def time_text(time_s: float | None) -> str:
    return "auto" if time_s is None else f"{time_s * 1e3:.0f} ms"


def flow_keys(spec: FlowSpec) -> dict[str, Any]:
    match = {"proto": spec.match.proto, "src_port": spec.match.src_port, "dst_port": spec.match.dst_port}
    keys: dict[str, Any] = {"from": spec.source, "to": spec.destination, "weight": spec.weight}
    keys |= {} if spec.demand_bps is None else {"demand": rate_text(spec.demand_bps)}
    return keys | {"match": {key: value for key, value in match.items() if value is not None}}


def slice_keys(one: Slice) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "weight": one.weight,
        "enforcement": str(one.enforcement),
        "burst": time_text(one.burst_s),
        "paths": one.paths,
        "split": str(one.split),
    }
    keys |= {} if one.guarantee_bps is None else {"guarantee": rate_text(one.guarantee_bps)}
    keys |= {} if one.limit_bps is None else {"limit": rate_text(one.limit_bps)}
    return keys | {"flows": [flow_keys(spec) for spec in one.flows]}


def policy_keys(policy: Policy) -> dict[str, Any]:
    return {
        "version": 1,
        "sharing": str(policy.sharing),
        "defaults": {
            "unmatched": str(policy.unmatched),
            "buffer": time_text(policy.buffer_s),
            "return_share": f"{policy.return_share * 100:.0f} %",
        },
        "slices": {one.name: slice_keys(one) for one in policy.slices},
    }


def block_yaml(value: Any, indent: str = "") -> str:
    """Block-style YAML; scalars as JSON, which is YAML."""
    if isinstance(value, dict) and value:
        return "".join(f"\n{indent}{json.dumps(k)}: {block_yaml(v, indent + '  ')}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{indent}- {block_yaml(item, indent + '  ')}" for item in value)
    return json.dumps(value)


def without_places(policy: Policy) -> Policy:
    def bare(spec: FlowSpec) -> FlowSpec:
        return replace(spec, location=NOWHERE, source_location=None, destination_location=None)

    slices = (replace(one, location=NOWHERE, flows=tuple(map(bare, one.flows))) for one in policy.slices)
    return replace(policy, slices=tuple(slices))


@given(policies(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read(policy: Policy, block: bool) -> None:
    keys = policy_keys(policy)
    text = block_yaml(keys) if block else json.dumps(keys)
    assert without_places(parse_policy(text, "f")) == policy
    VALIDATOR.validate(keys)


@given(policies())
@settings(max_examples=50, deadline=None)
def test_places_lead_to_what_stands_there(policy: Policy) -> None:
    text = block_yaml(policy_keys(policy))
    lines = text.split("\n")
    for one in parse_policy(text, "f").slices:
        assert lines[one.location.line - 1][one.location.column - 1 :].startswith(json.dumps(one.name))
        for spec in one.flows:
            for place, endpoint in (
                (spec.source_location, spec.source),
                (spec.destination_location, spec.destination),
            ):
                assert place is not None
                assert lines[place.line - 1][place.column - 1 :] == json.dumps(endpoint)


def is_read_or_refused(text: str) -> Policy | None:
    """The policy, or None if it was refused in order: any other error is let through and fails the test."""
    try:
        return parse_policy(text, "f")
    except InputError as error:
        faults = error.faults
    assert faults
    for fault in faults:
        assert fault.message.isprintable()
        assert fault.location is not None
        assert 1 <= fault.location.line <= len(text.splitlines()) + 1
        assert fault.location.column >= 1
    return None


@given(st.text() | st.text(alphabet="ab:-?[]{},&*!|>'\"%@#\\ \n\t~0x.19"))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert is_read_or_refused(text) is None


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_mangled_policies_are_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(EXAMPLES))
    piece = st.text(max_size=3) | st.sampled_from(
        *[
            (
                "\n",
                "  ",
                "\t",
                ": ",
                "- ",
                "&a ",
                "*a",
                "null",
                "1",
                "-",
                "[",
                "]",
                "{",
                "}",
                "'",
                '"',
                "h1",
                "#",
                "? ",
            )
        ]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(piece) + text[start + data.draw(st.integers(0, 12)) :]
    is_read_or_refused(text)


keys = st.sampled_from(
    [*SCHEMA["properties"], *(key for part in SCHEMA["$defs"].values() for key in part.get("properties", {}))]
)
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), keys, endpoints),
    st.sampled_from(["both", "auto", "drop", "tcp", "20 Mbit/s", "5 ms", "3 %", "per-flow", 1]),
)
structures = st.recursive(
    scalars,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(keys | st.text(max_size=4), part, max_size=4),
    max_leaves=20,
)


@given(structures, st.sampled_from(["top", "defaults", "slices", "slice", "flows", "flow", "match"]))
@settings(max_examples=500, deadline=None)
def test_any_structure_is_read_or_refused(structure: Any, place: str) -> None:
    nested: Mapping[str, Any] = {
        "top": structure,
        "defaults": {"version": 1, "defaults": structure, "slices": {}},
        "slices": {"version": 1, "slices": structure},
        "slice": {"version": 1, "slices": {"a": structure}},
        "flows": {"version": 1, "slices": {"a": {"flows": structure}}},
        "flow": {"version": 1, "slices": {"a": {"flows": [structure]}}},
        "match": {"version": 1, "slices": {"a": {"flows": [{"from": "h1", "to": "h2", "match": structure}]}}},
    }
    text = (
        json.dumps(nested[place])
        .replace("-Infinity", "-.inf")
        .replace("Infinity", ".inf")
        .replace("NaN", ".nan")
    )
    if is_read_or_refused(text) is not None:
        VALIDATOR.validate(nested[place])


small_ports = st.none() | st.integers(1, 2)
small_matches = st.builds(Match, st.sampled_from((None, 6, 17)), small_ports, small_ports)


@given(st.lists(st.tuples(st.sampled_from(("a", "b")), small_matches), max_size=20))
def test_the_overlap_index_finds_the_first_that_overlaps(entries: list[tuple[str, Match]]) -> None:
    index = OverlapIndex()
    for number, (end, match) in enumerate(entries):
        earlier = [i for i, (e, m) in enumerate(entries[:number]) if e == end and m.overlaps(match)]
        assert index.add((end, "c"), match, number) == min(earlier, default=None)


hosts = st.sampled_from([*HOSTS, "10.0.0.1", "10.0.0.2", "10.0.0.0/30", "10.0.0.4/30", "10.0.0.0/8"])


def hosts_behind(endpoint: str) -> list[str]:
    network = None if endpoint.startswith("h") else ipaddress.IPv4Network(endpoint)
    return [
        name
        for name, host in HOSTS.items()
        if name == endpoint or (network is not None and ipaddress.IPv4Address(host.ip) in network)
    ]


@given(
    st.lists(
        st.tuples(hosts, hosts, st.sampled_from(("{}", "{proto: tcp}", "{proto: udp}")), st.integers(1, 9)),
        max_size=5,
    ),
    st.integers(0, 1000),
)
@settings(max_examples=200, deadline=None)
def test_flows_are_the_pairs_behind_the_entries(
    entries: list[tuple[str, str, str, int]], guarantee: int
) -> None:
    assume(all(a != b or "/" in a for a, b, _, _ in entries))
    listed = "".join(f"\n      - {{from: {a}, to: {b}, match: {m}, weight: {w}}}" for a, b, m, w in entries)
    text = f"version: 1\nslices:\n  one:\n    guarantee: {guarantee} Mbit/s\n    flows:{listed or ' []'}\n"
    protos = {"{}": (6, 17, 1), "{proto: tcp}": (6,), "{proto: udp}": (17,)}
    pairs = [
        [(a, b) for a, b in itertools.product(hosts_behind(source), hosts_behind(destination)) if a != b]
        for source, destination, _, _ in entries
    ]
    packets = Counter(
        (pair, proto)
        for (_, _, m, _), mine in zip(entries, pairs, strict=True)
        for pair in mine
        for proto in protos[m]
    )
    good = all(pairs) and max(packets.values(), default=1) == 1
    try:
        flows = resolve(parse_policy(text, "f"), HOSTS)
    except InputError:
        assert not good
        return
    assert good
    assert [(flow.source, flow.destination) for flow in flows] == list(itertools.chain.from_iterable(pairs))
    assert [flow.number for flow in flows] == list(range(1, len(flows) + 1))
    assert len({flow.id for flow in flows}) == len(flows)
    total = sum(flow.weight for flow in flows)
    for flow in flows:
        assert abs(flow.floor_bps * total - guarantee * 1e6 * flow.weight) <= 1e-9 * guarantee * 1e6 * total
