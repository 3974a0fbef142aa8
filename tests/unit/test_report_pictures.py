import math
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fairslice.measure.iperf import Interval, ServerReport
from fairslice.measure.results import FlowResult, LinkResult, RunResult, from_json
from fairslice.report.drawing import FULL, LOADED, SLICE_COLOURS, slice_colours, spread
from fairslice.report.layout import layout
from fairslice.report.pictures import Series, bars_svg, throughput_svg, wire_series
from fairslice.report.topology_picture import topology_svg
from fairslice.units import tcp_wire_bps, udp_wire_bps

FIXTURES = Path(__file__).parents[1] / "fixtures" / "results"
M = 1e6


@pytest.fixture
def dumbbell() -> RunResult:
    return from_json((FIXTURES / "dumbbell.json").read_text(encoding="utf-8"))


@pytest.fixture
def fat_tree() -> RunResult:
    return from_json((FIXTURES / "fat_tree.json").read_text(encoding="utf-8"))


def nodes(result: RunResult) -> tuple[list[str], list[str]]:
    ends = {end for link in result.links for end in (link.source, link.target)}
    names = sorted(ends, key=lambda name: (name[0], int(name[1:])))
    return [n for n in names if n[0] != "h"], [n for n in names if n[0] == "h"]


def texts(svg: str) -> list[str]:
    """All texts of a picture, which must be well-formed XML."""
    root = ElementTree.fromstring(svg)
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


def link(source: str, target: str, allocated: float = 0.0, capacity: float = 10.0) -> LinkResult:
    return LinkResult(
        source=source, target=target, capacity_bps=capacity * M, allocated_bps=allocated * M, wire_bps=None
    )


def many(result: RunResult, count: int, slices: int) -> RunResult:
    flows: list[FlowResult] = [
        replace(result.flows[0], slice=f"slice{i % slices}", source=f"h{i}") for i in range(count)
    ]
    return replace(result, flows=tuple(flows))


def series(result: RunResult, begin: float = -1.0) -> list[Series]:
    times = tuple(begin + 0.5 * i for i in range(8))
    return [Series(i, times, tuple(flow.wire_bps for _ in times)) for i, flow in enumerate(result.flows)]


# topology


def test_a_dumbbell_shows_its_nodes_and_loads(dumbbell: RunResult) -> None:
    svg = topology_svg(*nodes(dumbbell), dumbbell.links)
    shown = texts(svg)
    assert {"s1", "s2", *(f"h{i}" for i in range(1, 7))} <= set(shown)
    assert "30/30" in shown
    assert shown.count("15/100") == 2
    assert "allocated/capacity, Mbit/s of frames" in shown
    assert FULL in svg


def test_a_fat_tree_labels_its_full_links(fat_tree: RunResult) -> None:
    shown = texts(topology_svg(*nodes(fat_tree), fat_tree.links))
    full = [one for one in fat_tree.links if one.allocated_bps >= 0.995 * one.capacity_bps]
    labels = [text for text in shown if text in ("20/20", "100/100")]
    assert len(full) >= 8
    # A label gives way only to another one.
    assert len(full) * 0.75 <= len(labels) <= len(full)


@pytest.mark.parametrize(
    ("load", "colour"), [(1, LOADED[0]), (5, LOADED[1]), (8, LOADED[2]), (10, FULL), (11, FULL)]
)
def test_colour_tells_the_load(load: float, colour: str) -> None:
    svg = topology_svg(["s1", "s2"], [], [link("s1", "s2", load), link("s2", "s1")])
    assert len(re.findall(colour, svg)) > len(
        re.findall(colour, topology_svg(["s1", "s2"], [], [link("s1", "s2")]))
    )
    assert f"{load:g}/10" in texts(svg)


def test_given_positions_are_kept() -> None:
    links = [link("a", "b", 10), link("b", "c", 10)]
    spots = {"a": (0.0, 0.0), "b": (30.0, 0.0), "c": (30.0, 40.0)}
    assert topology_svg(["a", "b", "c"], [], links, spots) != topology_svg(["a", "b", "c"], [], links)
    # Units do not matter.
    doubled = {name: (2 * x, 2 * y) for name, (x, y) in spots.items()}
    assert topology_svg(["a", "b", "c"], [], links, spots) == topology_svg(
        ["a", "b", "c"], [], links, doubled
    )


def test_nodes_on_the_same_spot_and_links_without_capacity() -> None:
    links = [link("a", "b", 5), link("b", "c", 0, 0), link("c", "d", 5)]
    spots = {"a": (0.0, 0.0), "b": (0.0, 0.0), "c": (1.0, 0.0), "d": (1.01, 0.0)}
    assert "5/10" not in texts(topology_svg(["a", "b", "c", "d"], [], links, spots))


def test_a_network_of_nothing_and_of_one() -> None:
    assert "idle" in texts(topology_svg([], [], []))
    assert "s1" in texts(topology_svg(["s1"], [], []))


def test_strangers_are_refused() -> None:
    with pytest.raises(ValueError, match="links end at h9"):
        topology_svg(["s1"], [], [link("s1", "h9")])
    with pytest.raises(ValueError, match="no position for h1"):
        topology_svg(["s1"], ["h1"], [link("s1", "h1")], {"s1": (0, 0)})


def test_pictures_are_the_same_for_the_same_input(dumbbell: RunResult) -> None:
    draws: list[Callable[[], str]] = [
        lambda: topology_svg(*nodes(dumbbell), dumbbell.links),
        lambda: bars_svg(dumbbell),
        lambda: throughput_svg(dumbbell, series(dumbbell)),
    ]
    for draw in draws:
        first = draw()
        assert first == draw()
        assert first.startswith("<svg")
        assert not re.search(r"\d{4}-\d\d-\d\dT", first)


# layout


def near(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.dist(a, b)


def test_a_fat_tree_stands_in_layers_pod_by_pod(fat_tree: RunResult) -> None:
    switches, hosts = nodes(fat_tree)
    spots = layout(switches, hosts, [(one.source, one.target) for one in fat_tree.links])
    heights = []
    for kind, count in (("h", 16), ("e", 8), ("a", 8), ("c", 4)):
        (height,) = {round(y, 6) for name, (_, y) in spots.items() if name[0] == kind}
        heights.append(height)
        across = sorted((name for name in spots if name[0] == kind), key=lambda name: spots[name][0])
        assert across == [f"{kind}{i}" for i in range(1, count + 1)]
    assert heights == sorted(set(heights))


def test_hosts_stand_under_their_switches_in_whatever_order_they_come() -> None:
    cables = [
        ("top", "left"),
        ("top", "right"),
        ("left", "h1"),
        ("right", "h2"),
        ("left", "h3"),
        ("right", "h4"),
    ]
    spots = layout(["top", "left", "right"], ["h1", "h2", "h3", "h4"], cables)
    assert sorted(("h1", "h2", "h3", "h4"), key=lambda name: spots[name][0]) == ["h1", "h3", "h2", "h4"]


@pytest.mark.parametrize("count", [3, 6])
def test_a_chain_is_drawn_from_left_to_right(count: int) -> None:
    names = [f"s{i}" for i in range(count)]
    spots = layout(names, [], pairwise(names))
    xs = [spots[name][0] for name in names]
    assert xs == sorted(xs)
    gaps = [right - left for left, right in pairwise(xs)]
    assert max(gaps) == pytest.approx(min(gaps), rel=0.05)


def test_a_ring_is_round() -> None:
    names = [f"s{i}" for i in range(8)]
    spots = layout(names, [], [*pairwise(names), (names[-1], names[0])])
    middle = (sum(x for x, _ in spots.values()) / 8, sum(y for _, y in spots.values()) / 8)
    radii = [near(spot, middle) for spot in spots.values()]
    assert max(radii) < 1.1 * min(radii)


@pytest.mark.parametrize("hosts", [2, 5, 20])
def test_nobody_stands_on_another(hosts: int) -> None:
    names = [f"h{i}" for i in range(hosts)]
    cables = [("s1", "s2"), *((("s1", "s2")[i % 2], name) for i, name in enumerate(names))]
    spots = layout(["s1", "s2"], names, cables)
    assert min(near(a, b) for a, b in combinations(spots.values(), 2)) > 0.15
    assert min(x for x, _ in spots.values()) == min(y for _, y in spots.values()) == 0


def test_islands_keep_apart() -> None:
    spots = layout(["s1", "s2", "s3"], [], [("s1", "s2")])
    assert near(spots["s3"], spots["s1"]) > 0.5
    assert layout([], [], []) == {}
    assert layout(["s1"], [], []) == {"s1": (0.0, 0.0)}


def test_a_layer_above_a_lone_switch_is_no_layering() -> None:
    # s3 has no way to a host, so hops to hosts say nothing of it.
    spots = layout(["s1", "s2", "s3"], ["h1"], [("h1", "s1"), ("s1", "s2")])
    assert len(set(spots.values())) == 4


# labels and colours


def test_labels_keep_apart_and_near() -> None:
    assert spread([], 1, 0, 10) == []
    assert spread([5.0], 1, 0, 10) == [5.0]
    assert spread([2.0, 8.0], 1, 0, 10) == [2.0, 8.0]
    assert spread([5.0, 5.0], 1, 0, 10) == [4.5, 5.5]
    assert spread([5.0, 4.9, 5.1], 1, 0, 10) == pytest.approx([5.0, 4.0, 6.0])
    assert spread([0.0, 0.0], 1, 0, 10) == [0.0, 1.0]
    assert spread([10.0, 10.0], 1, 0, 10) == [9.0, 10.0]
    assert spread([1.0, 2.0, 3.0], 9, 0, 10) == [0.0, 5.0, 10.0]


def test_slices_have_colours_of_their_own() -> None:
    colours = slice_colours(["gold", "silver", "gold", "bronze"])
    assert list(colours) == ["gold", "silver", "bronze"]
    assert len(set(colours.values())) == 3
    assert slice_colours(map(str, range(9)))["8"] == SLICE_COLOURS[0]
    assert FULL not in SLICE_COLOURS


# bars


def test_bars_say_flow_rate_and_error(dumbbell: RunResult) -> None:
    shown = texts(bars_svg(dumbbell))
    assert any("gold" in text and "h1->h4" in text for text in shown)
    assert any(text.startswith("14.92") and "(-0.6 %)" in text for text in shown)
    assert "Mbit/s of Ethernet frames" in shown
    assert "within 5 %" in shown


@pytest.mark.parametrize("count", [0, 1, 16, 40])
def test_bars_of_any_number_of_flows(dumbbell: RunResult, count: int) -> None:
    shown = texts(bars_svg(many(dumbbell, count, 3)))
    assert sum("->h4" in text for text in shown) == count


def test_bars_of_silence(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[0], allocated_bps=0.0, wire_bps=0.0, error=0.0)
    assert any("0.00" in text for text in texts(bars_svg(replace(dumbbell, flows=(flow,)))))


def test_names_are_escaped_and_no_formulas(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[0], slice="<b>$x_1$&")
    result = replace(dumbbell, flows=(flow,))
    for svg in (bars_svg(result), throughput_svg(result, series(result))):
        assert any("<b>$x_1$&" in text for text in texts(svg))
        assert "<b>" not in svg


# throughput


def test_few_flows_share_a_chart(dumbbell: RunResult) -> None:
    svg = throughput_svg(dumbbell, series(dumbbell))
    shown = texts(svg)
    assert {"gold h1->h4", "silver h2->h5", "bronze h3->h6"} <= set(shown)
    assert any("warm-up" in text for text in shown)
    assert "seconds from the start of the measurement" in shown


@pytest.mark.parametrize("measured_s", [1, 10, 1000])
def test_a_short_warm_up_begins_where_the_picture_does_and_is_not_cut(
    dumbbell: RunResult, measured_s: int
) -> None:
    """It is written from the left end of the panel on, so there is room however short it is."""
    times = (-1.0, 0.0, float(measured_s))
    svg = throughput_svg(dumbbell, [Series(i, times, (1e6,) * 3) for i in range(len(dumbbell.flows))])
    root = ElementTree.fromstring(svg)
    width = float(root.attrib["viewBox"].split()[2])
    (word,) = (e for e in root.iter() if e.tag.endswith("text") and "warm-up" in (e.text or ""))
    assert "text-anchor: end" not in word.attrib["style"]
    assert "text-anchor: middle" not in word.attrib["style"]
    place = re.search(r"translate\(([\d.]+)", word.attrib.get("transform", ""))
    left = float(word.attrib["x"] if place is None else place[1])
    assert 0 < left < 0.2 * width


def test_no_warm_up_without_one(dumbbell: RunResult) -> None:
    assert not any("warm-up" in text for text in texts(throughput_svg(dumbbell, series(dumbbell, 0.25))))


def test_many_flows_get_a_panel_for_each_slice(fat_tree: RunResult) -> None:
    shown = texts(throughput_svg(fat_tree, series(fat_tree)))
    assert {"red", "green", "blue", "h1->h5"} <= set(shown)


@pytest.mark.parametrize(
    ("count", "slices", "titles"),
    [(40, 1, ["slice0 (40 flows)"]), (12, 6, ["slice0", "slice5"]), (10, 10, ["slice9"])],
)
def test_panels_of_many_shapes(dumbbell: RunResult, count: int, slices: int, titles: list[str]) -> None:
    result = many(dumbbell, count, slices)
    assert set(titles) <= set(texts(throughput_svg(result, series(result))))


def test_flows_without_a_series_and_no_series_at_all(dumbbell: RunResult) -> None:
    shown = texts(throughput_svg(dumbbell, [*series(dumbbell)[:1], Series(1, (), ())]))
    assert "gold h1->h4" in shown
    assert "silver h2->h5" not in shown
    assert "gold h1->h4" not in texts(throughput_svg(dumbbell, []))


def test_a_silent_run_has_a_chart(dumbbell: RunResult) -> None:
    flow = replace(dumbbell.flows[0], allocated_bps=0.0, wire_bps=0.0)
    result = replace(dumbbell, flows=(flow,))
    assert "gold h1->h4" in texts(throughput_svg(result, series(result)))


def test_series_that_do_not_fit(dumbbell: RunResult) -> None:
    with pytest.raises(ValueError, match="2 times, 1 rates"):
        Series(0, (0.0, 1.0), (1.0,))
    with pytest.raises(ValueError, match="a series of flow 3; there are 3 flows"):
        throughput_svg(dumbbell, [Series(3, (), ())])


def test_payload_becomes_frames() -> None:
    intervals = (Interval(0.0, 0.5, 90_500), Interval(0.5, 1.0, 181_000), Interval(1.0, 1.03, 5000))
    tcp = wire_series(2, ServerReport("tcp", intervals, 1.03, 0), begin_s=0.5)
    assert tcp.flow == 2
    assert tcp.times_s == (-0.25, 0.25)
    assert tcp.rates_bps == pytest.approx((tcp_wire_bps(1.448e6), tcp_wire_bps(2.896e6)))
    assert tcp.rates_bps[0] == pytest.approx(1.514e6)
    udp = wire_series(0, ServerReport("udp", intervals[:1], 0.5, 0, block_bytes=1000), begin_s=0.0)
    assert udp.rates_bps == pytest.approx((udp_wire_bps(1.448e6, 1000),))
