"""Pages of the web as IEEE 802.16m models them: a main object, embedded ones, and a reader's pause.

IEEE 802.16m-08/004r5, "Evaluation methodology document", section 10; the same numbers are in 3GPP2 and in
ns-3's ThreeGppHttpVariables, whose names these are. *Truncated* is clipped here: what is drawn beyond a bound
is the bound. The printed mean number of embedded objects, 5.64, is that of a clipped number. The printed
means and deviations of sizes are those of the uncut lognormals and don't tell. ns-3 draws once more, so that
its embedded objects are larger by an eighth on the mean, and its pages have fewer.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairslice.models.sources.moments import Moments, window_factor
from fairslice.models.sources.periods import Doubles

AT_ONCE = (
    "Without a data_rate an object comes at once, so that there is no peak rate and no activity; the "
    "variance is that of the rate over windows of window_s."
)
NO_WINDOW = "The variance of the rate over a window has no closed form with a data_rate."
CLIPPED = (
    "Rates are in bytes a second and those of the clipped sizes and numbers; clipped, they have all moments, "
    "so that the Hurst parameter is 1/2."
)


@dataclass(frozen=True)
class ClippedLogNormal:
    """A size: lognormal with this mean and deviation, and then clipped to the bounds."""

    uncut_mean: float
    uncut_sd: float
    least: float
    most: float

    @property
    def _log_sd(self) -> float:
        return math.sqrt(math.log1p((self.uncut_sd / self.uncut_mean) ** 2))

    @property
    def _log_mean(self) -> float:
        return math.log(self.uncut_mean) - self._log_sd**2 / 2

    def moment(self, order: int) -> float:
        """E[X^k] of what is clipped: both bounds with their weights, and a part of the lognormal's own.

        With z = (ln bound - μ) / σ that part is exp(k·μ + k²·σ²/2) · (Φ(z₂ - k·σ) - Φ(z₁ - k·σ)).
        """
        mean, sd = self._log_mean, self._log_sd
        low, high = ((math.log(bound) - mean) / sd for bound in (self.least, self.most))
        between = math.exp(order * mean + (order * sd) ** 2 / 2) * _normal_between(
            low - order * sd, high - order * sd
        )
        return self.least**order * _normal_tail(-low) + between + self.most**order * _normal_tail(high)

    @property
    def mean(self) -> float:
        """Of what is clipped."""
        return self.moment(1)

    @property
    def variance(self) -> float:
        """Of what is clipped."""
        return self.moment(2) - self.moment(1) ** 2

    def sample(self, count: int, rng: np.random.Generator) -> Doubles:
        """Clipped sizes."""
        drawn = rng.lognormal(self._log_mean, self._log_sd, count)
        return np.clip(drawn, self.least, self.most)


@dataclass(frozen=True)
class EmbeddedCount:
    """How many objects are embedded: min(X, most) - scale for a Pareto X of this shape and scale.

    The document leaves open how a number becomes whole. Here a fraction is the probability of one object
    more, so that the mean stays the printed one: P(N ≥ j) is then the integral of P(X - scale > t) from j - 1
    to j.
    """

    shape: float
    scale: float
    most: float

    @property
    def uncut_mean(self) -> float:
        """Scale / (α - 1): what it would be without the bound; infinite where the shape is 1 or less."""
        return self.scale / (self.shape - 1) if self.shape > 1 else math.inf

    @cached_property
    def at_least(self) -> Doubles:
        """P(N ≥ j) for j from 1 to as many as there may be."""
        edges = self.scale + np.arange(math.ceil(self.most - self.scale) + 1.0)
        low, high = edges[:-1], np.minimum(edges[1:], self.most)
        excess = self.shape - 1
        logs = np.log(high / low)
        grown = np.expm1(excess * logs) / excess if excess else logs
        return np.asarray(self.scale * (self.scale / high) ** excess * grown)

    @property
    def mean(self) -> float:
        """Of what is clipped."""
        return math.fsum(self.at_least)

    @property
    def variance(self) -> float:
        """Of what is clipped, and whole."""
        orders = np.arange(1, len(self.at_least) + 1)
        return math.fsum((2 * orders - 1) * self.at_least) - self.mean**2

    def sample(self, count: int, rng: np.random.Generator) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Whole numbers."""
        drawn = self.scale * (1 - rng.random(count)) ** (-1 / self.shape)
        return np.floor(np.minimum(drawn, self.most) - self.scale + rng.random(count)).astype(np.int64)


@dataclass(frozen=True)
class WebPages:
    """Reading, a main object, parsing, its embedded objects, and again; times are exponential."""

    main: ClippedLogNormal = ClippedLogNormal(10_710, 25_032, 100, 2e6)
    embedded: ClippedLogNormal = ClippedLogNormal(7_758, 126_168, 50, 2e6)
    count: EmbeddedCount = EmbeddedCount(1.1, 2, 55)
    reading_s: float = 30.0
    parsing_s: float = 0.13

    @property
    def embedded_mean(self) -> float:
        """Bytes of all embedded objects of a page together."""
        return self.count.mean * self.embedded.mean

    @property
    def embedded_variance(self) -> float:
        """Of the bytes of all embedded objects of a page: of a sum of random length."""
        return self.count.mean * self.embedded.variance + self.count.variance * self.embedded.mean**2

    @property
    def mean(self) -> float:
        """Bytes of a page, everything clipped."""
        return self.main.mean + self.embedded_mean

    @property
    def variance(self) -> float:
        """Of the bytes of a page, everything clipped."""
        return self.main.variance + self.embedded_variance

    @property
    def uncut_mean(self) -> float:
        """Bytes of a page if nothing were clipped."""
        return self.main.uncut_mean + self.count.uncut_mean * self.embedded.uncut_mean

    def moments(self, data_rate: float | None, window_s: float | None) -> Moments:
        """Of a reader; objects come at ``data_rate`` bytes a second, or at once.

        Pages are cycles, so that the mean rate is bytes over time of a cycle, and the asymptotic variance
        var(bytes - mean rate · time of the cycle) over its mean time (Cox 1962, chapter 8).
        """
        pauses_s = self.reading_s + self.parsing_s
        sending_s = 0.0 if data_rate is None else self.mean / data_rate
        rate = self.mean / (pauses_s + sending_s)
        kept = 1.0 if data_rate is None else 1 - rate / data_rate
        spread = kept**2 * self.variance + rate**2 * (self.reading_s**2 + self.parsing_s**2)
        asymptotic = spread / (pauses_s + sending_s)
        if data_rate is None:
            window_s = 1.0 if window_s is None else window_s
            variance = self._variance_at_once(window_s)
            return Moments(rate, None, None, variance, 0.5, asymptotic, window_s, (AT_ONCE, CLIPPED))
        activity = sending_s / (pauses_s + sending_s)
        at_moment = data_rate**2 * activity * (1 - activity)
        notes = (CLIPPED,) if window_s is None else (NO_WINDOW, CLIPPED)
        return Moments(
            rate,
            data_rate,
            activity,
            at_moment if window_s is None else None,
            0.5,
            asymptotic,
            window_s,
            notes,
        )

    def _variance_at_once(self, window_s: float) -> float:
        """Of the rate over a window if objects come at once: two states, whose changes bring bytes.

        The chain leaves reading at a rate a and parsing at b, so either change comes r = a·b/c times a
        second, with c = a + b. The densities of their covariances at a distance t are -r²·exp(-c·t) of one
        kind of change with itself, and r·(a² + b²)/c·exp(-c·t) for both orders of the two kinds together;
        that, and the changes' own second moments, integrated over the window.
        """
        a, b = 1 / self.reading_s, 1 / self.parsing_s
        c = a + b
        steps = a * b / c
        m, q = self.main.mean, self.embedded_mean
        own = steps * (self.main.moment(2) + self.embedded_variance + q * q)
        joint = -(steps**2) * (m * m + q * q) + steps * (a * a + b * b) / c * m * q
        return own / window_s + joint * window_factor(c * window_s)


def _normal_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def _normal_between(low: float, high: float) -> float:
    """P(low < Z < high), from the side where less cancels."""
    if low > 0:
        return _normal_tail(low) - _normal_tail(high)
    return _normal_tail(-high) - _normal_tail(-low)
