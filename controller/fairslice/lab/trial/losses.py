"""Where a UDP flow's datagrams went: dropped on purpose, or lost, and where. Pure."""

from dataclasses import dataclass

from fairslice.measure.rates import FlowRates


@dataclass(frozen=True, slots=True)
class Losses:
    """What of ``sent_bps`` did not arrive, by where it went, in bit/s of Ethernet frames.

    ``metered_bps`` and ``queue_dropped_bps`` were dropped on purpose: by the flow's meter, and by queues of
    its slice that were full. ``cable_lost_bps`` did not come to the first switch. ``lost_bps`` is the rest.
    """

    sent_bps: float
    metered_bps: float
    queue_dropped_bps: float
    cable_lost_bps: float
    lost_bps: float


def losses(sent_bps: float, loss: float, rates: FlowRates, cable_lost_bps: float | None = None) -> Losses:
    """Part what a receiver missed by the counters of the switches.

    The four parts add up to ``loss * sent_bps``. Counters are read a little apart from iperf3, and may count
    other frames of the flow, such as acknowledgements of another: none explains more than was missed.

    Args:
        sent_bps: what the sender sent.
        loss: the part of it that the receiver missed, 0 to 1.
        rates: what switches counted of the flow.
        cable_lost_bps: what its host's cable lost of all its flows, by the counters of both ends: the flow
            lost no more there. None: not known. (Switches count flows up to a second late: what they have not
            counted by itself does not tell that it did not come.)
    """
    left = loss * sent_bps
    metered_bps = min(left, rates.metered_bps)
    left -= metered_bps
    queue_dropped_bps = min(left, rates.queue_dropped_bps)
    left -= queue_dropped_bps
    most_bps = left if cable_lost_bps is None else cable_lost_bps
    cable_bps = min(left, most_bps, max(0.0, sent_bps - rates.offered_bps))
    return Losses(sent_bps, metered_bps, queue_dropped_bps, cable_bps, left - cable_bps)
