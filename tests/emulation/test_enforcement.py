"""How exactly rates are enforced in steady state: errors on the wire and queueing delays, against promises.

The datapath is that of FAIRSLICE_TEST_DATAPATH (default: user).
"""

import os
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any

import pytest

from fairslice.experiment.accuracy import Cell, Row, bounds
from fairslice.experiment.accuracy_run import run_cell
from fairslice.measure.compare import jain_index

pytestmark = [pytest.mark.emulation, pytest.mark.timeout(240)]

DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
WARMUP_S, DURATION_S = 5.0, 8.0
JAIN = 0.999
MEDIAN_BOUND = 0.01
CELLS = [
    # enforcement, transport, flows of a slice
    ("both", "cubic", 1),
    ("shape", "cubic", 8),
    ("both", "cubic", 8),
    ("police", "cubic", 1),
    ("both", "udp", 1),
]


def measure(datapath: Any, enforcement: Any, transport: Any, flows: int) -> list[dict[str, Any]]:
    cell = Cell(datapath, enforcement, transport, flows)
    return [asdict(row) for row in run_cell(cell, 1, warmup_s=WARMUP_S, duration_s=DURATION_S)]


def show(row: Row) -> None:
    print(
        f"\n{row.datapath} {row.enforcement} {row.transport} {row.flows}, {row.rate_bps / 1e6:g} Mbit/s: "
        f"error {row.error:+.3%}, worst flow {row.worst_flow_error:+.2%}, Jain {row.jain_index}, "
        f"loss {row.loss:.2%}, {row.retransmits} retransmits, delay p50 {row.delay_p50_s} s, "
        f"p99 {row.delay_p99_s} s, machine {row.machine:.0%}, switch thread {row.switch_thread:.0%}"
    )
    for bound in bounds(row):
        print(f"  {bound.what}: measured {bound.measured:.4f}, at most {bound.at_most:.4f}")


@pytest.mark.parametrize(("enforcement", "transport", "flows"), CELLS, ids=lambda value: str(value))
def test_slices_get_what_is_promised(
    enforcement: str, transport: str, flows: int, inside: Callable[..., Any]
) -> None:
    # Once more if the machine was too busy to tell.
    for _ in range(2):
        found = inside(measure, DATAPATH, enforcement, transport, flows)
        rows = [Row(**{**row, "flow_errors": tuple(row["flow_errors"])}) for row in found]
        for row in rows:
            show(row)
        if not any(row.cpu_bound for row in rows):
            break
    broken = [(row.rate_bps, bound) for row in rows for bound in bounds(row) if not bound.holds]
    assert not broken
    steady = [row for row in rows if row.rate_bps >= 5e6]
    index = jain_index((row.wire_bps, row.allocated_bps) for row in steady)
    print(f"Jain's index of the slices: measured {index}, at least {JAIN}")
    assert index is not None
    assert index >= JAIN
    if flows == 1 and enforcement != "police" and transport != "udp":
        middle = median(abs(row.error) for row in steady)
        print(f"median error of the slices: measured {middle:.4f}, at most {MEDIAN_BOUND}")
        assert middle <= MEDIAN_BOUND
