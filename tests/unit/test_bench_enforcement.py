"""The benchmark of enforcement: cells fill their link, rows come back, tables say what rows say."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import accuracy_tables
import enforcement
import page
from accuracy import (
    BUFFER_S,
    MAX_PROBE_INTERVAL_S,
    PROBE_SHARE,
    RATES_BPS,
    UDP_FACTOR,
    Bound,
    Cell,
    Row,
    bounds,
    delay_streams,
    network_of,
    policy_text,
    rates_at_once,
    senders,
)
from accuracy_tables import T_QUANTILES, interval

from fairslice.api.allocation import AllocationView
from fairslice.errors import InputError
from fairslice.lab.emulation.openvswitch import Datapath
from fairslice.lab.traffic.delay import INTERVAL_S
from fairslice.lab.traffic.plan import plan_traffic
from fairslice.policy import load_policy
from fairslice.policy.enforceable import require_enforceable
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view

ROOT = Path(__file__).parents[2]
ROW = Row(
    datapath="user",
    enforcement="both",
    transport="cubic",
    flows=2,
    rate_bps=5e6,
    repeat=1,
    allocated_bps=5e6,
    wire_bps=5.05e6,
    flow_errors=(0.04, -0.02),
    goodput_bps=4.8e6,
    loss=0.01,
    retransmits=16,
    jain_index=0.999,
    idle_s=0.0001,
    delay_p50_s=0.040,
    delay_p95_s=0.050,
    delay_p99_s=0.060,
    delay_probes=400,
    delay_lost=1,
    window_s=8.0,
    machine=0.5,
    switch_thread=0.5,
    late_s=0.001,
    system="6.1.0",
)


def cells() -> list[Cell]:
    return [
        Cell("user", e, t, n)
        for e in ("police", "shape", "both")
        for t in ("cubic", "udp")
        for n in (1, 3, 8)
    ]


@pytest.mark.parametrize("datapath", ["user", "kernel"])
@pytest.mark.parametrize("flows", [1, 3, 8])
def test_every_rate_is_measured_once(datapath: Datapath, flows: int) -> None:
    assert tuple(rate for rates in rates_at_once(datapath, flows) for rate in rates) == RATES_BPS


def test_a_part_of_the_rates_is_no_whole_run() -> None:
    """In the virtual machine a cell has only some of the rates; the others are still to do."""
    some, others = Cell("user", "both", "cubic", 2, (1e6, 5e6)), Cell("user", "both", "cubic", 2, (20e6,))
    plan = enforcement.Plan((some, others), 1, 1.0, 1.0, Path("rows"))
    assert list(plan.missing([])) == [(some, 1), (others, 1)]
    assert list(plan.missing([ROW])) == [(others, 1)]


def test_a_job_survives_its_text() -> None:
    cell = Cell("kernel", "shape", "udp", 3, (5e6, 50e6))
    assert enforcement.read_job(json.loads(enforcement.job_text(cell, 2, 3.0, 4.0))) == (cell, 2, 3.0, 4.0)


def allocate(cell: Cell, directory: Path) -> AllocationView:
    path = directory / "policy.yaml"
    path.write_text(policy_text(cell), encoding="utf-8")
    policy = load_policy(path)
    require_enforceable(policy, "`run`")
    return view(allocate_slices(policy, network_of(cell)))


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_slices_hold_exactly_their_rates_and_fill_the_link(cell: Cell, tmp_path: Path) -> None:
    allocation = allocate(cell, tmp_path)
    assert allocation.certified
    held: dict[str, list[float]] = {}
    for flow in allocation.flows:
        held.setdefault(flow.slice, []).append(flow.allocated_bps)
        assert flow.enforcement == cell.enforcement
        assert flow.path[1:3] == ("s1", "s2")
    assert list(held) == ["m1", "m5", "m20", "m50"]
    for rates, expected in zip(held.values(), RATES_BPS, strict=True):
        assert rates == pytest.approx([expected / cell.flows] * cell.flows, rel=1e-12)
    bottleneck = next(link for link in allocation.links if (link.source, link.target) == ("s1", "s2"))
    assert bottleneck.allocated_bps == pytest.approx(bottleneck.capacity_bps, rel=1e-12)
    assert bottleneck.capacity_bps <= 100e6
    # No other link limits, also for a UDP sender that offers more.
    others = [link for link in allocation.links if link is not bottleneck]
    assert all(UDP_FACTOR * link.allocated_bps < link.capacity_bps for link in others)


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_every_flow_has_a_last_queue_of_its_own(cell: Cell, tmp_path: Path) -> None:
    flows = allocate(cell, tmp_path).flows
    assert len({(flow.slice, flow.destination) for flow in flows}) == len(flows) == 4 * cell.flows


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_streams_and_delay_probes_do_not_disturb_each_other(cell: Cell, tmp_path: Path) -> None:
    network, flows = network_of(cell), allocate(cell, tmp_path).flows
    traffic = plan_traffic(flows, senders(cell))
    assert {plan.protocol for plan in traffic} == {"udp" if cell.transport == "udp" else "tcp"}
    if cell.transport == "udp":
        for plan in traffic:
            assert plan.offered_bps == pytest.approx(UDP_FACTOR * plan.flow.allocated_bps)
    streams = delay_streams(cell, flows, network)
    assert [stream.name for stream in streams] == ["m1", "m5", "m20", "m50"]
    ports = {(plan.flow.destination, plan.server_port) for plan in traffic}
    ports |= {(stream.destination_host, stream.port) for stream in streams}
    assert len(ports) == len(traffic) + len(streams)
    for stream in streams:
        flow = next(f for f in flows if (f.slice, f.source) == (stream.name, stream.source))
        assert stream.destination_host == flow.destination
        assert network.hosts[flow.destination].ip == stream.destination_ip
        assert INTERVAL_S <= stream.interval_s <= MAX_PROBE_INTERVAL_S
        # 60 bytes: the smallest frame, without its FCS.
        share = 60 * 8 / stream.interval_s / flow.allocated_bps
        assert share <= PROBE_SHARE * (1 + 1e-9) or stream.interval_s == MAX_PROBE_INTERVAL_S


def broken(row: Row) -> list[str]:
    return [bound.what for bound in bounds(row) if not bound.holds]


def test_promises() -> None:
    assert broken(ROW) == []
    assert broken(replace(ROW, wire_bps=5.11e6)) == ["slice"]
    assert broken(replace(ROW, wire_bps=4.89e6)) == ["slice"]
    assert broken(replace(ROW, flow_errors=(0.01, -0.06))) == ["flow"]
    assert broken(replace(ROW, delay_p99_s=1.31 * BUFFER_S)) == ["delay"]
    assert broken(replace(ROW, delay_p99_s=None)) == ["delay"]
    # Flows of one queue are left to TCP.
    shaped = replace(ROW, enforcement="shape", flow_errors=(0.5, -0.5))
    assert broken(shaped) == []
    assert broken(replace(shaped, wire_bps=5.11e6)) == ["slice"]
    # Policed TCP has 6 %, policed UDP 2 %; neither has a queue of its own.
    policed = replace(ROW, enforcement="police", wire_bps=5.2e6, flow_errors=(0.059, 0.0), delay_p99_s=1.0)
    assert broken(policed) == []
    assert broken(replace(policed, wire_bps=5.31e6, flow_errors=(0.061, 0.0))) == ["slice", "flow"]
    assert broken(replace(policed, transport="udp")) == ["slice"]
    # Slow slices are measured, not promised.
    slow = replace(ROW, rate_bps=1e6, allocated_bps=1e6, wire_bps=0.9e6, flow_errors=(-0.2, 0.0))
    assert broken(slow) == []
    assert Bound("slice", 0.02, 0.02).holds


def test_the_worst_flow_keeps_its_sign() -> None:
    assert replace(ROW, flow_errors=(0.01, -0.06, 0.03)).worst_flow_error == -0.06
    assert ROW.error == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("machine", "thread", "bound"), [(0.9, 0.97, False), (0.96, 0.2, True), (0.2, 0.99, True)]
)
def test_busy_rows_are_known(machine: float, thread: float, bound: bool) -> None:
    assert replace(ROW, machine=machine, switch_thread=thread).cpu_bound == bound


def test_rows_whose_senders_came_late_are_cpu_bound() -> None:
    assert replace(ROW, late_s=0.03).cpu_bound


def test_rows_come_back() -> None:
    rows = (
        ROW,
        replace(ROW, repeat=2, jain_index=None, delay_p50_s=None, idle_s=None, flow_errors=(0.2, -0.1)),
    )
    text = accuracy_tables.to_lines(rows)
    assert accuracy_tables.from_lines(text, "rows") == rows
    # What an interruption cut off is left out; what was measured again stands.
    again = replace(ROW, wire_bps=5e6)
    text += accuracy_tables.to_lines([again]) + '{"datapath": "us'
    assert accuracy_tables.from_lines(text, "rows") == (again, rows[1])


def test_other_lines_are_refused() -> None:
    text = accuracy_tables.to_lines([ROW]) + 'nothing\n{"datapath": "user"}\n'
    with pytest.raises(InputError) as caught:
        accuracy_tables.from_lines(text, "rows.jsonl")
    assert [str(fault).partition(",")[0] for fault in caught.value.faults] == [
        "rows.jsonl:2: found 'nothing'",
        'rows.jsonl:3: found \'{"datapath": "user"}\'',
    ]


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 20, 30])
def test_quantiles_are_students(freedom: int) -> None:
    """The density, integrated from 0 to the quantile by Simpson's rule, is 0.475."""

    def density(t: float) -> float:
        scale: float = math.gamma((freedom + 1) / 2) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
        height: float = scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2)
        return height

    quantile, steps = T_QUANTILES[freedom - 1], 4000
    width = quantile / steps
    inner = sum((4 if i % 2 else 2) * density(i * width) for i in range(1, steps))
    assert (density(0) + density(quantile) + inner) * width / 3 == pytest.approx(0.475, abs=2e-5)


def test_intervals() -> None:
    assert interval([3.0]) == (3.0, None)
    assert interval([2.0, 2.0]) == (2.0, 0.0)
    # Mean 2, deviation 1, three values: t is 4.303.
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.303 / math.sqrt(3))
    _, many = interval([0.0, 1.0] * 50)
    assert many is not None
    assert 1.984 < many / (math.sqrt(100 * 0.25 / 99) / 10) < 1.04 * 1.984


def lines_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_a_table_has_a_column_for_every_rate_and_datapath() -> None:
    rows = [
        ROW,
        replace(ROW, repeat=2, wire_bps=5.15e6),
        replace(ROW, datapath="kernel", wire_bps=4.9e6, machine=0.99),
        replace(ROW, enforcement="police", rate_bps=50e6, allocated_bps=50e6, wire_bps=50e6),
        replace(ROW, transport="bbr", wire_bps=5e6),
    ]
    head, _, *body = lines_of(accuracy_tables.quantity_table(accuracy_tables.QUANTITIES[0], rows))
    assert head[3:] == ["5 Mbit/s, user", "5 Mbit/s, kernel", "50 Mbit/s, user", "50 Mbit/s, kernel"]
    assert [line[:3] for line in body] == [
        ["police", "cubic", "2"],
        ["both", "cubic", "2"],
        ["both", "bbr", "2"],
    ]
    # 1 % and 3 %: mean 2, deviation √2, t is 12.706.
    assert body[1][3:5] == ["+2.00 ± 12.71", "-2.00\\*"]
    assert body[0][3:] == ["–", "–", "+0.00", "–"]


def test_promises_are_counted() -> None:
    rows = [ROW, replace(ROW, repeat=2, wire_bps=5.2e6), replace(ROW, transport="udp")]
    # A busy machine's row proves nothing.
    rows.append(replace(ROW, repeat=3, wire_bps=1e6, machine=1.0))
    found = {promise.name: promise for promise in accuracy_tables.promises(rows)}
    assert set(found) == {
        f"{what}: both, {kind}, several flows"
        for what in ("slice", "flow", "delay")
        for kind in ("TCP", "UDP")
    }
    slices = found["slice: both, TCP, several flows"]
    assert (slices.kept, slices.rows, slices.unit) == (1, 2, "%")
    assert (slices.at_most, slices.median, slices.worst) == pytest.approx((2, 2.5, 4))
    assert "**1 of 2**" in accuracy_tables.promise_table(rows)
    delays = found["delay: both, UDP, several flows"]
    assert (delays.at_most, delays.worst) == pytest.approx((65, 60))
    assert delays.unit == "ms"


def test_the_page_takes_results(tmp_path: Path) -> None:
    docs = ROOT / "docs" / "enforcement.md"
    page.check(docs, enforcement.MARKERS)
    copy = tmp_path / "enforcement.md"
    copy.write_text(docs.read_text(encoding="utf-8"), encoding="utf-8")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(accuracy_tables.to_lines([ROW]), encoding="utf-8")
    done = run("--render", "--rows", str(rows), "--out", str(copy))
    assert done.returncode == 0, done.stderr
    text = copy.read_text(encoding="utf-8")
    for quantity in accuracy_tables.QUANTITIES[:2]:
        assert f"### {quantity.title}\n" in text
    assert "## To repeat it" in text
    assert "| both | cubic | 2 | +1.00 |" in text
    assert accuracy_tables.markdown([]) == "Nothing is measured yet."


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "benchmarks/enforcement.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_rows_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("", encoding="utf-8")
    done = run("--rows", str(rows), "--no-page")
    assert done.returncode == 2
    assert "is there already; expected a new file, or --resume" in done.stderr
    unknown = run("--transport", "cubic,vegas")
    assert unknown.returncode == 2
    assert 'found "vegas", expected some of cubic,reno,bbr,udp' in unknown.stderr


def test_only_what_is_missing_is_measured() -> None:
    cells = (Cell("user", "both", "cubic", 2), Cell("user", "shape", "cubic", 2))
    plan = enforcement.Plan(cells, 2, 5, 8, Path("rows"))
    assert list(plan.missing([])) == [(cells[0], 1), (cells[1], 1), (cells[0], 2), (cells[1], 2)]
    assert list(plan.missing([ROW, replace(ROW, rate_bps=20e6)])) == [
        (cells[1], 1),
        (cells[0], 2),
        (cells[1], 2),
    ]


def test_a_job_is_what_a_cell_takes() -> None:
    job = json.loads(enforcement.job_text(Cell("kernel", "police", "udp", 8), 3, 5.0, 8.0))
    assert enforcement.read_job(job) == (Cell("kernel", "police", "udp", 8), 3, 5.0, 8.0)
