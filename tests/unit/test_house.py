"""The house rules that a machine can check: who imports whom, and how large a module grows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "controller" / "fairslice"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "units": {"errors"},
    "naming": {"errors"},
    "stopping": set(),
    "vm": {"errors", "stopping"},
    "policy": {"errors", "naming", "units"},
    "topology": {"errors", "naming", "units"},
    "measure": {"errors", "naming", "units"},
    "models": {"errors", "units"},
    "alloc": {"errors", "units", "policy", "topology"},
    "state": {"errors", "naming", "units", "policy", "topology", "alloc"},
    "openflow": {"errors", "units", "policy", "topology", "alloc", "state"},
    "ovsdb": {"errors", "units", "policy", "topology", "alloc", "state"},
    "agent": {"errors", "units", "state", "ovsdb"},
    "app": {"errors", "stopping", "units", "policy", "topology", "alloc", "state", "openflow", "ovsdb"},
    "emulation": {"errors", "stopping", "units", "topology", "ovsdb", "agent", "measure"},
    "doctor": {"errors", "stopping", "units", "topology", "emulation", "vm"},
    "experiment": {
        *("errors", "naming", "units", "policy", "topology", "alloc", "state", "ovsdb", "agent", "app"),
        *("measure", "emulation", "vm"),
    },
}
ONLY = {
    "ryu": {"openflow", "app"},
    "mininet": {"emulation"},
    "ruamel": {"policy"},
    "ovs": {"ovsdb"},
    "defusedxml": {"topology"},
    "networkx": {"topology", "measure"},
    "numba": {"alloc"},
    "llvmlite": {"alloc"},
    "highspy": {"testing"},
}
MAX_LINES = 400


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Dotted names that a module imports, and whether it does so when it is itself imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", id(node) in top


@pytest.mark.parametrize(("package", "path"), [pytest.param(*m, id=str(m[1])) for m in modules()])
def test_imports_run_one_way(package: str, path: Path) -> None:
    allowed = MAY_IMPORT.get(package)
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] == "fairslice" and len(parts) > 1 and allowed is not None:
            assert parts[1] in allowed | {package}, f"{package} may not import {name}"
        if parts[0] in ONLY:
            assert package in ONLY[parts[0]], f"only {ONLY[parts[0]]} may import {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_commands_import_lazily(path: Path) -> None:
    allowed = ("fairslice", "fairslice.errors", "fairslice.cli.options")
    eager = [name for name, at_import in imports(path) if at_import and name.startswith("fairslice")]
    assert set(eager) <= set(allowed)


@pytest.mark.parametrize("path", [path for _, path in modules()], ids=str)
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_every_package_has_a_rule() -> None:
    packages = {package for package, _ in modules()} - {"__init__", "__main__", "cli", "testing"}
    assert packages <= set(MAY_IMPORT)
