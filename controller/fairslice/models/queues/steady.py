"""What a queue is like in the long run."""

from dataclasses import dataclass

from fairslice.models.queues.numbers import Number
from fairslice.models.queues.times import Times

ENDLESS = "As much comes as the servers can do, or more: the queue has no end, and its means do not exist."


@dataclass(frozen=True)
class SteadyState:
    """A queue in the long run; None is what does not exist, or what no formula is here for.

    Numbers are exact (a Fraction) where the question was rational and not too large. Times and percentiles
    are those of customers who get in, and those who don't wait count.
    """

    stable: bool
    """Whether there is a long run: more is served than comes, or what is too much is turned away."""
    utilisation: Number | None
    """Work that gets in, by the most that the servers can do: λ·(1 − blocking) / (m·μ); of a queue without a
    long run 1 or more (Kleinrock 1975, chapter 2)."""
    blocking: Number | None = None
    """The part of the customers that is turned away."""
    wait_probability: Number | None = None
    mean_wait_s: Number | None = None
    mean_delay_s: Number | None = None
    """Wait and service."""
    mean_waiting: Number | None = None
    """Customers that wait."""
    mean_number: Number | None = None
    """Customers that wait or are served."""
    wait: Times | None = None
    delay: Times | None = None
    note: str = ""
    """Why something is None, in a sentence."""
