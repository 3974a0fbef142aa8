"""A flow's allocation and its measurements, before they are judged. Pure."""

from dataclasses import dataclass

from fairslice.measure.results import Enforcement, Protocol
from fairslice.naming import ends

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A flow's allocation and its measurements, before they are judged; fields as of ``FlowResult``.

    By ``uncertain_bits`` what was counted may differ from the rate that is enforced
    (:mod:`fairslice.measure.resolution`). ``doubt`` is why nothing can be told of the flow, ``if_low`` why
    nothing can if it got too little, ``if_high`` if it got too much; empty: nothing of the kind. ``metered``
    says that a meter stops its excess; None: if its enforcement polices. ``window_s`` is how long its own
    switch counted, in seconds; None: as long as the run's window. Without a ``number`` it is the place among
    those that are compared, without an ``id`` it is made of slice, ends and match.
    """

    number: int | None = None
    id: str = ""
    slice: str
    source: str
    destination: str
    allocated_bps: float
    wire_bps: float
    bottleneck: str
    enforcement: Enforcement = "both"
    protocol: Protocol = "tcp"
    match: str = ""
    offered_bps: float | None = None
    goodput_bps: float | None = None
    retransmits: int | None = None
    loss: float | None = None
    sent_bps: float | None = None
    metered_bps: float | None = None
    queue_dropped_bps: float | None = None
    cable_lost_bps: float | None = None
    lost_bps: float | None = None
    uncertain_bits: float = 0.0
    doubt: str = ""
    if_low: str = ""
    if_high: str = ""
    metered: bool | None = None
    window_s: float | None = None
    congestion_control: str | None = None
    streams: int = 1

    @property
    def expected_bps(self) -> float:
        """What the flow is judged against: its allocation, or what its sender was told to send, if less."""
        if self.offered_bps is None:
            return self.allocated_bps
        return min(self.allocated_bps, self.offered_bps)

    @property
    def sends_less(self) -> bool:
        """Whether its sender was told to send less than its allocation, by more than rounding."""
        return self.expected_bps < (1 - _ROUNDING) * self.allocated_bps

    @property
    def name(self) -> str:
        """``gold h1->h4 udp dst_port 5004``."""
        return f"{self.slice} {ends(self.source, self.destination, self.match)}"
