"""One reading of the counters of all switches."""

from pydantic import BaseModel


class FlowReading(BaseModel):
    """Counters of one flow, in frames and bytes of frames.

    ``offered`` came in at the first switch, ``metered`` was dropped there. ``delivered`` is counted where
    packets enter the last link's queue; ``probe`` is the part of it that a probe counts (None without).
    """

    offered_bytes: int = 0
    offered_packets: int = 0
    metered_bytes: int = 0
    metered_packets: int = 0
    delivered_bytes: int = 0
    delivered_packets: int = 0
    probe_bytes: int | None = None
    probe_packets: int | None = None


class QueueReading(BaseModel):
    """A queue of a port: what entries sent into it and what left it, read together at ``time_s``.

    ``dropped_packets`` found it full, by its own count. What entered is counted up to a second late, so that
    the difference to what left does not tell what was dropped.
    """

    time_s: float
    dpid: int
    port_no: int
    queue_id: int
    entered_bytes: int
    sent_bytes: int
    sent_packets: int
    entered_packets: int = 0
    dropped_packets: int = 0


class PortReading(BaseModel):
    """A port: what it has received and sent until ``time_s``."""

    time_s: float
    dpid: int
    port_no: int
    received_bytes: int
    sent_bytes: int


class Counters(BaseModel):
    """One reading.

    Times are the switch's: how long the queue or port has been there, in seconds. A busy controller takes its
    time from asking to asking, which must not be taken for the traffic's. Of a switch that does not tell they
    are of a monotonic clock of the controller's machine. So only times of the same thing can be compared.
    """

    flows: dict[int, FlowReading]
    queues: list[QueueReading]
    ports: list[PortReading]
