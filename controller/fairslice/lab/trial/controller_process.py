"""The controller as a process of its own, beside the emulated switches."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from fairslice.api.client import ControllerClient
from fairslice.policy.model import Policy

STOP_TIMEOUT_S = 5.0
NICENESS = 10
"""On a busy machine what reads the counters must not take its time from the traffic that is counted."""


class ControllerProcess:
    """``fairslice controller`` on a network file and a policy; a context manager.

    Args:
        network_file: what the controller takes as ``--topology``; the policy's text goes beside it.
        policy: the policy that is in force from the beginning.
        log: where its standard error goes.
    """

    def __init__(self, network_file: Path, policy: Policy, log: Path) -> None:
        self._policy = policy
        self._policy_file = network_file.with_name("policy.yaml")
        self._argv = [
            *(sys.executable, "-m", "fairslice", "controller"),
            *(str(self._policy_file), "--called", policy.file, "--topology", str(network_file)),
        ]
        self.log = log
        self.client = ControllerClient()
        self._output: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._policy_file.write_text(self._policy.text, encoding="utf-8")
        self._output = self.log.open("wb")
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
        )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)
        return self

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._output is not None:
            self._output.close()
