"""Packets in columns, and what a scheduler makes of them; exact with fractions, fast with floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

Number = TypeVar("Number", Fraction, float)
"""Fractions are exact. Floats (and ints among them) are fast, and may decide a tie the other way."""


@dataclass(frozen=True)
class Traffic(Generic[Number]):
    """Packets that come to a link, each of a flow. A packet has come when its last bit is there.

    Attributes:
        rate: what the link sends in a unit of time, above 0.
        weights: of each flow, above 0.
        flow: of each packet, an index of ``weights``.
        arrival: of each packet, in any order; of the same instant, the one that is listed first comes first.
        length: of each packet, above 0, in the unit of ``rate``.
    """

    rate: Number
    weights: Sequence[Number]
    flow: Sequence[int]
    arrival: Sequence[Number]
    length: Sequence[Number]

    def __post_init__(self) -> None:
        """Refuse what no link can serve.

        Raises:
            ValueError: columns differ in length, a flow is unknown, or a number is not in its range.
        """
        if not len(self.flow) == len(self.arrival) == len(self.length):
            raise ValueError(
                f"found {len(self.flow)} flows, {len(self.arrival)} arrivals and {len(self.length)} lengths, "
                "expected one of each for every packet"
            )
        for name, numbers in (("rate", (self.rate,)), ("weight", self.weights), ("length", self.length)):
            low = min(numbers, default=1)
            if not low > 0:
                raise ValueError(f"found the {name} {low}, expected a number above 0")
        if self.flow and not 0 <= min(self.flow) <= max(self.flow) < len(self.weights):
            raise ValueError(
                f"found flows from {min(self.flow)} to {max(self.flow)}, "
                f"expected indices of {len(self.weights)} weights"
            )

    def in_order(self) -> list[int]:
        """The packets' places as they come."""
        return sorted(range(len(self.arrival)), key=self.arrival.__getitem__)


def as_floats(traffic: Traffic[Fraction]) -> Traffic[float]:
    """The same packets for a quick computation: each number is the nearest float."""
    return Traffic(
        float(traffic.rate),
        [float(one) for one in traffic.weights],
        traffic.flow,
        [float(one) for one in traffic.arrival],
        [float(one) for one in traffic.length],
    )


@dataclass(frozen=True)
class Served(Generic[Number]):
    """When packets are sent, one after the other.

    Attributes:
        order: the packets' places as they are sent.
        start: of each packet, when its first bit is sent.
        finish: of each packet, when its last bit has been sent.
    """

    order: list[int]
    start: list[Number]
    finish: list[Number]


def largest_lag(finish: Sequence[Number], fluid: Sequence[Number]) -> Number | None:
    """By how much a packet is later than in another schedule, at most; ``None`` without packets.

    Under WFQ no packet is later than its GPS finish plus :func:`lag_bound` (Parekh and Gallager 1993).
    """
    return max((one - other for one, other in zip(finish, fluid, strict=True)), default=None)


def lag_bound(traffic: Traffic[Number]) -> Number | None:
    """The time that the largest packet takes on the link, L_max/r; ``None`` without packets."""
    return max(traffic.length) / traffic.rate if traffic.length else None
