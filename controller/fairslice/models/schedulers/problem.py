"""Problems of scheduling, as files and the command line ask them."""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import again, fault_at, shown
from fairslice.files.words import did_you_mean
from fairslice.models.problem import ModelProblem, Positive, Rational
from fairslice.models.schedulers.gps import Fluid, gps
from fairslice.models.schedulers.packets import drr, fifo, wf2q, wfq
from fairslice.models.schedulers.traffic import Served, Traffic, lag_bound, largest_lag

_FLOW = re.compile(r"\s*([^\s:,@]+)(?::([^:,]*))?(?::([^:,]*))?\s*")
_PACKET = re.compile(r"\s*(?:([^\s=,]+)=)?([^\s:,@=]+)@([^:,@]+):([^:,@]+)\s*")
_NAMED = 20
"""So many flows are named where a packet is of none of them."""


class ScheduledFlow(BaseModel):
    """A flow: its weight, and for deficit round robin its quantum."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    weight: Positive | None = None
    quantum: Positive | None = None


def _name(value: object) -> str | int:
    """What a packet is called, as it is."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return value
    raise ValueError(f"found {shown(value)}, expected a string or a whole number")


class ScheduledPacket(BaseModel):
    """A packet: when its last bit has come, and how long it is."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str | int, PlainValidator(_name)]
    flow: StrictStr
    arrival: Rational
    length: Positive


def _flows_of(value: object) -> object:
    """Flows as text, ``NAME:WEIGHT:QUANTUM`` each, as an object of them; anything else as it is."""
    if not isinstance(value, str):
        return value
    flows: dict[str, dict[str, str]] = {}
    for one in value.split(","):
        found = _FLOW.fullmatch(one)
        if found is None:
            raise ValueError(f"found {shown(one)}, expected NAME, NAME:WEIGHT or NAME:WEIGHT:QUANTUM")
        if found[1] in flows:
            raise ValueError(f"found the flow {found[1]} twice, expected it once")
        given = {"weight": found[2], "quantum": found[3]}
        flows[found[1]] = {name: text for name, text in given.items() if text}
    return flows


def _packets_of(value: object) -> object:
    """Packets as text, ``FLOW@ARRIVAL:LENGTH`` each, as a list of them; anything else as it is."""
    if not isinstance(value, str):
        return value
    packets: list[dict[str, str]] = []
    count: Counter[str] = Counter()
    for one in value.split(",") if value.strip() else ():
        found = _PACKET.fullmatch(one)
        if found is None:
            raise ValueError(f"found {shown(one)}, expected FLOW@ARRIVAL:LENGTH or ID=FLOW@ARRIVAL:LENGTH")
        count[found[2]] += 1
        named = found[1] or f"{found[2]}{count[found[2]]}"
        packets.append({"id": named, "flow": found[2], "arrival": found[3], "length": found[4]})
    return packets


class ScheduleProblem(ModelProblem):
    """In which order, and when, a link sends packets; beside what fluid GPS would do."""

    model: Literal["schedule"] = "schedule"
    rate: Positive = Field(description="What the link sends in a unit of time, in the unit of lengths.")
    discipline: Literal["gps", "wfq", "wf2q", "drr", "fifo"] = Field(
        description="gps (fluid), wfq (PGPS: by virtual finish), wf2q, drr (deficit round robin) or fifo."
    )
    flows: Annotated[Mapping[str, ScheduledFlow], BeforeValidator(_flows_of)] = Field(
        description='Each with its weight, and of drr with its quantum: "a:1, b:2" or "a:1:500, b::1500".'
        " A weight that is not given is 1, of drr the quantum."
    )
    packets: Annotated[tuple[ScheduledPacket, ...], BeforeValidator(_packets_of)] = Field(
        description='Each as FLOW@ARRIVAL:LENGTH, such as "a@0:2, b@1:1/2"; or as ID=FLOW@ARRIVAL:LENGTH.'
    )

    examples: ClassVar[str] = (
        "\b\nExamples, in a clone:\n\n"
        "\b\n  Four packets of two flows, of which b has twice the weight:\n"
        "    fairslice model schedule --discipline wfq --rate 1 \\\n"
        "      --flows a:1,b:2 --packets a@0:3,b@1:1,a@1:1,b@2:2 --plot wfq.svg"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _consistent(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Packets and flows fit each other; told together with all other faults."""
        details: list[Any] = []
        found = None
        try:
            found = handler(data)
        except ValidationError as error:
            details = again(error)
        if isinstance(data, Mapping):
            details += _misfits(data)
        if details:
            raise ValidationError.from_exception_data(cls.__name__, details)
        assert found is not None
        return found

    def traffic(self) -> Traffic[Fraction]:
        """The packets in columns."""
        places = {name: place for place, name in enumerate(self.flows)}
        return Traffic(
            self.rate,
            [self._weight(flow) for flow in self.flows.values()],
            [places[packet.flow] for packet in self.packets],
            [packet.arrival for packet in self.packets],
            [packet.length for packet in self.packets],
        )

    def _weight(self, flow: ScheduledFlow) -> Fraction:
        if flow.weight is not None:
            return flow.weight
        return flow.quantum if self.discipline == "drr" and flow.quantum is not None else Fraction(1)

    def served(self, traffic: Traffic[Fraction]) -> tuple[Fluid[Fraction], Served[Fraction]]:
        """What GPS makes of the packets, and what the discipline does."""
        if self.discipline == "wf2q":
            return wf2q(traffic)
        fluid = gps(traffic)
        if self.discipline == "gps":
            return fluid, fluid
        if self.discipline == "wfq":
            return fluid, wfq(traffic, fluid)
        if self.discipline == "fifo":
            return fluid, fifo(traffic)
        quanta = [flow.quantum for flow in self.flows.values() if flow.quantum is not None]
        return fluid, drr(traffic, quanta)

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`.

        ``largest_lag`` is the largest difference of a packet's finish and its GPS finish; ``lag_bound`` is
        what it can't exceed, where the discipline has such a bound.
        """
        try:
            return self._answer()
        except OverflowError:
            raise InputError("found numbers whose answer is above 1.7e308, expected smaller ones") from None

    def _answer(self) -> dict[str, Any]:
        traffic = self.traffic()
        fluid, served = self.served(traffic)
        bound = {"gps": Fraction(0), "wfq": lag_bound(traffic), "wf2q": lag_bound(traffic)}
        return {
            "packets": [
                {
                    "id": packet.id,
                    "virtual_start": float(fluid.virtual_start[place]),
                    "virtual_finish": float(fluid.virtual_finish[place]),
                    "gps_finish": float(fluid.finish[place]),
                    "start": float(served.start[place]),
                    "finish": float(served.finish[place]),
                }
                for place, packet in enumerate(self.packets)
            ],
            "order": [self.packets[place].id for place in served.order],
            "largest_lag": _float(largest_lag(served.finish, fluid.finish)),
            "lag_bound": _float(bound.get(self.discipline)),
        }


def _misfits(data: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Flows without a quantum, packets of unknown flows and ids that come twice, as far as can be read."""
    try:
        flows, packets = _flows_of(data.get("flows")), _packets_of(data.get("packets"))
    except ValueError:
        return []  # The text itself is told of.
    told: list[InitErrorDetails] = []
    if data.get("discipline") == "drr" and isinstance(flows, Mapping):
        told += [
            fault_at(("flows", str(name), "quantum"), "is missing, expected one for drr", flow)
            for name, flow in flows.items()
            if isinstance(flow, Mapping) and flow.get("quantum") is None
        ]
    if not isinstance(packets, list | tuple):
        return told
    rows = [(place, packet) for place, packet in enumerate(packets) if isinstance(packet, Mapping)]
    ids = Counter(one for _, packet in rows if type(one := packet.get("id")) in {str, int})
    told += [
        fault_at(("packets",), f"found the id {shown(one)} more than once, expected it once", one)
        for one, times in ids.items()
        if times > 1
    ]
    if isinstance(flows, Mapping):
        known = (
            ", ".join([*islice(map(str, flows), _NAMED), *(["…"] if len(flows) > _NAMED else [])]) or "none"
        )
        places: dict[str, list[int]] = {}
        for place, packet in rows:
            if isinstance(flow := packet.get("flow"), str) and flow not in flows:
                places.setdefault(flow, []).append(place)
        for flow, (place, *others) in places.items():
            more = f" here and in {len(others)} more packets" if others else ""
            meant = did_you_mean(flow, flows) if len(places) <= _NAMED else ""
            text = f"found {shown(flow)}{more}, expected one of flows: {known}{meant}"
            told.append(fault_at(("packets", place, "flow"), text, flow))
    return told


def _float(number: Fraction | None) -> float | None:
    return None if number is None else float(number)
