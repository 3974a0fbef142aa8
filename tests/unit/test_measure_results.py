import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fairslice.errors import InputError
from fairslice.measure.results import Busy, from_json, to_json
from fairslice.measure.schema import json_schema, json_schema_text

SCHEMAS = Path(__file__).parents[2] / "schemas"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "results"


def stored(name: str) -> str:
    return (FIXTURES / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["dumbbell", "fat_tree"])
def test_stored_results_stay_readable(name: str) -> None:
    """Newer keys have defaults; whatever stands in the file is kept."""
    result = from_json(stored(name))
    before = json.loads(stored(name))
    assert before.pop("schema") == 1
    assert_kept(before, json.loads(to_json(result)))
    assert [flow.number for flow in result.flows] == list(range(1, len(result.flows) + 1))
    assert len({flow.id for flow in result.flows}) == len(result.flows)
    assert result.schema == 2
    assert from_json(to_json(result)) == result
    assert result.verdict == "fair"


def assert_kept(before: Any, after: Any) -> None:
    if isinstance(before, dict):
        for key, value in before.items():
            assert_kept(value, after[key])
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            assert_kept(one, other)
    else:
        assert before == after


def test_the_keys_of_schema_1() -> None:
    document = json.loads(stored("dumbbell"))
    design = (
        "policy topology datapath framework generation flows links jain_index max_error verdict timings_s"
    )
    assert set(document) == {
        "schema",
        *design.split(),
        *("created", "tolerance", "window_s", "busy", "slices", "notes"),
    }
    of_flow = "slice from to allocated_bps wire_bps goodput_bps error bottleneck retransmits loss"
    assert set(document["flows"][0]) == {
        *of_flow.split(),
        *("match", "protocol", "enforcement", "offered_bps", "judged", "passed"),
    }
    assert set(document["links"][0]) == {"from", "to", "capacity_bps", "allocated_bps", "wire_bps"}
    assert document["schema"] == 1


def test_a_null_of_an_older_file_is_read_as_the_number_that_stands_there_now() -> None:
    """It stood for infinity: frames of a flow that was allocated nothing."""
    document = json.loads(stored("dumbbell"))
    document["max_error"] = None
    for key in ("flows", "slices"):
        document[key][0].update(allocated_bps=0.0, wire_bps=4000.0, error=None, passed=False)
    result = from_json(json.dumps(document))
    assert result.flows[0].error == result.slices[0].error == result.max_error == 4.0
    assert from_json(to_json(result)) == result


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("key", ["error", "wire_bps", "allocated_bps", "resolution"])
def test_no_number_of_a_new_file_is_null(key: str, number: float) -> None:
    """What is no number can't be read back: it would be a fault of ours, and noticed."""
    result = from_json(stored("dumbbell"))
    flow = replace(result.flows[0], **{key: number})  # type: ignore[arg-type]
    assert faults(to_json(replace(result, flows=(flow, *result.flows[1:]))))


def test_results_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        from_json(stored("dumbbell")).verdict = "fair"  # type: ignore[misc]


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_json(text, "out/results.json")
    return [fault.message for fault in caught.value.faults]


def test_all_faults_at_once_and_where() -> None:
    document: dict[str, Any] = json.loads(to_json(from_json(stored("dumbbell"))))
    document["schema"] = 3
    document["surprise"] = True
    del document["flows"][1]["wire_bps"]
    document["flows"][0]["allocated_bps"] = -1
    document["flows"][2]["retransmits"] = "3"
    found = faults(json.dumps(document))
    assert len(found) == 5
    assert all(message.startswith("out/results.json: ") for message in found)
    text = "\n".join(found)
    assert "flows[1].wire_bps: is missing" in text
    assert "flows[0].allocated_bps: found -1, expected a number from 0 up" in text
    assert "flows[2].retransmits" in text
    assert "schema" in text
    assert "surprise" in text


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_no_result(text: str) -> None:
    (message,) = faults(text)
    assert "the file" in message


@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_rates_are_numbers(constant: str) -> None:
    text = stored("dumbbell").replace('"window_s": 10.0', f'"window_s": {constant}')
    assert "window_s" in faults(text)[0]


def test_a_switch_may_have_more_than_one_thread() -> None:
    assert (
        from_json(
            to_json(replace(from_json(stored("dumbbell")), busy=Busy(machine=0.5, switch_thread=1.8)))
        ).busy
        is not None
    )


def test_the_keys_of_schema_2() -> None:
    document = json.loads(to_json(from_json(stored("dumbbell"))))
    assert document["schema"] == 2
    assert set(document) >= {"command", "versions", "machine", "seeds"}
    assert {"number", "id", "from", "to"} <= set(document["flows"][0])
    assert document["flows"][0]["id"] == "gold:h1->h4"


def test_an_old_file_with_flows_that_were_not_measured_numbers_them_last() -> None:
    document = json.loads(stored("dumbbell"))
    ping = {
        "slice": "ping",
        "from": "h1",
        "to": "h4",
        "match": "icmp",
        "allocated_bps": 1.0,
        "reason": "icmp",
    }
    document["not_measured"] = [ping]
    (left_out,) = from_json(json.dumps(document)).not_measured
    assert (left_out.number, left_out.id) == (4, "ping:h1->h4 icmp")


def test_the_schema_is_current() -> None:
    stale = "run: python -m fairslice.measure.schema > schemas/results.schema.json"
    assert (SCHEMAS / "results.schema.json").read_text(encoding="utf-8") == json_schema_text(), stale
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", ["dumbbell", "fat_tree"])
def test_what_is_written_fits_the_schema(name: str) -> None:
    validator = Draft202012Validator(json_schema())
    document = json.loads(to_json(from_json(stored(name))))
    validator.validate(document)
    for broken in (
        document | {"schema": 1},
        document | {"surprise": 1},
        document | {"flows": [{**document["flows"][0], "wire_bps": None}]},
        {key: value for key, value in document.items() if key != "versions"},
    ):
        assert not validator.is_valid(broken)
