"""TCP behind a policer: the formula, against rounds of packets and against what was measured."""

import re
from pathlib import Path

import pytest

from fairslice.models.buckets import knee_s, policed_share
from fairslice.models.buckets.goodput import FRAME_PAYLOAD, LINUX_TIMEOUT_S

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "policing-and-shaping.md"
ROW = re.compile(r"^\| (\d+) (ms|s) \| (\.\d+) \| (\.\d+) \| (\.\d+) \|", re.MULTILINE)
MEASURED = {
    int(value) / (1000 if unit == "ms" else 1): tuple(map(float, shares))
    for value, unit, *shares in ROW.findall(PAGE.read_text(encoding="utf-8"))
}
"""Goodput over rate by the burst in seconds: cubic, reno, bbr."""


def rounds(
    burst_s: float, frames_a_second: float, rtt_s: float, timeout_s: float, duration_s: float
) -> float:
    """Frames that pass over those that the rate allows, round trip by round trip, in whole frames.

    A window that doubles up to half of the one that was lost, then grows by one; after a loss silence.
    """
    depth = burst_s * frames_a_second
    tokens, now, passed, window, threshold = 0.0, 0.0, 0, 1, 10**9
    while now < duration_s:
        through = min(window, int(tokens))
        passed += through
        lost = through < window
        wait = rtt_s
        if lost:
            threshold, window, wait = max(2, window // 2), 1, timeout_s
        else:
            window = 2 * window if window < threshold else window + 1
        tokens = min(depth, tokens - through + wait * frames_a_second)
        now += wait
    return passed / (frames_a_second * now)


def test_the_formula_by_hand() -> None:
    assert policed_share(0.05) == pytest.approx(0.25, rel=1e-12)
    assert policed_share(0.05, timeout_s=0.1, climb_s=0.1) == pytest.approx(0.75, rel=1e-12)
    assert policed_share(0.0) == 0
    assert policed_share(0.2) == policed_share(7) == 1


def test_the_knee_is_at_the_timeout() -> None:
    assert knee_s() == LINUX_TIMEOUT_S
    for share in (0.0, 0.25, 0.9, 1.0):
        assert policed_share(knee_s(share)) == pytest.approx(share, abs=1e-12)
    just_below = knee_s() * (1 - 1e-6)
    assert policed_share(just_below) < 1


@pytest.mark.parametrize("rtt_s", [0.0002, 0.002])
@pytest.mark.parametrize("burst_s", [0.02, 0.05, 0.1, 0.15, 0.25, 0.5])
def test_rounds_of_packets_come_to_the_same(burst_s: float, rtt_s: float) -> None:
    """Whole frames cost up to one a round, and the climb adds what comes meanwhile."""
    frames_a_second = 20e6 / (1514 * 8)
    told = rounds(burst_s, frames_a_second, rtt_s, LINUX_TIMEOUT_S, 400.0)
    floor = policed_share(burst_s) - 2 / (frames_a_second * LINUX_TIMEOUT_S)
    # The window grows by doubling and by ones, through at most the frames that the bucket gives it.
    longest_climb = rtt_s * (burst_s + LINUX_TIMEOUT_S) * frames_a_second
    assert floor <= told <= policed_share(burst_s, climb_s=longest_climb) + 1e-9


def test_what_was_measured_is_read() -> None:
    assert list(MEASURED) == [0.02, 0.05, 0.1, 0.25, 1.0]


@pytest.mark.parametrize("burst_s", [burst for burst in MEASURED if burst >= 0.05])
@pytest.mark.parametrize("sender", range(3), ids=["cubic", "reno", "bbr"])
def test_from_50_ms_on_the_formula_is_near_what_was_measured(burst_s: float, sender: int) -> None:
    """Within .08 of the rate; the mean of the twelve differences is below .02."""
    assert abs(MEASURED[burst_s][sender] - policed_share(burst_s, payload=FRAME_PAYLOAD)) <= 0.08


def test_the_differences_have_a_small_mean() -> None:
    apart = [
        share - policed_share(burst_s, payload=FRAME_PAYLOAD)
        for burst_s, shares in MEASURED.items()
        if burst_s >= 0.05
        for share in shares
    ]
    assert len(apart) == 12
    assert abs(sum(apart) / len(apart)) < 0.02


def test_at_20_ms_the_formula_is_only_a_floor() -> None:
    """bbr is at it. cubic and reno repair small windows without the timer, and get up to .24 more."""
    floor = policed_share(0.02, payload=FRAME_PAYLOAD)
    cubic, reno, bbr = MEASURED[0.02]
    assert abs(bbr - floor) <= 0.01
    for share in (cubic, reno):
        assert floor < share <= floor + 0.24


@pytest.mark.parametrize("arguments", [(-0.1, {}), (1, {"timeout_s": 0}), (1, {"climb_s": -1})])
def test_times_out_of_range_are_refused(arguments: tuple[float, dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="expected a burst"):
        policed_share(arguments[0], **arguments[1])


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one from 0 to 1"):
        knee_s(1.1)
