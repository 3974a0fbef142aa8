"""From a policy's entries to flows between the hosts of a topology."""

from collections.abc import Iterator, Mapping

from fairslice.errors import Fault, InputError, Location
from fairslice.naming import ends
from fairslice.policy.endpoints import HostDirectory
from fairslice.policy.model import MAX_FLOWS, Flow, FlowSpec, HostAddress, Policy, Slice
from fairslice.policy.overlap import OverlapIndex, by_location, overlap_fault

_Pairs = tuple[tuple[str, str], ...]


def resolve(policy: Policy, hosts: Mapping[str, HostAddress]) -> tuple[Flow, ...]:
    """The flows of a policy between ``hosts``, by name, numbered from 1 in the order of the policy.

    A prefix stands for every host inside it: one flow for each ordered pair of distinct hosts, each with the
    entry's demand, weight and match. A slice's guarantee is split over its flows by weight, as their floors.

    Raises:
        InputError: unknown hosts, prefixes without hosts, entries or members without two distinct hosts,
            entries that overlap, or more than ``MAX_FLOWS`` flows; all of them at once.
    """
    directory = HostDirectory(hosts)
    faults: list[Fault] = []
    entries: list[tuple[str, FlowSpec]] = []
    index = OverlapIndex()
    flows: list[Flow] = []
    room = MAX_FLOWS
    for one in policy.slices:
        resolved: list[tuple[FlowSpec, _Pairs]] = []
        found_before = len(faults)
        for spec in one.flows:
            pairs, spec_faults = _pairs(spec, directory, room)
            room -= len(pairs)
            faults += spec_faults
            entries.append((one.name, spec))
            earlier = {index.add(pair, spec.match, len(entries) - 1) for pair in pairs}
            faults += [
                overlap_fault(entries[-1], entries[number]) for number in earlier if number is not None
            ]
            resolved.append((spec, pairs))
        if len(faults) == found_before:
            faults += _lonely_members(resolved, directory)
        flows += _flows(one, resolved, len(flows) + 1)
    if faults:
        raise InputError(by_location(faults))
    return tuple(flows)


def _pairs(spec: FlowSpec, directory: HostDirectory, room: int) -> tuple[_Pairs, list[Fault]]:
    """Ordered pairs of distinct hosts that an entry stands for, and what is wrong with it."""
    faults: list[Fault] = []
    sources = _find(spec.source, spec.source_location or spec.location, directory, faults)
    destinations = _find(spec.destination, spec.destination_location or spec.location, directory, faults)
    if faults:
        return (), faults
    count = len(sources) * len(destinations) - len(set(sources).intersection(destinations))
    if count > room:
        message = f"the flow {_name(spec)} stands for {count} flows; expected at most {MAX_FLOWS} in a policy"
        return (), [Fault(message, spec.location)]
    pairs = tuple((a, b) for a in sources for b in destinations if a != b)
    if not pairs and not (spec.is_member and spec.source == spec.destination):
        message = f"both ends of the flow {_name(spec)} are host {sources[0]!r}; expected two hosts"
        faults.append(Fault(message, spec.location))
    return pairs, faults


def _lonely_members(resolved: list[tuple[FlowSpec, _Pairs]], directory: HostDirectory) -> Iterator[Fault]:
    """Members between whom there is no pair: a prefix with one host in it."""
    members = [(spec, pairs) for spec, pairs in resolved if spec.is_member]
    if members and not any(pairs for _, pairs in members):
        spec = members[0][0]
        (host,) = directory.find(spec.source)
        message = f"the members are one host, {host!r}; expected two hosts or more"
        yield Fault(message, spec.source_location or spec.location)


def _find(
    endpoint: str, location: Location, directory: HostDirectory, faults: list[Fault]
) -> tuple[str, ...]:
    try:
        return directory.find(endpoint)
    except ValueError as error:
        faults.append(Fault(str(error), location))
        return ()


def _name(spec: FlowSpec) -> str:
    return ends(spec.source, spec.destination)


def _flows(one: Slice, resolved: list[tuple[FlowSpec, _Pairs]], first: int) -> Iterator[Flow]:
    weight = sum(spec.weight * len(pairs) for spec, pairs in resolved)
    guarantee_bps = one.guarantee_bps or 0.0
    number = first
    for spec, pairs in resolved:
        for source, destination in pairs:
            yield Flow(
                number=number,
                slice=one.name,
                source=source,
                destination=destination,
                location=spec.location,
                weight=spec.weight,
                demand_bps=spec.demand_bps,
                burst_bytes=spec.burst_bytes,
                delay_s=spec.delay_s,
                floor_bps=guarantee_bps * spec.weight / weight,
                match=spec.match,
            )
            number += 1
