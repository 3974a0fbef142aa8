"""Steps of plans as OpenFlow 1.3 messages, and the questions that a switch is asked."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from fairslice.control.openflow.framework import OPENFLOW_13, ofproto_v1_3, ofproto_v1_3_parser, part
from fairslice.slicing.state.desired import FlowEntry, MatchField, Meter
from fairslice.slicing.state.labels import COOKIE_OWNER, COOKIE_OWNER_MASK
from fairslice.slicing.state.pipeline import CONTROLLER_PORT
from fairslice.slicing.state.steps import AddMeters, ChangeEntries, ChangeMeters, RemoveMeters, Step

Message = Any
"""A message of the framework; fairslice only passes them on."""

ofp = ofproto_v1_3
parser = ofproto_v1_3_parser
pack_into = part("lib.pack_utils").msg_pack_into

CHECK_PKT_LARGER = 49
NXM_REG0 = 0x0001_0004
"""NXM_NX_REG0: class 1, field 0, four bytes long (ovs-fields(7))."""


def encode_step(step: Step) -> list[Message]:
    """The modifications of a step, in their order.

    Deletions go out strict and with the cookie's owner, so that foreign entries are never touched.

    Raises:
        KeyError: a step that is not made through OpenFlow.
    """
    return ENCODERS[type(step)](step)


def meter_mod(command: int, meter: Meter) -> Message:
    """A meter modification (OpenFlow 1.3.5 §7.3.4.3), with the burst flag, without which the kernel datapath
    takes a bucket of one second."""
    band = parser.OFPMeterBandDrop(rate=meter.rate_kbps, burst_size=meter.burst_kbits)
    return parser.OFPMeterMod(
        OPENFLOW_13,
        command=command,
        flags=ofp.OFPMF_KBPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS,
        meter_id=meter.meter_id,
        bands=[] if command == ofp.OFPMC_DELETE else [band],
    )


def flow_add(entry: FlowEntry) -> Message:
    """Add an entry, or replace the one with the same table, priority and match (OpenFlow 1.3.5 §6.4)."""
    return parser.OFPFlowMod(
        OPENFLOW_13,
        cookie=entry.cookie,
        table_id=entry.table_id,
        command=ofp.OFPFC_ADD,
        priority=entry.priority,
        match=_match(entry.match),
        instructions=_instructions(entry),
    )


def flow_delete(entry: FlowEntry) -> Message:
    """Delete exactly this entry."""
    return parser.OFPFlowMod(
        OPENFLOW_13,
        cookie=COOKIE_OWNER,
        cookie_mask=COOKIE_OWNER_MASK,
        table_id=entry.table_id,
        command=ofp.OFPFC_DELETE_STRICT,
        priority=entry.priority,
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
        match=_match(entry.match),
    )


def _entry_mods(step: ChangeEntries) -> list[Message]:
    return [flow_add(entry) for entry in step.add] + [flow_delete(entry) for entry in step.delete]


ENCODERS: Mapping[type[Step], Callable[[Any], list[Message]]] = {
    AddMeters: lambda step: [meter_mod(ofp.OFPMC_ADD, meter) for meter in step.meters],
    ChangeMeters: lambda step: [meter_mod(ofp.OFPMC_MODIFY, meter) for meter in step.meters],
    ChangeEntries: _entry_mods,
    RemoveMeters: lambda step: [meter_mod(ofp.OFPMC_DELETE, meter) for meter in step.meters],
}
"""How the steps that OpenFlow makes are written as messages."""

BUNDLE_FLAGS = ofp.ONF_BF_ATOMIC | ofp.ONF_BF_ORDERED
"""All of a bundle or nothing, in the order in which it was added; every message of it says so."""


def bundle_control(kind: int, bundle_id: int) -> Message:
    """Open, commit or discard a bundle: ``kind`` is a request of ONF_BCT (ONF extension 230 §3.1)."""
    return parser.ONFBundleCtrlMsg(OPENFLOW_13, bundle_id, kind, BUNDLE_FLAGS, [])


def bundle_add(bundle_id: int, message: Message) -> Message:
    """Put a message into a bundle (ONF extension 230 §3.3); it takes the xid of what carries it."""
    return parser.ONFBundleAddMsg(OPENFLOW_13, bundle_id, BUNDLE_FLAGS, message, [])


def packet_out(in_port: int, outputs: Sequence[int], frame: bytes) -> Message:
    """Send a frame out of some ports, as if it had come in at ``in_port`` (0: from the controller)."""
    return parser.OFPPacketOut(
        OPENFLOW_13,
        buffer_id=ofp.OFP_NO_BUFFER,
        in_port=in_port or ofp.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(port) for port in outputs],
        data=frame,
    )


def barrier() -> Message:
    """A barrier request (OpenFlow 1.3.5 §7.3.8)."""
    return parser.OFPBarrierRequest(OPENFLOW_13)


def flow_stats_request() -> Message:
    """Ask for all entries that carry fairslice's cookie."""
    return parser.OFPFlowStatsRequest(OPENFLOW_13, cookie=COOKIE_OWNER, cookie_mask=COOKIE_OWNER_MASK)


def meter_config_request() -> Message:
    """Ask for the configuration of all meters."""
    return parser.OFPMeterConfigStatsRequest(OPENFLOW_13)


def meter_stats_request() -> Message:
    """Ask for the counters of all meters."""
    return parser.OFPMeterStatsRequest(OPENFLOW_13)


def port_stats_request() -> Message:
    """Ask for the counters of all ports."""
    return parser.OFPPortStatsRequest(OPENFLOW_13, 0, ofp.OFPP_ANY)


def queue_stats_request() -> Message:
    """Ask for the counters of all queues of all ports."""
    return parser.OFPQueueStatsRequest(OPENFLOW_13, 0, ofp.OFPP_ANY, ofp.OFPQ_ALL)


def check_longer(length_bytes: int) -> Message:
    """Open vSwitch's check_pkt_larger into reg0: whether the frame is longer than so many bytes.

    The framework does not know the action: subtype 49, the length, the bit of the field, the field's header
    (Open vSwitch, lib/ofp-actions.c).
    """
    body = struct.pack("!HHI", length_bytes, 0, NXM_REG0) + bytes(6)
    return parser.NXActionUnknown(CHECK_PKT_LARGER, body)


def _match(fields: Sequence[MatchField]) -> Message:
    """A match whose fields are in the order in which Open vSwitch tells them (lib/nx-match.c, nx_put_raw).

    So an entry that is read back has the bytes of the one that was sent. What a field needs stands before it,
    as it has to (OpenFlow 1.3.5 §7.2.3.8).
    """
    return _Match(sorted((_field(name, value) for name, value in fields), key=_PLACE))


_TOLD = ("in_port", "eth_dst", "eth_type", "ipv4_src", "ipv4_dst", "ip_dscp", "ip_proto")
_PLACES = {name: place for place, name in enumerate(_TOLD)}


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of matches: its place among others, as the framework says it, and its bytes."""

    place: tuple[int, int]
    said: tuple[str, Any]
    data: bytes


_PLACE = attrgetter("place")


@lru_cache(maxsize=1 << 16)
def _field(name: str, value: int | str | tuple[str, str]) -> _Field:
    """Written by the framework once: it takes a large part of an entry's time, and entries share fields."""
    number, data, mask = ofp.oxm_from_user(*ofp.oxm_normalize_user(name, value))
    written = bytearray()
    ofp.oxm_serialize(number, data, mask, written, 0)
    # Registers, which Open vSwitch tells last, have the lowest numbers.
    place = _PLACES.get(name, len(_TOLD) + name.startswith("reg"))
    return _Field((place, number), ofp.oxm_to_user(number, data, mask), bytes(written))


class _Match(parser.OFPMatch):  # type: ignore[misc,name-defined]
    """A match whose fields are written already. Of the framework's it has what a modification asks for."""

    def __init__(self, fields: Sequence[_Field]) -> None:
        # Not the framework's own, which makes room for matches of OpenFlow 1.0 each time.
        self.type = ofp.OFPMT_OXM
        self._fields2 = [field.said for field in fields]
        self._data = b"".join([field.data for field in fields])
        self.length = 4 + len(self._data)

    def serialize(self, buf: bytearray, offset: int) -> int:
        """Write it into a message; its length there, with what fills it up to eights."""
        whole = (self.length + 7) // 8 * 8
        pack_into(f"!HH{whole - 4}s", buf, offset, self.type, self.length, self._data)
        return whole


class _Instructions(parser.OFPInstruction):  # type: ignore[misc,name-defined]
    """The instructions of an entry, one after the other, as they are written already."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.len = len(data)

    def serialize(self, buf: bytearray, offset: int) -> None:
        """Write them into a message."""
        pack_into(f"!{self.len}s", buf, offset, self.data)


def _instructions(entry: FlowEntry) -> list[Message]:
    data = b"" if entry.meter_id is None else _written(parser.OFPInstructionMeter(entry.meter_id))
    data += _actions(entry.longer_than, entry.set_dscp, entry.queue_id, entry.outputs)
    if entry.goto_table is not None:
        data += _go_to(entry.goto_table)
    return [_Instructions(data)] if data else []


@lru_cache(maxsize=1 << 12)
def _actions(
    longer_than: int | None, set_dscp: int | None, queue_id: int | None, outputs: tuple[int, ...]
) -> bytes:
    """The instruction that applies an entry's actions; entries share them. Nothing for none."""
    actions: list[Message] = []
    if longer_than is not None:
        actions.append(check_longer(longer_than))
    if set_dscp is not None:
        actions.append(parser.OFPActionSetField(ip_dscp=set_dscp))
    if queue_id is not None:
        actions.append(parser.OFPActionSetQueue(queue_id))
    for port in outputs:
        length = ofp.OFPCML_NO_BUFFER if port == CONTROLLER_PORT else 0
        actions.append(parser.OFPActionOutput(port, length))
    return _written(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)) if actions else b""


@lru_cache(maxsize=1 << 8)
def _go_to(table_id: int) -> bytes:
    return _written(parser.OFPInstructionGotoTable(table_id))


def _written(instruction: Message) -> bytes:
    data = bytearray()
    instruction.serialize(data, 0)
    return bytes(data)
