"""Guarantees that don't fit: every overfull link, whose guarantees, how much of each, and where it stands."""

import json
import sys
from pathlib import Path

import pytest

from fairslice import cli
from fairslice.errors import InfeasibleError
from fairslice.policy import load_policy
from fairslice.slicing.allocation import allocate_slices
from fairslice.topology.load import load_network

ROOT = Path(__file__).parents[2]
# h1 and h2 have 20 Mbit/s each to s1, and s1->s2 has 20; the hosts on s2 have 20 each, too.
TOPOLOGY = """from mininet.topo import Topo
class T(Topo):
    def build(self):
        s1, s2 = self.addSwitch('s1'), self.addSwitch('s2')
        for i, switch in enumerate((s1, s1, s2, s2), start=1):
            self.addLink(self.addHost(f'h{i}'), switch, bw=20)
        self.addLink(s1, s2, bw=20)
topos = {'t': T}
"""
POLICY = """version: 1
defaults: {return_share: 0 %}
slices:
  lecture:
    guarantee: 15 Mbit/s
    flows:
      - {from: h1, to: h3}
      - {from: h2, to: h1}
  lab:
    guarantee: 30 Mbit/s
    flows:
      - {from: h1, to: h4}
      - {from: h2, to: h4}
  idle:
    guarantee: 1 Mbit/s
    flows: []
  other: {flows: [{from: h3, to: h4}]}
"""
# On h1->s1: 7.5 + 15 = 22.5; on h2->s1 the same; s1->s2: 7.5 + 30; s2->h4: 30; s2->h3 and s1->h1: 7.5 fit.
OVERFULL = {"h1->s1": 22.5, "h2->s1": 22.5, "s1->s2": 37.5, "s2->h4": 30.0}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    topology, policy = tmp_path / "net.py", tmp_path / "mine.yaml"
    topology.write_text(TOPOLOGY)
    policy.write_text(POLICY)
    return policy, topology


def refusal(policy: Path, topology: Path) -> InfeasibleError:
    with pytest.raises(InfeasibleError) as caught:
        allocate_slices(load_policy(policy), load_network(topology))
    return caught.value


def test_every_overfull_link_is_told_with_what_it_lacks(files: tuple[Path, Path]) -> None:
    error = refusal(*files)
    told = {error.link: error.floors / 1e6}
    assert error.capacity == 20e6
    for fault in error.details:
        if fault.location is None:
            link, _, rest = fault.message.partition(" has 20 Mbit/s, and guarantees need ")
            needed = float(rest.split()[0])
            assert rest == f"{needed:g} Mbit/s of it: {needed - 20:g} Mbit/s too little"
            told[link] = needed
    assert told == OVERFULL


def test_every_guarantee_that_takes_part_is_told_at_its_place(files: tuple[Path, Path]) -> None:
    error = refusal(*files)
    lecture, lab = (fault for fault in error.details if fault.location is not None)
    for fault, line, whole, parts in (
        (lecture, 5, "lecture's 15 Mbit/s", {"h1->s1": "7.5", "h2->s1": "7.5", "s1->s2": "7.5"}),
        (lab, 10, "lab's 30 Mbit/s", {"h1->s1": "15", "h2->s1": "15", "s1->s2": "30", "s2->h4": "30"}),
    ):
        assert (fault.location and fault.location.file, fault.location and fault.location.line) == (
            *(str(files[0]), line),
        )
        assert fault.location is not None
        assert fault.location.column == 16
        found = set(fault.message.removeprefix("guarantee: ").split(", "))
        assert found == {f"{part} of {whole} on {link}" for link, part in parts.items()}


def test_acknowledgements_that_need_room_are_told(tmp_path: Path, files: tuple[Path, Path]) -> None:
    policy = tmp_path / "acks.yaml"
    policy.write_text(
        "version: 1\ndefaults: {return_share: 10 %}\nslices:\n"
        "  down: {guarantee: 15 Mbit/s, flows: [{from: h1, to: h3}]}\n"
        "  up: {guarantee: 19 Mbit/s, flows: [{from: h3, to: h1}]}\n"
    )
    error = refusal(policy, files[1])
    down, up = (fault for fault in error.details if fault.location is not None)
    assert (down.location and down.location.line, up.location and up.location.line) == (4, 5)
    assert "1.5 Mbit/s of acknowledgements on s2->s1" in down.message
    assert "19 of up's 19 Mbit/s on s2->s1" in up.message
    # Upwards there is more than 20 on every cable: 19 and the acknowledgements of 15.
    links = {error.link, *(f.message.split()[0] for f in error.details if f.location is None)}
    assert links == {"h3->s2", "s2->s1", "s1->h1"}


@pytest.mark.parametrize("command", ["check", "plan", "explain"])
def test_commands_tell_all_of_it(
    files: tuple[Path, Path],
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy, topology = map(str, files)
    monkeypatch.setattr(sys, "argv", ["fairslice", command, policy, "--topology", topology])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 3
    first, *more = capsys.readouterr().err.splitlines()
    assert "the guarantees do not fit" in first
    assert more == [str(fault) for fault in refusal(*files).details]
    assert f"{policy}:5:16: guarantee: " in "\n".join(more)


def test_check_tells_all_of_it_as_json(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, topology = map(str, files)
    monkeypatch.setattr(sys, "argv", ["fairslice", "check", "--json", policy, "--topology", topology])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert status.value.code == 3
    (result,) = json.loads(capsys.readouterr().out)["files"]
    first, *more = result["faults"]
    assert first["message"].startswith("the guarantees do not fit")
    assert [fault["message"] for fault in more] == [fault.message for fault in refusal(*files).details]
    assert [fault["line"] for fault in more] == [None, None, None, 5, 10]
