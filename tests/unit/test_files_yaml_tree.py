"""Reading YAML: where everything stands, what it is, and what is refused."""

import math
from pathlib import Path

import pytest

from fairslice.errors import InputError, Location
from fairslice.files import yaml_tree as yaml_source
from fairslice.files.yaml_tree import MAX_ALIASED_NODES, read_file, read_yaml, resolve_scalar


def refused(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "f")
    return [str(fault) for fault in caught.value.faults]


def test_every_node_knows_its_place() -> None:
    root = read_yaml("# first\na:\n  - {b: 1, 'ü': [x]}\n  -  second\n", "f.yaml").root
    assert root.plain() == {"a": [{"b": 1, "ü": ["x"]}, "second"]}
    assert root.location == Location("f.yaml", 2, 1)
    assert root.key_location(()) == root.location
    assert root.key_location(("a",)) == Location("f.yaml", 2, 1)
    assert root.value_location(("a",)) == Location("f.yaml", 3, 3)
    assert root.key_location(("a", 0, "ü")) == Location("f.yaml", 3, 12)
    assert root.value_location(("a", 0, "ü", 0)) == Location("f.yaml", 3, 18)
    assert root.key_location(("a", 1)) == root.value_location(("a", 1)) == Location("f.yaml", 4, 6)
    assert root.get("a") is not None
    assert root.get("b") is None
    assert root.items() == ()


def test_an_empty_value_is_shown_at_its_key() -> None:
    root = read_yaml("a:\n\n\nb: 'x'\nc: ''\n", "f").root
    assert root.value_location(("a",)) == Location("f", 1, 1)
    assert root.value_location(("c",)) == Location("f", 5, 4)
    assert root.plain() == {"a": None, "b": "x", "c": ""}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("no", "no"), ("on", "on"), ("yes", "yes"), ("true", True), ("FALSE", False), ("tRue", "tRue")),
        *(("~", None), ("", None), ("NULL", None), ("nil", "nil")),
        *(("12", 12), ("-3", -3), ("+7", 7), ("010", 10), ("0o10", 8), ("0x1F", 31), ("1_000", "1_000")),
        *((".5", 0.5), ("1.", 1.0), ("-1e3", -1000.0), (".inf", math.inf), ("-.INF", -math.inf), (".", ".")),
        *(("10:20", "10:20"), ("10.0.0.1", "10.0.0.1"), ("00:00:00:00:00:01", "00:00:00:00:00:01")),
        *(("9" * 400, math.inf), ("1" * 301, float("1" * 301)), ("0x" + "f" * 400, math.inf)),
    ],
)
def test_scalars_by_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = resolve_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    found = resolve_scalar(".NaN")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_quotes_make_text() -> None:
    assert read_yaml("a: '1'\nb: \"true\"\nc: |\n  3\n", "f").root.plain() == {
        "a": "1",
        "b": "true",
        "c": "3\n",
    }


def test_a_version_directive_changes_nothing() -> None:
    assert read_yaml("%YAML 1.1\n---\na: no\n", "f").root.plain() == {"a": "no"}


def test_aliases_stand_where_they_are_used() -> None:
    root = read_yaml("a: &x {b: &y 1}\nc: *x\nd: [*y]\n", "f").root
    assert root.plain() == {"a": {"b": 1}, "c": {"b": 1}, "d": [1]}
    assert root.value_location(("c",)) == Location("f", 2, 4)
    assert root.value_location(("c", "b")) == Location("f", 1, 11)
    assert root.value_location(("d", 0)) == Location("f", 3, 5)


def test_aliases_may_expand_up_to_the_limit_exactly() -> None:
    head = "a: &x [" + "1, " * 98 + "1]\nb:\n"  # 100 values with the list itself
    uses = MAX_ALIASED_NODES // 100
    assert read_yaml(head + "- *x\n" * uses, "f").root.get("b") is not None
    (fault,) = refused(head + "- *x\n" * (uses + 1))
    assert fault.startswith(f"f:{3 + uses}:3: the aliases up to here expand to more than")


def test_a_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert "expand to more than" in refused("\n".join(lines))[0]


def test_faults_before_a_fatal_one_are_kept() -> None:
    assert refused("a: 1\na: 2\n1: !x 3\nb: [") == [
        "f:2:1: duplicate key 'a', in line 1 already; expected it once",
        "f:3:1: found the number 1 as a key; expected text, in quotes if need be",
        "f:3:4: the tag '!x' has no meaning in a policy; expected none",
        "f:4:4: the [ of line 4 is not closed: found the end of the file; expected ']' before it",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "a: {b: 1\nc: 2\n",
            "f:1:4: the { of line 1 is not closed: found ':' in line 2; expected '}' before it",
        ),
        (
            "a: {b: '}', c: \"}\", # }\n",
            "f:1:4: the { of line 1 is not closed: found the end of the file; expected '}' before it",
        ),
        (
            "a: &x {b: [1}\n",
            "f:1:11: the [ of line 1 is not closed: found '}' in line 1; expected ']' before it",
        ),
        (
            "a: &x [1, {b: 1}\nc: d\n",
            "f:1:7: the [ of line 1 is not closed: found text in line 2; expected ']' before it",
        ),
        (
            "a: {b: 1 c: 2}\n",
            "f:1:11: no valid YAML in the { of line 1: found ':' in line 1; expected ',' or '}'",
        ),
        (
            "a: {\n  b: [1, 2] 3}\n",
            "f:2:13: no valid YAML in the { of line 1: found text in line 2; expected ',' or '}'",
        ),
        (
            "a:\n  - b: 1\n  c: 2\n",
            "f:3:3: no valid YAML: found a key after a list that began in line 2; is a line between them,"
            " or this one, indented too little, or too much?",
        ),
        (
            "a:\n  b: 1\n - c\n",
            "f:3:2: no valid YAML: found a list after a mapping that began in line 1; is a line"
            " between them, or this one, indented too little, or too much?",
        ),
        (
            "a: b]\nc: ]\n",
            "f:2:4: no valid YAML while parsing a block node: expected the node content, but found ']'",
        ),
    ],
)
def test_a_beginner_is_told_what_is_not_closed_or_indented(text: str, fault: str) -> None:
    assert refused(text) == [fault]


def test_a_refused_key_hides_its_value_only() -> None:
    source = read_yaml("a: 1\na: {b: 2}\n? {c: 3}\n: 4\nd: 5\n", "f")
    assert source.root.plain() == {"a": 1, "d": 5}
    assert len(source.faults) == 2


@pytest.mark.parametrize(
    "text", ["%YAML x\n---\na", 'a: "\\xZZ"', "@a", "%TAG ! \n---\n", "&", "*", "a: &x *x"]
)
def test_malformed_yaml(text: str) -> None:
    assert refused(text)


def test_nul_and_lone_surrogates() -> None:
    assert refused("a: b\nc: \x00") == [
        "f:2:4: the character U+0000 is not allowed in YAML; expected printable text"
    ]
    assert refused("a\ud800")[0].startswith("f:1:2: the character U+D800 is not allowed")


def test_reading_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes("a: ü\r\nb: 1\r\n".encode("utf-8-sig"))
    assert read_yaml(read_file(path), "f").root.plain() == {"a": "ü", "b": 1}
    path.write_bytes("ü: \xe9".encode("latin-1"))
    with pytest.raises(InputError, match=r"p\.yaml:1:1: byte 0xfc is not UTF-8"):
        read_file(path)
    path.write_bytes("a: 1".encode("utf-16"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_file(path)
    monkeypatch.setattr(yaml_source, "MAX_FILE_BYTES", 1 << 20)
    path.write_bytes(b"#" * (1 << 20))
    assert len(read_file(path)) == 1 << 20
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="more than 1 MiB"):
        read_file(path)


@pytest.mark.parametrize("path", [Path("/nowhere/p.yaml"), Path("a\0b"), Path("/dev/null/p.yaml")])
def test_files_that_cannot_be_read(path: Path) -> None:
    with pytest.raises(InputError, match="can't read"):
        read_file(path)
