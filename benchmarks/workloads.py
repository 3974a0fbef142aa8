"""Networks and flows to measure on: seeded, without a graph library, a million flows within seconds.

Capacities and demands are in bit/s. Nodes, links and flows are numbers; a cable is two links.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairslice.alloc.problem import AllocationProblem

Reals = NDArray[np.float64]
Numbers = NDArray[np.int64]

GBIT = 1e9
OVERLOAD = 1.5
"""What the median used link is offered, in capacities."""
SLICES = 63
WEIGHTS = (1.0, 2.0, 4.0, 8.0)
WAN_CAPACITIES = (1 * GBIT, 10 * GBIT, 40 * GBIT, 100 * GBIT)
FAT_TREE_CAPACITY = 10 * GBIT

KINDS = ("elastic", "mixed")
FAT_TREES = {"fat-tree-8": 8, "fat-tree-16": 16}
WANS = {"wan-150": 150, "wan-200": 200, "wan-750": 750}
NETWORKS = (*FAT_TREES, *WANS)


@dataclass(frozen=True, eq=False)
class Network:
    """Links, each from the node ``tail`` to the node ``head``: (L,) arrays. Routes follow the ``length``."""

    name: str
    tail: Numbers
    head: Numbers
    capacity: Reals
    length: Reals

    @property
    def nodes(self) -> int:
        return int(self.tail.max()) + 1


@dataclass(frozen=True)
class Routes:
    """Flows between nodes with their links, in order of the path, as compressed sparse rows."""

    source: Numbers
    destination: Numbers
    indptr: Numbers
    indices: Numbers

    def of(self, flow: int) -> Numbers:
        """The links of a flow."""
        return self.indices[self.indptr[flow] : self.indptr[flow + 1]]


@dataclass(frozen=True)
class Workload:
    """A network, flows over it, and what they want.

    Attributes
    ----------
    kind
        ``elastic``: all weights 1, no demands. ``mixed``: weights from 1, 2, 4, 8, and half of the flows,
        picked at random, have demands.
    offered
        (n,) what the flows would offer to the network: the demand, and for an elastic flow a draw from the
        same distribution. Log-normal, scaled so that the median used link is offered 1.5 times its capacity.
    slice, slice_weight
        (n,), (S,); None where the problem is flat.
    """

    network: Network
    routes: Routes
    kind: str
    offered: Reals
    weight: Reals
    demand: Reals
    slice: Numbers | None = None
    slice_weight: Reals | None = None

    @property
    def flows(self) -> int:
        return len(self.weight)

    @property
    def uses(self) -> int:
        """Length of the flow-link incidence."""
        return len(self.routes.indices)

    def arguments(self) -> dict[str, Any]:
        """What :meth:`AllocationProblem.from_arrays` takes."""
        return {
            "capacity": self.network.capacity,
            "indptr": self.routes.indptr,
            "indices": self.routes.indices,
            "weight": self.weight,
            "demand": self.demand,
            "slice": self.slice,
            "slice_weight": self.slice_weight,
        }

    def problem(self) -> AllocationProblem:
        return AllocationProblem.from_arrays(**self.arguments())

    @cached_property
    def flat(self) -> "Workload":
        """The same flows with no slices."""
        return Workload(self.network, self.routes, self.kind, self.offered, self.weight, self.demand)


def flat(name: str, kind: str, flows: int, seed: int = 1) -> Workload:
    """A flat workload on one of :data:`NETWORKS`."""
    random = np.random.default_rng([seed, flows, NETWORKS.index(name), KINDS.index(kind)])
    if name in FAT_TREES:
        k = FAT_TREES[name]
        network, routes = fat_tree(k), fat_tree_routes(k, flows, random)
    else:
        network = wan(WANS[name])
        routes = wan_routes(network, flows, random)
    return wanting(network, routes, kind, random)


def hierarchical(kind: str, flows: int, seed: int = 1, name: str = "fat-tree-16") -> Workload:
    """Flows in 63 slices, each flow in one of them at random; mixed slices have mixed weights as flows do."""
    base = flat(name, kind, flows, seed)
    random = np.random.default_rng([seed, flows, SLICES])
    ones = np.ones(SLICES)
    return Workload(
        *(base.network, base.routes, kind, base.offered, base.weight, base.demand),
        slice=random.integers(SLICES, size=flows),
        slice_weight=ones if kind == "elastic" else random.choice(WEIGHTS, SLICES),
    )


def wanting(network: Network, routes: Routes, kind: str, random: np.random.Generator) -> Workload:
    flows = len(routes.source)
    offered = random.lognormal(0.0, 1.0, flows)
    load = np.bincount(
        routes.indices, np.repeat(offered, np.diff(routes.indptr)), minlength=len(network.capacity)
    )
    used = load > 0
    offered *= OVERLOAD / np.median(load[used] / network.capacity[used])
    weight, demand = np.ones(flows), np.full(flows, np.inf)
    if kind == "mixed":
        weight = random.choice(WEIGHTS, flows)
        limited = random.permutation(flows)[: flows // 2]
        demand[limited] = offered[limited]
    return Workload(network, routes, kind, offered, weight, demand)


@lru_cache
def fat_tree(k: int) -> Network:
    """A fat tree of switches with k ports [1]_: k³/4 hosts, and as many cables on each of its three levels.

    Nodes: hosts, then edge, aggregation and core switches. Links: host cables, edge to aggregation,
    aggregation to core, all upwards; then the same cables downwards.

    References
    ----------
    .. [1] M. Al-Fares, A. Loukissas and A. Vahdat, "A scalable, commodity data center network architecture",
       ACM SIGCOMM 2008, §3.
    """
    half = k // 2
    hosts = k * half * half
    edge, aggregation, core = hosts, hosts + k * half, hosts + 2 * k * half
    cable = np.arange(hosts)
    pod, high, low = cable // half**2, cable // half % half, cable % half
    low_end = np.concatenate([cable, edge + pod * half + high, aggregation + pod * half + high])
    high_end = np.concatenate(
        [edge + cable // half, aggregation + pod * half + low, core + high * half + low]
    )
    tail, head = np.concatenate([low_end, high_end]), np.concatenate([high_end, low_end])
    return Network(f"fat-tree-{k}", tail, head, np.full(len(tail), FAT_TREE_CAPACITY), np.ones(len(tail)))


def fat_tree_routes(k: int, flows: int, random: np.random.Generator) -> Routes:
    """Flows between distinct hosts, uniformly; each hashed to one of its shortest paths (ECMP, RFC 2992)."""
    half = k // 2
    hosts = k * half * half
    source = random.integers(hosts, size=flows)
    destination = (source + random.integers(1, hosts, size=flows)) % hosts
    aggregation, core = random.integers(half, size=(2, flows))
    from_edge, to_edge = source // half, destination // half
    from_pod, to_pod = from_edge // half, to_edge // half
    down = 3 * hosts
    links = np.stack(
        [
            source,
            hosts + from_edge * half + aggregation,
            2 * hosts + (from_pod * half + aggregation) * half + core,
            2 * hosts + (to_pod * half + aggregation) * half + core + down,
            hosts + to_edge * half + aggregation + down,
            destination + down,
        ],
        axis=1,
    )
    used = np.ones(links.shape, dtype=bool)
    used[:, [1, 4]] = (from_edge != to_edge)[:, None]
    used[:, [2, 3]] = (from_pod != to_pod)[:, None]
    indptr = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    return Routes(source, destination, indptr, links[used])


@lru_cache
def wan(nodes: int, seed: int = 1) -> Network:
    """A wide-area network: near nodes are joined, as in Waxman's model [1]_, and all are connected.

    Nodes, at least three, lie at random in the unit square. Cables: their shortest spanning tree, then random
    pairs with probability exp(-distance / 0.05), until there are 1.25 for each node, about the ratio of the
    large networks of the Internet Topology Zoo [2]_. Every cable has one of the capacities 1, 10, 40 and
    100 Gbit/s at random, the same in both directions.

    References
    ----------
    .. [1] B. M. Waxman, "Routing of multipoint connections", IEEE J. Selected Areas in Communications 6(9),
       1988.
    .. [2] S. Knight et al., "The Internet Topology Zoo", IEEE J. Selected Areas in Communications 29(9),
       2011: Cogentco has 197 nodes and 243 cables, Kdl 754 and 895.
    """
    random = np.random.default_rng([seed, nodes])
    distance = _distances(random.random((nodes, 2)))
    one, other = _spanning_tree(distance)
    near = np.triu(np.exp(-distance / 0.05), 1)
    near[np.minimum(one, other), np.maximum(one, other)] = 0
    more = random.choice(near.size, nodes // 4 + 1, replace=False, p=(near / near.sum()).ravel())
    one = np.concatenate([one, more // nodes])
    other = np.concatenate([other, more % nodes])
    tail, head = np.concatenate([one, other]), np.concatenate([other, one])
    capacity = np.tile(random.choice(WAN_CAPACITIES, len(one)), 2)
    return Network(f"wan-{nodes}", tail, head, capacity, distance[tail, head])


def _distances(place: Reals) -> Reals:
    between = place[:, None, :] - place[None, :, :]
    return np.asarray(np.hypot(between[..., 0], between[..., 1]))


def _spanning_tree(distance: Reals) -> tuple[Numbers, Numbers]:
    """The shortest one, grown from node 0 (R. C. Prim, Bell System Technical Journal 36(6), 1957)."""
    nodes = len(distance)
    parent = np.zeros(nodes, dtype=np.int64)
    away = distance[0].copy()
    away[0] = np.inf
    inside = np.zeros(nodes, dtype=bool)
    inside[0] = True
    joined = []
    for _ in range(nodes - 1):
        node = int(np.argmin(away))
        joined.append(node)
        inside[node] = True
        nearer = ~inside & (distance[node] < away)
        parent[nearer] = node
        away = np.where(inside, np.inf, np.minimum(away, distance[node]))
    return parent[joined], np.array(joined, dtype=np.int64)


@lru_cache
def next_links(network: Network) -> Numbers:
    """(nodes, nodes): the link that leads from a node towards another on the shortest path, -1 to itself.

    Shortest by length, all pairs at once (R. W. Floyd, "Algorithm 97", Comm. of the ACM 5(6), 1962).
    """
    nodes = network.nodes
    length = np.full((nodes, nodes), np.inf)
    length[network.tail, network.head] = network.length
    np.fill_diagonal(length, 0)
    link = np.full((nodes, nodes), -1, dtype=np.int64)
    link[network.tail, network.head] = np.arange(len(network.tail))
    for via in range(nodes):
        through = length[:, via, None] + length[via]
        shorter = through < length
        length[shorter] = through[shorter]
        link = np.where(shorter, link[:, via, None], link)
    return link


def wan_routes(network: Network, flows: int, random: np.random.Generator) -> Routes:
    """Flows between distinct nodes by gravity, on shortest paths.

    Nodes have log-normal masses, and the probability that a flow joins two is proportional to the product of
    theirs (M. Roughan, "Simplifying the synthesis of Internet traffic matrices", ACM CCR 35(5), 2005).
    """
    nodes = network.nodes
    mass = random.lognormal(0.0, 1.0, nodes)
    gravity = np.outer(mass, mass)
    np.fill_diagonal(gravity, 0)
    chance = np.cumsum(gravity)
    # The last of the pairs that a draw does not exceed: one without a chance is never it.
    pair = np.searchsorted(chance, random.random(flows) * chance[-1], side="right")
    source, destination = pair // nodes, pair % nodes
    link = next_links(network)
    walkers, here = np.arange(flows), source
    steps: list[tuple[Numbers, Numbers]] = []
    while len(walkers):
        taken = link[here, destination[walkers]]
        steps.append((walkers, taken))
        arrived = network.head[taken] == destination[walkers]
        walkers, here = walkers[~arrived], network.head[taken[~arrived]]
    hops = np.zeros(flows, dtype=np.int64)
    for number, (walkers, _) in enumerate(steps):
        hops[walkers] = number + 1
    indptr = np.concatenate([[0], np.cumsum(hops)])
    indices = np.empty(indptr[-1], dtype=np.int64)
    for number, (walkers, taken) in enumerate(steps):
        indices[indptr[walkers] + number] = taken
    return Routes(source, destination, indptr, indices)
