"""What iperf3 (3.12, ``--json``) says of a test, as frozen values: goodput, loss, retransmits. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fairslice.errors import MachineError

_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Interval:
    """What a server received between two times of its own clock; ``bytes`` are payload.

    ``lost`` and ``packets`` count UDP datagrams, the lost ones among ``packets``; both are 0 for TCP. A
    datagram that comes late is taken back from ``lost``, which can so be negative.
    """

    start_s: float
    end_s: float
    bytes: int
    lost: int = 0
    packets: int = 0


@dataclass(frozen=True, slots=True)
class SendInterval:
    """What a client handed to its kernel between two times; ``retransmits`` are TCP segments."""

    start_s: float
    end_s: float
    bytes: int
    retransmits: int = 0


AnyInterval = TypeVar("AnyInterval", Interval, SendInterval)


@dataclass(frozen=True, slots=True)
class ServerReport:
    """A test as its receiver saw it.

    ``protocol`` is "tcp" or "udp", or None if the test ended before it was agreed on. ``block_bytes`` is the
    payload of a datagram, for TCP the size of a write. ``error`` is iperf3's own word on what went wrong; the
    intervals before it are kept.
    """

    protocol: str | None
    intervals: tuple[Interval, ...]
    seconds: float
    bytes: int
    block_bytes: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ClientReport:
    """A test as its sender saw it; ``retransmits`` and ``mean_rtt_s`` are None where there is no TCP."""

    protocol: str | None
    intervals: tuple[SendInterval, ...]
    seconds: float
    bytes: int
    retransmits: int | None = None
    congestion_control: str | None = None
    mean_rtt_s: float | None = None
    error: str | None = None


def parse_server(text: str) -> ServerReport:
    """Read what ``iperf3 -s -J`` printed.

    Intervals that iperf3 left out of its sums (``--omit``) are left out here too.

    Raises:
        MachineError: no JSON (nothing at all, or cut off), or JSON that is not iperf3's.
    """
    report = _Report(text, "server")
    intervals = tuple(
        Interval(
            _number(row, "start"),
            _number(row, "end"),
            _count(row, "bytes"),
            _count(row, "lost_packets"),
            _count(row, "packets"),
        )
        for row in report.rows()
    )
    total = report.total("sum_received")
    return ServerReport(
        protocol=report.protocol,
        intervals=intervals,
        seconds=_number(total, "seconds") or _span(intervals),
        bytes=_count(total, "bytes") or sum(interval.bytes for interval in intervals),
        block_bytes=_count(report.test, "blksize") or None,
        error=report.error,
    )


def parse_client(text: str) -> ClientReport:
    """Read what ``iperf3 -c … -J`` printed.

    Raises:
        MachineError: no JSON (nothing at all, or cut off), or JSON that is not iperf3's.
    """
    report = _Report(text, "client")
    intervals = tuple(
        SendInterval(
            _number(row, "start"), _number(row, "end"), _count(row, "bytes"), _count(row, "retransmits")
        )
        for row in report.rows()
    )
    total = report.total("sum_sent")
    senders = [_mapping(stream.get("sender")) for stream in _mappings(report.end.get("streams"))]
    rtts_us = [_number(sender, "mean_rtt") for sender in senders if _number(sender, "mean_rtt") > 0]
    return ClientReport(
        protocol=report.protocol,
        intervals=intervals,
        seconds=_number(total, "seconds") or _span(intervals),
        bytes=_count(total, "bytes") or sum(interval.bytes for interval in intervals),
        retransmits=sum(i.retransmits for i in intervals) if report.protocol == "tcp" else None,
        congestion_control=_text(report.end, "sender_tcp_congestion"),
        mean_rtt_s=sum(rtts_us) / len(rtts_us) * 1e-6 if rtts_us else None,
        error=report.error,
    )


def reported_error(text: str) -> str | None:
    """What iperf3's JSON names as its error; None if it tells of none."""
    if not text.strip():
        return "it printed nothing"
    try:
        report = json.loads(text)
    except json.JSONDecodeError:
        return f"it printed no JSON: {text.strip()[:200]}"
    error = report.get("error") if isinstance(report, dict) else "its JSON is not an object"
    return None if error is None else str(error).removeprefix("error - ")


def goodput_bps(report: ServerReport, window_start_s: float, window_end_s: float) -> float:
    """Payload received within a window of the report's clock, in bit/s.

    An interval that the window cuts counts for the part inside; time that no interval covers was silence.

    Raises:
        ValueError: the window is empty or not finite.
    """
    return (
        8
        * sum(
            interval.bytes * part for interval, part in _cut(report.intervals, window_start_s, window_end_s)
        )
        / (window_end_s - window_start_s)
    )


def loss(report: ServerReport, window_start_s: float, window_end_s: float) -> float | None:
    """Part of the datagrams of a window that were lost, 0 to 1; None for TCP and for silence.

    Raises:
        ValueError: the window is empty or not finite.
    """
    cut = _cut(report.intervals, window_start_s, window_end_s)
    packets = sum(interval.packets * part for interval, part in cut)
    lost = sum(interval.lost * part for interval, part in cut)
    return min(1.0, max(0.0, lost / packets)) if packets > 0 else None


def sent_bps(report: ClientReport, window_start_s: float, window_end_s: float) -> float:
    """Payload that a client sent within a window of the report's clock, in bit/s.

    Raises:
        ValueError: the window is empty or not finite.
    """
    cut = _cut(report.intervals, window_start_s, window_end_s)
    return 8 * sum(interval.bytes * part for interval, part in cut) / (window_end_s - window_start_s)


def retransmits(report: ClientReport, window_start_s: float, window_end_s: float) -> int | None:
    """TCP segments sent again within a window, rounded; None for UDP.

    Raises:
        ValueError: the window is empty or not finite.
    """
    cut = _cut(report.intervals, window_start_s, window_end_s)
    if report.protocol != "tcp":
        return None
    return round(sum(interval.retransmits * part for interval, part in cut))


def _cut(intervals: Sequence[AnyInterval], start_s: float, end_s: float) -> list[tuple[AnyInterval, float]]:
    """The intervals that touch a window, each with its part (0 to 1) inside."""
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s):
        raise ValueError(f"the window {start_s} s to {end_s} s is empty; expected a start before its end")
    parts = []
    for interval in intervals:
        inside = min(end_s, interval.end_s) - max(start_s, interval.start_s)
        if inside > 0:
            parts.append((interval, inside / (interval.end_s - interval.start_s)))
    return parts


class _Report:
    """The parts of iperf3's JSON that both ends share."""

    def __init__(self, text: str, side: str) -> None:
        self.side = side
        found = _load(text, side)
        self.intervals = _mappings(found.get("intervals"))
        self.end = _mapping(found.get("end"))
        self.test = _mapping(_mapping(found.get("start")).get("test_start"))
        protocol = _text(self.test, "protocol")
        self.protocol = None if protocol is None else protocol.lower()
        error = found.get("error")
        self.error = None if error is None else str(error).removeprefix("error - ")
        if self.error is None and not self.test:
            raise MachineError(
                f"iperf3 {side}: its JSON has neither a test nor an error; found {text[:_EXCERPT]!r}"
            )

    def rows(self) -> list[Mapping[str, Any]]:
        """The sum over streams of each interval that counts, in the order of time."""
        rows = [_mapping(interval.get("sum")) for interval in self.intervals]
        kept = [row for row in rows if row and not row.get("omitted", False)]
        return [row for row in kept if _number(row, "end") > _number(row, "start")]

    def total(self, name: str) -> Mapping[str, Any]:
        """One of the sums at the end; empty if the test did not come so far."""
        return _mapping(self.end.get(name))


def _load(text: str, side: str) -> Mapping[str, Any]:
    if not text.strip():
        raise MachineError(f"iperf3 {side}: it printed nothing; expected its JSON report")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno} of {len(text)} characters"
        raise MachineError(
            f"iperf3 {side}: its JSON is cut off or damaged at {where} ({error.msg}); "
            f"it begins with {text[:_EXCERPT]!r}"
        ) from error
    if not isinstance(found, dict):
        raise MachineError(f"iperf3 {side}: expected a JSON object, found {text[:_EXCERPT]!r}")
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _number(row: Mapping[str, Any], key: str) -> float:
    """A field that iperf3 leaves out, or writes as null (its NaN), is 0."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _count(row: Mapping[str, Any], key: str) -> int:
    return int(_number(row, key))


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) else None


def _span(intervals: Sequence[Interval] | Sequence[SendInterval]) -> float:
    return intervals[-1].end_s if intervals else 0.0
