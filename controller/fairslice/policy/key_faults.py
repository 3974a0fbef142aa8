"""What is wrong with each key and value of a policy by itself, and what may have been meant."""

import re
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError

from fairslice.errors import Fault
from fairslice.files.pydantic_faults import expected_of
from fairslice.files.words import describe, did_you_mean
from fairslice.files.yaml_tree import KeyPath, Node
from fairslice.policy.schema import DefaultsKeys, FlowKeys, MatchKeys, PolicyKeys, SliceKeys

_MODELS: dict[int, type[BaseModel]] = {
    0: PolicyKeys,
    1: DefaultsKeys,
    2: SliceKeys,
    4: FlowKeys,
    5: MatchKeys,
}
"""Whose keys a mapping has, by the length of its path."""
_DEEPER = {0: ((1, "defaults"), (2, "a slice")), 1: (), 2: ((4, "a flow"),), 4: ((5, "match"),), 5: ()}
"""Whose keys stand further in."""
_EXPECTED = {
    "dict_type": "a mapping of names to slices, {} for none",
    "list_type": "a list, each item after '- ' or all in [ ]",
    "too_short": "two hosts or more, or a prefix",
}
_EXAMPLES = {"version": "version: 1", "slices": "slices: {...}", "from": "from: h1", "to": "to: h2"}
_OTHER_WORDS = {
    **dict.fromkeys(("src", "source", "sender"), "from"),
    **dict.fromkeys(("dst", "dest", "destination", "receiver", "target"), "to"),
}
"""What others call our keys."""
_AFTER_A_COMMA = re.compile(r"\d+\s*([kMG]?bit/s|us|ms|s|%)", re.IGNORECASE)
"""What is left of ``3,5 Mbit/s`` where a comma ends the value."""
_INDENTED = "; is it indented too little?"
_MOST_LOOKED_THROUGH = 100
"""So many entries of a mapping are looked through for a hint, at most."""


def key_faults(root: Node) -> tuple[PolicyKeys | None, list[Fault]]:
    """Check every key and value by itself; the models if there is no fault, and the faults."""
    try:
        return PolicyKeys.model_validate(root.plain()), []
    except ValidationError as error:
        found = [dict(one) for one in error.errors(include_url=False)]
        return None, [_fault(root, one) for one in found if not _is_said(root, one)]


def _is_said(root: Node, error: dict[str, Any]) -> bool:
    """Whether a key is missing only because there is no space after its colon, which is said already."""
    path: KeyPath = error["loc"]
    if error["type"] != "missing":
        return False
    return any(key.startswith(f"{path[-1]}:") for key in root.node(path[:-1]).entries())


def _fault(root: Node, error: dict[str, Any]) -> Fault:
    kind: str = error["type"]
    path: KeyPath = error["loc"]
    if kind == "extra_forbidden":
        return Fault(f"unknown key {describe(path[-1])}{_hint(root, path)}", root.key_location(path))
    if kind == "missing":
        message = f'missing key {path[-1]!r}; expected for example "{_EXAMPLES[str(path[-1])]}"'
        return Fault(message, root.key_location(path[:-1]))
    if kind == "value_error":
        if path[-1] == "[key]":  # how pydantic points to a mapping's key
            return Fault(str(error["ctx"]["error"]), root.key_location(path[:-1]))
        return Fault(str(error["ctx"]["error"]), root.value_location(path))
    found = error["input"]
    if kind == "model_type" and len(path) == 2 and path[-1] in _known_keys(2):
        message = f"found {path[-1]!r}, a key of a slice, where a slice's name is expected{_INDENTED}"
        return Fault(message, root.key_location(path))
    if kind == "enum":
        words = re.findall("'([^']+)'", error["ctx"]["expected"])
        hint = did_you_mean(found, words) if isinstance(found, str) else ""
        expected = f"one of {', '.join(words)}{hint}"
    elif kind == "model_type":
        known = _known_keys(len(path))
        expected = f"a mapping with keys out of {', '.join(known)}{_space_after_colon(found, known)}"
    else:
        expected = _EXPECTED.get(kind) or expected_of(error)
    return Fault(
        f"found {'an empty list' if found == [] else describe(found)}; expected {expected}",
        root.value_location(path),
    )


def _hint(root: Node, path: KeyPath) -> str:
    """What may have been meant by an unknown key."""
    key, known = str(path[-1]), _known_keys(len(path) - 1)
    other = _OTHER_WORDS.get(key.lower())
    return (
        _space_after_colon(key, known)
        or _decimal_point(root.node(path[:-1]), key)
        or _deeper(path)
        or (f"; did you mean {other!r}?" if other in known else "")
        or did_you_mean(key, known)
        or _slice_at_the_margin(root, path)
        or f"; expected one of {', '.join(known)}"
    )


def _space_after_colon(found: object, known: list[str]) -> str:
    key, colon, value = found.partition(":") if isinstance(found, str) else ("", "", "")
    if not colon or key not in known:
        return ""
    return f"; expected a space after ':', as in {describe(f'{key}: {value}')}"


def _decimal_point(mapping: Node, key: str) -> str:
    """Where a comma in a number has cut it in two, the second half a key without a value."""
    entries = mapping.entries()
    if not _AFTER_A_COMMA.fullmatch(key) or len(entries) > _MOST_LOOKED_THROUGH:
        return ""
    for before, after in pairwise(entries):
        number = entries[before].node.value
        if after == key and entries[after].node.value is None and type(number) is int:
            return f"; did you mean {describe(f'{before}: {number}.{key}')}, with a decimal point?"
    return ""


def _deeper(path: KeyPath) -> str:
    """Where the key would be right further in."""
    level, key = len(path) - 1, path[-1]
    for deeper, whose in _DEEPER[level]:
        if key in _known_keys(deeper):
            return f", a key of {whose}{_INDENTED}"
    return ""


def _slice_at_the_margin(root: Node, path: KeyPath) -> str:
    inside = root.node(path).entries()
    if len(path) == 1 and inside and set(inside) <= set(_known_keys(2)):
        return f", which has keys of a slice{_INDENTED}"
    return ""


def _known_keys(level: int) -> list[str]:
    """The keys of a mapping whose path is so long, as the file writes them."""
    return [info.alias or name for name, info in _MODELS[level].model_fields.items()]
