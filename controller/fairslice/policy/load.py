"""Policy files: reading, checking all of it, and building the frozen policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from fairslice.errors import Fault, InputError, Location
from fairslice.files.yaml_tree import Entry, Node, read_file, read_yaml
from fairslice.policy.endpoints import canonical_endpoint, is_prefix
from fairslice.policy.key_faults import key_faults
from fairslice.policy.model import MAX_FLOWS, Flow, FlowSpec, HostAddress, Match, Policy, Slice
from fairslice.policy.overlap import OverlapIndex, by_location, overlap_fault
from fairslice.policy.resolve import resolve
from fairslice.policy.rules import rule_faults
from fairslice.policy.schema import DefaultsKeys, FlowKeys, PolicyKeys, SliceKeys


@dataclass(frozen=True, slots=True)
class Reading:
    """A policy and its faults; if there are any, the policy has only the flows that could be read."""

    policy: Policy
    faults: tuple[Fault, ...]


def load_policy(path: str | Path, called: str | None = None) -> Policy:
    """Read a policy file, by its name or path; ``called`` is what it is called where that is not its path.

    Raises:
        InputError: the file can't be read, or all that is wrong with it.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"path: found {type(path).__name__}, expected a Path, or a text")
    return parse_policy(read_file(Path(path)), called or str(path))


def parse_policy(text: str, file: str) -> Policy:
    """Read the text of a policy file; ``file`` is the name that locations carry.

    Raises:
        InputError: all that is wrong with it.
    """
    reading = read_policy(text, file)
    if reading.faults:
        raise InputError(reading.faults)
    return reading.policy


def check_policy(path: Path, hosts: Mapping[str, HostAddress]) -> tuple[Policy, tuple[Flow, ...]]:
    """Read a policy file and find its flows between ``hosts``.

    Raises:
        InputError: all that is wrong with the file by itself and with these hosts.
    """
    reading = read_policy(read_file(path), str(path))
    faults = list(reading.faults)
    flows: tuple[Flow, ...] = ()
    try:
        flows = resolve(reading.policy, hosts)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(by_location(faults))
    return reading.policy, flows


def read_policy(text: str, file: str) -> Reading:
    """Read as much of a policy as there is, and list all that is wrong with it.

    Raises:
        InputError: the text is no YAML document at all.
    """
    source = read_yaml(text, file)
    keys, faults = key_faults(source.root)
    faults += [*source.faults, *rule_faults(source.root)]
    slices = source.root.get("slices")
    entries = slices.entries() if slices is not None else {}
    count = sum(_count_flows(entry.node) for entry in entries.values())
    if slices is not None and count > MAX_FLOWS:
        message = f"the slices have {count} flows; expected at most {MAX_FLOWS}"
        faults.append(Fault(message, source.root.key_location(("slices",))))
        entries = {}
    keys = keys or PolicyKeys.model_construct(defaults=DefaultsKeys(), slices={})
    policy = replace(_build(file, entries, keys, source.root.get("defaults")), text=text)
    return Reading(policy, by_location([*faults, *_overlap_faults(policy)]))


def _build(file: str, entries: Mapping[str, Entry], keys: PolicyKeys, defaults_node: Node | None) -> Policy:
    defaults = keys.defaults
    slices = []
    for number, (name, entry) in enumerate(entries.items(), 1):
        own = keys.slices.get(name) or SliceKeys()
        slices.append(
            Slice(
                name=name,
                number=number,
                location=entry.key_location,
                flows=(*_member_specs(entry.node), *_flow_specs(entry.node, own)),
                weight=own.weight,
                guarantee_bps=own.guarantee,
                limit_bps=own.limit,
                enforcement=own.enforcement
                if "enforcement" in own.model_fields_set
                else defaults.enforcement,
                burst_s=own.burst if "burst" in own.model_fields_set else defaults.burst,
                paths=own.paths if "paths" in own.model_fields_set else defaults.paths,
                split=own.split if "split" in own.model_fields_set else defaults.split,
                paths_location=_key_location("paths", entry.node, defaults_node),
                guarantee_location=_value_location("guarantee", entry.node),
            )
        )
    return Policy(
        file=file,
        slices=tuple(slices),
        sharing=keys.sharing,
        unmatched=defaults.unmatched,
        buffer_s=defaults.buffer,
        return_share=defaults.return_share,
    )


def _key_location(key: str, *nodes: Node | None) -> Location | None:
    """Where the first of the mappings that has the key says it."""
    found = (node.entries()[key] for node in nodes if node is not None and key in node.entries())
    return next((entry.key_location for entry in found), None)


def _value_location(key: str, node: Node) -> Location | None:
    value = node.get(key)
    return None if value is None else value.location


def _items(node: Node, key: str) -> tuple[Node, ...]:
    value = node.get(key)
    return () if value is None else value.items()


def _count_flows(node: Node) -> int:
    """Entries and ordered pairs, so many at most."""
    return len(_items(node, "members")) ** 2 + len(_items(node, "flows"))


def _member_specs(node: Node) -> Iterator[FlowSpec]:
    members: dict[str, Location] = {}
    for item in _items(node, "members"):
        try:
            endpoint = canonical_endpoint(item.plain())
        except ValueError:
            continue
        if endpoint not in members:
            members[endpoint] = item.location
    for source, source_location in members.items():
        for destination, destination_location in members.items():
            if source != destination or is_prefix(source):
                yield FlowSpec(
                    source,
                    destination,
                    source_location,
                    source_location=source_location,
                    destination_location=destination_location,
                    is_member=True,
                )


def _flow_specs(node: Node, own: SliceKeys) -> Iterator[FlowSpec]:
    """The flows of a slice's node; ``own`` is what was read of it if nothing in the whole file is wrong."""
    items = _items(node, "flows")
    read = own.flows if len(own.flows) == len(items) else map(_read_flow, items)
    for item, keys in zip(items, read, strict=True):
        if keys is None or (keys.source == keys.destination and not is_prefix(keys.source)):
            continue
        yield FlowSpec(
            keys.source,
            keys.destination,
            item.location,
            weight=keys.weight,
            demand_bps=keys.demand,
            burst_bytes=keys.burst,
            delay_s=keys.delay,
            match=Match(keys.match.proto, keys.match.src_port, keys.match.dst_port),
            source_location=item.value_location(("from",)),
            destination_location=item.value_location(("to",)),
        )


def _read_flow(item: Node) -> FlowKeys | None:
    """What is right by itself, None for what is not."""
    try:
        return FlowKeys.model_validate(item.plain())
    except ValidationError:
        return None


def _overlap_faults(policy: Policy) -> Iterator[Fault]:
    """Overlaps between endpoints that are written alike; the others show when hosts are known."""
    specs = [(one.name, spec) for one in policy.slices for spec in one.flows]
    index = OverlapIndex()
    for number, (name, spec) in enumerate(specs):
        earlier = index.add((spec.source, spec.destination), spec.match, number)
        if earlier is not None:
            yield overlap_fault((name, spec), specs[earlier])
