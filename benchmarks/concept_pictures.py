"""Draw the pictures of docs/concepts that are no demo's and no model's into docs/img: seconds, no root.

    .venv/bin/python benchmarks/concept_pictures.py

Where state stands is counted in what would be installed; nothing is sent. What was measured of TCP behind a
policer stands in a table of its page.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from fairslice.policy import parse_policy
from fairslice.report.drawing import INK, MUTED, PANEL, SLICE_COLOURS, as_svg, bare
from fairslice.report.models import policed_tcp_picture
from fairslice.slicing import allocate_slices
from fairslice.slicing.state.compile import compile_switches
from fairslice.topology import load_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
DIRECTORY = ROOT / "docs" / "img"
FLOWS = (16, 32, 64, 128, 240)
"""Between hosts of a fat tree; 240 is every ordered pair of 16."""
LAYERS = ("edge", "aggregation", "core")
POLICED = ROOT / "docs" / "concepts" / "policing-and-shaping.md"
_ROW = re.compile(r"^\| (\d+) (ms|s) \|((?: \.\d+ \|)+)$", re.MULTILINE)
_HEAD = re.compile(r"^\| burst, as a time at the rate \|(.*)\|$", re.MULTILINE)


def state_counts(flows: int) -> Mapping[str, tuple[int, int]]:
    """Of a slice with so many flows on a fat tree: entries of the fullest switch of each layer.

    Returns:
        For each layer, how many entries name both ends of a flow, and how many there are.
    """
    network = load_network(ROOT / "topologies" / "fat_tree.py")
    hosts = list(network.hosts)
    pairs = [
        (hosts[i], hosts[(i + away) % len(hosts)]) for away in range(1, len(hosts)) for i in range(len(hosts))
    ]
    written = "\n".join(f"      - {{from: {one}, to: {other}}}" for one, other in pairs[:flows])
    policy = parse_policy(f"version: 1\nslices:\n  all:\n    flows:\n{written}\n", "all.yaml")
    found = dict.fromkeys(LAYERS, (0, 0))
    names = {switch.dpid: name for name, switch in network.switches.items()}
    neighbours: dict[str, set[str]] = {name: set() for name in [*network.hosts, *network.switches]}
    for one, other in network.links:
        neighbours[one].add(other)
        neighbours[other].add(one)
    edge = {name for name in network.switches if neighbours[name] & set(hosts)}
    for dpid, state in compile_switches(allocate_slices(policy, network)).items():
        name = names[dpid]
        layer = "edge" if name in edge else "aggregation" if neighbours[name] & edge else "core"
        of_flows = sum({"ipv4_src", "ipv4_dst"} <= dict(entry.match).keys() for entry in state.flows.values())
        found[layer] = max(found[layer][0], of_flows), max(found[layer][1], len(state.flows))
    return found


def architecture() -> str:
    """Entries of a switch against flows: those of the edge grow, those of the core do not."""
    return as_svg("architecture", lambda: _state_figure({flows: state_counts(flows) for flows in FLOWS}))


def programmability() -> str:
    """Who says what to whom: the planes, and the way of a packet through a switch."""
    return as_svg("programmability", _planes_figure)


def policed_goodput() -> tuple[list[float], Mapping[str, list[float]]]:
    """What the page has measured: bursts as times at the rate, in seconds, and goodput over rate by sender.

    Raises:
        ValueError: the page has no such table.
    """
    page = POLICED.read_text(encoding="utf-8")
    head = _HEAD.search(page)
    if head is None:
        raise ValueError(f"{POLICED}: found no table of goodput against burst")
    rows = [
        (int(value) / (1000 if unit == "ms" else 1), [float(one) for one in re.findall(r"\.\d+", shares)])
        for value, unit, shares in _ROW.findall(page)
    ]
    senders = [name.strip() for name in head[1].split("|")]
    measured = {name: [shares[i] for _, shares in rows] for i, name in enumerate(senders)}
    return [burst for burst, _ in rows], measured


def policed_tcp() -> str:
    """TCP's goodput behind a policer: the formula, and what was measured."""
    return policed_tcp_picture.draw(*policed_goodput())


PICTURES: Mapping[str, Callable[[], str]] = {
    "architecture.svg": architecture,
    "policed-tcp.svg": policed_tcp,
    "programmability.svg": programmability,
}


def _state_figure(counts: Mapping[int, Mapping[str, tuple[int, int]]]) -> Figure:
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes_of = figure.subplots(1, 2, sharey=True)
    titles = ("Entries that name both ends of a flow", "All entries")
    for which, (axes, title) in enumerate(zip(axes_of, titles, strict=True)):
        for place, layer in enumerate(LAYERS):
            style = ("-", "--", ":")[place]
            rows = [counts[flows][layer][which] for flows in counts]
            axes.plot(
                list(counts), rows, style, marker="o", markersize=4, color=SLICE_COLOURS[place], label=layer
            )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("flows in the network")
        axes.set_ylim(-5, 1.05 * max(row["edge"][1] for row in counts.values()))
    axes_of[0].set_ylabel("entries of the fullest switch")
    axes_of[0].legend(frameon=False, title="layer of a fat tree", title_fontsize=9, fontsize=9)
    return figure


def _planes_figure() -> Figure:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    bare(axes)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 60)
    axes.text(0, 57, "control plane", color=MUTED, fontsize=9)
    axes.text(0, 27, "data plane: each switch", color=MUTED, fontsize=9)
    _box(axes, 0, 44, 24, ["policy, network", "policy/, topology/"])
    _box(axes, 38, 44, 24, ["max-min fair rates", "alloc/, slicing/"])
    _box(axes, 76, 44, 24, ["the plan", "control/app/"])
    _arrow(axes, (24, 48), (38, 48))
    _arrow(axes, (62, 48), (76, 48))
    for to in (9, 35, 63):
        _arrow(axes, (82, 44), (to, 18.5))
    axes.text(50, 36.5, "OpenFlow 1.3: entries, meters", ha="right", color=MUTED, fontsize=8)
    _arrow(axes, (91, 44), (91, 18.5))
    axes.text(92, 36.5, "OVSDB:\nqueues", color=MUTED, fontsize=8, va="center")
    _box(axes, 0, 10, 18, ["table 0", "whose flow is it?"])
    _box(axes, 25, 10, 20, ["meter, DSCP", "no faster; named"])
    _box(axes, 52, 10, 22, ["table 1", "to where, what queue?"])
    _box(axes, 81, 10, 19, ["port, queue", "who is next?"])
    for start, end in ((18, 25), (45, 52), (74, 81)):
        _arrow(axes, (start, 14), (end, 14))
    axes.text(0, 4, "at the edge only", color=MUTED, fontsize=9)
    axes.text(52, 4, "at every switch", color=MUTED, fontsize=9)
    axes.plot([0, 45], [8, 8], color=SLICE_COLOURS[0], linewidth=2)
    axes.plot([52, 100], [8, 8], color=SLICE_COLOURS[2], linewidth=2)
    return figure


def _box(axes: "Axes", left: float, low: float, width: float, lines: Sequence[str]) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, low), width, 8, boxstyle="round,pad=0,rounding_size=1", facecolor=PANEL, edgecolor=MUTED
        )
    )
    axes.text(left + width / 2, low + 5.2, lines[0], ha="center", va="center", color=INK, fontsize=9)
    axes.text(left + width / 2, low + 2.2, lines[1], ha="center", va="center", color=MUTED, fontsize=8)


def _arrow(axes: "Axes", start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=INK, linewidth=1))


def main() -> None:
    for name, draw in PICTURES.items():
        (DIRECTORY / name).write_text(f"{draw()}\n", encoding="utf-8")
        print(f"docs/img/{name}")


if __name__ == "__main__":
    main()
