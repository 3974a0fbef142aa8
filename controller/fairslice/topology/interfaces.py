"""Names of network interfaces, as Linux takes them and as Mininet gives them."""

import re
from collections.abc import Collection, Iterable, Iterator

MAX_LENGTH = 15
"""IFNAMSIZ of Linux (linux/if.h) without its NUL."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RESERVED = frozenset({"all", "default", "lo", "ovs-netdev", "ovs-system"})
"""Interfaces and directories of /proc/sys/net that are there already."""


def is_interface_name(name: str) -> bool:
    """Whether an interface can be called so; Linux takes more than fairslice, but nobody needs it."""
    return bool(_NAME.fullmatch(name)) and len(name) <= MAX_LENGTH and name not in _RESERVED


Port = tuple[str, int, str]
"""A node, a port_no of it, and the name of the interface there."""


def interface_faults(switches: Collection[str], ports: Iterable[Port]) -> Iterator[str]:
    """Every name that Linux would refuse, or that two interfaces would have in one namespace.

    A switch's bridge is an interface, too, in the namespace of all switches' ports; a host has its own. Nodes
    whose names are refused for themselves are left out.
    """
    ports = list(ports)
    holders: dict[str, list[str]] = {switch: [f"switch {switch}"] for switch in switches}
    for switch in filter(_NAME.fullmatch, switches):
        if len(switch) > MAX_LENGTH:
            yield f"switch {switch}: its name has {len(switch)} characters; expected up to {MAX_LENGTH}"
        elif not is_interface_name(switch):
            yield f"switch {switch}: its bridge can't be called so; expected another name"
    for node, port_no, name in ports:
        if not _NAME.fullmatch(node):
            continue
        if len(name) > MAX_LENGTH:
            yield (
                f"{node}: its interface {name} is longer than Linux allows;"
                f" expected up to {MAX_LENGTH} characters"
            )
        elif not is_interface_name(name):
            yield f"{node}: its interface can't be called {name!r}; expected letters, digits, _ . and -"
        if node in switches:
            holders.setdefault(name, []).append(f"port {port_no} of {node}")
    for name, whose in holders.items():
        if len(whose) > 1:
            yield f"{' and '.join(whose)} have the same interface {name}; expected one each"
