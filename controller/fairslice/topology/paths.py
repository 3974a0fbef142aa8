"""What paths are made of: shortest ways to a host, who prefers which, a spanning tree for broadcasts."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from math import inf

from fairslice.errors import FairsliceError
from fairslice.topology.network import Link, LinkKey, Network


class NoPathError(FairsliceError):
    """No path leads from ``source`` to ``destination``: a link is down, or one of them is unknown."""

    def __init__(self, source: str, destination: str, reason: str = "no working links join them") -> None:
        super().__init__(f"no path from {source} to {destination}: {reason}")
        self.source = source
        self.destination = destination


@dataclass(frozen=True, slots=True)
class Toward:
    """How every node that can reach a host gets there with the fewest hops, and of those by the widest way.

    A way is as wide as its narrowest link between switches: the hosts' own cables are on all ways alike.
    ``nearest`` are the next nodes of all shortest ways, ``widest`` those of them that begin a widest one.
    """

    hops: Mapping[str, int]
    width_bps: Mapping[str, float]
    nearest: Mapping[str, Sequence[str]]
    widest: Mapping[str, Sequence[str]]


def toward(network: Network, destination: str, avoid: Collection[str] = ()) -> Toward:
    """The shortest ways to the host ``destination`` past the nodes of ``avoid``, and past other hosts.

    Takes O(V + E) time: when a node's turn comes, breadth first from the destination, all that it may go on
    to have had theirs, so that its own width is known.

    Raises:
        KeyError: the network has no host of that name.
    """
    attached = network.hosts[destination].name
    hops, width_bps = {attached: 0}, {attached: inf}
    nearest: dict[str, list[str]] = {}
    widest: dict[str, list[str]] = {}
    links_to, hosts = network.links_to, network.hosts
    queue = deque([attached])
    while queue:
        node = queue.popleft()
        hops_before, rest_bps = hops[node] + 1, width_bps[node]
        for link in links_to[node]:
            before = link.source
            known = hops.get(before)
            if (known is not None and known != hops_before) or before in avoid:
                continue
            width = through(link, node == attached, rest_bps)
            if known is None:
                hops[before], width_bps[before] = hops_before, width
                nearest[before], widest[before] = [node], [node]
                if before not in hosts:
                    queue.append(before)
                continue
            nearest[before].append(node)
            if width > width_bps[before]:
                width_bps[before], widest[before] = width, [node]
            elif width == width_bps[before]:
                widest[before].append(node)
    return Toward(hops, width_bps, nearest, widest)


def through(link: Link, arrives: bool, rest_bps: float) -> float:
    """How wide a way is that begins with ``link`` and goes on ``rest_bps`` wide, or arrives at its host."""
    return inf if arrives else min(link.capacity_bps, rest_bps)


def preferred(candidates: Sequence[str], who: str) -> str:
    """The candidate that ``who`` prefers."""
    return max(candidates, key=lambda candidate: preference(who, candidate))


def preference(who: str, candidate: str) -> tuple[bytes, str]:
    """How much ``who`` prefers a next node; the highest is taken (RFC 2991, "highest random weight")."""
    # Not a CRC: it is linear, so that neighbouring switches would choose alike.
    return (blake2b(f"{who}/{candidate}".encode(), digest_size=8).digest(), candidate)


def width_bps(network: Network, path: tuple[str, ...]) -> float:
    """What the narrowest link between switches on a path carries, in bit/s; infinite if there is none."""
    return min((network.links[key].capacity_bps for key in path_links(path)[1:-1]), default=inf)


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
