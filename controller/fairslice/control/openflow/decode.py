"""What a switch answers, as state and counters."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fairslice.control.openflow.encode import CHECK_PKT_LARGER, NXM_REG0
from fairslice.control.openflow.framework import ofproto_v1_3, ofproto_v1_3_parser
from fairslice.slicing.state.desired import FlowEntry, FlowKey, MatchField, Meter
from fairslice.slicing.state.labels import Cookie, is_our_meter
from fairslice.slicing.state.steps import AddMeters, ChangeEntries, ChangeMeters, Step

ofp = ofproto_v1_3
parser = ofproto_v1_3_parser
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntryCounter:
    """An entry with what it has matched: packets and bytes of Ethernet frames."""

    entry: FlowEntry
    packets: int
    bytes: int


_UNKNOWN_DURATION = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class QueueCounter:
    """What a queue has sent, in bytes of Ethernet frames, and what was lost on overrun.

    ``duration_s`` is how long it has been there by the switch's own clock; None: the switch does not tell.
    """

    port_no: int
    queue_id: int
    bytes: int
    packets: int
    errors: int
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class PortCounter:
    """What a port has received and sent, in bytes of Ethernet frames; ``duration_s`` as of a queue."""

    port_no: int
    received_bytes: int
    sent_bytes: int
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class MeterCounter:
    """What came into a meter, and what its band dropped."""

    meter_id: int
    in_packets: int
    in_bytes: int
    dropped_packets: int
    dropped_bytes: int


class Unparsed:
    """A part of a long answer, as bytes."""

    kind: Any
    """The framework's class for it."""
    __slots__ = ("data", "length")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length = len(data)

    @classmethod
    def parser(cls, buf: bytes, offset: int) -> "Unparsed":
        """Take the part that begins at ``offset``; the framework calls this, and goes on after ``length``."""
        (length,) = struct.unpack_from("!H", buf, offset)
        return cls(bytes(buf[offset : offset + max(length, 2)]))

    @property
    def lasting(self) -> bytes:
        """What does not change while it is there."""
        return self.data

    def parse(self) -> Any:
        """The framework's object.

        Raises:
            struct.error: it is too short.
        """
        return self.kind.parser(self.data, 0)


class UnparsedFlow(Unparsed):
    """An entry with its counters (OpenFlow 1.3.5 §7.3.5.2)."""

    kind = parser.OFPFlowStats
    __slots__ = ()

    @property
    def lasting(self) -> bytes:
        """Table, priority, cookie, match and instructions."""
        data = self.data
        return data[2:3] + data[12:14] + data[24:32] + data[48:]

    @property
    def counts(self) -> tuple[int, int]:
        """Packets and bytes."""
        packets, count_bytes = struct.unpack_from("!QQ", self.data, 32)
        return packets, count_bytes


class UnparsedMeter(Unparsed):
    """The configuration of a meter (OpenFlow 1.3.5 §7.3.5.15)."""

    kind = parser.OFPMeterConfigStats
    __slots__ = ()


def leave_long_answers_unparsed() -> None:
    """From now on the framework hands on entries and meters as bytes.

    It parses in the thread that answers all switches; a thousand entries take a tenth of a second.
    """
    parser.OFPFlowStatsReply.cls_stats_body_cls = UnparsedFlow
    parser.OFPMeterConfigStatsReply.cls_stats_body_cls = UnparsedMeter


def decode_flows(
    stats: Iterable[Any], known: dict[bytes, FlowEntry | None] | None = None
) -> list[EntryCounter]:
    """Entries of ours among flow statistics; an entry with instructions that fairslice never installs
    differs from all that it does, and so a plan replaces it.

    Args:
        stats: Parsed or unparsed.
        known: Entries by their bytes (:func:`note_sent`), None for those of others. From now on it has those
            of this answer.
    """
    return [
        EntryCounter(entry, *(stat.counts if isinstance(stat, UnparsedFlow) else _counts(stat)))
        for stat, entry in _read(stats, known, _entry)
        if entry is not None
    ]


def decode_entries(stats: Iterable[Any], known: dict[bytes, FlowEntry | None]) -> dict[FlowKey, FlowEntry]:
    """The same entries by what tells them apart, without their counters."""
    return {entry.key: entry for _, entry in _read(stats, known, _entry) if entry is not None}


def decode_meters(configs: Iterable[Any], known: dict[bytes, Meter | None] | None = None) -> list[Meter]:
    """Our meters among all of a switch; ``known`` as for entries.

    One that is not a single drop band has rate -1, so the next plan replaces it.
    """
    return [meter for _, meter in _read(configs, known, _meter) if meter is not None]


def _read(
    parts: Iterable[Any], known: dict[bytes, T | None] | None, read: Callable[[Any], T | None]
) -> list[tuple[Any, T | None]]:
    """Each part of an answer, and what it says."""
    known = {} if known is None else known
    seen: dict[bytes, T | None] = {}
    found: list[tuple[Any, T | None]] = []
    for part in parts:
        if not isinstance(part, Unparsed):
            found.append((part, read(part)))
            continue
        lasting = part.lasting
        said = seen[lasting] = known[lasting] if lasting in known else read(part.parse())
        found.append((part, said))
    known.clear()
    known.update(seen)
    return found


def note_sent(
    step: Step,
    modifications: Sequence[Any],
    entries: dict[bytes, FlowEntry | None],
    meters: dict[bytes, Meter | None],
) -> None:
    """Note, as known, what an answer will say of the entries and meters that a step has sent.

    Args:
        step: What was sent.
        modifications: Its messages, in their order. An answer has the same bytes in another order.
        entries: Takes the step's entries.
        meters: Takes the step's meters.
    """
    if isinstance(step, ChangeEntries):
        for entry, message in zip(step.add, modifications, strict=False):
            if (data := message.buf) is not None:
                # OpenFlow 1.3.5 §7.3.4.2: cookie at 8, table_id at 24, priority at 30, the match at 48.
                entries[bytes(data[24:25] + data[30:32] + data[8:16] + data[48:])] = entry
    elif isinstance(step, AddMeters | ChangeMeters):
        for meter, message in zip(step.meters, modifications, strict=True):
            if (data := message.buf) is not None:
                # §7.3.4.3: flags, meter_id and bands from 10 on; in an answer behind their length.
                meters[struct.pack("!H", len(data) - 8) + bytes(data[10:])] = meter


def _counts(stat: Any) -> tuple[int, int]:
    return stat.packet_count, stat.byte_count


def _meter(config: Any) -> Meter | None:
    if not is_our_meter(config.meter_id):
        return None
    drops = [band for band in config.bands if isinstance(band, parser.OFPMeterBandDrop)]
    plain = len(drops) == len(config.bands) == 1 and config.flags & ofp.OFPMF_KBPS
    return Meter(
        config.meter_id,
        drops[0].rate if plain else -1,
        drops[0].burst_size if plain and config.flags & ofp.OFPMF_BURST else -1,
    )


def decode_queue_counters(stats: Iterable[Any]) -> list[QueueCounter]:
    """Counters of queues."""
    return [
        QueueCounter(s.port_no, s.queue_id, s.tx_bytes, s.tx_packets, s.tx_errors, _duration_s(s))
        for s in stats
    ]


def decode_port_counters(stats: Iterable[Any]) -> list[PortCounter]:
    """Counters of ports, the switch's own left out."""
    return [
        PortCounter(s.port_no, s.rx_bytes, s.tx_bytes, _duration_s(s))
        for s in stats
        if s.port_no <= ofp.OFPP_MAX
    ]


def decode_meter_counters(stats: Iterable[Any]) -> list[MeterCounter]:
    """Counters of meters."""
    return [
        MeterCounter(
            s.meter_id,
            s.packet_in_count,
            s.byte_in_count,
            sum(band.packet_band_count for band in s.band_stats),
            sum(band.byte_band_count for band in s.band_stats),
        )
        for s in stats
    ]


def _duration_s(stat: Any) -> float | None:
    """A switch that does not know writes all ones (OpenFlow 1.3.5 §7.3.5.6)."""
    if stat.duration_sec == _UNKNOWN_DURATION:
        return None
    return float(stat.duration_sec + stat.duration_nsec / 1e9)


def _entry(stat: Any) -> FlowEntry | None:
    if Cookie.read(stat.cookie) is None:
        return None
    fields: dict[str, Any] = {"outputs": ()}
    for instruction in stat.instructions:
        if isinstance(instruction, parser.OFPInstructionMeter):
            fields["meter_id"] = instruction.meter_id
        elif isinstance(instruction, parser.OFPInstructionGotoTable):
            fields["goto_table"] = instruction.table_id
        elif isinstance(instruction, parser.OFPInstructionActions):
            for action in instruction.actions:
                _take_action(action, fields)
    return FlowEntry(
        table_id=stat.table_id,
        priority=stat.priority,
        match=decode_match(stat.match),
        cookie=stat.cookie,
        **fields,
    )


def _take_action(action: Any, fields: dict[str, Any]) -> None:
    if isinstance(action, parser.OFPActionOutput):
        fields["outputs"] += (action.port,)
    elif isinstance(action, parser.OFPActionSetQueue):
        fields["queue_id"] = action.queue_id
    elif isinstance(action, parser.OFPActionSetField) and action.key == "ip_dscp":
        fields["set_dscp"] = action.value
    elif isinstance(action, parser.NXActionUnknown) and action.subtype == CHECK_PKT_LARGER:
        length_bytes, bit, register = struct.unpack_from("!HHI", action.data)
        if (bit, register) == (0, NXM_REG0):
            fields["longer_than"] = length_bytes


def decode_match(match: Any) -> tuple[MatchField, ...]:
    """A match in the canonical form of :class:`~fairslice.slicing.state.desired.FlowEntry`."""
    return tuple(sorted((name, value) for name, value in match.items()))
