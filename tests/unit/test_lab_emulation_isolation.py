"""Refusals of the isolation that need no root; the rest is in tests/emulation/test_namespaces.py."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fairslice.errors import InputError, MachineError
from fairslice.lab.emulation import isolation


def test_paths_in_the_private_directory_are_refused_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        isolation.check_visible(["/run/out", tmp_path, "/run/../run/user/0", "/runner"])
    assert [str(fault).split(" is under")[0] for fault in caught.value.faults] == [
        "/run/out",
        "/run/../run/user/0",
    ]


def test_a_link_into_the_private_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("/run")
    with pytest.raises(InputError, match="private to the emulation"):
        isolation.check_visible([tmp_path / "results" / "today"])


def test_without_root_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match=r"runs as user 1000; run it with sudo"):
        isolation.run_isolated(["true"])


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(MachineError, match=r"unshare, setpriv, mount, ip not found; install .* util-linux"):
        isolation.run_isolated(["true"])


def test_a_kernel_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 1, "", "unshare: unshare failed: Operation not permitted\n")

    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(MachineError, match=r"Operation not permitted\).*--privileged"):
        isolation.run_isolated(["true"])


def test_mounting_over_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("nothing may run")

    monkeypatch.setattr(subprocess, "run", forbidden)
    with pytest.raises(MachineError, match="not inside namespaces"):
        isolation.prepare_inside()
    # Nor with the marks of a supervisor whose namespaces are these.
    ours = " ".join(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "mnt"))
    monkeypatch.setenv("FAIRSLICE_OUTSIDE", ours)
    monkeypatch.setenv("FAIRSLICE_LIFELINE", "0")
    with pytest.raises(MachineError, match="not inside namespaces"):
        isolation.prepare_inside()
