"""Problems of token buckets: answers, text on the command line, faults and pictures."""

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.errors import InputError
from fairslice.models.answers import answer_text, read_problem
from fairslice.models.buckets.problem import TokenBucketProblem
from fairslice.report.models.token_bucket_picture import departures, draw, token_line

TRACE = [{"arrival": a, "length": n} for a, n in ((0, 2), ("1/2", 2), (1, 2), (1, 4))]
ASKED: dict[str, Any] = {"model": "token-bucket", "rate": 1, "burst": 3, "mode": "police", "packets": TRACE}


def answer(**changes: Any) -> dict[str, Any]:
    found = answer_text(json.dumps(ASKED | changes), "f.json")
    assert isinstance(found, dict)
    return found


def test_a_policer_s_answer() -> None:
    assert answer() == {
        "packets": [
            {"conforms": True, "tokens_before": 3.0},
            {"conforms": False, "tokens_before": 1.5},
            {"conforms": True, "tokens_before": 2.0},
            {"conforms": False, "tokens_before": 0.0},
        ],
        "smallest_burst": 9.0,
    }


@pytest.mark.parametrize("mode", ["police", "shape"])
@pytest.mark.parametrize("name", ["arrival", "length"])
def test_fractions_with_nothing_in_common_are_refused_and_not_computed_for_ever(mode: str, name: str) -> None:
    wild = f"1/{10**299 + 7}"
    packets = [{"arrival": 0, "length": 1, name: f"{10**299 + n}/{10**299 + 2 * n + 1}"} for n in range(2000)]
    packets.sort(key=lambda one: Fraction(str(one["arrival"])))
    with pytest.raises(
        InputError, match=r"found 2000 packets whose common denominator has more than 13462 digits"
    ):
        answer(mode=mode, packets=packets)
    alike = [{"arrival": 0, "length": 1, name: wild} for _ in range(2000)]
    assert len(answer(mode=mode, packets=alike)["packets"]) == 2000


def test_a_shaper_s_answer() -> None:
    assert answer(mode="shape") == {
        "packets": [
            {"departs": 0.0, "tokens_before": 3.0},
            {"departs": 1.0, "tokens_before": 1.5},
            {"departs": 3.0, "tokens_before": 0.0},
            {"departs": None, "tokens_before": 0.0},
        ],
        "smallest_burst": 9.0,
    }


def test_a_decimal_is_what_is_written() -> None:
    """In floats 0.3 − 0.1 is less than 0.2, and the last packet would be dropped."""
    trace = [{"arrival": 0.1, "length": 1}, {"arrival": 0.3, "length": 0.2}]
    assert [row["conforms"] for row in answer(burst=1, packets=trace)["packets"]] == [True, True]


def test_no_packets_are_an_answer_too() -> None:
    assert answer(packets=[]) == {"packets": [], "smallest_burst": 0.0}


def test_every_fault_at_once() -> None:
    bad = {
        "model": "token-bucket",
        "rate": 0,
        "burst": -1,
        "mode": "drop",
        "packets": [{"arrival": -1, "length": 0, "colour": 1}, {"arrival": "x"}],
    }
    with pytest.raises(InputError) as caught:
        read_problem(bad)
    assert str(caught.value).splitlines() == [
        "$.rate: found 0, expected a number above 0",
        "$.burst: found -1, expected a number from 0 up",
        '$.mode: found "drop", expected "police" or "shape"',
        "$.packets[0].arrival: found -1, expected a number from 0 up",
        "$.packets[0].length: found 0, expected a number above 0",
        "$.packets[0].colour: unknown key",
        '$.packets[1].arrival: found "x", expected a number, or a string with a fraction such as "1/3"',
        "$.packets[1].length: is missing",
    ]


def test_packets_out_of_order_are_named() -> None:
    packets = [{"arrival": arrival, "length": 1} for arrival in (3, 1, 2)]
    with pytest.raises(InputError) as caught:
        answer(packets=packets)
    assert str(caught.value) == (
        "f.json: $.packets: found packet 2 at 1, before its predecessor at 3; expected the order of arrival"
    )
    with pytest.raises(InputError, match=r"packet 6 at 4, .* at 5, and 4 more; expected the order"):
        answer(packets=[{"arrival": arrival, "length": 1} for arrival in range(9, -1, -1)])


def test_an_answer_that_no_float_holds_is_refused() -> None:
    trace = [{"arrival": 0, "length": 1e300}, {"arrival": 0, "length": 1e300}]
    with pytest.raises(InputError, match="above 1e308, which JSON can't hold"):
        answer(mode="shape", rate=1e-300, burst=1e300, packets=trace)


def model(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ("model", "token-bucket", *words))
    return done.exit_code, done.output if done.exception is None else f"{done.output}{done.exception}"


OPTIONS = ("--rate", "1", "--burst", "3")


@pytest.mark.parametrize("mode", ["police", "shape"])
def test_options_answer_as_a_file_does(mode: str, tmp_path: Path) -> None:
    picture = tmp_path / "bucket.svg"
    asked = (*OPTIONS, "--mode", mode, "--packets", "0:2, 1/2:2,1:2,1:4", "--plot", str(picture), "--json")
    status, text = model(*asked)
    assert status == 0
    assert json.loads(text) == answer(mode=mode)
    drawn = picture.read_text(encoding="utf-8")
    for word in ("tokens in the bucket", "sum of lengths", "time", "arrived", "left", "burst"):
        assert word in drawn


def test_text_that_is_no_trace_is_told() -> None:
    status, text = model(*OPTIONS, "--mode", "police", "--packets", "0:2,3")
    assert status != 0
    assert text.endswith('--packets: found "3", expected packets as ARRIVAL:LENGTH, with commas between')
    assert model(*OPTIONS, "--mode", "police", "--packets", "")[0] == 0


def test_the_picture_is_the_answer() -> None:
    for mode in ("police", "shape"):
        problem = TokenBucketProblem.model_validate(ASKED | {"mode": mode})
        found = problem.answer()
        assert draw(problem, found) == draw(problem, found)
        left = departures(problem, found)
        assert left == ([0, None, 1, None] if mode == "police" else [0, 1, 3, None])
        sent = [(at, float(n.length)) for at, n in zip(left, problem.packets, strict=True) if at is not None]
        line = token_line(problem, sent, 0.0, 10.0)
        assert all(0 <= tokens <= 3 for _, tokens in line)
        # Where a packet leaves, the line falls by its length.
        falls = [(a, x - y) for (a, x), (b, y) in pairwise(line) if a == b and x > y]
        assert falls == sent
        assert line[-1] == (10.0, 3.0)


@pytest.mark.parametrize("packets", [[], [{"arrival": 5, "length": 1}]])
def test_small_traces_are_drawn_too(packets: list[dict[str, int]]) -> None:
    problem = TokenBucketProblem.model_validate(ASKED | {"burst": 0, "packets": packets})
    assert draw(problem, problem.answer()).startswith("<svg")
