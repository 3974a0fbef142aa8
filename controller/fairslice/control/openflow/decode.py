"""What a switch answers, as state and counters."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairslice.control.openflow.encode import CHECK_PKT_LARGER, NXM_REG0
from fairslice.control.openflow.framework import ofproto_v1_3, ofproto_v1_3_parser
from fairslice.slicing.state.desired import FlowEntry, MatchField, Meter
from fairslice.slicing.state.labels import Cookie, is_our_meter

ofp = ofproto_v1_3
parser = ofproto_v1_3_parser


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


def decode_flows(stats: Iterable[Any]) -> list[EntryCounter]:
    """Entries of ours among flow statistics; an entry with instructions that fairslice never installs
    differs from all that it does, and so a plan replaces it."""
    return [
        EntryCounter(_entry(stat), stat.packet_count, stat.byte_count)
        for stat in stats
        if Cookie.read(stat.cookie) is not None
    ]


def decode_meters(configs: Iterable[Any]) -> list[Meter]:
    """Our meters among all of a switch.

    One that is not a single drop band has rate -1, so the next plan replaces it.
    """
    meters = []
    for config in configs:
        if not is_our_meter(config.meter_id):
            continue
        drops = [band for band in config.bands if isinstance(band, parser.OFPMeterBandDrop)]
        plain = len(drops) == len(config.bands) == 1 and config.flags & ofp.OFPMF_KBPS
        meters.append(
            Meter(
                config.meter_id,
                drops[0].rate if plain else -1,
                drops[0].burst_size if plain and config.flags & ofp.OFPMF_BURST else -1,
            )
        )
    return meters


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


def _entry(stat: Any) -> FlowEntry:
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
