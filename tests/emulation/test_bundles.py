"""Bundles of flow entries on a real switch: all of the changes or none, and what was refused is named."""

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest

pytestmark = pytest.mark.emulation

DPID = 0xB
Inside = Callable[..., Any]


class Connection:
    """An OpenFlow connection to a bridge through its management socket."""

    def __init__(self, bridge: str) -> None:
        from fairslice.control.app.session import Session
        from fairslice.control.openflow.encode import parser
        from fairslice.control.openflow.framework import OPENFLOW_13

        self.said: list[bytes] = []
        self.heard: list[bytes] = []
        self.session = Session(DPID, self.send)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(240)
        self.socket.connect(f"/run/openvswitch/{bridge}.mgmt")
        self.protocol = OPENFLOW_13
        self.send([parser.OFPHello(OPENFLOW_13)])
        self.hear(0)

    def send(self, messages: Sequence[Any]) -> None:
        """Send, and hear all answers as soon as there must be one."""
        for message in messages:
            message.serialize()
            self.said.append(bytes(message.buf))
            self.socket.sendall(message.buf)
            if self.said[-1][1] in (18, 20) or self._is_bundle_control(self.said[-1]):
                self.hear(message.xid)

    def hear(self, until_xid: int) -> None:
        """Take messages up to the answer; the switch's hello answers ours with an xid of its own."""
        from fairslice.control.openflow.encode import parser

        while True:
            head = self._read(8)
            version, kind, length, xid = struct.unpack("!BBHI", head)
            data = head + self._read(length - 8)
            if kind == 0:
                return
            self.heard.append(data)
            message = parser.msg_parser(self.protocol, version, kind, length, xid, data)
            if kind == 1:
                assert self.session.error(message)
            elif kind == 4:
                self.session.bundle_reply(message)
            elif kind == 19:
                self.session.stats_reply(message)
            elif kind == 21:
                self.session.barrier_reply(message)
            if xid == until_xid:
                return

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            assert part, "the switch closed the connection"
            data += part
        return data

    @staticmethod
    def _is_bundle_control(data: bytes) -> bool:
        return data[1] == 4 and struct.unpack_from("!II", data, 8) == (0x4F4E4600, 2300)


def bundles() -> dict[str, Any]:
    """A plan that a switch takes, one that it refuses at its commit, one at once, and one after both."""
    from fairslice.control.openflow.decode import leave_long_answers_unparsed
    from fairslice.lab.emulation.openvswitch import OpenVSwitch
    from fairslice.slicing.state.desired import FlowEntry, Meter, SwitchState
    from fairslice.slicing.state.diff import plan
    from fairslice.slicing.state.labels import FLOW_METERS, Cookie, Role
    from fairslice.slicing.state.pipeline import CONTROLLER_PORT

    leave_long_answers_unparsed()

    def entries(*numbers: int, **more: Any) -> dict[Any, FlowEntry]:
        made = [
            FlowEntry(0, 100, (("in_port", n),), int(Cookie(Role.CLASSIFY, 1, n)), **more) for n in numbers
        ]
        return {entry.key: entry for entry in made}

    meter = Meter(FLOW_METERS + 1, 1000, 250)
    good = SwitchState(entries(1, 2, goto_table=1, meter_id=meter.meter_id), {meter.meter_id: meter})
    # Nobody adds the meter that an entry names; and no entry leads to a table before its own.
    homeless = SwitchState({**entries(3, 4, goto_table=1), **entries(5, meter_id=FLOW_METERS + 9)})
    back = FlowEntry(1, 100, (("in_port", 7),), int(Cookie(Role.CLASSIFY, 1, 7)), goto_table=0)
    backwards = SwitchState({**entries(6, goto_table=1), back.key: back})
    after = SwitchState(entries(8, goto_table=1))
    fields: dict[str, Any] = {"in_port": 1, "eth_type": 0x800, "ipv4_src": "10.0.0.1"}
    fields |= {"ipv4_dst": "10.0.0.2", "ip_proto": 6}
    acknowledged = FlowEntry(
        1,
        46,
        tuple(sorted({**fields, "tcp_src": 5, "tcp_dst": 80, "ip_dscp": 3, "reg0": 0}.items())),
        int(Cookie(Role.RETURN, 1, 1)),
        meter_id=meter.meter_id,
        set_dscp=4,
        queue_id=5,
        outputs=(6, CONTROLLER_PORT),
    )
    led = (("eth_dst", "00:00:00:00:00:01"), ("eth_type", 0x800), ("ip_dscp", 1))
    forward = FlowEntry(1, 20, led, int(Cookie(Role.FORWARD, 1)), queue_id=1, outputs=(2,))
    group = (("eth_dst", ("01:00:00:00:00:00", "01:00:00:00:00:00")),)
    broadcast = FlowEntry(1, 10, group, int(Cookie(Role.BASE)), queue_id=0, outputs=(1, 2))
    told = entries(1, goto_table=1, longer_than=94)
    for entry in (acknowledged, forward, broadcast):
        told[entry.key] = entry
    every_field = SwitchState(told, {meter.meter_id: meter})
    found: dict[str, Any] = {}
    with OpenVSwitch() as switch:
        add = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"]
        switch.vsctl([*add, "protocols=OpenFlow13", f"other-config:datapath-id={DPID:016x}"])
        connection = Connection("br0")
        session = connection.session
        held = SwitchState()
        for name, state in {
            "good": good,
            "homeless": homeless,
            "backwards": backwards,
            "after": after,
            "every field": every_field,
        }.items():
            connection.said, connection.heard = [], []
            errors = session.install(plan(held, state))
            said, heard = connection.said, connection.heard
            flows, meters = session.read_state()
            found[name] = {
                "errors": errors,
                "as_planned": (flows, meters) == (dict(state.flows), dict(state.meters)),
                "entries_as_before": flows == dict(held.flows),
                "known": all(flows.get(key) is entry for key, entry in state.flows.items())
                and all(meters.get(number) is sent for number, sent in state.meters.items()),
                "said": [data.hex() for data in said],
                "heard": [data.hex() for data in heard],
            }
            held = SwitchState(flows, meters)
        connection.socket.close()
    return found


def test_a_switch_takes_all_changes_of_a_bundle_or_none(inside: Inside) -> None:
    found = inside(bundles)
    for name, what in found.items():
        print(f"\n{name}: errors {what['errors']}, as planned {what['as_planned']}")
    assert found["good"]["errors"] == []
    assert found["good"]["as_planned"]
    where = "switch 000000000000000b refused the entry of table"
    (error,) = found["homeless"]["errors"]
    assert error.startswith(f"{where} 0, priority 100, match {{in_port=5}}: ")
    assert found["homeless"]["entries_as_before"]
    (error,) = found["backwards"]["errors"]
    assert error.startswith(f"{where} 1, priority 100, match {{in_port=7}}: ")
    assert found["backwards"]["entries_as_before"]
    assert found["after"]["errors"] == []
    assert found["after"]["as_planned"]


def test_what_open_vswitch_tells_has_the_bytes_that_were_sent(inside: Inside) -> None:
    """So it need not be read with the framework's classes; nothing else depends on it."""
    found = inside(bundles)
    for name in ("good", "after", "every field"):
        assert found[name]["as_planned"], name
        assert found[name]["known"], name
