"""iperf3 streams, all at once: one server for each flow, started, watched, timed and never left hanging."""

import contextlib
import math
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from typing import Protocol as Interface

from fairslice.errors import MachineError
from fairslice.lab.emulation.hosts import Protocol
from fairslice.lab.traffic.iperf3_commands import CONNECT_TIMEOUT_S, Stream, client_argv, server_argv
from fairslice.measure.iperf import reported_error
from fairslice.units import format_duration

Phase = Literal["connecting", "warming-up", "measuring", "finishing", "done"]
"""What begins. Switch counters read at "measuring" and at "finishing" bound the measurement.

What was read before another "connecting" counts for nothing: streams are started once more.
"""

SPREAD_S = CONNECT_TIMEOUT_S
"""How long streams may take to run, once all clients are started: two lost SYNs (RFC 6298) and some more."""
_LISTEN_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 60.0
_DRAIN_S = 1.0
_POLL_S = 0.02
_ROUNDS = 2
_WINDOWS = 3
_SPARE_S = 2.0
"""How much longer than needed streams last, and how often they are started until that is enough."""
_CLIENTS_TO_SERVERS = 3.0
"""How much longer clients take to start, beside traffic, than servers: seen were 7.7 s and 3.2 s."""
_LOOK_S = 0.1
_READING_AGAIN = 2.0
"""How much longer than the first reading of counters the second one may take."""
_ANSWER_S = 0.5
"""After its control connection stands: when the two datagrams that open a UDP stream have gone and come."""
_PATIENCE_S = 1.0
_OPENINGS = 4
"""How long they are waited for, and how often they are tried; the last time as long as for any stream."""


class Process(Interface):
    """The part of ``subprocess.Popen[str]`` that is used."""

    returncode: Any

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return both outputs."""


class Hosts(Interface):
    """Where streams run: an :class:`fairslice.lab.emulation.network.EmulatedNetwork`, or a test's fake."""

    def popen(self, host: str, argv: Sequence[str]) -> Process:
        """Start a command on a host, with its outputs in pipes."""

    def is_listening(self, host: str, port: int, protocol: Protocol = "tcp") -> bool:
        """Whether a socket waits at a port."""

    def connections(self, host: str, port: int, protocol: Protocol = "tcp") -> int:
        """How many connected sockets have ``port`` as their own."""

    def unread_bytes(self, host: str, port: int) -> int:
        """What has come over TCP from another host's ``port`` and was not read."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What iperf3 said of one flow.

    ``begin_s`` and ``end_s`` bound the measurement on the stream's own clock, the one of the JSON's intervals
    (to about 50 ms, or what starting one client takes); ``read_s`` is when counters had been read for the
    second time, which the stream lasted for. All are NaN for a stream that never ran. ``error`` says what
    went wrong, or is None.
    """

    flow_id: str
    server_json: str
    client_json: str
    begin_s: float
    end_s: float
    error: str | None = None
    read_s: float = math.nan


def run_streams(
    hosts: Hosts,
    streams: Sequence[Stream],
    *,
    warmup_s: float,
    duration_s: float,
    reading_s: float = 0.0,
    on_phase: Callable[[Phase], None],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Mapping[str, StreamResult]:
    """Run all streams at once and return what each one's iperf3 said, by flow_id.

    Every stream runs from before the first reading of counters until after the second one has ended. Each is
    given what all others need to start, besides warm-up, measurement and readings; if that was not enough,
    which is known before the measurement, all are ended and started once more, to last longer.

    Streams that are not all running within SPREAD_S (a lost SYN, a server that takes itself for busy,
    esnet/iperf#1969) are all ended and started once more; what does not run then is reported, and the others
    are measured. A UDP stream opens with a datagram each way, which iperf3 sends once and then waits 30 s: a
    stream whose datagram was lost is started again by itself. Whatever happens, every iperf3 is gone in the
    end.

    Args:
        hosts: where they run.
        streams: with unique flow_ids, and server ports unique on each host.
        warmup_s: from when the last stream runs to the measurement; what clients took to start comes on top,
            since the last stream has to make its way against the first ones.
        duration_s: of the measurement.
        reading_s: how long ``on_phase`` may take at "measuring" and at "finishing"; streams last that longer.
        on_phase: called as each phase begins; "measuring" and "finishing" begin ``duration_s`` apart.
            "measuring" is left out if no stream runs.
        now: a monotonic clock, in seconds.
        sleep: waits on that clock.

    Raises:
        ValueError: flow_ids or server ports are not unique.
        MachineError: streams end before the measurement would, however long they are told to last.
    """
    _check_unique(streams)
    spare_s = _SPARE_S
    with contextlib.ExitStack() as stack:
        for window in range(1, _WINDOWS + 1):
            on_phase("connecting")
            needed_s = warmup_s + max(duration_s, reading_s) + reading_s
            runs = _start_all(stack, hosts, streams, needed_s + spare_s, now, sleep)
            starting_s = max(run.started_at for run in runs) - runs[0].started_at if runs else 0.0
            lacking_s = _lacking_s(runs, now() + starting_s + needed_s)
            if lacking_s <= 0:
                on_phase("warming-up")
                begin = end = now()
                if all(run.began_at is None for run in runs):
                    break
                sleep(starting_s + warmup_s)
                begin = now()
                on_phase("measuring")
                took_s = now() - begin
                if took_s > reading_s:
                    reading_s = _READING_AGAIN * took_s
                lacking_s = _lacking_s(runs, begin + max(duration_s, took_s) + reading_s)
                waits = window < _WINDOWS and any(run.waits_for_an_answer() for run in runs)
                if lacking_s <= 0 and not waits:
                    sleep(max(0.0, begin + duration_s - now()))
                    end = now()
                    break
            _kill_all(runs)
            spare_s += 2 * max(0.0, lacking_s)
        else:
            raise MachineError(
                f"{len(streams)} streams can't be measured at once: the first would end"
                f" {format_duration(lacking_s)} before the measurement, though they were started {_WINDOWS}"
                f" times, each time to last longer; expected a machine that starts them within"
                f" {format_duration(spare_s)}"
            )
        on_phase("finishing")
        read = now()
        deadline = max([read, *(run.ends_at for run in runs)]) + 1 + _END_TIMEOUT_S
        results = {run.stream.flow_id: run.collect(begin, end, read, deadline, now) for run in runs}
    on_phase("done")
    return results


class _Run:
    """One stream's two processes."""

    def __init__(self, hosts: Hosts, stream: Stream) -> None:
        self.hosts = hosts
        self.stream = stream
        self.server: Process | None = None
        self.client: Process | None = None
        self.began_at: float | None = None
        # For the first time.
        self.started_at = math.inf
        # Of a UDP stream: when its control connection was seen, and the server's end of its own.
        self.connected_at: float | None = None
        self.opened_at: float | None = None
        self.patience_s = math.inf
        # Until then it sends, at the least: it lasts from when its client connects.
        self.ends_at = math.inf

    def start_server(self) -> None:
        self.server = self.hosts.popen(self.stream.destination_host, server_argv(self.stream))

    def start_client(self, time_s: float, at: float) -> None:
        self.started_at, self.ends_at = min(self.started_at, at), at + math.ceil(time_s)
        self.client = self.hosts.popen(self.stream.source, client_argv(self.stream, time_s))

    def is_listening_or_dead(self) -> bool:
        assert self.server is not None
        stream = self.stream
        return self.server.poll() is not None or self.hosts.is_listening(
            stream.destination_host, stream.server_port, "tcp"
        )

    def has_begun_or_died(self, at: float) -> bool:
        """Look for the data connection beside the control connection, which is always TCP."""
        assert self.client is not None
        if self.began_at is None and self.client.poll() is None:
            if self.stream.protocol == "udp":
                return self._has_opened_or_not(at)
            if self._connections("tcp") >= 2:
                self.began_at = at
        return self.began_at is not None or self.client.poll() is not None

    def _has_opened_or_not(self, at: float) -> bool:
        if self.connected_at is None and self._connections("tcp") >= 1:
            self.connected_at = at
        if self.opened_at is None and self._connections("udp") >= 1:
            self.opened_at = at
        if self.connected_at is None or at < self.connected_at + _ANSWER_S:
            return False
        if self.opened_at is not None and not self.waits_for_an_answer():
            self.began_at = self.opened_at
        return self.began_at is not None or self.is_unanswered(at)

    def _connections(self, protocol: Protocol) -> int:
        return self.hosts.connections(self.stream.destination_host, self.stream.server_port, protocol)

    def is_unanswered(self, at: float) -> bool:
        """Whether one of the two datagrams that open it was lost, by all appearance."""
        return (
            self.began_at is None
            and self.connected_at is not None
            and at >= self.connected_at + self.patience_s
        )

    def waits_for_an_answer(self) -> bool:
        """Whether its client waits for a datagram, and does not read that the server has begun."""
        return (
            self.stream.protocol == "udp"
            and self.opened_at is not None
            and self.hosts.unread_bytes(self.stream.source, self.stream.server_port) > 0
        )

    def kill(self) -> None:
        # The server first: its reset spares the client's port the TIME-WAIT that would refuse a second start.
        for process in (self.server, self.client):
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()

    def collect(
        self, begin: float, end: float, read: float, deadline: float, now: Callable[[], float]
    ) -> StreamResult:
        client_json, error = self._finish("client", self.client, deadline, now)
        if error is not None and self.server is not None:
            # Without its client a server waits for ever.
            self.server.kill()
        server_json, server_error = self._finish("server", self.server, deadline, now)
        if self.began_at is None and error is None:
            error = f"it did not run within {SPREAD_S:g} s of the others"
        error = error or server_error
        if error is None and self.ends_at < read:
            error = f"it ended {format_duration(read - self.ends_at)} before counters had been read"
        began = math.nan if self.began_at is None else self.began_at
        return StreamResult(
            flow_id=self.stream.flow_id,
            server_json=server_json,
            client_json=client_json,
            begin_s=begin - began,
            end_s=end - began,
            error=None if error is None else f"flow {self.stream.flow_id}: {error}",
            read_s=read - began,
        )

    def _finish(
        self, role: str, process: Process | None, deadline: float, now: Callable[[], float]
    ) -> tuple[str, str | None]:
        assert process is not None
        where = (
            f"iperf3 {role} ({self.stream.source} to {self.stream.destination_host}, "
            f"port {self.stream.server_port})"
        )
        if role == "client" and self.began_at is None and process.poll() is None:
            process.kill()
            process.communicate()
            return "", f"{where} did not get through within {SPREAD_S:g} s and was killed"
        try:
            text, complaint = process.communicate(timeout=max(_DRAIN_S, deadline - now()))
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            return text, f"{where} did not end in time and was killed"
        error = reported_error(text)
        if error is None:
            return text, None
        return text, ": ".join(part for part in (where, error, complaint.strip()) if part)


def _check_unique(streams: Sequence[Stream]) -> None:
    flow_ids = Counter(stream.flow_id for stream in streams)
    ports = Counter((stream.destination_host, stream.server_port) for stream in streams)
    twice = [str(key) for key, count in (*flow_ids.items(), *ports.items()) if count > 1]
    if twice:
        raise ValueError(f"not unique: {', '.join(twice)}")


def _lacking_s(runs: Sequence[_Run], until: float) -> float:
    """By how much the first of the streams that run ends before a time; below 0: they last longer."""
    return max((until - run.ends_at for run in runs if run.began_at is not None), default=-math.inf)


def _start_all(
    stack: contextlib.ExitStack,
    hosts: Hosts,
    streams: Sequence[Stream],
    time_s: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> Sequence[_Run]:
    """Start them, once more if not all run; ``stack`` ends them."""
    for round_ in range(1, _ROUNDS + 1):
        runs = [_Run(hosts, stream) for stream in streams]
        stack.callback(_kill_all, runs)
        if _start(runs, time_s, now, sleep) or round_ == _ROUNDS:
            break
        _kill_all(runs)
    return runs


def _start(
    runs: Sequence[_Run],
    time_s: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    openings: int = _OPENINGS,
) -> bool:
    """Start all servers, then all clients; whether every stream runs within SPREAD_S.

    A stream lasts ``time_s``, and longer by what starting all, and those after it once more, may take. UDP
    streams that do not open are started up to ``openings`` times.
    """
    began = now()
    for run in runs:
        run.patience_s = _PATIENCE_S if openings > 1 else math.inf
        run.connected_at = run.opened_at = None
        run.start_server()
    one_s = _CLIENTS_TO_SERVERS * (now() - began) / max(1, len(runs))
    _wait(runs, lambda run, _: run.is_listening_or_dead(), now() + _LISTEN_TIMEOUT_S, now, sleep)
    looked = now()
    for position, run in enumerate(runs):
        run.start_client(time_s + one_s * (2 * len(runs) - position), now())
        # The beginning of a stream is when it is seen: not only after all clients are started.
        if now() - looked >= _LOOK_S:
            for started in runs[: position + 1]:
                started.has_begun_or_died(now())
            looked = now()
    _wait(runs, _Run.has_begun_or_died, now() + SPREAD_S, now, sleep)
    unopened = [run for run in runs if run.is_unanswered(now())]
    if unopened:
        _kill_all(unopened)
        _start(unopened, time_s, now, sleep, openings - 1)
    return all(run.began_at is not None for run in runs)


def _wait(
    runs: Sequence[_Run],
    done: Callable[[_Run, float], bool],
    deadline: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    pending = list(runs)
    while pending := [run for run in pending if not done(run, now())]:
        if now() >= deadline:
            return
        sleep(_POLL_S)


def _kill_all(runs: Sequence[_Run]) -> None:
    for run in runs:
        run.kill()
