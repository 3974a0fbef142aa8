"""The pictures of the pages on rate limiting and on congestion control are what the code draws.

FAIRSLICE_UPDATE_DOCS=1 draws them anew.
"""

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.report.models import policed_tcp_picture

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
ROW = re.compile(r"^\| (\d+) (ms|s) \|((?: \.\d+ \|)+)$", re.MULTILINE)
HEAD = re.compile(r"^\| burst, as a time at the rate \|(.*)\|$", re.MULTILINE)


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
    page = (CONCEPTS / "policing-and-shaping.md").read_text(encoding="utf-8")
    head = HEAD.search(page)
    assert head is not None
    rows = [
        (int(value) / (1000 if unit == "ms" else 1), [float(one) for one in re.findall(r"\.\d+", shares)])
        for value, unit, shares in ROW.findall(page)
    ]
    senders = [name.strip() for name in head[1].split("|")]
    measured = {name: [shares[i] for _, shares in rows] for i, name in enumerate(senders)}
    assert list(measured) == ["cubic", "reno", "bbr"]
    drawn = policed_tcp_picture.draw([burst for burst, _ in rows], measured)
    assert drawn == policed_tcp_picture.draw([burst for burst, _ in rows], measured)
    same(f"{drawn}\n", PICTURES / "policed-tcp.svg")
