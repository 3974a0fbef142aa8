"""How long a run measures, and when it measures again."""

from typing import Any

import pytest

from fairslice.api.allocation import FlowView
from fairslice.lab.traffic.plan import Sender, plan_traffic
from fairslice.lab.trial.resolution import lengthening, longer_s, uncertain_bits, warm_up_s, window_s
from fairslice.measure.compare import compare
from fairslice.measure.measurement import Measured
from fairslice.measure.resolution import FRAME_BITS, needed_s
from fairslice.measure.results import RunResult
from fairslice.policy import parse_policy
from fairslice.policy.model import PROTOCOLS, Policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import build_network

NETWORK = build_network(
    [("s1", "s2"), *((f"h{i}", "s1" if i < 4 else "s2") for i in range(1, 7))], capacity_bps=10e6
)
BURST = 10 * FRAME_BITS
QUEUE = 4 * FRAME_BITS


def given(text: str) -> tuple[Policy, tuple[FlowView, ...]]:
    policy = parse_policy(f"version: 1\n{text}", "p.yaml")
    return policy, view(allocate_slices(policy, NETWORK)).flows


def demand(rate: str, **slice_keys: str) -> str:
    keys = "".join(f"{key}: {value}, " for key, value in slice_keys.items())
    return f"slices:\n  a: {{{keys}flows: [{{from: h1, to: h4, demand: {rate}}}]}}\n"


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        (demand("5 kbit/s"), FRAME_BITS + BURST + QUEUE),
        (demand("5 kbit/s", enforcement="police"), FRAME_BITS + BURST + QUEUE),
        (demand("5 kbit/s", enforcement="shape"), FRAME_BITS + QUEUE),
        (demand("5 kbit/s", enforcement="shape", limit="5 kbit/s"), FRAME_BITS + BURST + QUEUE),
        (demand("8 Mbit/s"), FRAME_BITS + 0.25 * 8e6 + 0.05 * 8e6),
        (demand("8 Mbit/s", enforcement="shape"), FRAME_BITS + 0.05 * 8e6),
        (demand("8 Mbit/s", enforcement="shape", limit="8 Mbit/s"), FRAME_BITS + 0.05 * 8e6),
        (demand("8 Mbit/s", burst="1 s"), FRAME_BITS + 1.0 * 8e6 + 0.05 * 8e6),
        ("defaults: {burst: 10 ms}\n" + demand("8 Mbit/s"), FRAME_BITS + BURST + 0.05 * 8e6),
        ("defaults: {buffer: 200 ms}\n" + demand("8 Mbit/s"), FRAME_BITS + 0.25 * 8e6 + 0.2 * 8e6),
        (demand("0 bit/s"), 0.0),
        (demand("900 bit/s"), 0.0),
    ],
)
def test_a_frame_a_bucket_and_a_queue(text: str, bits: float) -> None:
    policy, (flow,) = given(text)
    assert uncertain_bits(flow, policy) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("rate", "asked", "most", "wanted"),
    [
        ("8 Mbit/s", 10.0, 60.0, 10.0),
        ("8 Mbit/s", 6.0, 60.0, 6.25),
        ("8 Mbit/s", 1.0, 60.0, 6.25),
        ("8 Mbit/s", 1.0, 5.0, 1.0),
        ("64 kbit/s", 6.0, 60.0, 58.0),
        ("64 kbit/s", 6.0, 30.0, 6.0),
        ("10 kbit/s", 6.0, 60.0, 6.0),
        ("10 kbit/s", 6.0, 600.0, 370.7),
        ("5 kbit/s", 6.0, 800.0, 741.4),
        ("0 bit/s", 6.0, 60.0, 6.0),
    ],
)
def test_a_run_measures_as_long_as_the_tolerance_needs_if_it_may(
    rate: str, asked: float, most: float, wanted: float
) -> None:
    policy, flows = given(demand(rate))
    found = window_s(flows, policy, 0.05, asked, most)
    assert found == pytest.approx(wanted, abs=0.2)
    assert asked <= found <= max(asked, most)


def test_what_can_not_be_told_in_time_lengthens_nothing() -> None:
    policy, flows = given(
        "slices:\n  a: {flows: [{from: h1, to: h4, demand: 5 kbit/s}]}\n"
        "  b: {flows: [{from: h2, to: h5, demand: 100 kbit/s}]}\n"
    )
    found = window_s(flows, policy, 0.05, 6.0, 60.0)
    assert found == pytest.approx(needed_s(15 * FRAME_BITS, 100e3, 0.05), rel=0.03)


def test_the_flows_that_lengthen_a_window_are_known() -> None:
    policy, flows = given(
        "slices:\n  a: {flows: [{from: h1, to: h4, demand: 5 kbit/s}]}\n"
        "  b: {flows: [{from: h2, to: h5, demand: 100 kbit/s}]}\n"
        "  c: {flows: [{from: h3, to: h6, demand: 8 Mbit/s}]}\n"
        "  d: {enforcement: shape, flows: [{from: h1, to: h5, demand: 50 kbit/s},"
        " {from: h1, to: h6, demand: 40 kbit/s}]}\n"
    )
    # 5 kbit/s takes 741 s, 8 Mbit/s 6.25 s, and the shaped ones are judged together.
    assert lengthening(flows, policy, 0.05, 6.0, 60.0) == (2, 3, 4, 5)
    assert lengthening(flows, policy, 0.05, 10.0, 60.0) == (2, 4, 5)
    assert lengthening(flows, policy, 0.05, 60.0, 60.0) == ()
    assert 1 in lengthening(flows, policy, 0.05, 6.0, 800.0)


def test_flows_of_a_shaped_slice_need_what_their_sum_needs() -> None:
    text = (
        "defaults: {enforcement: %s}\nslices:\n"
        "  a: {flows: [{from: h1, to: h4, demand: 9 Mbit/s}, {from: h2, to: h5, demand: 20 kbit/s}]}\n"
    )
    found = {
        how: window_s(given(text % how)[1], given(text % how)[0], 0.05, 1.0, 600.0)
        for how in ("shape", "both")
    }
    assert found["shape"] < 2.0 < 100.0 < found["both"]


def result(error: float, resolution: float, *, enforcement: str = "both", **rest: Any) -> RunResult:
    flows = [
        Measured(
            slice="a",
            source=f"h{i}",
            destination="h4",
            allocated_bps=1e6,
            wire_bps=1e6 * (1 + error),
            bottleneck="cap",
            uncertain_bits=resolution * 1e7,
            enforcement=enforcement,  # type: ignore[arg-type]
            **rest,
        )
        for i in (1, 2)
    ]
    about: dict[str, Any] = {
        "policy": "p",
        "topology": "t",
        "datapath": "user",
        "framework": "ryu",
        "created": "now",
    }
    return compare(flows, generation=1, window_s=10.0, **about)


@pytest.mark.parametrize(
    ("error", "resolution", "measured", "most", "again"),
    [
        (0.054, 0.03, 10.0, 60.0, 20.0),
        (-0.06, 0.03, 10.0, 60.0, 20.0),
        (0.054, 0.03, 10.0, 15.0, 15.0),
        (0.054, 0.03, 40.0, 60.0, 60.0),
        (0.054, 0.03, 60.0, 60.0, None),
        (0.054, 0.03, 60.0, 10.0, None),
        (0.01, 0.03, 10.0, 60.0, None),
        (0.2, 0.03, 10.0, 60.0, None),
        (0.01, 0.06, 10.0, 60.0, 20.0),
        (0.01, 0.3, 10.0, 60.0, None),
        (0.2, 0.3, 10.0, 60.0, None),
    ],
)
@pytest.mark.parametrize("enforcement", ["both", "shape"])
def test_what_a_bucket_may_have_done_is_measured_again_for_longer(
    error: float, resolution: float, measured: float, most: float, again: float | None, enforcement: str
) -> None:
    assert longer_s(result(error, resolution, enforcement=enforcement), measured, most) == again


def test_what_no_window_tells_is_not_measured_again() -> None:
    assert longer_s(result(0.01, 0.03, doubt="its counters went back"), 10.0, 60.0) is None
    assert longer_s(result(-0.5, 0.03, if_low="its cable was full"), 10.0, 60.0) is None


# The warm-up ------------------------------------------------------------------------------------------------


CABLES = {f"h{i}": 10e6 for i in range(1, 7)}


@pytest.mark.parametrize(
    ("rate", "keys", "factor", "emptied_s"),
    [
        ("9.5 Mbit/s", {}, 2.0, 0.25 * 9.5 / 0.5),  # what reaches the meter is what the cable carries
        ("2 Mbit/s", {}, 2.0, 0.25),
        ("2 Mbit/s", {"burst": "2 s"}, 1.5, 4.0),
        ("2 Mbit/s", {}, 1.0, 0.0),
        ("2 Mbit/s", {"enforcement": "shape"}, 2.0, 0.0),
        ("2 Mbit/s", {}, None, 0.0),  # TCP listens
    ],
)
def test_senders_that_do_not_listen_empty_their_buckets_before_it(
    rate: str, keys: dict[str, str], factor: float | None, emptied_s: float
) -> None:
    policy, flows = given(demand(rate, **keys))
    sender = Sender("a", PROTOCOLS["tcp" if factor is None else "udp"], factor)
    traffic = plan_traffic(flows, (sender,))
    assert warm_up_s(traffic, CABLES, policy, 0.0, 60.0) == pytest.approx(
        1.02 * emptied_s + 0.1 if emptied_s else 0.0, abs=1e-6
    )
    assert warm_up_s(traffic, CABLES, policy, 30.0, 60.0) == 30.0


def test_a_bucket_that_takes_too_long_is_not_waited_for() -> None:
    policy, flows = given(demand("9.5 Mbit/s"))
    traffic = plan_traffic(flows, (Sender("a", PROTOCOLS["udp"], 2.0),))
    assert warm_up_s(traffic, CABLES, policy, 3.0, 4.0) == 3.0
