"""The pages of docs/concepts show what the commands print."""

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairslice import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "concepts").glob("*.md"))
FILE = re.compile(r"^`([\w-]+\.json)`:\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^    fairslice ([^\n]*)\n(?:\n```text\n([^`]*)^```$)?", re.MULTILINE)
LEFT_OUT = "…"
LINK = re.compile(r"\]\(([^)#]+)")


@dataclass(frozen=True)
class Shown:
    """A command of a page, the files that the page shows before it, and the output if that is shown."""

    arguments: tuple[str, ...]
    files: dict[str, str]
    output: str | None

    @property
    def status(self) -> int:
        return 3 if self.output is not None and '"infeasible"' in self.output else 0

    def __str__(self) -> str:
        return " ".join(self.arguments)


def shown(page: Path) -> list[Shown]:
    text = page.read_text(encoding="utf-8")
    return [
        Shown(tuple(found[1].split()), dict(FILE.findall(text[: found.start()])), found[2])
        for found in COMMAND.finditer(text)
    ]


COMMANDS = [command for page in PAGES for command in shown(page)]
SEND_PACKETS = ("run", "vm")
"""These commands are only parsed here."""
CALCULATED = [command for command in COMMANDS if command.arguments[0] not in SEND_PACKETS]
RUNS = [command for command in COMMANDS if command.arguments[0] in SEND_PACKETS]


def words(text: str) -> list[list[str]]:
    """What a reader sees of it, whatever the width of the terminal."""
    return [line.split() for line in text.splitlines() if line.strip()]


def test_there_is_much_to_check() -> None:
    assert [page.name for page in PAGES] == [
        "architecture.md",
        "congestion-control.md",
        "max-min.md",
        "policing-and-shaping.md",
        "programmability.md",
        "queueing.md",
        "scheduling.md",
        "traffic.md",
    ]
    assert len(CALCULATED) == 51
    assert len(RUNS) == 4
    assert sum(command.output is not None for command in COMMANDS) == 31
    assert [str(command) for command in COMMANDS if command.status] == ["allocate too-much.json"]


@pytest.mark.parametrize("command", RUNS, ids=str)
def test_what_sends_packets_can_be_typed(command: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    name, *arguments = command.arguments
    parsed = importlib.import_module(f"fairslice.cli.{name}").command.make_context(name, arguments)
    for file in (parsed.params.get("topology"), parsed.params.get("policy")):
        assert file is None or (ROOT / str(file).partition(":")[0]).is_file()


@pytest.mark.parametrize("command", CALCULATED, ids=str)
def test_it_prints_what_is_shown(
    command: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in command.files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for name in ("policies", "topologies"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs" / "img").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.argv", ["fairslice", *command.arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == command.status
    printed = capsys.readouterr()
    if command.output is not None:
        shown, told = words(command.output), words(printed.out + printed.err)
        if shown and shown[-1] == [LEFT_OUT]:
            del shown[-1], told[len(shown) :]
        assert shown == told
    for picture in (tmp_path / "docs" / "img").iterdir():
        assert picture.read_bytes() == (ROOT / "docs" / "img" / picture.name).read_bytes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_a_page_is_one_and_used(page: Path) -> None:
    files = FILE.findall(page.read_text(encoding="utf-8"))
    used = [argument for command in shown(page) for argument in command.arguments]
    for name, content in files:
        assert json.loads(content)["flows"]
        assert name in used


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_sources_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        assert (page.parent / target).is_file()
    for name in re.findall(r"`((?:tests|policies|topologies|controller|benchmarks)/[\w/.-]+)`", text):
        assert (ROOT / name).is_dir() if name.endswith("/") else (ROOT / name).exists()
    body, _, sources = text.partition("\n## Sources\n")
    listed = re.findall(r"^(\d+)\. ", sources, re.MULTILINE)
    assert listed == [str(i + 1) for i in range(len(listed))]
    assert set(re.findall(r"\[(\d+)(?:, section [\d.]+)?\]", body)) == set(listed)
    assert f"](docs/concepts/{page.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
