"""A topology file that starts a network is stopped before anything of the machine is touched."""

import sys
from pathlib import Path
from typing import Any

import pytest
from mininet import net, util
from mininet.topo import Topo

from fairslice.errors import InputError, Location
from fairslice.topology.load import load_network

EXPECTED = "this file starts a network; expected a Topo class and topos = {...}"
SCRIPT = """from mininet.net import Mininet
from mininet.topo import Topo
class T(Topo):
    def build(self):
        self.addLink(self.addHost('h1'), self.addSwitch('s1'), bw=1)
"""


@pytest.fixture(autouse=True)
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would change the machine, were it called: all that ``Mininet.init`` and ``Mininet.build`` do."""
    calls: list[str] = []
    for name in ("fixLimits", "ensureRoot"):
        for module in (net, util):  # and whoever imports it anew
            monkeypatch.setattr(module, name, lambda name=name: calls.append(name))
    for name in ("build", "start", "addHost", "addSwitch"):
        monkeypatch.setattr(net.Mininet, name, lambda *_, name=name, **__: calls.append(name))
    monkeypatch.setattr(net.Mininet, "inited", False)
    return calls


def test_mininet_touches_the_machine_if_it_is_let(touched: list[str]) -> None:
    """So the others can fail."""
    net.Mininet(topo=Topo())
    assert touched == ["ensureRoot", "fixLimits", "build"]


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("net = Mininet()\nnet.addSwitch('s1')\nnet.start()\n", 6),
        ("\n\nnet = Mininet(topo=T())\nnet.start()\ntopos = {'t': T}\n", 8),
        ("class Mine(Mininet): pass\ndef main():\n    Mine().start()\nmain()\n", 8),
        (
            "class Mine(Mininet):\n    def __init__(self): super().__init__(build=False)\nMine()\n",
            7,
        ),
        ("Mininet.init()\ntopos = {'t': T}\n", 6),
        ("try:\n    Mininet()\nexcept Exception:\n    pass\ntopos = {'t': T}\n", 7),
        ("topos = {'t': lambda: Mininet(T()).topo}\n", 6),
        ("import mininet.net\nmininet.net.Mininet()\n", 7),
    ],
)
def test_a_file_that_starts_a_network_is_refused_with_its_line(
    tmp_path: Path, rest: str, line: int, touched: list[str]
) -> None:
    file = tmp_path / "net.py"
    file.write_text(SCRIPT + rest)
    with pytest.raises(InputError) as error:
        load_network(str(file))
    (fault,) = error.value.faults
    assert fault.message == EXPECTED
    assert isinstance(fault.location, Location)
    assert (fault.location.file, fault.location.line) == (str(file), line)
    assert touched == []


def test_a_class_that_is_imported_by_the_file_first_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched: list[str]
) -> None:
    """Mininet's modules are as if nobody had imported them."""
    for name in ("mininet.net", "mininet.topo"):
        monkeypatch.delitem(sys.modules, name)
    file = tmp_path / "net.py"
    file.write_text(SCRIPT + "Mininet()\n")
    with pytest.raises(InputError, match=r"net\.py:6:1: this file starts a network"):
        load_network(str(file))
    assert touched == []
    imported: dict[str, Any] = {name: sys.modules[name] for name in ("mininet.net", "mininet.topo")}
    assert imported["mininet.net"] is not net
    for module in imported.values():
        # Nothing of the watch stays.
        assert type(module.__loader__).__module__ == "_frozen_importlib_external"
        assert module.__spec__.loader is module.__loader__
        assert module.__file__ is not None
    assert imported["mininet.net"].Mininet.__init__.__module__ == "mininet.net"
    assert imported["mininet.topo"].Topo.addLink.__module__ == "mininet.topo"


def test_afterwards_mininet_is_as_before(tmp_path: Path, touched: list[str]) -> None:
    before = {name: vars(net.Mininet)[name] for name in ("__init__", "init")}
    methods = {name: vars(Topo)[name] for name in ("addNode", "addLink")}
    file = tmp_path / "net.py"
    file.write_text(SCRIPT + "topos = {'t': T}\n")
    load_network(str(file))
    assert {name: vars(net.Mininet)[name] for name in before} == before
    assert {name: vars(Topo)[name] for name in methods} == methods
    net.Mininet(topo=Topo())
    assert touched == ["ensureRoot", "fixLimits", "build"]
