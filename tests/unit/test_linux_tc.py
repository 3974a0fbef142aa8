"""Reading tc: texts are what iproute2 6.1 printed about ports of Open vSwitch 3.1."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from fairslice.errors import MachineError
from fairslice.linux.tc import (
    DscpFilter,
    Result,
    TcAnswerError,
    TcState,
    observe,
    parse_classes,
    parse_filters,
    parse_leaves,
    run_command,
    show_commands,
    show_commands_marked,
)

CLASSES = """\
class htb 1:fffe root rate 50Mbit ceil 50Mbit burst 1500b cburst 1500b 
class htb 1:1 parent 1:fffe leaf 8001: prio 0 rate 5Mbit ceil 50Mbit burst 1563b cburst 1562b 
class htb 1:b parent 1:fffe prio 0 rate 5Mbit ceil 50Mbit burst 1563b cburst 1562b 
"""  # noqa: W291
ROOT = CLASSES.splitlines(keepends=True)[0]
FILTERS = """\
filter parent 1: protocol ip pref 1 u32 chain 0 
filter parent 1: protocol ip pref 1 u32 chain 0 fh 800: ht divisor 1 
filter parent 1: protocol ip pref 1 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 *flowid 1:1 not_in_hw 
  match 00000000/00fc0000 at 0
filter parent 1: protocol ip pref 1 u32 chain 0 fh 800::801 order 2049 key ht 800 bkt 0 flowid 1:b not_in_hw 
  match 00280000/00fc0000 at 0
"""  # noqa: W291
QDISCS: list[dict[str, Any]] = [
    {"kind": "noqueue", "handle": "0:", "dev": "lo", "root": True, "options": {}},
    {"kind": "htb", "handle": "1:", "dev": "p1", "root": True, "options": {"r2q": 10, "default": "0x1"}},
    {"kind": "bfifo", "handle": "8001:", "dev": "p1", "parent": "1:1", "options": {"limit": 62500}},
    {"kind": "pfifo", "handle": "8002:", "dev": "p1", "parent": "1:b", "options": {"limit": 9}},
    {"kind": "netem", "handle": "1:", "dev": "p3", "root": True, "options": {}},
    {"kind": "htb", "handle": "1:", "dev": "p2", "root": True, "options": {}},
    {"kind": "htb", "handle": "5:", "dev": "p4", "root": True, "options": {}},
]
MARK = "qdisc noqueue 0: root refcnt 2 \n"


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_classes_without_the_root_class() -> None:
    assert parse_classes(lines(CLASSES)) == {1, 11}


def test_only_leaves_that_count_bytes() -> None:
    assert parse_leaves(qdisc for qdisc in QDISCS if qdisc["dev"] == "p1") == {1: 62500}


def test_filters_with_or_without_the_mark_of_a_bound_class() -> None:
    assert parse_filters(lines(FILTERS)) == (DscpFilter("800::800", 0, 1), DscpFilter("800::801", 10, 11))


@pytest.mark.parametrize(
    ("head", "keys"),
    [
        # another priority, protocol, mask, offset, a second match, another classifier
        ("pref 2 u32 chain 0 fh 800::800 order 1 key ht 800 bkt 0 flowid 1:2", ["00040000/00fc0000 at 0"]),
        ("pref 1 u32 chain 0 fh 800::800 order 1 key ht 800 bkt 0 flowid 1:2", ["00040000/00ff0000 at 0"]),
        ("pref 1 u32 chain 0 fh 800::800 order 1 key ht 800 bkt 0 flowid 1:2", ["00040000/00fc0000 at 4"]),
        (
            "pref 1 u32 chain 0 fh 800::800 order 1 key ht 800 bkt 0 flowid 1:2",
            ["00040000/00fc0000 at 0", "0a000001/ffffffff at 12"],
        ),
        ("pref 1 u32 chain 0 fh 800::800 order 1 key ht 800 bkt 0 flowid 2:2", ["00040000/00fc0000 at 0"]),
        ("pref 1 flower chain 0 handle 0x1 classid 1:2", ["eth_type ipv4"]),
    ],
)
def test_other_filters_are_none_of_ours(head: str, keys: list[str]) -> None:
    text = [f"filter parent 1: protocol ip {head} not_in_hw ", *(f"  match {key}" for key in keys)]
    assert parse_filters([*text, *lines(FILTERS)]) == parse_filters(lines(FILTERS))


class FakeTc:
    """Answers the two questions with given texts."""

    def __init__(
        self, marked: str, qdiscs: str = json.dumps(QDISCS), status: int = 0, plain: str = ""
    ) -> None:
        self.marked, self.plain, self.qdiscs, self.status = marked, plain, qdiscs, status
        self.asked: list[tuple[tuple[str, ...], str]] = []

    def __call__(self, argv: Sequence[str], stdin: str) -> Result:
        self.asked.append((tuple(argv), stdin))
        if "-batch" in argv:
            batch = self.marked if "show dev lo" in stdin else self.plain
            return Result(1, batch, 'Cannot find device "p2"')
        return Result(self.status, self.qdiscs, "some reason")


def test_many_ports_are_looked_at_in_two_runs() -> None:
    second = CLASSES.replace("1:b", "1:c")
    # The root class stands anywhere among the others.
    second = "".join(reversed(second.splitlines(keepends=True)))
    tc = FakeTc("", plain=ROOT + CLASSES + FILTERS + ROOT + second)
    states = observe(["p1", "p2"], tc)
    assert states["p1"].classes == {1, 11}
    assert [found.dscp for found in states["p1"].filters] == [0, 10]
    assert states["p2"].classes == {1, 12}
    assert not states["p2"].filters
    assert [stdin for _, stdin in tc.asked] == ["", show_commands(["p1", "p2"])]


# p2 has vanished meanwhile, wholly or between two commands, or has no root class: its section is empty.
@pytest.mark.parametrize("plain", [ROOT + CLASSES + FILTERS, ROOT + CLASSES + FILTERS + ROOT, CLASSES, ""])
def test_ports_of_which_one_is_not_as_usual_are_looked_at_in_three_runs(plain: str) -> None:
    tc = FakeTc(MARK + CLASSES + FILTERS + MARK, plain=plain)
    states = observe(["p1", "p2", "p3", "p4", "gone"], tc)
    assert states == {
        "p1": TcState(
            True,
            frozenset({1, 11}),
            {1: 62500},
            (DscpFilter("800::800", 0, 1), DscpFilter("800::801", 10, 11)),
        ),
        "p2": TcState(True),
        "p3": TcState(),
        "p4": TcState(),
    }
    assert [argv for argv, _ in tc.asked] == [
        ("tc", "-json", "qdisc", "show"),
        ("tc", "-force", "-batch", "-"),
        ("tc", "-force", "-batch", "-"),
    ]
    assert tc.asked[2][1] == show_commands_marked(["p1", "p2"])


def test_without_ports_nothing_is_asked() -> None:
    tc = FakeTc("")
    assert observe([], tc) == {}
    assert tc.asked == []


@pytest.mark.parametrize(
    ("tc", "text"),
    [
        (FakeTc("", status=2), "tc qdisc show failed: some reason"),
        (FakeTc("", qdiscs="qdisc htb"), "expected JSON"),
        (FakeTc(MARK), "about 1 ports; expected 2"),
    ],
)
def test_an_answer_of_no_known_form_is_an_error(tc: FakeTc, text: str) -> None:
    with pytest.raises(TcAnswerError, match=text):
        observe(["p1", "p2"], tc)


def test_the_real_runner() -> None:
    result = run_command([sys.executable, "-c", "print(input()[::-1])"], "abc\n")
    assert result == Result(0, "cba\n", "")
    with pytest.raises(MachineError, match="no-such-tc not found; install the package iproute2"):
        run_command(["no-such-tc"], "")


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(argv: Sequence[str], **options: object) -> None:
        assert options["timeout"]
        raise subprocess.TimeoutExpired(list(argv), 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(TcAnswerError, match="did not end in"):
        run_command([sys.executable, "-V"], "")
