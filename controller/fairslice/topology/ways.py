"""Which equally short ways there are between two hosts, so that people see why a path was taken."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from fairslice.topology.network import Network
from fairslice.topology.paths import NoPathError, toward


@dataclass(frozen=True, slots=True)
class Way:
    """A path in node names, and what its narrowest link between switches carries (infinite without one)."""

    nodes: tuple[str, ...]
    width_bps: float


@dataclass(frozen=True, slots=True)
class ShortestWays:
    """How many ways of the fewest hops there are, and the widest of them, by falling width, then by names."""

    count: int
    ways: tuple[Way, ...]


def shortest_ways(network: Network, source: str, destination: str, most: int) -> ShortestWays:
    """At most ``most`` of the ways with the fewest hops from host to host; all are counted.

    Takes O(V + E) time, and that of :meth:`WaysTo.shortest`.

    Raises:
        NoPathError: there is no way.
    """
    return WaysTo(network, destination).shortest(source, most)


class WaysTo:
    """The equally short ways to one host, from any other.

    What they have in common is found once, in O(V + E) time.

    Raises:
        KeyError: the network has no host of that name.
    """

    def __init__(self, network: Network, destination: str) -> None:
        self._network = network
        self._destination = destination
        self._reach = toward(network, destination)
        self._counts = {destination: 1}
        for node, following in self._reach.nearest.items():  # By rising hops.
            self._counts[node] = sum(self._counts[after] for after in following)
        self._from_switch: dict[tuple[str, int], tuple[Way, ...]] = {}

    def shortest(self, source: str, most: int) -> ShortestWays:
        """At most ``most`` of the ways from a host; all are counted.

        Best first: a beginning is worth the widest way that it can become, which is known exactly, so that
        whole ways come in order. Takes O(most·n·d·log(most·n·d)) time for n nodes of d next nodes each.

        Raises:
            NoPathError: there is no way.
        """
        if source not in self._reach.hops:
            raise NoPathError(source, self._destination)
        nearest = self._reach.nearest.get(source, ())
        if len(nearest) != 1:
            return ShortestWays(self._counts[source], tuple(self._widest(source, most)))
        # Hosts at one switch go the same ways from there; their own cables count for nothing.
        start = (nearest[0], most)
        if start not in self._from_switch:
            self._from_switch[start] = tuple(self._widest(*start))
        ways = (Way((source, *way.nodes), way.width_bps) for way in self._from_switch[start])
        return ShortestWays(self._counts[source], tuple(ways))

    def _widest(self, start: str, most: int) -> Iterator[Way]:
        """At most ``most`` of the ways from a node."""
        network, reach, destination = self._network, self._reach, self._destination
        waiting: list[tuple[float, tuple[str, ...], float]] = [(-reach.width_bps[start], (start,), inf)]
        found = 0
        while waiting and found < most:
            _, begin, so_far_bps = heapq.heappop(waiting)
            last = begin[-1]
            if last == destination:
                found += 1
                yield Way(begin, so_far_bps)
                continue
            for following in reach.nearest[last]:
                own = last in network.hosts or following == destination
                link_bps = inf if own else network.links[last, following].capacity_bps
                wide_bps = min(so_far_bps, link_bps)
                best_bps = min(wide_bps, reach.width_bps[following])
                heapq.heappush(waiting, (-best_bps, (*begin, following), wide_bps))
