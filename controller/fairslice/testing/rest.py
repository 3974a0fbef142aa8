"""A controller's REST server with a service that is played."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fairslice.api.allocation import AllocationView, FlowView, LinkView, PathView
from fairslice.api.counters import Counters, FlowReading, PortReading, QueueReading
from fairslice.api.network import NetworkView
from fairslice.api.status import ProbesView, StatusView
from fairslice.control.rest.limits import Limits
from fairslice.control.rest.server import RestServer, bind

STATUS = StatusView(
    generation=3,
    in_force=True,
    discovered=True,
    missing=("link s1->s2",),
    surprises=(),
    problems=("gold:h1->h2: no path",),
    modifications=5,
    framework="played 1.0",
)
NETWORK = NetworkView.model_validate(
    {
        "directed": True,
        "multigraph": False,
        "graph": {"name": "pair"},
        "nodes": [
            {"kind": "switch", "id": "s1", "dpid": "0000000000000001"},
            {"kind": "host", "id": "h1", "mac": "00:00:00:00:00:01", "ip": "10.0.0.1"},
        ],
        "edges": [
            {"source": "h1", "target": "s1", "capacity": 10e6, "port_no": 0, "delay": 0.005},
            {"source": "s1", "target": "h1", "capacity": 10e6, "port_no": 1},
        ],
    }
)
ALLOCATION = AllocationView(
    policy="p.yaml",
    generation=3,
    certified=True,
    flows=(
        FlowView(
            number=1,
            id="gold:h1->h2",
            slice="gold",
            source="h1",
            destination="h2",
            match="any",
            proto=None,
            src_port=None,
            dst_port=None,
            enforcement="both",
            slice_number=1,
            queue_id=1,
            demand_bps=None,
            allocated_bps=9.5e6,
            return_share=0.05,
            bottleneck="link s1->h2",
            path=("h1", "s1", "h2"),
            paths=(PathView(nodes=("h1", "s1", "h2"), share=1.0, rate_bps=9.5e6),),
            return_path=("h2", "s1", "h1"),
        ),
    ),
    links=(
        LinkView(
            source="s1",
            target="h2",
            capacity_bps=10e6,
            allocated_bps=9.5e6,
            acknowledgements_bps=0.0,
            dpid=1,
            port_no=2,
        ),
    ),
)
COUNTERS = Counters(
    flows={1: FlowReading(offered_bytes=5, probe_bytes=2)},
    queues=[
        QueueReading(time_s=1.5, dpid=1, port_no=2, queue_id=1, entered_bytes=5, sent_bytes=4, sent_packets=3)
    ],
    ports=[PortReading(time_s=1.5, dpid=1, port_no=2, received_bytes=9, sent_bytes=4)],
)


class PlayedService:
    """Answers each method alike, or by what stands in ``instead``; keeps what it was asked."""

    def __init__(self) -> None:
        self.instead: dict[str, Callable[[], Any]] = {}
        self.asked: list[tuple[Any, ...]] = []

    def fails(self, method: str, error: BaseException) -> None:
        """Raise it from now on."""

        def fail() -> None:
            raise error

        self.instead[method] = fail

    def _answer(self, usual: Any, *asked: Any) -> Any:
        self.asked.append(asked)
        return self.instead.get(asked[0], lambda: usual)()

    def status(self) -> StatusView:
        """As it is."""
        return self._answer(STATUS, "status")  # type: ignore[no-any-return]

    def network(self) -> NetworkView:
        """As it is."""
        return self._answer(NETWORK, "network")  # type: ignore[no-any-return]

    def allocation(self) -> AllocationView:
        """As it is."""
        return self._answer(ALLOCATION, "allocation")  # type: ignore[no-any-return]

    def apply(self, text: str, file: str) -> StatusView:
        """Take anything."""
        return self._answer(STATUS, "apply", text, file)  # type: ignore[no-any-return]

    def counters(self) -> Counters:
        """As they are."""
        return self._answer(COUNTERS, "counters")  # type: ignore[no-any-return]

    def probes(self, probes: ProbesView) -> StatusView:
        """Take any."""
        return self._answer(STATUS, "probes", probes)  # type: ignore[no-any-return]


@contextmanager
def played_rest(limits: Limits | None = None) -> Iterator[tuple[PlayedService, int]]:
    """The service, and the port of 127.0.0.1 on which it is served."""
    service = PlayedService()
    listening = bind("REST", "127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    server = RestServer(service, listening, limits)
    server.start()
    try:
        yield service, port
    finally:
        server.stop()
