"""Water-filling: rates rise together until a link is full; who crosses it stops, the others go on."""

from typing import TYPE_CHECKING

from fairslice.alloc import AllocationProblem, ProblemFlow, allocate
from fairslice.alloc.explain.filling import explain

if TYPE_CHECKING:
    from fairslice.cli.demos.stage import Stage


def tell(stage: "Stage") -> None:
    """Three flows on two links, of which one crosses both (Bertsekas and Gallager 1992, section 6.5.2)."""
    from rich.table import Table

    paths = {"long": ("A", "B"), "short on A": ("A",), "short on B": ("B",)}
    flows = [ProblemFlow(flow, dict.fromkeys(path, 1.0)) for flow, path in paths.items()]
    problem = AllocationProblem(capacities={"A": 10, "B": 6}, flows=flows)
    stage.say("Two links: A carries 10, B carries 6. One flow crosses both, one each crosses A or B.")
    filling = explain(problem)
    rates = allocate(problem).rates
    level_of_all = max(rates.values())

    def frame(level: float) -> Table:
        table = Table.grid(padding=(0, 2))
        for flow, rate in rates.items():
            held = min(level, rate)
            table.add_row(flow, "█" * round(6 * held), f"{held:.2f}")
        return table

    steps = 60
    stage.play((frame(level_of_all * step / steps) for step in range(steps + 1)), 8)
    stage.say(f"The filling took {len(filling.steps)} steps: B is full first, and then A.")
    stage.numbers("Rates", ("flow", "rate"), [(flow, f"{rate:g}") for flow, rate in rates.items()])
