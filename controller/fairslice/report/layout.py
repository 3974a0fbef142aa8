"""Where the nodes of a topology stand in a picture. Pure and deterministic; positions are in inches."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Position = tuple[float, float]

_ROUNDS = 200


def layout(
    switches: Sequence[str], hosts: Sequence[str], cables: Iterable[tuple[str, str]]
) -> dict[str, Position]:
    """Place switches and hosts, about an inch apart, the lower left corner at (0, 0).

    A network in layers (a tree or a fat tree: every cable joins neighbouring layers, counted from the hosts)
    is drawn in layers, hosts at the bottom; any other so that distances on paper are like distances in hops.

    Args:
        switches: names.
        hosts: names.
        cables: pairs of names; the direction does not matter.

    References:
        E. Gansner, Y. Koren, S. North, Graph drawing by stress majorization, Graph Drawing 2004.
    """
    neighbours: dict[str, list[str]] = {name: [] for name in (*switches, *hosts)}
    for source, target in cables:
        if target not in neighbours[source]:
            neighbours[source].append(target)
            neighbours[target].append(source)
    layers = _layers(switches, hosts, neighbours)
    placed = _by_stress(neighbours) if layers is None else _in_layers(layers, neighbours)
    if not placed:
        return {}
    left = min(x for x, _ in placed.values())
    bottom = min(y for _, y in placed.values())
    return {name: (x - left, y - bottom) for name, (x, y) in placed.items()}


def _layers(
    switches: Sequence[str], hosts: Sequence[str], neighbours: Mapping[str, Sequence[str]]
) -> list[list[str]] | None:
    """Hosts, then switches by their hops to the nearest host; None if a cable stays within a layer."""
    depth = dict.fromkeys(hosts, 0)
    waiting = list(hosts)
    for node in waiting:
        for other in neighbours[node]:
            if other not in depth:
                depth[other] = depth[node] + 1
                waiting.append(other)
    deepest = max(depth.values(), default=0)
    if deepest < 2 or any(switch not in depth for switch in switches):
        return None
    if any(abs(depth[a] - depth[b]) != 1 for a in neighbours for b in neighbours[a]):
        return None
    layers: list[list[str]] = [[] for _ in range(deepest + 1)]
    for node in neighbours:
        layers[depth[node]].append(node)
    return layers


def _in_layers(layers: list[list[str]], neighbours: Mapping[str, Sequence[str]]) -> dict[str, Position]:
    """Each layer in the order of the mean places of its neighbours below, hosts under their switches."""
    # Only upward: what hosts share says more of a fat tree's pods than what cores share.
    for below, layer in pairwise(layers):
        _order(layer, below, neighbours)
    _order(layers[0], layers[1], neighbours)
    width = max(0.62 * len(layers[0]), *(1.0 * len(layer) for layer in layers[1:]))
    gap = max(1.25, width / 6)
    placed = {}
    for level, layer in enumerate(layers):
        for i, node in enumerate(layer):
            placed[node] = ((i + 0.5) * width / len(layer), gap * level)
    return placed


def _order(layer: list[str], by: Sequence[str], neighbours: Mapping[str, Sequence[str]]) -> None:
    place = {node: (i + 0.5) / len(by) for i, node in enumerate(by)}
    layer.sort(key=lambda node: _mean([place[n] for n in neighbours[node] if n in place]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _by_stress(neighbours: Mapping[str, Sequence[str]]) -> dict[str, Position]:
    import numpy as np

    names = list(neighbours)
    if len(names) < 2:
        return dict.fromkeys(names, (0.0, 0.0))
    hops = _hops(names, neighbours)
    points = _start(hops)
    weights = np.where(hops > 0, 1.0 / np.maximum(hops, 1e-9) ** 2, 0.0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    # A Laplacian has no inverse; without its first node it has, and a shift of the picture is free.
    inverse = np.linalg.inv(laplacian[1:, 1:])
    for _ in range(_ROUNDS):
        apart = np.linalg.norm(points[:, None] - points[None, :], axis=2)
        ratio = np.where(apart > 1e-9, weights * hops / np.maximum(apart, 1e-9), 0.0)
        pull = np.diag(ratio.sum(axis=1)) - ratio
        points = np.vstack([np.zeros(2), inverse @ (pull @ points)[1:]])
    points = 1.15 * _upright(points)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


def _hops(names: Sequence[str], neighbours: Mapping[str, Sequence[str]]) -> "NDArray[np.float64]":
    """Hops between all pairs; parts that are not connected stand one hop further apart than any others."""
    import numpy as np

    number = {name: i for i, name in enumerate(names)}
    hops = np.full((len(names), len(names)), np.inf)
    for name in names:
        seen = {name: 0}
        waiting = [name]
        for node in waiting:
            for other in neighbours[node]:
                if other not in seen:
                    seen[other] = seen[node] + 1
                    waiting.append(other)
        for other, count in seen.items():
            hops[number[name], number[other]] = count
    farthest = float(hops[np.isfinite(hops)].max())
    return np.where(np.isfinite(hops), hops, farthest + 1)


def _start(hops: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Classical scaling (Torgerson 1952), near the best already; twins are nudged apart at own angles."""
    import numpy as np

    count = len(hops)
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ hops**2 @ centring)
    points = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    angle = 2.399963 * np.arange(count)
    nudged: NDArray[np.float64] = points + 0.05 * np.column_stack([np.cos(angle), np.sin(angle)])
    return nudged


def _upright(points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Turned so that the longest extent runs from left to right, the first node on the left and not below."""
    import numpy as np

    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    turned: NDArray[np.float64] = centred @ axes.T
    signs = np.where(turned[0] > 0, -1.0, 1.0) * np.array([1.0, -1.0])
    upright: NDArray[np.float64] = turned * signs
    return upright
