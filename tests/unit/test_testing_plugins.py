"""The plugins of fairslice.testing act in the workers of pytest-xdist too."""

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import importlib.util, json, os, sys, time

def {name}():
    assert "PYTEST_XDIST_WORKER" in os.environ
    with open({file!r} + os.environ["PYTEST_XDIST_WORKER"], "w") as stream:
        json.dump([sys.modules.get("numba", 0), os.environ.get("NUMBA_CACHE_DIR")], stream)
    time.sleep(0.2)
"""


def probed(tmp_path: Path, plugin: str) -> dict[str, str]:
    """What each of two workers saw."""
    for name in ("test_one", "test_two"):
        (tmp_path / f"{name}.py").write_text(PROBE.format(name=name, file=str(tmp_path / "seen-")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n2", "-p", plugin, "-c", "/dev/null", "--rootdir", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name.removeprefix("seen-"): path.read_text() for path in tmp_path.glob("seen-*")}


def test_without_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "untouched")
    seen = probed(tmp_path, "fairslice.testing.without_numba")
    # null: what stands as None in sys.modules can't be imported. 0 would be: not there, so it can.
    assert seen
    assert set(seen.values()) == {'[null, "untouched"]'}


def test_numba_caches_are_kept_apart(tmp_path: Path) -> None:
    seen = probed(tmp_path, "fairslice.testing.numba_cache")
    assert seen
    assert all(f"/{worker}" in told for worker, told in seen.items())
    assert len(set(seen.values())) == len(seen)
