"""The picture of a filling: well-formed, one line a flow, every stop explained."""

import re
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from fairslice.report.drawing import SLICE_COLOURS
from fairslice.report.filling_picture import (
    LABELLED,
    FillingLine,
    FillingPicture,
    FillingStep,
    filling_png,
    filling_svg,
)

SVG = "{http://www.w3.org/2000/svg}"
DUMBBELL = FillingPicture(
    lines=(
        FillingLine("gold h1->h4", "gold", ((0, 0), (2, 6), (8, 6)), 2, met=False),
        FillingLine("silver h2->h5", "silver", ((0, 0), (8, 16)), 8, met=False),
        FillingLine("bronze h3->h6", "bronze", ((0, 0), (8, 8)), 8, met=True),
    ),
    steps=(FillingStep(2, "limit gold is reached"), FillingStep(8, "link s1->s2 is full")),
    clock_label="level for each unit of weight, Mbit/s",
    rate_label="Mbit/s of Ethernet frames",
)


def crowd(flows: int, slices: int, steps: int) -> FillingPicture:
    random = Random(7)
    instants = sorted(random.random() ** 3 for _ in range(steps))
    lines = []
    for i in range(flows):
        stop, rate = random.choice(instants), random.random()
        points = ((0.0, 0.0), (stop, rate), (instants[-1], rate))
        lines.append(FillingLine(f"flow {i}", f"slice {i % slices}", points, stop, met=i % 3 == 0))
    explained = tuple(FillingStep(instant, f"reason {i}") for i, instant in enumerate(instants, start=1))
    return FillingPicture(tuple(lines), explained, "clock", "rate")


def texts(svg: str) -> list[str]:
    """All texts of a picture, which must be well-formed XML."""
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def paths(svg: str) -> dict[str, list[str]]:
    """The paths of each flow's line, by the line's id."""
    groups = (g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if "filling-flow" in g.get("id", ""))
    return {g.get("id", ""): [path.get("d", "") for path in g.iter(f"{SVG}path")] for g in groups}


@pytest.mark.parametrize("picture", [DUMBBELL, crowd(LABELLED, 3, 9), crowd(100, 20, 90)])
def test_every_flow_has_one_line_through_its_points(picture: FillingPicture) -> None:
    drawn = paths(filling_svg(picture))
    assert list(drawn) == [f"filling-flow-{i + 1}" for i in range(len(picture.lines))]
    for line, found in zip(picture.lines, drawn.values(), strict=True):
        assert len(found) == 1
        assert len(re.findall("[ML]", found[0])) == len(line.points)


def test_a_line_is_drawn_to_scale() -> None:
    """Gold rises for a quarter of the clock to 6, where silver arrives at 16 at its end."""
    gold, silver, _ = (
        [tuple(map(float, point.split())) for point in re.findall(r"[ML] ([\d.]+ [\d.]+)", path)]
        for (path,) in paths(filling_svg(DUMBBELL)).values()
    )
    begin, end = silver
    # SVG counts downwards.
    assert gold[0] == begin
    assert (gold[1][0] - begin[0]) / (end[0] - begin[0]) == pytest.approx(2 / 8, abs=1e-3)
    assert (gold[1][1] - begin[1]) / (end[1] - begin[1]) == pytest.approx(6 / 16, abs=1e-3)
    assert list(gold[2]) == pytest.approx([end[0], gold[1][1]])


def test_flows_and_stops_are_named() -> None:
    shown = texts(filling_svg(DUMBBELL))
    assert {line.name for line in DUMBBELL.lines} <= set(shown)
    assert {"1  limit gold is reached", "2  link s1->s2 is full", "1", "2"} <= set(shown)
    assert {DUMBBELL.clock_label, DUMBBELL.rate_label} <= set(shown)


def test_slices_have_the_colours_of_the_house() -> None:
    svg = filling_svg(DUMBBELL)
    for colour in SLICE_COLOURS[:3]:
        assert colour in svg
    assert SLICE_COLOURS[3] not in svg


def test_of_many_flows_the_slices_are_named_and_of_many_steps_the_last_of_each_crowd() -> None:
    picture = crowd(100, 20, 90)
    shown = texts(filling_svg(picture))
    assert "slice 0 (5 flows)" in shown
    assert "and 4 more slices" in shown
    assert "flow 0" not in shown
    told = [text for text in shown if "reason" in text]
    assert "90  reason 90" in told
    assert f"and {90 - len(told)} steps between these" in shown
    for text in told:
        number, reason = text.split("  ")
        assert number in shown
        assert reason == f"reason {number}"


@pytest.mark.parametrize(
    "picture",
    [
        FillingPicture((), (), "clock", "rate"),
        FillingPicture(
            (FillingLine("f", "", ((0, 0),), 0, met=True),),
            (FillingStep(0, "demand is met"),),
            "clock",
            "rate",
        ),
        FillingPicture(
            (FillingLine("<f> & " + "long " * 40, "$s$", ((0, 1e-9), (1e12, 1e12)), 1e12, met=False),),
            (FillingStep(1e12, "<link> & " + "more " * 60),),
            "clock",
            "rate",
        ),
    ],
    ids=["nothing", "zero", "long"],
)
def test_odd_fillings_are_drawn_too(picture: FillingPicture) -> None:
    assert texts(filling_svg(picture))
    assert filling_png(picture).startswith(b"\x89PNG")


def test_the_same_filling_gives_the_same_picture(tmp_path: Path) -> None:
    assert filling_svg(DUMBBELL) == filling_svg(DUMBBELL)
    assert filling_png(DUMBBELL) == filling_png(DUMBBELL)
