"""The words of a policy as frozen values: what the file says, and its flows between known hosts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from fairslice.errors import Location
from fairslice.naming import flow_id

MAX_SLICES = 63
"""A slice's number is its DSCP (6 bits, RFC 2474) and its queue_id; 0 is best effort."""

MAX_FLOWS = 65_535
"""More come from a prefix written too short, and take an edge switch minutes to install."""

PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17}
_PROTOCOL_NAMES: Mapping[int, str] = {number: name for name, number in PROTOCOLS.items()}


class Enforcement(StrEnum):
    """How a slice's rates are enforced: with meters, with queues, or with both."""

    POLICE = "police"
    SHAPE = "shape"
    BOTH = "both"

    @property
    def polices(self) -> bool:
        """Whether flows get a meter."""
        return self is not Enforcement.SHAPE

    @property
    def shapes(self) -> bool:
        """Whether the slice gets a queue on its links."""
        return self is not Enforcement.POLICE


class Sharing(StrEnum):
    """Whether slices share first and flows second, or all flows at once."""

    HIERARCHICAL = "hierarchical"
    PER_FLOW = "per-flow"


class Split(StrEnum):
    """How a flow's rate is divided over its paths: for max-min fair totals, or evenly."""

    FREE = "free"
    EVEN = "even"


class Unmatched(StrEnum):
    """What becomes of host traffic that no flow of the policy matches."""

    BEST_EFFORT = "best-effort"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Match:
    """Header fields that narrow a flow, as in OpenFlow 1.3 §7.2.3.7; None matches anything.

    ``proto`` is the IP protocol number; ports need it to be TCP or UDP.
    """

    proto: int | None = None
    src_port: int | None = None
    dst_port: int | None = None

    def overlaps(self, other: "Match") -> bool:
        """Whether some packet matches both."""
        mine = (self.proto, self.src_port, self.dst_port)
        theirs = (other.proto, other.src_port, other.dst_port)
        return all(a is None or b is None or a == b for a, b in zip(mine, theirs, strict=True))

    def covers(self, other: "Match") -> bool:
        """Whether every packet that ``other`` matches, this matches too."""
        mine = (self.proto, self.src_port, self.dst_port)
        theirs = (other.proto, other.src_port, other.dst_port)
        return all(a is None or a == b for a, b in zip(mine, theirs, strict=True))

    def meet(self, other: "Match") -> "Match | None":
        """The match of the packets that both match; None if there are none."""
        if not self.overlaps(other):
            return None
        proto, src_port, dst_port = (
            theirs if mine is None else mine
            for mine, theirs in (
                (self.proto, other.proto),
                (self.src_port, other.src_port),
                (self.dst_port, other.dst_port),
            )
        )
        return Match(proto, src_port, dst_port)

    def reversed(self) -> "Match":
        """The match of the answers: ports swapped."""
        return Match(self.proto, self.dst_port, self.src_port)

    def __str__(self) -> str:
        named = _PROTOCOL_NAMES.get(self.proto or 0, f"proto {self.proto}")
        parts = [] if self.proto is None else [named]
        parts += [] if self.src_port is None else [f"src_port {self.src_port}"]
        parts += [] if self.dst_port is None else [f"dst_port {self.dst_port}"]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """One flow entry of a policy file; an endpoint is a host name, an IPv4 address, a prefix or a MAC.

    ``location`` is the entry's, or the source's member; the endpoints' own locations default to it.
    ``is_member`` tells an ordered pair of ``members``; a prefix is there paired with itself as well.
    """

    source: str
    destination: str
    location: Location
    weight: float = 1.0
    demand_bps: float | None = None
    burst_bytes: float | None = None
    delay_s: float | None = None
    match: Match = Match()
    source_location: Location | None = None
    destination_location: Location | None = None
    is_member: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """A named share of the network; ``number`` (1 to 63) is its DSCP and queue_id."""

    name: str
    number: int
    location: Location
    flows: tuple[FlowSpec, ...]
    weight: float = 1.0
    guarantee_bps: float | None = None
    limit_bps: float | None = None
    enforcement: Enforcement = Enforcement.BOTH
    burst_s: float | None = None
    """Depth of the meters' token buckets as a time at their rate; None is ``auto``."""
    paths: int = 1
    """How many shortest paths each flow may use."""
    split: Split = Split.FREE
    """How a flow is divided over its paths; without meaning for one path."""
    paths_location: Location | None = field(default=None, compare=False)
    """Where the file says ``paths`` for this slice, in the slice or in the defaults."""
    guarantee_location: Location | None = field(default=None, compare=False)
    """Where the file says what the slice's guarantee is."""


@dataclass(frozen=True)
class Policy:
    """A policy file, checked; slices stand in the order of the file."""

    file: str
    slices: tuple[Slice, ...]
    sharing: Sharing = Sharing.HIERARCHICAL
    unmatched: Unmatched = Unmatched.BEST_EFFORT
    buffer_s: float = 0.05
    return_share: float = 0.05
    text: str = field(default="", compare=False, repr=False)
    """What the file says, whole."""

    @property
    def multipath(self) -> bool:
        """Whether some slice's flows may use several paths."""
        return any(one.paths > 1 for one in self.slices)

    def slice_named(self, name: str) -> Slice:
        """The slice of that name; KeyError if there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Slice]:
        # The first of a name, should there be several.
        return {one.name: one for one in reversed(self.slices)}


class HostAddress(Protocol):
    """What resolving needs to know of a host of the topology."""

    @property
    def name(self) -> str:
        """Name in the topology."""

    @property
    def mac(self) -> str:
        """Ethernet address, lower case with colons."""

    @property
    def ip(self) -> str:
        """IPv4 address without a prefix length."""


@dataclass(frozen=True)
class Flow:
    """Traffic of one slice from one host to another, in one direction.

    ``number`` counts from 1 over the whole policy; ``source`` and ``destination`` are host names.
    ``floor_bps`` is the flow's part of the slice's guarantee. With ``burst_bytes`` it promises to be a token
    bucket of its demand and that depth, in Ethernet frames; ``delay_s`` is how long a frame may take then.
    """

    number: int
    slice: str
    source: str
    destination: str
    location: Location
    weight: float = 1.0
    demand_bps: float | None = None
    burst_bytes: float | None = None
    delay_s: float | None = None
    floor_bps: float = 0.0
    match: Match = Match()

    @cached_property
    def id(self) -> str:
        """A name for people and files, unique in its policy.

        ``gold:h1->h4``, or ``gold:h1->h4 udp dst_port 5004`` with a match.
        """
        return flow_id(self.slice, self.source, self.destination, self.match)
