"""What pydantic finds, in words: where, what was found, what was expected."""

from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fairslice.files.pydantic_faults import dotted, faults_of, shown


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError(f"{value} is odd; expected an even number")
    return value


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    kind: Literal["part"] = "part"
    name: str = ""
    above: Annotated[float, Field(gt=0)] = 1.0
    up_to: Annotated[float, Field(ge=0, le=10)] = 1.0
    below: Annotated[float, Field(lt=1)] = 0.0
    count: int = 1
    even: Annotated[int, AfterValidator(_even)] = 0
    yes: bool = True
    sure: Literal[True] = True
    word: Literal["a", "b"] = "a"
    several: list[str] = []
    by_name: dict[str, float] = {}
    pair: tuple[int, int] = (1, 2)


class Other(BaseModel):
    kind: Literal["other"]


class Whole(BaseModel):
    parts: list[Annotated[Part | Other, Field(discriminator="kind")]]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 7, "found 7, expected a string"),
        ("above", 0, "found 0, expected a number above 0"),
        ("above", "1", 'found "1", expected a number'),
        ("above", float("nan"), "found NaN, expected a finite number"),
        ("up_to", -1, "found -1, expected a number from 0 up"),
        ("up_to", 11, "found 11, expected a number up to 10"),
        ("below", 1, "found 1, expected a number below 1"),
        ("count", 1.5, "found 1.5, expected a whole number"),
        ("even", 3, "3 is odd; expected an even number"),
        ("yes", 1, "found 1, expected true or false"),
        ("sure", False, "found false, expected true"),
        ("word", "c", 'found "c", expected "a" or "b"'),
        ("several", {}, "found {}, expected an array"),
        ("several", {"x": 1}, "found an object, expected an array"),
        ("by_name", [], "found [], expected an object"),
        ("by_name", ["x"], "found an array, expected an object"),
        ("unheard", 1, "unknown key"),
    ],
)
def test_a_fault_says_what_was_found_and_what_was_expected(key: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Part.model_validate({key: value})
    (fault,) = faults_of(refusal.value)
    assert (fault.path, fault.message) == ((key,), message)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({}, '"kind" is missing, expected one'),
        ({"kind": "x"}, '"kind": found "x", expected one of "part", "other"'),
        (3, "found 3, expected "),
    ],
)
def test_of_several_forms_the_one_that_is_meant_is_asked_for(part: object, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Whole.model_validate({"parts": [part]})
    (fault,) = faults_of(refusal.value)
    assert dotted(fault.path) == "parts[0]"
    assert fault.message.startswith(message)


def test_words_may_be_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Whole.model_validate({"parts": [{}]})
    (fault,) = faults_of(refusal.value, {"union_tag_not_found": '"part" or "other"'})
    assert fault.message == '"kind" is missing, expected "part" or "other"'
    with pytest.raises(ValidationError) as refusal:
        Part.model_validate({"several": 3})
    (fault,) = faults_of(refusal.value, {"list_type": "a list, each item after '- '"})
    assert fault.message == "found 3, expected a list, each item after '- '"


def test_all_of_them_in_their_order() -> None:
    with pytest.raises(ValidationError) as refusal:
        Part.model_validate({"count": "x", "x": 1, "name": 2})
    assert [fault.path for fault in faults_of(refusal.value)] == [("name",), ("count",), ("x",)]


def test_dataclasses_and_texts_are_told_alike() -> None:
    @dataclass(config=ConfigDict(extra="forbid", strict=True), kw_only=True)
    class Read:
        size: int
        colour: Colour = Colour.RED

    adapter = TypeAdapter(Read)
    for text, message in (
        ('{"colour": "red"}', "is missing"),
        ('{"size": 1, "other": 2}', "unknown key"),
        ('{"size": 1, "colour": "green"}', 'found "green", expected "red" or "blue"'),
        ("[]", "found [], expected an object"),
        ("{", "Invalid JSON: "),
    ):
        with pytest.raises(ValidationError) as refusal:
            adapter.validate_json(text)
        (fault,) = faults_of(refusal.value)
        assert fault.message.startswith(message)


def test_values_are_shown_in_a_line() -> None:
    assert shown("x" * 100) == '"' + "x" * 56 + "..."
    assert shown({1, 2}) == repr({1, 2})
    assert shown(None) == "null"


def test_paths_are_read_as_they_are_written() -> None:
    assert dotted(()) == ""
    assert dotted((), "$") == "$"
    assert dotted(("a", 0, "b")) == "a[0].b"
    assert dotted(("s1->s2", 1)) == '["s1->s2"][1]'
