"""Messages to bytes and back, against the layouts of the OpenFlow 1.3.5 specification."""

import struct
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.control.openflow import decode, encode
from fairslice.control.openflow.arp import Arp
from fairslice.control.openflow.framework import OPENFLOW_13, ofproto_v1_3_parser, part
from fairslice.control.openflow.packets import read_arp, write_arp
from fairslice.slicing.state.desired import FlowEntry, Meter, SwitchState
from fairslice.slicing.state.diff import plan
from fairslice.slicing.state.labels import COOKIE_OWNER, COOKIE_OWNER_MASK, FLOW_METERS, Cookie, Role
from fairslice.slicing.state.pipeline import CONTROLLER_PORT
from fairslice.slicing.state.steps import AddMeters, ChangeEntries, Step

ethernet, packet = (part(f"lib.packet.{name}") for name in ("ethernet", "packet"))

HEADER = struct.Struct("!BBHI")
OWN_COOKIES = st.builds(
    lambda role, number, flow: int(Cookie(role, number, flow)),
    st.sampled_from(Role),
    st.integers(0, 63),
    st.integers(0, 1000),
)
PORTS = st.integers(1, 0xFF00)
MATCHES = st.fixed_dictionaries(
    {"eth_type": st.just(0x0800)},
    optional={
        "in_port": PORTS,
        "eth_dst": st.sampled_from(["00:00:00:00:00:01", ("01:00:00:00:00:00", "01:00:00:00:00:00")]),
        "ipv4_src": st.ip_addresses(v=4).map(str),
        "ipv4_dst": st.ip_addresses(v=4).map(str),
        "ip_dscp": st.integers(0, 63),
        "reg0": st.integers(0, 1),
    },
).map(lambda fields: tuple(sorted(fields.items())))
ENTRIES = st.builds(
    FlowEntry,
    table_id=st.integers(0, 1),
    priority=st.integers(0, 0xFFFF),
    match=MATCHES,
    cookie=OWN_COOKIES,
    meter_id=st.none() | st.integers(1, 200_000),
    longer_than=st.none() | st.integers(1, 0xFFFF),
    set_dscp=st.none() | st.integers(0, 63),
    queue_id=st.none() | st.integers(0, 63),
    outputs=st.lists(PORTS | st.just(CONTROLLER_PORT), max_size=3).map(tuple),
    goto_table=st.none() | st.just(1),
)


def to_bytes(message: Any) -> bytes:
    message.xid = 7
    message.serialize()
    return bytes(message.buf)


def parse(data: bytes) -> Any:
    version, kind, length, xid = HEADER.unpack_from(data)
    assert length == len(data)
    return ofproto_v1_3_parser.msg_parser(OPENFLOW_13, version, kind, length, xid, data)


@given(ENTRIES)
def test_an_entry_comes_back_from_the_wire(entry: FlowEntry) -> None:
    sent = parse(to_bytes(encode.flow_add(entry)))
    # A flow modification and flow statistics name their fields alike.
    sent.packet_count, sent.byte_count = 3, 300
    (back,) = decode.decode_flows([sent])
    assert (back.entry, back.packets, back.bytes) == (entry, 3, 300)


METERS = st.builds(Meter, st.integers(FLOW_METERS + 1, FLOW_METERS + 9), *2 * [st.integers(1, 2**32 - 1)])


def as_told(data: bytes) -> bytes:
    """An entry among flow statistics (§7.3.5.2), from the modification (§7.3.4.2) that added it."""
    fixed = data[24:25], bytes(9), data[30:32], bytes(10), data[8:16], struct.pack("!QQ", 3, 300)
    rest = b"".join((*fixed, data[48:]))
    return struct.pack("!H", 2 + len(rest)) + rest


@given(st.lists(ENTRIES, max_size=4), st.lists(METERS, max_size=3))
def test_what_was_sent_is_known_when_it_is_read_back(entries: list[FlowEntry], meters: list[Meter]) -> None:
    """As what the framework makes of the same bytes."""
    known: tuple[dict[bytes, Any], dict[bytes, Any]] = ({}, {})
    told: list[list[Any]] = [[], []]
    steps: list[Step] = [ChangeEntries(tuple(entries), tuple(entries)), AddMeters(tuple(meters))]
    for step in steps:
        messages = encode.encode_step(step)
        sent = [to_bytes(message) for message in messages]
        decode.note_sent(step, messages, *known)
        if isinstance(step, AddMeters):
            told[1] = [decode.UnparsedMeter(struct.pack("!H", len(data) - 8) + data[10:]) for data in sent]
        else:
            told[0] = [decode.UnparsedFlow(as_told(data)) for data in sent[: len(entries)]]
    # Two with the same bytes are the same.
    assert [*known[0]] == [*dict.fromkeys(stat.lasting for stat in told[0])]
    assert [*known[1]] == [*dict.fromkeys(config.lasting for config in told[1])]
    counters, parsed = decode.decode_flows(told[0]), decode.decode_meters(told[1])
    assert [counter.entry for counter in counters] == entries
    assert [(counter.packets, counter.bytes) for counter in counters] == [(3, 300)] * len(entries)
    assert parsed == meters
    assert decode.decode_flows(told[0], known[0]) == counters
    assert decode.decode_meters(told[1], known[1]) == parsed
    assert decode.decode_entries(told[0], known[0]) == {entry.key: entry for entry in entries}


@given(ENTRIES, st.data())
def test_an_entry_with_other_bytes_than_were_sent_is_read(entry: FlowEntry, data: st.DataObject) -> None:
    known: dict[bytes, Any] = {}
    step = ChangeEntries((entry,), ())
    messages = encode.encode_step(step)
    told = as_told(to_bytes(messages[0]))
    decode.note_sent(step, messages, known, {})
    other = bytearray(told)
    struct.pack_into("!H", other, 12, data.draw(st.integers(0, 0xFFFF)))
    (back,) = decode.decode_flows([decode.UnparsedFlow(bytes(other))], known)
    assert back.entry.priority == struct.unpack_from("!H", other, 12)[0]
    # What is in no answer any more is forgotten.
    assert len(known) == 1


def test_foreign_parts_are_known_as_such() -> None:
    known: dict[bytes, Any] = {}
    foreign = decode.UnparsedFlow(as_told(to_bytes(encode.flow_add(FlowEntry(0, 1, (), cookie=0x1234)))))
    for _ in range(2):
        assert decode.decode_flows([foreign], known) == []
        assert known == {foreign.lasting: None}
    meter = to_bytes(encode.meter_mod(encode.ofp.OFPMC_ADD, Meter(7, 1, 1)))
    config = decode.UnparsedMeter(struct.pack("!H", len(meter) - 8) + meter[10:])
    known_meters: dict[bytes, Any] = {}
    for _ in range(2):
        assert decode.decode_meters([config], known_meters) == []
        assert [*known_meters.values()] == [None]


def test_fields_stand_in_the_order_in_which_open_vswitch_tells_them() -> None:
    """Seen with Open vSwitch 3.1; tests/emulation/test_bundles.py reads them back."""
    fields: dict[str, int | str | tuple[str, str]] = {
        "in_port": 1,
        "eth_type": 0x800,
        "ipv4_src": "10.0.0.1",
        "ipv4_dst": "10.0.0.2",
        "ip_dscp": 3,
        "ip_proto": 6,
        "tcp_dst": 80,
        "reg0": 0,
    }
    match = encode.flow_add(FlowEntry(0, 1, tuple(sorted(fields.items())), 0)).match
    assert [name for name, _ in match.items()] == [*fields]


def test_foreign_entries_are_not_seen() -> None:
    entry = FlowEntry(0, 1, (), cookie=0x1234)
    stat = parse(to_bytes(encode.flow_add(entry)))
    stat.packet_count = stat.byte_count = 0
    assert decode.decode_flows([stat]) == []


def test_a_deletion_is_strict_and_only_of_ours() -> None:
    data = to_bytes(encode.flow_delete(FlowEntry(1, 20, (("ip_dscp", 3), ("eth_type", 0x800)), 1)))
    # §7.3.4.2: cookie, cookie_mask, table_id, command
    cookie, mask, table, command = struct.unpack_from("!QQBB", data, 8)
    assert (cookie, mask, table) == (COOKIE_OWNER, COOKIE_OWNER_MASK, 1)
    assert command == encode.ofp.OFPFC_DELETE_STRICT


@pytest.mark.parametrize("command", [encode.ofp.OFPMC_ADD, encode.ofp.OFPMC_MODIFY])
def test_a_meter_says_kbps_and_burst(command: int) -> None:
    data = to_bytes(encode.meter_mod(command, Meter(50_001, 15_300, 3825)))
    # §7.3.4.3: command, flags, meter_id; then the band: type, len, rate, burst_size
    assert struct.unpack_from("!HHI", data, 8)[::2] == (command, 50_001)
    flags = struct.unpack_from("!H", data, 10)[0]
    assert flags & encode.ofp.OFPMF_KBPS
    assert flags & encode.ofp.OFPMF_BURST
    assert struct.unpack_from("!HHII", data, 16) == (encode.ofp.OFPMBT_DROP, 16, 15_300, 3825)


def test_meters_come_back_and_foreign_ones_do_not() -> None:
    parser = encode.parser
    flags = encode.ofp.OFPMF_KBPS | encode.ofp.OFPMF_BURST
    band = parser.OFPMeterBandDrop(rate=5, burst_size=6)
    remark = parser.OFPMeterBandDscpRemark(rate=5, burst_size=6, prec_level=1)
    configs = [
        parser.OFPMeterConfigStats(bands=[band], flags=flags, meter_id=FLOW_METERS + 1),
        parser.OFPMeterConfigStats(bands=[band], flags=encode.ofp.OFPMF_KBPS, meter_id=FLOW_METERS + 2),
        parser.OFPMeterConfigStats(bands=[remark], flags=flags, meter_id=FLOW_METERS + 3),
        parser.OFPMeterConfigStats(bands=[band], flags=flags, meter_id=1),
    ]
    ours = decode.decode_meters(configs)
    assert ours == [
        Meter(FLOW_METERS + 1, 5, 6),
        Meter(FLOW_METERS + 2, 5, -1),
        Meter(FLOW_METERS + 3, -1, -1),
    ]


def test_steps_stand_in_the_order_that_keeps_every_meter_named() -> None:
    old = FlowEntry(0, 1, (("in_port", 1),), int(Cookie(Role.CLASSIFY, 1, 1)), meter_id=5)
    new = FlowEntry(0, 1, (("in_port", 2),), int(Cookie(Role.CLASSIFY, 1, 2)), meter_id=6)
    before = SwitchState({old.key: old}, {5: Meter(5, 1, 1)})
    after = SwitchState({new.key: new}, {6: Meter(6, 1, 1)})
    kinds = [
        [(type(m).__name__, getattr(m, "command", None)) for m in encode.encode_step(step)]
        for step in plan(before, after).steps
    ]
    ofp = encode.ofp
    assert kinds == [
        [("OFPMeterMod", ofp.OFPMC_ADD)],
        [("OFPFlowMod", ofp.OFPFC_ADD), ("OFPFlowMod", ofp.OFPFC_DELETE_STRICT)],
        [("OFPMeterMod", ofp.OFPMC_DELETE)],
    ]


def test_statistics_requests_ask_for_everything_of_ours() -> None:
    # §7.3.5.2: table_id, out_port, out_group, cookie, cookie_mask, behind the multipart header of 16 bytes
    data = to_bytes(encode.flow_stats_request())
    table, out_port, out_group, cookie, mask = struct.unpack_from("!BxxxIIxxxxQQ", data, 16)
    assert (table, cookie, mask) == (0xFF, COOKIE_OWNER, COOKIE_OWNER_MASK)
    assert (out_port, out_group) == (encode.ofp.OFPP_ANY, encode.ofp.OFPG_ANY)
    queues = to_bytes(encode.queue_stats_request())
    assert struct.unpack_from("!II", queues, 16) == (encode.ofp.OFPP_ANY, encode.ofp.OFPQ_ALL)
    assert struct.unpack_from("!I", to_bytes(encode.meter_config_request()), 16) == (encode.ofp.OFPM_ALL,)
    assert struct.unpack_from("!I", to_bytes(encode.port_stats_request()), 16) == (encode.ofp.OFPP_ANY,)
    assert len(to_bytes(encode.barrier())) == 8


def test_counters_are_read() -> None:
    parser = encode.parser
    queue = parser.OFPQueueStats(1, 2, 300, 3, 4, 7, 500_000_000)
    assert decode.decode_queue_counters([queue]) == [decode.QueueCounter(1, 2, 300, 3, 4, 7.5)]
    queue = parser.OFPQueueStats(1, 2, 300, 3, 4, 0xFFFFFFFF, 0xFFFFFFFF)
    assert decode.decode_queue_counters([queue]) == [decode.QueueCounter(1, 2, 300, 3, 4, None)]
    bands = [parser.OFPMeterBandStats(2, 200)]
    meter = parser.OFPMeterStats(9, 1, 5, 500, 0, 0, bands)
    assert decode.decode_meter_counters([meter]) == [decode.MeterCounter(9, 5, 500, 2, 200)]


@given(st.booleans(), st.ip_addresses(v=4).map(str), st.ip_addresses(v=4).map(str))
def test_arp_comes_back_from_the_wire(is_request: bool, sender: str, target: str) -> None:
    arp = Arp(is_request, "00:00:00:00:00:01", sender, "00:00:00:00:00:02", target)
    frame = write_arp(arp)
    assert read_arp(frame) == arp
    destination = packet.Packet(frame).get_protocol(ethernet.ethernet).dst
    assert destination == ("ff:ff:ff:ff:ff:ff" if is_request else "00:00:00:00:00:02")


@given(st.binary(max_size=80))
def test_any_bytes_are_arp_or_nothing(data: bytes) -> None:
    found = read_arp(b"\xff" * 6 + b"\x00" * 6 + b"\x08\x06" + data)
    assert found is None or read_arp(write_arp(found)) == found


def test_a_packet_out_carries_the_frame() -> None:
    data = to_bytes(encode.packet_out(0, (1, 2), b"frame"))
    message = struct.unpack_from("!IIH", data, 8)
    assert message[:2] == (encode.ofp.OFP_NO_BUFFER, encode.ofp.OFPP_CONTROLLER)
    assert data.endswith(b"frame")


def test_a_length_is_asked_for_as_open_vswitch_has_it() -> None:
    """The bytes of ``check_pkt_larger(94)->NXM_NX_REG0[0]``, read by its own ovs-ofctl."""
    action = bytearray()
    encode.check_longer(94).serialize(action, 0)
    kind, length, vendor, subtype, length_bytes, bit, register = struct.unpack_from("!HHIHHHI", action)
    assert (kind, length, vendor) == (0xFFFF, len(action), 0x2320)
    assert (subtype, length_bytes, bit, register) == (49, 94, 0, 0x00010004)
    message = to_bytes(encode.flow_add(FlowEntry(0, 1, (), 0, longer_than=94, goto_table=1)))
    shown = subprocess.run(
        ["ovs-ofctl", "ofp-print", message.hex()], capture_output=True, text=True, check=True
    )
    assert "check_pkt_larger(94)->NXM_NX_REG0[0],goto_table:1" in shown.stdout


# Bundles: what Open vSwitch 3.1.0 said, recorded by tests/emulation/test_bundles.py -----------------------

OPENED = "04040018000000044f4e4600000008fc0000000100010000"
COMMITTED = "04040018000000084f4e4600000008fc0000000100050000"
DISCARDED = "040400180000001b4f4e4600000008fc0000000300070000"
ENTRY_REFUSED = (
    "0401006c0000000e000c0002040400600000000e4f4e4600000008fd0000000200000003040e00480000000efa1502010000"
    "000500000000000000000000000000000064ffffffff0000000000000000000000000001000c800000040000000500000000"
    "000600080000c359"
)
COMMIT_REFUSED = "0401002800000012ffff09094f4e460004040018000000124f4e4600000008fc0000000200040003"


@pytest.mark.parametrize(
    ("said", "xid", "bundle_id", "request_kind"),
    [
        (OPENED, 4, 1, encode.ofp.ONF_BCT_OPEN_REQUEST),
        (COMMITTED, 8, 1, encode.ofp.ONF_BCT_COMMIT_REQUEST),
        (DISCARDED, 0x1B, 3, encode.ofp.ONF_BCT_DISCARD_REQUEST),
    ],
)
def test_an_answer_about_a_bundle_is_read(said: str, xid: int, bundle_id: int, request_kind: int) -> None:
    message = parse(bytes.fromhex(said))
    assert (message.xid, message.bundle_id, message.type) == (xid, bundle_id, request_kind + 1)


def test_a_refusal_in_a_bundle_has_the_xid_of_what_was_refused() -> None:
    message = parse(bytes.fromhex(ENTRY_REFUSED))
    ofp = encode.ofp
    assert (message.xid, message.type, message.code) == (
        *(0xE, ofp.OFPET_METER_MOD_FAILED, ofp.OFPMMFC_INVALID_METER),
    )
    whole = parse(bytes.fromhex(COMMIT_REFUSED))
    # 2313: a message of the bundle failed (Open vSwitch, ofp-errors.h, OFPBFC_MSG_FAILED).
    assert (whole.xid, whole.type, whole.exp_type) == (0x12, ofp.OFPET_EXPERIMENTER, 2313)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (encode.ofp.ONF_BCT_OPEN_REQUEST, 0),
        (encode.ofp.ONF_BCT_COMMIT_REQUEST, 4),
        (encode.ofp.ONF_BCT_DISCARD_REQUEST, 6),
    ],
)
def test_a_bundle_is_ordered_and_atomic(kind: int, code: int) -> None:
    data = to_bytes(encode.bundle_control(kind, 9))
    # ONF extension 230: experimenter "ONF", 2300; bundle_id, type, flags: 1 atomic, 2 ordered
    assert struct.unpack_from("!IIIHH", data, 8) == (0x4F4E4600, 2300, 9, code, 3)
    assert (parse(data).bundle_id, parse(data).type, parse(data).flags) == (9, kind, 3)


@given(ENTRIES)
def test_a_bundle_carries_an_entry_under_its_own_xid(entry: FlowEntry) -> None:
    data = to_bytes(encode.bundle_add(9, encode.flow_add(entry)))
    # The same with 2301; bundle_id, two bytes of nothing, flags; then the message.
    assert struct.unpack_from("!IIIHH", data, 8) == (0x4F4E4600, 2301, 9, 0, 3)
    assert data[24:] == to_bytes(encode.flow_add(entry))


def test_open_vswitch_reads_our_bundles() -> None:
    entry = FlowEntry(0, 100, (("in_port", 3),), int(Cookie(Role.CLASSIFY, 1, 3)), goto_table=1)
    for message, expected in (
        (encode.bundle_control(encode.ofp.ONF_BCT_OPEN_REQUEST, 9), "type=OPEN_REQUEST flags=atomic ordered"),
        (encode.bundle_control(encode.ofp.ONF_BCT_COMMIT_REQUEST, 9), "type=COMMIT_REQUEST"),
        (encode.bundle_control(encode.ofp.ONF_BCT_DISCARD_REQUEST, 9), "type=DISCARD_REQUEST"),
        (encode.bundle_add(9, encode.flow_add(entry)), "priority=100,in_port=3 cookie:0xfa15020100000003"),
        (encode.bundle_add(9, encode.flow_delete(entry)), "DEL_STRICT priority=100,in_port=3"),
    ):
        argv = ["ovs-ofctl", "ofp-print", to_bytes(message).hex()]
        shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert "ONFT_BUNDLE" in shown or "OFPT_BUNDLE" in shown
        assert "bundle_id=0x9" in shown
        assert expected in " ".join(shown.split())
