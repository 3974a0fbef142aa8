"""Laws that every queue keeps, whatever its numbers."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairslice.models.queues import erlang_b, erlang_c, m_d_1, m_g_1, m_m_m, servers_for_blocking
from fairslice.models.queues.steady import SteadyState

LAW = settings(deadline=None, max_examples=100)
RATES = st.fractions(Fraction(1, 1000), 50, max_denominator=1000)
SERVERS = st.integers(1, 30)
PERCENTS = [Fraction(percent, 100) for percent in (5, 50, 95, 99)]


def check(found: SteadyState, arrivals: Fraction, service: Fraction, servers: int) -> None:
    """Little's law for those who wait and for all, the work that gets in, and probabilities that are some."""
    assert found.blocking is not None
    assert found.mean_wait_s is not None
    assert found.mean_delay_s is not None
    getting_in = arrivals * (1 - found.blocking)
    assert found.mean_waiting == getting_in * found.mean_wait_s
    assert found.mean_number == getting_in * found.mean_delay_s
    assert found.utilisation == getting_in / (servers * service)
    assert found.mean_delay_s == found.mean_wait_s + 1 / service
    for share in (found.utilisation, found.blocking, found.wait_probability):
        assert share is not None
        assert 0 <= share <= 1
    for times in (found.wait, found.delay):
        if times is None:
            continue
        some = [times.percentile(share) for share in PERCENTS]
        known = [one for one in some if one is not None]
        assert known == sorted(known)


@LAW
@given(RATES, RATES, SERVERS, st.integers(0, 40))
def test_finite_queues(arrivals: Fraction, service: Fraction, servers: int, places: int) -> None:
    found = m_m_m(arrivals, service, servers, servers + places)
    check(found, arrivals, service, servers)
    more = m_m_m(arrivals, service, servers, servers + places + 1)
    assert found.blocking is not None
    assert more.blocking is not None
    assert found.blocking > more.blocking
    if places == 0:
        assert found.blocking == erlang_b(arrivals / service, servers)


@LAW
@given(RATES, RATES, SERVERS)
def test_endless_queues(arrivals: Fraction, service: Fraction, servers: int) -> None:
    assume(arrivals < servers * service)
    found = m_m_m(arrivals, service, servers)
    check(found, arrivals, service, servers)
    assert found.wait_probability == erlang_c(arrivals / service, servers)
    # One fast server in place of many is better for the delay, and worse for the wait.
    fast = m_m_m(arrivals, servers * service)
    assert found.mean_delay_s is not None
    assert fast.mean_delay_s is not None
    assert found.mean_wait_s is not None
    assert fast.mean_wait_s is not None
    assert fast.mean_delay_s <= found.mean_delay_s
    assert fast.mean_wait_s >= found.mean_wait_s


@LAW
@given(RATES, RATES, st.fractions(0, 3, max_denominator=100))
def test_any_service(arrivals: Fraction, service: Fraction, variation: Fraction) -> None:
    assume(arrivals < service)
    found = m_g_1(arrivals, 1 / service, variation / service)
    check(found, arrivals, service, 1)
    constant = m_d_1(arrivals, service)
    check(constant, arrivals, service, 1)
    assert constant.mean_wait_s is not None
    assert found.mean_wait_s == constant.mean_wait_s * (1 + variation**2)


@LAW
@given(RATES, st.integers(1, 60))
def test_one_server_more_loses_less_and_one_erlang_more_loses_more(offered: Fraction, servers: int) -> None:
    lost = erlang_b(offered, servers)
    assert erlang_b(offered, servers + 1) < lost < erlang_b(offered + 1, servers)
    if lost > Fraction(1, 10**90):
        assert servers_for_blocking(offered, lost) == servers
    if offered < servers:
        assert lost < erlang_c(offered, servers)


@LAW
@given(RATES, RATES, SERVERS, st.fractions(Fraction(1, 100), 100))
def test_another_unit_of_time_changes_times_only(
    arrivals: Fraction, service: Fraction, servers: int, unit: Fraction
) -> None:
    assume(arrivals < servers * service)
    here, there = m_m_m(arrivals, service, servers), m_m_m(arrivals * unit, service * unit, servers)
    assert here.mean_number == there.mean_number
    assert here.wait_probability == there.wait_probability
    assert here.mean_delay_s is not None
    assert there.mean_delay_s == here.mean_delay_s / unit
