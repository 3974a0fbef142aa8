"""Where datagrams went: parts that add up to what was missed, and none more than its counter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.lab.trial.losses import losses
from fairslice.measure.rates import FlowRates

M = 1e6
RATE = st.floats(0, 1e10)


def rates(offered: float, metered: float = 0.0, queued: float = 0.0) -> FlowRates:
    return FlowRates(
        wire_bps=0.0, offered_bps=offered, metered_bps=metered, window_s=6.0, queue_dropped_bps=queued
    )


@given(RATE, st.floats(0, 1), RATE, RATE, RATE)
def test_the_parts_add_up_to_what_was_missed(
    sent: float, loss: float, offered: float, metered: float, queued: float
) -> None:
    found = losses(sent, loss, rates(offered, metered, queued))
    parts = (found.metered_bps, found.queue_dropped_bps, found.cable_lost_bps, found.lost_bps)
    assert all(part >= 0 for part in parts)
    assert sum(parts) == pytest.approx(loss * sent, abs=1e-6)
    assert found.metered_bps <= metered
    assert found.queue_dropped_bps <= queued
    assert found.cable_lost_bps <= max(0.0, sent - offered)


def test_greedy_udp_at_its_meter_loses_nothing_in_the_network() -> None:
    found = losses(11 * M, 1 / 11, rates(11 * M, metered=1 * M))
    assert found.metered_bps == pytest.approx(1 * M)
    assert (found.queue_dropped_bps, found.cable_lost_bps) == (0, 0)
    assert found.lost_bps == pytest.approx(0, abs=1e-3)


def test_what_no_counter_explains_was_lost_in_the_network() -> None:
    found = losses(10 * M, 0.3, rates(9 * M, metered=0.5 * M, queued=0.5 * M))
    assert found.metered_bps == found.queue_dropped_bps == 0.5 * M
    assert found.cable_lost_bps == pytest.approx(1 * M)
    assert found.lost_bps == pytest.approx(1 * M)


def test_a_lossy_link_is_told_apart_from_what_is_dropped_on_purpose() -> None:
    """Above its allocation: the meter drops 2 of 10, the link 5 % of the rest."""
    found = losses(10 * M, 0.24, rates(10 * M, metered=2 * M), 0.0)
    assert (found.metered_bps, found.queue_dropped_bps, found.cable_lost_bps) == (2 * M, 0, 0)
    assert found.lost_bps == pytest.approx(0.4 * M)


def test_entries_that_are_counted_late_do_not_make_a_cable_lose() -> None:
    """4 % less than was sent is counted so far; the counters of the cable's ends agree."""
    found = losses(10 * M, 0.05, rates(9.6 * M), 0.0)
    assert found.cable_lost_bps == 0
    assert found.lost_bps == pytest.approx(0.5 * M)


def test_a_cable_that_lost_is_told_as_far_as_it_did() -> None:
    found = losses(10 * M, 0.5, rates(6 * M), 3 * M)
    assert found.cable_lost_bps == 3 * M
    assert found.lost_bps == pytest.approx(2 * M)
