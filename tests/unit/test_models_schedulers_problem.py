"""Problems of scheduling as files and options: the answer's keys, exact numbers, faults, and the picture."""

import importlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import faults_of
from fairslice.models.answers import answer_text
from fairslice.models.schedulers.problem import ScheduleProblem
from fairslice.report.models.schedule_picture import draw

PACKETS = [
    {"id": "long", "flow": "a", "arrival": 0, "length": 3},
    {"id": 7, "flow": "b", "arrival": 1, "length": "1/3"},
    {"id": "last", "flow": "a", "arrival": "1/2", "length": 1},
]
PROBLEM: dict[str, Any] = {
    "model": "schedule",
    "rate": 1,
    "discipline": "wfq",
    "flows": {"a": {"weight": 1}, "b": {"weight": 2}},
    "packets": PACKETS,
}


def answered(**changed: object) -> dict[str, Any]:
    found = answer_text(json.dumps(PROBLEM | changed), "f.json")
    assert isinstance(found, dict)
    return found


def test_an_answer_by_hand() -> None:
    """b comes at V = 1 and goes three times as slowly as alone: V rises at 1/3, by 1/6, until 3/2.

    Then a has 3 + 1 - 1 - 1/6 left, and all of the link.
    """
    assert answered() == {
        "packets": [
            {
                "id": "long",
                "virtual_start": 0,
                "virtual_finish": 3,
                "gps_finish": pytest.approx(10 / 3, rel=1e-15),
            }
            | {"start": 0, "finish": 3},
            {"id": 7, "virtual_start": 1, "virtual_finish": 7 / 6, "gps_finish": 1.5}
            | {"start": 3, "finish": 10 / 3},
            {"id": "last", "virtual_start": 3, "virtual_finish": 4, "gps_finish": 13 / 3}
            | {"start": 10 / 3, "finish": 13 / 3},
        ],
        "order": ["long", 7, "last"],
        "largest_lag": 11 / 6,
        "lag_bound": 3,
    }


def test_packets_that_are_not_an_array_are_told_in_words_of_json() -> None:
    with pytest.raises(InputError, match=r"^f\.json: \$\.packets: found an object, expected an array$"):
        answered(packets={"a": 1})


@pytest.mark.parametrize("discipline", ["gps", "wfq", "wf2q", "fifo"])
def test_fractions_that_become_too_long_are_refused_and_not_computed_for_ever(
    discipline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("fairslice.models.schedulers.gps")
    monkeypatch.setattr(module, "_MOST_WORK", 1e6)
    primes = [p for p in range(2, 200) if all(p % q for q in range(2, p))]
    problem: dict[str, Any] = {
        "discipline": discipline,
        "flows": {str(p): {"weight": f"1/{p}"} for p in primes},
        "packets": [{"id": p, "flow": str(p), "arrival": f"1/{p}", "length": 1} for p in primes],
    }
    with pytest.raises(InputError, match="too long to compute with, expected fewer packets or flows"):
        answered(**problem)
    alike = {name: {"weight": 1} for name in problem["flows"]}
    assert len(answered(**{**problem, "flows": alike, "packets": problem["packets"][:20]})["order"]) == 20


def test_gps_itself_has_no_lag_and_overlaps() -> None:
    found = answered(discipline="gps")
    assert found["largest_lag"] == found["lag_bound"] == 0
    assert [one["start"] for one in found["packets"]] == [0, 1, pytest.approx(10 / 3)]
    assert [one["finish"] for one in found["packets"]] == [one["gps_finish"] for one in found["packets"]]
    assert found["order"] == [7, "long", "last"]


@pytest.mark.parametrize(
    ("discipline", "order"), [("fifo", ["long", "last", 7]), ("wf2q", ["long", 7, "last"])]
)
def test_other_disciplines_have_the_same_gps(discipline: str, order: list[object]) -> None:
    found = answered(discipline=discipline)
    for one, other in zip(found["packets"], answered()["packets"], strict=True):
        same = ("id", "virtual_start", "virtual_finish", "gps_finish")
        assert [one[key] for key in same] == [other[key] for key in same]
    assert found["order"] == order
    assert found["lag_bound"] == (3 if discipline == "wf2q" else None)


def test_round_robin_is_compared_with_shares_by_quanta() -> None:
    quanta = {"a": {"quantum": 1}, "b": {"quantum": 2}}
    found = answered(discipline="drr", flows=quanta)
    assert [one["gps_finish"] for one in found["packets"]] == [
        one["gps_finish"] for one in answered()["packets"]
    ]
    assert found["order"] == ["long", 7, "last"]
    assert found["lag_bound"] is None
    weighted = answered(
        discipline="drr", flows={"a": {"quantum": 1, "weight": 2}, "b": {"quantum": 2, "weight": 4}}
    )
    assert weighted["packets"][1]["gps_finish"] == 1.5
    assert weighted["packets"][1]["virtual_finish"] == pytest.approx(1 / 2 + 1 / 12)


def test_a_weight_is_one_if_none_is_given() -> None:
    assert answered(flows={"a": {}, "b": {"weight": "2"}}) == answered()


def test_no_packets_have_an_answer() -> None:
    assert answered(packets=[]) == {"packets": [], "order": [], "largest_lag": None, "lag_bound": None}


def test_thirds_are_exact() -> None:
    """Three packets of 1/3 end at 1, when the next comes."""
    packets = [{"id": n, "flow": "a", "arrival": 0, "length": "1/3"} for n in range(3)]
    found = answered(packets=[*packets, {"id": 3, "flow": "b", "arrival": 1, "length": 1}])
    assert found["packets"][3]["virtual_start"] == 0
    assert found["packets"][3]["start"] == 1


def test_text_means_the_same_as_json() -> None:
    told = ScheduleProblem.model_validate(
        {"rate": "1", "discipline": "wfq", "flows": "a, b:2", "packets": "long=a@0:3, 7=b@1:1/3,last=a@1/2:1"}
    )
    expected = answered()
    expected["packets"][1]["id"] = "7"
    expected["order"][1] = "7"
    assert told.answer() == expected
    named = ScheduleProblem.model_validate(
        {"rate": 1, "discipline": "drr", "flows": "a:1:5, b::1500", "packets": "a@0:3,b@-1:1,a@2.5:1"}
    )
    assert [packet.id for packet in named.packets] == ["a1", "b1", "a2"]
    assert {name: flow.model_dump() for name, flow in named.flows.items()} == {
        "a": {"weight": 1, "quantum": 5},
        "b": {"weight": None, "quantum": 1500},
    }


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("flows", "a:1:2:3", 'found "a:1:2:3", expected NAME, NAME:WEIGHT or NAME:WEIGHT:QUANTUM'),
        ("flows", "a,", 'found "", expected NAME'),
        ("flows", "a, a:2", "found the flow a twice, expected it once"),
        ("flows", "a:x", 'found "x", expected a number'),
        ("packets", "a@1", 'found "a@1", expected FLOW@ARRIVAL:LENGTH'),
        ("packets", "a@0:1,", 'found "", expected FLOW@ARRIVAL:LENGTH'),
        ("packets", "a@0:-1", 'found "-1", expected a number above 0'),
        ("packets", "c@0:1", 'found "c", expected one of flows: a, b'),
    ],
)
def test_text_that_is_none_is_told(field: str, text: str, message: str) -> None:
    given = {"rate": 1, "discipline": "wfq", "flows": "a, b", "packets": "a@0:1"} | {field: text}
    with pytest.raises(ValidationError) as caught:
        ScheduleProblem.model_validate(given)
    (fault,) = faults_of(caught.value)
    assert fault.path[:1] in ((field,), ())
    assert message in fault.message


def test_all_faults_are_told_with_their_places() -> None:
    bad = PROBLEM | {
        "rate": 0,
        "discipline": "lifo",
        "flows": {"a": {"weight": -1, "wieght": 1}},
        "packets": [{"id": 1.5, "flow": "a", "arrival": "soon", "length": 0}, 3],
    }
    with pytest.raises(InputError) as caught:
        answer_text(json.dumps(bad), "f.json")
    places = [str(fault).split(":")[1] for fault in caught.value.faults]
    assert {
        " $.rate",
        " $.discipline",
        " $.flows.a.weight",
        " $.flows.a.wieght",
        " $.packets[0].arrival",
        " $.packets[0].length",
        " $.packets[1]",
    } <= set(places)


def test_faults_between_fields_are_told_together() -> None:
    packets = [*PACKETS, PACKETS[0] | {"flow": "gold"}]
    with pytest.raises(InputError) as caught:
        answer_text(json.dumps(PROBLEM | {"discipline": "drr", "packets": packets}), "f.json")
    text = str(caught.value)
    assert 'found the id "long" more than once' in text
    assert 'packets[3].flow: found "gold", expected one of flows: a, b' in text
    assert "flows.a.quantum: is missing, expected one for drr" in text
    assert "flows.b.quantum: is missing, expected one for drr" in text


def test_what_does_not_fit_is_told_beside_what_is_wrong_by_itself() -> None:
    packets = [PACKETS[0], PACKETS[0] | {"flow": "gold"}, PACKETS[1] | {"flow": "gold", "length": 0}]
    with pytest.raises(InputError) as caught:
        answered(rate=0, discipline="drr", packets=packets)
    assert sorted(str(fault) for fault in caught.value.faults) == [
        "f.json: $.flows.a.quantum: is missing, expected one for drr",
        "f.json: $.flows.b.quantum: is missing, expected one for drr",
        'f.json: $.packets: found the id "long" more than once, expected it once',
        'f.json: $.packets[1].flow: found "gold" here and in 1 more packets, expected one of flows: a, b',
        "f.json: $.packets[2].length: found 0, expected a number above 0",
        "f.json: $.rate: found 0, expected a number above 0",
    ]


@pytest.mark.parametrize(
    ("name", "shown"), [(1.5, "1.5"), (True, "true"), (None, "null"), ([1], "an array")], ids=str
)
def test_a_packet_is_called_by_text_or_a_number(name: object, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        answered(packets=[PACKETS[0] | {"id": name}])
    place = "f.json: $.packets[0].id"
    assert str(caught.value) == f"{place}: found {shown}, expected a string or a whole number"


def test_of_many_flows_some_are_named() -> None:
    flows: dict[str, dict[str, int]] = {f"f{number}": {} for number in range(100)}
    with pytest.raises(InputError, match=r"expected one of flows: f0, f1, .*, f19, …$"):
        answered(flows=flows, packets=[PACKETS[0]])


def test_an_answer_beyond_floats_is_refused() -> None:
    packets = [{"id": 1, "flow": "a", "arrival": 0, "length": "1e300"}]
    with pytest.raises(InputError, match=r"^f\.json: \$: found numbers whose answer is above 1\.7e308"):
        answer_text(json.dumps(PROBLEM | {"rate": "1e-300", "packets": packets}), "f.json")


@pytest.mark.parametrize("discipline", ["gps", "wfq", "wf2q", "drr", "fifo"])
def test_the_picture_has_each_chart_and_is_the_same_each_time(discipline: str) -> None:
    flows = "a:1:2, b:2:4"
    problem = ScheduleProblem.model_validate(
        {"rate": 1, "discipline": discipline, "flows": flows, "packets": "a@0:3,b@1:1,a@1:1,b@9:2"}
    )
    drawn = draw(problem, problem.answer())
    assert drawn == draw(problem, problem.answer())
    assert ("fluid GPS" in drawn, "virtual time V" in drawn) == (True, True)
    assert drawn.count(">b2<") == (1 if discipline == "gps" else 2)
    assert "time, in the problem" in drawn


def test_a_packet_whose_name_would_not_fit_has_none() -> None:
    packets = "a@0:1,a@0:99"
    problem = ScheduleProblem.model_validate(
        {"rate": 1, "discipline": "fifo", "flows": "a", "packets": packets}
    )
    drawn = draw(problem, problem.answer())
    assert (">a1<" in drawn, ">a2<" in drawn) == (False, True)


def test_a_picture_of_nothing_is_one() -> None:
    problem = ScheduleProblem.model_validate({"rate": 1, "discipline": "wfq", "flows": "a", "packets": ""})
    assert draw(problem, problem.answer()).startswith("<svg")
