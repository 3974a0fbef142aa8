"""The command line as a process: exit statuses, messages without tracebacks, and what it does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fairslice import __version__, cli
from fairslice.cli.progress import shown_progress
from fairslice.testing.networks import build_network
from fairslice.topology import load as topology_load
from fairslice.topology.nodelink import to_json

CLI = Path(cli.__file__).parent
POLICIES = Path(__file__).parents[2] / "policies"
SHARED = {
    "__init__",
    "explanation",
    "explanation_picture",
    "extras",
    "options",
    "output",
    "progress",
    "refusals",
    "version",
    "picture_file",
    "plan_tables",
    "problem_text",
}
PROBLEM = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}'
INFEASIBLE = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"], "min": 11}]}'


def fairslice(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "FAIRSLICE_DEBUG"}
    return subprocess.run(
        [sys.executable, "-m", "fairslice", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=inherited | environment,
    )


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The same inside this process."""
    monkeypatch.setattr(sys, "argv", ["fairslice", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_version_is_the_packages() -> None:
    done = fairslice("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"fairslice, version {__version__}"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_command(option: str) -> None:
    done = fairslice(option)
    assert (done.returncode, done.stderr) == (0, "")
    listed = [
        line.split()[0]
        for line in done.stdout.partition("Commands:")[2].partition("\n\n")[0].splitlines()
        if line[2:3].strip()
    ]
    assert listed == sorted(cli.COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--nonsense"], ["plan"], ["plan", "p.yaml", "--nonsense"]]
)
def test_what_is_no_command_is_bad_input(arguments: list[str]) -> None:
    done = fairslice(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("word", "meant"), [("chek", "check"), ("Run", "run"), ("xyzzy", None), ("topologies", "topology")]
)
def test_a_command_that_is_misspelt_is_answered_by_the_near_one(
    word: str, meant: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, word) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"No such command '{word}'" in error
    assert ("did you mean" in error) == (meant is not None)
    assert meant is None or error.endswith(f"; did you mean '{meant}'?")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--duration", "5s"), "'5s' is not a number; expected a number of seconds, such as 5"),
        (("run", "--tolerance", "x"), "'x' is not a number; expected a number of percent, such as 5"),
        (("measure", "--duration", "5 s"), "'5 s' is not a number; expected a number of seconds"),
    ],
)
def test_a_number_with_a_unit_is_answered_by_one_without(
    arguments: tuple[str, ...],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text", "status"),
    [
        (["allocate", "-"], PROBLEM, 0),
        (["allocate", "-"], "{", 2),
        (["allocate", "-"], INFEASIBLE, 3),
        (["check", "no-such.yaml"], "", 2),
        (["check", str(POLICIES / "members.yaml")], "", 0),
        (["status", "--controller", "http://127.0.0.1:1"], "", 6),
    ],
)
def test_the_exit_status_tells_what_became_of_it(arguments: list[str], text: str, status: int) -> None:
    done = fairslice(*arguments, text=text)
    assert done.returncode == status
    assert bool(done.stderr) == (status != 0)
    assert "Traceback" not in done.stderr


@pytest.fixture
def network_file(tmp_path: Path) -> str:
    file = tmp_path / "network.json"
    file.write_text(json.dumps(to_json(build_network([("s1", "s2"), ("h1", "s1"), ("h2", "s2")]))))
    return str(file)


@pytest.mark.parametrize(
    ("slices", "options", "status", "complaint"),
    [
        ("{a: {guarantee: 11 Mbit/s, flows: [{from: h1, to: h2}]}}", [], 3, "1 Mbit/s too little"),
        ("{a: {flows: [{from: h1, to: h9}]}}", [], 2, "h9"),
        ("{a: {flows: [{from: h1, to: h2}]}}", ["--send", "a=sctp"], 2, "is not a sender"),
        ("{a: {flows: [{from: h1, to: h2}]}}", ["--send", "b=udp"], 2, "there is no flow"),
        ("{a: {flows: [{from: h1, to: h2}]}}", ["--duration", "0"], 2, "--duration"),
        (
            "{a: {flows: [{from: h1, to: h2, match: {proto: icmp}}]}}",
            [],
            2,
            "no flow of the policy can be measured",
        ),
    ],
)
def test_a_run_refuses_before_it_builds(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    network_file: str,
    slices: str,
    options: list[str],
    status: int,
    complaint: str,
) -> None:
    def isolated(_argv: list[str]) -> int:
        raise AssertionError("it began")

    monkeypatch.setattr("fairslice.lab.emulation.isolation.run_isolated", isolated)
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\nslices: {slices}\n")
    assert run(monkeypatch, "run", "--topology", network_file, "--policy", str(policy), *options) == status
    output = capsys.readouterr()
    assert complaint in output.err
    assert output.out == ""


@pytest.mark.parametrize(("guarantee", "status"), [("11 Mbit/s", 3), ("fast", 2)])
def test_a_controller_refuses_before_it_listens(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    network_file: str,
    guarantee: str,
    status: int,
) -> None:
    # An import of the launcher would fail, and end with status 70.
    monkeypatch.setitem(sys.modules, "fairslice.control.app.launcher", None)
    policy = tmp_path / "policy.yaml"
    flows = "[{from: h1, to: h2}]"
    policy.write_text(f"version: 1\nslices: {{a: {{guarantee: {guarantee}, flows: {flows}}}}}\n")
    assert run(monkeypatch, "controller", "--network", network_file, "--policy", str(policy)) == status
    assert capsys.readouterr().err


def test_progress_is_a_line_a_phase_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress(quiet=False) as tell:
        tell("building")
        tell("measuring", 10.0)
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "building\nmeasuring, 10 s\n")
    with shown_progress(quiet=True) as tell:
        tell("building")
        tell("measuring", 10.0)
    assert capsys.readouterr() == ("", "")


def test_an_internal_error_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_spec: str, **_: object) -> None:
        raise ZeroDivisionError("never thought of")

    monkeypatch.delenv("FAIRSLICE_DEBUG", raising=False)
    monkeypatch.setattr(topology_load, "load_network", broken)
    assert run(monkeypatch, "topology", "any.json") == 70
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("fairslice: internal error: ZeroDivisionError('never thought of')")
    assert "FAIRSLICE_DEBUG=1" in line
    monkeypatch.setenv("FAIRSLICE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["fairslice", "topology", "any.json"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_debugging_does_not_dress_up_bad_input() -> None:
    done = fairslice("check", "no-such.yaml", FAIRSLICE_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_interrupt_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_spec: str, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(topology_load, "load_network", interrupted)
    assert run(monkeypatch, "topology", "any.json") == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize("arguments", [["allocate", "-"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fairslice", *arguments],
            input=PROBLEM,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141  # a shell's for SIGPIPE


def test_every_module_of_a_command_is_found_by_its_name() -> None:
    assert {path.stem for path in CLI.glob("*.py")} - SHARED == {*cli.COMMANDS, *cli.INNER}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_and_a_line_for_the_list(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)
    assert command.name in (name, "command")  # listed and called by its module's name
    assert command.get_short_help_str()
    for option in ("-h", "--help"):
        done = CliRunner().invoke(cli.cli, [name, option])
        assert done.exit_code == 0
        assert done.output.startswith("Usage:")


def test_no_module_is_imported_for_a_name_that_is_no_command() -> None:
    context = click.Context(cli.cli)
    assert cli.cli.get_command(context, "options") is None
    assert cli.cli.get_command(context, "__init__") is None


def test_help_loads_none_of_the_heavy_libraries() -> None:
    """The heart of fairslice, and what it stands on, wait until a command needs them."""
    script = (
        "import sys\n"
        "from fairslice.cli import main\n"
        "sys.argv = ['fairslice', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "print([name for name in sys.modules if name.startswith('fairslice')], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    top, own = map(set, map(_listed, done.stderr.splitlines()))
    assert "click" in top
    heavy = {"ryu", "eventlet", "mininet", "matplotlib", "networkx", "pydantic", "httpx", "rich", "ruamel"}
    assert top & (heavy | {"ovs", "jinja2", "numpy"}) == set()
    assert {name.split(".")[1] for name in own if "." in name} <= {"cli", "errors", "garbage"}


def _listed(line: str) -> list[str]:
    return [word.strip(" '") for word in line.strip("[]").split(",")]
