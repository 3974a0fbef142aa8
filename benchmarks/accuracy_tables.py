"""From rows of measured slices to the tables of docs/enforcement.md. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median, stdev

import page
from accuracy import Row, bounds
from pydantic import TypeAdapter, ValidationError

from fairslice.errors import Fault, InputError

ENFORCEMENTS = ("police", "shape", "both")
TRANSPORTS = ("cubic", "reno", "bbr", "udp")
DATAPATHS = ("user", "kernel")
BUSY_MARK = "\\*"
NOTHING = "–"

# 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom.
T_QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)

_ROW = TypeAdapter(Row)

CellKey = tuple[str, str, str, int, float]
RunKey = tuple[str, str, str, int, int]


@dataclass(frozen=True)
class Quantity:
    """A table's quantity; None where a row does not have it."""

    title: str
    of: Callable[[Row], float | None]
    scale: float = 1.0
    places: int = 2
    signed: bool = False


def _milliseconds(title: str, of: Callable[[Row], float | None]) -> Quantity:
    return Quantity(title, of, 1e3, 1)


def _tcp(of: Callable[[Row], float]) -> Callable[[Row], float | None]:
    return lambda row: None if row.transport == "udp" else of(row)


QUANTITIES = (
    Quantity("Error of the slice on the wire, %", lambda row: row.error, 100, 2, True),
    Quantity("Error of its worst flow, %", lambda row: row.worst_flow_error, 100, 1, True),
    Quantity("Jain's index of its flows", lambda row: row.jain_index if row.flows > 1 else None, 1, 4),
    Quantity("Goodput, % of the allocation", lambda row: 100 * row.goodput_bps / row.allocated_bps, 1, 1),
    Quantity("Loss, %", lambda row: row.loss, 100, 2),
    Quantity("Retransmits a second", _tcp(lambda row: row.retransmits / row.window_s), 1, 1),
    _milliseconds("Queueing delay, median, ms", lambda row: row.delay_p50_s),
    _milliseconds("Queueing delay, 95th percentile, ms", lambda row: row.delay_p95_s),
    _milliseconds("Queueing delay, 99th percentile, ms", lambda row: row.delay_p99_s),
)


def to_lines(rows: Iterable[Row]) -> str:
    """Rows as JSON lines."""
    return "".join(f"{_ROW.dump_json(row).decode()}\n" for row in rows)


def from_lines(text: str, file: str) -> tuple[Row, ...]:
    """Read them back; of rows of the same slice, cell and repeat the last one stands.

    A last line without its end is that of an interrupted run, and left out.

    Raises
    ------
    InputError
        Lines that are no rows, all of them.
    """
    found: dict[tuple[CellKey, int], Row] = {}
    faults = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break
        try:
            row = _ROW.validate_json(line)
        except ValidationError as error:
            why = error.errors(include_url=False)[0]["msg"]
            faults.append(Fault(f"{file}:{number}: found {line[:60].strip()!r}, expected a row: {why}"))
            continue
        found[cell_key(row), row.repeat] = row
    if faults:
        raise InputError(faults)
    return tuple(found.values())


def cell_key(row: Row) -> CellKey:
    """What repeats have in common."""
    return row.datapath, row.enforcement, row.transport, row.flows, row.rate_bps


def run_key(row: Row) -> RunKey:
    """What slices of one run have in common."""
    return row.datapath, row.enforcement, row.transport, row.flows, row.repeat


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and half the width of its 95 % confidence interval by Student's t; None for a single value.

    Above 30 degrees of freedom the quantile for 30 is taken, which is at most 4 % too wide.
    """
    if len(values) < 2:
        return fmean(values), None
    quantile = T_QUANTILES[min(len(values) - 1, len(T_QUANTILES)) - 1]
    return fmean(values), quantile * stdev(values) / math.sqrt(len(values))


def quantity_table(quantity: Quantity, rows: Sequence[Row]) -> str:
    """Enforcement, transport and flows down, rate and datapath across; means with their intervals."""
    cells: dict[CellKey, list[Row]] = {}
    for row in rows:
        cells.setdefault(cell_key(row), []).append(row)
    columns = [
        (datapath, rate)
        for rate in sorted({row.rate_bps for row in rows})
        for datapath in DATAPATHS
        if any(row.datapath == datapath for row in rows)
    ]
    kinds = sorted(
        {(row.enforcement, row.transport, row.flows) for row in rows},
        key=lambda kind: (ENFORCEMENTS.index(kind[0]), TRANSPORTS.index(kind[1]), kind[2]),
    )
    head = (
        "enforcement",
        "transport",
        "flows",
        *(f"{rate / 1e6:g} Mbit/s, {name}" for name, rate in columns),
    )
    lines = []
    for enforcement, transport, flows in kinds:
        texts = [
            _text(quantity, cells.get((name, enforcement, transport, flows, rate), []))
            for name, rate in columns
        ]
        if any(text != NOTHING for text in texts):
            lines.append((enforcement, transport, str(flows), *texts))
    return page.table(head, lines, 2)


def _text(quantity: Quantity, rows: Sequence[Row]) -> str:
    values = [value * quantity.scale for row in rows if (value := quantity.of(row)) is not None]
    if not values:
        return NOTHING
    mean, half = interval(values)
    sign = "+" if quantity.signed else ""
    text = f"{mean:{sign}.{quantity.places}f}"
    if half is not None:
        text += f" ± {half:.{quantity.places}f}"
    return text + (BUSY_MARK if any(row.cpu_bound for row in rows) else "")


@dataclass(frozen=True)
class Promise:
    """How a promise was kept on one datapath: by how many rows, and which was the worst."""

    name: str
    datapath: str
    unit: str
    kept: int
    rows: int
    at_most: float
    median: float
    worst: float
    where: str


_UNITS: Mapping[str, tuple[str, float]] = {"slice": ("%", 100), "flow": ("%", 100), "delay": ("ms", 1e3)}


def promises(rows: Iterable[Row]) -> tuple[Promise, ...]:
    """Every promise of :func:`accuracy.bounds`, by enforcement, transport and flows.

    Rows of a busy machine prove nothing, and are left out.
    """
    found: dict[tuple[str, str, float], list[tuple[Row, float]]] = {}
    for row in (row for row in rows if not row.cpu_bound):
        flows = "one flow" if row.flows == 1 else "several flows"
        transport = "UDP" if row.transport == "udp" else "TCP"
        for bound in bounds(row):
            name = f"{bound.what}: {row.enforcement}, {transport}, {flows}"
            found.setdefault((name, row.datapath, bound.at_most), []).append((row, bound.measured))
    made = []
    for (name, datapath, at_most), measured in sorted(found.items(), key=lambda item: item[0]):
        unit, scale = _UNITS[name.partition(":")[0]]
        row, worst = max(measured, key=lambda pair: pair[1])
        values = [value for _, value in measured]
        made.append(
            Promise(
                *(name, datapath, unit, sum(value <= at_most for value in values), len(values)),
                *(scale * at_most, scale * median(values), scale * worst),
                f"{row.transport}, {row.flows} × {row.rate_bps / row.flows / 1e6:.3g} Mbit/s",
            )
        )
    return tuple(made)


def promise_table(rows: Iterable[Row]) -> str:
    """Promises as Markdown; those that were not kept by every row are bold."""
    head = ("promise", "datapath", "at most", "kept", "median", "worst", "worst is")
    lines = []
    for promise in promises(rows):
        kept = f"{promise.kept} of {promise.rows}"
        lines.append(
            (
                *(promise.name, promise.datapath, f"{promise.at_most:g} {promise.unit}"),
                kept if promise.kept == promise.rows else f"**{kept}**",
                f"{promise.median:.2f} {promise.unit}",
                f"{promise.worst:.2f} {promise.unit}",
                promise.where,
            )
        )
    return page.table(head, lines, 2)


def markdown(rows: Sequence[Row]) -> str:
    """The whole block: on what it was measured, promises, and a table for every quantity."""
    if not rows:
        return "Nothing is measured yet."
    repeats = [len(list(group)) for _, group in groupby(sorted(rows, key=cell_key), cell_key)]
    least, most = min(repeats), max(repeats)
    many = str(least) if least == most else f"{least} to {most}"
    seconds = median(row.window_s for row in rows)
    busy = sum(row.cpu_bound for row in rows)
    systems = ", ".join(
        f"{name} on Linux {' and '.join(found)}"
        for name in DATAPATHS
        if (found := sorted({row.system for row in rows if row.datapath == name}))
    )
    parts = [
        f"Datapaths: {systems}.\n"
        f"Means over repeats ({many}, of {seconds:.0f} s each), ± half of the 95 % confidence interval\n"
        f"(Student's t). {BUSY_MARK}: the machine was too busy to tell;\n"
        f"promises leave such rows out ({busy} of {len(rows)}).",
        "### Promises\n\n" + promise_table(rows),
    ]
    parts += [
        f"### {quantity.title}\n\n{quantity_table(quantity, rows)}"
        for quantity in QUANTITIES
        if any(quantity.of(row) is not None for row in rows)
    ]
    return "\n\n".join(parts)
