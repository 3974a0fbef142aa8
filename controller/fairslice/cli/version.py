"""What ``fairslice --version`` says: itself, and what it finds on this machine."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from fairslice import __version__

_PATIENCE_S = 0.25


def version_text() -> str:
    """A line for each; nothing that is missing is an error, and no library is imported to ask it."""
    found = {
        "Python": f"{platform.python_version()}, {sys.executable}",
        "numpy": _installed("numpy"),
        "numba": _installed("numba"),
        "Ryu": _installed("ryu"),
        "Open vSwitch": _open_vswitch(),
        "kernel": _kernel(),
    }
    width = max(map(len, found))
    return "\n".join(
        (f"fairslice, version {__version__}", *(f"  {name:<{width}}  {text}" for name, text in found.items()))
    )


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except Exception:  # noqa: BLE001  a broken installation of another package
        return "not found"


def _open_vswitch() -> str:
    # Where root looks, too: a user's PATH may lack it.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    program = shutil.which("ovs-vswitchd", path=path)
    if program is None:
        return "not found"
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return f"{program}, which does not tell its version"
    words = done.stdout.decode(errors="replace").partition("\n")[0].split()
    return words[-1] if words else f"{program}, which does not tell its version"


def _kernel() -> str:
    loaded = Path("/sys/module/openvswitch").exists()
    return f"{platform.system()} {platform.release()}, openvswitch {'loaded' if loaded else 'not loaded'}"
