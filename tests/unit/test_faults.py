"""Faults of the machine and of its user, provoked: one sentence, the right status, and nothing left."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import BaseModel

from fairslice.api.status import problem_view
from fairslice.errors import MachineError
from fairslice.testing.controller import played_controller

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "policies" / "gold-silver-bronze.yaml")
DUMBBELL = str(ROOT / "topologies" / "dumbbell.py")
PLAN = ("plan", POLICY, "--topology", DUMBBELL)
EXPLAIN = ("explain", POLICY, "--topology", DUMBBELL)
RUN = ("run", POLICY, "--topology", DUMBBELL)
LONG = "x" * 300
NO_TEXT = "\udcff.yaml"
PROBLEM = '{"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}'


class _Empty(BaseModel):
    pass


def fairslice(
    *arguments: str, stdout: int = subprocess.PIPE, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "FAIRSLICE_DEBUG"}
    return subprocess.run(
        [sys.executable, "-m", "fairslice", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env=inherited | environment,
    )


def one_sentence(done: subprocess.CompletedProcess[str], status: int, *named: str) -> None:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert "Errno" not in done.stderr
    lines = done.stderr.splitlines()
    if lines[0].startswith("Usage:"):
        lines = lines[-1:]
    (line,) = lines
    for name in named:
        assert name in line


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        # names and files
        (("check", LONG), 2, (LONG, "File name too long")),
        (("check", "none.yaml"), 2, ("none.yaml", "No such file")),
        (("check", "."), 2, (". is a directory",)),
        (("check", "file/below.yaml"), 2, ("file/below.yaml", "Not a directory")),
        (("check", "loop"), 2, ("loop", "symbolic links")),
        (("check", "binary"), 2, ("binary", "UTF-8")),
        (("plan", LONG, "--topology", DUMBBELL), 2, (LONG, "File name too long")),
        (("plan", POLICY, "--topology", f"{LONG}.json"), 2, (LONG, "File name too long")),
        (("plan", POLICY, "--topology", "none.json"), 2, ("none.json", "No such file")),
        (("plan", POLICY, "--topology", "file/none.py"), 2, ("file/none.py", "Not a directory")),
        (("topology", "loop.json"), 2, ("loop.json", "symbolic links")),
        (("topology", "binary.json"), 2, ("binary.json", "UTF-8")),
        (("topology", "none.graphml"), 2, ("none.graphml", "No such file")),
        (("apply", LONG), 2, (LONG, "File name too long")),
        (("apply", "none.yaml"), 2, ("none.yaml", "No such file")),
        (("allocate", LONG), 2, (LONG, "File name too long")),
        (("allocate", "none.json"), 2, ("none.json", "No such file")),
        (("allocate", "binary"), 2, ("binary", "UTF-8")),
        (("allocate", "file/x.json"), 2, ("file/x.json", "Not a directory")),
        # where to write
        ((*EXPLAIN, "--picture", f"{LONG}.svg"), 2, (LONG, "File name too long")),
        ((*EXPLAIN, "--picture", f"{LONG}/a.svg"), 2, (LONG, "File name too long")),
        ((*EXPLAIN, "--picture", "none/a.svg"), 2, ("none/a.svg",)),
        ((*EXPLAIN, "--picture", "file/a.svg"), 2, ("file/a.svg",)),
        ((*EXPLAIN, "--picture", "full.svg"), 6, ("full.svg", "No space left on device")),
        ((*RUN, "--out", LONG), 2, (LONG, "File name too long")),
        ((*RUN, "--out", "file"), 2, ("'file' is a file",)),
        ((*RUN, "--out", "file/a"), 2, ("file/a", "Not a directory")),
        ((*RUN, "--out", "."), 2, (". is not empty",)),
        ((*RUN, "--out", "/run/x"), 2, ("/run/x", "expected a path elsewhere")),
        ((*RUN[:-1], "none.json"), 2, ("none.json", "No such file")),
        (("vm", "--output", f"{LONG}/a", "true"), 2, (LONG, "File name too long")),
        (("vm", "--output", "file/a", "true"), 2, ("file/a",)),
        # ports and addresses
        (("controller", "--ovsdb", "none", "--rest-port", "99999"), 2, ("99999",)),
        (("controller", "--ovsdb", "none", "--rest-port", "-1"), 2, ("-1",)),
        (("controller", "--ovsdb", "none", "--openflow-port", "65536"), 2, ("65536",)),
        (("controller", "--ovsdb", "none", "--rest-port", "6653"), 2, ("--rest-port", "both 6653")),
        (("controller", "--ovsdb", "none", "--openflow-port", "8080"), 2, ("--openflow-port", "both 8080")),
        (("controller", "--ovsdb", "none", "--rest-host", LONG), 2, (LONG, "expected an IPv4 address")),
        (("controller", "--ovsdb", "none", "--rest-host", "192.0.2.1"), 6, ("192.0.2.1:8080",)),
        (("status", "--controller", "http://127.0.0.1:99999"), 2, ("99999",)),
        (("status", "--controller", "localhost:0"), 2, ("localhost:0", "1 to 65535")),
        (("status", "--controller", "ftp://localhost"), 2, ("ftp://",)),
        (("status", "--controller", "https://localhost"), 2, ("https://localhost", "without TLS")),
        (("measure", "--controller", "localhost/other"), 2, ("localhost/other", "/v1")),
        (("apply", POLICY, "--controller", "::1"), 6, ("http://[::1]:8080",)),
        (("status", "--timeout", "0"), 2, ("0.1<=x<=3600",)),
        (("measure", "--timeout", "nan"), 2, ("nan",)),
        (("status", "--controller", "http://"), 2, ("'http://'", "a host")),
        (("status", "--controller", "localhost:1"), 6, ("localhost:1", "refused")),
        (("measure", "--controller", "127.0.0.1:1"), 6, ("127.0.0.1:1", "refused")),
        (("apply", POLICY, "--controller", "127.0.0.1:1"), 6, ("127.0.0.1:1", "refused")),
        (("status", "--controller", f"http://{LONG}:80"), 6, (LONG,)),
        (("apply", POLICY, "--timeout", "-1"), 2, ("-1",)),
        (("agent", "--once", "--ovsdb", "tcp:127.0.0.1:99999"), 2, ("tcp:127.0.0.1:99999", "65535")),
        (("agent", "--once", "--ovsdb", f"tcp:127.0.0.1:{'9' * 5000}"), 2, ("out of range",)),
        (("agent", "--once", "--ovsdb", "tcp:127.0.0.1:1"), 6, ("tcp:127.0.0.1:1", "refused")),
        (("agent", "--once", "--ovsdb", "unix:none"), 6, ("unix:none", "No such file")),
        (("agent", "--once", "--ovsdb", "unix:/dev/null"), 6, ("unix:/dev/null", "refused")),
        (("agent", "--once", "--ovsdb", f"unix:{LONG}"), 6, (LONG, "cannot connect")),
        # numbers that are none, or too large
        (("run", POLICY, "--topology", DUMBBELL, "--duration", "nan"), 2, ("nan", "1<=x<=600")),
        (("run", POLICY, "--topology", DUMBBELL, "--warmup", "inf"), 2, ("inf", "0<=x<=60")),
        (("apply", POLICY, "--timeout", "nan"), 2, ("nan", "0<=x<=3600")),
        (("measure", "--duration", "nan"), 2, ("nan", "0.5<=x<=3600")),
        (("vm", "--memory", f"{'9' * 400}G", "true"), 2, ("too much memory", "256G")),
        (("topology", DUMBBELL, "--scale-bandwidth", "1e400"), 2, ("1e400", "1e+12")),
        (("topology", DUMBBELL, "--scale-bandwidth", "1e999999999"), 2, ("1e999999999", "1e+12")),
        # what is no file, and has no end
        (("check", "/dev/zero"), 2, ("/dev/zero", "4 MiB")),
        (("allocate", "/dev/zero"), 2, ("/dev/zero", "256 MiB")),
        (("topology", "zero.json"), 2, ("zero.json", "256 MiB")),
        (("topology", "zero.graphml"), 2, ("zero.graphml", "256 MiB")),
        (("allocate", "/proc/self/mem"), 2, ("/proc/self/mem", "Input/output error")),
        (("check", "/dev/null"), 2, ("/dev/null", "empty")),
        # names that are no text
        (("check", NO_TEXT), 2, ("argument 2", r"b'\xff.yaml'", "not UTF-8")),
        ((*PLAN, "--bandwidth", NO_TEXT), 2, ("argument 6", "not UTF-8")),
        (("explain", POLICY, "--topology", DUMBBELL, "--picture", NO_TEXT), 2, ("not UTF-8",)),
        (("vm", "--output", f"file/{NO_TEXT}", "true"), 2, (r"file/\udcff.yaml",)),
        # a policy said twice, or not at all
        (("plan", "--topology", DUMBBELL), 2, ("'POLICY'", "policy")),
        ((*PLAN, "--policy", "b.yaml"), 2, ("twice", "b.yaml")),
    ],
)
def test_a_provoked_fault_is_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], status: int, named: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("binary", "binary.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\xff")
    for name in ("loop", "loop.json"):
        (tmp_path / name).symlink_to(name)
    (tmp_path / "full.svg").symlink_to("/dev/full")
    for name in ("zero.json", "zero.graphml"):
        (tmp_path / name).symlink_to("/dev/zero")
    before = sorted(tmp_path.iterdir())
    one_sentence(fairslice(*arguments, cwd=tmp_path), status, *named)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("what", ["--openflow-port", "--rest-port"])
def test_a_port_that_is_taken_is_named(what: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = fairslice("controller", "--ovsdb", "none", what, str(port))
    one_sentence(done, 6, str(port), "in use")


@pytest.mark.parametrize(
    "arguments",
    [
        PLAN,
        (*PLAN, "--json"),
        EXPLAIN,
        ("check", POLICY),
        ("topology", DUMBBELL),
        ("--help",),
        ("--version",),
    ],
)
def test_a_full_standard_output_is_named(arguments: tuple[str, ...]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = fairslice(*arguments, stdout=full)
    finally:
        os.close(full)
    one_sentence(done, 6, "standard output", "No space left on device")


def closed(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with a standard stream closed, as a shell's ``>&-`` does it."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m fairslice "$@" {redirection}', sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        PLAN,
        (*PLAN, "--json"),
        EXPLAIN,
        (*EXPLAIN, "--json"),
        ("check", POLICY),
        ("check", POLICY, "--json"),
        ("topology", DUMBBELL),
        ("doctor", "--quick", "--json"),
        ("--help",),
        ("run", "--help"),
        ("--version",),
    ],
)
def test_a_closed_standard_output_is_named(arguments: tuple[str, ...]) -> None:
    one_sentence(closed(">&-", *arguments), 6, "standard output", "closed")


def test_a_closed_standard_input_is_named() -> None:
    one_sentence(closed("<&-", "allocate", "-"), 2, "<stdin>", "closed")


def test_a_file_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """The first file that is opened would get its descriptor, and what is printed go into that."""
    picture = tmp_path / "filling.svg"
    done = closed("<&- >&-", *EXPLAIN, "--picture", str(picture))
    one_sentence(done, 6, "standard output")
    assert "Filling of" not in picture.read_text()


@pytest.mark.parametrize(
    "arguments", [PLAN, (*PLAN, "--json"), EXPLAIN, ("topology", DUMBBELL), ("--version",)]
)
def test_a_reader_that_has_gone_is_quiet(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = fairslice(*arguments, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_encoding_that_lacks_a_character_is_named(tmp_path: Path) -> None:
    problem = tmp_path / "problem.json"
    problem.write_text('{"links": {"A": 1}, "flows": [{"id": "\\u00fc", "path": ["A"]}]}')
    done = fairslice("allocate", str(problem), "--explain", PYTHONIOENCODING="ascii")
    one_sentence(done, 6, "ascii", "PYTHONIOENCODING=utf-8")


@pytest.mark.parametrize("command", [PLAN, EXPLAIN], ids=lambda command: command[0])
def test_names_of_flows_need_no_more_than_ascii(command: tuple[str, ...]) -> None:
    done = fairslice(*command, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "h1->h4" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_with_a_line_at_most(number: signal.Signals, tmp_path: Path) -> None:
    """It waits for input that never comes."""
    process = subprocess.Popen(
        # A shell's background job, and what nohup starts, ignore some of them; this one must not.
        [
            *("env", "--default-signal=INT,TERM,HUP"),
            *(sys.executable, "-m", "fairslice", "allocate", "-"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    stat = Path(f"/proc/{process.pid}/wchan")
    status = Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        caught = int(status.read_text().partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGHUP - 1) & 1 and "pipe" in stat.read_text():
            break
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert len(err.splitlines()) <= 1
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("status",), ("measure",), ("apply", POLICY)])
def test_what_a_controller_can_not_do_is_a_sentence(command: tuple[str, ...]) -> None:
    with played_controller() as controller:
        for route in ("GET /v1/status", "GET /v1/allocation"):
            controller.says(route, problem_view(MachineError("switch 2 does not answer")), code=503)
        done = fairslice(*command, "--controller", controller.url.removeprefix("http://"))
    one_sentence(done, 6, controller.url, "switch 2 does not answer")
    assert "{" not in done.stderr


@pytest.mark.parametrize("code", [200, 404, 500, 503])
def test_what_is_not_a_controller_is_a_sentence(code: int) -> None:
    with played_controller() as other:
        # A body that is nobody's answer.
        other.says("GET /v1/status", _Empty(), code=code)
        done = fairslice("status", "--controller", other.url)
    one_sentence(done, 6, other.url)


@pytest.mark.parametrize("way", [("--policy", POLICY), (POLICY,)])
@pytest.mark.parametrize("command", ["plan", "explain"])
def test_a_policy_can_be_given_both_ways(command: str, way: tuple[str, ...]) -> None:
    done = fairslice(command, *way, "--topology", DUMBBELL)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_flow_moves_up_where_the_policy_is_an_option() -> None:
    by_option = fairslice("explain", "--policy", POLICY, "1", "--topology", DUMBBELL)
    by_argument = fairslice("explain", POLICY, "1", "--topology", DUMBBELL)
    assert (by_option.returncode, by_option.stdout) == (0, by_argument.stdout)
