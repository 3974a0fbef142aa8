"""fairslice divides a network fairly among slices and proves it on real switches.

Where to begin, in Python:

``fairslice.alloc``
    Max-min fair rates of any network, as names or as arrays, with a proof: ``AllocationProblem``,
    ``allocate``, ``certify``, ``explain``, and ``Allocator`` for a problem that changes.
``fairslice.policy``
    Policy files: ``load_policy``, ``parse_policy``.
``fairslice.topology``
    Networks, by what a user writes for one: ``load_network``; of a graph of networkx, with
    ``topology.nodelink.from_json``.
``fairslice.slicing``
    The rates of a policy on a network: ``allocate_slices``.
``fairslice.api``
    A running controller: ``ControllerClient`` (extra ``controller``, for httpx).
``fairslice.errors``
    What they raise: ``InputError`` with all faults of an input, ``InfeasibleError`` where guarantees do not
    fit. Besides, ``topology.NoPathError`` where a flow has no path, and ``alloc.InconsistentError`` where no
    rates were found that agree with what their acknowledgements take.

Two flows share a link of 10; one of them wants no more than 2:

>>> from fairslice.alloc import AllocationProblem, ProblemFlow, allocate, certify
>>> problem = AllocationProblem(
...     capacities={"A": 10},
...     flows=[ProblemFlow("f", {"A": 1}), ProblemFlow("g", {"A": 1}, cap=2)],
... )
>>> allocation = allocate(problem)
>>> dict(allocation.rates)
{'f': 8.0, 'g': 2.0}
>>> str(allocation.bottlenecks["f"])
'link A'
>>> certify(problem, allocation.rates).ok
True

The command line does the rest: ``fairslice --help``.
"""

__version__ = "0.1.0"
