"""How exactly a policy is enforced: a dumbbell that its slices fill, what each got, what is promised."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fairslice.api.allocation import FlowView
from fairslice.lab.emulation.openvswitch import Datapath
from fairslice.lab.traffic.delay import INTERVAL_S, PAYLOAD_BYTES, DelayStream
from fairslice.lab.traffic.plan import Sender
from fairslice.measure.compare import MACHINE_BUSY, SWITCH_BUSY
from fairslice.measure.resolution import relative_error
from fairslice.measure.results import Enforcement
from fairslice.policy.model import PROTOCOLS
from fairslice.topology.network import Host, Link, Network, Switch
from fairslice.units import ETHERNET_HEADER_BYTES, IPV4_HEADER_BYTES, UDP_HEADER_BYTES

Transport = Literal["cubic", "reno", "bbr", "udp"]

RATES_BPS = (1e6, 5e6, 20e6, 50e6)
ACCESS_BPS = 100e6
BUFFER_S = 0.050
"""The policy's default, which the delays are measured against."""
UDP_FACTOR = 1.25
"""What UDP offers of its allocation: enough to empty a bucket of 0.25 s in the first second of warm-up."""
PROBE_SHARE = 0.02
"""Packets that measure a flow's delay are at most this much of it."""
MAX_PROBE_INTERVAL_S = 0.200
"""Such packets are sent at least five times a second, whatever share that is."""
LATE_BOUND_S = 0.010
"""Senders that are later than this did not get a processor when they should: a fifth of the buffer passes."""
LEAST_PROMISED_BPS = 5e6
SLICE_BOUND = 0.02
FLOW_BOUND = 0.05
POLICE_BOUND = 0.06
DELAY_BOUND = 1.3
"""Of the buffer: the 99th percentile of the queueing delay."""
_PROBE_PORT = 4801
_PROBE_FRAME_BITS = 8 * (ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES + UDP_HEADER_BYTES + PAYLOAD_BYTES)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one run measures: slices of ``rates_bps``, each of ``flows`` flows with equal rates.

    ``rates_bps`` are whole Mbit/s, all different.
    """

    datapath: Datapath
    enforcement: Enforcement
    transport: Transport
    flows: int
    rates_bps: tuple[float, ...] = RATES_BPS

    def __str__(self) -> str:
        rates = "+".join(f"{rate / 1e6:g}" for rate in self.rates_bps)
        return f"{self.datapath} {self.enforcement} {self.transport} {self.flows}, {rates} Mbit/s"


def rates_at_once(datapath: Datapath, flows: int) -> tuple[tuple[float, ...], ...]:
    """Which of :data:`RATES_BPS` are measured in one run: what the processor carries.

    The kernel datapath's virtual machine has one, which switches, hosts and controller share.
    """
    if datapath == "user":
        return (RATES_BPS,)
    if flows < 8:
        return (RATES_BPS[:3], RATES_BPS[3:])
    return (RATES_BPS[:2], RATES_BPS[2:3], RATES_BPS[3:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one slice of a cell got in one repeat; rates are bit/s of Ethernet frames but for goodput.

    ``wire_bps`` is the sum of the slice's flows, ``flow_errors`` are those of its flows. ``loss`` is the part
    of what its hosts sent that did not arrive, by switch counters for TCP and by the receiver for UDP. The
    three ``delay`` figures are percentiles of the one-way delay less ``idle_s``, the idle network's median,
    in seconds; None: no probe arrived. ``machine`` and ``switch_thread`` are as of ``Busy``; by ``late_s``
    one in twenty senders' timers at least was late, in seconds; ``system`` is the kernel's release.
    """

    datapath: Datapath
    enforcement: Enforcement
    transport: Transport
    flows: int
    rate_bps: float
    repeat: int
    allocated_bps: float
    wire_bps: float
    flow_errors: tuple[float, ...]
    goodput_bps: float
    loss: float
    retransmits: int
    jain_index: float | None
    idle_s: float | None
    delay_p50_s: float | None
    delay_p95_s: float | None
    delay_p99_s: float | None
    delay_probes: int
    delay_lost: int
    window_s: float
    machine: float
    switch_thread: float
    late_s: float
    system: str

    @property
    def error(self) -> float:
        """Of the slice: (wire - allocated) / allocated."""
        return relative_error(self.wire_bps, self.allocated_bps)

    @property
    def worst_flow_error(self) -> float:
        """The flow's error that is largest without its sign."""
        return max(self.flow_errors, key=abs)

    @property
    def cpu_bound(self) -> bool:
        """Whether the machine, not the enforcement, may have decided the rates."""
        return self.machine > MACHINE_BUSY or self.switch_thread > SWITCH_BUSY or self.late_s > LATE_BOUND_S


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise about a row: what was measured (an absolute error, or seconds), and how large it may be."""

    what: str
    measured: float
    at_most: float

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.measured <= self.at_most


def bounds(row: Row) -> tuple[Bound, ...]:
    """What is promised of a row, in steady state; below 5 Mbit/s only the delay is.

    With ``shape`` the flows of a slice share a queue, and what each gets of it is between them; a meter keeps
    each to its rate. Delays are promised of shaped slices.
    """
    found = []
    if row.rate_bps >= LEAST_PROMISED_BPS:
        policed = row.enforcement == "police"
        tight = not policed or row.transport == "udp"
        found.append(Bound("slice", abs(row.error), SLICE_BOUND if tight else POLICE_BOUND))
        if row.enforcement != "shape" and row.flows > 1:
            found.append(Bound("flow", abs(row.worst_flow_error), POLICE_BOUND if policed else FLOW_BOUND))
    if row.enforcement != "police":
        delay_s = math.inf if row.delay_p99_s is None else row.delay_p99_s
        found.append(Bound("delay", delay_s, DELAY_BOUND * BUFFER_S))
    return tuple(found)


def slice_name(rate_bps: float) -> str:
    """``m20`` for 20 Mbit/s."""
    return f"m{rate_bps / 1e6:g}"


def network_of(cell: Cell) -> Network:
    """Two switches; a host on the left for every slice, one on the right for every flow of a slice.

    The slices fill the link between the switches. As a slice's flows differ by their destination, each has a
    queue of its own at its last switch, so that its rate is read from that alone; and as they match all
    traffic between their hosts, a probe of the delay takes what the flow takes.
    """
    switches = {"s1": Switch("s1", 1), "s2": Switch("s2", 2)}
    links: dict[tuple[str, str], Link] = {}

    def cable(left: str, right: str, ports: tuple[int, int], capacity_bps: float) -> None:
        links[left, right] = Link(left, right, capacity_bps, ports[0])
        links[right, left] = Link(right, left, capacity_bps, ports[1])

    cable("s1", "s2", (1, 1), math.fsum(cell.rates_bps))
    hosts: dict[str, Host] = {}
    sources = [(_source(rate), "s1", 1) for rate in cell.rates_bps]
    destinations = [(f"d{number}", "s2", 2) for number in range(1, cell.flows + 1)]
    for group in (sources, destinations):
        for index, (name, switch, net) in enumerate(group, start=1):
            mac, ip = f"00:00:00:00:{net:02x}:{index:02x}", f"10.0.{net}.{index}"
            hosts[name] = Host(name, mac, ip, switch, index + 1)
            cable(name, switch, (0, index + 1), ACCESS_BPS)
    return Network(switches, hosts, links, "accuracy")


def _source(rate_bps: float) -> str:
    return f"h{slice_name(rate_bps)}"


def policy_text(cell: Cell) -> str:
    """The policy: weights are the slices' rates in Mbit/s."""
    lines = ["version: 1", f"defaults: {{enforcement: {cell.enforcement}}}", "slices:"]
    for rate_bps in cell.rates_bps:
        lines += [f"  {slice_name(rate_bps)}:", f"    weight: {rate_bps / 1e6:g}", "    flows:"]
        lines += [
            f"      - {{from: {_source(rate_bps)}, to: d{number}}}" for number in range(1, cell.flows + 1)
        ]
    return "\n".join(lines) + "\n"


def senders(cell: Cell) -> tuple[Sender, ...]:
    """UDP for every slice, or nothing to say: TCP is greedy."""
    if cell.transport != "udp":
        return ()
    return tuple(Sender(slice_name(rate), PROTOCOLS["udp"], UDP_FACTOR) for rate in cell.rates_bps)


def delay_streams(cell: Cell, flows: Sequence[FlowView], network: Network) -> tuple[DelayStream, ...]:
    """A stream beside the first flow of every slice, named as the slice, at most PROBE_SHARE of the flow."""
    streams = []
    for number, rate_bps in enumerate(cell.rates_bps):
        flow = next(flow for flow in flows if flow.slice == slice_name(rate_bps))
        fitting_s = _PROBE_FRAME_BITS / (PROBE_SHARE * flow.allocated_bps)
        streams.append(
            DelayStream(
                name=flow.slice,
                source=flow.source,
                destination_host=flow.destination,
                destination_ip=network.hosts[flow.destination].ip,
                port=_PROBE_PORT + number,
                interval_s=min(max(fitting_s, INTERVAL_S), MAX_PROBE_INTERVAL_S),
            )
        )
    return tuple(streams)
