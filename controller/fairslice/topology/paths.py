"""Paths: one in-tree for each slice and destination, and one spanning tree for broadcasts."""

from collections import deque
from collections.abc import Mapping
from hashlib import blake2b
from itertools import pairwise

from fairslice.errors import FairsliceError
from fairslice.topology.network import LinkKey, Network


class NoPathError(FairsliceError):
    """No path leads from ``source`` to ``destination``: a link is down, or one of them is unknown."""

    def __init__(self, source: str, destination: str, reason: str = "no working links join them") -> None:
        super().__init__(f"no path from {source} to {destination}: {reason}")
        self.source = source
        self.destination = destination


def in_tree(network: Network, destination: str, slice_number: int) -> Mapping[str, str]:
    """The next node toward the host ``destination``, for every other node that can reach it.

    Paths have the fewest hops, and hosts never carry others' traffic. Of several next nodes that are equally
    near, each switch takes that with the highest weight, a hash of slice, destination, switch and candidate
    (RFC 2991, "highest random weight"): slices and destinations spread over the ways there are, every run
    and every machine chooses alike, and a link that fails moves only what used it.

    Takes O(V + E) time.

    Raises:
        KeyError: the network has no host of that name.
    """
    predecessors = network.graph.pred
    attached = network.hosts[destination].name
    nearest: dict[str, list[str]] = {}
    distance = {attached: 0}
    queue = deque([attached])
    while queue:
        node = queue.popleft()
        if node in network.hosts and node != attached:
            continue
        for before in predecessors[node]:
            if before not in distance:
                distance[before] = distance[node] + 1
                queue.append(before)
            if distance[before] == distance[node] + 1:
                nearest.setdefault(before, []).append(node)
    return {node: _choose(nodes, f"{slice_number}/{attached}/{node}") for node, nodes in nearest.items()}


def _choose(candidates: list[str], who: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda candidate: preference(who, candidate))


def preference(who: str, candidate: str) -> tuple[bytes, str]:
    """How much ``who`` prefers a next node; the highest is taken (RFC 2991, "highest random weight")."""
    # Not a CRC: it is linear, so that neighbouring switches would choose alike.
    return (blake2b(f"{who}/{candidate}".encode(), digest_size=8).digest(), candidate)


def path(network: Network, source: str, destination: str, slice_number: int) -> tuple[str, ...]:
    """The nodes that a slice's traffic passes from one host to another, both of them included.

    Raises:
        NoPathError: there is no way, or one of the hosts is not in the network.
    """
    for host in (source, destination):
        if host not in network.hosts:
            raise NoPathError(source, destination, f"{host} is no host of the network")
    tree = in_tree(network, destination, slice_number)
    nodes = [source]
    while nodes[-1] != destination:
        if nodes[-1] not in tree:
            raise NoPathError(source, destination)
        nodes.append(tree[nodes[-1]])
    return tuple(nodes)


def path_links(path: tuple[str, ...]) -> tuple[LinkKey, ...]:
    """The links along a path, in order.

    >>> path_links(("h1", "s1", "h2"))
    (('h1', 's1'), ('s1', 'h2'))
    """
    return tuple(pairwise(path))


def spanning_tree(network: Network) -> frozenset[LinkKey]:
    """Links, in both directions, that join all switches without a loop.

    It grows breadth first from the smallest dpid, neighbours in rising order of theirs, over cables that work
    both ways; where the network is in parts, each part has its own tree. Takes O(V log V + E log E) time.
    """

    def dpid(name: str) -> int:
        return network.switches[name].dpid

    successors = network.graph.adj
    tree: set[LinkKey] = set()
    reached: set[str] = set()
    for root in sorted(network.switches, key=dpid):
        if root in reached:
            continue
        reached.add(root)
        queue = deque([root])
        while queue:
            node = queue.popleft()
            neighbours = (n for n in successors[node] if n in network.switches and (n, node) in network.links)
            for neighbour in sorted(neighbours, key=dpid):
                if neighbour not in reached:
                    reached.add(neighbour)
                    tree |= {(node, neighbour), (neighbour, node)}
                    queue.append(neighbour)
    return frozenset(tree)
