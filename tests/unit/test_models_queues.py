"""Queues in closed form: against balance equations, published tables, and where naive formulas fail."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import expm

from fairslice.errors import InputError
from fairslice.models.queues import (
    ConstantServiceWait,
    SteadyState,
    erlang_b,
    erlang_c,
    m_d_1,
    m_g_1,
    m_g_m_m,
    m_m_m,
    offered_for_blocking,
    offered_for_waiting,
    servers_for_blocking,
    servers_for_waiting,
)
from fairslice.models.queues import erlang as erlang_module
from fairslice.models.queues import general as general_module
from fairslice.models.queues import markovian as markovian_module
from fairslice.models.queues.times import ExponentialTimes, Later, OnlyHowMany, SameTime, Times, poisson

CLOSE = 1e-9
PERCENTS = [Fraction(percent, 100) for percent in (1, 50, 90, 95, 99)]


def percentile(times: Times | None, share: Fraction) -> float:
    assert times is not None
    found = times.percentile(share)
    assert found is not None
    return found


# Erlang's formulas.


def sums_of_powers(offered: Fraction, servers: int) -> list[Fraction]:
    return [offered**n / math.factorial(n) for n in range(servers + 1)]


@pytest.mark.parametrize("offered", [Fraction(0), Fraction(1, 3), Fraction(7, 2), Fraction(12)])
@pytest.mark.parametrize("servers", [0, 1, 2, 9, 40])
def test_blocking_is_erlang_s_quotient(offered: Fraction, servers: int) -> None:
    terms = sums_of_powers(offered, servers)
    exact = terms[-1] / sum(terms)
    assert erlang_b(offered, servers) == exact
    assert erlang_b(float(offered), servers) == pytest.approx(float(exact), rel=CLOSE)


@pytest.mark.parametrize(
    ("offered", "servers"), [(Fraction(1, 3), 1), (Fraction(7, 2), 4), (Fraction(12), 40)]
)
def test_waiting_is_erlang_s_quotient(offered: Fraction, servers: int) -> None:
    terms = sums_of_powers(offered, servers)
    terms[-1] *= servers / (servers - offered)
    exact = terms[-1] / sum(terms)
    assert erlang_c(offered, servers) == exact
    assert erlang_c(float(offered), servers) == pytest.approx(float(exact), rel=CLOSE)


RAPPAPORT = {
    2: ("0.153", "0.105", "0.065", "0.046"),
    4: ("0.869", "0.701", "0.535", "0.439"),
    5: ("1.36", "1.13", "0.900", "0.762"),
    10: ("4.46", "3.96", "3.43", "3.09"),
    20: ("12.0", "11.1", "10.1", "9.41"),
    24: ("15.3", "14.2", "13.0", "12.2"),
    70: ("56.1", "53.7", "51.0", "49.2"),
    100: ("84.1", "80.9", "77.4", "75.2"),
}
"""Most rows of a table of Rappaport, Wireless Communications: what may be offered, in erlang, for a blocking
of .01, .005, .002 and .001. Compared with what solutions of the book's problems quote, which is .005 with 5,
10, 20 and 100 servers; for the rest the book was not at hand."""

LUCENT = {3: 0.602, 5: 1.657, 11: 5.842, 23: 15.761, 31: 22.827, 57: 46.816, 81: 69.647, 89: 77.342}
"""Rows of Lucent's table of voice channels for a blocking of .02, as a course by G. Wagoner has it. Of its 45
rows six are off by more than their last digit, as misprints are (61 channels have 50.389 for 50.589)."""


@pytest.mark.parametrize("servers", RAPPAPORT)
def test_a_book_s_table_of_erlang_b(servers: int) -> None:
    for blocking, printed in zip((0.01, 0.005, 0.002, 0.001), RAPPAPORT[servers], strict=True):
        # It is right to its last digit, give or take one.
        last = 10.0 ** -len(printed.partition(".")[2])
        assert abs(offered_for_blocking(servers, blocking) - float(printed)) < last


@pytest.mark.parametrize("servers", LUCENT)
def test_a_manufacturer_s_table_of_erlang_b(servers: int) -> None:
    assert abs(offered_for_blocking(servers, 0.02) - LUCENT[servers]) < 0.001


@pytest.mark.parametrize(
    ("servers", "wait_probability", "printed"),
    [(8, 0.05, 3.87), (10, 0.01, 4.08)],
)
def test_a_book_s_table_of_erlang_c(servers: int, wait_probability: float, printed: float) -> None:
    """An example in the appendix of Dunlop, Girma and Irvine, Digital Mobile Communications and the TETRA
    System, 1999."""
    assert round(offered_for_waiting(servers, wait_probability), 2) == printed
    assert servers_for_waiting(printed - 0.01, wait_probability) == servers


def test_published_answers_of_a_calculator() -> None:
    """erlang.com: the manual for 15 lines and 1 %, and the makers in the forum for 1200/36 erlang and 1 %."""
    assert round(offered_for_blocking(15, 0.01), 3) == 8.108
    assert servers_for_blocking(1200 / 36, 0.01) == 45


@pytest.mark.parametrize(
    ("offered", "blocking", "lines"),
    [
        (Fraction(10), Fraction(1, 100), 18),
        (Fraction(10), Fraction(1, 20), 15),
        (Fraction(157, 10), Fraction(1, 100), 25),
    ],
)
def test_the_fewest_lines_by_sums_of_powers(offered: Fraction, blocking: Fraction, lines: int) -> None:
    too_few, enough = (sums_of_powers(offered, count) for count in (lines - 1, lines))
    assert enough[-1] / sum(enough) <= blocking < too_few[-1] / sum(too_few)
    assert servers_for_blocking(offered, blocking) == servers_for_blocking(float(offered), blocking) == lines


def test_a_thousand_servers_where_powers_and_factorials_overflow() -> None:
    with pytest.raises(OverflowError):
        float(math.factorial(1000))
    with pytest.raises(OverflowError):
        pow(900.0, 1000)
    for formula in (erlang_b, erlang_c):
        exact = formula(Fraction(900), 1000)
        assert formula(900.0, 1000) == pytest.approx(float(exact), rel=1e-12)
    terms = sums_of_powers(Fraction(900), 1000)
    assert erlang_b(Fraction(900), 1000) == terms[-1] / sum(terms)


def test_the_wait_near_a_full_group_where_the_usual_formula_cancels() -> None:
    offered = 1000 - Fraction(1, 10**9)
    exact = float(erlang_c(offered, 1000))
    blocking = erlang_b(float(offered), 1000)
    usual = blocking / (1 - float(offered) / 1000 * (1 - blocking))
    assert erlang_c(float(offered), 1000) == pytest.approx(exact, rel=1e-12)
    assert 0 < 1 - exact < 1e-7
    assert abs(usual - exact) > abs(erlang_c(float(offered), 1000) - exact)


def test_a_tie_is_decided_exactly() -> None:
    # Two servers lose exactly 2/5 of two erlang, and a third of one erlang waits for exactly two.
    assert servers_for_blocking(2, Fraction(2, 5)) == 2
    assert servers_for_blocking(2, Fraction(2, 5) - Fraction(1, 10**18)) == 3
    assert servers_for_waiting(1, Fraction(1, 3)) == 2
    assert servers_for_waiting(1, Fraction(1, 3) - Fraction(1, 10**18)) == 3


def test_no_calls_and_no_servers() -> None:
    assert servers_for_blocking(0, 1) == 0
    assert servers_for_blocking(0, 0.5) == 1
    assert servers_for_waiting(0, 0.5) == 1
    assert erlang_b(5.0, 0) == 1


@pytest.mark.parametrize("offered", [0.3, 8.0, 950.5])
@pytest.mark.parametrize("share", [1e-12, 0.01, 0.9])
def test_the_fewest_servers_are_the_fewest(offered: float, share: float) -> None:
    lost = servers_for_blocking(offered, share)
    assert erlang_b(offered, lost) <= share < erlang_b(offered, lost - 1)
    waits = servers_for_waiting(offered, share)
    assert erlang_c(offered, waits) <= share
    assert waits - 1 <= offered or erlang_c(offered, waits - 1) > share


@pytest.mark.parametrize("servers", [1, 7, 1000])
@pytest.mark.parametrize("share", [1e-9, 0.01, 0.7])
def test_the_most_that_may_be_offered(servers: int, share: float) -> None:
    assert erlang_b(offered_for_blocking(servers, share), servers) == pytest.approx(share, rel=CLOSE)
    assert erlang_c(offered_for_waiting(servers, share), servers) == pytest.approx(share, rel=CLOSE)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: erlang_b(-1.0, 3), "offered: found -1.0, expected a number from 0 up"),
        (lambda: erlang_b(math.nan, 3), "offered: found NaN, expected a number"),
        (lambda: erlang_b(1e101, 3), "offered: found 1e+101, expected a number from 1e-100 to 1e100"),
        (lambda: erlang_b(1.0, 1.5), "servers: found 1.5, expected a whole number from 0 to 1,000,000"),  # type: ignore[call-overload]
        (lambda: erlang_c(3.0, 3), "offered: found 3.0, expected a number below 3, the servers"),
        (lambda: servers_for_blocking(1, 0), "blocking: found 0, expected a number above 0"),
        (lambda: servers_for_blocking(1, 1.5), "blocking: found 1.5, expected a number up to 1"),
        (lambda: offered_for_blocking(1, 1), "blocking: found 1, expected a number below 1"),
        (
            lambda: servers_for_blocking(2e6, 0.01),
            "offered: found 2000000.0, expected what 1,000,000 servers",
        ),
        (lambda: servers_for_waiting(1e6, 0.01), "offered: found 1000000.0, expected what 1,000,000 servers"),
        (lambda: servers_for_waiting(999_999.5, 1e-9), "expected what 1,000,000 servers can serve"),
        (lambda: m_m_m(1, 0), "service_rate: found 0, expected a number above 0"),
        (lambda: m_m_m(1, 1, 0), "servers: found 0, expected a whole number from 1 to 1,000,000"),
        (lambda: m_m_m(1, 1, 3, 2), "capacity: found 2, expected 3 or more, as the servers are part of it"),
        (lambda: m_g_1(1, 1, -1), "sd_s: found -1, expected a number from 0 up"),
    ],
)
def test_wrong_arguments_are_told_by_name(call: Callable[[], object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)


# Exponential service.


def balanced(arrivals: Fraction, service: Fraction, servers: int, capacity: int) -> list[Fraction]:
    """Probabilities of 0, 1, … in the system: what goes up from n comes down from n + 1."""
    weights = [Fraction(1)]
    for n in range(1, capacity + 1):
        weights.append(weights[-1] * arrivals / (min(n, servers) * service))
    return [weight / sum(weights) for weight in weights]


SMALL = [
    (arrivals, service, servers, capacity)
    for arrivals, service in ((3, 10), (10, 10), (25, 10), (20, 10))
    for servers, capacity in ((1, 1), (1, 6), (2, 2), (2, 7), (4, 9))
]


@pytest.mark.parametrize(("arrivals", "service", "servers", "capacity"), SMALL)
def test_finite_queues_are_balanced(arrivals: int, service: int, servers: int, capacity: int) -> None:
    p = balanced(Fraction(arrivals), Fraction(service), servers, capacity)
    found = m_m_m(arrivals, service, servers, capacity)
    inside = 1 - p[-1]
    waiting = sum((n - servers) * p[n] for n in range(servers, capacity + 1))
    assert found.stable
    assert found.blocking == p[-1]
    assert found.utilisation == sum(min(n, servers) * one for n, one in enumerate(p)) / servers
    assert found.wait_probability == sum(p[servers:-1]) / inside
    assert found.mean_number == sum(n * one for n, one in enumerate(p))
    assert found.mean_waiting == waiting
    assert found.mean_wait_s == waiting / (arrivals * inside)
    assert found.mean_delay_s == found.mean_wait_s + Fraction(1, service)


@pytest.mark.parametrize(("arrivals", "service", "servers", "capacity"), SMALL)
def test_times_in_finite_queues_are_those_of_one_who_is_watched(
    arrivals: int, service: int, servers: int, capacity: int
) -> None:
    """Absorption of a chain of phases, by its matrix: others must leave, then his own service ends."""
    p = balanced(Fraction(arrivals), Fraction(service), servers, capacity)
    found = m_m_m(arrivals, service, servers, capacity)
    steps = capacity - servers + 1
    rates = np.zeros((steps, steps))
    start = np.zeros(steps)
    for n in range(capacity):
        start[max(0, n - servers + 1)] += float(p[n] / (1 - p[-1]))
    rates[0, 0] = -service
    for k in range(1, steps):
        rates[k, k], rates[k, k - 1] = -servers * service, servers * service
    assert found.delay is not None
    assert found.wait is not None
    for time_s in (0.0, 0.01, 0.1, 0.5, 2.0):
        there = start @ expm(rates * time_s)
        assert found.delay.tail(time_s) == pytest.approx(there.sum(), abs=1e-12)
        # Who waits is in the phases above his own service.
        waiting = start[1:] @ expm(rates[1:, 1:] * time_s)
        assert found.wait.tail(time_s) == pytest.approx(waiting.sum(), abs=1e-12)


ENDLESS = [(3, 10, 1), (999_999, 1_000_000, 1), (3, 2, 2), (19, 2, 10), (899, 1, 900)]


@pytest.mark.parametrize(("arrivals", "service", "servers"), ENDLESS)
def test_endless_queues(arrivals: int, service: int, servers: int) -> None:
    found = m_m_m(arrivals, service, servers)
    offered = Fraction(arrivals, service)
    waits = erlang_c(offered, servers)
    assert found.wait_probability == waits
    assert found.mean_wait_s == waits / (servers * service - arrivals)
    assert found.mean_number == offered + found.mean_wait_s * arrivals
    assert found.blocking == 0
    assert found.utilisation == offered / servers
    left = servers * service - arrivals
    for share in PERCENTS:
        wait = percentile(found.wait, share)
        assert wait == pytest.approx(max(0.0, math.log(waits / (1 - share)) / left), rel=CLOSE, abs=1e-15)


def test_a_load_of_nearly_one_where_floats_cancel() -> None:
    found = m_m_m(999_999, 1_000_000)
    assert found.mean_delay_s == 1
    assert found.mean_number == 999_999
    assert percentile(found.delay, Fraction(1, 2)) == pytest.approx(math.log(2), rel=1e-15)
    # 0.999999 is what is written, not the float that is nearest to it: 1 − ρ is a millionth.
    assert m_m_m(0.999999, 1).mean_delay_s == 1_000_000
    assert 1 / (1 - 0.999999) != 1_000_000


@pytest.mark.parametrize("capacity", [1, 2, 10, 999])
def test_equal_rates_where_the_closed_form_divides_by_zero(capacity: int) -> None:
    load = 1.0
    with pytest.raises(ZeroDivisionError):
        (1 - load) * load**capacity / (1 - load ** (capacity + 1))
    found = m_m_m(7, 7, 1, capacity)
    assert found.blocking == Fraction(1, capacity + 1)
    assert found.mean_number == Fraction(capacity, 2)


@pytest.mark.parametrize("servers", [2, 3, 50])
def test_delay_where_wait_and_service_have_one_rate(servers: int) -> None:
    """m·μ − λ = μ: textbooks divide by their difference, but the delay is continuous in λ."""
    here = m_m_m(servers - 1, 1, servers)
    beside = m_m_m(servers - 1 + Fraction(1, 10**12), 1, servers)
    for share in PERCENTS:
        assert percentile(here.delay, share) == pytest.approx(percentile(beside.delay, share), rel=1e-10)


@pytest.mark.parametrize(("arrivals", "service", "servers"), [(3, 2, 2), (19, 2, 10), (1, 1, 3)])
def test_a_delay_is_a_wait_and_a_service(arrivals: int, service: int, servers: int) -> None:
    found = m_m_m(arrivals, service, servers)
    assert found.delay is not None
    assert found.wait is not None
    waits, left = float(found.wait_probability or 0), servers * service - arrivals
    at, step = np.linspace(0, 40 / service, 400_001, retstep=True)
    tail = np.array([found.delay.tail(one) for one in at[::100]])
    assert np.trapezoid(tail, dx=step * 100) == pytest.approx(float(found.mean_delay_s or 0), rel=1e-5)
    # P(T > t) = P(service > t) and who has less of it, but waits for the rest.
    for time_s in (0.1, 1.0, 3.0):
        parts = np.linspace(0, time_s, 20_001)
        less = service * np.exp(-service * parts) * waits * np.exp(-left * (time_s - parts))
        whole = math.exp(-service * time_s) + np.trapezoid(less, parts)
        assert found.delay.tail(time_s) == pytest.approx(whole, rel=1e-7)


@pytest.mark.parametrize(("arrivals", "service", "servers"), [*ENDLESS, (7, 7, 1), (30, 10, 3), (31, 10, 3)])
def test_without_a_long_run_or_with(arrivals: int, service: int, servers: int) -> None:
    found = m_m_m(arrivals, service, servers)
    assert found.stable == (arrivals < servers * service)
    assert found.utilisation == Fraction(arrivals, servers * service)
    assert bool(found.note) == (not found.stable)
    if not found.stable:
        assert (found.wait_probability, found.mean_wait_s, found.mean_number, found.wait) == (None,) * 4
        assert found.blocking == 0


@pytest.mark.parametrize(
    ("arrivals", "service", "servers", "capacity"),
    [*SMALL, *((*one, None) for one in ENDLESS), (900, 1, 1000, 1100), (1000, 1, 1000, 2000), (5, 3, 1, 400)],
)
def test_floats_are_near_to_the_exact_numbers(
    monkeypatch: pytest.MonkeyPatch, arrivals: int, service: int, servers: int, capacity: int | None
) -> None:
    exact = m_m_m(arrivals, service, servers, capacity)
    monkeypatch.setattr(markovian_module, "affordable", lambda *_: False)
    near = m_m_m(arrivals, service, servers, capacity)
    assert isinstance(exact.mean_wait_s, Fraction)
    assert isinstance(near.mean_wait_s, float)
    for name in ("utilisation", "blocking", "wait_probability", "mean_wait_s", "mean_delay_s", "mean_number"):
        assert getattr(near, name) == pytest.approx(float(getattr(exact, name)), rel=1e-11), name


def test_what_is_too_large_for_exact_numbers() -> None:
    found = m_m_m(0.999999, 1, 1, 1_000_000)
    load = Decimal("0.999999")
    with localcontext() as context:
        context.prec = 60
        blocking = (1 - load) * load**1_000_000 / (1 - load**1_000_001)
    assert isinstance(found.blocking, float)
    assert found.blocking == pytest.approx(float(blocking), rel=CLOSE)
    full = m_m_m(1_500_000, 1, 500_000, 1_000_000)
    assert isinstance(full.utilisation, float | Fraction)
    assert 1 - 1e-12 < full.utilisation <= 1
    many = m_m_m(99_000, 1, 100_000)
    assert isinstance(many.wait_probability, float)
    assert many.mean_wait_s == pytest.approx(many.wait_probability / 1000, rel=CLOSE)


def test_next_to_nothing_comes() -> None:
    """A load of 1e-200 is none that can be written, but two rates can have it."""
    for found in (m_m_m(1e-100, 1e100), m_m_m(1e-100, 1e100, 1, 1), m_d_1(1e-100, 1e100)):
        assert found.mean_delay_s == pytest.approx(1e-100)
        assert percentile(found.wait, Fraction(99, 100)) == 0


def test_nothing_comes() -> None:
    for found in (
        m_m_m(0, 2),
        m_m_m(0, 2, 3),
        m_m_m(0, 2, 1, 4),
        m_m_m(0, 2, 3, 5),
        m_g_1(0, 0.5, 1),
        m_d_1(0, 2),
    ):
        assert found.mean_wait_s == found.mean_number == found.blocking == found.utilisation == 0
        assert found.mean_delay_s == Fraction(1, 2)
        assert percentile(found.wait, Fraction(99, 100)) == 0


# Any service.


@pytest.mark.parametrize("load", [Fraction(1, 10), Fraction(1, 2), Fraction(999_999, 1_000_000)])
def test_means_of_any_service(load: Fraction) -> None:
    """Of exponential service (deviation = mean) those of M/M/1; of constant service half the wait."""
    markov, same, constant = m_m_m(load, 1), m_g_1(load, 1, 1), m_d_1(load, 1)
    assert (same.mean_wait_s, same.mean_number) == (markov.mean_wait_s, markov.mean_number)
    assert constant.mean_wait_s is not None
    assert 2 * constant.mean_wait_s == markov.mean_wait_s
    assert same.wait_probability == constant.wait_probability == load


def test_a_worked_example_of_any_service() -> None:
    """By hand: λ = 9/s, mean 0.1 s, deviation 0.2 s: 9·(0.01 + 0.04)/(2·0.1) = 2.25 s."""
    found = m_g_1(9, 0.1, 0.2)
    assert found.mean_wait_s == Fraction(9, 4)
    assert found.mean_number == Fraction(9, 10) + 9 * Fraction(9, 4)
    assert found.delay is None
    assert found.note


def test_percentiles_of_any_service_are_known_while_they_are_nothing() -> None:
    found = m_g_1(Fraction(1, 2), 1, 2).wait
    assert found is not None
    assert found.percentile(Fraction(1, 2)) == 0
    assert found.percentile(Fraction(51, 100)) is None
    assert found.tail(0) == 0.5
    assert math.isnan(found.tail(1))


def test_more_than_one_server_can_do_of_any_service() -> None:
    for found in (m_g_1(1, 1, 5), m_d_1(2, 1)):
        assert not found.stable
        assert found.mean_wait_s is None
        assert found.note


def erlang_1909(load: Fraction, services: Fraction) -> float:
    """P(W ≤ t) by Erlang's alternating series, in 150 digits."""
    with localcontext() as context:
        context.prec = 150
        rho = Decimal(load.numerator) / Decimal(load.denominator)
        time = Decimal(services.numerator) / Decimal(services.denominator)
        total = Decimal(0)
        for k in range(int(services) + 1):
            step = rho * (time - k)
            total += (-step) ** k / math.factorial(k) * step.exp() if k else step.exp()
        return float((1 - rho) * total)


@pytest.mark.parametrize("load", ["1/100", "3/10", "1/2", "9/10", "99/100", "999999/1000000"])
@pytest.mark.parametrize("services", ["0", "1/2", "1", "7/3", "10", "39/2", "20", "41/2", "55"])
def test_the_wait_with_constant_service(load: str, services: str) -> None:
    rho, time = Fraction(load), Fraction(services)
    found = ConstantServiceWait(rho, Fraction(1, 4)).tail(float(time / 4))
    assert 1 - found == pytest.approx(erlang_1909(rho, time), rel=CLOSE)


def test_erlang_s_series_loses_its_digits_in_floats() -> None:
    def naive(services: int, load: float = 0.9) -> float:
        steps = [load * (services - k) for k in range(services + 1)]
        terms = ((-step) ** k / math.factorial(k) * math.exp(step) for k, step in enumerate(steps))
        return (1 - load) * sum(terms)

    assert naive(10) == pytest.approx(erlang_1909(Fraction(9, 10), Fraction(10)), rel=1e-9)
    assert round(naive(30), 1) == 1.1
    assert naive(40) < -6000
    true = erlang_1909(Fraction(9, 10), Fraction(30))
    assert 0.99 < true < 1
    assert 1 - ConstantServiceWait(Fraction(9, 10), Fraction(1)).tail(30.0) == pytest.approx(true, rel=1e-12)


@pytest.mark.parametrize("load", ["1/10", "1/2", "9/10", "999999/1000000"])
def test_percentiles_with_constant_service(load: str) -> None:
    rho = Fraction(load)
    found = m_d_1(4 * rho, 4)
    for share in PERCENTS:
        wait = percentile(found.wait, share)
        assert percentile(found.delay, share) == wait + 0.25
        assert found.wait is not None
        if wait:
            assert found.wait.tail(wait) == pytest.approx(float(1 - share), rel=CLOSE)
        else:
            assert rho <= 1 - share


def test_the_mean_with_constant_service_is_the_area_below_its_tail() -> None:
    wait = ConstantServiceWait(Fraction(3, 5), Fraction(1))
    at = np.linspace(0, 40, 40_001)
    area = np.trapezoid([wait.tail(one) for one in at], at)
    assert area == pytest.approx(0.6 / (2 * 0.4), rel=1e-6)


@pytest.mark.parametrize("servers", [1, 5, 80])
def test_a_loss_system_does_not_ask_for_the_kind_of_service(servers: int) -> None:
    exponential = m_m_m(12, 4, servers, servers)
    for constant in (True, False):
        found = m_g_m_m(12, Fraction(1, 4), servers, constant=constant)
        for name in (
            "utilisation",
            "blocking",
            "wait_probability",
            "mean_wait_s",
            "mean_delay_s",
            "mean_number",
        ):
            assert getattr(found, name) == getattr(exponential, name), name
        assert percentile(found.wait, Fraction(99, 100)) == 0
        assert (found.delay is None) == (not constant) == bool(found.note)
    assert percentile(m_g_m_m(12, Fraction(1, 4), 1, constant=True).delay, Fraction(1, 2)) == 0.25


def test_a_large_loss_system_is_near_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = m_g_m_m(900, 1, 1000)
    monkeypatch.setattr(general_module, "affordable", lambda *_: False)
    assert m_g_m_m(900, 1, 1000).blocking == pytest.approx(float(exact.blocking or 0), rel=1e-12)


# Distributions.


@pytest.mark.parametrize("mean", [0.0, 0.3, 5.0, 100.0, 1e6])
def test_poisson_probabilities(mean: float) -> None:
    first, weights = poisson(mean)
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    numbers = np.arange(first, first + len(weights))
    assert float(np.dot(numbers, weights)) == pytest.approx(mean, rel=1e-12, abs=1e-300)
    for n in (int(mean), int(mean) + 3):
        exact = math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) if mean else float(n == 0)
        assert weights[n - first] == pytest.approx(exact, rel=1e-8)


def test_times_that_are_moved() -> None:
    later = Later(ExponentialTimes(Fraction(1, 2), Fraction(3)), Fraction(2))
    assert later.tail(1.5) == 1
    assert later.tail(2) == 0.5
    assert later.percentile(Fraction(1, 2)) == 2
    assert Later(OnlyHowMany(Fraction(1, 2)), Fraction(2)).percentile(Fraction(9, 10)) is None
    assert [SameTime(Fraction(2)).tail(time_s) for time_s in (1.0, 2.0)] == [1, 0]


def test_the_steady_state_is_a_value() -> None:
    assert m_m_m(1, 2) == m_m_m(1, 2)
    assert isinstance(m_m_m(1, 2), SteadyState)


def test_near_ties_of_what_is_too_large_are_decided_by_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erlang_module, "affordable", lambda *_: False)
    assert servers_for_blocking(1, Fraction(1, 2)) == 1
    assert servers_for_waiting(1, 0.4) == 2


def test_a_probability_that_no_float_holds_is_0() -> None:
    """ln B(1,000,000) is about -5360 at 900,000 erlang: far below the least float."""
    assert erlang_b(900_000.0, 1_000_000) == 0
    assert erlang_c(900_000.0, 1_000_000) == 0
