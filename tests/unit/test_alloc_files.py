"""Problem files and their answers."""

import json
import math
from typing import Any

import pytest

from fairslice.alloc.files import answer, answers, infeasible_answer, parse_problems
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.errors import InfeasibleError, InputError

SMALL = {"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}
INFEASIBLE = {
    "links": {"A": 10},
    "flows": [{"id": "f", "path": ["A"], "min": 7}, {"id": "g", "path": ["A"], "min": 5}],
}


def parse(data: object) -> AllocationProblem:
    (problem,) = parse_problems(json.dumps(data), "p.json").problems
    return problem


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_problems(text, "p.json")
    return [str(fault) for fault in caught.value.faults]


def changed(**changes: Any) -> str:
    """A small problem with its only flow changed."""
    return json.dumps({**SMALL, "flows": [{"id": "f", "path": ["A"], **changes}]})


class TestReading:
    def test_every_key(self) -> None:
        data = {
            "links": {"A": 10, "B": 2.5},
            "flows": [
                {"id": "f", "path": ["B", "A", "B"], "weight": 2, "demand": 4, "min": 1, "slice": "gold"},
                {"id": "g", "path": {"A": 1, "B": 0.5}, "demand": None, "slice": None},
            ],
            "slices": {"gold": {"weight": 3, "limit": 9}, "silver": {"limit": None}},
            "sharing": "per-flow",
        }
        assert parse(data) == AllocationProblem(
            {"A": 10, "B": 2.5},
            (
                ProblemFlow("f", {"B": 2, "A": 1}, weight=2, cap=4, floor=1, slice="gold"),
                ProblemFlow("g", {"A": 1, "B": 0.5}),
            ),
            {"gold": SliceShare(3, 9), "silver": SliceShare()},
            per_flow=True,
        )

    def test_defaults(self) -> None:
        problem = parse(SMALL)
        assert problem == AllocationProblem({"A": 10}, (ProblemFlow("f", {"A": 1}),))
        assert problem.flows[0].cap == math.inf
        assert list(
            parse({"links": {"A": 1, "B": 1}, "flows": [{"id": "f", "path": ["B", "A"]}]}).flows[0].uses
        ) == [
            "B",
            "A",
        ]

    def test_an_array(self) -> None:
        found = parse_problems(json.dumps([SMALL, SMALL]), "p.json")
        assert found.is_array
        assert len(found.problems) == 2
        assert parse_problems("[]", "p.json").problems == ()
        assert not parse_problems(json.dumps(SMALL), "p.json").is_array


class TestRefusing:
    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"weight": 0}, ".weight: found 0, expected a number above 0"),
            ({"weight": None}, ".weight: found null, expected a number"),
            ({"weight": "2"}, '.weight: found "2", expected a number'),
            ({"weight": True}, ".weight: found true, expected a number"),
            ({"weight": math.nan}, ".weight: found NaN, expected a finite number"),
            ({"weight": math.inf}, ".weight: found Infinity, expected a finite number"),
            ({"demand": -1}, ".demand: found -1, expected a number from 0 up"),
            ({"demand": math.inf}, ".demand: found Infinity, expected a finite number"),
            ({"min": -0.5}, ".min: found -0.5, expected a number from 0 up"),
            ({"slice": 3}, ".slice: found 3, expected a string"),
            ({"id": None}, ".id: found null, expected a string"),
            ({"path": "A"}, '.path: found "A", expected an array, or an object of coefficients'),
            ({"path": ["A", 1]}, ".path[1]: found 1, expected a string"),
            ({"path": {"A": 0}}, ".path.A: found 0, expected a number above 0"),
            ({"path": {"s1->s2": "x"}}, '.path["s1->s2"]: found "x", expected a number'),
            ({"mim": 1}, ".mim: unknown key"),
            ({"path": ["B"]}, ' ("f"): the link "B" is unknown, expected one of "A"'),
            ({"slice": "s"}, ' ("f"): the slice "s" is unknown, expected none, for there are none'),
        ],
    )
    def test_a_flow(self, change: dict[str, Any], fault: str) -> None:
        assert faults(changed(**change)) == [f"p.json: $.flows[0]{fault}"]

    def test_a_number_of_400_digits(self) -> None:
        (fault,) = faults(changed(demand=10**400))
        assert fault.startswith("p.json: $.flows[0].demand: found 1000")
        assert fault.endswith("000..., expected a number")

    def test_all_faults_of_all_problems_at_once(self) -> None:
        text = json.dumps(
            [
                {"links": {"A": -1}, "flows": {}, "slices": [], "sharing": "fair", "foo": 1},
                7,
                {"flows": []},
                {"links": {"": 1}, "flows": [{"id": "f", "path": []}, {"id": "f", "path": [], "demand": 1}]},
            ]
        )
        assert faults(text) == [
            "p.json: $[0].links.A: found -1, expected a number from 0 up",
            "p.json: $[0].flows: found {}, expected an array",
            "p.json: $[0].slices: found [], expected an object",
            'p.json: $[0].sharing: found "fair", expected "hierarchical" or "per-flow"',
            "p.json: $[0].foo: unknown key",
            "p.json: $[1]: found 7, expected an object",
            "p.json: $[2].links: is missing",
            'p.json: $[3].links[""]: the name is empty, expected at least one character',
            'p.json: $[3].flows[0] ("f"): nothing keeps it from rising for ever, expected a demand or a link'
            " with a finite capacity",
            'p.json: $[3].flows[1] ("f"): has the id of flows[0], expected one of its own',
        ]

    def test_repeated_keys(self) -> None:
        text = '{"links": {"A": 1, "A": 2}, "flows": [{"id": "f", "path": ["A"], "min": 0, "min": 1}]}'
        assert faults(text) == [
            'p.json: $.links: the key "A" is there more than once',
            'p.json: $.flows[0]: the key "min" is there more than once',
        ]

    def test_no_json(self) -> None:
        assert faults('{"links": {},\n "flows": [}') == ["p.json:2:12: this is not JSON: Expecting value"]
        assert faults("") == ["p.json:1:1: this is not JSON: Expecting value"]
        assert faults("[" * 100_000)[0].startswith("p.json: nested too deeply")
        assert faults("1" * 5000)[0].startswith("p.json: this is not JSON that can be read")


class TestAnswering:
    def test_the_documented_example(self) -> None:
        problem = parse(
            {
                "links": {"A": 10, "B": 10},
                "flows": [
                    {"id": "f1", "path": ["A", "B"], "weight": 1, "demand": None, "min": 0, "slice": None}
                ],
                "slices": {"gold": {"weight": 3, "limit": None}},
            }
        )
        assert answer(problem) == {"rates": {"f1": 10.0}, "bottleneck": {"f1": "A"}, "certified": True}

    def test_every_kind_of_bottleneck(self) -> None:
        flows = [
            {"id": "limited", "path": ["A"], "slice": "gold"},
            {"id": "met", "path": ["A"], "demand": 1},
            {"id": "rest", "path": ["A"]},
        ]
        found = answer(
            parse({"links": {"A": 10}, "flows": flows, "slices": {"gold": {"weight": 2, "limit": 3}}})
        )
        assert found["rates"] == {"limited": 3, "met": 1, "rest": 6}
        assert found["bottleneck"] == {"limited": {"limit": "gold"}, "met": None, "rest": "A"}

    def test_infeasible_floors(self) -> None:
        with pytest.raises(InfeasibleError) as caught:
            answer(parse(INFEASIBLE))
        expected = {"infeasible": {"link": "A", "floors": 12.0, "capacity": 10.0, "flows": ["f", "g"]}}
        assert infeasible_answer(caught.value) == expected
        assert answers([parse(SMALL), parse(INFEASIBLE)]) == [answer(parse(SMALL)), expected]
