"""What a measurement can tell: buckets, queues and frames against the tolerance."""

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.measure.compare import compare
from fairslice.measure.measurement import Measured
from fairslice.measure.resolution import FRAME_BITS, judge, needed_s, resolution_of, why_not
from fairslice.measure.results import FlowResult, RunResult
from fairslice.report.words import verdict_sentence
from fairslice.testing.results import ping

UNCERTAIN = 15 * FRAME_BITS
"""A frame, a bucket of ten and a queue of four: the least that any metered flow has."""


def measured(
    rate_bps: float, error: float = 0.0, uncertain_bits: float = UNCERTAIN, **rest: object
) -> Measured:
    fields = {
        **{"slice": "mouse", "source": "h1", "destination": "h4", "bottleneck": "link s1->s2"},
        **{"allocated_bps": rate_bps, "wire_bps": rate_bps * (1 + error), "uncertain_bits": uncertain_bits},
    }
    return Measured(**{**fields, **rest})  # type: ignore[arg-type]


def run(*flows: Measured, window_s: float = 6.0, **rest: object) -> RunResult:
    about = {"policy": "p", "topology": "t", "datapath": "user", "framework": "ryu", "created": "now"}
    return compare(flows, **{"generation": 1, "window_s": window_s, **about, **rest})  # type: ignore[arg-type]


def only(result: RunResult) -> FlowResult:
    (flow,) = result.flows
    return flow


# The rule -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "resolution", "found"),
    [
        (0.0, 0.0, "within"),
        (0.05, 0.0, "within"),
        (-0.05, 0.05, "within"),
        (0.0501, 0.0, "off"),
        (0.054, 0.03, "can't tell"),
        (-0.054, 0.03, "can't tell"),
        (0.0801, 0.03, "off"),
        (-0.0801, 0.03, "off"),
        (0.0, 0.051, "can't tell"),
        (0.27, 3.0, "can't tell"),
        (-1.0, 3.0, "can't tell"),
        (3.06, 3.0, "off"),
        (-1.0, 0.9, "off"),
    ],
)
def test_off_only_where_no_bucket_and_no_queue_explains_it(
    error: float, resolution: float, found: str
) -> None:
    assert judge(error, resolution, 0.05) == found


# A bucket, a queue and a sender, second by second: the bound holds for any, and some come near it.


@st.composite
def meters(draw: st.DrawFn) -> tuple[list[int], int, int, int]:
    """Frames offered in each tick, tokens (in frames) for a tick, the bucket's depth and the queue's."""
    offered = draw(st.lists(st.integers(0, 12), min_size=20, max_size=60))
    rate = draw(st.integers(1, 6))
    # A bucket less deep than what flows into it in a tick would lose some of that.
    return offered, rate, rate + draw(st.integers(0, 10)), draw(st.integers(1, 6))


def sent(offered: list[int], rate: int, depth: int, room: int, *, greedy: bool) -> list[int]:
    """What leaves in each tick: through a bucket at ``rate``, then a queue that serves at ``rate`` too.

    A ``greedy`` sender offers enough in every tick for the meter to be what holds it.
    """
    tokens, queue, left = depth, deque[int](), []
    for wanted in offered:
        tokens = min(depth, tokens + rate)
        passing = min(wanted + (rate if greedy else 0), tokens)
        tokens -= passing
        queue.extend([1] * min(passing, room + rate - len(queue)))
        leaving = min(rate, len(queue))
        for _ in range(leaving):
            queue.popleft()
        left.append(leaving)
    return left


@given(meters(), st.integers(0, 10), st.integers(5, 40))
def test_no_window_counts_more_than_rate_and_bucket_and_queue(
    given_meter: tuple[list[int], int, int, int], begin: int, length: int
) -> None:
    offered, rate, depth, room = given_meter
    counted = sent(offered, rate, depth, room, greedy=False)[begin : begin + length]
    assert sum(counted) <= rate * len(counted) + depth + room + 1


@given(meters(), st.integers(0, 10), st.integers(5, 40))
def test_no_window_of_a_sender_that_has_enough_counts_less(
    given_meter: tuple[list[int], int, int, int], begin: int, length: int
) -> None:
    offered, rate, depth, room = given_meter
    counted = sent(offered, rate, depth, room, greedy=True)[begin : begin + length]
    assert sum(counted) >= rate * len(counted) - depth - room - 1


# Too few frames -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [-1.0, -0.5, 0.0, 0.04, 0.27, 0.5, 2.0])
@pytest.mark.parametrize("rate_bps", [5e3, 10e3, 12e3])
def test_a_handful_of_frames_is_never_unfair_nor_fair(rate_bps: float, error: float) -> None:
    """5 and 10 kbit/s for 6 s are 2.5 and 5 frames; a bucket may add ten."""
    result = run(measured(rate_bps, error))
    flow = only(result)
    assert (result.verdict, result.exit_status) == ("can't tell", 5)
    assert not flow.passed
    assert "too few frames to tell 5 %" in flow.doubt
    assert "too few frames to tell 5 %" in verdict_sentence(result)
    assert flow.resolution == pytest.approx(UNCERTAIN / (rate_bps * 6.0))


@pytest.mark.parametrize("rate_bps", [1.0e3, 5e3, 10e3, 12e3, 64e3, 100e3, 480e3, 1e6, 15e6, 1e9])
@pytest.mark.parametrize("tolerance", [0.01, 0.03, 0.05, 0.2])
def test_the_window_that_is_named_tells(rate_bps: float, tolerance: float) -> None:
    uncertain = max(UNCERTAIN, 0.3 * rate_bps + FRAME_BITS)
    enough_s = needed_s(uncertain, rate_bps, tolerance)
    short = run(measured(rate_bps, 0.0, uncertain), window_s=0.98 * enough_s, tolerance=tolerance)
    assert f"a window of {math.ceil(enough_s)} s would tell" in only(short).doubt
    assert (
        run(measured(rate_bps, 0.0, uncertain), window_s=1.001 * enough_s, tolerance=tolerance).verdict
        == "fair"
    )


@pytest.mark.parametrize("error", [5.0, 31.0])
def test_far_off_is_off_even_among_few_frames(error: float) -> None:
    """10 kbit/s for 6 s is 5 frames: 15 more may be the bucket's, 25 more may not."""
    result = run(measured(10e3, error))
    assert (result.verdict, only(result).doubt) == ("out of tolerance", "")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(0.049, "fair"), (0.054, "can't tell"), (0.079, "can't tell"), (0.09, "out of tolerance")],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_of_a_small_excess_the_bucket_may_be_the_cause(error: float, verdict: str, sign: int) -> None:
    """1.36 Mbit/s for 10 s, of 210 flows: +5.4 % is 61 frames, of which a bucket of 0.25 s holds 28."""
    rate_bps = 1.36e6
    result = run(measured(rate_bps, sign * error, FRAME_BITS + 0.3 * rate_bps), window_s=10.0)
    assert result.verdict == verdict
    if verdict == "can't tell":
        assert "a longer window would tell" in only(result).doubt


def test_a_tolerance_of_nothing_needs_no_end_of_time() -> None:
    assert needed_s(UNCERTAIN, 1e6, 0.0) == math.inf
    assert "no window would tell" in why_not(0.0, UNCERTAIN, 1e6, 10.0, 0.0)


def test_a_rate_of_nothing_has_no_resolution() -> None:
    assert resolution_of(UNCERTAIN, 0.0, 10.0) == needed_s(UNCERTAIN, 0.0, 0.05) == 0.0


def test_a_sum_is_judged_with_the_sum_of_what_is_uncertain() -> None:
    flows = [
        measured(20e3, e, 5 * FRAME_BITS, source=f"h{i}", enforcement="shape")
        for i, e in ((1, 0.9), (2, -0.9))
    ]
    short, long = run(*flows), run(*flows, window_s=100.0)
    assert [f.judged for f in short.flows] == ["slice", "slice"]
    assert (short.verdict, long.verdict) == ("can't tell", "fair")
    assert short.slices[0].resolution == pytest.approx(2 * 5 * FRAME_BITS / (40e3 * 6))


# What is known besides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("allocated", [0.0, 400.0, 999.0])
def test_nothing_of_nothing_is_right(allocated: float) -> None:
    result = run(measured(1.0, allocated_bps=allocated, wire_bps=0.0))
    flow = only(result)
    assert (result.verdict, flow.error, flow.doubt, flow.passed) == ("fair", 0.0, "", True)


@pytest.mark.parametrize("wire", [1.0, 500.0, 4000.0, 1e9])
def test_frames_of_a_flow_that_may_send_nothing_are_told_as_a_number_and_not_fair(wire: float) -> None:
    result = run(measured(1.0, allocated_bps=0.0, wire_bps=wire))
    assert result.verdict == "out of tolerance"
    assert only(result).error == pytest.approx(wire / 1000)
    assert result.max_error is not None
    assert math.isfinite(result.max_error)
    assert "should be 0" in verdict_sentence(result)


def test_what_was_not_measured_is_told_and_does_not_count() -> None:
    left_out = ping()
    result = run(measured(10e6, 0.01, FRAME_BITS), not_measured=[left_out])
    assert (result.verdict, result.not_measured) == ("fair", (left_out,))
    assert "every measured flow" in verdict_sentence(result)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ({"doubts": ["switch 2 was read at one end only"]}, "switch 2 was read at one end only"),
        ({"asked_s": 10.0, "window_s": 1.2}, "the window was 1.2 s long, of 10 s asked for"),
        ({"asked_s": 10.0, "window_s": 7.4}, "the window was 7.4 s long"),
    ],
)
@pytest.mark.parametrize("error", [0.0, 0.9])
def test_of_a_run_that_was_not_whole_nothing_is_told(
    rest: dict[str, object], said: str, error: float
) -> None:
    result = run(measured(10e6, error, FRAME_BITS), **rest)  # type: ignore[arg-type]
    assert (result.verdict, result.exit_status) == ("can't tell", 5)
    assert said in verdict_sentence(result)


def test_a_window_that_is_a_little_short_is_one() -> None:
    assert run(measured(10e6, 0.0, FRAME_BITS), asked_s=6.3).verdict == "fair"


@pytest.mark.parametrize("goodput", [1.01, 1.5, 30.0])
def test_more_data_than_frames_is_a_contradiction(goodput: float) -> None:
    result = run(measured(10e6, 0.0, FRAME_BITS, goodput_bps=10e6 * goodput))
    assert result.verdict == "can't tell"
    assert "more than the 10 Mbit/s of frames that the switches counted" in only(result).doubt


@pytest.mark.parametrize(
    ("error", "rest", "verdict"),
    [
        (-0.86, {"if_low": "its cable was full"}, "can't tell"),
        (-0.86, {"if_high": "its queue lends"}, "out of tolerance"),
        (0.86, {"if_high": "its queue lends"}, "can't tell"),
        (0.86, {"if_low": "its cable was full"}, "out of tolerance"),
        (0.01, {"if_low": "its cable was full", "if_high": "its queue lends"}, "fair"),
        (0.01, {"doubt": "its counters went back"}, "can't tell"),
    ],
)
def test_an_excuse_is_one_for_its_own_side_only(error: float, rest: dict[str, str], verdict: str) -> None:
    result = run(measured(10e6, error, FRAME_BITS, **rest))
    assert result.verdict == verdict
    assert only(result).doubt == (next(iter(rest.values())) if verdict == "can't tell" else "")


def test_what_is_off_outweighs_what_is_not_known() -> None:
    flows = [measured(10e6, -0.5, FRAME_BITS), measured(5e3, source="h2")]
    result = run(*flows)
    assert result.verdict == "out of tolerance"
    assert "1 of 2 flows missed" in verdict_sentence(result)


def test_what_can_not_be_spoils_the_run_where_a_flow_would_be_off() -> None:
    """A virtual machine that waited for its processor read its counters late, and not only of one flow."""
    mad = measured(10e6, -0.3, FRAME_BITS, goodput_bps=9.5e6)
    low = measured(10e6, -0.2, FRAME_BITS, goodput_bps=7.6e6)
    fine = measured(10e6, 0.0, FRAME_BITS, goodput_bps=9.5e6)
    assert run(low, fine).verdict == "out of tolerance"
    alone = run(mad, fine)
    assert (alone.verdict, alone.doubts) == ("can't tell", ())
    both = run(mad, low, fine)
    assert both.verdict == "can't tell"
    assert "receivers of 1 of 3 flows got more data than the switches counted" in both.doubts[0]
