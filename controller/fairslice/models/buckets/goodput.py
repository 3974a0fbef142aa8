"""What one TCP flow gets through a policer, by the depth of its bucket: little below the timer, then all.

Assumptions, as fairslice's measurement has them (docs/concepts/policing-and-shaping.md):

* one greedy flow, whose link is much faster than the rate: it empties the bucket in a time far below its
  retransmission timeout;
* it learns of the rate by a loss alone, which takes a whole end of its window, so that only the timer
  repairs it (RFC 6298); in that time it sends nothing;
* the first packet after the timer finds a token, so the timer does not double.

The flow then goes in rounds: silent for the timeout, then a climb in which it takes all that the bucket kept
and all that comes meanwhile. What it loses of its rate is what a full bucket can't keep: after the burst, as
a time at the rate, the bucket is full, and tokens are lost until the timeout is over.

Where a window is so small that few packets are lost with it, senders of today repair it without the timer
(tail loss probes, RFC 8985). They then get more: the formula is a floor there, and not the value.
"""

LINUX_TIMEOUT_S = 0.2
"""The least retransmission timeout of Linux (TCP_RTO_MIN); RFC 6298 asks for a second."""
FRAME_PAYLOAD = 1448 / 1514
"""TCP's payload in a full Ethernet frame, with timestamps: what goodput is of a rate in frames."""


def policed_share(
    burst_s: float, *, timeout_s: float = LINUX_TIMEOUT_S, climb_s: float = 0.0, payload: float = 1.0
) -> float:
    """Goodput over rate of one TCP flow behind a policer.

    It is payload·(1 − max(0, timeout − burst)/(timeout + climb)). With a climb of 0 that is burst over
    timeout, and from the timeout on all of it.

    Args:
        burst_s: the depth of the bucket as a time at its rate, in seconds, 0 or more.
        timeout_s: how long the flow is silent after a loss, in seconds, above 0.
        climb_s: how long it sends until the next loss, in seconds, 0 or more; a few round trips.
        payload: the part of a frame that is counted, :data:`FRAME_PAYLOAD` for full frames.

    Raises:
        ValueError: a time is out of its range.
    """
    if burst_s < 0 or timeout_s <= 0 or climb_s < 0:
        raise ValueError(
            f"found burst {burst_s:g} s, timeout {timeout_s:g} s, climb {climb_s:g} s; expected a burst and a"
            " climb from 0 up, and a timeout above 0"
        )
    return payload * (1 - max(0.0, timeout_s - burst_s) / (timeout_s + climb_s))


def knee_s(share: float = 1.0, *, timeout_s: float = LINUX_TIMEOUT_S) -> float:
    """The smallest burst, as a time at the rate, with which a flow gets a share of it, the climb left out.

    Args:
        share: of the rate, 0 to 1.
        timeout_s: as :func:`policed_share` has it.

    Raises:
        ValueError: the share is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"found a share of {share:g}, expected one from 0 to 1")
    return share * timeout_s
