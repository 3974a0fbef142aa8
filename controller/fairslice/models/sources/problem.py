"""Problems of traffic sources, as files and the command line ask them."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import numpy as np
from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from fairslice.errors import InputError
from fairslice.files.pydantic_faults import again, fault_at, shown
from fairslice.models.problem import Count, ModelProblem, Positive, Rational, exact
from fairslice.models.sources.kinds import (
    SPEECH,
    VOICE_RATE,
    ConstantRate,
    OnOff,
    PoissonPackets,
    Source,
    Web,
    draw,
    pareto_on_off,
)
from fairslice.models.sources.moments import Moments, superposed
from fairslice.models.sources.periods import Exponential
from fairslice.models.sources.trace import Packets, Steps, Trace, time_mean, time_variance, window_rates
from fairslice.models.sources.web import ClippedLogNormal, EmbeddedCount, WebPages

MOST_ROWS = 1_000_000
"""Steps or packets of a trace that are drawn."""
MOST_WINDOWS = 10_000_000
"""Over which the rate of a trace is averaged for its variance."""
_TOO_FAR = "found numbers too far apart to compute with, expected sizes, rates and times nearer to each other"
EVERY = frozenset({"model", "kind", "sources", "seed", "duration_s"})
"""What may be said of every kind."""
_PERIODS = {"data_rate", "on_time_s", "off_time_s"}
_OF_PAGES = {
    *(f"main_object_size_{part}" for part in ("mean", "std_dev", "min", "max")),
    *(f"embedded_object_size_{part}" for part in ("mean", "std_dev", "min", "max")),
    *(f"num_of_embedded_objects_{part}" for part in ("shape", "scale", "max")),
    *("reading_time_mean_s", "parsing_time_mean_s"),
}
KINDS: Mapping[str, tuple[set[str], set[str]]] = {
    "cbr": ({"data_rate"}, {"packet_size"}),
    "poisson": ({"packet_rate"}, {"packet_size", "window_s"}),
    "on-off": (_PERIODS, {"packet_size", "window_s"}),
    "voice": (set(), {"speech", "data_rate", "packet_size", "window_s"}),
    "pareto-on-off": (_PERIODS, {"shape", "off_shape", "packet_size", "window_s"}),
    "web": (set(), {"data_rate", "window_s", *_OF_PAGES}),
}
"""What must, and what may be said of each kind."""
_Kind = Literal["cbr", "poisson", "on-off", "voice", "pareto-on-off", "web"]


def _above_one(value: Fraction) -> Fraction:
    if float(value) <= 1:
        raise ValueError("found a number that is 1 as a float, expected a number above 1")
    return value


_Shape = Annotated[Rational, Field(gt=1), AfterValidator(_above_one)]


class SourceProblem(ModelProblem):
    """What a source sends: mean, peak and variance of its rate, its Hurst parameter, and a trace."""

    examples: ClassVar[str] = (
        "\b\nExamples, in a clone:\n\n"
        "\b\nA hundred voices\n    fairslice model source --kind voice --sources 100\n\n"
        "\b\nTen minutes of Pareto on-off, and a picture of it\n"
        "    fairslice model source --kind pareto-on-off --data-rate 10 --on-time-s 1 --off-time-s 3 \\\n"
        "        --shape 1.4 --seed 1 --duration-s 600 --plot out/source.svg"
    )

    model: Literal["source"] = "source"
    kind: _Kind = Field(description="cbr, poisson, on-off, voice, pareto-on-off or web.")
    sources: Annotated[Count, Field(ge=1, le=MOST_ROWS)] = Field(
        1, description="How many sources, alike and independent, are added up."
    )
    data_rate: Positive | None = Field(
        None, description="Rate while sending; voice 64000 (bit/s) if left out, web (bytes/s) at once."
    )
    packet_size: Positive | None = Field(
        None, description="Length of each packet: the trace is packets then; poisson 1 if left out."
    )
    packet_rate: Positive | None = Field(None, description="Poisson: packets a second.")
    on_time_s: Positive | None = Field(None, description="On-off: mean time of sending.")
    off_time_s: Positive | None = Field(None, description="On-off: mean time of silence.")
    shape: _Shape | None = Field(None, description="Pareto on-off: alpha of both times; 1.5 if left out.")
    off_shape: _Shape | None = Field(
        None, description="Pareto on-off: alpha of silence, where it is another."
    )
    speech: Literal["p59", "sriram-whitt"] | None = Field(
        None, description="Voice: p59 (1.004 and 1.587 s; this if left out) or sriram-whitt (352 and 650 ms)."
    )
    window_s: Positive | None = Field(
        None, description="What the rate is averaged over for its variance; packets 1, others a moment."
    )
    main_object_size_mean: Positive | None = Field(None, description="Web: bytes, uncut; 10710.")
    main_object_size_std_dev: Positive | None = Field(None, description="Web: bytes, uncut; 25032.")
    main_object_size_min: Positive | None = Field(None, description="Web: bytes; 100.")
    main_object_size_max: Positive | None = Field(None, description="Web: bytes; 2000000.")
    embedded_object_size_mean: Positive | None = Field(None, description="Web: bytes, uncut; 7758.")
    embedded_object_size_std_dev: Positive | None = Field(None, description="Web: bytes, uncut; 126168.")
    embedded_object_size_min: Positive | None = Field(None, description="Web: bytes; 50.")
    embedded_object_size_max: Positive | None = Field(None, description="Web: bytes; 2000000.")
    num_of_embedded_objects_shape: Positive | None = Field(
        None, description="Web: of the Pareto number; 1.1."
    )
    num_of_embedded_objects_scale: Positive | None = Field(None, description="Web: of the Pareto number; 2.")
    num_of_embedded_objects_max: Positive | None = Field(None, description="Web: scale included; 55.")
    reading_time_mean_s: Positive | None = Field(None, description="Web: 30.")
    parsing_time_mean_s: Positive | None = Field(None, description="Web: 0.13.")
    seed: Count | None = Field(None, description="Of a trace; the same seed draws the same one.")
    duration_s: Positive | None = Field(None, description="How long a trace is.")

    @model_validator(mode="wrap")
    @classmethod
    def _fits_its_kind(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """What a kind needs is there, and nothing of other kinds; told together with all other faults."""
        details: list[Any] = []
        found = None
        try:
            found = handler(data)
        except ValidationError as error:
            details = list(again(error))
        if isinstance(data, Mapping):
            details += _misplaced(data, {detail["loc"][:1] for detail in details})
        if details:
            raise ValidationError.from_exception_data(cls.__name__, details)
        assert found is not None
        return found

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.kind != "web":
            return self
        pages, told = self.pages, []
        for name, size in (("main", pages.main), ("embedded", pages.embedded)):
            if size.least >= size.most:
                told.append(
                    f"found {name}_object_size_min {size.least:g}, expected less than its max {size.most:g}"
                )
        count = pages.count
        if not count.scale < count.most <= count.scale + MOST_ROWS:
            told.append(
                f"found num_of_embedded_objects_max {count.most:g}, expected more than its scale "
                f"{count.scale:g} and at most {MOST_ROWS} more"
            )
        if told:
            raise ValueError("; ".join(told))
        return self

    @property
    def pages(self) -> WebPages:
        """The pages of kind web."""
        usual = WebPages()
        return WebPages(
            ClippedLogNormal(*self._given("main_object_size", ("mean", "std_dev", "min", "max"), usual.main)),
            ClippedLogNormal(
                *self._given("embedded_object_size", ("mean", "std_dev", "min", "max"), usual.embedded)
            ),
            EmbeddedCount(*self._given("num_of_embedded_objects", ("shape", "scale", "max"), usual.count)),
            _number(self.reading_time_mean_s, usual.reading_s),
            _number(self.parsing_time_mean_s, usual.parsing_s),
        )

    def _given(
        self, name: str, parts: tuple[str, ...], usual: ClippedLogNormal | EmbeddedCount
    ) -> list[float]:
        return [
            _number(getattr(self, f"{name}_{part}"), default)
            for part, default in zip(parts, asdict(usual).values(), strict=True)
        ]

    def source(self) -> Source:
        """One of the sources, as the library has it."""
        return self._source(float)

    def _source(self, number: Callable[[Fraction], float]) -> Source:
        """A source whose parameters are what ``number`` makes of them; that of pages is in floats anyway."""

        def given(value: Fraction | None, default: float = 0) -> float:
            return number(exact(default) if value is None else value)

        size = None if self.packet_size is None else number(self.packet_size)
        if self.kind == "cbr":
            return ConstantRate(given(self.data_rate), size)
        if self.kind == "poisson":
            return PoissonPackets(given(self.packet_rate), given(self.packet_size, 1))
        if self.kind == "voice":
            talking_s, silent_s = (number(exact(one)) for one in SPEECH[self.speech or "p59"])
            rate = given(self.data_rate, VOICE_RATE)
            return OnOff(rate, Exponential(talking_s), Exponential(silent_s), size)
        if self.kind == "web":
            return Web(self.pages, None if self.data_rate is None else float(self.data_rate))
        rate, on_s, off_s = given(self.data_rate), given(self.on_time_s), given(self.off_time_s)
        if self.kind == "on-off":
            return OnOff(rate, Exponential(on_s), Exponential(off_s), size)
        shape = self.shape or Fraction(3, 2)
        return pareto_on_off(rate, on_s, off_s, number(shape), number(self.off_shape or shape), size)

    def moments(self) -> Moments:
        """Of all sources together."""
        return self._exact_moments().in_floats()

    def _exact_moments(self) -> Moments:
        """The same, as fractions where they are rational: floats only by what the types say."""
        number: Callable[[Fraction], float] = float if self.kind == "web" else _kept
        window_s = None if self.window_s is None else number(self.window_s)
        return superposed(self._source(number).moments(window_s), self.sources)

    def trace(self) -> Trace | None:
        """What the seed draws for the duration; None if they are not given.

        Raises:
            InputError: it would have more than :data:`MOST_ROWS` rows, or :data:`MOST_WINDOWS` windows.
        """
        if self.seed is None or self.duration_s is None:
            return None
        source, duration_s = self.source(), float(self.duration_s)
        rows = self.sources * source.rows(duration_s)
        if rows > MOST_ROWS:
            raise InputError(
                f"found a duration_s of {duration_s:g} for {self.sources} sources, which makes about "
                f"{rows:.3g} rows of a trace, expected at most {MOST_ROWS}"
            )
        window_s = self.moments().window_s
        if window_s is not None and duration_s / window_s > MOST_WINDOWS:
            raise InputError(
                f"found a duration_s of {duration_s:g}, which has {duration_s / window_s:.3g} windows of "
                f"window_s, {window_s:g}; expected at most {MOST_WINDOWS}"
            )
        return draw(source, duration_s, np.random.default_rng(self.seed), self.sources)

    def answer(self) -> dict[str, Any]:
        """See :class:`fairslice.models.problem.ModelProblem`."""
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                return self._answer()
        except ArithmeticError:
            raise InputError(_TOO_FAR) from None

    def _answer(self) -> dict[str, Any]:
        moments, trace = self._exact_moments(), self.trace()
        names = (
            "mean_rate",
            "peak_rate",
            "activity",
            "rate_variance",
            "peak_to_mean",
            "hurst",
            "asymptotic_variance",
            "window_s",
        )
        found: dict[str, Any] = {
            name: None if (value := getattr(moments, name)) is None else float(value) for name in names
        }
        if not all(value is None or math.isfinite(value) for value in found.values()):
            raise InputError(_TOO_FAR)
        if moments.notes:
            found["note"] = " ".join(moments.notes)
        if self.kind == "web":
            found["pages"] = _page_rows(self.pages)
        if trace is not None:
            found["sample"] = _sample(trace, found["window_s"])
            found["trace"] = _rows(trace)
        return found


def _number(value: Fraction | None, default: float) -> float:
    return default if value is None else float(value)


def _kept(value: Fraction) -> float:
    """A number as it is: the formulas of moments are the same for fractions, and so stay exact."""
    return cast(float, value)


def _misplaced(data: Mapping[str, Any], faulty: set[tuple[Any, ...]]) -> list[InitErrorDetails]:
    """What is missing of a kind, and what it does not have."""
    given = {str(name) for name, value in data.items() if value is not None}
    kind = data.get("kind")
    told: list[InitErrorDetails] = []
    if ("seed" in given) != ("duration_s" in given):
        name, other = ("seed", "duration_s") if "seed" in given else ("duration_s", "seed")
        told.append(_fault(name, data, f"expected {other} beside it, for a trace"))
    if not isinstance(kind, str) or kind not in KINDS:
        return told
    needed, taken = KINDS[kind]
    for name in SourceProblem.model_fields:
        if name in needed and name not in given and (name,) not in faulty:
            told.append(InitErrorDetails(type="missing", loc=(name,), input=data))
        elif name in given - needed - taken - EVERY and (name,) not in faulty:
            told.append(_fault(name, data, f"expected nothing, as the kind {kind} has no such thing"))
    return told


def _fault(name: str, data: Mapping[str, Any], expected: str) -> InitErrorDetails:
    return fault_at((name,), f"found {shown(data[name])}, {expected}", data[name])


def _page_rows(pages: WebPages) -> list[dict[str, Any]]:
    """Means of what a page has, clipped and not, beside those that IEEE 802.16m-08/004r5 prints."""

    def row(quantity: str, cut: float, uncut: float, printed: float | None) -> dict[str, Any]:
        return {
            "quantity": quantity,
            "cut": cut,
            "uncut": uncut if math.isfinite(uncut) else None,
            "printed": printed,
        }

    with_clipped_number = pages.main.uncut_mean + pages.count.mean * pages.embedded.uncut_mean
    return [
        row("bytes of the main object", pages.main.mean, pages.main.uncut_mean, 10_710),
        row("bytes of an embedded object", pages.embedded.mean, pages.embedded.uncut_mean, 7_758),
        row("embedded objects", pages.count.mean, pages.count.uncut_mean, 5.64),
        row("bytes of a page", pages.mean, pages.uncut_mean, None),
        row("bytes of a page, the number clipped", pages.mean, with_clipped_number, None),
    ]


def _sample(trace: Trace, window_s: float | None) -> dict[str, float | None]:
    """Mean and variance of the rate in the trace, as the formulas have them."""
    variance = None
    if window_s is None:
        if isinstance(trace, Steps):
            variance = time_variance(trace)
    elif len(rates := window_rates(trace, window_s)) > 1:
        variance = float(np.var(rates, ddof=1))
    return {"mean_rate": time_mean(trace), "rate_variance": variance}


def _rows(trace: Trace) -> list[dict[str, float]]:
    """Packets as a problem of a token bucket takes them, or steps of the rate."""
    if isinstance(trace, Packets):
        names, columns = ("arrival", "length"), (trace.times_s, trace.lengths)
    else:
        names, columns = ("start_s", "rate"), (trace.times_s, trace.rates)
    return [dict(zip(names, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]
