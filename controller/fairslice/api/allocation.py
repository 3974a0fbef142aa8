"""An allocation as plain data, for files, for REST and for tables."""

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class PathView(BaseModel):
    """One of a flow's paths in node names, with its share of the flow's rate (0 to 1)."""

    model_config = ConfigDict(frozen=True)

    nodes: tuple[str, ...]
    share: float
    rate_bps: float


class FlowView(BaseModel):
    """A flow with its rate; ``bottleneck`` is in words, ``path`` in node names: the first of ``paths``.

    On every port of its path it is in the queue ``queue_id``.

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
    queue_id: int
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
