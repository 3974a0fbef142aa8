"""Missing tools and the rights of an ordinary user: a sentence each, the right status, nothing left."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairslice.lab.vm.machine import missing_for_vm

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "policies" / "gold-silver-bronze.yaml")
DUMBBELL = str(ROOT / "topologies" / "dumbbell.py")
RUN = ("run", POLICY, "--topology", DUMBBELL, "--datapath", "user")
NOBODY = 65534

Done = subprocess.CompletedProcess[str]


def fairslice(*arguments: str, before: tuple[str, ...] = (), cwd: Path, **environment: str) -> Done:
    inherited = {name: value for name, value in os.environ.items() if name != "FAIRSLICE_DEBUG"}
    return subprocess.run(
        [*before, sys.executable, "-m", "fairslice", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=cwd,
        env=inherited | environment,
    )


def sentences(done: Done, status: int) -> list[str]:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    for never in ("Traceback", "internal error", "Errno"):
        assert never not in done.stderr
    lines = done.stderr.splitlines()
    return lines[-1:] if lines[0].startswith("Usage:") else lines


# Tools --------------------------------------------------------------------------------------------------


@pytest.fixture
def path_without(tmp_path: Path) -> Callable[[str], str]:
    """A PATH that has all programs but one."""

    def make(missing: str) -> str:
        programs = tmp_path / "programs"
        programs.mkdir()
        system = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        for directory in (*os.environ["PATH"].split(":"), *system):
            for program in Path(directory).iterdir() if Path(directory).is_dir() else ():
                link = programs / program.name
                if program.name != missing and not link.is_symlink():
                    link.symlink_to(program)
        return str(programs)

    return make


@pytest.mark.skipif(os.geteuid() != 0, reason="without root a run asks for other tools, those of a machine")
@pytest.mark.parametrize(
    "tool",
    [
        *("ip", "tc", "ethtool", "mnexec", "mount", "unshare", "setpriv", "iperf3"),
        *("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl"),
    ],
)
def test_a_run_without_a_tool_is_refused_before_it_begins(
    tool: str, path_without: Callable[[str], str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    # Other things may be missing on this machine, too: they are told with it.
    lines = sentences(fairslice(*RUN, "--out", "out", cwd=work, PATH=path_without(tool)), 6)
    assert any(f"{tool} not found; install" in line for line in lines)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("tool", ["linux.uml", "setpriv", "setsid"])
def test_a_virtual_machine_without_a_tool_is_refused(
    tool: str, path_without: Callable[[str], str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (line,) = sentences(fairslice("vm", "true", cwd=work, PATH=path_without(tool)), 6)
    assert f"{tool} not found; install the package" in line
    assert list(work.iterdir()) == []


def test_a_controller_without_setpriv_says_what_does_without(
    path_without: Callable[[str], str], tmp_path: Path
) -> None:
    ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    openflow, rest = (str(port.getsockname()[1]) for port in ports)
    for port in ports:
        port.close()
    listen = ("--openflow-port", openflow, "--rest-port", rest)
    done = fairslice(
        *("controller", "--ovsdb", "unix:/none", *listen), cwd=tmp_path, PATH=path_without("setpriv")
    )
    (line,) = sentences(done, 6)
    assert "setpriv: No such file" in line
    assert "--no-agent" in line


# Rights -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Everybody's, with files and directories in it that are nobody else's."""
    # Not tmp_path, into which other users can't look.
    made = Path(tempfile.mkdtemp(prefix="fairslice-test-"))
    made.chmod(0o777)
    (made / "readonly").mkdir(mode=0o755)
    (made / "shut").mkdir(mode=0o700)
    for name in ("secret.yaml", "secret.py", "secret.json", "secret.graphml", "secret.xml"):
        (made / name).touch(mode=0o600)
    with socket.socket(socket.AF_UNIX) as database:
        database.bind(str(made / "db.sock"))
        database.listen()
        (made / "db.sock").chmod(0o600)
        yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def as_nobody(directory: Path) -> Callable[..., Done]:
    """Run fairslice as a user without rights."""
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all")
    home = {"HOME": "/nonexistent"}

    def run(*arguments: str, **environment: str) -> Done:
        return fairslice(*arguments, before=become, cwd=directory, **home | environment)

    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become somebody else")
    if run("--version").returncode != 0:
        pytest.skip("other users can't read this installation")
    return run


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (("check", "secret.yaml"), 2, ("secret.yaml", "not readable")),
        (("check", "shut/a.yaml"), 2, ("shut/a.yaml", "Permission denied")),
        (("plan", "secret.yaml", "--topology", DUMBBELL), 2, ("secret.yaml", "not readable")),
        (("apply", "secret.yaml"), 2, ("secret.yaml", "not readable")),
        (("topology", "secret.py"), 2, ("secret.py", "Permission denied")),
        (("topology", "secret.json"), 2, ("secret.json", "Permission denied")),
        (("topology", "secret.graphml"), 2, ("secret.graphml", "Permission denied")),
        (("topology", "secret.xml"), 2, ("secret.xml", "Permission denied")),
        (("allocate", "secret.json"), 2, ("secret.json", "not readable")),
        (("explain", POLICY, "--topology", DUMBBELL, "--picture", "readonly/a.svg"), 2, ("readonly/a.svg",)),
        ((*RUN, "--out", "readonly/out"), 2, ("readonly/out", "Permission denied")),
        ((*RUN, "--out", "readonly", "--vm"), 2, ("readonly", "can't be written")),
        (("run", "secret.yaml", "--topology", DUMBBELL), 2, ("secret.yaml", "not readable")),
        (("controller", "--ovsdb", "none", "--policy", "secret.yaml"), 2, ("secret.yaml", "not readable")),
        (("controller", "--ovsdb", "none", "--network", "secret.json"), 2, ("secret.json", "denied")),
        (("agent", "--once", "--ovsdb", "unix:{}/db.sock"), 6, ("db.sock", "Permission denied")),
    ],
)
def test_what_a_user_may_not_do_is_a_sentence(
    as_nobody: Callable[..., Done],
    directory: Path,
    arguments: tuple[str, ...],
    status: int,
    named: tuple[str, ...],
) -> None:
    before = sorted(directory.rglob("*"))
    (line,) = sentences(as_nobody(*(word.format(directory) for word in arguments)), status)
    for name in named:
        assert name in line
    assert sorted(directory.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [("readonly",), ("readonly/new",), ("shut/new",), ("new", "--output", "readonly")]
)
def test_a_directory_that_may_not_be_written_is_refused_before_a_machine_boots(
    as_nobody: Callable[..., Done], directory: Path, arguments: tuple[str, ...]
) -> None:
    if missing_for_vm():
        pytest.skip("; ".join(missing_for_vm()))
    before = sorted(directory.rglob("*"))
    (line,) = sentences(as_nobody("vm", "--output", *arguments, "true"), 2)
    assert arguments[-1] in line
    assert sorted(directory.rglob("*")) == before


def test_a_user_s_doctor_judges_the_virtual_machine_that_a_run_would_take(
    as_nobody: Callable[..., Done],
) -> None:
    """What the user may not do on the machine itself does not matter to a run."""
    if missing_for_vm():
        pytest.skip("; ".join(missing_for_vm()))
    done = as_nobody("doctor", "--quick", "--json", PATH="/usr/local/bin:/usr/bin:/bin")
    found = {one["subject"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["run"]["status"] == "ok"
    assert "a virtual machine" in found["run"]["found"]
    failing = {subject for subject, one in found.items() if one["status"] == "fail"}
    assert done.returncode == (6 if failing else 0)
    of_rights = (
        "namespaces and privileges",
        "userspace datapath",
        "kernel datapath",
        "tools",
        "Open vSwitch",
    )
    assert failing.isdisjoint(of_rights)
