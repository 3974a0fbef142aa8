"""Problem files: allocation problems as JSON, and their answers. Units are the caller's.

A file holds one problem or an array of them::

    {"links": {"A": 10, "B": 10},
     "flows": [{"id": "f1", "path": ["A", "B"], "weight": 1, "demand": null, "min": 0, "slice": null}],
     "slices": {"gold": {"weight": 3, "limit": null}},
     "sharing": "hierarchical"}

Only ``links`` and ``flows`` with their ``id`` and ``path`` are required; the rest stands at its default
above, and without ``slices`` there are none. A link named twice in a path counts twice; a path may also
say how much is used of each link, ``{"A": 1, "B": 0.5}``.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.arguments import IN_JSON
from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.explain.sensitivity import Guarantee
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate
from fairslice.errors import Fault, InfeasibleError, InputError
from fairslice.files.json_text import load_json, repeated_keys
from fairslice.files.pydantic_faults import ModelFault, dotted, faults_of

_Amount = Annotated[float, Field(ge=0)]
_Weight = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FlowEntry(_Strict):
    """A flow of a problem file."""

    id: str
    path: Annotated[
        Annotated[list[str], Tag("list")] | Annotated[dict[str, _Weight], Tag("object")],
        Discriminator(lambda path: "object" if isinstance(path, dict) else "list"),
    ]
    weight: _Weight = 1.0
    demand: _Amount | None = None
    min: _Amount = 0.0
    slice: str | None = None

    def flow(self) -> ProblemFlow:
        """The same as the allocation takes it."""
        by_link = self.path if isinstance(self.path, dict) else Counter(self.path)
        return ProblemFlow(
            id=self.id,
            uses={link: float(use) for link, use in by_link.items()},
            weight=self.weight,
            cap=_or_infinite(self.demand),
            floor=self.min,
            slice=self.slice,
        )


class SliceEntry(_Strict):
    """A slice of a problem file."""

    weight: _Weight = 1.0
    limit: _Amount | None = None


class ProblemEntry(_Strict):
    """A problem of a problem file."""

    links: dict[str, _Amount]
    flows: list[FlowEntry]
    slices: dict[str, SliceEntry] = {}
    sharing: Literal["hierarchical", "per-flow"] = "hierarchical"

    def problem(self) -> AllocationProblem:
        """The same as the allocation takes it."""
        return AllocationProblem(
            capacities=self.links,
            flows=tuple(flow.flow() for flow in self.flows),
            slices={
                name: SliceShare(entry.weight, _or_infinite(entry.limit))
                for name, entry in self.slices.items()
            },
            per_flow=self.sharing == "per-flow",
        )


def _or_infinite(amount: float | None) -> float:
    return math.inf if amount is None else amount


@dataclass(frozen=True, slots=True)
class ProblemFile:
    """The problems of a file, and whether it is an array, to be answered by one."""

    problems: tuple[AllocationProblem, ...]
    is_array: bool


def parse_problems(text: str, file: str) -> ProblemFile:
    """Read the text of a problem file; ``file`` is its name for messages.

    Raises
    ------
    InputError
        With all faults and their JSON paths (``$[2].flows[0].weight``): repeated or unknown keys, wrong
        types, numbers out of range; and, of each problem without such faults, all that
        :meth:`AllocationProblem.check` refuses. Text that is not JSON is refused with its line and column.
    """
    data = load_json(text, file)
    is_array = isinstance(data, list)
    faults = list(repeated_keys(data))
    problems = []
    for index, item in enumerate(data if is_array else [data]):
        path = f"$[{index}]" if is_array else "$"
        try:
            problem = ProblemEntry.model_validate(item).problem()
        except ValidationError as error:
            faults += [_told(path, fault) for fault in faults_of(error)]
        else:
            problems.append(problem)
            faults += [f"{path}.{where}: {what}" for where, what in problem.faults(IN_JSON)]
    if faults:
        raise InputError(Fault(f"{file}: {fault}") for fault in faults)
    return ProblemFile(tuple(problems), is_array)


def _told(path: str, fault: ModelFault) -> str:
    """A fault with its place; after ``path`` of a flow comes the name of the form that was tried."""
    loc, message = fault.path, fault.message
    if loc[:1] == ("flows",) and loc[2:3] == ("path",):
        loc = (*loc[:3], *loc[4:])
        if fault.kind == "list_type":
            message += ", or an object of coefficients"
    return f"{dotted(loc, path)}: {message}"


def answer(problem: AllocationProblem) -> dict[str, Any]:
    """Rates, bottlenecks and whether the checker certifies them, as JSON.

    A bottleneck is a link's name, null for a flow at its cap, or ``{"limit": SLICE}``.

    Raises
    ------
    InputError, InfeasibleError
        As :func:`allocate` does.
    """
    allocation = allocate(problem)
    return {
        "rates": dict(allocation.rates),
        "bottleneck": {flow: stated(why) for flow, why in allocation.bottlenecks.items()},
        "certified": certify(problem, allocation.raw_rate, allocation.raw_bottleneck).ok,
    }


def stated(why: Bottleneck | Guarantee) -> str | dict[str, str | None] | None:
    """A bottleneck as JSON: a link's name, None for a cap, or ``{"limit": SLICE}``.

    Of a guarantee, which stops nobody, ``{"guarantee": SLICE}``, with None for a flow of no slice.
    """
    if isinstance(why, Guarantee):
        return {"guarantee": why.name or None}
    if why.kind is BottleneckKind.CAP:
        return None
    return {"limit": why.name} if why.kind is BottleneckKind.LIMIT else why.name


def infeasible_answer(error: InfeasibleError) -> dict[str, Any]:
    """What stands in place of an answer if the floors do not fit."""
    return {
        "infeasible": {
            "link": error.link,
            "floors": error.floors,
            "capacity": error.capacity,
            "flows": list(error.flows),
        }
    }


def answers(problems: Sequence[AllocationProblem]) -> list[dict[str, Any]]:
    """Answer an array of problems, infeasible ones in their places."""

    def one(problem: AllocationProblem) -> dict[str, Any]:
        try:
            return answer(problem)
        except InfeasibleError as error:
            return infeasible_answer(error)

    return [one(problem) for problem in problems]
