"""Every command of the documentation that needs no switches runs as it stands and prints what is shown.

Those that need switches run in tests/emulation/test_docs_on_switches.py. FAIRSLICE_UPDATE_DOCS=1 writes what
is printed into the pages.
"""

import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from fairslice import cli

sys.path.append(str(Path(__file__).parents[1]))
from documents import (
    ENDS,
    NOT_RUN,
    PAGES,
    ROOT,
    Block,
    Reader,
    Shell,
    acts,
    all_blocks,
    differences,
    exactly,
    measured,
    plain,
    read_page,
    renewed,
    workplace,
)

COMMANDS = {
    plain(command) for _, block in all_blocks() for command in block.commands if block.kind == "commands"
}
INLINE = re.compile(r"`([^`\n]+)`")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_commands_run_and_print_what_is_shown(page: str, tmp_path: Path) -> None:
    reader = Reader(page, Shell(workplace(tmp_path)), exactly)
    reader.read(read_page(text_of(page)), lambda block: not acts(block) and not block.terminal)
    assert not reader.complaints, "\n\n".join(reader.complaints)


def test_there_is_much_to_run() -> None:
    blocks = [block for _, block in all_blocks()]
    assert len(COMMANDS) >= 40
    assert sum(block.kind == "file" for block in blocks) >= 5
    assert sum(block.kind == "output" for block in blocks) >= 5
    assert {block.terminal for block in blocks} == {"", "first", "second", "third"}


def test_what_is_listed_is_in_the_pages() -> None:
    """A command that is no longer there must not stay in a list of exceptions."""
    assert set(NOT_RUN) <= COMMANDS
    assert set(ENDS) <= COMMANDS


def test_commands_can_be_pasted() -> None:
    """No prompt in front; nothing that asks."""
    for page, block in all_blocks():
        if block.kind == "commands":
            for line in block.text.splitlines():
                assert not re.match(r"(\$|#|>|mininet>) ", line), f"{page}:{block.line}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_exist(page: str) -> None:
    """Those between backticks are often parts of commands; their names and options are real all the same."""
    packages = re.search(r"^packages=\((.*?)\)", text_of("script/bootstrap"), re.MULTILINE | re.DOTALL)
    assert packages is not None
    for code in INLINE.findall(text_of(page)):
        program, *rest = code.split() or [""]
        if program == "fairslice" and rest:
            known_command(rest)
        elif program == "apt":
            assert rest[0] == "install"
            assert set(rest[1:]) <= set(packages[1].split()), code
        elif program == "python":
            assert rest[0] == "-m"
            assert importlib.util.find_spec(rest[1]) is not None, code
        elif program.startswith("script/"):
            assert (ROOT / program).is_file(), code


def known_command(arguments: list[str]) -> None:
    name, *rest = arguments
    if name.startswith("-"):
        assert name in ("--version", "--help"), name
        return
    assert name in cli.COMMANDS, arguments
    command = importlib.import_module(f"fairslice.cli.{name}").command
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in rest:
        if word == "--":
            return
        assert not word.startswith("--") or word.partition("=")[0] in known, arguments


def test_the_demo_is_the_line_that_the_tutorial_shows() -> None:
    script = text_of("script/demo").replace("\\\n", " ")
    line = re.search(r'^exec (.*) "\$@"$', script, re.MULTILINE)
    assert line is not None
    assert plain(line[1]) in COMMANDS


# The reader himself -------------------------------------------------------------------------------------

PAGE = """
# Title

Write `a.txt`:

```yaml
one
two
```

In a first terminal:

    cat a.txt  # all of it
    echo \\
      three

It prints

```text
one
…
three
```

```
a drawing
```

## Next

    script/bootstrap
"""


def test_a_page_is_read() -> None:
    file, commands, output, last = read_page(PAGE)
    assert (file.kind, file.name, file.text, file.line) == ("file", "a.txt", "one\ntwo\n", 7)
    assert commands.commands == ["cat a.txt  # all of it", "echo    three"]
    assert [plain(command) for command in commands.commands] == ["cat a.txt", "echo three"]
    assert (commands.terminal, output.kind, output.text) == ("first", "output", "one\n…\nthree\n")
    assert (last.section, last.terminal) == ("Next", "")


@pytest.mark.parametrize(
    ("old", "new", "complains"),
    [
        ("Title", "Title", False),
        ("three\n\nIt", "3\n\nIt", True),
        ("two\n", "two\n\n", False),
        ("…\n", "", True),
    ],
)
def test_a_reader_complains_of_what_differs(old: str, new: str, complains: bool, tmp_path: Path) -> None:
    assert old in PAGE
    reader = Reader("page.md", Shell(tmp_path), exactly, renew=False)
    reader.read(read_page(PAGE.replace(old, new)), lambda block: block.section == "Title")
    assert bool(reader.complaints) is complains


def test_a_reader_complains_of_a_status(tmp_path: Path) -> None:
    reader = Reader("page.md", Shell(tmp_path), exactly, renew=False)
    reader.read([Block("commands", "exit 3\n", "", 1)], lambda _: True)
    assert len(reader.complaints) == 1


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a  \nb\n", True),
        ("a\nb\n", "a\nb\nc\n", False),
        ("a\nb\n", "a\n", False),
        ("a\n…\n", "a\nb\nc\n", True),
        ("a\n…\n", "b\nc\n", False),
        ("…\nc\n", "a\nb\nc\n", True),
        ("…\nb\n", "a\nb\nc\n", False),
        ("a\n…\nc\n…\ne\n", "a\nb\nc\nd\ne\n", True),
        ("a\n…\nx\n…\ne\n", "a\nb\nc\nd\ne\n", False),
    ],
)
def test_lines_may_be_left_out_where_it_is_said(shown: str, printed: str, same: bool) -> None:
    assert (differences(shown, printed, exactly) == []) is same


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("gold  15.00  14.35  0.0 %  3 resent  yes", "gold   15.01 14.20   0.3 %   12 resent   yes", True),
        ("gold  15.00  14.35  0.0 %  3 resent  yes", "gold   13.40 14.20   0.3 %   12 resent   yes", False),
        ("gold  15.00  14.35  0.0 %  3 resent  yes", "gold   15.01 14.20   5.3 %   12 resent   yes", False),
        ("gold  15.00  14.35  0.0 %  3 resent  yes", "gold   15.01 14.20   0.3 %   12 resent   no", False),
        ("s1", "s2", False),
        ("gold 15 Mbit/s 0 bit/s", "gold  14.98 Mbit/s   3.2 kbit/s", True),
        ("gold 15 Mbit/s 0 bit/s", "gold  13.4 Mbit/s   3.2 kbit/s", False),
        ("gold 15 Mbit/s 0 bit/s", "gold  14.98 Mbit/s   0.6 Mbit/s", False),
        ("video 9.1 % lost", "video 19 % lost", True),
        ("generation 2 is in force: 6 sent", "generation 3 is in force: 6 sent", True),
        ("generation 2 is in force: 6 sent", "generation 2 is in force: 7 sent", False),
        ("───", "─────", True),
        ("yes  0.0 %", "yes -0.1 %", True),
        ("yes +0.1 %", "yes -0.1 %", True),
        ("yes +0.1 %", "yes -6.1 %", False),
        ("h1->h4  5 %", "h1->-h4  5 %", False),
    ],
)
def test_what_is_measured_may_differ_as_much_as_is_said(shown: str, printed: str, same: bool) -> None:
    assert (measured(shown, printed) == "") is same


def test_a_busy_machine_changes_nothing() -> None:
    shown = "yes\nNote: one.\nJain's index 1.00\n"
    busy = "Note: The machine was busy: 98% of its\nprocessors.\n"
    for printed in (
        f"yes\n{busy}Note: one.\nJain's index 1.00\n",
        f"yes\nNote: one.\n{busy}Jain's index 1.00\n",
    ):
        assert differences(shown, printed, measured) == []
        assert differences(shown, printed, exactly) != []
        assert renewed("old\n", printed) == shown


def test_shown_output_is_renewed() -> None:
    assert renewed("old\n", "\nnew \nlines\n\n") == "new\nlines\n"
    assert renewed("a\n…\nz\n", "b\nc\nd\ne\n") == "b\n…\ne\n"
    for printed in ("one\n", "one\ntwo\nthree\n"):
        assert differences(renewed("…\nz\n", printed), printed, exactly) == []
