"""The thin shell around the core: the framework's events go in, its effects come out as messages."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from fairslice.control.app.core import Core
from fairslice.control.app.events import (
    ArpReceived,
    Install,
    InstallEnded,
    LinkFound,
    LinkLost,
    PortsChanged,
    SendArp,
    SwitchJoined,
    SwitchLeft,
)
from fairslice.control.app.loop import Loop
from fairslice.control.app.service import CoreService
from fairslice.control.app.session import Session
from fairslice.control.openflow.decode import leave_long_answers_unparsed
from fairslice.control.openflow.encode import Message
from fairslice.control.openflow.framework import FRAMEWORK, NAME, crossing, ofproto_v1_3, part
from fairslice.control.openflow.packets import read_arp, write_arp
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.errors import FairsliceError
from fairslice.slicing.state.desired import PortQos, SwitchState
from fairslice.slicing.state.diff import Plan
from fairslice.topology.discovery import SeenLink

app_manager, ofp_event, handler = (
    part(name) for name in ("base.app_manager", "controller.ofp_event", "controller.handler")
)
topology_event = part("topology.event")
DEAD_DISPATCHER, MAIN_DISPATCHER = handler.DEAD_DISPATCHER, handler.MAIN_DISPATCHER
set_ev_cls = handler.set_ev_cls

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16
"""As much is sent at a time, so that the framework's own messages do not wait for all of ours."""


BASE: Any = app_manager.RyuApp if NAME == "ryu" else app_manager.OSKenApp


class Connection:
    """A switch's connection: the framework's datapath, and what is under way on it."""

    def __init__(
        self, datapath: Any, write_queues: Callable[[int, Mapping[int, PortQos]], None] | None
    ) -> None:
        self.datapath = datapath
        self.session = Session(datapath.id, self._send, write_queues)
        self._crossing = crossing()

    def converse(self, work: Callable[[], None]) -> None:
        """Do one thing at a time with the switch, in a thread of its own.

        If it fails, the connection is dropped: the switch returns.
        """
        threading.Thread(
            target=self._guarded, args=(work,), name=f"switch {self.session.dpid:x}", daemon=True
        ).start()

    def close(self) -> None:
        """The switch has left."""
        self.session.close()
        self._crossing.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        with self.session.lock:
            try:
                work()
                return
            except FairsliceError as error:
                log.warning("%s; its connection is closed", error)
            except Exception:
                log.exception("switch %016x: its connection is closed", self.session.dpid)
        self._crossing.put(self.datapath.close)

    def _send(self, messages: Sequence[Message]) -> None:
        chunk = bytearray()
        for message in messages:
            message.serialize()
            chunk += message.buf
            if len(chunk) >= CHUNK_BYTES:
                self._crossing.put(partial(self.datapath.send, bytes(chunk)))
                chunk.clear()
        self._crossing.put(partial(self.datapath.send, bytes(chunk)))


class FairsliceApp(BASE):  # type: ignore[misc]
    """The framework's side of fairslice; all that decides is in :class:`~fairslice.control.app.core.Core`."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)

    core: Core
    """Set by the launcher before the application is made."""
    database: OvsDatabase | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: dict[int, Connection] = {}
        self.loop = Loop(self.core, self._carry_out)
        self.service = CoreService(self.loop, self._sessions, FRAMEWORK)

    def start(self) -> Any:
        """Begin with the framework's event loop."""
        leave_long_answers_unparsed()
        self.loop.start()
        return super().start()

    def _sessions(self) -> list[Session]:
        return [connection.session for connection in list(self.connections.values())]

    def _carry_out(self, effect: Install | SendArp) -> None:
        connection = self.connections.get(effect.dpid)
        if connection is None:
            return
        match effect:
            case Install(_, plan):
                connection.converse(partial(self._install, connection.session, plan))
            case SendArp(_, outputs, arp):
                connection.session.send_frame(outputs, write_arp(arp))

    # A switch's state -------------------------------------------------------------------------------

    def _join(self, session: Session, ports_up: frozenset[int]) -> None:
        installed = self._read_state(session)
        capacity = {}
        if self.database is not None:
            told = {
                number: port.capacity_bps or port.speed_bps
                for number, port in self.database.ports(session.dpid).items()
            }
            capacity = {number: bps for number, bps in told.items() if bps}
        joined = SwitchJoined(session.dpid, ports_up, installed, capacity)
        session.unless_closed(lambda: self.loop.tell(joined))

    def _read_state(self, session: Session) -> SwitchState:
        flows, meters = session.read_state()
        qos = {} if self.database is None else self.database.read_qos(session.dpid)
        return SwitchState(flows, meters, qos)

    def _install(self, session: Session, plan: Plan) -> None:
        sent_before = session.modifications
        try:
            errors = session.install(plan)
        except FairsliceError as error:
            errors = (str(error),)
        for text in errors:
            log.error("%s", text)
        sent = session.modifications - sent_before
        ended = InstallEnded(session.dpid, self._read_state(session), errors, sent)
        session.unless_closed(lambda: self.loop.tell(ended))

    # The framework's events -------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def _state_change(self, event: Any) -> None:
        datapath = event.datapath
        known = self.connections.get(datapath.id)
        if event.state == MAIN_DISPATCHER:
            if known is not None:
                known.close()
            write_queues = None if self.database is None else self.database.write_qos
            connection = self.connections[datapath.id] = Connection(datapath, write_queues)
            up = frozenset(number for number, port in datapath.ports.items() if _is_up(port))
            connection.converse(partial(self._join, connection.session, up))
        elif known is not None and known.datapath is datapath:
            del self.connections[datapath.id]
            known.close()
            self.loop.tell(SwitchLeft(datapath.id))

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _port_status(self, event: Any) -> None:
        datapath, port = event.msg.datapath, event.msg.desc
        gone = event.msg.reason == ofproto_v1_3.OFPPR_DELETE or not _is_up(port)
        others = frozenset(n for n, p in datapath.ports.items() if _is_up(p) and n != port.port_no)
        ports = others if gone or port.port_no > ofproto_v1_3.OFPP_MAX else others | {port.port_no}
        self.loop.tell(PortsChanged(datapath.id, ports))

    @set_ev_cls(topology_event.EventLinkAdd)  # type: ignore[untyped-decorator]
    def _link_add(self, event: Any) -> None:
        self.loop.tell(LinkFound(_seen(event.link)))

    @set_ev_cls(topology_event.EventLinkDelete)  # type: ignore[untyped-decorator]
    def _link_delete(self, event: Any) -> None:
        self.loop.tell(LinkLost(_seen(event.link)))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _packet_in(self, event: Any) -> None:
        message = event.msg
        arp = read_arp(message.data)
        if arp is not None:
            self.loop.tell(ArpReceived(message.datapath.id, message.match["in_port"], arp))

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _barrier_reply(self, event: Any) -> None:
        self._session(event).barrier_reply(event.msg)

    @set_ev_cls(ofp_event.EventONFBundleCtrlMsg, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _bundle_reply(self, event: Any) -> None:
        self._session(event).bundle_reply(event.msg)

    @set_ev_cls(
        [
            ofp_event.EventOFPFlowStatsReply,
            ofp_event.EventOFPMeterConfigStatsReply,
            ofp_event.EventOFPMeterStatsReply,
            ofp_event.EventOFPPortStatsReply,
            ofp_event.EventOFPQueueStatsReply,
        ],
        MAIN_DISPATCHER,
    )  # type: ignore[untyped-decorator]
    def _stats_reply(self, event: Any) -> None:
        self._session(event).stats_reply(event.msg)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _error(self, event: Any) -> None:
        if not self._session(event).error(event.msg):
            log.warning(
                "switch %016x: error type %s code %s for xid %s",
                event.msg.datapath.id,
                event.msg.type,
                event.msg.code,
                event.msg.xid,
            )

    def _session(self, event: Any) -> Session:
        return self.connections[event.msg.datapath.id].session


def _is_up(port: Any) -> bool:
    return port.port_no <= ofproto_v1_3.OFPP_MAX and not port.state & ofproto_v1_3.OFPPS_LINK_DOWN


def _seen(link: Any) -> SeenLink:
    return SeenLink(link.src.dpid, link.src.port_no, link.dst.dpid, link.dst.port_no)
