"""What one switch holds, or should hold: flow entries, meters and queues, in OpenFlow 1.3 and OVSDB terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MatchField = tuple[str, int | str | tuple[str, str]]
"""An OXM field's name and value; addresses are text, a masked one is (address, mask)."""


@dataclass(frozen=True, slots=True)
class FlowEntry:
    """A flow entry (OpenFlow 1.3.5 §5.2); (table_id, priority, match) is its identity.

    ``match`` is sorted by field name. Actions are applied in the order of the fields below.
    ``outputs`` are port numbers, in rising order.

    ``longer_than`` writes into the register ``reg0``, which is 0 at first and which later tables may match,
    whether the frame is longer than so many bytes: 1 or 0. It is Open vSwitch's action check_pkt_larger, of
    an extension of OpenFlow (ovs-actions(7)).
    """

    table_id: int
    priority: int
    match: tuple[MatchField, ...]
    cookie: int
    meter_id: int | None = None
    longer_than: int | None = None
    set_dscp: int | None = None
    queue_id: int | None = None
    outputs: tuple[int, ...] = ()
    goto_table: int | None = None

    @property
    def key(self) -> "FlowKey":
        """What tells this entry from others on its switch."""
        return (self.table_id, self.priority, self.match)


FlowKey = tuple[int, int, tuple[MatchField, ...]]


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter with one drop band (OpenFlow 1.3.5 §5.7): rate in kbit/s, burst in kbit, as on the wire."""

    meter_id: int
    rate_kbps: int
    burst_kbits: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a linux-htb port: min-rate and max-rate in bit/s, and what it holds before it drops.

    ``burst_bytes`` is what it may send at once to catch up; 0: Open vSwitch's default, a single frame.
    """

    queue_id: int
    min_rate_bps: int
    max_rate_bps: int
    buffer_bytes: int
    burst_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PortQos:
    """The linux-htb QoS of a port: the root's max-rate (the link's capacity), and the queues.

    Queues stand in rising order of queue_id.
    """

    port_no: int
    max_rate_bps: int
    queues: tuple[Queue, ...]


@dataclass(frozen=True)
class SwitchState:
    """All that fairslice installs on one switch. Compare two with ``==``."""

    flows: Mapping[FlowKey, FlowEntry] = field(default_factory=dict)
    meters: Mapping[int, Meter] = field(default_factory=dict)
    qos: Mapping[int, PortQos] = field(default_factory=dict)
    """By port_no."""
