"""In-trees of a network, found once for every switch with hosts, and kept while links come and go."""

import threading
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

from fairslice.topology.network import LinkKey, Network
from fairslice.topology.paths import NoPathError, path_links, preferred

_Ends = tuple[str, str, int]
"""Source, destination and slice number of a path."""


@dataclass(frozen=True, slots=True)
class _Reach:
    """How other switches reach one: hops, the width of the widest of the shortest ways, and what may be next.

    ``next`` are the nodes that begin such a way.
    """

    hops: Mapping[str, int]
    width_bps: Mapping[str, float]
    next: Mapping[str, Sequence[str]]


class Trees:
    """The paths of slices through one network: an in-tree for each slice and destination.

    Paths have the fewest hops, and of those the widest is taken (see
    :class:`~fairslice.topology.paths.Toward`); hosts never carry others' traffic. Of several next nodes that
    are equally near and lead on equally wide, each switch takes that with the highest weight, a hash of
    slice, destination, switch and candidate (RFC 2991, "highest random weight"): slices and destinations
    spread over the ways there are, every run and every machine chooses alike, and a link that fails moves
    only what used it.

    Hosts at one switch are reached alike, but for the last step, so the ways to a switch are found once for
    all of them, when they are first asked for. What is found is kept here, and handed on by :meth:`on` to the
    trees of a network with other links, where it holds there too.

    Threads may share one.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._reach: dict[str, _Reach] = {}
        self._paths: dict[_Ends, tuple[str, ...]] = {}
        self._using: dict[LinkKey, list[_Ends]] | None = None
        self._lock = threading.RLock()
        """Held by whoever adds to what is kept, or goes through it."""
        self.lost: frozenset[tuple[str, str]] | None = None
        """Pairs of hosts, both ways round, between which a path of the trees before was not taken over; None:
        nothing was."""

    def path(self, source: str, destination: str, slice_number: int) -> tuple[str, ...]:
        """The nodes that a slice's traffic passes from one host to another, both of them included.

        Raises:
            NoPathError: there is no way, or one of the hosts is not in the network.
        """
        ends = (source, destination, slice_number)
        found = self._paths.get(ends)
        if found is None:
            with self._lock:
                found = self._paths[ends] = self._walk(source, destination, slice_number)
                self._using = None
        return found

    def _walk(self, source: str, destination: str, slice_number: int) -> tuple[str, ...]:
        hosts, links = self.network.hosts, self.network.links
        for host in (source, destination):
            if host not in hosts:
                raise NoPathError(source, destination, f"{host} is not a host of the network")
        if source == destination:
            return (source,)
        node, last = hosts[source].switch, hosts[destination].switch
        if (source, node) not in links or (last, destination) not in links:
            raise NoPathError(source, destination)
        following = self._reach_of(last).next
        nodes = [source, node]
        while node != last:
            if node not in following:
                raise NoPathError(source, destination)
            node = _chosen(following[node], slice_number, destination, node)
            nodes.append(node)
        return (*nodes, destination)

    def in_tree(self, destination: str, slice_number: int) -> Mapping[str, str]:
        """The next node toward the host ``destination``, for every other node that can reach it.

        Takes O(V + E) time, the first time for a switch; O(V) from then on.

        Raises:
            KeyError: the network has no host of that name.
        """
        hosts, links = self.network.hosts, self.network.links
        last = hosts[destination].switch
        if (last, destination) not in links:
            return {}
        with self._lock:
            following = self._reach_of(last).next
        tree = {node: _chosen(nodes, slice_number, destination, node) for node, nodes in following.items()}
        tree[last] = destination
        tree |= {
            host.name: host.switch
            for host in hosts.values()
            if host.switch in tree and host.name != destination and (host.name, host.switch) in links
        }
        return tree

    def on(self, network: Network) -> "Trees":
        """The trees of another network, with all that is known of this one and holds there too.

        A link that goes changes a tree only where it begins the last of the widest ways from its switch, and
        a path only if it lies on it: all other ways are as short and as wide as before, and of fewer
        candidates the same one has the highest weight. A link that comes, or has another capacity, changes a
        tree only if it leads to the switch on a way that is no longer than those there were.

        Takes O(L + T) time for L links and T trees that are kept, and O(V + E) for each tree that has to be
        built anew, when it is asked for.
        """
        if network is self.network:
            return self
        with self._lock:
            return self._on(network)

    def _on(self, network: Network) -> "Trees":
        trees = Trees(network)
        old, new = self.network.links, network.links
        if network.switches != self.network.switches:
            return trees
        gone = old.keys() - new.keys()
        come = {
            key
            for key, link in new.items()
            if (was := old.get(key)) is not link and was != link and not network.hosts.keys() & key
        }
        for switch, reach in self._reach.items():
            kept = _less(reach, gone)
            if kept is not None and not any(_leads(kept, *key) for key in come):
                trees._reach[switch] = kept
        if network.hosts == self.network.hosts:
            trees._paths, trees.lost = self._paths_without(gone, trees if come else None)
        return trees

    def _paths_without(
        self, gone: Collection[LinkKey], known: "Trees | None"
    ) -> tuple[dict[_Ends, tuple[str, ...]], frozenset[tuple[str, str]]]:
        """The paths over none of the links, and between which hosts others were, both ways round.

        Where links came, only paths of trees that are ``known`` are kept.
        """
        paths = self._paths.copy()
        lost = {ends for key in gone for ends in self._paths_over(key)}
        if known is not None:
            hosts = self.network.hosts
            lost |= {ends for ends in paths if hosts[ends[1]].switch not in known._reach}
        for ends in lost:
            del paths[ends]
        pairs = {(source, destination) for source, destination, _ in lost}
        return paths, frozenset(pairs | {(destination, source) for source, destination in pairs})

    def _paths_over(self, key: LinkKey) -> Sequence[_Ends]:
        if self._using is None:
            using: dict[LinkKey, list[_Ends]] = defaultdict(list)
            for ends, nodes in self._paths.items():
                for link in path_links(nodes):
                    using[link].append(ends)
            self._using = dict(using)
        return self._using.get(key, ())

    def _reach_of(self, switch: str) -> _Reach:
        if switch not in self._reach:
            self._reach[switch] = _reach(self._switches_before, switch)
        return self._reach[switch]

    @cached_property
    def _switches_before(self) -> Mapping[str, Sequence[tuple[str, float]]]:
        """By switch: the switches that a link leads from to it, and what the link carries, in bit/s."""
        switches = self.network.switches
        before: dict[str, list[tuple[str, float]]] = {name: [] for name in switches}
        for link in self.network.links.values():
            if link.source in switches and link.target in switches:
                before[link.target].append((link.source, link.capacity_bps))
        return before


def _chosen(candidates: Sequence[str], slice_number: int, destination: str, node: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    return preferred(candidates, f"{slice_number}/{destination}/{node}")


def _reach(before: Mapping[str, Sequence[tuple[str, float]]], last: str) -> _Reach:
    """Breadth first from the switch: when a node's turn comes, all that it may go on to have had theirs."""
    hops, width_bps = {last: 0}, {last: inf}
    following: dict[str, list[str]] = {}
    queue = deque([last])
    while queue:
        node = queue.popleft()
        hops_before, rest_bps = hops[node] + 1, width_bps[node]
        for other, capacity_bps in before[node]:
            known = hops.get(other)
            width = capacity_bps if capacity_bps < rest_bps else rest_bps
            if known is None:
                hops[other], width_bps[other], following[other] = hops_before, width, [node]
                queue.append(other)
            elif known == hops_before:
                if width > width_bps[other]:
                    width_bps[other], following[other] = width, [node]
                elif width == width_bps[other]:
                    following[other].append(node)
    return _Reach(hops, width_bps, following)


def _less(reach: _Reach, gone: Collection[LinkKey]) -> _Reach | None:
    """The same without some links; None if it has to be found anew."""
    following: dict[str, Sequence[str]] | None = None
    for node, after in gone:
        candidates = (reach.next if following is None else following).get(node, ())
        if after in candidates:
            if len(candidates) == 1:
                return None
            following = dict(reach.next) if following is None else following
            following[node] = [other for other in candidates if other != after]
    return reach if following is None else _Reach(reach.hops, reach.width_bps, following)


def _leads(reach: _Reach, node: str, after: str) -> bool:
    """Whether a link is on a way that is no longer than those there are."""
    hops = reach.hops.get(after)
    return hops is not None and hops + 1 <= reach.hops.get(node, inf)
