"""Several paths from host to host: the k shortest without a loop."""

from collections import Counter
from collections.abc import Collection, Sequence

from fairslice.topology.network import LinkKey, Network
from fairslice.topology.paths import path_links, preference, through, toward, width_bps
from fairslice.topology.trees import Trees

_Order = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Of paths: hops, then how much each node prefers the next one, most preferred first; then names."""


def k_paths(
    trees: Trees, source: str, destination: str, slice_number: int, count: int
) -> tuple[tuple[str, ...], ...]:
    """At most ``count`` different loop-free paths that a slice's traffic may take between two hosts.

    They have the fewest hops that there are, in rising order, and the first is the in-tree's. Of paths with
    equally many hops the widest come first (:func:`~fairslice.topology.paths.width_bps`); of those that are
    equally wide the next is one that shares few links with those before, since two that share theirs carry
    no more than one; and of those, one whose next node is preferred where they part, by the hash that
    :class:`~fairslice.topology.trees.Trees` go by. So other slices and destinations find other orders, and
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
    network = trees.network
    found = [trees.path(source, destination, slice_number)]
    finder = _Finder(network, destination, slice_number)
    left_at = 0
    # Every path that is not found yet is in one of these classes: those that follow a found one up to a
    # node and there go on to none of its known next nodes. Each is known by its best.
    waiting: dict[tuple[str, ...], tuple[_Order, float, int]] = {}
    times_used: Counter[LinkKey] = Counter()

    def rank(nodes: tuple[str, ...]) -> tuple[int, float, int, _Order]:
        shared = sum(times_used[key] for key in path_links(nodes))
        order, width, _ = waiting[nodes]
        return (len(nodes), -width, shared, order)

    while len(found) < count:
        latest = found[-1]
        times_used.update(path_links(latest))
        for index in range(left_at, len(latest) - 1):
            begin = latest[: index + 1]
            taken = {other[index + 1] for other in found if other[: index + 1] == begin}
            rest = finder.best(latest[index], avoid=begin[:-1], not_next=taken)
            if rest:
                nodes = begin + rest
                waiting[nodes] = (finder.order(nodes), width_bps(network, nodes), index)
        if not waiting:
            break
        best = min(waiting, key=rank)
        _, _, left_at = waiting.pop(best)
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
        ways = toward(self._network, self._destination, {start, *avoid})
        first = [node for node in self._network.graph.adj[start] if node not in not_next]
        first = [node for node in first if node in ways.hops and self._passable(node)]
        if not first:
            return ()
        fewest = min(ways.hops[node] for node in first)
        wide: dict[float, list[str]] = {}
        for node in first:
            if ways.hops[node] == fewest:
                link = self._network.links[start, node]
                wide.setdefault(through(link, fewest == 0, ways.width_bps[node]), []).append(node)
        way = [self._preferred(start, wide[max(wide)])]
        while way[-1] != self._destination:
            way.append(self._preferred(way[-1], ways.widest[way[-1]]))
        return tuple(way)

    def _passable(self, node: str) -> bool:
        return node == self._destination or node not in self._network.hosts

    def _preferred(self, node: str, candidates: Sequence[str]) -> str:
        return max(candidates, key=lambda candidate: self._preference(node, candidate))

    def _preference(self, node: str, candidate: str) -> int:
        key = (node, candidate)
        if key not in self._preferences:
            digest, _ = preference(f"{self._slice_number}/{self._destination}/{node}", candidate)
            self._preferences[key] = int.from_bytes(digest, "big")
        return self._preferences[key]
