"""Room in the packet sockets of a userspace switch, so that its queues are as deep as they are said to be."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from fairslice.errors import MachineError

BUFFER_BYTES = 64 << 20
"""More than all queues of a network hold together."""

_PIDFD_GETFD = 438  # the same on all architectures (include/uapi/asm-generic/unistd.h)
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33


def deepen_packet_sockets(pid: int) -> int:
    """Give every AF_PACKET socket of a process large buffers; the number of sockets.

    Open vSwitch's userspace datapath sends on all ports through one such socket (lib/netdev-linux.c,
    ``af_packet_sock``). A frame counts against that socket's send buffer for as long as it waits in a queue,
    whichever port's: with the default of 208 KiB about 90 frames in the whole network, and what comes then is
    lost before any queue sees it. The socket can't be reached by a setting, and the sysctl that sets its
    default is the whole machine's; so it is borrowed with pidfd_getfd(2). It exists from the first frame on.

    Raises:
        MachineError: the kernel does not lend the process's sockets.
    """
    found = 0
    for borrowed in _borrowed_sockets(pid):
        with borrowed:
            if borrowed.family == socket.AF_PACKET:
                borrowed.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, BUFFER_BYTES)
                borrowed.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
                found += 1
    return found


def _borrowed_sockets(pid: int) -> Iterator[socket.socket]:
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if not str(entry.readlink()).startswith("socket:"):
                    continue
                lent = libc.syscall(_PIDFD_GETFD, process, int(entry.name), 0)
                if lent < 0:
                    reason = os.strerror(ctypes.get_errno())
                    raise MachineError(f"the sockets of process {pid} can't be borrowed: {reason}")
                yield socket.socket(fileno=lent)
    finally:
        os.close(process)
