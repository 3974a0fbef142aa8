"""Every command of the documentation that needs switches runs as it stands, and prints nearly what is shown.

A page's chapters are run one by one, with the files that its reader writes. A command that is shown twice
runs once. The tutorial's chapter with three terminals runs in namespaces of its own, with an Open vSwitch of
its own in place of the machine's. FAIRSLICE_UPDATE_DOCS=1 writes what is printed into the pages, where it
is too far from what is shown.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))
from documents import (
    NOT_RUN,
    ROOT,
    STATES,
    UPDATE,
    Block,
    Reader,
    Shell,
    acts,
    all_blocks,
    differences,
    environment,
    measured,
    plain,
    read_page,
    renewed,
    replace_block,
    words,
    workplace,
)

from fairslice.errors import EXIT_CANT_TELL

pytestmark = pytest.mark.emulation

TUTORIAL = "docs/tutorial.md"
CHAPTER = "Your own Mininet"
PATIENCE_S = 240.0


def chapters() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Page and heading of what acts, and in no terminal of several; which of its commands run elsewhere."""
    known: set[str] = {plain(command) for block in terminals() for command in block.commands}
    for page, section in dict.fromkeys((page, block.section) for page, block in all_blocks()):
        blocks = [b for p, b in all_blocks() if (p, b.section) == (page, section) and not b.terminal]
        commands = {plain(command) for block in blocks if acting(block) for command in block.commands}
        if commands - known - set(NOT_RUN):
            yield page, section, frozenset(known)
        known |= commands


def acting(block: Block) -> bool:
    return block.kind == "commands" and acts(block)


def terminals() -> list[Block]:
    text = (ROOT / TUTORIAL).read_text(encoding="utf-8")
    return [block for block in read_page(text) if block.section == CHAPTER]


@pytest.mark.parametrize(
    ("page", "section", "known"),
    [pytest.param(*chapter, id=f"{chapter[0]}: {chapter[1]}") for chapter in chapters()],
)
def test_commands_run_and_print_nearly_what_is_shown(
    page: str, section: str, known: frozenset[str], tmp_path: Path
) -> None:
    """Once more if the machine was too busy to tell."""
    blocks = read_page((ROOT / page).read_text(encoding="utf-8"))
    last = max(number for number, block in enumerate(blocks) if block.section == section)
    busy = frozenset({EXIT_CANT_TELL})
    reader = Reader(page, Shell(workplace(tmp_path)), measured, known=known, tries=2, again=busy)

    def chosen(block: Block) -> bool:
        if all(words(command)[0] in STATES for command in block.commands):
            return True
        return block.section == section and acts(block) and not block.terminal

    reader.read(blocks[: last + 1], chosen)
    assert not reader.complaints, "\n\n".join(reader.complaints)


# Three terminals ----------------------------------------------------------------------------------------


class Terminal:
    """A shell that is typed into; what runs in it in the foreground reads what is typed next."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            ["/bin/bash"],
            cwd=directory,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def typed(self, text: str, mark: str) -> str:
        """Type it, wait until it has ended (``mark`` prints the word that it is given); its output."""
        before = len(self.log.read_text())
        self.type(f"{text}{mark} ended-{before}\n")
        deadline = time.monotonic() + PATIENCE_S
        while f"\nended-{before}\n" not in "\n" + self.log.read_text()[before:].replace("mininet> ", "\n"):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"not done in {PATIENCE_S} s: {text}\n{self.log.read_text()}"
            time.sleep(0.05)
        return self.log.read_text()[before:].replace(f"ended-{before}\n", "")

    def close(self) -> None:
        """The end of what is typed ends a shell, and Mininet in it."""
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        """End what runs in it."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(PATIENCE_S)


def in_terminals(directory: str) -> dict[str, Any]:
    """Type the chapter's commands, each into its terminal; what the third one printed, by line."""
    from fairslice.api.client import ControllerClient
    from fairslice.lab.emulation.openvswitch import OpenVSwitch

    work = Path(directory)
    printed: dict[str, str] = {}
    with OpenVSwitch(), contextlib.ExitStack() as stack:
        opened = {name: Terminal(work, work / f"{name}.log") for name in ("first", "second", "third")}
        # Mininet goes before the controller, and that before the switches.
        for close in (opened["first"].end, opened["second"].close, opened["third"].close):
            stack.callback(close)
        for block in terminals():
            if block.kind == "file":
                (work / block.name).write_text(block.text)
            elif block.kind == "commands":
                lines = [line for line in block.commands if plain(line) not in NOT_RUN]
                terminal, text = opened[block.terminal], "".join(f"{line}\n" for line in lines)
                if block.terminal == "first":
                    terminal.type(text)
                elif block.terminal == "second":
                    terminal.typed(text, "sh echo")
                    ControllerClient().wait_in_force(PATIENCE_S)
                else:
                    printed[str(block.line)] = terminal.typed(text, "echo")
    return {"printed": printed, "logs": {name: t.log.read_text() for name, t in opened.items()}}


def test_three_terminals_as_the_tutorial_says(inside: Callable[..., Any], tmp_path: Path) -> None:
    found = inside(in_terminals, str(workplace(tmp_path / "work")))
    print(json.dumps(found, indent=1, ensure_ascii=False).replace("\\n", "\n"))
    said: str = found["logs"]["third"]
    assert " 0% dropped" in found["logs"]["second"]
    assert re.search(r"^generation \d+: in force", said, re.MULTILINE)
    for wanted in ("meter:50001", "meter=50001", "min-rate"):
        assert wanted in said
    complaints = []
    printed = ""
    for block in terminals():
        if block.kind == "commands":
            printed = found["printed"].get(str(block.line), "")
        elif block.kind == "output" and (different := differences(block.text, printed, measured)):
            complaints += different
            if UPDATE:
                replace_block(ROOT / TUTORIAL, block, renewed(block.text, printed))
    assert not complaints or UPDATE, "\n".join(complaints)
