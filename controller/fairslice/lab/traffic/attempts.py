"""Traffic of flows that may send nothing: it is tried, so that a count of 0 means something."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from fairslice.lab.emulation.hosts import Protocol
from fairslice.lab.traffic.delay import PAYLOAD_BYTES, DelayStream, sender_argv
from fairslice.units import ETHERNET_HEADER_BYTES, IPV4_HEADER_BYTES, UDP_HEADER_BYTES

_FRAME_BITS = 8 * (ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + UDP_HEADER_BYTES + PAYLOAD_BYTES)


class Process(Interface):
    """The part of ``subprocess.Popen`` that is used."""

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self) -> int:
        """Wait for the end."""


class Hosts(Interface):
    """Where attempts run: an :class:`fairslice.lab.emulation.network.EmulatedNetwork`, or a test's fake."""

    def popen(self, host: str, argv: Sequence[str], *, stdout: int, stderr: int) -> Process:
        """Start a command on a host."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one flow tries: datagrams at ``rate_bps`` of frames, or a TCP connection, again and again.

    ``client_port`` None: the kernel's choice.
    """

    source: str
    destination_host: str
    destination_ip: str
    protocol: Protocol
    port: int
    client_port: int | None
    rate_bps: float


def attempt_argv(attempt: Attempt, lasts_s: float) -> list[str]:
    """The command that tries for ``lasts_s`` seconds.

    A connection that nobody answers is asked for after 1, 3, 7 and 15 s again (RFC 6298 §5).
    """
    if attempt.protocol == "udp":
        stream = DelayStream(
            name="attempt",
            source=attempt.source,
            destination_host=attempt.destination_host,
            destination_ip=attempt.destination_ip,
            port=attempt.port,
            interval_s=_FRAME_BITS / attempt.rate_bps,
        )
        own_port = [] if attempt.client_port is None else [str(attempt.client_port)]
        return [*sender_argv(stream, lasts_s), *own_port]
    argv = ["iperf3", "-c", attempt.destination_ip, "-4", "-p", str(attempt.port)]
    argv += ["--connect-timeout", str(round(lasts_s * 1000))]
    return argv if attempt.client_port is None else [*argv, "--cport", str(attempt.client_port)]


@contextlib.contextmanager
def attempts(hosts: Hosts, wanted: Sequence[Attempt], lasts_s: float) -> Iterator[None]:
    """Try all at once while the block runs, for ``lasts_s`` seconds at most."""
    running: list[Process] = []
    try:
        for one in wanted:
            argv = attempt_argv(one, lasts_s)
            running.append(
                hosts.popen(one.source, argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        yield
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
            process.wait()
