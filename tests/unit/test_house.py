"""The house rules that a machine can check: who imports whom, and how large a module grows."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

PACKAGE = Path(__file__).parents[2] / "controller" / "fairslice"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "units": set(),
    "naming": {"errors"},
    "garbage": set(),
    "linux": {"errors"},
    "files": {"errors"},
    "api": {"errors", "files"},
    "policy": {"errors", "units", "naming", "files"},
    "topology": {"errors", "units", "naming", "files", "linux"},
    "alloc": {"errors", "files"},
    "slicing": {"errors", "units", "naming", "api", "policy", "topology", "alloc"},
    "measure": {"errors", "units", "naming", "files", "api"},
    "models": {"errors", "files"},
    "report": {"errors", "units", "naming", "measure", "models"},
    "control": {"errors", "garbage", "linux", "files", "api", "policy", "topology", "alloc", "slicing"},
    "lab": {
        *("errors", "units", "naming", "linux", "api", "policy", "topology", "slicing", "measure", "report"),
        *("control",),
    },
}
"""Which rooms a room needs, all of them and no others; what a room itself needs stands above it."""
ANYTHING = {"__main__", "cli", "testing"}
"""The command line, and what is shipped for tests, may need every room."""
ONLY = {
    "ryu": {"control.openflow"},
    "os_ken": {"control.openflow"},
    "mininet": {"lab.emulation"},
    "ruamel": {"files"},
    "ovs": {"control.ovsdb"},
    "starlette": {"control.rest"},
    "uvicorn": {"control.rest"},
    "defusedxml": {"files"},
    "networkx": {"topology"},
    "numba": {"alloc"},
    "llvmlite": {"alloc"},
    "highspy": {"testing"},
    "scipy": {"models"},
}
"""Libraries that one part of the house alone knows."""
MAX_LINES = 400


@cache
def modules() -> Mapping[str, Path]:
    """Every module by its dotted name; a package by its ``__init__``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("fairslice", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, known: Mapping[str, object]) -> Iterator[str]:
    """Dotted names that are imported anywhere in a module, inside functions and for types, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            for alias in node.names:
                # ``from fairslice.alloc import engine`` imports a module.
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module or ""


@cache
def imports(module: str) -> frozenset[str]:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return frozenset(imported(tree, modules())) - {module}


def room(module: str) -> str:
    """The first part of a name behind the package's own; of the package itself, its name."""
    return module.split(".")[1] if "." in module else module


def arrows() -> set[tuple[str, str]]:
    return {
        (room(module), room(name))
        for module in modules()
        for name in imports(module)
        if name.split(".")[0] == "fairslice" and room(name) != room(module)
    }


def test_arrows_between_rooms_are_those_that_are_permitted() -> None:
    drawn = {(here, there) for here, there in arrows() if here not in ANYTHING | {"fairslice"}}
    # ``fairslice`` itself is its version.
    drawn = {(here, there) for here, there in drawn if there != "fairslice"}
    permitted = {(here, there) for here, rooms in MAY_IMPORT.items() for there in rooms}
    assert drawn - permitted == set(), "nobody may need these"
    assert permitted - drawn == set(), "nobody needs these"


def test_permitted_arrows_run_one_way() -> None:
    order = list(MAY_IMPORT)
    for here, rooms in MAY_IMPORT.items():
        assert {there for there in rooms if order.index(there) >= order.index(here)} == set(), here


def test_every_room_has_a_rule() -> None:
    rooms = {room(module) for module in modules() if "." in module}
    assert rooms - ANYTHING == set(MAY_IMPORT)


def circles(graph: Mapping[str, set[str]], within: str) -> list[list[str]]:
    """Groups of what stands side by side in a package and needs each other."""
    drawn: nx.DiGraph[str] = nx.DiGraph()
    for module, names in graph.items():
        for name in names:
            if module.startswith(f"{within}.") and name.startswith(f"{within}."):
                here, there = (one.removeprefix(f"{within}.").split(".")[0] for one in (module, name))
                if here != there:
                    drawn.add_edge(here, there)
    return [sorted(group) for group in nx.strongly_connected_components(drawn) if len(group) > 1]


@pytest.mark.parametrize("package", sorted(m for m, path in modules().items() if path.stem == "__init__"))
def test_there_are_no_circles(package: str) -> None:
    assert circles({module: set(imports(module)) for module in modules()}, package) == []


@pytest.mark.parametrize("module", modules())
def test_a_library_is_known_to_its_part_alone(module: str) -> None:
    own = module.removeprefix("fairslice.") + "."
    for name in imports(module):
        allowed = ONLY.get(name.split(".")[0])
        if allowed is not None:
            assert any(own.startswith(f"{part}.") for part in allowed), f"only {allowed} may import {name}"


@pytest.mark.parametrize("library", ONLY)
def test_what_is_allowed_is_used(library: str) -> None:
    for part in ONLY[library]:
        users = [m for m in modules() if f"{m}.".startswith(f"fairslice.{part}.")]
        assert any(name.split(".")[0] == library for m in users for name in imports(m)), part


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_commands_import_lazily(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    eager = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    allowed = {"fairslice", "fairslice.errors", "fairslice.garbage", "fairslice.cli.options"}
    assert {name for name in imported(eager, modules()) if name.startswith("fairslice")} <= allowed


@pytest.mark.parametrize("path", modules().values(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("package", sorted(m for m, path in modules().items() if path.stem == "__init__"))
def test_a_package_says_in_a_sentence_what_it_is_for(package: str) -> None:
    tree = ast.parse(modules()[package].read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or "").split("\n\n")[0]
    assert first.endswith(".")
    assert first.count(". ") == 0


def test_every_directory_of_modules_is_a_package() -> None:
    for path in modules().values():
        assert (path.parent / "__init__.py").exists(), path


def test_the_scan_sees_what_it_looks_for() -> None:
    text = "from fairslice import units\ndef f():\n    import ryu\n    from fairslice.alloc import engine, x"
    known = {"fairslice.units": 1, "fairslice.alloc": 1, "fairslice.alloc.engine": 1}
    found = set(imported(ast.parse(text), known))
    assert found == {"fairslice.units", "ryu", "fairslice.alloc", "fairslice.alloc.engine"}
    graph = {"p.a.x": {"p.b.y"}, "p.b.z": {"p.a.w"}, "p.c": {"p.a.x"}}
    assert circles(graph, "p") == [["a", "b"]]
    assert circles(graph, "p.a") == []
