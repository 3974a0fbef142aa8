"""Queues and Erlang's formulas as files ask them: keys, exact numbers, null with a note, and every fault."""

import json
from typing import Any

import numpy as np
import pytest

from fairslice.errors import InputError
from fairslice.models.answers import answer_text

KEYS = [
    *("utilisation", "stable", "wait_probability", "blocking", "mean_wait_s", "mean_delay_s", "mean_waiting"),
    *("mean_number", "wait_percentiles_s", "delay_percentiles_s"),
]
NOTHING = {"50": None, "95": None, "99": None}


def answer(model: str = "queue", /, **fields: Any) -> dict[str, Any]:
    found = answer_text(json.dumps({"model": model, **fields}), "f.json")
    assert isinstance(found, dict)
    return found


def faults(model: str = "queue", /, **fields: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        answer(model, **fields)
    return str(caught.value).splitlines()


def test_the_example_of_a_queue() -> None:
    asked = {"arrival_rate": 3, "service_rate": 10, "servers": 1, "capacity": None, "service": "exponential"}
    found = answer(**asked)
    assert list(found) == KEYS
    assert found == answer(arrival_rate=3, service_rate=10)
    assert found["mean_delay_s"] == 1 / 7
    assert found["mean_number"] == 3 / 7
    assert found["stable"] is True
    assert found["blocking"] == 0.0
    assert found["wait_percentiles_s"]["50"] == 0.0
    assert found["delay_percentiles_s"]["95"] == pytest.approx(0.42796175, rel=1e-8)


def test_fractions_are_exact_before_they_are_printed() -> None:
    assert answer(arrival_rate="1/3", service_rate="2/3")["utilisation"] == 0.5
    assert answer(arrival_rate=0.1, service_rate=0.3)["mean_delay_s"] == 5.0
    assert answer(arrival_rate=0.999999, service_rate=1)["mean_delay_s"] == 1_000_000.0
    assert answer(arrival_rate="1/3", service_rate="1/3", capacity=2)["blocking"] == 1 / 3


@pytest.mark.parametrize(
    "fields",
    [
        {"arrival_rate": 10, "service_rate": 10},
        {"arrival_rate": 30, "service_rate": 10, "servers": 2},
        {"arrival_rate": 10, "service_rate": 10, "service": "deterministic"},
        {"arrival_rate": 10, "service": {"mean_s": 0.1, "sd_s": 1}},
        {"arrival_rate": 10, "service": {"mean_s": 1, "sd_s": 1}, "servers": 10},
    ],
)
def test_without_a_long_run_there_are_nulls_and_a_note(fields: dict[str, object]) -> None:
    found = answer(**fields)
    assert list(found) == [*KEYS, "note"]
    assert found["stable"] is False
    assert found["utilisation"] >= 1
    assert found["blocking"] == 0
    assert found["wait_percentiles_s"] == found["delay_percentiles_s"] == NOTHING
    for key in ("wait_probability", "mean_wait_s", "mean_delay_s", "mean_waiting", "mean_number"):
        assert found[key] is None
    assert "the queue has no end" in found["note"]


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_a_capacity_makes_every_queue_stable(capacity: int) -> None:
    found = answer(arrival_rate=10, service_rate=10, capacity=capacity)
    assert list(found) == KEYS
    assert found["stable"] is True
    assert found["blocking"] == pytest.approx(1 / (capacity + 1), rel=1e-15)


def test_without_a_formula_there_are_nulls_and_a_note() -> None:
    several = answer(arrival_rate=1, service_rate=1, servers=2, service="deterministic")
    assert (several["stable"], several["utilisation"], several["blocking"]) == (True, 0.5, 0)
    limited = answer(arrival_rate=1, service={"mean_s": 1, "sd_s": 2}, capacity=4)
    assert (limited["stable"], limited["utilisation"], limited["blocking"]) == (True, None, None)
    for found in (several, limited):
        assert found["mean_wait_s"] is None
        assert found["wait_percentiles_s"] == NOTHING
        assert "no formula" in found["note"]


def test_a_loss_system_needs_the_mean_only() -> None:
    exponential = answer(arrival_rate=3, service_rate=1, servers=4, capacity=4)
    constant = answer(arrival_rate=3, service_rate=1, servers=4, capacity=4, service="deterministic")
    other = answer(arrival_rate=3, service={"mean_s": 1, "sd_s": 9}, servers=4, capacity=4)
    assert exponential["blocking"] == constant["blocking"] == other["blocking"]
    assert exponential["blocking"] == answer("erlang", offered=3, servers=4)["blocking"]
    assert constant["delay_percentiles_s"] == {"50": 1.0, "95": 1.0, "99": 1.0}
    assert other["delay_percentiles_s"] == NOTHING
    assert other["wait_percentiles_s"] == {"50": 0.0, "95": 0.0, "99": 0.0}


def test_service_without_deviation_is_deterministic() -> None:
    moments = answer(arrival_rate=9, service={"mean_s": "1/10", "sd_s": 0})
    assert moments == answer(arrival_rate=9, service_rate=10, service="deterministic")
    assert "note" not in moments


def test_any_service_has_means_and_percentiles_that_are_nothing() -> None:
    found = answer(arrival_rate=4, service={"mean_s": 0.1, "sd_s": 0.1})
    assert found["mean_wait_s"] == answer(arrival_rate=4, service_rate=10)["mean_wait_s"]
    assert found["wait_percentiles_s"] == {"50": 0.0, "95": None, "99": None}
    assert found["delay_percentiles_s"] == NOTHING
    assert "Percentiles" in found["note"]


def test_text_of_the_command_line_is_an_object() -> None:
    given = answer(arrival_rate=4, service="mean_s=1/10, sd_s=0.2")
    assert given == answer(arrival_rate=4, service={"mean_s": 0.1, "sd_s": 0.2})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, ["arrival_rate: is missing", "service_rate: is missing"]),
        (
            {"arrival_rate": -1, "service_rate": 0, "servers": 0, "capacity": 1.5, "x": 1},
            [
                "arrival_rate: found -1, expected a number from 0 up",
                "service_rate: found 0, expected a number above 0",
                "servers: found 0, expected a number from 1 up",
                "capacity: found 1.5, expected a whole number",
                "x: unknown key",
            ],
        ),
        (
            {"arrival_rate": 1, "service_rate": 2, "servers": 3, "capacity": 2},
            ["capacity: found 2, expected 3 or more, as those in service are part of it"],
        ),
        (
            {"arrival_rate": 1, "service_rate": 2, "service": {"mean_s": 1, "sd_s": 1}},
            ["service_rate: found 2 beside the mean of the service, expected one of them"],
        ),
        (
            {"arrival_rate": 1, "service": {"mean_s": 0, "sd": 1}},
            ["service: mean_s: found 0, expected a number above 0; sd_s: is missing; sd: unknown key"],
        ),
        (
            {"arrival_rate": 1, "service_rate": 1, "service": "normal"},
            [
                'service: found "normal", expected "exponential", "deterministic", or an object with mean_s'
                " and sd_s"
            ],
        ),
        (
            {"arrival_rate": 1, "service_rate": 1, "service": 3},
            ['service: found 3, expected "exponential", "deterministic", or an object with mean_s and sd_s'],
        ),
        (
            {"arrival_rate": 1, "service_rate": 1, "servers": 1_000_001},
            ["servers: found 1000001, expected a number up to 1e+06"],
        ),
    ],
)
def test_every_fault_is_told_at_its_place(fields: dict[str, object], told: list[str]) -> None:
    assert faults(**fields) == [f"f.json: $.{one}" for one in told]


def test_numbers_out_of_all_proportion_are_refused() -> None:
    assert faults(arrival_rate=1e200, service_rate=1) == [
        "f.json: $: arrival_rate: found 1e+200, expected a number from 1e-100 to 1e100"
    ]
    assert faults(arrival_rate=1e90, service={"mean_s": 1e-91, "sd_s": 1e100}) == [
        "f.json: $: mean_waiting: found more than 1.8e308, expected numbers that lead to less"
    ]


def test_the_examples_of_erlang() -> None:
    found = answer("erlang", offered=10, servers=15)
    assert list(found) == ["blocking", "wait_probability"]
    assert found["blocking"] == pytest.approx(0.036496945, rel=1e-7)
    assert found["wait_probability"] == pytest.approx(
        15 * found["blocking"] / (15 - 10 * (1 - found["blocking"]))
    )
    assert answer("erlang", offered=10, blocking=0.01) == {"servers": 18}
    assert answer("erlang", offered=10, wait_probability=0.01) == {"servers": 19}
    assert answer("erlang", offered=2, blocking="2/5") == {"servers": 2}


@pytest.mark.parametrize(("offered", "servers"), [(10, 10), (11, 10), (0, 0)])
def test_who_waits_where_the_queue_never_ends(offered: int, servers: int) -> None:
    found = answer("erlang", offered=offered, servers=servers)
    assert found["wait_probability"] is None
    assert "the queue has no end" in found["note"]
    assert found["blocking"] > 0


def test_a_large_group() -> None:
    found = answer("erlang", offered=0.123456789012345, servers=100_000)
    assert found == {"blocking": 0.0, "wait_probability": 0.0}
    # 1/C = 1 + (1 − a/m)·Σ m!/n! · a^(n−m) over n < m: each term is the one above it, times n/a.
    terms = np.cumprod(np.arange(100_000, 0, -1) / 99_000)
    waits = 1 / (1 + 0.01 * terms.sum())
    assert answer("erlang", offered=99_000, servers=100_000)["wait_probability"] == pytest.approx(
        waits, rel=1e-9
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"offered": 1}, ["servers: is missing"]),
        ({"offered": 1, "blocking": 0}, ["blocking: found 0, expected a number above 0"]),
        (
            {"offered": 1, "blocking": 0.1, "servers": 3},
            ["servers: found 3 beside blocking, expected one of them"],
        ),
        (
            {"offered": 1, "blocking": 0.1, "wait_probability": 0.2},
            ["wait_probability: found 0.2 beside blocking, expected one of them"],
        ),
    ],
)
def test_faults_of_erlang(fields: dict[str, object], told: list[str]) -> None:
    assert faults("erlang", **fields) == [f"f.json: $.{one}" for one in told]


def test_more_servers_than_are_counted() -> None:
    assert faults("erlang", offered=3e6, blocking=0.01) == [
        "f.json: $: offered: found 3000000, expected what 1,000,000 servers can serve"
    ]
