"""GraphML (Brandes et al., "GraphML Progress Report", 2002), as the Internet Topology Zoo writes it.

The Zoo (Knight et al., "The Internet Topology Zoo", IEEE JSAC 29(9), 2011) writes a cable's speed as
``LinkSpeedRaw`` in bit/s, and as ``LinkSpeed`` with ``LinkSpeedUnits``.
"""

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx

from fairslice.errors import InputError, Location
from fairslice.files.xml_tree import Element
from fairslice.topology.check import Faults
from fairslice.topology.graphs import Graph, GraphCable, GraphNode
from fairslice.units import format_rate

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"

_UNITS: Mapping[str, float] = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_UNIT = re.compile(r"([KMGT]?)(?:b|bits?)?(?:ps|/s)?", re.IGNORECASE)
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("int", "long", "integer"), "a whole number"),
    **dict.fromkeys(("float", "double"), "a number"),
    "boolean": "true or false",
    "string": "text",
}
_SPEED_WORDS = "LinkSpeedRaw in bit/s, or LinkSpeed with LinkSpeedUnits"


@dataclass
class _Drawing:
    """The nodes and edges of a file in the order in which networkx meets them, with their places."""

    nodes: dict[str, Location] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    edges: list[tuple[str, str, Location]] = field(default_factory=list)


def read_graphml(root: Element, data: bytes, file: str) -> Graph:
    """The graph in a GraphML file, as networkx reads it.

    Args:
        root: The file's root element; what is dangerous in XML has been refused when it was made.
        data: The same file.
        file: Its name, for faults.

    Raises:
        InputError: no graph that can be read; with everything that is wrong with its form.
    """
    drawing = _examine(root, file)
    if not root.namespace:
        # networkx knows no elements without it.
        data = data.replace(b"<graphml", f'<graphml xmlns="{NAMESPACE}"'.encode(), 1)
    try:
        # What networkx warns of (ports, keys without a type) changes nothing here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = nx.read_graphml(BytesIO(data), node_type=str, force_multigraph=True)
    except (
        nx.NetworkXError,
        ParseError,
        ArithmeticError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise InputError(f"{file}: networkx can't read it as GraphML: {error}") from None
    directed = graph.is_directed()
    found = [_cable(*edge) for edge in _edges(graph, drawing, file)]
    ends = {end for cable in found for end in (cable.source, cable.target)}
    common = graph.graph["node_default"]
    labels = {id_: str({**common, **graph.nodes[id_]}.get("label", "")) for id_ in drawing.nodes}
    nodes = [
        # The Zoo writes "None" where it knows no label.
        GraphNode(id_, "" if labels[id_] == "None" else labels[id_], place)
        for id_, place in drawing.nodes.items()
        # A group of yEd is a frame around its nodes.
        if id_ not in drawing.groups or id_ in ends
    ]
    names = (str(graph.graph.get(key, "")).strip() for key in ("Network", "name", "label"))
    name = next((name for name in names if name), Path(file).stem)
    return Graph(name, nodes, found, directed, _SPEED_WORDS)


def written_by_networkx(root: Element, data: bytes, file: str) -> dict[str, Any] | None:
    """What ``networkx.write_graphml`` wrote of a network of ours, as ``node_link_data``; None of other files.

    A network of ours tells of each node its ``kind``, and of each edge its ``capacity`` and ``port_no``
    (:attr:`fairslice.topology.network.Network.graph`).

    Args:
        root: The file's root element, as of :func:`read_graphml`, which has found nothing wrong with it.
        data: The same file.
        file: Its name.
    """
    names = {key.attributes.get("attr.name") for key in root.all("key")}
    if not {"kind", "capacity", "port_no"} <= names or not root.namespace:
        return None
    graph = nx.read_graphml(BytesIO(data), node_type=str)
    if not graph.is_directed() or any("kind" not in about for _, about in graph.nodes(data=True)):
        return None
    name = str(graph.graph.get("name") or Path(file).stem)
    return {**nx.node_link_data(graph, edges="edges"), "graph": {"name": name}}


def _examine(root: Element, file: str) -> _Drawing:
    """Everything that networkx would refuse without its place, or read as something else."""
    faults = Faults(file)
    if root.namespace not in ("", NAMESPACE):
        faults.add(f"the namespace is {root.namespace!r}; expected {NAMESPACE}", root.location)
    types = _key_types(root, faults)
    graphs = list(root.all("graph"))
    if len(graphs) != 1:
        faults.add(f"{len(graphs) or 'no'} graphs; expected one", (graphs[1] if graphs else root).location)
    drawing = _Drawing()
    for graph in graphs[:1]:
        _walk(graph, graph.attributes.get("edgedefault"), types, drawing, faults)
    for source, target, place in drawing.edges:
        for end in dict.fromkeys((source, target)):
            if end not in drawing.nodes:
                faults.add(f"edge {source} - {target}: no node has the id {end!r}", place)
    if faults.found:
        raise InputError(faults.found)
    return drawing


def _key_types(root: Element, faults: Faults) -> Mapping[str, str]:
    types: dict[str, str] = {}
    for key in root.all("key"):
        given = key.attributes
        id_ = given.get("id", "")
        types[id_] = "string" if "yfiles.type" in given else given.get("attr.type", "string")
        if "attr.name" not in given and "yfiles.type" not in given:
            faults.add(f"key {id_!r} has no attr.name; expected one", key.location)
        if types[id_] not in _TYPES:
            faults.add(f"attr.type {types[id_]!r}; expected one of {', '.join(_TYPES)}", key.location)
            types[id_] = "string"
        for default in key.all("default"):
            _check_value(default, types[id_], f"the default of key {id_!r}", faults)
    return types


def _walk(
    graph: Element, edgedefault: str | None, types: Mapping[str, str], drawing: _Drawing, faults: Faults
) -> None:
    # In the order of networkx: nodes, with what is in their groups, then edges.
    for hyperedge in graph.all("hyperedge"):
        faults.add("a hyperedge; expected edges, which join two nodes", hyperedge.location)
    _check_data(graph, types, faults)
    for node in graph.all("node"):
        id_ = node.attributes.get("id")
        if id_ is None:
            faults.add("a node without id; expected one", node.location)
        elif id_ in drawing.nodes:
            faults.add(f"two nodes have the id {id_!r}; expected one", node.location)
        else:
            drawing.nodes[id_] = node.location
        _check_data(node, types, faults)
        inner = node.first("graph")
        if inner is not None and node.attributes.get("yfiles.foldertype") == "group":
            drawing.groups.add(id_ or "")
            _walk(inner, edgedefault, types, drawing, faults)
        elif inner is not None:
            message = f"node {id_!r} holds a graph; expected none, or a group of yEd that is open"
            faults.add(message, inner.location)
    for edge in graph.all("edge"):
        ends = [edge.attributes.get(end) for end in ("source", "target")]
        if None in ends:
            faults.add("an edge without source or target; expected both", edge.location)
        else:
            drawing.edges.append((str(ends[0]), str(ends[1]), edge.location))
        if edge.attributes.get("directed") == ("false" if edgedefault == "directed" else "true"):
            faults.add(
                f"an edge with directed={edge.attributes['directed']!r} where edgedefault={edgedefault!r};"
                " expected all edges of one kind",
                edge.location,
            )
        _check_data(edge, types, faults)


def _check_data(element: Element, types: Mapping[str, str], faults: Faults) -> None:
    for data in element.all("data"):
        key = data.attributes.get("key")
        if key is None or key not in types:
            faults.add(f"data for the key {key!r}, which the file does not declare", data.location)
        elif not data.children:
            _check_value(data, types[key], f"data for the key {key!r}", faults)


def _check_value(data: Element, type_: str, what: str, faults: Faults) -> None:
    if not data.text and data.name == "data":
        return
    try:
        if _TYPES[type_] == "a whole number":
            int(data.text)
        elif _TYPES[type_] == "a number":
            float(data.text)
        elif type_ == "boolean" and data.text.lower() not in ("true", "false", "0", "1"):
            raise ValueError
    except ValueError:
        faults.add(f"{what} is {data.text!r}; expected {_TYPES[type_]}", data.location)


def _edges(
    graph: "nx.Graph[str]", drawing: _Drawing, file: str
) -> Iterator[tuple[str, str, Mapping[str, Any], Location]]:
    """Edges in the order of the file: ends, attributes, place."""
    defaults = graph.graph["edge_default"]
    places: dict[tuple[str, ...], list[Location]] = defaultdict(list)

    def pair(source: str, target: str) -> tuple[str, ...]:
        return (source, target) if graph.is_directed() else tuple(sorted((source, target)))

    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for source, target, attributes in graph.edges(data=True):
        found[pair(source, target)].append(attributes)
    for source, target, place in drawing.edges:
        places[pair(source, target)].append(place)
    faults = Faults(file)
    for (source, target), there in places.items():
        # networkx keeps one of those that have the same id.
        if len(there) != len(found[source, target]):
            message = f"edges between {source} and {target} have the same id; expected one for each"
            faults.add(message, there[1])
    if faults.found:
        raise InputError(faults.found)
    left = {key: iter(edges) for key, edges in found.items()}
    for source, target, place in drawing.edges:
        yield source, target, {**defaults, **next(left[pair(source, target)])}, place


def _cable(source: str, target: str, attributes: Mapping[str, Any], place: Location) -> GraphCable:
    """A cable with its speed: LinkSpeedRaw, or capacity, before LinkSpeed, and what is wrong with both."""
    # networkx' own word is capacity.
    key = "LinkSpeedRaw" if "LinkSpeedRaw" in attributes or "capacity" not in attributes else "capacity"
    raw, speed = attributes.get(key, ""), attributes.get("LinkSpeed", "")
    raw_bps, said_bps, why = _number(raw), None, "neither LinkSpeedRaw nor LinkSpeed"
    units = str(attributes.get("LinkSpeedUnits", "")).strip()
    said = f"LinkSpeed {speed} {units}".rstrip()
    if speed != "":
        number, unit = _number(speed), _UNIT.fullmatch(units)
        if number is None:
            why = f"{said} is not one number above 0"
        elif not units or unit is None:
            why = f"{said} has no unit K, M, G or T"
        else:
            said_bps = number * _UNITS[unit[1].lower()]
    label = " ".join(str(attributes.get("LinkLabel", "")).split())
    if raw_bps is None and raw != "":
        wrong = f"{key} {raw}; expected a number of bit/s above 0"
        return GraphCable(source, target, said_bps, place, label=label, wrong=wrong)
    doubt = ""
    if raw_bps is not None and said_bps is not None and not math.isclose(raw_bps, said_bps, rel_tol=1e-3):
        doubt = f"{key} is {format_rate(raw_bps)}, but {said}; {key} is taken"
    return GraphCable(
        source, target, said_bps if raw_bps is None else raw_bps, place, why, label, doubt=doubt
    )


def _number(value: object) -> float | None:
    """A finite number above 0, or None."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if 0 < number < math.inf else None
