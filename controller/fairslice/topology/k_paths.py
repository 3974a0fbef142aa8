"""Several paths from host to host: the k shortest without a loop."""

from collections import Counter, deque
from collections.abc import Collection

from fairslice.topology.network import LinkKey, Network
from fairslice.topology.paths import path, path_links, preference

_Order = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Of paths: hops, then how much each node prefers the next one, most preferred first; then names."""


def k_paths(
    network: Network, source: str, destination: str, slice_number: int, count: int
) -> tuple[tuple[str, ...], ...]:
    """At most ``count`` different loop-free paths that a slice's traffic may take between two hosts.

    They have the fewest hops that there are, in rising order, and the first is the in-tree's. Of paths with
    equally many hops the next is one that shares few links with those before, since two that share theirs
    carry no more than one; and of those, one whose next node is preferred where they part, by the hash that
    :func:`~fairslice.topology.paths.in_tree` goes by. So other slices and destinations find other orders, and
    every machine finds the same. Hosts never carry others' traffic. Fewer paths are returned only if there
    are no more.

    Source: J. Y. Yen, "Finding the K Shortest Loopless Paths in a Network", Management Science 17(11), 1971;
    with E. L. Lawler's remark (Management Science 18(7), 1972) that a path need not be left where its
    predecessor was left before. Takes O(k·n·(V + E + k·n)) time for paths of n nodes, however many paths
    there are.

    Raises:
        ValueError: ``count`` is below 1.
        NoPathError: there is no way, or one of the hosts is not in the network.
    """
    if count < 1:
        raise ValueError(f"count is {count}, expected 1 or more")
    finder = _Finder(network, destination, slice_number)
    found = [path(network, source, destination, slice_number)]
    left_at = 0
    # Every path that is not found yet is in one of these classes: those that follow a found one up to a
    # node and there go on to none of its known next nodes. Each is known by its best.
    waiting: dict[tuple[str, ...], tuple[_Order, int]] = {}
    times_used: Counter[LinkKey] = Counter()

    def rank(nodes: tuple[str, ...]) -> tuple[int, int, _Order]:
        return (len(nodes), sum(times_used[key] for key in path_links(nodes)), waiting[nodes][0])

    while len(found) < count:
        latest = found[-1]
        times_used.update(path_links(latest))
        for index in range(left_at, len(latest) - 1):
            begin = latest[: index + 1]
            taken = {other[index + 1] for other in found if other[: index + 1] == begin}
            rest = finder.best(latest[index], avoid=begin[:-1], not_next=taken)
            if rest:
                waiting[begin + rest] = (finder.order(begin + rest), index)
        if not waiting:
            break
        best = min(waiting, key=rank)
        _, left_at = waiting.pop(best)
        found.append(best)
    return tuple(found)


class _Finder:
    """Finds best paths to one destination in parts of a network."""

    def __init__(self, network: Network, destination: str, slice_number: int) -> None:
        self._network = network
        self._destination = destination
        self._slice_number = slice_number
        self._preferences: dict[tuple[str, str], int] = {}

    def order(self, nodes: tuple[str, ...]) -> _Order:
        """The place of a whole path among others."""
        steps = path_links(nodes)
        return (len(nodes), tuple(-self._preference(*step) for step in steps), nodes)

    def best(self, start: str, avoid: Collection[str], not_next: Collection[str]) -> tuple[str, ...]:
        """What follows ``start`` on the best way that passes none of ``avoid`` and first goes to none of
        ``not_next``; nothing if there is none."""
        successors = self._network.graph.adj
        distance = self._distances({start, *avoid})
        first = [node for node in successors[start] if node in distance and node not in not_next]
        if not first:
            return ()
        way = [self._nearest(start, first, distance)]
        while way[-1] != self._destination:
            way.append(self._nearest(way[-1], [n for n in successors[way[-1]] if n in distance], distance))
        return tuple(way)

    def _distances(self, avoid: Collection[str]) -> dict[str, int]:
        """Hops to the destination of all nodes that reach it past ``avoid`` and past other hosts."""
        predecessors, hosts = self._network.graph.pred, self._network.hosts
        distance = {self._destination: 0}
        queue = deque([self._destination])
        while queue:
            node = queue.popleft()
            for before in predecessors[node]:
                if before not in distance and before not in avoid and before not in hosts:
                    distance[before] = distance[node] + 1
                    queue.append(before)
        return distance

    def _nearest(self, node: str, candidates: list[str], distance: dict[str, int]) -> str:
        fewest = min(distance[candidate] for candidate in candidates)
        nearest = [candidate for candidate in candidates if distance[candidate] == fewest]
        return max(nearest, key=lambda candidate: self._preference(node, candidate))

    def _preference(self, node: str, candidate: str) -> int:
        key = (node, candidate)
        if key not in self._preferences:
            digest, _ = preference(f"{self._slice_number}/{self._destination}/{node}", candidate)
            self._preferences[key] = int.from_bytes(digest, "big")
        return self._preferences[key]
