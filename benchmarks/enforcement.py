"""Measure how exactly policies are enforced, and write docs/enforcement.md.

Every run is a dumbbell of its own with slices of 1, 5, 20 and 50 Mbit/s, in the virtual machine not all at
once, as :mod:`accuracy` has it: the real controller, real counters, in fresh namespaces.
Needs root. What is measured goes to a file as it comes, so that an interrupted benchmark can go on.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import accuracy_tables
import click
import page
from accuracy import Cell, Row, Transport, bounds, rates_at_once
from accuracy_run import run_cell

from fairslice.errors import EXIT_OK, EXIT_OUT_OF_TOLERANCE, FairsliceError, InputError
from fairslice.lab.emulation.isolation import check_isolation, check_visible, prepare_inside, run_isolated
from fairslice.lab.emulation.openvswitch import Datapath, kernel_module_loaded
from fairslice.measure.results import Enforcement

ROOT = Path(__file__).parents[1]
MARKERS = ("<!-- benchmarks/enforcement.py -->", "<!-- /benchmarks/enforcement.py -->")
FLOWS = (1, 3, 8)
QUICK_FLOWS = (1,)
FIELDS = ("datapath", "enforcement", "transport", "flows", "rates_bps")
TRIES = 2
"""A run on a busy machine, or one that failed, is tried this often."""


@dataclass(frozen=True)
class Plan:
    """What to measure, for how long, and the file that the rows go to."""

    cells: tuple[Cell, ...]
    repeats: int
    warmup_s: float
    duration_s: float
    rows: Path

    def missing(self, rows: Sequence[Row]) -> Iterator[tuple[Cell, int]]:
        """The runs that have no rows yet; all cells once before any twice."""
        for repeat, cell in itertools.product(range(1, self.repeats + 1), self.cells):
            if not rows_of(rows, cell, repeat):
                yield cell, repeat


def read(path: Path) -> tuple[Row, ...]:
    """The rows of a file; none if it is not there."""
    if not path.exists():
        return ()
    return accuracy_tables.from_lines(path.read_text(encoding="utf-8"), str(path))


def rows_of(rows: Sequence[Row], cell: Cell, repeat: int) -> tuple[Row, ...]:
    """Those of one run."""
    key = (cell.datapath, cell.enforcement, cell.transport, cell.flows, repeat)
    return tuple(
        row for row in rows if accuracy_tables.run_key(row) == key and row.rate_bps in cell.rates_bps
    )


def measure(plan: Plan) -> tuple[str, ...]:
    """Make all runs that are missing, each in namespaces of its own; what failed."""
    faults = []
    missing = list(plan.missing(read(plan.rows)))
    for done, (cell, repeat) in enumerate(missing):
        for attempt in range(1, TRIES + 1):
            click.echo(f"[{done + 1}/{len(missing)}] {cell}, repeat {repeat}", err=True)
            status = run_inside(plan, cell, repeat)
            if status >= 128:
                # Ctrl-C, or the like.
                sys.exit(status)
            rows = rows_of(read(plan.rows), cell, repeat) if status == EXIT_OK else ()
            for row in rows:
                click.echo(f"    {line(row)}", err=True)
            if rows and not any(row.cpu_bound for row in rows):
                break
            if attempt == TRIES and not rows:
                faults.append(f"{cell}, repeat {repeat}: failed with status {status}")
    return tuple(faults)


def line(row: Row) -> str:
    """A row for who is watching."""
    broken = [bound.what for bound in bounds(row) if not bound.holds]
    delay = "no probe came" if row.delay_p99_s is None else f"delay {1e3 * row.delay_p99_s:.1f} ms"
    notes = [*(f"{what} out of bounds" for what in broken), *(["cpu-bound"] if row.cpu_bound else [])]
    return (
        f"{row.rate_bps / 1e6:4g} Mbit/s: error {row.error:+.2%}, worst flow {row.worst_flow_error:+.2%}, "
        f"loss {row.loss:.2%}, {delay}{'; ' if notes else ''}{', '.join(notes)}"
    )


def run_inside(plan: Plan, cell: Cell, repeat: int) -> int:
    """One run in a process of its own, which adds its rows to the file; its exit status."""
    job = job_text(cell, repeat, plan.warmup_s, plan.duration_s)
    return run_isolated([sys.executable, __file__, "--inside", job, "--rows", str(plan.rows)])


def job_text(cell: Cell, repeat: int, warmup_s: float, duration_s: float) -> str:
    """What the inner process is to do."""
    named = {name: getattr(cell, name) for name in FIELDS}
    return json.dumps({"cell": named, "repeat": repeat, "warmup_s": warmup_s, "duration_s": duration_s})


def read_job(job: Mapping[str, Any]) -> tuple[Cell, int, float, float]:
    """The inverse of :func:`job_text`."""
    cell = Cell(**{**job["cell"], "rates_bps": tuple(job["cell"]["rates_bps"])})
    return cell, job["repeat"], job["warmup_s"], job["duration_s"]


def inside(job: Mapping[str, Any], rows: Path) -> None:
    """The inner process: measure a cell, and add its rows to the file in one piece."""
    prepare_inside()
    cell, repeat, warmup_s, duration_s = read_job(job)
    found = run_cell(cell, repeat, warmup_s=warmup_s, duration_s=duration_s)
    with rows.open("a", encoding="utf-8") as stream:
        stream.write(accuracy_tables.to_lines(found))


def measure_in_vm(plan: Plan, names: Sequence[str]) -> tuple[str, ...]:
    """The kernel datapath where the machine's kernel has none: this program again, in ``fairslice vm``.

    Its rows come out through a directory, and are added to the file.
    """
    with tempfile.TemporaryDirectory(dir=plan.rows.absolute().parent) as scratch:
        part = Path(scratch) / "rows.jsonl"
        part.write_text(accuracy_tables.to_lines(read(plan.rows)), encoding="utf-8")
        before = len(part.read_text(encoding="utf-8"))
        argv = [
            *(sys.executable, "-m", "fairslice", "vm", "--memory", "2G", "--out", scratch, "--"),
            *(sys.executable, str(Path(__file__).resolve()), "--resume", "--no-page", "--datapath", "kernel"),
            *("--rows", str(part), "--repeats", str(plan.repeats), *names),
            *("--duration", str(plan.duration_s), "--warmup", str(plan.warmup_s)),
        ]
        status = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode
        if status >= 128 or status < 0:
            click.echo("interrupted; what was measured is kept", err=True)
        with plan.rows.open("a", encoding="utf-8") as stream:
            stream.write(part.read_text(encoding="utf-8")[before:])
    return () if status == EXIT_OK else (f"kernel datapath: fairslice vm ended with status {status}",)


def _some(known: Sequence[Any]) -> Any:
    """A click callback: some of what is known, as ``a,b``."""

    def read_some(_: click.Context, __: click.Parameter, value: str | None) -> tuple[Any, ...]:
        if value is None:
            return tuple(known)
        texts = [str(item) for item in known]
        unknown = [part for part in value.split(",") if part not in texts]
        if unknown:
            raise click.BadParameter(f'found "{unknown[0]}", expected some of {",".join(texts)}')
        return tuple(item for item in known if str(item) in value.split(","))

    return read_some


@click.command()
@click.option("--datapath", "datapaths", callback=_some(get_args(Datapath)), help="Some of user,kernel.")
@click.option(
    "--enforcement", "enforcements", callback=_some(get_args(Enforcement)), help="Some, as shape,both."
)
@click.option("--transport", "transports", callback=_some(get_args(Transport)), help="Some, as cubic,udp.")
@click.option("--flows", callback=_some(FLOWS), help="Flows a slice: some of 1,3,8.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--duration", type=click.FloatRange(1, 600), default=8.0, show_default=True, help="Seconds of a run."
)
@click.option(
    "--warmup", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="Seconds before."
)
@click.option("--quick", is_flag=True, help="One flow a slice, cubic, once, 3 s: does it run at all?")
@click.option(
    "--rows",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("enforcement.jsonl"),
    show_default=True,
    help="Where rows go as they are measured, as JSON lines.",
)
@click.option("--resume", is_flag=True, help="Go on with the rows that are there.")
@click.option("--render", is_flag=True, help="Measure nothing: make the page from the rows that are there.")
@click.option("--no-page", is_flag=True, help="Measure only.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "enforcement.md",
    help="The page whose results are replaced.  [default: docs/enforcement.md]",
)
@click.option("--inside", "job", hidden=True)
def main(
    *,
    datapaths: tuple[Datapath, ...],
    enforcements: tuple[Enforcement, ...],
    transports: tuple[Transport, ...],
    flows: tuple[int, ...],
    repeats: int,
    duration: float,
    warmup: float,
    quick: bool,
    rows: Path,
    resume: bool,
    render: bool,
    no_page: bool,
    out: Path,
    job: str | None,
) -> None:
    """Measure how exactly rates are enforced, and write the results into a page.

    Exits 4 if a run failed. The kernel datapath runs in `fairslice vm` where this kernel has no openvswitch.
    """
    try:
        if job is not None:
            inside(json.loads(job), rows)
            return
        if not no_page:
            page.check(out, MARKERS)
        if quick:
            transports, flows, repeats, duration, warmup = transports[:1], QUICK_FLOWS, 1, 3.0, 2.0
        cells = tuple(
            Cell(datapath, enforcement, transport, count, rates)
            for datapath, enforcement, transport, count in itertools.product(
                datapaths, enforcements, transports, flows
            )
            for rates in rates_at_once(datapath, count)
        )
        plan = Plan(cells, repeats, warmup, duration, rows.absolute())
        faults = () if render else _measure_all(plan, resume)
        if not no_page:
            page.write(out, accuracy_tables.markdown(read(rows)), MARKERS)
    except FairsliceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    for fault in faults:
        click.echo(f"fault: {fault}", err=True)
    if faults:
        sys.exit(EXIT_OUT_OF_TOLERANCE)


def _measure_all(plan: Plan, resume: bool) -> tuple[str, ...]:
    if plan.rows.exists() and not resume:
        raise InputError(f"{plan.rows} is there already; expected a new file, or --resume to go on with it")
    if not os.access(plan.rows.parent, os.W_OK):
        raise InputError(f"{plan.rows.parent} can't be written; expected a directory that can")
    check_visible([plan.rows])
    if plan.rows.exists():
        # Without what an interruption left of a line.
        plan.rows.write_text(accuracy_tables.to_lines(read(plan.rows)), encoding="utf-8")
    here = replace(plan, cells=tuple(c for c in plan.cells if c.datapath == "user" or kernel_module_loaded()))
    there = [cell for cell in plan.cells if cell not in here.cells]
    faults: tuple[str, ...] = ()
    if here.cells:
        check_isolation()
        faults += measure(here)
    if there:
        faults += measure_in_vm(plan, _names(there))
    return faults


def _names(cells: Sequence[Cell]) -> list[str]:
    """The options that stand for the cells."""
    options = []
    for option, values in (
        ("--enforcement", (cell.enforcement for cell in cells)),
        ("--transport", (cell.transport for cell in cells)),
        ("--flows", (str(cell.flows) for cell in cells)),
    ):
        options += [option, ",".join(dict.fromkeys(values))]
    return options


if __name__ == "__main__":
    main()
