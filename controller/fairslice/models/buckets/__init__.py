"""Token buckets: what they pass, drop and delay, how deep they must be, and what TCP makes of them."""

from fairslice.models.buckets.bucket import (
    LongestBurst,
    Policed,
    PolicedFloats,
    Shaped,
    ShapedFloats,
    longest_burst,
    packets_at_peak,
    police,
    shape,
    smallest_burst,
)
from fairslice.models.buckets.goodput import LINUX_TIMEOUT_S, knee_s, policed_share

__all__ = [
    "LINUX_TIMEOUT_S",
    "LongestBurst",
    "Policed",
    "PolicedFloats",
    "Shaped",
    "ShapedFloats",
    "knee_s",
    "longest_burst",
    "packets_at_peak",
    "police",
    "policed_share",
    "shape",
    "smallest_burst",
]
