"""A network as plain data: node-link JSON, which is a network file, too (docs/topologies.md)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class SwitchNode(_View):
    """A switch; ``dpid`` is 16 hexadecimal digits. ``label`` is what the network's author calls it."""

    kind: Literal["switch"]
    id: str
    dpid: str
    label: str = ""


class HostNode(_View):
    """A host with its addresses."""

    kind: Literal["host"]
    id: str
    mac: str
    ip: str


class Edge(_View):
    """A link from ``source`` to ``target``.

    ``capacity`` is in bit/s, ``port_no`` the sender's port, ``delay`` in seconds, ``loss`` a fraction of the
    packets; ``interface`` is the port's name where it has one of its own.
    """

    source: str
    target: str
    capacity: float
    port_no: int
    delay: float = 0.0
    loss: float = 0.0
    interface: str | None = None


class GraphName(_View):
    """What a graph tells of itself."""

    name: str


class NetworkView(_View):
    """Nodes and links, as ``networkx.node_link_data(graph, edges="edges")`` writes them."""

    directed: Literal[True]
    multigraph: Literal[False]
    graph: GraphName
    nodes: tuple[Annotated[SwitchNode | HostNode, Field(discriminator="kind")], ...]
    edges: tuple[Edge, ...]
