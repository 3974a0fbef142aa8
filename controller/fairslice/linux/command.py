"""Running a tool to its end, with its complaint as the error; and where tools are."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence

from fairslice.errors import MachineError, os_reason

_ADMINISTRATORS_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def administrators_path(path: str) -> str:
    """A PATH, and behind it the directories of an administrator's tools that it lacks."""
    there = path.split(os.pathsep)
    return os.pathsep.join((path, *(one for one in _ADMINISTRATORS_PATH if one not in there)))


def run_command(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    hint: Callable[[], str] = lambda: "",
) -> str:
    """Run it and return its output; ``hint`` adds to an error what may explain it.

    Raises:
        MachineError: the tool is missing, can't be started, did not end in time, or failed.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=env,
        )
    except FileNotFoundError as error:
        raise MachineError(f"{argv[0]} not found; install the package that provides it") from error
    except OSError as error:
        raise MachineError(f"{argv[0]} can't be started: {os_reason(error)}") from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(_with(hint, f"{argv[0]} did not answer in {timeout_s:g} s")) from error
    if done.returncode != 0:
        raise MachineError(
            _with(hint, f"{argv[0]} failed with status {done.returncode}: {done.stderr.strip()}")
        )
    return done.stdout


def _with(hint: Callable[[], str], text: str) -> str:
    return "; ".join(part for part in (text, hint()) if part)
