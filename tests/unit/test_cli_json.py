"""With --json standard output holds one JSON document, whatever libraries and child processes print."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fairslice import cli
from fairslice.alloc import files
from fairslice.api.counters import Counters, FlowReading, QueueReading
from fairslice.api.status import StatusView
from fairslice.cli.options import json_output
from fairslice.cli.output import document_descriptor, print_document
from fairslice.lab.trial.job import Job, from_json, to_json
from fairslice.policy import load_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.commands import run_command
from fairslice.testing.controller import FakeController, played_controller
from fairslice.topology.load import load_network

ROOT = Path(__file__).parents[2]
NOISE = ROOT / "tests" / "noise"
TOPOLOGY = str(ROOT / "topologies" / "dumbbell.py")
POLICY = str(ROOT / "policies" / "gold-silver-bronze.yaml")
RESULT = ROOT / "tests" / "fixtures" / "results" / "dumbbell.json"
PROBLEM = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}'
INFEASIBLE = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"], "min": 11}]}'

JOB = to_json(
    Job(
        network=load_network(TOPOLOGY),
        topology=TOPOLOGY,
        policy=load_policy(POLICY),
        duration_s=10.0,
        max_duration_s=60.0,
        warmup_s=3.0,
        tolerance=0.05,
        created="2026-11-26T08:00:00+00:00",
    )
)

# What is said, on standard input, and in place of CONTROLLER the address of one that is played.
CALLS: dict[str, tuple[tuple[str, ...], str]] = {
    "allocate": (("-",), PROBLEM),
    "apply": ((POLICY, "--controller", "CONTROLLER"), ""),
    "check": ((POLICY, "--topology", TOPOLOGY), ""),
    "doctor": (("--quick",), ""),
    "explain": ((POLICY, "gold:h1->h4", "--topology", TOPOLOGY), ""),
    "measure": (("--controller", "CONTROLLER", "--duration", "0.5"), ""),
    "plan": ((POLICY, "--topology", TOPOLOGY), ""),
    "run": (("--out", "nowhere"), JOB),
    "status": (("--controller", "CONTROLLER"), ""),
    "topology": ((TOPOLOGY,), ""),
}
INNER = {"run": "job"}
"""What prints the document in place of a command that starts it elsewhere."""
STATUS = (0, 6)
"""The second where ``doctor`` finds that this machine lacks something."""
# `run` without a network: tests/emulation has it with one, and what goes on outside of the namespaces.
RUN = f"""
import json, sys
from types import SimpleNamespace
from fairslice.lab.emulation import isolation
from fairslice.lab.trial import output, run
from fairslice.measure.results import from_json
isolation.prepare_inside = lambda: None
result = from_json(open({str(RESULT)!r}).read())
run.run_job = lambda job, progress: SimpleNamespace(result=result)
output.write_outcome = lambda out, job, outcome: out
from fairslice.cli import main
sys.argv[0] = "fairslice"
main()
"""


def commands_with_json() -> Iterator[str]:
    context = click.Context(cli.cli)
    for name in cli.COMMANDS:
        command = cli.cli.get_command(context, name)
        assert command is not None
        if any("--json" in parameter.opts for parameter in command.params):
            yield name


@pytest.fixture
def controller() -> Iterator[FakeController]:
    network = load_network(TOPOLOGY)
    allocation = view(allocate_slices(load_policy(Path(POLICY)), network))
    ports = {(link.source, link.target): (link.dpid, link.port_no) for link in allocation.links}

    def counters(time_s: float) -> Counters:
        last = {flow.number: ports[flow.path[-2], flow.path[-1]] for flow in allocation.flows}
        return Counters(
            flows={
                flow.number: FlowReading(delivered_bytes=0, offered_bytes=0, metered_bytes=0)
                for flow in allocation.flows
            },
            queues=[
                QueueReading(
                    time_s=time_s,
                    dpid=last[flow.number][0] or 0,
                    port_no=last[flow.number][1],
                    queue_id=flow.queue_id,
                    entered_bytes=0,
                    sent_bytes=0,
                    sent_packets=0,
                )
                for flow in allocation.flows
            ],
            ports=[],
        )

    status = StatusView(
        generation=2,
        in_force=True,
        discovered=True,
        missing=(),
        surprises=(),
        problems=(),
        modifications=10,
        framework="played",
    )
    with played_controller() as played:
        played.says("GET /v1/status", status)
        played.says("PUT /v1/policy", status)
        played.says("GET /v1/allocation", allocation)
        played.says("GET /v1/counters", counters(1.0), counters(2.0))
        yield played


def call(
    name: str, *arguments: str, text: str = "", noisy: bool = True
) -> "subprocess.CompletedProcess[str]":
    start = ["-c", RUN] if name == "run" else ["-m", "fairslice"]
    # With it C would have no buffer either.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, *start, INNER.get(name, name), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment | ({"PYTHONPATH": str(NOISE)} if noisy else {}),
    )


def test_every_command_with_json_is_called_here() -> None:
    assert set(commands_with_json()) == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_json_is_alone_whatever_is_printed(name: str, controller: FakeController) -> None:
    said, text = CALLS[name]
    arguments = [controller.url if word == "CONTROLLER" else word for word in said]
    done = call(name, *arguments, "--json", text=text)
    assert done.returncode in STATUS, done.stderr
    assert done.stdout.endswith("\n")
    assert done.stdout.count("noise") == 0
    document = json.loads(done.stdout)
    assert document
    # They did print.
    for source in ("Python, import", "a system call, import", "C, import", "a child", "Python, at the end"):
        assert f"noise: {source}" in done.stderr, source
    for source in ("a system call", "C"):
        assert f"noise: {source}, at the end" in done.stderr, source
    # What is printed by whoever asks twice is the same, but for what is measured.
    if name not in ("doctor", "apply", "measure"):
        assert json.loads(call(name, *arguments, "--json", text=text, noisy=False).stdout) == document


@pytest.mark.parametrize(
    ("arguments", "text", "status"),
    [
        (("allocate", "-", "--json"), INFEASIBLE, 3),
        (("allocate", "-", "--explain", "--json"), PROBLEM, 0),
        (("allocate", "-", "--json"), f"[{PROBLEM}, {INFEASIBLE}]", 0),
        (("check", "no-such.yaml", "--json"), "", 2),
    ],
)
def test_the_document_of_what_fails_is_alone(arguments: tuple[str, ...], text: str, status: int) -> None:
    done = call(*arguments, text=text)
    assert done.returncode == status, done.stderr
    assert json.loads(done.stdout)
    assert "noise: C, import" in done.stderr


@pytest.mark.parametrize("arguments", [("allocate", "-", "--json"), ("topology", "no-such.py", "--json")])
def test_bad_input_prints_no_document(arguments: tuple[str, ...]) -> None:
    done = call(*arguments, text="{")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_allocate_needs_no_option_for_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    real = files.parse_problems

    def printing(text: str, name: str) -> files.ProblemFile:
        print("from Python", flush=True)
        os.write(1, b"from a system call\n")
        return real(text, name)

    monkeypatch.setattr(files, "parse_problems", printing)
    file = tmp_path / "problem.json"
    file.write_text(PROBLEM)
    assert run_command(monkeypatch, "allocate", file) == 0
    output = capfd.readouterr()
    assert json.loads(output.out)["rates"] == {"f": 10}
    assert output.err == "from Python\nfrom a system call\n"


@pytest.mark.parametrize("vm", [False, True])
def test_a_run_hands_its_output_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], vm: bool, tmp_path: Path
) -> None:
    """What runs in namespaces or in a virtual machine writes the document, to where this one would."""
    descriptors = []

    def elsewhere(_what: object, *, output: int | None, given: bytes = b"") -> int:
        assert vm or load_policy(POLICY) == from_json(given.decode()).policy
        assert output is not None
        descriptors.append(output)
        os.write(1, b"not the document\n")
        os.write(output, b'{"the": "document"}\n')
        return 4

    monkeypatch.setattr("fairslice.lab.vm.machine.run_in_vm", elsewhere)
    monkeypatch.setattr("fairslice.lab.emulation.isolation.run_isolated", elsewhere)
    monkeypatch.setattr("fairslice.lab.doctor.findings.require_fit", lambda _findings: None)
    monkeypatch.setattr("fairslice.lab.emulation.wires.check_wires", lambda _network: None)
    monkeypatch.setattr("fairslice.lab.trial.datapath_choice.os.geteuid", lambda: 0)
    # What only root may choose is asked of an ordinary user's socket here.
    monkeypatch.setattr("fairslice.linux.congestion.require_congestion_control", lambda _name: None)
    monkeypatch.delenv("FAIRSLICE_VM", raising=False)
    monkeypatch.chdir(tmp_path)
    options = ["--vm"] if vm else ["--datapath", "user"]
    arguments = ["run", "--topology", TOPOLOGY, "--policy", POLICY, *options]
    assert run_command(monkeypatch, *arguments, "--json") == 4
    output = capfd.readouterr()
    assert (output.out, output.err) == ('{"the": "document"}\n', "not the document\n")
    assert list(tmp_path.iterdir()) == []
    (descriptor,) = descriptors
    assert descriptor > 2
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@click.command
@json_output()
@click.option("--twice", is_flag=True)
def example(as_json: bool, twice: bool) -> int:
    """A command of its own."""
    click.echo("for people")
    if as_json or twice:
        print_document("[1]")
    if twice:
        print_document("[2]")
    return 0


def test_without_json_nothing_is_kept() -> None:
    done = CliRunner().invoke(example, [])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "for people\n", "")
    with click.Context(example):
        assert document_descriptor() is None


def test_a_test_s_own_standard_output_is_kept_as_well() -> None:
    done = CliRunner().invoke(example, ["--json"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "[1]\n", "for people\n")


def test_what_c_has_still_to_write_goes_elsewhere_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """C's own buffer is emptied while descriptor 1 is standard error, not at some later time."""
    library = ctypes.CDLL(None)
    real = files.parse_problems

    def printing(text: str, name: str) -> files.ProblemFile:
        library.printf(b"from C's buffer\n")
        return real(text, name)

    monkeypatch.setattr(files, "parse_problems", printing)
    file = tmp_path / "problem.json"
    file.write_text(PROBLEM)
    assert run_command(monkeypatch, "allocate", file, "--json") == 0
    library.fflush(None)
    output = capfd.readouterr()
    assert json.loads(output.out)["certified"]
    assert output.err == "from C's buffer\n"


@pytest.mark.parametrize("options", [["--twice"], ["--twice", "--json"]])
def test_there_is_one_document_and_only_where_output_is_kept(options: list[str]) -> None:
    done = CliRunner().invoke(example, options)
    assert isinstance(done.exception, RuntimeError)
    assert done.stdout in ("[1]\n", "for people\n")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_document_that_has_nowhere_to_go_is_status_6(closed: str, tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    file.write_text(PROBLEM)
    command = f'exec "$0" -m fairslice allocate "$1" --json {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if ">&-" not in closed.split():
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["certified"]
    else:
        assert (done.returncode, done.stdout) == (6, "")
        told = "standard output: can't be written: it is closed, or not open for this\n"
        assert done.stderr == ("" if "2>&-" in closed.split() else told)
