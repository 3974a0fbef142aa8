"""The JSON Schema: fresh, complete, and of one mind with what the code accepts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairslice.errors import InputError, Location
from fairslice.files.yaml_tree import Entry, Node, Source, read_file, read_yaml
from fairslice.policy import load, parse_policy
from fairslice.policy.schema import SCHEMA_DIALECT, json_schema, json_schema_text

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "policy.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

NEEDS_MORE_THAN_A_SCHEMA = (
    # The text of the file, or whatever joins several values.
    *(
        "alias-",
        "bad-escape",
        "control-character",
        "duplicate-",
        "empty",
        "host-",
        "key-is-",
        "nested-",
        "not-utf8",
    ),
    *(
        "only-",
        "overlap-",
        "surrogate",
        "syntax-",
        "tab-",
        "tag",
        "two-documents",
        "flow-to-itself",
        "members-one",
    ),
    # Numbers inside of text, and NaN, which JSON does not have.
    "weight-nan",
    *("burst-zero", "default-buffer-too-long", "default-buffer-zero", "default-return-share-too-large"),
    *("endpoint-bad-", "endpoint-prefix-with-host-bits", "guarantee-above-limit", "guarantee-infinite"),
    "guarantee-of-free-split",
)


def accepts(plain: object) -> bool:
    return bool(VALIDATOR.is_valid(plain))


def test_the_checked_in_schema_is_fresh() -> None:
    assert json_schema() == SCHEMA, "run: python -m fairslice.policy.schema > schemas/policy.schema.json"


def test_it_is_written_as_the_reference_says() -> None:
    command = [sys.executable, "-W", "error", "-m", "fairslice.policy.schema"]
    written = subprocess.run(command, capture_output=True, text=True, check=True)
    assert written.stdout == json_schema_text()
    assert written.stderr == ""
    assert json.loads(json_schema_text()) == json_schema()


def test_it_is_a_schema_of_its_dialect() -> None:
    assert SCHEMA["$schema"] == SCHEMA_DIALECT
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def keys_of(part: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for definition in [SCHEMA, *SCHEMA["$defs"].values()]:
        yield from definition.get("properties", {}).items()


def test_every_key_is_described_for_editors() -> None:
    keys = dict(keys_of(SCHEMA))
    assert len(keys) >= 20
    assert [key for key, schema in keys.items() if len(schema.get("description", "")) < 10] == []
    assert "title" not in keys["weight"]
    assert not any(definition.get("additionalProperties", False) for definition in SCHEMA["$defs"].values())


def test_defaults_are_written_as_a_file_writes_them() -> None:
    defaults = {key: s["default"] for key, s in SCHEMA["$defs"]["DefaultsKeys"]["properties"].items()}
    assert defaults == {
        "enforcement": "both",
        "burst": "auto",
        "unmatched": "best-effort",
        "buffer": "50 ms",
        "return_share": "5 %",
        "paths": 1,
        "split": "free",
    }
    text = f"version: 1\ndefaults: {json.dumps(defaults)}\nslices: {{}}"
    assert parse_policy(text, "f") == parse_policy("version: 1\nslices: {}", "f")


@pytest.mark.parametrize("path", sorted((ROOT / "policies").glob("*.yaml")), ids=lambda path: path.stem)
def test_good_policies_validate(path: Path) -> None:
    plain = read_yaml(read_file(path), path.name).root.plain()
    assert list(VALIDATOR.iter_errors(plain)) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "policies" / "bad").glob("*.yaml")), ids=lambda path: path.stem
)
def test_bad_policies_do_not_validate_where_a_schema_can_say_so(path: Path) -> None:
    try:
        plain = read_yaml(read_file(path), path.name).root.plain()
    except InputError:
        assert path.stem.startswith(NEEDS_MORE_THAN_A_SCHEMA)
        return
    assert accepts(plain) is path.stem.startswith(NEEDS_MORE_THAN_A_SCHEMA)


@pytest.mark.parametrize(
    "match",
    [{}, {"proto": "icmp"}, {"proto": 17, "dst_port": 1}, {"proto": "tcp", "src_port": 1, "dst_port": 2}],
)
def test_matches_that_are_good(match: dict[str, object]) -> None:
    plain = {"version": 1, "slices": {"a": {"flows": [{"from": "h1", "to": "h2", "match": match}]}}}
    assert accepts(plain)
    parse_policy(json.dumps(plain), "f")


GOOD: dict[str, Any] = {
    "version": 1,
    "defaults": {
        "enforcement": "both",
        "burst": "auto",
        "unmatched": "drop",
        "buffer": "20 ms",
        "return_share": "5 %",
        "paths": 1,
        "split": "even",
    },
    "sharing": "per-flow",
    "slices": {
        "gold": {
            "weight": 2.5,
            "guarantee": "20 Mbit/s",
            "limit": "60 Mbit/s",
            "enforcement": "police",
            "burst": "250 ms",
            "members": ["h1", "h2", "h3"],
        },
        "silver": {
            "paths": 2,
            "split": "free",
            "flows": [
                {"from": "h4", "to": "h5", "demand": "40 Mbit/s", "weight": 2},
                {
                    "from": "10.0.1.0/24",
                    "to": "00:00:00:00:00:06",
                    "match": {"proto": "udp", "dst_port": 5004},
                },
                {"from": "10.0.0.1", "to": "h6", "match": {"proto": 6, "src_port": 80}},
            ],
        },
    },
}
OTHER_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        3,
        16,
        17,
        0.5,
        70000,
        "",
        "x",
        "x y",
        "both",
        "shape",
        "free",
        "even",
        "drop",
        "auto",
        "tcp",
        "icmp",
    ),
    *(
        "20",
        "20 Mbit/s",
        "30 ms",
        "4 %",
        "-4 %",
        "10.9.0.0/16",
        "hierarchical",
        [],
        {},
        [[]],
        ["x", "y"],
        {"x": 1},
    ),
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from paths(part, (*path, key))


def mutants() -> Iterator[tuple[str, Any]]:
    """The good policy with one part replaced, left out, or with an unknown key beside it."""
    for path in paths(GOOD):
        for other in (*OTHER_VALUES, "left out", "unknown key"):
            mutant = json.loads(json.dumps(GOOD))
            parent: Any = mutant
            for step in path[:-1]:
                parent = parent[step]
            if other == "left out":
                del parent[path[-1]]
            elif other == "unknown key":
                if isinstance(parent, list) or path[:-1] == ("slices",):
                    continue
                parent["x-" + str(path[-1])] = parent[path[-1]]
            else:
                parent[path[-1]] = other
            yield f"{path}: {other!r}", mutant


def tree(plain: Any) -> Node:
    """A file's tree without a file, which would take long to parse thousands of times."""
    here = Location("f", 1, 1)
    if isinstance(plain, dict):
        return Node(here, {key: Entry(here, tree(value)) for key, value in plain.items()})
    return Node(here, tuple(map(tree, plain)) if isinstance(plain, list) else plain)


def test_schema_and_code_agree_on_every_small_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "read_yaml", lambda plain, file: Source(tree(plain), ()))
    counts = {True: 0, False: 0}
    for name, mutant in mutants():
        try:
            parse_policy(mutant, "f")
            good = True
        except InputError:
            good = False
        assert accepts(mutant) is good, name
        counts[good] += 1
    assert counts[True] > 50
    assert counts[False] > 500
