"""The seam to the framework: which it is, and how other threads reach its own."""

import os
import subprocess
import sys
import threading
from functools import partial

import pytest

from fairslice.control.openflow.framework import VARIABLE, Crossing, NativeCrossing, hub

BOTH = pytest.mark.parametrize("kind", [Crossing, NativeCrossing])
NAMES = "from fairslice.control.openflow.framework import FRAMEWORK, hub; print(FRAMEWORK.split()[0])"


def until(check: threading.Event) -> None:
    """Let the framework's threads go on until something has happened."""
    for _ in range(1000):
        if check.is_set():
            return
        hub.sleep(0.01)
    pytest.fail("it has not happened")


@BOTH
def test_calls_of_a_thread_are_made_in_their_order_in_one_other(kind: type[Crossing]) -> None:
    way, made, done = kind(), list[tuple[int, int, int]](), threading.Event()

    def note(who: int, number: int) -> None:
        made.append((who, number, threading.get_ident()))

    def put(who: int) -> None:
        for number in range(100):
            way.put(partial(note, who, number))

    threads = [threading.Thread(target=put, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    way.put(done.set)
    until(done)
    way.close()
    for who in range(4):
        assert [number for one, number, _ in made if one == who] == list(range(100))
    assert len({thread for _, _, thread in made}) == 1


@BOTH
def test_a_call_that_fails_ends_nothing(kind: type[Crossing], caplog: pytest.LogCaptureFixture) -> None:
    way, done = kind(), threading.Event()
    way.put(lambda: 1 // 0)
    way.put(done.set)
    until(done)
    way.close()
    assert "a call of the framework failed" in caplog.text


def test_nothing_is_written_where_a_pipe_was() -> None:
    way, done = Crossing(), threading.Event()
    way.put(done.set)
    way.close()
    until(done)
    hub.sleep(0.05)
    # The numbers of the pipe are free again, and these take them.
    ready, wake = os.pipe()
    os.set_blocking(ready, False)
    for _ in range(3):
        way.put(done.set)
    with pytest.raises(BlockingIOError):
        os.read(ready, 1)
    os.close(ready)
    os.close(wake)


@pytest.mark.parametrize("name", ["ryu", "os-ken"])
def test_the_environment_chooses(name: str) -> None:
    environment = os.environ | {VARIABLE: name}
    code = [sys.executable, "-c", NAMES]
    done = subprocess.run(code, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{name}\n"


def test_another_name_is_refused() -> None:
    command = [sys.executable, "-m", "fairslice", "controller", "--ovsdb", "none"]
    environment = os.environ | {VARIABLE: "nox"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "FAIRSLICE_FRAMEWORK: found 'nox', expected ryu or os-ken\n",
    )
