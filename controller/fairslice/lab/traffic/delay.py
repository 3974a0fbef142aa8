"""One-way delays between hosts: small UDP packets beside a flow, in its slice, its meter and its queue.

All hosts share the machine's clock, so the delay of a packet is the difference of two readings of it. What an
idle network takes is measured the same way; the rest of the delay is queueing.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol as Interface
from typing import Self

from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import Protocol
from fairslice.lab.traffic.iperf3_streams import Process
from fairslice.lab.traffic.programs.delay import send_time_s

PAYLOAD_BYTES = 18
"""With its headers this fills the smallest Ethernet frame, 60 bytes without FCS."""
INTERVAL_S = 0.020
GRACE_S = 1.0
_START_TIMEOUT_S = 60.0
_POLL_S = 0.02
_PROGRAM = Path(__file__).parent / "programs" / "delay.py"


class StoppableProcess(Process, Interface):
    """The part of ``subprocess.Popen[str]`` that is used."""

    def terminate(self) -> None:
        """Send SIGTERM."""


class Hosts(Interface):
    """Where probes run: an :class:`fairslice.lab.emulation.network.EmulatedNetwork`, or a test's fake."""

    def popen(self, host: str, argv: Sequence[str]) -> StoppableProcess:
        """Start a command on a host, with its outputs in pipes."""

    def is_listening(self, host: str, port: int, protocol: Protocol = "tcp") -> bool:
        """Whether a socket waits at a port."""


@dataclass(frozen=True, slots=True)
class DelayStream:
    """Packets from one host to another, one in every ``interval_s``; ``port`` is free at the destination."""

    name: str
    source: str
    destination_host: str
    destination_ip: str
    port: int
    interval_s: float = INTERVAL_S
    payload_bytes: int = PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Probe:
    """A packet: when it was sent, in seconds of the machine's monotonic clock, and its delay; None: lost."""

    sent_s: float
    delay_s: float | None


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays of the packets of a window that arrived, sorted, in seconds; ``lost`` did not arrive."""

    delays_s: tuple[float, ...]
    lost: int

    @property
    def loss(self) -> float | None:
        """Part of the packets that was lost, 0 to 1; None if none was sent."""
        sent = len(self.delays_s) + self.lost
        return self.lost / sent if sent else None

    def percentile(self, percent: float) -> float | None:
        """As :func:`percentile`; None if nothing arrived."""
        return percentile(self.delays_s, percent) if self.delays_s else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of ``ordered`` are at most, linear between neighbours.

    Definition 7 of Hyndman and Fan, Sample quantiles in statistical packages, 1996 (numpy's default).

    Raises:
        ValueError: nothing to look at, or no percentage.

    >>> percentile([10.0, 20.0, 40.0], 75)
    30.0
    """
    if not ordered or not 0 <= percent <= 100:
        raise ValueError(f"no {percent}th percentile of {len(ordered)} values")
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def window(probes: Sequence[Probe], begin_s: float, end_s: float) -> Delays:
    """What came of the packets sent in a window of the monotonic clock."""
    sent = [probe for probe in probes if begin_s <= probe.sent_s < end_s]
    arrived = sorted(probe.delay_s for probe in sent if probe.delay_s is not None)
    return Delays(tuple(arrived), len(sent) - len(arrived))


def lateness(probes: Sequence[Probe], interval_s: float) -> tuple[float, ...]:
    """By how many seconds packets left later than they were due, next to the most punctual of them; sorted.

    It shows that others had the processor, also in a virtual machine, whose own counters can't tell.

    Args:
        probes: all packets of a stream, from its first on.
        interval_s: the stream's.
    """
    offsets = [probe.sent_s - send_time_s(number, interval_s) for number, probe in enumerate(probes)]
    return tuple(sorted(offset - min(offsets) for offset in offsets))


def join(sent: str, received: str) -> tuple[Probe, ...]:
    """Every packet sent, in order, from what the two processes printed; of two arrivals the first counts.

    Raises:
        MachineError: they printed something else.
    """
    arrived: dict[int, int] = {}
    for number, time_ns in _lines(received):
        arrived.setdefault(number, time_ns)
    return tuple(
        Probe(sent_ns / 1e9, (arrived[number] - sent_ns) / 1e9 if number in arrived else None)
        for number, sent_ns in _lines(sent)
    )


def _lines(text: str) -> list[tuple[int, int]]:
    try:
        pairs = [line.split() for line in text.splitlines() if line]
        return [(int(number), int(time_ns)) for number, time_ns in pairs]
    except ValueError as error:
        raise MachineError(
            f"a delay probe printed {text[:80]!r}; expected lines of a number and a time"
        ) from error


def sender_argv(stream: DelayStream, lasts_s: float) -> list[str]:
    """The command that sends for ``lasts_s`` seconds."""
    return [
        *(sys.executable, "-I", "-S", str(_PROGRAM), "send", stream.destination_ip, str(stream.port)),
        *(repr(stream.interval_s), repr(lasts_s), str(stream.payload_bytes)),
    ]


def receiver_argv(stream: DelayStream, first_s: float, lasts_s: float) -> list[str]:
    """The command that waits ``first_s`` seconds for a packet, and receives for ``lasts_s`` from then on."""
    return [
        *(sys.executable, "-I", "-S", str(_PROGRAM), "receive", str(stream.port)),
        *(repr(first_s), repr(lasts_s)),
    ]


class DelayProbes:
    """Sends all streams at once, for ``lasts_s`` seconds from entering on; a context manager.

    Args:
        hosts: where they run.
        streams: their names, and their ports at one destination, are unique.
        lasts_s: how long they send; everything ends by itself.
        grace_s: how long receivers wait for what was sent last: longer than any queue.
        now: a monotonic clock, in seconds.
        sleep: waits on that clock.

    Raises:
        ValueError: names or ports are not unique.
    """

    def __init__(
        self,
        hosts: Hosts,
        streams: Sequence[DelayStream],
        lasts_s: float,
        *,
        grace_s: float = GRACE_S,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        ports = {(stream.destination_host, stream.port) for stream in streams}
        if not len(streams) == len(ports) == len({stream.name for stream in streams}):
            raise ValueError("names of delay streams, and their ports at one host, must be unique")
        self._hosts = hosts
        self._streams = tuple(streams)
        self._lasts_s = lasts_s
        self._grace_s = grace_s
        self._now = now
        self._sleep = sleep
        self._receivers: list[StoppableProcess] = []
        self._senders: list[StoppableProcess] = []

    def __enter__(self) -> Self:
        try:
            receive_s = self._lasts_s + self._grace_s
            for stream in self._streams:
                argv = receiver_argv(stream, 2 * _START_TIMEOUT_S + receive_s, receive_s)
                self._receivers.append(self._hosts.popen(stream.destination_host, argv))
            self._wait_for_receivers()
            for stream in self._streams:
                self._senders.append(self._hosts.popen(stream.source, sender_argv(stream, self._lasts_s)))
        except BaseException:
            self._kill()
            raise
        return self

    def _wait_for_receivers(self) -> None:
        deadline = self._now() + _START_TIMEOUT_S
        for stream, process in zip(self._streams, self._receivers, strict=True):
            while not self._hosts.is_listening(stream.destination_host, stream.port, "udp"):
                if process.poll() is not None or self._now() >= deadline:
                    process.kill()
                    _, complaint = process.communicate()
                    raise MachineError(
                        f"delay probe {stream.name}: nothing receives at port {stream.port} of "
                        f"{stream.destination_host}: {complaint.strip() or 'it did not start in time'}"
                    )
                self._sleep(_POLL_S)

    def collect(self, *, now: bool = False) -> Mapping[str, tuple[Probe, ...]]:
        """Wait for the end, and return every stream's packets by the stream's name.

        With ``now`` the end is now, and packets that are still on their way count as lost.

        Raises:
            MachineError: a process failed, or did not end in time.
        """
        deadline = self._now() + self._lasts_s + self._grace_s + 3 * _START_TIMEOUT_S
        texts = []
        for processes in (self._senders, self._receivers):
            for process in processes:
                if now and process.poll() is None:
                    process.terminate()
            texts.append([self._output(process, deadline) for process in processes])
        return {
            stream.name: join(sent, received)
            for stream, sent, received in zip(self._streams, *texts, strict=True)
        }

    def _output(self, process: StoppableProcess, deadline: float) -> str:
        try:
            text, complaint = process.communicate(timeout=max(0.1, deadline - self._now()))
        except subprocess.TimeoutExpired as error:
            raise MachineError("a delay probe did not end in time") from error
        if process.returncode != 0:
            raise MachineError(f"a delay probe failed: {complaint.strip()}")
        return text

    def _kill(self) -> None:
        for process in (*self._senders, *self._receivers):
            if process.poll() is None:
                process.kill()
                process.communicate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
