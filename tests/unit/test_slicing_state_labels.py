"""One number names a slice: in DSCPs, queues and cookies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.policy.model import MAX_FLOWS, MAX_SLICES, Enforcement
from fairslice.slicing.state.labels import (
    BEST_EFFORT,
    COOKIE_OWNER,
    COOKIE_OWNER_MASK,
    FLOW_METERS,
    RETURN_METERS,
    Cookie,
    Role,
    dscp_of,
    is_our_meter,
    queue_of,
)

COOKIES = st.builds(Cookie, st.sampled_from(Role), st.integers(0, MAX_SLICES), st.integers(0, MAX_FLOWS))
ROLE_SHIFT = 40


@given(COOKIES)
def test_a_cookie_reads_back(cookie: Cookie) -> None:
    number = int(cookie)
    assert Cookie.read(number) == cookie
    assert 0 <= number < 1 << 64
    assert number & COOKIE_OWNER_MASK == COOKIE_OWNER


@given(COOKIES, COOKIES)
def test_no_two_cookies_are_alike(one: Cookie, other: Cookie) -> None:
    assert (int(one) == int(other)) == (one == other)


@given(st.integers(0, (1 << 64) - 1).filter(lambda number: number & COOKIE_OWNER_MASK != COOKIE_OWNER))
def test_a_strangers_cookie_is_not_ours(number: int) -> None:
    assert Cookie.read(number) is None


@given(COOKIES, st.integers(48, 63))
def test_one_bit_of_another_owner_is_another_owner(cookie: Cookie, bit: int) -> None:
    assert Cookie.read(int(cookie) ^ 1 << bit) is None


@pytest.mark.parametrize("role", sorted(set(range(256)) - set(Role))[::25])
def test_a_role_that_is_none_is_not_ours(role: int) -> None:
    assert Cookie.read(COOKIE_OWNER | role << ROLE_SHIFT) is None


def test_every_slice_has_a_mark_and_a_queue_of_its_own() -> None:
    """The DSCP is a field of 6 bits (RFC 2474); 0 is what an unmarked packet has."""
    numbers = range(MAX_SLICES + 1)
    marks = [dscp_of(number) for number in numbers]
    assert len(set(marks)) == len(marks)
    assert all(0 <= mark < 1 << 6 for mark in marks)
    assert dscp_of(BEST_EFFORT) == 0
    assert len({queue_of(number) for number in numbers}) == MAX_SLICES + 1


@pytest.mark.parametrize("number", [1, 63])
def test_a_slice_that_only_polices_has_no_queue_of_its_own(number: int) -> None:
    assert queue_of(number, Enforcement.POLICE) == queue_of(BEST_EFFORT)
    assert queue_of(number, Enforcement.SHAPE) == queue_of(number, Enforcement.BOTH) == queue_of(number)
    assert queue_of(number) != queue_of(BEST_EFFORT)


def test_meters_of_flows_and_of_acknowledgements_are_ours_and_apart() -> None:
    flows = range(FLOW_METERS + 1, FLOW_METERS + MAX_FLOWS + 1)
    returns = range(RETURN_METERS + 1, RETURN_METERS + MAX_FLOWS + 1)
    assert flows[-1] < returns[0]
    # Linux, net/openvswitch/meter.h: DP_METER_NUM_MAX.
    assert returns[-1] < 200_000
    for meters in (flows, returns):
        assert is_our_meter(meters[0])
        assert is_our_meter(meters[-1])
        assert not is_our_meter(meters[0] - 1)
        assert not is_our_meter(meters[-1] + 1)
    assert not is_our_meter(0)
    assert not is_our_meter(1)
