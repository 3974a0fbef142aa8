"""Problems of flows over several paths; with fixed ratios of splitting they are ordinary problems."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.subflows import Rounds, Subflows
from fairslice.alloc.problem import AllocationProblem, SliceShare
from fairslice.errors import Fault, InputError


@dataclass(frozen=True)
class MultipathProblem:
    """Links, flows over them on several paths each, and slices: as an ``AllocationProblem`` otherwise."""

    capacities: Mapping[str, float]
    flows: Sequence[MultipathFlow]
    slices: Mapping[str, SliceShare] = field(default_factory=dict)
    per_flow: bool = False

    def check(self) -> None:
        """Refuse a problem that has no meaning.

        Raises
        ------
        InputError
            With every fault: a flow without a path, and all that ``AllocationProblem.check`` refuses, for
            each of the paths.
        """
        faults = [Fault(f"{where}: {what}") for where, what in self.faults()]
        if faults:
            raise InputError(faults)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Everything wrong with the problem: where, as in a problem file (``flows[0]``), and what."""
        for index, flow in enumerate(self.flows):
            if not flow.paths:
                yield f'flows[{index}] ("{flow.id}")', "has no path, expected at least one"
        # Flows with fewer paths take part with their last one, so that each keeps its index.
        most = max((len(flow.paths) for flow in self.flows), default=1)
        routed = [flow for flow in self.flows if flow.paths]
        if len(routed) < len(self.flows):
            return
        found = (
            fault
            for i in range(most)
            for fault in AllocationProblem(
                self.capacities,
                [flow.using(flow.paths[min(i, len(flow.paths) - 1)]) for flow in routed],
                self.slices,
                self.per_flow,
            ).faults()
        )
        yield from dict.fromkeys(found)

    @cached_property
    def subflows(self) -> Subflows:
        """The problem path by path in arrays, once it is found to be sound.

        Raises
        ------
        InputError
            As :meth:`check` does.
        """
        self.check()
        return Subflows(self.capacities, self.flows, self.slices, per_flow=self.per_flow)

    @cached_property
    def rounds(self) -> Rounds:
        """The same laid out for rounds of filling."""
        return Rounds(self.subflows)


def split_evenly(
    problem: MultipathProblem, ratios: Mapping[str, Sequence[float]] | None = None
) -> AllocationProblem:
    """The ordinary problem of flows that divide their rates over their paths in fixed ratios; exact.

    Parameters
    ----------
    problem
        Checked first. Floors and caps are those of the whole flow.
    ratios
        By flow id, one number from 0 up for each path, adding up to 1; flows that are not named divide
        their rates evenly.

    Returns
    -------
    AllocationProblem
        With the same flows in the same order; each uses of a link the sum over its paths of ratio times use.

    Raises
    ------
    InputError
        The problem has faults, or the ratios have: all are named.

    Examples
    --------
    >>> split = split_evenly(MultipathProblem({"A": 1, "B": 1}, [MultipathFlow("f", ({"A": 1}, {"B": 1}))]))
    >>> split.flows[0].uses
    {'A': 0.5, 'B': 0.5}
    """
    problem.check()
    ratios = ratios or {}
    faults = [
        *(_fault_of_ratios(flow, ratios[flow.id]) for flow in problem.flows if flow.id in ratios),
        *(
            f'ratios["{name}"]: there is no such flow, expected one of the problem'
            for name in ratios.keys() - {flow.id for flow in problem.flows}
        ),
    ]
    if any(faults):
        raise InputError(Fault(fault) for fault in faults if fault)
    flows = [
        flow.using(
            mixed_uses(flow, ratios[flow.id], 1)
            if flow.id in ratios
            else mixed_uses(flow, [1.0] * len(flow.paths), len(flow.paths))
        )
        for flow in problem.flows
    ]
    mixed = AllocationProblem(problem.capacities, flows, problem.slices, problem.per_flow)
    mixed.check()
    return mixed


def _fault_of_ratios(flow: MultipathFlow, ratios: Sequence[float]) -> str:
    where = f'ratios["{flow.id}"]'
    if len(ratios) != len(flow.paths):
        return f"{where}: found {len(ratios)}, expected {len(flow.paths)}, one for each path"
    if not all(0 <= ratio < math.inf for ratio in ratios):
        return f"{where}: found {list(ratios)}, expected finite numbers from 0 up"
    if abs(math.fsum(ratios) - 1) > 1e-9:
        return f"{where}: they add up to {math.fsum(ratios)}, expected 1"
    return ""


def mixed_uses(flow: MultipathFlow, parts: Sequence[float], whole: float) -> dict[str, float]:
    """What a flow uses of each link that sends ``parts`` of a ``whole`` over its paths.

    Divided once and last: where all parts meet again they are exactly the whole.
    """
    uses: dict[str, list[float]] = {}
    for path, part in zip(flow.paths, parts, strict=True):
        for link, use in path.items() if part else ():
            uses.setdefault(link, []).append(part * use)
    return {link: math.fsum(terms) / whole for link, terms in uses.items()}
