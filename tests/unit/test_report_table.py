import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fairslice.measure.results import RunResult, from_json
from fairslice.report.table import print_result
from fairslice.testing.results import ping

FIXTURES = Path(__file__).parents[1] / "fixtures" / "results"


@pytest.fixture
def dumbbell() -> RunResult:
    return from_json((FIXTURES / "dumbbell.json").read_text(encoding="utf-8"))


@pytest.fixture
def fat_tree() -> RunResult:
    return from_json((FIXTURES / "fat_tree.json").read_text(encoding="utf-8"))


def printed(result: RunResult, width: int = 120, terminal: bool = False) -> str:
    file = io.StringIO()
    print_result(
        result,
        Console(
            file=file, width=width, force_terminal=terminal, color_system="standard" if terminal else None
        ),
    )
    return file.getvalue()


def test_a_row_for_each_flow(dumbbell: RunResult) -> None:
    lines = printed(dumbbell).splitlines()
    (gold,) = [line for line in lines if " gold " in line]
    assert gold.split() == [
        *("1", "gold", "h1->h4", "15.00", "14.92", "-0.6", "%", "14.27"),
        *("s1->s2", "is", "full", "41", "resent", "yes"),
    ]
    assert "Mbit/s" in lines[2]
    assert lines[-1] == "Fair: every flow got its allocation to within 0.6 % (tolerance 5 %)."
    assert "Jain's index 1.0000 (1 is fair), largest error 0.6 %" in lines


def test_a_slice_is_named_once_and_notes_are_told(fat_tree: RunResult) -> None:
    text = printed(fat_tree, 200)
    rows = [line.split()[1] for line in text.splitlines() if "->" in line and not line.startswith("Note")]
    assert [name for name in rows if not name.startswith("h")] == ["red", "green", "blue"]
    assert "80.1 % lost" in text
    assert "yes (sum)" in text
    assert text.count("Note: ") == 2


def test_colours_only_on_a_terminal(dumbbell: RunResult) -> None:
    assert "\x1b[" not in printed(dumbbell)
    assert "\x1b[" in printed(dumbbell, terminal=True)


def test_what_failed_stands_out(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[0], wire_bps=10e6, error=-1 / 3, passed=False)
    result = replace(dumbbell, flows=(flow, *dumbbell.flows[1:]), verdict="out of tolerance", max_error=1 / 3)
    text = printed(result, terminal=True)
    assert "\x1b[31m-33.3 %" in text
    assert "\x1b[1;31mNO" in text
    assert "Out of tolerance: 1 of 3 flows" in text


def test_names_are_not_markup(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[0], slice="[red]x[/red]", bottleneck="[/]")
    result = replace(dumbbell, flows=(flow,), notes=("[bold]note[/bold] [/]",))
    text = printed(result)
    assert "[red]x[/red]" in text
    assert "Note: [bold]note[/bold] [/]" in text


def test_a_terminal_without_unicode(dumbbell: RunResult) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_result(dumbbell, Console(file=file, width=120))
    file.flush()
    assert b"14.92" in raw.getvalue()


def test_eighty_columns_keep_what_is_judged_a_line_a_flow(dumbbell: RunResult) -> None:
    text = printed(dumbbell, 80)
    assert all(len(line) <= 80 for line in text.splitlines())
    for flow in dumbbell.flows:
        name = f"{flow.source}->{flow.destination}"
        (line,) = [line for line in text.splitlines() if name in line]
        for number in (flow.allocated_bps, flow.wire_bps):
            assert f"{number / 1e6:.2f}" in line
        assert "yes" in line
    assert "goodput" not in text.splitlines()[0]
    (said,) = [line for line in text.splitlines() if line.startswith("Left out")]
    enough = re.fullmatch(
        r"Left out for want of room: goodput, resent or lost; (\d+) columns show them.", said
    )
    assert enough is not None
    for width in (int(enough[1]), int(enough[1]) + 1, 200):
        whole = printed(dumbbell, width)
        assert "Left out" not in whole
        assert "goodput" in whole.splitlines()[0] + whole.splitlines()[1]
        assert all(len(line) <= width for line in whole.splitlines())
        assert whole.count("s1->s2 is full") == len(dumbbell.flows), "nothing is folded"
    assert "Left out" in printed(dumbbell, int(enough[1]) - 1)


@pytest.mark.parametrize("width", [80, 100, 121, 122, 160])
def test_nothing_of_a_table_is_cut(fat_tree: RunResult, width: int) -> None:
    text = printed(fat_tree, width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_flows_have_their_numbers(dumbbell: RunResult, width: int) -> None:
    known = tuple(replace(flow, number=n) for n, flow in enumerate(dumbbell.flows, start=8))
    lines = printed(replace(dumbbell, flows=known), width).splitlines()
    assert all(len(line) <= width for line in lines)
    for flow in known:
        (line,) = [line for line in lines if f"{flow.source}->{flow.destination}" in line]
        assert line.split()[:2] == [str(flow.number), flow.slice]


def test_what_several_flows_have_in_common_is_one_note(dumbbell: RunResult) -> None:
    blurred = tuple(replace(flow, passed=None, doubt=UNCLEAR) for flow in dumbbell.flows)
    pings = tuple(replace(PING, number=n) for n in (4, 5, 7))
    text = printed(replace(dumbbell, flows=blurred, not_measured=pings, verdict="can't tell"))
    assert text.count("can't be judged") == text.count("were not measured") == 1
    assert f"Note: Flows 1 to 3 can't be judged: {UNCLEAR}." in text
    assert "Note: Flows 4, 5 and 7 were not measured: iperf3 can't." in text


def test_no_flows(dumbbell: RunResult) -> None:
    text = printed(replace(dumbbell, flows=(), slices=(), jain_index=None, max_error=0.0))
    assert text.splitlines()[0].startswith("Jain's index not defined")
    assert text.splitlines()[-1] == "Nothing to judge: the policy has no flows."


UNCLEAR = "too few frames to tell 5 %"


def unclear(result: RunResult, **rest: object) -> RunResult:
    flow = replace(result.flows[0], passed=None, doubt=UNCLEAR, error=0.3)
    return replace(result, flows=(flow, *result.flows[1:]), verdict="can't tell", **rest)  # type: ignore[arg-type]


PING = ping()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_what_can_not_be_told_is_neither_yes_nor_no(dumbbell: RunResult, width: int) -> None:
    text = printed(unclear(dumbbell), width)
    assert "can't tell" in " ".join(text.split())
    assert "NO" not in text
    joined = " ".join(text.split())
    assert f"Note: gold h1->h4 can't be judged: {UNCLEAR}." in joined
    assert f"Can't tell: gold h1->h4: {UNCLEAR}. The other 2 flows are within 5 %." in joined


@pytest.mark.parametrize("width", [80, 120])
def test_what_was_not_measured_has_a_row_and_a_reason(dumbbell: RunResult, width: int) -> None:
    text = printed(replace(dumbbell, not_measured=(PING,)), width)
    (row,) = [line for line in text.splitlines() if " ping " in line and "Note" not in line]
    assert row.split()[:3] == [str(PING.number), "ping", "h1->h4"]
    assert "icmp" in text
    assert "not measured" in " ".join(text.split())
    assert "Note: ping h1->h4 icmp was not measured: iperf3 can't." in text
    assert "Fair: every measured flow" in text


def test_many_doubts_are_counted(dumbbell: RunResult) -> None:
    flows = tuple(
        replace(dumbbell.flows[0], source=f"h{i}", passed=None, doubt=f"{UNCLEAR}, {i}") for i in range(1, 41)
    )
    text = printed(replace(dumbbell, flows=flows, verdict="can't tell"), 200)
    assert text.count("can't be judged: too few") == 5
    assert "35 more can't be judged" in text


def test_a_small_rate_among_large_ones_does_not_vanish(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[2], allocated_bps=5000.0, wire_bps=4987.5)
    (row,) = [
        line
        for line in printed(replace(dumbbell, flows=(*dumbbell.flows[:2], flow))).splitlines()
        if " bronze " in line
    ]
    assert row.split()[3:5] == ["0.005", "0.005"]


def datagrams(result: RunResult, **parts: float) -> RunResult:
    told = {"sent_bps": 11e6, "metered_bps": 0.0, "queue_dropped_bps": 0.0, "lost_bps": 0.0, **parts}
    flow = replace(result.flows[0], protocol="udp", retransmits=None, loss=0.1, **told)  # type: ignore[arg-type]
    return replace(result, flows=(flow, *result.flows[1:]))


def test_what_was_dropped_on_purpose_is_told_from_what_was_lost(dumbbell: RunResult) -> None:
    text = printed(datagrams(dumbbell, metered_bps=0.66e6, queue_dropped_bps=0.33e6, lost_bps=0.11e6), 200)
    assert "9.0 % dropped, 1.0 % lost" in text
    assert "dropped: on purpose, by the flow's meter or a full queue of its slice" in text


def test_where_nothing_was_dropped_nothing_is_said_of_it(dumbbell: RunResult) -> None:
    for result in (datagrams(dumbbell, lost_bps=1.1e6), datagrams(dumbbell, sent_bps=0.0)):
        text = printed(result, 200)
        assert "10.0 % lost" in text
        assert "dropped" not in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_nothing_is_cut_however_narrow(dumbbell: RunResult, width: int) -> None:
    """A console that is narrower than the narrowest table breaks its lines itself."""
    name = "a-slice-called-by-many-words"
    flow = replace(dumbbell.flows[0], slice=name, match="tcp src_port 40000 dst_port 50000")
    text = printed(replace(dumbbell, flows=(flow, *dumbbell.flows[1:])), width)
    assert "…" not in text
    assert name in text
    for number in ("15.00", "14.92", "10.00", "Mbit/s"):
        assert number in text
    sentences = text.splitlines()[-3:]
    assert all(len(line) <= width for line in sentences)
