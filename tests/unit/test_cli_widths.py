"""Eighty columns: tables fit, nothing of them is cut, and what is left out is said."""

from pathlib import Path

import pytest
from rich.console import Console

from fairslice.cli.output import wide_enough
from fairslice.testing.commands import run_command

ROOT = Path(__file__).parents[2]
FAT_TREE = ("policies/fat-tree-tenants.yaml", "--topology", "topologies/fat_tree.py")
PROBLEM = """{"links": {"a-link-with-a-long-name": 10}, "slices": {"a-slice-with-a-name": {"weight": 1}},
 "flows": [{"id": "a flow called by many words %d", "path": ["a-link-with-a-long-name"], "slice": %s}]}"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with policies, topologies and a problem of long names."""
    for name in ("policies", "topologies"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "problem.json").write_text(PROBLEM % (1, '"a-slice-with-a-name"'))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_table(lines: list[str]) -> list[str]:
    """The lines from each rule to the blank line behind the rows, and the headings above."""
    found: list[str] = []
    inside = False
    for above, line in zip(["", *lines], lines, strict=False):
        rule = line.strip(" ─") == "" and "─" in line
        found += [above, line] if rule else [line] if inside and line.strip() else []
        inside = rule or (inside and bool(line.strip()))
    return found


@pytest.mark.parametrize("columns", [80, 100, 200])
@pytest.mark.parametrize(
    "command",
    [
        ("plan", *FAT_TREE, "--rates-only"),
        ("plan", "policies/guaranteed.yaml", "--topology", "topologies/dumbbell.py"),
        ("explain", *FAT_TREE, "1"),
        ("explain", "policies/members.yaml", "3", "--topology", "topologies/dumbbell.py"),
        ("allocate", "problem.json", "--explain", "--flow", "1"),
        ("doctor", "--quick"),
    ],
    ids=" ".join,
)
def test_tables_fit_and_are_whole(
    command: tuple[str, ...],
    columns: int,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_command(monkeypatch, *command, columns=columns)
    text = capsys.readouterr().out
    table = is_table(text.splitlines())
    assert len(table) >= 3
    assert [line for line in table if len(line.rstrip()) > columns] == []
    assert "…" not in text, "a cell folds, and is not cut"


def test_columns_say_how_wide_even_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert wide_enough(Console()).width == 80
    monkeypatch.delenv("COLUMNS")
    assert wide_enough(Console(width=80, force_terminal=False)).width > 1000
    assert wide_enough(Console(width=80, force_terminal=True)).width == 80


@pytest.mark.parametrize(
    "command",
    [
        ("plan", *FAT_TREE, "--rates-only"),
        ("explain", *FAT_TREE, "1"),
        ("topology", "topologies/fat_tree.py"),
        ("allocate", "problem.json", "--explain", "--flow", "1"),
        ("doctor", "--quick"),
    ],
    ids=" ".join,
)
def test_a_row_is_a_line_in_a_pipe(
    command: tuple[str, ...],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing folds: as many lines as with a width that is too much for any."""
    (workplace / "problem.json").write_text(PROBLEM % (10**200, '"a-slice-with-a-name"'))
    lines = []
    for columns in (5000, None):
        run_command(monkeypatch, *command, columns=columns)
        lines.append([line.split() for line in capsys.readouterr().out.splitlines()])
    wide, piped = lines
    if command[0] == "doctor":  # Whose figures are never the same.
        assert len(wide) == len(piped)
    else:
        assert wide == piped
