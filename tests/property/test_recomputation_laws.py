"""What is kept of an allocation makes the next one no different, only quicker."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairslice.alloc import returned
from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.engine import solve
from fairslice.alloc.kernel.compiled import compiled, has_numba
from fairslice.alloc.problem import AllocationProblem, ProblemFlow
from fairslice.alloc.refilling import Refilling
from fairslice.alloc.returned import Returned
from fairslice.policy.model import Slice
from fairslice.slicing.allocation import allocate_slices, problem_of
from fairslice.slicing.state.compile import Compiled, compile_from, compile_switches
from fairslice.slicing.state.forwarding import Probe
from fairslice.testing.networks import networks
from fairslice.testing.policies import policies
from fairslice.topology.network import Network

PROBES = st.builds(Probe, st.integers(1, 3), st.just(6), st.just(5001))


def _weighing(one: Slice, weight: float) -> Slice:
    return replace(one, weight=weight)


@given(st.data(), networks(max_switches=8))
def test_kept_and_anew_are_the_same(data: st.DataObject, whole: Network) -> None:
    policy = data.draw(policies(list(whole.hosts)))
    other = data.draw(policies(list(whole.hosts)))
    # The same flows, with other rates.
    weights = [one.weight * (2 if number == 0 else 1) for number, one in enumerate(policy.slices)]
    heavier = replace(policy, slices=tuple(map(_weighing, policy.slices, weights)))
    before = allocate_slices(policy, whole)
    made: Compiled | None = None
    for _ in range(3):
        gone = data.draw(st.lists(st.sampled_from(sorted(whole.links)), max_size=4))
        network = whole.without(gone)
        now = data.draw(st.sampled_from([policy, policy, heavier, other]))
        kept = allocate_slices(now, network, omit_unreachable=True, before=before)
        anew = allocate_slices(now, network, omit_unreachable=True)
        assert kept == anew
        assert kept.problem == anew.problem == problem_of(now, network, [one.route for one in anew.flows])
        assert kept.certificate.ok
        probes = data.draw(
            st.sets(st.builds(Probe, st.integers(1, 3), st.just(6), st.just(5001)), max_size=1)
        )
        made = compile_from(kept, probes, made)
        expected = compile_switches(anew, probes)
        assert made.switches == expected
        for dpid, state in expected.items():
            assert [*made.switches[dpid].flows] == [*state.flows]
        # From the last one, or again from the whole.
        before = data.draw(st.sampled_from([before, kept]))


@given(st.data(), networks())
def test_a_problem_laid_out_once_is_solved_as_one_laid_out_anew(
    data: st.DataObject, network: Network
) -> None:
    allocation = allocate_slices(data.draw(policies(list(network.hosts))), network, omit_unreachable=True)
    columns = allocation.problem.data.columns
    refilling = Refilling(columns)
    for part in data.draw(st.lists(st.floats(0, 2), min_size=1, max_size=4)):
        capacity = part * np.array(columns.capacity, dtype=np.float64)
        expected = solve(replace(columns, capacity=capacity.tolist()))
        found = refilling.solve(capacity)
        assert list(found.rate) == list(expected.rate)
        assert list(found.bottleneck) == list(expected.bottleneck)
        assert found.overbooked == expected.overbooked


rates = st.one_of(st.floats(0, 1e12), st.sampled_from([0.0, 1.0, 3.0, 1e-30, 0.1, 2.0**53, 1e300]))


# To load machine code takes longer than an example may.
@settings(deadline=None)
@pytest.mark.parametrize("in_machine_code", [False, True])
@given(terms=st.lists(st.tuples(rates, st.sampled_from([0.05, 1.0, 0.03, 1e-9])), min_size=1, max_size=12))
def test_what_acknowledgements_take_is_the_nearest_float(
    in_machine_code: bool, terms: list[tuple[float, float]]
) -> None:
    if in_machine_code and not has_numba():
        pytest.skip("no numba")
    flows = [ProblemFlow(str(number), {"there": 1.0}) for number in range(len(terms))]
    data = AllocationProblem({"there": 1.0, "back": 1.0}, flows)
    problem = AcknowledgedProblem(data, [{"back": share} for _, share in terms])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(returned, "loaded", compiled if in_machine_code else lambda: None)
        (taken,) = Returned(problem).taken([rate for rate, _ in terms]).tolist()
    # Each product is a float of its own.
    assert taken == float(sum(Fraction(share * rate) for rate, share in terms))
