import math
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from fairslice.measure.compare import compare, jain_index
from fairslice.measure.measurement import Measured
from fairslice.measure.resolution import relative_error
from fairslice.measure.results import Busy, LinkResult, RunResult
from fairslice.report import words
from fairslice.report.table import print_result

M = 1e6


def measured(
    slice_: str = "gold", source: str = "h1", allocated: float = 10.0, wire: float = 10.0, **rest: Any
) -> Measured:
    """A flow to h9; rates in Mbit/s."""
    return Measured(
        slice=slice_,
        source=source,
        destination="h9",
        allocated_bps=allocated * M,
        wire_bps=wire * M,
        **{"bottleneck": "link s1->s2", **rest},
    )


def printed(result: RunResult) -> str:
    """What a terminal of 200 columns shows."""
    console = Console(file=StringIO(), width=200)
    print_result(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def judge(*flows: Measured, **rest: Any) -> RunResult:
    about = {"policy": "p.yaml", "topology": "t.py", "datapath": "userspace", "framework": "ryu 4.34"}
    return compare(
        flows, **{"generation": 1, "created": "2026-11-22T08:00:00+00:00", "window_s": 10.0, **about, **rest}
    )


def test_every_flow_within_tolerance_is_fair() -> None:
    result = judge(measured(wire=9.9), measured("silver", allocated=5, wire=5.1), timings_s={"measure": 10.0})
    assert [flow.error for flow in result.flows] == pytest.approx([-0.01, 0.02])
    assert result.max_error == pytest.approx(0.02)
    assert (result.verdict, result.exit_status) == ("fair", 0)
    assert all(flow.passed and flow.judged == "flow" for flow in result.flows)
    assert result.timings_s == {"measure": 10.0}
    assert words.verdict_sentence(result).startswith("Fair: every flow got its allocation to within 2.0 %")


@pytest.mark.parametrize(("wire", "passed"), [(9.5, True), (10.5, True), (9.49, False), (10.51, False)])
def test_the_tolerance_is_inclusive_on_both_sides(wire: float, passed: bool) -> None:
    assert judge(measured(wire=wire), tolerance=0.05).flows[0].passed is passed


def test_a_missed_allocation_is_out_of_tolerance() -> None:
    result = judge(measured(), measured("silver", "h2", 10, 7), measured("bronze", "h3", 10, 14))
    assert (result.verdict, result.exit_status) == ("out of tolerance", 4)
    assert result.max_error == pytest.approx(0.4)
    sentence = words.verdict_sentence(result)
    assert "2 of 3 flows" in sentence
    assert "bronze h3->h9 (+40.0 %)" in sentence


@pytest.mark.parametrize(
    "busy", [Busy(machine=0.99, switch_thread=0.1), Busy(machine=0.5, switch_thread=1.0)]
)
def test_a_busy_machine_is_to_blame_only_for_what_was_missed(busy: Busy) -> None:
    missed = judge(measured(wire=5), busy=busy)
    assert (missed.verdict, missed.exit_status) == ("cpu-bound", 5)
    assert "the machine's doing" in missed.notes[0]
    assert "too busy to be trusted" in words.verdict_sentence(missed)
    kept = judge(measured(), busy=busy)
    assert (kept.verdict, kept.exit_status) == ("fair", 0)
    assert "held all the same" in kept.notes[0]


def test_an_idle_machine_is_not_to_blame() -> None:
    result = judge(measured(wire=5), busy=Busy(machine=0.9, switch_thread=0.9))
    assert result.verdict == "out of tolerance"
    assert result.notes == ()


def test_no_flows() -> None:
    result = judge()
    assert (result.verdict, result.jain_index, result.max_error, result.slices) == ("fair", None, None, ())
    assert "no flows" in words.verdict_sentence(result)


@pytest.mark.parametrize(
    ("wire", "allocated", "error"),
    [
        (0.0, 0.0, 0.0),
        (999.0, 0.0, 0.999),
        (1000.0, 0.0, 1.0),
        (1e6, 0.0, 1000.0),
        (1e6, 5e-324, 1000.0),
        (0.0, 999.0, 0.0),
        (1500.0, 999.0, 0.501),
        (0.0, 1000.0, -1.0),
        (0.0, 1e6, -1.0),
        (1e300, 1e6, 1e294),
    ],
)
def test_an_allocation_of_nothing_divides_nothing(wire: float, allocated: float, error: float) -> None:
    assert relative_error(wire, allocated) == pytest.approx(error)


def test_a_flow_that_should_be_silent_and_is_not() -> None:
    result = judge(measured(allocated=0, wire=3), measured("silver", allocated=0, wire=0))
    assert [flow.passed for flow in result.flows] == [False, True]
    assert result.verdict == "out of tolerance"
    assert result.max_error == 3000
    assert result.jain_index is None
    assert "(should be 0)" in words.verdict_sentence(result)


def test_jain_index_of_the_paper() -> None:
    # Jain, Chiu and Hawe 1984: giving to k of n users alone is k/n fair.
    assert jain_index([(20 * M, M)] * 20 + [(0.0, M)] * 80) == pytest.approx(0.20)
    assert jain_index([(M, M), (3 * M, 3 * M)]) == 1.0
    # x = 1, 2: 9 / (2 * 5)
    assert jain_index([(M, M), (4 * M, 2 * M)]) == pytest.approx(0.9)


def test_jain_index_where_it_is_not_defined() -> None:
    assert jain_index([]) is None
    assert jain_index([(5 * M, 0.0)]) is None
    assert jain_index([(0.0, M), (0.0, M)]) is None
    # A flow without an allocation has no share to be fair to.
    assert jain_index([(M, M), (9 * M, 0.0)]) == 1.0


def test_flows_of_a_shaped_slice_are_judged_on_their_sum() -> None:
    fighting = [measured("gold", f"h{i}", 5, wire, enforcement="shape") for i, wire in ((1, 8), (2, 2.1))]
    result = judge(*fighting, measured("silver", "h3", 5, 5))
    assert [flow.judged for flow in result.flows] == ["slice", "slice", "flow"]
    assert all(flow.passed for flow in result.flows)
    assert result.verdict == "fair"
    assert result.max_error == pytest.approx(0.01)
    assert [flow.error for flow in result.flows] == pytest.approx([0.6, -0.58, 0.0])
    gold = result.slice_named("gold")
    assert (gold.flows, gold.passed) == (2, True)
    assert gold.jain_index == pytest.approx(10.1**2 / (2 * (8**2 + 2.1**2)))
    assert "judged on their sum" in result.notes[0]
    assert "or shaped slice" in words.verdict_sentence(result)
    with pytest.raises(KeyError):
        result.slice_named("bronze")


def test_a_shaped_slice_that_misses_its_sum_fails_all_its_flows() -> None:
    flows = [measured("gold", f"h{i}", 5, wire, enforcement="shape") for i, wire in ((1, 5), (2, 4))]
    result = judge(*flows)
    assert [flow.passed for flow in result.flows] == [False, False]
    assert "slice gold (-10.0 %)" in words.verdict_sentence(result)
    # Only the flow whose own error is to blame stands out.
    assert [words.is_off(flow, 0.05) for flow in result.flows] == [False, True]


@pytest.mark.parametrize(("wire", "passed"), [(4.5, True), (4.49, False)])
def test_the_tolerance_of_a_sum_is_inclusive(wire: float, passed: bool) -> None:
    flows = [measured("gold", f"h{i}", 5, rate, enforcement="shape") for i, rate in ((1, 5), (2, wire))]
    assert judge(*flows, tolerance=0.05).slices[0].passed is passed


def test_a_lone_flow_of_a_shaped_slice_and_policed_flows_stand_for_themselves() -> None:
    result = judge(
        measured("gold", "h1", enforcement="shape"),
        measured("silver", "h2", 5, 8, enforcement="police"),
        measured("silver", "h3", 5, 2, enforcement="police"),
    )
    assert {flow.judged for flow in result.flows} == {"flow"}
    assert [s.passed for s in result.slices] == [True, False]


def overload(enforcement: str, *others: Measured, **rest: Any) -> str:
    udp = measured(
        protocol="udp", offered_bps=100 * M, enforcement=enforcement, match="udp dst_port 5004", **rest
    )
    return judge(udp, *others).notes[0]


def test_an_overload_under_shape_tells_what_happened() -> None:
    note = overload(
        "shape",
        measured("gold", "h2", 10, 1, enforcement="shape"),
        measured("silver", "h3", 10, 9.8),
        wire=19,
    )
    assert note == (
        "gold h1->h9 udp dst_port 5004 sent UDP at 100 Mbit/s, 10 times its allocation: "
        "slice gold is shaped, not policed, so no meter stopped it at the edge, "
        "and 19 Mbit/s reached the receiver; "
        "the other flows of slice gold kept at least 10 % of their allocations; "
        "flows of other slices kept at least 98 % of their allocations."
    )


def test_an_overload_under_a_meter_or_without_an_allocation() -> None:
    assert "its meter at the first switch dropped the excess, and 10 Mbit/s" in overload("both")
    assert overload("police").endswith("reached the receiver.")
    assert "without an allocation" in overload("both", allocated=0, wire=0)


@pytest.mark.parametrize(
    "rest",
    [
        {"protocol": "tcp", "offered_bps": 100 * M},
        {"protocol": "udp"},
        {"protocol": "udp", "offered_bps": 11 * M},
    ],
)
def test_no_overload(rest: dict[str, Any]) -> None:
    assert judge(measured(**rest)).notes == ()


def test_notes_and_links_of_the_caller_are_kept() -> None:
    link = LinkResult(source="s1", target="s2", capacity_bps=M, allocated_bps=M, wire_bps=None)
    result = judge(links=(link,), notes=("h3's iperf3 failed.",))
    assert (result.links, result.notes) == ((link,), ("h3's iperf3 failed.",))


@pytest.mark.parametrize("name", ["allocated_bps", "wire_bps", "offered_bps", "goodput_bps"])
@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_rates_that_are_none(name: str, rate: float) -> None:
    flow = replace(measured(), **{name: rate})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"gold h1->h9: {name} is {rate}; expected a finite rate"):
        judge(flow)


@pytest.mark.parametrize("window_s", [0.0, -1.0, math.nan])
def test_a_window_of_no_time(window_s: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 s"):
        judge(window_s=window_s)


@pytest.mark.parametrize(
    ("bottleneck", "said"),
    [
        ("link s1->s2", "s1->s2 is full"),
        ("limit gold", "limit of gold is reached"),
        ("cap", "demand is met"),
        ("no path", "no path"),
        ("link", "link"),
        ("", "-"),
    ],
)
def test_why(bottleneck: str, said: str) -> None:
    assert words.why(bottleneck) == said


@pytest.mark.parametrize(
    ("rates", "unit"),
    [
        ([], "Mbit/s"),
        ([0.0], "Mbit/s"),
        ([999.0], "bit/s"),
        ([5e3], "kbit/s"),
        ([2e9], "Mbit/s"),
        ([1e10], "Gbit/s"),
    ],
)
def test_one_unit_for_a_page(rates: list[float], unit: str) -> None:
    assert words.scale_for(rates).unit == unit


def test_numbers() -> None:
    scale = words.Scale("Mbit/s", M)
    assert [scale.number(rate) for rate in (None, 0.0, 14.962e6, 123.45e6, 1234.5e6)] == [
        *("-", "0.00", "14.96", "123.5", "1234")
    ]
    assert [scale.short(rate) for rate in (30e6, 28.51e6, 12_345e6)] == ["30", "28.5", "12345"]
    assert [words.percent(error) for error in (0.0, -0.0001, 0.0123, -0.5)] == [
        "0.0 %",
        "0.0 %",
        "+1.2 %",
        "-50.0 %",
    ]
    assert words.jain_text(None) == "not defined"


# What can't be told, and what was sent on purpose -----------------------------------------------------


def test_the_largest_error_is_of_what_can_be_told() -> None:
    result = judge(measured(wire=10.1), measured("noisy", wire=2.0, doubt="its traffic ended early"))
    told, doubtful = result.flows
    assert (told.passed, doubtful.passed) == (True, None)
    assert doubtful.error == pytest.approx(-0.8)
    assert result.max_error == pytest.approx(0.01)
    assert [one.passed for one in result.slices] == [True, None]


def test_where_nothing_can_be_told_there_is_no_largest_error() -> None:
    result = judge(measured(wire=2.0, doubt="its traffic ended early"))
    assert (result.verdict, result.max_error, result.flows[0].passed) == ("can't tell", None, None)
    assert "largest error not known" in printed(result)


def test_of_a_run_that_can_not_be_told_nothing_passed_or_failed() -> None:
    result = judge(measured(wire=10.0), measured(wire=2.0), doubts=("not all switches were read",))
    assert [flow.passed for flow in result.flows] == [None, None]
    assert [one.passed for one in result.slices] == [None]
    assert (result.verdict, result.max_error) == ("can't tell", None)


def below(wire: float, offered: float = 5.0, **rest: Any) -> Measured:
    """A flow of 10 Mbit/s that is told to send less, with UDP."""
    return measured("quiet", wire=wire, protocol="udp", offered_bps=offered * M, **rest)


def test_a_sender_below_its_allocation_is_judged_against_what_it_was_told_to_send() -> None:
    result = judge(below(4.9), measured(wire=10.0))
    quiet = result.flows[0]
    assert (quiet.allocated_bps, quiet.expected_bps, quiet.offered_bps) == (10 * M, 5 * M, 5 * M)
    assert quiet.error == pytest.approx(-0.02)
    assert (result.verdict, quiet.passed) == ("fair", True)
    assert result.max_error == pytest.approx(0.02)
    assert result.jain_index == jain_index([(4.9 * M, 5 * M), (10 * M, 10 * M)])
    (note,) = result.notes
    assert "quiet h1->h9 (5 Mbit/s of 10 Mbit/s)" in note
    assert "judged against what was to be sent" in note
    assert "assume that every flow wants what the policy says" in note


def test_a_sender_below_its_allocation_may_still_get_too_little() -> None:
    result = judge(below(4.0))
    assert (result.verdict, result.flows[0].passed) == ("out of tolerance", False)
    assert result.max_error == pytest.approx(0.2)


@pytest.mark.parametrize("offered", [10.0, 10.5, 100.0])
def test_a_sender_at_or_above_its_allocation_is_judged_against_the_allocation(offered: float) -> None:
    flow = judge(below(10.0, offered)).flows[0]
    assert (flow.expected_bps, flow.error, flow.passed) == (10 * M, 0.0, True)


def test_a_shaped_slices_sum_expects_what_is_sent() -> None:
    flows = [below(5.0, enforcement="shape"), below(10.0, 100.0, source="h2", enforcement="shape")]
    (one,) = judge(*flows).slices
    assert (one.allocated_bps, one.expected_bps, one.error) == (20 * M, 15 * M, 0.0)


def test_what_was_told_to_send_less_is_not_said_to_have_kept_less() -> None:
    flood = measured("noisy", "h2", wire=10.0, protocol="udp", offered_bps=100 * M)
    note = next(note for note in judge(flood, below(5.0), measured(wire=9.9)).notes if "noisy" in note)
    assert "flows of other slices kept at least 99 % of their allocations" in note
