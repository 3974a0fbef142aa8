"""Kinds of sources: each knows its moments, and draws what it sends from a generator of random numbers."""

from dataclasses import dataclass, field

import numpy as np

from fairslice.models.sources.moments import Moments, constant, on_off, poisson
from fairslice.models.sources.periods import Exponential, Pareto, Period
from fairslice.models.sources.trace import (
    WARM_UP_CYCLES,
    Packets,
    Steps,
    Trace,
    on_off_steps,
    poisson_packets,
    superposed_packets,
    superposed_steps,
    web_objects,
    web_steps,
)
from fairslice.models.sources.web import WebPages

SPEECH = {"p59": (1.004, 1.587), "sriram-whitt": (0.352, 0.650)}
"""Mean times of talking and of silence in s.

ITU-T Recommendation P.59 (1993), artificial conversational speech; and Sriram and Whitt 1986, packet voice.
Simulations of voice have the first pair, and 352 ms; the recommendation and the paper were not at hand.
"""
VOICE_RATE = 64_000.0
"""ITU-T G.711, bit/s."""


@dataclass(frozen=True)
class ConstantRate:
    """Always the same rate, as it is or as packets of one size."""

    data_rate: float
    packet_size: float | None = None

    def moments(self, window_s: float | None = None) -> Moments:  # noqa: ARG002
        """A constant rate has the same over any window."""
        return constant(self.data_rate)

    def rows(self, duration_s: float) -> float:
        """How many steps or packets a trace has, about."""
        return 1 if self.packet_size is None else 1 + self.data_rate * duration_s / self.packet_size

    def draw(self, duration_s: float, rng: np.random.Generator) -> Trace:
        """A step, or packets from a random moment on."""
        steps = Steps(duration_s, np.zeros(1), np.full(1, self.data_rate))
        return steps if self.packet_size is None else steps.packets(self.packet_size, rng.random())


@dataclass(frozen=True)
class PoissonPackets:
    """Packets of one size with exponential times between them."""

    packet_rate: float
    packet_size: float = 1.0

    def moments(self, window_s: float | None = None) -> Moments:
        """Over windows of a second, unless another length is said."""
        return poisson(self.packet_rate, self.packet_size, 1.0 if window_s is None else window_s)

    def rows(self, duration_s: float) -> float:
        """How many steps or packets a trace has, about."""
        return self.packet_rate * duration_s

    def draw(self, duration_s: float, rng: np.random.Generator) -> Packets:
        """Stationary from the beginning."""
        return poisson_packets(self.packet_rate, self.packet_size, duration_s, rng)


@dataclass(frozen=True)
class OnOff:
    """Sends at a rate for a period, is silent for another, and so on; as it is or as packets of one size."""

    data_rate: float
    on: Period
    off: Period
    packet_size: float | None = None

    def moments(self, window_s: float | None = None) -> Moments:
        """See :func:`fairslice.models.sources.moments.on_off`."""
        return on_off(self.data_rate, self.on, self.off, window_s)

    def rows(self, duration_s: float) -> float:
        """How many steps or packets a trace has, about."""
        periods = (
            2
            * duration_s
            / sum(
                one.mean_within(duration_s) if isinstance(one, Pareto) else one.mean_s
                for one in (self.on, self.off)
            )
        )
        if self.packet_size is None:
            return 1 + periods
        # The periods are drawn for packets, too.
        return 1 + max(periods, self.moments().mean_rate * duration_s / self.packet_size)

    def draw(self, duration_s: float, rng: np.random.Generator) -> Trace:
        """Stationary from the beginning."""
        steps = on_off_steps(self.data_rate, self.on, self.off, duration_s, rng)
        return steps if self.packet_size is None else steps.packets(self.packet_size, rng.random())


@dataclass(frozen=True)
class Web:
    """A reader of pages; objects come at a rate, or at once."""

    pages: WebPages = field(default_factory=WebPages)
    data_rate: float | None = None
    """Bytes a second; None is at once."""

    def moments(self, window_s: float | None = None) -> Moments:
        """See :meth:`fairslice.models.sources.web.WebPages.moments`."""
        return self.pages.moments(self.data_rate, window_s)

    def rows(self, duration_s: float) -> float:
        """How many steps or packets a trace has, about."""
        cycles = WARM_UP_CYCLES + 1 + duration_s * self.moments().mean_rate / self.pages.mean
        return cycles * (2 + self.pages.count.mean)

    def draw(self, duration_s: float, rng: np.random.Generator) -> Trace:
        """Objects as packets where they come at once, else steps; after pages that are not shown."""
        if self.data_rate is None:
            return web_objects(self.pages, duration_s, rng)
        return web_steps(self.pages, self.data_rate, duration_s, rng)


Source = ConstantRate | PoissonPackets | OnOff | Web


def voice(speech: str = "p59", data_rate: float = VOICE_RATE, packet_size: float | None = None) -> OnOff:
    """Somebody who talks in a call: exponential on-off, with the times that :data:`SPEECH` calls so."""
    talking_s, silent_s = SPEECH[speech]
    return OnOff(data_rate, Exponential(talking_s), Exponential(silent_s), packet_size)


def pareto_on_off(
    data_rate: float,
    on_time_s: float,
    off_time_s: float,
    shape: float = 1.5,
    off_shape: float | None = None,
    packet_size: float | None = None,
) -> OnOff:
    """Sending and silence for Pareto times with these means; of one shape unless ``off_shape`` is another."""
    silence = Pareto(off_time_s, shape if off_shape is None else off_shape)
    return OnOff(data_rate, Pareto(on_time_s, shape), silence, packet_size)


def draw(source: Source, duration_s: float, rng: np.random.Generator, sources: int = 1) -> Trace:
    """What so many independent sources send together, in time order."""
    traces = [source.draw(duration_s, rng) for _ in range(sources)]
    steps = [one for one in traces if isinstance(one, Steps)]
    if steps:
        return superposed_steps(steps)
    return superposed_packets([one for one in traces if isinstance(one, Packets)])
