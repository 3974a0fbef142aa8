"""Rows of OVSDB for tests: from the JSON of RFC 7047 §5.1 to what the client library hands on."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from fairslice.control.ovsdb.replica import Replica


def replica_of(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Replica:
    """A copy that holds those rows, by table and uuid; values as in the protocol."""
    replica = Replica()
    for table, rows in tables.items():
        for uuid, row in rows.items():
            replica.put(table, uuid, columns(table, row))
    return replica


def columns(table: str, row: Mapping[str, Any]) -> Any:
    """A row as the library holds it: a list for a set, a dict for a map, a plain uuid for a reference."""
    sets = {"Bridge": {"datapath_id", "ports"}, "Port": {"qos", "interfaces"}}
    sets["Interface"] = {"ofport", "link_speed"}
    return SimpleNamespace(
        **{
            name: _members(value) if name in sets.get(table, ()) else _plain(value)
            for name, value in row.items()
        }
    )


def _members(value: Any) -> list[Any]:
    """A set of one may stand as its element."""
    members = value[1] if isinstance(value, list) and value[0] == "set" else [value]
    return [_plain(member) for member in members]


def _plain(value: Any) -> Any:
    match value:
        case ["uuid", uuid]:
            return uuid
        case ["map", pairs]:
            return {key: _plain(member) for key, member in pairs}
        case _:
            return value
