"""docs/json.md has every key of what commands print with --json, and no other."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairslice.api.status import StatusView
from fairslice.lab.doctor.findings import Finding
from fairslice.testing.commands import run_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
VALUES = {
    *("police", "shape", "both", "cap", "run", "plan", "explain", "measure", "allocate", "null"),
    *("ok", "warn", "fail", "reg0", "explanation", "label"),
}
"""Words that stand like keys and are none: values, commands, and a key of allocate's."""
PLANS = (
    ("policies/guaranteed.yaml", "topologies/dumbbell.json"),
    ("policies/demands.yaml", "topologies/dumbbell.json"),
    ("policies/fat-tree-tenants.yaml", "topologies/fat_tree.py"),
    ("policies/voice.yaml", "topologies/dumbbell.json"),
)


def told(section: str) -> set[str]:
    """The words in code of a section's tables."""
    found = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    rows = [line for line in found[1].splitlines() if line.startswith("| ")]
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def keys(value: Any, *, named: frozenset[str] = frozenset()) -> Iterator[str]:
    """All keys of a document; those of what is ``named`` are names, and only their values are looked into."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            inside = inner.values() if key in named and isinstance(inner, dict) else [inner]
            for one in () if key == "match" else inside:
                yield from keys(one, named=named)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one, named=named)


def document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> dict[str, Any]:
    monkeypatch.chdir(ROOT)
    run_command(monkeypatch, *arguments, "--json")
    loaded = json.loads(capsys.readouterr().out)
    assert isinstance(loaded, dict)
    return loaded


def test_plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found: set[str] = set()
    for policy, topology in PLANS:
        plan = document(monkeypatch, capsys, "plan", policy, "--topology", topology)
        found |= set(keys(plan, named=frozenset({"switches"})))
    assert told("plan") - VALUES == found


def test_explain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found: set[str] = set()
    for policy, topology in (*PLANS, ("policies/members.yaml", "topologies/dumbbell.py")):
        found |= set(keys(document(monkeypatch, capsys, "explain", policy, "1", "--topology", topology)))
    assert told("explain") - VALUES == found


def test_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    policies = ("policies/limited.yaml", "policies/none.yaml")
    assert told("check") - (VALUES - {"ok"}) == set(keys(document(monkeypatch, capsys, "check", *policies)))


def test_status() -> None:
    assert told("status and apply") == set(StatusView.model_fields)


def test_doctor() -> None:
    finding = Finding("ok", "Python", "3.11").as_json()
    assert told("doctor") - VALUES == {"findings", *finding}
