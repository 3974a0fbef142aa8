"""Machine code: said when it is compiled, kept for other processes, and made again where it is damaged."""

import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

import fairslice
from fairslice.alloc import (
    AllocationProblem,
    Allocator,
    MultipathFlow,
    MultipathProblem,
    allocate,
    allocate_free,
    engine,
)
from fairslice.alloc.account import WORTH_S, Account
from fairslice.alloc.kernel.compiled import compiled, has_numba, is_kept
from fairslice.alloc.multipath.subflows import FEW
from fairslice.testing.problems import random_problem

pytest.importorskip("numba")

LOAD = "from fairslice.alloc import load_compiled; assert load_compiled()"
ALLOCATE = """
import sys
from fairslice.alloc.engine import account
from fairslice.cli import main
account.charge(3600)  # As if this process had worked for an hour.
sys.argv = ["fairslice", "allocate", sys.argv[1], *sys.argv[2:]]
main()
"""
ONCE = "compiling the allocation engine, once: 10 to 30 seconds"
WAITING = "waiting for another process that compiles the allocation engine: 10 to 30 seconds"


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "NUMBA_CACHE_DIR": str(cache), **more}


def start(code: str, cache: Path, *arguments: object, **more: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment(cache, **more.pop("env", {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[str, list[str]]:
    """What it wrote on standard output, and the lines that it wrote on standard error."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out, err.splitlines()


@dataclass(frozen=True)
class Compiled:
    """A cache in which two commands have compiled at the same time: one of them, that is."""

    cache: Path
    answered: list[str]
    said: list[list[str]]


@pytest.fixture(scope="module")
def problem_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flows = [{"id": f"f{i}", "path": [f"L{i % 5}", f"L{i % 7}"], "demand": i + 1} for i in range(200)]
    file = tmp_path_factory.mktemp("problem") / "problem.json"
    file.write_text(json.dumps({"links": {f"L{i}": 1000 + i for i in range(7)}, "flows": flows}))
    return file


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory, problem_file: Path) -> Compiled:
    directory = tmp_path_factory.mktemp("numba")
    racing = [start(ALLOCATE, directory, problem_file, "--json") for _ in range(2)]
    done = [ended(process) for process in racing]
    return Compiled(directory, [out for out, _ in done], [err for _, err in done])


@pytest.fixture
def cache(raced: Compiled) -> Path:
    return raced.cache


def files(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}


def test_another_process_elsewhere_loads_it(cache: Path, tmp_path: Path) -> None:
    before = files(cache)
    assert before
    assert ended(start(LOAD, cache, cwd=tmp_path)) == ("", [])
    assert files(cache) == before


def test_of_two_processes_one_compiles_and_says_so_on_standard_error(raced: Compiled) -> None:
    lines = [line for said in raced.said for line in said]
    # The other one waits, or comes when all is done.
    assert sorted({*lines, WAITING}) == sorted([ONCE, WAITING])
    assert len(lines) <= 2


def test_the_answer_has_the_same_bits(raced: Compiled, problem_file: Path) -> None:
    loaded, err = ended(start(ALLOCATE, raced.cache, problem_file, "--json"))
    assert err == []
    plain, err = ended(start(ALLOCATE.replace("3600", "0"), raced.cache, problem_file, "--json"))
    assert err == []
    assert json.loads(plain)["certified"]
    assert {*raced.answered, loaded} == {plain}


def test_unlike_processors_do_not_share_files(cache: Path) -> None:
    """A generic processor, as NUMBA_CPU_NAME may ask for: its machine code has other names."""
    code = "from fairslice.alloc.kernel.compiled import is_kept; print(is_kept())"
    assert ended(start(code, cache)) == ("True\n", [])
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert ended(start(code, cache, env=other)) == ("False\n", [])


def test_what_is_damaged_is_compiled_again(cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "cache"
    shutil.copytree(cache, mine)
    (damaged,) = mine.rglob("filling.water_fill_*.nbc")
    damaged.write_bytes(damaged.read_bytes()[:100])
    _, err = ended(start(LOAD, mine))
    assert [line.split(": ")[0] for line in err] == [
        "what was compiled can't be read, and is compiled again",
        "compiling the allocation engine, once",
    ]
    assert str(mine) in err[0]
    assert ended(start(LOAD, mine)) == ("", [])


def test_where_nothing_can_be_written_it_is_said_once(tmp_path: Path, problem_file: Path) -> None:
    """Neither beside the source, nor in a cache: it is compiled for this process."""
    source = tmp_path / "source"
    shutil.copytree(
        Path(fairslice.__file__).parent,
        source / "fairslice",
        ignore=lambda *_: ["__pycache__"],
    )
    (source / "fairslice" / "alloc" / "kernel" / "__pycache__").write_text("not a directory")
    nowhere = {"PYTHONPATH": str(source), "XDG_CACHE_HOME": "/proc/nowhere", "HOME": "/proc/nowhere"}
    process = start(ALLOCATE, Path("/proc/nowhere"), problem_file, env=nowhere, cwd=tmp_path)
    out, err = ended(process)
    assert json.loads(out)["certified"]
    assert [line.split(": ")[0] for line in err] == [
        "what is compiled can't be kept",
        "compiling the allocation engine for this process",
    ]
    assert "NUMBA_CACHE_DIR names another directory" in err[0]


def test_a_full_disk_is_said_once(tmp_path: Path, problem_file: Path) -> None:
    """No file may be larger than a page; machine code is."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    out, err = ended(start(ALLOCATE, tmp_path / "full", problem_file, preexec_fn=limited))
    assert json.loads(out)["certified"]
    assert err[0] == ONCE
    assert err[1].startswith(f"what is compiled can't be kept in {tmp_path / 'full'}")
    assert "File too large" in err[1]
    assert err[2:] == ["compiling the allocation engine for this process: 10 to 30 seconds"]


def test_all_is_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left that would be compiled later: no call has types that loading has not seen."""
    account = Account(has_numba, is_kept, compiled)
    assert account.buy()
    monkeypatch.setattr(engine, "account", account)
    run = compiled().run

    def signatures() -> dict[str, int]:
        return {name: len(f.signatures) for name, f in vars(run).items() if hasattr(f, "signatures")}

    before = signatures()
    random = Random(1)
    for _ in range(60):
        problem = random_problem(random, max_links=6, max_flows=30)
        engine.solve_as(compiled(), problem.columns, instants=random.random() < 0.5)
    n = 300
    sliced = {
        "slice": np.arange(n) % 3,
        "slice_weight": np.ones(3),
        "slice_limit": np.array([5.0, 9, np.inf]),
    }
    for more in ({}, sliced, {**sliced, "floor": np.full(n, 1e-3), "per_flow": True}):
        arrays: dict[str, Any] = {
            "capacity": np.full(10, 20.0),
            "indptr": np.arange(n + 1) * 2,
            "indices": np.arange(2 * n) % 10,
            "weight": np.ones(n),
            "demand": np.linspace(0.01, 1, n),
            "coefficient": np.full(2 * n, 0.5),
            **more,
        }
        for array in arrays.values():
            if isinstance(array, np.ndarray):
                # As views of a caller's constants are, or memory-mapped files.
                array.flags.writeable = False
        problem = AllocationProblem.from_arrays(**arrays)
        allocate(problem)
        allocator = Allocator(problem)
        allocator.change(capacity={0: 7}, demand={3: 0.5})
    for flows in (20, FEW + 100):
        links = {f"L{i}": random.uniform(1, 10) for i in range(20)}
        multipath = [
            MultipathFlow(f"f{i}", tuple({link: 1.0} for link in random.sample(sorted(links), 2)))
            for i in range(flows)
        ]
        allocate_free(MultipathProblem(links, multipath))
    # What is smaller than to hand it over is interpreted for good.
    assert account.spent_s < WORTH_S
    assert signatures() == before
    entries = ("water_fill", "single_classes", "merge_flows", "read_rates", "read_instants", "lay_rows")
    assert {name: before[name] for name in entries} == dict.fromkeys(entries, 1)
