"""When machine code pays: an account of the interpreted work of a process.

To load what was compiled costs a quarter of a second, to compile it some ten seconds, and to go on
interpreted costs a little each time. That is the problem of when to buy skis that could be rented [1]_: who
buys once the rent paid so far and the rent that is due exceed the price pays at most about twice what it
costs who knows the future. What was compiled is kept, so there are two prices: that of loading, and
that of compiling where nothing is kept.

Work is counted, not timed: the same calls lead to the same decisions, however busy the machine is. Its
amounts are seconds of plain Python as they were measured once (docs/performance.md). On a machine that is
several times slower or faster the prices change alike.

References
----------
.. [1] A. Karlin, M. Manasse, L. Rudolph and D. Sleator, "Competitive snoopy caching", Algorithmica 3, 1988.
"""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fairslice.alloc.columns import Columns

LOADING_S = 0.25
"""What it costs to load what has been compiled, most of it for numba itself."""
COMPILING_S = 10.0
"""What it costs to compile."""
WORTH_S = 1e-4
"""Threshold once compiled code is loaded: handing arrays over costs some 20 microseconds."""

_PER_USE_S, _PER_LINK_S = 1.2e-6, 1e-6
_PER_FLOW_S, _PER_FLOW_WITH_FLOOR_S, _PER_FLOW_IN_SLICES_S = 2e-6, 15e-6, 30e-6
STEP_S = 0.2e-6
"""A step of inheriting, as the filling counts them."""

log = logging.getLogger("fairslice.alloc")


def work_s(columns: Columns) -> float:
    """What filling takes plain Python, before the steps of inheriting, which only the filling can count."""
    per_flow = _PER_FLOW_S
    if columns.floor is not None:
        per_flow = _PER_FLOW_WITH_FLOOR_S
    if columns.slice is not None and not columns.per_flow:
        per_flow = _PER_FLOW_IN_SLICES_S
    n, uses, links = len(columns.indptr) - 1, len(columns.indices), len(columns.capacity)
    return n * per_flow + uses * _PER_USE_S + links * _PER_LINK_S


@dataclass
class Account:
    """The interpreted work of a process, and whether machine code pays by now.

    Attributes
    ----------
    is_there, is_kept, load
        Whether machine code can be had, whether it has been compiled before, and what loads or else
        compiles it. The latter two may raise ImportError.
    may_compile
        False where nobody can wait for it: then only what is kept is loaded.
    spent_s
        Work so far, in seconds of plain Python.
    """

    is_there: Callable[[], bool]
    is_kept: Callable[[], bool]
    load: Callable[[], object]
    may_compile: bool = True
    spent_s: float = 0.0
    _loaded: bool = False
    _next_s: float = LOADING_S
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def loaded(self) -> bool:
        """Whether machine code is there."""
        return self._loaded

    def pays(self, ahead_s: float) -> bool:
        """Whether work is for machine code that would take plain Python so long; loads it if it is time."""
        if not self._loaded and self.spent_s + ahead_s > self._next_s:
            with self._lock:
                if not self._loaded:
                    self._consider(self.spent_s + ahead_s)
        return self._loaded and ahead_s >= WORTH_S

    def charge(self, work_s: float) -> None:
        """Count work that was done interpreted."""
        self.spent_s += work_s

    def most_steps(self, ahead_s: float) -> int:
        """After how many steps of inheriting to ask again, with so much other work ahead; -1 for never."""
        if self._loaded or self._next_s == math.inf:
            return -1
        return max(0, int((self._next_s - self.spent_s - ahead_s) / STEP_S))

    def buy(self) -> bool:
        """Load at once, or compile; False if there is nothing to be had."""
        with self._lock:
            if not self._loaded and self.is_there():
                self._try_to(lambda: True)
            return self._loaded

    def _consider(self, total_s: float) -> None:
        if not self.is_there():
            self._next_s = math.inf
            return
        self._try_to(lambda: (self.may_compile and total_s > COMPILING_S) or self.is_kept())
        if self._loaded or self._next_s == math.inf:
            return
        # Others may compile meanwhile, so it is asked again now and then.
        if total_s > COMPILING_S and self._next_s <= COMPILING_S:
            log.warning(
                "compiled code would pay by now, but none is kept and nothing is compiled in this process:"
                " fairslice.alloc.load_compiled() compiles in another one"
            )
        self._next_s = min(2 * total_s, COMPILING_S if total_s <= COMPILING_S else math.inf)

    def _try_to(self, wanted: Callable[[], bool]) -> None:
        try:
            if wanted():
                self.load()
                self._loaded = True
        except ImportError as error:
            log.warning("numba is installed but can't be used, so nothing is compiled: %s", error)
            self._next_s = math.inf
