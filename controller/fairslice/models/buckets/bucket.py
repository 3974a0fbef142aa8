"""A token bucket as a policer, which drops, and as a shaper, which lets wait.

Tokens come at a rate r, and up to a burst b of them are kept; the bucket is full at first. A packet of length
l that finds l tokens or more takes them and conforms. So in any time t at most b + r·t passes (Turner 1986;
RFC 2697 and RFC 2698 have the buckets of today; Cruz 1991 the bound). Rate, burst and length share one unit.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fairslice.models.buckets.trace import (
    Floats,
    Number,
    Numbers,
    WholeTrace,
    float_trace,
    in_floats,
    whole_trace,
)
from fairslice.models.problem import exact

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Policed:
    """What a policer did with a trace, exactly."""

    trace: WholeTrace
    conforms: list[bool]
    """Of each packet, whether it passed."""
    found: list[int]
    """What it found in the bucket, in units of the trace."""

    @cached_property
    def tokens_before(self) -> list[Fraction]:
        """What each packet found in the bucket, in the unit of length."""
        return [self.trace.amount(units) for units in self.found]


@dataclass(frozen=True)
class PolicedFloats:
    """What a policer did with a trace of floats."""

    conforms: NDArray[np.bool_]
    tokens_before: Floats


def police(arrivals: Numbers, lengths: Numbers, rate: Number, burst: Number) -> Policed | PolicedFloats:
    """Drop what does not find its length in tokens; a dropped packet takes none.

    What a packet finds depends on which of those before it were dropped, so it is one pass from packet to
    packet, in floats as well; a million packets take less than a second.

    Args:
        arrivals: when packets arrive, none before its predecessor; arrays of floats are computed in floats,
            all else exactly.
        lengths: above 0.
        rate: tokens for each unit of time, above 0.
        burst: the depth of the bucket, 0 or more.

    Raises:
        InputError: all that is wrong with the arguments.
    """
    r, b = exact(rate), exact(burst)
    if in_floats(arrivals, lengths):
        _, costs, times = float_trace(arrivals, lengths, r, b)
        passed, found = _police(times.tolist(), costs.tolist(), float(b))
        return PolicedFloats(np.array(passed, bool), np.array(found, float))
    trace = whole_trace(arrivals, lengths, r, b)
    return Policed(trace, *_police(trace.times, trace.costs, trace.depth))


def _police(times: list[N], costs: list[N], depth: N) -> tuple[list[bool], list[N]]:
    conforms: list[bool] = []
    found: list[N] = []
    empty = -depth
    for time, cost in zip(times, costs, strict=True):
        full = time - depth
        if empty < full:
            empty = full
        tokens = time - empty
        found.append(tokens)
        conforms.append(cost <= tokens)
        if cost <= tokens:
            empty += cost
    return conforms, found


@dataclass(frozen=True)
class Shaped:
    """What a shaper did with a trace, exactly."""

    trace: WholeTrace
    rate: Fraction
    sent: list[int | None]
    """When each packet left, in units of the trace; None for one that never does."""
    found: list[int]
    """What the bucket held when its turn came, in units of the trace."""

    @cached_property
    def departs(self) -> list[Fraction | None]:
        """When each packet leaves, in the unit of time; None for one that is longer than the bucket."""
        second = self.trace.unit / self.rate
        return [None if one is None else self.trace.begin + one * second for one in self.sent]

    @cached_property
    def tokens_before(self) -> list[Fraction]:
        """What the bucket held when the packet's turn came, in the unit of length."""
        return [self.trace.amount(units) for units in self.found]


@dataclass(frozen=True)
class ShapedFloats:
    """What a shaper did with a trace of floats; a packet that never leaves departs at NaN."""

    departs: Floats
    tokens_before: Floats


def shape(arrivals: Numbers, lengths: Numbers, rate: Number, burst: Number) -> Shaped | ShapedFloats:
    """Let a packet wait until the bucket has its length in tokens, in the order of arrival.

    A packet's turn comes when it arrives, or when the one before it leaves, if that is later. One that is
    longer than the bucket is never sent, takes no tokens and holds nobody up.

    Args and errors are those of :func:`police`. With floats it is computed for all packets at once: without
    losses the bucket is a queue, whose departures are sums and running maxima (Lindley 1952).
    """
    r, b = exact(rate), exact(burst)
    if in_floats(arrivals, lengths):
        return _shape_floats(*float_trace(arrivals, lengths, r, b), float(r), float(b))
    trace = whole_trace(arrivals, lengths, r, b)
    depth = trace.depth
    sent: list[int | None] = []
    found = []
    empty, left = -depth, 0
    for time, cost in zip(trace.times, trace.costs, strict=True):
        turn = max(time, left)
        empty = max(empty, turn - depth)
        found.append(turn - empty)
        if cost > depth:
            sent.append(None)
            continue
        empty += cost
        left = max(turn, empty)
        sent.append(left)
    return Shaped(trace, r, sent, found)


def _shape_floats(
    arrivals: Floats, lengths: Floats, times: Floats, rate: float, depth: float
) -> ShapedFloats:
    never = lengths > depth
    costs = np.where(never, 0.0, lengths)
    taken = np.cumsum(costs)
    empty = taken + np.maximum.accumulate(times - depth - (taken - costs))
    left = np.maximum(times, empty)
    turn = np.maximum(times, np.concatenate((times[:1], left[:-1])))
    waits = empty > times
    departs = np.where(waits, arrivals + (empty - times) / rate, arrivals)
    departs[never] = np.nan
    return ShapedFloats(departs, np.minimum(turn - (empty - costs), depth))


def smallest_burst(arrivals: Numbers, lengths: Numbers, rate: Number) -> Fraction | float:
    """The depth of the smallest bucket with which every packet of a trace conforms; 0 for none.

    max over i <= j of (l_i + … + l_j) − r·(t_j − t_i): what came from packet i to j, less the tokens of that
    time. It is the most that a queue served at the rate would have held (Cruz 1991, part I).

    Returns:
        a fraction, exact: with any less a packet fails. Of arrays of floats a float, right to rounding.

    Raises:
        InputError: as :func:`police`.
    """
    r = exact(rate)
    if in_floats(arrivals, lengths):
        _, sizes, instants = float_trace(arrivals, lengths, r, Fraction(0))
        came = np.cumsum(sizes)
        return float(np.max(came - instants - np.minimum.accumulate(came - sizes - instants), initial=0.0))
    trace = whole_trace(arrivals, lengths, r, Fraction(0))
    held = most = last = 0
    for time, cost in zip(trace.times, trace.costs, strict=True):
        held -= time - last
        held = held + cost if held > 0 else cost
        last = time
        if held > most:
            most = held
    return trace.amount(most)


@dataclass(frozen=True, slots=True)
class LongestBurst:
    """How long, and how much, passes a full bucket at a peak rate."""

    duration: Fraction
    amount: Fraction


def longest_burst(peak: Number, rate: Number, burst: Number) -> LongestBurst | None:
    """What a full bucket lets through at a peak rate p without a break: b/(p − r) long, p·b/(p − r) in all.

    Traffic is a fluid; see :func:`packets_at_peak` for packets (Tanenbaum 2003, section 5.4).

    Args:
        peak: above 0, in the unit of rate.
        rate: above 0.
        burst: 0 or more.

    Returns:
        None where the peak is no higher than the rate: it passes for ever.

    Raises:
        ValueError: one of them is not a finite number.
    """
    p, r, b = exact(peak), exact(rate), exact(burst)
    return None if p <= r else LongestBurst(b / (p - r), p * b / (p - r))


def packets_at_peak(peak: Number, rate: Number, burst: Number, length: Number) -> int | None:
    """How many packets of a length conform back to back at a peak rate; None if all do.

    Packet n comes n − 1 packets' times after the first, so n·l − r·(n − 1)·l/p <= b must hold:
    1 + floor((b − l) / (l·(1 − r/p))).
    """
    p, r, b, size = exact(peak), exact(rate), exact(burst), exact(length)
    if b < size:
        return 0
    return None if p <= r else int((b - size) / (size * (1 - r / p))) + 1
