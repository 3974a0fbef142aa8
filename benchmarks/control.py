"""Measure what the control plane computes before it sends anything, and write it into docs/performance.md.

Each table is one function from :class:`Options` to a :class:`Table`; add new ones to ``TABLES``.
"""

import dataclasses
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import page
import switches
import timing
from page import digits, duration
from tables import Table, end

from fairslice.alloc.engine import load_compiled
from fairslice.cli.options import json_output
from fairslice.errors import FairsliceError
from fairslice.garbage import Searches, search
from fairslice.policy import parse_policy
from fairslice.policy.model import Policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.diff import Plan, plan
from fairslice.topology.load import load_network
from fairslice.topology.network import LinkKey, Network

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
MARKERS = ("<!-- benchmarks/control.py -->", "<!-- /benchmarks/control.py -->")
SLICES = 63
SEED = 1
STEPS = ("parse", "allocate", "compile", "diff")
KINDS = {
    "slices first, acknowledged": "",
    "all flows at once, acknowledged": "sharing: per-flow\n",
    "slices first, nothing acknowledged": "defaults: {return_share: 0 %}\n",
}
"""Policies of the same flows, by what is said on top of them."""


@dataclass(frozen=True)
class Options:
    """What to measure. ``anew`` is on how many failures what is kept is compared with what is found anew."""

    k: int
    sizes: tuple[int, ...]
    failure_flows: int
    repeats: int
    anew: int
    switches: bool
    """Whether to measure on real switches, too."""

    @property
    def topology(self) -> str:
        """As users write it."""
        return f"{ROOT / 'topologies' / 'fat_tree.py'}:fat_tree,k={self.k}"

    def network(self) -> Network:
        return load_network(self.topology)


def policy_text(network: Network, flows: int, said: str = "") -> str:
    """A policy of so many flows in 63 slices, between random pairs of hosts.

    No pair has two flows before each has one; a pair's further flows are told by their ports. Half of the
    flows have a demand, a quarter has a weight.
    """
    draw = random.Random(SEED)
    hosts = list(network.hosts)
    pairs = [(source, target) for source in hosts for target in hosts if source != target]
    of_slice: list[list[str]] = [[] for _ in range(min(SLICES, flows))]
    turn: list[tuple[str, str]] = []
    for number in range(flows):
        if not turn:
            turn = draw.sample(pairs, len(pairs))
        source, target = turn.pop()
        more = f", demand: {draw.choice((1, 2, 5, 10))} Mbit/s" if draw.random() < 0.5 else ""
        more += f", weight: {draw.choice((2, 3, 4))}" if draw.random() < 0.25 else ""
        if flows > len(pairs):
            more += f", match: {{proto: tcp, dst_port: {5000 + number // len(pairs)}}}"
        of_slice[number % len(of_slice)].append(f"      - {{from: {source}, to: {target}{more}}}\n")
    slices = (
        f"  s{number}:\n    weight: {1 + number % 4}\n    flows:\n{''.join(lines)}"
        for number, lines in enumerate(of_slice, 1)
    )
    return f"version: 1\n{said}slices:\n{''.join(slices)}"


def seconds(call: Callable[[], T]) -> tuple[float, T]:
    """The processor time of a call, and its answer; Python collects garbage as under the command line."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


@dataclass(frozen=True)
class Steps:
    """The steps from a policy's text to a plan for each switch: the quickest of some runs, in s."""

    flows: int
    switches: int
    entries: int
    parse_s: float
    allocate_s: float
    compile_s: float
    diff_s: float
    document_s: float
    """A whole process of ``fairslice plan --json``."""

    @property
    def total_s(self) -> float:
        return self.parse_s + self.allocate_s + self.compile_s + self.diff_s


def diffs(states: Sequence[SwitchState]) -> list[Plan]:
    """What to do to switches that hold nothing yet."""
    return [plan(SwitchState(), state) for state in states]


def measure_steps(text: str, options: Options, network: Network) -> Steps:
    """From the text to the plans; nothing is kept from one run to the next."""
    best = (math.inf,) * 4
    for _ in range(options.repeats):
        parse_s, policy = seconds(partial(parse_policy, text, "policy.yaml"))
        allocate_s, allocation = seconds(partial(allocate_slices, policy, network))
        compile_s, states = seconds(partial(compile_switches, allocation))
        diff_s, plans = seconds(partial(diffs, [*states.values()]))
        taken = (parse_s, allocate_s, compile_s, diff_s)
        best = min(best, taken, key=sum)
    return Steps(
        len(allocation.flows),
        len(plans),
        sum(dict(one.counts())["flows added"] for one in plans),
        *best,
        min(document_s(text, options) for _ in range(options.repeats)),
    )


def document_s(text: str, options: Options) -> float:
    """How long a process of ``fairslice plan --json`` takes, by the clock."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "policy.yaml"
        file.write_text(text, encoding="utf-8")
        command = [*(sys.executable, "-m", "fairslice", "plan", str(file)), "--topology", options.topology]
        start = time.perf_counter()
        done = subprocess.run([*command, "--json"], check=True, stdout=subprocess.PIPE)
        taken = time.perf_counter() - start
    json.loads(done.stdout)
    return taken


def steps_table(options: Options) -> Table:
    """How long it takes from a policy to plans, as the number of flows grows."""
    network = options.network()
    rows = []
    for flows in options.sizes:
        click.echo(f"steps: {flows} flows", err=True)
        rows.append(measure_steps(policy_text(network, flows), options, network))
    first = rows[0]
    head = ("flows", "entries", *STEPS, "together", "ratio", "`plan --json`", "its ratio")
    cells = [
        (
            *(f"{row.flows:,}", f"{row.entries:,}"),
            *(duration(getattr(row, f"{step}_s")) for step in STEPS),
            *(duration(row.total_s), digits(row.total_s / first.total_s)),
            *(duration(row.document_s), digits(row.document_s / first.document_s)),
        )
        for row in rows
    ]
    title = f"From a policy to plans: fat tree k={options.k}, {first.switches} switches"
    return Table(title, page.table(head, cells, 0), tuple(rows))


@dataclass(frozen=True)
class Failures:
    """All single failures of cables, one after the other: routes and rates of each, in s of the processor."""

    kind: str
    flows: int
    failures: int
    kept_s: float
    """Each with what is kept of the whole network."""
    anew_s: float
    """Each with nothing kept; extrapolated from ``compared`` of them."""
    compared: int
    different: int
    """In how many of these rates, routes or reasons were not the same to the last bit."""

    @property
    def per_s(self) -> float:
        return self.failures / self.kept_s


def cables(network: Network) -> Iterator[tuple[LinkKey, LinkKey]]:
    """Both directions of each cable."""
    for here, there in network.links:
        if here < there:
            yield (here, there), (there, here)


def measure_failures(kind: str, policy: Policy, network: Network, options: Options) -> Failures:
    """Every cable fails, alone."""
    whole = allocate_slices(policy, network)

    def divided(broken: Network, before: NetworkAllocation | None) -> NetworkAllocation:
        return allocate_slices(policy, broken, omit_unreachable=True, before=before)

    # The networks are made outside of what is measured: whoever sees a cable fail has them.
    broken = [network.without(cable) for cable in cables(network)]
    kept_s = min(seconds(lambda: [divided(one, whole) for one in broken])[0] for _ in range(options.repeats))
    some = broken[:: max(1, len(broken) // options.anew)]
    anew_s, anew = seconds(lambda: [divided(one, None) for one in some])
    different = sum(divided(one, whole) != other for one, other in zip(some, anew, strict=True))
    extrapolated = anew_s * len(broken) / len(some)
    return Failures(kind, len(whole.flows), len(broken), kept_s, extrapolated, len(some), different)


def failures_table(options: Options) -> Table:
    """What a cable that fails costs, with what is kept of the network before and without."""
    network = options.network()
    rows = []
    for kind, said in KINDS.items():
        click.echo(f"failures: {kind}", err=True)
        policy = parse_policy(policy_text(network, options.failure_flows, said), "policy.yaml")
        rows.append(measure_failures(kind, policy, network, options))
    head = ("policy", "flows", "cables", "each, kept", "a second", "each, anew", "times", "the same rates")
    cells = [
        (
            *(row.kind, f"{row.flows:,}", f"{row.failures:,}", duration(row.kept_s / row.failures)),
            *(digits(row.per_s), duration(row.anew_s / row.failures), digits(row.anew_s / row.kept_s)),
            f"{row.compared - row.different} of {row.compared}",
        )
        for row in rows
    ]
    faults = [f"{row.kind}: {row.different} of {row.compared} differ" for row in rows if row.different]
    title = f"Single failures of cables: fat tree k={options.k}"
    return Table(title, page.table(head, cells, 1), tuple(rows), tuple(faults))


def switches_table(options: Options) -> Table:
    """How long it takes on real switches, beside ovs-ofctl."""
    title = "On real switches: fat tree k=4"
    if not options.switches:
        return Table(title, "Not measured: not asked for.", ())
    if missing := switches.reasons():
        text = f"Not measured, since this machine can't: {'; '.join(missing)}."
        click.echo(f"on switches: {text}", err=True)
        return Table(title, text, ())
    click.echo("on switches", err=True)
    fat_tree = dataclasses.replace(options, k=4)
    text = policy_text(fat_tree.network(), options.failure_flows)
    row = switches.measure(fat_tree.topology, text, options.repeats)
    head = ("what", "flows", "answered", "in force", "agent included")
    cells = [
        (
            *(change.what, f"{row.flows:,}"),
            *(duration(s) for s in (change.answered_s, change.in_force_s, change.completed_s)),
        )
        for change in row.changes
    ]
    floor = (
        f"{row.switches} switches, {row.entries:,} entries, {row.meters:,} meters, {row.queues:,} queues."
        " `ovs-ofctl --bundle add-flows` with the same entries, a switch after the other, takes"
        f" {duration(row.entries_s)}; `ovs-ofctl add-meter` with the same meters, a process each,"
        f" {duration(row.meters_s)}."
    )
    return Table(title, f"{page.table(head, cells, 1)}\n\n{floor}", (row,))


TABLES: tuple[Callable[[Options], Table], ...] = (steps_table, failures_table, switches_table)


def as_markdown(tables: Sequence[Table], options: Options) -> str:
    notes = (
        f"Measured on {timing.machine()}. Everything in one run and on one core, the best of"
        f" {options.repeats}; the processor's time, but for `plan --json`, a whole process by the clock."
    )
    return "\n\n".join([notes, *(f"### {table.title}\n\n{table.text}" for table in tables)])


def document(tables: Sequence[Table]) -> str:
    """Every record, with its ratios; times are in seconds."""

    def plain(record: Any) -> dict[str, object]:
        ratios = {name: getattr(record, name) for name in ("total_s", "per_s") if hasattr(record, name)}
        return dataclasses.asdict(record) | ratios

    results = {table.title: [plain(record) for record in table.records] for table in tables}
    return json.dumps({"machine": timing.machine(), "results": results}, indent=2)


@click.command()
@click.option("--quick", is_flag=True, help="A small fat tree, few flows, once: does it run at all?")
@click.option(
    "--switches/--no-switches",
    "on_switches",
    default=True,
    help="Measure on real switches, too, which needs root and Open vSwitch.  [default: where that can be]",
)
@click.option("--repeats", type=click.IntRange(1), help="Runs to take the best of.  [default: 3]")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "docs" / "performance.md",
    help="The page whose results are replaced.  [default: docs/performance.md]",
)
@json_output(help="Print the results as JSON, and nothing else.")
def main(*, quick: bool, on_switches: bool, repeats: int | None, out: Path, as_json: bool) -> None:
    """Measure what the control plane computes, and write the results into a page.

    Exits 1 if rates found with what is kept are not those found anew.
    """
    options = Options(
        k=4 if quick else 8,
        sizes=(20, 300) if quick else (1_000, 10_000),
        failure_flows=40 if quick else 1_000,
        repeats=repeats or (1 if quick else 3),
        anew=6 if quick else 24,
        switches=on_switches,
    )
    try:
        page.check(out, MARKERS)
        load_compiled()
        search(Searches.SELDOM)
        tables = [make(options) for make in TABLES]
        page.write(out, as_markdown(tables, options), MARKERS)
    except FairsliceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    end(tables, document(tables) if as_json else None)


if __name__ == "__main__":
    main()
