"""What is known of sources without simulating them: mean, peak, variance and self-similarity of their rate.

Sizes are in a unit of the caller's, and rates in that unit a second.
"""

import math
from dataclasses import dataclass, replace

from fairslice.models.sources.periods import Exponential, Pareto, Period

NO_FLUCTUATION = "A constant rate does not fluctuate, so that it has no Hurst parameter."
NO_TIME = (
    "A packet takes no time here, so that there is no peak rate and no activity; the variance is that of the "
    "rate over windows of window_s."
)
NO_WINDOW = "The variance of the rate over a window has no closed form here."
NO_SECOND_MOMENT = (
    "Periods with a shape of 2 or less have no variance: over ever longer windows the variance of the rate "
    "falls more slowly than one over the window, so that it has no asymptotic variance."
)


@dataclass(frozen=True)
class Moments:
    """Of the stationary rate of a source; None is what does not exist, and ``notes`` say why."""

    mean_rate: float
    peak_rate: float | None
    activity: float | None
    """The part of its time in which one source sends."""
    rate_variance: float | None
    """Of the rate at a moment, or of its mean over ``window_s``."""
    hurst: float | None
    asymptotic_variance: float | None
    """The limit of window times the variance of the rate over that window: size² a second."""
    window_s: float | None = None
    """What the rate is averaged over; None is at a moment."""
    notes: tuple[str, ...] = ()

    def in_floats(self) -> "Moments":
        """The same, where they were computed as fractions."""

        def rounded(value: float | None) -> float | None:
            return None if value is None else float(value)

        return Moments(
            float(self.mean_rate),
            rounded(self.peak_rate),
            rounded(self.activity),
            rounded(self.rate_variance),
            rounded(self.hurst),
            rounded(self.asymptotic_variance),
            rounded(self.window_s),
            self.notes,
        )

    @property
    def peak_to_mean(self) -> float | None:
        """How much more than its mean a source sends at its peak."""
        return None if self.peak_rate is None else self.peak_rate / self.mean_rate


def superposed(one: Moments, sources: int) -> Moments:
    """The sum of independent sources that are alike: means, peaks and variances add up.

    So the standard deviation over the mean falls as one over the root of their number, and the Hurst
    parameter stays. ``activity`` remains that of one source.
    """

    def times(value: float | None) -> float | None:
        return None if value is None else sources * value

    return replace(
        one,
        mean_rate=sources * one.mean_rate,
        peak_rate=times(one.peak_rate),
        rate_variance=times(one.rate_variance),
        asymptotic_variance=times(one.asymptotic_variance),
    )


def constant(data_rate: float) -> Moments:
    """CBR: always the same rate."""
    return Moments(data_rate, data_rate, 1.0, 0.0, None, 0.0, notes=(NO_FLUCTUATION,))


def poisson(packet_rate: float, packet_size: float, window_s: float = 1.0) -> Moments:
    """Packets of one size at the moments of a Poisson process: var = λ · L² / window (Cox 1962, chapter 2).

    Args:
        packet_rate: packets a second, λ.
        packet_size: of each, L.
        window_s: the rate is what comes within it, over it.
    """
    spread = packet_rate * packet_size**2
    return Moments(
        packet_rate * packet_size, None, None, spread / window_s, 0.5, spread, window_s, notes=(NO_TIME,)
    )


def on_off(data_rate: float, on: Period, off: Period, window_s: float | None = None) -> Moments:
    """A source that sends at ``data_rate`` h for a period, is silent for another, and so on.

    With activity p = on / (on + off): mean p·h, variance at a moment p·(1 - p)·h², asymptotic variance
    h² · (off²·var(on) + on²·var(off)) / (on + off)³ (Cox 1962, chapter 7). If both periods are exponential
    the covariance at a distance t is p·(1 - p)·h²·exp(-c·t), c = 1/on + 1/off, and the variance over a window
    T follows by integration (Anick, Mitra and Sondhi 1982 have this source): :func:`window_factor` of c·T.
    With a Pareto period of shape α < 2 the Hurst parameter is (3 - α) / 2 for the smaller α (Willinger,
    Taqqu, Sherman and Wilson 1997).
    """
    cycle = on.mean_s + off.mean_s
    activity = on.mean_s / cycle
    at_moment = data_rate**2 * activity * (off.mean_s / cycle)
    variance: float | None = at_moment
    notes = []
    if window_s is not None:
        if isinstance(on, Exponential) and isinstance(off, Exponential):
            variance = at_moment * window_factor(window_s / on.mean_s + window_s / off.mean_s)
        else:
            variance = None
            notes.append(NO_WINDOW)
    shape = min((one.shape for one in (on, off) if isinstance(one, Pareto)), default=math.inf)
    spread = off.mean_s**2 * on.variance + on.mean_s**2 * off.variance
    if math.isinf(spread):
        notes.append(NO_SECOND_MOMENT)
    return Moments(
        mean_rate=activity * data_rate,
        peak_rate=data_rate,
        activity=activity,
        rate_variance=variance,
        hurst=(3 - shape) / 2 if shape < 2 else 0.5,
        asymptotic_variance=None if math.isinf(spread) else data_rate**2 * spread / cycle**3,
        window_s=window_s,
        notes=tuple(notes),
    )


def window_factor(windows: float) -> float:
    """What averaging over a window x leaves of a variance whose covariance falls as exp(-t).

    2·(x - 1 + exp(-x))/x²: from 1 for a short window down to 2/x for a long one; by its series where the
    formula would cancel.
    """
    if windows > 0.01:
        return 2 * (windows + math.expm1(-windows)) / windows / windows
    return 2 * sum((-windows) ** k / math.factorial(k + 2) for k in range(7))
