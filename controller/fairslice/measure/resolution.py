"""What a measurement can tell: how far a rate that was counted may be from the one that was enforced. Pure.

A switch counts whole frames that leave a queue between two readings, T seconds apart. Of a flow that is held
at the rate r, the bits that it counts differ from r·T by no more than

    U = F + B + N

* F, a full frame: one may be under way at either reading, and is counted whole or not at all.
* B, the depth of the meter's bucket: what had been saved in it before the window is sent on top of r·T, and
  what is saved in it at the end is missing. (A token bucket lets through at most r·T + B in any T, RFC
  2697; a sender that always has something to send gets at least r·T - B.) None without a meter.
* N, what the flow can have in queues: what waits at the beginning leaves in the window, what waits at the end
  does not. A flow waits where its bottleneck is; queues elsewhere stay nearly empty. So N is its part of one
  queue: its rate for the queue's ``buffer``, and four full frames at least, as the queue has.

U / (r·T) is the resolution ρ. An error e = (wire - allocated) / allocated, held against a tolerance τ, is

* off, if |e| > τ + ρ: nothing that a bucket or a queue can hold explains it;
* within, if |e| ≤ τ and ρ ≤ τ;
* else it can't be told: the same count may come from a rate within the tolerance and from one that is not.

ρ falls with T, so that a longer window tells what a short one can't.
"""

import math
from typing import Literal

from fairslice.units import FULL_FRAME_BYTES, LEAST_RATE_BPS, format_duration, is_nothing

FRAME_BITS = 8 * FULL_FRAME_BYTES
Judgement = Literal["within", "off", "can't tell"]
SHORT = 0.75
"""A window shorter than this part of what was asked for is none. One that is less short, as where reading the
switches takes a second of six, is judged by the resolution that it has."""


def relative_error(wire_bps: float, allocated_bps: float) -> float:
    """(wire - allocated) / allocated: at least -1, and always a number.

    An allocation of less than a meter's step, 1 kbit/s, is enforced as 0. Nothing of it is an error of 0, and
    what comes is counted in steps: 4 kbit/s of 0 is an error of 4, as if 1 kbit/s had been allocated.
    """
    if is_nothing(allocated_bps):
        return max(0.0, wire_bps - allocated_bps) / LEAST_RATE_BPS
    return (wire_bps - allocated_bps) / allocated_bps


def judge(error: float, resolution: float, tolerance: float) -> Judgement:
    """Whether an error is within the tolerance, as far as the resolution lets one say.

    All three are parts of the allocation.
    """
    if abs(error) > tolerance + resolution:
        return "off"
    return "within" if abs(error) <= tolerance and resolution <= tolerance else "can't tell"


def resolution_of(uncertain_bits: float, rate_bps: float, window_s: float) -> float:
    """ρ of a flow with this rate; 0 for a rate of 0, of which no frame may come."""
    return uncertain_bits / (rate_bps * window_s) if rate_bps > 0 else 0.0


def needed_s(uncertain_bits: float, rate_bps: float, tolerance: float) -> float:
    """The shortest window, in seconds, whose resolution is the tolerance; infinite for a tolerance of 0."""
    if rate_bps <= 0 or uncertain_bits <= 0:
        return 0.0
    return uncertain_bits / rate_bps / tolerance if tolerance > 0 else math.inf


def why_not(error: float, uncertain_bits: float, rate_bps: float, window_s: float, tolerance: float) -> str:
    """Why an error can't be told, in words; see :func:`judge`."""
    resolution = resolution_of(uncertain_bits, rate_bps, window_s)
    if resolution <= tolerance:
        return (
            f"it is off by {100 * error:+.1f} %, of which what a bucket and a queue held at the ends of the "
            f"window may be {100 * resolution:.1f} %; a longer window would tell"
        )
    frames, unsure = rate_bps * window_s / FRAME_BITS, uncertain_bits / FRAME_BITS
    enough_s = needed_s(uncertain_bits, rate_bps, tolerance)
    enough = f"a window of {math.ceil(enough_s)} s" if math.isfinite(enough_s) else "no window"
    return (
        f"too few frames to tell {100 * tolerance:g} %: its allocation is {frames:.3g} full frames in "
        f"{format_duration(window_s)}, and what a bucket and a queue hold at the ends of the window may "
        f"add or take {unsure:.3g}; {enough} would tell"
    )
