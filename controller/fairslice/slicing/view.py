"""An allocation as plain data, for files, for REST and for tables."""

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from fairslice.slicing.allocation import NetworkAllocation


class PathView(BaseModel):
    """One of a flow's paths in node names, with its share of the flow's rate (0 to 1)."""

    model_config = ConfigDict(frozen=True)

    nodes: tuple[str, ...]
    share: float
    rate_bps: float


class FlowView(BaseModel):
    """A flow with its rate; ``bottleneck`` is in words, ``path`` in node names: the first of ``paths``.

    In JSON its ends are called from and to; ``from`` is a word of Python's own.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    id: str
    slice: str
    source: str = Field(validation_alias=AliasChoices("from", "source"), serialization_alias="from")
    destination: str = Field(validation_alias=AliasChoices("to", "destination"), serialization_alias="to")
    match: str
    proto: int | None
    src_port: int | None
    dst_port: int | None
    enforcement: str
    slice_number: int
    demand_bps: float | None
    allocated_bps: float
    return_share: float
    bottleneck: str
    path: tuple[str, ...]
    paths: tuple[PathView, ...]
    return_path: tuple[str, ...]


class LinkView(BaseModel):
    """A link with what flows hold of it; ``dpid`` is None where a host sends.

    ``acknowledgements_bps`` is the part of ``allocated_bps`` that is set aside for acknowledgements.
    In JSON its ends are called from and to.
    """

    model_config = ConfigDict(frozen=True)

    source: str = Field(validation_alias=AliasChoices("from", "source"), serialization_alias="from")
    target: str = Field(validation_alias=AliasChoices("to", "target"), serialization_alias="to")
    capacity_bps: float
    allocated_bps: float
    acknowledgements_bps: float
    dpid: int | None
    port_no: int


class AllocationView(BaseModel):
    """A policy's rates on a network; ``certified`` by the checker, which shares no code with the solver."""

    model_config = ConfigDict(frozen=True)

    policy: str
    generation: int
    certified: bool
    flows: tuple[FlowView, ...]
    links: tuple[LinkView, ...]


def view(allocation: NetworkAllocation, generation: int = 0) -> AllocationView:
    """The plain form of an allocation; unreachable flows hold nothing."""
    policy, network = allocation.policy, allocation.network
    flows = [
        FlowView(
            number=a.flow.number,
            id=a.flow.id,
            slice=a.flow.slice,
            source=a.flow.source,
            destination=a.flow.destination,
            match=str(a.flow.match),
            proto=a.flow.match.proto,
            src_port=a.flow.match.src_port,
            dst_port=a.flow.match.dst_port,
            enforcement=str(policy.slice_named(a.flow.slice).enforcement),
            slice_number=policy.slice_named(a.flow.slice).number,
            demand_bps=a.flow.demand_bps,
            allocated_bps=a.rate_bps,
            return_share=a.route.return_share,
            bottleneck=str(a.bottleneck),
            path=a.route.path,
            paths=tuple(
                PathView(nodes=nodes, share=share, rate_bps=rate_bps)
                for nodes, share, rate_bps in zip(
                    a.route.paths, a.route.shares, a.path_rates_bps, strict=True
                )
            ),
            return_path=a.route.return_path,
        )
        for a in allocation.flows
    ]
    links = [
        LinkView(
            source=link.source,
            target=link.target,
            capacity_bps=link.capacity_bps,
            allocated_bps=allocation.load_bps[link.key],
            acknowledgements_bps=allocation.set_aside_bps[link.key],
            dpid=network.switches[link.source].dpid if link.source in network.switches else None,
            port_no=link.port_no,
        )
        for link in network.links.values()
    ]
    return AllocationView(
        policy=policy.file,
        generation=generation,
        certified=allocation.certificate.ok,
        flows=tuple(flows),
        links=tuple(links),
    )
