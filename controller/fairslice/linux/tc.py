"""What the kernel holds on a port, by tc(8): Open vSwitch's HTB classes, their leaves and filters."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairslice.errors import MachineError


class TcAnswerError(MachineError):
    """tc failed at a question; another try may succeed."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it wrote."""

    status: int
    stdout: str
    stderr: str


Runner = Callable[[Sequence[str], str], Result]
"""Runs an argv with a text as standard input."""

ROOT_MINOR = 0xFFFE
"""Open vSwitch's root class, 1:fffe (lib/netdev-linux.c, linux-htb)."""

_TIMEOUT_S = 60.0
_ROOT_QDISC = re.compile(r"qdisc \S+ \S+ root\b")
_CLASS = re.compile(r"class htb 1:([0-9a-f]+) ")
_FILTER = re.compile(
    r"filter (?:parent 1: )?protocol ip pref 1 u32 .*?\bfh (\w+:\w*:\w+)\b.*?\bflowid (\w*):(\w+)"
)
_MATCH = re.compile(r"match ([0-9a-f]{8})/([0-9a-f]{8}) at (\d+)")
_DSCP_MASK = 0x00FC0000
"""The six bits of RFC 2474 in the first word of an IPv4 header."""


@dataclass(frozen=True, slots=True)
class DscpFilter:
    """A u32 filter of priority 1 on exactly the DSCP: where it stands, and the class that it leads to."""

    handle: str
    dscp: int
    minor: int


@dataclass(frozen=True)
class TcState:
    """The tc state of a port; without Open vSwitch's HTB as its root qdisc the rest is empty.

    ``classes`` are the minors of 1:N, ``leaf_bytes`` the limits of those classes' bfifo leaves.
    """

    htb: bool = False
    classes: frozenset[int] = frozenset()
    leaf_bytes: Mapping[int, int] = field(default_factory=dict)
    filters: tuple[DscpFilter, ...] = ()


def run_command(argv: Sequence[str], stdin: str) -> Result:
    """The :data:`Runner` that really runs; bounded in time.

    Raises:
        MachineError: the command is missing.
        TcAnswerError: it did not end in time.
    """
    if shutil.which(argv[0]) is None:
        raise MachineError(f"{argv[0]} not found; install the package iproute2")
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise TcAnswerError(f"{' '.join(argv)} did not end in {_TIMEOUT_S:g} s") from error
    return Result(done.returncode, done.stdout, done.stderr)


def class_minor(queue_id: int) -> int:
    """The minor of a queue's class: queue N is 1:N+1 (lib/netdev-linux.c of Open vSwitch)."""
    return queue_id + 1


def dscp_filter(name: str, dscp: int, minor: int) -> str:
    """The arguments of tc that add the filter which leads a DSCP to the class 1:``minor`` of a port.

    The userspace datapath needs it, where OpenFlow's set_queue has no effect.
    """
    return (
        f"filter add dev {name} parent 1: protocol ip prio 1 u32 match ip dsfield {dscp << 2:#04x} 0xfc "
        f"flowid 1:{minor:x}"
    )


def leaf(name: str, minor: int, limit_bytes: int) -> str:
    """The arguments of tc that make the leaf of the class 1:``minor`` of a port hold so many bytes."""
    return f"qdisc replace dev {name} parent 1:{minor:x} bfifo limit {limit_bytes}"


def observe(names: Iterable[str], runner: Runner) -> dict[str, TcState]:
    """The tc state of ports, in two runs of tc however many they are, or three if a port is not as usual.

    A port that has vanished is left out.

    Raises:
        MachineError: tc is missing.
        TcAnswerError: it failed, or answered in no known form.
    """
    wanted = set(names)
    if not wanted:
        return {}
    listed = runner(("tc", "-json", "qdisc", "show"), "")
    if listed.status != 0:
        raise TcAnswerError(f"tc qdisc show failed: {listed.stderr.strip()}")
    try:
        qdiscs: list[dict[str, Any]] = json.loads(listed.stdout or "[]")
    except ValueError as error:
        raise TcAnswerError(f"tc -json qdisc show answered {listed.stdout[:80]!r}; expected JSON") from error
    # A device always has a root qdisc; what is missing here is not a device.
    there = wanted & {str(qdisc.get("dev")) for qdisc in qdiscs}
    rooted = sorted(there & {str(q["dev"]) for q in qdiscs if _is_ovs_root(q)})
    states = dict.fromkeys(there, TcState())
    if rooted:
        sections = _classes_and_filters(rooted, runner)
        leaves: dict[str, list[dict[str, Any]]] = {name: [] for name in rooted}
        for qdisc in qdiscs:
            leaves.get(str(qdisc.get("dev")), []).append(qdisc)
        for name, lines in zip(rooted, sections, strict=True):
            mine = leaves[name]
            states[name] = TcState(True, parse_classes(lines), parse_leaves(mine), parse_filters(lines))
    return states


def _classes_and_filters(names: Sequence[str], runner: Runner) -> list[list[str]]:
    """What tc shows of each port, by its place among the names."""
    shown = runner(("tc", "-force", "-batch", "-"), show_commands(names))
    sections = _behind_roots(shown.stdout)
    if len(sections) != len(names):
        shown = runner(("tc", "-force", "-batch", "-"), show_commands_marked(names))
        sections = list(_sections(shown.stdout, len(names)))
    return sections


def show_commands(names: Sequence[str]) -> str:
    """Input of ``tc -batch`` that shows the classes and filters of ports, each section after its root class.

    tc does not say which port a class is of: so the root class is shown alone first, then with the others.
    """
    return "".join(
        f"class show dev {name} classid 1:{ROOT_MINOR:x}\n"
        f"class show dev {name}\nfilter show dev {name} parent 1:\n"
        for name in names
    )


def show_commands_marked(names: Sequence[str]) -> str:
    """The same, each section after a mark, for ports of which one may have vanished or lacks a root class.

    The loopback's root qdisc is one line that is not a class and not a filter. The kernel tells of all qdiscs
    each time, and tc leaves the others out: for 40 ports of 52 queues that takes four times as long.
    """
    return "".join(
        f"qdisc show dev lo\nclass show dev {name}\nfilter show dev {name} parent 1:\n" for name in names
    )


def parse_leaves(qdiscs: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """Limits in bytes of the bfifo leaves, by their class's minor; from ``tc -json qdisc show`` of a port."""
    return {
        int(str(qdisc["parent"])[2:], 16): int(qdisc["options"]["limit"])
        for qdisc in qdiscs
        if qdisc.get("kind") == "bfifo" and str(qdisc.get("parent")).startswith("1:")
    }


def parse_classes(lines: Iterable[str]) -> frozenset[int]:
    """Minors of the HTB classes under the root class; from ``tc class show``, which has no JSON."""
    found = (_CLASS.match(line) for line in lines)
    return frozenset(int(match[1], 16) for match in found if match is not None) - {ROOT_MINOR}


def parse_filters(lines: Iterable[str]) -> tuple[DscpFilter, ...]:
    """The filters of priority 1 on the DSCP and nothing else; from ``tc filter show``.

    Its JSON repeats a key for a second match, so this reads the text.
    """
    filters: list[DscpFilter] = []
    keys: list[str] | None = None
    heads: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        if line.startswith("filter "):
            head = _FILTER.match(line)
            keys = None
            if head is not None:
                keys = []
                heads.append((head, keys))
        elif keys is not None and line.strip():
            keys.append(line.strip())
    for head, matches in heads:
        key = _MATCH.fullmatch(matches[0]) if len(matches) == 1 else None
        # The major is shown as 1 or, by some versions, not at all.
        if key is not None and int(key[2], 16) == _DSCP_MASK and key[3] == "0" and head[2] in ("1", ""):
            filters.append(DscpFilter(head[1], int(key[1], 16) >> 18, int(head[3], 16)))
    return tuple(filters)


def _is_ovs_root(qdisc: Mapping[str, Any]) -> bool:
    return bool(qdisc.get("root")) and qdisc.get("kind") == "htb" and qdisc.get("handle") == "1:"


def _behind_roots(text: str) -> list[list[str]]:
    """Sections that begin with a root class; it stands in each once more."""
    sections: list[list[str]] = []
    alone = False
    for line in text.splitlines():
        if line.startswith(f"class htb 1:{ROOT_MINOR:x} "):
            alone = not alone
            if alone:
                sections.append([])
        elif sections:
            sections[-1].append(line)
    return [] if alone else sections


def _sections(text: str, count: int) -> Iterator[list[str]]:
    sections: list[list[str]] = []
    for line in text.splitlines():
        if _ROOT_QDISC.match(line):
            sections.append([])
        elif sections and not line.startswith("qdisc "):
            sections[-1].append(line)
    if len(sections) != count:
        raise TcAnswerError(f"tc answered about {len(sections)} ports; expected {count}")
    yield from sections
