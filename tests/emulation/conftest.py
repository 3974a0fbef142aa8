"""Emulation tests act in namespaces of their own: ``inside(function, *arguments)`` runs a function there.

The function lives at the top level of the test's module, takes and returns what JSON holds, and may assert.
A test that the machine can't run is skipped with the reason; with FAIRSLICE_REQUIRE_EMULATION=1 it fails.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairslice.testing.readiness import against_emulation

REQUIRE = "FAIRSLICE_REQUIRE_EMULATION"

_SUPERVISOR = """
import sys
from fairslice.lab.emulation.isolation import run_isolated
sys.exit(run_isolated(sys.argv[1:]))
"""
_INNER = """
import json, runpy, sys
from fairslice.lab.emulation.isolation import prepare_inside
prepare_inside()
file, function, arguments, result = sys.argv[1:]
value = runpy.run_path(file)[function](*json.loads(arguments))
with open(result, "w") as stream:
    json.dump(value, stream)
"""


def pytest_runtest_setup(item: pytest.Item) -> None:
    reason = "; ".join(against_emulation()) if item.get_closest_marker("emulation") else ""
    if not reason:
        return
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {reason}", pytrace=False)
    pytest.skip(reason)


class Inside:
    """A supervisor and what it runs in its namespaces."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], directory: Path) -> None:
        self.token = uuid.uuid4().hex
        self.result_path = directory / f"{self.token}.json"
        self.work = directory / self.token
        self.work.mkdir()
        code = function.__code__
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", _SUPERVISOR),
                *(sys.executable, "-c", _INNER),
                *(code.co_filename, function.__name__, json.dumps(arguments), str(self.result_path)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.work,
            # Every process in there inherits the token, by which the test can find it.
            env={
                **os.environ,
                "FAIRSLICE_TEST": self.token,
                "TMPDIR": str(self.work),
                "HOME": str(self.work),
            },
            start_new_session=True,
        )

    def processes(self) -> list[str]:
        """Every living process that this supervisor or anything under it started."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.token.encode() in (path / "environ").read_bytes():
                    found.append(f"{path.name} {(path / 'cmdline').read_text().replace(chr(0), ' ')}")
            except OSError:
                continue
        return found

    def returned(self, timeout_s: float) -> Any:
        """Wait, fail the test if the function failed, and return its value."""
        try:
            output, complaints = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            output, complaints = self.process.communicate()
            pytest.fail(f"not done in {timeout_s} s\n{output}\n{complaints}")
        if self.process.returncode != 0:
            pytest.fail(f"status {self.process.returncode}\n{output}\n{complaints}")
        return json.loads(self.result_path.read_text())

    def end(self) -> None:
        """Kill the supervisor; the kernel takes the rest."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)


@pytest.fixture
def start_inside(tmp_path: Path) -> Iterator[Callable[..., Inside]]:
    """Start a function of this test module in fresh namespaces, and go on."""
    started: list[Inside] = []

    def start(function: Callable[..., Any], *arguments: Any) -> Inside:
        started.append(Inside(function, arguments, tmp_path))
        return started[-1]

    yield start
    for one in started:
        one.end()
        one.process.communicate()


@pytest.fixture
def inside(start_inside: Callable[..., Inside]) -> Callable[..., Any]:
    """Run a function of this test module in fresh namespaces, and return its value."""

    def run(function: Callable[..., Any], *arguments: Any, timeout_s: float = 600) -> Any:
        running: Inside = start_inside(function, *arguments)
        return running.returned(timeout_s)

    return run
