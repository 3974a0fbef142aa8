"""docs/topologies.md says nothing that is not so."""

import json
import re
from pathlib import Path

import pytest

from fairslice.topology.load import load_network
from fairslice.topology.mininet_params import HOST, LINK, SWITCH
from fairslice.topology.nodelink import from_json, to_json

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "topologies.md").read_text()
SOURCES = "".join(path.read_text() for path in sorted((ROOT / "topologies").glob("*.py")))
COMMANDS = sorted(set(re.findall(r"--custom (topologies/\w+\.py) --topo ([\w,=.]+)", PAGE + SOURCES)))


def test_every_topology_is_there() -> None:
    assert {file for file, _ in COMMANDS} == {
        f"topologies/{path.name}" for path in (ROOT / "topologies").glob("*.py")
    }


def test_the_dumbbell_as_a_file_is_the_dumbbell() -> None:
    file = ROOT / "topologies" / "dumbbell.json"
    made = load_network(str(ROOT / "topologies" / "dumbbell.py"))
    assert load_network(file) == made
    assert json.loads(file.read_text("utf-8")) == to_json(made)


def test_the_example_of_networkx_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"^```python\n(import networkx.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "topologies.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(network\)  # (.*)", code)


@pytest.mark.parametrize(("file", "topo"), COMMANDS)
def test_what_is_told_to_be_typed_works(file: str, topo: str) -> None:
    assert load_network(f"{ROOT / file}:{topo}").name == topo.partition(",")[0]


def test_the_defaults_of_the_table_are_those_of_the_files() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (.*?) \|", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for name, arguments in rows:
        said = re.findall(r"`(\w+=\d+)`", arguments)
        assert len(said) >= 2
        file = ROOT / "topologies" / f"{name}.py"
        plain, spelled = load_network(str(file)), load_network(f"{file}:{name},{','.join(said)}")
        assert plain == spelled
        assert f"def build(self, {', '.join(said)})" in file.read_text()


def test_the_policies_of_the_table_exist() -> None:
    named = set(re.findall(r"\.\./policies/([\w-]+\.yaml)", PAGE))
    assert len(named) == 13
    assert all((ROOT / "policies" / name).is_file() for name in named)


def test_the_table_of_parameters_names_all_that_there_are() -> None:
    """And as what they are: told of, or refused."""
    rows = [
        row.split(" | ")
        for row in re.findall(r"^\| (`add(?:Host|Switch|Link)` \|.*) \|$", PAGE, re.MULTILINE)
    ]
    assert len(rows) == 3
    for (_, _, told, refused), rules in zip(rows, (HOST, SWITCH, LINK), strict=True):
        for keyword, rule in rules.items():
            if keyword not in ("waitExited", "batch", "use_htb", "fast", "port"):
                assert f"`{keyword}" in (refused if rule.refused else told), keyword


def test_the_network_file_of_the_page_is_one() -> None:
    (found,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert list(from_json(json.loads(found), "topologies.md").hosts) == ["h1", "h2"]
