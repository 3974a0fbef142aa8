"""Whatever is in a file or an option: a sentence and a status that fits, never a fault of our own."""

import contextlib
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairslice.cli import main
from fairslice.topology.load import load_network
from fairslice.topology.nodelink import to_json

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "policies" / "gold-silver-bronze.yaml")
DUMBBELL = str(ROOT / "topologies" / "dumbbell.py")

A_POLICY = {
    "version": 1,
    "defaults": {"enforcement": "both", "burst": "auto", "unmatched": "drop"},
    "slices": {
        "gold": {"weight": 3, "guarantee": "5 Mbit/s", "limit": "60 Mbit/s", "members": ["h1", "h4"]},
        "silver": {
            "flows": [
                {
                    "from": "h2",
                    "to": "h5",
                    "demand": "40 Mbit/s",
                    "match": {"proto": "udp", "dst_port": 5004},
                }
            ]
        },
    },
}
A_PROBLEM = {
    "links": {"A": 10, "B": 10.5},
    "flows": [
        {"id": "f1", "path": ["A", "B"], "weight": 1, "demand": 4, "min": 0.5, "slice": "gold"},
        {"id": "f2", "path": {"A": 1, "B": 0.5}},
    ],
    "slices": {"gold": {"weight": 3, "limit": 7}},
}
SNDLIB = """<?xml version="1.0"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0"><networkStructure>
<nodes><node id="A"/><node id="B"/></nodes>
<links><link id="L1"><source>A</source><target>B</target>
<preInstalledModule><capacity>40.0</capacity><cost>0.0</cost></preInstalledModule></link></links>
</networkStructure></network>
"""
GRAPHML = """<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="LinkSpeedRaw" attr.type="double"/>
<graph edgedefault="undirected"><node id="0"/><node id="1"/>
<edge source="0" target="1"><data key="d0">1000000.0</data></edge></graph></graphml>
"""
EXTREMES = [
    *(0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.5, 5e-324, 1e-12, 1e308, -0.0, math.inf, math.nan),
    *("", "x" * 300, "\x00", "a\nb", "\u202e", "\ud800", "h1", "->", "→", "10.0.0.0/0", "::/0", "65536"),
    *("0 bit/s", "1 bit/s", "1e308 Gbit/s", "1e-300 bit/s", "5 kbit/s", "0 ms", "1e308 s", "nan", "∞"),
    *(None, True, [], {}, [1], {"a": 1}),
]
PIECES = [
    *(b"\xff", b"\x00", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999999999"),
    *(
        b"9" * 5000,
        b"[" * 3000,
        b"<a>" * 3000,
        b"&a",
        b"*a",
        b"!!int ",
        b"\t",
        b"---\n",
        b"]]>",
        b"<!--",
        b"&x;",
    ),
    *(b'"', b"'", b"{", b"}", b": ", b"- ", b"\xef\xbb\xbf", b"\xff\xfe"),
]

COMMANDS: list[tuple[str, str, tuple[tuple[str, ...], ...]]] = [
    (
        "p.yaml",
        json.dumps(A_POLICY),
        (
            ("check", "p.yaml", "--topology", DUMBBELL),
            ("plan", "p.yaml", "--topology", DUMBBELL),
            ("explain", "p.yaml", "--topology", DUMBBELL, "--json"),
        ),
    ),
    (
        "n.json",
        json.dumps(to_json(load_network(DUMBBELL))),
        (
            ("topology", "n.json"),
            ("plan", POLICY, "--topology", "n.json", "--json"),
            ("topology", "n.json", "--scale-bandwidth", "1/7"),
        ),
    ),
    ("a.json", json.dumps(A_PROBLEM), (("allocate", "a.json"), ("allocate", "a.json", "--explain"))),
    ("s.xml", SNDLIB, (("topology", "s.xml"), ("topology", "s.xml", "--bandwidth", "10", "--json"))),
    ("g.graphml", GRAPHML, (("topology", "g.graphml"), ("topology", "g.graphml", "--bandwidth", "10"))),
]
OPTIONS: list[tuple[str, ...]] = [
    ("plan", POLICY, "--topology", DUMBBELL, "--bandwidth"),
    ("topology", DUMBBELL, "--scale-bandwidth"),
    ("topology", DUMBBELL, "--hosts-per-switch"),
    ("explain", POLICY, "--topology", DUMBBELL),
    ("run", POLICY, "--topology", "none.json", "--duration"),
    ("run", POLICY, "--topology", "none.json", "--send"),
    ("run", "none.yaml", "--topology", DUMBBELL, "--tolerance"),
    ("vm", "--output", "/proc/none", "true", "--memory"),
    ("apply", "none.yaml", "--timeout"),
    ("topology",),
    ("plan", POLICY, "--topology"),
    ("check",),
    (),
]


def outcome(*arguments: str) -> tuple[Any, str]:
    """The status of a command line, and what it says on standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fairslice", *arguments])
        patch.delenv("FAIRSLICE_DEBUG", raising=False)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            with pytest.raises(SystemExit) as ended:
                main()
            err.flush()
    return ended.value.code, err.buffer.getvalue().decode()


def is_told(status: Any, said: str) -> None:
    assert status in {0, 2, 3}, said
    assert "internal error" not in said
    assert "Traceback" not in said
    assert bool(said.strip()) or status == 0


@pytest.fixture(autouse=True)
def empty_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.chdir(directory)
        yield


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, below in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from places(below, (*path, key))


@st.composite
def changed_trees(draw: st.DrawFn, text: str) -> bytes:
    """JSON with another value, or none, or another key, in one to three places."""
    tree = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        if not (found := list(places(tree))):
            break
        *way, last = draw(st.sampled_from(found))
        holder = tree
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["value", "value", "value", "gone", "key"])):
            case "gone":
                del holder[last]
            case "key" if isinstance(holder, dict):
                holder[str(draw(st.sampled_from(EXTREMES)))[:400]] = holder.pop(last)
            case _:
                holder[last] = draw(st.sampled_from(EXTREMES))
    return json.dumps(tree).encode()


@st.composite
def changed_bytes(draw: st.DrawFn, text: str) -> bytes:
    """Pieces put in, taken out or repeated at random."""
    data = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 30))
        put = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8), st.just(data[at : at + length])))
        data = data[:at] + put + data[at + draw(st.sampled_from([0, length])) :]
    return data


def files(text: str) -> st.SearchStrategy[bytes]:
    ways = [changed_bytes(text), st.binary(max_size=200)]
    return st.one_of(ways if text.startswith("<") else [changed_trees(text), *ways])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_file_is_read_or_refused_in_words(data: st.DataObject) -> None:
    name, text, commands = data.draw(st.sampled_from(COMMANDS))
    Path(name).write_bytes(data.draw(files(text)))
    is_told(*outcome(*data.draw(st.sampled_from(commands))))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_value_of_an_option_is_taken_or_refused_in_words(data: st.DataObject) -> None:
    before = data.draw(st.sampled_from(OPTIONS))
    values = st.one_of(
        # A NUL ends an argument.
        st.text(max_size=20).filter(lambda text: "\0" not in text),
        st.binary(max_size=10).map(os.fsdecode).filter(lambda text: "\0" not in text),
        st.sampled_from([str(value)[:400] for value in EXTREMES if "\0" not in str(value)]),
        st.floats().map(str),
        st.sampled_from(["1e999999999", "1/0", "-", "--", "gold=udp,x1e9"]),
    )
    is_told(*outcome(*before, data.draw(values)))
    assert list(Path().iterdir()) == []
