"""OVSDB's connection methods: where a database is."""

import re

from fairslice.errors import InputError

_MAX_PORT = 65535
_PORT = re.compile("0*[1-9][0-9]{0,4}")
_EXPECTED = "expected unix:PATH or tcp:ADDRESS:PORT, several of a cluster with commas between them"


def check_target(target: str) -> tuple[str, ...]:
    """The servers that a target names (ovsdb(7), "Connection Methods"): one, or several of a cluster.

    Raises:
        InputError: one is neither ``unix:PATH`` nor ``tcp:ADDRESS:PORT``, or its port is out of range.
    """
    remotes = tuple(target.split(","))
    for remote in remotes:
        kind, _, rest = remote.partition(":")
        address, _, port = rest.rpartition(":")
        if kind == "tcp" and address and port.isascii() and port.isdecimal():
            if not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
                raise InputError(f"{remote!r}: the port is out of range; expected one from 1 to {_MAX_PORT}")
        elif kind != "unix" or not rest:
            raise InputError(f"{remote!r} is not an OVSDB target; {_EXPECTED}")
    return remotes
