"""Congestion control by one bit of feedback: linear rules, their convergence, and the cycles they end in."""

from fairslice.models.congestion.asynchronous import run_asynchronous
from fairslice.models.congestion.convergence import (
    SimpleCycle,
    decreases_to_jain,
    jain_after,
    meets_chiu_jain,
    simple_cycle,
)
from fairslice.models.congestion.cycle import LimitCycle, limit_cycle
from fairslice.models.congestion.linear import AIAD, AIMD, MIAD, MIMD, RULES, Rule, Run, jain_index, run

__all__ = [
    "AIAD",
    "AIMD",
    "MIAD",
    "MIMD",
    "RULES",
    "LimitCycle",
    "Rule",
    "Run",
    "SimpleCycle",
    "decreases_to_jain",
    "jain_after",
    "jain_index",
    "limit_cycle",
    "meets_chiu_jain",
    "run",
    "run_asynchronous",
    "simple_cycle",
]
