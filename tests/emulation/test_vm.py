"""``fairslice vm``: commands in user-mode Linux, as root and as nobody, that leave the host as it was."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairslice.measure.results import from_json

pytestmark = pytest.mark.emulation

ROOT = Path(__file__).parents[2]
FAIRSLICE = (sys.executable, "-m", "fairslice")


def vm(*arguments: str, stdin: bytes = b"", timeout_s: float = 600) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*FAIRSLICE, "vm", *arguments],
        input=stdin,
        capture_output=True,
        timeout=timeout_s,
        cwd=ROOT,
        check=False,
    )


@pytest.fixture
def as_ordinary_user(tmp_path: Path) -> "Iterator[tuple[str, ...]]":
    """The start of a command line that runs the rest as nobody, who sees the repository elsewhere."""
    place = Path("/tmp") / f"fairslice-{tmp_path.name}-{os.getpid()}"
    place.mkdir(mode=0o755)
    script = (
        f"mount --bind {ROOT} {place} && cd {place} && "
        f"exec setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "
        f"PYTHONPATH={place}/controller PYTHONDONTWRITEBYTECODE=1 "
        f'{place}/.venv/bin/python -m fairslice "$@"'
    )
    yield ("unshare", "--mount", "sh", "-c", script, "sh")
    place.rmdir()


def test_boots_and_says_which_kernel() -> None:
    done = vm("--", "uname", "-r")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == next(Path("/usr/lib/uml/modules").iterdir()).name.encode()
    assert not done.stderr


def test_an_ordinary_user_boots_too(as_ordinary_user: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*as_ordinary_user, "vm", "--", "sh", "-c", "uname -r; id -u; ls /sys/module; ip -br link; pwd"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kernel, uid, *rest = done.stdout.split("\n")
    assert kernel == next(Path("/usr/lib/uml/modules").iterdir()).name
    assert uid == "0"
    assert {"openvswitch", "sch_htb", "sch_netem", "veth"} <= set(rest)


def test_streams_and_status_come_through() -> None:
    data = os.urandom(300_000)
    done = vm(
        "--",
        "sh",
        "-c",
        "sha256sum; test -t 0 || test -t 1 || test -t 2 || echo pipes >&2; exit 7",
        stdin=data,
    )
    expected = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout
    assert (done.returncode, done.stdout, done.stderr) == (7, expected, b"pipes\n")


def test_much_output_arrives_whole_though_its_reader_is_slow(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(5_000_000))
    with subprocess.Popen(
        [*FAIRSLICE, "vm", "--", "cat", str(big)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        time.sleep(4)
        assert process.stdout.read() == big.read_bytes()
    assert process.returncode == 0


def test_what_it_leaves_running_ends_with_it() -> None:
    assert vm("--", "sh", "-c", "sleep 10000 & exit 3").returncode == 3


def test_a_terminal_is_passed_on() -> None:
    main, end = pty.openpty()
    process = subprocess.Popen(
        [*FAIRSLICE, "vm", "--", "sh"], stdin=end, stdout=end, stderr=end, start_new_session=True, cwd=ROOT
    )
    os.close(end)
    said = b""
    try:
        os.write(main, b"test -t 0 && test -t 1 && test -t 2 && echo $((6 * 7)) $(tty); sleep 10000\n")
        deadline = time.monotonic() + 240
        while b"42 /dev/ttyS0" not in said and time.monotonic() < deadline:
            said += _read(main)
        assert b"42 /dev/ttyS0" in said
        said = b""
        while b"# " not in said and time.monotonic() < deadline:
            # A shell that has not started its next command yet may not mind the first one.
            os.write(main, b"\x03")
            time.sleep(0.2)
            said += _read(main)
        time.sleep(0.2)
        os.write(main, b"exit 9\n")
        while process.poll() is None and time.monotonic() < deadline:
            said += _read(main)
        assert process.poll() == 9, said
    finally:
        process.kill()
        process.wait()
        os.close(main)


def _read(descriptor: int) -> bytes:
    if not select.select([descriptor], [], [], 0.2)[0]:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_what_it_writes_stays_inside_but_for_the_output(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    places = ["/etc", "/usr/bin", "/var/lib", "/tmp", str(ROOT), str(Path.home())]
    before = snapshot(places)
    script = "; ".join(f"echo x > {place}/fairslice-was-here" for place in places)
    done = vm("--output", str(out), "--", "sh", "-ec", f"{script}; rm /etc/hostname; echo kept > {out}/kept")
    assert done.returncode == 0, done.stderr
    assert (out / "kept").read_text() == "kept\n"
    assert snapshot(places) == before


def snapshot(places: list[str]) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that lies in some directories."""
    found = {}
    for place in places:
        for path in Path(place).iterdir():
            if not path.name.startswith(("pytest-", "fairslice-test")):
                state = path.lstat()
                found[str(path)] = (state.st_size, state.st_mtime_ns)
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_from_outside_leaves_nothing(how: signal.Signals, tmp_path: Path) -> None:
    token = f"FAIRSLICE_TEST_VM={tmp_path.name}"
    process = subprocess.Popen(
        ["env", token, f"TMPDIR={tmp_path}", *FAIRSLICE, "vm", "--", "sh", "-c", "echo up; sleep 10000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        # A shell's background children ignore SIGINT; this one must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert len(processes(token)) > 2
        process.send_signal(how)
        process.wait(240)
        assert process.returncode == (-how if how == signal.SIGKILL else 128 + how)
    deadline = time.monotonic() + 60
    while (left := processes(token)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert not list(tmp_path.iterdir())


def processes(token: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (path / "environ").read_bytes():
                found.append(f"{path.name} {(path / 'cmdline').read_text()}")
        except OSError:
            continue
    return found


def test_a_machine_that_does_not_boot_says_why(tmp_path: Path) -> None:
    """A kernel that refuses: its messages reach the user, the status is the machine's."""
    kernel = tmp_path / "linux.uml"
    work = tmp_path / "work"
    work.mkdir()
    kernel.write_text("#!/bin/sh\necho no room in /dev/shm\nexit 1\n")
    kernel.chmod(0o755)
    done = subprocess.run(
        [*FAIRSLICE, "vm", "--", "true"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "no room in /dev/shm" in done.stderr


def test_a_temporary_directory_with_a_space(tmp_path: Path) -> None:
    """The kernel's command line could not name it."""
    place = tmp_path / "my files"
    place.mkdir()
    done = subprocess.run(
        [*FAIRSLICE, "vm", "--", "echo", "up"],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"up\n"), done.stderr


def test_no_such_command() -> None:
    done = vm("--", "no-such-command")
    assert done.returncode == 127
    assert b"no-such-command" in done.stderr
    assert shutil.which("no-such-command") is None


def test_an_ordinary_users_report_is_the_same_as_roots(
    as_ordinary_user: tuple[str, ...], tmp_path: Path
) -> None:
    """Unequal slices on both datapaths: root's on the userspace datapath, nobody's on the kernel's."""
    shared = Path(tempfile.mkdtemp(prefix="fairslice-test-"))
    try:
        shared.chmod(0o777)
        outs = {"user": tmp_path / "out", "kernel": shared / "out"}
        before = snapshot(["/etc", "/usr/bin", "/var/lib", str(ROOT)]), machine()
        rates = {}
        for datapath, start in (("user", FAIRSLICE), ("kernel", as_ordinary_user)):
            rates[datapath] = rates_of_a_run(start, datapath, outs[datapath])
        assert (snapshot(["/etc", "/usr/bin", "/var/lib", str(ROOT)]), machine()) == before
        assert [path.name for path in shared.iterdir()] == ["out"]
    finally:
        shutil.rmtree(shared)
    for name, user_bps in rates["user"].items():
        kernel_bps = rates["kernel"][name]
        difference = kernel_bps / user_bps - 1
        print(f"{name}: user {user_bps:.0f}, kernel {kernel_bps:.0f} bit/s: {difference:+.2%}, at most 3 %")
        assert abs(difference) <= 0.03


def rates_of_a_run(start: tuple[str, ...], datapath: str, out: Path) -> dict[str, float]:
    done = subprocess.run(
        [
            *(*start, "run", "--topology", "topologies/dumbbell.py", "--datapath", datapath),
            *("--policy", "policies/gold-silver-bronze.yaml", "--warmup", "3", "--duration", "5"),
            *("--out", str(out), "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == (out / "results.json").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["iperf3", "logs", "report.html", "results.json"]
    result = from_json(done.stdout)
    assert result.datapath == datapath
    assert result.max_error is not None
    assert result.max_error <= 0.05
    return {flow.slice: flow.wire_bps for flow in result.flows}


def machine() -> list[str]:
    """Interfaces, mounts and settings that nothing may change."""
    interfaces = sorted(path.name for path in Path("/sys/class/net").iterdir())
    settings = [Path("/proc/sys", name).read_text() for name in ("net/ipv4/ip_forward", "fs/file-max")]
    return [*interfaces, Path("/proc/mounts").read_text(), *settings]


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_output_that_can_not_be_written_is_told(redirection: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *FAIRSLICE, "vm", "--", "echo", "up"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr.startswith("standard output: can't be written: ")
    assert len(done.stderr.splitlines()) == 1


def test_root_s_tools_are_found_with_an_ordinary_user_s_path() -> None:
    done = subprocess.run(
        [*FAIRSLICE, "vm", "--", "sh", "-c", "command -v ovs-vswitchd && command -v tc"],
        env={**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()] == ["ovs-vswitchd", "tc"]
