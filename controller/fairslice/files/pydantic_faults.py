"""What pydantic finds wrong with a document, in words of this project, the same for every kind of file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

DocumentPath = tuple[str | int, ...]
"""Keys and indices that lead from the whole document to a part of it."""

_LONGEST_SHOWN = 60
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "an array",
    "model_type": "an object",
    "dataclass_type": "an object",
    "string_type": "a string",
    "tuple_type": "an array",
}
_BOUNDS = {
    "greater_than": ("gt", "a number above {:g}"),
    "greater_than_equal": ("ge", "a number from {:g} up"),
    "less_than": ("lt", "a number below {:g}"),
    "less_than_equal": ("le", "a number up to {:g}"),
}
_CHOICES = ("literal_error", "enum")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_OF_JSON = {"'": '"', "True": "true", "False": "false", "None": "null"}
"""What pydantic writes as Python does."""


@dataclass(frozen=True, slots=True)
class ModelFault:
    """One thing that is wrong: where in the document, pydantic's name for its kind, and the sentence."""

    path: DocumentPath
    kind: str
    message: str


def faults_of(error: ValidationError, words: Mapping[str, str] | None = None) -> Iterator[ModelFault]:
    """All that a model found, in its order.

    Args:
        error: what pydantic raised.
        words: what is expected, by the kind of fault, where that is to be said in another way.
    """
    for detail in error.errors(include_url=False):
        yield ModelFault(detail["loc"], detail["type"], message_of(detail, words or {}))


def message_of(detail: Any, words: Mapping[str, str]) -> str:
    """One of pydantic's errors as ``found ..., expected ...``, to stand behind its place."""
    kind: str = detail["type"]
    if kind in _MISSING:
        return "is missing"
    if kind in _UNKNOWN:
        return "unknown key"
    if kind == "union_tag_not_found":
        return f"{_tag_key(detail)} is missing, expected {words.get(kind, 'one')}"
    if kind == "union_tag_invalid":
        tags = detail["ctx"]["expected_tags"].replace("'", '"')
        return f"{_tag_key(detail)}: found {shown(detail['ctx']['tag'])}, expected one of {tags}"
    if kind == "value_error":  # Raised by a validator of ours, which has said what it found.
        return str(detail["ctx"]["error"])
    if kind == "json_invalid":
        return f"Invalid JSON: {detail['ctx']['error']}"
    return f"found {shown(detail['input'])}, expected {words.get(kind) or expected_of(detail)}"


def expected_of(detail: Any) -> str:
    """What one of pydantic's errors would have taken."""
    kind: str = detail["type"]
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(detail["ctx"][name])
    if kind in _CHOICES:
        text = str(detail["ctx"]["expected"])
        for ours, theirs in _OF_JSON.items():
            text = text.replace(ours, theirs)
        return text
    return str(detail["msg"]).removeprefix("Input should be ")


def _tag_key(detail: Any) -> str:
    return str(detail["ctx"]["discriminator"]).replace("'", '"')


def again(error: ValidationError) -> list[InitErrorDetails]:
    """All that a model found, to be raised together with what is found besides."""
    return [
        InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
        for one in error.errors(include_url=False)
    ]


def fault_at(path: DocumentPath, text: str, value: object) -> InitErrorDetails:
    """A fault of ours, to be raised together with those that a model found."""
    kind = PydanticCustomError("value_error", "{error}", {"error": text})
    return InitErrorDetails(type=kind, loc=path, input=value)


def shown(value: object) -> str:
    """A value as JSON writes it, shortened; one that JSON can't hold as Python does."""
    if isinstance(value, Mapping) and value:
        return "an object"
    if isinstance(value, list | tuple) and value:
        return "an array"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def dotted(path: DocumentPath, start: str = "") -> str:
    """A path as it is read: ``flows[0].weight``; keys that are not words stand as ``["s1->s2"]``.

    >>> dotted(("flows", 0, "path", "s1->s2"), "$")
    '$.flows[0].path["s1->s2"]'
    """
    text = start
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += step(part) if text else step(part).removeprefix(".")
    return text


def step(key: str) -> str:
    """A key behind the path that leads to it."""
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"
