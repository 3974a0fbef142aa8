"""Problems of queues, as files and the command line ask them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import dotted, faults_of, shown
from fairslice.models.problem import Count, ModelProblem, NotNegative, Positive
from fairslice.models.queues.erlang import erlang_b, erlang_c, servers_for_blocking, servers_for_waiting
from fairslice.models.queues.general import m_g_1, m_g_m_m
from fairslice.models.queues.markovian import m_m_m
from fairslice.models.queues.numbers import MOST, Number, affordable
from fairslice.models.queues.steady import ENDLESS, SteadyState
from fairslice.models.queues.times import Times

PERCENTS = (50, 95, 99)
_KINDS = ("exponential", "deterministic")
_NO_FORMULA = "There is no formula here for a queue with this service, this many servers and this capacity."
Few = Annotated[Count, Field(le=MOST)]


class Moments(BaseModel):
    """Any distribution with these two moments."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    mean_s: Positive
    sd_s: NotNegative


def _service(value: object) -> object:
    """Text of the command line as a file has it: ``mean_s=0.1,sd_s=0.2`` is an object."""
    if isinstance(value, str) and "=" in value:
        value = {
            name.strip(): number for name, _, number in (part.partition("=") for part in value.split(","))
        }
    if isinstance(value, Mapping):
        try:
            return Moments.model_validate(value)
        except ValidationError as error:
            faults = (f"{dotted(fault.path)}: {fault.message}" for fault in faults_of(error))
            raise ValueError("; ".join(faults)) from None
    if isinstance(value, Moments) or value in _KINDS:
        return value
    kinds = ", ".join(f'"{kind}"' for kind in _KINDS)
    raise ValueError(f"found {shown(value)}, expected {kinds}, or an object with mean_s and sd_s")


class QueueProblem(ModelProblem):
    """How long customers wait: Poisson arrivals, any number of servers, served in the order of coming.

    Customers may be packets, calls or jobs, a server a link, a line or a processor. Times are those of
    customers who get in, and those who don't wait count.
    """

    examples: ClassVar[str] = """\b
Examples, in a clone:

\b
  # A link that sends 1000 packets a second, and gets 900 (M/M/1)
  fairslice model queue --arrival-rate 900 --service-rate 1000
\b
  # The same with packets of the same length (M/D/1)
  fairslice model queue --arrival-rate 900 --service-rate 1000 --service deterministic
\b
  # With room for 20 packets (M/M/1/K)
  fairslice model queue --arrival-rate 900 --service-rate 1000 --capacity 20
\b
  # By mean and deviation of the service (M/G/1)
  fairslice model queue --arrival-rate 9 --service mean_s=0.1,sd_s=0.2
"""

    model: Literal["queue"] = "queue"
    arrival_rate: NotNegative = Field(description="Customers that come in a second.")
    service: Annotated[Literal["exponential", "deterministic"] | Moments, BeforeValidator(_service)] = Field(
        default="exponential",
        description="How long a service takes: exponential, deterministic, or mean_s=0.1,sd_s=0.2 for any"
        " with these two, without --service-rate.",
    )
    service_rate: Positive | None = Field(
        default=None, description="Customers that one server serves in a second.", validate_default=True
    )
    servers: Annotated[Few, Field(ge=1)] = Field(default=1, description="How many are served at once.")
    capacity: Annotated[Few, Field(ge=1)] | None = Field(
        default=None,
        description="The most in the system, those in service included; endless if it is left out.",
    )

    @field_validator("service_rate")
    @classmethod
    def _either(cls, value: Fraction | None, info: ValidationInfo) -> Fraction | None:
        service = info.data.get("service")
        if value is None and isinstance(service, str):
            raise ValueError("is missing")
        if value is not None and isinstance(service, Moments):
            raise ValueError(f"found {float(value):g} beside the mean of the service, expected one of them")
        return value

    @field_validator("capacity")
    @classmethod
    def _servers_included(cls, value: int | None, info: ValidationInfo) -> int | None:
        servers = info.data.get("servers", 1)
        if value is not None and value < servers:
            raise ValueError(f"found {value}, expected {servers} or more, as those in service are part of it")
        return value

    @property
    def mean_s(self) -> Fraction:
        """The mean of the service."""
        if isinstance(self.service, Moments):
            return self.service.mean_s
        assert self.service_rate is not None
        return 1 / self.service_rate

    def steady_state(self) -> SteadyState:
        """The queue in the long run.

        Raises:
            InputError: a number is out of all proportion.
        """
        if self.service == "exponential":
            return m_m_m(self.arrival_rate, 1 / self.mean_s, self.servers, self.capacity)
        deviation = self.service.sd_s if isinstance(self.service, Moments) else Fraction(0)
        if self.capacity == self.servers:
            return m_g_m_m(self.arrival_rate, self.mean_s, self.servers, constant=not deviation)
        if self.servers == 1 and self.capacity is None:
            return m_g_1(self.arrival_rate, self.mean_s, deviation)
        if self.capacity is not None:
            return SteadyState(True, None, note=_NO_FORMULA)
        load = self.arrival_rate * self.mean_s / self.servers
        stable = load < 1
        return SteadyState(stable, load, blocking=Fraction(0), note=_NO_FORMULA if stable else ENDLESS)

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        found = self.steady_state()
        answer = {
            "utilisation": _float("utilisation", found.utilisation),
            "stable": found.stable,
            "wait_probability": _float("wait_probability", found.wait_probability),
            "blocking": _float("blocking", found.blocking),
            "mean_wait_s": _float("mean_wait_s", found.mean_wait_s),
            "mean_delay_s": _float("mean_delay_s", found.mean_delay_s),
            "mean_waiting": _float("mean_waiting", found.mean_waiting),
            "mean_number": _float("mean_number", found.mean_number),
            "wait_percentiles_s": _percentiles(found.wait),
            "delay_percentiles_s": _percentiles(found.delay),
        }
        return {**answer, "note": found.note} if found.note else answer


class ErlangProblem(ModelProblem):
    """How many calls a group of servers turns away (Erlang B), or lets wait if all can wait (Erlang C)."""

    examples: ClassVar[str] = """\b
Examples, in a clone:

\b
  # Calls that 15 servers turn away
  fairslice model erlang --offered 10 --servers 15
\b
  # The fewest servers that lose at most one call in a hundred
  fairslice model erlang --offered 10 --blocking 0.01
"""

    model: Literal["erlang"] = "erlang"
    offered: NotNegative = Field(description="Calls that come in the time that one takes, in erlang.")
    blocking: Annotated[Positive, Field(le=1)] | None = Field(
        None,
        description="In place of servers: the part of the calls that may be lost; finds the fewest servers.",
    )
    wait_probability: Annotated[Positive, Field(le=1)] | None = Field(
        None,
        description="In place of servers: the part of the calls that may wait; finds the fewest servers.",
    )
    servers: Few | None = Field(
        default=None, description="How many calls are served at once.", validate_default=True
    )

    @field_validator("wait_probability", "servers")
    @classmethod
    def _one_of_them(cls, value: Any, info: ValidationInfo) -> Any:
        before = [name for name in ("blocking", "wait_probability") if info.data.get(name) is not None]
        if value is not None and before:
            raise ValueError(f"found {float(value):g} beside {before[0]}, expected one of them")
        asked = "blocking" in info.data and "wait_probability" in info.data and not before
        if value is None and info.field_name == "servers" and asked:
            raise ValueError("is missing")
        return value

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        if self.blocking is not None:
            return {"servers": servers_for_blocking(self.offered, self.blocking)}
        if self.wait_probability is not None:
            return {"servers": servers_for_waiting(self.offered, self.wait_probability)}
        assert self.servers is not None
        exactly = affordable(self.servers, self.offered.numerator, self.offered.denominator * self.servers)
        offered = self.offered if exactly else float(self.offered)
        answer: dict[str, Any] = {
            "blocking": float(erlang_b(offered, self.servers)),
            "wait_probability": None,
        }
        if self.servers and self.offered < self.servers:
            answer["wait_probability"] = float(erlang_c(offered, self.servers))
        else:
            answer["note"] = f"There is no wait_probability. {ENDLESS}"
        return answer


def _float(name: str, value: Number | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        raise InputError(f"{name}: found more than 1.8e308, expected numbers that lead to less") from None


def _percentiles(times: Times | None) -> dict[str, float | None]:
    return {
        str(percent): None if times is None else times.percentile(Fraction(percent, 100))
        for percent in PERCENTS
    }
