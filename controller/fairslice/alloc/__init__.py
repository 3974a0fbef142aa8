"""Max-min fair rates: the problem, water-filling, and the certificate.

A problem is made of links, flows and slices (:class:`AllocationProblem`, or its ``from_arrays``),
:func:`allocate` divides the links among the flows, :func:`certify` checks the rates, :func:`explain`,
:func:`why` and :func:`raises` tell where they come from, and :class:`Allocator` keeps up with a problem
that changes.

>>> from fairslice.alloc import AllocationProblem, ProblemFlow, allocate
>>> flows = [ProblemFlow("f", {"A": 1}), ProblemFlow("g", {"A": 1}, cap=2)]
>>> dict(allocate(AllocationProblem({"A": 10}, flows)).rates)
{'f': 8.0, 'g': 2.0}
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairslice.alloc.acknowledged import AcknowledgedProblem
    from fairslice.alloc.acknowledgements import (
        AcknowledgedAllocation,
        InconsistentError,
        allocate_acknowledged,
    )
    from fairslice.alloc.allocation import Allocation, Bottleneck, BottleneckKind
    from fairslice.alloc.arguments import UnknownFlowError
    from fairslice.alloc.certificate.certify import Certificate, certify
    from fairslice.alloc.certificate.conditions import Violation
    from fairslice.alloc.engine import load_compiled, never_compile
    from fairslice.alloc.explain.filling import Filling, Holder, Step, Stop, Stopped, Why, explain, why
    from fairslice.alloc.explain.sensitivity import Guarantee, Raise, raises
    from fairslice.alloc.incremental.allocator import Allocator
    from fairslice.alloc.multipath.flow import MultipathFlow
    from fairslice.alloc.multipath.free import MultipathAllocation, allocate_free
    from fairslice.alloc.multipath.problem import MultipathProblem, split_evenly
    from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
    from fairslice.alloc.waterfilling import allocate

__all__ = [
    "AcknowledgedAllocation",
    "AcknowledgedProblem",
    "Allocation",
    "AllocationProblem",
    "Allocator",
    "Bottleneck",
    "BottleneckKind",
    "Certificate",
    "Filling",
    "Guarantee",
    "Holder",
    "InconsistentError",
    "MultipathAllocation",
    "MultipathFlow",
    "MultipathProblem",
    "ProblemFlow",
    "Raise",
    "SliceShare",
    "Step",
    "Stop",
    "Stopped",
    "UnknownFlowError",
    "Violation",
    "Why",
    "allocate",
    "allocate_acknowledged",
    "allocate_free",
    "certify",
    "explain",
    "load_compiled",
    "never_compile",
    "raises",
    "split_evenly",
    "why",
]

_MODULES = {
    "acknowledged": ("AcknowledgedProblem",),
    "acknowledgements": ("AcknowledgedAllocation", "InconsistentError", "allocate_acknowledged"),
    "allocation": ("Allocation", "Bottleneck", "BottleneckKind"),
    "arguments": ("UnknownFlowError",),
    "certificate.certify": ("Certificate", "certify"),
    "certificate.conditions": ("Violation",),
    "engine": ("load_compiled", "never_compile"),
    "explain.filling": ("Filling", "Holder", "Step", "Stop", "Stopped", "Why", "explain", "why"),
    "explain.sensitivity": ("Guarantee", "Raise", "raises"),
    "incremental.allocator": ("Allocator",),
    "multipath.flow": ("MultipathFlow",),
    "multipath.free": ("MultipathAllocation", "allocate_free"),
    "multipath.problem": ("MultipathProblem", "split_evenly"),
    "problem": ("AllocationProblem", "ProblemFlow", "SliceShare"),
    "waterfilling": ("allocate",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    # Imported when asked for (PEP 562): whoever needs a policy's rates is spared numpy.
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the name ``explain`` for the function: importing the package of that name would take it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "explain" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
