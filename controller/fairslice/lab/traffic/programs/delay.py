"""Sends or receives small numbered UDP packets and says when: a program of its own, light to start in a host.

    python -I -S delay.py send ADDRESS PORT INTERVAL_S LASTS_S PAYLOAD_BYTES [OWN_PORT]
    python -I -S delay.py receive PORT FIRST_S LASTS_S

At its end, or at SIGTERM, it prints a line for every packet: number, time of CLOCK_MONOTONIC in ns. It
imports nothing of fairslice, so that it runs without site-packages.
"""

import contextlib
import signal
import socket
import struct
import sys
import time

HEADER = struct.Struct("!8sQ")
MAGIC = b"fs-delay"
GOLDEN = 0.6180339887498949
_SO_TIMESTAMPNS = 35
"""include/uapi/asm-generic/socket.h; the control message of the arrival has the same number."""
_TIMESPEC = struct.Struct("@qq")
_PLAUSIBLE_NS = 10**9


def send_time_s(number: int, interval_s: float) -> float:
    """When packet ``number`` leaves, after the first interval began.

    Regular probes could beat with regular traffic (RFC 2330 §11.1), so each leaves somewhere in the first
    half of its interval, by a sequence that fills it evenly.
    """
    return (number + 0.5 * (number * GOLDEN % 1.0)) * interval_s


def arrival_ns(kernel_ns: "int | None", wall_ns: int, now_ns: int) -> int:
    """The kernel's time of arrival, moved from CLOCK_REALTIME to CLOCK_MONOTONIC.

    ``wall_ns`` and ``now_ns`` are the two clocks read together, after the arrival. Without a kernel's time,
    or where a step of the wall clock spoils it, it is ``now_ns``.
    """
    if kernel_ns is not None and 0 <= wall_ns - kernel_ns <= _PLAUSIBLE_NS:
        return now_ns - (wall_ns - kernel_ns)
    return now_ns


class Stopped(BaseException):
    """SIGTERM has come."""


def stop(_signum: int, _frame: object) -> None:
    """The handler of SIGTERM."""
    raise Stopped


def send(
    lines: "list[str]",
    address: str,
    port: int,
    interval_s: float,
    lasts_s: float,
    payload_bytes: int,
    own_port: int = 0,
) -> None:
    """Send for ``lasts_s`` seconds, from ``own_port`` (0: the kernel's choice); ``lines`` tell."""
    padding = bytes(max(0, payload_bytes - HEADER.size))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("", own_port))
        start = time.monotonic()
        for number in range(int(lasts_s / interval_s)):
            time.sleep(max(0.0, start + send_time_s(number, interval_s) - time.monotonic()))
            lines.append(f"{number} {time.monotonic_ns()}")
            try:
                sender.sendto(HEADER.pack(MAGIC, number) + padding, (address, port))
            except OSError:
                # No room, or no address yet: a packet that was lost.
                continue


def receive(lines: "list[str]", port: int, first_s: float, lasts_s: float) -> None:
    """Wait ``first_s`` seconds for a packet, and receive for ``lasts_s`` from then on; ``lines`` tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        # Where this is refused, the time at which this process gets a packet will do.
        with contextlib.suppress(OSError):
            receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        receiver.bind(("", port))
        end = time.monotonic() + first_s
        while (left := end - time.monotonic()) > 0:
            receiver.settimeout(left)
            try:
                data, control, _, _ = receiver.recvmsg(2048, socket.CMSG_SPACE(_TIMESPEC.size))
            except TimeoutError:
                break
            wall, now = time.time_ns(), time.monotonic_ns()
            if len(data) < HEADER.size:
                continue
            magic, number = HEADER.unpack_from(data)
            if magic == MAGIC:
                if not lines:
                    end = time.monotonic() + lasts_s
                lines.append(f"{number} {arrival_ns(_kernel_ns(control), wall, now)}")


def _kernel_ns(control: "list[tuple[int, int, bytes]]") -> "int | None":
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds) * 10**9 + int(nanoseconds)
    return None


def main(arguments: "list[str]") -> None:
    """Run what the arguments say."""
    role, *rest = arguments
    lines: list[str] = []
    signal.signal(signal.SIGTERM, stop)
    try:
        if role == "send":
            address, port, interval_s, lasts_s, *numbers = rest
            send(lines, address, int(port), float(interval_s), float(lasts_s), *map(int, numbers))
        else:
            port, first_s, lasts_s = rest
            receive(lines, int(port), float(first_s), float(lasts_s))
    except Stopped:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("\n".join(lines))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
