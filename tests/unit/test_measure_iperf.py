"""iperf3's JSON, as iperf3 3.12 printed it (tests/fixtures/iperf3, host details left out)."""

import json
from pathlib import Path

import pytest

from fairslice.errors import MachineError
from fairslice.measure.iperf import (
    ClientReport,
    Interval,
    SendInterval,
    ServerReport,
    goodput_bps,
    loss,
    parse_client,
    parse_server,
    reported_error,
    retransmits,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "iperf3"


def fixture(name: str) -> str:
    return (FIXTURES / f"{name}.json").read_text(encoding="utf-8")


def test_tcp_server() -> None:
    report = parse_server(fixture("server_tcp"))
    assert report.protocol == "tcp"
    assert report.error is None
    assert report.bytes == sum(interval.bytes for interval in report.intervals) == 2_621_440
    assert report.seconds == pytest.approx(1.0, abs=0.01)
    assert [round(interval.end_s, 1) for interval in report.intervals] == [0.5, 1.0]
    assert all(interval.packets == interval.lost == 0 for interval in report.intervals)


def test_tcp_client() -> None:
    report = parse_client(fixture("client_tcp"))
    assert (report.protocol, report.congestion_control, report.error) == ("tcp", "bbr", None)
    assert report.bytes == 2_621_440
    assert report.retransmits == 0
    assert report.mean_rtt_s == pytest.approx(78e-6)


def test_a_lossy_tcp_client_tells_retransmits_of_each_interval() -> None:
    report = parse_client(fixture("client_tcp_lossy"))
    assert [interval.retransmits for interval in report.intervals] == [2, 0, 1, 0]
    assert report.retransmits == 3
    assert report.congestion_control == "cubic"
    assert report.mean_rtt_s == pytest.approx(0.029, abs=0.001)
    assert retransmits(report, 0.0, 2.1) == 3
    assert retransmits(report, 1.0, 2.1) == 1


def test_udp_server_counts_what_the_end_leaves_at_zero() -> None:
    # iperf3 3.12 writes "bytes": 0 in a receiver's end.sum; only sum_received is true.
    report = parse_server(fixture("server_udp"))
    assert report.protocol == "udp"
    assert report.block_bytes == 1400
    assert report.bytes == 447 * 1400
    assert sum(interval.packets for interval in report.intervals) == 447
    assert loss(report, 0.0, 1.0) == 0.0


def test_udp_client_has_no_retransmits() -> None:
    report = parse_client(fixture("client_udp"))
    assert (report.protocol, report.retransmits, report.mean_rtt_s) == ("udp", None, None)
    assert retransmits(report, 0.0, 1.0) is None


def test_lossy_udp() -> None:
    report = parse_server(fixture("server_udp_lossy"))
    assert sum(interval.lost for interval in report.intervals) == 353
    assert loss(report, 0.0, 3.0) == pytest.approx(353 / 1381)
    assert goodput_bps(report, 0.5, 2.0) == pytest.approx(6e6 * 1448 / 1490, rel=0.02)


def test_parallel_streams_are_summed() -> None:
    server = parse_server(fixture("server_tcp_parallel"))
    client = parse_client(fixture("client_tcp_parallel"))
    assert server.bytes == client.bytes == 2 * 5_111_808
    assert len(server.intervals) == 4
    assert client.mean_rtt_s == pytest.approx((89e-6 + 50e-6) / 2)


def test_omitted_intervals_are_left_out() -> None:
    report = parse_server(fixture("server_omit"))
    assert len(report.intervals) == 2
    assert report.bytes == sum(interval.bytes for interval in report.intervals)


def test_a_client_that_vanishes_leaves_its_intervals_and_the_error() -> None:
    report = parse_server(fixture("server_client_gone"))
    assert report.error == "the client has unexpectedly closed the connection"
    assert report.bytes == 393_216 + 262_144
    assert report.seconds == pytest.approx(1.0, abs=0.01)
    assert goodput_bps(report, 0.0, 2.0) == pytest.approx(report.bytes * 8 / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["server_terminated", "client_server_gone"])
def test_the_word_of_iperf3_on_its_end(name: str) -> None:
    report = (parse_server if name.startswith("server") else parse_client)(fixture(name))
    assert "the server has terminated" in (report.error or "")
    assert report.intervals


def test_a_refused_client() -> None:
    report = parse_client(fixture("client_refused"))
    assert report.error == "unable to connect to server: Connection refused"
    assert report == ClientReport(None, (), 0.0, 0, None, None, None, report.error)


def test_a_bare_error_loses_its_prefix() -> None:
    report = parse_server('{"error": "error - the server is busy"}')
    assert report == ServerReport(None, (), 0.0, 0, None, "the server is busy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "printed nothing"),
        (" \n", "printed nothing"),
        ('{"start": {', "cut off or damaged at line 1, column 12"),
        ("iperf3: error", "cut off or damaged"),
        ("[]", "expected a JSON object"),
        ("{}", "neither a test nor an error"),
        ('{"start": []}', "neither a test nor an error"),
    ],
)
def test_what_is_no_report_is_refused(text: str, said: str) -> None:
    with pytest.raises(MachineError, match="iperf3 server") as caught:
        parse_server(text)
    assert said in str(caught.value)
    with pytest.raises(MachineError, match="iperf3 client"):
        parse_client(text)


def test_every_truncation_is_refused_or_read() -> None:
    text = fixture("server_tcp")
    for end in range(0, len(text.rstrip()), 37):
        with pytest.raises(MachineError):
            parse_server(text[:end])


def test_nulls_and_strangers_are_no_crash() -> None:
    document = json.loads(fixture("server_udp"))
    document["intervals"][0]["sum"]["lost_packets"] = None
    document["intervals"][0]["sum"]["packets"] = "many"
    document["intervals"] += [None, {"sum": None}, {"sum": {"start": 1.0, "end": 1.0, "bytes": 5}}]
    document["end"] = None
    report = parse_server(json.dumps(document))
    assert len(report.intervals) == 2
    assert report.intervals[0].packets == 0
    assert report.bytes == 447 * 1400


def test_goodput_cuts_intervals_in_proportion() -> None:
    report = ServerReport("tcp", (Interval(0.0, 1.0, 1000), Interval(1.0, 2.0, 3000)), 2.0, 4000)
    assert goodput_bps(report, 0.0, 2.0) == 16_000
    assert goodput_bps(report, 0.5, 1.5) == pytest.approx(8 * (500 + 1500))
    assert goodput_bps(report, 1.0, 3.0) == pytest.approx(12_000)  # the third second was silence
    assert goodput_bps(report, 5.0, 6.0) == 0


@pytest.mark.parametrize("window", [(1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_an_empty_window_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="expected a start before its end"):
        goodput_bps(ServerReport("tcp", (), 0.0, 0), *window)


def test_loss_stays_a_part() -> None:
    late = ServerReport("udp", (Interval(0.0, 1.0, 0, lost=-2, packets=10),), 1.0, 0)
    assert loss(late, 0.0, 1.0) == 0.0
    assert loss(ServerReport("udp", (), 1.0, 0), 0.0, 1.0) is None
    assert loss(parse_server(fixture("server_tcp")), 0.0, 1.0) is None


def test_retransmits_are_cut_and_rounded() -> None:
    report = ClientReport("tcp", (SendInterval(0.0, 2.0, 0, retransmits=5),), 2.0, 0)
    assert retransmits(report, 0.0, 1.2) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"end": {}}), None),
        (
            json.dumps({"error": "error - the server is busy running a test. try again later"}),
            "the server is busy running a test. try again later",
        ),
        ("", "it printed nothing"),
        ("iperf3: not found", "it printed no JSON: iperf3: not found"),
        ("[]", "its JSON is not an object"),
    ],
)
def test_errors_in_the_report(text: str, expected: str | None) -> None:
    assert reported_error(text) == expected
