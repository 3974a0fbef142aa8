"""Problems of theory as files: exact numbers, every fault at its place, and answers in their order."""

import json
from fractions import Fraction

import numpy as np
import pytest

from fairslice.errors import InputError
from fairslice.models.answers import PROBLEMS, answer_text, problem_class
from fairslice.models.problem import exact, whole

ERLANG = {"model": "erlang", "offered": 10, "servers": 15}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (3, Fraction(3)),
        (0.1, Fraction(1, 10)),
        ("1/3", Fraction(1, 3)),
        (" -2 / 4 ", Fraction(-1, 2)),
        ("2.5e3", Fraction(2500)),
        (Fraction(2, 7), Fraction(2, 7)),
        (np.float64(0.1), Fraction(1, 10)),
    ],
)
def test_a_number_is_what_is_written(written: object, meant: Fraction) -> None:
    assert exact(written) == meant


@pytest.mark.parametrize(
    "written",
    ["", "x", "1/0", "1e999", float("inf"), float("nan"), True, None, [1], "1/2/3", 10**301, "1e-320"],
    ids=lambda written: str(written)[:9],
)
def test_what_is_no_finite_number_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a number, or a string with a fraction"):
        exact(written)


@pytest.mark.parametrize(("written", "meant"), [(3, 3), (3.0, 3), ("3", 3), ("6/2", 3)])
def test_a_whole_number(written: object, meant: int) -> None:
    assert whole(written) == meant


def test_what_is_not_whole_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found 1\.5, expected a whole number"):
        whole(1.5)


def test_an_array_answers_each_in_its_place() -> None:
    text = json.dumps([ERLANG, {"model": "erlangs"}, 3, {"model": "erlang", "servers": 1.5, "x": 1}])
    found = answer_text(text, "f.json")
    assert isinstance(found, list)
    assert found[0] == answer_text(json.dumps(ERLANG), "f.json")
    known = ", ".join(PROBLEMS)
    assert found[1]["error"] == (
        f"f.json: $[1].model: found \"erlangs\", expected one of {known}; did you mean 'erlang'?"
    )
    assert found[2] == {"error": "f.json: $[2]: found 3, expected an object"}
    assert found[3]["error"].splitlines() == [
        "f.json: $[3].offered: is missing",
        "f.json: $[3].servers: found 1.5, expected a whole number",
        "f.json: $[3].x: unknown key",
    ]


def test_a_single_problem_with_faults_is_refused_with_all_of_them() -> None:
    with pytest.raises(InputError) as caught:
        answer_text('{"model": "erlang", "offered": -1, "offered": "x"}', "f.json")
    assert str(caught.value).splitlines() == [
        'f.json: $: the key "offered" is there more than once',
        'f.json: $.offered: found "x", expected a number, or a string with a fraction such as "1/3"',
        "f.json: $.servers: is missing",
    ]


def test_what_is_not_json_is_told_with_its_place() -> None:
    with pytest.raises(InputError, match=r"^f\.json:1:2: this is not JSON"):
        answer_text("{", "f.json")


def test_half_a_character_is_refused_wherever_it_stands() -> None:
    """No output can write it, so an answer with such an id would fail when it is printed."""
    text = (
        '{"model": "schedule", "rate": 1, "discipline": "fifo", "flows": {"\\udfff": {}},'
        ' "packets": [{"id": "\\ud83d", "flow": "\\ud83d\\ude00", "arrival": 0, "length": 1}]}'
    )
    with pytest.raises(InputError) as caught:
        answer_text(text, "f.json")
    assert str(caught.value).splitlines() == [
        'f.json: $.flows["\\udfff"]: found half of a surrogate pair, expected whole characters',
        "f.json: $.packets[0].id: found half of a surrogate pair, expected whole characters",
    ]


def test_a_pair_of_halves_is_a_character() -> None:
    text = (
        '{"model": "schedule", "rate": 1, "discipline": "fifo", "flows": {"a": {}},'
        ' "packets": [{"id": "\\ud83d\\ude00", "flow": "a", "arrival": 0, "length": 1}]}'
    )
    found = answer_text(text, "f.json")
    assert isinstance(found, dict)
    assert found["order"] == ["\U0001f600"]


@pytest.mark.parametrize("model", PROBLEMS)
def test_every_model_is_described_in_the_command_s_help(model: str) -> None:
    problem = problem_class(model)
    assert problem.model_fields["model"].default == model
    assert all(field.description for name, field in problem.model_fields.items() if name != "model")
