"""One switch's conversation: send a step and wait for its barrier, ask and collect the answer.

Runs in green threads of the framework; the application's event loop feeds it what the switch says.
"""

import logging
from collections.abc import Iterable
from typing import Any

from fairslice.control.openflow import decode, encode
from fairslice.control.openflow.encode import Message
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import FlowEntry, FlowKey, Meter
from fairslice.slicing.state.diff import Plan

from ryu.lib import hub

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 30.0


class Session:
    """What is under way with one connected switch, matched by xid.

    Args:
        datapath: the framework's datapath.
    """

    def __init__(self, datapath: Any) -> None:
        self.datapath = datapath
        self.dpid: int = datapath.id
        self.lock = hub.Semaphore(1)
        self._waiting: dict[int, hub.Event] = {}
        self._parts: dict[int, list[Any]] = {}
        self._sent: dict[int, str] = {}
        self._errors: list[str] = []
        self._refused: dict[int, str] = {}
        self._closed = False

    # What the event loop feeds in -------------------------------------------------------------------

    def barrier_reply(self, message: Any) -> None:
        """The switch has done all that was sent before the barrier."""
        self._wake(message.xid)

    def stats_reply(self, message: Any) -> None:
        """A part of an answer to a multipart request."""
        if message.xid in self._parts:
            self._parts[message.xid].extend(message.body)
            if not message.flags & encode.ofp.OFPMPF_REPLY_MORE:
                self._wake(message.xid)

    def error(self, message: Any) -> bool:
        """An error; True if it answers something that this session sent."""
        kind = f"error type {message.type} code {message.code}"
        what = self._sent.get(message.xid)
        if what is not None:
            self._errors.append(f"switch {self.dpid:016x} refused {what}: {kind}")
        elif message.xid in self._waiting:
            self._refused[message.xid] = kind
            self._wake(message.xid)
        else:
            return False
        return True

    def close(self) -> None:
        """The connection is gone: whoever waits for an answer learns it now."""
        self._closed = True
        for xid in list(self._waiting):
            self._wake(xid)

    def _wake(self, xid: int) -> None:
        event = self._waiting.pop(xid, None)
        if event is not None:
            event.set()

    # What callers wait for --------------------------------------------------------------------------

    def install(self, plan: Plan) -> tuple[str, ...]:
        """Send the OpenFlow part of a plan, a barrier after each step; the errors it met.

        A step with errors ends the installation: what would follow depends on it.
        """
        for step in encode.encode_steps(plan):
            self._errors = []
            self._sent = {}
            for message in step:
                self.datapath.set_xid(message)
                self._sent[message.xid] = _describe(message)
                self.datapath.send_msg(message)
            self._ask(encode.barrier(), "a barrier")
            if self._errors:
                return tuple(self._errors)
        return ()

    def read_flows(self) -> list[decode.EntryCounter]:
        """Our flow entries with their counters."""
        return decode.decode_flows(self._collect(encode.flow_stats_request(), "flow statistics"))

    def read_state(self) -> tuple[dict[FlowKey, FlowEntry], dict[int, Meter]]:
        """Our flow entries and meters, as installed."""
        flows = {counter.entry.key: counter.entry for counter in self.read_flows()}
        configs = self._collect(encode.meter_config_request(), "meter configurations")
        return flows, {meter.meter_id: meter for meter in decode.decode_meters(configs)}

    def read_queue_counters(self) -> list[decode.QueueCounter]:
        """Counters of all queues."""
        return decode.decode_queue_counters(self._collect(encode.queue_stats_request(), "queue statistics"))

    def read_port_counters(self) -> list[decode.PortCounter]:
        """Counters of all ports."""
        return decode.decode_port_counters(self._collect(encode.port_stats_request(), "port statistics"))

    def read_meter_counters(self) -> list[decode.MeterCounter]:
        """Counters of all meters."""
        return decode.decode_meter_counters(self._collect(encode.meter_stats_request(), "meter statistics"))

    def send_frame(self, outputs: Iterable[int], frame: bytes) -> None:
        """Send a frame out of ports."""
        self.datapath.send_msg(encode.packet_out(0, tuple(outputs), frame))

    def _collect(self, request: Message, what: str) -> list[Any]:
        self.datapath.set_xid(request)
        parts: list[Any] = []
        self._parts[request.xid] = parts
        try:
            self._ask(request, what)
        finally:
            del self._parts[request.xid]
        return parts

    def _ask(self, request: Message, what: str) -> None:
        """Send and wait for the answer.

        Raises:
            MachineError: none came in time, the switch refused the question, or it has left.
        """
        if self._closed:
            raise MachineError(f"switch {self.dpid:016x} has left")
        if request.xid is None:
            self.datapath.set_xid(request)
        answered = self._waiting[request.xid] = hub.Event()
        self.datapath.send_msg(request)
        in_time = answered.wait(ANSWER_TIMEOUT_S)
        self._waiting.pop(request.xid, None)
        if self._closed:
            raise MachineError(f"switch {self.dpid:016x} left before it answered {what}")
        refusal = self._refused.pop(request.xid, None)
        if refusal is not None:
            raise MachineError(f"switch {self.dpid:016x} refused {what}: {refusal}")
        if not in_time:
            raise MachineError(f"switch {self.dpid:016x} did not answer {what} within {ANSWER_TIMEOUT_S:g} s")


def _describe(message: Message) -> str:
    if hasattr(message, "meter_id"):
        return f"meter {message.meter_id}"
    fields = ", ".join(f"{name}={value}" for name, value in message.match.items())
    return f"the entry of table {message.table_id}, priority {message.priority}, match {{{fields}}}"
