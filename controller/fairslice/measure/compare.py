"""Allocated against measured: errors, Jain's index, and a verdict. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fairslice.measure.measurement import Measured
from fairslice.measure.notes import below_notes, busy_note, overload_note, overloads, sum_note
from fairslice.measure.resolution import SHORT, judge, relative_error, resolution_of, why_not
from fairslice.measure.results import (
    Busy,
    FlowResult,
    HostResult,
    Judged,
    LinkResult,
    NotMeasured,
    Passed,
    RunResult,
    Settings,
    SliceResult,
    Verdict,
)
from fairslice.naming import flow_id
from fairslice.units import format_duration, format_rate, is_nothing

MACHINE_BUSY = 0.95
"""A machine with its processors busier than this may have decided the rates itself."""
SWITCH_BUSY = 0.985
"""So may a switch's thread. The userspace datapath's takes 0.97 of a processor as soon as packets always wait
for it, with rates still exact, since it turns the faster the less it finds."""
TOLERANCE = 0.05


def jain_index(pairs: Iterable[tuple[float, float]]) -> float | None:
    """Jain's index of fairness of (wire, expected) pairs: (Σx)² / (n·Σx²) with x = wire / expected.

    What is expected is the allocation, or what is sent, if that is less. 1 is fair, 1/n is all for one. It is
    not defined, None, if nothing is expected of any flow or nothing moved.

    References:
        R. Jain, D. Chiu, W. Hawe, A quantitative measure of fairness and discrimination for resource
        allocation in shared computer systems, DEC-TR-301, 1984 (x is the rate over the fair rate).
    """
    shares = [wire / expected for wire, expected in pairs if not is_nothing(expected)]
    largest = max(shares, default=0.0)
    if largest == 0:
        return None
    # Scaled so that no square overflows or vanishes.
    scaled = [share / largest for share in shares]
    index = math.fsum(scaled) ** 2 / (len(scaled) * math.fsum(share * share for share in scaled))
    return min(1.0, index)


def compare(
    flows: Sequence[Measured],
    links: Sequence[LinkResult] = (),
    *,
    policy: str,
    topology: str,
    datapath: str,
    framework: str,
    generation: int,
    created: str,
    window_s: float,
    tolerance: float = TOLERANCE,
    busy: Busy | None = None,
    notes: Sequence[str] = (),
    timings_s: Mapping[str, float] | None = None,
    not_measured: Sequence[NotMeasured] = (),
    hosts: Sequence[HostResult] = (),
    doubts: Sequence[str] = (),
    asked_s: float | None = None,
    settings: Settings | None = None,
) -> RunResult:
    """Judge a run.

    A flow passes if its absolute error is at most ``tolerance``, as far as the measurement lets one say
    (:mod:`fairslice.measure.resolution`). ``shape`` gives a slice one queue on a link and leaves its flows
    there to TCP, so a shaped slice of several flows is judged on their sum. A flow whose sender was told to
    send less than its allocation is judged against that.

    The verdict is "out of tolerance" if a flow is off, "can't tell" if none is but of some it can't be told,
    and "fair" otherwise. If something is off and the machine was busy (:data:`MACHINE_BUSY`,
    :data:`SWITCH_BUSY`), it may be to blame: "cpu-bound". Nothing can be told of a run with ``doubts``, or
    whose window is much shorter than the ``asked_s`` that were asked for.

    Raises:
        ValueError: a rate that is negative or not finite, or a window that is not above 0.
    """
    _check(flows, window_s)
    groups: dict[str, list[Measured]] = {}
    for flow in flows:
        groups.setdefault(flow.slice, []).append(flow)
    by_sum = {name for name, group in groups.items() if _judged(group) == "slice"}
    limits = _Limits(tolerance, window_s)
    slices = {name: _slice(name, group, name in by_sum, limits) for name, group in groups.items()}
    results = tuple(
        _flow(flow, place, slices[flow.slice] if flow.slice in by_sum else None, limits)
        for place, flow in enumerate(flows, start=1)
    )
    whole = list(doubts)
    if asked_s is not None and window_s < SHORT * asked_s:
        whole.append(
            f"the window was {format_duration(window_s)} long, of {format_duration(asked_s)} asked for"
        )
    off = any(flow.passed is False for flow in results)
    beyond = [flow for flow in flows if _got_more_than_was_sent(flow, limits)]
    if off and beyond:
        # Nobody receives what was not sent: the counters are not those of the window, for other flows either.
        whole.append(
            f"the receivers of {len(beyond)} of {len(flows)} flows got more data than the switches counted "
            "frames, so that counters and time don't fit together; a machine that has to wait does that"
        )
    if whole:
        # Nothing can be told: neither that something passed.
        results = tuple(replace(flow, passed=None) for flow in results)
        slices = {name: replace(one, passed=None) for name, one in slices.items()}
    told_of: list[FlowResult | SliceResult] = [flow for flow in results if flow.judged == "flow"]
    told_of += [slices[name] for name in by_sum]
    errors = [abs(one.error) for one in told_of if one.passed is not None]
    too_busy = busy is not None and (busy.machine > MACHINE_BUSY or busy.switch_thread > SWITCH_BUSY)
    verdict: Verdict = "fair"
    if whole or any(flow.doubt for flow in results):
        verdict = "can't tell"
    if off and not whole:
        verdict = "cpu-bound" if too_busy else "out of tolerance"
    told = [overload_note(flow, flows) for flow in flows if overloads(flow)]
    told += below_notes(flows)
    told += [sum_note(slices[name]) for name in groups if name in by_sum]
    if too_busy and busy is not None:
        told.append(busy_note(busy, verdict == "fair"))
    return RunResult(
        policy=policy,
        topology=topology,
        datapath=datapath,
        framework=framework,
        generation=generation,
        created=created,
        tolerance=tolerance,
        window_s=window_s,
        busy=busy,
        flows=results,
        slices=tuple(slices.values()),
        links=tuple(links),
        jain_index=_jain(flows),
        max_error=max(errors, default=None),
        verdict=verdict,
        notes=(*told, *notes),
        timings_s=dict(timings_s or {}),
        not_measured=tuple(not_measured),
        hosts=tuple(hosts),
        doubts=tuple(whole),
        asked_s=asked_s,
        settings=settings,
    )


def _check(flows: Sequence[Measured], window_s: float) -> None:
    if not (math.isfinite(window_s) and window_s > 0):
        raise ValueError(f"the window is {window_s} s; expected more than 0 s")
    for flow in flows:
        for name in ("allocated_bps", "wire_bps", "offered_bps", "goodput_bps", "uncertain_bits"):
            rate: float | None = getattr(flow, name)
            if rate is not None and not (math.isfinite(rate) and rate >= 0):
                raise ValueError(f"{flow.name}: {name} is {rate}; expected a finite rate of at least 0")


def _judged(group: Sequence[Measured]) -> Judged:
    return "slice" if len(group) > 1 and all(flow.enforcement == "shape" for flow in group) else "flow"


def _jain(flows: Iterable[Measured]) -> float | None:
    return jain_index((flow.wire_bps, flow.expected_bps) for flow in flows)


@dataclass(frozen=True, slots=True)
class _Limits:
    tolerance: float
    window_s: float

    def window_of(self, group: Iterable[Measured]) -> float:
        """The shortest of the windows of some flows."""
        return min(self.window_s if flow.window_s is None else flow.window_s for flow in group)

    def judge(self, group: Sequence[Measured]) -> tuple[Passed, float, str]:
        """Whether the sum of flows is within the tolerance, the resolution, and why that can't be told."""
        expected_bps = math.fsum(flow.expected_bps for flow in group)
        error = relative_error(math.fsum(flow.wire_bps for flow in group), expected_bps)
        if is_nothing(expected_bps):
            return error <= 0, 0.0, ""
        uncertain_bits = math.fsum(flow.uncertain_bits for flow in group)
        window_s = self.window_of(group)
        resolution = resolution_of(uncertain_bits, expected_bps, window_s)
        found = judge(error, resolution, self.tolerance)
        if found != "can't tell":
            return found == "within", resolution, ""
        return (
            None,
            resolution,
            why_not(error, uncertain_bits, expected_bps, window_s, self.tolerance),
        )


def _slice(name: str, group: Sequence[Measured], by_sum: bool, limits: _Limits) -> SliceResult:
    allocated = math.fsum(flow.allocated_bps for flow in group)
    wire = math.fsum(flow.wire_bps for flow in group)
    expected = math.fsum(flow.expected_bps for flow in group)
    error = relative_error(wire, expected)
    passed, resolution, doubt = limits.judge(group)
    own = [_judged_flow(flow, limits) for flow in group]
    if by_sum:
        passed, doubt = _with_doubts(passed, doubt, error, group, limits)
    else:
        off = any(ok is False for ok, _, _ in own)
        passed = False if off else True if all(ok for ok, _, _ in own) else None
        doubt = "" if off else next((why for _, _, why in own if why), "")
    return SliceResult(
        slice=name,
        enforcement=group[0].enforcement,
        flows=len(group),
        allocated_bps=allocated,
        wire_bps=wire,
        error=error,
        jain_index=_jain(group),
        passed=passed,
        resolution=resolution,
        doubt=doubt,
        expected_bps=expected,
    )


def _judged_flow(flow: Measured, limits: _Limits) -> tuple[Passed, float, str]:
    error = relative_error(flow.wire_bps, flow.expected_bps)
    passed, resolution, doubt = limits.judge((flow,))
    passed, doubt = _with_doubts(passed, doubt, error, (flow,), limits)
    return passed, resolution, doubt


def _got_more_than_was_sent(flow: Measured, limits: _Limits) -> bool:
    unsure_bps = flow.uncertain_bits / limits.window_of((flow,))
    return flow.goodput_bps is not None and flow.goodput_bps > flow.wire_bps + unsure_bps


def _with_doubts(
    passed: Passed, doubt: str, error: float, group: Sequence[Measured], limits: _Limits
) -> tuple[Passed, str]:
    """The same with what is known besides the numbers: what spoils a flow, and what excuses an error."""
    for flow in group:
        if flow.doubt:
            return None, flow.doubt
        if _got_more_than_was_sent(flow, limits):
            return None, (
                f"its receiver got {format_rate(flow.goodput_bps or 0.0)} of data, more than the "
                f"{format_rate(flow.wire_bps)} of frames that the switches counted"
            )
    if not passed:
        excuses = [flow.if_low if error < 0 else flow.if_high for flow in group]
        why = next(filter(None, excuses), doubt)
        return None if why else False, why
    return True, ""


def _flow(flow: Measured, place: int, judged_by: SliceResult | None, limits: _Limits) -> FlowResult:
    error = relative_error(flow.wire_bps, flow.expected_bps)
    passed, resolution, doubt = _judged_flow(flow, limits)
    return FlowResult(
        number=flow.number or place,
        id=flow.id or flow_id(flow.slice, flow.source, flow.destination, flow.match),
        slice=flow.slice,
        source=flow.source,
        destination=flow.destination,
        match=flow.match,
        protocol=flow.protocol,
        enforcement=flow.enforcement,
        offered_bps=flow.offered_bps,
        allocated_bps=flow.allocated_bps,
        wire_bps=flow.wire_bps,
        goodput_bps=flow.goodput_bps,
        error=error,
        bottleneck=flow.bottleneck,
        retransmits=flow.retransmits,
        loss=flow.loss,
        sent_bps=flow.sent_bps,
        metered_bps=flow.metered_bps,
        queue_dropped_bps=flow.queue_dropped_bps,
        cable_lost_bps=flow.cable_lost_bps,
        lost_bps=flow.lost_bps,
        judged="flow" if judged_by is None else "slice",
        passed=passed if judged_by is None else judged_by.passed,
        resolution=resolution,
        doubt=doubt if judged_by is None else judged_by.doubt,
        expected_bps=flow.expected_bps,
        congestion_control=flow.congestion_control,
        streams=flow.streams,
    )
