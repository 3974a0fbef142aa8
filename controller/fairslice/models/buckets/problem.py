"""Problems of token buckets, as files and the command line ask them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import shown
from fairslice.models.buckets.bucket import Policed, Shaped, police, shape, smallest_burst
from fairslice.models.problem import ModelProblem, NotNegative, Positive

_NAMED = 5
"""So many packets that are not in order are named, and the others counted."""


class TracePacket(BaseModel):
    """A packet of a trace."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    arrival: NotNegative
    length: Positive


def packets_in_text(value: object) -> object:
    """Packets as the command line writes them, ``0:3,1:2``; anything else is left as it is.

    Raises:
        ValueError: a part of the text is not two values with a colon between.
    """
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")] if value.strip() else []
    wrong = [part for part in parts if part.count(":") != 1]
    if wrong:
        raise ValueError(f"found {shown(wrong[0])}, expected packets as ARRIVAL:LENGTH, with commas between")
    return [dict(zip(("arrival", "length"), part.split(":"), strict=True)) for part in parts]


class TokenBucketProblem(ModelProblem):
    """What a token bucket passes, drops or delays of a trace, and how deep it should be.

    The bucket is full at first. A packet conforms if it finds its length in tokens, or more.
    """

    examples: ClassVar[str] = (
        "\b\nExamples, in a clone:\n\n"
        "\b\n  A policer of 1 a second and depth 3 drops the second of three packets\n"
        "    fairslice model token-bucket --rate 1 --burst 3 --mode police --packets 0:2,1/2:2,1:2\n\n"
        "\b\n  A shaper lets it wait\n"
        "    fairslice model token-bucket --rate 1 --burst 3 --mode shape --packets 0:2,1/2:2,1:2\n"
    )

    model: Literal["token-bucket"] = "token-bucket"
    rate: Positive = Field(description="Tokens for each unit of time, in the unit of length.")
    burst: NotNegative = Field(description="The depth of the bucket, in the unit of length.")
    mode: Literal["police", "shape"] = Field(
        description="police: drop what does not conform; shape: let it wait."
    )
    packets: Annotated[tuple[TracePacket, ...], BeforeValidator(packets_in_text)] = Field(
        description="In the order of arrival; in text ARRIVAL:LENGTH, with commas between."
    )

    @field_validator("packets")
    @classmethod
    def _in_order(cls, packets: tuple[TracePacket, ...]) -> tuple[TracePacket, ...]:
        late = [i for i in range(1, len(packets)) if packets[i].arrival < packets[i - 1].arrival]
        if late:
            named = ", ".join(
                f"packet {i + 1} at {float(packets[i].arrival):g}, before its predecessor at"
                f" {float(packets[i - 1].arrival):g}"
                for i in late[:_NAMED]
            )
            more = f", and {len(late) - _NAMED} more" if len(late) > _NAMED else ""
            raise ValueError(f"found {named}{more}; expected the order of arrival")
        return packets

    @property
    def arrivals(self) -> list[Fraction]:
        """When the packets arrive."""
        return [packet.arrival for packet in self.packets]

    @property
    def lengths(self) -> list[Fraction]:
        """How long they are."""
        return [packet.length for packet in self.packets]

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        told: Sequence[bool | Fraction | None]
        if self.mode == "police":
            policed = police(self.arrivals, self.lengths, self.rate, self.burst)
            assert isinstance(policed, Policed), "fractions are computed exactly"
            key, told, found = "conforms", policed.conforms, policed.tokens_before
        else:
            shaped = shape(self.arrivals, self.lengths, self.rate, self.burst)
            assert isinstance(shaped, Shaped), "fractions are computed exactly"
            key, told, found = "departs", shaped.departs, shaped.tokens_before
        return {
            "packets": [
                {key: _told(one), "tokens_before": _told(tokens)}
                for one, tokens in zip(told, found, strict=True)
            ],
            "smallest_burst": _told(smallest_burst(self.arrivals, self.lengths, self.rate)),
        }


def _told(value: bool | Fraction | float | None) -> bool | float | None:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        raise InputError("a time or an amount of the answer is above 1e308, which JSON can't hold") from None
