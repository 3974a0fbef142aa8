"""What all problems of theory share: exact numbers, and how a problem is asked and answered."""

import math
import re
from abc import abstractmethod
from fractions import Fraction
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from fairslice.files.pydantic_faults import shown

_LARGEST = 10**300
_RATIO = re.compile(r"\s*([-+]?\d{1,300})\s*/\s*(\d{1,300})\s*")
_DECIMAL = re.compile(r"\s*[-+]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][-+]?\d{1,3})?\s*")


def exact(value: object) -> Fraction:
    """A number as it is written: ``0.1`` is a tenth, and ``"1/3"`` a third.

    >>> exact(0.1), exact("1/3"), exact("2.5e3")
    (Fraction(1, 10), Fraction(1, 3), Fraction(2500, 1))

    Raises:
        ValueError: it is not a finite number of at most 300 digits.
    """
    found = None
    if isinstance(value, Fraction):
        found = value
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        found = Fraction(value)
    elif isinstance(value, float) and math.isfinite(value):
        found = Fraction(repr(float(value)))
    elif isinstance(value, str) and (ratio := _RATIO.fullmatch(value)) and int(ratio[2]):
        found = Fraction(int(ratio[1]), int(ratio[2]))
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        found = Fraction(value)
    if found is None or abs(found) > _LARGEST or 0 < abs(found) < Fraction(1, _LARGEST):
        raise ValueError(
            f'found {shown(value)}, expected a number, or a string with a fraction such as "1/3"'
        )
    return found


Rational = Annotated[
    Fraction,
    BeforeValidator(exact),
    PlainSerializer(float),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
"""A finite number, exact: see :func:`exact`."""


def whole(value: object) -> int:
    """A whole number as it is written: ``3``, ``3.0`` or ``"3"``.

    Raises:
        ValueError: it is none.
    """
    try:
        found = exact(value)
    except ValueError:
        found = None
    if found is None or found.denominator != 1:
        raise ValueError(f"found {shown(value)}, expected a whole number")
    return int(found)


Count = Annotated[int, BeforeValidator(whole), Field(ge=0)]
"""A whole number from 0 up."""
Positive = Annotated[Rational, Field(gt=0)]
NotNegative = Annotated[Rational, Field(ge=0)]


class ModelProblem(BaseModel):
    """A problem of theory as a file has it; ``model`` says which, and units are the caller's or in the names.

    A subclass has a ``model`` of type ``Literal["name"]``, and a description for each other field, which the
    command line shows. A field that is not a single value may be text, too; its description says how.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @abstractmethod
    def answer(self) -> dict[str, Any]:
        """The answer as JSON has it: numbers as floats, null for what does not exist.

        Raises:
            InputError: the numbers are right one by one, and have no answer together.
        """
