"""One switch's conversation: send a step and wait for its barrier, ask and collect the answer.

Whoever asks waits in a thread of the operating system's; the framework tells what the switch says in its own.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fairslice.control.openflow import decode, encode
from fairslice.control.openflow.encode import Message
from fairslice.errors import MachineError
from fairslice.slicing.state.desired import FlowEntry, FlowKey, Meter, PortQos
from fairslice.slicing.state.diff import Plan
from fairslice.slicing.state.steps import (
    AddMeters,
    ChangeEntries,
    ChangeMeters,
    GrowQueues,
    RemoveMeters,
    ShrinkQueues,
    Step,
)

ANSWER_TIMEOUT_S = 30.0

_WORDS = threading.Lock()
"""Held while messages are written or read. Of many threads that compute, each waits for all others whenever
it goes on after a pause, and so does the framework's."""
_BUNDLE = "the opening of a bundle (OpenFlow extension 230; Open vSwitch has it since 2.4)"


class Session:
    """What is under way with one connected switch, matched by xid.

    Args:
        dpid: the switch.
        send: Sends messages, in their order; it does not wait until they are sent.
        write_queues: makes the QoS of the switch, by dpid, that of its ports by port_no; None where queues
            are not managed.
    """

    def __init__(
        self,
        dpid: int,
        send: Callable[[Sequence[Message]], None],
        write_queues: Callable[[int, Mapping[int, PortQos]], None] | None = None,
    ) -> None:
        self.dpid = dpid
        self.lock = threading.Lock()
        """Held by whoever has a conversation with the switch."""
        self.modifications = 0
        """How many meter and flow modifications it has sent."""
        self._send = send
        self._write_queues = write_queues
        self._bundle_ids = itertools.count(1)
        # The framework numbers its own messages, from another random number.
        self._xids = itertools.count(random.getrandbits(32))
        self._waiting: dict[int, threading.Event] = {}
        self._parts: dict[int, list[Any]] = {}
        self._sent: dict[int, Message] = {}
        self._errors: list[str] = []
        self._refused: dict[int, str] = {}
        self._entries: dict[bytes, FlowEntry | None] = {}
        """What was read the last time, and sent since, by its bytes; so are meters."""
        self._meters: dict[bytes, Meter | None] = {}
        self._closed = False
        self._closing = threading.Lock()

    # What the event loop feeds in -------------------------------------------------------------------

    def barrier_reply(self, message: Any) -> None:
        """The switch has done all that was sent before the barrier."""
        self._wake(message.xid)

    def bundle_reply(self, message: Any) -> None:
        """The switch has opened, committed or discarded a bundle."""
        self._wake(message.xid)

    def stats_reply(self, message: Any) -> None:
        """A part of an answer to a multipart request."""
        if message.xid in self._parts:
            self._parts[message.xid].extend(message.body)
            if not message.flags & encode.ofp.OFPMPF_REPLY_MORE:
                self._wake(message.xid)

    def error(self, message: Any) -> bool:
        """An error; True if it answers something that this session sent."""
        experimental = message.type == encode.ofp.OFPET_EXPERIMENTER
        code = message.exp_type if experimental else message.code
        kind = f"error type {message.type} code {code}"
        refused = self._sent.get(message.xid)
        if refused is not None:
            self._errors.append(f"switch {self.dpid:016x} refused {_describe(refused)}: {kind}")
        elif message.xid in self._waiting:
            self._refused[message.xid] = kind
            self._wake(message.xid)
        else:
            return False
        return True

    def close(self) -> None:
        """The connection is gone: whoever waits for an answer learns it now."""
        with self._closing:
            self._closed = True
        for xid in list(self._waiting):
            self._wake(xid)

    def unless_closed(self, do: Callable[[], None]) -> None:
        """Do something quick that must not happen after :meth:`close`."""
        with self._closing:
            if not self._closed:
                do()

    def _wake(self, xid: int) -> None:
        event = self._waiting.pop(xid, None)
        if event is not None:
            event.set()

    # What callers wait for --------------------------------------------------------------------------

    def install(self, plan: Plan) -> tuple[str, ...]:
        """Carry out a plan, each step to its end before the next begins; the errors it met.

        A step with errors ends the installation: what would follow depends on it.

        Raises:
            MachineError: the switch did not answer in time or has left, takes no bundles, or the database of
                its queues failed.
        """
        for step in plan.steps:
            self.modifications += step.modifications
            if errors := CARRIERS[type(step)](self, step):
                return errors
        return ()

    def _carry_queues(self, step: GrowQueues | ShrinkQueues) -> tuple[str, ...]:
        if self._write_queues is not None:
            self._write_queues(self.dpid, step.ports)
        return ()

    def _carry_messages(self, step: Step) -> tuple[str, ...]:
        """One message after the other, and a barrier."""
        self._send_matched(step, lambda message: message)
        return tuple(self._errors)

    def _carry_bundle(self, step: Step) -> tuple[str, ...]:
        """All at once or not at all; an error names what was refused, now or when it was to be committed."""
        bundle_id = next(self._bundle_ids)
        self._ask(encode.bundle_control(encode.ofp.ONF_BCT_OPEN_REQUEST, bundle_id), _BUNDLE)
        self._send_matched(step, lambda message: encode.bundle_add(bundle_id, message))
        if self._errors:
            # What was not refused is still in the bundle, and a commit would make it.
            self._send([self._numbered(encode.bundle_control(encode.ofp.ONF_BCT_DISCARD_REQUEST, bundle_id))])
            return tuple(self._errors)
        commit = encode.bundle_control(encode.ofp.ONF_BCT_COMMIT_REQUEST, bundle_id)
        try:
            self._ask(commit, "the commit of a bundle")
        except MachineError:
            if not self._errors:
                raise
        return tuple(self._errors)

    def _send_matched(self, step: Step, put: Callable[[Message], Message]) -> None:
        """Send a step's modifications, each ``put`` into another message, and a barrier.

        Errors are matched by xid to the modification that each message carries.
        """
        self._errors = []
        self._sent = {}
        with _WORDS:
            sent = []
            for modification in encode.encode_step(step):
                message = self._numbered(put(modification))
                self._sent[message.xid] = modification
                sent.append(message)
            self._send(sent)
            decode.note_sent(step, [*self._sent.values()], self._entries, self._meters)
        self._ask(encode.barrier(), "a barrier")

    def read_flows(self) -> list[decode.EntryCounter]:
        """Our flow entries with their counters."""
        stats = self._collect(encode.flow_stats_request(), "flow statistics")
        with _WORDS:
            return decode.decode_flows(stats, self._entries)

    def read_state(self) -> tuple[dict[FlowKey, FlowEntry], dict[int, Meter]]:
        """Our flow entries and meters, as installed."""
        stats = self._collect(encode.flow_stats_request(), "flow statistics")
        configs = self._collect(encode.meter_config_request(), "meter configurations")
        with _WORDS:
            meters = decode.decode_meters(configs, self._meters)
            return decode.decode_entries(stats, self._entries), {meter.meter_id: meter for meter in meters}

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
        self._send([self._numbered(encode.packet_out(0, tuple(outputs), frame))])

    def _collect(self, request: Message, what: str) -> list[Any]:
        parts: list[Any] = []
        self._parts[self._numbered(request).xid] = parts
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
        if request.xid is None:
            self._numbered(request)
        answered = threading.Event()
        with self._closing:
            if self._closed:
                raise MachineError(f"switch {self.dpid:016x} has left")
            self._waiting[request.xid] = answered
        self._send([request])
        in_time = answered.wait(ANSWER_TIMEOUT_S)
        self._waiting.pop(request.xid, None)
        if self._closed:
            raise MachineError(f"switch {self.dpid:016x} left before it answered {what}")
        refusal = self._refused.pop(request.xid, None)
        if refusal is not None:
            raise MachineError(f"switch {self.dpid:016x} refused {what}: {refusal}")
        if not in_time:
            raise MachineError(f"switch {self.dpid:016x} did not answer {what} within {ANSWER_TIMEOUT_S:g} s")

    def _numbered(self, message: Message) -> Message:
        message.set_xid(next(self._xids) & 0xFFFFFFFF)
        return message


def _describe(message: Message) -> str:
    if hasattr(message, "meter_id"):
        return f"meter {message.meter_id}"
    fields = ", ".join(f"{name}={value}" for name, value in message.match.items())
    return f"the entry of table {message.table_id}, priority {message.priority}, match {{{fields}}}"


CARRIERS: Mapping[type[Step], Callable[[Session, Any], tuple[str, ...]]] = {
    GrowQueues: Session._carry_queues,
    AddMeters: Session._carry_messages,
    ChangeMeters: Session._carry_messages,
    ChangeEntries: Session._carry_bundle,
    RemoveMeters: Session._carry_messages,
    ShrinkQueues: Session._carry_queues,
}
"""How each kind of step is carried out; the errors that it met."""
