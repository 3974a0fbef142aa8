"""What a topology file says in ``topos``: found by name, and seen to be something that makes a Topo."""

import ast
import inspect
from collections.abc import Callable
from typing import Any

from fairslice.errors import Fault, InputError, Location


def is_topo(value: object) -> bool:
    """Whether it has what is asked of a ``mininet.topo.Topo``; a class that makes one is none itself."""
    methods = ("switches", "hosts", "links", "nodeInfo")
    return not inspect.isclass(value) and all(hasattr(value, method) for method in methods)


def require_maker(value: Any, name: str, source: str, file: str) -> Callable[..., Any]:
    """What makes the topology of that name.

    Raises:
        InputError: it is something else, with its place in the file's ``source``.
    """
    if callable(value):
        return value  # type: ignore[no-any-return]
    found = f"topos[{name!r}] is {value!r}"
    if is_topo(value):
        found = f"topos[{name!r}] is an object of the class {type(value).__name__}"
        expected = f"expected the class, without (): {{{name!r}: {type(value).__name__}}}"
    elif isinstance(value, str):
        expected = "expected the class, without quotes"
    else:
        expected = "expected a class of mininet.topo.Topo, without ()"
    raise _fault(f"{found}; {expected}", file, entry_location(source, name, file))


def require_topo(topo: Any, call: str, name: str, source: str, file: str) -> None:
    """What was made must be a Topo.

    Raises:
        InputError: it is something else, with the place of ``topos`` in the file's ``source``.
    """
    if is_topo(topo):
        return
    if inspect.isclass(topo):
        message = (
            f"{call} returns the class {topo.__name__}; expected an object of it, as {topo.__name__}(),"
            f" or in topos the class, without ()"
        )
    else:
        message = f"{call} is {topo!r}; expected a mininet.topo.Topo"
    raise _fault(message, file, entry_location(source, name, file))


def _fault(message: str, file: str, location: Location | None) -> InputError:
    return InputError([Fault(message if location else f"{file}: {message}", location)])


def entry_location(source: str, name: str, file: str) -> Location | None:
    """Where ``topos`` says what makes the topology of that name, or where ``topos`` is set last."""
    for statement in reversed(ast.parse(source).body):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if not any(isinstance(target, ast.Name) and target.id == "topos" for target in targets):
            continue
        place: ast.stmt | ast.expr = statement
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Dict):
            for key, made_by in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and str(key.value) == name:
                    place = made_by
        return Location(file, place.lineno, place.col_offset + 1)
    return None
