"""Everything that is wrong with a problem, in the words of whoever wrote it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fairslice.alloc.arguments import Words, found, is_list, quoted, wrong_amounts, wrong_types_of
from fairslice.alloc.problem_flow import ProblemFlow, SliceShare


def faults_of(
    capacities: Mapping[str, float],
    flows: Sequence[ProblemFlow],
    slices: Mapping[str, SliceShare],
    per_flow: bool,
    rooms: int,
    words: Words,
) -> Iterator[tuple[str, str]]:
    """Where something is wrong, and what; of values only once all types are right."""
    wrong = [*wrong_frame(capacities, slices, per_flow, words), *_wrong_types(flows, rooms, words)]
    yield from wrong
    if not wrong:
        yield from _wrong_values(capacities, flows, slices, rooms, words)


def wrong_frame(
    capacities: object, slices: object, per_flow: object, words: Words
) -> Iterator[tuple[str, str]]:
    """What of all but the flows is of another type than was asked for."""
    if not isinstance(per_flow, bool):
        yield "per_flow", f"found {found(per_flow)}, expected True or False"
    if isinstance(capacities, Mapping):
        yield from wrong_amounts(words.capacities, capacities, "capacity")
    else:
        yield words.capacities, f"found {found(capacities)}, expected a mapping of names to numbers"
    if isinstance(slices, Mapping):
        for name, share in slices.items():
            if not isinstance(share, SliceShare):
                yield f"slices[{quoted(name)}]", f"found {found(share)}, expected a SliceShare"
                continue
            yield from wrong_amounts("slices", {name: share.weight}, "weight")
            yield from wrong_amounts("slices", {str(name): share.limit}, "limit")
    else:
        yield "slices", f"found {found(slices)}, expected a mapping of names to SliceShare"


def wrong_entries(flows: object, kind: type) -> Iterator[tuple[str, str]]:
    """What makes it something other than a list of flows of a kind."""
    if not is_list(flows) or not isinstance(flows, Sequence):
        yield "flows", f"found {found(flows)}, expected a list or tuple of {kind.__name__}"
        return
    for index, flow in enumerate(flows):
        if not isinstance(flow, kind):
            yield f"flows[{index}]", f"found {found(flow)}, expected a {kind.__name__}"


def _wrong_types(flows: Sequence[ProblemFlow], rooms: object, words: Words) -> Iterator[tuple[str, str]]:
    if not isinstance(rooms, int):
        yield "rooms", f"found {found(rooms)}, expected a whole number"
    wrong = list(wrong_entries(flows, ProblemFlow))
    yield from wrong
    if not wrong:
        for index, flow in enumerate(flows):
            yield from ((f"flows[{index}] ({quoted(flow.id)})", what) for what in wrong_types_of(flow, words))


def _wrong_values(
    capacities: Mapping[str, float],
    flows: Sequence[ProblemFlow],
    slices: Mapping[str, SliceShare],
    rooms: int,
    words: Words,
) -> Iterator[tuple[str, str]]:
    if not 0 <= rooms <= len(capacities):
        yield "rooms", f"found {rooms}, expected a number of the {len(capacities)} links"
    for name, capacity in capacities.items():
        if not name:
            yield f'{words.capacities}[""]', "the name is empty, expected at least one character"
        if not 0 <= capacity < math.inf:
            yield (
                f'{words.capacities}["{name}"]',
                f"the capacity is {capacity}, expected a finite number from 0 up",
            )
    for name, share in slices.items():
        where = f'slices["{name}"]'
        if not 0 < share.weight < math.inf:
            yield where, f"the weight is {share.weight}, expected a finite number above 0"
        if not share.limit >= 0:
            yield where, f"the limit is {share.limit}, expected a number from 0 up, or {words.unbounded}"
    times = Counter(flow.id for flow in flows)
    first = {flow.id: index for index, flow in reversed(list(enumerate(flows)))}
    for index, flow in enumerate(flows):
        where = f'flows[{index}] ("{flow.id}")'
        if times[flow.id] > 1 and first[flow.id] != index:
            yield where, f"has the id of flows[{first[flow.id]}], expected one of its own"
        yield from ((where, what) for what in _faults_of(flow, capacities, slices, words))


def _faults_of(
    flow: ProblemFlow, capacities: Mapping[str, float], slices: Mapping[str, SliceShare], words: Words
) -> Iterator[str]:
    if not 0 < flow.weight < math.inf:
        yield f"the weight is {flow.weight}, expected a finite number above 0"
    if not flow.cap >= 0:
        yield f"the {words.cap} is {flow.cap}, expected a number from 0 up, or {words.unbounded}"
    if not 0 <= flow.floor < math.inf:
        yield f"the {words.floor} is {flow.floor}, expected a finite number from 0 up"
    if flow.slice is not None and flow.slice not in slices:
        yield f'the slice "{flow.slice}" is unknown, expected {_one_of(slices)}'
    sound = True
    for link, coefficient in flow.uses.items():
        if link not in capacities:
            sound = False
            yield f'the link "{link}" is unknown, expected {_one_of(capacities)}'
        if not 0 < coefficient < math.inf:
            sound = False
            yield f'it uses {coefficient} of link "{link}", expected a finite number above 0'
    # The last guards against a quotient beyond the largest float as well.
    highest = (capacities[link] / c for link, c in flow.uses.items()) if sound else iter([0.0])
    if min(flow.cap, *highest, math.inf) == math.inf:
        yield (
            f"nothing keeps it from rising for ever, expected a {words.cap} or a link with a finite capacity"
        )


def _one_of(names: Mapping[str, object]) -> str:
    known = ", ".join(f'"{name}"' for name in list(names)[:8])
    more = ", …" if len(names) > 8 else ""
    return f"one of {known}{more}" if known else "none, for there are none"
