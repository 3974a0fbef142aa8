"""Measure the allocation engine and its competitors in one run, and write docs/performance.md.

Each table is one function from :class:`Options` to a :class:`Table`; add new ones to ``TABLES``.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import page
import timing
import workloads
from baselines import BASELINES, HAS_NUMBA, Baseline, scatter_pass
from changes import changes_table
from loading import backends_table, loading_table
from multipath import multipath_table
from page import digits, duration
from programs import TIME_LIMIT_S, GaveUpError
from tables import Options, Table, end
from timing import Timing, difference, measure
from workloads import KINDS, NETWORKS, Reals, Workload

from fairslice.alloc.allocation import Allocation
from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.engine import load_compiled
from fairslice.alloc.problem import AllocationProblem
from fairslice.alloc.waterfilling import allocate
from fairslice.cli.options import json_output
from fairslice.errors import FairsliceError

ROOT = Path(__file__).parents[1]
OURS, UNIT = "fairslice", "scatter pass"
HIERARCHICAL = "hierarchical"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
HIERARCHICAL_SIZES = (1_000, 3_000, 10_000, 30_000)
QUICK_SIZES = (20, 60)
QUICK_WORKLOADS = ("fat-tree-8", "wan-150", HIERARCHICAL)
AGREE = 1e-9
HIGHS_AGREES = 1e-6
"""HiGHS's own tolerances are absolute."""


@dataclass(frozen=True)
class Competitor:
    """How a baseline did; ``note`` says why there is no time."""

    name: str
    timing: Timing | None = None
    difference: float | None = None
    note: str = ""

    @property
    def agrees(self) -> bool:
        allowed = HIGHS_AGREES if self.name.startswith("HiGHS") else AGREE
        return self.difference is None or self.difference <= allowed


@dataclass(frozen=True)
class Solved:
    """How the package did on a problem: times, the unit's time on the same, and whether it is certified."""

    network: str
    kind: str
    flows: int
    uses: int
    construction_s: float
    ours: Timing
    scatter: Timing
    certified: bool | None
    competitors: tuple[Competitor, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.network} {self.kind}"

    @property
    def passes(self) -> float:
        return self.ours.median_s / self.scatter.median_s

    @property
    def faults(self) -> tuple[str, ...]:
        where = f"{self.name}, {self.flows} flows"
        wrong = [f"{where}: the rates are not certified"] if self.certified is False else []
        return (
            *wrong,
            *(f"{where}: {c.name} differs by {c.difference:.1e}" for c in self.competitors if not c.agrees),
            *(f"{where}: {c.name} {c.note}" for c in self.competitors if c.note.startswith("failed")),
        )


def is_certified(problem: AllocationProblem, allocation: Allocation) -> bool:
    return certify(problem, allocation.rate, allocation.bottleneck).ok


def solve(workload: Workload, options: Options) -> tuple[Solved, Reals]:
    """Ours and the unit of the limit on one problem."""
    network, kind, flows = workload.network.name, workload.kind, workload.flows
    click.echo(f"{network} {kind}, {flows} flows", err=True)
    construction, problem = measure(workload.problem, 3)
    ours, allocation = measure(lambda: allocate(problem), options.repeats)
    scatter, _ = measure(scatter_pass(workload, allocation.rate), options.repeats)
    certified = is_certified(problem, allocation) if flows <= options.certify_up_to else None
    times = (construction.median_s, ours, scatter)
    return Solved(network, kind, flows, workload.uses, *times, certified), allocation.rate


def compete(baseline: Baseline, workload: Workload, rate: Reals, options: Options) -> Competitor:
    if baseline.limited:
        call: Callable[[Any], Reals] = lambda made: baseline.solve(made, options.time_limit_s)  # noqa: E731
    else:
        call = baseline.solve
    made = baseline.prepare(workload)
    try:
        taken, answer = measure(lambda: call(made), options.repeats)
    except GaveUpError as error:
        return Competitor(baseline.name, note=str(error))
    return Competitor(baseline.name, taken, difference(rate, answer))


def flat_table(options: Options) -> Table:
    """Flat problems: ours, the unit, and the competitors; all answers compared."""
    rows: list[Solved] = []
    for network in options.networks:
        for kind in KINDS:
            # The size at which a competitor did not end, or the last one and its time.
            last: dict[str, tuple[int, float]] = {}
            for flows in options.sizes:
                workload = workloads.flat(network, kind, flows)
                row, rate = solve(workload, options)
                competitors = []
                for baseline in BASELINES:
                    size, seconds = last.get(baseline.name, (flows, 0.0))
                    # None of them grows slower than its input, so this is the least it would take.
                    least = seconds * flows / size
                    if not baseline.installed:
                        competitor = Competitor(baseline.name, note="not installed")
                    elif least > options.time_limit_s:
                        competitor = Competitor(baseline.name, note="not tried")
                    else:
                        competitor = compete(baseline, workload, rate, options)
                        taken = competitor.timing
                        last[baseline.name] = (flows, taken.median_s if taken else float("inf"))
                    competitors.append(competitor)
                rows.append(dataclasses.replace(row, competitors=tuple(competitors)))
    head = ("workload", "flows", OURS, UNIT, "passes", *(b.name for b in BASELINES))
    checks = ("largest difference", "certified", "construction", "first call")
    cells = [
        (
            *(row.name, f"{row.flows:,}", _cell(row.ours), _cell(row.scatter), digits(row.passes)),
            *(_competitor(competitor) for competitor in row.competitors),
            f"{max((c.difference for c in row.competitors if c.difference is not None), default=0):.0e}",
            *(_yes(row.certified), duration(row.construction_s), duration(row.ours.first_s)),
        )
        for row in rows
    ]
    text = page.table((*head, *checks), cells, 1)
    faults = tuple(fault for row in rows for fault in row.faults)
    return Table("Flat problems", text, tuple(rows), faults, _panels(rows))


@dataclass(frozen=True)
class Slices:
    """The same flows in slices and flat."""

    hierarchical: Solved
    flat: Solved

    @property
    def ratio(self) -> float:
        return self.hierarchical.ours.median_s / self.flat.ours.median_s


def hierarchical_table(options: Options) -> Table:
    """Flows in 63 slices, against the same flows in none, as their number grows."""
    rows: list[Slices] = []
    for kind in KINDS if options.hierarchical_sizes else ():
        for flows in options.hierarchical_sizes:
            workload = workloads.hierarchical(kind, flows, name=options.hierarchical_network)
            rows.append(Slices(solve(workload, options)[0], solve(workload.flat, options)[0]))
    head = ("workload", "flows", "in 63 slices", "flat", "ratio", "passes", "certified", "first call")
    cells = [
        (
            *(row.flat.name, f"{row.flat.flows:,}"),
            *(_cell(row.hierarchical.ours), _cell(row.flat.ours), digits(row.ratio)),
            *(digits(row.hierarchical.passes), _yes(row.hierarchical.certified)),
            duration(row.hierarchical.ours.first_s),
        )
        for row in rows
    ]
    faults = tuple(fault for row in rows for fault in (*row.hierarchical.faults, *row.flat.faults))
    return Table("Hierarchical problems", page.table(head, cells, 1), tuple(rows), faults)


@dataclass(frozen=True)
class Used:
    """Memory at one size."""

    network: str
    kind: str
    flows: int
    memory: timing.Memory


def memory_table(options: Options) -> Table:
    """What the largest flat problems take; mixed ones, which have more to keep."""
    flows = max(options.sizes)
    rows = []
    for network in options.networks:
        kind = KINDS[-1]
        click.echo(f"memory: {network} {kind}, {flows} flows", err=True)
        rows.append(Used(network, kind, flows, timing.memory(network, kind, flows)))
    head = ("workload", "flows", "the problem", "peak on top of it")
    cells = [
        (
            *(f"{row.network} {row.kind}", f"{row.flows:,}"),
            *(f"{size / 1e6:.1f} MB" for size in (row.memory.problem_bytes, row.memory.peak_bytes)),
        )
        for row in rows
    ]
    return Table("Memory", page.table(head, cells, 1), tuple(rows))


TABLES: tuple[Callable[[Options], Table], ...] = (
    flat_table,
    hierarchical_table,
    changes_table,
    memory_table,
    multipath_table,
    backends_table,
    loading_table,
)


def _cell(taken: Timing) -> str:
    few = f" ({taken.repeats})" if taken.median_s > timing.SLOW_S else ""
    return f"{duration(taken.median_s)}{few}"


def _competitor(competitor: Competitor) -> str:
    return competitor.note if competitor.timing is None else _cell(competitor.timing)


def _yes(certified: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "not checked"}[certified]


def _panels(rows: Sequence[Solved]) -> tuple[page.Panel, ...]:
    """By kind, then by network: a row of the picture for each kind."""
    names = sorted({row.name: row for row in rows}.values(), key=lambda row: KINDS.index(row.kind))
    panels = []
    for name in (row.name for row in names):
        lines: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            if row.name == name:
                timings = {OURS: row.ours, UNIT: row.scatter}
                timings |= {c.name: c.timing for c in row.competitors if c.timing is not None}
                for solver, taken in timings.items():
                    lines.setdefault(solver, []).append((row.flows, taken.median_s))
        panels.append(page.Panel(name, tuple(page.Line(s, tuple(points)) for s, points in lines.items())))
    return tuple(panels)


def as_markdown(tables: Sequence[Table], options: Options, picture: bool) -> str:
    notes = [
        f"Measured on {timing.machine()}.",
        f"Everything in one run and on one core, medians of {options.repeats} calls; (3): the median of",
        f"three, as calls take more than {timing.SLOW_S:g} s; (1): one call of more than",
        f"{timing.VERY_SLOW_S:g} s. HiGHS gives up after {options.time_limit_s:g} s.",
    ]
    if not HAS_NUMBA:
        notes.append("Without numba: the scatter pass is numpy's, several times slower than a compiled one.")
    parts = ["\n".join(notes)]
    if picture:
        parts.append(f"![Time against number of flows](img/{page.PICTURE})")
    parts += [f"### {table.title}\n\n{table.text}" for table in tables if table.records]
    return "\n\n".join(parts)


def document(tables: Sequence[Table]) -> str:
    """Every record, with its ratios; times are in seconds."""

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            return value
        record = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        ratios = {name: getattr(value, name) for name in ("passes", "ratio") if hasattr(value, name)}
        return record | ratios

    results: Mapping[str, object] = {table.title: plain(table.records) for table in tables}
    return json.dumps({"machine": timing.machine(), "results": results}, indent=2)


def _numbers(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError:
        numbers = ()
    if not numbers or numbers[0] < 1:
        raise click.BadParameter(f'found "{value}", expected whole numbers from 1 up, as 1000,10000')
    return numbers


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    known = (*NETWORKS, HIERARCHICAL)
    names = None if value is None else tuple(dict.fromkeys(value.split(",")))
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise click.BadParameter(f'found "{unknown[0]}", expected some of {",".join(known)}')
    return names


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, few workloads, three repeats: does it run at all?")
@click.option("--sizes", callback=_numbers, help="Numbers of flows, as 1000,10000; of hierarchical ones too.")
@click.option("--workloads", "names", callback=_names, help=f"Some of {','.join((*NETWORKS, HIERARCHICAL))}.")
@click.option("--repeats", type=click.IntRange(1), help="Calls to take the median of.  [default: 11]")
@click.option("--time-limit", type=float, default=TIME_LIMIT_S, show_default=True, help="For HiGHS, in s.")
@click.option(
    "--certify-up-to", type=int, default=SIZES[-1], show_default=True, help="Flows; larger ones go unchecked."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "performance.md",
    help="The page whose results are replaced.  [default: docs/performance.md]",
)
@json_output(help="Print the results as JSON, and nothing else.")
def main(
    *,
    quick: bool,
    sizes: tuple[int, ...] | None,
    names: tuple[str, ...] | None,
    repeats: int | None,
    time_limit: float,
    certify_up_to: int,
    out: Path,
    as_json: bool,
) -> None:
    """Measure the allocation engine and its competitors, and write the results into a page.

    Exits 1 if answers differ or a certificate does not hold.
    """
    chosen = names or (QUICK_WORKLOADS if quick else (*NETWORKS, HIERARCHICAL))
    in_slices = sizes or (QUICK_SIZES if quick else HIERARCHICAL_SIZES)
    options = Options(
        networks=tuple(name for name in chosen if name != HIERARCHICAL),
        sizes=sizes or (QUICK_SIZES if quick else SIZES),
        hierarchical_sizes=in_slices if HIERARCHICAL in chosen else (),
        hierarchical_network="fat-tree-8" if quick else "fat-tree-16",
        repeats=repeats or (3 if quick else 11),
        time_limit_s=time_limit,
        certify_up_to=certify_up_to,
    )
    try:
        page.check(out)
        load_compiled()
        tables = [make(options) for make in TABLES]
        panels = tuple(panel for table in tables for panel in table.panels)
        if panels:
            page.draw(out.parent / "img" / page.PICTURE, panels, len(options.networks))
        page.write(out, as_markdown(tables, options, bool(panels)))
    except FairsliceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    end(tables, document(tables) if as_json else None)


if __name__ == "__main__":
    main()
