"""What a user may ask of any topology, beside the file: hosts for graphs without, and other capacities."""

import contextlib
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from fairslice.errors import Fault, InputError
from fairslice.topology.check import MAX_CAPACITY_BPS
from fairslice.topology.network import Network
from fairslice.units import format_rate, parse_rate

ParallelCables = Literal["merge", "refuse"]

_MAX_FACTOR = MAX_CAPACITY_BPS
"""It takes the least capacity, 1 bit/s, to the greatest."""
_LONG_EXPONENT = re.compile(r"[eE][+-]?[\d_]{4}")


@dataclass(frozen=True, slots=True)
class Scaling:
    """All capacities times ``factor``, or so that the fastest cable between switches has ``fastest_bps``."""

    factor: Fraction | None = None
    fastest_bps: float | None = None

    def scaled(self, network: Network) -> Network:
        """The network with other capacities, in the same proportions.

        Raises:
            InputError: a link would carry less than 1 bit/s, or more than MAX_CAPACITY_BPS.
        """
        factor = self.factor or Fraction(1)
        if self.fastest_bps is not None and network.links:
            between = [link for link in network.links.values() if {*link.key} <= {*network.switches}]
            fastest_bps = max(link.capacity_bps for link in between or network.links.values())
            factor = Fraction(self.fastest_bps) / Fraction(fastest_bps)
        links = {}
        faults = []
        for key, link in network.links.items():
            # In fractions: 10 Gbit/s times 1/1000 is 10 Mbit/s, exactly.
            capacity_bps = float(Fraction(link.capacity_bps) * factor)
            if not 1 <= capacity_bps <= max(MAX_CAPACITY_BPS, link.capacity_bps):
                message = (
                    f"--scale-bandwidth: link {link.name} would carry {format_rate(capacity_bps)} in place"
                    f" of {format_rate(link.capacity_bps)};"
                    f" expected 1 bit/s to {format_rate(MAX_CAPACITY_BPS)}"
                )
                faults.append(Fault(message))
            links[key] = replace(link, capacity_bps=capacity_bps)
        if faults:
            raise InputError(faults)
        return replace(network, links=links)


def parse_bandwidth(text: str) -> float:
    """Read a capacity, in bit/s; a number without a unit is in Mbit/s, as Mininet's ``bw``.

    Raises:
        ValueError: it is not a rate, or not above 0 and up to MAX_CAPACITY_BPS.

    >>> parse_bandwidth("100") == parse_bandwidth("100 Mbit/s") == 100e6
    True
    """
    with contextlib.suppress(ValueError):
        text = f"{float(text)!r} Mbit/s"
    rate_bps = parse_rate(text)
    if not 0 < rate_bps <= MAX_CAPACITY_BPS:
        raise ValueError(f"{text} is not above 0 and up to {format_rate(MAX_CAPACITY_BPS)}")
    return rate_bps


def parse_scaling(text: str) -> Scaling:
    """Read ``0.001`` or ``1/1000``, a factor, or ``100 Mbit/s``, what the fastest cable is to carry.

    Raises:
        ValueError: it is neither, or out of range.

    >>> parse_scaling("1/1000")
    Scaling(factor=Fraction(1, 1000), fastest_bps=None)
    """
    expected = (
        "expected a factor such as 0.001 or 1/1000, or what the fastest cable is to carry, such as 100 Mbit/s"
    )
    try:
        # A fraction is exact: one of a long exponent would take all memory.
        factor = Fraction("0" if _LONG_EXPONENT.search(text) else text)
    except ZeroDivisionError:
        raise ValueError(f"{text!r} divides by 0; {expected}") from None
    except ValueError:
        try:
            fastest_bps = parse_rate(text)
        except ValueError:
            raise ValueError(f"{text!r} is neither a factor nor a rate; {expected}") from None
        if not 0 < fastest_bps <= MAX_CAPACITY_BPS:
            raise ValueError(f"{text!r}; {expected}, up to {format_rate(MAX_CAPACITY_BPS)}") from None
        return Scaling(fastest_bps=fastest_bps)
    if not 0 < factor <= _MAX_FACTOR:
        raise ValueError(f"{text!r} is not above 0 and up to {_MAX_FACTOR:g}; {expected}")
    return Scaling(factor)


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """What is asked of a topology; None is what is not said.

    Attributes:
        hosts_per_switch: Hosts at each switch of a graph (GraphML, SNDlib), which has none of its own; 1 if
            it is not said.
        parallel_cables: Whether a graph's parallel cables are taken as one; "merge" if it is not said.
        largest_part: Whether of a graph in several parts the largest is taken.
        scaling: Other capacities, for any topology.
    """

    hosts_per_switch: int | None = None
    parallel_cables: ParallelCables | None = None
    largest_part: bool = False
    scaling: Scaling | None = None
