"""One source for three backends: Python on floats, Python on fractions, and compiled by numba.

The source is that of all other modules of this package. A backend has a copy of every function; the globals
of a copy are the other copies. The compiled one is in :mod:`fairslice.alloc.kernel.compiled`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from fairslice.alloc.kernel import (
    arrays_in_out,
    doubles,
    filling,
    flow_events,
    heap,
    loads,
    path_shares,
    records,
    replay,
    rises,
)

SOURCES: tuple[ModuleType, ...] = (
    records,
    doubles,
    heap,
    loads,
    rises,
    flow_events,
    filling,
    arrays_in_out,
    path_shares,
    replay,
)


@dataclass(frozen=True)
class Backend:
    """The source, bound to an arithmetic and to a kind of sequence."""

    run: Any
    """Has the functions as its attributes."""
    reals: Callable[[int], Any]
    """Makes so many zeros."""
    whole: Callable[[int], Any]
    """Makes so many integer zeros."""
    is_exact: bool = False
    is_compiled: bool = False

    def filled(self, n: int, value: float) -> Any:
        """Makes so many numbers of one value."""
        column = self.reals(n)
        if self.is_compiled:
            column[:] = value
        else:
            column[:] = [self.number(value)] * n
        return column

    def filled_whole(self, n: int, value: int) -> Any:
        """Makes so many integers of one value."""
        column = self.whole(n)
        if self.is_compiled:
            column[:] = value
        else:
            column[:] = [value] * n
        return column

    def integers(self, values: Sequence[int]) -> Any:
        """Integers as a column."""
        column = self.whole(len(values))
        column[:] = values
        return column

    def joined(self, *parts: Sequence[float]) -> Any:
        """Columns one after another."""
        column = self.reals(sum(map(len, parts)))
        end = 0
        for part in parts:
            column[end : end + len(part)] = part
            end += len(part)
        return column

    def column(self, array: Any) -> Any:
        """A numpy array as a column."""
        return array if self.is_compiled else array.tolist()

    def copied(self, column: Any) -> Any:
        """Another column like one."""
        return column.copy()

    def unsigned(self, column: Any) -> Any:
        """A column of integers from 0 up; as an index such a one needs no test for being below 0."""
        return column.view("uint32") if self.is_compiled else column

    def order(self, keys: Any) -> Any:
        """The indices of a column in the rising order of its values, equals as they stand."""
        if self.is_compiled:
            return keys.argsort(kind="stable")
        return sorted(range(len(keys)), key=keys.__getitem__)

    def number(self, value: float) -> Any:
        """A float as a number of this backend."""
        return Fraction(value) if self.is_exact and math.isfinite(value) else value


@cache
def interpreted() -> Backend:
    """Python on lists of floats: nothing to load, and quick enough for a policy."""
    return Backend(
        SimpleNamespace(**{name: f for module in SOURCES for name, f in _functions(module).items()}),
        lambda n: [0.0] * n,
        lambda n: [0] * n,
    )


@cache
def exact() -> Backend:
    """Python on lists of fractions: no rounding at all."""
    run = bound(
        lambda copy: copy,
        {
            "ZERO": 0,
            "TIE": 0,
            "MARGIN": 0,
            "NEARLY": 1,
            "UNIT": 0,
            "COARSE": 0,
            "FORGIVEN": Fraction(records.FORGIVEN),
            "MET": Fraction(records.MET),
            "two_sum": lambda a, b: (a + b, 0),
            "normal": lambda hi, lo: (hi + lo, 0),
            "gather": lambda hi, lo, x_hi, x_lo: (hi + lo + x_hi + x_lo, 0),
            "add": lambda a_hi, a_lo, b_hi, b_lo: (a_hi + a_lo + b_hi + b_lo, 0),
            "mul": lambda a_hi, a_lo, b_hi, b_lo: ((a_hi + a_lo) * (b_hi + b_lo), 0),
            "div": lambda a_hi, a_lo, b_hi, b_lo: ((a_hi + a_lo) / (b_hi + b_lo), 0),
            "ratio": lambda a, b: (a / b, 0),
        },
    )
    return Backend(run, lambda n: [0] * n, lambda n: [0] * n, is_exact=True)


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    }


def bound(wrap: Callable[[FunctionType], Any], replaced: dict[str, Any]) -> Any:
    """A copy of the source with each function wrapped, or replaced, as its attributes."""
    names: dict[str, Any] = {"__name__": __name__, "__builtins__": __builtins__}
    for module in SOURCES:
        names |= {name: value for name, value in vars(module).items() if not name.startswith("__")}
    made: dict[str, Any] = {}
    for module in SOURCES:
        for name, function in _functions(module).items():
            made[name] = replaced.get(name) or wrap(FunctionType(function.__code__, names, name))
    names |= replaced | made
    return SimpleNamespace(**made)
