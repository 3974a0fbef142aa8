"""Network files: node-link format, as ``networkx.node_link_data(graph)`` writes it, now and before 3.6."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import networkx as nx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fairslice.errors import InputError, Location
from fairslice.files.json_places import JsonPath
from fairslice.files.pydantic_faults import dotted, faults_of
from fairslice.topology.check import (
    BANDWIDTH_OFFER,
    MAX_DELAY_S,
    Draft,
    DraftHost,
    DraftLink,
    DraftSwitch,
    Faults,
    expect_bandwidth,
    read_dpid,
    read_ip,
    read_mac,
)
from fairslice.topology.interfaces import MAX_LENGTH, is_interface_name
from fairslice.topology.network import Network, dpid_text

_WORDS = {"union_tag_not_found": '"switch" or "host"'}
_UNDIRECTED = (
    "found false, expected true: an edge is one direction of a cable, with the port_no of its sender. Of an"
    " undirected graph take graph.to_directed(), give each of its edges its port_no, and take node_link_data"
    " of that"
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _dpid(value: object) -> int:
    """A datapath id as text, or as the number that it is in a graph."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = dpid_text(value)
    return read_dpid(value)


class _Switch(_Model):
    kind: Literal["switch"]
    id: str
    dpid: Annotated[Any, AfterValidator(_dpid)]
    label: str = ""


class _Host(_Model):
    kind: Literal["host"]
    id: str
    mac: Annotated[str, AfterValidator(read_mac)]
    ip: Annotated[str, AfterValidator(read_ip)]


def _interface(name: str | None) -> str | None:
    if name is not None and not is_interface_name(name):
        raise ValueError(f"interface {name!r}; expected up to {MAX_LENGTH} letters, digits, _ . and -")
    return name


class _Edge(_Model):
    source: str
    target: str
    capacity: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    port_no: int
    delay: Annotated[float, Field(ge=0, le=MAX_DELAY_S, allow_inf_nan=False)] = 0.0
    loss: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    interface: Annotated[str | None, AfterValidator(_interface)] = None


class _Graph(_Model):
    name: str = "network"


class _File(_Model):
    directed: Literal[True] = True
    multigraph: Literal[False] = False
    graph: _Graph = _Graph()
    nodes: list[Annotated[_Switch | _Host, Field(discriminator="kind")]]
    edges: list[_Edge]


def to_json(network: Network) -> dict[str, Any]:
    """The network as a value fit for ``json.dump``.

    Nodes have ``id`` and ``kind``: "switch" with ``dpid`` (16 hexadecimal digits), or "host" with ``mac`` and
    ``ip``. Edges are links: ``source``, ``target``, ``capacity`` in bit/s, and ``port_no`` of the sender;
    where they are not 0, ``delay`` in seconds and ``loss``, a fraction; ``interface`` where it has a name of
    its own.
    """
    data: dict[str, Any] = nx.node_link_data(network.graph, edges="edges")
    nodes = [
        node | {"dpid": dpid_text(node["dpid"])} if node["kind"] == "switch" else node
        for node in data["nodes"]
    ]
    return data | {"nodes": nodes}


def from_json(
    data: object,
    file: str,
    locate: Callable[[JsonPath], Location | None] = lambda _: None,
    *,
    bandwidth_bps: float | None = None,
) -> Network:
    """Read what :func:`to_json` writes; ``from_json(to_json(n), file) == n``.

    ``edges`` may be called ``links``, as networkx before 3.6 writes them; switches may have a ``label``.
    It reads graphs of networkx, too: ``from_json(nx.node_link_data(n.graph, edges="edges"), name) == n``.
    What nodes and edges need is told by :attr:`~fairslice.topology.network.Network.graph`.

    Args:
        data: The value that JSON yields, or ``networkx.node_link_data``. A dpid is a text of hexadecimal
            digits, or a whole number.
        file: The file's name, for faults.
        locate: The place in the file of the value at a path, if it is known.
        bandwidth_bps: The capacity, in bit/s, of edges without one, which are refused otherwise: a finite
            number above 0.

    Raises:
        InputError: the shape is wrong (every place where it is), or, once it is right, the network breaks a
            law of :class:`~fairslice.topology.network.Network` or is in several parts.
    """
    expect_bandwidth(bandwidth_bps)
    faults = Faults(file)
    key = "edges"
    if isinstance(data, dict) and "links" in data and "edges" not in data:
        key = "links"
        data = {"edges" if name == key else name: value for name, value in data.items()}
    try:
        read = _File.model_validate(data)
    except ValidationError as error:
        for fault in faults_of(error, _WORDS):
            path = fault.path
            if path[:1] == ("nodes",):
                path = path[:2] + path[3:]  # The third is the kind, which no key of the file leads to.
            if path[:1] == ("edges",):
                path = (key, *path[1:])
            is_undirected = path == ("directed",) and isinstance(data, dict) and data["directed"] is False
            message = _UNDIRECTED if is_undirected else fault.message
            faults.add(f"{dotted(path) or 'network file'}: {message}", locate(path))
        raise InputError(faults.found) from None
    for i, edge in enumerate(read.edges):
        if edge.capacity is None and bandwidth_bps is None:
            message = f"{key}[{i}].capacity: is missing; expected it in bit/s, {BANDWIDTH_OFFER}"
            faults.add(message, locate((key, i)))
    nodes = [(node, locate(("nodes", i))) for i, node in enumerate(read.nodes)]
    draft = Draft(
        read.graph.name,
        [DraftSwitch(n.id, n.dpid, where, n.label) for n, where in nodes if isinstance(n, _Switch)],
        [DraftHost(n.id, n.mac, n.ip, where) for n, where in nodes if isinstance(n, _Host)],
        [
            DraftLink(
                edge.source,
                edge.target,
                bandwidth_bps if edge.capacity is None else edge.capacity,
                edge.port_no,
                locate((key, i)),
                edge.delay,
                edge.loss,
                edge.interface,
            )
            for i, edge in enumerate(read.edges)
        ],
    )
    return draft.checked(faults)
