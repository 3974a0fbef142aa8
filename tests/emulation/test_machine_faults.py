"""Switches, controllers and senders that vanish in the middle: a sentence, the right status, nothing left."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.emulation

ROOT = Path(__file__).parents[2]
DUMBBELL = str(ROOT / "topologies" / "dumbbell.py")
POLICY = str(ROOT / "policies" / "gold-silver-bronze.yaml")
DATAPATH = os.environ.get("FAIRSLICE_TEST_DATAPATH", "user")
SOON_S = 120.0


class Running:
    """A ``fairslice`` that runs, and all that it started."""

    def __init__(self, work: Path, *arguments: str) -> None:
        self.token = uuid.uuid4().hex
        self.output = ""
        self.work = work
        work.mkdir()
        self.process = subprocess.Popen(
            # A shell's background job ignores some signals.
            [
                *("env", "--default-signal=INT,TERM,HUP"),
                *(sys.executable, "-m", "fairslice", *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=work,
            env={**os.environ, "FAIRSLICE_TEST": self.token, "TMPDIR": str(work)},
        )

    def processes(self) -> dict[int, str]:
        """Command lines of every living process that it or anything under it started."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.token.encode() in (path / "environ").read_bytes():
                    found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def wait_for(self, phase: str) -> None:
        """Until it tells of a phase."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(phase):
                return
        raise AssertionError(f"ended before {phase!r}: status {self.process.wait(SOON_S)}")

    def kill(self, name: str) -> None:
        """What has this in its command line, as a crash would."""
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline:
            if killed := [pid for pid, command in self.processes().items() if name in command]:
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.02)
        raise AssertionError(f"nothing is called {name!r}: {self.processes()}")

    def ended(self) -> tuple[int, list[str]]:
        """Its status and what it said after its phases; nothing else is left of it."""
        self.output, complaints = self.process.communicate(timeout=SOON_S)
        deadline = time.monotonic() + SOON_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.processes() == {}
        phases = ("warming up", "measuring", "finishing", "done", "discovering", "connecting", "building")
        # And where the logs are, after a fault.
        lines = [line for line in complaints.splitlines() if not line.startswith((*phases, "logs: "))]
        print(self.process.returncode, lines)
        for line in lines:
            for never in ("Traceback", "internal error", "Errno"):
                assert never not in line
        return self.process.returncode, lines


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a command in a directory of its own, ``work``."""
    started: list[Running] = []

    def begin(*arguments: str) -> Running:
        started.append(Running(tmp_path / "work", *arguments))
        return started[-1]

    interfaces = sorted(Path("/sys/class/net").iterdir())
    mounts = Path("/proc/self/mountinfo").read_text()
    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()
        # What --out asks for is all that may stay.
        assert [path for path in one.work.iterdir() if path.name != "out"] == []
    assert sorted(Path("/sys/class/net").iterdir()) == interfaces
    assert Path("/proc/self/mountinfo").read_text() == mounts


def run(*more: str) -> tuple[str, ...]:
    shortest = ("--duration", "2", "--max-duration", "2", "--warmup", "1")
    return ("run", POLICY, "--topology", DUMBBELL, "--datapath", DATAPATH, *shortest, *more)


@pytest.mark.parametrize(
    ("phase", "killed", "status", "named"),
    [
        ("discovering", "ovs-vswitchd unix:", 6, "ovs-vswitchd does not run any more"),
        ("measuring", "ovs-vswitchd unix:", 6, "ovs-vswitchd does not run any more"),
        ("discovering", "ovsdb-server /run", 6, "ovsdb-server does not run any more"),
        ("discovering", "fairslice controller", 6, "the controller does not run any more"),
        ("measuring", "fairslice controller", 6, "the controller does not run any more"),
    ],
)
def test_what_vanishes_in_a_run_is_told(
    start: Callable[..., Running], phase: str, killed: str, status: int, named: str
) -> None:
    running = start(*run())
    running.wait_for(phase)
    running.kill(killed)
    found, lines = running.ended()
    assert found == status
    (line,) = lines
    assert named in line


def test_senders_that_vanish_leave_the_verdict_open(start: Callable[..., Running]) -> None:
    running = start(*run())
    running.wait_for("measuring")
    running.kill("iperf3 -s")
    assert running.ended() == (5, [])
    assert "iperf3 client (h1 to h4, port 5201): " in running.output
    assert "can't tell" in running.output


@pytest.mark.parametrize(
    ("phase", "number"),
    [("building", signal.SIGINT), ("discovering", signal.SIGHUP), ("measuring", signal.SIGTERM)],
)
def test_a_run_that_is_told_twice_to_stop_leaves_nothing(
    start: Callable[..., Running], phase: str, number: signal.Signals
) -> None:
    running = start(*run("--out", "out"))
    running.wait_for(phase)
    for _ in range(2):
        running.process.send_signal(number)
    assert running.ended() == (128 + number, [])
    assert not (running.work / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_stopped_doctor_leaves_nothing(start: Callable[..., Running], number: signal.Signals) -> None:
    running = start("doctor")
    running.wait_for("userspace datapath: building")
    running.process.send_signal(number)
    assert running.ended() == (128 + number, [])


def test_a_run_whose_results_find_no_room_leaves_no_part_of_them(start: Callable[..., Running]) -> None:
    running = start(*run("--out", "out"))
    running.wait_for("measuring")
    (running.work / "out").mkdir()
    (running.work / "out" / "results.json").mkdir()
    status, lines = running.ended()
    assert (status, len(lines)) == (2, 1)
    assert "out/results.json: can't be written" in lines[0]
    assert not list((running.work / "out").glob(".*"))
