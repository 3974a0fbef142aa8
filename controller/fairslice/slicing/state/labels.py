"""How a slice is named in packets, queues and cookies: one number for all three.

A wider label (VLAN, MPLS) for more than 63 slices would be a change of this module alone.
"""

from dataclasses import dataclass
from enum import IntEnum

from fairslice.policy.model import MAX_FLOWS, Enforcement

BEST_EFFORT = 0
"""The slice number of everything that no flow of the policy matches."""

COOKIE_OWNER = 0xFA15 << 48
COOKIE_OWNER_MASK = 0xFFFF << 48

FLOW_METERS = 50_000
RETURN_METERS = 120_000
"""A flow's meters are these plus its number; meters outside of both ranges are foreign and never touched.

The kernel datapath takes meter ids below 200,000 (Linux, DP_METER_NUM_MAX).
"""


class Role(IntEnum):
    """What a flow entry is for; part of its cookie."""

    BASE = 1
    """Trunk ports, ARP, unmatched traffic, broadcasts."""
    CLASSIFY = 2
    """The edge: match a flow, meter and mark it."""
    RETURN = 3
    """The edge: mark the acknowledgements of a flow."""
    FORWARD = 4
    """Everywhere: by destination and DSCP."""
    DELIVER = 5
    """The last switch: count a flow's frames as they leave."""
    PROBE = 6
    """The last switch: count the frames of one measurement apart."""
    DATA = 7
    """The edge: meter a flow's data, once it is told from acknowledgements of flows the other way."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """The fields of a 64-bit cookie: 16 bits owner, 8 bits role, 8 bits slice number, 32 bits flow number."""

    role: Role
    slice_number: int = BEST_EFFORT
    flow_number: int = 0

    def __int__(self) -> int:
        return COOKIE_OWNER | self.role << 40 | self.slice_number << 32 | self.flow_number

    @classmethod
    def read(cls, cookie: int) -> "Cookie | None":
        """The fields of a cookie of ours; None for a foreign one."""
        if cookie & COOKIE_OWNER_MASK != COOKIE_OWNER:
            return None
        try:
            role = Role(cookie >> 40 & 0xFF)
        except ValueError:
            return None
        return cls(role, cookie >> 32 & 0xFF, cookie & 0xFFFF_FFFF)


def is_our_meter(meter_id: int) -> bool:
    """Whether the id is in the ranges that fairslice numbers meters in."""
    return any(base < meter_id <= base + MAX_FLOWS for base in (FLOW_METERS, RETURN_METERS))


def meter_of_what(meter_id: int) -> str:
    """Whose a meter of ours is, in words.

    >>> meter_of_what(50_001), meter_of_what(120_001)
    ('flow 1', 'acknowledgements of flow 1')
    """
    if meter_id > RETURN_METERS:
        return f"acknowledgements of flow {meter_id - RETURN_METERS}"
    return f"flow {meter_id - FLOW_METERS}"


def dscp_of(slice_number: int) -> int:
    """The DSCP (RFC 2474) that marks a slice's packets."""
    return slice_number


def queue_of(slice_number: int, enforcement: Enforcement = Enforcement.SHAPE) -> int:
    """The queue_id of a slice on every port; one that only polices shares that of best effort."""
    return slice_number if enforcement.shapes else BEST_EFFORT
