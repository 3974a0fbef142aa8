"""The virtual machine's host side: what it is asked for, and what it refuses before it boots."""

import errno
import itertools
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import InputError, MachineError
from fairslice.lab.trial.datapath_choice import Choice, Here, Wanted, choose
from fairslice.lab.vm import machine as vm
from fairslice.lab.vm.machine import _Copy, missing_for_vm, read_memory
from fairslice.lab.vm.outputs import check_outputs, make_outputs
from fairslice.testing.networks import build_network
from fairslice.topology.network import Network

HERES = [Here(*flags) for flags in itertools.product((True, False), repeat=3)]
WANTED: tuple[Wanted, ...] = ("auto", "kernel", "user")
VM = (True, False, None)
PLAIN = build_network([("h1", "s1"), ("s1", "s2"), ("s2", "h2")], capacity_bps=20e6)
FAR = replace(PLAIN, links=dict(PLAIN.links) | {("s1", "s2"): replace(PLAIN.links["s1", "s2"], delay_s=0.01)})
LACKING = {"nothing": (), "netem": ("sch_netem",)}
ALL = list(itertools.product(WANTED, VM, HERES, (PLAIN, FAR), LACKING.values()))


def needs_vm(wanted: Wanted, here: Here, network: Network, lacking: tuple[str, ...]) -> bool:
    """What this machine can't do by itself."""
    return (
        not here.root
        or (wanted == "kernel" and not here.kernel_datapath)
        or (network is FAR and bool(lacking))
    )


@pytest.mark.parametrize(("wanted", "wanted_vm", "here", "network", "lacking"), ALL)
def test_laws_of_the_choice(
    wanted: Wanted, wanted_vm: bool | None, here: Here, network: Network, lacking: tuple[str, ...]
) -> None:
    needed = needs_vm(wanted, here, network, lacking)
    if wanted_vm is False and needed and not here.inside_vm:
        with pytest.raises(MachineError, match=r"; a virtual machine would do, and --no-vm forbids it$"):
            choose(wanted, wanted_vm, here, network, missing=lambda: lacking)
        return
    chosen = choose(wanted, wanted_vm, here, network, missing=lambda: lacking)
    if wanted != "auto":
        assert chosen.datapath == wanted, "what is asked for is what is run"
    assert chosen.vm == (not here.inside_vm and (bool(wanted_vm) or needed)), "no machine in a machine"
    if not chosen.vm and not here.inside_vm:
        assert here.root
        assert chosen.datapath == "user" or here.kernel_datapath, "the kernel's datapath only where it is"
    assert bool(chosen.why) == chosen.vm


def test_auto_prefers_the_kernel_where_it_is_loaded() -> None:
    assert choose("auto", None, Here(True, True, False), PLAIN) == Choice("kernel")
    assert choose("auto", None, Here(True, False, False), PLAIN) == Choice("user")
    assert choose("auto", None, Here(True, True, True), PLAIN).datapath == "kernel"


def test_links_with_delay_are_told_where_this_kernel_has_no_netem() -> None:
    here = Here(True, False, False)
    why = "link s1->s2 has a delay of 10 ms, but this kernel has no sch_netem to emulate it"
    assert choose("auto", None, here, FAR, missing=lambda: ("sch_netem",)) == Choice(
        "kernel", vm=True, why=why
    )
    assert choose("auto", None, here, FAR, missing=lambda: ()) == Choice("user")
    with pytest.raises(MachineError) as refused:
        choose("auto", False, here, FAR, missing=lambda: ("sch_netem",))
    assert str(refused.value) == f"{why}; a virtual machine would do, and --no-vm forbids it"


def test_the_kernel_is_not_asked_in_vain() -> None:
    def fail() -> tuple[str, ...]:
        raise AssertionError

    for asked, here, network in (
        (None, Here(True, False, False), PLAIN),
        (True, Here(True, False, False), FAR),
        (None, Here(True, False, True), FAR),
        (None, Here(True, False, False), None),
    ):
        choose("auto", asked, here, network, missing=fail)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512M", 512 << 20),
        ("1G", 1 << 30),
        ("1.5 GiB", 3 << 29),
        ("2gb", 2 << 30),
        ("300000k", 300_000 << 10),
    ],
)
def test_memory(text: str, expected: int) -> None:
    assert read_memory(text) == expected


@pytest.mark.parametrize("text", ["", "1", "G", "-1G", "1T", "1e9", "1,5G", "1G x", "16M", "255M"])
def test_memory_refused(text: str) -> None:
    with pytest.raises(InputError, match="memory; expected"):
        read_memory(text)


@given(st.integers(256, 256 << 10))
def test_memory_is_whole_bytes(megabytes: int) -> None:
    assert read_memory(f"{megabytes}M") == megabytes << 20


def test_outputs_that_the_machine_could_not_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        check_outputs([Path("/run/x"), Path("/dev"), tmp_path / "file", tmp_path / "none", tmp_path])
    assert [str(fault).split()[0] for fault in caught.value.faults] == [
        "/run/x",
        "/dev",
        str(tmp_path / "file"),
        str(tmp_path / "none"),
    ]


def test_outputs_are_made_and_those_left_empty_go(tmp_path: Path) -> None:
    kept, gone, there = tmp_path / "a" / "b", tmp_path / "c" / "d", tmp_path / "e"
    there.mkdir()
    with make_outputs([kept, gone, there]):
        assert kept.is_dir()
        assert gone.is_dir()
        (kept / "results.json").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "e", "results.json"]


def test_an_output_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="can't be made"),
        make_outputs([tmp_path / "new", tmp_path / "file" / "x"]),
    ):
        pass
    assert not (tmp_path / "new").exists(), "nothing is left half-made"


def test_without_user_mode_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install the package user-mode-linux" in missing_for_vm()[0]
    with pytest.raises(MachineError, match="user-mode-linux"):
        vm.run_in_vm(vm.Machine(("true",)))


def test_without_its_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / vm.KERNEL).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vm, "MODULES_DIRECTORY", tmp_path)
    modules, tools = missing_for_vm()
    assert "no kernel modules" in modules
    assert tools == "setpriv and setsid not found; install the package util-linux"


def test_the_boot_script_is_a_posix_script() -> None:
    shell = shutil.which("dash") or shutil.which("sh")
    assert shell is not None
    script = Path(vm.__file__).with_name("init.sh")
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EBADF])
def test_output_that_can_not_be_written_is_kept_in_mind_and_the_rest_is_read(number: int) -> None:
    target = os.open("/dev/full", os.O_WRONLY) if number == errno.ENOSPC else os.open(os.devnull, os.O_RDONLY)
    source, into = os.pipe()
    try:
        copy = _Copy(source, target)
        # More than a pipe holds: who did not read on would keep the writer waiting.
        for _ in range(4):
            os.write(into, bytes(1 << 16))
        os.close(into)
        copy.join(60)
    finally:
        os.close(target)
    assert not copy.is_alive()
    assert copy.failed is not None
    assert copy.failed.errno == number


def test_output_that_is_written_fails_nowhere() -> None:
    source, into = os.pipe()
    out, target = os.pipe()
    copy = _Copy(source, target)
    os.write(into, b"all of it")
    os.close(into)
    copy.join(60)
    os.close(target)
    assert copy.failed is None
    with os.fdopen(out, "rb") as stream:
        assert stream.read() == b"all of it"
