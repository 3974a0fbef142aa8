"""The pictures of the pages on rate limiting and on congestion control are what the code draws.

FAIRSLICE_UPDATE_DOCS=1 draws them anew.
"""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import concept_pictures

from fairslice.cli import cli

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "img"
CONCEPTS = ROOT / "docs" / "concepts"
PLOTTED = re.compile(r"^    fairslice (model .* --plot ([\w-]+\.svg))$", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
DRAWN = [
    (command, name)
    for page in ("policing-and-shaping.md", "congestion-control.md")
    for command, name in PLOTTED.findall((CONCEPTS / page).read_text(encoding="utf-8"))
]


def same(drawn: str, kept: Path) -> None:
    """Equal but for the last digits of places, which libraries of fonts decide."""
    if os.environ.get("FAIRSLICE_UPDATE_DOCS") == "1":
        kept.write_text(drawn, encoding="utf-8")
    shown = kept.read_text(encoding="utf-8")
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", shown)
    places = [[float(one) for one in NUMBER.findall(text)] for text in (drawn, shown)]
    assert places[0] == pytest.approx(places[1], abs=0.5)


def test_each_page_has_a_picture_that_a_command_draws() -> None:
    assert [name for _, name in DRAWN] == ["token-bucket.svg", "aimd.svg"]


@pytest.mark.parametrize(("command", "name"), DRAWN, ids=[name for _, name in DRAWN])
def test_a_command_of_the_page_draws_its_picture(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, shlex.split(command))
    assert done.exit_code == 0
    same((tmp_path / name).read_text(encoding="utf-8"), PICTURES / name)


def test_the_measured_points_are_those_of_the_page() -> None:
    bursts_s, measured = concept_pictures.policed_goodput()
    assert list(measured) == ["cubic", "reno", "bbr"]
    assert bursts_s == sorted(bursts_s)
    assert {len(points) for points in measured.values()} == {len(bursts_s)}
    assert concept_pictures.policed_tcp() == concept_pictures.policed_tcp()
    same(f"{concept_pictures.policed_tcp()}\n", PICTURES / "policed-tcp.svg")
