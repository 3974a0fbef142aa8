"""How a result came to be: what was typed, what ran, and on what."""

import os
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fairslice import __version__
from fairslice.lab.trial.datapath_choice import look_here
from fairslice.measure.results import Machine, Versions

_PATIENCE_S = 10.0


def versions(framework: str) -> Versions:
    """The versions of everything that takes part in a run, asked of the tools; None where one does not tell.

    Args:
        framework: the controller's, as its status has it.
    """
    return Versions(
        fairslice=__version__,
        framework=framework,
        python=platform.python_version(),
        kernel=platform.release(),
        open_vswitch=_word(-1, "ovs-vswitchd", "--version"),
        iperf3=_word(1, "iperf3", "--version"),
        mininet=_package("mininet"),
    )


def _cpuinfo() -> str:
    return Path("/proc/cpuinfo").read_text(errors="replace")


def machine(read: Callable[[], str] = _cpuinfo) -> Machine:
    """The processors that this process may use, and whether it is in a virtual machine of fairslice's."""
    return Machine(
        processor=_processor(read),
        processors=len(os.sched_getaffinity(0)),
        virtual_machine=look_here().inside_vm,
    )


def _processor(read: Callable[[], str]) -> str:
    """The processor's model (proc_cpuinfo(5)); where the kernel does not tell, its architecture."""
    try:
        lines = read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.machine()


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _word(place: int, *argv: str) -> str | None:
    """A word of the first line that a command prints."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        return done.stdout.partition("\n")[0].split()[place]
    except (OSError, subprocess.TimeoutExpired, IndexError):
        return None
