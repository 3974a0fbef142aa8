"""What a topology file does with Mininet while it runs: where it adds what, and that it starts no network.

Mininet's classes are looked at when the file imports them: nothing here imports Mininet.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from itertools import islice
from types import CodeType, FrameType, ModuleType
from typing import Any

from fairslice.errors import Fault, InputError, Location
from fairslice.files.words import did_you_mean


@dataclass
class TopoPlaces:
    """Where a file adds the nodes and cables of one Topo."""

    nodes: dict[str, list[Location]] = field(default_factory=dict)
    """By name, each time that it is added; Mininet keeps the last."""
    _cables: dict[int, tuple[Mapping[str, Any], Location]] = field(default_factory=dict)

    def node(self, name: str) -> Location | None:
        """Where a node is added last; None if that is not known."""
        return self.nodes[name][-1] if name in self.nodes else None

    def cable(self, info: Mapping[str, Any]) -> Location | None:
        """Where a cable is added, by the very dict that Mininet keeps of it; None if that is not known."""
        found = self._cables.get(id(info))
        return None if found is None else found[1]

    def add_cable(self, info: Mapping[str, Any], location: Location) -> None:
        """Remember a cable; the dict is kept, so that no other one gets its id."""
        self._cables[id(info)] = (info, location)


class Watch:
    """Watches a topology file run; ``file`` is the name that its code was compiled with."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._places: dict[int, tuple[object, TopoPlaces]] = {}
        self._undo: list[Callable[[], None]] = []
        self._refusal: InputError | None = None

    def places(self, topo: object) -> TopoPlaces:
        """What was seen of a Topo."""
        return self._places.setdefault(id(topo), (topo, TopoPlaces()))[1]

    def require_no_network(self) -> None:
        """Also where the file caught the refusal itself.

        Raises:
            InputError: the file tried to make a network.
        """
        if self._refusal is not None:
            raise self._refusal

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch Mininet's classes, those that are imported meanwhile, too; afterwards they are as before."""
        changes = {"mininet.net": self._change_net, "mininet.topo": self._change_topo}
        finder = _Finder(changes)
        for name, change in changes.items():
            if sys.modules.get(name) is not None:
                change(sys.modules[name])
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            while self._undo:
                self._undo.pop()()

    def _replace(self, cls: type, name: str, value: Any) -> None:
        before = vars(cls)[name]
        self._undo.append(lambda: setattr(cls, name, before))
        setattr(cls, name, value)

    def _change_net(self, module: ModuleType) -> None:
        """Mininet's own ``__init__`` and ``init`` change the machine's limits, and with a Topo build it."""

        def refuse(*_: object, **__: object) -> None:
            message = "this file starts a network; expected a Topo class and topos = {...}"
            at = self._here()
            self._refusal = InputError([Fault(message if at else f"{self._file}: {message}", at)])
            raise self._refusal

        self._replace(module.Mininet, "__init__", refuse)
        self._replace(module.Mininet, "init", classmethod(refuse))

    def _change_topo(self, module: ModuleType) -> None:
        add_node, add_link = module.Topo.addNode, module.Topo.addLink

        def add_node_seen(topo: Any, name: Any, **options: Any) -> Any:
            at = self._here()
            if at is not None:
                self.places(topo).nodes.setdefault(name, []).append(at)
            return add_node(topo, name, **options)

        def add_link_seen(topo: Any, node1: Any, node2: Any, *more: Any, **options: Any) -> Any:
            for node in (node1, node2):
                if node not in topo.g.node:
                    hint = did_you_mean(str(node), map(str, topo.g.node))
                    expected = hint or "; expected one that addSwitch or addHost has added before"
                    raise NoNodeError(f"no node {node!r}{expected}")
            key = add_link(topo, node1, node2, *more, **options)
            at = self._here()
            if at is not None:
                self.places(topo).add_cable(topo.g.edge[node1][node2][key], at)
            return key

        self._replace(module.Topo, "addNode", add_node_seen)
        self._replace(module.Topo, "addLink", add_link_seen)

    def _here(self) -> Location | None:
        """The innermost place of the file that is being run."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        if frame is None:
            return None
        return Location(self._file, frame.f_lineno, _column(frame.f_code, frame.f_lasti))


class NoNodeError(KeyError):
    """A cable to a node that is not there; Mininet's own KeyError has nothing but its name."""

    def __str__(self) -> str:
        return str(self.args[0])


def _column(code: CodeType, instruction: int) -> int:
    """Where in its line an instruction begins, from 1."""
    position = next(islice(code.co_positions(), instruction // 2, None), None)
    return 1 if position is None else (position[2] or 0) + 1


class _Finder(MetaPathFinder):
    """Finds modules as Python does, and tells of some of them once they are loaded."""

    def __init__(self, told: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._told = told

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._told:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _TellingLoader(spec.loader, self._told[name])
        return spec


class _TellingLoader(Loader):
    """Leaves no trace of itself in the module."""

    def __init__(self, loader: Loader, tell: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._tell = tell

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._tell(module)
