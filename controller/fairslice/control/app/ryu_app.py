"""The thin shell around the core: Ryu's events go in, its effects come out as messages."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from fairslice.api.counters import Counters
from fairslice.control.app.core import Core
from fairslice.control.app.counters import read_counters
from fairslice.control.app.events import (
    ArpReceived,
    Effect,
    Event,
    Install,
    InstallEnded,
    LinkFound,
    LinkLost,
    PortsChanged,
    SendArp,
    SwitchJoined,
    SwitchLeft,
    Tick,
)
from fairslice.control.app.http import RestApi, RestApplication
from fairslice.control.app.session import Session
from fairslice.control.openflow.packets import read_arp, write_arp
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.errors import FairsliceError
from fairslice.slicing.state.desired import PortQos, SwitchState
from fairslice.slicing.state.diff import Plan
from fairslice.topology.discovery import SeenLink

from ryu.base import app_manager
from ryu.controller import ofp_event
from ryu.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.lib import hub
from ryu.ofproto import ofproto_v1_3
from ryu.topology import event as topology_event

log = logging.getLogger(__name__)

TICK_S = 1.0


class FairsliceApp(app_manager.RyuApp):  # type: ignore[misc]
    """Ryu's side of fairslice; all that decides is in :class:`~fairslice.control.app.core.Core`."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)
    _CONTEXTS = {"wsgi": RestApplication}  # noqa: RUF012  the framework reads this name

    core: Core
    """Set by the launcher before the application is made."""
    database: OvsDatabase | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sessions: dict[int, Session] = {}
        kwargs["wsgi"].register(RestApi, {"app": self})

    def start(self) -> Any:
        """Begin ticking with the framework's event loop."""
        self.threads.append(hub.spawn(self._tick))
        return super().start()

    def handle(self, event: Event) -> None:
        """Tell the core, and do what it says.

        Raises:
            FairsliceError: the core refuses the event.
        """
        for effect in self.core.handle(event, time.monotonic()):
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        session = self.sessions.get(effect.dpid)
        if session is None:
            return
        match effect:
            case Install(_, plan):
                hub.spawn(self._guarded, session, lambda: self._install(session, plan))
            case SendArp(_, outputs, arp):
                session.send_frame(outputs, write_arp(arp))

    def _tick(self) -> None:
        while self.is_active:
            hub.sleep(TICK_S)
            self.handle(Tick())

    def _guarded(self, session: Session, work: Callable[[], None]) -> None:
        """Do one thing at a time with a switch; if it fails, drop the connection: the switch returns."""
        with session.lock:
            try:
                work()
            except FairsliceError as error:
                log.warning("%s; its connection is closed", error)
                session.datapath.close()

    # A switch's state -------------------------------------------------------------------------------

    def _join(self, session: Session, ports_up: frozenset[int]) -> None:
        installed = self._read_state(session)
        capacity = {}
        if self.database is not None:
            ports = self._ovsdb(self.database.ports, session.dpid)
            capacity = {
                number: port.capacity_bps or port.speed_bps
                for number, port in ports.items()
                if port.capacity_bps or port.speed_bps
            }
        self.handle(SwitchJoined(session.dpid, ports_up, installed, capacity))

    def _read_state(self, session: Session) -> SwitchState:
        flows, meters = session.read_state()
        qos = {} if self.database is None else self._ovsdb(self.database.read_qos, session.dpid)
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
        self.handle(InstallEnded(session.dpid, self._read_state(session), errors, sent))

    def _write_queues(self, dpid: int, ports: Mapping[int, PortQos]) -> None:
        if self.database is not None:
            self._ovsdb(self.database.write_qos, dpid, ports)

    def _ovsdb(self, call: Callable[..., Any], *args: Any) -> Any:
        """Talk to the database in a native thread, so that OpenFlow goes on meanwhile.

        Several switches at once: ovs-vswitchd acts on what has come by then in one go.
        """
        from eventlet import tpool

        return tpool.execute(call, *args)

    def counters(self) -> Counters:
        """Read the counters of all switches now."""
        return read_counters(self.sessions.values(), time.monotonic)

    # Ryu's events -----------------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def _state_change(self, event: Any) -> None:
        datapath = event.datapath
        if event.state == MAIN_DISPATCHER:
            session = self.sessions[datapath.id] = Session(datapath, self._write_queues)
            up = frozenset(number for number, port in datapath.ports.items() if _is_up(port))
            hub.spawn(self._guarded, session, lambda: self._join(session, up))
        elif datapath.id in self.sessions and self.sessions[datapath.id].datapath is datapath:
            self.sessions.pop(datapath.id).close()
            self.handle(SwitchLeft(datapath.id))

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _port_status(self, event: Any) -> None:
        datapath, port = event.msg.datapath, event.msg.desc
        gone = event.msg.reason == ofproto_v1_3.OFPPR_DELETE or not _is_up(port)
        others = frozenset(n for n, p in datapath.ports.items() if _is_up(p) and n != port.port_no)
        ports = others if gone or port.port_no > ofproto_v1_3.OFPP_MAX else others | {port.port_no}
        self.handle(PortsChanged(datapath.id, ports))

    @set_ev_cls(topology_event.EventLinkAdd)  # type: ignore[untyped-decorator]
    def _link_add(self, event: Any) -> None:
        self.handle(LinkFound(_seen(event.link)))

    @set_ev_cls(topology_event.EventLinkDelete)  # type: ignore[untyped-decorator]
    def _link_delete(self, event: Any) -> None:
        self.handle(LinkLost(_seen(event.link)))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _packet_in(self, event: Any) -> None:
        message = event.msg
        arp = read_arp(message.data)
        if arp is not None:
            self.handle(ArpReceived(message.datapath.id, message.match["in_port"], arp))

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
        return self.sessions[event.msg.datapath.id]


def _is_up(port: Any) -> bool:
    return port.port_no <= ofproto_v1_3.OFPP_MAX and not port.state & ofproto_v1_3.OFPPS_LINK_DOWN


def _seen(link: Any) -> SeenLink:
    return SeenLink(link.src.dpid, link.src.port_no, link.dst.dpid, link.dst.port_no)
