"""docs/exit-status.md has every status that the code ends with, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import fairslice
from fairslice import cli, errors

PACKAGE = Path(fairslice.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "exit-status.md").read_text(encoding="utf-8")
TABLE = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
NAMED = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}


def test_the_table_has_the_statuses_that_have_a_name() -> None:
    assert TABLE == NAMED
    assert "\n| 128+n |" in PAGE


def _statuses(tree: ast.AST) -> Iterator[int]:
    """What is ended with, by number or by name: ``sys.exit(6)``, ``SystemExit(6)``, ``exit_status = 6``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="exit" | "_exit") | ast.Name(id="SystemExit"), args=values):
                pass
            case ast.Assign(targets=[ast.Name(id="exit_status")], value=value):
                values = [value]
            case _:
                continue
        for value in values:
            if isinstance(value, ast.Constant) and type(value.value) is int:
                yield value.value
            elif isinstance(value, ast.Name) and value.id.startswith("EXIT_"):
                yield getattr(errors, value.id)


def test_no_module_ends_with_a_status_that_is_not_in_it() -> None:
    source = "sys.exit(7)\nraise SystemExit(8)\nclass A:\n    exit_status = EXIT_MACHINE\n"
    assert set(_statuses(ast.parse(source))) == {6, 7, 8}
    found = {
        str(path.relative_to(PACKAGE)): set(_statuses(ast.parse(path.read_text(encoding="utf-8"))))
        for path in PACKAGE.rglob("*.py")
    }
    assert found["errors.py"] == TABLE - {0, 4, 5, 70}
    assert {path: statuses - TABLE for path, statuses in found.items() if statuses - TABLE} == {}


def test_help_lists_all_of_them() -> None:
    listed = re.findall(
        r"(\d+) [a-z]", str(cli.cli.epilog).partition("Exit status:")[2].partition("128+n")[0]
    )
    assert {int(status) for status in listed} == TABLE


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_s_help_tells_none_that_is_not_in_it(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)
    for sentence in re.findall(r"^ *Exit(?:s| status:) .*?(?:\n\n|\Z)", str(command.help), re.S | re.M):
        assert {int(status) for status in re.findall(r"\b\d+\b", sentence)} <= TABLE
