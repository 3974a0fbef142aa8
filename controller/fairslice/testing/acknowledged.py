"""Random allocation problems with acknowledgements, on networks whose directions may be very unlike."""

from collections.abc import Sequence
from random import Random

from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.testing.problems import MODEST, Number, random_problem

SHARES = (0.01, 0.03, 0.05, 0.05, 0.1, 0.5)
"""What acknowledgements may take for each unit of a flow's rate; a policy allows at most a half."""
RATIOS = (1, 1, 2, 10, 100, 1000)
"""Of a cable's two directions."""


def random_acknowledged(
    random: Random, *, max_cables: int = 6, max_flows: int = 16, numbers: Sequence[Number] = MODEST
) -> AcknowledgedProblem:
    """Draw a sound problem whose links are the directions of cables.

    Three in ten have floors, which may not fit. Half send acknowledgements back over the cables of the data,
    in their other directions; in the others they take ways of their own, over any links. Some flows have
    none.
    """
    one_way = random_problem(random, max_links=max_cables, max_flows=max_flows, numbers=numbers)
    capacities: dict[str, float] = {}
    for cable, capacity in one_way.capacities.items():
        ratio = random.choice(RATIOS)
        capacities |= {f"{cable}>": capacity, f"{cable}<": capacity / ratio}
    share, mirrored, floors = random.choice(SHARES), random.random() < 0.5, random.random() < 0.3
    flows, returns = [], []
    for flow in one_way.flows:
        there = {cable: random.choice("<>") for cable in flow.uses}
        flows.append(
            ProblemFlow(
                flow.id,
                {f"{cable}{there[cable]}": use for cable, use in flow.uses.items()},
                flow.weight,
                flow.cap,
                flow.floor if floors else 0.0,
                flow.slice,
            )
        )
        # As a part of what the data takes where it takes least.
        part = share * min(flow.uses.values(), default=1.0)
        back = {f"{cable}{'<' if way == '>' else '>'}": part for cable, way in there.items()}
        if not mirrored:
            back = dict.fromkeys(random.sample(sorted(capacities), random.randint(1, 2)), part)
        returns.append(back if random.random() < 0.8 else {})
    data = AllocationProblem(capacities, tuple(flows), one_way.slices, one_way.per_flow)
    return AcknowledgedProblem(data, tuple(returns))
