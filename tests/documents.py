"""The pages of the documentation, read as a reader reads them: commands, files to write, and what is printed.

The convention, in Markdown:

* an indented block is commands, to be pasted into a shell at the top of the repository;
* a block fenced as ``text`` is what the commands before it print, 100 columns wide. A line ``…`` stands for
  any number of lines that are left out;
* a fenced block after a paragraph that ends in a file's name and a colon is that file, written by the reader;
* a paragraph that names the "first", "second" or "third terminal" says where the commands after it are typed.

Any other fenced block is a drawing, or an excerpt.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    *("docs/tutorial.md", "docs/topologies.md", "docs/doctor.md", "docs/policy-reference.md"),
    *("docs/exit-status.md", "docs/verdicts.md", "docs/json.md"),
    "docs/models.md",
    *(
        "docs/concepts/architecture.md",
        "docs/concepts/congestion-control.md",
        "docs/concepts/max-min.md",
        "docs/concepts/policing-and-shaping.md",
        "docs/concepts/programmability.md",
        "docs/concepts/queueing.md",
        "docs/concepts/scheduling.md",
        "docs/concepts/traffic.md",
    ),
)
UPDATE = os.environ.get("FAIRSLICE_UPDATE_DOCS") == "1"
"""Write what is printed into the pages, in place of comparing it."""
COLUMNS = 100
LEFT_OUT = "…"
OUTPUT = "text"
PATIENCE_S = 600.0
TERMINAL = re.compile(r"\b(first|second|third) terminal\b")
FILE_NAME = re.compile(r"`([\w.-]+)`:$")
UNITS = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9}
AMOUNT = re.compile(rf"(?P<number>(?:(?<=\s)[-+])?\d+(?:\.\d+)?)(?: (?P<unit>{'|'.join(UNITS)})(?!\w))?")
PER_CENT = re.compile(r"\s*%")
FREE = re.compile(r"\s*(?:%\s*)?(?:resent|lost)\b")
BUSY = re.compile(r"^Note: The machine was busy.*?\n(?=Note:|Jain's index)", re.MULTILINE | re.DOTALL)
TIME = re.compile(r"-\d{8}-\d{6}\b")
"""In the name of a run's directory."""
DECIMALS = re.compile(r"\.\d\d")

ACTING = frozenset({"run", "vm", "doctor", "controller", "agent", "apply", "status", "measure"})
"""The commands of fairslice that need root, switches, a controller or a virtual machine."""
ACTING_PROGRAMS = frozenset({"script/demo", "mn", "ovs-ofctl", "ovs-appctl", "source"})
STATES = frozenset({".", "cd", "export"})
"""What the shell that runs it keeps."""

_RUN, _DUMBBELL = "fairslice run policies/", " --topology topologies/dumbbell.py"
_MEASURED = "test_main_job.py runs this policy, on both datapaths where that matters, and judges the rates"
NOT_RUN = {
    f"{_RUN}demands.yaml{_DUMBBELL}": _MEASURED,
    f"{_RUN}mixed-enforcement.yaml{_DUMBBELL} --datapath kernel": _MEASURED,
    f"{_RUN}mixed-enforcement.yaml{_DUMBBELL} --datapath user": _MEASURED,
    "script/bootstrap": "it made the environment in which this test runs",
    "script/test": "this test is a part of it",
    f"{_RUN}gold-silver-bronze.yaml{_DUMBBELL} --duration 10": "script/demo, which is run, is this line",
    "service openvswitch-switch start": "it is the machine's; the test has one in its namespaces",
    "tc -n fairslice-wires -s qdisc show": "it looks into a run that goes on; so does test_wires.py",
    "fairslice vm": "it is a shell for a person; `fairslice vm -- COMMAND` is run",
}
"""Commands that are not run, each with the reason."""
ENDS = {
    "fairslice allocate too-much.json": 3,
    "fairslice check office.yaml --topology topologies/dumbbell.py": 2,
    "fairslice check team.yaml": 2,
}
"""Commands that end with another status than 0."""


@dataclass(frozen=True)
class Block:
    """A block of a page; ``line`` is where its text begins, counted from 1."""

    kind: str  # commands, file, output
    text: str
    section: str
    line: int
    name: str = ""
    terminal: str = ""

    @property
    def commands(self) -> list[str]:
        """One a line; a line that ends in a backslash goes on."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def read_page(text: str) -> list[Block]:
    """The commands, files and outputs of a page, in its order."""
    blocks: list[Block] = []
    section = paragraph = terminal = ""
    tokens = MarkdownIt("commonmark").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and before is not None:
            if before.type == "heading_open":
                section, terminal = token.content, ""
            else:
                paragraph = token.content
                for found in TERMINAL.findall(paragraph):
                    terminal = found
        elif token.type in ("code_block", "fence"):
            assert token.map is not None
            fenced = token.type == "fence"
            name = FILE_NAME.search(paragraph) if fenced else None
            kind = "file" if name else "output" if token.info == OUTPUT else "" if fenced else "commands"
            if kind:
                line = token.map[0] + 1 + fenced
                blocks.append(Block(kind, token.content, section, line, name[1] if name else "", terminal))
            paragraph = ""
    return blocks


def words(command: str) -> list[str]:
    """The words of a command, without comments; fairslice is called by its name alone."""
    split = shlex.split(command, comments=True)
    return [split[0].removeprefix(".venv/bin/"), *split[1:]]


def plain(command: str) -> str:
    """The command as it is listed: without comment and extra blanks."""
    return shlex.join(words(command))


def acts(block: Block) -> bool:
    """Whether a block needs switches, a controller or a machine, or reads what a run left."""
    for command in block.commands:
        program, *rest = words(command)
        if program in ACTING_PROGRAMS or any(word.startswith("out/") for word in rest):
            return True
        if program == "fairslice" and rest[0] in ACTING:
            return True
    return False


def workplace(directory: Path) -> Path:
    """A copy of what commands use. Its script/bootstrap does nothing, its environment is the test's own."""
    for name in ("policies", "topologies", "schemas", "script", "docs"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    bootstrap = directory / "script" / "bootstrap"
    bootstrap.write_text("#!/bin/sh\n", encoding="utf-8")
    (directory / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (directory / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    return directory


def environment() -> dict[str, str]:
    """That of a fresh terminal: without the virtual environment's commands, COLUMNS wide, without colours."""
    inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    own = str(Path(sys.prefix) / "bin")
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if entry != own]
    return {**inherited, "PATH": os.pathsep.join(path), "COLUMNS": str(COLUMNS), "SHELL": "/bin/bash"}


@dataclass
class Shell:
    """Runs commands one by one, in one directory; what ``.``, ``cd`` and ``export`` change stays."""

    directory: Path
    state: list[str] = field(default_factory=list)

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        done = subprocess.run(
            ["/bin/bash", "-c", "\n".join([*self.state, command])],
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if words(command)[0] in STATES:
            self.state.append(command)
        return done


Same = Callable[[str, str], str]
"""Of a shown and a printed line, what differs; nothing if nothing does."""


def exactly(shown: str, printed: str) -> str:
    """Blanks at the end do not count."""
    return "" if shown.rstrip() == printed.rstrip() else f"printed: {printed!r}, shown: {shown!r}"


def measured(shown: str, printed: str) -> str:
    """All but numbers is equal, up to the width of columns; numbers are as near as a fair run measures.

    A rate with its unit, or a number with two or more decimals (a rate in a table, Jain's index), differs by
    10 % at most, and a rate near nothing by half a Mbit/s; a per cent by 5; a generation, what was resent or
    lost, and the time in a directory's name, by anything. All other numbers are equal. A note that
    the machine was busy may be there or not.
    """
    said = f"printed: {printed!r}, shown: {shown!r}"
    shown, printed = TIME.sub("-TIME", shown), TIME.sub("-TIME", printed)
    if shape(shown) != shape(printed):
        return said
    for left, right in zip(AMOUNT.finditer(shown), AMOUNT.finditer(printed), strict=True):
        one, other = float(left["number"]), float(right["number"])
        if left["unit"]:
            one, other = one * UNITS[left["unit"]], other * UNITS[right["unit"]]
            near = abs(one - other) <= max(0.1 * one, 0.5e6)
        elif shown[: left.start()].endswith("generation ") or FREE.match(shown, left.end()):
            near = True
        elif PER_CENT.match(shown, left.end()):
            near = abs(one - other) <= 5
        elif DECIMALS.search(left["number"]):
            near = abs(one - other) <= 0.1 * one
        else:
            near = one == other
        if not near:
            return f"{said}: {right[0]} is too far from {left[0]}"
    return ""


def shape(line: str) -> list[str]:
    """Its words, with # for an amount; the rule of a table counts as one however long."""
    return re.sub("─+", "─", AMOUNT.sub("#", line)).split()


def differences(shown: str, printed: str, same: Same) -> list[str]:
    """What differs between shown and printed output, line by line; nothing if nothing does."""
    lines = _lines(BUSY.sub("", printed) if same is measured else printed)
    parts: list[list[str]] = [[]]
    for line in shown.strip("\n").splitlines():
        if line.strip() == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    at = 0
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if number and not part:
            at = len(lines) if last else at
            continue
        found = [at] if number == 0 else list(range(at, len(lines) - len(part) + 1))
        if last and number:
            found = [max(at, len(lines) - len(part))]
        complaints = [_apart(part, lines[start : start + len(part)], same) for start in found] or [part]
        if all(complaints):
            return min(complaints, key=len)
        at = found[complaints.index([])] + len(part)
    return [f"printed, not shown: {line!r}" for line in lines[at:]]


def _lines(printed: str) -> list[str]:
    """Without blanks at ends of lines, and without empty lines at both ends."""
    return "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n").splitlines()


def _apart(shown: list[str], printed: list[str], same: Same) -> list[str]:
    told = [same(left, right) for left, right in zip(shown, printed, strict=False)]
    missing = [f"shown, not printed: {line!r}" for line in shown[len(printed) :]]
    return [*filter(None, told), *missing]


def renewed(shown: str, printed: str) -> str:
    """All that is printed; where lines are left out, as many at both ends as were shown."""
    lines = _lines(BUSY.sub("", printed))
    old = shown.splitlines()
    if LEFT_OUT in old:
        head = old.index(LEFT_OUT)
        tail = len(old) - 1 - head
        lines = [*lines[:head], LEFT_OUT, *lines[len(lines) - tail :]]
    return "".join(f"{line}\n" for line in lines)


def replace_block(page: Path, block: Block, text: str) -> None:
    """Put ``text`` where the block's own stands; the block is found by its text, since lines move."""
    old = page.read_text(encoding="utf-8")
    fence = f"```{OUTPUT}\n"
    assert old.count(fence + block.text) == 1, f"{page}: two blocks are alike: {block.text!r}"
    page.write_text(old.replace(fence + block.text, fence + text), encoding="utf-8")


@dataclass
class Reader:
    """Somebody who works through a page, and notes what is not as it says."""

    page: str
    shell: Shell
    same: Same
    complaints: list[str] = field(default_factory=list)
    printed: str = ""
    failed: bool = False
    renew: bool = UPDATE
    known: frozenset[str] = frozenset()
    tries: int = 1
    again: frozenset[int] = frozenset()

    def read(self, blocks: list[Block], chosen: Callable[[Block], bool]) -> None:
        """Write every file; run the chosen blocks of commands, and compare what they print."""
        ran = False
        for block, following in zip(blocks, [*blocks[1:], None], strict=False):
            if block.kind == "file":
                (self.shell.directory / block.name).write_text(block.text, encoding="utf-8")
            elif block.kind == "commands":
                ran = chosen(block)
                if ran:
                    self.run(block, shown=following is not None and following.kind == "output")
            elif ran:
                self.compare(block)

    def run(self, block: Block, *, shown: bool) -> None:
        """All commands of a block but those that are listed as not run, or known and not shown."""
        self.printed, self.failed = "", False
        for command in block.commands:
            listed = plain(command)
            if listed in NOT_RUN or (listed in self.known and not shown and words(command)[0] not in STATES):
                continue
            for _ in range(self.tries):
                done = self.shell.run(command)
                if done.returncode not in self.again:
                    break
            print(f"$ {command}\n{done.stdout}{done.stderr}")
            # Those that act tell on standard error how far they are.
            self.printed += done.stdout if acts(block) else done.stdout + done.stderr
            expected = ENDS.get(plain(command), 0)
            if done.returncode != expected:
                self.failed = True
                told = f"{command}\nended with status {done.returncode}, expected {expected}"
                self.note(block, f"{told}:\n{done.stdout}{done.stderr}")

    def compare(self, block: Block) -> None:
        """Compare, or renew, what is shown."""
        different = differences(block.text, self.printed, self.same)
        if different and self.renew and not self.failed:
            replace_block(ROOT / self.page, block, renewed(block.text, self.printed))
        elif different:
            told = "\n  ".join(different)
            self.note(block, f"other output than shown:\n  {told}\nprinted was\n{self.printed}")

    def note(self, block: Block, what: str) -> None:
        """Remember a complaint."""
        self.complaints.append(f"{self.page}:{block.line}: {what}")


def all_blocks() -> Iterator[tuple[str, Block]]:
    """Of all pages."""
    for page in PAGES:
        for block in read_page((ROOT / page).read_text(encoding="utf-8")):
            yield page, block
