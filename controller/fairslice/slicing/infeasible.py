"""Guarantees that do not fit, told in the words of a policy: on which links, whose, and where they stand."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.waterfilling import few_of
from fairslice.errors import Fault, InfeasibleError
from fairslice.policy.model import Policy
from fairslice.units import format_part, format_rate

_FITS = 1 + 1e-9
"""What is over by less than this factor is rounding."""


@dataclass(frozen=True)
class _Promise:
    """What guarantees need of a link, in bit/s, by slice: of their flows, and of their acknowledgements."""

    data_bps: Mapping[str, float]
    returns_bps: Mapping[str, float]

    @property
    def needed_bps(self) -> float:
        return sum(self.data_bps.values()) + sum(self.returns_bps.values())


def in_rates(error: InfeasibleError, policy: Policy, problem: AcknowledgedProblem) -> InfeasibleError:
    """The solver's refusal, which knows no units, in those of a policy, with all that takes part in it."""
    whose = f"those of {few_of(error.flows)}"
    has = f"{error.link} has {format_rate(error.capacity)}"
    if error.of_acknowledgements:
        whose = f"acknowledgements of {whose}"
        has = f"may take {format_rate(error.capacity)} of {error.link}, which data is promised the rest of"
    promises = _promises(problem)
    capacities = problem.data.capacities
    overfull = [link for link, promise in promises.items() if promise.needed_bps > capacities[link] * _FITS]
    links = [error.link, *(link for link in overfull if link != error.link)]
    details = [
        Fault(
            f"{link} has {format_rate(capacities[link])}, and guarantees need"
            f" {format_rate(promises[link].needed_bps)} of it:"
            f" {format_rate(promises[link].needed_bps - capacities[link])} too little"
        )
        for link in links[1:]
    ]
    return InfeasibleError(
        f"the guarantees do not fit: {whose} need {format_rate(error.floors)}, but {has}: "
        f"{format_rate(error.floors - error.capacity)} too little",
        link=error.link,
        flows=error.flows,
        floors=error.floors,
        capacity=error.capacity,
        of_acknowledgements=error.of_acknowledgements,
        details=(*details, *_guarantees(policy, links, promises)),
    )


def _promises(problem: AcknowledgedProblem) -> dict[str, _Promise]:
    """What guarantees need of each link that they need."""
    data: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    returns: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for flow, returned in zip(problem.data.flows, problem.returns, strict=True):
        for link, share in flow.uses.items():
            data[link][flow.slice or flow.id] += share * flow.kept_floor
        for link, share in returned.items():
            returns[link][flow.slice or flow.id] += share * flow.kept_floor
    return {link: _Promise(data[link], returns[link]) for link in problem.data.capacities}


def _guarantees(policy: Policy, links: list[str], promises: Mapping[str, _Promise]) -> Iterator[Fault]:
    """Each guarantee that takes part, at its place, and how much of it goes where."""
    for one in policy.slices:
        if not one.guarantee_bps:
            continue
        parts = []
        for link in links:
            promise = promises.get(link)
            part_bps = promise.data_bps.get(one.name, 0.0) if promise else 0.0
            returns_bps = promise.returns_bps.get(one.name, 0.0) if promise else 0.0
            if part_bps:
                part = format_part(part_bps, f"{one.name}'s", one.guarantee_bps)
                parts.append(f"{part} on {link}")
            if returns_bps:
                parts.append(f"{format_rate(returns_bps)} of acknowledgements on {link}")
        if parts:
            yield Fault("guarantee: " + few_of(parts), one.guarantee_location)
