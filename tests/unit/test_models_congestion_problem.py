"""Problems of congestion control: answers, text on the command line, faults and pictures."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.errors import InputError
from fairslice.models.answers import answer_text, read_problem
from fairslice.models.congestion.problem import AimdProblem
from fairslice.report.models.aimd_picture import draw

RULE = {"increase_add": 1, "increase_times": 1, "decrease_add": 0, "decrease_times": "1/2"}
ASKED: dict[str, Any] = {"model": "aimd", "start": [1, 9], "goal": "101/10", "rule": RULE, "steps": 40}


def answer(**changes: Any) -> dict[str, Any]:
    found = answer_text(json.dumps(ASKED | changes), "f.json")
    assert isinstance(found, dict)
    return found


def test_the_answer_has_a_state_for_the_start_and_for_each_step() -> None:
    found = answer()
    assert list(found) == ["states", "jain", "efficiency", "steps_to_jain", "cycle"]
    assert len(found["states"]) == len(found["jain"]) == len(found["efficiency"]) == 41
    assert found["states"][:3] == [[1, 9], [2, 10], [1, 5]]
    assert found["jain"][0] == pytest.approx(100 / (2 * 82), rel=1e-15)
    assert found["efficiency"][0] == pytest.approx(100 / 101, rel=1e-15)
    for index, steps in found["steps_to_jain"].items():
        assert found["jain"][steps] >= float(index) > max(found["jain"][:steps])


def test_the_cycle_of_the_answer() -> None:
    cycle = answer()["cycle"]
    assert cycle["states"] == [[5, 5], [6, 6], [3, 3], [4, 4]]
    assert (cycle["start"], cycle["length"], cycle["reached"]) == (0, 4, False)
    assert cycle["jain"] == [1, 1, 1, 1]
    assert cycle["efficiency"] == [float(total / 10.1) for total in (10, 12, 6, 8)]


def test_what_does_not_exist_is_null_and_said() -> None:
    found = answer(start=[0, 0], steps=0)
    assert found["jain"] == [None]
    assert found["steps_to_jain"] == {"0.95": None, "0.99": None}
    assert found["cycle"] is None
    assert found["note"] == "The run has not settled into a cycle after 0 steps."


def test_numbers_that_become_too_long_are_refused_and_not_computed_for_ever() -> None:
    rule = {
        "increase_add": "1/7",
        "increase_times": "1001/1000",
        "decrease_add": "-1/3",
        "decrease_times": "997/1000",
    }
    with pytest.raises(InputError, match=r"steps: found 10000, expected at most \d+: after those"):
        answer(rule=rule, steps=10_000)


def test_with_a_seed_users_act_at_random_and_the_same_each_time() -> None:
    one, same, other = (answer(seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one["states"] != other["states"]
    assert one["cycle"] is None
    assert one["note"] == "Users act at random, so there is no cycle."
    together = answer(seed=1, acting=1)
    assert together["states"] == answer()["states"]
    assert together["jain"] == pytest.approx(answer()["jain"], rel=1e-12)
    assert together["steps_to_jain"] == answer()["steps_to_jain"]
    assert answer(seed=1, start=[0, 0], steps=0)["jain"] == [None]


def test_every_fault_at_once() -> None:
    bad = {
        "model": "aimd",
        "start": [-1, "x"],
        "goal": 0,
        "rule": {"increase_add": 1, "increase_times": -1, "decrease_add": 0, "more": 1},
        "steps": 1.5,
        "acting": 2,
    }
    with pytest.raises(InputError) as caught:
        read_problem(bad)
    assert str(caught.value).splitlines() == [
        "$.start[0]: found -1, expected a number from 0 up",
        '$.start[1]: found "x", expected a number, or a string with a fraction such as "1/3"',
        "$.goal: found 0, expected a number above 0",
        "$.rule.increase_times: found -1, expected a number from 0 up",
        "$.rule.decrease_times: is missing",
        "$.rule.more: unknown key",
        "$.steps: found 1.5, expected a whole number",
        "$.acting: found 2, expected a number up to 1",
    ]


def test_faults_between_fields() -> None:
    with pytest.raises(InputError, match="found acting without seed, expected both"):
        answer(acting=0.5)
    with pytest.raises(InputError, match="start: found nobody, expected what at least one user sends"):
        answer(start=[])
    with pytest.raises(InputError, match="steps: found 10001, expected a number up to 10000"):
        answer(steps=10001)


@pytest.mark.parametrize("seed", [None, 1])
def test_an_answer_that_no_float_holds_is_refused(seed: int | None) -> None:
    rule = RULE | {"increase_add": 1e300, "decrease_times": 1e9}
    with pytest.raises(InputError, match="rises above 1e308, which JSON can't hold"):
        answer(rule=rule, seed=seed, **({"acting": 1} if seed else {}))


def model(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ("model", "aimd", *words))
    return done.exit_code, done.output if done.exception is None else f"{done.output}{done.exception}"


OPTIONS = ("--start", "1, 9", "--goal", "101/10", "--steps", "40")


@pytest.mark.parametrize("rule", ["aimd", "increase_add=1,decrease_times=1/2"])
def test_options_answer_as_a_file_does(rule: str, tmp_path: Path) -> None:
    picture = tmp_path / "aimd.svg"
    status, text = model(*OPTIONS, "--rule", rule, "--plot", str(picture), "--json")
    assert status == 0
    assert json.loads(text) == answer()
    drawn = picture.read_text(encoding="utf-8")
    for word in ("efficiency line", "fairness line", "start", "cycle", "what user 1 sends"):
        assert word in drawn


def test_people_see_pairs() -> None:
    status, text = model(*OPTIONS, "--rule", "aimd")
    assert status == 0
    assert "(1, 9), (2, 10), (1, 5), … (41 in all)" in text


def test_text_that_is_no_rule_is_told() -> None:
    assert model(*OPTIONS, "--rule", "aimed")[1].endswith(
        '--rule: found "aimed", expected one of aimd, aiad, mimd, miad, or parts such as'
        " increase_add=2,decrease_times=1/2"
    )
    assert model(*OPTIONS, "--rule", "increase=1")[1].endswith("--rule.increase: unknown key")


@pytest.mark.parametrize(
    "changes",
    [
        {"start": [1, 2, 3]},
        {"start": [5]},
        {"start": [1] * 20, "goal": 30},
        {"steps": 0},
        {"start": [0, 0], "steps": 0},
        {"seed": 3},
        {"start": [0, 0, 0], "steps": 1},
    ],
)
def test_all_are_drawn_and_the_same_each_time(changes: dict[str, Any]) -> None:
    problem = AimdProblem.model_validate(ASKED | changes)
    found = problem.answer()
    assert draw(problem, found) == draw(problem, found)
    assert draw(problem, found).startswith("<svg")
