"""Parts of results for tests."""

from fairslice.measure.results import NotMeasured


def ping(reason: str = "iperf3 can't") -> NotMeasured:
    """A flow of another protocol, which was not measured."""
    return NotMeasured(
        number=9,
        id="ping:h1->h4 icmp",
        slice="ping",
        source="h1",
        destination="h4",
        match="icmp",
        allocated_bps=1e5,
        reason=reason,
    )
