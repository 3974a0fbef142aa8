"""YAML 1.2 as people and programs write it: one policy in many forms, each read as the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import InputError, Location
from fairslice.files.yaml_tree import read_yaml
from fairslice.policy import load_policy
from fairslice.testing.commands import run_command

POLICY = {"version": 1, "slices": {"gold": {"weight": 3, "flows": [{"from": "no", "to": "dk"}]}}}
SLICES = "slices: {gold: {weight: 3, flows: [{from: no, to: dk}]}}\n"
LINES = "version: 1\nslices:\n  gold:\n    weight: 3\n    flows:\n    - from: no\n      to: dk\n"

FORMS = {
    # Tabs, wherever YAML 1.2.2 §6.2 lets white space separate.
    "tab-after-key": "version:\t1\nslices:\t# c\n  gold:\t{weight:\t3,\tflows: [{from: no,\tto: dk}]}\n",
    "tab-before-colon": "version\t: 1\nslices:\n  gold: {weight : 3, flows: [{from\t: no, to: dk}]}\n",
    "tab-after-dash": "version: 1\nslices:\n  gold:\n    weight: 3\n    flows:\n    -\t{from: no, to: dk}\n",
    "tabs-at-ends-of-lines": LINES.replace("\n", "\t\n").replace("3\t", "3 \t# c"),
    "tabs-in-blank-lines": LINES.replace("\n", "\n\t\n  \t \n"),
    "tab-before-comment-line": LINES.replace("\n", "\n\t# c\n"),
    "tabs-indent-flow": (
        "version: 1\nslices: {\n  \tgold: {\n  \t\tweight: 3,\n  \t\tflows: [\n \t\t\t{from: no, to: dk}\n"
        "  \t\t]\n  \t}\n  }\n"
    ),
    "tabs-in-json": (
        '{\n\t"version": 1,\n\t"slices": {\n\t\t"gold": {"weight": 3, "flows": [{"from": "no",'
        '\t"to": "dk"}]}\n\t}\n}\n'
    ),
    "tab-after-document-start": f"---\t# c\nversion: 1\n{SLICES}",
    "tab-in-directive": f"%YAML\t1.2\t# c\n---\nversion: 1\n{SLICES}",
    "tab-after-question-mark": f"?\tversion\n:\t1\n{SLICES}",
    "tab-after-anchor": f"version:\t&v\t1\n{SLICES}",
    "tab-after-block-header": (
        LINES.replace("from: no", "from: |-\t# c\n        no").replace("to: dk", "to: >-\t\n        dk")
    ),
    "tab-continues-value": LINES.replace("version: 1", "version:\n \t1").replace(
        "weight: 3", "weight:\n     \t3"
    ),
    "tab-in-double-quotes": f"version: 1\n{SLICES}".replace("dk", '"d\\\n\tk"'),
    "tabs-at-the-end": f"version: 1\n{SLICES}\t# end\n  \t",
    # Documents.
    "directive": f"%YAML 1.2\n---\nversion: 1\n{SLICES}...\n",
    "directive-1.1": f"%YAML 1.1\n---\nversion: 1\n{SLICES}",
    "directive-of-the-future": f"%YAML 1.3\n---\nversion: 1\n{SLICES}",
    "directive-reserved": f"%FOO bar baz\n---\nversion: 1\n{SLICES}",
    "directive-tag": f"%TAG !e! tag:example.com,2000:\n---\nversion: 1\n{SLICES}",
    "start-with-value": f"--- {{version: 1, {SLICES.strip()}}}\n",
    "start-marker-after-comment": f"# c\n---\nversion: 1\n{SLICES}",
    "end-marker": f"version: 1\n{SLICES}... # c\n# after\n",
    "end-marker-twice": f"version: 1\n{SLICES}...\n# c\n...\n",
    "end-marker-first": f"# c\n...\n---\nversion: 1\n{SLICES}",
    # Bytes and lines.
    "byte-order-mark": f"\ufeffversion: 1\n{SLICES}",
    "byte-order-mark-and-comment": f"\ufeff# c\n---\nversion: 1\n{SLICES}",
    "crlf": LINES.replace("\n", "\r\n"),
    "crlf-and-tabs": LINES.replace("\n", "\t\r\n\t\r\n"),
    "cr": LINES.replace("\n", "\r"),
    "no-line-end": f"version: 1\n{SLICES}".rstrip(),
    "line-separator-in-comment": f"version: 1 # a\u2028b\u2029c\x85d\n{SLICES}",
    "emoji": f"# 🎉\nversion: 1\n{SLICES}",
    # Keys and values.
    "quoted-keys": (
        '"version": 1\n\'slices\': {"gold":{\'weight\':3,"flows":[{"from":"no",\'to\':\'dk\'}]}}\n'
    ),
    "json": '{"version":1,"slices":{"gold":{"weight":3,"flows":[{"from":"no","to":"dk"}]}}}',
    "question-marks": f"? version\n: 1\n? slices\n: {SLICES.partition(': ')[2]}",
    "question-mark-in-flow": (
        "{? version : 1, ? slices : {gold: {weight: 3, flows: [{? from : no, to: dk}]}}}"
    ),
    "anchors": (
        "version: &v 1\nslices: &s\n  &k gold: &g\n    weight: 3\n    flows: &f\n"
        "    - &a {from: &n no, to: &d dk}\n"
    ),
    "anchor-odd": f"version: &a:b/c 1\n{SLICES}",
    "multi-line-flow": (
        "version: 1\nslices: {\n  gold:\n    {weight:\n  3,\n    flows: [ # c\n    {from: no # c\n   , to:\n"
        " dk},\n ] , } ,\n }\n"
    ),
    "colon-on-the-next-line": 'version: 1\nslices: {gold: {weight: 3, flows: [{from\n : no, "to"\n :dk}]}}\n',
    "adjacent-values": 'version: 1\nslices: {gold: {"weight":3, flows: [{\'from\':no, "to":dk}]}}\n',
    "trailing-commas": "version: 1\nslices: {gold: {weight: 3, flows: [{from: no, to: dk,},],},}\n",
    "block-scalars": LINES.replace("from: no", "from: |2-\n        no").replace(
        "to: dk", "to: >-\n        dk"
    ),
    "escapes": f"version: 1\n{SLICES}".replace("gold", '"g\\x6fld"').replace("dk", '"\\u0064k"'),
    "comments": "# a\n\n" + LINES.replace(":\n", ": # b\n   # c\n").replace("1\n", "1 # d\n# e\n"),
    "other-indents": "version: 1\nslices:\n gold:\n  weight: 3\n  flows:\n  -  from: no\n     to: dk\n",
    "all-indented": "  " + LINES.rstrip().replace("\n", "\n  ") + "\n",
    "values-on-the-next-line": LINES.replace("version: 1", "version:\n  1").replace(
        "from: no", "from:\n        no"
    ),
    "octal-and-hexadecimal": f"version: 0o1\n{SLICES}".replace("3", "0x3"),
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_one_policy_in_many_forms(text: str) -> None:
    source = read_yaml(text, "f")
    assert source.root.plain() == POLICY
    assert source.faults == ()


def test_a_file_of_each_form_is_a_policy(tmp_path: Path) -> None:
    for number, text in enumerate(FORMS.values()):
        file = tmp_path / f"{number}.yaml"
        file.write_bytes(text.encode())
        (gold,) = load_policy(file).slices
        assert (gold.name, gold.weight, len(gold.flows)) == ("gold", 3, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1\n", "f:2:1: a tab in the indentation; expected spaces, as YAML asks for"),
        ("\ta: 1\n", "f:1:3: a tab in the indentation; expected spaces, as YAML asks for"),
        ("a:\n  b: 1\n\tc: 2\n", "f:3:1: a tab in the indentation; expected spaces, as YAML asks for"),
        ("a: 1\n\tb\n", "f:2:1: a tab in the indentation; expected spaces, as YAML asks for"),
        ("a:\n  \tb: 1\n", "f:2:5: a tab in the indentation; expected spaces, as YAML asks for"),
        # What is indented by a tab can't hold another line (§6.1).
        ("a:\n-\tb: 1\n", "f:2:4: no valid YAML: mapping values are not allowed here"),
        ("a:\n-\t- b\n", "f:2:3: no valid YAML: sequence entries are not allowed here"),
        (
            "%YAML 2.0\n---\na: 1\n",
            "f:1:1: no valid YAML in a %YAML directive: found version 2.0, expected 1.2",
        ),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here; expected one policy a file"),
        (
            "a: [1\n",
            "f:1:4: the [ of line 1 is not closed: found the end of the file; expected ']' before it",
        ),
        (
            "[a:",
            "f:1:1: the [ of line 1 is not closed: found the end of the file; expected ']' before it",
        ),
    ],
)
def test_what_is_no_yaml_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "f")
    assert str(caught.value) == message


def test_tabs_and_separators_inside_of_values_stay() -> None:
    text = "a: 20\tMbit/s\nb: 'x\ty'\nc: \"x\\ty\"\nd: |\n  x\ty\t\ne: x\u2028y\x85z\n"
    assert read_yaml(text, "f").root.plain() == {
        **{"a": "20\tMbit/s", "b": "x\ty", "c": "x\ty", "d": "x\ty\t\n", "e": "x\u2028y\x85z"}
    }
    assert read_yaml("a: x\t \n\t\n  \ty\nb: 1\n", "f").root.plain() == {"a": "x\ny", "b": 1}
    assert read_yaml("a: x\n  y\t# c\n\t# d\nb: 1\n", "f").root.plain() == {"a": "x y", "b": 1}


def test_places_are_those_of_the_file_as_it_is() -> None:
    root = read_yaml("%YAML\t1.2\n---\na:\t{b:\t1,\tc: [x,\ty]}\n", "f").root
    assert root.value_location(("a", "b")) == Location("f", 3, 8)
    assert root.value_location(("a", "c", 1)) == Location("f", 3, 18)


blanks = st.text(" \t", min_size=1, max_size=3)


@given(st.data())
def test_whatever_blanks_separate_the_same_is_read(data: st.DataObject) -> None:
    """Between the words of a line and at its end any blanks are as good as one space."""
    lines = [
        *("version:_1", "slices:_#_c", "__gold:", "____weight:_3_#_c", "____flows:"),
        *("____-_{_from:_no_,_to:_dk_}", "#_end"),
    ]
    text = ""
    for line in lines:
        body = line.lstrip("_")
        text += " " * (len(line) - len(body))
        text += "".join(data.draw(blanks) if char == "_" else char for char in body)
        text += data.draw(st.text(" \t", max_size=2)) + data.draw(st.sampled_from(["\n", "\r\n", "\n \t\n"]))
    assert read_yaml(text, "f").root.plain() == POLICY


NORDIC = """
from mininet.topo import Topo

class Nordic(Topo):
    def build(self):
        s1, s2 = self.addSwitch('s1'), self.addSwitch('s2')
        self.addLink(s1, s2, bw=12)
        for name in ('no', 'se', 'y', '1', 'null', '1e3', 'true'):
            self.addLink(self.addHost(name), s1, bw=100)
        self.addLink(self.addHost('dk'), s2, bw=100)

topos = {'nordic': Nordic}
"""
WORDS = """%YAML 1.2
---
# Überschrift: Länder — 北欧
version: 1
slices:
  no: {weight: 2, flows: [{from: no, to: dk}]}      # Norway, not false
  on: {flows: [{from: se, to: dk}]}
  off: {weight: 5e-1, flows: [{from: y, to: dk}]}
  yes: {weight: 0.5, flows: [{from: "1", to: dk}]}
  Null-slice: {weight: 1.e+0, flows: [{from: "null", to: dk}, {from: '1e3', to: dk}, {from: "true", to: dk}]}
...
"""
TABBED = (
    "version:\t1\nslices:\t# tab before a comment\n  gold:\t{weight:\t3,\tflows: [{from: no,\tto: dk}]}\n"
)


@pytest.mark.parametrize(("policy", "said"), [(WORDS, "5 slices, 7 flows"), (TABBED, "1 slice, 1 flow")])
def test_words_of_yaml_1_1_and_tabs_pass_the_check(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    policy: str,
    said: str,
) -> None:
    (tmp_path / "topo.py").write_text(NORDIC)
    (tmp_path / "policy.yaml").write_text(policy)
    given_ = (tmp_path / "policy.yaml", "--topology", tmp_path / "topo.py")
    assert run_command(monkeypatch, "check", *given_) == 0
    assert said in capsys.readouterr().out
    assert run_command(monkeypatch, "plan", *given_, "--rates-only") == 0
