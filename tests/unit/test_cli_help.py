"""What ``--help`` says of every command: examples that work, units, and one name for one thing."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fairslice import cli
from fairslice.cli.options import OneNamed

ROOT = Path(__file__).parents[2]
UNITS = {"SECONDS", "PERCENT", "PORT", "N"}
FORMER = {"--policy", "--network", "--output"}
RUNS = ("allocate", "check", "demo", "doctor", "explain", "model", "plan", "topology")
"""Commands that need neither root, nor a switch or a controller, nor a machine of their own."""


def command_named(name: str) -> click.Command:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)
    return command


def shown_examples(name: str) -> list[str]:
    """The command lines, as they are pasted from the help."""
    shown = CliRunner().invoke(cli.cli, [name, "--help"], env={"COLUMNS": "80"}).output
    paragraphs = shown.partition("Examples, in a clone:\n\n")[2].split("\n\n")
    return [inspect.cleandoc(paragraph.partition(":\n")[2]) for paragraph in paragraphs if paragraph.strip()]


def visible_options(name: str) -> list[click.Option]:
    parameters = command_named(name).get_params(click.Context(command_named(name)))
    return [one for one in parameters if isinstance(one, click.Option) and not one.hidden]


EXAMPLES = [(name, line) for name in cli.COMMANDS for line in shown_examples(name)]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_fits_into_80_columns_and_ends_with_examples(name: str) -> None:
    shown = CliRunner().invoke(cli.cli, [name, "--help"], env={"COLUMNS": "80"}).output
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown_examples(name)) >= 2


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_an_example_is_a_command_line_of_its_command(name: str, line: str) -> None:
    words = shlex.split(line.replace("\\\n", " "))
    assert words[words.index("fairslice") + 1] == name
    arguments = words[words.index("fairslice") + 2 :]
    if ">" in arguments:
        del arguments[arguments.index(">") :]
    # What it does not know it refuses.
    command_named(name).make_context(name, arguments)
    assert FORMER.isdisjoint(arguments)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, line in EXAMPLES if name in RUNS])
def test_an_example_works_as_it_stands(tmp_path: Path, name: str, line: str) -> None:
    if line.startswith("sudo "):
        assert name == "doctor"
        return
    # As in a clone, and nothing is left in this one.
    for directory in ("policies", "topologies"):
        (tmp_path / directory).symlink_to(ROOT / directory)
    program = tmp_path / "bin" / "fairslice"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fairslice "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-ec", line],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    # A machine may lack what `fairslice run` needs, which is what the doctor says.
    assert done.returncode in ((0, 6) if name == "doctor" else (0,)), done.stderr
    made = {path.name: path.stat().st_size for path in tmp_path.iterdir() if path.is_file()}
    assert all(made.values())
    assert bool(made) == (">" in line or "--picture" in line or "--plot" in line)
    assert bool(done.stdout) != (">" in line)


def test_what_does_not_run_here_needs_more() -> None:
    needy = {"agent", "apply", "controller", "measure", "run", "status", "vm"}
    assert needy.isdisjoint(RUNS)
    assert needy | set(RUNS) == set(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_is_told_with_its_unit(name: str) -> None:
    for option in visible_options(name):
        assert option.help, option.opts
        assert option.help[0].isupper(), option.opts
        assert option.help.endswith("."), option.opts
        if isinstance(option.type, click.IntRange | click.FloatRange):
            assert option.metavar in UNITS, option.opts
        elif not option.is_flag:
            assert option.metavar or isinstance(option.type, click.Choice), option.opts


def test_one_thing_has_one_name() -> None:
    names: dict[str, set[tuple[str, ...]]] = {}
    kinds: dict[str, set[str | None]] = {}
    for name in cli.COMMANDS:
        assert FORMER.isdisjoint(CliRunner().invoke(cli.cli, [name, "--help"]).output.split())
        for option in visible_options(name):
            if name != "vm":  # Its --out may be given several times.
                names.setdefault(str(option.name), set()).add(tuple(option.opts))
            kinds.setdefault(option.opts[-1], set()).add(option.metavar)
    assert {thing: spellings for thing, spellings in names.items() if len(spellings) > 1} == {}
    assert {option: metavars for option, metavars in kinds.items() if len(metavars) > 1} == {}
    files = {
        name: str(parameter.make_metavar(click.Context(command_named(name))))
        for name in cli.COMMANDS
        for parameter in command_named(name).params
        if isinstance(parameter, click.Argument) and parameter.name in ("policy", "files")
    }
    assert set(files) == {"apply", "check", "controller", "explain", "plan", "run"}
    assert {text.strip("[].") for text in files.values()} == {"POLICY"}


@pytest.mark.parametrize("name", ["check", "controller", "explain", "plan", "run"])
def test_names_of_old_are_read(name: str) -> None:
    now = command_named(name).make_context(name, ["mine.yaml", "--topology", "net.json"]).params
    old = command_named(name).make_context(name, ["--policy", "mine.yaml", "--network", "net.json"]).params
    assert now["topology"] == old["topology"] == "net.json"
    assert _policies(now) == _policies(old) == ["mine.yaml"]


def _policies(values: dict[str, object]) -> list[str]:
    found: list[str] = []
    for key in ("policy", "policy_option", "files", "more_files"):
        value = values.get(key)
        found += map(str, value if isinstance(value, tuple) else [] if value is None else [value])
    return found


def test_directories_have_one_name_too() -> None:
    for name, given in (("run", ["p.yaml", "--topology", "t"]), ("vm", [])):
        now = command_named(name).make_context(name, [*given, "--out", "o"]).params
        old = command_named(name).make_context(name, [*given, "--output", "o"]).params
        assert now == old


def test_an_option_of_one_name_counts_all_that_are_given() -> None:
    @click.command
    @click.option("--many", cls=OneNamed, formerly=("--several",), multiple=True)
    def command(many: tuple[str, ...]) -> None:
        click.echo(",".join(many))

    assert CliRunner().invoke(command, ["--several", "a", "--many=b"]).output == "a,b\n"
    shown = CliRunner().invoke(command, ["--help"]).output
    assert "--many" in shown
    assert "--several" not in shown


def told_commands() -> list[tuple[str, str]]:
    """All that reads like a call of fairslice in what is written for people."""
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("vagrant/*"),
        ROOT / "script" / "demo",
    ]
    return [
        (str(page.relative_to(ROOT)), line)
        for page in pages
        if page.name != "CHANGELOG.md"
        for line in re.findall(r"fairslice [a-z]+ .*(?:\\\n.*)*", page.read_text(encoding="utf-8"))
    ]


def test_documents_use_the_names_that_help_shows() -> None:
    told = told_commands()
    assert len(told) > 20
    assert [
        (page, line) for page, line in told if re.search(rf"({'|'.join(sorted(FORMER))})(?=[ `])", line)
    ] == []
