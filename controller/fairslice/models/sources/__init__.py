"""Sources of traffic: what is known of their rate, what they send from a seed, how self-similar it is."""

from fairslice.models.sources.fractional import fractional_noise
from fairslice.models.sources.hurst import HurstEstimate, aggregated_variance, wavelet
from fairslice.models.sources.kinds import (
    ConstantRate,
    OnOff,
    PoissonPackets,
    Source,
    Web,
    draw,
    pareto_on_off,
    voice,
)
from fairslice.models.sources.moments import Moments, superposed
from fairslice.models.sources.periods import Exponential, Pareto
from fairslice.models.sources.trace import Packets, Steps, Trace, window_rates
from fairslice.models.sources.web import ClippedLogNormal, EmbeddedCount, WebPages

__all__ = [
    "ClippedLogNormal",
    "ConstantRate",
    "EmbeddedCount",
    "Exponential",
    "HurstEstimate",
    "Moments",
    "OnOff",
    "Packets",
    "Pareto",
    "PoissonPackets",
    "Source",
    "Steps",
    "Trace",
    "Web",
    "WebPages",
    "aggregated_variance",
    "draw",
    "fractional_noise",
    "pareto_on_off",
    "superposed",
    "voice",
    "wavelet",
    "window_rates",
]
