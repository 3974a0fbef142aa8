"""Problems of flows over several paths; with fixed ratios of splitting they are ordinary problems."""

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fairslice.alloc.arguments import IN_PYTHON, expect, found, is_list, is_number, quoted, some
from fairslice.alloc.multipath.flow import MultipathFlow
from fairslice.alloc.multipath.subflows import Rounds, Subflows
from fairslice.alloc.problem import AllocationProblem, SliceShare
from fairslice.alloc.problem_faults import wrong_entries, wrong_frame
from fairslice.alloc.read_only import read_only
from fairslice.errors import Fault, InputError


@dataclass(frozen=True, repr=False)
class MultipathProblem:
    """Links, flows over them on several paths each, and slices: as an ``AllocationProblem`` otherwise.

    They are copied, too: what becomes of the mappings and lists afterwards is not seen.
    """

    capacities: Mapping[str, float]
    flows: Sequence[MultipathFlow]
    slices: Mapping[str, SliceShare] = field(default_factory=dict)
    per_flow: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacities", read_only(self.capacities))
        object.__setattr__(self, "slices", read_only(self.slices))
        if isinstance(self.flows, Sequence) and not isinstance(self.flows, str | bytes):
            object.__setattr__(self, "flows", tuple(self.flows))

    def __repr__(self) -> str:
        """How many there are of each, and the first few names."""
        few = some([flow.id for flow in self.flows[:4]], "flow", len(self.flows))
        paths = sum(len(flow.paths) for flow in self.flows)
        return f"<MultipathProblem: {some(self.capacities, 'link')}, {few} on {paths:,} paths>"

    def __getstate__(self) -> dict[str, Any]:
        # What is laid out for rounds holds machine code, or functions: it is laid out again.
        return {name: value for name, value in self.__dict__.items() if name not in ("subflows", "rounds")}

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
        """Everything wrong with the problem: where (``flows[0]``), and what."""
        wrong = [
            *wrong_frame(self.capacities, self.slices, self.per_flow, IN_PYTHON),
            *wrong_entries(self.flows, MultipathFlow),
        ]
        yield from wrong
        if wrong:
            return
        wrong = [
            (f"flows[{index}] ({quoted(flow.id)})", what)
            for index, flow in enumerate(self.flows)
            for what in _wrong_paths(flow)
        ]
        yield from wrong
        if wrong:
            return
        # Flows with fewer paths take part with their last one, so that each keeps its index.
        most = max((len(flow.paths) for flow in self.flows), default=1)
        faults = (
            fault
            for i in range(most)
            for fault in AllocationProblem(
                self.capacities,
                [flow.using(flow.paths[min(i, len(flow.paths) - 1)]) for flow in self.flows],
                self.slices,
                self.per_flow,
            ).faults()
        )
        yield from dict.fromkeys(faults)

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


def _wrong_paths(flow: MultipathFlow) -> Iterator[str]:
    """What keeps a flow's paths from being a list of mappings."""
    if not isinstance(flow.paths, tuple):
        yield f"paths is {found(flow.paths)}, expected a list or tuple of mappings of links to uses"
        return
    if not flow.paths:
        yield "has no path, expected at least one"
    for number, path in enumerate(flow.paths):
        if not isinstance(path, Mapping):
            yield f"paths[{number}] is {found(path)}, expected a mapping of links to what it uses of each"


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
    expect("problem", problem, MultipathProblem, "a MultipathProblem")
    problem.check()
    ratios = {} if ratios is None else ratios
    expect("ratios", ratios, Mapping, "a mapping of flow ids to one number for each path, or None")
    faults = [
        *(_fault_of_ratios(flow, ratios[flow.id]) for flow in problem.flows if flow.id in ratios),
        *(
            f"ratios[{quoted(name)}]: there is no such flow, expected one of the problem"
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
    if not isinstance(ratios, Sized) or not is_list(ratios) or not all(map(is_number, ratios)):
        return f"{where}: found {found(ratios)}, expected {len(flow.paths)} numbers, one for each path"
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
