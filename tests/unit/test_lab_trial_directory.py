"""The directory of a run's results: its own, new or empty, and gone if nothing came."""

import errno
import os
import re
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from fairslice.errors import EXIT_INPUT, EXIT_MACHINE, FairsliceError, InputError
from fairslice.lab.trial.directory import default_name, results_directory

NOW = datetime(2026, 11, 26, 8, 5, 9)
POLICY = Path("policies/ring.yaml")


def silent(text: str) -> None:
    pytest.fail(f"told {text}")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(out: Path | None, *words: str, status: int = EXIT_INPUT) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(FairsliceError) as caught, results_directory(out, POLICY, NOW, silent):
        pytest.fail("it began")
    assert caught.value.exit_status == status
    (line,) = str(caught.value).splitlines()
    for word in words:
        assert word in line
    assert sorted(Path().rglob("*")) == before


def test_without_a_name_it_is_the_policy_s_and_the_time_and_last_leads_there() -> None:
    with results_directory(None, POLICY, NOW, silent) as out:
        assert out == Path("out/ring-20261126-080509")
        assert not out.exists()
        out.mkdir(parents=True)
        (out / "results.json").write_text("1")
    last = Path("out/last")
    assert last.is_symlink()
    assert last.readlink() == Path("ring-20261126-080509")
    with results_directory(None, POLICY, NOW.replace(hour=9), silent) as out:
        out.mkdir()
        (out / "results.json").write_text("2")
        assert (last / "results.json").read_text() == "1"
    assert (last / "results.json").read_text() == "2"
    assert sorted(path.name for path in Path("out").iterdir()) == [
        *("last", "ring-20261126-080509", "ring-20261126-090509")
    ]


def test_runs_of_the_same_second_have_one_each() -> None:
    taken = []
    with (
        results_directory(None, POLICY, NOW, silent) as first,
        results_directory(None, POLICY, NOW, silent) as second,
    ):
        taken += [first, second]
        for path in taken:
            path.mkdir(parents=True)
            (path / "x").touch()
    assert len(set(taken)) == 2
    assert all(path.is_dir() for path in taken)


def test_names_sort_by_time() -> None:
    times = [
        NOW,
        NOW.replace(second=10),
        NOW.replace(hour=12),
        NOW.replace(month=12, day=1),
        NOW.replace(2027),
    ]
    names = [default_name(POLICY, time) for time in times]
    assert names == sorted(names)


@pytest.mark.parametrize("stem", ["p" * 251, "ü" * 120, "\U0001f600" * 60, "a b\n\tc", "..", "-", "\udcff"])
def test_whatever_a_policy_is_called_a_directory_can_be(stem: str) -> None:
    name = default_name(Path(f"{stem}.yaml"), NOW)
    assert re.fullmatch(r"[\w+-][\w.+-]*-20261126-080509", name)
    with results_directory(None, Path(f"{stem}.yaml"), NOW, silent, keep=True) as out:
        assert out.is_dir()


@pytest.mark.parametrize("out", [None, Path("new"), Path("new/and/deep")])
@pytest.mark.parametrize("keep", [False, True])
def test_nothing_stays_where_nothing_came(out: Path | None, keep: bool) -> None:
    with results_directory(out, POLICY, NOW, silent, keep=keep) as path:
        assert path.is_dir() == keep
    assert list(Path().iterdir()) == []
    with pytest.raises(InputError, match="bad"), results_directory(out, POLICY, NOW, silent, keep=keep):
        raise InputError("bad")
    assert list(Path().iterdir()) == []


def test_what_was_there_stays() -> None:
    Path("there").mkdir()
    with results_directory(Path("there"), POLICY, NOW, silent):
        pass
    assert Path("there").is_dir()


def test_a_file_that_was_not_finished_goes() -> None:
    with results_directory(Path("a"), POLICY, NOW, silent) as out:
        (out / "iperf3").mkdir(parents=True)
        (out / "iperf3" / ".x.json.abc.tmp").touch()
        (out / "iperf3" / "y.json").touch()
    assert [path.name for path in Path("a/iperf3").iterdir()] == ["y.json"]


@pytest.mark.parametrize("name", ["results.json", ".hidden", "logs"])
def test_an_earlier_run_s_files_are_not_mixed_with(name: str) -> None:
    Path("a").mkdir()
    (Path("a") / name).write_text("x")
    refused(Path("a"), "a is not empty", name, "expected an empty directory")
    Path("link").symlink_to("a")
    refused(Path("link"), "link is not empty")


def test_two_runs_cannot_share_one() -> None:
    with results_directory(Path("a"), POLICY, NOW, silent), results_directory(Path("b"), POLICY, NOW, silent):
        refused(Path("a"), "another run writes there")
        refused(Path("../" + Path.cwd().name + "/a"), "another run writes there")
    with results_directory(Path("a"), POLICY, NOW, silent):
        pass


def test_the_lock_ends_with_its_process_however_it_ends() -> None:
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, datetime, pathlib\n"
            "from fairslice.lab.trial.directory import results_directory as r\n"
            "with r(pathlib.Path('a'), pathlib.Path('p'), datetime.datetime.now(), print):\n"
            "    print('held', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    refused(Path("a"), "another run writes there")
    holder.kill()
    holder.communicate()
    with results_directory(Path("a"), POLICY, NOW, silent):
        pass


def test_of_many_that_begin_at_once_one_has_it() -> None:
    start, end, held, said = threading.Barrier(8), threading.Event(), [], []

    def begin() -> None:
        start.wait()
        try:
            with results_directory(Path("deep/a"), POLICY, NOW, silent) as out:
                held.append(out)
                end.wait(20)
        except InputError as error:
            said.append(str(error))
            if len(said) == 7:
                end.set()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1
    assert len(said) == 7
    assert not Path("deep").exists()


def test_where_it_cannot_be() -> None:
    Path("file").write_text("x")
    refused(Path("file"), "file", "expected a directory")
    refused(Path("file/below"), "file/below", "Not a directory")
    refused(Path("x" * 300), "x" * 300, "File name too long")
    Path("loop").symlink_to("loop")
    refused(Path("loop"), "loop: expected a directory")
    Path("broken").symlink_to("nowhere")
    refused(Path("broken"), "broken: expected a directory")


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, EXIT_MACHINE),
        (errno.EDQUOT, EXIT_MACHINE),
        (errno.EACCES, EXIT_INPUT),
        (errno.EROFS, EXIT_INPUT),
    ],
)
def test_what_the_machine_says_of_it_is_told(
    number: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", fail)
    refused(Path("a"), "a: expected", os.strerror(number), status=status)
    refused(None, "out/ring-2026", os.strerror(number), status=status)


def test_a_directory_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fairslice.lab.trial.directory.os.access", lambda _path, _mode: False
    )  # root may write everywhere
    refused(Path("a"), "a can't be written")


def test_where_no_link_can_be_had_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(_path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", no_link)
    told: list[str] = []
    with results_directory(None, POLICY, NOW, told.append) as out:
        out.mkdir(parents=True)
        (out / "x").touch()
    assert told == [f"out/last is not linked to {out} (Operation not permitted)."]
    assert [path.name for path in Path("out").iterdir()] == [out.name]


def test_a_directory_called_last_is_left_alone() -> None:
    Path("out/last").mkdir(parents=True)
    told: list[str] = []
    with results_directory(None, POLICY, NOW, told.append) as out:
        out.mkdir()
        (out / "x").touch()
    assert not Path("out/last").is_symlink()
    assert len(told) == 1
