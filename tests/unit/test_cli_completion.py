"""Completion by a shell: the scripts of docs/commands.md, and what is offered."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fairslice import cli

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def search_path(tmp_path: Path) -> str:
    """Where a shell finds this fairslice."""
    program = tmp_path / "bin" / "fairslice"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fairslice "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def documented(shell: str) -> str:
    """What a user of the shell puts into a file of its own."""
    rows = re.findall(rf"^\| {shell} \| `(.*?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 1
    return str(rows[0])


def offered(shell: str, *words: str, last: str, path: str) -> list[tuple[str, str]]:
    """What the program offers for the last word, with its type: "plain", "file" or "dir"."""
    line = ["fairslice", *words]
    # bash and zsh give all words and the number of the last; fish the last one by itself.
    told = {"COMP_WORDS": " ".join([*line, last]), "COMP_CWORD": last if shell == "fish" else str(len(line))}
    done = subprocess.run(
        ["fairslice"],
        env=os.environ | told | {"PATH": path, "_FAIRSLICE_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    if shell == "zsh":  # Three lines for each: type, value, help.
        return [(lines[n + 1], lines[n]) for n in range(0, len(lines), 3)]
    pairs = [line.partition(",") for line in lines]
    return [(value.partition("\t")[0], kind) for kind, _, value in pairs]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_documented_command_produces_the_script(shell: str, search_path: str) -> None:
    command = documented(shell)
    produced = re.search(rf"_FAIRSLICE_COMPLETE={shell}_source fairslice", command)
    assert produced
    done = subprocess.run(
        ["bash", "-ec", produced[0]],
        env=os.environ | {"PATH": search_path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{shell}_complete" in done.stdout
    assert "fairslice" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_options_and_files_are_offered(shell: str, search_path: str) -> None:
    assert offered(shell, last="pl", path=search_path) == [("plan", "plain")]
    options = [value for value, _ in offered(shell, "run", last="--", path=search_path)]
    assert {"--topology", "--out", "--duration"} <= set(options)
    assert {"--policy", "--network", "--output", "--inside"}.isdisjoint(options)
    # Files are the shell's to find.
    assert [kind for _, kind in offered(shell, "plan", last="po", path=search_path)] == ["file"]
    topology = offered(shell, "plan", "--topology", last="to", path=search_path)
    assert [kind for _, kind in topology] == ["file"]
    network = offered(shell, "topology", last="to", path=search_path)
    assert [kind for _, kind in network] == ["file"]


def test_bash_completes(tmp_path: Path, search_path: str) -> None:
    (tmp_path / "policy.yaml").touch()
    script = f"""
        {documented("bash")}
        complete -p fairslice >/dev/null
        COMP_WORDS=(fairslice top) COMP_CWORD=1
        _fairslice_completion fairslice
        echo "${{COMPREPLY[*]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-ec", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": search_path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "topology\n"), done.stderr


def test_the_page_has_every_command_as_help_lists_it() -> None:
    listed = CliRunner().invoke(cli.cli, ["--help"], env={"COLUMNS": "80"}).output
    assert "docs/commands.md" in " ".join(listed.split())
    told = dict(re.findall(r"^\| `fairslice ([a-z]+)` \| (.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    context = click.Context(cli.cli)
    wanted = {}
    for name in cli.COMMANDS:
        command = cli.cli.get_command(context, name)
        assert command is not None
        wanted[name] = command.get_short_help_str(limit=200)
    assert told == wanted
