"""The command lines of iperf3: what one stream is, and how its two ends are told so. Pure."""

import math
from dataclasses import dataclass

from fairslice.lab.emulation.hosts import Protocol

UDP_PAYLOAD_BYTES = 1448
"""A datagram's payload; it fits one frame."""
INTERVAL_S = 0.5
"""How often iperf3 reports."""
CONNECT_TIMEOUT_S = 3.0
"""How long a client waits for its server: two lost SYNs (RFC 6298)."""
# A block of iperf3's own 128 KiB would make a burst of a slow stream. A look at the clock for each datagram,
# and every millisecond, makes a slow processor send half of 60 Mbit/s.
_BLOCK_S = 0.010
_MAXIMUM_BLOCK_BYTES = 128 * 1024
_MINIMUM_BLOCK_BYTES = 1448


@dataclass(frozen=True, slots=True)
class Stream:
    """What iperf3 sends for one flow.

    ``rate_bps`` is payload, not frames; None: a greedy TCP stream. ``client_port`` is the data's source port;
    None: the kernel's choice. iperf3's control connection is TCP to ``server_port`` for a UDP stream too.
    """

    flow_id: str
    source: str
    destination_host: str
    destination_ip: str
    protocol: Protocol
    server_port: int
    client_port: int | None = None
    rate_bps: float | None = None
    dscp: int | None = None
    congestion_control: str | None = None

    def __post_init__(self) -> None:
        if self.protocol == "udp" and self.rate_bps is None:
            raise ValueError(f"flow {self.flow_id}: a UDP stream needs a rate, since it can't be greedy")


def server_argv(stream: Stream) -> list[str]:
    """The command of a server for one test, which reports in JSON."""
    return ["iperf3", "-s", "-4", "-1", "-J", "-p", str(stream.server_port), "-i", str(INTERVAL_S)]


def client_argv(stream: Stream, time_s: float) -> list[str]:
    """The command that sends for ``time_s`` seconds, rounded up, since iperf3 takes whole ones."""
    argv = ["iperf3", "-c", stream.destination_ip, "-4", "-p", str(stream.server_port), "-J"]
    argv += ["-t", str(math.ceil(time_s)), "-i", str(INTERVAL_S)]
    argv += ["--connect-timeout", str(round(CONNECT_TIMEOUT_S * 1000))]
    if stream.rate_bps is not None:
        # iperf3 takes 0 for "no limit".
        rate = str(max(1, round(stream.rate_bps)))
        block_bytes = math.ceil(stream.rate_bps * _BLOCK_S / 8)
        block_bytes = min(max(block_bytes, _MINIMUM_BLOCK_BYTES), _MAXIMUM_BLOCK_BYTES)
        if stream.protocol == "tcp":
            argv += ["-l", str(block_bytes)]
        elif (datagrams := block_bytes // UDP_PAYLOAD_BYTES) > 1:
            rate += f"/{datagrams}"
            argv += ["--pacing-timer", str(round(_BLOCK_S * 1e6))]
        argv += ["-b", rate]
    if stream.protocol == "udp":
        argv += ["-u", "-l", str(UDP_PAYLOAD_BYTES)]
    if stream.client_port is not None:
        argv += ["--cport", str(stream.client_port)]
    if stream.dscp is not None:
        argv += ["-S", str(stream.dscp << 2)]
    if stream.congestion_control is not None and stream.protocol == "tcp":
        argv += ["-C", stream.congestion_control]
    return argv
