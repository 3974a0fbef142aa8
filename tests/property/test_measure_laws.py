"""Laws of measurement: what must hold for any numbers."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.measure.compare import compare, jain_index
from fairslice.measure.iperf import Interval, ServerReport, goodput_bps
from fairslice.measure.measurement import Measured
from fairslice.measure.resolution import judge, needed_s, relative_error, resolution_of
from fairslice.measure.results import Busy, HostResult, LinkResult, NotMeasured, RunResult, from_json, to_json
from fairslice.report.drawing import spread
from fairslice.units import LEAST_RATE_BPS, is_nothing

rates = st.floats(0, 1e12) | st.sampled_from([0.0, 1.0, LEAST_RATE_BPS])
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
    uncertain_bits=st.just(0.0) | st.floats(0, 1e9),
    doubt=st.sampled_from(["", "", "", "its counters went back"]),
    if_low=st.sampled_from(["", "its own cable was full"]),
    if_high=st.sampled_from(["", "its queue lends"]),
    metered=st.sampled_from([None, True, False]),
)
unknown = st.builds(
    NotMeasured,
    number=st.integers(1, 65535),
    slice=slices,
    source=names,
    destination=names,
    match=names,
    allocated_bps=rates,
    reason=names,
)
hosts = st.builds(
    HostResult,
    host=names,
    switch=names,
    capacity_bps=rates,
    sent_bps=rates,
    received_bps=rates,
    dropped_datagrams=st.integers(0, 10**9),
    full=st.booleans(),
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
        not_measured=draw(st.lists(unknown, max_size=2)),
        hosts=draw(st.lists(hosts, max_size=2)),
        doubts=draw(st.lists(names, max_size=1)),
        asked_s=draw(st.none() | st.floats(1e-3, 1e6)),
    )


@given(results())
def test_json_is_strict_and_comes_back_the_same(result: RunResult) -> None:
    text = to_json(result)

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)
    assert from_json(text) == result


@given(results())
def test_no_number_of_a_result_is_null_but_those_that_may_be(result: RunResult) -> None:
    """Neither NaN nor infinity, and no null in their place."""
    document = json.loads(to_json(result))
    numbers = [document["window_s"], document["tolerance"]]
    judged = [one for one in result.flows if one.judged == "flow"]
    by_sum = [result.slice_named(flow.slice) for flow in result.flows if flow.judged == "slice"]
    told = [abs(one.error) for one in judged if one.passed is not None]
    told += [abs(one.error) for one in by_sum if one.passed is not None]
    assert document["max_error"] == max(told, default=None)
    for key in ("flows", "slices"):
        for one in document[key]:
            numbers += [
                one[name] for name in ("allocated_bps", "expected_bps", "wire_bps", "error", "resolution")
            ]
    assert all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)


@given(results())
def test_a_verdict_follows_from_what_is_judged(result: RunResult) -> None:
    off = [flow for flow in result.flows if flow.passed is False]
    unclear = [flow for flow in result.flows if flow.doubt]
    if result.doubts:
        assert result.verdict == "can't tell"
    elif off:
        assert result.verdict in ("out of tolerance", "cpu-bound")
    else:
        assert result.verdict == ("can't tell" if unclear else "fair")
    assert (
        result.exit_status
        == {"fair": 0, "out of tolerance": 4, "cpu-bound": 5, "can't tell": 5}[result.verdict]
    )
    if result.verdict == "cpu-bound":
        assert result.busy is not None
    for flow in result.flows:
        assert (flow.passed is None) is bool(flow.doubt or result.doubts)
        most_bps = flow.allocated_bps if flow.offered_bps is None else flow.offered_bps
        assert flow.expected_bps == min(flow.allocated_bps, most_bps)
        one = result.slice_named(flow.slice) if flow.judged == "slice" else flow
        if is_nothing(one.expected_bps or 0.0):
            assert not (flow.passed and one.error > 0)
            continue
        if flow.passed:
            assert abs(one.error) <= result.tolerance
            assert one.resolution <= result.tolerance
        elif flow.passed is False:
            assert abs(one.error) > result.tolerance + one.resolution
    for one in result.slices:
        mine = [flow for flow in result.flows if flow.slice == one.slice]
        assert one.flows == len(mine)
        assert (one.passed is True) is all(flow.passed for flow in mine)
        assert (one.passed is False) is any(flow.passed is False for flow in mine)
        if not result.doubts:
            assert (one.passed is None) is bool(one.doubt)


parts = st.floats(0, 2)


@given(st.floats(-1, 3), parts, st.floats(1e-6, 1))
def test_what_is_off_is_off_whatever_the_ends_of_the_window_held(
    error: float, resolution: float, tolerance: float
) -> None:
    """The definition: every true error that the count allows lies outside, or it is not called off."""
    found = judge(error, resolution, tolerance)
    nearest = max(0.0, abs(error) - resolution)
    assert (found == "off") is (abs(error) > tolerance + resolution)
    if found == "off":
        assert nearest > tolerance * (1 - 1e-9) - 1e-12
    if found == "within":
        assert resolution <= tolerance


@given(st.floats(1, 1e9), st.floats(LEAST_RATE_BPS, 1e12), st.floats(1e-3, 1), st.floats(1, 100))
def test_a_longer_window_resolves_more_and_the_needed_one_enough(
    uncertain: float, rate: float, tolerance: float, factor: float
) -> None:
    enough = needed_s(uncertain, rate, tolerance)
    assert resolution_of(uncertain, rate, enough) == pytest.approx(tolerance)
    assert resolution_of(uncertain, rate, factor * enough) <= tolerance * (1 + 1e-9)


@given(rates, rates)
def test_an_error_is_finite_and_never_below_minus_one(wire: float, allocated: float) -> None:
    error = relative_error(wire, allocated)
    assert math.isfinite(error)
    assert error >= -1
    if not is_nothing(allocated):
        assert allocated * (1 + error) == pytest.approx(wire, rel=1e-9, abs=1e-6 * allocated)


# Counters count bytes: over a day one byte is 1e-4 bit/s, and less than that is no rate.
wires = st.just(0.0) | st.floats(1e-4, 1e12)
pairs = st.lists(st.tuples(wires, st.floats(LEAST_RATE_BPS, 1e12)), min_size=1, max_size=12)


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


@given(st.lists(st.floats(LEAST_RATE_BPS, 1e12), min_size=1, max_size=12), st.floats(0.01, 10))
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
