"""GraphML and SNDlib files that can't be read: one fault a file, told with its line."""

from pathlib import Path

import pytest

from fairslice.errors import InputError
from fairslice.testing.commands import run_command
from fairslice.topology.load import load_network

FILES = Path(__file__).parents[1] / "topologies"
GRAPHML = {
    "empty": ":1:1: not well-formed XML: no element found",
    "not-closed": ":5:3: not well-formed XML: mismatched tag",
    "entity-bomb": ":3:13: declares the entity 'a0'; expected a file without entity declarations",
    "entity-of-a-file": ":2:65: declares the entity 'secret'; expected a file without entity declarations",
    "dtd-elsewhere": ":2:56: refers to the file 'http://127.0.0.1/graphml.dtd'; expected a file that",
    "unknown-encoding": ": unknown encoding: klingon; expected XML in UTF-8 or another common encoding",
    "too-deep": ":3:694: <graph> is 100 elements deep; expected fewer",
    "wrong-root": ":2:1: the root element is <svg>; expected <graphml>, or <network> of SNDlib",
    "other-namespace": ":2:1: the namespace is 'http://example.org/other'; expected http://graphml.graphdrawing",
    "no-graph": ":2:1: no graphs; expected one",
    "two-graphs": ":4:1: 2 graphs; expected one",
    "no-nodes": ": no nodes; expected one or more",
    "hyperedge": ":5:1: a hyperedge; expected edges, which join two nodes",
    "graph-in-a-node": ":5:1: node 'a' holds a graph; expected none, or a group of yEd that is open",
    "mixed-directions": ":5:1: an edge with directed='true' where edgedefault='undirected'; expected",
    "unknown-node": ":5:1: edge a - b: no node has the id 'b'",
    "same-node-id": ":5:1: two nodes have the id 'a'; expected one",
    "node-without-id": ":4:1: a node without id; expected one",
    "edge-without-target": ":5:1: an edge without source or target; expected both",
    "same-edge-id": ":7:1: edges between a and b have the same id; expected one for each",
    "undeclared-key": ":5:1: data for the key 'd9', which the file does not declare",
    "unknown-type": ":3:1: attr.type 'decimal'; expected one of int, long, integer, float, double, boolean",
    "nameless-key": ":3:1: key 'r' has no attr.name; expected one",
    "speed-in-words": ":7:1: data for the key 'r' is 'fast'; expected a number",
    "negative-speed": ":6:1: cable s1 (a) - s2 (b): LinkSpeedRaw -1.0; expected a number of bit/s above 0",
    "endless-speed": ":6:1: cable s1 (a) - s2 (b): LinkSpeedRaw inf; expected a number of bit/s above 0",
}
SNDLIB = {
    "not-closed": ":4:3: not well-formed XML: mismatched tag",
    "entity-bomb": ":3:12: declares the entity 'a'; expected a file without entity declarations",
    "wrong-root": ":2:1: the root element is <html>; expected <graphml>, or <network> of SNDlib",
    "no-structure": ":2:1: no <networkStructure>; expected one",
    "no-nodes": ":3:1: no <nodes>; expected one",
    "no-links": ":3:1: no <links>; expected one",
    "empty-nodes": ": no nodes; expected one or more",
    "unknown-node": ":6:1: link 'L': no node has the id 'C'",
    "no-target": ":6:1: link 'L' has no <target>; expected a node's id",
    "same-node-id": ":5:1: two nodes have the id 'A'; expected one",
    "node-without-id": ":5:1: a node without id; expected one",
    "same-link-id": ":7:1: two links have the id 'L'; expected one",
    "negative-capacity": ":6:70: link 'L': capacity '-5'; expected a number, 0 or more",
    "capacity-in-words": ":6:70: link 'L': capacity 'STM-16'; expected a number, 0 or more",
    "module-without-capacity": ":7:1: link 'L': no capacity; expected a number, 0 or more",
    "unknown-unit": ":4:1: unit 'ERLANG'; expected one such as MBITPERSEC",
}
CASES = [
    *((FILES / "graphml" / "bad" / f"{name}.graphml", fault) for name, fault in GRAPHML.items()),
    *((FILES / "sndlib" / "bad" / f"{name}.xml", fault) for name, fault in SNDLIB.items()),
]


@pytest.mark.parametrize(
    ("file", "fault"), [pytest.param(*c, id=f"{c[0].suffix}-{c[0].stem}") for c in CASES]
)
@pytest.mark.parametrize("bandwidth_bps", [None, 1e6])
def test_the_only_fault_of_a_file_is_told(file: Path, fault: str, bandwidth_bps: float | None) -> None:
    with pytest.raises(InputError) as caught:
        load_network(str(file), bandwidth_bps=bandwidth_bps)
    assert len(caught.value.faults) == 1
    assert str(caught.value).startswith(f"{file}{fault}")


def test_every_file_is_tried() -> None:
    assert {file for file, _ in CASES} == {*FILES.glob("*/bad/*")}


@pytest.mark.parametrize("name", ["entity-bomb", "wrong-root", "undeclared-key"])
def test_commands_end_with_status_2_and_no_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = FILES / "graphml" / "bad" / f"{name}.graphml"
    policy = FILES.parents[1] / "policies" / "gold-silver-bronze.yaml"
    for arguments in (
        ("topology", str(file)),
        ("topology", str(file), "--json"),
        ("plan", str(policy), "--topology", str(file)),
        ("check", str(policy), "--topology", str(file)),
        ("explain", str(policy), "--topology", str(file)),
        ("run", "--policy", str(policy), "--topology", str(file), "--datapath", "user"),
        ("controller", "--network", str(file)),
    ):
        assert run_command(monkeypatch, *arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == f"{file}{GRAPHML[name]}\n" or said.err.startswith(f"{file}{GRAPHML[name]}")


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "many.graphml"
    file.write_text(
        """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="r" for="edge" attr.name="LinkSpeedRaw" attr.type="double"/>
<key id="n" for="node" attr.name="Internal" attr.type="int"/>
<key id="b" for="node" attr.name="Access" attr.type="boolean"><default>perhaps</default></key>
<graph edgedefault="undirected">
<node id="a"><data key="n">one</data></node>
<node id="a"/>
<node/>
<edge source="a" target="x"><data key="r">1e9</data></edge>
<edge source="y" target="z"/>
<edge target="a"><data key="q">1</data></edge>
</graph>
</graphml>
"""
    )
    with pytest.raises(InputError) as caught:
        load_network(str(file))
    assert sorted(fault.location.line for fault in caught.value.faults if fault.location) == [
        *(4, 6, 7, 8, 9, 10, 10, 11, 11)
    ]


def test_an_entity_is_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("TOP-SECRET")
    for kind, content in (
        ("graphml", '<graphml><graph edgedefault="undirected"><node id="a">&s;</node></graph></graphml>'),
        ("xml", '<network><networkStructure><nodes><node id="A&s;"/></nodes></networkStructure></network>'),
    ):
        for declared in (
            f'<!ENTITY s SYSTEM "{secret}">',
            '<!ENTITY s "x">',
            f'<!ENTITY % p SYSTEM "{secret}"> %p;',
            f'<!NOTATION n SYSTEM "n"><!ENTITY s SYSTEM "{secret}" NDATA n>',
        ):
            file = tmp_path / f"file.{kind}"
            file.write_text(f"<!DOCTYPE x [{declared}]>\n{content}")
            with pytest.raises(InputError) as caught:
                load_network(str(file))
            assert "declares the entity" in str(caught.value)
            assert "TOP-SECRET" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("none.graphml", "none.xml"):
        with pytest.raises(InputError, match=f"{name}: No such file or directory; expected FILE.py"):
            load_network(str(tmp_path / name))
    with pytest.raises(InputError, match=r"expected FILE\.py"):
        load_network(f"{FILES / 'graphml' / 'eleven.graphml'}:name")
