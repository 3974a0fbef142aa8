"""How Mininet comes to a Python that lacks it: it is a package of Debian's, and of no index."""

import sys
from pathlib import Path

_DEBIANS = "/usr"
"""The prefix of the system's Python, for which Debian installs Mininet."""


def mininet_cure(prefix: Path | None = None, base_prefix: Path | None = None) -> str:
    """What is to be done where Mininet can't be imported, right for this Python.

    Args:
        prefix: of the environment that Python runs in (default: this one's).
        base_prefix: of the Python that it was made with.
    """
    prefix = Path(sys.prefix) if prefix is None else prefix
    base_prefix = Path(sys.base_prefix) if base_prefix is None else base_prefix
    if prefix.name == ".venv" and (prefix.parent / "script" / "bootstrap").is_file():
        return "run script/bootstrap, which installs it"
    install = "install Debian's package (apt install mininet)"
    if str(base_prefix) == _DEBIANS and (prefix == base_prefix or _sees_the_system(prefix)):
        return install
    return (
        f"{install}, which pip does not have, and make the environment anew with"
        " /usr/bin/python3 -m venv --system-site-packages"
    )


def _sees_the_system(prefix: Path) -> bool:
    """Whether a virtual environment was made with ``--system-site-packages``."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.replace(" ", "").lower() == "include-system-site-packages=true" for line in lines)
