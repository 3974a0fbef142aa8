"""What reading YAML does quickly is what it would do slowly."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml.scanner import Scanner

from fairslice.errors import InputError
from fairslice.files import yaml_scanner
from fairslice.files.yaml_tree import read_yaml

_NOTHING = re.compile(r"(?!)()")
PARTS = (
    *("h1", "a b", "10 Mbit/s", "-", "- ", ": ", ":", ",", ", ", "{", "}", "[", "]", "{from: h1, to: h2}"),
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


@given(texts)
def test_words_are_read_as_the_library_reads_them(text: str) -> None:
    quick = read(f"k: {text}\nlast: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_scanner, "_WORDS", _NOTHING)
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
