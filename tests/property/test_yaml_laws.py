"""What reading YAML does quickly is what it would do slowly."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml.scanner import Scanner

from fairslice.errors import InputError
from fairslice.files import yaml_scanner
from fairslice.files.yaml_tree import MAX_DEPTH, read_yaml

_NOTHING = re.compile(r"(?!)()")
PARTS = (
    *("h1", "a b", "10 Mbit/s", "-", "- ", ": ", ":", ",", ", ", "{", "}", "[", "]", "{from: h1, to: h2}"),
    *("{a: b}", "{ a: 1 , b: {c: d, c: e } }", "{a: b }", "{1: b}", "{a:  {b: c}}", "\n  - {a: b}", "{a: "),
    *(
        "\n",
        "\n  ",
        "\n- ",
        " ",
        "  ",
        "\t",
        " #",
        "? ",
        "'",
        '"',
        "---",
        "...",
        "&a ",
        "*a",
        "!t ",
        "x:y",
        "|",
    ),
)
texts = st.lists(st.sampled_from(PARTS), min_size=1, max_size=14).map("".join)


def read(text: str) -> str:
    """The tree with all places, or what is wrong."""
    try:
        return repr(read_yaml(text, "f"))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("quickly", ["_WORDS", "_MAPPING"])
@given(text=texts)
def test_what_is_read_quickly_is_read_as_the_library_reads_it(quickly: str, text: str) -> None:
    quick = read(f"k: {text}\nlast: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_scanner, quickly, _NOTHING)
        assert read(f"k: {text}\nlast: 1\n") == quick


def test_words_are_what_policies_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    slowly: list[str] = []
    really = Scanner.scan_plain

    def counted(scanner: Scanner) -> object:
        token = really(scanner)
        slowly.append(token.value)
        return token

    monkeypatch.setattr(Scanner, "scan_plain", counted)
    read("slices:\n  gold:\n    flows:\n      - {from: h1, to: 10.0.0.2, demand: 10 Mbit/s}\n")
    # What ends with its line may go on in the next one.
    assert slowly == ["slices", "gold", "flows"]


def test_mappings_on_one_line_are_what_policies_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested as deep as one may be, and no deeper."""
    slowly: list[int] = []
    really = Scanner.fetch_flow_mapping_start

    def counted(scanner: Scanner) -> None:
        slowly.append(scanner.reader.column)
        really(scanner)

    monkeypatch.setattr(Scanner, "fetch_flow_mapping_start", counted)
    read("flows:\n  - {from: h1, to: 10.0.0.2, demand: 10 Mbit/s, match: {proto: tcp, dst_port: 80}}\n")
    assert slowly == []
    read("a: {b: {c: {d: e}}}\n")
    assert slowly == [3]


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1])
def test_a_mapping_on_one_line_is_as_deep_as_its_pieces(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join("  " * level + "a:\n" for level in range(depth - 2)) + "  " * depth + "b: {c: {d: e}}\n"
    quick = read(text)
    assert quick.startswith("f:") == (depth > MAX_DEPTH - 1)
    monkeypatch.setattr(yaml_scanner, "_MAPPING", _NOTHING)
    assert read(text) == quick
