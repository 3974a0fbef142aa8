"""A network of switches that speak OpenFlow 1.3 over TCP to a controller, without root or Open vSwitch.

They hold entries and meters as bytes and give them back as they were sent, carry LLDP from port to port, and
notice how long the controller takes to answer. Packets of hosts are not forwarded.
"""

import asyncio
import itertools
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairslice.topology.network import Network

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY = range(7)
PACKET_IN, PORT_STATUS, PACKET_OUT, FLOW_MOD, METER_MOD = 10, 12, 13, 14, 29
MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 18, 19, 20, 21
FLOW_STATS, METER_CONFIG, PORT_DESCRIPTION = 1, 10, 13
ONF, BUNDLE_CONTROL, BUNDLE_ADD = 0x4F4E4600, 2300, 2301
BUNDLE_OPEN, BUNDLE_COMMIT = 0, 4
PART_BYTES = 60_000
"""As Open vSwitch, which sends long answers in parts."""

Ends = tuple[int, int]
"""A dpid and a port_no."""


@dataclass(slots=True)
class Heard:
    """What a switch was told, and when, in seconds of the monotonic clock."""

    changes: list[float] = field(default_factory=list)
    """When entries changed."""
    echoes_s: list[float] = field(default_factory=list)
    """How long the controller took to answer echo requests."""


class TcpSwitch:
    """One switch and its connection."""

    def __init__(self, dpid: int, ports: frozenset[int], cables: Mapping[Ends, Ends]) -> None:
        self.dpid = dpid
        self.ports = set(ports)
        self.heard = Heard()
        self.others: Mapping[int, TcpSwitch] = {}
        self._down: set[int] = set()
        self._cables = cables
        self._entries: dict[tuple[int, int, bytes], tuple[int, bytes]] = {}
        self._meters: dict[int, bytes] = {}
        self._bundles: dict[int, list[bytes]] = {}
        self._echoes: dict[int, float] = {}
        self._xids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """How many entries and meters it holds."""
        return len(self._entries), len(self._meters)

    @property
    def is_waiting(self) -> bool:
        """Whether the controller has an echo to answer."""
        return bool(self._echoes)

    async def connect(self, port: int) -> None:
        """Connect to a controller on this machine and answer it until one of them ends.

        Raises:
            OSError: nobody listens.
        """
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._send(HELLO, b"")
        try:
            while True:
                head = await reader.readexactly(8)
                _, kind, length, xid = struct.unpack("!BBHI", head)
                self._take(kind, xid, await reader.readexactly(length - 8))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer = None

    def echo(self) -> None:
        """Ask the controller for an echo; how long it took is heard later."""
        xid = self._send(ECHO_REQUEST, b"")
        self._echoes[xid] = time.monotonic()

    def lose(self, port_no: int) -> None:
        """A port goes down; nothing comes in or goes out there any more."""
        self._down.add(port_no)
        # OFPPR_MODIFY with OFPPS_LINK_DOWN (OpenFlow 1.3.5 §7.4.3).
        self._send(PORT_STATUS, struct.pack("!B7x", 2) + self._port(port_no))

    def _send(self, kind: int, body: bytes, xid: int | None = None) -> int:
        number = next(self._xids) if xid is None else xid
        if self._writer is not None:
            self._writer.write(struct.pack("!BBHI", 4, kind, 8 + len(body), number) + body)
        return number

    def _take(self, kind: int, xid: int, body: bytes) -> None:
        match kind:
            case 2:
                self._send(ECHO_REPLY, body, xid)
            case 3 if xid in self._echoes:
                self.heard.echoes_s.append(time.monotonic() - self._echoes.pop(xid))
            case 5:
                self._send(FEATURES_REPLY, struct.pack("!QIBB2xII", self.dpid, 0, 254, 0, 0x4F, 0), xid)
            case 13:
                self._packet_out(body)
            case 14 | 29:
                self._modify(kind, body)
            case 18:
                self._answer(xid, body)
            case 20:
                self._send(BARRIER_REPLY, b"", xid)
            case 4:
                self._experiment(xid, body)

    def _experiment(self, xid: int, body: bytes) -> None:
        experimenter, kind, bundle_id = struct.unpack("!III", body[:12])
        if experimenter != ONF:
            return
        if kind == BUNDLE_ADD:
            self._bundles[bundle_id].append(body[16:])
            return
        (request,) = struct.unpack("!H", body[12:14])
        if request == BUNDLE_OPEN:
            self._bundles[bundle_id] = []
        added = self._bundles.pop(bundle_id) if request > BUNDLE_OPEN else []
        if request == BUNDLE_COMMIT:
            for message in added:
                self._modify(message[1], message[8 : struct.unpack("!H", message[2:4])[0]])
        self._send(EXPERIMENTER, body[:12] + struct.pack("!H", request + 1) + body[14:16], xid)

    def _modify(self, kind: int, body: bytes) -> None:
        if kind == METER_MOD:
            command, flags, meter_id = struct.unpack("!HHI", body[:8])
            if command == 2:  # OFPMC_DELETE
                self._meters.pop(meter_id, None)
            else:
                bands = body[8:]
                self._meters[meter_id] = struct.pack("!HHI", 8 + len(bands), flags, meter_id) + bands
            return
        cookie, _, table, command = struct.unpack("!QQBB", body[:18])
        idle, hard, priority = struct.unpack("!HHH", body[18:24])
        (flags,) = struct.unpack("!H", body[36:38])
        match_bytes = (struct.unpack("!H", body[42:44])[0] + 7) // 8 * 8
        match, rest = body[40 : 40 + match_bytes], body[40 + match_bytes :]
        key = (table, priority, match)
        if command >= 3:  # OFPFC_DELETE, OFPFC_DELETE_STRICT
            self._entries.pop(key, None)
        else:
            head = struct.pack("!BxIIHHHH4xQQQ", table, 0, 0, priority, idle, hard, flags, cookie, 0, 0)
            stats = head + match + rest
            self._entries[key] = (cookie, struct.pack("!H", 2 + len(stats)) + stats)
        self.heard.changes.append(time.monotonic())

    def _answer(self, xid: int, body: bytes) -> None:
        kind = struct.unpack("!H", body[:2])[0]
        items: list[bytes] = []
        if kind == PORT_DESCRIPTION:
            items = [self._port(number) for number in sorted(self.ports)]
        elif kind == METER_CONFIG:
            items = [*self._meters.values()]
        elif kind == FLOW_STATS:
            cookie, mask = struct.unpack("!QQ", body[24:40])
            items = [stats for known, stats in self._entries.values() if known & mask == cookie & mask]
        while True:
            part, size = [], 0
            while items and size < PART_BYTES:
                part.append(items.pop(0))
                size += len(part[-1])
            more = int(bool(items))
            self._send(MULTIPART_REPLY, struct.pack("!HH4x", kind, more) + b"".join(part), xid)
            if not more:
                return

    def _port(self, number: int) -> bytes:
        mac = struct.pack("!BIB", 2, self.dpid & 0xFFFFFFFF, number & 0xFF)
        state = 1 if number in self._down else 4  # OFPPS_LINK_DOWN, OFPPS_LIVE
        name = f"p{number}".encode()
        return struct.pack("!I4x6s2x16sIIIIIIII", number, mac, name, 0, state, 0, 0, 0, 0, 10_000, 10_000)

    def _packet_out(self, body: bytes) -> None:
        """LLDP goes over the cable and into the controller again; nothing else is forwarded."""
        (actions_bytes,) = struct.unpack("!H", body[8:10])
        actions, frame = body[16 : 16 + actions_bytes], body[16 + actions_bytes :]
        if frame[12:14] != b"\x88\xcc":
            return
        while actions:
            kind, size, port = struct.unpack("!HHI", actions[:8])
            there = self._cables.get((self.dpid, port))
            if kind == 0 and there is not None and port not in self._down:
                self.others[there[0]].receive(there[1], frame)
            actions = actions[size:]

    def receive(self, port_no: int, frame: bytes) -> None:
        """Hand a frame that came in at a port to the controller."""
        if port_no in self._down:
            return
        match = struct.pack("!HHII4x", 1, 12, 0x80000004, port_no)
        head = struct.pack("!IHBBQ", 0xFFFFFFFF, len(frame), 0, 0, 0)
        self._send(PACKET_IN, head + match + b"\0\0" + frame)


class TcpNetwork:
    """All switches of a network."""

    def __init__(self, network: Network) -> None:
        dpids = {name: switch.dpid for name, switch in network.switches.items()}
        ports: dict[int, set[int]] = {dpid: set() for dpid in dpids.values()}
        cables: dict[Ends, Ends] = {}
        for (source, target), link in network.links.items():
            if source not in dpids:
                continue
            ports[dpids[source]].add(link.port_no)
            if target in dpids:
                back = network.links[target, source].port_no
                cables[dpids[source], link.port_no] = dpids[target], back
        self.switches = {dpid: TcpSwitch(dpid, frozenset(some), cables) for dpid, some in ports.items()}
        for switch in self.switches.values():
            switch.others = self.switches

    async def run(self, port: int) -> None:
        """Connect all switches to the controller that listens there, until it ends or this is cancelled.

        Raises:
            OSError: nobody listens.
        """
        async with asyncio.TaskGroup() as group:
            for switch in self.switches.values():
                group.create_task(switch.connect(port))
