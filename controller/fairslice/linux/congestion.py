"""Which TCP congestion controls this kernel has."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from fairslice.errors import InputError

_AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


def available_congestion_controls() -> tuple[str, ...]:
    """Those that are loaded, by the kernel's names; it is the same in all network namespaces (tcp(7))."""
    try:
        return tuple(_AVAILABLE.read_text().split())
    except OSError:
        return ()


def select_congestion_control(name: str) -> None:
    """Ask for one on a socket; as root, that loads the kernel's module, so that routes can name it then.

    Raises:
        OSError: the kernel has none of that name.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


def require_congestion_control(name: str, select: Callable[[str], None] = select_congestion_control) -> None:
    """Refuse one that this kernel does not have.

    Raises:
        InputError: it has none of that name; lists those that it has.
    """
    try:
        select(name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the kernel {os.uname().release} has no TCP congestion control {name!r};"
            f" expected one of {', '.join(available_congestion_controls())}"
        ) from error
