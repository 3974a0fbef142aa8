"""From what packet tests counted to findings. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairslice.lab.doctor.findings import Finding
from fairslice.units import FULL_FRAME_BYTES, format_duration, format_rate

FRAME_BITS = FULL_FRAME_BYTES * 8
TRUSTED = 0.5
"""Share of what two switches forward at most that a run may ask for: docs/doctor.md says why."""
SWITCHES_OF_A_LONG_PATH = 5
"""A fat tree's: edge, aggregation, core, aggregation, edge."""
ENOUGH_BPS = 30e6
"""The bottleneck of the dumbbell that comes with fairslice: less, over two switches, is worth a warning."""

_PASSED_SHARE = 0.9
_TOLERANCE = 0.25
_LEAST_DELAY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sent:
    """What a host sent: full frames, and the time from the first to the last."""

    frames: int
    lasted_s: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a host received: frames, the time from the first to the last, and the longest way of one."""

    frames: int
    lasted_s: float
    longest_delay_s: float


@dataclass(frozen=True, slots=True)
class MeterTest:
    """Full frames sent through a meter at ``overload`` times its rate, and what came of them."""

    sent: Sent
    overload: float
    rate_bps: float
    burst_bits: float
    arrived: Arrived

    @property
    def expected(self) -> float:
        """Frames that a meter lets through: a full bucket, and its rate (OpenFlow 1.3.5 §5.7.1)."""
        return (self.rate_bps * self.sent.lasted_s + self.burst_bits) / FRAME_BITS


@dataclass(frozen=True, slots=True)
class QueueTest:
    """Full frames sent through a queue at more than its rate, and what came of them.

    ``class_frames`` is what the queue's HTB class counted; None: there is no such class. ``buffer_s`` is how
    long the queue is.
    """

    rate_bps: float
    buffer_s: float
    arrived: Arrived
    class_frames: int | None


@dataclass(frozen=True, slots=True)
class ForwardingTest:
    """A greedy TCP connection through ``switches`` switches without limits, for ``lasted_s`` seconds."""

    rate_bps: float
    switches: int

    @property
    def frame_hops_per_s(self) -> float:
        """Full frames times switches that they crossed; acknowledgements went along and are not counted."""
        return self.rate_bps / FRAME_BITS * self.switches

    def trusted_bps(self, switches: int) -> float:
        """The highest total rate of flows over that many switches each that can be trusted."""
        return TRUSTED * self.frame_hops_per_s / switches * FRAME_BITS


def judge_meter(test: MeterTest, datapath: str) -> Finding:
    """Whether a meter drops what is above its rate, and no more."""
    arrived, expected = test.arrived.frames, test.expected
    found = (
        f"{datapath}: of {test.sent.frames} frames at {test.overload:g} times a meter's "
        f"{format_rate(test.rate_bps)} {arrived} arrived, {expected:.0f} expected"
    )
    if not arrived:
        return Finding("fail", "meters", f"{found}; nothing passes", _other_switch(datapath))
    if arrived > (1 + _TOLERANCE) * expected:
        how = "does not drop" if arrived >= _PASSED_SHARE * test.sent.frames else "drops too little"
        return Finding("fail", "meters", f"{found}; the meter {how}", _other_switch(datapath))
    if arrived < (1 - _TOLERANCE) * expected:
        fix = "try again when less else runs; if it stays, " + _other_switch(datapath)
        return Finding("warn", "meters", f"{found}; less passes than the meter grants", fix)
    return Finding("ok", "meters", found)


def judge_queue(test: QueueTest, datapath: str) -> Finding:
    """Whether frames go through the queue that they are meant for, at its rate, and wait there."""
    seen = test.arrived
    rate_bps = (seen.frames - 1) * FRAME_BITS / seen.lasted_s if seen.lasted_s > 0 else 0.0
    found = (
        f"{datapath}: {format_rate(rate_bps)} through a queue of {format_rate(test.rate_bps)}, longest wait "
        f"{format_duration(round(seen.longest_delay_s, 4))} of {format_duration(test.buffer_s)}"
    )
    if test.class_frames is None:
        fix = "use a kernel with sch_htb: fairslice vm has it"
        return Finding("fail", "queues", f"{datapath}: Open vSwitch made no HTB class", fix)
    if test.class_frames < _PASSED_SHARE * seen.frames or not test.class_frames:
        by = "cls_u32" if datapath == "userspace" else "set_queue"
        return Finding(
            "fail",
            "queues",
            f"{found}; of {seen.frames} frames {test.class_frames} went through it",
            f"use a kernel with {by}: fairslice vm has it",
        )
    if rate_bps > (1 + _TOLERANCE) * test.rate_bps:
        return Finding("fail", "queues", f"{found}; the queue does not limit", _other_switch(datapath))
    if seen.longest_delay_s < _LEAST_DELAY_SHARE * test.buffer_s:
        return Finding("fail", "queues", f"{found}; frames do not wait", _other_switch(datapath))
    if rate_bps < (1 - _TOLERANCE) * test.rate_bps:
        fix = "try again when less else runs"
        return Finding("warn", "queues", f"{found}; slower than it should be", fix)
    return Finding("ok", "queues", found)


def judge_offloads(on: Mapping[str, Sequence[str]], passed: bool, datapath: str) -> Finding:
    """From offloads that are on, by host, and whether a TCP connection carried anything."""
    listed = "; ".join(f"{host}: {', '.join(names)} on" for host, names in on.items() if names)
    fix = "use an ethtool and a kernel that can switch them off (ethtool -K INTERFACE tx off tso off gso off)"
    if not passed:
        found = f"{datapath}: TCP does not pass through two switches" + (f"; {listed}" if listed else "")
        return Finding("fail", "offloads", found, fix)
    if listed and datapath == "userspace":
        return Finding("fail", "offloads", f"{datapath}: {listed}", fix)
    found = f"{datapath}: TCP passes through two switches; {listed or 'off at the hosts'}"
    return Finding("ok", "offloads", found)


def judge_headroom(test: ForwardingTest, datapath: str) -> Finding:
    """The highest total rate that can be trusted."""
    if not math.isfinite(test.rate_bps) or test.rate_bps <= 0:
        return Finding("fail", "processor headroom", f"{datapath}: nothing was forwarded", "see offloads")
    near, far = (
        f"{format_rate(_rounded(test.trusted_bps(switches)))} over {switches} switches"
        for switches in (test.switches, SWITCHES_OF_A_LONG_PATH)
    )
    found = (
        f"{datapath}: trust totals up to {near}, {far}; at most "
        f"{test.frame_hops_per_s:,.0f} full frames times switches a second"
    )
    if test.trusted_bps(test.switches) < ENOUGH_BPS:
        fix = (
            "run topologies with slower links, end what else runs, or use a machine with more or faster cores"
        )
        return Finding("warn", "processor headroom", found, fix)
    return Finding("ok", "processor headroom", found)


def _rounded(rate_bps: float) -> float:
    """To two digits: the measurement has no more."""
    return float(f"{rate_bps:.2g}")


def _other_switch(datapath: str) -> str:
    other = "kernel (`fairslice vm`)" if datapath == "userspace" else "user"
    return f"install Open vSwitch 3.1 or newer, or use --datapath {other}"
