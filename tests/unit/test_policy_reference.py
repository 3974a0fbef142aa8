"""docs/policy-reference.md names every key, and what it shows is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairslice.errors import InputError
from fairslice.files.yaml_tree import MAX_ALIASED_NODES, MAX_FILE_BYTES
from fairslice.policy import parse_policy
from fairslice.policy.model import MAX_FLOWS, MAX_SLICES

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "policy-reference.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "schemas" / "policy.schema.json").read_text(encoding="utf-8"))
SECTIONS = {
    "PolicyKeys": "The file",
    "DefaultsKeys": "defaults",
    "SliceKeys": "A slice",
    "FlowKeys": "A flow",
    "MatchKeys": "match",
}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title!r}"
    return found[1]


def documented(title: str) -> dict[str, list[str]]:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section(title), re.MULTILINE)
    return {key: [cell.strip() for cell in rest.split(" | ")] for key, rest in rows}


@pytest.mark.parametrize(("model", "title"), SECTIONS.items())
def test_every_key_has_its_row(model: str, title: str) -> None:
    definition = SCHEMA if model == "PolicyKeys" else SCHEMA["$defs"][model]
    assert "| Attribute | Type | Default | Description |" in section(title)
    rows = documented(title)
    assert list(rows) == list(definition["properties"])
    for key, cells in rows.items():
        assert len(cells) == 3, key
        default = definition["properties"][key].get("default")
        if isinstance(default, str | float):
            assert cells[1] == (f"`{default:g}`" if isinstance(default, float) else f"`{default}`"), key
        assert ("required" in cells[1]) is (key in definition.get("required", [])), key


def test_all_words_of_a_choice_are_named() -> None:
    for name, title in (("Enforcement", "A slice"), ("Sharing", "The file"), ("Unmatched", "defaults")):
        for word in SCHEMA["$defs"][name]["enum"]:
            assert f"`{word}`" in section(title)


def test_limits_are_those_of_the_code() -> None:
    for limit in (f"{MAX_FILE_BYTES >> 20} MiB", str(MAX_SLICES), f"{MAX_FLOWS:,}", f"{MAX_ALIASED_NODES:,}"):
        assert limit in section("Limits")


def examples(language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)


def test_examples_are_good_policies() -> None:
    found = list(examples("yaml"))
    assert len(found) >= 4
    for text in found:
        whole = text if "version:" in text else f"version: 1\nslices:\n{text}"
        parse_policy(whole, "example")


def test_shown_errors_are_the_real_ones() -> None:
    (policy,) = examples("yaml bad")
    (output,) = examples("text")
    with pytest.raises(InputError) as caught:
        parse_policy(policy, "team.yaml")
    assert [str(fault) for fault in caught.value.faults] == output.splitlines()
