"""Laws of what is measured: no byte is counted twice, and every stream can run beside the others."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.api.allocation import AllocationView, FlowView
from fairslice.api.counters import Counters, FlowReading, QueueReading
from fairslice.errors import InputError
from fairslice.lab.traffic.iperf3_commands import UDP_PAYLOAD_BYTES
from fairslice.lab.traffic.plan import Sender, parse_sender, plan_traffic
from fairslice.measure.rates import flow_rates
from fairslice.policy.model import PROTOCOLS
from fairslice.slicing.allocation import allocate_slices
from fairslice.slicing.view import view
from fairslice.testing.networks import networks
from fairslice.testing.policies import policies
from fairslice.units import tcp_wire_bps, udp_wire_bps

BYTES = st.integers(0, 10**12)
QueueKey = tuple[int, int, int]


@st.composite
def views(draw: st.DrawFn) -> AllocationView:
    network = draw(networks())
    return view(allocate_slices(draw(policies(list(network.hosts))), network))


def last_queue(shown: AllocationView, flow: FlowView) -> QueueKey:
    (link,) = [k for k in shown.links if (k.source, k.target) == flow.path[-2:]]
    assert link.dpid is not None
    return link.dpid, link.port_no, flow.queue_id


class Traffic:
    """What entered and left each flow's last queue during a window, and the readings around it."""

    def __init__(self, draw: st.DrawFn, shown: AllocationView) -> None:
        self.shown = shown
        self.window_s = draw(st.floats(0.1, 3600))
        self.queue_of = {flow.id: last_queue(shown, flow) for flow in shown.flows}
        self.before: dict[str, FlowReading] = {}
        self.rises: dict[str, FlowReading] = {}
        self.own: dict[str, int] = {}
        entered: dict[QueueKey, int] = defaultdict(int)
        for flow in shown.flows:
            delivered = draw(BYTES)
            probe = draw(st.none() | st.integers(0, delivered))
            self.before[flow.id] = self._reading(draw, draw(BYTES), None if probe is None else draw(BYTES))
            self.rises[flow.id] = self._reading(draw, delivered, probe)
            self.own[flow.id] = delivered if probe is None else probe
            entered[self.queue_of[flow.id]] += delivered
        self.others = {key: draw(st.just(0) | BYTES) for key in entered}
        self.entered = {key: count + self.others[key] for key, count in entered.items()}
        # What waited before may leave too, so more may leave than entered.
        self.sent = {key: draw(st.just(count) | BYTES) for key, count in self.entered.items()}
        self.earlier = {key: (draw(BYTES), draw(BYTES)) for key in entered}

    def _reading(self, draw: st.DrawFn, delivered: int, probe: int | None) -> FlowReading:
        return FlowReading(
            offered_bytes=draw(BYTES), metered_bytes=draw(BYTES), delivered_bytes=delivered, probe_bytes=probe
        )

    def readings(self, window_s: float | None = None) -> tuple[Counters, Counters]:
        numbers = {flow.id: flow.number for flow in self.shown.flows}
        began_s = 1000.0
        ended_s = began_s + (self.window_s if window_s is None else window_s)
        before = Counters(
            flows={numbers[flow]: reading for flow, reading in self.before.items()},
            queues=[self._queue(key, began_s, *self.earlier[key]) for key in self.entered],
            ports=[],
        )
        after = Counters(
            flows={numbers[flow]: _sum(self.before[flow], rise) for flow, rise in self.rises.items()},
            queues=[
                self._queue(
                    key,
                    ended_s,
                    self.earlier[key][0] + self.entered[key],
                    self.earlier[key][1] + self.sent[key],
                )
                for key in self.entered
            ],
            ports=[],
        )
        return before, after

    def _queue(self, key: QueueKey, time_s: float, entered: int, sent: int) -> QueueReading:
        dpid, port_no, queue_id = key
        return QueueReading(
            time_s=time_s,
            dpid=dpid,
            port_no=port_no,
            queue_id=queue_id,
            entered_bytes=entered,
            sent_bytes=sent,
            sent_packets=0,
        )

    def sums(self, wire_bps: Mapping[str, float]) -> dict[QueueKey, float]:
        """Rates of flows added up by their last queue."""
        parts: dict[QueueKey, list[float]] = defaultdict(list)
        for flow, key in self.queue_of.items():
            parts[key].append(wire_bps[flow])
        return {key: math.fsum(rates) for key, rates in parts.items()}


def _sum(one: FlowReading, other: FlowReading) -> FlowReading:
    values, more = one.model_dump(), other.model_dump()
    return FlowReading.model_validate({k: None if v is None else v + more[k] for k, v in values.items()})


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    return Traffic(draw, draw(views()))


@given(traffics())
def test_parts_of_a_queue_never_add_up_to_more_than_it_sent(traffic: Traffic) -> None:
    rates = flow_rates(traffic.shown, *traffic.readings())
    window_s = 1000.0 + traffic.window_s - 1000.0
    assert all(rate.wire_bps >= 0 for rate in rates.values())
    for key, sum_bps in traffic.sums({flow: rate.wire_bps for flow, rate in rates.items()}).items():
        assert sum_bps <= traffic.sent[key] * 8 / window_s * (1 + 1e-9)


@given(traffics())
def test_what_only_flows_fill_is_told_to_the_last_bit(traffic: Traffic) -> None:
    """Without acknowledgements and probes, the parts are the whole."""
    rates = flow_rates(traffic.shown, *traffic.readings())
    window_s = 1000.0 + traffic.window_s - 1000.0
    whole = {
        key
        for key in traffic.entered
        if not traffic.others[key]
        and traffic.entered[key]
        and all(traffic.rises[f].probe_bytes is None for f, k in traffic.queue_of.items() if k == key)
    }
    sums = traffic.sums({flow: rate.wire_bps for flow, rate in rates.items()})
    for key in whole:
        assert sums[key] == pytest.approx(traffic.sent[key] * 8 / window_s)


@given(traffics())
def test_siblings_in_a_queue_leave_as_they_entered(traffic: Traffic) -> None:
    """A tail-dropping queue drops of each in proportion."""
    rates = flow_rates(traffic.shown, *traffic.readings())
    for flow, key in traffic.queue_of.items():
        for other, its in traffic.queue_of.items():
            if its == key:
                assert rates[flow].wire_bps * traffic.own[other] == pytest.approx(
                    rates[other].wire_bps * traffic.own[flow]
                )


@given(traffics(), st.sampled_from([2.0, 10.0]))
def test_the_same_bytes_in_a_longer_window_are_a_lower_rate(traffic: Traffic, factor: float) -> None:
    short = flow_rates(traffic.shown, *traffic.readings())
    long = flow_rates(traffic.shown, *traffic.readings(traffic.window_s * factor))
    for flow, rates in short.items():
        for name in ("wire_bps", "offered_bps", "metered_bps"):
            assert getattr(long[flow], name) * factor == pytest.approx(getattr(rates, name), rel=1e-6)


@given(traffics())
def test_what_was_offered_and_metered_is_the_rise(traffic: Traffic) -> None:
    rates = flow_rates(traffic.shown, *traffic.readings())
    for flow, rise in traffic.rises.items():
        assert rates[flow].offered_bps * traffic.window_s == pytest.approx(rise.offered_bytes * 8, rel=1e-6)
        assert rates[flow].metered_bps * traffic.window_s == pytest.approx(rise.metered_bytes * 8, rel=1e-6)


@given(views())
def test_streams_can_all_run_at_once(shown: AllocationView) -> None:
    """One iperf3 server a port; two flows to one port of a host are the only thing that is refused."""
    named = Counter((flow.destination, flow.dst_port) for flow in shown.flows if flow.dst_port is not None)
    twice = sum(count - 1 for count in named.values())
    if twice:
        with pytest.raises(InputError) as refused:
            plan_traffic(shown.flows)
        assert len(refused.value.faults) == twice
        return
    traffic = plan_traffic(shown.flows)
    assert [stream.flow for stream in traffic] == list(shown.flows)
    servers = [(stream.flow.destination, stream.server_port) for stream in traffic]
    assert len(set(servers)) == len(servers)
    for stream in traffic:
        assert 0 < stream.server_port < 1 << 16
        assert stream.flow.dst_port in (None, stream.server_port)
        assert stream.flow.proto in (None, stream.proto)


@given(views(), st.sampled_from([None, 0.5, 10.0]))
def test_what_is_offered_is_the_payload_in_frames(shown: AllocationView, factor: float | None) -> None:
    free = [flow for flow in shown.flows if flow.dst_port is None and flow.proto is None]
    senders = [Sender(flow.id, PROTOCOLS["udp"], factor) for flow in free[::2]]
    for stream in plan_traffic(free, senders):
        if stream.payload_bps is None:
            assert (stream.protocol, stream.offered_bps, stream.flow.demand_bps) == ("tcp", None, None)
        elif stream.protocol == "tcp":
            assert tcp_wire_bps(stream.payload_bps) == pytest.approx(stream.flow.demand_bps)
        else:
            assert udp_wire_bps(stream.payload_bps, UDP_PAYLOAD_BYTES) == pytest.approx(stream.offered_bps)
            if factor is not None:
                assert stream.offered_bps == pytest.approx(factor * stream.flow.allocated_bps)


@given(
    st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1).filter(lambda text: "=" not in text),
    st.sampled_from(["tcp", "udp"]),
    st.none() | st.integers(1, 100) | st.sampled_from([0.5, 1.25]),
)
def test_a_sender_reads_back(flow: str, protocol: str, factor: float | None) -> None:
    if protocol == "tcp":
        factor = None
    text = f"{flow}={protocol}" + ("" if factor is None else f",x{factor}")
    assert parse_sender(text) == Sender(flow, PROTOCOLS[protocol], factor)
