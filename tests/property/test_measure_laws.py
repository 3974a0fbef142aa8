"""Laws of measurement: what must hold for any numbers."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.measure.compare import NOTHING_BPS, Measured, compare, jain_index, relative_error
from fairslice.measure.drawing import spread
from fairslice.measure.iperf import Interval, ServerReport, goodput_bps
from fairslice.measure.results import Busy, LinkResult, RunResult, from_json, to_json

rates = st.floats(0, 1e12) | st.sampled_from([0.0, 1.0, NOTHING_BPS])
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
maybe_rates = st.none() | rates
slices = st.sampled_from(["gold", "silver", "bronze"])

flows = st.builds(
    Measured,
    slice=slices,
    source=names,
    destination=names,
    allocated_bps=rates,
    wire_bps=rates,
    bottleneck=names,
    enforcement=st.sampled_from(["police", "shape", "both"]),
    protocol=st.sampled_from(["tcp", "udp"]),
    match=names,
    offered_bps=maybe_rates,
    goodput_bps=maybe_rates,
    retransmits=st.none() | st.integers(0, 10**9),
    loss=st.none() | st.floats(0, 1),
)
links = st.builds(
    LinkResult, source=names, target=names, capacity_bps=rates, allocated_bps=rates, wire_bps=maybe_rates
)
busy = st.none() | st.builds(Busy, machine=st.floats(0, 1), switch_thread=st.floats(0, 3))


@st.composite
def results(draw: st.DrawFn) -> RunResult:
    return compare(
        draw(st.lists(flows, max_size=6)),
        draw(st.lists(links, max_size=3)),
        policy=draw(names),
        topology=draw(names),
        datapath=draw(names),
        framework=draw(names),
        generation=draw(st.integers(0, 2**63 - 1)),
        created=draw(names),
        window_s=draw(st.floats(1e-3, 1e6)),
        tolerance=draw(st.floats(0, 1)),
        busy=draw(busy),
        notes=draw(st.lists(names, max_size=2)),
        timings_s=draw(st.dictionaries(names, rates, max_size=2)),
    )


@given(results())
def test_json_is_strict_and_comes_back_the_same(result: RunResult) -> None:
    text = to_json(result)

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)
    assert from_json(text) == result


@given(results())
def test_a_verdict_follows_from_what_is_judged(result: RunResult) -> None:
    passed = all(flow.passed for flow in result.flows)
    assert (result.verdict == "fair") is passed is (result.exit_status == 0)
    assert passed is (result.max_error <= result.tolerance or not result.flows)
    if result.verdict == "cpu-bound":
        assert result.busy is not None
    for flow in result.flows:
        error = result.slice_named(flow.slice).error if flow.judged == "slice" else flow.error
        assert flow.passed is (abs(error) <= result.tolerance)
    for one in result.slices:
        mine = [flow for flow in result.flows if flow.slice == one.slice]
        assert one.flows == len(mine)
        assert one.passed is all(flow.passed for flow in mine)


@given(rates, rates)
def test_an_error_is_never_nan_nor_below_minus_one(wire: float, allocated: float) -> None:
    error = relative_error(wire, allocated)
    assert error >= -1
    if allocated >= NOTHING_BPS:
        assert allocated * (1 + error) == pytest.approx(wire, rel=1e-9, abs=1e-6 * allocated)


# Counters count bytes: over a day one byte is 1e-4 bit/s, and less than that is no rate.
wires = st.just(0.0) | st.floats(1e-4, 1e12)
pairs = st.lists(st.tuples(wires, st.floats(NOTHING_BPS, 1e12)), min_size=1, max_size=12)


@given(pairs, st.randoms(use_true_random=False), st.floats(1e-2, 1e2))
def test_jain_index_is_bounded_and_blind_to_order_and_scale(
    given_pairs: list[tuple[float, float]], random: Any, factor: float
) -> None:
    index = jain_index(given_pairs)
    if index is None:
        assert all(wire == 0 for wire, _ in given_pairs)
        return
    assert 1 / len(given_pairs) - 1e-12 <= index <= 1
    shuffled = list(given_pairs)
    random.shuffle(shuffled)
    assert jain_index(shuffled) == pytest.approx(index)
    scaled = jain_index((wire * factor, allocated) for wire, allocated in given_pairs)
    assert scaled == pytest.approx(index)


@given(st.lists(st.floats(NOTHING_BPS, 1e12), min_size=1, max_size=12), st.floats(0.01, 10))
def test_jain_index_is_one_for_equal_parts(allocated: list[float], part: float) -> None:
    assert jain_index((part * rate, rate) for rate in allocated) == pytest.approx(1)


steps = st.lists(st.tuples(st.floats(0.01, 2), st.integers(0, 10**9)), min_size=1, max_size=10)


@given(steps, st.floats(0.05, 0.95))
def test_goodput_of_parts_makes_up_the_whole(given_steps: list[tuple[float, int]], part: float) -> None:
    time_s, intervals = 0.0, []
    for length, count in given_steps:
        intervals.append(Interval(time_s, time_s + length, count))
        time_s += length
    report = ServerReport("tcp", tuple(intervals), time_s, 0)
    total = sum(count for _, count in given_steps)
    assert goodput_bps(report, 0, time_s) * time_s == pytest.approx(8 * total, rel=1e-6)
    cut = part * time_s
    first, second = goodput_bps(report, 0, cut) * cut, goodput_bps(report, cut, time_s) * (time_s - cut)
    assert first + second == pytest.approx(8 * total, rel=1e-6)


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(0.1, 30))
def test_spread_labels_are_apart_in_order_and_inside(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0, 100)
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in places)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    fits = min(gap, 100 / max(1, len(wanted) - 1))
    for left, right in pairwise(order):
        assert places[right] - places[left] >= fits - 1e-9
    if all(abs(a - b) >= gap for i, a in enumerate(wanted) for b in wanted[i + 1 :]):
        assert places == pytest.approx(wanted, abs=1e-9)
    assert not any(map(math.isnan, places))
