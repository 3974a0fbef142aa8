"""How often Python looks for circles among its values: set in one place, and put back."""

import gc
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fairslice.cli import COMMANDS, ENDS_WITH_ITS_OUTPUT, cli
from fairslice.garbage import Searches, search
from fairslice.testing.commands import run_command

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("searches", Searches)
def test_python_takes_what_is_set(searches: Searches) -> None:
    search(searches)
    assert gc.get_threshold() == searches.value
    assert gc.isenabled()


@pytest.mark.parametrize("name", [*ENDS_WITH_ITS_OUTPUT, "apply", "status"])
def test_only_what_ends_with_its_output_goes_without_searches(name: str) -> None:
    search(Searches.SELDOM)
    cli.get_command(click.Context(cli), name)
    expected = Searches.NEVER if name in ENDS_WITH_ITS_OUTPUT else Searches.SELDOM
    assert gc.get_threshold() == expected.value
    assert name in COMMANDS


def test_a_command_puts_back_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gc.set_threshold(701, 11, 12)
    assert run_command(monkeypatch, "check", ROOT / "policies" / "limited.yaml") == 0
    assert gc.get_threshold() == (701, 11, 12)
    assert capsys.readouterr().out


def test_nobody_else_sets_it() -> None:
    """But for the command line, which puts back what it found."""
    sources = (ROOT / "controller" / "fairslice").rglob("*.py")
    asking = {path.name for path in sources if "gc.set_threshold" in path.read_text(encoding="utf-8")}
    assert asking == {"garbage.py", "__init__.py"}
