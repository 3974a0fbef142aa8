"""The keys of a policy file as pydantic models, which also write its JSON Schema (draft 2020-12).

``python -m fairslice.policy.schema > schemas/policy.schema.json`` writes it anew.
"""

import json
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from fairslice.files.words import describe
from fairslice.policy.endpoints import ENDPOINT_PATTERN, canonical_endpoint
from fairslice.policy.model import MAX_SLICES, PROTOCOLS, Enforcement, Sharing, Split, Unmatched
from fairslice.policy.values import (
    MAX_PATHS,
    MAX_PORT,
    MAX_WEIGHT,
    MIN_WEIGHT,
    RATE_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    TIME_PATTERN,
    read_burst,
    read_paths,
    read_port,
    read_proto,
    read_rate,
    read_share,
    read_size,
    read_time,
    read_version,
    read_weight,
)

SLICE_NAME_PATTERN = "^[A-Za-z][A-Za-z0-9_-]*$"
RESERVED_SLICE_NAME = "best-effort"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_RATE = {"type": "string", "pattern": RATE_PATTERN, "examples": ["20 Mbit/s"]}
_TIME = {"type": "string", "pattern": TIME_PATTERN, "examples": ["50 ms"]}
_SIZE = {"type": "string", "pattern": SIZE_PATTERN, "examples": ["15 kB"]}
_BURST = {"anyOf": [{"const": "auto"}, _TIME]}
_SHARE = {"type": "string", "pattern": SHARE_PATTERN, "examples": ["3 %"]}
_WEIGHT = {"type": "number", "minimum": MIN_WEIGHT, "maximum": MAX_WEIGHT}
_PORT = {"type": "integer", "minimum": 0, "maximum": MAX_PORT}
_PATHS = {"type": "integer", "minimum": 1, "maximum": MAX_PATHS}
_PROTO = {"anyOf": [{"enum": sorted(PROTOCOLS)}, {"type": "integer", "minimum": 0, "maximum": 255}]}
_ENDPOINT = {"type": "string", "pattern": ENDPOINT_PATTERN, "examples": ["h1", "10.0.0.1", "10.0.1.0/24"]}

Weight = Annotated[float, PlainValidator(read_weight), WithJsonSchema(_WEIGHT)]
Rate = Annotated[float | None, PlainValidator(read_rate), WithJsonSchema(_RATE)]
Size = Annotated[float | None, PlainValidator(read_size), WithJsonSchema(_SIZE)]
Time = Annotated[float | None, PlainValidator(read_time), WithJsonSchema(_TIME)]
Burst = Annotated[float | None, PlainValidator(read_burst), WithJsonSchema(_BURST)]
Port = Annotated[int | None, PlainValidator(read_port), WithJsonSchema(_PORT)]
Paths = Annotated[int, PlainValidator(read_paths), WithJsonSchema(_PATHS)]
Proto = Annotated[int | None, PlainValidator(read_proto), WithJsonSchema(_PROTO)]
Endpoint = Annotated[str, PlainValidator(canonical_endpoint), WithJsonSchema(_ENDPOINT)]


def _check_slice_name(name: str) -> str:
    # Not re.match with $, which lets a line feed pass at the end.
    if not re.fullmatch(SLICE_NAME_PATTERN[1:-1], name):
        raise ValueError(
            f"{describe(name)} can't name a slice; expected a letter, then letters, digits, '_' and '-'"
        )
    if name == RESERVED_SLICE_NAME:
        raise ValueError(f"{name!r} is the traffic of no slice; expected another name")
    return name


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _unique_without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)
    schema["uniqueItems"] = True


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MatchKeys(_Keys):
    """Header fields that narrow a flow (OpenFlow 1.3 §7.2.3.7); a field that is left out matches anything."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"anyOf": [{"required": ["src_port"]}, {"required": ["dst_port"]}]},
            "then": {
                "required": ["proto"],
                "properties": {"proto": {"enum": ["tcp", "udp", PROTOCOLS["tcp"], PROTOCOLS["udp"]]}},
            },
        }
    )

    proto: Proto = Field(
        default=None,
        description="IP protocol: tcp, udp, icmp or a number from 0 to 255.",
        json_schema_extra=_without_default,
    )
    src_port: Port = Field(
        default=None,
        description="Source port; needs proto tcp or udp.",
        json_schema_extra=_without_default,
    )
    dst_port: Port = Field(
        default=None,
        description="Destination port; needs proto tcp or udp.",
        json_schema_extra=_without_default,
    )


class FlowKeys(_Keys):
    """Traffic of the slice from one host to another, in one direction."""

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"burst": ["demand"], "delay": ["burst", "demand"]}}
    )

    source: Endpoint = Field(
        alias="from",
        description="Sender: a host's name, IPv4 address or MAC, or a prefix for every host inside it.",
    )
    destination: Endpoint = Field(alias="to", description="Receiver, named like the sender.")
    demand: Rate = Field(
        default=None,
        description="What the flow would like, in bit/s of Ethernet frames; without it the flow is greedy.",
        json_schema_extra=_without_default,
    )
    burst: Size = Field(
        default=None,
        description="Beside a demand: what the flow sends at once, at most, in bytes of Ethernet frames. It"
        " then promises to be a token bucket of that rate and depth.",
        json_schema_extra=_without_default,
    )
    delay: Time = Field(
        default=None,
        description="Beside a burst: how long a frame may take at most, from the first switch to the last"
        " queue's end; the policy is refused where that can't be kept.",
        json_schema_extra=_without_default,
    )
    weight: Weight = Field(
        default=1.0,
        description="Ratio in which the flow shares with the other flows of its slice.",
    )
    match: MatchKeys = Field(
        default=MatchKeys(),
        description="Header fields that narrow the flow; without it all IPv4 traffic between the hosts.",
        json_schema_extra=_without_default,
    )


class SliceKeys(_Keys):
    """A named share of the network: a weight, an optional guarantee and limit, and its flows."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["members"]}, {"required": ["flows"]}]}
    )

    weight: Weight = Field(
        default=1.0,
        description="Ratio in which the slice shares links with the other slices there.",
    )
    guarantee: Rate = Field(
        default=None,
        description="What the slice gets at least, while it wants it, in bit/s of Ethernet frames.",
        json_schema_extra=_without_default,
    )
    limit: Rate = Field(
        default=None,
        description="What all flows of the slice get at most, together, in bit/s of Ethernet frames.",
        json_schema_extra=_without_default,
    )
    enforcement: Enforcement = Field(
        default=Enforcement.BOTH,
        description="Meters (police), queues (shape) or both; without it, as in defaults.",
        json_schema_extra=_without_default,
    )
    burst: Burst = Field(
        default=None,
        description="Depth of the meters' token buckets as a time at their rate; without it, as in defaults.",
        json_schema_extra=_without_default,
    )
    paths: Paths = Field(
        default=1,
        description="How many shortest paths each flow may use, 1 to 16; without it, as in defaults.",
        json_schema_extra=_without_default,
    )
    split: Split = Field(
        default=Split.FREE,
        description="Division of a flow over its paths: free (for fair totals) or even; as in defaults.",
        json_schema_extra=_without_default,
    )
    members: list[Endpoint] = Field(
        default=[],
        min_length=1,
        description="Hosts with a flow for every ordered pair of them; a prefix counts as all its hosts.",
        json_schema_extra=_unique_without_default,
    )
    flows: list[FlowKeys] = Field(
        default=[],
        description="Flows of the slice, beside those of its members; [] for a slice without any.",
        json_schema_extra=_without_default,
    )


class DefaultsKeys(_Keys):
    """What holds where a slice says nothing, and settings of the whole network."""

    enforcement: Enforcement = Field(
        default=Enforcement.BOTH,
        description="Enforcement of slices that name none.",
    )
    burst: Burst = Field(
        default=None,
        description="Burst of slices that name none; auto is 250 ms at the rate, at least 10 full frames.",
        json_schema_extra={"default": "auto"},
    )
    unmatched: Unmatched = Field(
        default=Unmatched.BEST_EFFORT,
        description="What becomes of traffic that no flow matches: carried as best effort, or dropped.",
    )
    buffer: Annotated[float, PlainValidator(read_time), WithJsonSchema(_TIME)] = Field(
        default=0.05,
        description="Depth of each queue, as a time at what its slice holds on the link.",
        json_schema_extra={"default": "50 ms"},
    )
    return_share: Annotated[float, PlainValidator(read_share), WithJsonSchema(_SHARE)] = Field(
        default=0.05,
        description="Part of a flow's rate that its acknowledgements take on the reverse path, 0 % to 50 %.",
        json_schema_extra={"default": "5 %"},
    )
    paths: Paths = Field(
        default=1,
        description="How many shortest paths each flow may use, in slices that do not say.",
    )
    split: Split = Field(
        default=Split.FREE,
        description="Division of flows over their paths, in slices that do not say: free or even.",
    )


class PolicyKeys(_Keys):
    """A slice policy of fairslice."""

    version: Annotated[int, PlainValidator(read_version), WithJsonSchema({"const": 1})] = Field(
        description="Version of the policy language: 1."
    )
    defaults: DefaultsKeys = Field(
        default=DefaultsKeys(),
        description="Settings of slices that say nothing, and of the whole network.",
        json_schema_extra=_without_default,
    )
    sharing: Sharing = Field(
        default=Sharing.HIERARCHICAL,
        description="hierarchical: slices share first, flows second; per-flow: all flows at once.",
    )
    slices: dict[Annotated[str, AfterValidator(_check_slice_name)], SliceKeys] = Field(
        description="Slices by name; their order gives each its number, 1 to 63.",
        json_schema_extra={
            "propertyNames": {"pattern": SLICE_NAME_PATTERN, "not": {"const": RESERVED_SLICE_NAME}},
            "maxProperties": MAX_SLICES,
        },
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file; it accepts every policy that fairslice accepts."""
    schema = PolicyKeys.model_json_schema()
    _drop_titles(schema)
    return {"$schema": SCHEMA_DIALECT, "title": "fairslice policy", **schema}


def _drop_titles(schema: Any) -> None:
    """Remove the titles that pydantic makes of names: they say nothing that the key does not."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for part in schema.values():
            _drop_titles(part)
    elif isinstance(schema, list):
        for part in schema:
            _drop_titles(part)


def json_schema_text() -> str:
    """What ``schemas/policy.schema.json`` holds."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(json_schema_text(), end="")
