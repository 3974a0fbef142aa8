"""The hosts' side of the packet tests: senders and receivers for UDP and TCP, as a command.

``python -m fairslice.lab.traffic.programs.blast MODE ARGUMENTS``; a receiver prints "ready" and, when it is
told to end (SIGTERM) or has had enough, what it saw, as JSON; a sender prints how long it sent.
All hosts share the machine's clock (CLOCK_MONOTONIC), so that a delay is a difference of two readings.
"""

import contextlib
import json
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

PAYLOAD_BYTES = 1472
"""Of a datagram that fills a frame: 1514 bytes with the headers of UDP, IPv4 and Ethernet."""
_STAMP = struct.Struct("!d")
_CHUNK = bytes(1 << 17)
_BUFFER_BYTES = 8 << 20


class _ToldToEnd(Exception):  # noqa: N818  no error
    """SIGTERM: the sender has ended, and nothing is under way any more."""


def udp_send(address: str, port: str, dscp: str, frames_per_s: str, frames: str) -> None:
    """Send evenly, each datagram with the time when it was sent; tell how long that took."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(dscp) << 2)
    sock.connect((address, int(port)))
    rest = bytes(PAYLOAD_BYTES - _STAMP.size)
    gap_s = 1 / float(frames_per_s)
    began_s = due_s = time.monotonic()
    for _ in range(int(frames)):
        due_s += gap_s
        if (early_s := due_s - time.monotonic()) > 0:
            time.sleep(early_s)
        sock.send(_STAMP.pack(time.monotonic()) + rest)
    print(json.dumps({"lasted_s": time.monotonic() - began_s}))


def udp_receive(port: str) -> None:
    """Count datagrams until SIGTERM."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    sock.bind(("", int(port)))
    arrivals: list[float] = []
    delays: list[float] = []
    with _until_told():
        while True:
            datagram = sock.recv(2048)
            now = time.monotonic()
            delays.append(now - _STAMP.unpack_from(datagram)[0])
            arrivals.append(now)
    seen = {
        "frames": len(arrivals),
        "lasted_s": arrivals[-1] - arrivals[0] if arrivals else 0.0,
        "longest_delay_s": max(delays, default=0.0),
    }
    print(json.dumps(seen))


def tcp_send(address: str, port: str, duration_s: str) -> None:
    """Send as much as TCP takes, or until the receiver has had enough."""
    began_s = time.monotonic()
    timeout_s = float(duration_s)
    with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout_s) as sock:
        while time.monotonic() < began_s + timeout_s:
            sock.send(_CHUNK)
    print(json.dumps({"lasted_s": time.monotonic() - began_s}))


def tcp_receive(port: str, warmup_s: str, duration_s: str) -> None:
    """Count the bytes of one connection in a window that begins ``warmup_s`` after its first bytes."""
    received, began_s, ended_s = 0, 0.0, 0.0
    with socket.create_server(("", int(port))) as server, _until_told():
        connection, _ = server.accept()
        with connection:
            length = len(connection.recv(len(_CHUNK)))
            window_s = time.monotonic() + float(warmup_s)
            while length and (now := time.monotonic()) < window_s + float(duration_s):
                length = len(connection.recv(len(_CHUNK)))
                if now >= window_s:
                    began_s = began_s or now
                    received += length
                    ended_s = time.monotonic()
    print(json.dumps({"bytes": received, "lasted_s": ended_s - began_s}))


@contextlib.contextmanager
def _until_told() -> Iterator[None]:
    """Say "ready", and leave the block at SIGTERM, if not before."""

    def told(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _ToldToEnd

    signal.signal(signal.SIGTERM, told)
    print("ready", flush=True)
    with contextlib.suppress(_ToldToEnd):
        yield
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


MODES: dict[str, Callable[..., None]] = {
    "udp-send": udp_send,
    "udp-receive": udp_receive,
    "tcp-send": tcp_send,
    "tcp-receive": tcp_receive,
}

if __name__ == "__main__":
    MODES[sys.argv[1]](*sys.argv[2:])
