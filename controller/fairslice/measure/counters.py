"""From two snapshots of switch counters to rates, in bit/s of Ethernet frames. Pure."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fairslice.errors import MachineError

NOISE = 0.005
"""Between two snapshots a queue's backlog changes; sent over arrived this close to 1 tells nothing of drops."""


@dataclass(frozen=True, slots=True)
class FlowCounter:
    """What a flow entry (OpenFlow 1.3.5 §5.8) or a queue has counted; ``bytes`` are of Ethernet frames, without FCS."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class Snapshot[Key: Hashable]:
    """Counters read together at ``time_s`` of a monotonic clock."""

    time_s: float
    counters: Mapping[Key, FlowCounter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "counters", MappingProxyType(dict(self.counters)))
