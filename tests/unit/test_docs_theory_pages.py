"""Pages of theory: their files exist, their pictures are what is drawn, their numbers are the models'."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.models.sources.problem import SourceProblem

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import concept_pictures

ROOT = Path(__file__).parents[2]
CONCEPTS = ROOT / "docs" / "concepts"
OURS = ("architecture.md", "programmability.md", "traffic.md")
IMAGES = ROOT / "docs" / "img"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
LINK = re.compile(r"\]\(([^)#:]+)\)")


def text_of(page: str) -> str:
    return (CONCEPTS / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", OURS)
def test_a_page_has_its_parts(page: str) -> None:
    text = text_of(page)
    assert re.search(r"^!\[.+\]\(\.\./img/[\w-]+\.svg\)$", text, re.MULTILINE)
    for heading in ("By hand", "Where it lives here", "What surprised", "Questions", "Sources"):
        assert f"\n## {heading}\n" in text
    assert text.count("<details><summary>") == text.count("</details>") == 3


@pytest.mark.parametrize("page", OURS)
def test_files_that_a_page_names_exist(page: str) -> None:
    named = re.findall(r"`((?:controller|benchmarks|policies|topologies)/[\w/.-]+)`", text_of(page))
    assert len(named) >= 4
    for name in named:
        assert (ROOT / name).is_file(), name


@pytest.mark.parametrize("page", ["README.md", "readings.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = LINK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(links) >= 7
    for target in links:
        assert (ROOT / "docs" / target).exists(), target


def alike(one: str, other: str) -> None:
    """The same drawing: all but numbers is equal, and numbers are as near as processors compute."""
    assert NUMBER.sub("#", one) == NUMBER.sub("#", other)
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    assert [(a, b) for a, b in pairs if abs(float(a) - float(b)) > 0.01] == []


@pytest.mark.parametrize("name", concept_pictures.PICTURES)
def test_pictures_of_concepts_are_those_that_are_drawn(name: str) -> None:
    alike((IMAGES / name).read_text(encoding="utf-8"), f"{concept_pictures.PICTURES[name]()}\n")


def test_the_demo_s_picture_is_the_page_s(tmp_path: Path) -> None:
    drawn = tmp_path / "pareto.svg"
    done = CliRunner().invoke(cli, ["demo", "pareto", "--plot", str(drawn)])
    assert done.exit_code == 0
    alike((IMAGES / "pareto.svg").read_text(encoding="utf-8"), drawn.read_text(encoding="utf-8"))


def test_the_core_has_no_state_for_flows() -> None:
    """What the page on architecture claims: entries of the edge grow with flows, those of the core do not."""
    few, many = concept_pictures.state_counts(64), concept_pictures.state_counts(240)
    for layer in ("aggregation", "core"):
        assert few[layer][0] == many[layer][0] == 0
        # One for each of 16 destinations with and without the slice, and a few for all.
        assert many[layer][1] < 2 * 16 + 10
    assert many["edge"][0] > 3 * few["edge"][0]


def test_the_table_of_web_pages_has_the_numbers_of_the_model() -> None:
    text = text_of("traffic.md")
    rows = SourceProblem.model_validate({"kind": "web"}).answer()["pages"]
    for row in rows[:3]:
        assert f"| {row['quantity']} | {row['cut']:.6g} | {row['uncut']:.6g} |" in text
    main, embedded, number = (row["printed"] for row in rows[:3])
    more = (main + number * embedded) / rows[3]["cut"] - 1
    assert f"has {100 * more:.0f} % more bytes" in text


def test_numbers_by_hand_are_those_of_the_model() -> None:
    source = SourceProblem.model_validate(
        {"kind": "pareto-on-off", "data_rate": 1, "on_time_s": 1, "off_time_s": 2, "shape": "1.2"}
    ).source()
    tail = source.on.tail(60)  # type: ignore[union-attr]
    assert round(1 / tail, -1) == 1170
    assert "1,170" in text_of("traffic.md")
    assert pytest.approx(1e-4, rel=1e-3) == (1 - 1e-5) ** -10 - 1
    assert round(0.9**-10, 1) == 2.9
