"""results.json: what was allocated, what was measured, and the verdict, as frozen values."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from fairslice.errors import EXIT_CANT_TELL, EXIT_OK, EXIT_OUT_OF_TOLERANCE, Fault, InputError
from fairslice.files.pydantic_faults import dotted, faults_of
from fairslice.measure.resolution import relative_error
from fairslice.naming import flow_id

Verdict = Literal["fair", "out of tolerance", "cpu-bound", "can't tell"]
Judged = Literal["flow", "slice"]
Enforcement = Literal["police", "shape", "both"]
Protocol = Literal["tcp", "udp"]

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_EXIT: Mapping[Verdict, int] = {
    "fair": EXIT_OK,
    "out of tolerance": EXIT_OUT_OF_TOLERANCE,
    "cpu-bound": EXIT_CANT_TELL,
    "can't tell": EXIT_CANT_TELL,
}


Rate = Annotated[float, Field(ge=0)]
"""bit/s of Ethernet frames, unless its name says goodput."""
Largest = Annotated[float, Field(ge=0)]
"""An absolute error, a part of what is expected."""
Error = Annotated[float, Field(ge=-1)]
"""(wire - expected) / expected; always a number (:func:`fairslice.measure.resolution.relative_error`)."""
Resolution = Annotated[float, Field(ge=0)]
"""What of an error the measurement can't tell, as a part of what is expected."""
Passed = bool | None
"""Whether something is within the tolerance; None: it can't be told."""
Number = Annotated[int, Field(ge=1)]
Jain = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResult:
    """One flow, allocated against measured.

    ``number`` counts the flows of the policy from 1, in its order, ``id`` names one wherever a flow is named.
    ``match`` is as the policy has it, in words. ``offered_bps`` is what the sender tried, None for a greedy
    one. ``expected_bps`` is what it is judged against: its allocation, or what its sender was told to send,
    if that is less (None in older files: its allocation). ``goodput_bps`` is payload at the receiver, None if
    iperf3 failed; ``retransmits`` are TCP segments, ``loss`` is the part of UDP datagrams that did not arrive
    (0 to 1), None where the protocol has none. Of ``sent_bps`` that is ``metered_bps``, dropped by the flow's
    meter, ``queue_dropped_bps``, dropped by full queues of its slice, ``cable_lost_bps``, lost before the
    first switch, and ``lost_bps``, lost elsewhere.
    ``judged`` says whether ``passed`` is the flow's own or that of its slice's sum. ``doubt`` is why it can't
    be told, in words, where ``passed`` is None; where both are empty the run's ``doubts`` tell.
    ``congestion_control`` is that of its sender's TCP (None: UDP, or the machine's own), ``streams`` how many
    there were at once: 0 of a flow that may send nothing, so that iperf3 can't measure it.
    """

    __pydantic_config__ = _STRICT

    number: Number
    id: str
    slice: str
    source: Annotated[str, Field(alias="from")]
    destination: Annotated[str, Field(alias="to")]
    match: str
    protocol: Protocol
    enforcement: Enforcement
    offered_bps: Rate | None
    allocated_bps: Rate
    wire_bps: Rate
    goodput_bps: Rate | None
    error: Error
    bottleneck: str
    retransmits: Annotated[int, Field(ge=0)] | None
    loss: Annotated[float, Field(ge=0, le=1)] | None
    sent_bps: Rate | None = None
    metered_bps: Rate | None = None
    queue_dropped_bps: Rate | None = None
    cable_lost_bps: Rate | None = None
    lost_bps: Rate | None = None
    judged: Judged
    passed: Passed
    resolution: Resolution = 0.0
    doubt: str = ""
    expected_bps: Rate | None = None
    congestion_control: str | None = None
    streams: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceResult:
    """A slice's flows together; ``jain_index`` is that among them, None where it is not defined.

    ``passed``, ``doubt`` and ``expected_bps`` are as of ``FlowResult``, of the sum; ``doubt`` may be that of
    the first flow that has one.
    """

    __pydantic_config__ = _STRICT

    slice: str
    enforcement: Enforcement
    flows: Annotated[int, Field(ge=1)]
    allocated_bps: Rate
    wire_bps: Rate
    error: Error
    jain_index: Jain | None
    passed: Passed
    resolution: Resolution = 0.0
    doubt: str = ""
    expected_bps: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMeasured:
    """A flow that was not measured, with its allocation and the reason."""

    __pydantic_config__ = _STRICT

    number: Number
    id: str
    slice: str
    source: Annotated[str, Field(alias="from")]
    destination: Annotated[str, Field(alias="to")]
    match: str
    allocated_bps: Rate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """A sending host's own cable, by the counters of both of its ends.

    ``sent_bps`` left the host's interface, ``received_bps`` came in at the switch's port, and
    ``dropped_datagrams`` found the host's own queue full. ``full`` says that the cable was, of more than was
    allocated there.
    """

    __pydantic_config__ = _STRICT

    host: str
    switch: str
    capacity_bps: Rate
    sent_bps: Rate
    received_bps: Rate
    dropped_datagrams: Annotated[int, Field(ge=0)]
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """One direction of a cable; ``wire_bps`` is None where no counter tells.

    ``acknowledgements_bps`` is the part of ``allocated_bps`` that is set aside for acknowledgements.
    """

    __pydantic_config__ = _STRICT

    source: Annotated[str, Field(alias="from")]
    target: Annotated[str, Field(alias="to")]
    capacity_bps: Rate
    allocated_bps: Rate
    acknowledgements_bps: Rate = 0.0
    wire_bps: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """How busy the machine was during the window, each from 0 to 1.

    ``machine`` is the part of all processors' time, ``switch_thread`` that of one processor which the busiest
    thread of the switch took (above 1 for a switch with several).
    """

    __pydantic_config__ = _STRICT

    machine: Annotated[float, Field(ge=0)]
    switch_thread: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What took part in a run, each by its version; None where it does not tell, or is not there."""

    __pydantic_config__ = _STRICT

    fairslice: str
    framework: str
    python: str
    kernel: str
    open_vswitch: str | None
    iperf3: str | None
    mininet: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a run ran on: its processors' model, how many it could use, whether it made a virtual machine."""

    __pydantic_config__ = _STRICT

    processor: str
    processors: Annotated[int, Field(ge=1)]
    virtual_machine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run was told, or took where it was told nothing.

    Of times in seconds ``warmup_s`` is how long was sent before the window, ``duration_s`` the least that the
    window was to last, ``max_duration_s`` the most. ``congestion_control`` is that of all hosts' TCP (None:
    the machine's own). ``policy_text`` is what stood in the policy file, ``policy_sha256`` the SHA-256 of
    that text in UTF-8, in hexadecimal digits (FIPS 180-4).
    """

    __pydantic_config__ = _STRICT

    warmup_s: Annotated[float, Field(ge=0)]
    duration_s: Annotated[float, Field(gt=0)]
    max_duration_s: Annotated[float, Field(gt=0)]
    congestion_control: str | None
    policy_text: str
    policy_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A whole run: schema 2 of results.json.

    ``created`` is an ISO 8601 time. ``jain_index`` is over wire_bps / expected_bps of all flows (None: not
    defined), ``max_error`` the largest absolute error of what is judged and can be told (None: nothing can).
    ``settings`` are None in older files. ``notes`` tell in sentences what
    happened, ``doubts`` why nothing can be told of the whole run. ``asked_s`` is the window that was wanted.
    ``command`` is what was typed; ``seeds`` are those of all that was random, by what they are of.
    Older files, without the fields that have a default here, and those of schema 1 are read, too.
    """

    __pydantic_config__ = _STRICT

    schema: Literal[2] = 2
    policy: str
    topology: str
    datapath: str
    framework: str
    generation: int
    created: str
    tolerance: Annotated[float, Field(ge=0)]
    window_s: Annotated[float, Field(gt=0)]
    busy: Busy | None
    flows: tuple[FlowResult, ...]
    slices: tuple[SliceResult, ...]
    links: tuple[LinkResult, ...]
    jain_index: Jain | None
    max_error: Largest | None
    verdict: Verdict
    notes: tuple[str, ...] = ()
    timings_s: Mapping[str, Rate] = field(default_factory=dict)
    not_measured: tuple[NotMeasured, ...] = ()
    hosts: tuple[HostResult, ...] = ()
    doubts: tuple[str, ...] = ()
    asked_s: Annotated[float, Field(gt=0)] | None = None
    command: str = ""
    versions: Versions | None = None
    machine: Machine | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    settings: Settings | None = None

    @property
    def exit_status(self) -> int:
        """0 fair, 4 out of tolerance, 5 cpu-bound or can't tell."""
        return _EXIT[self.verdict]

    def slice_named(self, name: str) -> SliceResult:
        """The slice of that name; KeyError if there is none."""
        return {s.slice: s for s in self.slices}[name]


_RESULT = TypeAdapter(RunResult)


def to_json(result: RunResult) -> str:
    """The text of results.json: strict JSON (RFC 8259), no NaN, no infinity."""
    return _RESULT.dump_json(result, indent=2, by_alias=True).decode() + "\n"


def from_json(text: str, file: str = "results.json") -> RunResult:
    """Read results.json back; ``from_json(to_json(r)) == r``.

    A file of schema 1 has neither numbers nor ids of flows; they get them by its order, measured ones first.
    Older files have null where frames came of a flow that was allocated nothing; it is read as the number
    that stands there now. Where they say that something did not pass that can't be told, ``passed`` is None.

    Raises:
        InputError: a path in place of a text, no JSON, another schema, or fields that are missing, unknown or
            wrong, all of them.
    """
    expected = "expected what stands in a results.json, as Path(name).read_text() gives it"
    if not isinstance(text, str | bytes | bytearray):
        raise InputError(f"text: found {type(text).__name__}, {expected}")
    if isinstance(text, str) and text.endswith(".json"):
        raise InputError(f"text: found {text!r:.200}, the name of a file; {expected}")
    try:
        return _RESULT.validate_json(_as_now(text))
    except ValidationError as error:
        raise InputError(
            Fault(f"{file}: {dotted(fault.path) or 'the file'}: {fault.message}")
            for fault in faults_of(error)
        ) from error


_NAMING = ("slice", "from", "to", "match")


def _as_now(text: str) -> str:
    """The text of an older file, also of schema 1, as one that is written now; any other text as it is."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not isinstance(document, dict):
        return text
    if document.get("schema") == 1:
        _number_flows(document)
    elif document.get("settings") is not None:
        return text
    with suppress(KeyError, TypeError, AttributeError):
        _leave_open(document)
    return json.dumps(document)


def _number_flows(document: dict[str, Any]) -> None:
    document["schema"] = 2
    with suppress(KeyError, TypeError):
        _replace_nulls(document)
    groups = [document.get(key) for key in ("flows", "not_measured")]
    flows = [one for group in groups if isinstance(group, list) for one in group if isinstance(one, dict)]
    for number, one in enumerate(flows, start=1):
        one.update({"number": number, "id": flow_id(*(one.get(key, "") for key in _NAMING))})


def _leave_open(document: dict[str, Any]) -> None:
    """What older files say did not pass, though it can't be told."""
    for one in (*document["flows"], *document["slices"]):
        if one["passed"] is False and one.get("doubt"):
            one["passed"] = None


def _replace_nulls(document: dict[str, Any]) -> None:
    """Numbers for the errors that an older file had none for."""
    if document["max_error"] is not None:
        return
    for one in (*document["flows"], *document["slices"]):
        if one["error"] is None:
            one["error"] = relative_error(one["wire_bps"], one["allocated_bps"])
    document["max_error"] = max(abs(one["error"]) for one in document["flows"])
