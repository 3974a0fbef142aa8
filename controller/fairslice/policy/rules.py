"""Rules between keys, checked on the file's tree, so that they are listed beside faults of single keys."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from fairslice.errors import Fault
from fairslice.files.words import describe
from fairslice.files.yaml_tree import Node
from fairslice.policy.endpoints import canonical_endpoint, is_prefix
from fairslice.policy.model import MAX_SLICES, PROTOCOLS, Split
from fairslice.policy.values import read_paths, read_proto, read_rate

_T = TypeVar("_T")
_WITH_PORTS = (PROTOCOLS["tcp"], PROTOCOLS["udp"])


def rule_faults(root: Node) -> Iterator[Fault]:
    """What is wrong between keys; values that are wrong by themselves are left to the schema."""
    slices = root.get("slices")
    if slices is None:
        return
    defaults = root.get("defaults")
    for number, (name, entry) in enumerate(slices.entries().items(), 1):
        if number == MAX_SLICES + 1:
            yield Fault(
                f"slice {describe(name)} is the {number}th; expected at most {MAX_SLICES}: a slice's number "
                f"is its DSCP and queue_id, and 0 is best effort",
                entry.key_location,
            )
        yield from _slice_faults(name, entry.node)
        yield from _split_faults(name, entry.node, defaults)
        if isinstance(entry.node.value, dict) and not {"members", "flows"} & set(entry.node.entries()):
            yield Fault(
                f"slice {describe(name)} has neither members nor flows; expected one of them, "
                f'or "flows: []" for a slice without traffic',
                entry.key_location,
            )


def _slice_faults(name: str, node: Node) -> Iterator[Fault]:
    guarantee, limit = node.get("guarantee"), node.get("limit")
    if guarantee is not None and limit is not None:
        floor, ceiling = _read(read_rate, guarantee), _read(read_rate, limit)
        if floor is not None and ceiling is not None and floor > ceiling:
            yield Fault(
                f"slice {describe(name)} guarantees {guarantee.value} and limits to {limit.value}; "
                f"expected a guarantee of at most the limit",
                guarantee.location,
            )
    members = node.get("members")
    if members is not None:
        yield from _member_faults(members)
    flows = node.get("flows")
    for flow in flows.items() if flows is not None else ():
        yield from _flow_faults(flow)
        yield from _promise_faults(flow)


def _split_faults(name: str, node: Node, defaults: Node | None) -> Iterator[Fault]:
    """With free splits a guarantee has no per-path share to check."""
    guarantee = node.get("guarantee")
    if guarantee is None or _read(read_rate, guarantee) is None:
        return
    paths, split = (node.get(key) or (defaults and defaults.get(key)) for key in ("paths", "split"))
    count = paths and _read(read_paths, paths)
    if count and count > 1 and (split is None or split.value == Split.FREE):
        yield Fault(
            f"slice {describe(name)} guarantees {guarantee.value} with a free split over {count} paths; "
            f'expected "split: even", so that each path has a known part of the guarantee',
            guarantee.location,
        )


def _member_faults(members: Node) -> Iterator[Fault]:
    seen: dict[str, Node] = {}
    for item in members.items():
        endpoint = _read(canonical_endpoint, item)
        if endpoint is None:
            continue
        if endpoint in seen:
            line = seen[endpoint].location.line
            yield Fault(
                f"duplicate member {endpoint!r}, in line {line} already; expected it once", item.location
            )
        elif len(members.items()) == 1 and not is_prefix(endpoint):
            yield Fault(
                f"found the only member {endpoint!r}; expected two hosts or more, or a prefix", item.location
            )
        seen.setdefault(endpoint, item)


def _flow_faults(flow: Node) -> Iterator[Fault]:
    source, destination = flow.get("from"), flow.get("to")
    if source is not None and destination is not None:
        endpoint = _read(canonical_endpoint, source)
        if (
            endpoint is not None
            and endpoint == _read(canonical_endpoint, destination)
            and not is_prefix(endpoint)
        ):
            yield Fault(
                f"the flow leads from {endpoint!r} to itself; expected two hosts", destination.location
            )
    match = flow.get("match")
    if match is None:
        return
    for key in ("src_port", "dst_port"):
        entry = match.entries().get(key)
        if entry is None:
            continue
        proto = match.get("proto")
        if proto is None:
            yield Fault(f"{key} without a proto; expected proto tcp or udp beside it", entry.key_location)
        elif _read(read_proto, proto) not in (None, *_WITH_PORTS):
            message = (
                f"{key} with proto {describe(proto.value)}, which has no ports; expected proto tcp or udp"
            )
            yield Fault(message, entry.key_location)


def _promise_faults(flow: Node) -> Iterator[Fault]:
    """A burst is a token bucket's depth, which needs its rate; a delay follows from both."""
    for key, needed, why in (
        ("burst", "demand", "the rate of the token bucket whose depth it is"),
        ("delay", "burst", "a delay can be kept for a flow only that promises to be a token bucket"),
    ):
        entry = flow.entries().get(key)
        if entry is not None and flow.get(needed) is None:
            yield Fault(f"{key} without a {needed}; expected a {needed} beside it: {why}", entry.key_location)


def _read(reader: Callable[[object], _T], node: Node) -> _T | None:
    """The value, None if it is wrong by itself."""
    try:
        return reader(node.plain())
    except ValueError:
        return None
