"""One word for one thing: what is shown is in docs/glossary.md, and words given up are shown nowhere."""

import ast
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from fairslice.measure.results import from_json
from fairslice.report.table import print_result
from fairslice.testing.commands import run_command

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "controller" / "fairslice"
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = {term.lower() for term in re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY, re.MULTILINE)}
MENTIONED = TERMS | {word.lower() for word in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", GLOSSARY)}
PLAIN = {"", "now", "rate", "Mbit/s", "the flow"}
"""Headings that need no explanation."""
COMMANDS = (
    ("plan", "policies/gold-silver-bronze.yaml", "--topology", "topologies/dumbbell.py"),
    ("plan", "policies/fat-tree-tenants.yaml", "--topology", "topologies/fat_tree.py", "--rates-only"),
    ("explain", "policies/demands.yaml", "h1->h5", "--topology", "topologies/dumbbell.py"),
    ("explain", "policies/gold-silver-bronze.yaml", "1", "--topology", "topologies/dumbbell.py"),
    ("explain", "policies/members.yaml", "3", "--topology", "topologies/dumbbell.py"),
)
WITHDRAWN = {
    r"→": "->",
    r"\w -> \w|\} -> \{": "-> without space",
    r"\bfloors?\b": "guarantee",
    r"\bceilings?\b": "limit",
    r"(?<!-)\bcap\b|\bcaps\b|\bcapped\b": "demand or limit",
    r"asks? (for )?no more": "demand is met",
    r"because of": "why not more",
}
"""Words that were used for the same, each with the one that is kept."""


def headings(text: str) -> Iterator[str]:
    """The headings of all tables: what stands right above a rule, in columns two blanks apart."""
    lines = text.splitlines()
    for above, rule in pairwise(lines):
        if re.fullmatch(r"\s*─+\s*", rule):
            yield from re.split(r"\s{2,}", above.strip())


def explained(heading: str) -> bool:
    known = MENTIONED | {word.lower() for word in PLAIN}
    return re.sub(r", for each .* more$", "", heading).lower() in known


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_headings_of_tables_are_in_the_glossary(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run_command(monkeypatch, *command) == 0
    found = list(headings(capsys.readouterr().out))
    assert len(found) >= 5
    assert [heading for heading in found if not explained(heading)] == []


def test_headings_of_a_run_are_in_the_glossary() -> None:
    file = io.StringIO()
    result = from_json((ROOT / "tests/fixtures/results/dumbbell.json").read_text(encoding="utf-8"))
    print_result(result, Console(file=file, width=120))
    names = {"slice", "flow", "allocated", "on the wire", "error", "goodput", "why not more", "ok?"}
    shown = re.sub(r"\s{2,}", "\n", file.getvalue())
    assert {name for name in names if name in shown.split("\n")} == names
    assert [name for name in (*names, "resent or lost") if not explained(name)] == []


def test_the_readme_leads_to_it_and_terms_are_there_once() -> None:
    assert "(docs/glossary.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", GLOSSARY, re.MULTILINE)
    assert len({term for term, _ in terms}) == len(terms) > 30
    assert [term for term, text in terms if not text.endswith((".", ")", "."))] == []


def shown_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that may be read by people: no docstrings, and no single words.

    These may be keys and attributes, whose names are kept.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr):
            continue
        text = ""
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            text = "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            text = node.value
        if " " in text.strip() or "→" in text:
            yield node.lineno, text


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("testing", "naming.py")
    ],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_words_given_up_are_shown_nowhere(path: Path) -> None:
    found = [
        f"{path.name}:{line}: {text!r}: say {kept}"
        for line, text in shown_texts(path)
        for word, kept in WITHDRAWN.items()
        # An entry of a flow table is written as ovs-ofctl does, with an arrow of its own.
        if re.search(word, text, re.IGNORECASE) and "cookie={}" not in text
    ]
    assert found == []


def test_the_report_has_none_of_them() -> None:
    page = (PACKAGE / "report" / "page.html.j2").read_text(encoding="utf-8")
    text = re.sub(r"<style>.*?</style>|\{[{%].*?[%}]\}", "", page, flags=re.DOTALL)
    assert [word for word in WITHDRAWN if re.search(word, text, re.IGNORECASE)] == []


def test_the_scan_sees_what_it_looks_for(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""A floor."""\nkey = "floor"\nprint(f"the floors of {key} -> {key} don\'t fit")\n')
    assert list(shown_texts(module)) == [(3, "the floors of {} -> {} don't fit")]
    (text,) = (text for _, text in shown_texts(module))
    assert sum(re.search(word, text) is not None for word in WITHDRAWN) == 2
